/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the buffer pool share: a file of recognisable pages, on a real disk or a
 * simulated one, and a pool over it.
 */
#ifndef TESTS_POOL_FIXTURE_H
#define TESTS_POOL_FIXTURE_H

#include "base/error.h"
#include "bufpool/bufpool.h"
#include "tests/check_main.h"
#include "tests/sim/simdisk.h"

#define FIXTURE_SEED 77

#ifdef VERSO_HOSTILE
#define HOSTILE_BUILD 1
#else
#define HOSTILE_BUILD 0
#endif

struct fixture {
	struct simdisk *disk; /* NULL: the real one */
	struct io *io;
	struct file *file;
	struct pager *pager;
	struct guard *guard;
	uint32_t page_size;
};

/* A file of n_pages sealed pages of generation gen. `real`: in the scratch folder, direct. */
void fixture_file(struct fixture *f, bool real, uint32_t page_size, pgno_t n_pages, gen_t gen);

typedef int (*fixture_open_fn)(struct io *io, struct file *file, uint32_t page_size, uint64_t seed,
	const struct bufpool_options *opts, struct pager **ret_pager);
typedef size_t (*fixture_min_fn)(uint32_t page_size, const struct bufpool_options *opts);

/* Opens a pool over it, which must succeed. Its cache has writer_pages and reader_pages frames
 * unless the options ask for more; without options four and four. */
void fixture_open(struct fixture *f, const struct bufpool_options *opts, fixture_open_fn open,
	fixture_min_fn cache_bytes_min);

/* The same with the engine's own pool. */
static inline void fixture_pool(struct fixture *f, const struct bufpool_options *opts)
{
	fixture_open(f, opts, bufpool_open, bufpool_cache_bytes_min);
}

void fixture_close_pool(struct fixture *f);
void fixture_close(struct fixture *f);

/* The bytes that a page has everywhere in these tests; seals it. */
void fixture_fill(struct page *page, uint32_t page_size);

/* Writes a sealed page into the file, behind the pool's back. */
void fixture_put_page(struct fixture *f, struct page_ref ref);

/* Asserts that it is the page that ref names, whole. */
void fixture_check(const struct fixture *f, const struct page *page, struct page_ref ref);

/* get that must succeed and find the right page. */
const struct page *fixture_get(struct fixture *f, struct page_ref ref);

/* get, check, put. */
void fixture_visit(struct fixture *f, struct page_ref ref);

/* fresh, filled and sealed. */
struct page *fixture_fresh(struct fixture *f, struct page_ref ref);

struct pager_stats fixture_stats(struct fixture *f);

#endif
