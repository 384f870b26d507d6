/* SPDX-License-Identifier: MIT */
/*
 * The simulated disk: names, failed syncs, direct transfers, locks, maps, the death of a process.
 */
#include "tests/sim_fixture.h"

#include "verso_codes.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- names ----------------------------------------------------------------------- */

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

/* --- a failed sync --------------------------------------------------------------- */

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
		char device[8];
		bool armed;

		failed_sync(seed, false, &armed);
		ck_assert_str_eq(word_of(disk, "f"), "abba"); /* reads still show it */
		walk_to_end();
		ck_assert_uint_eq(simwalk_pending(walk), 0);
		(void)snprintf(device, sizeof(device), "%s",
			image_word((struct sim_choice){SIM_APPLIED, 0}));
		for (unsigned i = 0; i < 4; i++)
			if (strcmp(device, possible[i]) == 0)
				seen |= 1U << i;
		/* the next sync says 0, and what was lost stays lost */
		put(3, 1, 'c');
		ck_assert_int_eq(file_sync(file), 0);
		device[3] = 'c';
		walk_to_end();
		expect_words(device);
		ck_assert_str_eq(word_of(disk, "f"), "abbc");
		teardown_disk();
	}
	ck_assert_uint_eq(seen, 15);
}
END_TEST

/* Through a queue. */
static void read_device_queued(void *buf, size_t len_bytes)
{
	struct iovec iov = {buf, len_bytes};
	struct io_req req = {
		.kind = IO_READ, .file = file, .iov = &iov, .n_iov = 1, .view = FILE_DEVICE};
	struct io_req *const one[] = {&req};
	struct queue *q;

	ck_assert_int_eq(io_queue(simdisk_io(disk), 1, QUEUE_BEST, &q), 0);
	ck_assert_int_eq(queue_run(q, one, 1), 0);
	queue_close(q);
}

START_TEST(a_device_read_tells_what_a_failed_sync_lost)
{
	for (uint64_t seed = 0; seed < 20; seed++) {
		_Alignas(512) uint8_t buf[4 * S], queued[4 * S];
		bool armed;
		const char *device;

		failed_sync(seed, false, &armed);
		put(0, 1, 'd'); /* not synced, yet what a direct read sees */
		walk_to_end();
		device = image_word((struct sim_choice){SIM_APPLIED, 0});
		ck_assert_int_eq(file_read(file, buf, sizeof(buf), 0, FILE_DEVICE), 0);
		for (unsigned i = 0; i < 4; i++)
			ck_assert_int_eq(letter(buf + i * S), device[i]);
		read_device_queued(queued, sizeof(queued));
		ck_assert_mem_eq(queued, buf, sizeof(buf));
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

/* --- direct transfers ------------------------------------------------------------ */

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
	ck_assert_int_eq(file_read(file, buf + 1, S, 0, FILE_DEVICE), -EINVAL);
	file_close(g);
	teardown_disk();
	setup_disk(&opts, 2);
	g = open_on(disk, "f", FILE_DIRECT);
	ck_assert(!g->direct);
	ck_assert(!g->device_direct);
	ck_assert_int_eq(file_read(file, buf + 1, S, 0, FILE_DEVICE), 0);
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

/* --- locks, maps and the death of a process -------------------------------------- */

START_TEST(what_no_name_and_no_handle_has_takes_no_room)
{
	struct simdisk_options opts = {.space_bytes = 4 * S};
	struct io *io;
	struct file *g;

	setup_disk(&opts, 2);
	io = simdisk_io(disk);
	g = open_on(disk, "g", FILE_CREATE);
	ck_assert_int_eq(file_allocate(g, 0, 2 * S), 0);
	ck_assert_uint_eq(simdisk_space_used(disk), 4 * S);
	ck_assert_int_eq(io_unlink(io, "g"), 0);
	ck_assert_int_eq(file_allocate(file, 0, 3 * S), -ENOSPC);
	file_close(g);
	ck_assert_uint_eq(simdisk_space_used(disk), 2 * S);
	ck_assert_int_eq(file_allocate(file, 0, 4 * S), 0);
	ck_assert_int_eq(file_truncate(file, S), 0);
	ck_assert_uint_eq(simdisk_space_used(disk), S);
	/* The disk may grow. */
	ck_assert_int_eq(file_allocate(file, 0, 5 * S), -ENOSPC);
	simdisk_set_space(disk, 5 * S);
	ck_assert_int_eq(file_allocate(file, 0, 5 * S), 0);
	teardown_disk();
}
END_TEST

START_TEST(holes_take_room_when_they_are_filled)
{
	struct simdisk_options opts = {.space_bytes = 6 * S};
	uint8_t buf[2 * S] = {0};

	setup_disk(&opts, 0);
	memset(buf, 'x', S);
	ck_assert_int_eq(file_truncate(file, 4 * S), 0);
	ck_assert_uint_eq(simdisk_space_used(disk), 0);
	ck_assert_int_eq(file_write(file, buf, 2 * S, S), 0); /* "x" and zeros */
	ck_assert_uint_eq(simdisk_space_used(disk), 2 * S);
	simdisk_dig(disk, "f");
	ck_assert_uint_eq(simdisk_space_used(disk), 1 * S);
	simdisk_set_space(disk, 3 * S);
	ck_assert_int_eq(file_allocate(file, 0, 4 * S), -ENOSPC);
	ck_assert_int_eq(file_write(file, buf, 2 * S, 0), 0);
	ck_assert_int_eq(file_write(file, buf, 2 * S, 2 * S), -ENOSPC);
	simdisk_set_space(disk, 4 * S);
	ck_assert_int_eq(file_allocate(file, 0, 4 * S), 0);
	ck_assert_uint_eq(simdisk_space_used(disk), 4 * S);
	ck_assert_int_eq(file_write(file, buf, 2 * S, 2 * S), 0);
	ck_assert_int_eq(file_truncate(file, S), 0);
	ck_assert_int_eq(file_truncate(file, 4 * S), 0);
	ck_assert_uint_eq(simdisk_space_used(disk), S);
	teardown_disk();
}
END_TEST

START_TEST(a_full_disk_overwrites_in_place)
{
	struct simdisk_options opts = {.space_bytes = 4 * S};

	setup_disk(&opts, 4);
	for (unsigned i = 0; i < 10; i++)
		put(i % 4, 1, 'b');
	ck_assert_str_eq(word_of(disk, "f"), "bbbb");
	teardown_disk();
}
END_TEST

START_TEST(a_full_disk_that_copies_on_write_does_not)
{
	struct simdisk_options opts = {.space_bytes = 6 * S, .cow = true};
	static uint8_t block[4 * S];

	setup_disk(&opts, 4);
	put(0, 2, 'b'); /* takes two blocks, the old two are held until the sync */
	ck_assert_uint_eq(simdisk_space_used(disk), 6 * S);
	put(1, 1, 'c'); /* is new already */
	ck_assert_int_eq(file_write(file, block, S, 2 * S), -ENOSPC);
	ck_assert_str_eq(word_of(disk, "f"), "bcaa");
	/* An image is a disk after a sync. */
	walk_to_end();
	ck_assert_uint_eq(simdisk_space_used(simwalk_image(walk,
				  (struct sim_choice){SIM_APPLIED, 0}, false, NULL)),
		4 * S);
	ck_assert_int_eq(file_sync(file), 0);
	ck_assert_uint_eq(simdisk_space_used(disk), 4 * S);
	put(2, 2, 'd');
	ck_assert_str_eq(word_of(disk, "f"), "bcdd");
	teardown_disk();
}
END_TEST

#define NOWHERE UINT64_MAX

/* Whether a lock stands in the way that begins there, as seen from this range. */
static bool finds(struct file *f, enum lock_kind kind, uint64_t off_bytes, uint64_t len_bytes,
	uint64_t at_bytes)
{
	uint64_t found_bytes = NOWHERE;
	bool found;

	ck_assert_int_eq(file_find_lock(f, kind, off_bytes, len_bytes, &found, &found_bytes), 0);
	ck_assert_int_eq(found, found_bytes != NOWHERE);
	return found_bytes == at_bytes;
}

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
	ck_assert(finds(g, LOCK_SHARED, 11, 6, 11));
	ck_assert(finds(g, LOCK_SHARED, 12, 8, 16));
	ck_assert(finds(file, LOCK_EXCLUSIVE, 0, 17, 12));
	ck_assert(finds(g, LOCK_SHARED, 12, 4, NOWHERE)); /* one's own is in nobody's way */
	ck_assert_int_eq(file_wait_lock(g, LOCK_SHARED, 11, 1), VERSO_EBUSY);
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
	ck_assert_int_eq(io_map(simdisk_io(disk), file, MAP_READ_SHARED, 0, 1 << 24, &m), 0);
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

static struct map *map_to_store(struct file *f, uint64_t len_bytes)
{
	struct map *m;

	ck_assert_int_eq(io_map(simdisk_io(disk), f, MAP_WRITE_SHARED, 0, 1 << 24, &m), 0);
	ck_assert_int_eq(map_extend(m, len_bytes), 0);
	return m;
}

/* A file "l" of 8 KiB of blocks, all durable. */
static struct file *file_to_store(void)
{
	struct file *l = open_on(disk, "l", FILE_CREATE);

	ck_assert_int_eq(file_allocate(l, 0, 8192), 0);
	ck_assert_int_eq(file_sync(l), 0);
	ck_assert_int_eq(io_sync_dir(simdisk_io(disk), "l"), 0);
	return l;
}

/* How many of 200 images have byte `at` of "l" so. */
static unsigned count_images(uint64_t at, uint8_t byte)
{
	unsigned n = 0;
	uint64_t size;

	for (unsigned i = 0; i < 200; i++) {
		struct sim_choice c = {SIM_RANDOM, i};

		n += simdisk_bytes(simwalk_image(walk, c, false, NULL), "l", &size)[at] == byte;
	}
	return n;
}

START_TEST(a_store_may_reach_the_device_or_not_until_a_sync)
{
	struct file *l;
	struct map *m;

	setup_disk(NULL, 1);
	l = file_to_store();
	m = map_to_store(l, 8192);
	m->base[7] = 'x';
	m->base[4096] = 'y';
	ck_assert_int_eq(io_sync_dir(simdisk_io(disk), "l"), 0); /* any event */
	walk_to_end();
	ck_assert_uint_gt(count_images(7, 'x'), 20);
	ck_assert_uint_gt(count_images(7, 0), 20);
	ck_assert_uint_gt(count_images(4096, 'y'), 20);
	ck_assert_uint_gt(count_images(4096, 0), 20);
	ck_assert_int_eq(file_sync(l), 0);
	walk_to_end();
	ck_assert_uint_eq(count_images(7, 'x'), 200);
	ck_assert_uint_eq(count_images(4096, 'y'), 200);
	map_close(m);
	file_close(l);
	teardown_disk();
}
END_TEST

START_TEST(a_page_may_be_caught_between_two_stores)
{
	unsigned n_half = 0;
	struct file *l;
	struct map *m;

	setup_disk(NULL, 1);
	l = file_to_store();
	m = map_to_store(l, 8192);
	for (unsigned i = 1; i < 100; i++) {
		memset(m->base, (int)i, 512);
		ck_assert_int_eq(file_sync(l), 0);
	}
	walk = simwalk_new(disk);
	for (uint64_t n = 0; n <= simdisk_events(disk); n++) {
		struct sim_choice all = {SIM_APPLIED, 0};
		uint64_t size;
		const uint8_t *bytes;

		simwalk_to(walk, n);
		bytes = simdisk_bytes(simwalk_image(walk, all, false, NULL), "l", &size);
		if (!bytes || size == 0)
			continue;
		for (unsigned i = 0; i < 512; i++)
			ck_assert_uint_eq(bytes[i], bytes[i / 8 * 8]); /* by words */
		n_half += memcmp(bytes, bytes + 8, 504) != 0;
	}
	ck_assert_uint_gt(n_half, 10);
	ck_assert_uint_lt(n_half, 50);
	map_close(m);
	file_close(l);
	teardown_disk();
}
END_TEST

START_TEST(stores_outlive_the_process_which_stores_no_more)
{
	struct file *l;
	struct map *m;
	uint64_t size;

	setup_disk(NULL, 1);
	l = file_to_store();
	m = map_to_store(l, 8192);
	m->base[7] = 'x';
	simdisk_kill(disk);
	m->base[8] = 'y';
	ck_assert_int_eq(m->base[7], 'x');
	ck_assert_int_eq(simdisk_bytes(disk, "l", &size)[7], 'x');
	ck_assert_int_eq(simdisk_bytes(disk, "l", &size)[8], 0);
	ck_assert_int_eq(io_sync_dir(simdisk_io(disk), "l"), 0);
	walk_to_end();
	ck_assert_uint_gt(count_images(7, 'x'), 20);
	ck_assert_uint_eq(count_images(8, 0), 200);
	map_close(m);
	file_close(l);
	teardown_disk();
}
END_TEST

/* Stores at `at` in a child, followed by call `call`: whether that ended it. */
static bool store_ends_the_program(struct file *l, struct map *m, uint64_t at, int call)
{
	uint8_t before = m->base[at];
	int status;
	pid_t child;

	(void)fflush(NULL);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		(void)close(STDERR_FILENO);
		m->base[at] = 'x';
		if (call == 0)
			simdisk_set_space(disk, 0);
		else if (call == 1)
			(void)file_allocate(l, 0, 8192);
		else
			(void)file_sync(l);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	m->base[at] = before; /* what the child stored is the parent's too */
	ck_assert(WIFSIGNALED(status) ? WTERMSIG(status) == SIGABRT : WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status);
}

/* The block is wanted when the store is made: room that comes later is of no use. */
START_TEST(a_store_into_a_hole_of_a_full_disk_ends_the_program)
{
	struct file *l;
	struct map *m;

	setup_disk(NULL, 1);
	l = open_on(disk, "l", FILE_CREATE);
	ck_assert_int_eq(file_truncate(l, 12288), 0);
	ck_assert_int_eq(file_allocate(l, 0, 4096), 0);
	ck_assert_int_eq(file_write(l, "x", 1, 8192),
		0); /* one sector of the page; seven are holes */
	simdisk_set_space(disk, simdisk_space_used(disk));
	m = map_to_store(l, 12288);
	for (int call = 0; call < 3; call++) {
		ck_assert(!store_ends_the_program(l, m, 7, call));
		ck_assert(store_ends_the_program(l, m, 4096, call));
		ck_assert(store_ends_the_program(l, m, 8192 + 7, call));
	}
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

int main(void)
{
	Suite *s = suite_create("simdisk_calls");
	TCase *t = tcase_create("simdisk_calls");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_created_name_is_pending_until_the_folder_is_synced);
	tcase_add_test(t, an_unlinked_name_may_come_back);
	tcase_add_test(t, a_rename_happens_whole_or_not_at_all);
	tcase_add_test(t, open_follows_the_flags);
	tcase_add_test(t, a_failed_sync_forgets_and_the_next_one_succeeds);
	tcase_add_test(t, a_device_read_tells_what_a_failed_sync_lost);
	tcase_add_test(t, a_failed_sync_may_drop_the_live_bytes_too);
	tcase_add_test(t, direct_transfers_want_alignment);
	tcase_add_test(t, a_full_disk_is_enospc_and_a_long_file_efbig);
	tcase_add_test(t, what_no_name_and_no_handle_has_takes_no_room);
	tcase_add_test(t, holes_take_room_when_they_are_filled);
	tcase_add_test(t, a_full_disk_overwrites_in_place);
	tcase_add_test(t, a_full_disk_that_copies_on_write_does_not);
	tcase_add_test(t, locks_belong_to_the_handle);
	tcase_add_test(t, a_map_is_coherent_and_stays_where_it_is);
	tcase_add_test(t, a_store_may_reach_the_device_or_not_until_a_sync);
	tcase_add_test(t, a_page_may_be_caught_between_two_stores);
	tcase_add_test(t, a_store_into_a_hole_of_a_full_disk_ends_the_program);
	tcase_add_test(t, stores_outlive_the_process_which_stores_no_more);
	tcase_add_test(t, the_dead_do_nothing_and_what_they_wrote_stays);
	tcase_add_test(t, a_kill_strikes_at_its_event);
	suite_add_tcase(s, t);
	return check_main(s);
}
