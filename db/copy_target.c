/* SPDX-License-Identifier: MIT */
/* The file or the descriptor of a copy. */
#include "db/copy_target.h"

#include "db/side.h"
#include "io/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_BYTES ((size_t)1 << 20)
#define TEMP_TRIES  8

/* The buffer is for whole pages; a direct transfer is not asked for. */
static int buffer_init(struct copy_target *t, struct verso *db)
{
	t->io = db->io;
	t->page_size = db->pager->page_size;
	t->n_max = t->page_size < WRITE_BYTES ? (uint32_t)(WRITE_BYTES / t->page_size) : 1;
	t->buf = malloc((size_t)t->n_max * t->page_size);
	return t->buf ? 0 : -ENOMEM;
}

/* What has the name is no open database, and is kept from becoming one. */
static int lock_old(struct copy_target *t, unsigned n_times)
{
	int rc = lock_until(t->io, t->old, LOCK_EXCLUSIVE, PRESENT_OFF_BYTES, 1, t->until_ns);

	if (rc == VERSO_EBUSY)
		return error_set(rc,
			"%s is a database that is open: close it before a copy takes its place",
			t->path);
	return rc < 0 ? rc : file_look_again(t->old, n_times);
}

static int look_at_old(struct copy_target *t, struct verso *db, unsigned n_times)
{
	unsigned any_fs = db->options.flags & VERSO_ANY_FS ? FILE_ANY_FS : 0;
	int rc = io_open(t->io, t->path, any_fs | (t->replaces ? 0 : FILE_RDONLY), 0, &t->old);

	if (rc == -ENOENT) {
		error_clear();
		return 0;
	}
	if (rc == 0 && !t->replaces)
		return error_set(-EEXIST,
			"%s is there already: choose another name, or ask for it to be replaced",
			t->path);
	return rc < 0 ? rc : lock_old(t, n_times);
}

/* Nothing has the name; or what has it is locked. */
static int take_name_over(struct copy_target *t, struct verso *db)
{
	int rc = look_at_old(t, db, 0);

	for (unsigned n = 1; rc == FILE_REPLACED; n++) {
		file_close(t->old);
		t->old = NULL;
		rc = look_at_old(t, db, n);
	}
	return rc;
}

/* A name beside the target, of its own: that of the target may be the longest there is. */
static int temp_name(struct copy_target *t)
{
	const char *slash = strrchr(t->path, '/');
	int n = slash ? (int)(slash + 1 - t->path) : 0;
	uint64_t number;
	int rc = io_random(t->io, &number, sizeof(number));

	if (rc < 0)
		return rc;
	free(t->temp);
	if (asprintf(&t->temp, "%.*s.verso-copy-%016" PRIx64, n, t->path, number) < 0)
		t->temp = NULL;
	return t->temp ? 0 : -ENOMEM;
}

static int make_file(struct copy_target *t, struct verso *db)
{
	unsigned any_fs = db->options.flags & VERSO_ANY_FS ? FILE_ANY_FS : 0;
	int rc = io_open(t->io, t->path, FILE_UNNAMED | any_fs, FILE_MODE_DEFAULT, &t->file);

	for (int i = 0; i < TEMP_TRIES && (rc == -EOPNOTSUPP || rc == -EEXIST); i++) {
		rc = temp_name(t);
		if (rc == 0)
			rc = io_open(t->io, t->temp, FILE_CREATE | FILE_EXCL | any_fs,
				FILE_MODE_DEFAULT, &t->file);
		if (rc < 0 && rc != -EEXIST && t->temp)
			(void)io_unlink(t->io, t->temp); /* it may be there nevertheless */
		if (rc < 0) {
			free(t->temp);
			t->temp = NULL;
		}
		if (rc == -EOPNOTSUPP)
			break;
	}
	if (rc == 0)
		file_imitate(t->file, db->file);
	return rc;
}

/* By this process, under this name or another of the same file: it would wait for itself. */
static bool is_open_here(const struct verso *db, const char *path)
{
	char *resolved = path_resolve(path);
	bool is_open = open_has_path(db->io, path) || (resolved && open_has_path(db->io, resolved));

	free(resolved);
	return is_open;
}

int copy_target_open(struct copy_target *t, struct verso *db, const char *path, bool replaces)
{
	int rc;

	*t = (struct copy_target){.path = path, .fd = -1, .replaces = replaces};
	t->until_ns = is_open_here(db, path) ? 0 : busy_until_ns(db);
	rc = buffer_init(t, db);
	if (rc == 0)
		rc = take_name_over(t, db);
	return rc < 0 ? rc : make_file(t, db);
}

int copy_target_open_fd(struct copy_target *t, struct verso *db, int fd)
{
	*t = (struct copy_target){.fd = fd};
	return buffer_init(t, db);
}

static int write_waiting(struct copy_target *t)
{
	size_t len_bytes = (size_t)t->n_waiting * t->page_size;

	t->n_waiting = 0;
	if (len_bytes == 0)
		return 0;
	if (copy_target_is_stream(t))
		return stream_write(t->fd, t->buf, len_bytes);
	return file_write(t->file, t->buf, len_bytes, (uint64_t)t->first * t->page_size);
}

int copy_target_put(struct copy_target *t, pgno_t pgno, const struct page *page)
{
	int rc = 0;

	if (t->n_waiting == t->n_max || pgno != t->first + t->n_waiting) {
		ASSERT(!copy_target_is_stream(t) || pgno == t->first + t->n_waiting);
		rc = write_waiting(t);
		t->first = pgno;
	}
	memcpy(t->buf + (size_t)t->n_waiting * t->page_size, page, t->page_size);
	t->n_waiting++;
	return rc;
}

/* The name is the last thing that the file gets (D10). */
static int give_name(struct copy_target *t)
{
	int rc;

	if (!t->replaces || !t->old) {
		rc = io_name_file(t->io, t->file, t->path);
		if (rc == 0) {
			free(t->temp);
			t->temp = NULL;
		}
		return rc;
	}
	if (!t->temp) {
		rc = temp_name(t);
		if (rc == 0)
			rc = io_name_file(t->io, t->file, t->temp);
		if (rc < 0)
			return rc;
	}
	rc = io_rename(t->io, t->temp, t->path);
	if (rc == 0) {
		free(t->temp);
		t->temp = NULL;
	}
	return rc;
}

int copy_target_finish(struct copy_target *t, pgno_t n_pages)
{
	int rc = write_waiting(t);

	if (rc < 0)
		return rc;
	if (copy_target_is_stream(t))
		return stream_sync(t->fd);
	rc = file_truncate(t->file, (uint64_t)n_pages * t->page_size);
	if (rc == 0)
		rc = file_sync(t->file);
	if (rc == 0)
		rc = give_name(t);
	if (rc < 0)
		return rc;
	rc = io_sync_dir(t->io, t->path);
	if (rc < 0)
		return error_set(rc,
			"%s: the copy is whole, but its folder could not be flushed (%s): a power "
			"cut may take its name",
			t->path, error_name(rc));
	return 0;
}

void copy_target_close(struct copy_target *t)
{
	file_close(t->file);
	file_close(t->old);
	if (t->temp)
		(void)io_unlink(t->io, t->temp);
	free(t->temp);
	free(t->buf);
	*t = (struct copy_target){.fd = -1};
}
