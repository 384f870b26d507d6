/* SPDX-License-Identifier: MIT */
/*
 * Threads: several that write in turn and wait for joined flushes, several that read.
 *
 * Row r of the history is the state after r commits: for each leaf the row in which it was written
 * last, which says what its cells hold. A writer makes its row while it holds the writer lock, and
 * notes the generation of its attempt; a reader that finds generation g compares every cell with
 * the row of g.
 */
#include "base/error.h"
#include "tests/txn_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define N_WRITERS 4U
#define N_READERS 4U
#define COMMITS   60U   /* of each writer */
#define SNAPSHOTS 1000U /* of each reader at most */
#define ROWS      (N_WRITERS * COMMITS + 2)

struct history {
	struct txn_stack s;
	uint32_t (*rows)[TOY_CELLS / TOY_FANOUT];
	_Atomic gen_t gens[ROWS]; /* of row r; 0: none yet */
	_Atomic uint32_t n_rows;
	uint32_t newest; /* the row that the next writer builds on; under the writer lock */
	atomic_bool done;
	_Atomic uint64_t n_snapshots;
	unsigned n_sets;
};

/* The pager, but a barrier takes its time, so that others join meanwhile. */
static struct pager_ops slow_ops;
static int (*quick_barrier)(struct pager *p);

static struct txn_env *_Atomic awaited_env; /* NULL: no thread is waited for */
static uint64_t awaited_commits;

static int slow_barrier(struct pager *p)
{
	struct txn_env *env = atomic_load(&awaited_env);
	struct txn_stat stat = {0};

	while (env && stat.n_commits < awaited_commits) {
		(void)sched_yield();
		txn_stat(env, &stat);
	}
	for (unsigned i = 0; i < 30; i++)
		(void)sched_yield();
	return quick_barrier(p);
}

static void make_slow(struct pager *p)
{
	slow_ops = *p->ops;
	quick_barrier = slow_ops.flush;
	slow_ops.flush = slow_barrier;
	p->ops = &slow_ops;
}

static uint64_t value_of(uint32_t row, unsigned cell)
{
	return ((uint64_t)row << 32) + cell;
}

static void check(bool holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "%s: %s\n", what, error_text());
		abort(); /* Check's own failures belong to the main thread */
	}
}

static void *write_some(void *arg)
{
	struct history *h = arg;
	static _Atomic uint64_t n_threads;
	uint64_t seed = check_seed() + 1000 * atomic_fetch_add(&n_threads, 1);

	for (unsigned i = 0; i < COMMITS; i++) {
		uint32_t row;
		struct txn *txn;
		unsigned n = 1 + (unsigned)(check_random(&seed) % h->n_sets);

		check(txn_begin_write(h->s.env, &txn) == 0, "begin");
		row = h->newest + 1;
		memcpy(h->rows[row], h->rows[h->newest], sizeof(h->rows[row]));
		while (n-- > 0) {
			unsigned leaf = (unsigned)(check_random(&seed) % (TOY_CELLS / TOY_FANOUT));

			for (unsigned j = 0; j < TOY_FANOUT; j++)
				check(toy_set(txn, leaf * TOY_FANOUT + j,
					      value_of(row, leaf * TOY_FANOUT + j)) == 0,
					"set");
			h->rows[row][leaf] = row;
		}
		if (check_random(&seed) % 8 == 0) {
			txn_abort(txn);
			continue;
		}
		h->newest = row;
		atomic_store(&h->gens[row], txn->gen);
		atomic_store(&h->n_rows, row + 1);
		check(txn_commit(txn) == 0, "commit");
		if (check_random(&seed) % 16 == 0)
			check(txn_sync(h->s.env) == 0, "sync");
		if (check_random(&seed) % 64 == 0)
			check(txn_check(h->s.env, NULL, NULL) == 0, "check");
	}
	return NULL;
}

static uint32_t row_of(struct history *h, gen_t gen)
{
	uint32_t n = atomic_load(&h->n_rows);

	for (uint32_t row = n; row-- > 1;) {
		if (atomic_load(&h->gens[row]) == gen)
			return row;
	}
	return 0; /* before the first commit, or its generation */
}

static void read_one(struct history *h, uint64_t *cells, uint64_t *seed)
{
	struct txn *txn;
	uint32_t row;

	check(txn_begin_read(h->s.env, &txn) == 0, "begin read");
	row = row_of(h, txn->gen);
	for (unsigned twice = 0; twice < 1 + check_random(seed) % 2; twice++) {
		check(toy_read(txn, cells) == 0, "read");
		for (unsigned i = 0; i < TOY_CELLS; i++) {
			uint32_t by = h->rows[row][i / TOY_FANOUT];

			check(cells[i] == (by ? value_of(by, i) : 0), "a snapshot of two states");
		}
	}
	txn_abort(txn);
	atomic_fetch_add(&h->n_snapshots, 1);
}

static void *read_some(void *arg)
{
	struct history *h = arg;
	uint64_t *cells = calloc(TOY_CELLS, sizeof(*cells));
	uint64_t seed = check_seed();
	struct txn_stat stat;

	for (unsigned i = 0; i < SNAPSHOTS && !atomic_load(&h->done); i++) {
		read_one(h, cells, &seed);
		txn_stat(h->s.env, &stat);
		check(stat.durable_gen <= stat.newest_gen, "generations");
	}
	free(cells);
	return NULL;
}

static void run(int variant, unsigned n_sets)
{
	enum txn_commit_mode mode = variant & 1 ? TXN_ONE_FLUSH : TXN_TWO_FLUSH;
	enum txn_sync sync = variant & 2 ? TXN_RELAXED : TXN_FULL;
	struct history *h = check_alloc(sizeof(*h));
	pthread_t writers[N_WRITERS], readers[N_READERS];
	struct txn_stat stat;

	h->rows = check_alloc(ROWS * sizeof(*h->rows));
	h->n_sets = n_sets;
	txn_stack_make(&h->s, mode, sync);
	h->s.pager_kind = (enum txn_pager)(variant / 4);
	h->s.options.dirty_max_pages = 64;
	h->s.options.unflushed_max_pages = 512;
	txn_stack_open(&h->s);
	make_slow(h->s.pager);
	for (unsigned i = 0; i < N_READERS; i++)
		ck_assert_int_eq(pthread_create(&readers[i], NULL, read_some, h), 0);
	for (unsigned i = 0; i < N_WRITERS; i++)
		ck_assert_int_eq(pthread_create(&writers[i], NULL, write_some, h), 0);
	for (unsigned i = 0; i < N_WRITERS; i++)
		(void)pthread_join(writers[i], NULL);
	atomic_store(&h->done, true);
	for (unsigned i = 0; i < N_READERS; i++)
		(void)pthread_join(readers[i], NULL);
	txn_ok(txn_check(h->s.env, NULL, NULL));
	txn_stat(h->s.env, &stat);
	printf("%s, mode %d, sync %d: %u commits, %u flushes, group commit <= %u, %u snapshots\n",
		h->s.pager->ops->name, mode, sync, (unsigned)stat.n_commits,
		(unsigned)stat.n_flushes, (unsigned)stat.n_group_max,
		(unsigned)atomic_load(&h->n_snapshots));
	fflush(stdout);
	if (sync == TXN_RELAXED)
		ck_assert_uint_ge(stat.n_group_max, 3);
	txn_stack_free(&h->s);
}

START_TEST(every_snapshot_is_a_whole_generation)
{
	run(_i, 3);
}
END_TEST

START_TEST(large_transactions_too)
{
	run(_i, 40);
}
END_TEST

static void *commit_one(void *arg)
{
	struct history *h = arg;
	struct txn *txn;

	check(txn_begin_write(h->s.env, &txn) == 0, "begin");
	check(toy_set(txn, 1, 1) == 0, "set");
	check(txn_commit(txn) == 0, "commit");
	return NULL;
}

/* The flush of the first commit ends when three others have joined: those are one group commit. */
START_TEST(commits_that_wait_are_flushed_together)
{
	struct history *h = check_alloc(sizeof(*h));
	pthread_t threads[4];
	struct txn_stat stat;

	txn_stack_make(&h->s, _i & 1 ? TXN_ONE_FLUSH : TXN_TWO_FLUSH, TXN_FULL);
	h->s.options.unflushed_max_pages = 512;
	txn_stack_open(&h->s);
	txn_stack_set(&h->s, 0, 1, 1);
	txn_stat(h->s.env, &stat);
	make_slow(h->s.pager);
	awaited_commits = stat.n_commits + 4;
	atomic_store(&awaited_env, h->s.env);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, commit_one, h), 0);
	for (unsigned i = 0; i < 4; i++)
		(void)pthread_join(threads[i], NULL);
	atomic_store(&awaited_env, NULL);
	txn_stat(h->s.env, &stat);
	ck_assert_uint_eq(stat.n_group_max, 3);
	ck_assert_uint_eq(stat.n_flushes, 3);
	ck_assert_uint_gt(stat.n_rejoined_dead_pages, 0);
	txn_stack_free(&h->s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("txn_threads");
	TCase *c = tcase_create("threads");

	tcase_add_checked_fixture(c, NULL, check_free);
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, commits_that_wait_are_flushed_together, 0, 2);
	tcase_add_loop_test(c, every_snapshot_is_a_whole_generation, 0, 4 * TXN_PAGERS);
	tcase_add_loop_test(c, large_transactions_too, 0, 4 * TXN_PAGERS);
	suite_add_tcase(s, c);
	return check_main(s);
}
