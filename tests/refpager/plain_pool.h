/* SPDX-License-Identifier: MIT */
/*
 * The smallest pool, in the way of vmcache (Leis et al., Virtual-Memory Assisted Buffer
 * Management, SIGMOD 2023): anonymous memory with a fixed place for each page number, pread when a
 * page is first got, MADV_DONTNEED to evict. It is small and right, not fast: one mutex, reads are
 * made under it. The pager that grew of it is in vmcache/.
 */
#ifndef TESTS_REFPAGER_PLAIN_POOL_H
#define TESTS_REFPAGER_PLAIN_POOL_H

#include "io/file.h"
#include "pager/pager.h"

/*
 * Opens one over `file`, which stays the caller's and outlives it. cache_pages: how many pages
 * are held besides the writer's own; at least 1. -ENOMEM, or what file_size() returns.
 */
int plain_pool_open(struct file *file, uint32_t page_size, uint64_t seed, uint32_t writer_pages,
	uint32_t cache_pages, struct pager **ret_pager);

#endif
