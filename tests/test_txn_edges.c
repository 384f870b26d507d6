/* SPDX-License-Identifier: MIT */
/* Rules at their edges: the last number of a session, poison under way, small accounts. */
#include "base/error.h"
#include "tests/sim/faultplan.h"
#include "tests/txn_fixture.h"
#include "txn/txn_int.h"

#include <errno.h>

/* T2: no page may carry an incarnation that no meta says durably. */
START_TEST(a_session_that_runs_out_of_numbers_raises_the_incarnation_again)
{
	uint64_t *model = check_alloc(TOY_CELLS * sizeof(*model));
	struct txn_stack s;
	struct txn *txn;
	gen_t before;

	txn_stack_make(&s, TXN_ONE_FLUSH, _i ? TXN_RELAXED : TXN_FULL);
	s.options.unflushed_max_pages = 500;
	txn_stack_open(&s);
	txn_stack_set(&s, 0, 8, 1);
	before = s.env->session_gen >> GEN_SEQ_BITS;
	s.env->next_gen = ((before + 1) << GEN_SEQ_BITS) - 2;
	for (unsigned i = 0; i < 8; i++) {
		txn_ok(txn_begin_write(s.env, &txn));
		ck_assert_uint_eq(txn->gen >> GEN_SEQ_BITS, before + (i >= 2));
		txn_ok(toy_set(txn, i, i + 2));
		txn_ok(txn_commit(txn));
		ck_assert_uint_eq(s.env->durable.gen >> GEN_SEQ_BITS, before + (i >= 2));
		model[i] = i + 2;
	}
	txn_stack_expect(&s, model);
	txn_ok(txn_check(s.env, NULL, NULL));
	txn_stack_close(&s);
	txn_stack_open(&s);
	txn_stack_expect(&s, model);
	txn_stack_free(&s);
}
END_TEST

/*
 * T4: a transaction takes a page off the pending list and aborts; the next one begins an
 * incarnation, by a meta of a newer generation that still names that page.
 */
START_TEST(a_new_incarnation_does_not_free_what_the_durable_state_names)
{
	struct txn_stack s;
	struct txn_need finish = {.n_pages = 1, .use = TXN_FINISH};
	struct txn *reader, *txn;
	struct page_ref ref;
	uint32_t n_list_pages;

	txn_stack_make(&s, TXN_TWO_FLUSH, TXN_FULL);
	txn_stack_open(&s);
	txn_stack_set(&s, 0, TOY_CELLS, 1);
	txn_ok(txn_begin_read(s.env, &reader));
	txn_stack_set(&s, 0, TOY_CELLS, 2);
	txn_abort(reader);
	n_list_pages = s.env->pending.joined.n_list_pages;
	ck_assert_uint_gt(n_list_pages, 0);
	s.env->next_gen = (((s.env->next_gen >> GEN_SEQ_BITS) + 1) << GEN_SEQ_BITS) - 1;
	txn_ok(txn_begin_write(s.env, &txn));
	txn_ok(reclaim(txn));
	ck_assert_uint_lt(s.env->pending.joined.n_list_pages, n_list_pages);
	txn_abort(txn);

	txn_ok(txn_begin_write(s.env, &txn));
	txn_ok(session_start(s.env));
	ck_assert_uint_gt(s.env->durable_gen >> GEN_SEQ_BITS, 1);
	txn_ok(reclaim(txn));
	/* On a full disk every free page is written: none of them may be a list page's. */
	simdisk_set_space(s.disk, simdisk_space_used(s.disk));
	while (txn_reserve_for(txn, &finish) == 0)
		(void)txn_alloc(txn, PAGE_TOY, 0, 1, &ref);
	txn_ok(spill(txn, 0));
	simdisk_kill(s.disk);
	txn_abort(txn);
	txn_stack_close(&s);
	txn_stack_open(&s);
	txn_ok(txn_check(s.env, NULL, NULL));
	txn_stack_free(&s);
}
END_TEST

START_TEST(a_poisoned_database_is_not_written_by_the_transaction_under_way)
{
	struct fault_plan plan = {.calls = FAULT_SYNC, .kind = FAULT_EIO};
	struct txn_stack s;
	struct txn *txn;
	uint64_t n_writes;
	int rc = 0;

	txn_stack_make(&s, TXN_TWO_FLUSH, TXN_RELAXED);
	txn_stack_open(&s);
	txn_stack_set(&s, 0, 8, 1);
	txn_ok(txn_begin_write(s.env, &txn));
	txn_ok(toy_set(txn, 0, 2));
	simdisk_set_fault(s.disk, fault_plan_sim, &plan);
	ck_assert_int_lt(txn_sync(s.env), 0);
	/* The cause is told, now and later. */
	ck_assert_ptr_nonnull(strstr(error_text(), "Input/output error"));
	n_writes = simdisk_calls(s.disk, SIM_CALL_WRITE);
	for (unsigned i = 0; i < TOY_CELLS && rc == 0; i += TOY_FANOUT)
		rc = toy_set(txn, i, 3);
	ck_assert_int_eq(rc, VERSO_EPOISONED);
	ck_assert_ptr_nonnull(strstr(error_text(), "Input/output error"));
	ck_assert_int_lt(txn_commit(txn), 0);
	ck_assert_uint_eq(simdisk_calls(s.disk, SIM_CALL_WRITE), n_writes);
	txn_stack_free(&s);
}
END_TEST

static int says_rolled_back(struct txn_stack *s)
{
	struct txn_stat stat;
	int rolled_back;

	txn_stack_open(s);
	txn_stat(s->env, &stat);
	rolled_back = stat.rolled_back;
	txn_stack_close(s);
	return rolled_back;
}

/* T8: what a torn meta leaves is another state than what was answered, perhaps. */
START_TEST(a_lost_meta_is_told_until_a_commit_replaces_it)
{
	struct txn_stack s;
	struct file *file;
	uint8_t *zeros = check_alloc(4096);

	txn_stack_make(&s, TXN_TWO_FLUSH, TXN_FULL);
	txn_stack_open(&s);
	txn_stack_set(&s, 0, 8, 1);
	txn_stack_close(&s);
	ck_assert_int_eq(says_rolled_back(&s), 0);
	txn_ok(io_open(s.io, "/db", 0, 0, &file));
	txn_ok(file_write(file, zeros, 4096, (uint64_t)_i * 4096));
	file_close(file);
	ck_assert_int_eq(says_rolled_back(&s), 1);
	txn_stack_open(&s);
	txn_stack_set(&s, 0, 8, 2);
	txn_stack_close(&s);
	ck_assert_int_eq(says_rolled_back(&s), 0);
	txn_stack_free(&s);
}
END_TEST

/* A closed database with cells 0 to 7 set, on a disk that can be read past the cache or not. */
static void make_on_disk(struct txn_stack *s, enum txn_pager pager, bool no_direct)
{
	struct simdisk_options disk = {.no_direct = no_direct};

	txn_stack_options(s, TXN_TWO_FLUSH, TXN_FULL);
	s->pager_kind = pager;
	s->disk = simdisk_new(&disk);
	s->io = simdisk_io(s->disk);
	txn_stack_format(s);
	txn_stack_open(s);
	txn_stack_set(s, 0, 8, 1);
	txn_stack_close(s);
}

/* T7: opening could not distinguish a torn group commit from a whole one. */
START_TEST(one_flush_is_refused_where_opening_could_not_verify_it)
{
	struct txn_stack s;

	make_on_disk(&s, (enum txn_pager)_i, true);
	s.options.mode = TXN_ONE_FLUSH;
	ck_assert_int_eq(txn_stack_try_open(&s), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(error_text(), "two flushes"));
	s.options.read_only = true;
	txn_stack_open(&s);
	txn_stack_free(&s);
}
END_TEST

/* What was read came from the cache, and the sync says that it may not be on the disk. */
START_TEST(a_failed_sync_at_opening_ends_writing_unless_the_device_was_read)
{
	uint64_t *model = check_alloc(TOY_CELLS * sizeof(*model));

	for (unsigned i = 0; i < 8; i++)
		model[i] = 1;
	for (unsigned no_direct = 0; no_direct < 2; no_direct++) {
		struct fault_plan plan = {.calls = FAULT_SYNC, .kind = FAULT_EIO};
		struct txn_stack s;
		struct txn *txn;
		int rc;

		make_on_disk(&s, (enum txn_pager)_i, no_direct);
		simdisk_set_fault(s.disk, fault_plan_sim, &plan);
		txn_stack_open(&s);
		ck_assert_uint_eq(plan.struck, 1);
		txn_stack_expect(&s, model);
		rc = txn_begin_write(s.env, &txn);
		ck_assert_int_eq(rc, no_direct ? VERSO_EPOISONED : 0);
		if (rc == 0)
			txn_abort(txn);
		txn_stack_free(&s);
	}
}
END_TEST

/* What a transaction frees stands together, from whichever end it came, and goes by an undo. */
START_TEST(neighbours_that_are_given_up_are_one_extent)
{
	struct layout layout = {.page_size = 512, .group_pages = 256, .pending_max = 6};
	struct space_record *record = check_alloc(sizeof(*record));
	struct pending p;

	txn_ok(pending_init(&p, NULL, &layout, record, 5));
	txn_ok(pending_reserve(&p, 6));
	for (pgno_t i = 0; i < 3; i++)
		pending_add(&p, 100 + i, 5, 6);
	for (pgno_t i = 1; i < 3; i++)
		pending_add(&p, 100 - i, 5, 6);
	pending_add(&p, 97, 4, 6); /* of another birth */
	ck_assert_uint_eq(p.own.n, 2);
	ck_assert_uint_eq(p.own.extents[0].pgno, 98);
	ck_assert_uint_eq(p.own.extents[0].n_pages, 5);
	ck_assert_uint_eq(pending_count_pages(&p), 6);
	pending_undo(&p);
	ck_assert_uint_eq(pending_count_pages(&p), 0);
	pending_fini(&p);
}
END_TEST

/* A long transaction that makes and frees pages keeps no account of each. */
START_TEST(pages_made_and_given_up_leave_no_trace_in_memory)
{
	struct page_ref ref;
	struct txn_stack s;
	struct txn *txn;

	txn_stack_make(&s, TXN_TWO_FLUSH, TXN_FULL);
	txn_stack_open(&s);
	txn_ok(txn_begin_write(s.env, &txn));
	for (unsigned i = 0; i < 10000; i++) {
		txn_ok(txn_reserve(txn, 1, 1));
		(void)txn_alloc(txn, PAGE_TOY, 0, 1, &ref);
		txn_free(txn, ref);
	}
	ck_assert_uint_lt(s.env->writer.cap_dirty, 1000);
	txn_ok(txn_commit(txn));
	txn_ok(txn_check(s.env, NULL, NULL));
	txn_stack_free(&s);
}
END_TEST

/* Whatever the memory held that the pager has for it. */
START_TEST(a_new_page_has_a_payload_of_zeros)
{
	struct page_ref ref;
	struct txn_stack s;
	struct txn *txn;

	txn_stack_make(&s, TXN_TWO_FLUSH, TXN_FULL);
	s.pager_kind = (enum txn_pager)_i;
	txn_stack_open(&s);
	txn_ok(txn_begin_write(s.env, &txn));
	for (unsigned i = 0; i < 1000; i++) {
		struct page *page;

		txn_ok(txn_reserve(txn, 1, 1));
		page = txn_alloc(txn, PAGE_TOY, 0, 1, &ref);
		for (uint32_t at = 0; at < s.pager->page_size - PAGE_HEADER_BYTES; at++)
			ck_assert_uint_eq(page->payload[at], 0);
		memset(page->payload, 0xee, s.pager->page_size - PAGE_HEADER_BYTES);
		txn_free(txn, ref);
	}
	txn_abort(txn);
	txn_stack_free(&s);
}
END_TEST

START_TEST(a_writer_sees_the_file_grow)
{
	struct txn_stack s;
	struct txn *txn;

	txn_stack_make(&s, TXN_TWO_FLUSH, TXN_FULL);
	txn_stack_open(&s);
	txn_ok(txn_begin_write(s.env, &txn));
	for (unsigned i = 0; i < TOY_CELLS; i += TOY_FANOUT) {
		txn_ok(toy_set(txn, i, 1));
		ck_assert_uint_lt(txn->roots[0].ref.pgno, txn->n_pages);
	}
	txn_abort(txn);
	txn_stack_free(&s);
}
END_TEST

/* The bytes between a root's fields are not used. */
START_TEST(roots_are_compared_by_what_they_say)
{
	struct txn_stat before, after;
	struct txn_stack s;
	struct txn *txn;

	txn_stack_make(&s, TXN_TWO_FLUSH, TXN_FULL);
	txn_stack_open(&s);
	txn_stack_set(&s, 0, 8, 1);
	txn_stat(s.env, &before);
	txn_ok(txn_begin_write(s.env, &txn));
	memset((uint8_t *)&txn->roots[0].ref + 4, 0xA5, 4);
	txn_ok(txn_commit(txn));
	txn_stat(s.env, &after);
	ck_assert_uint_eq(after.n_commits, before.n_commits);
	txn_stack_free(&s);
}
END_TEST

/* A file that another process makes shorter as soon as its size is known. */
static struct file_ops cut_ops;
static int (*real_size)(struct file *f, uint64_t *ret_size_bytes);
static uint64_t cut_to_bytes;
static unsigned n_cuts;

static int size_then_cut(struct file *f, uint64_t *ret_size_bytes)
{
	int rc = real_size(f, ret_size_bytes);

	if (rc == 0 && n_cuts > 0) {
		n_cuts--;
		rc = file_truncate(f, cut_to_bytes);
	}
	return rc;
}

static int is_blank_while_cut(struct file *f, uint64_t from_bytes, uint64_t to_bytes)
{
	const struct file_ops *ops = f->ops;
	int rc;

	txn_ok(file_truncate(f, from_bytes));
	cut_ops = *ops;
	cut_ops.size = size_then_cut;
	real_size = ops->size;
	cut_to_bytes = to_bytes;
	n_cuts = 1;
	f->ops = &cut_ops;
	rc = txn_is_blank(f);
	f->ops = ops;
	ck_assert_uint_eq(n_cuts, 0);
	return rc;
}

/* A compaction cuts the file; who could not make it empties it. Others may open it meanwhile. */
START_TEST(a_file_that_is_cut_meanwhile_is_recognised)
{
	const uint8_t uuid[16] = {1};
	struct txn_options options = {0};
	struct simdisk *disk = simdisk_new(NULL);
	struct file *f;

	txn_ok(io_open(simdisk_io(disk), "/db", FILE_CREATE, 0600, &f));
	txn_ok(txn_format(f, 4096, uuid, &options));
	ck_assert_int_eq(is_blank_while_cut(f, 100 << 10, 60 << 10), 0);
	txn_ok(file_truncate(f, 0));
	ck_assert_int_eq(is_blank_while_cut(f, 100 << 10, 60 << 10), TXN_BLANK);
	ck_assert_int_eq(is_blank_while_cut(f, 100 << 10, 0), TXN_BLANK);
	file_close(f);
	simdisk_free(disk);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("txn_edges");
	TCase *c = tcase_create("edges");

	tcase_add_checked_fixture(c, NULL, check_free);
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, a_session_that_runs_out_of_numbers_raises_the_incarnation_again, 0,
		2);
	tcase_add_test(c, a_new_incarnation_does_not_free_what_the_durable_state_names);
	tcase_add_test(c, a_poisoned_database_is_not_written_by_the_transaction_under_way);
	tcase_add_loop_test(c, a_lost_meta_is_told_until_a_commit_replaces_it, 0, 2);
	tcase_add_loop_test(c, one_flush_is_refused_where_opening_could_not_verify_it, 0,
		TXN_PAGERS);
	tcase_add_loop_test(c, a_failed_sync_at_opening_ends_writing_unless_the_device_was_read, 0,
		TXN_PAGERS);
	tcase_add_test(c, neighbours_that_are_given_up_are_one_extent);
	tcase_add_test(c, pages_made_and_given_up_leave_no_trace_in_memory);
	tcase_add_loop_test(c, a_new_page_has_a_payload_of_zeros, 0, TXN_PAGERS);
	tcase_add_test(c, a_writer_sees_the_file_grow);
	tcase_add_test(c, roots_are_compared_by_what_they_say);
	tcase_add_test(c, a_file_that_is_cut_meanwhile_is_recognised);
	suite_add_tcase(s, c);
	return check_main(s);
}
