/* SPDX-License-Identifier: MIT */
/*
 * Shows what a queue does, by counts that are the same on every machine:
 *
 *	show entry	the bytes of one entry of each ring of io_uring
 *	show short	a short transfer: attempts and answers
 *	show knee	reads a second by depth, on a device that serves 8 reads at a time
 *	show flush	a write and a flush: what may be on the disk after a power cut
 *	show time SEED question | answer	(predict.toml)
 *	show reads SEED question | answer
 *	show P3
 */
#include "io/file.h"
#include "io/queue_backend.h"
#include "io/transfer.h"
#include "labs/lib/ledger.h"
#include "labs/lib/ring.h"
#include "tests/check_main.h"
#include "tests/sim/simwalk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_include)
#if __has_include(<linux/io_uring.h>)
#include <linux/io_uring.h>
#endif
#endif

#define BLOCK     4096U
#define READ_US   100U /* of the device below */
#define READS_MAX 2048U
#define LINE      16U

static void must(int rc, const char *what)
{
	if (rc == 0)
		return;
	(void)fprintf(stderr, "show: %s: %d\n", what, rc);
	exit(EXIT_FAILURE);
}

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	return (z ^ z >> 27) >> 20;
}

/*
 * A device in virtual time. It serves n_served reads at a time, each in READ_US; its clock goes on
 * when the queue has given it all that its depth allows. So the order of threads changes nothing.
 */

static struct {
	struct ring ring; /* first */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct io_req *in[READS_MAX]; /* the oldest first */
	unsigned n_in;
	unsigned depth, n_served;
	unsigned n_left; /* reads that are not over, submitted or not */
	uint64_t now_us;
	bool is_woken;
} device = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static void device_push(struct ring *r, struct io_req *req)
{
	(void)r;
	(void)pthread_mutex_lock(&device.lock);
	if (req)
		device.in[device.n_in++] = req;
	else
		device.is_woken = true;
	(void)pthread_cond_signal(&device.changed);
	(void)pthread_mutex_unlock(&device.lock);
}

static void device_enter(struct ring *r)
{
	(void)r;
}

static unsigned device_wait(struct ring *r, struct ring_answer *answers, unsigned n_max)
{
	unsigned n;

	(void)r;
	(void)pthread_mutex_lock(&device.lock);
	while (!device.is_woken &&
		(device.n_left == 0 || device.n_in < smaller(device.depth, device.n_left)))
		(void)pthread_cond_wait(&device.changed, &device.lock);
	n = smaller(smaller(device.n_served, device.n_in), n_max);
	for (unsigned i = 0; i < n; i++)
		answers[i] = (struct ring_answer){device.in[i], BLOCK};
	memmove(device.in, device.in + n, (device.n_in - n) * sizeof(device.in[0]));
	device.n_in -= n;
	device.n_left -= n;
	device.now_us += READ_US;
	if (n == 0)
		answers[n++] = (struct ring_answer){0};
	(void)pthread_mutex_unlock(&device.lock);
	return n;
}

static void device_close(struct ring *r)
{
	(void)r;
}

static int device_open(unsigned depth, struct ring **ret_ring)
{
	static const struct ring_ops ops = {
		.push = device_push,
		.enter = device_enter,
		.wait = device_wait,
		.close = device_close,
	};

	device.ring.ops = &ops;
	device.depth = depth;
	*ret_ring = &device.ring;
	return 0;
}

/* How long n reads take, submitted as one set to a queue of that depth. */
static uint64_t time_us(unsigned n, unsigned depth, unsigned n_served)
{
	static struct io_req reqs[READS_MAX], *ptrs[READS_MAX];
	static char block[BLOCK];
	static struct file file = {.path = "a file"};
	static struct iovec iov = {block, BLOCK};
	uint64_t took_us;
	struct queue *q;

	ring_instead = device_open;
	device.n_in = 0;
	device.n_left = n;
	device.n_served = n_served;
	device.now_us = 0;
	device.is_woken = false;
	must(io_queue(io_kernel(), depth, QUEUE_URING, &q), "opening the queue");
	for (unsigned i = 0; i < n; i++) {
		reqs[i] = (struct io_req){.kind = IO_READ, .file = &file, .iov = &iov, .n_iov = 1};
		ptrs[i] = &reqs[i];
	}
	must(queue_run(q, ptrs, n), "reading");
	took_us = device.now_us;
	queue_close(q);
	return took_us;
}

static void show_knee(void)
{
	printf("depth   1024 reads take   reads a second\n");
	for (unsigned depth = 1; depth <= 128; depth *= 2) {
		uint64_t us = time_us(1024, depth, 8);

		printf("%5u   %12" PRIu64 " us   %14" PRIu64 "\n", depth, us,
			UINT64_C(1024000000) / us);
	}
}

static void show_time(uint64_t seed, bool is_question)
{
	static const unsigned depths[] = {1, 2, 3, 4, 6, 8}, served[] = {2, 3, 4, 6};
	unsigned n = 12 + (unsigned)(next_random(&seed) % 25);
	unsigned depth = depths[next_random(&seed) % 6], n_served = served[next_random(&seed) % 4];

	if (is_question)
		printf("A read takes %u us, and the device serves %u at a time. %u reads are "
		       "submitted\nas one set to a queue of depth %u.\n",
			READ_US, n_served, n, depth);
	else
		printf("%" PRIu64 "\n", time_us(n, depth, n_served));
}

/*
 * What a pool reads
 */

static void print_pages(const pgno_t *pages)
{
	for (; *pages > 0; pages++)
		printf(" %" PRIu32, *pages);
}

static void show_reads(uint64_t seed, bool is_question)
{
	pgno_t ahead[6] = {0}, wanted[5] = {0}, bad;
	struct ledger l;

	for (int i = 0; i < 5; i++)
		ahead[i] = 1 + (pgno_t)(next_random(&seed) % 5);
	bad = ahead[next_random(&seed) % 5];
	for (int i = 0; i < 4; i++)
		wanted[i] =
			next_random(&seed) % 3 == 0 ? bad : 1 + (pgno_t)(next_random(&seed) % 8);
	if (is_question) {
		printf("Read ahead:");
		print_pages(ahead);
		printf(". Then these are got, each put back at once:");
		print_pages(wanted);
		printf(".\nIn the file page %" PRIu32 " is damaged.\n", bad);
		return;
	}
	ledger_open_for_reads(&l, 16);
	ledger_put_page(&l, (struct page_ref){bad, 9}); /* not the page that is asked for */
	ledger_prefetch(&l, ahead);
	for (int i = 0; i < 4; i++)
		(void)ledger_try(&l, (struct page_ref){wanted[i], 1});
	printf("%u\n", l.n_reads);
	ledger_close(&l);
}

/*
 * A write and a flush
 */

/* Whether some power cut after both are complete leaves the old block. */
static bool old_may_remain(bool waits_between)
{
	struct simdisk *d = simdisk_new(NULL);
	uint8_t block[SIM_SECTOR] = "a";
	struct iovec iov = {block, sizeof(block)};
	struct io_req write = {.kind = IO_WRITE, .iov = &iov, .n_iov = 1}, sync = {.kind = IO_SYNC};
	struct io_req *both[] = {&write, &sync};
	bool remains = false;
	uint64_t size_bytes;
	struct simwalk *w;
	struct queue *q;
	struct file *f;

	must(io_open(simdisk_io(d), "flush", FILE_CREATE, 0600, &f), "making a file");
	must(file_write(f, block, sizeof(block), 0), "a write");
	must(file_sync(f), "a flush");
	must(io_sync_dir(simdisk_io(d), "flush"), "a flush of names");
	block[0] = 'A';
	write.file = sync.file = f;
	must(io_queue(simdisk_io(d), 2, QUEUE_BEST, &q), "opening a queue");
	if (waits_between) {
		must(queue_run(q, both, 1), "a write");
		must(queue_run(q, both + 1, 1), "a flush");
	} else {
		must(queue_run(q, both, 2), "a write and a flush");
	}
	w = simwalk_new(d);
	simwalk_to(w, simdisk_events(d));
	for (uint64_t i = 0; i < simwalk_combinations(w); i++) {
		struct simdisk *img =
			simwalk_image(w, (struct sim_choice){SIM_COMBINATION, i}, false, NULL);

		remains |= simdisk_bytes(img, "flush", &size_bytes)[0] == 'a';
	}
	simwalk_free(w);
	queue_close(q);
	file_close(f);
	simdisk_free(d);
	return remains;
}

static const char *after_power_cut(bool waits_between)
{
	return old_may_remain(waits_between) ? "the new block may be lost" : "it is on the disk";
}

static void show_flush(void)
{
	printf("submit the write and the flush, wait for both:          %s\n",
		after_power_cut(false));
	printf("submit the write, wait; submit the flush, wait:         %s\n",
		after_power_cut(true));
}

/*
 * Attempts and entries
 */

static void show_short(void)
{
	static char buf[3 * BLOCK];
	struct iovec iov = {buf, sizeof(buf)};
	struct file file = {.path = "a file", .direct = true, .align_bytes = BLOCK};
	struct io_req req = {
		.kind = IO_READ, .file = &file, .iov = &iov, .n_iov = 1, .off_bytes = 5 * BLOCK};
	const int64_t answers[] = {BLOCK + 100, -4, 2 * BLOCK};
	struct attempt att;

	printf("asked for         at      answer   bytes done   over?\n");
	for (int i = 0; i < 3; i++) {
		bool is_over;

		transfer_next(&req, BLOCK, &att);
		is_over = transfer_take(&req, BLOCK, answers[i]);
		printf("%9zu   %8" PRIu64 "   %9" PRId64 "   %10zu   %s\n", att.len_bytes,
			att.off_bytes, answers[i], req.done_bytes, is_over ? "yes" : "no");
	}
}

#ifdef IORING_FEAT_RW_CUR_POS

static void print_bytes(const void *bytes, size_t n)
{
	for (size_t at = 0; at < n; at += LINE) {
		printf("%4zu ", at);
		for (size_t i = at; i < at + LINE; i++)
			printf(" %02x", ((const uint8_t *)bytes)[i]);
		printf("\n");
	}
}

static void show_entry(void)
{
	static uint8_t page[BLOCK];
	static struct io_req req;
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_READ,
		.fd = 5,
		.off = 7UL * BLOCK,
		.addr = (uintptr_t)page,
		.len = BLOCK,
		.user_data = (uintptr_t)&req,
	};
	struct io_uring_cqe cqe = {.user_data = (uintptr_t)&req, .res = BLOCK};

	printf("an entry of the submission ring: read 4096 bytes at 28672 of descriptor 5\n");
	print_bytes(&sqe, sizeof(sqe));
	printf("an entry of the completion ring: that one, 4096 bytes\n");
	print_bytes(&cqe, sizeof(cqe));
}

#else

static void show_entry(void)
{
	printf("the headers of this system know no io_uring\n");
}

#endif

static void show_prediction(void)
{
	printf("%s\n", after_power_cut(false));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*show)(void);
	} shows[] = {{"entry", show_entry}, {"short", show_short}, {"knee", show_knee},
		{"flush", show_flush}, {"P3", show_prediction}};
	bool is_question = argc == 4 && strcmp(argv[3], "question") == 0;
	bool is_drawn = is_question || (argc == 4 && strcmp(argv[3], "answer") == 0);

	for (size_t i = 0; argc == 2 && i < sizeof(shows) / sizeof(shows[0]); i++) {
		if (strcmp(argv[1], shows[i].name) == 0) {
			shows[i].show();
			return 0;
		}
	}
	if (is_drawn && strcmp(argv[1], "time") == 0) {
		show_time(strtoull(argv[2], NULL, 10), is_question);
		return 0;
	}
	if (is_drawn && strcmp(argv[1], "reads") == 0) {
		show_reads(strtoull(argv[2], NULL, 10), is_question);
		return 0;
	}
	(void)fprintf(stderr, "usage: show entry | short | knee | flush | P3\n"
			      "       show time | reads SEED question | answer\n");
	return 2;
}
