/* SPDX-License-Identifier: MIT */
#include "pager/pager.h"

void pager_init(struct pager *p, const struct pager_ops *ops, uint32_t page_size, uint64_t seed,
	uint32_t writer_pages)
{
	ASSERT(page_size_is_valid(page_size));
	p->ops = ops;
	p->page_size = page_size;
	p->seed = seed;
	p->writer_pages = writer_pages;
	p->may_fault = false;
	p->fault_base = NULL;
	p->fault_bytes = 0;
	p->tracer = NULL;
	guard_domain_init(&p->guards);
}

void pager_fini(struct pager *p)
{
	guard_domain_fini(&p->guards);
}

void pager_stats(struct pager *p, struct pager_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	p->ops->stats(p, stats);
	guard_counts(&p->guards, &stats->n_gets, &stats->n_peeks);
}
