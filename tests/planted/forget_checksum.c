/* SPDX-License-Identifier: MIT */
/*
 * A planted fault: pagers that say they verify, and do not compare the checksum. Linked with
 * -Wl,--wrap=page_verify in front of the library. H2 must name them.
 */
#include "pager/page.h"

#include "base/error.h"

int __wrap_page_verify(const struct page *page, uint32_t page_size_bytes, struct page_ref ref,
	uint64_t seed);

int __wrap_page_verify(const struct page *page, uint32_t page_size_bytes, struct page_ref ref,
	uint64_t seed)
{
	(void)page_size_bytes;
	(void)seed;
	if (page_is(page, ref) && page->type > 0 && page->type < PAGE_TYPE_END)
		return 0;
	return error_set(VERSO_ECORRUPT, "page %u: not the page that was meant", ref.pgno);
}
