/* SPDX-License-Identifier: MIT */
#include "db/side.h"
#include "base/bytes.h"
#include "base/hash.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SIDE_VERSION   2U
#define SIDE_BYTES_MAX ((uint64_t)128 << 10) /* version 1 was a table of 70 KiB */
#define WHOLE_BYTES    (UINT64_C(1) << 62)

#define PAUSE_NS_MIN UINT64_C(1000000)
#define PAUSE_NS_MAX UINT64_C(50000000)

/* docs/file-format.md. What changes and is never synced has a sector of its own. */
enum {
	AT_MAGIC = 0,
	AT_VERSION = 8,
	HEAD_BYTES = 12,
	AT_RECORD = 512,
	AT_PID = AT_RECORD,
	AT_SINCE = AT_RECORD + 8,
	AT_PROGRAM = AT_RECORD + 16,
	AT_CHECKSUM = AT_RECORD + 48,
	SIDE_BYTES = AT_RECORD + 56,
};

static const char magic[8] = {'V', 'e', 'r', 's', 'o', 'L', 'k', '\n'};

char *path_beside(const char *path, const char *tail)
{
	size_t len = strlen(path) + strlen(tail) + 1;
	char *beside = malloc(len);

	if (beside)
		(void)snprintf(beside, len, "%s%s", path, tail);
	return beside;
}

int lock_until(struct io *io, struct file *file, enum lock_kind kind, uint64_t off_bytes,
	uint64_t len_bytes, uint64_t until_ns)
{
	uint64_t pause_ns = PAUSE_NS_MIN;

	for (;;) {
		int rc = file_lock(file, kind, off_bytes, len_bytes);

		if (rc != VERSO_EBUSY || io_now_ns(io) >= until_ns)
			return rc;
		io_pause_ns(io, pause_ns);
		if (pause_ns < PAUSE_NS_MAX)
			pause_ns *= 2;
	}
}

/* --- the record ---------------------------------------------------------------------------- */

static uint64_t record_sum(const uint8_t *side)
{
	return hash_bytes(side + AT_RECORD, AT_CHECKSUM - AT_RECORD, SIDE_VERSION);
}

/* 0, or why it could not be written. */
static int record_write(struct file *file, const struct io_self *who)
{
	uint8_t side[SIDE_BYTES] = {0};

	le64_set(side + AT_PID, who->pid);
	le64_set(side + AT_SINCE, (uint64_t)who->now_s);
	memcpy(side + AT_PROGRAM, who->program, sizeof(who->program));
	le64_set(side + AT_CHECKSUM, record_sum(side));
	return file_write(file, side + AT_RECORD, SIDE_BYTES - AT_RECORD, AT_RECORD);
}

static bool has_head(const uint8_t *side)
{
	return memcmp(side + AT_MAGIC, magic, sizeof(magic)) == 0 &&
	       le32_get(side + AT_VERSION) == SIDE_VERSION;
}

/* Whether the record is whole and names a process. */
static bool record_decode(const uint8_t *side, struct io_self *ret_who)
{
	if (!has_head(side) || le64_get(side + AT_CHECKSUM) != record_sum(side))
		return false;
	ret_who->pid = le64_get(side + AT_PID);
	ret_who->now_s = (int64_t)le64_get(side + AT_SINCE);
	memcpy(ret_who->program, side + AT_PROGRAM, sizeof(ret_who->program));
	ret_who->program[sizeof(ret_who->program) - 1] = '\0';
	for (char *c = ret_who->program; *c; c++) {
		if (!isprint((unsigned char)*c))
			*c = '?';
	}
	return ret_who->pid != 0;
}

static bool record_read(const struct verso *db, struct io_self *ret_who)
{
	char *path = path_beside(db->path, "-lock");
	uint8_t side[SIDE_BYTES];
	struct file *file = NULL;
	bool has = false;

	if (path && io_open(db->io, path, FILE_RDONLY | FILE_ANY_FS | FILE_NOFOLLOW, 0, &file) == 0)
		has = file_read(file, side, sizeof(side), 0, FILE_LIVE) == 0 &&
		      record_decode(side, ret_who);
	file_close(file);
	free(path);
	return has;
}

int side_busy(const struct verso *db)
{
	struct io_self who, self;
	char since[32] = "?";
	struct tm tm;
	time_t then;

	/* We hold the side file, so it is a process that has none. */
	if (db->side || !record_read(db, &who))
		return error_set(VERSO_EBUSY,
			"the database is open already, in another process. Which one is not known, "
			"since it could not write that down (full disk, read-only folder). Wait "
			"until it ends, or end it");
	then = (time_t)who.now_s;
	if (gmtime_r(&then, &tm))
		(void)strftime(since, sizeof(since), "%F %T", &tm);
	io_self(db->io, &self);
	return error_set(VERSO_EBUSY,
		"the database is open already, by %sprocess %llu (%s) since %s UTC: one process at "
		"a time can open it, and all threads of that process use one handle",
		who.pid == self.pid ? "another handle of this " : "", (unsigned long long)who.pid,
		who.program, since);
}

/* --- the file ------------------------------------------------------------------------------ */

/*
 * Whether a side file, or what a power cut leaves of one, has these bytes. Whoever makes one gives
 * it its size, then writes and syncs its head; whoever has one syncs the head and only then writes
 * a record. So while the head is pending, and may be anything, nothing stands behind it; and where
 * a sync of it failed, which is told once, it may be zeros before any record.
 */
static bool is_side_file(const uint8_t *bytes, uint64_t size_bytes)
{
	if (size_bytes >= HEAD_BYTES && memcmp(bytes, magic, sizeof(magic)) == 0)
		return true;
	if (size_bytes == SIDE_BYTES &&
		(bytes_are_zero(bytes, AT_RECORD) ||
			bytes_are_zero(bytes + AT_RECORD, SIDE_BYTES - AT_RECORD)))
		return true;
	return bytes_are_zero(bytes, size_bytes);
}

/* What stands under the side file's name. */
enum { NOT_SIDE_FILE, SIDE_FILE, SIDE_FILE_WITHOUT_HEAD };

/* One of these, or an error. */
static int look(struct file *file)
{
	uint64_t size_bytes;
	uint8_t *bytes;
	int rc = file_size(file, &size_bytes);

	if (rc < 0)
		return rc;
	if (size_bytes > SIDE_BYTES_MAX)
		return NOT_SIDE_FILE;
	bytes = calloc(1, SIDE_BYTES_MAX);
	rc = bytes ? file_read(file, bytes, size_bytes, 0, FILE_LIVE) : -ENOMEM;
	if (rc == 0 && is_side_file(bytes, size_bytes))
		rc = has_head(bytes) && size_bytes >= SIDE_BYTES ? SIDE_FILE
								 : SIDE_FILE_WITHOUT_HEAD;
	free(bytes);
	return rc;
}

/* Gives it its size and its head, durably. A hole reads as zeros, whatever crashes. */
static int head_write(struct file *file)
{
	uint8_t head[HEAD_BYTES];
	int rc = file_truncate(file, SIDE_BYTES);

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

static int side_take(struct verso *db, const char *path, struct file *file, uint64_t until_ns)
{
	struct io_self self;
	int rc = lock_until(db->io, file, LOCK_EXCLUSIVE, 0, WHOLE_BYTES, until_ns);

	if (rc == VERSO_EBUSY)
		return side_busy(db);
	if (rc == 0)
		rc = look(file);
	if (rc < 0)
		return rc;
	if (rc == NOT_SIDE_FILE)
		return in_the_way(path);
	/*
	 * The process that wrote the head may have died before its sync. Where nothing can be
	 * written, only the text of another process's VERSO_EBUSY says less.
	 */
	io_self(db->io, &self);
	rc = rc == SIDE_FILE ? file_sync(file) : head_write(file);
	db->side_has_record = rc == 0 && record_write(file, &self) == 0;
	error_clear();
	return 0;
}

int side_open(struct verso *db, uint64_t until_ns)
{
	char *path = path_beside(db->path, "-lock");
	struct file *file = NULL;
	int rc = path ? open_or_make(db, path, &file) : -ENOMEM;

	if (rc == 0) {
		rc = side_take(db, path, file, until_ns);
		if (rc == 0)
			db->side = file;
		else
			file_close(file);
	} else if (is_no_obstacle(rc)) {
		error_clear();
		rc = 0;
	} else if (rc == -ELOOP || rc == -EISDIR || rc == VERSO_ENOTDB) {
		rc = in_the_way(path);
	}
	free(path);
	return rc;
}

void side_close(struct verso *db)
{
	static const struct io_self nobody;

	if (db->side && db->side_has_record)
		(void)record_write(db->side, &nobody);
	file_close(db->side);
}
