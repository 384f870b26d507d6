/* SPDX-License-Identifier: MIT */
/* What pagers share: set-up, statistics, copying a page that may fault, the order of writes. */
#include "pager/pager.h"
#include "base/error.h"
#include "io/fault.h"

#include <errno.h>
#include <stdlib.h>

void pager_init(struct pager *p, const struct pager_ops *ops, uint32_t page_size, uint64_t seed,
	uint32_t writer_pages)
{
	ASSERT(page_size_is_valid(page_size));
	p->ops = ops;
	p->page_size = page_size;
	p->seed = seed;
	p->writer_pages = writer_pages;
	p->ahead_pages = PAGER_AHEAD_BYTES_DEFAULT / page_size;
	atomic_init(&p->advice_pages, PAGER_ADVICE_BYTES / page_size);
	p->may_fault = false;
	p->fault_areas = NULL;
	p->tracer = NULL;
	p->hints = (struct pager_hints){.frames = NULL};
	guard_domain_init(&p->guards);
	(void)pthread_mutex_init(&p->size_lock, NULL);
	atomic_init(&p->reached_pages, 0);
}

void pager_fini(struct pager *p)
{
	guard_domain_fini(&p->guards);
	(void)pthread_mutex_destroy(&p->size_lock);
}

int pager_resize(struct pager *p, pgno_t n_pages)
{
	int rc;

	pthread_mutex_lock(&p->size_lock);
	rc = p->ops->resize(p, n_pages);
	if (rc == 0)
		atomic_store(&p->reached_pages, n_pages);
	pthread_mutex_unlock(&p->size_lock);
	return rc;
}

int pager_reach(struct pager *p, pgno_t *ret_n_pages)
{
	int rc;

	if (!p->ops->reach)
		return error_set(-EOPNOTSUPP,
			"%s has a file of its own, which no other process uses", p->ops->name);
	pthread_mutex_lock(&p->size_lock);
	rc = p->ops->reach(p, ret_n_pages);
	if (rc == 0)
		atomic_store(&p->reached_pages, *ret_n_pages);
	pthread_mutex_unlock(&p->size_lock);
	return rc;
}

int pager_cache_resize(struct pager *p, size_t cache_bytes)
{
	if (p->ops->cache_resize)
		return p->ops->cache_resize(p, cache_bytes);
	return error_set(-EOPNOTSUPP,
		"%s has no cache whose size could change (of a mapping, the kernel decides how "
		"much is in memory); cache_bytes bounds what it did at the open. Open the database "
		"with the buffer pool instead",
		p->ops->name);
}

void pager_trace_put(struct pager *p, const struct page *page)
{
	bool was_blocked = p->may_fault && fault_unblock();
	struct fault_guard g;

	if (sigsetjmp(g.env, 0) == 0) {
		struct pager_event event = {.op = PAGER_PUT};

		fault_enter_areas(&g, p->fault_areas);
		event.ref = page_ref(page);
		event.type = page->type;
		event.level = page->level;
		fault_leave(&g);
		p->tracer->event(p->tracer, &event);
	}
	if (was_blocked)
		fault_block();
}

/* No pin is lost by the jump: pages of a mapping have none. */
int pager_copy(struct pager *p, struct guard *guard, struct page_ref ref, struct page *copy)
{
	bool was_blocked = p->may_fault && fault_unblock();
	const struct page *page;
	struct fault_guard g;
	int rc;

	if (sigsetjmp(g.env, 0) != 0) {
		rc = error_set(VERSO_EIO,
			"page %u was there a moment ago and cannot be read any more: the disk has "
			"failed, or another process has cut the file. Look at both, then open the "
			"database again",
			ref.pgno);
	} else {
		fault_enter_areas(&g, p->fault_areas);
		rc = pager_get(p, guard, ref, &page);
		if (rc == 0) {
			memcpy(copy, page, p->page_size);
			pager_put(p, page);
		}
		fault_leave(&g);
	}
	if (was_blocked)
		fault_block();
	return rc;
}

void pager_stats(struct pager *p, struct pager_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	for (unsigned i = 0; i < PAGER_LOAD_CAUSES; i++)
		stats->n_loads[i] = UINT64_MAX;
	stats->n_victims = stats->n_unneeded = UINT64_MAX;
	stats->n_waits_load = stats->n_waits_limbo = UINT64_MAX;
	stats->n_reads = stats->n_reads_max = UINT64_MAX;
	p->ops->stats(p, stats);
	guard_counts(&p->guards, &stats->n_gets, &stats->n_peeks);
}

static int compare_writes(const void *a, const void *b)
{
	const struct page_write *x = a, *y = b;

	return (x->pgno > y->pgno) - (x->pgno < y->pgno);
}

void page_writes_sort(struct page_write *set, size_t n)
{
	qsort(set, n, sizeof(*set), compare_writes);
}
