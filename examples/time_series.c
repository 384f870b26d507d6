/* SPDX-License-Identifier: MIT */
/*
 * A time series: measurements come in the order of time, ranges of time are read, old ones go.
 *
 *	time_series DB [mmap]
 *
 * The key is the name of the sensor, a zero, and the time in seconds with its most significant byte
 * first; so each sensor's measurements are neighbours, and a new one goes to their end. Many
 * measurements are put in one transaction: a commit costs a flush of the disk, however many
 * records it has.
 */
#include "example.h"

#include <stdint.h>

#define NAME_MAX_BYTES 31U
#define DAY_S          86400U

struct key {
	unsigned char bytes[NAME_MAX_BYTES + 1 + 4];
	struct verso_val val;
};

static void key_make(struct key *key, const char *sensor, uint32_t time_s)
{
	size_t len = strlen(sensor) + 1;

	memcpy(key->bytes, sensor, len);
	for (int i = 0; i < 4; i++)
		key->bytes[len++] = (unsigned char)(time_s >> (24 - 8 * i));
	key->val = (struct verso_val){key->bytes, len};
}

static int is_below(struct verso_val a, struct verso_val b)
{
	int rc = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

	return rc < 0 || (rc == 0 && a.len < b.len);
}

/* One measurement every ten minutes, for two days. */
static void measure(struct verso *db, const char *sensor, int32_t start)
{
	struct verso_txn *txn = begin(db, VERSO_WRITE);
	struct key key;

	for (uint32_t t = 0; t < 2 * DAY_S; t += 600) {
		int32_t value = start + (int32_t)(t % DAY_S / 3600);

		key_make(&key, sensor, t);
		must(verso_put(txn, NULL, key.val, (struct verso_val){&value, sizeof(value)}, 0));
	}
	must(verso_commit(txn));
}

/* Least, greatest and mean of the measurements with from <= time < to. */
static void print_range(struct verso *db, const char *sensor, uint32_t from, uint32_t to)
{
	struct verso_txn *txn = begin(db, VERSO_READ);
	int32_t value, min = INT32_MAX, max = INT32_MIN;
	struct verso_cursor *cursor;
	struct verso_val key, val;
	struct key first, end;
	int64_t sum = 0;
	int n = 0, rc;

	key_make(&first, sensor, from);
	key_make(&end, sensor, to);
	must(verso_cursor_open(txn, NULL, &cursor));
	for (rc = must(verso_cursor_seek(cursor, first.val, &key, &val));
		rc == 0 && is_below(key, end.val);
		rc = must(verso_cursor_next(cursor, &key, &val))) {
		memcpy(&value, val.data, sizeof(value));
		min = value < min ? value : min;
		max = value > max ? value : max;
		sum += value;
		n++;
	}
	printf("%s: %d measurements", sensor, n);
	if (n > 0)
		printf(", %d to %d, mean %.1f", min, max, (double)sum / n);
	printf("\n");
	verso_cursor_close(cursor);
	verso_abort(txn);
}

/* Deletes what is older. */
static void forget(struct verso *db, const char *sensor, uint32_t before)
{
	struct verso_txn *txn = begin(db, VERSO_WRITE);
	struct verso_cursor *cursor;
	struct verso_val key;
	struct key first, end;
	int rc;

	key_make(&first, sensor, 0);
	key_make(&end, sensor, before);
	must(verso_cursor_open(txn, NULL, &cursor));
	for (rc = must(verso_cursor_seek(cursor, first.val, &key, NULL));
		rc == 0 && is_below(key, end.val); rc = must(verso_cursor_next(cursor, &key, NULL)))
		must(verso_cursor_del(cursor));
	verso_cursor_close(cursor);
	must(verso_commit(txn));
}

int main(int argc, char **argv)
{
	struct verso *db = open_database(argc, argv);

	measure(db, "cellar", 8);
	measure(db, "roof", -5);
	print_range(db, "cellar", 0, 2 * DAY_S);
	print_range(db, "roof", DAY_S, DAY_S + 6 * 3600);
	forget(db, "cellar", DAY_S);
	print_range(db, "cellar", 0, 2 * DAY_S);
	print_range(db, "roof", 0, 2 * DAY_S);
	print_range(db, "garden", 0, 2 * DAY_S);
	verso_close(db);
	return 0;
}
