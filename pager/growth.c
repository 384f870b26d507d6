/* SPDX-License-Identifier: MIT */
#include "pager/growth.h"
#include "base/error.h"

#include <errno.h>
#include <inttypes.h>

int growth_make(struct file *file, uint64_t from_bytes, uint64_t to_bytes, const void *zeros,
	_Atomic uint64_t *write_bytes)
{
	uint64_t len_bytes = to_bytes - from_bytes;
	int rc = file_allocate(file, from_bytes, len_bytes);

	if (rc < 0 || len_bytes > PAGER_GROWTH_WRITTEN)
		return rc;
	rc = file_write(file, zeros, len_bytes, from_bytes);
	if (rc == 0)
		atomic_fetch_add_explicit(write_bytes, len_bytes, memory_order_relaxed);
	return rc;
}

int growth_look(struct file *file, unsigned page_shift, uint64_t *ret_n_pages)
{
	uint64_t size_bytes;
	int rc = file_size(file, &size_bytes);

	if (rc < 0)
		return rc;
	if (size_bytes >> page_shift > UINT32_MAX)
		return error_set(-EFBIG, "%s has %" PRIu64 " bytes, more than 2^32 pages",
			file->path ? file->path : "the file", size_bytes);
	*ret_n_pages = size_bytes >> page_shift;
	return 0;
}

int growth_has(const _Atomic uint64_t *n_pages, struct file *file, unsigned page_shift,
	struct page_ref ref)
{
	uint64_t size_bytes;
	int rc;

	if (ref.pgno < atomic_load_explicit(n_pages, memory_order_relaxed))
		return 0;
	rc = file_size(file, &size_bytes);
	if (rc < 0)
		return rc;
	if (ref.pgno < size_bytes >> page_shift)
		return 0;
	return error_set(VERSO_ECORRUPT,
		"page %" PRIu32 " is referred to in generation %" PRIx64
		", but the file ends at page %" PRIu64 ". It was cut: restore it from a copy",
		ref.pgno, ref.gen, size_bytes >> page_shift);
}
