/* SPDX-License-Identifier: MIT */
/*
 * What the golden files hold, as a function: table by table, record by record in key order. Makers
 * and readers of every version share it, so it never changes; another content is another file.
 */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define GOLDEN_TABLES  4
#define GOLDEN_KEY_MAX 16384 /* bytes of a key with the largest page */

struct golden_record {
	unsigned char key[GOLDEN_KEY_MAX];
	size_t key_len, val_len;
	unsigned seed; /* of the value */
};

/* NULL: the default table. "none" has no records. */
static const char *const golden_tables[GOLDEN_TABLES] = {NULL, "none", "numbers", "wide"};

static inline size_t golden_page_room(size_t page_size)
{
	return page_size - 48; /* bytes of a value in a page of its own */
}

/* Most bytes of a leaf that a value takes beside a key. */
static inline size_t golden_leaf_room(size_t page_size, size_t key_len)
{
	return (page_size - 64) / 2 - 10 - key_len;
}

/* Sizes of long values, around every edge of how they are stored. */
static inline size_t golden_long_len(size_t page_size, size_t key_len, unsigned i)
{
	size_t page = golden_page_room(page_size), leaf = golden_leaf_room(page_size, key_len);
	const size_t lens[] = {leaf - 1, leaf, leaf + 1, page - 1, page, page + 1, page + leaf - 20,
		page + leaf - 19, 2 * page - 1, 2 * page, 2 * page + 100, 9 * page + 17,
		9 * page + leaf, 20 * page};

	return lens[i % (sizeof(lens) / sizeof(lens[0]))];
}

/* More references than a leaf holds beside the longest key: pages of references are needed. */
static inline size_t golden_index_len(size_t page_size, size_t key_len)
{
	return (golden_leaf_room(page_size, key_len) / 12 + 3) * golden_page_room(page_size);
}

/*
 * Record i of a table. 1: *ret is it; 0: the table has fewer. with_index: the file has a value with
 * pages of references.
 */
static inline int golden_record(size_t page_size, int with_index, unsigned table, unsigned i,
	struct golden_record *ret)
{
	unsigned char *key = ret->key;

	ret->seed = table * 1000 + i;
	switch (table) {
	case 0:
		if (i == 0) { /* the empty key */
			ret->key_len = 0;
			ret->val_len = 10;
		} else if (i <= 600) { /* beginnings in common */
			ret->key_len = (size_t)snprintf((char *)key, 100,
				"/usr/share/doc/package-%03u/file-%u", i / 4, i % 4);
			ret->val_len = i * 7 % 300;
		} else if (i <= 628) {
			ret->key_len = (size_t)snprintf((char *)key, 100, "long-%03u", i);
			ret->val_len = golden_long_len(page_size, ret->key_len, i - 601);
		} else if (i <= 629 + (unsigned)with_index) { /* the longest keys */
			ret->key_len = (page_size - 64) / 4 - 32;
			memset(key, 'm', ret->key_len);
			key[ret->key_len - 1] = (unsigned char)i;
			ret->val_len = i == 629 ? 0 : golden_index_len(page_size, ret->key_len);
		} else {
			return 0;
		}
		return 1;
	case 2:
		if (i >= 3000)
			return 0;
		for (unsigned k = 0; k < 4; k++)
			key[k] = (unsigned char)(i * 1400000 >> (24 - 8 * k));
		ret->key_len = 4;
		ret->val_len = i % 5;
		return 1;
	case 3:
		if (i >= 320)
			return 0;
		ret->key_len = (size_t)snprintf((char *)key, 100, "%03u", i);
		ret->val_len = golden_page_room(page_size) * 3 / 4;
		return 1;
	default:
		return 0;
	}
}

static inline void golden_value(const struct golden_record *r, unsigned char *buf)
{
	for (size_t i = 0; i < r->val_len; i++)
		buf[i] = (unsigned char)('a' + (r->seed + i / 64) % 26);
}

#endif
