/* SPDX-License-Identifier: MIT */
/*
 * Ranges of the tree, and values in pieces, against arrays: every count, every range that is
 * deleted, every piece, with btree_check and each page accounted for.
 */
#include "btree/btree_int.h"
#include "tests/btree_model.h"
#include "tests/check_main.h"
#include "tests/double_txn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct profile {
	const char *name;
	uint32_t page_size;
	unsigned n_records;
	unsigned prefix_len; /* bytes that keys share with their neighbours */
	size_t val_max;
	unsigned long_every;
	unsigned n_ranges;
	unsigned miss, spill;
};

struct fixture {
	const struct profile *profile;
	struct double_env *env;
	struct btree bt;
	struct model model;
	uint64_t rng;
	uint8_t *val;
};

static uint64_t pick(struct fixture *f, uint64_t n)
{
	return check_random(&f->rng) % n;
}

/* The empty key, now and then; a group of a few hundred others has a long beginning in common. */
static struct btree_slice make_key(struct fixture *f, uint8_t *buf)
{
	uint64_t x = check_random(&f->rng);
	size_t len = f->profile->prefix_len;

	if (x >> 32 & 1 << 10 && x >> 48 < 2000)
		return (struct btree_slice){buf, 0};
	memset(buf, (int)(x % 5), len);
	buf[len++] = (uint8_t)(x >> 8);
	buf[len++] = (uint8_t)(x >> 16);
	if (x & 1 << 30)
		buf[len++] = (uint8_t)(x >> 24);
	return (struct btree_slice){buf, len};
}

static void put_one(struct fixture *f)
{
	const struct profile *p = f->profile;
	uint8_t buf[512];
	struct btree_slice key = make_key(f, buf);
	size_t len = pick(f, p->val_max + 1);
	uint64_t seed = check_random(&f->rng);

	if (p->long_every > 0 && pick(f, p->long_every) == 0)
		len = pick(f, 20U * p->page_size);
	model_value(seed, f->val, len);
	ck_assert_int_eq(btree_put(&f->bt, key, (struct btree_slice){f->val, len}, 0), 0);
	model_put(&f->model, key, seed, len);
}

static void fixture_open(struct fixture *f, const struct profile *p)
{
	struct txn_root root = {.tree = 7};

	memset(f, 0, sizeof(*f));
	f->profile = p;
	f->env = double_open(p->page_size);
	f->env->miss = p->miss;
	f->env->spill = p->spill;
	f->rng = check_seed() * 1000003 + p->page_size + p->prefix_len * 77 + p->spill;
	f->val = malloc(20U * p->page_size + 1);
	ck_assert_ptr_nonnull(f->val);
	btree_init(&f->bt, &f->env->txn, &root);
	printf("VERSO_SEED=%llu %s\n", (unsigned long long)check_seed(), p->name);
}

static void fixture_close(struct fixture *f)
{
	btree_fini(&f->bt);
	model_fini(&f->model);
	double_close(f->env);
	free(f->val);
}

static int count_page(void *arg, struct page_ref ref, const struct page *page)
{
	size_t *n = arg;

	(void)ref;
	(void)page;
	++*n;
	return 0;
}

static void verify_pages(struct fixture *f)
{
	size_t n = 0;

	ck_assert_int_eq(btree_check(&f->bt, count_page, &n, NULL), 0);
	ck_assert_uint_eq(n, f->env->n_live);
	ck_assert_uint_eq(f->env->n_pins, 0);
}

static void verify(struct fixture *f)
{
	model_same_tree(&f->model, &f->bt);
	verify_pages(f);
}

/* A bound at a key that is there, or somewhere, or none. */
static struct btree_bound make_bound(struct fixture *f, uint8_t *buf)
{
	struct btree_bound b = {{buf, 0}, pick(f, 2)};
	const struct model_record *r;

	switch (pick(f, 8)) {
	case 0:
		b.key.data = NULL; /* then `above` says nothing */
		break;
	case 1:
	case 2:
		b.key = make_key(f, buf);
		break;
	case 3: /* longer than any key */
		b.key = make_key(f, buf);
		memset(buf + b.key.len, 1, 500);
		b.key.len = 1000;
		break;
	default:
		if (f->model.n == 0)
			break;
		r = &f->model.records[pick(f, f->model.n)];
		memcpy(buf, r->key, r->key_len);
		b.key.len = r->key_len;
	}
	return b;
}

static size_t place_of(const struct fixture *f, const struct btree_bound *b, size_t without)
{
	bool exact;
	size_t i;

	if (!b->key.data)
		return without;
	i = model_find(&f->model, b->key, &exact);
	return i + (exact && b->above);
}

/* The records [*ret_first, *ret_end) of the model. */
static void find(const struct fixture *f, const struct btree_range *r, size_t *ret_first,
	size_t *ret_end)
{
	*ret_first = place_of(f, &r->from, 0);
	*ret_end = place_of(f, &r->to, f->model.n);
	if (*ret_end < *ret_first)
		*ret_end = *ret_first;
}

static void model_del_range(struct model *m, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		free(m->records[i].key);
	memmove(m->records + first, m->records + end, (m->n - end) * sizeof(*m->records));
	m->n -= end - first;
}

/* Counts and both ends of the range, as the model has them. */
static void look_at_range(struct fixture *f, const struct btree_range *r)
{
	size_t first, end;
	struct btree_cursor *c;
	struct btree_slice key;
	struct btree_item item;
	uint64_t n = UINT64_MAX, about = UINT64_MAX;
	int rc;

	find(f, r, &first, &end);
	ck_assert_int_eq(btree_count(&f->bt, r, &n), 0);
	ck_assert_uint_eq(n, end - first);
	ck_assert_int_eq(btree_count_about(&f->bt, r, &about), 0);
	ck_assert_uint_le(about, f->model.n);
	if (f->bt.root.level == 0 || (!r->from.key.data && !r->to.key.data))
		ck_assert_uint_eq(about, n);
	ck_assert_int_eq(btree_cursor_open(&f->bt, &c), 0);
	rc = btree_cursor_to(c, &r->from, true, &key, &item);
	first = place_of(f, &r->from, 0);
	ck_assert_int_eq(rc, first < f->model.n ? 0 : VERSO_NOTFOUND);
	if (rc == 0) {
		ck_assert_uint_eq(key.len, f->model.records[first].key_len);
		ck_assert_int_eq(memcmp(key.data, f->model.records[first].key, key.len), 0);
	}
	end = place_of(f, &r->to, f->model.n);
	rc = btree_cursor_to(c, &r->to, false, &key, &item);
	ck_assert_int_eq(rc, end > 0 ? 0 : VERSO_NOTFOUND);
	if (rc == 0) {
		ck_assert_uint_eq(key.len, f->model.records[end - 1].key_len);
		ck_assert_int_eq(memcmp(key.data, f->model.records[end - 1].key, key.len), 0);
	}
	btree_cursor_close(c);
}

static const struct profile profiles[] = {
	{"short keys", 512, 3000, 2, 30, 0, 150, 0, 0},
	{"keys with much in common", 512, 1500, 60, 20, 0, 150, 3, 5},
	{"long values among short ones", 512, 1500, 2, 60, 30, 80, 0, 7},
	{"large records", 512, 800, 70, 110, 0, 150, 0, 3},
	{"1 KiB pages", 1024, 4000, 100, 100, 200, 80, 5, 0},
	{"4 KiB pages", 4096, 20000, 8, 200, 2000, 60, 0, 50},
	{"64 KiB pages", 65536, 20000, 8, 1000, 5000, 20, 0, 50},
};

START_TEST(ranges_agree_with_a_model)
{
	const struct profile *p = &profiles[_i];
	struct fixture f;
	uint8_t from[1600], to[1600];
	unsigned level_max = 0;

	fixture_open(&f, p);
	for (unsigned i = 0; i < p->n_ranges; i++) {
		struct btree_range r = {{{NULL, 0}, false}, {{NULL, 0}, false}};
		size_t first, end;
		uint64_t n = 0;

		while (f.model.n < p->n_records / 2 || (i % 4 == 0 && f.model.n < p->n_records))
			put_one(&f);
		if (f.bt.root.level > level_max)
			level_max = f.bt.root.level;
		for (unsigned k = 0; k < 10; k++) {
			r.from = make_bound(&f, from);
			r.to = make_bound(&f, to);
			look_at_range(&f, &r);
		}
		find(&f, &r, &first, &end);
		if (i % 3 > 0) { /* a small one */
			r.to = r.from;
			end = first + pick(&f, 40);
			if (end < f.model.n) {
				memcpy(to, f.model.records[end].key, f.model.records[end].key_len);
				r.to.key = (struct btree_slice){to, f.model.records[end].key_len};
			}
			find(&f, &r, &first, &end);
		}
		if (i % 5 == 0)
			double_commit(f.env);
		ck_assert_int_eq(btree_del_range(&f.bt, &r, &n), 0);
		ck_assert_uint_eq(n, end - first);
		model_del_range(&f.model, first, end);
		verify(&f);
	}
	printf("  level %u, %llu prunes\n", level_max, (unsigned long long)f.bt.marks.n_prunes);
	ck_assert_uint_gt(f.bt.marks.n_prunes, 0);
	ck_assert_uint_gt(f.bt.marks.n_merges, 0);
	fixture_close(&f);
}
END_TEST

/* Each call of reserve and get fails once. What failed in its middle has broken the transaction. */
START_TEST(a_range_that_fails_changes_nothing_or_breaks_the_transaction)
{
	static const struct profile p = {"failing", 512, 700, 20, 40, 60, 0, 3, 4};
	struct fixture f;
	uint8_t from[1600], to[1600];
	unsigned n_unchanged = 0, n_broken = 0;

	fixture_open(&f, &p);
	for (unsigned i = 0; i < 25; i++) {
		struct btree_range r;
		size_t first, end;
		uint64_t n;
		int rc = -1;

		while (f.model.n < p.n_records)
			put_one(&f);
		r.from = make_bound(&f, from);
		r.to = make_bound(&f, to);
		find(&f, &r, &first, &end);
		double_commit(f.env);
		for (size_t k = 1; rc < 0; k += 1 + k / 8) {
			f.env->fail_at = f.env->n_calls + k;
			rc = btree_del_range(&f.bt, &r, &n);
			f.env->fail_at = 0;
			ck_assert_uint_eq(f.env->n_pins, 0);
			if (rc == 0)
				break;
			if (f.env->txn.broken) {
				n_broken++;
				f.env->txn.broken =
					0; /* the tree is whole: the next call goes on */
				verify_pages(&f);
				continue;
			}
			n_unchanged++;
			if (k == 1)
				verify(&f);
		}
		model_del_range(&f.model, first, end);
		verify(&f);
	}
	ck_assert_uint_gt(n_unchanged, 0);
	ck_assert_uint_gt(n_broken, 0);
	fixture_close(&f);
}
END_TEST

START_TEST(the_estimate_is_about_right)
{
	static const struct profile p = {"estimates", 512, 3000, 2, 30, 0, 0, 0, 0};
	struct fixture f;
	uint8_t from[1600], to[1600];
	unsigned n_near = 0, n_all = 0;

	fixture_open(&f, &p);
	while (f.model.n < p.n_records)
		put_one(&f);
	for (unsigned i = 0; i < 500; i++) {
		struct btree_range r = {make_bound(&f, from), make_bound(&f, to)};
		uint64_t n, about;

		ck_assert_int_eq(btree_count(&f.bt, &r, &n), 0);
		ck_assert_int_eq(btree_count_about(&f.bt, &r, &about), 0);
		if (n < 50)
			continue;
		n_all++;
		n_near += about >= n / 2 && about <= 2 * n;
	}
	printf("  %u of %u within a factor of two\n", n_near, n_all);
	ck_assert_uint_gt(n_all, 100);
	ck_assert_uint_ge(n_near * 20, n_all * 19);
	fixture_close(&f);
}
END_TEST

/* --- values in pieces ------------------------------------------------------------------------ */

struct values {
	uint8_t *bytes[4];
	size_t lens[4], cap;
};

static void write_piece(struct fixture *f, struct values *v, unsigned k, size_t off, size_t len,
	int expected)
{
	struct btree_slice key = {"keys" + k, 4 - k};

	for (size_t i = 0; i < len; i += 8) {
		uint64_t x = check_random(&f->rng);

		memcpy(f->val + i, &x, len - i < 8 ? len - i : 8);
	}
	ck_assert_int_eq(btree_write(&f->bt, key, off, (struct btree_slice){f->val, len}),
		expected);
	if (expected != 0)
		return;
	memcpy(v->bytes[k] + off, f->val, len);
	if (off + len > v->lens[k])
		v->lens[k] = off + len;
}

static void same_values(struct fixture *f, const struct values *v)
{
	uint8_t *buf = malloc(v->cap);

	ck_assert_ptr_nonnull(buf);
	for (unsigned k = 0; k < 4; k++) {
		struct btree_item item;
		size_t len;

		if (btree_get(&f->bt, (struct btree_slice){"keys" + k, 4 - k}, &item) != 0) {
			ck_assert_uint_eq(v->lens[k], 0);
			continue;
		}
		ck_assert_uint_eq(item.val.len, v->lens[k]);
		ck_assert_int_eq(btree_item_read(&f->bt, &item, 0, buf, v->cap, &len), 0);
		ck_assert_uint_eq(len, v->lens[k]);
		ck_assert(len == 0 || memcmp(buf, v->bytes[k], len) == 0);
		btree_item_put(&f->bt, &item);
	}
	free(buf);
	verify_pages(f);
}

static void pieces(uint32_t page_size, size_t len_max, unsigned n_writes, unsigned spill)
{
	const struct profile p = {"pieces", page_size, 0, 2, 0, 0, 0, 3, spill};
	struct values v = {.cap = len_max};
	struct fixture f;
	uint64_t n;

	fixture_open(&f, &p);
	for (unsigned k = 0; k < 4; k++) {
		v.bytes[k] = malloc(len_max);
		ck_assert_ptr_nonnull(v.bytes[k]);
	}
	for (unsigned i = 0; i < n_writes; i++) {
		unsigned k = (unsigned)pick(&f, 4);
		size_t off = pick(&f, 3) ? v.lens[k] : pick(&f, v.lens[k] + 1);
		size_t len = pick(&f, 4) ? pick(&f, 20) : pick(&f, 10U * page_size);

		if (pick(&f, 5) == 0) /* to the end of a page */
			len = page_size - OVERFLOW_PAYLOAD - off % (page_size - OVERFLOW_PAYLOAD);
		if (off + len > len_max)
			len = len_max - off;
		write_piece(&f, &v, k, off, len, 0);
		if (i % 8 == 0)
			same_values(&f, &v);
		if (i % 32 == 0)
			double_commit(f.env);
	}
	same_values(&f, &v);
	write_piece(&f, &v, 0, v.lens[0] + 1, 1, VERSO_EMISUSE);
	for (unsigned i = 0; i < 40; i++) {
		unsigned k = (unsigned)pick(&f, 4);
		size_t off = pick(&f, v.lens[k] + 1), len = pick(&f, 3U * page_size);

		if (off + len > len_max)
			len = len_max - off;
		for (size_t at = 1;; at++) {
			struct btree_slice key = {"keys" + k, 4 - k};
			int rc;

			f.env->fail_at = f.env->n_calls + at;
			memset(f.val, (int)i, len);
			rc = btree_write(&f.bt, key, off, (struct btree_slice){f.val, len});
			f.env->fail_at = 0;
			if (rc == 0)
				break;
			ck_assert_int_eq(f.env->txn.broken, 0);
			if (at % 8 == 1)
				same_values(&f, &v);
		}
		memset(v.bytes[k] + off, (int)i, len);
		if (off + len > v.lens[k])
			v.lens[k] = off + len;
	}
	same_values(&f, &v);
	ck_assert_int_eq(btree_del_range(&f.bt,
				 &(struct btree_range){{{NULL, 0}, false}, {{NULL, 0}, false}}, &n),
		0);
	ck_assert_uint_eq(f.env->n_live, 0);
	for (unsigned k = 0; k < 4; k++)
		free(v.bytes[k]);
	fixture_close(&f);
}

START_TEST(pieces_agree_with_an_array)
{
	pieces(512, 60000, 600, 0);
	pieces(512, 250000, 700, 5);
	pieces(4096, 900000, 300, 3);
	pieces(65536, 3000000, 100, 0);
}
END_TEST

/* A byte at a time over each length at which the shape of the value changes. */
START_TEST(a_value_grows_by_one_byte_over_every_change_of_shape)
{
	static const struct profile p = {"by one", 512, 0, 2, 0, 0, 0, 0, 0};
	struct values v = {.cap = 8000};
	struct fixture f;

	fixture_open(&f, &p);
	for (unsigned k = 0; k < 4; k++) {
		v.bytes[k] = malloc(v.cap);
		ck_assert_ptr_nonnull(v.bytes[k]);
	}
	for (size_t len = 0; len < v.cap; len++) {
		write_piece(&f, &v, 1, len, 1, 0);
		if (len % 16 == 0 || len % 464 < 3)
			same_values(&f, &v);
	}
	same_values(&f, &v);
	for (unsigned k = 0; k < 4; k++)
		free(v.bytes[k]);
	fixture_close(&f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("btree_range");
	TCase *t = tcase_create("ranges and pieces");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, ranges_agree_with_a_model, 0,
		sizeof(profiles) / sizeof(profiles[0]));
	tcase_add_test(t, a_range_that_fails_changes_nothing_or_breaks_the_transaction);
	tcase_add_test(t, the_estimate_is_about_right);
	tcase_add_test(t, pieces_agree_with_an_array);
	tcase_add_test(t, a_value_grows_by_one_byte_over_every_change_of_shape);
	suite_add_tcase(s, t);
	return check_main(s);
}
