/* SPDX-License-Identifier: MIT */
/*
 * A value of 1 GiB, the longest there can be, is written and read in pieces, in one transaction,
 * by a process that has little memory. Anonymous memory is what counts: pages of a mapped file are
 * the kernel's to take.
 *
 * Its size is VERSO_PIECES_MB (1,024) MiB.
 */
#include "tests/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES 262144U
#define CACHE_BYTES ((size_t)16 << 20)
/* Bytes, of the whole process; with a sanitizer or valgrind what they add. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_MAX ((uint64_t)512 << 20)
#else
#define MEMORY_MAX (getenv("VERSO_VALGRIND") ? (uint64_t)512 << 20 : (uint64_t)64 << 20)
#endif
#define LOOK_EVERY 64U /* pieces */

static uint64_t memory_max;

static void look_at_memory(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long long kib = 0;
	char line[256];

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) && sscanf(line, "RssAnon: %llu", &kib) != 1)
		;
	(void)fclose(f);
	ck_assert_uint_gt(kib, 0);
	if (kib * 1024 > memory_max)
		memory_max = kib * 1024;
}

static void fill(uint8_t *piece, uint32_t i)
{
	for (uint32_t k = 0; k < PIECE_BYTES; k += (uint32_t)sizeof(uint32_t)) {
		uint32_t word = (i * PIECE_BYTES + k) * 2654435761U;

		memcpy(piece + k, &word, sizeof(word));
	}
}

static uint32_t count_pieces(void)
{
	const char *text = getenv("VERSO_PIECES_MB");
	unsigned long mb = text ? strtoul(text, NULL, 10) : 1024;

	ck_assert_uint_ge(mb, 1);
	ck_assert_uint_le(mb, 1024);
	return (uint32_t)((mb << 20) / PIECE_BYTES);
}

START_TEST(a_value_of_1_gib_takes_the_memory_of_the_cache)
{
	static uint8_t piece[PIECE_BYTES], found[PIECE_BYTES];
	struct verso_options o = {.cache_bytes = CACHE_BYTES};
	struct verso *db = api_open_with(_i, "db", o);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct verso_val key = api_val("film"), val;
	uint32_t n = count_pieces();
	size_t len;

	memory_max = 0;
	for (uint32_t i = 0; i < n; i++) {
		fill(piece, i);
		API_OK(verso_write(txn, NULL, key, (uint64_t)i * PIECE_BYTES, piece, PIECE_BYTES));
		if (i % LOOK_EVERY == 0)
			look_at_memory();
	}
	if (n * (uint64_t)PIECE_BYTES == UINT64_C(1) << 30)
		API_IS(verso_write(txn, NULL, key, UINT64_C(1) << 30, piece, 1), VERSO_ETOOBIG);
	API_OK(verso_commit(txn));
	look_at_memory();
	txn = api_begin(db, VERSO_READ);
	for (uint32_t i = 0; i < n; i++) {
		fill(piece, i);
		API_OK(verso_read(txn, NULL, key, (uint64_t)i * PIECE_BYTES, found, PIECE_BYTES,
			&len));
		ck_assert_uint_eq(len, PIECE_BYTES);
		ck_assert(memcmp(piece, found, PIECE_BYTES) == 0);
		if (i % LOOK_EVERY == 0)
			look_at_memory();
	}
	if ((uint64_t)n * PIECE_BYTES > (uint64_t)256 << 20) /* value_copy_max */
		API_IS(verso_get(txn, NULL, key, &val), VERSO_ETOOBIG);
	look_at_memory();
	verso_abort(txn);
	verso_close(db);
	printf("total: %s: a value of %u MiB took %u MiB of memory\n", api_pager_names[_i],
		n / (1048576 / PIECE_BYTES), (unsigned)(memory_max >> 20));
	ck_assert_uint_lt(memory_max, MEMORY_MAX);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("a value in pieces");
	TCase *t = tcase_create("each pager");

	tcase_set_timeout(t, 600);
	tcase_add_loop_test(t, a_value_of_1_gib_takes_the_memory_of_the_cache, 0, API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
