/* SPDX-License-Identifier: MIT */
/* Commits that are written, not flushed (T15): a death takes none that was answered. */
#include "base/error.h"
#include "tests/txn_fixture.h"
#include "txn/txn_int.h"

#include <errno.h>

#define N_COMMITS 24

/* disk: NULL for limits as a database has them, too. */
static void make(struct txn_stack *s, enum txn_pager pager, const struct simdisk_options *disk)
{
	txn_stack_options(s, TXN_ONE_FLUSH, TXN_PROCESS);
	s->options.unflushed_max_pages = 100;
	s->options.one_flush_max_pages = 40;
	if (!disk) {
		s->options.group_pages = s->options.meta_groups_max = 0;
		s->options.grow_pages = s->options.cut_pages = 0;
	}
	s->pager_kind = pager;
	s->disk = simdisk_new(disk);
	s->io = simdisk_io(s->disk);
	txn_stack_format(s);
}

static int set(struct txn_stack *s, unsigned from, unsigned n, uint64_t value)
{
	struct txn *txn;
	int rc = txn_begin_write(s->env, &txn);

	if (rc)
		return rc;
	for (unsigned i = 0; rc == 0 && i < n; i++)
		rc = toy_set(txn, (from + i * TOY_FANOUT) % TOY_CELLS, value);
	if (rc == 0)
		rc = toy_set(txn, 0, value);
	if (rc == 0)
		return txn_commit(txn);
	txn_abort(txn);
	return rc;
}

/* Commits that change a page or many, with a flush among them; until the process dies. */
static uint64_t commit_until_death(struct txn_stack *s)
{
	uint64_t answered = 0;

	for (unsigned i = 1; i <= N_COMMITS; i++) {
		if (set(s, i * 8, i % 7 == 3 ? 50 : i % 5, i) < 0)
			break;
		answered = i;
		if (i == 10 && txn_sync(s->env) < 0)
			break;
	}
	return answered;
}

static uint64_t newest(struct txn_stack *s)
{
	static uint64_t cells[TOY_CELLS];
	struct txn *txn;

	txn_ok(txn_begin_read(s->env, &txn));
	txn_ok(toy_read(txn, cells));
	txn_abort(txn);
	return cells[0];
}

/* One disk a death; the workload is the same until then. */
static bool dies_at(enum txn_pager pager, uint64_t n, uint64_t *ret_left)
{
	const struct simdisk_options disk = {.seed = n, .split_one_in = 3, .whole_blocks = true};
	struct txn_stack s;
	uint64_t answered, found;
	bool killed;

	make(&s, pager, &disk);
	txn_stack_open(&s);
	simdisk_kill_at(s.disk, simdisk_events(s.disk) + n);
	answered = commit_until_death(&s);
	killed = simdisk_killed(s.disk);
	*ret_left += killed && answered > 0 && s.env->durable_gen < s.env->written_gen;
	simdisk_kill(s.disk);
	txn_stack_close(&s);
	simdisk_kill_at(s.disk, 0);
	txn_stack_open(&s);
	found = newest(&s);
	ck_assert_msg(found == answered || found == answered + 1,
		"killed at event %u: %u commits were answered, %u are there", (unsigned)n,
		(unsigned)answered, (unsigned)found);
	txn_ok(txn_check(s.env, NULL, NULL));
	txn_ok(set(&s, 0, 9, 77)); /* and it goes on */
	txn_ok(txn_check(s.env, NULL, NULL));
	txn_stack_free(&s);
	return killed;
}

START_TEST(a_death_at_any_event_takes_no_answered_commit)
{
	uint64_t n = 1, n_left = 0;

	while (dies_at((enum txn_pager)_i, n, &n_left))
		n += 1 + n / 64;
	ck_assert_uint_gt(n, N_COMMITS);
	ck_assert_uint_gt(n_left, 10); /* most of them in the middle of what was not flushed */
}
END_TEST

START_TEST(commits_are_seen_when_they_are_written)
{
	struct txn_stack s;
	struct txn_stat before, stat;

	make(&s, (enum txn_pager)_i, NULL);
	s.options.one_flush_max_pages = 1024;
	txn_stack_open(&s);
	txn_ok(set(&s, 0, 1, 1));
	txn_stat(s.env, &before);
	for (unsigned i = 2; i <= N_COMMITS; i++) {
		txn_ok(set(&s, i, 1, i));
		ck_assert_uint_eq(newest(&s), i);
	}
	txn_stat(s.env, &stat);
	ck_assert_uint_le(stat.n_flushes, before.n_flushes + 2); /* those for a bitmap */
	ck_assert_uint_lt(stat.durable_gen, stat.published_gen);
	ck_assert_uint_eq(stat.published_gen, stat.newest_gen);
	txn_ok(txn_sync(s.env));
	txn_stat(s.env, &stat);
	ck_assert_uint_eq(stat.durable_gen, stat.newest_gen);
	txn_stack_close(&s);
	txn_stack_open(&s);
	ck_assert_uint_eq(newest(&s), N_COMMITS);
	txn_stack_free(&s);
}
END_TEST

/* T15: so that opening walks no more than that, and what was freed is used again. */
START_TEST(what_is_not_flushed_is_bounded)
{
	struct txn_stack s;
	struct txn_stat stat;

	make(&s, (enum txn_pager)_i, NULL);
	txn_stack_open(&s);
	for (unsigned i = 1; i <= 60; i++) {
		txn_ok(set(&s, i, i % 12 == 0 ? 60 : 3, i));
		ck_assert_uint_le(s.env->n_written_pages, s.env->options.one_flush_max_pages);
	}
	txn_stat(s.env, &stat);
	ck_assert_uint_gt(stat.n_flushes, 5);
	txn_stack_free(&s);
}
END_TEST

static int fail_syncs(void *arg, const struct sim_call *call)
{
	(void)arg;
	return call->kind == SIM_CALL_SYNC ? -EIO : 0;
}

START_TEST(a_flush_that_fails_poisons)
{
	struct txn_stack s;
	struct txn *txn;

	make(&s, (enum txn_pager)_i, NULL);
	txn_stack_open(&s);
	txn_ok(set(&s, 0, 1, 1));
	txn_ok(txn_sync(s.env));
	simdisk_set_fault(s.disk, fail_syncs, NULL);
	txn_ok(set(&s, 0, 1, 2));
	ck_assert_int_eq(txn_sync(s.env), VERSO_EPOISONED);
#ifndef VERSO_HOSTILE                     /* which reads it again, and the disk may have lost it */
	ck_assert_uint_eq(newest(&s), 2); /* readers go on */
#endif
	ck_assert_int_eq(txn_begin_write(s.env, &txn), VERSO_EPOISONED);
	simdisk_set_fault(s.disk, NULL, NULL);
	txn_stack_free(&s);
}
END_TEST

START_TEST(waiting_is_for_the_flush)
{
	struct txn_stack s;
	struct txn *txn;
	gen_t gen;

	make(&s, (enum txn_pager)_i, NULL);
	txn_stack_open(&s);
	txn_ok(set(&s, 0, 1, 1));
	txn_ok(txn_begin_write(s.env, &txn));
	txn_ok(toy_set(txn, 0, 2));
	txn_ok(txn_commit_async(txn, &gen));
	ck_assert_uint_eq(newest(&s), 1); /* it is not even written */
	txn_ok(txn_wait(s.env, gen));
	ck_assert_uint_eq(newest(&s), 2);
	ck_assert_uint_eq(s.env->durable_gen, gen);
	txn_stack_free(&s);
}
END_TEST

START_TEST(without_direct_reads_it_is_refused)
{
	const struct simdisk_options disk = {.no_direct = true};
	struct txn_stack s;

	txn_stack_options(&s, TXN_TWO_FLUSH, TXN_FULL);
	s.disk = simdisk_new(&disk);
	s.io = simdisk_io(s.disk);
	txn_stack_format(&s);
	s.options.mode = TXN_ONE_FLUSH;
	s.options.sync = TXN_PROCESS;
	ck_assert_int_eq(txn_stack_try_open(&s), -EOPNOTSUPP);
	/* What to do is what will do: VERSO_COMMIT_TWO_FLUSH and this `sync` are refused, too. */
	ck_assert_ptr_nonnull(strstr(error_text(), "use VERSO_SYNC_FULL or VERSO_SYNC_RELAXED"));
	simdisk_free(s.disk);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("txn_process");
	TCase *c = tcase_create("written");

	tcase_set_timeout(c, 300);
	tcase_add_loop_test(c, a_death_at_any_event_takes_no_answered_commit, 0, TXN_PAGERS);
	tcase_add_loop_test(c, commits_are_seen_when_they_are_written, 0, TXN_PAGERS);
	tcase_add_loop_test(c, what_is_not_flushed_is_bounded, 0, TXN_PAGERS);
	tcase_add_loop_test(c, a_flush_that_fails_poisons, 0, TXN_PAGERS);
	tcase_add_loop_test(c, waiting_is_for_the_flush, 0, TXN_PAGERS);
	tcase_add_test(c, without_direct_reads_it_is_refused);
	suite_add_tcase(s, c);
	return check_main(s);
}
