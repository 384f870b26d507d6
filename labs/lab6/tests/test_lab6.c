/* SPDX-License-Identifier: MIT */
/*
 * Lab 6: the student's two protocols, step by step. What happens at a power cut: test_lab6_crash.c.
 */
#include "base/bytes.h"
#include "base/hash.h"
#include "labs/lab6/tests/store_bench.h"
#include "tests/check_main.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_AT    16U /* in a meta page */
#define META_USED    (PLACES_AT + 8 * STORE_PAGES)
#define RECORD_PAGES 512U
#define STREAM       40
#define FAIL_CALLS   20
#define ANY_PLACE    UINT64_MAX

static void is_number(const uint8_t *bytes, unsigned off, uint64_t expected, const char *what)
{
	ck_assert_msg(le64_get(bytes + off) == expected,
		"the 8 bytes at %u, %s, are 0x%llx, expected 0x%llx", off, what,
		(unsigned long long)le64_get(bytes + off), (unsigned long long)expected);
}

/* --- what both protocols owe ----------------------------------------------------------------- */

static void new_store_holds_zeros(const struct protocol *p)
{
	struct bench b;

	bench_open(&b, p, STORE_POOL);
	bench_is_model(&b, "in a new store");
	bench_close(&b);
}

static void stream_of_commits_is_there(const struct protocol *p, enum store_memory memory)
{
	uint64_t rng = check_seed();
	struct bench b;

	bench_open(&b, p, memory);
	for (unsigned i = 0; i < STREAM; i++) {
		char when[80];

		bench_random_commit(&b, &rng);
		bench_is_model(&b, "after a commit");
		if (check_random(&rng) % 3 == 0)
			continue;
		store_close(&b.store);
		ck_assert_int_eq(bench_reopen(&b), 0);
		(void)snprintf(when, sizeof(when), "after commit %u and opening again", i + 1);
		bench_is_model(&b, when);
	}
	bench_close(&b);
}

static void edit_without_commit_is_gone(const struct protocol *p, enum store_memory memory)
{
	uint64_t rng = check_seed();
	struct bench b;

	bench_open(&b, p, memory);
	for (unsigned i = 0; i < 5; i++) {
		bench_random_commit(&b, &rng);
		bench_set(&b, (unsigned)(check_random(&rng) % STORE_NUMBERS), 77);
		bench_die(&b);
		bench_is_model(&b,
			"after an edit that was never committed, and the death of the process");
	}
	bench_close(&b);
}

/* The n-th write or flush of a commit fails: what is found later is the state before or after. */
static void failed_commit_is_all_or_nothing(const struct protocol *p)
{
	bool done = false;

	for (int n = 1; !done; n++) {
		uint64_t rng = check_seed(), before[STORE_NUMBERS];
		struct bench b;
		int rc;

		ck_assert_msg(n < FAIL_CALLS, "a commit of two pages makes more than %d calls",
			FAIL_CALLS - 1);
		bench_open(&b, p, STORE_POOL);
		bench_random_commit(&b, &rng);
		bench_random_commit(&b, &rng);
		memcpy(before, b.model, sizeof(before));
		b.model[1] = 11;
		b.model[9] = 99;
		bench_set(&b, 1, 11);
		bench_set(&b, 9, 99);
		b.fail_in = n;
		rc = store_commit(&b.store);
		done = b.fail_in > 0;
		b.fail_in = 0;
		ck_assert_msg(done ? rc == 0 : rc == FAIL_WITH,
			"call %d of a commit failed with %d, and the commit returned %d", n,
			FAIL_WITH, rc);
		bench_die(&b);
		ck_assert_msg(bench_holds(&b, b.model) || (!done && bench_holds(&b, before)),
			"call %d of a commit failed, and what is found is neither the state before "
			"nor the one after",
			n);
		bench_close(&b);
	}
}

/* The process dies at the n-th event of a commit; another one opens what it left. */
static void recovery_makes_durable_what_it_believes(const struct protocol *p)
{
	bool done = false;

	for (uint64_t n = 1; !done; n++) {
		uint64_t rng = check_seed();
		struct bench b;

		ck_assert_uint_lt(n, 2 * FAIL_CALLS);
		bench_open(&b, p, STORE_POOL);
		bench_random_commit(&b, &rng);
		bench_set(&b, 4, 44);
		simdisk_kill_at(b.disk, simdisk_events(b.disk) + n);
		done = store_commit(&b.store) == 0;
		simdisk_kill_at(b.disk, 0);
		b.ledger[0] = '\0';
		bench_die(&b);
		bench_nothing_is_pending(&b);
		bench_close(&b);
	}
}

/* --- 6a: shadow pages ------------------------------------------------------------------------ */

START_TEST(shadow_new_store_holds_zeros)
{
	new_store_holds_zeros(&protocol_shadow);
}
END_TEST

START_TEST(shadow_touch_takes_a_place_that_nothing_uses)
{
	const struct store *s;
	struct bench b;

	bench_open(&b, &protocol_shadow, STORE_POOL);
	s = &b.store;
	for (unsigned page = 0; page < STORE_PAGES; page++)
		for (unsigned i = 1; i < STORE_PAGE_NUMBERS; i++)
			le64_set(&b.store.memory[s->where[page]]
						[i * STORE_PAGE_BYTES / STORE_PAGE_NUMBERS],
				100 * page + i);
	for (unsigned page = 0; page < STORE_PAGES; page++) {
		unsigned before[STORE_PAGES], to;

		memcpy(before, s->where, sizeof(before));
		bench_set(&b, page * STORE_PAGE_NUMBERS, 1);
		to = s->where[page];
		ck_assert_msg(to >= METAS && to < STORE_PLACES,
			"page %u went to place %u; pages have the places %u to %u", page, to, METAS,
			STORE_PLACES - 1);
		for (unsigned other = 0; other < STORE_PAGES; other++)
			ck_assert_msg(s->committed[other] != to && before[other] != to,
				"page %u went to place %u, where page %u is", page, to, other);
		for (unsigned i = 1; i < STORE_PAGE_NUMBERS; i++)
			ck_assert_msg(store_get(s, page * STORE_PAGE_NUMBERS + i) == 100 * page + i,
				"page %u went to place %u, and its other numbers stayed behind",
				page, to);
	}
	bench_close(&b);
}
END_TEST

START_TEST(shadow_touch_of_a_touched_page_stays)
{
	unsigned place;
	struct bench b;

	bench_open(&b, &protocol_shadow, STORE_POOL);
	bench_set(&b, 0, 5);
	place = b.store.where[0];
	bench_set(&b, 1, 6);
	ck_assert_msg(b.store.where[0] == place,
		"page 0 was touched twice: it went to place %u, then to %u", place,
		b.store.where[0]);
	ck_assert_uint_eq(store_get(&b.store, 0), 5);
	bench_close(&b);
}
END_TEST

START_TEST(shadow_meta_page_has_its_bytes)
{
	struct bench b;

	bench_open(&b, &protocol_shadow, STORE_POOL);
	for (uint64_t sequence = 1; sequence <= 3; sequence++) {
		const uint8_t *meta;

		b.last_meta = ANY_PLACE;
		bench_set(&b, (unsigned)sequence * STORE_PAGE_NUMBERS, sequence);
		bench_commit(&b);
		ck_assert_msg(b.last_meta != ANY_PLACE, "the commit wrote no meta page");
		meta = bench_bytes(&b, PATH_STORE) + b.last_meta * STORE_PAGE_BYTES;
		is_number(meta, 8, sequence, "the sequence");
		for (unsigned page = 0; page < STORE_PAGES; page++)
			is_number(meta, PLACES_AT + 8 * page, b.store.where[page],
				"the place of a page");
		is_number(meta, 0, hash_bytes(meta + 8, META_USED - 8, 0), "the checksum");
	}
	bench_close(&b);
}
END_TEST

START_TEST(shadow_commit_writes_pages_before_the_meta_page)
{
	struct bench b;

	bench_open(&b, &protocol_shadow, STORE_POOL);
	bench_set(&b, 0, 1);
	bench_set(&b, STORE_PAGE_NUMBERS, 2);
	bench_commit(&b);
	bench_is_ledger(&b, "page page flush meta flush");
	bench_close(&b);
}
END_TEST

START_TEST(shadow_commits_use_the_meta_pages_in_turn)
{
	uint64_t rng = check_seed(), before;
	struct bench b;

	bench_open(&b, &protocol_shadow, STORE_POOL);
	bench_random_commit(&b, &rng);
	for (unsigned i = 0; i < 6; i++) {
		before = b.last_meta;
		if (i % 2) {
			store_close(&b.store);
			ck_assert_int_eq(bench_reopen(&b), 0);
		}
		b.last_meta = ANY_PLACE;
		bench_random_commit(&b, &rng);
		ck_assert_msg(b.last_meta == 1 - before,
			"commit %u wrote the meta page in place %llu; the newest one was in place "
			"%llu",
			i + 2, (unsigned long long)b.last_meta, (unsigned long long)before);
	}
	bench_close(&b);
}
END_TEST

START_TEST(shadow_commits_are_there_after_opening_again)
{
	stream_of_commits_is_there(&protocol_shadow, (enum store_memory)_i);
}
END_TEST

START_TEST(shadow_edit_without_commit_is_gone)
{
	edit_without_commit_is_gone(&protocol_shadow, (enum store_memory)_i);
}
END_TEST

/* Byte by byte, one bit of the newest meta page is wrong: the one before must be found. */
START_TEST(shadow_damaged_meta_page_is_not_believed)
{
	for (unsigned off = 0; off < META_USED; off++) {
		uint64_t rng = check_seed(), before[STORE_NUMBERS];
		struct bench b;

		bench_open(&b, &protocol_shadow, STORE_POOL);
		bench_random_commit(&b, &rng);
		bench_random_commit(&b, &rng);
		memcpy(before, b.model, sizeof(before));
		bench_random_commit(&b, &rng);
		store_close(&b.store);
		bench_flip(&b, PATH_STORE, b.last_meta * STORE_PAGE_BYTES + off);
		ck_assert_int_eq(bench_reopen(&b), 0);
		ck_assert_msg(bench_holds(&b, before),
			"byte %u of the newest meta page is damaged, and what is found is not the "
			"state of the commit before",
			off);
		bench_close(&b);
	}
}
END_TEST

START_TEST(shadow_meta_page_with_an_impossible_place_is_an_error)
{
	static const uint64_t places[] = {0, 1, STORE_PLACES, UINT32_MAX, UINT64_MAX};

	for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++) {
		uint8_t meta[META_USED];
		uint64_t rng = check_seed();
		struct bench b;

		bench_open(&b, &protocol_shadow, STORE_POOL);
		bench_random_commit(&b, &rng);
		store_close(&b.store);
		memcpy(meta, bench_bytes(&b, PATH_STORE) + b.last_meta * STORE_PAGE_BYTES,
			sizeof(meta));
		le64_set(meta + PLACES_AT + 8, places[i]);
		le64_set(meta, hash_bytes(meta + 8, sizeof(meta) - 8, 0));
		bench_overwrite(&b, PATH_STORE, meta, sizeof(meta), b.last_meta * STORE_PAGE_BYTES);
		ck_assert_msg(bench_reopen(&b) < 0,
			"a meta page puts page 1 into place %llu, and the store opens",
			(unsigned long long)places[i]);
		bench_close(&b);
	}
}
END_TEST

START_TEST(shadow_failed_commit_is_all_or_nothing)
{
	failed_commit_is_all_or_nothing(&protocol_shadow);
}
END_TEST

/* The next commit must not write over the meta page that is in use. */
START_TEST(shadow_commit_after_a_failed_one_writes_over_the_older_meta_page)
{
	uint64_t rng = check_seed(), newest;
	struct bench b;

	bench_open(&b, &protocol_shadow, STORE_POOL);
	bench_random_commit(&b, &rng);
	bench_random_commit(&b, &rng);
	newest = b.last_meta;
	b.model[3] = 33;
	bench_set(&b, 3, 33);
	b.fail_in = 1;
	ck_assert_int_eq(store_commit(&b.store), FAIL_WITH);
	b.last_meta = ANY_PLACE;
	bench_commit(&b);
	ck_assert_msg(b.last_meta == 1 - newest,
		"a commit failed before its meta page; the next wrote the meta page in place %llu, "
		"which was the newest",
		(unsigned long long)b.last_meta);
	bench_die(&b);
	bench_is_model(&b, "after a failed commit and one that succeeded");
	bench_close(&b);
}
END_TEST

START_TEST(shadow_recovery_makes_durable_what_it_believes)
{
	recovery_makes_durable_what_it_believes(&protocol_shadow);
}
END_TEST

/* --- 6b: a redo log -------------------------------------------------------------------------- */

START_TEST(log_new_store_holds_zeros)
{
	new_store_holds_zeros(&protocol_log);
}
END_TEST

START_TEST(log_record_has_its_bytes)
{
	const uint8_t *record;
	struct bench b;

	bench_open(&b, &protocol_log, STORE_POOL);
	for (uint64_t sequence = 1; sequence <= 3; sequence++) {
		bench_set(&b, 0, sequence);
		bench_set(&b, 3 * STORE_PAGE_NUMBERS, 10 * sequence);
		bench_commit(&b);
		record = bench_bytes(&b, PATH_LOG);
		is_number(record, 8, 1U << 0 | 1U << 3, "which pages");
		is_number(record, 16, sequence, "the sequence");
		is_number(record, RECORD_PAGES, sequence, "the first number of page 0");
		is_number(record, RECORD_PAGES + STORE_PAGE_BYTES, 0, "page 1, not in the record");
		is_number(record, RECORD_PAGES + 3 * STORE_PAGE_BYTES, 10 * sequence,
			"the first number of page 3");
		is_number(record, 0, hash_bytes(record + 8, STORE_LOG_BYTES - 8, 0),
			"the checksum");
	}
	bench_set(&b, STORE_PAGE_NUMBERS, 4);
	bench_commit(&b);
	record = bench_bytes(&b, PATH_LOG);
	is_number(record, 8, 1U << 1, "which pages");
	is_number(record, RECORD_PAGES, 0, "page 0, not in the record any more");
	bench_close(&b);
}
END_TEST

START_TEST(log_commit_makes_the_record_durable_before_the_pages)
{
	struct bench b;

	bench_open(&b, &protocol_log, STORE_POOL);
	bench_set(&b, 0, 1);
	bench_set(&b, STORE_PAGE_NUMBERS, 2);
	bench_commit(&b);
	bench_is_ledger(&b, "log log-flush page page flush");
	bench_close(&b);
}
END_TEST

START_TEST(log_commits_are_there_after_opening_again)
{
	stream_of_commits_is_there(&protocol_log, (enum store_memory)_i);
}
END_TEST

/* One bit of the record is wrong: it must not reach the pages. */
START_TEST(log_damaged_record_is_not_believed)
{
	static const unsigned offs[] = {0, 7, 8, 16, 24, 511, RECORD_PAGES, RECORD_PAGES + 128,
		RECORD_PAGES + 2 * STORE_PAGE_BYTES, STORE_LOG_BYTES - 1};

	for (unsigned i = 0; i < sizeof(offs) / sizeof(*offs); i++) {
		uint64_t rng = check_seed();
		struct bench b;

		bench_open(&b, &protocol_log, STORE_POOL);
		bench_random_commit(&b, &rng);
		b.model[0] = b.model[16] = 7;
		bench_set(&b, 0, 7);
		bench_set(&b, 16, 7);
		bench_commit(&b);
		store_close(&b.store);
		bench_flip(&b, PATH_LOG, offs[i]);
		b.ledger[0] = '\0';
		ck_assert_int_eq(bench_reopen(&b), 0);
		bench_is_model(&b, "with a damaged record in the log");
		ck_assert_msg(!strstr(b.ledger, "page"),
			"byte %u of the record is damaged, and recovery wrote pages: \"%s\"",
			offs[i], b.ledger);
		bench_close(&b);
	}
}
END_TEST

START_TEST(log_record_is_written_to_the_pages_again)
{
	uint64_t rng = check_seed();
	struct bench b;

	bench_open(&b, &protocol_log, (enum store_memory)_i);
	bench_lose_the_pages(&b, &rng);
	ck_assert_int_eq(bench_reopen(&b), 0);
	bench_is_model(&b, "after redo");
	for (unsigned page = 0; page < STORE_PAGES; page++)
		ck_assert_msg(memcmp(bench_bytes(&b, PATH_STORE) + page * STORE_PAGE_BYTES,
				      b.store.memory[page], STORE_PAGE_BYTES) == 0,
			"page %u is right in memory after redo, but not in the file", page);
	ck_assert_uint_eq(b.store.sequence, 2);
	bench_close(&b);
}
END_TEST

START_TEST(log_recovery_makes_durable_what_it_wrote)
{
	uint64_t rng = check_seed();
	struct bench b;

	bench_open(&b, &protocol_log, STORE_POOL);
	bench_lose_the_pages(&b, &rng);
	ck_assert_int_eq(bench_reopen(&b), 0);
	bench_nothing_is_pending(&b);
	bench_close(&b);
	recovery_makes_durable_what_it_believes(&protocol_log);
}
END_TEST

START_TEST(log_failed_commit_is_all_or_nothing)
{
	failed_commit_is_all_or_nothing(&protocol_log);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lab6");
	TCase *tc = tcase_create("steps");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, shadow_new_store_holds_zeros);
	tcase_add_test(tc, shadow_touch_takes_a_place_that_nothing_uses);
	tcase_add_test(tc, shadow_touch_of_a_touched_page_stays);
	tcase_add_test(tc, shadow_meta_page_has_its_bytes);
	tcase_add_test(tc, shadow_commit_writes_pages_before_the_meta_page);
	tcase_add_test(tc, shadow_commits_use_the_meta_pages_in_turn);
	tcase_add_loop_test(tc, shadow_commits_are_there_after_opening_again, 0, STORE_MEMORIES);
	tcase_add_loop_test(tc, shadow_edit_without_commit_is_gone, 0, STORE_MEMORIES);
	tcase_add_test(tc, shadow_damaged_meta_page_is_not_believed);
	tcase_add_test(tc, shadow_meta_page_with_an_impossible_place_is_an_error);
	tcase_add_test(tc, shadow_failed_commit_is_all_or_nothing);
	tcase_add_test(tc, shadow_commit_after_a_failed_one_writes_over_the_older_meta_page);
	tcase_add_test(tc, shadow_recovery_makes_durable_what_it_believes);
	tcase_add_test(tc, log_new_store_holds_zeros);
	tcase_add_test(tc, log_record_has_its_bytes);
	tcase_add_test(tc, log_commit_makes_the_record_durable_before_the_pages);
	tcase_add_loop_test(tc, log_commits_are_there_after_opening_again, 0, STORE_MEMORIES);
	tcase_add_test(tc, log_damaged_record_is_not_believed);
	tcase_add_loop_test(tc, log_record_is_written_to_the_pages_again, 0, STORE_MEMORIES);
	tcase_add_test(tc, log_recovery_makes_durable_what_it_wrote);
	tcase_add_test(tc, log_failed_commit_is_all_or_nothing);
	suite_add_tcase(s, tc);
	return check_main(s);
}
