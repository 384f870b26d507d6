/* SPDX-License-Identifier: MIT */
#include "tests/copy_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 150000U

/*
 * Shapes: 0 short keys and values; 1 keys with a long prefix in common; 2 keys of every length up
 * to the longest; 3 values up to several pages, some of two levels; 4 values around what a leaf
 * takes.
 */
static size_t make_key(unsigned shape, unsigned i, uint32_t page_size, char *buf)
{
	uint32_t key_max = btree_key_max(page_size);
	size_t n = (size_t)snprintf(buf, 64, shape == 1 ? "k%u/%08u" : "%08u", i % 3, i);

	if (shape != 1)
		n = (size_t)snprintf(buf, 64, "%08u", i);
	if (shape == 1 && key_max > 60) {
		memset(buf, 'p', key_max - 20);
		n = key_max - 20 + (size_t)snprintf(buf + key_max - 20, 20, "%u-%08u", i / 500, i);
	}
	if (shape == 2) {
		size_t len = 8 + i * 7919u % (key_max - 8);

		memset(buf + n, 'x', len - n);
		n = len;
	}
	return n;
}

static size_t value_len(unsigned shape, unsigned i, uint32_t page_size)
{
	switch (shape) {
	case 3:
		return i % 97 == 0 ? VALUE_MAX - i % 1000 : i * 631u % 12000;
	case 4:
		return page_size / 2 - 60 + i % 80;
	default:
		return i * 31u % 120;
	}
}

void copy_fill(struct verso *db, const char *name, unsigned shape, unsigned n, uint64_t seed)
{
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	uint32_t page_size = db->pager->page_size;
	struct verso_table *table = NULL;
	char *key = malloc(65536), *val = malloc(VALUE_MAX);
	unsigned step = (unsigned)(seed % 2 ? 7919 : 1); /* ascending, or all over the place */

	ck_assert(key && val);
	if (name)
		API_OK(verso_table_open(txn, name, VERSO_CREATE, &table));
	for (unsigned k = 0; k < n; k++) {
		unsigned i = (unsigned)((uint64_t)k * step % n);
		size_t key_len = make_key(shape, i, page_size, key);
		size_t val_len = value_len(shape, i, page_size);

		memset(val, (int)('a' + i % 26), val_len);
		API_OK(verso_put(txn, table, (struct verso_val){key, key_len},
			(struct verso_val){val, val_len}, 0));
	}
	free(key);
	free(val);
	API_OK(verso_commit(txn));
}

void copy_thin(struct verso *db, unsigned keep)
{
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct verso_cursor *c;
	struct verso_val k, v;
	unsigned n = 0;

	API_OK(verso_cursor_open(txn, NULL, &c));
	while (verso_cursor_next(c, &k, &v) == 0) {
		if (n++ % keep != 0)
			API_OK(verso_cursor_del(c));
	}
	verso_cursor_close(c);
	API_OK(verso_commit(txn));
}

struct pair {
	struct verso_txn *a, *b;
	unsigned n;
};

static int same_table(void *arg, const char *name)
{
	struct pair *p = arg;
	struct verso_table *ta = NULL, *tb = NULL;
	struct verso_cursor *ca, *cb;
	int rc = 0;

	p->n++;
	if (name) {
		API_OK(verso_table_open(p->a, name, 0, &ta));
		API_OK(verso_table_open(p->b, name, 0, &tb));
	}
	API_OK(verso_cursor_open(p->a, ta, &ca));
	API_OK(verso_cursor_open(p->b, tb, &cb));
	while (rc == 0) {
		struct verso_val ka, kb, va, vb;

		rc = verso_cursor_next(ca, &ka, &va);
		ck_assert_int_eq(verso_cursor_next(cb, &kb, &vb), rc);
		ck_assert(rc == 0 || rc == VERSO_NOTFOUND);
		if (rc != 0)
			break;
		ck_assert_uint_eq(ka.len, kb.len);
		ck_assert_uint_eq(va.len, vb.len);
		ck_assert(memcmp(ka.data, kb.data, ka.len) == 0);
		ck_assert(memcmp(va.data, vb.data, va.len) == 0);
	}
	verso_cursor_close(ca);
	verso_cursor_close(cb);
	return 0;
}

static int count_table(void *arg, const char *name)
{
	(void)name;
	++*(unsigned *)arg;
	return 0;
}

void copy_same(struct verso *a, struct verso *b)
{
	struct pair p = {api_begin(a, VERSO_READ), api_begin(b, VERSO_READ), 0};
	unsigned n_b = 1;

	(void)same_table(&p, NULL);
	API_OK(verso_table_each(p.a, same_table, &p));
	API_OK(verso_table_each(p.b, count_table, &n_b));
	ck_assert_uint_eq(p.n, n_b);
	verso_abort(p.a);
	verso_abort(p.b);
	api_check(b);
}

struct verso *copy_open(const struct db_hooks *hooks, int pager, const char *path)
{
	struct verso_options o = {
		.size = sizeof(o), .pager = (enum verso_pager)((pager + 1) % API_PAGERS)};
	struct verso *db;

	API_OK(hooks ? db_open_with(hooks, path, &o, &db) : verso_open(path, &o, &db));
	return db;
}
