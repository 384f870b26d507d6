/* SPDX-License-Identifier: MIT */
/*
 * Makes a golden file: make_golden FILE PAGE_SIZE [regions]
 *
 * The records of golden.h, put in commits and in an order of their own; some replaced, others
 * deleted again, so that there are pending pages, and free ones. `regions`: allocation groups of
 * 256 pages, two of them in a meta and four pending extents, so that a small file has pages of the
 * index of groups and of pending extents. The same arguments give the same bytes.
 */
#include "db/db_int.h"
#include "tests/golden/golden.h"

#include <stdlib.h>

static struct golden_record record;
static unsigned char *value;
static size_t page_size;

static void ok(int rc, const char *what)
{
	if (rc == 0)
		return;
	(void)fprintf(stderr, "make_golden: %s: %s\n", what, verso_errmsg(NULL));
	exit(EXIT_FAILURE);
}

static struct verso_txn *begin(struct verso *db)
{
	struct verso_txn *txn;

	ok(verso_begin(db, VERSO_WRITE, &txn), "begin");
	return txn;
}

static struct verso_table *table_in(struct verso_txn *txn, unsigned table)
{
	struct verso_table *t = NULL;

	if (golden_tables[table])
		ok(verso_table_open(txn, golden_tables[table], VERSO_CREATE, &t), "table");
	return t;
}

/* Puts every step-th record from `from` on, wrong: with another value. */
static void put(struct verso *db, unsigned table, unsigned from, unsigned step, int wrong)
{
	struct verso_txn *txn = begin(db);
	struct verso_table *t = table_in(txn, table);

	for (unsigned i = from; golden_record(page_size, page_size <= 16384, table, i, &record);
		i += step) {
		struct verso_val key = {record.key, record.key_len};

		golden_value(&record, value);
		if (wrong)
			memset(value, '?', record.val_len);
		ok(verso_put(txn, t, key,
			   (struct verso_val){value, record.val_len / (wrong ? 2 : 1)}, 0),
			"put");
	}
	ok(verso_commit(txn), "commit");
}

/* Records that the file will not have. */
static void put_and_delete(struct verso *db, int del)
{
	struct verso_txn *txn = begin(db);

	for (unsigned i = 0; i < 900; i++) {
		char text[40];
		struct verso_val key = {text, (size_t)snprintf(text, sizeof(text), "gone-%u", i)};

		if (del)
			ok(verso_del(txn, NULL, key), "del");
		else
			ok(verso_put(txn, NULL, key, key, 0), "put");
	}
	ok(verso_commit(txn), "commit");
}

int main(int argc, char **argv)
{
	static const uint8_t uuid[16] = "golden file, v2";
	struct txn_options groups = {
		.group_pages = 256, .meta_groups_max = 2, .meta_pending_max = 4};
	struct db_hooks hooks = {.uuid = uuid, .txn = argc > 3 ? &groups : NULL};
	struct verso_options o = {.size = sizeof(o),
		.flags = VERSO_CREATE | VERSO_EXCL,
		.cache_bytes = (size_t)256 << 20,
		.commit_mode = VERSO_COMMIT_TWO_FLUSH};
	struct verso *db;

	if (argc < 3 || argc > 4 || (argc == 4 && strcmp(argv[3], "regions") != 0)) {
		(void)fputs("usage: make_golden FILE PAGE_SIZE [regions]\n", stderr);
		return 2;
	}
	page_size = strtoul(argv[2], NULL, 10);
	o.page_size = (uint32_t)page_size;
	value = malloc((size_t)16 << 20);
	ok(value ? 0 : -1, "no memory");
	ok(db_open_with(&hooks, argv[1], &o, &db), "open");
	for (unsigned table = 0; table < GOLDEN_TABLES; table++)
		for (unsigned step = 0; step < 7; step++)
			put(db, table, step * 3 % 7, 7, step % 3 == 0);
	put_and_delete(db, 0);
	put_and_delete(db, 1);
	for (unsigned table = 0; table < GOLDEN_TABLES; table++)
		put(db, table, 0, 1, 0);
	for (unsigned from = 0; from < 2; from++) /* every second one once more: pages apart */
		put(db, 3, from, 2, 0);
	verso_close(db);
	free(value);
	return EXIT_SUCCESS;
}
