/* SPDX-License-Identifier: MIT */
/*
 * The smallest pool: one reservation of address space in which page n lies at n times a
 * stride, read on demand, given back with MADV_DONTNEED.
 */
#include "tests/refpager/plain_pool.h"
#include "base/error.h"
#include "io/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>

#define RESERVE_BYTES (UINT64_C(1) << 38) /* halved until it can be had */
#define STRIDE_MIN    4096U               /* the least that MADV_DONTNEED gives back */
#define NOBODY        UINT32_MAX

/*
 * States of a place. A page seen inside a guard may be ABSENT only once the guards have passed:
 *
 *	ABSENT --fresh--> FRESH --write--> CACHED --evict--> LEAVING --guards--> ABSENT
 *	ABSENT --get----------------------> CACHED <--get--- LEAVING
 *	any --drop, fresh--> ABSENT: its owner knows that no thread refers to it
 */
enum state { ABSENT, FRESH, CACHED, LEAVING };

struct place {
	gen_t gen;
	uint64_t epoch; /* of LEAVING */
	uint32_t pins;
	uint32_t prev, next; /* in `cached` or `leaving` */
	enum state state;
};

struct list {
	uint32_t first, last; /* page numbers */
	uint32_t n;
};

struct plain {
	struct pager pager; /* first */
	struct file *file;
	uint8_t *base;        /* page i lies at base + i * stride; constant */
	size_t stride_bytes;  /* constant */
	uint64_t cap_pages;   /* constant */
	uint32_t cache_pages; /* constant */

	pthread_mutex_t lock; /* what follows */
	struct place *places; /* cap_pages, sparse; zeros are ABSENT */
	uint64_t n_pages;     /* the file's size */
	uint64_t end_pages;   /* every place beyond is ABSENT */
	struct list cached;   /* oldest first */
	struct list leaving;  /* oldest first */
	uint32_t n_fresh;
	struct page *bounce; /* to look at the file without touching a place */
	struct pager_stats stats;
};

static struct plain *of(struct pager *p)
{
	return (struct plain *)p;
}

static struct page *page_at(const struct plain *s, uint64_t pgno)
{
	return (struct page *)(s->base + pgno * s->stride_bytes);
}

/*
 * Lists of places
 */

static void list_add(struct plain *s, struct list *list, pgno_t pgno)
{
	struct place *pl = &s->places[pgno];

	pl->prev = list->last;
	pl->next = NOBODY;
	if (list->last == NOBODY)
		list->first = pgno;
	else
		s->places[list->last].next = pgno;
	list->last = pgno;
	list->n++;
}

static void list_remove(struct plain *s, struct list *list, pgno_t pgno)
{
	struct place *pl = &s->places[pgno];

	if (pl->prev == NOBODY)
		list->first = pl->next;
	else
		s->places[pl->prev].next = pl->next;
	if (pl->next == NOBODY)
		list->last = pl->prev;
	else
		s->places[pl->next].prev = pl->prev;
	list->n--;
}

/*
 * Moves between states; all under the lock
 */

static void become_cached(struct plain *s, pgno_t pgno)
{
	s->places[pgno].state = CACHED;
	list_add(s, &s->cached, pgno);
}

static void become_absent(struct plain *s, pgno_t pgno)
{
	struct place *pl = &s->places[pgno];

	if (pl->state == ABSENT)
		return;
	if (pl->state == CACHED)
		list_remove(s, &s->cached, pgno);
	else if (pl->state == LEAVING)
		list_remove(s, &s->leaving, pgno);
	else
		s->n_fresh--;
	*pl = (struct place){.state = ABSENT};
	memory_discard(page_at(s, pgno), s->stride_bytes);
}

static void become_leaving(struct plain *s, pgno_t pgno)
{
	struct place *pl = &s->places[pgno];

	ASSERT(pl->state == CACHED);
	ASSERT(pl->pins == 0);
	list_remove(s, &s->cached, pgno);
	pl->state = LEAVING;
	pl->epoch = guard_retire(&s->pager.guards);
	list_add(s, &s->leaving, pgno);
	s->stats.n_evictions++;
}

static void reap(struct plain *s)
{
	uint64_t oldest = s->leaving.n > 0 ? guard_oldest(&s->pager.guards) : 0;

	while (s->leaving.n > 0 && s->places[s->leaving.first].epoch < oldest)
		become_absent(s, s->leaving.first);
}

static void wait_for_guards(struct plain *s)
{
	pthread_mutex_unlock(&s->lock);
	sched_yield();
	pthread_mutex_lock(&s->lock);
}

/* 0: one more page fits; > 0: it may fit once guards have passed; VERSO_EPINNED. */
static int make_room(struct plain *s)
{
	reap(s);
	if (s->cached.n + s->leaving.n < s->cache_pages)
		return 0;
	for (pgno_t pgno = s->cached.first; pgno != NOBODY; pgno = s->places[pgno].next) {
		if (s->places[pgno].pins == 0) {
			become_leaving(s, pgno);
			reap(s);
			return s->cached.n + s->leaving.n < s->cache_pages ? 0 : 1;
		}
	}
	if (s->leaving.n > 0)
		return 1;
	return error_set(VERSO_EPINNED, "all %" PRIu32 " pages of the cache are pinned",
		s->cache_pages);
}

static void forget(struct plain *s, uint64_t from, uint64_t to)
{
	if (to > s->end_pages)
		to = s->end_pages;
	for (uint64_t pgno = from; pgno < to; pgno++)
		become_absent(s, (pgno_t)pgno);
}

static void reach(struct plain *s, uint64_t end_pages)
{
	if (s->end_pages < end_pages)
		s->end_pages = end_pages;
}

/*
 * Reading
 */

static int read_file(struct plain *s, struct page_ref ref, struct page *to)
{
	uint32_t size = s->pager.page_size;
	int rc = file_read(s->file, to, size, (uint64_t)ref.pgno * size, FILE_LIVE);

	if (rc < 0)
		return rc;
	s->stats.read_bytes += size;
	return page_verify(to, size, ref, s->pager.seed);
}

static int load(struct plain *s, struct page_ref ref)
{
	int rc;

	if (ref.pgno >= s->n_pages)
		return error_set(VERSO_ECORRUPT,
			"page %" PRIu32 " is referred to, but the file ends at page %" PRIu64,
			ref.pgno, s->n_pages);
	rc = make_room(s);
	if (rc != 0)
		return rc;
	rc = read_file(s, ref, page_at(s, ref.pgno));
	if (rc < 0) {
		memory_discard(page_at(s, ref.pgno), s->stride_bytes);
		return rc;
	}
	s->stats.n_misses++;
	s->places[ref.pgno] = (struct place){.gen = ref.gen};
	become_cached(s, ref.pgno);
	return 0;
}

/* Another gen is asked for than the one that is held: what does the file say? */
static int replace(struct plain *s, struct page_ref ref)
{
	struct place *pl = &s->places[ref.pgno];
	int rc;

	if (pl->state == FRESH || pl->pins > 0)
		return error_set(VERSO_ECORRUPT,
			"page %" PRIu32 ": expected generation %" PRIx64 ", found %" PRIx64
			", which is in use",
			ref.pgno, ref.gen, pl->gen);
	rc = read_file(s, ref, s->bounce);
	if (rc == 0)
		become_leaving(s, ref.pgno);
	return rc;
}

/* One step towards the page: 0, it is pinned; > 0, look again; < 0. */
static int get_step(struct plain *s, struct page_ref ref)
{
	struct place *pl = &s->places[ref.pgno];
	int rc;

	if (pl->state == ABSENT) {
		rc = load(s, ref);
		if (rc > 0)
			wait_for_guards(s);
		return rc < 0 ? rc : 1;
	}
	if (pl->state == LEAVING && pl->gen == ref.gen) {
		list_remove(s, &s->leaving, ref.pgno);
		become_cached(s, ref.pgno);
	} else if (pl->state == LEAVING) {
		reap(s);
		if (pl->state == LEAVING)
			wait_for_guards(s);
		return 1;
	}
	if (pl->gen != ref.gen) {
		rc = replace(s, ref);
		return rc < 0 ? rc : 1;
	}
	pl->pins++;
	return 0;
}

static int plain_get(struct pager *p, const struct guard *g, struct page_ref ref,
	const struct page **ret_page)
{
	struct plain *s = of(p);
	int rc;

	(void)g;
	if (ref.pgno >= s->cap_pages)
		return error_set(VERSO_ECORRUPT, "page %" PRIu32 " is beyond the end", ref.pgno);
	pthread_mutex_lock(&s->lock);
	do {
		rc = get_step(s, ref);
	} while (rc > 0);
	pthread_mutex_unlock(&s->lock);
	if (rc == 0)
		*ret_page = page_at(s, ref.pgno);
	return rc;
}

static void plain_put(struct pager *p, const struct page *page, bool unneeded)
{
	struct plain *s = of(p);
	uint64_t pgno = (uint64_t)((const uint8_t *)page - s->base) / s->stride_bytes;

	(void)unneeded;
	pthread_mutex_lock(&s->lock);
	ASSERT(s->places[pgno].pins > 0);
	s->places[pgno].pins--;
#if VERSO_HOSTILE
	if (s->places[pgno].pins == 0 && s->places[pgno].state == CACHED)
		become_leaving(s, (pgno_t)pgno);
	reap(s);
#endif
	pthread_mutex_unlock(&s->lock);
}

static const struct page *peek_one(struct plain *s, struct page_ref ref)
{
	bool found;

	if (ref.pgno >= s->cap_pages)
		return NULL;
	pthread_mutex_lock(&s->lock);
	found = s->places[ref.pgno].gen == ref.gen &&
		(s->places[ref.pgno].state == FRESH || s->places[ref.pgno].state == CACHED);
	pthread_mutex_unlock(&s->lock);
	return found ? page_at(s, ref.pgno) : NULL;
}

static void plain_peek(struct pager *p, const struct page_ref *refs, size_t n,
	const struct page **ret_pages)
{
	for (size_t i = 0; i < n; i++)
		ret_pages[i] = peek_one(of(p), refs[i]);
}

static size_t plain_prefetch(struct pager *p, const struct page_ref *refs, size_t n, bool ahead)
{
	(void)ahead;
	(void)p; /* a hint, not taken */
	(void)refs;
	return n;
}

static int plain_read_device(struct pager *p, pgno_t pgno, uint32_t n_pages, void *buf)
{
	uint64_t size = p->page_size;

	return file_read(of(p)->file, buf, n_pages * size, pgno * size, FILE_DEVICE);
}

/*
 * Writing
 */

static struct page *plain_fresh(struct pager *p, struct page_ref ref)
{
	struct plain *s = of(p);
	struct page *page = page_at(s, ref.pgno);

	ASSERT(ref.pgno < s->cap_pages);
	pthread_mutex_lock(&s->lock);
	ASSERT(s->places[ref.pgno].state != FRESH);
	reach(s, (uint64_t)ref.pgno + 1);
	forget(s, ref.pgno, (uint64_t)ref.pgno + 1);
	ASSERT(s->n_fresh < p->writer_pages);
	s->n_fresh++;
	le32_set(page->pgno, ref.pgno);
	le64_set(page->gen, ref.gen);
	le64_set(page->lsn, ref.gen);
	s->places[ref.pgno] = (struct place){.gen = ref.gen, .state = FRESH};
	pthread_mutex_unlock(&s->lock);
	return page;
}

static void plain_drop(struct pager *p, pgno_t pgno, uint32_t n_pages)
{
	struct plain *s = of(p);

	pthread_mutex_lock(&s->lock);
	forget(s, pgno, (uint64_t)pgno + n_pages);
	pthread_mutex_unlock(&s->lock);
}

static void page_written(struct plain *s, const struct page_write *w, int rc)
{
	if (w->buf) {
		forget(s, w->pgno, (uint64_t)w->pgno + w->n_pages);
		return;
	}
	ASSERT(s->places[w->pgno].state == FRESH);
	if (rc < 0)
		return;
	s->n_fresh--;
	become_cached(s, w->pgno);
}

static int plain_write(struct pager *p, const struct page_write *set, size_t n)
{
	struct plain *s = of(p);
	uint64_t size = p->page_size;
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = file_write(s->file, set[i].buf ? set[i].buf : page_at(s, set[i].pgno),
			set[i].n_pages * size, set[i].pgno * size);
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < n; i++) {
		page_written(s, &set[i], rc);
		s->stats.write_bytes += set[i].n_pages * size;
	}
	/* Written pages may be more than the cache holds: let the oldest go that can. */
	while (s->cached.n + s->leaving.n > s->cache_pages && make_room(s) == 0)
		;
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int plain_flush(struct pager *p)
{
	struct plain *s = of(p);

	pthread_mutex_lock(&s->lock);
	s->stats.n_flushes++;
	pthread_mutex_unlock(&s->lock);
	return file_sync(s->file);
}

/* Zeros come from a place that is beyond every page: it was never written. */
static int grow(struct plain *s, uint64_t from_pages, uint64_t to_pages)
{
	uint64_t size = s->pager.page_size;
	uint64_t from = from_pages * size, to = to_pages * size;
	int rc = to_pages > s->cap_pages ? error_set(-EFBIG, "the plain pool holds no file so long")
					 : file_allocate(s->file, from, to - from);

	while (rc == 0 && from < to) {
		rc = file_write(s->file, page_at(s, s->cap_pages), size, from);
		from += size;
	}
	if (rc < 0)
		(void)file_truncate(s->file, from_pages * size);
	return rc;
}

static int plain_resize(struct pager *p, pgno_t n_pages)
{
	struct plain *s = of(p);
	uint64_t before = s->n_pages;
	int rc = 0;

	if (n_pages > before)
		rc = grow(s, before, n_pages);
	else if (n_pages < before)
		rc = file_truncate(s->file, (uint64_t)n_pages * p->page_size);
	else
		rc = file_allocate(s->file, 0, before * p->page_size);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&s->lock);
	if (n_pages < before)
		forget(s, n_pages, before);
	else
		s->stats.write_bytes += (n_pages - before) * p->page_size;
	s->n_pages = n_pages;
	reach(s, n_pages);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

/*
 * The rest
 */

static void plain_stats(struct pager *p, struct pager_stats *stats)
{
	struct plain *s = of(p);

	pthread_mutex_lock(&s->lock);
	*stats = s->stats;
	stats->memory_bytes = (s->n_fresh + s->cached.n + s->leaving.n) * s->stride_bytes;
	stats->memory_bytes_max =
		((uint64_t)p->writer_pages * 2 + s->cache_pages) * s->stride_bytes;
	pthread_mutex_unlock(&s->lock);
	strcpy(stats->how, "plain: anonymous memory, pread, MADV_DONTNEED");
}

static void plain_close(struct pager *p)
{
	struct plain *s = of(p);

	ASSERT(s->n_fresh == 0);
	for (pgno_t pgno = s->cached.first; pgno != NOBODY; pgno = s->places[pgno].next)
		ASSERT(s->places[pgno].pins == 0);
	memory_release(s->base, (s->cap_pages + 1) * s->stride_bytes);
	memory_release(s->places, s->cap_pages * sizeof(struct place));
	free(s->bounce);
	(void)pthread_mutex_destroy(&s->lock);
	pager_fini(p);
	free(s);
}

static const struct pager_ops plain_ops = {
	.name = "plain",
	.get = plain_get,
	.put = plain_put,
	.peek = plain_peek,
	.fresh = plain_fresh,
	.prefetch = plain_prefetch,
	.write = plain_write,
	.flush = plain_flush,
	.drop = plain_drop,
	.resize = plain_resize,
	.read_device = plain_read_device,
	.stats = plain_stats,
	.close = plain_close,
};

static int reserve(struct plain *s)
{
	int rc = -ENOMEM;

	for (uint64_t bytes = RESERVE_BYTES; rc == -ENOMEM && bytes >= 1 << 20; bytes /= 2) {
		void *base, *places;

		s->cap_pages = bytes / s->stride_bytes - 1;
		rc = memory_reserve((s->cap_pages + 1) * s->stride_bytes, false, &base);
		if (rc < 0)
			continue;
		rc = memory_reserve(s->cap_pages * sizeof(struct place), false, &places);
		if (rc < 0) {
			memory_release(base, (s->cap_pages + 1) * s->stride_bytes);
			continue;
		}
		s->base = base;
		s->places = places;
	}
	return rc;
}

int plain_pool_open(struct file *file, uint32_t page_size, uint64_t seed, uint32_t writer_pages,
	uint32_t cache_pages, struct pager **ret_pager)
{
	struct plain *s = aligned_alloc(64, (sizeof(*s) + 63) & ~(size_t)63);
	uint64_t size_bytes;
	int rc;

	if (!s)
		return error_set(-ENOMEM, "no memory for a pager");
	memset(s, 0, sizeof(*s));
	pager_init(&s->pager, &plain_ops, page_size, seed, writer_pages);
	s->pager.device_is_cached = !file->device_direct;
	(void)pthread_mutex_init(&s->lock, NULL);
	s->file = file;
	s->stride_bytes = page_size < STRIDE_MIN ? STRIDE_MIN : page_size;
	s->cache_pages = cache_pages;
	s->cached = s->leaving = (struct list){NOBODY, NOBODY, 0};
	s->bounce = aligned_alloc(4096, s->stride_bytes);
	rc = s->bounce ? reserve(s) : error_set(-ENOMEM, "no memory for a pager");
	if (rc == 0)
		rc = file_size(file, &size_bytes);
	if (rc == 0 && size_bytes / page_size > s->cap_pages)
		rc = error_set(-EFBIG, "the plain pool holds no file so long");
	if (rc < 0) {
		plain_close(&s->pager);
		return rc;
	}
	s->n_pages = size_bytes / page_size;
	s->end_pages = s->n_pages;
	*ret_pager = &s->pager;
	return 0;
}
