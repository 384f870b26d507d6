/* SPDX-License-Identifier: MIT */
/*
 * Lab 4: a pager over a map of the file, and its four hazards.
 *
 * The file is mapped into memory, so a page number is an address: the kernel reads a page when it
 * is touched first, keeps it, and takes it away when it likes. What is left to do is to find out
 * whether a page is the one that was asked for and whole, and to remember that: one word for each
 * page number, which holds the generation that was verified there.
 *
 * Invariants:
 *
 *	1. A word is 0 (nothing is known), or the generation of a page that was verified at that
 *	   number after the number was last forgotten.
 *	2. There is a word for each page of the map, and the map ends where the file ends.
 *	3. Nobody can change the file through the map.
 *	4. A page of the map is touched first inside a fault guard.
 *
 * There is no lock: a word is atomic, and a reader that is late writes a generation of which the
 * page's header says that it is not there any more.
 */
#include "base/error.h"
#include "io/fault.h"
#include "labs/lib/cache.h"
#include "labs/lib/todo.h"
#include "mmap/view.h"
#include "pager/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define TOUCH_BYTES 4096U /* the least that the kernel reads of a file */

struct map_cache {
	struct cache cache;
	struct view view;         /* the file in memory (mmap/view.h) */
	struct page_table known;  /* the words, by page number (pager/table.h) */
	_Atomic uint64_t n_pages; /* of the map */
};

/*
 * Given.
 */

static struct map_cache *map_of(struct cache *c)
{
	return (struct map_cache *)c;
}

/* Where a page of the file lies in memory. No byte of it is read here. */
static const struct page *page_at(const struct map_cache *map, pgno_t pgno)
{
	return view_at(&map->view, (uint64_t)pgno * map->cache.page_size);
}

static uint64_t bytes_of(const struct map_cache *map, uint64_t n_pages)
{
	return n_pages * map->cache.page_size;
}

/* Reads a byte of each piece of a page that the kernel can take away by itself. */
static void touch(const struct page *page, uint32_t page_size)
{
	const volatile uint8_t *bytes = (const volatile uint8_t *)page;

	for (uint32_t at = 0; at < page_size; at += TOUCH_BYTES)
		(void)bytes[at];
}

/* The error for a page that could not be read. */
static int error_fault(struct map_cache *map, struct page_ref ref)
{
	pager_trace(map->cache.pager, PAGER_FAULT, ref);
	return error_set(VERSO_EIO,
		"cannot read page %" PRIu32 " through the map: the file was cut by another "
		"process, or the device failed",
		ref.pgno);
}

/*
 * Yours. First the pager (4a); what you find between the markers of tasks 4.6 to 4.9 is the naive
 * version of each, which works until somebody looks closely.
 */

/* 4b. How the file is mapped (io/io.h). */
static enum map_mode map_mode(void)
{
	/* LAB 4.6 begin: who may change what through this map? */
	return MAP_READ_SHARED;
	/* LAB 4.6 end: return MAP_WRITE_SHARED; */
}

/* 4c. What the kernel is told about the order of reads (io/map.h). */
static enum map_advice map_advice(void)
{
	/* LAB 4.7 begin: how much shall the kernel read when one page is touched? */
	return ADVICE_RANDOM;
	/* LAB 4.7 end: return ADVICE_NORMAL; */
}

/* See cache.h, resized; also called once when the map is opened. */
static int map_resized(struct cache *c, pgno_t n_pages)
{
	struct map_cache *map = map_of(c);
	/* LAB 4.1 begin: words for so many pages, then the view, then the advice */
	uint64_t before = map->n_pages;
	int rc = table_reach(&map->known, n_pages);

	if (rc == 0)
		rc = view_reach(&map->view, bytes_of(map, n_pages));
	if (rc < 0)
		return rc;
	if (n_pages > before)
		view_advise(&map->view, bytes_of(map, before), bytes_of(map, n_pages - before),
			map_advice());
	map->n_pages = n_pages;
	return 0;
	/* LAB 4.1 end: return LAB_TODO("4.1"); */
}

/* Whether the page in the map is the page `ref`, and whole: known from before, or verified now. */
static int judge(struct map_cache *map, struct page_ref ref, const struct page *page)
{
	/* LAB 4.2 begin: compare the word and the header; else cache_verify(), and remember */
	_Atomic uint64_t *word = table_word(&map->known, ref.pgno);
	int rc;

	if (ref.gen != 0 && *word == ref.gen && page_is(page, ref))
		return 0;
	rc = cache_verify(&map->cache, ref, page);
	if (rc == 0)
		*word = ref.gen;
	return rc;
	/* LAB 4.2 end: return LAB_TODO("4.2"); */
}

/* 4d. judge(), but a page that cannot be read is an error, and not the end of the process. */
static int look(struct map_cache *map, struct page_ref ref)
{
	const struct page *page = page_at(map, ref.pgno);
	/* LAB 4.9 begin: a fault guard around the touch and judge() (io/fault.h) */
	struct fault_guard g;
	int rc;

	if (sigsetjmp(g.env, 0) != 0)
		return error_fault(map, ref);
	fault_enter(&g, page, map->cache.page_size);
	touch(page, map->cache.page_size);
	rc = judge(map, ref, page);
	fault_leave(&g);
	return rc;
	/* LAB 4.9 end: return judge(map, ref, page); */
}

/* See cache.h, fix. */
static int map_fix(struct cache *c, struct page_ref ref, const struct page **ret_page)
{
	struct map_cache *map = map_of(c);
	/* LAB 4.3 begin: beyond the map it is corrupt; then look(); the page is where it is */
	int rc;

	if (ref.pgno >= map->n_pages)
		return error_set(VERSO_ECORRUPT,
			"page %" PRIu32 " is referred to, but the map ends at page %" PRIu64,
			ref.pgno, map->n_pages);
	rc = look(map, ref);
	if (rc == 0)
		*ret_page = page_at(map, ref.pgno);
	return rc;
	/* LAB 4.3 end: return LAB_TODO("4.3"); */
}

/* See cache.h, unfix. */
static void map_unfix(struct cache *c, const struct page *page)
{
	(void)c;
	(void)page;
	/* LAB 4.4 begin: what does a map have to do at the end of a pin? */
	/* Nothing: no page ever moves, and the kernel asks nobody before it takes one away. */
	/* LAB 4.4 end: LAB_TODO_VOID("4.4"); */
}

/* See cache.h, forget. */
static void map_forget(struct cache *c, pgno_t pgno, uint64_t n_pages)
{
	struct map_cache *map = map_of(c);
	/* LAB 4.5 begin: the words of these numbers, as far as there are words */
	uint64_t end = (uint64_t)pgno + n_pages;

	if (end > table_end(&map->known))
		end = table_end(&map->known);
	for (uint64_t i = pgno; i < end; i++)
		*table_word(&map->known, (pgno_t)i) = 0;
	/* LAB 4.5 end: LAB_TODO_VOID("4.5"); */
}

/* 4c. See cache.h, prefetch. */
static void map_prefetch(struct cache *c, const struct page_ref *refs, size_t n)
{
	struct map_cache *map = map_of(c);
	/* LAB 4.8 begin: ask the kernel for each page of the map, without waiting for it */

	for (size_t i = 0; i < n; i++)
		if (refs[i].pgno < map->n_pages)
			view_advise(&map->view, bytes_of(map, refs[i].pgno), map->cache.page_size,
				ADVICE_WILLNEED);
	/* LAB 4.8 end: (void)map; */
}

/*
 * Given: opening and closing.
 */

static void map_close_cache(struct cache *c)
{
	struct map_cache *map = map_of(c);

	view_fini(&map->view);
	table_fini(&map->known);
	free(map);
}

static const struct cache_ops map_ops = {
	.fix = map_fix,
	.unfix = map_unfix,
	.forget = map_forget,
	.resized = map_resized,
	.prefetch = map_prefetch,
	.close = map_close_cache,
};

int cache_open(const struct cache_options *options, struct cache **ret_cache)
{
	struct map_cache *map = calloc(1, sizeof(*map));
	uint64_t size_bytes, n_pages;
	int rc;

	if (!map)
		return error_set(-ENOMEM, "no memory for a map");
	cache_init(&map->cache, &map_ops, options);
	map->cache.areas = &map->view.areas;
	view_init(&map->view, options->io, options->file, map_mode());
	table_init(&map->known, false);
	rc = file_size(options->file, &size_bytes);
	n_pages = rc == 0 ? size_bytes / options->page_size : 0;
	if (n_pages > UINT32_MAX)
		rc = error_set(-EFBIG, "the file has %" PRIu64 " pages, more than 2^32", n_pages);
	if (rc == 0)
		rc = map_resized(&map->cache, (pgno_t)n_pages);
	if (rc < 0) {
		map_close_cache(&map->cache);
		return rc;
	}
	*ret_cache = &map->cache;
	return 0;
}
