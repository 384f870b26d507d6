/* SPDX-License-Identifier: MIT */
/* Transactions over the reference pager and the simulated disk, with the toy payload. */
#include "base/error.h"
#include "io/file.h"
#include "tests/check_main.h"
#include "tests/crash/toy.h"
#include "tests/refpager/refpager.h"
#include "tests/sim/simdisk.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE_BYTES 512

struct stack {
	struct simdisk *disk;
	struct io *io;
	struct file *file;
	struct pager *pager;
	struct txn_env *env;
	struct txn_options options;
};

static const uint8_t uuid[16] = "0123456789abcdef";

static void ok(int rc)
{
	ck_assert_msg(rc == 0, "%d: %s", rc, error_text());
}

static void stack_open(struct stack *s)
{
	struct txn_probe probe;

	ok(io_open(s->io, "/db", FILE_CREATE, 0600, &s->file));
	ok(txn_probe(s->file, &probe));
	ok(refpager_open(s->io, s->file, probe.page_size, probe.seed, txn_writer_pages(&s->options),
		&s->pager));
	refpager_forget(s->pager);
	ok(txn_env_open(s->pager, &probe, &toy_schema, &s->options, &s->env));
}

static void stack_close(struct stack *s)
{
	txn_env_close(s->env);
	pager_close(s->pager);
	file_close(s->file);
}

static void stack_make(struct stack *s, enum txn_commit_mode mode, enum txn_sync sync)
{
	memset(s, 0, sizeof(*s));
	s->disk = simdisk_new(NULL);
	s->io = simdisk_io(s->disk);
	s->options = (struct txn_options){
		.mode = mode,
		.sync = sync,
		.group_pages = 256,
		.meta_pending_max = 6,
		.meta_groups_max = 2,
		.dirty_max_pages = 8,
		.grow_pages = 32,
		.cut_pages = 32,
	};
	ok(io_open(s->io, "/db", FILE_CREATE, 0600, &s->file));
	ok(txn_format(s->file, PAGE_BYTES, uuid, &s->options));
	file_close(s->file);
	stack_open(s);
}

static void stack_free(struct stack *s)
{
	stack_close(s);
	simdisk_free(s->disk);
}

static void expect_cells(struct txn_env *env, const uint64_t *model)
{
	uint64_t *cells = calloc(TOY_CELLS, sizeof(*cells));
	struct txn *txn;

	ok(txn_begin_read(env, &txn));
	ok(toy_read(txn, cells));
	for (unsigned i = 0; i < TOY_CELLS; i++)
		ck_assert_uint_eq(cells[i], model[i]);
	txn_abort(txn);
	free(cells);
}

struct reader {
	struct txn *txn;
	uint64_t model[TOY_CELLS];
};

static void random_history(enum txn_commit_mode mode, enum txn_sync sync)
{
	uint64_t seed = check_seed() + 100 * mode + sync;
	uint64_t *model = calloc(TOY_CELLS, sizeof(*model));
	uint64_t *mine = calloc(TOY_CELLS, sizeof(*mine));
	struct reader *readers = calloc(4, sizeof(*readers));
	struct stack s;

	stack_make(&s, mode, sync);
	for (unsigned step = 0; step < 1500; step++) {
		unsigned n_sets = 1U << check_random(&seed) % 8;
		bool deleting = step / 100 % 3 == 2;
		struct txn *txn;
		unsigned r = (unsigned)(check_random(&seed) % 4);

		if (readers[r].txn && check_random(&seed) % 3 == 0) {
			uint64_t *cells = calloc(TOY_CELLS, sizeof(*cells));

			ok(toy_read(readers[r].txn, cells));
			ck_assert_mem_eq(cells, readers[r].model, TOY_CELLS * sizeof(*cells));
			free(cells);
			txn_abort(readers[r].txn);
			readers[r].txn = NULL;
		} else if (!readers[r].txn && check_random(&seed) % 8 == 0) {
			ok(txn_begin_read(s.env, &readers[r].txn));
			memcpy(readers[r].model, model, TOY_CELLS * sizeof(*model));
		}
		ok(txn_begin_write(s.env, &txn));
		memcpy(mine, model, TOY_CELLS * sizeof(*model));
		for (unsigned i = 0; i < n_sets; i++) {
			unsigned cell = (unsigned)(check_random(&seed) % TOY_CELLS);
			uint64_t value = deleting ? 0 : check_random(&seed);

			if (deleting)
				cell = (unsigned)((step * 61 + i) % TOY_CELLS);
			ok(toy_set(txn, cell, value));
			mine[cell] = value;
		}
		if (check_random(&seed) % 8 == 0) {
			txn_abort(txn);
		} else {
			ok(txn_commit(txn));
			memcpy(model, mine, TOY_CELLS * sizeof(*model));
		}
		if (check_random(&seed) % 8 == 0)
			ok(txn_check(s.env, NULL, NULL));
		if (check_random(&seed) % 32 == 0)
			expect_cells(s.env, model);
		if (check_random(&seed) % 64 == 0) {
			for (r = 0; r < 4; r++) {
				txn_abort(readers[r].txn);
				readers[r].txn = NULL;
			}
			stack_close(&s);
			stack_open(&s);
			ok(txn_check(s.env, NULL, NULL));
			expect_cells(s.env, model);
		}
	}
	for (unsigned r = 0; r < 4; r++)
		txn_abort(readers[r].txn);
	stack_free(&s);
	free(model);
	free(mine);
	free(readers);
}

START_TEST(random_histories_agree_with_the_model)
{
	random_history(_i & 1 ? TXN_ONE_FLUSH : TXN_TWO_FLUSH, _i & 2 ? TXN_RELAXED : TXN_FULL);
}
END_TEST

static void set_range(struct txn_env *env, unsigned from, unsigned to, uint64_t value)
{
	struct txn *txn;

	ok(txn_begin_write(env, &txn));
	for (unsigned i = from; i < to; i++)
		ok(toy_set(txn, i, value));
	ok(txn_commit(txn));
}

START_TEST(a_file_whose_tail_is_free_is_cut)
{
	struct txn_stat full, empty;
	uint64_t bytes;
	struct stack s;

	stack_make(&s, TXN_TWO_FLUSH, TXN_FULL);
	set_range(s.env, 0, TOY_CELLS, 1);
	txn_stat(s.env, &full);
	set_range(s.env, 8, TOY_CELLS, 0);
	for (unsigned i = 0; i < 200; i++)
		set_range(s.env, 0, 8, i + 2);
	txn_stat(s.env, &empty);
	ck_assert_uint_gt(full.n_pages, 600);
	ck_assert_uint_lt(empty.n_pages, full.n_pages / 2);
	ck_assert_uint_gt(empty.n_cuts, 0);
	ok(file_size(s.file, &bytes));
	ck_assert_uint_lt(bytes, (uint64_t)full.n_pages / 2 * PAGE_BYTES);
	ok(txn_check(s.env, NULL, NULL));
	stack_free(&s);
}
END_TEST

START_TEST(an_old_reader_keeps_only_what_its_snapshot_reaches)
{
	struct txn_stat before, after;
	uint64_t *cells = calloc(TOY_CELLS, sizeof(*cells));
	struct txn *reader;
	struct stack s;

	stack_make(&s, TXN_TWO_FLUSH, TXN_FULL);
	set_range(s.env, 0, TOY_CELLS, 1);
	ok(txn_begin_read(s.env, &reader));
	for (unsigned i = 0; i < 20; i++)
		set_range(s.env, 0, TOY_CELLS, i + 2);
	txn_stat(s.env, &before);
	for (unsigned i = 0; i < 200; i++)
		set_range(s.env, 0, TOY_CELLS, i + 100);
	txn_stat(s.env, &after);
	ck_assert_uint_lt(after.n_pages, before.n_pages + before.n_pages / 4);
	ok(toy_read(reader, cells));
	for (unsigned i = 0; i < TOY_CELLS; i++)
		ck_assert_uint_eq(cells[i], 1);
	txn_abort(reader);
	ok(txn_check(s.env, NULL, NULL));
	free(cells);
	stack_free(&s);
}
END_TEST

START_TEST(relaxed_commits_are_joined_into_one_flush)
{
	struct txn_stat stat;
	struct stack s;

	stack_make(&s, TXN_TWO_FLUSH, TXN_RELAXED);
	stack_close(&s);
	s.options.unflushed_max_pages = 500;
	stack_open(&s);
	for (unsigned i = 0; i < 40; i++)
		set_range(s.env, i, i + 1, 7);
	ok(txn_sync(s.env));
	txn_stat(s.env, &stat);
	ck_assert_uint_eq(stat.n_flushes, 1);
	ck_assert_uint_eq(stat.n_group_max, 40);
	ck_assert_uint_eq(stat.durable_gen, stat.newest_gen);
	stack_free(&s);
}
END_TEST

START_TEST(a_full_disk_fails_prepare_and_loses_nothing)
{
	struct simdisk_options small = {.space_bytes = 200 * PAGE_BYTES + 80000};
	uint64_t *model = calloc(TOY_CELLS, sizeof(*model));
	struct txn *txn;
	struct stack s;
	unsigned n = 0;
	int rc;

	memset(&s, 0, sizeof(s));
	s.disk = simdisk_new(&small);
	s.io = simdisk_io(s.disk);
	s.options.dirty_max_pages = 8;
	ok(io_open(s.io, "/db", FILE_CREATE, 0600, &s.file));
	ok(txn_format(s.file, PAGE_BYTES, uuid, &s.options));
	file_close(s.file);
	stack_open(&s);
	do {
		ok(txn_begin_write(s.env, &txn));
		rc = toy_set(txn, n * 8 % TOY_CELLS, n + 1);
		if (rc == 0) {
			ok(txn_commit(txn));
			model[n * 8 % TOY_CELLS] = n + 1;
			n++;
		}
	} while (rc == 0);
	ck_assert_int_eq(rc, -ENOSPC);
	txn_abort(txn);
	expect_cells(s.env, model);
	ok(txn_check(s.env, NULL, NULL));
	stack_close(&s);
	stack_open(&s);
	expect_cells(s.env, model);
	stack_free(&s);
	free(model);
}
END_TEST

static int fail_syncs(void *arg, const struct sim_call *call)
{
	(void)arg;
	return call->kind == SIM_CALL_SYNC ? -EIO : 0;
}

START_TEST(readers_do_not_see_a_commit_whose_flush_failed)
{
	uint64_t *model = calloc(TOY_CELLS, sizeof(*model));
	struct txn *txn;
	struct stack s;

	stack_make(&s, TXN_ONE_FLUSH, TXN_FULL);
	set_range(s.env, 0, 8, 1);
	for (unsigned i = 0; i < 8; i++)
		model[i] = 1;
	ok(txn_begin_write(s.env, &txn));
	ok(toy_set(txn, 0, 2));
	simdisk_set_fault(s.disk, fail_syncs, NULL);
	ck_assert_int_eq(txn_commit(txn), VERSO_EPOISONED);
	simdisk_set_fault(s.disk, NULL, NULL);
	expect_cells(s.env, model);
	ck_assert_int_eq(txn_begin_write(s.env, &txn), VERSO_EPOISONED);
	stack_free(&s);
	free(model);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("txn");
	TCase *c = tcase_create("histories");

	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, random_histories_agree_with_the_model, 0, 4);
	tcase_add_test(c, a_file_whose_tail_is_free_is_cut);
	tcase_add_test(c, an_old_reader_keeps_only_what_its_snapshot_reaches);
	tcase_add_test(c, relaxed_commits_are_joined_into_one_flush);
	tcase_add_test(c, a_full_disk_fails_prepare_and_loses_nothing);
	tcase_add_test(c, readers_do_not_see_a_commit_whose_flush_failed);
	suite_add_tcase(s, c);
	return check_main(s);
}
