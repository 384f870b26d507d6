/* SPDX-License-Identifier: MIT */
/*
 * Making a database. Its name appears only when the file behind it is whole and durable: it is
 * written under another name beside it, synced, renamed, and the folder synced.
 *
 * A creation that was cut short leaves that other name, and the next one removes it; but only what
 * such a creation can have written. Whatever else has the name is somebody's, and stays.
 */
#include "db/create.h"
#include "db/options.h"
#include "db/side.h"
#include "txn/meta.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * 1: the file is empty, or begins with a meta page, or with the zeros that stand where the power
 * went before that page was written. 0: somebody has written something else. May block.
 */
static int is_leftover(struct file *file)
{
	static const uint8_t zeros[META_BYTES];
	struct look {
		struct meta meta;
		uint8_t slot[META_BYTES];
	} *look = calloc(1, sizeof(*look));
	uint64_t size_bytes;
	int rc = look ? file_size(file, &size_bytes) : -ENOMEM;

	if (rc == 0 && size_bytes > META_BYTES)
		size_bytes = META_BYTES;
	if (rc == 0 && size_bytes > 0)
		rc = file_read(file, look->slot, (size_t)size_bytes, 0, FILE_LIVE);
	if (rc == 0)
		rc = memcmp(look->slot, zeros, META_BYTES) == 0 ||
		     meta_decode(look->slot, 0, &look->meta) != VERSO_ENOTDB;
	free(look);
	return rc;
}

static int in_the_way(const char *path)
{
	return error_set(-EEXIST,
		"%s is in the way: a database is first written under this name, but what is there "
		"is not the rest of a creation that was cut short. If it is of use, move it "
		"elsewhere, else remove it; then try again",
		path);
}

/* Frees the name of what a creation that was cut short may have left. -EEXIST: of what else. */
static int remove_leftover(struct io *io, const char *path, const struct verso_options *o)
{
	unsigned flags = FILE_RDONLY | (o->flags & VERSO_ANY_FS ? FILE_ANY_FS : 0);
	struct file *file;
	int rc = io_open(io, path, flags, 0, &file);

	if (rc == -ENOENT)
		return 0;
	if (rc == -EISDIR || rc == VERSO_ENOTDB)
		return in_the_way(path);
	if (rc < 0)
		return rc;
	rc = is_leftover(file);
	file_close(file);
	if (rc == 0)
		return in_the_way(path);
	return rc < 0 ? rc : io_unlink(io, path);
}

/* Writes an empty database at path, durably, where nothing is; after a failure nothing is again. */
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
	if (rc < 0)
		(void)io_unlink(io, path);
	return rc;
}

int create_database(struct io *io, const char *path, const struct verso_options *o,
	const struct db_site *site)
{
	char *fresh = path_beside(path, "-verso-new");
	int rc;

	if (!fresh)
		return -ENOMEM;
	rc = remove_leftover(io, fresh, o);
	if (rc == 0)
		rc = write_new(io, fresh, o, site);
	if (rc == 0) {
		rc = io_rename(io, fresh, path);
		if (rc < 0)
			(void)io_unlink(io, fresh);
	}
	if (rc == 0)
		rc = io_sync_dir(io, path);
	if (rc == 0)
		error_clear(); /* that there was no file was no error */
	free(fresh);
	return rc;
}
