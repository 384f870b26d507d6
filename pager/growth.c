/* SPDX-License-Identifier: MIT */
#include "pager/growth.h"

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
