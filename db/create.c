/* SPDX-License-Identifier: MIT */
/*
 * Making a database, in place (D6): in a new file, or in a blank one that was prepared with an
 * owner and a mode. Its metas are written last (txn_format()), so that whatever cuts this short
 * leaves a blank file, in which the next VERSO_CREATE goes on. No other name is used, so none can
 * be in the way, and none is left.
 */
#include "db/create.h"
#include "db/options.h"

#include <errno.h>
#include <string.h>

static int format(struct verso *db, const struct db_hooks *hooks)
{
	const struct verso_options *o = &db->options;
	struct txn_options options;
	uint8_t uuid[16];
	int rc = 0;

	if (hooks->uuid)
		memcpy(uuid, hooks->uuid, sizeof(uuid));
	else
		rc = io_random(db->io, uuid, sizeof(uuid));
	if (rc < 0)
		return rc;
	options_txn(o, hooks->txn, db->file, options_page_size(o), &options);
	return txn_format(db->file, options_page_size(o), uuid, &options);
}

/*
 * After the failure rc of format(), which it returns: a new file goes, one that was prepared is
 * empty again. Only what was seen to be blank under the file's lock comes here: anything else may
 * be another process's database by now.
 */
static int undo(struct verso *db, bool is_new, int rc)
{
	char text[ERROR_TEXT_BYTES];

	(void)strcpy(text, error_text());
	/*
	 * Another process may have it open already: it has seen the first of its metas and waits
	 * for a lock. Then there must be nothing in it. Without the lock beside it that may be the
	 * file's own, so it keeps its name.
	 */
	(void)file_truncate(db->file, 0);
	if (is_new && db->side)
		(void)io_unlink(db->io, db->path);
	return error_set(rc, "%s", text);
}

int create_database(struct verso *db, const struct db_hooks *hooks, bool is_new)
{
	int rc = txn_is_blank(db->file);

	if (rc == 0) /* it was made while we waited for the lock */
		return db->options.flags & VERSO_EXCL
			       ? error_set(-EEXIST, "the file exists already")
			       : 0;
	if (rc < 0)
		return rc;
	rc = format(db, hooks);
	if (rc < 0)
		return undo(db, is_new, rc);
	rc = io_sync_dir(db->io, db->path);
	if (rc == 0)
		db->name_is_durable = true;
	return rc;
}
