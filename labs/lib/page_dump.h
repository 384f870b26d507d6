/* SPDX-License-Identifier: MIT */
/* Prints the first 48 bytes of a page as handouts show them. */
#ifndef LABS_LIB_PAGE_DUMP_H
#define LABS_LIB_PAGE_DUMP_H

#include "pager/page.h"

/* Eight bytes a line, with what they are. */
void page_dump(const struct page *page);

#endif
