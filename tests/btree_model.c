/* SPDX-License-Identifier: MIT */
#include "tests/btree_model.h"
#include "tests/check_main.h"

#include <stdlib.h>
#include <string.h>

void model_fini(struct model *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->records[i].key);
	free(m->records);
	*m = (struct model){0};
}

static int compare(const struct model_record *r, struct btree_slice key)
{
	size_t n = r->key_len < key.len ? r->key_len : key.len;
	int c = n > 0 ? memcmp(r->key, key.data, n) : 0;

	return c ? c : (r->key_len > key.len) - (r->key_len < key.len);
}

size_t model_find(const struct model *m, struct btree_slice key, bool *ret_exact)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (compare(&m->records[mid], key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_exact = lo < m->n && compare(&m->records[lo], key) == 0;
	return lo;
}

void model_put(struct model *m, struct btree_slice key, uint64_t val_seed, size_t val_len)
{
	bool exact;
	size_t i = model_find(m, key, &exact);
	struct model_record *r;

	if (!exact) {
		if (m->n == m->cap) {
			m->cap = m->cap ? 2 * m->cap : 256;
			m->records = realloc(m->records, m->cap * sizeof(*m->records));
			ck_assert_ptr_nonnull(m->records);
		}
		memmove(&m->records[i + 1], &m->records[i], (m->n - i) * sizeof(*m->records));
		m->n++;
		m->records[i].key = malloc(key.len + 1);
		ck_assert_ptr_nonnull(m->records[i].key);
		if (key.len > 0)
			memcpy(m->records[i].key, key.data, key.len);
		m->records[i].key_len = key.len;
	}
	r = &m->records[i];
	r->val_seed = val_seed;
	r->val_len = val_len;
}

bool model_del(struct model *m, struct btree_slice key)
{
	bool exact;
	size_t i = model_find(m, key, &exact);

	if (!exact)
		return false;
	free(m->records[i].key);
	m->n--;
	memmove(&m->records[i], &m->records[i + 1], (m->n - i) * sizeof(*m->records));
	return true;
}

void model_value(uint64_t seed, uint8_t *buf, size_t len)
{
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++) {
		if (i % 8 == 0)
			word = check_random(&seed);
		buf[i] = (uint8_t)(word >> (8 * (i % 8)));
	}
}

void model_same_value(struct btree *bt, const struct btree_item *item, const struct model_record *r)
{
	uint8_t *want = malloc(r->val_len + 1), *got = malloc(r->val_len + 1);
	size_t n = 0;

	ck_assert_ptr_nonnull(want);
	ck_assert_ptr_nonnull(got);
	ck_assert_uint_eq(item->val.len, r->val_len);
	model_value(r->val_seed, want, r->val_len);
	ck_assert_int_eq(btree_item_read(bt, item, 0, got, r->val_len + 1, &n), 0);
	ck_assert_uint_eq(n, r->val_len);
	if (n > 0)
		ck_assert_int_eq(memcmp(want, got, n), 0);
	free(want);
	free(got);
}

static void same_record(struct btree *bt, struct btree_slice key, const struct btree_item *item,
	const struct model_record *r)
{
	ck_assert_uint_eq(key.len, r->key_len);
	if (key.len > 0)
		ck_assert_int_eq(memcmp(key.data, r->key, key.len), 0);
	model_same_value(bt, item, r);
}

void model_same_tree(const struct model *m, struct btree *bt)
{
	struct btree_cursor *c;
	struct btree_slice key;
	struct btree_item item;
	int rc = btree_check(bt, NULL, NULL, NULL);

	ck_assert_msg(rc == 0, "btree_check: %s", error_text());
	ck_assert_uint_eq(bt->root.count, m->n);
	ck_assert_int_eq(btree_cursor_open(bt, &c), 0);
	for (size_t i = 0; i < m->n; i++) {
		ck_assert_int_eq(btree_cursor_next(c, &key, &item), 0);
		same_record(bt, key, &item, &m->records[i]);
	}
	ck_assert_int_eq(btree_cursor_next(c, &key, &item), VERSO_NOTFOUND);
	ck_assert_int_eq(btree_cursor_next(c, &key, &item), VERSO_NOTFOUND);
	for (size_t i = m->n; i-- > 0;) {
		ck_assert_int_eq(btree_cursor_prev(c, &key, &item), 0);
		same_record(bt, key, &item, &m->records[i]);
	}
	ck_assert_int_eq(btree_cursor_prev(c, &key, &item), VERSO_NOTFOUND);
	btree_cursor_close(c);
}
