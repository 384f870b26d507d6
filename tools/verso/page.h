/* SPDX-License-Identifier: MIT */
/* The parts of `verso page`. */
#ifndef TOOLS_VERSO_PAGE_H
#define TOOLS_VERSO_PAGE_H

#include "tools/verso/raw.h"

/* A line: the label, then what stands behind it. */
__attribute__((format(printf, 2, 3))) void page_line(const char *label, const char *format, ...);

/* What is in a page that is whole: page_show_*.c. */
void page_show_meta(const struct raw *r, const struct raw_meta *meta);
void page_show_space(const struct raw *r, uint32_t pgno, const uint8_t *page);
void page_show_node(const struct raw *r, const uint8_t *page, bool wide);
void page_show_overflow(const struct raw *r, const uint8_t *page, bool wide);

/* Bytes for people, in one line; cut to some columns, unless wide. The columns that it took. */
size_t page_show_bytes(const uint8_t *data, size_t len_bytes, unsigned columns, bool wide);

/* Where a page is referred to, a line each. page: NULL when it is not whole. */
void page_refs(const struct raw *r, uint32_t pgno, const uint8_t *page);

#endif
