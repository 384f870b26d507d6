/* SPDX-License-Identifier: MIT */
/*
 * The tree against a sorted array: random streams of every call, over page sizes, key shapes,
 * missing pages, spills and failures, with btree_check as a second oracle and every page accounted
 * for.
 */
#include "btree/btree_int.h"
#include "tests/btree_model.h"
#include "tests/check_main.h"
#include "tests/double_txn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum key_shape {
	KEYS_RANDOM,
	KEYS_TINY,
	KEYS_PATHS,
	KEYS_ASCENDING,
	KEYS_DESCENDING,
	KEYS_LONG,
	KEYS_SHORT
};

struct profile {
	const char *name;
	uint32_t page_size;
	enum key_shape keys;
	size_t val_max;      /* ordinary values */
	unsigned long_every; /* one value in so many lies in overflow pages; 0: none */
	unsigned n_ops;
	unsigned miss, spill;
	unsigned marks; /* what the stream must have met: enum mark */
};

enum mark {
	MARK_HEIGHT = 1, /* four levels */
	MARK_EDGE = 2,   /* a page left full */
	MARK_MERGE = 4,
	MARK_MOVE = 8,  /* redistributions, one of which split a parent */
	MARK_ROOT = 16, /* grown and shrunk */
	MARK_LONG = 32, /* a long value made and freed */
};

struct stream {
	const struct profile *profile;
	struct double_env *env;
	struct btree bt;
	struct model model;
	uint64_t rng;
	uint64_t counter;
	unsigned level_max;
	uint8_t key[20000];
	uint8_t *val;
};

static uint64_t pick(struct stream *s, uint64_t n)
{
	return check_random(&s->rng) % n;
}

static struct btree_slice fresh_key(struct stream *s)
{
	static const char *const dirs[] = {"/usr/share/doc/", "/usr/share/doc/lib",
		"/usr/lib/x86_64-linux-gnu/", "/usr/share/", "/etc/", "/"};
	uint32_t max = btree_key_max(s->profile->page_size);
	size_t len = 0;
	uint64_t x = check_random(&s->rng);

	switch (s->profile->keys) {
	case KEYS_RANDOM:
		memcpy(s->key, &x, len = 8);
		break;
	case KEYS_TINY:
		len = x % 5;
		for (size_t i = 0; i < len; i++)
			s->key[i] = (uint8_t)((x >> (8 * i + 8)) % 5);
		break;
	case KEYS_PATHS: {
		const char *dir = dirs[x % 6];

		len = strlen(dir);
		memcpy(s->key, dir, len);
		for (uint64_t depth = 1 + (x >> 8) % 3; depth > 0; depth--) {
			int n = snprintf((char *)s->key + len, 40, "part-%u/",
				(unsigned)(check_random(&s->rng) % 40));

			len += (size_t)n;
		}
		break;
	}
	case KEYS_SHORT: /* small records fill a page to the last byte */
		len = (size_t)snprintf((char *)s->key, 40, "%c%03u", (char)('a' + x % 3),
			(unsigned)((x >> 8) % 2000));
		break;
	case KEYS_ASCENDING:
	case KEYS_DESCENDING: {
		uint64_t n = s->profile->keys == KEYS_ASCENDING ? s->counter : ~s->counter;

		s->counter++;
		for (len = 0; len < 8; len++)
			s->key[len] = (uint8_t)(n >> (56 - 8 * len));
		break;
	}
	case KEYS_LONG:
		len = max - x % 3;
		memset(s->key, 'k', len);
		/* differences at the front, in the middle and at the very end */
		s->key[(x >> 8) % 3 == 0    ? 0
			: (x >> 8) % 3 == 1 ? len / 2
					    : len - 1] = (uint8_t)(x >> 16);
		s->key[len - 2] = (uint8_t)(x >> 24);
		break;
	}
	if (len > max)
		len = max;
	return (struct btree_slice){s->key, len};
}

static struct btree_slice some_key(struct stream *s)
{
	struct model_record *r;

	if (s->model.n == 0 || pick(s, 4) == 0)
		return fresh_key(s);
	r = &s->model.records[pick(s, s->model.n)];
	memcpy(s->key, r->key, r->key_len);
	return (struct btree_slice){s->key, r->key_len};
}

static void do_put(struct stream *s, struct btree_slice key)
{
	const struct profile *p = s->profile;
	unsigned flags = pick(s, 8) == 0 ? BTREE_NOOVERWRITE : 0;
	size_t len = pick(s, p->val_max + 1);
	uint64_t seed = check_random(&s->rng);
	bool exact;
	int rc;

	if (p->long_every > 0 && pick(s, p->long_every) == 0)
		len = pick(s, 10) == 0 ? pick(s, 60U * p->page_size) : pick(s, 3U * p->page_size);
	model_find(&s->model, key, &exact);
	model_value(seed, s->val, len);
	rc = btree_put(&s->bt, key, (struct btree_slice){s->val, len}, flags);
	if (exact && flags) {
		ck_assert_int_eq(rc, VERSO_EXISTS);
		return;
	}
	ck_assert_msg(rc == 0, "put: %d %s", rc, error_text());
	model_put(&s->model, key, seed, len);
}

static void do_del(struct stream *s, struct btree_slice key)
{
	bool there = model_del(&s->model, key);

	ck_assert_int_eq(btree_del(&s->bt, key), there ? 0 : VERSO_NOTFOUND);
}

static void do_get(struct stream *s, struct btree_slice key)
{
	struct btree_item item;
	bool exact;
	size_t i = model_find(&s->model, key, &exact);
	int rc = btree_get(&s->bt, key, &item);

	ck_assert_int_eq(rc, exact ? 0 : VERSO_NOTFOUND);
	if (rc == 0) {
		model_same_value(&s->bt, &item, &s->model.records[i]);
		btree_item_put(&s->bt, &item);
	}
}

static void do_get_many(struct stream *s)
{
	static uint8_t bytes[BTREE_BATCH_MAX][20000];
	struct btree_slice keys[BTREE_BATCH_MAX];
	struct btree_item items[BTREE_BATCH_MAX];
	int codes[BTREE_BATCH_MAX];
	/* Room for none, some or all of them. */
	static uint8_t room[BTREE_BATCH_MAX * BTREE_COPY_MAX];
	struct btree_copies copies = {room, pick(s, 3) * sizeof(room) / 64};
	size_t n = pick(s, BTREE_BATCH_MAX + 1);

	for (size_t i = 0; i < n; i++) {
		keys[i] = some_key(s);
		memcpy(bytes[i], keys[i].data, keys[i].len);
		keys[i].data = bytes[i];
	}
	ck_assert_int_eq(btree_get_many(&s->bt, n, keys, &copies, items, codes), 0);
	for (size_t i = 0; i < n; i++) {
		bool exact;
		size_t at = model_find(&s->model, keys[i], &exact);

		ck_assert_int_eq(codes[i], exact ? 0 : VERSO_NOTFOUND);
		if (exact) {
			model_same_value(&s->bt, &items[i], &s->model.records[at]);
			btree_item_put(&s->bt, &items[i]);
		}
	}
}

static void same_as_model(struct stream *s, struct btree_slice key, const struct btree_item *item,
	size_t at)
{
	const struct model_record *r = &s->model.records[at];

	ck_assert_uint_eq(key.len, r->key_len);
	if (key.len > 0)
		ck_assert_int_eq(memcmp(key.data, r->key, key.len), 0);
	model_same_value(&s->bt, item, r);
}

/* Seeks, wanders, deletes under the cursor and puts beside it. `at` is the gap below record at. */
static void do_cursor(struct stream *s)
{
	struct btree_cursor *c;
	struct btree_slice key = some_key(s);
	struct btree_item item;
	bool on, exact;
	size_t at = model_find(&s->model, key, &exact);
	int rc;

	ck_assert_int_eq(btree_cursor_open(&s->bt, &c), 0);
	rc = btree_cursor_seek(c, key, &key, &item);
	on = at < s->model.n;
	ck_assert_int_eq(rc, on ? 0 : VERSO_NOTFOUND);
	if (on)
		same_as_model(s, key, &item, at);
	for (uint64_t steps = pick(s, 20); steps > 0; steps--) {
		uint64_t what = pick(s, 10);

		if (what < 4) {
			if (on)
				at++;
			rc = btree_cursor_next(c, &key, &item);
			on = at < s->model.n;
			ck_assert_int_eq(rc, on ? 0 : VERSO_NOTFOUND);
		} else if (what < 8) {
			rc = btree_cursor_prev(c, &key, &item);
			ck_assert_int_eq(rc, at > 0 ? 0 : VERSO_NOTFOUND);
			on = at > 0;
			if (on)
				at--;
		} else if (what == 8 && on) {
			model_del(&s->model, key);
			ck_assert_int_eq(btree_cursor_del(c), 0);
			on = false;
			continue;
		} else {
			/* An edit elsewhere, that may also take or add the neighbour. */
			struct btree_slice here = {0};
			static uint8_t saved[20000];
			bool was = on;

			if (!on)
				continue;
			memcpy(saved, s->model.records[at].key, s->model.records[at].key_len);
			here = (struct btree_slice){saved, s->model.records[at].key_len};
			if (pick(s, 2))
				do_put(s, some_key(s));
			else
				do_del(s, some_key(s));
			at = model_find(&s->model, here, &on);
			ck_assert(was);
			continue;
		}
		if (on)
			same_as_model(s, key, &item, at);
	}
	btree_cursor_close(c);
}

static int count_page(void *arg, struct page_ref ref, const struct page *page)
{
	size_t *n = arg;

	(void)ref;
	(void)page;
	++*n;
	return 0;
}

static void verify(struct stream *s)
{
	size_t n = 0;

	model_same_tree(&s->model, &s->bt);
	ck_assert_int_eq(btree_check(&s->bt, count_page, &n, NULL), 0);
	ck_assert_uint_eq(n, s->env->n_live);
	ck_assert_uint_eq(s->env->n_pins, 0);
}

static void step(struct stream *s, unsigned put_percent)
{
	uint64_t what = pick(s, 100);

	if (what < put_percent) {
		do_put(s, pick(s, 3) ? fresh_key(s) : some_key(s));
	} else if (what < 70) {
		do_del(s, some_key(s));
	} else if (what < 85) {
		do_get(s, some_key(s));
	} else if (what < 90) {
		do_get_many(s);
	} else if (what < 98) {
		do_cursor(s);
	} else {
		double_commit(s->env);
	}
}

static void stream_open(struct stream *s, const struct profile *p)
{
	struct txn_root root = {.tree = 7};

	memset(s, 0, sizeof(*s));
	s->profile = p;
	s->env = double_open(p->page_size);
	s->env->miss = p->miss;
	s->env->spill = p->spill;
	s->rng = check_seed() * 1000003 + p->page_size + p->keys * 77 + p->spill;
	s->val = malloc(64U * p->page_size + 1);
	ck_assert_ptr_nonnull(s->val);
	btree_init(&s->bt, &s->env->txn, &root);
}

static void stream_close(struct stream *s)
{
	btree_fini(&s->bt);
	model_fini(&s->model);
	double_close(s->env);
	free(s->val);
}

static const struct profile profiles[] = {
	{"random 8-byte keys", 512, KEYS_RANDOM, 40, 60, 20000, 0, 0, 4 + 8 + 16 + 32},
	{"tiny keys", 512, KEYS_TINY, 100, 0, 20000, 0, 0, 0},
	{"paths", 512, KEYS_PATHS, 60, 40, 20000, 7, 11, 1 + 4 + 8 + 16 + 32},
	{"ascending", 512, KEYS_ASCENDING, 30, 0, 15000, 0, 5, 2 + 4 + 16},
	{"descending", 512, KEYS_DESCENDING, 30, 0, 15000, 3, 0, 0},
	{"small records", 512, KEYS_SHORT, 5, 0, 20000, 0, 20, MARK_MERGE},
	{"long keys", 512, KEYS_LONG, 20, 30, 15000, 0, 3, 1 + 4 + 8 + 16 + 32},
	{"random 8-byte keys, 4 KiB", 4096, KEYS_RANDOM, 200, 100, 15000, 5, 50, 0},
	{"paths, 4 KiB", 4096, KEYS_PATHS, 900, 100, 15000, 5, 50, 0},
	{"long keys, 4 KiB", 4096, KEYS_LONG, 900, 20, 6000, 0, 0, 0},
	{"random 8-byte keys, 64 KiB", 65536, KEYS_RANDOM, 2000, 100, 8000, 0, 50, 0},
	{"long keys, 64 KiB", 65536, KEYS_LONG, 20000, 20, 2000, 2, 9, 0},
};

static void expect_marks(const struct stream *s)
{
	const struct btree_marks *m = &s->bt.marks;
	unsigned wanted = s->profile->marks;

	ck_assert(!(wanted & MARK_HEIGHT) || s->level_max >= 3);
	ck_assert(!(wanted & MARK_EDGE) || m->n_edge_splits > 0);
	ck_assert(!(wanted & MARK_MERGE) || m->n_merges > 0);
	ck_assert(!(wanted & MARK_MOVE) || m->n_redistributions > 0);
	ck_assert(!(wanted & MARK_ROOT) || (m->n_roots_grown > 0 && m->n_roots_shrunk > 0));
	ck_assert(!(wanted & MARK_LONG) || (m->n_overflow_made > 0 && m->n_overflow_freed > 0));
	printf("  level %u, %llu splits, %llu at the edge, %llu late, %llu merges, %llu "
	       "redistributions\n",
		s->level_max, (unsigned long long)m->n_splits, (unsigned long long)m->n_edge_splits,
		(unsigned long long)m->n_late_splits, (unsigned long long)m->n_merges,
		(unsigned long long)m->n_redistributions);
}

START_TEST(stream_agrees_with_model)
{
	const struct profile *p = &profiles[_i];
	struct stream s;

	printf("VERSO_SEED=%llu %s\n", (unsigned long long)check_seed(), p->name);
	stream_open(&s, p);
	for (unsigned i = 0; i < p->n_ops; i++) {
		/* grow, shrink, grow, and at last delete all */
		unsigned phase = i * 4 / p->n_ops;

		step(&s, phase == 1 ? 20 : phase == 3 ? 30 : 60);
		if (s.bt.root.level > s.level_max)
			s.level_max = s.bt.root.level;
		if (i % (p->n_ops / 20) == 0)
			verify(&s);
	}
	verify(&s);
	while (s.model.n > 0) {
		struct model_record *r = &s.model.records[pick(&s, s.model.n)];

		memcpy(s.key, r->key, r->key_len);
		do_del(&s, (struct btree_slice){s.key, r->key_len});
	}
	verify(&s);
	ck_assert_uint_eq(s.env->n_live, 0);
	ck_assert_uint_eq(s.bt.root.ref.pgno, 0);
	expect_marks(&s);
	stream_close(&s);
}
END_TEST

/* Every call of prepare and get fails once, and nothing has changed. */
START_TEST(failing_edit_changes_nothing)
{
	static const struct profile p = {"failing", 512, KEYS_PATHS, 60, 5, 0, 3, 4, 0};
	struct stream s;

	printf("VERSO_SEED=%llu\n", (unsigned long long)check_seed());
	stream_open(&s, &p);
	for (unsigned i = 0; i < 700; i++)
		do_put(&s, fresh_key(&s));
	for (unsigned i = 0; i < 60; i++) {
		struct btree_slice key = some_key(&s);
		size_t len = i % 3 ? pick(&s, 80) : pick(&s, 90000);
		uint64_t seed = check_random(&s.rng);
		bool del = i % 2;
		int rc = -1;

		double_commit(s.env);
		model_value(seed, s.val, len < 32000 ? len : (len = 32000));
		for (size_t n = 1; rc < 0; n++) {
			s.env->fail_at = s.env->n_calls + n;
			rc = del ? btree_del(&s.bt, key)
				 : btree_put(&s.bt, key, (struct btree_slice){s.val, len}, 0);
			s.env->fail_at = 0;
			ck_assert_uint_eq(s.env->n_pins, 0);
			if (rc < 0 && n % 4 == 1)
				verify(&s);
		}
		if (del)
			model_del(&s.model, key);
		else
			model_put(&s.model, key, seed, len);
		verify(&s);
	}
	stream_close(&s);
}
END_TEST

START_TEST(failing_read_leaves_nothing_pinned)
{
	static const struct profile p = {"failing reads", 512, KEYS_RANDOM, 60, 0, 0, 2, 0, 0};
	struct stream s;

	stream_open(&s, &p);
	for (unsigned i = 0; i < 500; i++)
		do_put(&s, fresh_key(&s));
	for (unsigned i = 0; i < 200; i++) {
		struct btree_slice keys[20], key;
		struct btree_item items[20];
		struct btree_cursor *c;
		uint8_t room[1000];
		struct btree_copies copies = {room, sizeof(room)};
		int codes[20];

		for (size_t k = 0; k < 20; k++) {
			struct model_record *r = &s.model.records[pick(&s, s.model.n)];

			keys[k] = (struct btree_slice){r->key, r->key_len};
		}
		s.env->fail_at = s.env->n_calls + 1 + i;
		if (btree_get_many(&s.bt, 20, keys, &copies, items, codes) == 0)
			for (size_t k = 0; k < 20; k++)
				btree_item_put(&s.bt, &items[k]);
		ck_assert_uint_eq(s.env->n_pins, 0);
		ck_assert_int_eq(btree_cursor_open(&s.bt, &c), 0);
		s.env->fail_at = s.env->n_calls + 1 + i;
		for (size_t k = 0; k < 300; k++) {
			/* a failed step is done again from where the cursor was */
			int rc = btree_cursor_next(c, &key, items);

			if (rc < 0)
				rc = btree_cursor_next(c, &key, items);
			ck_assert_int_eq(rc, 0);
			same_as_model(&s, key, items, k);
		}
		btree_cursor_close(c);
		ck_assert_uint_eq(s.env->n_pins, 0);
		s.env->fail_at = 0;
	}
	stream_close(&s);
}
END_TEST

START_TEST(ascending_puts_leave_full_leaves)
{
	static const struct profile p = {"ascending", 4096, KEYS_ASCENDING, 0, 0, 0, 0, 0, 0};
	struct btree_check_stats stats;
	struct stream s;

	stream_open(&s, &p);
	for (unsigned i = 0; i < 100000; i++) {
		struct btree_slice key = fresh_key(&s);

		ck_assert_int_eq(btree_put(&s.bt, key, (struct btree_slice){"0123456789", 10}, 0),
			0);
	}
	ck_assert_int_eq(btree_check(&s.bt, NULL, NULL, &stats), 0);
	ck_assert_uint_eq(stats.n_records, 100000);
	/*
	 * An entry takes 24 bytes, prefix included. The edge has no prefix, so that is what counts.
	 */
	ck_assert_uint_le(stats.n_leaves * 97, 100000 * 24 / node_cap(4096) * 100);
	stream_close(&s);
}
END_TEST

START_TEST(random_puts_leave_leaves_well_filled)
{
	static const struct profile p = {"random", 4096, KEYS_RANDOM, 0, 0, 0, 0, 0, 0};
	struct btree_check_stats stats;
	struct stream s;

	stream_open(&s, &p);
	memset(s.val, 'v', 50);
	for (unsigned i = 0; i < 30000; i++) {
		struct btree_slice key = fresh_key(&s);

		ck_assert_int_eq(btree_put(&s.bt, key, (struct btree_slice){s.val, 50}, 0), 0);
	}
	ck_assert_int_eq(btree_check(&s.bt, NULL, NULL, &stats), 0);
	printf("leaves are %llu %% full; %llu shared, %llu of two made three, %llu split\n",
		(unsigned long long)(stats.used_bytes * 100 / (stats.n_leaves * node_cap(4096))),
		(unsigned long long)s.bt.marks.n_shares, (unsigned long long)s.bt.marks.n_thirds,
		(unsigned long long)s.bt.marks.n_splits);
	ck_assert_uint_ge(stats.used_bytes * 100, stats.n_leaves * node_cap(4096) * 80);
	stream_close(&s);
}
END_TEST

START_TEST(input_may_lie_in_the_tree)
{
	static const struct profile p = {"aliases", 512, KEYS_RANDOM, 60, 0, 0, 0, 0, 0};
	struct stream s;

	stream_open(&s, &p);
	for (unsigned i = 0; i < 500; i++)
		do_put(&s, fresh_key(&s));
	for (unsigned i = 0; i < 500; i++) {
		struct model_record *r = &s.model.records[pick(&s, s.model.n)];
		struct btree_slice key = fresh_key(&s), from = {r->key, r->key_len};
		struct btree_item item;
		uint64_t seed = r->val_seed;
		size_t len = r->val_len;

		ck_assert_int_eq(btree_get(&s.bt, from, &item), 0);
		btree_item_put(&s.bt, &item);
		ck_assert_int_eq(btree_put(&s.bt, key, item.val, 0), 0);
		model_put(&s.model, key, seed, len);
	}
	verify(&s);
	stream_close(&s);
}
END_TEST

START_TEST(limits_are_named)
{
	static const struct profile p = {"limits", 4096, KEYS_RANDOM, 60, 0, 0, 0, 0, 0};
	static uint8_t big[1000];
	struct btree_slice key = {big, btree_key_max(4096)}, val = {big, 10};
	struct btree_item item;
	struct stream s;

	stream_open(&s, &p);
	ck_assert_uint_eq(key.len, 976);
	ck_assert_int_eq(btree_put(&s.bt, key, val, 0), 0);
	key.len++;
	ck_assert_int_eq(btree_put(&s.bt, key, val, 0), VERSO_ETOOBIG);
	ck_assert_ptr_nonnull(strstr(error_text(), "976"));
	ck_assert_int_eq(btree_get(&s.bt, key, &item), VERSO_NOTFOUND);
	ck_assert_int_eq(btree_del(&s.bt, key), VERSO_NOTFOUND);
	key.len = 0;
	ck_assert_int_eq(btree_put(&s.bt, key, (struct btree_slice){big, 0}, 0), 0);
	ck_assert_int_eq(btree_get(&s.bt, key, &item), 0);
	ck_assert_uint_eq(item.val.len, 0);
	btree_item_put(&s.bt, &item);
	val.len = BTREE_VALUE_MAX + 1;
	ck_assert_int_eq(btree_put(&s.bt, key, val, 0), VERSO_ETOOBIG);
	ck_assert_uint_eq(s.bt.root.count, 2);
	ck_assert_int_eq(btree_drop(&s.bt), 0);
	ck_assert_uint_eq(s.env->n_live, 0);
	stream_close(&s);
}
END_TEST

/* A reader of the state before sees it whatever the writer does. */
START_TEST(snapshot_stays_as_it_was)
{
	static const struct profile p = {"snapshots", 512, KEYS_PATHS, 60, 20, 0, 0, 13, 0};
	struct stream s;
	struct model old = {0};
	struct btree view;
	struct txn *reader;

	stream_open(&s, &p);
	s.env->keep = true;
	for (unsigned i = 0; i < 600; i++)
		do_put(&s, fresh_key(&s));
	for (size_t i = 0; i < s.model.n; i++)
		model_put(&old,
			(struct btree_slice){s.model.records[i].key, s.model.records[i].key_len},
			s.model.records[i].val_seed, s.model.records[i].val_len);
	double_commit(s.env);
	reader = double_reader(s.env);
	btree_init(&view, reader, &s.bt.root);
	for (unsigned i = 0; i < 3000; i++)
		step(&s, 40);
	model_same_tree(&old, &view);
	btree_fini(&view);
	double_reader_close(reader);
	model_fini(&old);
	stream_close(&s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("btree");
	TCase *t = tcase_create("tree");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, stream_agrees_with_model, 0, sizeof(profiles) / sizeof(profiles[0]));
	tcase_add_test(t, failing_edit_changes_nothing);
	tcase_add_test(t, failing_read_leaves_nothing_pinned);
	tcase_add_test(t, ascending_puts_leave_full_leaves);
	tcase_add_test(t, random_puts_leave_leaves_well_filled);
	tcase_add_test(t, input_may_lie_in_the_tree);
	tcase_add_test(t, limits_are_named);
	tcase_add_test(t, snapshot_stays_as_it_was);
	suite_add_tcase(s, t);
	return check_main(s);
}
