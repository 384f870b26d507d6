/* SPDX-License-Identifier: MIT */
/*
 * The student's node_lower() as a function that other objects call. In the engine it is inline;
 * here the engine and the tests are built with a header that only declares it, so that no object
 * but the student's own is made of what a student wrote.
 */
#define node_lower your_node_lower
#include "btree/node.h"
#undef node_lower

unsigned node_lower(const struct page *page, uint32_t page_size, const uint8_t *key, unsigned len,
	bool *ret_exact);

unsigned node_lower(const struct page *page, uint32_t page_size, const uint8_t *key, unsigned len,
	bool *ret_exact)
{
	return your_node_lower(page, page_size, key, len, ret_exact);
}
