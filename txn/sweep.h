/* SPDX-License-Identifier: MIT */
/*
 * All pages of a reader's snapshot, once each, past the cache, in large reads: for what goes
 * through a whole file, as a copy does, and should neither wait for single pages nor push out of
 * memory what others use.
 *
 * The pages are not visited tree by tree but level by level: first the roots, then what they refer
 * to, and so on; those of a level in the order of the file. So nearly all of a file is read from
 * its beginning to its end once, with each page's references at hand before the page is. So it is
 * known what will be read next, and two reads are on their way while the pages of one are visited.
 *
 * What each page proves: its checksum, its number, that no other page refers to it too, and that
 * nothing but a page can lie there. That its generation and level are those which its parent
 * names is compared in sum, a sum of hashes over a level, so that it takes no memory a page: a
 * level that does not agree is VERSO_ECORRUPT, without the name of the page (txn_check() finds it).
 */
#ifndef TXN_SWEEP_H
#define TXN_SWEEP_H

#include "io/queue.h"
#include "txn/txn.h"

#define SWEEP_READS 3 /* one is looked at while the next two are read */

/* Pages of the file from `from` up to `to`. */
struct sweep_read {
	uint8_t *pages; /* aligned */
	pgno_t from, to;
	bool is_begun; /* and not yet waited for */
	struct iovec iov;
	struct io_req req;
};

struct txn_sweep {
	struct txn *txn;      /* a reader; the caller's */
	pgno_t n_pages;       /* of its state */
	uint8_t *seen;        /* a bit a page: some page, or a root, refers to it */
	uint8_t *now, *next;  /* the level being visited, and the one below */
	size_t bitmap_bytes;  /* of each */
	pgno_t at;            /* visited up to here */
	uint64_t sum_of_refs; /* of the level being visited, as its parents have it */
	uint64_t sum_below;   /* of the one below, so far */
	uint64_t sum_of_pages;
	uint64_t n_seen;           /* pages that something refers to, so far */
	const struct page *parent; /* of the references being noted */
	bool any_next;
	struct sweep_read reads[SWEEP_READS]; /* in turn */
	unsigned now_read;                    /* which of them is visited */
	pgno_t pages_max;                     /* of each */
	struct queue *queue;                  /* NULL: nothing is read ahead */
};

/* A run of neighbouring pages of the snapshot, which the caller may change in place. */
struct sweep_run {
	pgno_t pgno;
	uint32_t n_pages;
	uint8_t *pages; /* page_size bytes each; until the next call */
	/* Pages that lie before the run and before `pages`, unverified: they are of another level,
	   or of none, and were read because the level goes on soon. The caller may change them. */
	uint32_t n_between;
};

/* Bytes per read, at most. */
#define SWEEP_READ_BYTES ((size_t)1 << 20)

/*
 * Begins with a reader's snapshot, which is flushed first where it is not yet (TXN_RELAXED).
 * -ENOMEM; what the flush returns. Ends with txn_sweep_fini(), before the reader.
 */
int txn_sweep_init(struct txn_sweep *s, struct txn *txn);
void txn_sweep_fini(struct txn_sweep *s); /* may be zeroed */

/*
 * The next run. SWEEP_END: there is none; `seen` then has every page of the snapshot's trees.
 * VERSO_ECORRUPT with a text; I/O errors.
 */
#define SWEEP_END 1
int txn_sweep_next(struct txn_sweep *s, struct sweep_run *ret_run);

/* The page after the last one that something refers to; 0: none. At the end. */
pgno_t txn_sweep_last(const struct txn_sweep *s);

static inline bool sweep_has(const uint8_t *bitmap, pgno_t pgno)
{
	return bitmap[pgno / 8] >> (pgno % 8) & 1;
}

#endif
