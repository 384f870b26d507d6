/* SPDX-License-Identifier: MIT */
/* Damages of long values: of what leaves hold of them, and of their pages. */
#include "tests/btree_zoo.h"
#include "tests/check_main.h"

#include <string.h>

/* What a leaf holds of the long value of its first record. */
static uint8_t *long_cell(struct zoo *z, struct page_ref leaf)
{
	struct node_value val = {0};

	ck_assert(node_value((struct page *)zoo_bytes(z, leaf), ZOO_PAGE, 0, &val));
	ck_assert(val.overflow);
	return (uint8_t *)(uintptr_t)val.data;
}

static struct page_ref over_length(struct zoo *z)
{
	le64_set(long_cell(z, z->leaf), 30001);
	return z->leaf;
}

static struct page_ref over_length_tail(struct zoo *z)
{
	le64_set(long_cell(z, z->leaf2), 3 * 464 + 51);
	return z->leaf2;
}

static struct page_ref over_cell_null(struct zoo *z)
{
	page_ref_set(long_cell(z, z->leaf2) + 8 + PAGE_REF_BYTES, (struct page_ref){0, 0});
	return z->leaf2;
}

static struct page_ref over_cell_twice(struct zoo *z)
{
	uint8_t *refs = long_cell(z, z->leaf2) + 8;

	memcpy(refs + PAGE_REF_BYTES, refs, PAGE_REF_BYTES);
	return z->leaf2;
}

static struct page_ref over_cell_index(struct zoo *z)
{
	page_ref_set(long_cell(z, z->leaf2) + 8, z->over_index);
	return z->leaf2;
}

static struct page_ref over_cell_node(struct zoo *z)
{
	page_ref_set(long_cell(z, z->leaf2) + 8, z->edge);
	return z->leaf2;
}

/* A piece that claims a later generation than its leaf, and a leaf that refers to it so. */
static struct page_ref over_cell_newer(struct zoo *z)
{
	struct page_ref ref = page_ref_get(long_cell(z, z->leaf2) + 8);

	ref.gen = page_ref((struct page *)zoo_bytes(z, z->leaf2)).gen + 1;
	le64_set(zoo_bytes(z, ref) + 16, ref.gen);
	double_reseal(z->env, ref.pgno);
	page_ref_set(long_cell(z, z->leaf2) + 8, ref);
	return z->leaf2;
}

static struct page_ref over_null_below(struct zoo *z)
{
	page_ref_set(zoo_bytes(z, z->over_index) + 48, (struct page_ref){0, 0});
	return z->over_index;
}

static struct page_ref over_length_huge(struct zoo *z)
{
	le64_set(long_cell(z, z->leaf), UINT64_MAX);
	return z->leaf;
}

static struct page_ref over_length_zero(struct zoo *z)
{
	le64_set(long_cell(z, z->leaf), 0);
	return z->leaf;
}

static struct page_ref over_length_short(struct zoo *z)
{
	le64_set(long_cell(z, z->leaf), 5);
	return z->leaf;
}

static struct page_ref over_null(struct zoo *z)
{
	page_ref_set(long_cell(z, z->leaf) + 8, (struct page_ref){0, 0});
	return z->leaf;
}

static struct page_ref over_used(struct zoo *z)
{
	le32_set(zoo_bytes(z, z->over_bytes) + 40, 3);
	return z->over_bytes;
}

static struct page_ref over_refs(struct zoo *z)
{
	le32_set(zoo_bytes(z, z->over_index) + 40, 4000000000U);
	return z->over_index;
}

static struct page_ref over_level(struct zoo *z)
{
	zoo_bytes(z, z->over_index)[13] = 0;
	return z->over_index;
}

static struct page_ref over_twice(struct zoo *z)
{
	uint8_t *p = zoo_bytes(z, z->over_index) + 48;

	memcpy(p + PAGE_REF_BYTES, p, PAGE_REF_BYTES);
	return z->over_index;
}

static struct page_ref over_type(struct zoo *z)
{
	zoo_bytes(z, z->over_bytes)[12] = PAGE_NODE;
	return z->over_bytes;
}

static struct page_ref over_cycle(struct zoo *z)
{
	page_ref_set(zoo_bytes(z, z->over_index) + 48, z->over_index);
	return z->over_index;
}

const struct beast zoo_overflow_beasts[] = {
	{"a long value that is longer than its pages", over_length,
		"expected a page of a long value"},
	{"a long value of 2^64 - 1 bytes", over_length_huge, "impossible length"},
	{"a long value of no bytes", over_length_zero, "impossible length"},
	{"a long value of five bytes", over_length_short, "short value lies in overflow pages"},
	{"a long value without a page", over_null, "refers to no page"},
	{"an odd end that is longer than the cell", over_length_tail, "that its length demands"},
	{"a long value without its second page", over_cell_null, "refers to no page"},
	{"a cell with a piece twice", over_cell_twice, "reached twice"},
	{"a piece newer than its leaf", over_cell_newer, "newer than the one that refers to it"},
	{"an index page without its first piece", over_null_below, "refers to no page"},
	{"a piece that holds less", over_used, "expected a page of a long value"},
	{"an index page with 4 billion pieces", over_refs, "expected a page of a long value"},
	{"an index page that says it is a piece", over_level, "expected a page of a long value"},
	{"a piece in two places", over_twice, "reached twice"},
	{"a piece of another type", over_type, "expected a page of a long value"},
	{"an index page that holds itself", over_cycle, "expected a page of a long value"},
	{"a cell with an index page for a piece", over_cell_index,
		"expected a page of a long value"},
	{"a cell with a leaf for a piece", over_cell_node, "expected a page of a long value"},
};

const int zoo_n_overflow_beasts = sizeof(zoo_overflow_beasts) / sizeof(zoo_overflow_beasts[0]);
