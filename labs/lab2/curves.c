/* SPDX-License-Identifier: MIT */
/*
 * usage: curves [--csv] [TRACE]
 *
 * Misses by frames, under CLOCK, LRU and SIEVE of labs/lab2/policies.c, the engine's others, and
 * the optimum. Without TRACE it makes its own: a small database of 20,000 records; a quarter of
 * the gets go to one record in twenty and the others anywhere; then a scan. What is drawn at random
 * starts from VERSO_SEED, or 1.
 *
 *	./lab run 2 curves --csv | python3 labs/lab2/curves.py > labs/lab2/curves.svg
 */
#include "trace/trace.h"
#include "bufpool/policies.h"
#include "verso.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_RECORDS  20000U
#define N_GETS     20000U
#define PATH_BYTES 512

static const uint32_t frames[] = {10, 20, 30, 50, 70, 100, 150, 200, 300, 400, 500, 600};

#define N_FRAMES (sizeof(frames) / sizeof(frames[0]))

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static int failed(const char *what, int rc)
{
	(void)fprintf(stderr, "curves: %s: %s\n", what, verso_strerror(rc));
	return 1;
}

static int load_records(struct verso *db)
{
	char value[100];
	struct verso_txn *txn;
	int rc = verso_begin(db, VERSO_WRITE, &txn);

	memset(value, 'v', sizeof(value));
	for (uint32_t i = 0; rc >= 0 && i < N_RECORDS; i++) {
		char key[16];
		int len = snprintf(key, sizeof(key), "key%08" PRIu32, i);

		rc = verso_put(txn, NULL, (struct verso_val){key, (size_t)len},
			(struct verso_val){value, sizeof(value)}, 0);
	}
	return rc < 0 ? rc : verso_commit(txn);
}

static int read_records(struct verso *db, uint64_t seed)
{
	struct verso_cursor *cursor;
	struct verso_txn *txn;
	struct verso_val key, val;
	int rc = verso_begin(db, VERSO_READ, &txn);

	for (uint32_t i = 0; rc >= 0 && i < N_GETS; i++) {
		uint64_t r = next_random(&seed);
		uint64_t n = r % 4 == 0 ? (r >> 8) % (N_RECORDS / 20) : (r >> 8) % N_RECORDS;
		char text[16];
		int len = snprintf(text, sizeof(text), "key%08" PRIu64, n);

		rc = verso_get(txn, NULL, (struct verso_val){text, (size_t)len}, &val);
	}
	if (rc >= 0)
		rc = verso_cursor_open(txn, NULL, &cursor);
	if (rc < 0)
		return rc;
	for (rc = verso_cursor_first(cursor, &key, &val); rc == 0;)
		rc = verso_cursor_next(cursor, &key, &val);
	verso_cursor_close(cursor);
	verso_abort(txn);
	return rc == VERSO_NOTFOUND ? 0 : rc;
}

/* The pages that a small database reads, in the file `path`. */
static int record(const char *path, uint64_t seed)
{
	char db_path[PATH_BYTES];
	struct trace_writer *writer;
	struct verso_options options = {
		.size = sizeof(options), .sync = VERSO_SYNC_RELAXED, .flags = VERSO_CREATE};
	struct verso *db;
	int rc;

	(void)snprintf(db_path, sizeof(db_path), "%s.verso", path);
	rc = verso_open(db_path, &options, &db);
	if (rc < 0)
		return rc;
	rc = load_records(db);
	verso_close(db);
	if (rc < 0)
		return rc;
	rc = trace_writer_open(path, &writer);
	if (rc < 0)
		return rc;
	options.trace = trace_writer_event;
	options.trace_arg = writer;
	rc = verso_open(db_path, &options, &db);
	if (rc >= 0) {
		rc = read_records(db, seed);
		verso_close(db);
	}
	(void)unlink(db_path);
	return rc < 0 ? rc : trace_writer_close(writer);
}

static void print(const struct trace *t, bool csv)
{
	(void)printf(csv ? "frames"
			 : "%zu reads of %" PRIu32 " pages: misses in a hundred reads\nframes",
		t->n_reads, t->n_pages);
	for (unsigned i = 0; i < N_POLICIES; i++)
		(void)printf(csv ? ",%s" : " %8s", trace_policy_names[i]);
	(void)printf(csv ? ",optimum\n" : " %8s\n", "optimum");
	for (size_t k = 0; k < N_FRAMES && frames[k] <= t->n_pages; k++) {
		(void)printf(csv ? "%" PRIu32 : "%6" PRIu32, frames[k]);
		for (unsigned i = 0; i <= N_POLICIES; i++) {
			uint64_t n = i < N_POLICIES ? trace_replay(t, i, frames[k])
						    : trace_replay_optimum(t, frames[k]);

			(void)printf(csv ? ",%.2f" : " %8.2f",
				100.0 * (double)n / (double)t->n_reads);
		}
		(void)printf("\n");
	}
}

int main(int argc, char **argv)
{
	bool csv = argc > 1 && strcmp(argv[1], "--csv") == 0;
	const char *seed = getenv("VERSO_SEED"), *folder = getenv("TMPDIR");
	char path[PATH_BYTES - 16], text[200];
	struct trace trace;
	int rc;

	if (argc > 2 + csv) {
		(void)fprintf(stderr, "usage: curves [--csv] [TRACE]\n");
		return 2;
	}
	if (argc == 2 + csv) {
		(void)snprintf(path, sizeof(path), "%s", argv[1 + csv]);
	} else {
		(void)snprintf(path, sizeof(path), "%s/curves-%ld.trace",
			folder ? folder : "/var/tmp", (long)getpid());
		rc = record(path, seed ? strtoull(seed, NULL, 10) : 1);
		if (rc < 0)
			return failed("the database for the trace", rc);
	}
	if (!trace_read(path, &trace, text, sizeof(text))) {
		(void)fprintf(stderr, "curves: %s: %s\n", path, text);
		return 1;
	}
	if (argc < 2 + csv)
		(void)unlink(path);
	print(&trace, csv);
	trace_free(&trace);
	return 0;
}
