/* SPDX-License-Identifier: MIT */
/*
 * Lab 2c: what other threads do while a page is read. A read of pages 0 to 7 stops at a gate until
 * the test opens it, or until patience is over: so a pool that makes others wait fails, and does
 * not hang.
 */
#include "base/error.h"
#include "bufpool/bufpool.h"
#include "tests/check_main.h"
#include "tests/sim/simdisk.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define PAGE_BYTES  4096U
#define N_PAGES     16U
#define N_GATED     8U /* the others pass at once */
#define SEED        UINT64_C(9)
#define PATIENCE_NS 1500000000L /* of a read in the gate; a pool that is right does not need it */
#define A_WHILE_NS  50000000L   /* for something that must not happen */
#define N_THREADS   4

/* One for each process, as Check runs each test in its own. */
static struct {
	struct simdisk *disk;
	struct file *file;
	const struct file_ops *below;
	struct file_ops ops; /* of the file, with a gate before its reads */
	struct pager *pager;
	pthread_mutex_t lock; /* what follows */
	pthread_cond_t changed;
	uint32_t n_open;      /* reads that may pass the gate */
	uint32_t n_in;        /* reads that came to it */
	uint32_t n_impatient; /* of those, waited in vain */
	uint32_t n_reads[N_PAGES];
	int fault; /* of the next read that passes; 0: none */
} b = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Waits until *n is at least `wanted`: whether it came to that. Lock held. */
static bool await(const uint32_t *n, uint32_t wanted, long patience_ns)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += (until.tv_nsec + patience_ns) / 1000000000;
	until.tv_nsec = (until.tv_nsec + patience_ns) % 1000000000;
	while (*n < wanted) {
		if (pthread_cond_timedwait(&b.changed, &b.lock, &until) == ETIMEDOUT)
			return *n >= wanted;
	}
	return true;
}

static int gated_read(struct file *f, void *buf, size_t len, uint64_t off, enum file_view view)
{
	uint64_t pgno = off / PAGE_BYTES;
	uint32_t nth;
	int fault;

	(void)pthread_mutex_lock(&b.lock);
	b.n_reads[pgno]++;
	if (pgno < N_GATED) {
		nth = ++b.n_in;
		(void)pthread_cond_broadcast(&b.changed);
		b.n_impatient += !await(&b.n_open, nth, PATIENCE_NS);
	}
	fault = b.fault;
	b.fault = 0;
	(void)pthread_mutex_unlock(&b.lock);
	return fault < 0 ? fault : b.below->read(f, buf, len, off, view);
}

/* Lets n reads more pass. */
static void open_gate(uint32_t n)
{
	(void)pthread_mutex_lock(&b.lock);
	b.n_open += n;
	(void)pthread_cond_broadcast(&b.changed);
	(void)pthread_mutex_unlock(&b.lock);
}

/* Waits for so many reads at the gate. */
static bool await_reads(uint32_t n, long patience_ns)
{
	bool came;

	(void)pthread_mutex_lock(&b.lock);
	came = await(&b.n_in, n, patience_ns);
	(void)pthread_mutex_unlock(&b.lock);
	return came;
}

static void put_page(struct page_ref ref)
{
	struct page *page = check_alloc(PAGE_BYTES);

	page_init(page, ref, PAGE_TOY, 0, 0);
	page->payload[0] = (uint8_t)ref.pgno;
	page_seal(page, PAGE_BYTES, SEED);
	ck_assert_int_eq(file_write(b.file, page, PAGE_BYTES, (uint64_t)ref.pgno * PAGE_BYTES), 0);
}

static void open_all(uint32_t n_frames)
{
	struct bufpool_options opts = {.writer_pages = 4, .reader_pages = n_frames};
	struct io *io;

	b.disk = simdisk_new(&(struct simdisk_options){.seed = check_seed()});
	io = simdisk_io(b.disk);
	ck_assert_int_eq(io_open(io, "loads", FILE_CREATE | FILE_EXCL, 0600, &b.file), 0);
	for (pgno_t pgno = 0; pgno < N_PAGES; pgno++)
		put_page((struct page_ref){pgno, 1});
	opts.cache_bytes = bufpool_cache_bytes_min(PAGE_BYTES, &opts);
	ck_assert_int_eq(bufpool_open(io, b.file, PAGE_BYTES, SEED, &opts, &b.pager), 0);
	b.below = b.file->ops;
	b.ops = *b.below;
	b.ops.read = gated_read;
	b.file->ops = &b.ops;
}

static void close_all(void)
{
	pager_close(b.pager);
	b.file->ops = b.below;
	file_close(b.file);
	simdisk_free(b.disk);
}

static int get_and_put(pgno_t pgno)
{
	const struct page *page;
	struct guard *guard;
	int rc;

	ck_assert_int_eq(guard_open(&b.pager->guards, &guard), 0);
	rc = pager_get(b.pager, guard, (struct page_ref){pgno, 1}, &page);
	if (rc == 0) {
		ck_assert_uint_eq(page->payload[0], pgno);
		pager_put(b.pager, page);
	}
	guard_close(guard);
	return rc;
}

/* A thread that gets a page and puts it back. */
struct getter {
	pthread_t thread;
	pgno_t pgno;
	int rc;
};

static void *getter_body(void *arg)
{
	struct getter *g = arg;

	g->rc = get_and_put(g->pgno);
	return NULL;
}

static void start(struct getter *g, pgno_t pgno)
{
	g->pgno = pgno;
	ck_assert_int_eq(pthread_create(&g->thread, NULL, getter_body, g), 0);
}

static int end(struct getter *g)
{
	(void)pthread_join(g->thread, NULL);
	return g->rc;
}

START_TEST(hit_does_not_wait_for_anothers_read)
{
	struct getter g;

	open_all(4);
	open_gate(1);
	ck_assert_int_eq(get_and_put(1), 0);
	start(&g, 2);
	ck_assert(await_reads(2, PATIENCE_NS));
	ck_assert_int_eq(get_and_put(1), 0);
	open_gate(1);
	ck_assert_int_eq(end(&g), 0);
	ck_assert_msg(b.n_impatient == 0, "page 1 is in memory, but who wanted it waited for the "
					  "read of page 2");
	close_all();
}
END_TEST

START_TEST(misses_of_two_pages_are_read_side_by_side)
{
	struct getter g[2];
	bool both;

	open_all(4);
	start(&g[0], 1);
	start(&g[1], 2);
	both = await_reads(2, PATIENCE_NS / 2);
	open_gate(2);
	ck_assert_int_eq(end(&g[0]), 0);
	ck_assert_int_eq(end(&g[1]), 0);
	ck_assert_msg(both, "pages 1 and 2 were read one after the other");
	close_all();
}
END_TEST

START_TEST(all_who_miss_one_page_share_a_read)
{
	struct getter g[N_THREADS];

	open_all(2 * N_THREADS);
	for (int i = 0; i < N_THREADS; i++)
		start(&g[i], 3);
	ck_assert(await_reads(1, PATIENCE_NS));
	(void)await_reads(2, A_WHILE_NS);
	open_gate(N_THREADS);
	for (int i = 0; i < N_THREADS; i++)
		ck_assert_int_eq(end(&g[i]), 0);
	ck_assert_msg(b.n_reads[3] == 1, "page 3 was read %u times, expected once", b.n_reads[3]);
	close_all();
}
END_TEST

START_TEST(failed_read_wakes_all_who_wait)
{
	struct getter g[N_THREADS];
	uint32_t n_failed = 0;

	open_all(N_THREADS);
	b.fault = -EIO;
	for (int i = 0; i < N_THREADS; i++)
		start(&g[i], 3);
	ck_assert(await_reads(1, PATIENCE_NS));
	(void)await_reads(2, A_WHILE_NS);
	open_gate(100);
	for (int i = 0; i < N_THREADS; i++)
		n_failed += end(&g[i]) != 0;
	/* The one whose read it was; the others may share its error, or read again. */
	ck_assert_uint_ge(n_failed, 1);
	for (pgno_t pgno = 0; pgno < 2 * N_THREADS; pgno++)
		ck_assert_int_eq(get_and_put(pgno), 0);
	close_all();
}
END_TEST

START_TEST(page_that_is_forgotten_while_it_is_read_is_not_kept)
{
	struct getter g;

	open_all(4);
	start(&g, 3);
	ck_assert(await_reads(1, PATIENCE_NS));
	pager_drop(b.pager, 3, 1);
	open_gate(100);
	ck_assert_int_eq(end(&g), 0);
	ck_assert_int_eq(get_and_put(3), 0);
	ck_assert_msg(b.n_impatient > 0 || b.n_reads[3] > 1,
		"the bytes that were read before forget() are still in memory after it");
	ck_assert_msg(b.n_impatient == 0, "forget() waited for a read");
	close_all();
}
END_TEST

START_TEST(forget_of_other_pages_spoils_no_read)
{
	struct getter g;

	open_all(4);
	start(&g, 3);
	ck_assert(await_reads(1, PATIENCE_NS));
	pager_drop(b.pager, 2, 1);
	pager_drop(b.pager, 4, N_PAGES - 4);
	open_gate(100);
	ck_assert_int_eq(end(&g), 0);
	ck_assert_int_eq(get_and_put(3), 0);
	ck_assert_uint_eq(b.n_reads[3], 1);
	ck_assert_msg(b.n_impatient == 0, "forget() waited for a read");
	close_all();
}
END_TEST

/* A frame that is being read into is nobody else's, whatever the policy offers. */
START_TEST(frame_of_a_read_is_not_given_to_another)
{
	struct getter g;

	open_all(2);
	for (pgno_t pgno = 8; pgno < 10; pgno++)
		ck_assert_int_eq(get_and_put(pgno), 0);
	start(&g, 3);
	ck_assert(await_reads(1, PATIENCE_NS));
	/* One frame is left, and each of these gets it. */
	for (pgno_t pgno = 10; pgno < N_PAGES; pgno++)
		ck_assert_int_eq(get_and_put(pgno), 0);
	open_gate(1);
	ck_assert_int_eq(end(&g), 0);
	ck_assert_uint_eq(b.n_impatient, 0);
	close_all();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lab2_loads");
	TCase *tc = tcase_create("loads");

	tcase_set_timeout(tc, 100);
	tcase_add_checked_fixture(tc, NULL, check_free);
	tcase_add_test(tc, hit_does_not_wait_for_anothers_read);
	tcase_add_test(tc, misses_of_two_pages_are_read_side_by_side);
	tcase_add_test(tc, all_who_miss_one_page_share_a_read);
	tcase_add_test(tc, failed_read_wakes_all_who_wait);
	tcase_add_test(tc, page_that_is_forgotten_while_it_is_read_is_not_kept);
	tcase_add_test(tc, forget_of_other_pages_spoils_no_read);
	tcase_add_test(tc, frame_of_a_read_is_not_given_to_another);
	suite_add_tcase(s, tc);
	return check_main(s);
}
