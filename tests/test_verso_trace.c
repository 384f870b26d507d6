/* SPDX-License-Identifier: MIT */
/* Page traces: events of the library, the file, replay under every policy, the optimum. */
#include "tests/api.h"
#include "base/error.h"
#include "bufpool/bufpool.h"
#include "bufpool/policy.h"
#include "trace/format.h"
#include "trace/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef VERSO_HOSTILE
#define HOSTILE true
#else
#define HOSTILE false
#endif

/* --- replay -------------------------------------------------------------------------------- */

static struct trace trace_of(struct trace_access *accesses, const unsigned *pages, size_t n)
{
	struct trace t = {.accesses = accesses, .n = n, .n_reads = n};

	for (size_t i = 0; i < n; i++) {
		accesses[i] = (struct trace_access){pages[i], false};
		if (pages[i] >= t.n_pages)
			t.n_pages = pages[i] + 1;
	}
	return t;
}

/* The reference strings of the textbooks: Silberschatz, Galvin, Gagne, Operating System Concepts;
 * Belady, Nelson, Shedler, CACM 1969. */
START_TEST(textbook_strings_give_the_textbooks_faults)
{
	static const unsigned string[] = {
		7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1};
	static const unsigned anomaly[] = {1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5};
	struct trace_access accesses[20];
	struct trace t = trace_of(accesses, string, 20);

	ck_assert_uint_eq(trace_replay(&t, BUFPOOL_FIFO, 3), 15);
	ck_assert_uint_eq(trace_replay(&t, BUFPOOL_LRU, 3), 12);
	ck_assert_uint_eq(trace_replay_optimum(&t, 3), 9);
	t = trace_of(accesses, anomaly, 12);
	ck_assert_uint_eq(trace_replay(&t, BUFPOOL_FIFO, 3), 9);
	ck_assert_uint_eq(trace_replay(&t, BUFPOOL_FIFO, 4), 10); /* more frames, more faults */
	ck_assert_uint_eq(trace_replay_optimum(&t, 3), 7);
	ck_assert_uint_eq(trace_replay_optimum(&t, 4), 6);
}
END_TEST

/* The fewest misses of all ways to choose victims, by trying each. cached: a set of pages. */
static unsigned fewest(const struct trace *t, size_t i, unsigned cached, unsigned n_frames)
{
	unsigned best = UINT32_MAX, page, bit;

	if (i == t->n)
		return 0;
	page = t->accesses[i].page;
	bit = 1u << page;
	if (cached & bit)
		return fewest(t, i + 1, cached, n_frames);
	if ((unsigned)__builtin_popcount(cached) < n_frames)
		return 1 + fewest(t, i + 1, cached | bit, n_frames);
	for (unsigned victim = 0; victim < t->n_pages; victim++) {
		unsigned n;

		if (!(cached >> victim & 1))
			continue;
		n = 1 + fewest(t, i + 1, (cached & ~(1u << victim)) | bit, n_frames);
		if (n < best)
			best = n;
	}
	return best;
}

START_TEST(optimum_is_the_best_of_all_ways)
{
	uint64_t seed = check_seed();

	for (unsigned round = 0; round < 200; round++) {
		unsigned pages[14];
		struct trace_access accesses[14];
		struct trace t;
		uint32_t n_frames = 1 + (uint32_t)(check_random(&seed) % 4);

		for (unsigned i = 0; i < 14; i++)
			pages[i] = (unsigned)(check_random(&seed) >> 20) % 6;
		t = trace_of(accesses, pages, 14);
		ck_assert_uint_eq(trace_replay_optimum(&t, n_frames), fewest(&t, 0, 0, n_frames));
	}
}
END_TEST

START_TEST(no_policy_beats_the_optimum_and_lru_needs_no_anomaly)
{
	uint64_t seed = check_seed(), before = UINT64_MAX;
	struct trace t = {.accesses = check_alloc(8000 * sizeof(struct trace_access)), .n = 8000};

	for (size_t i = 0; i < t.n; i++) {
		uint64_t r = check_random(&seed);
		uint32_t page = (uint32_t)(r >> 20) % (r & 1 ? 16 : 400);

		t.accesses[i] = (struct trace_access){page, (r >> 60) == 0};
		t.n_reads += !t.accesses[i].is_write;
	}
	t.n_pages = 400;
	for (uint32_t n_frames = 1; n_frames <= 400; n_frames += 7) {
		uint64_t optimum = trace_replay_optimum(&t, n_frames);

		for (unsigned p = 0; p < N_POLICIES; p++) {
			uint64_t n = trace_replay(&t, p, n_frames);

			ck_assert_uint_ge(n, optimum);
			ck_assert_uint_le(n, t.n_reads);
		}
		ck_assert_uint_le(trace_replay(&t, BUFPOOL_LRU, n_frames), before);
		before = trace_replay(&t, BUFPOOL_LRU, n_frames);
	}
	/* Everything fits: each page misses once, unless it was made. */
	ck_assert_uint_eq(trace_replay_optimum(&t, 400), trace_replay(&t, BUFPOOL_RANDOM, 400));
}
END_TEST

/* --- the file ------------------------------------------------------------------------------ */

static void *write_events(void *arg)
{
	for (uint32_t i = 0; i < 10000; i++) {
		struct verso_event e = {.time_ns = i, .pgno = i, .gen = 1, .kind = VERSO_EVENT_GET};

		trace_writer_event(arg, &e);
	}
	return NULL;
}

START_TEST(events_of_several_threads_come_in_the_order_of_time)
{
	char path[CHECK_PATH_BYTES], text[256];
	struct trace_writer *w;
	pthread_t threads[3];
	struct trace t;

	ck_assert_int_eq(trace_writer_open(check_path(path, "threads"), &w), 0);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, write_events, w), 0);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_int_eq(trace_writer_close(w), 0);
	ck_assert_msg(trace_read(path, &t, text, sizeof(text)), "%s", text);
	/* Three accesses of one page in a row count once. */
	ck_assert_uint_eq(t.n, 10000);
	ck_assert_uint_eq(t.n_pages, 10000);
	for (uint32_t i = 0; i < t.n; i++)
		ck_assert_uint_eq(t.accesses[i].page, i);
	trace_free(&t);
}
END_TEST

START_TEST(a_page_made_anew_is_another_page)
{
	static const struct verso_event events[] = {
		{.time_ns = 1, .pgno = 7, .gen = 1, .kind = VERSO_EVENT_GET},
		{.time_ns = 2, .pgno = 7, .gen = 1, .kind = VERSO_EVENT_PUT},
		{.time_ns = 3, .pgno = 7, .gen = 2, .kind = VERSO_EVENT_FRESH},
		{.time_ns = 5, .pgno = 7, .gen = 2, .kind = VERSO_EVENT_PEEK},
		{.time_ns = 4, .pgno = 9, .gen = 1, .kind = VERSO_EVENT_GET},
	};
	char path[CHECK_PATH_BYTES], text[256];
	struct trace_writer *w;
	struct trace t;

	ck_assert_int_eq(trace_writer_open(check_path(path, "anew"), &w), 0);
	for (unsigned i = 0; i < 5; i++)
		trace_writer_event(w, &events[i]);
	ck_assert_int_eq(trace_writer_close(w), 0);
	ck_assert_msg(trace_read(path, &t, text, sizeof(text)), "%s", text);
	ck_assert_uint_eq(t.n, 4);
	ck_assert_uint_eq(t.n_pages, 3);
	ck_assert_uint_eq(t.n_reads, 3);
	ck_assert(t.accesses[1].is_write);
	ck_assert_uint_eq(t.accesses[1].page, t.accesses[3].page);
	trace_free(&t);
}
END_TEST

static void make(const char *path, const void *bytes, size_t len_bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, len_bytes), (ssize_t)len_bytes);
	ck_assert_int_eq(close(fd), 0);
}

START_TEST(what_is_no_whole_trace_is_refused)
{
	static const struct {
		const char *bytes;
		size_t len_bytes;
		const char *words;
	} list[] = {
		{"", 0, "is empty"},
		{"verso", 5, "is no page trace"},
		{"verso page TRACE", 16, "is no page trace"},
		{TRACE_MAGIC "0123456789012345678901234567890", 47, "was cut short"},
	};
	char path[CHECK_PATH_BYTES], text[256];
	struct trace t;

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		make(check_path(path, "bad"), list[i].bytes, list[i].len_bytes);
		ck_assert(!trace_read(path, &t, text, sizeof(text)));
		ck_assert_msg(strstr(text, list[i].words), "%s", text);
		ck_assert_ptr_null(t.accesses);
	}
	ck_assert(!trace_read(check_path(path, "none"), &t, text, sizeof(text)));
	ck_assert_ptr_nonnull(strstr(text, "No such file"));
	ck_assert(!trace_read(check_path(path, "."), &t, text, sizeof(text)));
	make(check_path(path, "empty"), TRACE_MAGIC, 16);
	ck_assert(trace_read(path, &t, text, sizeof(text)));
	ck_assert_uint_eq(t.n, 0);
	ck_assert_uint_eq(trace_replay(&t, 0, 5), 0);
	ck_assert_uint_eq(trace_replay_optimum(&t, 5), 0);
	trace_free(&t);
}
END_TEST

START_TEST(a_write_that_fails_is_told_at_the_close)
{
	struct trace_writer *w;
	int rc = trace_writer_open("/dev/full", &w);

	if (rc == 0) {
		write_events(w);
		rc = trace_writer_close(w);
	}
	ck_assert_int_eq(rc, -ENOSPC);
	ck_assert_int_eq(trace_writer_open("/no/such/folder", &w), -ENOENT);
	ck_assert_int_eq(trace_writer_close(NULL), 0);
}
END_TEST

/* --- the library --------------------------------------------------------------------------- */

struct counts {
	uint64_t n[VERSO_EVENT_KINDS];
	uint64_t n_trees; /* gets and peeks of tree pages */
	uint64_t time_ns;
};

static void count_event(void *arg, const struct verso_event *e)
{
	struct counts *c = arg;

	ck_assert_uint_lt(e->kind, VERSO_EVENT_KINDS);
	ck_assert_uint_ge(e->time_ns, c->time_ns);
	ck_assert_uint_eq(e->thread, (uint32_t)gettid());
	c->time_ns = e->time_ns;
	c->n[e->kind]++;
	if (e->kind == VERSO_EVENT_GET || e->kind == VERSO_EVENT_PEEK)
		c->n_trees += e->type == 5;
}

START_TEST(events_are_what_the_statistics_count)
{
	struct verso_stat stat = {.size = sizeof(stat)};
	struct counts c = {{0}, 0, 0};
	struct verso_options o = {.trace = count_event, .trace_arg = &c, .io = VERSO_IO_SYNC};
	struct verso *db = api_open_with(_i, "a", o);
	struct verso_txn *txn;

	api_fill(db, 3000, 200);
	ck_assert_uint_gt(c.n[VERSO_EVENT_FRESH], 0);
	ck_assert_uint_gt(c.n[VERSO_EVENT_WRITE], 0);
	ck_assert_uint_gt(c.n[VERSO_EVENT_FLUSH], 0);
	verso_close(db);

	memset(&c, 0, sizeof(c));
	db = api_open_with(_i, "a", o);
	txn = api_begin(db, VERSO_READ);
	for (unsigned k = 0; k < 3000; k += 7) {
		char key[32];
		struct verso_val val;

		(void)snprintf(key, sizeof(key), "key%06u", k);
		API_OK(verso_get(txn, NULL, api_val(key), &val));
	}
	verso_abort(txn);
	API_OK(verso_stat(db, &stat));
	ck_assert_uint_eq(c.n[VERSO_EVENT_GET], stat.n_gets);
	ck_assert_uint_eq(c.n[VERSO_EVENT_PUT], stat.n_gets);
	ck_assert_uint_eq(c.n[VERSO_EVENT_PEEK], stat.n_peeks);
	if (_i != VERSO_MMAP)
		ck_assert_uint_eq(c.n[VERSO_EVENT_MISS], stat.n_misses);
	ck_assert_uint_gt(c.n[VERSO_EVENT_MISS], 50);
	ck_assert_uint_eq(c.n[VERSO_EVENT_LOAD], c.n[VERSO_EVENT_MISS]);
	ck_assert_uint_eq(c.n_trees, stat.n_gets + stat.n_peeks);
	ck_assert_uint_eq(c.n[VERSO_EVENT_FRESH] + c.n[VERSO_EVENT_FAULT], 0);
	verso_close(db);
}
END_TEST

static void read_many(struct verso_txn *txn, unsigned first)
{
	char text[64][32];
	struct verso_val keys[64], vals[64];
	int codes[64];

	for (unsigned i = 0; i < 64; i++) {
		(void)snprintf(text[i], sizeof(text[i]), "key%06u", first + i * 100);
		keys[i] = api_val(text[i]);
	}
	API_OK(verso_get_many(txn, NULL, 64, keys, vals, codes));
}

static void scan(struct verso_txn *txn)
{
	struct verso_val key, val;
	struct verso_cursor *cursor;
	int rc;

	API_OK(verso_cursor_open(txn, NULL, &cursor));
	rc = verso_cursor_first(cursor, &key, &val);
	while (rc == 0)
		rc = verso_cursor_next(cursor, &key, &val);
	API_IS(rc, VERSO_NOTFOUND);
	verso_cursor_close(cursor);
}

/* More than the cache holds, written, read in every way, and written again. */
START_TEST(every_kind_of_event_happens)
{
	struct counts c = {{0}, 0, 0};
	struct verso_options o = {.trace = count_event,
		.trace_arg = &c,
		.io = VERSO_IO_SYNC,
		.cache_bytes = (size_t)4 << 20,
		.readahead_pages = 256};
	struct verso *db = api_open_with(_i, "a", o);
	struct verso_txn *txn;

	api_fill(db, 20000, 500);
	verso_close(db); /* so that the map has to verify */
	db = api_open_with(_i, "a", o);
	txn = api_begin(db, VERSO_READ);
	for (unsigned first = 0; first < 13000; first += 1300)
		read_many(txn, first);
	scan(txn);
	verso_abort(txn);
	api_fill(db, 20000, 501);
	verso_close(db);
	for (unsigned kind = 0; kind < VERSO_EVENT_KINDS; kind++) {
		/* A hostile pool evicts at the last put: nothing to peek at, or to choose from; and
		 * it is too small to read ahead. */
		bool unless_hostile = kind == VERSO_EVENT_PEEK || kind == VERSO_EVENT_READ_AHEAD ||
				      kind == VERSO_EVENT_VICTIM || kind == VERSO_EVENT_UNNEEDED;
		bool pool_only = kind == VERSO_EVENT_VICTIM || kind == VERSO_EVENT_UNNEEDED ||
				 kind == VERSO_EVENT_EVICT;

		if (kind == VERSO_EVENT_FAULT || (pool_only && _i == VERSO_MMAP))
			ck_assert_uint_eq(c.n[kind], 0);
		else if (!HOSTILE || !unless_hostile)
			ck_assert_msg(c.n[kind] > 0, "no event of kind %u", kind);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("trace");
	TCase *tc = tcase_create("trace");

	tcase_add_checked_fixture(tc, NULL, check_free);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, textbook_strings_give_the_textbooks_faults);
	tcase_add_test(tc, optimum_is_the_best_of_all_ways);
	tcase_add_test(tc, no_policy_beats_the_optimum_and_lru_needs_no_anomaly);
	tcase_add_test(tc, events_of_several_threads_come_in_the_order_of_time);
	tcase_add_test(tc, a_page_made_anew_is_another_page);
	tcase_add_test(tc, what_is_no_whole_trace_is_refused);
	tcase_add_test(tc, a_write_that_fails_is_told_at_the_close);
	tcase_add_loop_test(tc, events_are_what_the_statistics_count, 0, API_PAGERS);
	tcase_add_loop_test(tc, every_kind_of_event_happens, 0, API_PAGERS);
	suite_add_tcase(s, tc);
	return check_main(s);
}
