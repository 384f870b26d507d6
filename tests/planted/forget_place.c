/* SPDX-License-Identifier: MIT */
/*
 * A planted fault: a pool that compares the checksum of a page, but not its place and generation
 * with what the parent holds: it takes a page that is whole for the page that was meant. Linked
 * with -Wl,--wrap=page_verify in front of the library. H2 must name it.
 */
#include "pager/page.h"

int __wrap_page_verify(const struct page *page, uint32_t page_size_bytes, struct page_ref ref,
	uint64_t seed);
int __real_page_verify(const struct page *page, uint32_t page_size_bytes, struct page_ref ref,
	uint64_t seed);

int __wrap_page_verify(const struct page *page, uint32_t page_size_bytes, struct page_ref ref,
	uint64_t seed)
{
	struct page *frame = (struct page *)(uintptr_t)page; /* of the pool: it may be written */
	int rc = __real_page_verify(page, page_size_bytes, page_ref(page), seed);

	if (rc == 0 && !page_is(page, ref)) {
		le32_set(frame->pgno, ref.pgno);
		le64_set(frame->gen, ref.gen);
	}
	return rc;
}
