/* SPDX-License-Identifier: MIT */
/*
 * Where a copy goes: a file that gets its name when it is whole, or a descriptor that takes bytes
 * in their order. Pages are gathered and written many at a time; those of a file past the page
 * cache, by other threads, while the caller goes on.
 */
#ifndef DB_COPY_TARGET_H
#define DB_COPY_TARGET_H

#include "db/db_int.h"
#include "io/queue.h"

#define COPY_PIECES 4

/* Pages from `first` on, that wait, are being written, or were. */
struct copy_piece {
	uint8_t *pages;
	pgno_t first;
	uint32_t n_pages;
	bool is_handed_over; /* and not yet waited for */
	struct iovec iov;
	struct io_req req;
};

struct copy_target {
	struct io *io;
	uint32_t page_size;
	const char *path;    /* the caller's; NULL: a descriptor */
	int fd;              /* of that */
	bool replaces;       /* what has the name */
	uint64_t until_ns;   /* when what is open there is no longer waited for */
	struct file *file;   /* NULL: a descriptor */
	struct file *old;    /* what has the name, locked; or NULL */
	char *temp;          /* the file's name until it is whole; NULL: it has none */
	struct queue *queue; /* NULL: a descriptor */
	/* One fills up while the others are written. They are used in turn. */
	struct copy_piece pieces[COPY_PIECES];
	unsigned filling;
	uint32_t n_max; /* pages of a piece */
};

/* Refuses what is there, unless `replaces`. The new file takes over mode and owner. */
int copy_target_open(struct copy_target *t, struct verso *db, const char *path, bool replaces);
int copy_target_open_fd(struct copy_target *t, struct verso *db, int fd);

/* Whether pages must come in the order of their numbers, all from 0 on. */
static inline bool copy_target_is_stream(const struct copy_target *t)
{
	return !t->file;
}

/* Takes a copy of the page. What it returns may be about an earlier one. */
int copy_target_put(struct copy_target *t, pgno_t pgno, const struct page *page);

/* Makes the file durable, n_pages long, and gives it its name. */
int copy_target_finish(struct copy_target *t, pgno_t n_pages);

/* Ends it: a file that has not got its name is gone. May be zeroed. */
void copy_target_close(struct copy_target *t);

#endif
