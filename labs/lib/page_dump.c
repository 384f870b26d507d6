/* SPDX-License-Identifier: MIT */
#include "labs/lib/page_dump.h"

#include <inttypes.h>
#include <stdio.h>

#define LINE_BYTES 8U
#define LINES      6U

void page_dump(const struct page *page)
{
	const uint8_t *bytes = (const uint8_t *)page;
	char what[LINES][40] = {
		"checksum of all that follows", "", "", "", "tree, scratch", "the content"};

	(void)snprintf(what[1], sizeof(what[1]), "pgno %" PRIu32 "; type, level, flags",
		page_ref(page).pgno);
	(void)snprintf(what[2], sizeof(what[2]), "gen %" PRIu64, page_ref(page).gen);
	(void)snprintf(what[3], sizeof(what[3]), "lsn: changed last in generation %" PRIu64,
		page_lsn(page));
	for (unsigned line = 0; line < LINES; line++) {
		printf("%2u ", line * LINE_BYTES);
		for (unsigned i = 0; i < LINE_BYTES; i++)
			printf(" %02x", bytes[line * LINE_BYTES + i]);
		printf("   %s\n", what[line]);
	}
}
