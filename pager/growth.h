/* SPDX-License-Identifier: MIT */
/* How a file grows, and where it ends, the same under every pager (pager_ops.resize). */
#ifndef PAGER_GROWTH_H
#define PAGER_GROWTH_H

#include "io/file.h"
#include "pager/page.h"

#include <stdatomic.h>

/* Growth by more than so many bytes is allocated, but not written. */
#define PAGER_GROWTH_WRITTEN (1U << 20)

/*
 * Makes blocks for [from, to), and writes zeros there when they are few. zeros: as many as
 * PAGER_GROWTH_WRITTEN, aligned to 4096. *write_bytes counts what was written. On failure, which is
 * that of file_allocate() or file_write(), the size may have changed: cut it back to `from`.
 */
int growth_make(struct file *file, uint64_t from_bytes, uint64_t to_bytes, const void *zeros,
	_Atomic uint64_t *write_bytes);

/* How many whole pages the file has now. -EFBIG: more than page numbers. */
int growth_look(struct file *file, unsigned page_shift, uint64_t *ret_n_pages);

/* VERSO_ECORRUPT for a reference beyond the file's end, as it is now: another process may have made
 * it longer than the n_pages that the pager knows. */
int growth_has(const _Atomic uint64_t *n_pages, struct file *file, unsigned page_shift,
	struct page_ref ref);

#endif
