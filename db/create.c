/* SPDX-License-Identifier: MIT */
/*
 * Making a database. Its name appears only when the file behind it is whole and durable: it is
 * written under another name beside it, synced, renamed, and the folder synced.
 */
#include "db/create.h"
#include "db/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *path_beside(const char *path, const char *tail)
{
	size_t len = strlen(path) + strlen(tail) + 1;
	char *beside = malloc(len);

	if (beside)
		(void)snprintf(beside, len, "%s%s", path, tail);
	return beside;
}

static int write_new(struct io *io, const char *path, const struct verso_options *o,
	const struct db_site *site)
{
	unsigned flags = FILE_CREATE | FILE_EXCL;
	struct txn_options options;
	struct file *file;
	uint8_t uuid[16];
	int rc = 0;

	if (site->uuid)
		memcpy(uuid, site->uuid, sizeof(uuid));
	else
		rc = io_random(io, uuid, sizeof(uuid));
	if (rc < 0)
		return rc;
	if (o->flags & VERSO_ANY_FS)
		flags |= FILE_ANY_FS;
	rc = io_open(io, path, flags, o->mode, &file);
	if (rc < 0)
		return rc;
	options_txn(o, site->txn, file, options_page_size(o), &options);
	rc = txn_format(file, options_page_size(o), uuid, &options);
	file_close(file);
	return rc;
}

int create_database(struct io *io, const char *path, const struct verso_options *o,
	const struct db_site *site)
{
	char *fresh = path_beside(path, "-new");
	int rc;

	if (!fresh)
		return -ENOMEM;
	/* A creation that was cut short may have left one. */
	rc = io_unlink(io, fresh);
	if (rc == 0 || rc == -ENOENT)
		rc = write_new(io, fresh, o, site);
	if (rc == 0)
		rc = io_rename(io, fresh, path);
	if (rc == 0)
		rc = io_sync_dir(io, path);
	else
		(void)io_unlink(io, fresh);
	free(fresh);
	return rc;
}
