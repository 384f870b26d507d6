/* SPDX-License-Identifier: MIT */
/*
 * Reads a golden file through the public interface: read_golden FILE PAGER [w]
 *
 * Every table record by record, both ways; long values in pieces; verso_check. `w`: writes to it
 * afterwards, and looks again. Says what is not as golden.h has it; exit status 1. Runs on any
 * machine, of either byte order.
 */
#include "tests/golden/golden.h"

#include <stdlib.h>
#include <verso.h>

static struct golden_record record;
static unsigned char *value;

static void ok(int is_ok, const char *what, unsigned i)
{
	if (is_ok)
		return;
	(void)fprintf(stderr, "read_golden: %s (record %u): %s\n", what, i, verso_errmsg(NULL));
	exit(EXIT_FAILURE);
}

static void same(struct verso_val key, struct verso_val val, unsigned i)
{
	golden_value(&record, value);
	ok(key.len == record.key_len && memcmp(key.data, record.key, key.len) == 0, "the key", i);
	ok(val.len == record.val_len && memcmp(val.data, value, val.len) == 0, "the value", i);
}

static void in_pieces(struct verso_txn *txn, struct verso_table *table, unsigned i)
{
	struct verso_val key = {record.key, record.key_len};
	unsigned char piece[777];
	size_t n;

	for (size_t off = 0; off < record.val_len; off += record.val_len / 9 + 1) {
		ok(verso_read(txn, table, key, off, piece, sizeof(piece), &n) == 0, "a read", i);
		ok(n <= record.val_len - off && memcmp(piece, value + off, n) == 0, "a piece", i);
	}
}

/* How many records of the table there are, each as it should be. */
static unsigned read_table(struct verso_txn *txn, unsigned t, size_t page_size, int with_index)
{
	struct verso_table *table = NULL;
	struct verso_cursor *c;
	struct verso_val key, val;
	unsigned n = 0;

	if (golden_tables[t])
		ok(verso_table_open(txn, golden_tables[t], 0, &table) == 0, golden_tables[t], 0);
	ok(verso_cursor_open(txn, table, &c) == 0, "a cursor", 0);
	for (; golden_record(page_size, with_index, t, n, &record); n++) {
		ok(verso_cursor_next(c, &key, &val) == 0, "the next", n);
		same(key, val, n);
		in_pieces(txn, table, n);
		ok(verso_get(txn, table, (struct verso_val){record.key, record.key_len}, &val) == 0,
			"a get", n);
		same((struct verso_val){record.key, record.key_len}, val, n);
	}
	ok(verso_cursor_next(c, &key, &val) == VERSO_NOTFOUND, "one too many", n);
	for (unsigned i = n; i-- > 0;) {
		ok(verso_cursor_prev(c, &key, &val) == 0, "the one before", i);
		(void)golden_record(page_size, with_index, t, i, &record);
		same(key, val, i);
	}
	verso_cursor_close(c);
	return n;
}

static int finding(void *arg, uint32_t pgno, const char *text)
{
	(void)arg;
	(void)fprintf(stderr, "read_golden: page %u: %s\n", pgno, text);
	return 0;
}

static void write_to(struct verso *db)
{
	struct verso_txn *txn;

	ok(verso_begin(db, VERSO_WRITE, &txn) == 0, "begin", 0);
	for (unsigned i = 0; i < 500; i++) {
		char text[40];
		struct verso_val key = {text, (size_t)snprintf(text, sizeof(text), "new-%u", i)};

		ok(verso_put(txn, NULL, key, key, 0) == 0, "put", i);
	}
	ok(verso_commit(txn) == 0, "commit", 0);
	ok(verso_begin(db, VERSO_WRITE, &txn) == 0, "begin", 0);
	for (unsigned i = 0; i < 500; i++) {
		char text[40];
		struct verso_val key = {text, (size_t)snprintf(text, sizeof(text), "new-%u", i)};

		ok(verso_del(txn, NULL, key) == 0, "del", i);
	}
	ok(verso_commit(txn) == 0, "commit", 0);
}

static void look(struct verso *db, unsigned *n)
{
	struct verso_stat stat = {.size = sizeof(stat)};
	struct verso_txn *txn;

	ok(verso_stat(db, &stat) == 0, "stat", 0);
	ok(verso_check(db, 0, finding, NULL) == 0, "check", 0);
	ok(verso_begin(db, VERSO_READ, &txn) == 0, "begin", 0);
	*n = 0;
	for (unsigned t = 0; t < GOLDEN_TABLES; t++)
		*n += read_table(txn, t, stat.page_size, stat.page_size <= 16384);
	verso_abort(txn);
}

int main(int argc, char **argv)
{
	struct verso_options o = {.size = sizeof(o), .flags = VERSO_RDONLY};
	struct verso *db;
	unsigned n, again;

	if (argc < 3) {
		(void)fputs("usage: read_golden FILE bufpool|mmap|vmcache [w]\n", stderr);
		return 2;
	}
	o.pager = strcmp(argv[2], "mmap") == 0      ? VERSO_MMAP
		  : strcmp(argv[2], "vmcache") == 0 ? VERSO_VMCACHE
						    : VERSO_BUFPOOL;
	value = malloc((size_t)16 << 20);
	ok(value != NULL, "no memory", 0);
	ok(verso_open(argv[1], &o, &db) == 0, "open for reading", 0);
	look(db, &n);
	verso_close(db);
	if (argc > 3) {
		o.flags = 0;
		ok(verso_open(argv[1], &o, &db) == 0, "open", 0);
		write_to(db);
		look(db, &again);
		ok(n == again, "other records", again);
		verso_close(db);
	}
	(void)printf("%u records\n", n);
	free(value);
	return EXIT_SUCCESS;
}
