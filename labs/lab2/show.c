/* SPDX-License-Identifier: MIT */
/*
 * usage: show page
 *
 * The first bytes of page 7, generation 1, as they lie in the file of the pool's tests (ledger.c).
 */
#include "labs/lib/page_dump.h"

#include <stdio.h>
#include <string.h>

#define PAGE_BYTES 4096U
#define SEED       UINT64_C(9)

int main(int argc, char **argv)
{
	static _Alignas(8) uint8_t bytes[PAGE_BYTES];
	struct page *page = (struct page *)bytes;

	if (argc != 2 || strcmp(argv[1], "page") != 0) {
		(void)fprintf(stderr, "usage: show page\n");
		return 2;
	}
	page_init(page, (struct page_ref){7, 1}, PAGE_TOY, 0, 0);
	page->payload[0] = 7;
	page_seal(page, PAGE_BYTES, SEED);
	page_dump(page);
	return 0;
}
