/* SPDX-License-Identifier: MIT */
/* What a student's own tests of Lab 0 may look like: few, and each finds several bugs. */
#include "base/error.h"
#include "base/hash.h"
#include "io/transfer.h"
#include "pager/page.h"
#include "tests/check_main.h"

#include <errno.h>
#include <string.h>

#define PAGE  512U
#define SEED  UINT64_C(0x5eed)
#define BLOCK 4096U

static const struct page_ref ref = {0x01020304, 0x1112131415161718};

START_TEST(sizes)
{
	static const uint32_t bad[] = {0, 1, 256, 768, 1536, 4097, 131072};

	for (uint32_t size_bytes = 512; size_bytes <= 65536; size_bytes *= 2)
		ck_assert(page_size_is_valid(size_bytes));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert(!page_size_is_valid(bad[i]));
}
END_TEST

START_TEST(header_byte_by_byte)
{
	static const uint8_t expected[PAGE_HEADER_BYTES] = {[8] = 4,
		3,
		2,
		1,
		PAGE_OVERFLOW,
		3,
		[16] = 0x18,
		0x17,
		0x16,
		0x15,
		0x14,
		0x13,
		0x12,
		0x11,
		0x18,
		0x17,
		0x16,
		0x15,
		0x14,
		0x13,
		0x12,
		0x11,
		0x24,
		0x23,
		0x22,
		0x21};
	static _Alignas(8) uint8_t bytes[PAGE];

	memset(bytes, 0x5a, sizeof(bytes));
	page_init((struct page *)bytes, ref, PAGE_OVERFLOW, 3, 0x21222324);
	ck_assert_int_eq(memcmp(bytes, expected, sizeof(expected)), 0);
	for (unsigned i = PAGE_HEADER_BYTES; i < PAGE; i++)
		ck_assert_uint_eq(bytes[i], 0x5a);
}
END_TEST

/* A page in the middle of other bytes, sealed by the function; its scratch was in use. */
static struct page *sealed(uint8_t *memory)
{
	struct page *page = (struct page *)(memory + PAGE);

	memset(memory, 0x77, 3 * PAGE);
	page_init(page, ref, PAGE_NODE, 1, 7);
	le32_set(page->scratch, 9);
	page_seal(page, PAGE, SEED);
	return page;
}

START_TEST(checksum_is_that_of_all_bytes_behind_it)
{
	static _Alignas(8) uint8_t memory[3 * PAGE];
	struct page *page = sealed(memory);

	ck_assert_uint_eq(le32_get(page->scratch), 0);
	ck_assert_uint_eq(le64_get(page->checksum), hash_bytes(page->pgno, PAGE - 8, SEED));
	ck_assert_int_eq(page_verify(page, PAGE, ref, SEED), 0);
	ck_assert_int_eq(page_verify(page, PAGE, ref, SEED + 1), VERSO_ECORRUPT);
}
END_TEST

START_TEST(each_byte_counts)
{
	static _Alignas(8) uint8_t memory[3 * PAGE];
	uint8_t *bytes = (uint8_t *)sealed(memory);

	for (unsigned i = 0; i < PAGE; i++) {
		bytes[i] ^= 0x10;
		error_clear();
		ck_assert_int_eq(page_verify((struct page *)bytes, PAGE, ref, SEED),
			VERSO_ECORRUPT);
		ck_assert_ptr_nonnull(strstr(error_text(), "checksum"));
		bytes[i] ^= 0x10;
	}
	memset(bytes, 0, 8); /* not sealed */
	ck_assert_int_eq(page_verify((struct page *)bytes, PAGE, ref, SEED), VERSO_ECORRUPT);
}
END_TEST

START_TEST(another_page_with_a_right_checksum)
{
	static _Alignas(8) uint8_t memory[3 * PAGE];
	const struct page_ref others[] = {
		{ref.pgno + 1, ref.gen}, {ref.pgno, ref.gen + 1}, {ref.pgno, ref.gen - 1}};
	struct page *page = sealed(memory);

	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(page_verify(page, PAGE, others[i], SEED), VERSO_ECORRUPT);
	for (unsigned type = 0; type < 256; type++) {
		memset(page->checksum, 0, 8);
		page->type = (uint8_t)type;
		page_seal(page, PAGE, SEED);
		ck_assert_int_eq(page_verify(page, PAGE, ref, SEED),
			type > 0 && type < PAGE_TYPE_END ? 0 : VERSO_ECORRUPT);
	}
}
END_TEST

START_TEST(seeds_of_files_differ)
{
	uint8_t uuid[16] = {1, 2, 3};
	uint64_t first = page_seed(uuid);

	for (unsigned i = 0; i < 16; i++) {
		uuid[i] ^= 1;
		ck_assert_uint_ne(page_seed(uuid), first);
		uuid[i] ^= 1;
	}
}
END_TEST

static uint8_t memory[4 * BLOCK];
static struct iovec one = {memory, 3 * BLOCK};
static struct iovec two[2] = {{memory, BLOCK}, {memory + 2 * BLOCK, 2 * BLOCK}};

static void attempt_is(const struct io_req *req, const void *buf, size_t len_bytes, uint64_t off)
{
	struct attempt att;

	transfer_next(req, 1, &att);
	ck_assert_ptr_null(att.iov);
	ck_assert_ptr_eq(att.buf, buf);
	ck_assert_uint_eq(att.len_bytes, len_bytes);
	ck_assert_uint_eq(att.off_bytes, off);
}

START_TEST(attempts)
{
	struct io_req req = {.kind = IO_READ, .iov = &one, .n_iov = 1, .off_bytes = 9 * BLOCK};
	struct iovec huge = {memory, TRANSFER_BYTES_MAX + 1};
	struct attempt att;

	attempt_is(&req, memory, 3 * BLOCK, 9 * BLOCK);
	req.done_bytes = 700;
	attempt_is(&req, memory + 700, 3 * BLOCK - 700, 9 * BLOCK + 700);
	req.iov = &huge;
	req.done_bytes = 0;
	attempt_is(&req, memory, TRANSFER_BYTES_MAX, 9 * BLOCK);
	req.iov = two;
	req.n_iov = 2;
	transfer_next(&req, 1, &att);
	ck_assert_ptr_eq(att.iov, two);
	req.done_bytes = 700;
	attempt_is(&req, memory + 700, BLOCK - 700, 9 * BLOCK + 700);
	req.done_bytes = BLOCK;
	attempt_is(&req, memory + 2 * BLOCK, 2 * BLOCK, 10 * BLOCK);
}
END_TEST

static struct io_req request(enum io_kind kind)
{
	return (struct io_req){.kind = kind, .iov = &one, .n_iov = 1, .result = 1};
}

/* `result`: 1 when the request needs another attempt. */
static void take(struct io_req *req, int64_t answer, size_t done_bytes, int result)
{
	ck_assert_int_eq(transfer_take(req, BLOCK, answer), result != 1);
	ck_assert_int_eq(req->result, result);
	if (result == 1)
		ck_assert_uint_eq(req->done_bytes, done_bytes);
}

START_TEST(short_and_interrupted_answers)
{
	struct io_req req = request(IO_READ), end = request(IO_READ), odd = request(IO_READ);
	struct iovec tail = {memory, BLOCK + 904};

	take(&req, BLOCK + 904, BLOCK, 1);
	take(&req, -EINTR, BLOCK, 1);
	take(&req, -EAGAIN, BLOCK, 1);
	take(&req, BLOCK, 2 * BLOCK, 1);
	take(&req, BLOCK, 3 * BLOCK, 0);
	take(&end, BLOCK, BLOCK, 1);
	take(&end, 0, BLOCK, VERSO_EIO);
	odd.iov = &tail;
	take(&odd, BLOCK + 904, BLOCK + 904, 0);
}
END_TEST

static void ends_with(enum io_kind kind, int64_t answer, int result)
{
	struct io_req req = request(kind);
	unsigned n = 1;

	while (n < 1000 && !transfer_take(&req, BLOCK, answer))
		n++;
	ck_assert_uint_eq(n, TRANSFER_TRIES_MAX);
	ck_assert_int_eq(req.result, result);
}

START_TEST(errors)
{
	struct io_req req = request(IO_WRITE), flush = request(IO_SYNC), good = request(IO_SYNC);

	take(&req, -ENOSPC, 0, -ENOSPC);
	take(&flush, -EINTR, 0, -EINTR);
	take(&good, 0, 0, 0);
	ends_with(IO_READ, -EINTR, -EINTR);
	ends_with(IO_WRITE, 0, -EIO);
	ends_with(IO_READ, 100, VERSO_EIO);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("own_model");
	TCase *tc = tcase_create("own_model");

	tcase_add_test(tc, sizes);
	tcase_add_test(tc, header_byte_by_byte);
	tcase_add_test(tc, checksum_is_that_of_all_bytes_behind_it);
	tcase_add_test(tc, each_byte_counts);
	tcase_add_test(tc, another_page_with_a_right_checksum);
	tcase_add_test(tc, seeds_of_files_differ);
	tcase_add_test(tc, attempts);
	tcase_add_test(tc, short_and_interrupted_answers);
	tcase_add_test(tc, errors);
	suite_add_tcase(s, tc);
	return check_main(s);
}
