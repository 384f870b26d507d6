/* SPDX-License-Identifier: MIT */
/*
 * The simulated disk against section 1 of the crash model: writes, syncs, the queue, sizes. For
 * each rule, an image that it allows is found, and none that it forbids.
 */
#include "tests/sim_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- writes ---------------------------------------------------------------------- */

START_TEST(each_sector_of_an_unsynced_write_is_lost_or_kept_by_itself)
{
	setup_disk(NULL, 4);
	put(1, 2, 'b');
	walk_to_end();
	expect_words("aaaa abaa aaba abba");
	ck_assert_str_eq(image_word((struct sim_choice){SIM_LOST, 0}), "aaaa");
	ck_assert_str_eq(image_word((struct sim_choice){SIM_APPLIED, 0}), "abba");
	teardown_disk();
}
END_TEST

START_TEST(a_synced_write_is_in_every_image)
{
	setup_disk(NULL, 4);
	put(1, 2, 'b');
	ck_assert_int_eq(file_sync(file), 0);
	walk_to_end();
	expect_words("abba");
	teardown_disk();
}
END_TEST

START_TEST(the_older_of_two_writes_may_be_the_one_left)
{
	setup_disk(NULL, 2);
	put(0, 1, 'b');
	put(0, 1, 'c');
	walk_to_end();
	expect_words("aa ba ca");
	ck_assert_str_eq(image_word((struct sim_choice){SIM_REVERSED, 0}), "ba");
	ck_assert_str_eq(image_word((struct sim_choice){SIM_SUFFIX, 1}), "ca");
	ck_assert_str_eq(image_word((struct sim_choice){SIM_PREFIX, 1}), "ba");
	ck_assert_str_eq(image_word((struct sim_choice){SIM_DROP, 0}), "ca");
	ck_assert_str_eq(image_word((struct sim_choice){SIM_ONLY, 0}), "ba");
	teardown_disk();
}
END_TEST

START_TEST(writes_reach_the_device_in_any_order)
{
	setup_disk(NULL, 3);
	put(0, 1, 'b');
	put(1, 1, 'b');
	put(2, 1, 'b');
	walk_to_end();
	expect_words("aaa baa aba aab bba bab abb bbb");
	teardown_disk();
}
END_TEST

START_TEST(bytes_outside_a_write_do_not_change)
{
	setup_disk(NULL, 2);
	ck_assert_int_eq(file_write(file, "xyz", 3, 100), 0);
	ck_assert_int_eq(file_write(file, "uv", 2, 102), 0);
	walk_to_end();
	for (unsigned i = 0; i < DRAWS; i++) {
		uint64_t size;
		const uint8_t *p =
			simdisk_bytes(simwalk_image(walk, (struct sim_choice){SIM_RANDOM, i}, false,
					      NULL),
				"f", &size);

		for (unsigned k = 0; k < 2 * S; k++)
			ck_assert(p[k] == 'a' || (k >= 100 && k < 104));
		/* what the page cache held after none, one or both of the writes */
		ck_assert(memcmp(p + 100, "aaaa", 4) == 0 || memcmp(p + 100, "xyza", 4) == 0 ||
			  memcmp(p + 100, "xyuv", 4) == 0);
	}
	teardown_disk();
}
END_TEST

START_TEST(garbage_is_confined_to_pending_sectors)
{
	unsigned n_garbage = 0;

	setup_disk(NULL, 4);
	put(0, 1, 'b');
	ck_assert_int_eq(file_sync(file), 0);
	put(1, 2, 'b');
	walk_to_end();
	for (unsigned i = 0; i < DRAWS; i++) {
		const char *word = image_word((struct sim_choice){SIM_GARBAGE, i});

		ck_assert_int_eq(word[0], 'b');
		ck_assert_int_eq(word[3], 'a');
		n_garbage += word[1] == '?' || word[2] == '?';
	}
	ck_assert_uint_gt(n_garbage, 0);
	teardown_disk();
}
END_TEST

START_TEST(a_torn_write_is_cut_within_one_operation)
{
	bool cut = false, whole = false;

	setup_disk(NULL, 8);
	put(2, 4, 'b');
	put(7, 1, 'c');
	walk_to_end();
	for (unsigned i = 0; i < DRAWS; i++) {
		const char *word = image_word((struct sim_choice){SIM_TORN, i});
		size_t n = 0;

		for (unsigned k = 2; k < 6; k++)
			n += word[k] == 'b';
		ck_assert(n > 0 && n < 4);
		cut = cut || word[7] == 'a';
		whole = whole || word[7] == 'c';
	}
	ck_assert(cut);
	ck_assert(whole);
	teardown_disk();
}
END_TEST

/* --- the flush and the queue ----------------------------------------------------- */

START_TEST(a_sync_does_not_cover_a_write_in_flight)
{
	struct iovec iov = iov_of('b', 1);
	struct io_req w = write_req(&iov, 0);
	struct io_req s = {.kind = IO_SYNC};
	struct io_req *both[2] = {&w, &s};
	struct queue *q;

	setup_disk(NULL, 2);
	w.file = s.file = file;
	ck_assert_int_eq(io_queue(simdisk_io(disk), 8, QUEUE_BEST, &q), 0);
	ck_assert_int_eq(queue_run(q, both, 2), 0);
	walk_to_end();
	expect_words("aa ba");
	/* one submitted now covers it */
	s = (struct io_req){.kind = IO_SYNC, .file = file};
	both[0] = &s;
	ck_assert_int_eq(queue_run(q, both, 1), 0);
	walk_to_end();
	expect_words("ba");
	queue_close(q);
	teardown_disk();
}
END_TEST

START_TEST(a_write_in_flight_may_be_on_the_device_but_is_not_seen)
{
	struct iovec iov = iov_of('b', 2);
	struct io_req w = write_req(&iov, 0);
	struct io_req *one[1] = {&w};
	uint8_t buf[2 * S];
	struct queue *q;

	setup_disk(NULL, 2);
	w.file = file;
	ck_assert_int_eq(io_queue(simdisk_io(disk), 8, QUEUE_BEST, &q), 0);
	queue_submit(q, one, 1);
	ck_assert_int_eq(file_sync(file), 0);
	ck_assert_int_eq(file_read(file, buf, sizeof(buf), 0, FILE_LIVE), 0);
	ck_assert_int_eq(letter(buf), 'a');
	walk_to_end();
	expect_words("aa ab ba bb");
	queue_wait(q, &w);
	ck_assert_int_eq(file_read(file, buf, sizeof(buf), 0, FILE_LIVE), 0);
	ck_assert_int_eq(letter(buf), 'b');
	ck_assert_int_eq(file_sync(file), 0);
	walk_to_end();
	expect_words("bb");
	queue_close(q);
	teardown_disk();
}
END_TEST

struct early {
	struct queue *q;
	struct io_req *req;
	atomic_bool began;
};

static void *wait_early(void *arg)
{
	struct early *e = arg;

	atomic_store(&e->began, true);
	queue_wait(e->q, e->req);
	return NULL;
}

/* In most rounds the thread sleeps by the time of the submit; a hang is a failure. */
START_TEST(a_thread_may_wait_for_a_request_that_is_submitted_later)
{
	struct iovec iov = iov_of('b', 1);
	struct queue *q;

	setup_disk(NULL, 2);
	ck_assert_int_eq(io_queue(simdisk_io(disk), 8, QUEUE_BEST, &q), 0);
	for (unsigned round = 0; round < 50; round++) {
		struct io_req w = write_req(&iov, 0), *one[1] = {&w};
		struct early e = {.q = q, .req = &w};
		pthread_t thread;

		w.file = file;
		ck_assert_int_eq(pthread_create(&thread, NULL, wait_early, &e), 0);
		while (!atomic_load(&e.began))
			(void)sched_yield();
		for (unsigned i = 0; i < 200; i++)
			(void)sched_yield();
		queue_submit(q, one, 1);
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
		ck_assert_int_eq(w.result, 0);
	}
	queue_close(q);
	teardown_disk();
}
END_TEST

/* Submits n single-sector writes and returns the order of completion as a number in base n. */
struct ordered {
	struct io_req req;
	unsigned *order;
	unsigned index;
};

static void note_order(struct io_req *req)
{
	struct ordered *o = req->owner;

	*o->order = *o->order * 10 + o->index;
}

START_TEST(completions_come_in_every_order)
{
	bool seen[1000] = {false};
	unsigned n = 0;

	for (uint64_t seed = 0; seed < 60; seed++) {
		struct simdisk_options opts = {.seed = seed};
		struct iovec iov[3] = {iov_of('b', 1), iov_of('c', 1), iov_of('d', 1)};
		struct ordered o[3];
		struct io_req *reqs[3];
		unsigned order = 0;
		struct queue *q;

		setup_disk(&opts, 3);
		ck_assert_int_eq(io_queue(simdisk_io(disk), 8, QUEUE_BEST, &q), 0);
		for (unsigned i = 0; i < 3; i++) {
			o[i] = (struct ordered){
				.req = write_req(&iov[i], i), .order = &order, .index = i + 1};
			o[i].req.file = file;
			o[i].req.done = note_order;
			o[i].req.owner = &o[i];
			reqs[i] = &o[i].req;
		}
		ck_assert_int_eq(queue_run(q, reqs, 3), 0);
		seen[order] = true;
		queue_close(q);
		teardown_disk();
	}
	for (unsigned i = 0; i < 1000; i++)
		n += seen[i];
	ck_assert_uint_eq(n, 6);
}
END_TEST

START_TEST(the_rest_of_a_short_write_lands_after_a_sync)
{
	unsigned n_short = 0;

	/* Submitted together, a write cut in two and a sync: the sync may cover its first half only
	 * if it was submitted after that, which it was not; and never the second. */
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct simdisk_options opts = {.seed = seed, .split_one_in = 1};
		struct iovec iov = iov_of('b', 4);
		struct io_req w = write_req(&iov, 0);
		struct io_req *one[1] = {&w};
		struct queue *q;
		uint64_t before;

		setup_disk(&opts, 4);
		w.file = file;
		ck_assert_int_eq(io_queue(simdisk_io(disk), 8, QUEUE_BEST, &q), 0);
		before = simdisk_events(disk);
		ck_assert_int_eq(queue_run(q, one, 1), 0);
		n_short += simdisk_events(disk) - before > 2;
		ck_assert_str_eq(word_of(disk, "f"), "bbbb");
		walk_to_end();
		ck_assert_str_eq(image_word((struct sim_choice){SIM_LOST, 0}), "aaaa");
		ck_assert_str_eq(image_word((struct sim_choice){SIM_APPLIED, 0}), "bbbb");
		queue_close(q);
		teardown_disk();
	}
	ck_assert_uint_gt(n_short, 10);
}
END_TEST

static int fail_queued(void *arg, const struct sim_call *call)
{
	const int *fault = arg;

	return call->queued && call->kind == SIM_CALL_WRITE ? *fault : 0;
}

START_TEST(a_failed_queued_write_leaves_a_part_and_its_error)
{
	static const int faults[] = {-EIO, -ENOSPC, -EDQUOT, -EINTR, -EAGAIN, -ECANCELED};
	bool some = false;

	for (uint64_t seed = 0; seed < 24; seed++) {
		int fault = faults[seed % 6];
		struct simdisk_options opts = {
			.seed = seed, .fault = fail_queued, .fault_arg = &fault};
		struct iovec iov = iov_of('b', 4);
		struct io_req w = write_req(&iov, 0);
		struct io_req *one[1] = {&w};
		struct queue *q;

		setup_disk(&opts, 4);
		w.file = file;
		ck_assert_int_eq(io_queue(simdisk_io(disk), 8, QUEUE_BEST, &q), 0);
		ck_assert_int_eq(queue_run(q, one, 1), fault);
		some = some || strcmp(word_of(disk, "f"), "aaaa") != 0;
		ck_assert_str_ne(word_of(disk, "f"), "-");
		queue_close(q);
		teardown_disk();
	}
	ck_assert(some);
}
END_TEST

/* --- size ------------------------------------------------------------------------ */

START_TEST(growth_by_a_write_is_old_size_zeros_stale_or_data)
{
	uint8_t stale[4 * S];
	struct simdisk_options opts = {.stale = stale, .stale_bytes = sizeof(stale)};

	memset(stale, 's', sizeof(stale));
	setup_disk(&opts, 1);
	put(1, 2, 'b');
	walk_to_end();
	expect_words("a a00 a0s as0 ass abb a0b ab0 abs asb");
	ck_assert_str_eq(image_word((struct sim_choice){SIM_HOLES, 0}), "a00");
	ck_assert_str_eq(image_word((struct sim_choice){SIM_STALE, 0}), "ass");
	ck_assert_int_eq(file_sync(file), 0);
	walk_to_end();
	expect_words("abb");
	teardown_disk();
}
END_TEST

START_TEST(the_sizes_of_several_growths_are_all_possible)
{
	setup_disk(NULL, 1);
	put(1, 1, 'b');
	put(2, 1, 'c');
	walk_to_end();
	/* stale blocks without an image of their own hold 0xa5 */
	expect_words("a ab a0 a\xa5 abc ab0 ab\xa5 a0c a00 a0\xa5 a\xa5"
		     "c a\xa5"
		     "0 a\xa5\xa5");
	teardown_disk();
}
END_TEST

START_TEST(allocation_is_old_size_zeros_or_stale)
{
	setup_disk(NULL, 1);
	ck_assert_int_eq(file_allocate(file, 1 * S, 1 * S), 0);
	ck_assert_str_eq(word_of(disk, "f"), "a0");
	walk_to_end();
	expect_words("a a0 a\xa5");
	ck_assert_int_eq(file_sync(file), 0);
	walk_to_end();
	expect_words("a0");
	teardown_disk();
}
END_TEST

START_TEST(a_cut_is_pending_until_a_sync)
{
	setup_disk(NULL, 3);
	ck_assert_int_eq(file_truncate(file, S), 0);
	walk_to_end();
	expect_words("aaa a");
	ck_assert_int_eq(file_sync(file), 0);
	walk_to_end();
	expect_words("a");
	ck_assert_int_eq(file_truncate(file, 2 * S), 0);
	walk_to_end();
	expect_words("a a0"); /* a hole */
	ck_assert_int_eq(file_allocate(file, 0, 3 * S), 0);
	walk_to_end();
	expect_words("a a0 a00 a\xa5 a\xa5\xa5 a\xa5"
		     "0 a0\xa5");
	teardown_disk();
}
END_TEST

START_TEST(a_file_cut_and_grown_again_may_show_what_it_held)
{
	setup_disk(NULL, 2);
	ck_assert_int_eq(file_truncate(file, S), 0);
	put(1, 1, 'b');
	walk_to_end();
	expect_words("aa a ab a0");
	teardown_disk();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("simdisk");
	TCase *t = tcase_create("simdisk");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, each_sector_of_an_unsynced_write_is_lost_or_kept_by_itself);
	tcase_add_test(t, a_synced_write_is_in_every_image);
	tcase_add_test(t, the_older_of_two_writes_may_be_the_one_left);
	tcase_add_test(t, writes_reach_the_device_in_any_order);
	tcase_add_test(t, bytes_outside_a_write_do_not_change);
	tcase_add_test(t, garbage_is_confined_to_pending_sectors);
	tcase_add_test(t, a_torn_write_is_cut_within_one_operation);
	tcase_add_test(t, a_sync_does_not_cover_a_write_in_flight);
	tcase_add_test(t, a_write_in_flight_may_be_on_the_device_but_is_not_seen);
	tcase_add_test(t, a_thread_may_wait_for_a_request_that_is_submitted_later);
	tcase_add_test(t, completions_come_in_every_order);
	tcase_add_test(t, the_rest_of_a_short_write_lands_after_a_sync);
	tcase_add_test(t, a_failed_queued_write_leaves_a_part_and_its_error);
	tcase_add_test(t, growth_by_a_write_is_old_size_zeros_stale_or_data);
	tcase_add_test(t, the_sizes_of_several_growths_are_all_possible);
	tcase_add_test(t, allocation_is_old_size_zeros_or_stale);
	tcase_add_test(t, a_cut_is_pending_until_a_sync);
	tcase_add_test(t, a_file_cut_and_grown_again_may_show_what_it_held);
	suite_add_tcase(s, t);
	return check_main(s);
}
