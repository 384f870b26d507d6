/* SPDX-License-Identifier: MIT */
/*
 * The simulated disk against section 1 of the crash model: for each rule, an image that it allows
 * is found, and no image is found that it forbids.
 */
#include "tests/check_main.h"

#include "io/file.h"
#include "io/map.h"
#include "io/queue.h"
#include "tests/sim/simdisk.h"
#include "tests/sim/simwalk.h"
#include "verso_codes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S     SIM_SECTOR
#define DRAWS 400 /* random images looked at where a rule has a handful of outcomes */

static struct simdisk *disk;
static struct simwalk *walk;
static struct file *file;

static struct file *open_on(struct simdisk *d, const char *path, unsigned flags)
{
	struct file *f;

	ck_assert_int_eq(io_open(simdisk_io(d), path, flags, 0600, &f), 0);
	return f;
}

/* A disk with one file "f" of n sectors of 'a', all durable. */
static void setup_disk(const struct simdisk_options *opts, unsigned n)
{
	uint8_t buf[64 * S];

	disk = simdisk_new(opts);
	file = open_on(disk, "f", FILE_CREATE);
	memset(buf, 'a', sizeof(buf));
	if (n)
		ck_assert_int_eq(file_write(file, buf, n * S, 0), 0);
	ck_assert_int_eq(file_sync(file), 0);
	ck_assert_int_eq(io_sync_dir(simdisk_io(disk), "f"), 0);
}

static void teardown_disk(void)
{
	file_close(file);
	simwalk_free(walk);
	simdisk_free(disk);
	walk = NULL;
	file = NULL;
	disk = NULL;
}

static void put(uint64_t sector, unsigned n, char c)
{
	uint8_t *buf = malloc(n * S);

	memset(buf, c, n * S);
	ck_assert_int_eq(file_write(file, buf, n * S, sector * S), 0);
	free(buf);
}

/* The walk, at the end of the log. */
static struct simwalk *walk_to_end(void)
{
	simwalk_free(walk);
	walk = simwalk_new(disk);
	simwalk_to(walk, simdisk_events(disk));
	return walk;
}

/* A sector as one letter; '?' for a mixture. */
static char letter(const uint8_t *p)
{
	for (unsigned i = 1; i < S; i++)
		if (p[i] != p[0])
			return '?';
	return p[0] == 0 ? '0' : (char)p[0];
}

/* The file as a word, one letter a sector; "-" when there is none. */
static const char *word_of(struct simdisk *d, const char *path)
{
	static char word[128];
	uint64_t size;
	const uint8_t *p = simdisk_bytes(d, path, &size);
	unsigned i;

	if (!p)
		return "-";
	ck_assert_uint_eq(size % S, 0);
	for (i = 0; i * S < size; i++)
		word[i] = letter(p + i * S);
	word[i] = 0;
	return word;
}

static const char *image_word(struct sim_choice c)
{
	return word_of(simwalk_image(walk, c, false, NULL), "f");
}

/*
 * Looks at many images and checks that exactly the words of `allowed` (separated by blanks) are
 * found.
 */
static void expect_words(const char *allowed)
{
	bool seen[64] = {false};
	unsigned n_allowed = 0;
	char list[64][64];

	for (const char *p = allowed; *p; p += strspn(p, " ")) {
		size_t len = strcspn(p, " ");

		memcpy(list[n_allowed], p, len);
		list[n_allowed++][len] = 0;
		p += len;
	}
	for (unsigned i = 0; i < simwalk_structured(walk) + 3 * DRAWS; i++) {
		static const enum sim_choice_kind kinds[3] = {SIM_RANDOM, SIM_FEW_OLD, SIM_FEW_NEW};
		struct sim_choice c = {kinds[i % 3], i};
		const char *word;
		unsigned k;

		if (i < simwalk_structured(walk))
			c = simwalk_structured_nth(walk, i);
		word = image_word(c);
		for (k = 0; k < n_allowed && strcmp(word, list[k]) != 0;)
			k++;
		ck_assert_msg(k < n_allowed, "choice %u:%llu gave \"%s\", not one of \"%s\"",
			c.kind, (unsigned long long)c.n, word, allowed);
		seen[k] = true;
	}
	for (unsigned k = 0; k < n_allowed; k++)
		ck_assert_msg(seen[k], "\"%s\" was never found", list[k]);
}

/* --- writes -------------------------------------------------------------------------------------
 */

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

START_TEST(writes_reach_the_medium_in_any_order)
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

/* --- the flush and the queue
 * --------------------------------------------------------------------- */

static struct iovec iov_of(char c, unsigned n)
{
	static _Alignas(512) uint8_t bytes[26][8 * S];

	memset(bytes[c - 'a'], c, n * S);
	return (struct iovec){bytes[c - 'a'], n * S};
}

static struct io_req write_req(struct iovec *iov, uint64_t sector)
{
	return (struct io_req){
		.kind = IO_WRITE, .file = file, .iov = iov, .n_iov = 1, .off_bytes = sector * S};
}

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

START_TEST(a_write_in_flight_may_be_on_the_medium_but_is_not_seen)
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

/* --- size ---------------------------------------------------------------------------------------
 */

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
	expect_words("a a0 a\xa5");
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

/* --- names --------------------------------------------------------------------------------------
 */

static unsigned names_seen(const char *a, const char *b)
{
	unsigned seen = 0;

	for (unsigned i = 0; i < DRAWS; i++) {
		struct simdisk *img =
			simwalk_image(walk, (struct sim_choice){SIM_RANDOM, i}, false, NULL);
		uint64_t size;

		seen |= 1U << ((simdisk_bytes(img, a, &size) ? 1 : 0) +
				(simdisk_bytes(img, b, &size) ? 2 : 0));
	}
	return seen;
}

START_TEST(a_created_name_is_pending_until_the_folder_is_synced)
{
	struct file *g;

	setup_disk(NULL, 1);
	g = open_on(disk, "dir/g", FILE_CREATE | FILE_EXCL);
	ck_assert_int_eq(file_write(g, "x", 1, 0), 0);
	ck_assert_int_eq(file_sync(g), 0);
	walk_to_end();
	ck_assert_uint_eq(names_seen("f", "dir/g"), 1 << 1 | 1 << 3);
	/* another folder */
	ck_assert_int_eq(io_sync_dir(simdisk_io(disk), "f"), 0);
	walk_to_end();
	ck_assert_uint_eq(names_seen("f", "dir/g"), 1 << 1 | 1 << 3);
	ck_assert_int_eq(io_sync_dir(simdisk_io(disk), "dir/g"), 0);
	walk_to_end();
	ck_assert_uint_eq(names_seen("f", "dir/g"), 1 << 3);
	file_close(g);
	teardown_disk();
}
END_TEST

START_TEST(an_unlinked_name_may_come_back)
{
	setup_disk(NULL, 1);
	ck_assert_int_eq(io_unlink(simdisk_io(disk), "f"), 0);
	ck_assert_int_eq(io_unlink(simdisk_io(disk), "f"), -ENOENT);
	walk_to_end();
	ck_assert_uint_eq(names_seen("f", "none"), 1 << 0 | 1 << 1);
	ck_assert_int_eq(io_sync_dir(simdisk_io(disk), "f"), 0);
	walk_to_end();
	ck_assert_uint_eq(names_seen("f", "none"), 1 << 0);
	teardown_disk();
}
END_TEST

START_TEST(a_rename_happens_whole_or_not_at_all)
{
	setup_disk(NULL, 1);
	ck_assert_int_eq(io_rename(simdisk_io(disk), "f", "g"), 0);
	walk_to_end();
	ck_assert_uint_eq(names_seen("f", "g"), 1 << 1 | 1 << 2);
	ck_assert_int_eq(io_sync_dir(simdisk_io(disk), "g"), 0);
	walk_to_end();
	ck_assert_uint_eq(names_seen("f", "g"), 1 << 2);
	teardown_disk();
}
END_TEST

START_TEST(open_follows_the_flags)
{
	struct file *g;

	setup_disk(NULL, 1);
	ck_assert_int_eq(io_open(simdisk_io(disk), "none", 0, 0600, &g), -ENOENT);
	ck_assert_int_eq(io_open(simdisk_io(disk), "f", FILE_CREATE | FILE_EXCL, 0600, &g),
		-EEXIST);
	g = open_on(disk, "f", FILE_RDONLY);
	ck_assert_int_eq(file_write(g, "x", 1, 0), -EBADF);
	file_close(g);
	teardown_disk();
}
END_TEST

/* --- a failed sync ------------------------------------------------------------------------------
 */

static int fail_sync_once(void *arg, const struct sim_call *call)
{
	bool *armed = arg;

	if (call->kind != SIM_CALL_SYNC || !*armed)
		return 0;
	*armed = false;
	return -EIO;
}

static void failed_sync(uint64_t seed, bool drop_live, bool *armed)
{
	struct simdisk_options opts = {
		.seed = seed, .drop_live = drop_live, .fault = fail_sync_once, .fault_arg = armed};

	*armed = false;
	setup_disk(&opts, 4);
	put(1, 2, 'b');
	*armed = true;
	ck_assert_int_eq(file_sync(file), -EIO);
	*armed = false;
}

START_TEST(a_failed_sync_forgets_and_the_next_one_succeeds)
{
	static const char *const possible[] = {"aaaa", "abaa", "aaba", "abba"};
	unsigned seen = 0;

	for (uint64_t seed = 0; seed < 40; seed++) {
		char medium[8];
		bool armed;

		failed_sync(seed, false, &armed);
		ck_assert_str_eq(word_of(disk, "f"), "abba"); /* reads still show it */
		walk_to_end();
		ck_assert_uint_eq(simwalk_pending(walk), 0);
		(void)snprintf(medium, sizeof(medium), "%s",
			image_word((struct sim_choice){SIM_APPLIED, 0}));
		for (unsigned i = 0; i < 4; i++)
			if (strcmp(medium, possible[i]) == 0)
				seen |= 1U << i;
		/* the next sync says 0, and what was lost stays lost */
		put(3, 1, 'c');
		ck_assert_int_eq(file_sync(file), 0);
		medium[3] = 'c';
		walk_to_end();
		expect_words(medium);
		ck_assert_str_eq(word_of(disk, "f"), "abbc");
		teardown_disk();
	}
	ck_assert_uint_eq(seen, 15);
}
END_TEST

START_TEST(a_medium_read_tells_what_a_failed_sync_lost)
{
	for (uint64_t seed = 0; seed < 20; seed++) {
		_Alignas(512) uint8_t buf[4 * S];
		bool armed;
		const char *medium;

		failed_sync(seed, false, &armed);
		put(0, 1, 'd'); /* not synced, yet what a direct read sees */
		walk_to_end();
		medium = image_word((struct sim_choice){SIM_APPLIED, 0});
		ck_assert_int_eq(file_read(file, buf, sizeof(buf), 0, FILE_MEDIUM), 0);
		for (unsigned i = 0; i < 4; i++)
			ck_assert_int_eq(letter(buf + i * S), medium[i]);
		ck_assert_int_eq(file_read(file, buf, sizeof(buf), 0, FILE_LIVE), 0);
		ck_assert_int_eq(letter(buf + S), 'b');
		teardown_disk();
	}
}
END_TEST

START_TEST(a_failed_sync_may_drop_the_live_bytes_too)
{
	for (uint64_t seed = 0; seed < 20; seed++) {
		bool armed;
		char live[8];

		failed_sync(seed, true, &armed);
		(void)snprintf(live, sizeof(live), "%s", word_of(disk, "f"));
		walk_to_end();
		ck_assert_str_eq(image_word((struct sim_choice){SIM_APPLIED, 0}), live);
		teardown_disk();
	}
}
END_TEST

/* --- direct transfers ---------------------------------------------------------------------------
 */

START_TEST(direct_transfers_want_alignment)
{
	_Alignas(512) uint8_t buf[2 * S] = {0};
	struct simdisk_options opts = {.no_direct = true};
	struct file *g;

	setup_disk(NULL, 2);
	g = open_on(disk, "f", FILE_DIRECT);
	ck_assert(g->direct);
	ck_assert_int_eq(file_read(g, buf + 1, S, 0, FILE_LIVE), -EINVAL);
	ck_assert_int_eq(file_read(g, buf, S - 1, 0, FILE_LIVE), -EINVAL);
	ck_assert_int_eq(file_read(g, buf, S, 0, FILE_LIVE), 0);
	ck_assert_int_eq(file_read(g, buf, S, 2 * S, FILE_LIVE), VERSO_EIO);
	ck_assert_int_eq(file_read(file, buf + 1, S, 0, FILE_LIVE), 0);
	ck_assert_int_eq(file_read(file, buf + 1, S, 0, FILE_MEDIUM), -EINVAL);
	file_close(g);
	teardown_disk();
	setup_disk(&opts, 2);
	g = open_on(disk, "f", FILE_DIRECT);
	ck_assert(!g->direct);
	ck_assert(!g->medium_direct);
	ck_assert_int_eq(file_read(file, buf + 1, S, 0, FILE_MEDIUM), 0);
	file_close(g);
	teardown_disk();
}
END_TEST

START_TEST(a_full_disk_is_enospc_and_a_long_file_efbig)
{
	struct simdisk_options opts = {.space_bytes = 4 * S, .file_bytes_max = 1 << 20};
	uint8_t buf[4 * S] = {0};

	setup_disk(&opts, 3);
	ck_assert_int_eq(file_allocate(file, 3 * S, 2 * S), -ENOSPC);
	ck_assert_int_eq(file_allocate(file, 3 * S, 1 * S), 0);
	ck_assert_int_eq(file_write(file, buf, 2 * S, 3 * S), -ENOSPC);
	ck_assert_int_eq(file_write(file, buf, 4 * S, 0), 0);
	ck_assert_int_eq(file_truncate(file, 2 << 20), -EFBIG);
	teardown_disk();
}
END_TEST

/* --- locks, maps and the death of a process -----------------------------------------------------
 */

START_TEST(locks_belong_to_the_handle)
{
	struct file *g;

	setup_disk(NULL, 1);
	g = open_on(disk, "f", 0);
	ck_assert_int_eq(file_lock(file, LOCK_EXCLUSIVE, 10, 10), 0);
	ck_assert_int_eq(file_lock(g, LOCK_SHARED, 19, 1), VERSO_EBUSY);
	ck_assert_int_eq(file_lock(g, LOCK_SHARED, 20, 1), 0);
	ck_assert_int_eq(file_lock(file, LOCK_SHARED, 20, 1), 0);
	ck_assert_int_eq(file_lock(file, LOCK_EXCLUSIVE, 20, 1), VERSO_EBUSY);
	/* giving up the middle leaves both ends */
	ck_assert_int_eq(file_lock(file, LOCK_NONE, 12, 4), 0);
	ck_assert_int_eq(file_lock(g, LOCK_EXCLUSIVE, 12, 4), 0);
	ck_assert_int_eq(file_lock(g, LOCK_SHARED, 11, 1), VERSO_EBUSY);
	ck_assert_int_eq(file_lock(g, LOCK_SHARED, 16, 1), VERSO_EBUSY);
	/* an upgrade and a downgrade of one's own */
	ck_assert_int_eq(file_lock(g, LOCK_SHARED, 12, 4), 0);
	ck_assert_int_eq(file_lock(file, LOCK_SHARED, 12, 4), 0);
	/* closing releases */
	file_close(g);
	ck_assert_int_eq(file_lock(file, LOCK_EXCLUSIVE, 0, 0), 0);
	teardown_disk();
}
END_TEST

START_TEST(a_map_is_coherent_and_stays_where_it_is)
{
	struct map *m;
	const uint8_t *base;

	setup_disk(NULL, 1);
	ck_assert_int_eq(io_map(simdisk_io(disk), file, MAP_READ_SHARED, 0, &m), 0);
	ck_assert_int_eq(map_extend(m, S), 0);
	base = m->base;
	ck_assert_int_eq(letter(base), 'a');
	put(0, 1, 'b');
	ck_assert_int_eq(letter(base), 'b');
	put(1, 16, 'c');
	ck_assert_int_eq(map_extend(m, 17 * S), 0);
	ck_assert_ptr_eq(m->base, base);
	ck_assert_int_eq(letter(base + 16 * S), 'c');
	ck_assert_int_eq(map_extend(m, m->reserved_bytes + 1), -ENOMEM);
	ck_assert_int_eq(map_extend(m, S), 0);
	map_close(m);
	teardown_disk();
}
END_TEST

START_TEST(a_writable_map_is_memory_that_a_crash_loses)
{
	struct file *l;
	struct map *m;
	uint64_t size;

	setup_disk(NULL, 1);
	l = open_on(disk, "l", FILE_CREATE);
	ck_assert_int_eq(file_truncate(l, 4096), 0);
	ck_assert_int_eq(file_sync(l), 0);
	ck_assert_int_eq(io_sync_dir(simdisk_io(disk), "l"), 0);
	ck_assert_int_eq(io_map(simdisk_io(disk), l, MAP_WRITE_SHARED, 0, &m), 0);
	ck_assert_int_eq(map_extend(m, 4096), 0);
	m->base[7] = 'x';
	walk_to_end();
	for (unsigned i = 0; i < 50; i++)
		ck_assert_ptr_null(simdisk_bytes(simwalk_image(walk,
							 (struct sim_choice){SIM_RANDOM, i}, false,
							 NULL),
			"l", &size));
	/* but it outlives the process, which sees no more of it */
	simdisk_kill(disk);
	m->base[8] = 'y';
	ck_assert_int_eq(m->base[7], 'x');
	ck_assert_int_eq(simdisk_bytes(disk, "l", &size)[7], 'x');
	ck_assert_int_eq(simdisk_bytes(disk, "l", &size)[8], 0);
	map_close(m);
	file_close(l);
	teardown_disk();
}
END_TEST

START_TEST(the_dead_do_nothing_and_what_they_wrote_stays)
{
	struct iovec iov = iov_of('c', 1);
	struct io_req w = write_req(&iov, 1);
	struct io_req *one[1] = {&w};
	uint8_t buf[2 * S];
	struct queue *q;
	struct file *g;
	uint64_t before;

	setup_disk(NULL, 2);
	ck_assert_int_eq(file_lock(file, LOCK_EXCLUSIVE, 0, 1), 0);
	ck_assert_int_eq(io_queue(simdisk_io(disk), 8, QUEUE_BEST, &q), 0);
	put(0, 1, 'b');
	w.file = file;
	queue_submit(q, one, 1);
	simdisk_kill(disk);
	before = simdisk_events(disk);
	ck_assert_int_eq(file_write(file, buf, S, 0), -EIO);
	ck_assert_int_eq(file_read(file, buf, S, 0, FILE_LIVE), -EIO);
	ck_assert_int_eq(file_sync(file), -EIO);
	ck_assert_int_eq(file_truncate(file, 0), -EIO);
	ck_assert_int_eq(file_lock(file, LOCK_SHARED, 5, 1), -EIO);
	queue_wait(q, &w);
	ck_assert_int_eq(w.result, -EIO);
	queue_close(q);
	ck_assert_uint_eq(simdisk_events(disk), before);
	g = open_on(disk, "f", 0);
	ck_assert_int_eq(file_lock(g, LOCK_EXCLUSIVE, 0, 1), 0);
	ck_assert_int_eq(file_read(g, buf, S, 0, FILE_LIVE), 0);
	ck_assert_int_eq(letter(buf), 'b');
	file_close(file);
	file = g;
	walk_to_end();
	ck_assert_str_eq(image_word((struct sim_choice){SIM_LOST, 0}), "aa");
	teardown_disk();
}
END_TEST

START_TEST(a_kill_strikes_at_its_event)
{
	setup_disk(NULL, 2);
	simdisk_kill_at(disk, simdisk_events(disk) + 2);
	put(0, 1, 'b');
	ck_assert(!simdisk_killed(disk));
	ck_assert_int_eq(file_write(file, "x", 1, S), -EIO);
	ck_assert(simdisk_killed(disk));
	ck_assert_str_eq(word_of(disk, "f"), "b?");
	teardown_disk();
}
END_TEST

/* --- images -------------------------------------------------------------------------------------
 */

START_TEST(an_image_is_a_disk_that_can_crash_again)
{
	struct simwalk *second;
	struct simdisk *img;
	struct file *f;
	uint8_t buf[S];
	unsigned seen = 0;

	setup_disk(NULL, 2);
	put(0, 1, 'b');
	walk_to_end();
	img = simwalk_image(walk, (struct sim_choice){SIM_APPLIED, 0}, true, NULL);
	f = open_on(img, "f", 0);
	memset(buf, 'c', S);
	ck_assert_int_eq(file_write(f, buf, S, S), 0);
	file_close(f);
	second = simwalk_new(img);
	/* before the write of the second life: what the first crash left is durable */
	ck_assert_str_eq(word_of(simwalk_image(second, (struct sim_choice){SIM_RANDOM, 1}, false,
					 NULL),
				 "f"),
		"ba");
	simwalk_to(second, simdisk_events(img));
	for (unsigned i = 0; i < 20; i++) {
		const char *word = word_of(simwalk_image(second, (struct sim_choice){SIM_RANDOM, i},
						   false, NULL),
			"f");

		ck_assert(strcmp(word, "ba") == 0 || strcmp(word, "bc") == 0);
		seen |= 1U << (word[1] == 'c');
	}
	ck_assert_uint_eq(seen, 3);
	simwalk_free(second);
	/* and the first walk's next image knows nothing of it */
	ck_assert_str_eq(image_word((struct sim_choice){SIM_LOST, 0}), "aa");
	teardown_disk();
}
END_TEST

static struct sim_choice choice_of(unsigned i)
{
	if (i < simwalk_structured(walk))
		return simwalk_structured_nth(walk, i);
	return (struct sim_choice){(enum sim_choice_kind)(SIM_OPS + i % 6), i};
}

/* A second life that dirties the image, so that the next one must be restored. */
static void scribble(struct simdisk *img, uint64_t *rng)
{
	uint64_t size;
	struct file *f;

	if (!simdisk_bytes(img, "f", &size))
		return;
	f = open_on(img, "f", 0);
	for (unsigned i = 0; i < 3; i++) {
		uint8_t buf[3 * S];

		memset(buf, 'Z', sizeof(buf));
		ck_assert_int_eq(file_write(f, buf, sizeof(buf), S * (check_random(rng) % 30)), 0);
	}
	if (check_random(rng) % 4 == 0)
		ck_assert_int_eq(file_truncate(f, S * (check_random(rng) % 20)), 0);
	file_close(f);
	f = open_on(img, "more", FILE_CREATE);
	ck_assert_int_eq(file_write(f, "more", 4, 0), 0);
	file_close(f);
}

/* One random call on the file, and on an independent account of what each sector may hold. */
struct account {
	unsigned n_sectors;
	char may[32][40]; /* letters that the sector may hold at a crash */
	char now[32];
};

static void account_allow(struct account *a, unsigned s, char c)
{
	size_t n = strlen(a->may[s]);

	if (!strchr(a->may[s], c)) {
		a->may[s][n] = c;
		a->may[s][n + 1] = 0;
	}
}

static void random_call(struct account *a, uint64_t *rng)
{
	unsigned at = (unsigned)(check_random(rng) % a->n_sectors);
	unsigned n = 1 + (unsigned)(check_random(rng) % 4);
	char c = (char)('b' + check_random(rng) % 20);

	if (check_random(rng) % 8 == 0) {
		ck_assert_int_eq(file_sync(file), 0);
		for (unsigned s = 0; s < a->n_sectors; s++) {
			a->may[s][0] = a->now[s];
			a->may[s][1] = 0;
		}
		return;
	}
	if (n > a->n_sectors - at)
		n = a->n_sectors - at;
	put(at, n, c);
	for (unsigned s = at; s < at + n; s++) {
		account_allow(a, s, c);
		a->now[s] = c;
	}
}

START_TEST(no_image_breaks_an_independent_account)
{
	uint64_t rng = check_seed();

	for (unsigned round = 0; round < 20; round++) {
		struct account a = {.n_sectors = 16};

		setup_disk(NULL, 16);
		walk = simwalk_new(disk);
		for (unsigned s = 0; s < 16; s++) {
			a.now[s] = 'a';
			memcpy(a.may[s], "a", 2);
		}
		for (unsigned n = 0; n < 60; n++) {
			random_call(&a, &rng);
			simwalk_to(walk, simdisk_events(disk));
			for (unsigned i = 0; i < 30; i++) {
				struct sim_choice c =
					choice_of((unsigned)(check_random(&rng) % 200));
				const char *word;

				if (c.kind == SIM_GARBAGE)
					continue;
				word = image_word(c);
				ck_assert_uint_eq(strlen(word), 16);
				for (unsigned s = 0; s < 16; s++)
					ck_assert_msg(strchr(a.may[s], word[s]) != NULL,
						"seed %llu: sector %u is %c, allowed %s",
						(unsigned long long)check_seed(), s, word[s],
						a.may[s]);
				scribble(simwalk_image(walk, c, false, NULL), &rng);
			}
		}
		teardown_disk();
	}
}
END_TEST

/* Random calls that change sizes and names too. */
static void wild_call(uint64_t *rng)
{
	uint64_t r = check_random(rng);

	switch (r % 8) {
	case 0:
		ck_assert_int_eq(file_sync(file), 0);
		break;
	case 1:
		ck_assert_int_eq(file_truncate(file, S * (r / 8 % 24)), 0);
		break;
	case 2:
		ck_assert_int_eq(file_allocate(file, S * (r / 8 % 24), S), 0);
		break;
	default:
		put(r / 8 % 24, 1 + (unsigned)(r / 256 % 3), (char)('b' + r / 4096 % 20));
		break;
	}
}

struct known {
	uint64_t hash;
	uint64_t size;
	uint8_t *bytes;
};

START_TEST(the_hash_is_equal_exactly_when_the_bytes_are)
{
	struct known *known = calloc(20000, sizeof(*known));
	uint64_t rng = check_seed();
	unsigned n_known = 0, n_equal = 0;

	setup_disk(NULL, 4);
	walk = simwalk_new(disk);
	for (unsigned n = 0; n < 120; n++) {
		wild_call(&rng);
		simwalk_to(walk, simdisk_events(disk));
		for (unsigned i = 0; i < 40; i++) {
			struct known k = {0};
			struct simdisk *img = simwalk_image(walk, choice_of(i), false, &k.hash);
			const uint8_t *p = simdisk_bytes(img, "f", &k.size);
			bool equal = false;

			for (unsigned j = 0; j < n_known; j++) {
				bool same = known[j].size == k.size &&
					    memcmp(known[j].bytes, p, k.size) == 0;

				ck_assert_int_eq(same, known[j].hash == k.hash);
				equal = equal || same;
			}
			n_equal += equal;
			if (!equal) {
				k.bytes = malloc(k.size + 1);
				memcpy(k.bytes, p, k.size);
				known[n_known++] = k;
			}
			scribble(img, &rng);
		}
	}
	ck_assert_uint_gt(n_known, 500);
	ck_assert_uint_gt(n_equal, 100);
	for (unsigned j = 0; j < n_known; j++)
		free(known[j].bytes);
	free(known);
	teardown_disk();
}
END_TEST

START_TEST(an_image_made_again_is_the_same_image)
{
	uint64_t rng = check_seed();

	setup_disk(NULL, 4);
	walk = simwalk_new(disk);
	for (unsigned n = 0; n < 60; n++) {
		wild_call(&rng);
		simwalk_to(walk, simdisk_events(disk));
		for (unsigned i = 0; i < 30; i++) {
			uint64_t once, again, size;
			struct simwalk *fresh = simwalk_new(disk);
			struct simdisk *img = simwalk_image(walk, choice_of(i), false, &once);

			scribble(img, &rng);
			simwalk_to(fresh, simdisk_events(disk));
			img = simwalk_image(fresh, choice_of(i), false, &again);
			ck_assert_uint_eq(once, again);
			img = simwalk_image(walk, choice_of(i), false, &again);
			ck_assert_uint_eq(once, again);
			(void)simdisk_bytes(img, "f", &size);
			simwalk_free(fresh);
		}
	}
	teardown_disk();
}
END_TEST

START_TEST(combinations_are_all_states_and_no_other)
{
	bool seen[4096] = {false};
	unsigned n_seen = 0;
	uint64_t n;

	/* sector 0: a b c; sector 1: a b; growth to 3 sectors: size 2 or 3; sector 2: 0 a5 d */
	setup_disk(NULL, 2);
	put(0, 2, 'b');
	put(0, 1, 'c');
	put(2, 1, 'd');
	walk_to_end();
	n = simwalk_combinations(walk);
	ck_assert_uint_lt(n, 4096);
	for (uint64_t i = 0; i < n; i++) {
		const char *word = image_word((struct sim_choice){SIM_COMBINATION, i});
		unsigned id = strlen(word) < 3 ? 0 : word[2] == '0' ? 1 : word[2] == 'd' ? 2 : 3;

		id = (id * 3 + (unsigned)(word[0] - 'a')) * 2 + (unsigned)(word[1] - 'a');
		ck_assert_uint_lt(id, 24);
		n_seen += !seen[id];
		seen[id] = true;
	}
	ck_assert_uint_eq(n_seen, 24);
	teardown_disk();
}
END_TEST

START_TEST(the_log_is_a_function_of_calls_and_seed)
{
	uint64_t hash[2];

	for (unsigned i = 0; i < 2; i++) {
		struct simdisk_options opts = {.seed = 7, .split_one_in = 3};
		uint64_t rng = 5;

		setup_disk(&opts, 4);
		for (unsigned n = 0; n < 50; n++)
			wild_call(&rng);
		walk_to_end();
		(void)simwalk_image(walk, (struct sim_choice){SIM_RANDOM, 3}, false, &hash[i]);
		teardown_disk();
	}
	ck_assert_uint_eq(hash[0], hash[1]);
}
END_TEST

START_TEST(choices_are_read_as_they_are_printed)
{
	for (unsigned k = 0; k < SIM_CHOICES; k++) {
		struct sim_choice c = {(enum sim_choice_kind)k, 17 * k}, back;
		char buf[48];

		ck_assert(sim_choice_parse(sim_choice_print(buf, c), &back));
		ck_assert_uint_eq(back.kind, c.kind);
		ck_assert_uint_eq(back.n, c.n);
	}
	ck_assert(!sim_choice_parse("nothing", &(struct sim_choice){0}));
	ck_assert(!sim_choice_parse("nothing:3", &(struct sim_choice){0}));
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
	tcase_add_test(t, writes_reach_the_medium_in_any_order);
	tcase_add_test(t, bytes_outside_a_write_do_not_change);
	tcase_add_test(t, garbage_is_confined_to_pending_sectors);
	tcase_add_test(t, a_torn_write_is_cut_within_one_operation);
	tcase_add_test(t, a_sync_does_not_cover_a_write_in_flight);
	tcase_add_test(t, a_write_in_flight_may_be_on_the_medium_but_is_not_seen);
	tcase_add_test(t, completions_come_in_every_order);
	tcase_add_test(t, the_rest_of_a_short_write_lands_after_a_sync);
	tcase_add_test(t, a_failed_queued_write_leaves_a_part_and_its_error);
	tcase_add_test(t, growth_by_a_write_is_old_size_zeros_stale_or_data);
	tcase_add_test(t, the_sizes_of_several_growths_are_all_possible);
	tcase_add_test(t, allocation_is_old_size_zeros_or_stale);
	tcase_add_test(t, a_cut_is_pending_until_a_sync);
	tcase_add_test(t, a_file_cut_and_grown_again_may_show_what_it_held);
	tcase_add_test(t, a_created_name_is_pending_until_the_folder_is_synced);
	tcase_add_test(t, an_unlinked_name_may_come_back);
	tcase_add_test(t, a_rename_happens_whole_or_not_at_all);
	tcase_add_test(t, open_follows_the_flags);
	tcase_add_test(t, a_failed_sync_forgets_and_the_next_one_succeeds);
	tcase_add_test(t, a_medium_read_tells_what_a_failed_sync_lost);
	tcase_add_test(t, a_failed_sync_may_drop_the_live_bytes_too);
	tcase_add_test(t, direct_transfers_want_alignment);
	tcase_add_test(t, a_full_disk_is_enospc_and_a_long_file_efbig);
	tcase_add_test(t, locks_belong_to_the_handle);
	tcase_add_test(t, a_map_is_coherent_and_stays_where_it_is);
	tcase_add_test(t, a_writable_map_is_memory_that_a_crash_loses);
	tcase_add_test(t, the_dead_do_nothing_and_what_they_wrote_stays);
	tcase_add_test(t, a_kill_strikes_at_its_event);
	tcase_add_test(t, an_image_is_a_disk_that_can_crash_again);
	tcase_add_test(t, no_image_breaks_an_independent_account);
	tcase_add_test(t, the_hash_is_equal_exactly_when_the_bytes_are);
	tcase_add_test(t, an_image_made_again_is_the_same_image);
	tcase_add_test(t, combinations_are_all_states_and_no_other);
	tcase_add_test(t, the_log_is_a_function_of_calls_and_seed);
	tcase_add_test(t, choices_are_read_as_they_are_printed);
	suite_add_tcase(s, t);
	return check_main(s);
}
