/* SPDX-License-Identifier: MIT */
/*
 * The contract under failing storage, on the simulated disk: the n-th call fails, n = 0, 1, ...
 * And hints, over every pager, that meet what has rotted.
 */
#include "tests/contract/contract_int.h"
#include "tests/sim/simwalk.h"

#include <errno.h>
#include <stdlib.h>

struct fault {
	enum sim_call_kind kind;
	int code;
	uint64_t n;    /* calls of this kind that still succeed */
	bool for_ever; /* all later ones fail too */
	bool struck;
};

static int fail_nth(void *arg, const struct sim_call *call)
{
	struct fault *f = arg;

	if (call->kind != f->kind || (f->struck && !f->for_ever))
		return 0;
	if (f->n > 0) {
		f->n--;
		return 0;
	}
	f->struck = true;
	return f->code;
}

static void arm(struct world *w, struct fault *f, enum sim_call_kind kind, int code, uint64_t n)
{
	*f = (struct fault){.kind = kind, .code = code, .n = n};
	simdisk_set_fault(w->disk, fail_nth, f);
}

static void disarm(struct world *w)
{
	simdisk_set_fault(w->disk, NULL, NULL);
}

START_TEST(failed_write_leaves_pages_fresh)
{
	struct world w;
	struct fault f = {.struck = true};
	struct page_ref refs[32];

	world_open_simulated(&w, _i);
	for (uint64_t n = 0; f.struck; n++) {
		int rc;

		for (unsigned i = 0; i < 32; i++)
			refs[i] = world_make(&w, i * 3);
		arm(&w, &f, SIM_CALL_WRITE, -EIO, n);
		rc = world_try_write(&w, refs, 32);
		disarm(&w);
		ck_assert_int_eq(rc, f.struck ? -EIO : 0);
		for (unsigned i = 0; i < 32; i++)
			check_get(&w, refs[i]);
		if (rc == 0)
			break;
		for (unsigned i = 0; i < 32; i++)
			pager_drop(w.pager, i * 3, 1);
	}
	ck_assert(!f.struck);
	world_reopen(&w);
	for (unsigned i = 0; i < 32; i++)
		check_get(&w, refs[i]);
	world_close(&w);
}
END_TEST

/* What was overwritten in part is not remembered as it was. */
START_TEST(failed_write_of_a_buffer_forgets_its_page_numbers)
{
	struct world w;
	struct fault f = {.struck = true};
	struct page_ref old[8], newer[8];
	struct page_write piece = {.pgno = 16, .n_pages = 8};
	uint8_t *buf;

	world_open_simulated(&w, _i);
	buf = world_buffer(&w, 8);
	piece.buf = buf;
	for (uint64_t n = 0; f.struck; n++) {
		int rc;

		world_add_many(&w, 16, 8, old);
		memset(buf, 0, 8 * (size_t)w.page_size);
		for (unsigned i = 0; i < 8; i++) {
			newer[i] = (struct page_ref){16 + i, ++w.gen};
			page_fill((struct page *)(buf + i * (size_t)w.page_size), w.page_size,
				newer[i]);
		}
		arm(&w, &f, SIM_CALL_WRITE, -ENOSPC, n);
		rc = pager_write(w.pager, &piece, 1);
		disarm(&w);
		ck_assert_int_eq(rc, f.struck ? -ENOSPC : 0);
		for (unsigned i = 0; i < 8; i++) {
			const struct page *page;
			struct page *found = world_buffer(&w, 1);

			world_read_file(&w, 16 + i, found);
			rc = pager_get(w.pager, w.guard, page_ref(found), &page);
			if (rc == 0) {
				ck_assert_mem_eq(page, found, w.page_size);
				pager_put(w.pager, page);
			}
			if (!page_is(found, old[i]))
				check_absent(&w, old[i]);
			free(found);
		}
		pager_drop(w.pager, 16, 8);
	}
	free(buf);
	world_close(&w);
}
END_TEST

START_TEST(failed_read_is_reported_and_can_be_repeated)
{
	struct world w;
	struct fault f = {.struck = true};
	struct page_ref refs[8];

	world_open_simulated(&w, _i);
	world_add_many(&w, 0, 8, refs);
	for (uint64_t n = 0; f.struck; n++) {
		const struct page *page = NULL;
		int rc = 0;

		world_reopen(&w);
		arm(&w, &f, SIM_CALL_READ, -EIO, n);
		for (unsigned i = 0; i < 8 && rc == 0; i++) {
			rc = pager_get(w.pager, w.guard, refs[i], &page);
			if (rc == 0)
				pager_put(w.pager, page);
		}
		disarm(&w);
		ck_assert_int_eq(rc, f.struck ? -EIO : 0);
		for (unsigned i = 0; i < 8; i++)
			check_get(&w, refs[i]);
	}
	world_close(&w);
}
END_TEST

START_TEST(failed_prefetch_is_not_reported)
{
	struct world w;
	struct fault f;
	struct page_ref refs[32];

	world_open_simulated(&w, _i);
	world_add_many(&w, 0, 32, refs);
	for (uint64_t n = 0; n < 8; n++) {
		world_reopen(&w);
		arm(&w, &f, SIM_CALL_READ, -EIO, n);
		f.for_ever = true;
		pager_prefetch(w.pager, refs, 32);
		/* Whatever was on its way has failed; ask again once the device works. */
		for (unsigned i = 0; i < 32; i++) {
			const struct page *page;
			int rc = pager_get(w.pager, w.guard, refs[i], &page);

			if (rc == 0)
				pager_put(w.pager, page);
			else
				ck_assert_int_eq(rc, -EIO);
		}
		disarm(&w);
		for (unsigned i = 0; i < 32; i++)
			check_get(&w, refs[i]);
	}
	world_close(&w);
}
END_TEST

START_TEST(failed_flush_is_reported_once_and_not_repeated)
{
	struct world w;
	struct fault f;
	uint64_t n_syncs;

	world_open_simulated(&w, _i);
	(void)world_add(&w, 1);
	arm(&w, &f, SIM_CALL_SYNC, -EIO, 0);
	n_syncs = simdisk_calls(w.disk, SIM_CALL_SYNC);
	ck_assert_int_eq(pager_flush(w.pager), -EIO);
	ck_assert_uint_eq(simdisk_calls(w.disk, SIM_CALL_SYNC), n_syncs + 1);
	disarm(&w);
	world_close(&w);
}
END_TEST

START_TEST(failed_growth_leaves_the_size)
{
	static const enum sim_call_kind kinds[] = {SIM_CALL_ALLOCATE, SIM_CALL_WRITE, SIM_CALL_MAP};
	struct world w;
	struct page_ref refs[WORLD_PAGES];

	world_open_simulated(&w, _i);
	world_add_many(&w, 0, WORLD_PAGES, refs);
	for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		struct fault f = {.struck = true};

		for (uint64_t n = 0; f.struck; n++) {
			uint64_t size_bytes;
			int rc;

			arm(&w, &f, kinds[k], -ENOSPC, n);
			rc = pager_resize(w.pager, 3 * WORLD_PAGES);
			disarm(&w);
			ck_assert_int_eq(rc, f.struck ? -ENOSPC : 0);
			ck_assert_int_eq(file_size(w.file, &size_bytes), 0);
			ck_assert_uint_eq(size_bytes,
				(f.struck ? 1ull : 3ull) * WORLD_PAGES * w.page_size);
			if (f.struck)
				check_absent(&w, (struct page_ref){WORLD_PAGES, 1});
			for (unsigned i = 0; i < WORLD_PAGES; i += 5)
				check_get(&w, refs[i]);
		}
		ck_assert_int_eq(pager_resize(w.pager, WORLD_PAGES), 0);
	}
	world_close(&w);
}
END_TEST

START_TEST(failed_cut_leaves_what_remains_readable)
{
	struct world w;
	struct fault f;
	struct page_ref refs[WORLD_PAGES];

	world_open_simulated(&w, _i);
	world_add_many(&w, 0, WORLD_PAGES, refs);
	arm(&w, &f, SIM_CALL_TRUNCATE, -EIO, 0);
	ck_assert_int_eq(pager_resize(w.pager, WORLD_PAGES / 2), -EIO);
	disarm(&w);
	for (unsigned i = 0; i < WORLD_PAGES / 2; i++)
		check_get(&w, refs[i]);
	/* The file is as long as before, so the writer goes on in all of it. */
	check_get(&w, world_add(&w, WORLD_PAGES - 1));
	ck_assert_int_eq(pager_resize(w.pager, WORLD_PAGES / 2), 0);
	for (unsigned i = 0; i < WORLD_PAGES / 2; i++)
		check_get(&w, refs[i]);
	check_absent(&w, refs[WORLD_PAGES / 2]);
	world_close(&w);
}
END_TEST

/* P5: the bytes and the size, of every write that returned before. */
START_TEST(what_a_flush_covers_survives_a_power_cut)
{
	static const struct sim_choice choices[] = {
		{SIM_LOST, 0}, {SIM_APPLIED, 0}, {SIM_RANDOM, 1}};
	struct world w;
	struct page_ref refs[3 * WORLD_PAGES];
	struct simwalk *walk;
	uint64_t n_events;

	world_open_simulated(&w, _i);
	ck_assert_int_eq(io_sync_dir(w.io, w.path), 0);
	ck_assert_int_eq(pager_resize(w.pager, 3 * WORLD_PAGES), 0);
	world_add_many(&w, 0, 3 * WORLD_PAGES, refs);
	ck_assert_int_eq(pager_flush(w.pager), 0);
	n_events = simdisk_events(w.disk);
	(void)world_add(&w, 3 * WORLD_PAGES - 1); /* pending: may be lost, may tear */
	walk = simwalk_new(w.disk);
	simwalk_to(walk, n_events);
	for (unsigned i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		struct simdisk *after = simwalk_image(walk, choices[i], false, NULL);
		struct io *io = simdisk_io(after);
		struct pager *pager;
		struct guard *guard;
		struct file *file;

		ck_assert_int_eq(io_open(io, w.path, w.c->file_flags, 0, &file), 0);
		ck_assert_int_eq(w.c->open(w.c, io, file, &pager), 0);
		ck_assert_int_eq(guard_open(&pager->guards, &guard), 0);
		for (unsigned k = 0; k < 3 * WORLD_PAGES; k++) {
			const struct page *page;

			ck_assert_int_eq(pager_get(pager, guard, refs[k], &page), 0);
			ck_assert(page_is_filled(page, w.page_size, refs[k]));
			pager_put(pager, page);
		}
		guard_close(guard);
		pager_close(pager);
		file_close(file);
	}
	simwalk_free(walk);
	world_close(&w);
}
END_TEST

START_TEST(open_that_fails_leaves_nothing_behind)
{
	struct world w;

	world_open_simulated(&w, _i);
	for (unsigned kind = 0; kind < SIM_CALL_KINDS; kind++) {
		struct fault f = {.struck = true};

		for (uint64_t n = 0; f.struck; n++) {
			struct pager *pager = NULL;
			int rc;

			arm(&w, &f, (enum sim_call_kind)kind, -EIO, n);
			rc = w.c->open(w.c, w.io, w.file, &pager);
			disarm(&w);
			ck_assert_int_eq(rc, f.struck ? -EIO : 0);
			if (rc == 0)
				pager_close(pager);
			else
				ck_assert_ptr_null(pager);
		}
	}
	world_close(&w);
}
END_TEST

/* The page has rotted beneath a pager that knows it; peek and prefetch have no error to explain. */
START_TEST(hints_that_meet_a_bad_page_leave_no_text)
{
	struct page_ref ref;
	struct world w;
	uint8_t *bytes;

	world_open(&w, _i);
	ref = world_add(&w, 4);
	world_reopen(&w);
	check_get(&w, ref);
	bytes = world_buffer(&w, 1);
	world_read_file(&w, 4, bytes);
	for (unsigned header = 0; header < 2; header++) {
		bytes[header ? 16 : w.page_size - 1] ^= 4; /* 16: its generation */
		world_overwrite(&w, 4, bytes);
		error_clear();
		guard_enter(w.guard);
		(void)pager_peek(w.pager, w.guard, ref);
		guard_leave(w.guard);
		pager_prefetch(w.pager, &ref, 1);
		ck_assert_str_eq(error_text(), "");
	}
	free(bytes);
	world_close(&w);
}
END_TEST

TCase *contract_faults(void)
{
	TCase *tc = tcase_create("faults");

	tcase_set_timeout(tc, 60);
	ADD_SIMULATED_TEST(tc, failed_write_leaves_pages_fresh);
	ADD_SIMULATED_TEST(tc, failed_write_of_a_buffer_forgets_its_page_numbers);
	ADD_SIMULATED_TEST(tc, failed_read_is_reported_and_can_be_repeated);
	ADD_SIMULATED_TEST(tc, failed_prefetch_is_not_reported);
	ADD_SIMULATED_TEST(tc, failed_flush_is_reported_once_and_not_repeated);
	ADD_SIMULATED_TEST(tc, failed_growth_leaves_the_size);
	ADD_SIMULATED_TEST(tc, failed_cut_leaves_what_remains_readable);
	ADD_SIMULATED_TEST(tc, what_a_flush_covers_survives_a_power_cut);
	ADD_SIMULATED_TEST(tc, open_that_fails_leaves_nothing_behind);
	ADD_TEST(tc, hints_that_meet_a_bad_page_leave_no_text);
	return tc;
}
