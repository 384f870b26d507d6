/* SPDX-License-Identifier: MIT */
/*
 * Pages for the tests of Lab 1, laid out by hand: no function is called that a student writes, so
 * each task is tried by itself.
 */
#ifndef LABS_LAB1_TESTS_PAGE_BENCH_H
#define LABS_LAB1_TESTS_PAGE_BENCH_H

#include "btree/node.h"

#define PAGE      512U  /* bytes of a bench's page */
#define SMALL     4096U /* of a hostile one */
#define HAS_HEADS (NODE_HEAD_BYTES > 0)

/* A node of PAGE bytes, and room for the copy that edits may want. */
struct bench {
	_Alignas(8) uint8_t bytes[PAGE];
	_Alignas(8) uint8_t scratch[PAGE];
};

struct page *page_of(struct bench *b);

/* An empty node with this prefix. */
void page_begin(struct bench *b, unsigned level, const char *prefix);

/* A field of two bytes. */
void page_set(uint8_t *bytes, unsigned at, unsigned x);

/* Appends an entry behind the last; its cell: front, the tail of the suffix, back. */
void page_lay(uint8_t *bytes, uint32_t page_size, const void *suffix, unsigned len,
	const void *front, unsigned front_len, const void *back, unsigned back_len);

void page_lay_record(struct bench *b, const char *suffix, const char *val);
void page_lay_child(struct bench *b, const char *suffix, struct page_ref child);

/* Four records: apple, fig, lemon, plum. */
void page_fruit(struct bench *b);

/* Memory between two pages that may not be touched. */
uint8_t *page_guarded(size_t len_bytes);

/* A sound node of SMALL bytes, some of which were changed afterwards. */
void page_hostile(uint8_t *bytes, uint64_t *rng);

#endif
