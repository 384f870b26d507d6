/* SPDX-License-Identifier: MIT */
/* Generations from session to session (T2, T8): what a close, a crash and an abort cost. */
#include "base/error.h"
#include "tests/sim/simwalk.h"
#include "tests/txn_fixture.h"
#include "txn/txn_int.h"

#include <errno.h>

static uint64_t incarnation_of(gen_t gen)
{
	return gen >> GEN_SEQ_BITS;
}

/* Of a transaction that begins now and ends at once. */
static gen_t gen_now(struct txn_stack *s)
{
	struct txn *txn;
	gen_t gen;

	txn_ok(txn_begin_write(s->env, &txn));
	gen = txn->gen;
	txn_abort(txn);
	return gen;
}

/* The death of the process. */
static void stack_dies(struct txn_stack *s)
{
	simdisk_kill(s->disk);
	txn_stack_close(s);
}

START_TEST(clean_sessions_share_an_incarnation)
{
	struct txn_stack s;
	gen_t last = 0;

	txn_stack_make(&s, TXN_TWO_FLUSH, _i ? TXN_RELAXED : TXN_FULL);
	for (unsigned i = 0; i < 10; i++) {
		txn_stack_open(&s);
		txn_stack_set(&s, 0, 8, i + 1);
		ck_assert_uint_gt(s.env->joined_gen, last);
		ck_assert_uint_eq(incarnation_of(s.env->joined_gen), 1);
		last = s.env->next_gen - 1;
		txn_stack_close(&s);
	}
	txn_stack_free(&s);
}
END_TEST

START_TEST(a_session_that_writes_no_page_writes_nothing)
{
	struct txn_stack s;
	struct txn *txn;
	uint64_t n_writes, n_syncs;

	txn_stack_make(&s, TXN_TWO_FLUSH, TXN_FULL);
	txn_stack_open(&s);
	txn_stack_set(&s, 0, 8, 1);
	txn_stack_close(&s);
	txn_stack_open(&s);
	n_writes = simdisk_calls(s.disk, SIM_CALL_WRITE);
	n_syncs = simdisk_calls(s.disk, SIM_CALL_SYNC);
	for (unsigned i = 0; i < 5; i++) {
		txn_ok(txn_begin_write(s.env, &txn));
		txn_abort(txn);
		txn_ok(txn_begin_write(s.env, &txn));
		txn_ok(txn_commit(txn));
	}
	ck_assert_uint_eq(simdisk_calls(s.disk, SIM_CALL_WRITE), n_writes);
	/* What is set may need a longer file, which is written with zeros and never flushed. */
	txn_ok(txn_begin_write(s.env, &txn));
	txn_ok(toy_set(txn, 1, 7));
	txn_abort(txn);
	txn_stack_close(&s);
	ck_assert_uint_eq(simdisk_calls(s.disk, SIM_CALL_SYNC), n_syncs);
	txn_stack_free(&s);
}
END_TEST

START_TEST(a_crash_costs_an_incarnation)
{
	struct txn_stack s;

	txn_stack_make(&s, TXN_TWO_FLUSH, TXN_FULL);
	for (unsigned i = 1; i < 6; i++) {
		txn_stack_open(&s);
		txn_stack_set(&s, 0, 8, i);
		ck_assert_uint_eq(incarnation_of(s.env->joined_gen), i);
		stack_dies(&s);
	}
	/* Who wrote nothing cannot have crashed. */
	for (unsigned i = 0; i < 3; i++) {
		txn_stack_open(&s);
		ck_assert_uint_eq(incarnation_of(gen_now(&s)), 6);
		stack_dies(&s);
	}
	txn_stack_free(&s);
}
END_TEST

START_TEST(aborted_attempts_are_behind_the_mark)
{
	struct txn_stack s;
	struct txn *txn;
	gen_t spilled;

	txn_stack_make(&s, TXN_TWO_FLUSH, TXN_FULL);
	s.options.dirty_max_pages = 8;
	txn_stack_open(&s);
	txn_stack_set(&s, 0, 8, 1);
	txn_ok(txn_begin_write(s.env, &txn));
	for (unsigned i = 0; i < TOY_CELLS; i += TOY_FANOUT)
		txn_ok(toy_set(txn, i, 2));
	ck_assert_uint_gt(txn->writer->n_spilled, 0); /* pages of it are on the disk */
	spilled = txn->gen;
	txn_abort(txn);
	txn_stack_close(&s);
	txn_stack_open(&s);
	ck_assert_uint_gt(s.env->session_gen, spilled);
	ck_assert_uint_eq(incarnation_of(s.env->session_gen), incarnation_of(spilled));
	txn_stack_free(&s);
}
END_TEST

/* T2's counterexample, by hand: a session that spilled, crashed, and lost its first meta to rot. */
START_TEST(a_mark_is_not_trusted_twice)
{
	static const uint8_t rot[512] = "rot";
	struct txn_stack s;
	struct txn *txn;
	struct file *file;
	gen_t spilled;
	unsigned slot;

	txn_stack_make(&s, TXN_TWO_FLUSH, TXN_FULL);
	s.options.dirty_max_pages = 8;
	txn_stack_open(&s);
	txn_stack_set(&s, 0, 8, 1);
	txn_stack_close(&s);
	txn_stack_open(&s);
	txn_ok(txn_begin_write(s.env, &txn));
	for (unsigned i = 0; i < TOY_CELLS; i += TOY_FANOUT)
		txn_ok(toy_set(txn, i, 2));
	ck_assert_uint_gt(txn->writer->n_spilled, 0);
	spilled = txn->gen;
	slot = s.env->durable_slot;
	simdisk_kill(s.disk);
	txn_abort(txn);
	txn_stack_close(&s);
	if (_i) {
		txn_ok(io_open(s.io, "/db", 0, 0600, &file));
		txn_ok(file_write(file, rot, sizeof(rot), (uint64_t)slot * 4096));
		txn_ok(file_sync(file));
		file_close(file);
	}
	txn_stack_open(&s);
	ck_assert_uint_gt(incarnation_of(s.env->session_gen), incarnation_of(spilled));
	ck_assert_uint_gt(incarnation_of(gen_now(&s)), incarnation_of(spilled));
	txn_stack_free(&s);
}
END_TEST

static uint64_t cell_0(struct txn_stack *s)
{
	struct txn *txn;
	uint64_t value;

	txn_ok(txn_begin_read(s->env, &txn));
	txn_ok(toy_get(txn, 0, &value));
	txn_abort(txn);
	return value;
}

/*
 * A meta that a power cut left with one sector of garbage is rejected, although all pages of its
 * group commit are there. The session overwrites it, and the power is cut in the middle of that:
 * the sector may be whole again by itself, where the new meta has the same bytes.
 */
START_TEST(a_meta_that_was_rejected_does_not_come_back)
{
	static const uint8_t garbage[512] = "garbage";
	struct txn_stack s, after;
	struct simwalk *w;
	struct file *file;
	unsigned slot;

	txn_stack_make(&s, TXN_TWO_FLUSH, TXN_FULL);
	txn_stack_open(&s);
	txn_stack_set(&s, 0, 8, 1);
	txn_stack_set(&s, 0, 8, 2);
	slot = s.env->durable_slot;
	stack_dies(&s);
	txn_ok(io_open(s.io, "/db", 0, 0600, &file));
	txn_ok(file_write(file, garbage, sizeof(garbage), slot * 4096 + (unsigned)_i * 512));
	txn_ok(file_sync(file));
	file_close(file);
	txn_ok(io_sync_dir(s.io, "/db"));
	w = simwalk_new(s.disk);
	simwalk_to(w, simdisk_events(s.disk));

	txn_stack_open(&s);
	ck_assert_uint_eq(cell_0(&s), 1);
	txn_ok(session_start(s.env));
	stack_dies(&s);
	after = s;
	while (simwalk_at(w) < simdisk_events(s.disk)) {
		simwalk_to(w, simwalk_at(w) + 1);
		for (uint64_t i = 0; i < 512 && i < simwalk_combinations(w); i++) {
			after.disk = simwalk_image(w, (struct sim_choice){SIM_COMBINATION, i},
				false, NULL);
			after.io = simdisk_io(after.disk);
			txn_stack_open(&after);
			ck_assert_uint_eq(cell_0(&after), 1);
			txn_stack_close(&after);
		}
	}
	simwalk_free(w);
	txn_stack_free(&s);
}
END_TEST

static bool is_sealed_since(const uint8_t *bytes, uint32_t len_bytes, gen_t gen, uint64_t seed)
{
	const struct page *page = (const struct page *)bytes;

	return page_ref(page).gen >= gen && page_verify(page, len_bytes, page_ref(page), seed) == 0;
}

/* A session's first meta: whether the file has it. */
static bool has_begun(const struct txn_stack *s, const uint8_t *file, gen_t gen)
{
	for (unsigned slot = 0; slot < 2; slot++) {
		const uint8_t *at = file + layout_slot(&s->env->layout, slot) * 512;

		if (is_sealed_since(at, META_BYTES, gen, s->pager->seed))
			return true;
	}
	return false;
}

/*
 * T2, where stores reach the file before write(): a page that could be taken for one of a later
 * session's, which gets the same generations, is not there until the session's first meta is.
 */
START_TEST(no_page_is_sealed_in_the_file_before_its_session_has_begun)
{
	unsigned n_made = 0, n_sealed = 0;
	struct txn_stack s;
	struct simwalk *w;
	uint64_t size, n;
	gen_t gen;

	txn_stack_make(&s, TXN_TWO_FLUSH, _i ? TXN_RELAXED : TXN_FULL);
	s.pager_kind = TXN_MMAP_SHARED;
	txn_stack_open(&s);
	txn_stack_set(&s, 0, 8, 1);
	txn_stack_close(&s);
	txn_ok(io_sync_dir(s.io, "/db"));
	n = simdisk_events(s.disk);
	txn_stack_open(&s);
	gen = s.env->session_gen;
	txn_stack_set(&s, 0, 8, 2);
	txn_ok(txn_sync(s.env));
	w = simwalk_new(s.disk);
	for (; n <= simdisk_events(s.disk); n++) {
		struct sim_choice lost = {SIM_LOST, 0}, applied = {SIM_APPLIED, 0};
		const uint8_t *file;
		bool begun;

		simwalk_to(w, n);
		begun = has_begun(&s,
			simdisk_bytes(simwalk_image(w, lost, false, NULL), "/db", &size), gen);
		file = simdisk_bytes(simwalk_image(w, applied, false, NULL), "/db", &size);
		for (uint64_t at = 2 * s.env->layout.slot_pages * 512; at < size; at += 512) {
			bool sealed = is_sealed_since(file + at, 512, gen, s.pager->seed);

			ck_assert(begun || !sealed);
			n_sealed += sealed;
			n_made += !begun && page_ref((const struct page *)(file + at)).gen >= gen;
		}
	}
	ck_assert_uint_gt(n_made, 0);
	ck_assert_uint_gt(n_sealed, 0);
	simwalk_free(w);
	txn_stack_free(&s);
}
END_TEST

START_TEST(an_incarnation_that_only_a_lost_slot_knew_is_not_used_again)
{
	struct meta a = {.gen = (UINT64_C(5) << 40) + 7}, b = {.gen = UINT64_C(6) << 40};
	gen_t crashed = session_first_gen(&a, &b);

	ck_assert_uint_eq(crashed, UINT64_C(7) << 40);
	ck_assert_uint_gt(session_first_gen(&a, NULL), b.gen);
	ck_assert_uint_gt(session_first_gen(NULL, &b), b.gen);
	/* A mark beside a newer state, or beside nothing, counts for nothing. */
	a.mark = a.gen + 3;
	ck_assert_uint_eq(session_first_gen(&a, &b), crashed);
	ck_assert_uint_eq(session_first_gen(&a, NULL), UINT64_C(7) << 40);
	b.gen = a.gen;
	ck_assert_uint_eq(session_first_gen(&a, &b), a.mark + 1);
	ck_assert_uint_eq(session_first_gen(&b, &a), a.mark + 1);
	a.mark = a.gen - 1; /* cannot be */
	ck_assert_uint_eq(session_first_gen(&a, &b), UINT64_C(6) << 40);
	/* A full sequence carries. */
	a.mark = (UINT64_C(6) << 40) - 1;
	ck_assert_uint_eq(session_first_gen(&a, &b), UINT64_C(6) << 40);
}
END_TEST

START_TEST(the_last_incarnation_ends_in_an_error)
{
	struct txn_stack s;
	struct txn *txn;

	txn_stack_make(&s, TXN_TWO_FLUSH, TXN_FULL);
	txn_stack_open(&s);
	s.env->session_gen = UINT64_C(0xffffff) << 40;
	s.env->next_gen = s.env->session_gen + 1;
	txn_stack_set(&s, 0, 8, 1);
	stack_dies(&s);
	txn_stack_open(&s);
	ck_assert_int_eq(txn_begin_write(s.env, &txn), VERSO_EFULL);
	ck_assert_ptr_nonnull(strstr(error_text(), "crashes"));
	txn_ok(txn_check(s.env, NULL, NULL));
	txn_stack_close(&s);
	txn_stack_free(&s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("txn_session");
	TCase *tc = tcase_create("session");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, NULL, check_free);
	tcase_add_loop_test(tc, clean_sessions_share_an_incarnation, 0, 2);
	tcase_add_test(tc, a_session_that_writes_no_page_writes_nothing);
	tcase_add_test(tc, a_crash_costs_an_incarnation);
	tcase_add_test(tc, aborted_attempts_are_behind_the_mark);
	tcase_add_loop_test(tc, a_mark_is_not_trusted_twice, 0, 2);
	tcase_add_loop_test(tc, a_meta_that_was_rejected_does_not_come_back, 0, 8);
	tcase_add_loop_test(tc, no_page_is_sealed_in_the_file_before_its_session_has_begun, 0, 2);
	tcase_add_test(tc, an_incarnation_that_only_a_lost_slot_knew_is_not_used_again);
	tcase_add_test(tc, the_last_incarnation_ends_in_an_error);
	return check_main(s);
}
