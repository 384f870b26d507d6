/* SPDX-License-Identifier: MIT */
#include "db/side.h"
#include "base/bytes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDE_VERSION   3U
#define SIDE_BYTES_MAX ((uint64_t)1 << 20) /* of a later version, perhaps */

/* Of version 2, which had a head and a record. */
#define SIDE_2_BYTES (SIDE_RECORD_OFF + 56U)

/* Of this version, when boards had another format. */
#define SIDE_3_1_BYTES 86016U

/* Whoever makes a database has this byte locked meanwhile. An older Verso locks all up to 2^62. */
#define MAKING_OFF_BYTES ((UINT64_C(1) << 61) + 1)

/* docs/file-format.md. What changes and is never synced has sectors of its own. */
enum {
	AT_MAGIC = 0,
	AT_VERSION = 8,
	HEAD_BYTES = 12,
};

static const char magic[8] = {'V', 'e', 'r', 's', 'o', 'L', 'k', '\n'};

int file_look_again(struct file *file, unsigned n_times)
{
	int rc = file_check_there(file, 0);

	if (rc != -ENOENT && rc != -ESTALE)
		return rc;
	if (n_times >= REPLACED_MAX)
		return error_set(-ESTALE,
			"%s was replaced by another file %u times while it was being opened: end "
			"what does that, then try again",
			file->path, n_times);
	error_clear();
	return FILE_REPLACED;
}

static bool has_magic(const uint8_t *side)
{
	return memcmp(side + AT_MAGIC, magic, sizeof(magic)) == 0;
}

static bool has_head(const uint8_t *side)
{
	return has_magic(side) && le32_get(side + AT_VERSION) == SIDE_VERSION;
}

/* --- the file ------------------------------------------------------------------------------ */

static bool is_of_later_version(const uint8_t *side)
{
	return has_magic(side) && le32_get(side + AT_VERSION) > SIDE_VERSION;
}

/*
 * Whether a side file, or what a power cut leaves of one, has these bytes. Whoever makes one gives
 * it its size, then writes and syncs its head; whoever has one syncs the head and only then writes
 * behind it. So while the head is pending, and may be anything, nothing stands behind it; and where
 * a sync of it failed, which is told once, it may be zeros before anything else.
 */
static bool is_side_file(const uint8_t *bytes, uint64_t size_bytes)
{
	if (size_bytes >= HEAD_BYTES && has_magic(bytes))
		return true;
	if ((size_bytes == SIDE_BYTES || size_bytes == SIDE_3_1_BYTES ||
		    size_bytes == SIDE_2_BYTES) &&
		(bytes_are_zero(bytes, SIDE_RECORD_OFF) ||
			bytes_are_zero(bytes + SIDE_RECORD_OFF, size_bytes - SIDE_RECORD_OFF)))
		return true;
	return bytes_are_zero(bytes, size_bytes);
}

/* What stands under the side file's name. */
enum { NOT_SIDE_FILE, SIDE_FILE, SIDE_FILE_WITHOUT_HEAD, SIDE_FILE_OF_LATER_VERSION };

/* What this process needs of it: who has the database alone writes a record, and no board. */
static uint64_t least_bytes(const struct verso *db)
{
	return db->role == ROLE_MEMBER ? SIDE_BYTES : SIDE_2_BYTES;
}

/* One of these, or an error. */
static int look(const struct verso *db, struct file *file)
{
	uint64_t size_bytes;
	uint8_t *bytes;
	int rc = file_size(file, &size_bytes);

	if (rc < 0)
		return rc;
	if (size_bytes > SIDE_BYTES_MAX)
		return NOT_SIDE_FILE;
	bytes = calloc(1, size_bytes + HEAD_BYTES);
	rc = bytes ? file_read(file, bytes, size_bytes, 0, FILE_LIVE) : -ENOMEM;
	if (rc == 0 && is_side_file(bytes, size_bytes))
		rc = is_of_later_version(bytes)                         ? SIDE_FILE_OF_LATER_VERSION
		     : has_head(bytes) && size_bytes >= least_bytes(db) ? SIDE_FILE
									: SIDE_FILE_WITHOUT_HEAD;
	free(bytes);
	return rc;
}

/*
 * Gives it its size and its head, durably. A hole reads as zeros, whatever crashes. Others may be
 * at it too: it never becomes shorter, and they write the same.
 */
static int head_write(const struct verso *db, struct file *file)
{
	uint8_t head[HEAD_BYTES];
	uint64_t size_bytes;
	int rc = file_size(file, &size_bytes);

	if (rc == 0 && size_bytes < least_bytes(db))
		rc = file_truncate(file, least_bytes(db));

	memcpy(head + AT_MAGIC, magic, sizeof(magic));
	le32_set(head + AT_VERSION, SIDE_VERSION);
	if (rc == 0)
		rc = file_write(file, head, sizeof(head), 0);
	return rc < 0 ? rc : file_sync(file);
}

static int in_the_way(const char *path)
{
	return error_set(-EEXIST,
		"%s is in the way: Verso keeps a lock file of this name beside the database, but "
		"what is there was not made by Verso. Move it elsewhere or remove it, then try "
		"again",
		path);
}

/* The database can be opened without. */
static bool is_no_obstacle(int rc)
{
	return rc == -EROFS || rc == -EACCES || rc == -EPERM || rc == -ENOSPC || rc == -EDQUOT ||
	       rc == -ENAMETOOLONG || rc == -ENOENT;
}

/* Opens what is there, else makes it, as its owner would have made it. */
static int open_or_make(struct verso *db, const char *path, struct file **ret_file)
{
	unsigned flags = FILE_NOFOLLOW | (db->options.flags & VERSO_ANY_FS ? FILE_ANY_FS : 0);
	int rc = io_open(db->io, path, flags, 0, ret_file);

	if (rc != -ENOENT)
		return rc;
	rc = io_open(db->io, path, flags | FILE_CREATE | FILE_EXCL, db->options.mode & 0666,
		ret_file);
	if (rc == -EEXIST)
		return io_open(db->io, path, flags, 0, ret_file);
	if (rc == 0 && db->file)
		file_imitate(*ret_file, db->file);
	return rc;
}

/* *ret_usable: it can be written. */
static int side_take(const struct verso *db, const char *path, struct file *file, bool *ret_usable)
{
	int rc = look(db, file);

	if (rc < 0)
		return rc;
	if (rc == NOT_SIDE_FILE)
		return in_the_way(path);
	*ret_usable = false;
	if (rc == SIDE_FILE_OF_LATER_VERSION)
		return 0;
	/* The process that wrote the head may have died before its sync. */
	rc = rc == SIDE_FILE ? file_sync(file) : head_write(db, file);
	/* Blocks for all of the board, so that no store needs a new one. */
	if (rc == 0 && db->role == ROLE_MEMBER)
		rc = file_allocate(file, 0, SIDE_BYTES);
	*ret_usable = rc == 0;
	error_clear();
	return 0;
}

int side_open(struct verso *db)
{
	char *path = path_beside(db->path, "-lock");
	struct file *file = NULL;
	bool is_usable = false;
	int rc = path ? open_or_make(db, path, &file) : -ENOMEM;

	if (rc == 0) {
		rc = side_take(db, path, file, &is_usable);
		if (rc == 0)
			db->side = file;
		else
			file_close(file);
		db->side_is_usable = is_usable;
	} else if (is_no_obstacle(rc)) {
		error_clear();
		rc = 0;
	} else if (rc == -ELOOP || rc == -EISDIR || rc == VERSO_ENOTDB) {
		rc = in_the_way(path);
	}
	free(path);
	return rc;
}

int side_begin_making(struct verso *db, uint64_t until_ns)
{
	if (!db->side)
		return 0;
	return lock_until(db->io, db->side, LOCK_EXCLUSIVE, MAKING_OFF_BYTES, 1, until_ns);
}

void side_end_making(struct verso *db)
{
	if (db->side)
		(void)file_lock(db->side, LOCK_NONE, MAKING_OFF_BYTES, 1);
}
