/* SPDX-License-Identifier: MIT */
/*
 * Lab 0, transfers: what is asked of the kernel, and what its answers mean. The kernel here is this
 * file: no call is made, and each answer is chosen.
 */
#include "base/error.h"
#include "io/transfer.h"
#include "tests/check_main.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BLOCK       4096U
#define BUFFERS_MAX 4U
#define FILE_BYTES  (32 * BLOCK)
#define OFFSET      (2 * BLOCK)

static uint8_t memory[4 * BLOCK];

/* An attempt of one buffer may name it by itself or as a vector of one: both are the same call. */
static void attempt_is(const struct attempt *att, const void *buf, size_t len_bytes,
	uint64_t off_bytes)
{
	const void *found = att->buf;
	size_t found_bytes = att->len_bytes;

	if (att->iov) {
		ck_assert_msg(att->n_iov == 1, "the attempt asks for %u buffers, expected one",
			att->n_iov);
		found = att->iov->iov_base;
		found_bytes = att->iov->iov_len;
	}
	ck_assert_msg(found_bytes == len_bytes && att->off_bytes == off_bytes,
		"the attempt asks for %zu bytes at offset %llu of the file, expected %zu at %llu",
		found_bytes, (unsigned long long)att->off_bytes, len_bytes,
		(unsigned long long)off_bytes);
	ck_assert_msg(found == buf, "the attempt's buffer is %td bytes behind the right place",
		(const char *)found - (const char *)buf);
}

START_TEST(first_attempt_asks_for_the_whole_buffer)
{
	struct iovec iov = {memory, 3 * BLOCK};
	struct io_req req = {.kind = IO_READ, .iov = &iov, .n_iov = 1, .off_bytes = OFFSET};
	struct attempt att;

	memset(&att, 0xee, sizeof(att)); /* what is not set is seen */
	transfer_next(&req, 1, &att);
	attempt_is(&att, memory, 3 * BLOCK, OFFSET);
}
END_TEST

START_TEST(first_attempt_asks_for_all_buffers_at_once)
{
	struct iovec iov[3] = {
		{memory, BLOCK}, {memory + BLOCK, BLOCK}, {memory + 2 * BLOCK, BLOCK}};
	struct io_req req = {.kind = IO_WRITE, .iov = iov, .n_iov = 3, .off_bytes = OFFSET};
	struct attempt att;

	memset(&att, 0xee, sizeof(att));
	transfer_next(&req, 1, &att);
	ck_assert_msg(att.iov == iov && att.n_iov == 3,
		"nothing is done yet: expected the request's own three buffers, for one call of "
		"the kernel");
	ck_assert_msg(att.off_bytes == OFFSET, "the attempt begins at offset %llu, expected %u",
		(unsigned long long)att.off_bytes, OFFSET);
}
END_TEST

START_TEST(next_attempt_begins_where_the_last_one_ended)
{
	struct iovec iov = {memory, 3 * BLOCK};
	struct io_req req = {.kind = IO_READ, .iov = &iov, .n_iov = 1, .off_bytes = OFFSET};
	struct attempt att;

	req.done_bytes = BLOCK;
	transfer_next(&req, 1, &att);
	attempt_is(&att, memory + BLOCK, 2 * BLOCK, OFFSET + BLOCK);
	req.done_bytes = 3 * BLOCK - 1;
	transfer_next(&req, 1, &att);
	attempt_is(&att, memory + 3 * BLOCK - 1, 1, OFFSET + 3 * BLOCK - 1);
}
END_TEST

START_TEST(next_attempt_is_the_rest_of_one_buffer)
{
	struct iovec iov[3] = {
		{memory, BLOCK}, {memory + 2 * BLOCK, 2 * BLOCK}, {memory + BLOCK, BLOCK}};
	struct io_req req = {.kind = IO_READ, .iov = iov, .n_iov = 3, .off_bytes = OFFSET};
	struct attempt att;

	req.done_bytes = BLOCK - 512;
	transfer_next(&req, 512, &att);
	attempt_is(&att, memory + BLOCK - 512, 512, OFFSET + BLOCK - 512);
	req.done_bytes = BLOCK; /* the first buffer is full: the second, from its beginning */
	transfer_next(&req, 512, &att);
	attempt_is(&att, memory + 2 * BLOCK, 2 * BLOCK, OFFSET + BLOCK);
	req.done_bytes = 2 * BLOCK;
	transfer_next(&req, 512, &att);
	attempt_is(&att, memory + 3 * BLOCK, BLOCK, OFFSET + 2 * BLOCK);
	req.done_bytes = 3 * BLOCK;
	transfer_next(&req, 512, &att);
	attempt_is(&att, memory + BLOCK, BLOCK, OFFSET + 3 * BLOCK);
}
END_TEST

START_TEST(one_attempt_asks_for_a_gibibyte_at_most)
{
	struct iovec iov = {memory, TRANSFER_BYTES_MAX * 2 + BLOCK};
	struct io_req req = {.kind = IO_READ, .iov = &iov, .n_iov = 1, .off_bytes = OFFSET};
	struct attempt att;

	transfer_next(&req, 1, &att);
	attempt_is(&att, memory, TRANSFER_BYTES_MAX, OFFSET);
	req.done_bytes = BLOCK;
	transfer_next(&req, 1, &att);
	attempt_is(&att, memory + BLOCK, TRANSFER_BYTES_MAX, OFFSET + BLOCK);
}
END_TEST

/* Gives an answer of the kernel; whether the request is over then. */
static void take(struct io_req *req, uint32_t align_bytes, int64_t answer, bool is_over)
{
	size_t before = req->done_bytes;
	bool found = transfer_take(req, align_bytes, answer);

	ck_assert_msg(found == is_over,
		"the answer %lld, when %zu bytes were done, is %s; expected %s", (long long)answer,
		before, found ? "the end of the request" : "no end: another attempt",
		is_over ? "the end" : "another attempt");
}

static void result_is(const struct io_req *req, int expected)
{
	ck_assert_msg(req->result == expected, "the result is %d (%s), expected %d (%s)",
		req->result, error_name(req->result), expected, error_name(expected));
}

static void done_is(const struct io_req *req, size_t expected)
{
	ck_assert_msg(req->done_bytes == expected, "done_bytes is %zu, expected %zu",
		req->done_bytes, expected);
}

static struct iovec whole = {memory, 3 * BLOCK};

/* A request for three blocks, to be made anew in each test. */
#define REQUEST(what)                                                                              \
	{                                                                                          \
		.kind = (what), .iov = &whole, .n_iov = 1, .off_bytes = OFFSET, .result = 1        \
	}

START_TEST(whole_answer_ends_the_request)
{
	struct io_req req = REQUEST(IO_READ);

	take(&req, 1, 3 * BLOCK, true);
	result_is(&req, 0);
}
END_TEST

START_TEST(short_answer_is_carried_on)
{
	struct io_req req = REQUEST(IO_READ);

	take(&req, 1, 5000, false);
	done_is(&req, 5000);
	take(&req, 1, 1, false);
	done_is(&req, 5001);
	take(&req, 1, 3 * BLOCK - 5001, true);
	result_is(&req, 0);
}
END_TEST

START_TEST(only_whole_blocks_are_done)
{
	struct iovec odd = {memory, BLOCK + 904};
	struct io_req req = REQUEST(IO_READ), tail = REQUEST(IO_READ);

	take(&req, BLOCK, 5000, false);
	done_is(&req, BLOCK);
	take(&req, BLOCK, BLOCK + BLOCK - 1, false);
	done_is(&req, 2 * BLOCK);
	take(&req, BLOCK, BLOCK, true);
	result_is(&req, 0);
	/* All that was asked for is all, whether it ends with a block or not. */
	tail.iov = &odd;
	take(&tail, BLOCK, BLOCK + 904, true);
	result_is(&tail, 0);
}
END_TEST

START_TEST(end_of_the_file_is_an_error)
{
	struct io_req req = REQUEST(IO_READ), later = REQUEST(IO_READ);

	take(&req, 1, 0, true);
	result_is(&req, VERSO_EIO);
	take(&later, 1, 5000, false);
	take(&later, 1, 0, true);
	result_is(&later, VERSO_EIO);
}
END_TEST

START_TEST(interrupted_attempt_is_made_again)
{
	static const int codes[] = {EINTR, EAGAIN, ECANCELED};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		struct io_req req = REQUEST(i % 2 ? IO_WRITE : IO_READ);

		take(&req, BLOCK, BLOCK, false);
		take(&req, BLOCK, -codes[i], false);
		take(&req, BLOCK, -codes[i], false);
		done_is(&req, BLOCK);
		take(&req, BLOCK, 2 * BLOCK, true);
		result_is(&req, 0);
	}
}
END_TEST

/* The same answer again and again. */
static void ends_by_itself(enum io_kind kind, size_t done_bytes, int64_t answer, int result)
{
	struct io_req req = REQUEST(kind);
	unsigned n = 1;

	req.done_bytes = done_bytes;
	while (n < 1000 && !transfer_take(&req, BLOCK, answer))
		n++;
	ck_assert_msg(n == TRANSFER_TRIES_MAX,
		"the answer %lld, again and again, ended it after %u%s attempts, expected %u",
		(long long)answer, n, n == 1000 ? " or more" : "", TRANSFER_TRIES_MAX);
	result_is(&req, result);
	done_is(&req, done_bytes);
}

START_TEST(attempts_that_bring_nothing_come_to_an_end)
{
	ends_by_itself(IO_READ, 0, -EINTR, -EINTR);
	ends_by_itself(IO_WRITE, BLOCK, -EAGAIN, -EAGAIN);
	ends_by_itself(IO_WRITE, 0, 0, -EIO);
	ends_by_itself(IO_WRITE, BLOCK, BLOCK - 1, -EIO);
	ends_by_itself(IO_READ, 2 * BLOCK, 100, VERSO_EIO);
}
END_TEST

START_TEST(other_errors_end_the_request_at_once)
{
	static const int codes[] = {EIO, ENOSPC, EBADF, EINVAL};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		struct io_req req = REQUEST(IO_WRITE);

		take(&req, 1, BLOCK, false);
		take(&req, 1, -codes[i], true);
		result_is(&req, -codes[i]);
	}
}
END_TEST

START_TEST(failed_flush_is_never_tried_again)
{
	static const int codes[] = {EIO, EINTR, EAGAIN, ECANCELED};
	struct io_req good = {.kind = IO_SYNC, .result = 1};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		struct io_req req = {.kind = IO_SYNC, .result = 1};

		take(&req, 1, -codes[i], true);
		result_is(&req, -codes[i]);
	}
	take(&good, 1, 0, true);
	result_is(&good, 0);
}
END_TEST

/* Moves n bytes of an attempt, as the kernel would. */
static void move(enum io_kind kind, uint8_t *file, const struct attempt *att, size_t n)
{
	struct iovec one = {att->buf, att->len_bytes};
	const struct iovec *iov = att->iov ? att->iov : &one;
	uint8_t *at = file + att->off_bytes;

	for (; n > 0; iov++) {
		size_t part = n < iov->iov_len ? n : iov->iov_len;

		if (kind == IO_READ)
			memcpy(iov->iov_base, at, part);
		else
			memcpy(at, iov->iov_base, part);
		at += part;
		n -= part;
	}
}

static size_t asked_for(const struct attempt *att)
{
	size_t len_bytes = 0;

	for (unsigned i = 0; att->iov && i < att->n_iov; i++)
		len_bytes += att->iov[i].iov_len;
	return att->iov ? len_bytes : att->len_bytes;
}

/* One request with answers that are drawn: short, of less than a block, interrupted. */
static void run(struct io_req *req, uint32_t align_bytes, uint8_t *file, uint64_t *rng)
{
	unsigned n_idle = 0, n = 0;
	struct attempt att;
	int64_t answer;

	do {
		size_t most;

		ck_assert_msg(n++ < 10000, "the request does not come to its end");
		transfer_next(req, align_bytes, &att);
		most = asked_for(&att);
		ck_assert_msg(most > 0 && att.off_bytes % align_bytes == 0,
			"an attempt for %zu bytes at offset %llu, with blocks of %u: expected some "
			"bytes, from the beginning of a block on",
			most, (unsigned long long)att.off_bytes, align_bytes);
		ck_assert_msg(att.off_bytes + most <= req->off_bytes + transfer_len(req),
			"an attempt for %zu bytes at offset %llu: expected none behind %llu", most,
			(unsigned long long)att.off_bytes,
			(unsigned long long)req->off_bytes + transfer_len(req));
		if (n_idle < 20 && check_random(rng) % 8 == 0) {
			n_idle++;
			answer = -EINTR;
			continue;
		}
		answer = 1 + (int64_t)(check_random(rng) % most);
		if (answer < (int64_t)align_bytes && n_idle++ >= 20)
			answer = (int64_t)most;
		move(req->kind, file, &att, (size_t)answer);
	} while (!transfer_take(req, align_bytes, answer));
	result_is(req, 0);
}

START_TEST(random_answers_move_each_byte)
{
	static uint8_t file[FILE_BYTES], before[FILE_BYTES], buffers[BUFFERS_MAX][4 * BLOCK];
	uint64_t rng = check_seed();

	for (unsigned i = 0; i < FILE_BYTES; i++)
		file[i] = (uint8_t)check_random(&rng);
	for (unsigned round = 0; round < 500; round++) {
		uint32_t align_bytes = check_random(&rng) % 2 ? 512 : 1;
		uint64_t at = (check_random(&rng) % 16) * BLOCK;
		struct iovec iov[BUFFERS_MAX];
		struct io_req req = {.kind = check_random(&rng) % 2 ? IO_READ : IO_WRITE,
			.iov = iov,
			.n_iov = 1 + (unsigned)(check_random(&rng) % BUFFERS_MAX),
			.off_bytes = at,
			.result = 1};

		for (unsigned i = 0; i < req.n_iov; i++) {
			size_t len_bytes = (1 + check_random(&rng) % 8) * 512;

			for (size_t k = 0; k < len_bytes; k++)
				buffers[i][k] = (uint8_t)check_random(&rng);
			iov[i] = (struct iovec){buffers[i], len_bytes};
		}
		memcpy(before, file, sizeof(file));
		run(&req, align_bytes, file, &rng);
		for (unsigned i = 0; i < req.n_iov; i++) {
			ck_assert_msg(memcmp(file + at, iov[i].iov_base, iov[i].iov_len) == 0,
				"round %u: buffer %u of %u differs from the file after a %s", round,
				i, req.n_iov, req.kind == IO_READ ? "read" : "write");
			memcpy(before + at, iov[i].iov_base, iov[i].iov_len);
			at += iov[i].iov_len;
		}
		ck_assert_msg(memcmp(before, file, sizeof(file)) == 0,
			"round %u: bytes of the file were changed that were not asked for", round);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lab0_transfer");
	TCase *t = tcase_create("transfer");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, first_attempt_asks_for_the_whole_buffer);
	tcase_add_test(t, first_attempt_asks_for_all_buffers_at_once);
	tcase_add_test(t, next_attempt_begins_where_the_last_one_ended);
	tcase_add_test(t, next_attempt_is_the_rest_of_one_buffer);
	tcase_add_test(t, one_attempt_asks_for_a_gibibyte_at_most);
	tcase_add_test(t, whole_answer_ends_the_request);
	tcase_add_test(t, short_answer_is_carried_on);
	tcase_add_test(t, only_whole_blocks_are_done);
	tcase_add_test(t, end_of_the_file_is_an_error);
	tcase_add_test(t, interrupted_attempt_is_made_again);
	tcase_add_test(t, attempts_that_bring_nothing_come_to_an_end);
	tcase_add_test(t, other_errors_end_the_request_at_once);
	tcase_add_test(t, failed_flush_is_never_tried_again);
	tcase_add_test(t, random_answers_move_each_byte);
	suite_add_tcase(s, t);
	return check_main(s);
}
