/* SPDX-License-Identifier: MIT */
/* The io whose n-th call fails (tests/sim/faultio.h). */
#include "tests/check_main.h"

#include "base/error.h"
#include "io/file.h"
#include "io/map.h"
#include "io/queue.h"
#include "tests/sim/failmalloc.h"
#include "tests/sim/faultio.h"
#include "tests/sim/simdisk.h"
#include "tests/sim/simwalk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define S SIM_SECTOR

static struct simdisk *disk;
static struct fault_plan plan;
static struct faultio *fio;

static void setup(void)
{
	plan = (struct fault_plan){0};
	disk = simdisk_new(NULL);
	fio = faultio_new(simdisk_io(disk), &plan);
}

static void teardown(void)
{
	faultio_free(fio);
	simdisk_free(disk);
}

static void aim(unsigned calls, uint64_t nth, enum fault_kind kind, bool forever)
{
	plan.calls = calls;
	plan.nth = nth;
	plan.kind = kind;
	plan.forever = forever;
	atomic_store(&plan.n, 0);
	atomic_store(&plan.struck, 0);
}

/* Every kind of call once; stops at the first that fails. */
static int one_of_each(void)
{
	static _Alignas(512) uint8_t buf[4 * S];
	struct io *io = faultio_io(fio);
	struct file *f = NULL;
	struct map *m = NULL;
	struct queue *q = NULL;
	uint64_t size;
	int r = io_open(io, "f", FILE_CREATE, 0600, &f);

	r = r < 0 ? r : file_lock(f, LOCK_EXCLUSIVE, 0, 1);
	r = r < 0 ? r : file_allocate(f, 0, 4 * S);
	r = r < 0 ? r : file_write(f, buf, 4 * S, 0);
	r = r < 0 ? r : file_sync(f);
	r = r < 0 ? r : file_read(f, buf, 4 * S, 0, FILE_LIVE);
	r = r < 0 ? r : file_size(f, &size);
	r = r < 0 ? r : file_truncate(f, 2 * S);
	r = r < 0 ? r : io_sync_dir(io, "f");
	r = r < 0 ? r : io_map(io, f, MAP_READ_SHARED, 0, 1 << 24, &m);
	r = r < 0 ? r : map_extend(m, S);
	r = r < 0 ? r : io_queue(io, 4, QUEUE_BEST, &q);
	r = r < 0 ? r : io_random(io, buf, 16);
	r = r < 0 ? r : io_rename(io, "f", "g");
	r = r < 0 ? r : io_unlink(io, "g");
	queue_close(q);
	map_close(m);
	file_close(f);
	return r;
}

START_TEST(each_call_fails_in_its_turn_until_all_succeed)
{
	for (unsigned kind = 0; kind < FAULT_KINDS; kind++) {
		uint64_t n;

		for (n = 0;; n++) {
			int r;

			aim(FAULT_ANY, n, (enum fault_kind)kind, false);
			r = one_of_each();
			if (atomic_load(&plan.struck) == 0) {
				ck_assert_int_eq(r, 0);
				break;
			}
			ck_assert_int_eq(r, fault_code((enum fault_kind)kind));
			ck_assert_str_ne(error_text(), "");
		}
		ck_assert_uint_eq(n, 15);
	}
}
END_TEST

START_TEST(only_the_chosen_kinds_are_counted)
{
	aim(FAULT_SYNC | FAULT_SYNC_DIR, 1, FAULT_EIO, false);
	ck_assert_int_eq(one_of_each(), -EIO);
	ck_assert_uint_eq(atomic_load(&plan.n), 2);
	/* the sync itself went through */
	ck_assert_uint_eq(simdisk_calls(disk, SIM_CALL_SYNC), 1);
	ck_assert_uint_eq(simdisk_calls(disk, SIM_CALL_SYNC_DIR), 0);
}
END_TEST

START_TEST(once_is_once_and_for_ever_is_for_ever)
{
	struct file *f;

	ck_assert_int_eq(io_open(faultio_io(fio), "f", FILE_CREATE, 0600, &f), 0);
	aim(FAULT_WRITE, 1, FAULT_ENOSPC, false);
	ck_assert_int_eq(file_write(f, "a", 1, 0), 0);
	ck_assert_int_eq(file_write(f, "b", 1, 0), -ENOSPC);
	ck_assert_int_eq(file_write(f, "c", 1, 0), 0);
	aim(FAULT_WRITE, 1, FAULT_EDQUOT, true);
	ck_assert_int_eq(file_write(f, "d", 1, 0), 0);
	ck_assert_int_eq(file_write(f, "e", 1, 0), -EDQUOT);
	ck_assert_int_eq(file_write(f, "f", 1, 0), -EDQUOT);
	file_close(f);
}
END_TEST

START_TEST(a_short_write_moves_a_part_and_zero_none)
{
	uint8_t buf[4 * S];
	struct file *f;
	uint64_t size;

	memset(buf, 'x', sizeof(buf));
	ck_assert_int_eq(io_open(faultio_io(fio), "f", FILE_CREATE, 0600, &f), 0);
	aim(FAULT_WRITE, 0, FAULT_ZERO, false);
	ck_assert_int_lt(file_write(f, buf, sizeof(buf), 0), 0);
	ck_assert_int_eq(file_size(f, &size), 0);
	ck_assert_uint_eq(size, 0);
	aim(FAULT_WRITE, 0, FAULT_SHORT, false);
	ck_assert_int_lt(file_write(f, buf, sizeof(buf), 0), 0);
	ck_assert_int_eq(file_size(f, &size), 0);
	ck_assert_uint_eq(size, 2 * S);
	file_close(f);
}
END_TEST

static void count_done(struct io_req *req)
{
	(*(unsigned *)req->owner)++;
}

START_TEST(a_queued_request_fails_when_somebody_waits)
{
	static uint8_t buf[S];
	struct iovec iov = {buf, S};
	struct io_req reqs[4];
	struct io_req *ptrs[4];
	unsigned n_done = 0;
	struct queue *q;
	struct file *f;

	ck_assert_int_eq(io_open(faultio_io(fio), "f", FILE_CREATE, 0600, &f), 0);
	ck_assert_int_eq(io_queue(faultio_io(fio), 8, QUEUE_BEST, &q), 0);
	for (unsigned round = 0; round < 2; round++) {
		aim(FAULT_WRITE, 2, FAULT_ECANCELED, false);
		n_done = 0;
		for (unsigned i = 0; i < 4; i++) {
			reqs[i] = (struct io_req){.kind = IO_WRITE,
				.file = f,
				.iov = &iov,
				.n_iov = 1,
				.off_bytes = i * S,
				.done = count_done,
				.owner = &n_done};
			ptrs[i] = &reqs[i];
		}
		queue_submit(q, ptrs, 4);
		ck_assert_uint_eq(n_done, 0);
		for (unsigned i = 0; i < 4; i++)
			queue_wait(q, ptrs[i]);
		ck_assert_uint_eq(n_done, 4);
		for (unsigned i = 0; i < 4; i++)
			ck_assert_int_eq(reqs[i].result, i == 2 ? -ECANCELED : 0);
	}
	/* the one that failed, submitted again as it is, succeeds */
	atomic_store(&reqs[2].complete, false);
	ck_assert_int_eq(queue_run(q, &ptrs[2], 1), 0);
	queue_close(q);
	file_close(f);
}
END_TEST

START_TEST(the_plan_drives_the_simulated_disk_too)
{
	struct simwalk *w;
	struct file *f;
	uint64_t size;

	simdisk_set_fault(disk, fault_plan_sim, &plan);
	ck_assert_int_eq(io_open(simdisk_io(disk), "f", FILE_CREATE, 0600, &f), 0);
	ck_assert_int_eq(io_sync_dir(simdisk_io(disk), "f"), 0);
	ck_assert_int_eq(file_write(f, "a", 1, 0), 0);
	aim(FAULT_SYNC, 0, FAULT_EIO, false);
	ck_assert_int_eq(file_sync(f), -EIO);
	ck_assert_int_eq(file_sync(f), 0);
	w = simwalk_new(disk);
	simwalk_to(w, simdisk_events(disk));
	ck_assert_uint_eq(simwalk_pending(w), 0);
	ck_assert_ptr_nonnull(simdisk_bytes(simwalk_image(w, (struct sim_choice){SIM_LOST, 0},
						    false, NULL),
		"f", &size));
	simwalk_free(w);
	file_close(f);
}
END_TEST

/* --- the allocator ---------------------------------------------------------------------------- */

/* Volatile, so that the compiler cannot do without the allocation. */
static bool allocates(void *volatile p)
{
	free(p);
	return p != NULL;
}

/* Check itself allocates: nothing is asserted while the allocator is armed. */

START_TEST(the_nth_allocation_of_any_kind_fails)
{
	for (unsigned n = 0; n < 6; n++) {
		bool got[5];
		void *p = NULL;
		uint64_t n_calls, n_failed;

		failmalloc_arm(n, false);
		got[0] = allocates(malloc(8));
		got[1] = allocates(calloc(2, 8));
		got[2] = allocates(realloc(NULL, 8));
		got[3] = posix_memalign(&p, 64, 64) == 0;
		free(p);
		got[4] = allocates(aligned_alloc(64, 64));
		n_calls = failmalloc_calls();
		n_failed = failmalloc_disarm();
		ck_assert_uint_eq(n_calls, 5);
		ck_assert_uint_eq(n_failed, n < 5);
		for (unsigned i = 0; i < 5; i++)
			ck_assert(got[i] == (i != n));
	}
	ck_assert(allocates(malloc(8)));
}
END_TEST

START_TEST(allocations_fail_for_ever_but_not_in_a_pause)
{
	bool got[4];
	uint64_t n_failed;

	failmalloc_arm(1, true);
	got[0] = allocates(malloc(8));
	got[1] = allocates(malloc(8));
	failmalloc_pause();
	got[2] = allocates(malloc(8));
	failmalloc_resume();
	got[3] = allocates(malloc(8));
	n_failed = failmalloc_disarm();
	ck_assert(got[0]);
	ck_assert(!got[1]);
	ck_assert(got[2]);
	ck_assert(!got[3]);
	ck_assert_uint_eq(n_failed, 2);
}
END_TEST

START_TEST(the_simulated_disk_is_spared)
{
	struct file *f;
	uint64_t n_calls;
	int r[2];

	failmalloc_arm(0, true);
	r[0] = io_open(faultio_io(fio), "f", FILE_CREATE, 0600, &f);
	r[1] = r[0] < 0 ? r[0] : file_write(f, "a", 1, 0);
	n_calls = failmalloc_calls();
	(void)failmalloc_disarm();
	ck_assert_int_eq(r[0], 0);
	ck_assert_int_eq(r[1], 0);
	ck_assert_uint_eq(n_calls, 0);
	file_close(f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("faultio");
	TCase *t = tcase_create("faultio");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, each_call_fails_in_its_turn_until_all_succeed);
	tcase_add_test(t, only_the_chosen_kinds_are_counted);
	tcase_add_test(t, once_is_once_and_for_ever_is_for_ever);
	tcase_add_test(t, a_short_write_moves_a_part_and_zero_none);
	tcase_add_test(t, a_queued_request_fails_when_somebody_waits);
	tcase_add_test(t, the_plan_drives_the_simulated_disk_too);
	tcase_add_test(t, the_nth_allocation_of_any_kind_fails);
	tcase_add_test(t, allocations_fail_for_ever_but_not_in_a_pause);
	tcase_add_test(t, the_simulated_disk_is_spared);
	suite_add_tcase(s, t);
	return check_main(s);
}
