/* SPDX-License-Identifier: MIT */
/*
 * Every call that may fail fails: the n-th of the disk's, in every way by turns, once and for ever,
 * and the n-th allocation, for n = 0, 1, ... until the whole scenario succeeds.
 *
 * The scenario opens, commits with spills, list pages, growth, cutting and an old reader, closes
 * and opens again. It goes on after an error as a user would. Afterwards, without failures, the
 * database must open, prove clean, hold a state that is no older than what was acknowledged and no
 * newer than what was tried, and take more commits.
 */
#include "base/error.h"
#include "tests/sim/failmalloc.h"
#include "tests/sim/faultplan.h"
#include "tests/txn_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define STEPS 14U

struct scenario {
	struct txn_stack s;
	uint64_t (*states)[TOY_CELLS]; /* [0]: the first acknowledged; each later try is the next */
	unsigned n_states;
	unsigned newest; /* of what was committed, it seems */
	unsigned safe;   /* acknowledged as durable */
	uint64_t reader_state;
	struct txn *reader;
	uint64_t *cells; /* room for reading */
	uint64_t seed;
};

/* Of n: every n-th call only; 1 unless VERSO_FAULT_STEP says so, which slow builds are given. */
static unsigned fault_step(void)
{
	const char *s = getenv("VERSO_FAULT_STEP");
	unsigned step = s ? (unsigned)strtoul(s, NULL, 0) : 1;

	return step ? step : 1;
}

static void reader_end(struct scenario *sc)
{
	bool was_read = sc->reader && toy_read(sc->reader, sc->cells) == 0;

	failmalloc_pause(); /* Check takes memory too */
	if (was_read)
		ck_assert_mem_eq(sc->cells, sc->states[sc->reader_state], sizeof(sc->states[0]));
	failmalloc_resume();
	txn_abort(sc->reader);
	sc->reader = NULL;
}

static void reader_begin(struct scenario *sc)
{
	struct txn *txn;

	if (txn_begin_read(sc->s.env, &txn))
		return;
	sc->reader = txn;
	sc->reader_state = sc->newest;
}

/* One transaction of about n changes, and what it would lead to. */
static int step(struct scenario *sc, unsigned i)
{
	uint64_t *next = sc->states[sc->n_states];
	unsigned n = i % 4 == 0 ? 30 : 1 + i % 3;
	struct txn *txn;
	int rc = txn_begin_write(sc->s.env, &txn);

	if (rc)
		return rc;
	memcpy(next, sc->states[sc->newest], sizeof(sc->states[0]));
	for (unsigned j = 0; j < n && rc == 0; j++) {
		unsigned cell = (unsigned)(check_random(&sc->seed) % 800);

		next[cell] = i % 4 == 3 ? 0 : i * 1000 + j + 1;
		rc = toy_set(txn, cell, next[cell]);
	}
	if (rc) {
		txn_abort(txn);
		return rc;
	}
	sc->n_states++;
	rc = txn_commit(txn);
	if (rc == 0) {
		sc->newest = sc->n_states - 1;
		if (sc->s.options.sync == TXN_FULL)
			sc->safe = sc->newest;
	} else if (rc != VERSO_EPOISONED) {
		sc->n_states--; /* nothing of it will be seen */
	}
	return rc;
}

static int sync_all(struct scenario *sc)
{
	int rc = txn_sync(sc->s.env);

	if (rc == 0)
		sc->safe = sc->newest;
	return rc;
}

/* Reads the newest state and finds out which it is: newest. An error of reading is answered. */
static int state_find(struct scenario *sc, const char *what)
{
	struct txn *txn;
	int rc = txn_begin_read(sc->s.env, &txn);
	unsigned i;

	if (rc)
		return rc;
	rc = toy_read(txn, sc->cells);
	txn_abort(txn);
	if (rc)
		return rc;
	for (i = sc->n_states; i-- > 0;) {
		if (memcmp(sc->cells, sc->states[i], sizeof(sc->states[0])) == 0)
			break;
	}
	failmalloc_pause();
	ck_assert_msg(i < sc->n_states, "%s: a state that never was", what);
	ck_assert_msg(i >= sc->safe, "%s: state %u, but %u was acknowledged", what, i, sc->safe);
	failmalloc_resume();
	sc->newest = i;
	sc->safe = i; /* the later ones cannot come back, the earlier ones neither */
	sc->n_states = i + 1;
	return 0;
}

static void session(struct scenario *sc, const char *what)
{
	int rc;

	if (txn_stack_try_open(&sc->s))
		return;
	rc = state_find(sc, what);
	if (rc) {
		txn_stack_close(&sc->s);
		return;
	}
	for (unsigned i = 0; i < STEPS && rc != VERSO_EPOISONED; i++) {
		if (i == 2)
			reader_begin(sc);
		if (i == 9)
			reader_end(sc);
		rc = step(sc, i);
		if (rc == 0 && i % 5 == 4)
			rc = sync_all(sc);
		if (rc == 0 && i == 7)
			(void)txn_check(sc->s.env, NULL, NULL);
	}
	reader_end(sc);
	if (sync_all(sc) == 0)
		sc->safe = sc->newest;
	txn_stack_close(&sc->s);
}

static void open_and_check(struct scenario *sc, const char *what)
{
	int rc = txn_stack_try_open(&sc->s);

	ck_assert_msg(rc == 0, "%s: open: %d %s", what, rc, error_text());
	rc = txn_check(sc->s.env, NULL, NULL);
	ck_assert_msg(rc == 0, "%s: check: %d %s", what, rc, error_text());
	txn_ok(state_find(sc, what));
}

static void verify(struct scenario *sc, const char *what)
{
	open_and_check(sc, what);
	for (unsigned i = 0; i < 10; i++)
		ck_assert_msg(step(sc, i) == 0, "%s: later commit: %s", what, error_text());
	txn_ok(sync_all(sc));
	txn_ok(txn_check(sc->s.env, NULL, NULL));
	txn_stack_close(&sc->s);
	open_and_check(sc, what);
	txn_stack_close(&sc->s);
}

/* The file that every run begins with, made once. */
static struct {
	uint8_t *bytes;
	uint64_t len_bytes;
	int variant; /* + 1 */
} origin;

static void origin_make(struct txn_stack *s, int variant)
{
	const uint8_t *bytes;

	txn_stack_make(s, variant & 1 ? TXN_ONE_FLUSH : TXN_TWO_FLUSH,
		variant & 2 ? TXN_RELAXED : TXN_FULL);
	txn_stack_open(s);
	txn_stack_set(s, 0, 300, 1);
	txn_stack_close(s);
	bytes = simdisk_bytes(s->disk, "/db", &origin.len_bytes);
	free(origin.bytes);
	origin.bytes = aligned_alloc(4096, (origin.len_bytes + 4095) / 4096 * 4096);
	ck_assert_ptr_nonnull(origin.bytes);
	memcpy(origin.bytes, bytes, origin.len_bytes);
	origin.variant = variant + 1;
	txn_stack_free(s);
}

static void scenario_make(struct scenario *sc, int variant)
{
	const struct simdisk_options small = {.file_bytes_max = 1 << 21};

	memset(sc, 0, sizeof(*sc));
	if (origin.variant != variant + 1)
		origin_make(&sc->s, variant);
	txn_stack_options(&sc->s, variant & 1 ? TXN_ONE_FLUSH : TXN_TWO_FLUSH,
		variant & 2 ? TXN_RELAXED : TXN_FULL);
	sc->s.options.unflushed_max_pages = 24;
	sc->s.pager_kind = (enum txn_pager)(variant / 4);
	sc->s.keep = true; /* else most calls are reads of the same pages */
	sc->s.disk = simdisk_new(&small);
	sc->s.io = simdisk_io(sc->s.disk);
	txn_ok(io_open(sc->s.io, "/db", FILE_CREATE, 0600, &sc->s.file));
	txn_ok(file_write(sc->s.file, origin.bytes, origin.len_bytes, 0));
	txn_ok(file_sync(sc->s.file));
	file_close(sc->s.file);
	sc->states = calloc(4 * STEPS + 20, sizeof(*sc->states));
	sc->cells = calloc(TOY_CELLS, sizeof(*sc->cells));
	ck_assert(sc->states && sc->cells);
	sc->n_states = 1;
	sc->seed = check_seed();
	for (unsigned i = 0; i < 300; i++)
		sc->states[0][i] = 1;
}

static void scenario_free(struct scenario *sc)
{
	txn_stack_free(&sc->s);
	free(sc->states);
	free(sc->cells);
}

/* --- the disk ------------------------------------------------------------------------------ */

/* True when the fault struck. */
static bool fail_call(int variant, enum fault_kind kind, bool forever, uint64_t nth)
{
	struct fault_plan plan = {.calls = FAULT_ANY, .nth = nth, .kind = kind, .forever = forever};
	struct scenario *sc = calloc(1, sizeof(*sc));
	bool struck;
	char what[80];

	scenario_make(sc, variant);
	(void)snprintf(what, sizeof(what), "variant %d, call %u: %s%s", variant, (unsigned)nth,
		fault_name(kind), forever ? " for ever" : "");
	simdisk_set_fault(sc->s.disk, fault_plan_sim, &plan);
	session(sc, what);
	session(sc, what);
	simdisk_set_fault(sc->s.disk, NULL, NULL);
	struck = atomic_load(&plan.struck) > 0;
	verify(sc, what);
	scenario_free(sc);
	free(sc);
	return struck;
}

START_TEST(the_nth_call_of_the_disk_fails)
{
	int variant = _i / 2;
	bool forever = _i % 2;
	/* Pages that are made in the file are written by no call. */
	unsigned least = variant / 4 == TXN_MMAP_SHARED ? 100 : 200;
	unsigned n = 0;

	while (fail_call(variant, n % FAULT_KINDS, forever, n))
		n += fault_step();
	printf("variant %d%s: %u faults\n", variant, forever ? ", for ever" : "", n / fault_step());
	fflush(stdout);
	ck_assert_uint_gt(n / fault_step(), least / fault_step());
}
END_TEST

/* --- memory -------------------------------------------------------------------------------- */

static bool fail_malloc(int variant, bool forever, uint64_t nth)
{
	struct scenario *sc = calloc(1, sizeof(*sc));
	bool struck;
	char what[80];

	scenario_make(sc, variant);
	(void)snprintf(what, sizeof(what), "variant %d, allocation %u%s", variant, (unsigned)nth,
		forever ? " for ever" : "");
	failmalloc_arm(nth, forever);
	session(sc, what);
	session(sc, what);
	struck = failmalloc_disarm() > 0;
	verify(sc, what);
	scenario_free(sc);
	free(sc);
	return struck;
}

START_TEST(the_nth_allocation_fails)
{
	bool forever = _i % 2;
	unsigned n = 0;

	while (fail_malloc(_i / 2, forever, n))
		n += fault_step();
	printf("variant %d%s: %u allocations failed\n", _i / 2, forever ? ", for ever" : "",
		n / fault_step());
	fflush(stdout);
	ck_assert_uint_gt(n, 100);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("txn_faults");
	TCase *c = tcase_create("faults");

	tcase_set_timeout(c, 240);
	tcase_add_loop_test(c, the_nth_call_of_the_disk_fails, 0, 8 * TXN_PAGERS);
	/* The reference pager takes memory for every page: once is enough. */
	tcase_add_loop_test(c, the_nth_allocation_fails, 0, 2);
	tcase_add_loop_test(c, the_nth_allocation_fails, 8, 8 * TXN_PAGERS);
	suite_add_tcase(s, c);
	return check_main(s);
}
