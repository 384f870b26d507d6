/* SPDX-License-Identifier: MIT */
/* The file or the descriptor of a copy. */
#include "db/copy_target.h"

#include "db/holder.h"
#include "db/path.h"
#include "db/side.h"
#include "io/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_BYTES ((size_t)1 << 20)
#define TEMP_TRIES  8

static int pieces_init(struct copy_target *t, struct verso *db)
{
	t->io = db->io;
	t->page_size = db->pager->page_size;
	t->n_max = t->page_size < WRITE_BYTES ? (uint32_t)(WRITE_BYTES / t->page_size) : 1;
	for (unsigned i = 0; i < COPY_PIECES; i++) {
		t->pieces[i].pages = page_buffers_alloc(t->page_size, t->n_max);
		if (!t->pieces[i].pages)
			return -ENOMEM;
	}
	return 0;
}

static int error_old_is_open(const struct copy_target *t)
{
	char *path = path_resolve(t->path);
	int rc = path ? holder_busy_at(&(struct holder_place){t->io, path, t->old},
				"and a copy was to take its place")
		      : -ENOMEM;

	free(path);
	return error_of_file(t->path, rc);
}

/* What has the name is no open database, and is kept from becoming one. */
static int lock_old(struct copy_target *t, unsigned n_times)
{
	/* One that this process has open it would wait for itself. */
	uint64_t until_ns = open_has_file(t->old) ? 0 : t->until_ns;
	int rc = lock_until(t->io, t->old, LOCK_EXCLUSIVE, PRESENT_OFF_BYTES, 1, until_ns);

	if (rc == VERSO_EBUSY)
		return error_old_is_open(t);
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

/* A file that has not got its name is gone. */
static void forget_file(struct copy_target *t)
{
	file_close(t->file);
	t->file = NULL;
	if (t->temp)
		(void)io_unlink(t->io, t->temp);
	free(t->temp);
	t->temp = NULL;
}

/* how: FILE_ANY_FS, FILE_DIRECT */
static int make_file(struct copy_target *t, unsigned how)
{
	int rc = io_open(t->io, t->path, FILE_UNNAMED | how, FILE_MODE_DEFAULT, &t->file);

	for (int i = 0; i < TEMP_TRIES && (rc == -EOPNOTSUPP || rc == -EEXIST); i++) {
		rc = temp_name(t);
		if (rc == 0)
			rc = io_open(t->io, t->temp, FILE_CREATE | FILE_EXCL | how,
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
	return rc;
}

/* Past the page cache where whole pages may go past it: what others use stays there. */
static int make_file_for(struct copy_target *t, struct verso *db)
{
	unsigned any_fs = db->options.flags & VERSO_ANY_FS ? FILE_ANY_FS : 0;
	int rc = make_file(t, any_fs | FILE_DIRECT);

	if (rc == 0 && t->file->direct && !page_buffers_fit(t->page_size, t->file->align_bytes)) {
		forget_file(t);
		rc = make_file(t, any_fs);
	}
	if (rc == 0)
		file_imitate(t->file, db->file);
	return rc;
}

int copy_target_open(struct copy_target *t, struct verso *db, const char *path, bool replaces)
{
	int rc;

	*t = (struct copy_target){.path = path, .fd = -1, .replaces = replaces};
	t->until_ns = busy_until_ns(db);
	rc = pieces_init(t, db);
	if (rc == 0)
		rc = io_queue(t->io, COPY_PIECES - 1, QUEUE_THREADS, &t->queue);
	if (rc == 0)
		rc = take_name_over(t, db);
	return rc < 0 ? rc : make_file_for(t, db);
}

int copy_target_open_fd(struct copy_target *t, struct verso *db, int fd)
{
	*t = (struct copy_target){.fd = fd};
	return pieces_init(t, db);
}

/* That what was handed over is written. */
static int wait_for(struct copy_target *t, struct copy_piece *piece)
{
	if (!piece->is_handed_over)
		return 0;
	queue_wait(t->queue, &piece->req);
	piece->is_handed_over = false;
	return queue_error(&piece->req);
}

static int wait_for_all(struct copy_target *t)
{
	int rc = 0;

	for (unsigned i = 0; i < COPY_PIECES; i++) {
		int rc_piece = wait_for(t, &t->pieces[i]);

		rc = rc ? rc : rc_piece;
	}
	return rc;
}

/* Of two versions of a page the later stays: what has pages of this piece is written before it. */
static int wait_for_earlier(struct copy_target *t, const struct copy_piece *piece)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < COPY_PIECES; i++) {
		struct copy_piece *earlier = &t->pieces[i];

		if (earlier->first < piece->first + piece->n_pages &&
			piece->first < earlier->first + earlier->n_pages)
			rc = wait_for(t, earlier);
	}
	return rc;
}

static void begin_write(struct copy_target *t, struct copy_piece *piece, size_t len_bytes)
{
	struct io_req *req = &piece->req;

	piece->iov = (struct iovec){piece->pages, len_bytes};
	*req = (struct io_req){.kind = IO_WRITE,
		.file = t->file,
		.iov = &piece->iov,
		.n_iov = 1,
		.off_bytes = (uint64_t)piece->first * t->page_size};
	piece->is_handed_over = true;
	queue_submit(t->queue, &req, 1);
}

/* Writes what waits, or begins to. */
static int hand_over(struct copy_target *t)
{
	struct copy_piece *piece = &t->pieces[t->filling];
	size_t len_bytes = (size_t)piece->n_pages * t->page_size;
	int rc;

	if (len_bytes == 0)
		return 0;
	if (copy_target_is_stream(t)) {
		piece->n_pages = 0;
		return stream_write(t->fd, piece->pages, len_bytes);
	}
	rc = wait_for_earlier(t, piece);
	if (rc < 0)
		return rc;
	begin_write(t, piece, len_bytes);
	t->filling = (t->filling + 1) % COPY_PIECES;
	piece = &t->pieces[t->filling];
	rc = wait_for(t, piece);
	piece->n_pages = 0;
	return rc;
}

int copy_target_put(struct copy_target *t, pgno_t pgno, const struct page *page)
{
	struct copy_piece *piece = &t->pieces[t->filling];

	if (piece->n_pages == t->n_max || pgno != piece->first + piece->n_pages) {
		int rc;

		ASSERT(!copy_target_is_stream(t) || pgno == piece->first + piece->n_pages);
		rc = hand_over(t);
		if (rc < 0)
			return rc;
		piece = &t->pieces[t->filling];
		piece->first = pgno;
	}
	memcpy(piece->pages + (size_t)piece->n_pages * t->page_size, page, t->page_size);
	piece->n_pages++;
	return 0;
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
	int rc = hand_over(t);

	if (rc == 0 && !copy_target_is_stream(t))
		rc = wait_for_all(t);
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
	if (t->queue)
		(void)wait_for_all(t);
	queue_close(t->queue);
	forget_file(t);
	file_close(t->old);
	for (unsigned i = 0; i < COPY_PIECES; i++)
		free(t->pieces[i].pages);
	*t = (struct copy_target){.fd = -1};
}
