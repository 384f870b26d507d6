/* SPDX-License-Identifier: MIT */
/*
 * The hazards of a map: stalls (C), errors (E). In each test the naive way is shown to fail on this
 * machine, by a few lines that stand here, and the student's must do better. Where the machine does
 * not show the hazard, the test is skipped with the reason. Counts and bytes decide, never time.
 */
#include "bufpool/bufpool.h"
#include "io/fault.h"
#include "labs/lab4/tests/map_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * C: stalls
 */

/* How many of the kernel's pages of the file lie in memory, from page `from` on. */
static unsigned n_resident(const struct world *w, pgno_t from, pgno_t n_pages)
{
	static unsigned char there[N_PAGES];
	uint8_t *at = raw_map(w, PROT_READ, MAP_SHARED, N_PAGES * PAGE_BYTES);
	unsigned n = 0;

	ck_assert_int_eq(mincore(at, N_PAGES * PAGE_BYTES, there), 0);
	(void)munmap(at, N_PAGES * PAGE_BYTES);
	for (pgno_t i = from; i < from + n_pages; i++)
		n += there[i] & 1;
	return n;
}

/* Makes the kernel let go of all pages of the file; false: it does not. */
static bool make_cold(const struct world *w)
{
	int fd = open(w->path, O_RDWR | O_CLOEXEC);

	ck_assert_int_eq(fsync(fd), 0);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	(void)close(fd);
	return n_resident(w, 0, N_PAGES) == 0;
}

/* Whether this file system lets go of a file at all: asked of a file of its own, before any of the
 * student's code has run. After that, a file that stays in memory is held by the student's map. */
static bool can_make_cold(void)
{
	static const uint8_t bytes[N_PAGES * PAGE_BYTES];
	struct world probe = {0};
	bool is_cold = false;
	int fd = open(check_path(probe.path, "probe"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, sizeof(bytes), 0), (ssize_t)sizeof(bytes));
	(void)close(fd);
	for (int i = 0; i < 100 && !is_cold; i++) {
		is_cold = make_cold(&probe);
		(void)usleep(is_cold ? 0 : 1000);
	}
	(void)unlink(probe.path);
	return is_cold;
}

static void must_be_cold(const struct world *w, const char *when)
{
	bool is_cold = false;

	for (int i = 0; i < 1000 && !is_cold; i++) {
		is_cold = make_cold(w);
		(void)usleep(is_cold ? 0 : 1000);
	}
	ck_assert_msg(is_cold,
		"the kernel cannot let go of the file %s: does your map touch pages?", when);
}

static long n_faults(void)
{
	struct rusage usage;

	ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_majflt;
}

/* Touches every step-th page of a cold file through a map that got this advice: how often that
 * waited for the disk. */
static long touch_naively(const struct world *w, int advice, pgno_t first, pgno_t step)
{
	const volatile uint8_t *at = raw_map(w, PROT_READ, MAP_SHARED, N_PAGES * PAGE_BYTES);
	long before = n_faults();

	(void)madvise((void *)(uintptr_t)at, N_PAGES * PAGE_BYTES, advice);
	for (pgno_t pgno = first; pgno < N_PAGES; pgno += step)
		(void)at[(size_t)pgno * PAGE_BYTES];
	(void)munmap((void *)(uintptr_t)at, N_PAGES * PAGE_BYTES);
	return n_faults() - before;
}

/* The student's map comes first: of the naive one's reads some may still be on their way. */
START_TEST(one_page_wanted_is_one_page_read)
{
	unsigned n_mine, n_naive = 0;
	struct world w;

	if (!can_make_cold()) {
		check_skip("this file system keeps its files in memory (tmpfs?)");
		return;
	}
	map_open_world(&w, N_PAGES);
	must_be_cold(&w, "before a page was asked for");
	map_visit(&w, 500);
	n_mine = n_resident(&w, 0, N_PAGES);
	map_close_world(&w);
	must_be_cold(&w, "after your map was closed");
	(void)touch_naively(&w, MADV_NORMAL, 500, N_PAGES);
	for (int i = 0; i < 1000 && n_naive <= 1; i++) {
		n_naive = n_resident(&w, 0, N_PAGES);
		(void)usleep(1000);
	}
	if (n_naive <= 1) {
		check_skip("this machine reads no page before it is asked for: nothing to see");
		return;
	}
	ck_assert_msg(n_mine == 1,
		"after one get %u pages of the file lie in memory, expected 1 (a map without "
		"advice: %u)",
		n_mine, n_naive);
}
END_TEST

#define N_WANTED 32U

START_TEST(pages_that_were_named_before_do_not_stall)
{
	struct page_ref refs[N_WANTED];
	long n_mine, n_naive = 0;
	struct world w;

	if (!can_make_cold()) {
		check_skip("this file system keeps its files in memory (tmpfs?)");
		return;
	}
	map_open_world(&w, N_PAGES);
	for (unsigned i = 0; i < N_WANTED; i++)
		refs[i] = ref_of(i * 32 + 5);
	must_be_cold(&w, "before a page was asked for");
	pager_prefetch(w.pager, refs, N_WANTED);
	for (unsigned i = 0; i < N_WANTED; i++) {
		/* The kernel reads; what it brings is counted, and not how long it takes. */
		for (int k = 0; k < 2000 && n_resident(&w, refs[i].pgno, 1) == 0; k++)
			(void)usleep(1000);
		ck_assert_msg(n_resident(&w, refs[i].pgno, 1) == 1,
			"page %u was named by prefetch, and does not come into memory",
			refs[i].pgno);
	}
	n_mine = n_faults();
	for (unsigned i = 0; i < N_WANTED; i++)
		map_visit(&w, refs[i].pgno);
	n_mine = n_faults() - n_mine;
	map_close_world(&w);
	must_be_cold(&w, "after your map was closed");
	n_naive = touch_naively(&w, MADV_RANDOM, 5, 32);
	if (n_naive < (long)N_WANTED / 2) {
		check_skip("%ld of %u touches have waited for the disk: no stall to see", n_naive,
			N_WANTED);
		return;
	}
	ck_assert_int_le(n_mine, (long)N_WANTED / 8); /* the program's own code may fault */
}
END_TEST

static unsigned noted[ADVICE_POPULATE + 1][2 * N_PAGES];
static const struct map_ops *kernel_ops;
static struct map_ops noting_ops;

static void note(struct map *m, uint64_t off_bytes, uint64_t len_bytes, enum map_advice advice)
{
	uint64_t from = (m->off_bytes + off_bytes) / PAGE_BYTES;

	for (uint64_t i = from; i < from + len_bytes / PAGE_BYTES && i < 2 * N_PAGES; i++)
		noted[advice][i]++;
	kernel_ops->advise(m, off_bytes, len_bytes, advice);
}

static int map_noting(struct io *io, struct file *file, enum map_mode mode, uint64_t off_bytes,
	uint64_t reserve_bytes, struct map **ret_map)
{
	int rc = io_map(io_kernel(), file, mode, off_bytes, reserve_bytes, ret_map);

	(void)io;
	if (rc < 0)
		return rc;
	kernel_ops = (*ret_map)->ops;
	noting_ops = *kernel_ops;
	noting_ops.advise = note;
	(*ret_map)->ops = &noting_ops;
	return 0;
}

static unsigned n_noted(enum map_advice advice, pgno_t from, pgno_t to)
{
	unsigned n = 0;

	for (pgno_t i = from; i < to; i++)
		n += noted[advice][i] > 0;
	return n;
}

/* Of the pages [from, to) so many were advised so. */
static void is_noted(enum map_advice advice, const char *name, pgno_t from, pgno_t to,
	unsigned expected)
{
	unsigned n = n_noted(advice, from, to);

	ck_assert_msg(n == expected, "of the pages %u to %u %u were advised as %s, expected %u",
		from, to - 1, n, name, expected);
}

static void open_noting(struct world *w)
{
	memset(noted, 0, sizeof(noted));
	map_make_file(w, N_PAGES);
	w->ops.map = map_noting;
	map_attach(w);
}

START_TEST(whole_map_is_advised_as_random_and_what_grows_too)
{
	struct world w;

	open_noting(&w);
	is_noted(ADVICE_RANDOM, "RANDOM", 0, N_PAGES, N_PAGES);
	ck_assert_int_eq(pager_resize(w.pager, 2 * N_PAGES), 0);
	is_noted(ADVICE_RANDOM, "RANDOM", N_PAGES, 2 * N_PAGES, N_PAGES);
	is_noted(ADVICE_NORMAL, "NORMAL", 0, 2 * N_PAGES, 0);
	map_close_world(&w);
}
END_TEST

#define N_DRAWN 24U

START_TEST(prefetch_asks_for_the_pages_named_and_no_others)
{
	struct page_ref refs[] = {ref_of(5), ref_of(900), ref_of(6), ref_of(UINT32_MAX)};
	uint64_t rng = check_seed();
	struct world w;

	open_noting(&w);
	pager_prefetch(w.pager, refs, 4);
	is_noted(ADVICE_WILLNEED, "WILLNEED", 0, 2 * N_PAGES, 3);
	is_noted(ADVICE_WILLNEED, "WILLNEED", 5, 7, 2);
	is_noted(ADVICE_WILLNEED, "WILLNEED", 900, 901, 1);
	for (unsigned i = 0; i < N_DRAWN; i++) {
		memset(noted, 0, sizeof(noted));
		refs[0] = ref_of((pgno_t)(check_random(&rng) % N_PAGES));
		refs[1] = ref_of((pgno_t)(N_PAGES + check_random(&rng) % N_PAGES)); /* beyond */
		pager_prefetch(w.pager, refs, 2);
		is_noted(ADVICE_WILLNEED, "WILLNEED", 0, 2 * N_PAGES, 1);
		is_noted(ADVICE_WILLNEED, "WILLNEED", refs[0].pgno, refs[0].pgno + 1, 1);
	}
	map_close_world(&w);
}
END_TEST

/*
 * E: errors
 */

/* The file is cut by another process while it is mapped: page 7 is no more. */
static void cut(const struct world *w)
{
	ck_assert_int_eq(truncate(w->path, 4 * PAGE_BYTES), 0);
}

static void read_in_place(struct world *w)
{
	const volatile uint8_t *at = raw_map(w, PROT_READ, MAP_SHARED, 16 * PAGE_BYTES);

	cut(w);
	(void)at[7 * PAGE_BYTES];
}

/* Page 7 is got from a file that was cut: twice, because the first error must leave nothing. */
static void get_from_cut_file(bool is_known)
{
	struct world w;

	map_make_file(&w, 16);
	ck_assert_int_eq(ended_by(read_in_place, &w), SIGBUS); /* the hazard */
	for (pgno_t pgno = 0; pgno < 16; pgno++)
		map_put_page(&w, ref_of(pgno));
	map_attach(&w);
	if (is_known)
		map_visit(&w, 7);
	cut(&w);
	ck_assert_int_eq(map_try_get(&w, ref_of(7)), VERSO_EIO);
	ck_assert_int_eq(map_try_get(&w, ref_of(7)), VERSO_EIO);
	map_visit(&w, 3);
	ck_assert_msg(fault_innermost == NULL, "a fault guard was entered and not left");
	ck_assert_int_eq(truncate(w.path, 16 * PAGE_BYTES), 0);
	map_put_page(&w, ref_of(7));
	map_visit(&w, 7);
	map_close_world(&w);
}

START_TEST(file_that_was_cut_is_an_error)
{
	get_from_cut_file(false);
}
END_TEST

START_TEST(known_page_that_was_cut_is_an_error)
{
	get_from_cut_file(true);
}
END_TEST

static _Atomic int *n_reached; /* how far the child has come; shared with it */

static void read_without_guard(struct world *w)
{
	const struct page *page;

	if (map_open(&w->io, w->file, PAGER_CHECKSUM_ONCE, &w->pager) < 0 ||
		guard_open(&w->pager->guards, &w->guard) < 0)
		_exit(1);
	cut(w);
	if (pager_get(w->pager, w->guard, ref_of(7), &page) != VERSO_EIO ||
		pager_get(w->pager, w->guard, ref_of(3), &page) != 0)
		_exit(1);
	*n_reached = 1;
	/* Page 7, by way of a pointer to page 3. Who follows a wild pointer must be stopped. */
	(void)((const volatile uint8_t *)page)[(7 - 3) * (size_t)PAGE_BYTES];
}

START_TEST(fault_elsewhere_is_still_the_end)
{
	struct world w;

	n_reached = shared_number();
	map_make_file(&w, 16);
	ck_assert_int_eq(ended_by(read_without_guard, &w), SIGBUS);
	ck_assert_msg(*n_reached == 1, "the process was ended by the get itself");
	file_close(w.file);
}
END_TEST

static int get_by_pool(struct world *w, pgno_t pgno)
{
	struct bufpool_options opts = {.writer_pages = 4, .reader_pages = 4};
	const struct page *page;
	struct pager *pool;
	struct guard *guard;
	int rc;

	opts.cache_bytes = bufpool_cache_bytes_min(PAGE_BYTES, &opts);
	ck_assert_int_eq(bufpool_open(io_kernel(), w->file, PAGE_BYTES, SEED, &opts, &pool), 0);
	ck_assert_int_eq(guard_open(&pool->guards, &guard), 0);
	rc = pager_get(pool, guard, ref_of(pgno), &page);
	if (rc == 0)
		pager_put(pool, page);
	guard_close(guard);
	pager_close(pool);
	return rc;
}

START_TEST(rot_behind_a_verified_page_is_seen_by_always_and_by_the_pool)
{
	struct world w, always = {0};
	const struct page *page;
	uint8_t byte;

	map_open_world(&w, 16);
	always.file = w.file;
	ck_assert_int_eq(map_open(&w.io, w.file, PAGER_CHECKSUM_ALWAYS, &always.pager), 0);
	ck_assert_int_eq(guard_open(&always.pager->guards, &always.guard), 0);
	page = map_get(&w, 7);
	map_visit(&always, 7);
	ck_assert_int_eq(get_by_pool(&w, 7), 0);
	/* One bit of the file changes. A disk does that without telling. */
	byte = page->payload[1000] ^ 1;
	ck_assert_int_eq(file_write(w.file, &byte, 1, 7 * PAGE_BYTES + PAGE_HEADER_BYTES + 1000),
		0);
	/* The hazard: it shows in a page that somebody is using, and in all later gets. */
	ck_assert_uint_eq(page->payload[1000], byte);
	ck_assert_int_eq(map_try_get(&w, ref_of(7)), 0);
	pager_put(w.pager, page);
	/* The remedies: verify always, or a pool, which verifies what it loads, and keeps it. */
	ck_assert_int_eq(map_try_get(&always, ref_of(7)), VERSO_ECORRUPT);
	ck_assert_int_eq(get_by_pool(&w, 7), VERSO_ECORRUPT);
	guard_close(always.guard);
	pager_close(always.pager);
	map_close_world(&w);
}
END_TEST

#define DISK_PAGES 32U /* of a file system in memory that is soon full */

/* A small file system that only this process sees; false: the system refuses it. */
static bool mount_small(const char *folder)
{
	char map[64];
	unsigned uid = getuid();
	int fd;

	if (unshare(CLONE_NEWNS) < 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			return false;
		fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
		if (fd < 0 ||
			write(fd, map, (size_t)snprintf(map, sizeof(map), "0 %u 1\n", uid)) < 0)
			return false;
		(void)close(fd);
	}
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mkdir(folder, 0700) == 0 &&
	       mount("tmpfs", folder, "tmpfs", 0, "size=128k") == 0;
}

static void store_into_hole(struct world *w)
{
	uint8_t *at = raw_map(w, PROT_READ | PROT_WRITE, MAP_SHARED, 2 * DISK_PAGES * PAGE_BYTES);

	for (unsigned i = 0; i < 2 * DISK_PAGES; i++)
		at[(size_t)i * PAGE_BYTES] = 1;
}

/* Two pages for each one that the disk has: a hole that a store cannot fill. */
START_TEST(full_disk_is_an_error_of_the_growth)
{
	char folder[CHECK_PATH_BYTES];
	struct world w = {0};

	if (!mount_small(check_path(folder, "small"))) {
		check_skip("this system lets nobody mount a small file system: %s",
			strerror(errno));
		return;
	}
	w.ops = *io_kernel()->ops;
	w.io.ops = &w.ops;
	(void)snprintf(w.path, sizeof(w.path), "%.400s/full", folder);
	ck_assert_int_eq(io_open(io_kernel(), w.path, FILE_CREATE | FILE_ANY_FS, 0600, &w.file), 0);
	ck_assert_int_eq(file_truncate(w.file, 2 * DISK_PAGES * PAGE_BYTES), 0);
	ck_assert_int_eq(ended_by(store_into_hole, &w), SIGBUS); /* the hazard */
	ck_assert_int_eq(file_truncate(w.file, 0), 0);
	for (pgno_t pgno = 0; pgno < 4; pgno++)
		map_put_page(&w, ref_of(pgno));
	map_attach(&w);
	ck_assert_int_eq(pager_resize(w.pager, 2 * DISK_PAGES), -ENOSPC);
	map_visit(&w, 3);
	ck_assert_int_eq(map_try_get(&w, ref_of(4)), VERSO_ECORRUPT);
	ck_assert_int_eq(pager_resize(w.pager, 6), 0);
	map_close_world(&w);
}
END_TEST

#define CUT_PAGES  40U
#define CUT_ROUNDS 20U

/* Where the file is cut, and which pages were known before, is drawn by seed. */
START_TEST(cut_costs_the_pages_beyond_it_and_no_others)
{
	uint64_t rng = check_seed();
	struct world w;

	map_open_world(&w, CUT_PAGES);
	for (unsigned round = 0; round < CUT_ROUNDS; round++) {
		pgno_t n_left = 1 + (pgno_t)(check_random(&rng) % (CUT_PAGES - 1));

		for (pgno_t pgno = 0; pgno < CUT_PAGES; pgno++)
			if (check_random(&rng) % 2)
				map_visit(&w, pgno);
		ck_assert_int_eq(truncate(w.path, (off_t)n_left * PAGE_BYTES), 0);
		for (pgno_t pgno = 0; pgno < CUT_PAGES; pgno++) {
			int rc = map_try_get(&w, ref_of(pgno));
			int expected = pgno < n_left ? 0 : VERSO_EIO;

			ck_assert_msg(rc == expected,
				"the file was cut to %u pages, and a get of page %u returned %d, "
				"expected %d",
				n_left, pgno, rc, expected);
		}
		ck_assert_int_eq(truncate(w.path, (off_t)CUT_PAGES * PAGE_BYTES), 0);
		for (pgno_t pgno = n_left; pgno < CUT_PAGES; pgno++)
			map_put_page(&w, ref_of(pgno));
	}
	ck_assert_msg(fault_innermost == NULL, "a fault guard was entered and not left");
	map_close_world(&w);
}
END_TEST

void hazards_add(TCase *tc)
{
	tcase_add_test(tc, one_page_wanted_is_one_page_read);
	tcase_add_test(tc, pages_that_were_named_before_do_not_stall);
	tcase_add_test(tc, whole_map_is_advised_as_random_and_what_grows_too);
	tcase_add_test(tc, prefetch_asks_for_the_pages_named_and_no_others);
	tcase_add_test(tc, file_that_was_cut_is_an_error);
	tcase_add_test(tc, known_page_that_was_cut_is_an_error);
	tcase_add_test(tc, fault_elsewhere_is_still_the_end);
	tcase_add_test(tc, rot_behind_a_verified_page_is_seen_by_always_and_by_the_pool);
	tcase_add_test(tc, full_disk_is_an_error_of_the_growth);
	tcase_add_test(tc, cut_costs_the_pages_beyond_it_and_no_others);
}
