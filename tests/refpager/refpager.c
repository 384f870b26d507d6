/* SPDX-License-Identifier: MIT */
/*
 * The reference pager: every page is an allocation of its own, one lock protects everything. Slow
 * and simple, so that a difference from it points at the other pager.
 */
#include "tests/refpager/refpager.h"
#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define GROW_BYTES (1U << 20) /* zeros written at a time when the file grows */

/* A page in memory. All fields: the pager's lock. */
struct ref_page {
	struct ref_page *next; /* in its bucket, in limbo or in reserve */
	struct page_ref ref;
	struct page *data; /* an allocation of page_size bytes */
	unsigned pins;
	bool fresh;     /* the writer's own, not written yet */
	bool stale;     /* forgotten while pinned: no get finds it, freed at the last put */
	bool reserve;   /* goes back to the reserve when it is freed */
	uint64_t epoch; /* of retirement, in limbo */
};

struct refpager {
	struct pager pager;
	struct io *io;
	struct file *file;
	bool forget; /* constant once shared */

	pthread_mutex_t lock;      /* what follows */
	uint64_t n_pages;          /* the file's size */
	struct ref_page **buckets; /* by pgno */
	size_t n_buckets;          /* a power of two */
	size_t n_held;             /* in buckets */
	struct ref_page *limbo;    /* unlinked, maybe still seen inside a guard */
	struct ref_page *reserve;  /* for fresh pages when memory is short */
	uint32_t n_fresh;
	struct pager_stats stats;
};

static struct refpager *of(struct pager *p)
{
	return (struct refpager *)p;
}

/*
 * Memory
 */

static void page_free(struct ref_page *rp)
{
	if (!rp)
		return;
	free(rp->data);
	free(rp);
}

static struct ref_page *page_new(const struct refpager *r)
{
	struct ref_page *rp = calloc(1, sizeof(*rp));
	size_t align = r->pager.page_size < 4096 ? r->pager.page_size : 4096;

	if (!rp)
		return NULL;
	rp->data = aligned_alloc(align, r->pager.page_size);
	if (!rp->data) {
		free(rp);
		return NULL;
	}
	return rp;
}

/* Frees what is in limbo and cannot be seen inside a guard any more. */
static void limbo_reap(struct refpager *r)
{
	uint64_t oldest = r->limbo ? guard_oldest(&r->pager.guards) : 0;
	struct ref_page **link = &r->limbo;

	while (*link) {
		struct ref_page *rp = *link;

		if (rp->epoch >= oldest) {
			link = &rp->next;
			continue;
		}
		*link = rp->next;
		if (rp->reserve) {
			rp->next = r->reserve;
			r->reserve = rp;
		} else {
			page_free(rp);
		}
	}
}

/*
 * The table
 */

static struct ref_page **bucket(const struct refpager *r, pgno_t pgno)
{
	return &r->buckets[pgno & (r->n_buckets - 1)];
}

static struct ref_page *find(const struct refpager *r, pgno_t pgno)
{
	for (struct ref_page *rp = *bucket(r, pgno); rp; rp = rp->next)
		if (rp->ref.pgno == pgno && !rp->stale)
			return rp;
	return NULL;
}

static struct ref_page *find_gen(const struct refpager *r, struct page_ref ref)
{
	struct ref_page *rp = find(r, ref.pgno);

	return rp && rp->ref.gen == ref.gen ? rp : NULL;
}

/* Doubles the table when it is full; goes on with longer chains when there is no memory. */
static void table_grow(struct refpager *r)
{
	size_t n = r->n_buckets * 2;
	struct ref_page **buckets, **old = r->buckets;
	size_t n_old = r->n_buckets;

	if (r->n_held < r->n_buckets)
		return;
	buckets = calloc(n, sizeof(*buckets));
	if (!buckets)
		return;
	r->buckets = buckets;
	r->n_buckets = n;
	for (size_t i = 0; i < n_old; i++) {
		struct ref_page *next;

		for (struct ref_page *rp = old[i]; rp; rp = next) {
			struct ref_page **to = bucket(r, rp->ref.pgno);

			next = rp->next;
			rp->next = *to;
			*to = rp;
		}
	}
	free(old);
}

static void table_add(struct refpager *r, struct ref_page *rp)
{
	struct ref_page **to;

	table_grow(r);
	to = bucket(r, rp->ref.pgno);
	rp->next = *to;
	*to = rp;
	r->n_held++;
}

/* Takes a page out of the table; its memory waits for the guards. */
static void retire(struct refpager *r, struct ref_page *rp)
{
	struct ref_page **link = bucket(r, rp->ref.pgno);

	ASSERT(rp->pins == 0);
	while (*link != rp)
		link = &(*link)->next;
	*link = rp->next;
	r->n_held--;
	if (rp->fresh)
		r->n_fresh--;
	rp->fresh = false;
	rp->epoch = guard_retire(&r->pager.guards);
	rp->next = r->limbo;
	r->limbo = rp;
}

/* Forgets what is held at pgno. A pinned page stays readable until its last put. */
static void forget(struct refpager *r, pgno_t pgno)
{
	struct ref_page *rp = find(r, pgno);

	if (!rp)
		return;
	if (rp->pins == 0) {
		retire(r, rp);
		return;
	}
	if (rp->fresh)
		r->n_fresh--;
	rp->fresh = false;
	rp->stale = true;
}

static void forget_range(struct refpager *r, pgno_t pgno, uint64_t n_pages)
{
	if (n_pages <= r->n_buckets) {
		for (uint64_t i = 0; i < n_pages; i++)
			forget(r, (pgno_t)(pgno + i));
		return;
	}
	for (size_t i = 0; i < r->n_buckets; i++) {
		struct ref_page *next;

		for (struct ref_page *rp = r->buckets[i]; rp; rp = next) {
			next = rp->next;
			if (!rp->stale && rp->ref.pgno >= pgno && rp->ref.pgno - pgno < n_pages)
				forget(r, rp->ref.pgno);
		}
	}
}

/*
 * Reading
 */

static int load(struct refpager *r, struct page_ref ref, struct ref_page **ret_rp)
{
	uint32_t size = r->pager.page_size;
	struct ref_page *rp;
	int rc;

	if (ref.pgno >= r->n_pages)
		return error_set(VERSO_ECORRUPT,
			"page %" PRIu32 " is referred to, but the file ends at page %" PRIu64
			". The file was cut: restore it from a copy",
			ref.pgno, r->n_pages);
	rp = page_new(r);
	if (!rp)
		return error_set(-ENOMEM, "no memory for page %" PRIu32, ref.pgno);
	rc = file_read(r->file, rp->data, size, (uint64_t)ref.pgno * size, FILE_LIVE);
	if (rc == 0) {
		r->stats.n_misses++;
		r->stats.read_bytes += size;
		rc = page_verify(rp->data, size, ref, r->pager.seed);
	}
	if (rc < 0) {
		page_free(rp);
		return rc;
	}
	rp->ref = ref;
	*ret_rp = rp;
	return 0;
}

static int refpager_get(struct pager *p, const struct guard *g, struct page_ref ref,
	const struct page **ret_page)
{
	struct refpager *r = of(p);
	struct ref_page *rp;
	int rc = 0;

	(void)g;
	pthread_mutex_lock(&r->lock);
	limbo_reap(r);
	rp = find(r, ref.pgno);
	if (rp && rp->fresh && rp->ref.gen != ref.gen) {
		rc = error_set(VERSO_ECORRUPT,
			"page %" PRIu32 ": expected generation %" PRIx64
			", but it is being made anew in generation %" PRIx64,
			ref.pgno, ref.gen, rp->ref.gen);
	} else if (!rp || rp->ref.gen != ref.gen) {
		rc = load(r, ref, &rp);
		if (rc == 0) {
			forget(r, ref.pgno);
			table_add(r, rp);
		}
	}
	if (rc == 0) {
		rp->pins++;
		*ret_page = rp->data;
	}
	pthread_mutex_unlock(&r->lock);
	return rc;
}

static void refpager_put(struct pager *p, const struct page *page, bool unneeded)
{
	struct refpager *r = of(p);
	struct ref_page *rp;

	(void)unneeded;
	pthread_mutex_lock(&r->lock);
	rp = *bucket(r, page_ref(page).pgno);
	while (rp && rp->data != page)
		rp = rp->next;
	ASSERT(rp != NULL);
	ASSERT(rp->pins > 0);
	rp->pins--;
	if (rp->pins == 0 && (rp->stale || (r->forget && !rp->fresh)))
		retire(r, rp);
	limbo_reap(r);
	pthread_mutex_unlock(&r->lock);
}

static const struct page *peek_one(struct refpager *r, struct page_ref ref)
{
	struct ref_page *rp;

	pthread_mutex_lock(&r->lock);
	rp = find_gen(r, ref);
	pthread_mutex_unlock(&r->lock);
	return rp ? rp->data : NULL;
}

static void refpager_peek(struct pager *p, const struct page_ref *refs, size_t n,
	const struct page **ret_pages)
{
	for (size_t i = 0; i < n; i++)
		ret_pages[i] = peek_one(of(p), refs[i]);
}

static size_t refpager_prefetch(struct pager *p, const struct page_ref *refs, size_t n, bool ahead)
{
	(void)p;
	(void)refs;
	(void)ahead;
	return n;
}

static int refpager_read_device(struct pager *p, pgno_t pgno, uint32_t n_pages, void *buf)
{
	struct refpager *r = of(p);
	uint64_t size = p->page_size;

	return file_read(r->file, buf, n_pages * size, pgno * size, FILE_DEVICE);
}

/*
 * Writing
 */

static struct page *refpager_fresh(struct pager *p, struct page_ref ref)
{
	struct refpager *r = of(p);
	struct ref_page *rp;

	pthread_mutex_lock(&r->lock);
	limbo_reap(r);
	rp = find(r, ref.pgno);
	ASSERT(!rp || !rp->fresh);
	forget(r, ref.pgno);
	ASSERT(r->n_fresh < p->writer_pages);
	rp = page_new(r);
	if (!rp) {
		rp = r->reserve;
		ASSERT(rp != NULL);
		r->reserve = rp->next;
	}
	rp->ref = ref;
	rp->pins = 0;
	rp->fresh = true;
	rp->stale = false;
	memset(rp->data, 0xdb, p->page_size);
	page_blank(rp->data, ref);
	table_add(r, rp);
	r->n_fresh++;
	pthread_mutex_unlock(&r->lock);
	return rp->data;
}

static void refpager_drop(struct pager *p, pgno_t pgno, uint32_t n_pages)
{
	struct refpager *r = of(p);

	pthread_mutex_lock(&r->lock);
	forget_range(r, pgno, n_pages);
	limbo_reap(r);
	pthread_mutex_unlock(&r->lock);
}

/* The writer's sealed page at pgno: it is not freed while it is being written. */
static const void *own_page(struct refpager *r, pgno_t pgno)
{
	struct ref_page *rp;

	pthread_mutex_lock(&r->lock);
	rp = find(r, pgno);
	ASSERT(rp != NULL);
	ASSERT(rp->fresh);
	pthread_mutex_unlock(&r->lock);
	ASSERT(page_verify(rp->data, r->pager.page_size, rp->ref, r->pager.seed) == 0);
	return rp->data;
}

/* What becomes of a piece that was written: an ordinary page, or nothing that is remembered. */
static void written(struct refpager *r, const struct page_write *w)
{
	struct ref_page *rp;

	if (w->buf) {
		forget_range(r, w->pgno, w->n_pages);
		return;
	}
	rp = find(r, w->pgno);
	ASSERT(rp != NULL);
	rp->fresh = false;
	r->n_fresh--;
	if (rp->pins == 0 && (r->forget || rp->reserve))
		retire(r, rp);
}

static uint64_t file_pages(struct refpager *r)
{
	uint64_t n_pages;

	pthread_mutex_lock(&r->lock);
	n_pages = r->n_pages;
	pthread_mutex_unlock(&r->lock);
	return n_pages;
}

static int refpager_write(struct pager *p, const struct page_write *set, size_t n)
{
	struct refpager *r = of(p);
	uint64_t size = p->page_size;
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		const void *buf = set[i].buf ? set[i].buf : own_page(r, set[i].pgno);

		ASSERT((uint64_t)set[i].pgno + set[i].n_pages <= file_pages(r));
		rc = file_write(r->file, buf, set[i].n_pages * size, set[i].pgno * size);
	}
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < n; i++) {
		if (rc == 0 || set[i].buf)
			written(r, &set[i]);
		r->stats.write_bytes += set[i].n_pages * size;
	}
	limbo_reap(r);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

static int refpager_flush(struct pager *p)
{
	struct refpager *r = of(p);

	pthread_mutex_lock(&r->lock);
	r->stats.n_flushes++;
	pthread_mutex_unlock(&r->lock);
	return file_sync(r->file);
}

/* Writes zeros over [from, to). */
static int write_zeros(struct refpager *r, uint64_t from, uint64_t to)
{
	size_t len = to - from < GROW_BYTES ? to - from : GROW_BYTES;
	void *zeros = aligned_alloc(4096, (len + 4095) & ~(size_t)4095);
	int rc = 0;

	if (!zeros)
		return error_set(-ENOMEM, "no memory to grow the file");
	memset(zeros, 0, len);
	while (from < to && rc == 0) {
		if (to - from < len)
			len = to - from;
		rc = file_write(r->file, zeros, len, from);
		from += len;
	}
	free(zeros);
	return rc;
}

static int refpager_resize(struct pager *p, pgno_t n_pages)
{
	struct refpager *r = of(p);
	uint64_t size = p->page_size;
	uint64_t from = file_pages(r) * size, to = n_pages * size;
	int rc;

	if (to < from) {
		pthread_mutex_lock(&r->lock);
		forget_range(r, n_pages, r->n_pages - n_pages);
		pthread_mutex_unlock(&r->lock);
		rc = file_truncate(r->file, to);
	} else if (to > from) {
		rc = file_allocate(r->file, from, to - from);
		if (rc == 0)
			rc = write_zeros(r, from, to);
		if (rc < 0)
			(void)file_truncate(r->file, from);
	} else {
		rc = file_allocate(r->file, 0, to);
	}
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&r->lock);
	r->n_pages = n_pages;
	if (to > from)
		r->stats.write_bytes += to - from;
	pthread_mutex_unlock(&r->lock);
	return 0;
}

/*
 * The rest
 */

static void refpager_stats(struct pager *p, struct pager_stats *stats)
{
	struct refpager *r = of(p);

	pthread_mutex_lock(&r->lock);
	*stats = r->stats;
	stats->memory_bytes = r->n_held * p->page_size;
	stats->memory_bytes_max = UINT64_MAX;
	pthread_mutex_unlock(&r->lock);
	strcpy(stats->how, "reference: an allocation a page, one lock, nothing evicted");
}

/* Frees all memory. Nothing may be pinned or fresh. */
static void refpager_close(struct pager *p)
{
	struct refpager *r = of(p);
	struct ref_page *next;

	for (size_t i = 0; i < r->n_buckets; i++) {
		for (struct ref_page *rp = r->buckets[i]; rp; rp = next) {
			next = rp->next;
			ASSERT(rp->pins == 0);
			ASSERT(!rp->fresh);
			page_free(rp);
		}
	}
	for (struct ref_page *rp = r->limbo; rp; rp = next) {
		next = rp->next;
		page_free(rp);
	}
	for (struct ref_page *rp = r->reserve; rp; rp = next) {
		next = rp->next;
		page_free(rp);
	}
	free(r->buckets);
	(void)pthread_mutex_destroy(&r->lock);
	pager_fini(p);
	free(r);
}

static const struct pager_ops refpager_ops = {
	.name = "reference",
	.get = refpager_get,
	.put = refpager_put,
	.peek = refpager_peek,
	.fresh = refpager_fresh,
	.prefetch = refpager_prefetch,
	.write = refpager_write,
	.flush = refpager_flush,
	.drop = refpager_drop,
	.resize = refpager_resize,
	.read_device = refpager_read_device,
	.stats = refpager_stats,
	.close = refpager_close,
};

int refpager_open(struct io *io, struct file *file, uint32_t page_size, uint64_t seed,
	uint32_t writer_pages, struct pager **ret_pager)
{
	struct refpager *r = aligned_alloc(64, (sizeof(*r) + 63) & ~(size_t)63);
	uint64_t size_bytes;
	int rc;

	if (!r)
		return error_set(-ENOMEM, "no memory for a pager");
	memset(r, 0, sizeof(*r));
	pager_init(&r->pager, &refpager_ops, page_size, seed, writer_pages);
	r->pager.device_is_cached = !file->device_direct;
	(void)pthread_mutex_init(&r->lock, NULL);
	r->io = io;
	r->file = file;
	r->n_buckets = 64;
	rc = file_size(file, &size_bytes);
	if (rc < 0) {
		r->n_buckets = 0;
		goto close;
	}
	r->n_pages = size_bytes / page_size;
	r->buckets = calloc(r->n_buckets, sizeof(struct ref_page *));
	if (!r->buckets) {
		r->n_buckets = 0;
		goto no_memory;
	}
	for (uint32_t i = 0; i < writer_pages; i++) {
		struct ref_page *rp = page_new(r);

		if (!rp)
			goto no_memory;
		rp->reserve = true;
		rp->next = r->reserve;
		r->reserve = rp;
	}
	*ret_pager = &r->pager;
	return 0;

no_memory:
	rc = error_set(-ENOMEM, "no memory for a pager of %" PRIu32 " pages", writer_pages);
close:
	refpager_close(&r->pager);
	return rc;
}

void refpager_forget(struct pager *p)
{
	of(p)->forget = true;
}
