/* SPDX-License-Identifier: MIT */
/*
 * A time series: measurements come in the order of time, ranges of time are read, old ones go.
 *
 *	time_series DB [mmap]
 *
 * The key is the name of the sensor and the time in seconds, made by verso_key.h; so each sensor's
 * measurements are neighbours in the order of time, and a new one goes to their end. Many
 * measurements are put in one transaction: a commit costs a flush of the disk, however many records
 * it has.
 */
#include "example.h"
#include "verso_key.h"

#define KEY_MAX 64U
#define DAY_S   86400U

struct point {
	uint8_t buf[KEY_MAX];
	struct verso_val key;
};

static void point_make(struct point *point, const char *sensor, uint32_t time_s)
{
	struct verso_key key = verso_key_begin(point->buf, KEY_MAX);

	verso_key_add_text(&key, sensor);
	verso_key_add_u32(&key, time_s);
	point->key = verso_key_val(&key);
}

/* One measurement every ten minutes, for two days. */
static void measure(struct verso *db, const char *sensor, int32_t start)
{
	struct verso_txn *txn = begin(db, VERSO_WRITE);
	struct point point;

	for (uint32_t t = 0; t < 2 * DAY_S; t += 600) {
		int32_t value = start + (int32_t)(t % DAY_S / 3600);

		point_make(&point, sensor, t);
		must(verso_put(txn, NULL, point.key, (struct verso_val){&value, sizeof(value)}, 0));
	}
	must(verso_commit(txn));
}

/* Least, greatest and mean of the measurements with from <= time < to. */
static void print_range(struct verso *db, const char *sensor, uint32_t from, uint32_t to)
{
	struct verso_txn *txn = begin(db, VERSO_READ);
	int32_t value, min = INT32_MAX, max = INT32_MIN;
	struct verso_cursor *cursor;
	struct verso_range range = {0};
	struct point first, end;
	struct verso_val val;
	int64_t sum = 0;
	int n = 0;

	point_make(&first, sensor, from);
	point_make(&end, sensor, to);
	range.from = first.key;
	range.to = end.key; /* itself not included */
	must(verso_cursor_open_range(txn, NULL, &range, &cursor));
	while (must(verso_cursor_next(cursor, NULL, &val)) == 0) {
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
	struct verso_range range = {0};
	struct point first, end;

	point_make(&first, sensor, 0);
	point_make(&end, sensor, before);
	range.from = first.key;
	range.to = end.key;
	must(verso_del_range(txn, NULL, &range, NULL));
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
