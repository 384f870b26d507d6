/* SPDX-License-Identifier: MIT */
/*
 * Forged files: the checksums are right, the bytes behind them make no sense. Whoever can write the
 * file can make such a one; a bug of ours could too. Errors are told and stay told.
 */
#include "btree/node.h"
#include "db/db_int.h"
#include "tests/api.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_RECORDS 400
#define PAGE      4096U

/*
 * The catalogue
 */

struct findings {
	unsigned n;
	char first[1024]; /* of the trees */
};

static int note(void *arg, uint32_t pgno, const char *text)
{
	struct findings *f = arg;

	(void)pgno;
	if (f->n++ == 0)
		(void)snprintf(f->first, sizeof(f->first), "%s", text);
	return 0;
}

START_TEST(a_long_name_with_a_bad_record_is_a_finding)
{
	struct verso *db = api_open(_i, "a", 0);
	struct findings f = {0};
	struct verso_txn *txn;
	char name[976];

	ck_assert_uint_eq(sizeof(name), node_key_max(PAGE));
	memset(name, 'n', sizeof(name));
	for (size_t len = TABLE_NAME_MAX - 1; len <= sizeof(name); len += len < 400 ? 1 : 64) {
		struct btree_slice key = {name, len}, val = {"no record", 9};

		txn = api_begin(db, VERSO_WRITE);
		API_OK(btree_put(&txn->catalogue.tree, key, val, 0));
		API_OK(verso_commit(txn));
		f.n = 0;
		API_IS(verso_check(db, VERSO_CHECK_TREES, note, &f), VERSO_ECORRUPT);
		ck_assert_uint_eq(f.n, 1);
		ck_assert_msg(strstr(f.first, "nnn: expected its description") != NULL, "%s",
			f.first);
		API_IS(verso_check(db, 0, note, &f), VERSO_ECORRUPT);
		txn = api_begin(db, VERSO_WRITE);
		API_OK(btree_del(&txn->catalogue.tree, key));
		API_OK(verso_commit(txn));
	}
	api_check(db);
	verso_close(db);
}
END_TEST

/*
 * Leaves
 */

/* What is done to entry i of a leaf. */
typedef void forge_fn(uint8_t *leaf, unsigned i);

static uint8_t *cell_of(uint8_t *leaf, unsigned i)
{
	return leaf + node_off((const struct page *)leaf, i);
}

static void value_leaves_page(uint8_t *leaf, unsigned i)
{
	le16_set(cell_of(leaf, i), 0x7000);
}

static void value_is_no_reference(uint8_t *leaf, unsigned i)
{
	le16_set(cell_of(leaf, i), NODE_OVERFLOW | 7);
}

static void value_is_endless(uint8_t *leaf, unsigned i)
{
	unsigned tail = node_tail_len(node_suffix_len((const struct page *)leaf, i));

	le16_set(cell_of(leaf, i), NODE_OVERFLOW | NODE_OVERFLOW_BYTES);
	memset(cell_of(leaf, i) + 2 + tail, 0xff, NODE_OVERFLOW_BYTES);
}

static void key_is_longer_than_any(uint8_t *leaf, unsigned i)
{
	le16_set(leaf + NODE_SLOTS + i * NODE_SLOT_BYTES + NODE_SLOT_LEN,
		(uint16_t)(node_key_max(PAGE) + 1));
}

static void cell_lies_outside(uint8_t *leaf, unsigned i)
{
	le16_set(leaf + NODE_SLOTS + i * NODE_SLOT_BYTES + NODE_SLOT_OFF, 65535);
}

static forge_fn *const forgeries[] = {value_leaves_page, value_is_no_reference, value_is_endless,
	key_is_longer_than_any, cell_lies_outside};

/* Finds the leaf of key and forges its first, middle or last entry; which is `at` then. */
static void forge_leaf(const char *path, uint64_t seed, const char *key, forge_fn *forge, int which,
	char at[32])
{
	_Alignas(8) uint8_t bytes[PAGE];
	struct page *page = (struct page *)bytes;
	int fd = open(path, O_RDWR);
	unsigned i, len;
	off_t off = 0;
	bool exact;

	ck_assert_int_ge(fd, 0);
	for (exact = false; !exact; off += PAGE) {
		ck_assert_int_eq(pread(fd, bytes, PAGE, off), PAGE);
		if (page->type != PAGE_NODE || page->level != 0 ||
			page_verify(page, PAGE, page_ref(page), seed) < 0)
			continue;
		(void)node_lower(page, PAGE, (const uint8_t *)key, (unsigned)strlen(key), &exact);
	}
	ck_assert_uint_gt(node_count(page), 4);
	i = which == 0 ? 0 : which == 1 ? node_count(page) / 2 : node_count(page) - 1;
	len = node_key(page, PAGE, i, (uint8_t *)at);
	ck_assert_uint_lt(len, 32);
	at[len] = '\0';
	forge(bytes, i);
	memset(page->checksum, 0, sizeof(page->checksum));
	page_seal(page, PAGE, seed);
	ck_assert_int_eq(pwrite(fd, bytes, PAGE, off - PAGE), PAGE);
	ck_assert_int_eq(close(fd), 0);
}

static int step(struct verso_cursor *c, bool up, struct verso_val *key)
{
	return up ? verso_cursor_next(c, key, NULL) : verso_cursor_prev(c, key, NULL);
}

/* Reads up to the forged record at `at`, and tries to get past it. */
static void scan_to(struct verso *db, bool up, const char *at)
{
	struct verso_txn *txn = api_begin(db, VERSO_READ);
	char before[32] = "";
	struct verso_cursor *c;
	struct verso_val key;
	int n = 0, rc;

	API_OK(verso_cursor_open(txn, NULL, &c));
	while ((rc = step(c, up, &key)) == 0) {
		n++;
		(void)snprintf(before, sizeof(before), "%.*s", (int)key.len, (char *)key.data);
		ck_assert_msg(up ? strcmp(before, at) < 0 : strcmp(before, at) > 0, "%s is behind",
			before);
	}
	API_IS(rc, VERSO_ECORRUPT);
	ck_assert_int_eq(n, up ? atoi(at + 3) : N_RECORDS - 1 - atoi(at + 3));
	for (int i = 0; i < 3; i++) {
		API_SAYS(step(c, up, &key), VERSO_ECORRUPT, "reaches beyond");
		API_SAYS(step(c, !up, &key), VERSO_ECORRUPT, "reaches beyond");
		API_IS(verso_cursor_get(c, &key, NULL), VERSO_NOTFOUND);
	}
	API_OK(verso_cursor_first(c, &key, NULL));
	API_OK(verso_cursor_next(c, &key, NULL));
	API_IS(verso_cursor_seek(c, api_val(at), &key, NULL), VERSO_ECORRUPT);
	API_IS(step(c, up, &key), VERSO_ECORRUPT);
	API_OK(verso_cursor_last(c, &key, NULL));
	API_OK(verso_cursor_prev(c, &key, NULL));
	API_IS(verso_cursor_seek(c, api_val(at), &key, NULL), VERSO_ECORRUPT);
	/* Without heads a search decodes each key that it compares, the forged one too. */
	rc = verso_cursor_seek(c, api_val(before), &key, NULL);
	if (NODE_HEAD_BYTES > 0)
		API_OK(rc);
	ck_assert(rc == 0 || rc == VERSO_ECORRUPT);
	API_IS(step(c, up, &key), VERSO_ECORRUPT);
	verso_cursor_close(c);
	verso_abort(txn);
}

START_TEST(a_forged_record_stops_a_cursor_until_it_is_placed_anew)
{
	for (size_t f = 0; f < sizeof(forgeries) / sizeof(forgeries[0]); f++) {
		for (int which = 0; which < 3; which++) {
			char path[CHECK_PATH_BYTES], at[32];
			struct verso *db = api_open(_i, "a", 0);
			uint64_t seed = db->pager->seed;

			api_fill(db, N_RECORDS, 40);
			verso_close(db);
			api_path(path, "a");
			forge_leaf(path, seed, "key000200", forgeries[f], which, at);
			db = api_open(_i, "a", 0);
			scan_to(db, true, at);
			scan_to(db, false, at);
			verso_close(db);
			ck_assert_int_eq(unlink(path), 0);
		}
	}
}
END_TEST

/*
 * Long values
 */

#define N_LONG   60
#define LONG_LEN (2 * (PAGE - 48) + 40) /* two pages, and 40 bytes in the leaf */

/* What a leaf holds of the long value of its entry i. */
static uint8_t *long_cell(uint8_t *leaf, unsigned i)
{
	struct node_value val = {0};

	ck_assert(node_value((const struct page *)leaf, PAGE, i, &val));
	ck_assert(val.overflow);
	ck_assert_uint_eq(val.len, 8 + 2 * PAGE_REF_BYTES + 40);
	return (uint8_t *)(uintptr_t)val.data;
}

static void set_ref(uint8_t *leaf, unsigned i, pgno_t pgno)
{
	struct page_ref ref = page_ref_get(long_cell(leaf, i) + 8);

	page_ref_set(long_cell(leaf, i) + 8, (struct page_ref){pgno, ref.gen});
}

static void piece_is_no_page(uint8_t *leaf, unsigned i)
{
	page_ref_set(long_cell(leaf, i) + 8, (struct page_ref){0, 0});
}

static void piece_is_a_meta(uint8_t *leaf, unsigned i)
{
	set_ref(leaf, i, 1);
}

static void piece_is_a_bitmap(uint8_t *leaf, unsigned i)
{
	set_ref(leaf, i, 2);
}

static void piece_lies_beyond(uint8_t *leaf, unsigned i)
{
	set_ref(leaf, i, UINT32_MAX - 1);
}

static void piece_is_its_leaf(uint8_t *leaf, unsigned i)
{
	page_ref_set(long_cell(leaf, i) + 8, page_ref((const struct page *)leaf));
}

static void piece_is_there_twice(uint8_t *leaf, unsigned i)
{
	memcpy(long_cell(leaf, i) + 8 + PAGE_REF_BYTES, long_cell(leaf, i) + 8, PAGE_REF_BYTES);
}

static void piece_is_of_another_value(uint8_t *leaf, unsigned i)
{
	unsigned other = i > 0 ? i - 1 : i + 1;

	memcpy(long_cell(leaf, i) + 8, long_cell(leaf, other) + 8, PAGE_REF_BYTES);
}

static void piece_is_of_another_age(uint8_t *leaf, unsigned i)
{
	struct page_ref ref = page_ref_get(long_cell(leaf, i) + 8);

	ref.gen--;
	page_ref_set(long_cell(leaf, i) + 8, ref);
}

static void length_is_a_byte_more(uint8_t *leaf, unsigned i)
{
	le64_set(long_cell(leaf, i), LONG_LEN + 1);
}

static void length_is_that_of_index_pages(uint8_t *leaf, unsigned i)
{
	/* as many bytes of cell: references to five pages of another level */
	le64_set(long_cell(leaf, i), 1 << 20);
}

static forge_fn *const long_forgeries[] = {piece_is_no_page, piece_is_a_meta, piece_is_a_bitmap,
	piece_lies_beyond, piece_is_its_leaf, piece_is_there_twice, piece_is_of_another_value,
	piece_is_of_another_age, length_is_a_byte_more, length_is_that_of_index_pages};

/* Fails unless rc is an outcome, or an error with a text. */
static int answered(int rc)
{
	ck_assert(rc >= 0 || verso_errmsg(NULL)[0] != '\0');
	return rc;
}

/* Replaces or deletes each record in turn. What is given up twice, or cannot be, is found. */
static void edit_long_values(struct verso *db, bool del)
{
	static const char val[LONG_LEN];

	for (int i = 0; i < N_LONG; i++) {
		struct verso_txn *txn;
		char key[32];

		if (answered(verso_begin(db, VERSO_WRITE, &txn)) < 0)
			return;
		(void)snprintf(key, sizeof(key), "key%06d", i);
		(void)answered(del ? verso_del(txn, NULL, api_val(key))
				   : verso_put(txn, NULL, api_val(key),
					     (struct verso_val){val, sizeof(val)}, 0));
		(void)answered(verso_commit(txn));
	}
}

/* _i: pager, and whether records are deleted or replaced. */
START_TEST(a_forged_long_value_is_found_and_does_no_harm)
{
	for (size_t f = 0; f < sizeof(long_forgeries) / sizeof(long_forgeries[0]); f++) {
		char path[CHECK_PATH_BYTES], at[32];
		struct verso *db = api_open(_i % API_PAGERS, "a", 0);
		uint64_t seed = db->pager->seed;
		struct verso_val val;
		struct verso_txn *txn;
		uint8_t piece[8];
		size_t n;

		api_fill(db, N_LONG, LONG_LEN);
		verso_close(db);
		api_path(path, "a");
		forge_leaf(path, seed, "key000020", long_forgeries[f], 1, at);
		db = api_open(_i % API_PAGERS, "a", 0);
		API_IS(verso_check(db, 0, NULL, NULL), VERSO_ECORRUPT);
		txn = api_begin(db, VERSO_READ);
		for (int i = 0; i < N_LONG; i++) {
			char key[32];
			int rc;

			(void)snprintf(key, sizeof(key), "key%06d", i);
			rc = answered(verso_get(txn, NULL, api_val(key), &val));
			ck_assert(rc == 0 || strcmp(key, at) == 0);
			if (rc == 0)
				ck_assert_uint_eq(val.len, LONG_LEN);
			(void)answered(verso_read(txn, NULL, api_val(key), 100, piece, 8, &n));
		}
		verso_abort(txn);
		edit_long_values(db, _i / API_PAGERS);
		edit_long_values(db, false);
		edit_long_values(db, true);
		verso_close(db);
		if (answered(verso_open(path, NULL, &db)) == 0)
			verso_close(db);
		ck_assert_int_eq(unlink(path), 0);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("forged files");
	TCase *t = tcase_create("both pagers");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, a_long_name_with_a_bad_record_is_a_finding, 0, API_PAGERS);
	tcase_add_loop_test(t, a_forged_long_value_is_found_and_does_no_harm, 0, 2 * API_PAGERS);
	tcase_add_loop_test(t, a_forged_record_stops_a_cursor_until_it_is_placed_anew, 0,
		API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
