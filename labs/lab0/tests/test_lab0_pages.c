/* SPDX-License-Identifier: MIT */
/*
 * Lab 0, pages: single steps, each with a message that names the byte or the call. What is given to
 * a function is laid out by hand, so each task is tried by itself. The hash is the engine's, behind
 * a function of this file, which stands before the engine's and notes what was hashed.
 */
#include "base/error.h"
#include "base/hash.h"
#include "pager/page.h"
#include "tests/check_main.h"

#include <stdio.h>
#include <xxhash.h>

#define PAGE      512U
#define SEED      UINT64_C(0x5eed5eed)
#define SUM_BYTES 8U
#define HEX_BYTES (3 * PAGE_HEADER_BYTES + 1)
#define LARGEST   65536U

static const struct page_ref ref = {0x01020304, 0x1112131415161718};

/* The last call of hash_bytes(). */
static struct {
	const uint8_t *data;
	size_t len_bytes;
	uint64_t seed;
	bool is_zero; /* what it returns from now on */
} hashed;

static uint64_t hash_by_hand(const void *data, size_t len_bytes, uint64_t seed)
{
	return hashed.is_zero ? 0 : XXH3_64bits_withSeed(data, len_bytes, seed);
}

uint64_t hash_bytes(const void *data, size_t len_bytes, uint64_t seed)
{
	hashed.data = data;
	hashed.len_bytes = len_bytes;
	hashed.seed = seed;
	return hash_by_hand(data, len_bytes, seed);
}

static void hash_anew(void)
{
	memset(&hashed, 0, sizeof(hashed));
}

static const struct field {
	const char *name;
	unsigned at, len_bytes;
} fields[] = {{"checksum", 0, 8}, {"pgno", 8, 4}, {"type", 12, 1}, {"level", 13, 1},
	{"flags", 14, 2}, {"gen", 16, 8}, {"lsn", 24, 8}, {"tree", 32, 4}, {"scratch", 36, 4}};

static const char *hex(char *to, const uint8_t *bytes, unsigned n)
{
	to[0] = '\0';
	for (unsigned i = 0; i < n; i++)
		(void)snprintf(to + 3 * i, 4, "%02x ", bytes[i]);
	if (n > 0)
		to[3 * n - 1] = '\0';
	return to;
}

/* Names the first field of the header that is not as expected. */
static void header_is(const void *page, const uint8_t *expected)
{
	char found_text[HEX_BYTES], expected_text[HEX_BYTES];

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct field *f = &fields[i];
		const uint8_t *found = (const uint8_t *)page + f->at;

		ck_assert_msg(memcmp(found, expected + f->at, f->len_bytes) == 0,
			"%s, from byte %u of the page on, is %s, expected %s", f->name, f->at,
			hex(found_text, found, f->len_bytes),
			hex(expected_text, expected + f->at, f->len_bytes));
	}
}

/* A page that is not sealed yet, in the middle of memory that belongs to others. */
static struct page *lay_page(void)
{
	static _Alignas(8) uint8_t memory[3 * PAGE];
	struct page *page = (struct page *)(memory + PAGE);

	memset(memory, 0xee, sizeof(memory));
	memset(page, 0x5a, PAGE);
	memset(page, 0, PAGE_HEADER_BYTES);
	le32_set(page->pgno, ref.pgno);
	le64_set(page->gen, ref.gen);
	le64_set(page->lsn, ref.gen);
	le32_set(page->tree, 7);
	page->type = PAGE_NODE;
	return page;
}

static void seal_by_hand(struct page *page)
{
	uint8_t *bytes = (uint8_t *)page;

	le64_set(bytes, hash_by_hand(bytes + SUM_BYTES, PAGE - SUM_BYTES, SEED));
}

static const char *word(bool is_true)
{
	return is_true ? "true" : "false";
}

static void size_is(uint32_t size_bytes, bool expected)
{
	bool found = page_size_is_valid(size_bytes);

	ck_assert_msg(found == expected, "page_size_is_valid(%u) is %s, expected %s", size_bytes,
		word(found), word(expected));
}

START_TEST(sizes_from_512_to_65536_are_valid)
{
	for (uint32_t size_bytes = 512; size_bytes <= LARGEST; size_bytes *= 2)
		size_is(size_bytes, true);
}
END_TEST

START_TEST(sizes_that_are_no_power_of_two_are_refused)
{
	static const uint32_t bad[] = {513, 768, 1000, 4095, 4097, 6144, 12288, 65535};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		size_is(bad[i], false);
}
END_TEST

START_TEST(sizes_that_are_too_small_or_too_large_are_refused)
{
	static const uint32_t bad[] = {0, 1, 2, 256, 131072, UINT32_C(1) << 31, UINT32_MAX};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		size_is(bad[i], false);
}
END_TEST

START_TEST(header_has_its_numbers_in_little_endian)
{
	static const uint8_t expected[PAGE_HEADER_BYTES] = {
		0, 0, 0, 0, 0, 0, 0, 0,                         /* checksum: none yet */
		0x04, 0x03, 0x02, 0x01, PAGE_OVERFLOW, 3, 0, 0, /* pgno, type, level, flags */
		0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, /* gen */
		0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, /* lsn */
		0x24, 0x23, 0x22, 0x21, 0, 0, 0, 0,             /* tree, scratch */
	};
	static _Alignas(8) uint8_t bytes[PAGE];

	page_init((struct page *)bytes, ref, PAGE_OVERFLOW, 3, 0x21222324);
	header_is(bytes, expected);
}
END_TEST

START_TEST(header_of_a_used_buffer_is_wiped)
{
	static const uint8_t expected[PAGE_HEADER_BYTES] = {
		[8] = 9, [12] = PAGE_NODE, [16] = 1, [24] = 1};
	static _Alignas(8) uint8_t bytes[PAGE];

	memset(bytes, 0xff, sizeof(bytes));
	page_init((struct page *)bytes, (struct page_ref){9, 1}, PAGE_NODE, 0, 0);
	header_is(bytes, expected);
}
END_TEST

START_TEST(init_leaves_what_is_behind_the_header)
{
	static _Alignas(8) uint8_t bytes[PAGE];

	memset(bytes, 0x5a, sizeof(bytes));
	page_init((struct page *)bytes, ref, PAGE_NODE, 0, 0);
	for (unsigned i = PAGE_HEADER_BYTES; i < PAGE; i++)
		ck_assert_msg(bytes[i] == 0x5a,
			"page_init() has changed byte %u, behind the header", i);
}
END_TEST

START_TEST(all_bytes_behind_the_checksum_are_hashed)
{
	struct page *page = lay_page();
	long long from;

	page_seal(page, PAGE, SEED);
	ck_assert_msg(hashed.data != NULL, "page_seal() did not come to hash_bytes()");
	from = hashed.data - (const uint8_t *)page;
	ck_assert_msg(from == SUM_BYTES && hashed.len_bytes == PAGE - SUM_BYTES,
		"hashed were %zu bytes from byte %lld of the page on, expected %u from byte %u "
		"on: all but the checksum itself",
		hashed.len_bytes, from, PAGE - SUM_BYTES, SUM_BYTES);
	ck_assert_msg(hashed.seed == SEED, "the seed of the hash was %llx, expected %llx",
		(unsigned long long)hashed.seed, (unsigned long long)SEED);
}
END_TEST

START_TEST(checksum_stands_in_the_first_eight_bytes)
{
	struct page *page = lay_page();
	uint8_t expected[PAGE_HEADER_BYTES];

	memcpy(expected, page, sizeof(expected));
	le64_set(expected, hash_by_hand((uint8_t *)page + SUM_BYTES, PAGE - SUM_BYTES, SEED));
	page_seal(page, PAGE, SEED);
	header_is(page, expected);
}
END_TEST

START_TEST(checksum_is_never_zero)
{
	struct page *page = lay_page();

	hashed.is_zero = true;
	page_seal(page, PAGE, SEED);
	ck_assert_msg(le64_get(page->checksum) == 1,
		"a page whose hash is 0 has the checksum %llu, expected 1: 0 means not sealed",
		(unsigned long long)le64_get(page->checksum));
}
END_TEST

START_TEST(scratch_is_wiped_before_the_checksum)
{
	struct page *page = lay_page();
	uint64_t with_scratch, found;

	le32_set(page->scratch, 12345);
	with_scratch = hash_by_hand((uint8_t *)page + SUM_BYTES, PAGE - SUM_BYTES, SEED);
	page_seal(page, PAGE, SEED);
	ck_assert_msg(bytes_are_zero(page->scratch, sizeof(page->scratch)),
		"the scratch is %u after page_seal(), expected 0", le32_get(page->scratch));
	found = le64_get(page->checksum);
	ck_assert_msg(found != with_scratch,
		"the checksum is that of the page with its old scratch, expected that with 0: "
		"wipe it first");
	seal_by_hand(page);
	ck_assert_msg(found == le64_get(page->checksum),
		"the checksum is not the hash of what is in the page now");
}
END_TEST

static void refused(const struct page *page, struct page_ref wanted, const char *why,
	const char *text)
{
	int rc = page_verify(page, PAGE, wanted, SEED);

	ck_assert_msg(rc == VERSO_ECORRUPT, "page_verify() of %s returned %d, expected %d", why, rc,
		VERSO_ECORRUPT);
	ck_assert_msg(strstr(error_text(), text) != NULL,
		"page_verify() of %s says \"%s\", expected \"%s\" in it", why, error_text(), text);
}

START_TEST(sealed_page_is_good)
{
	struct page *page = lay_page();

	seal_by_hand(page);
	ck_assert_int_eq(page_verify(page, PAGE, ref, SEED), 0);
}
END_TEST

START_TEST(page_that_was_never_sealed_is_refused)
{
	struct page *page = lay_page();

	refused(page, ref, "a page that was never sealed", "checksum");
	/* Nor does a hash of 0 make it a sealed one. */
	hashed.is_zero = true;
	refused(page, ref, "a page that was never sealed, and whose hash is 0", "checksum");
}
END_TEST

START_TEST(page_with_a_changed_byte_is_refused)
{
	struct page *page = lay_page();
	uint8_t *bytes = (uint8_t *)page;

	seal_by_hand(page);
	for (unsigned i = 0; i < PAGE; i++) {
		bytes[i] ^= 1;
		ck_assert_msg(page_verify(page, PAGE, ref, SEED) == VERSO_ECORRUPT,
			"one bit of byte %u was changed, and page_verify() has not seen it", i);
		bytes[i] ^= 1;
	}
	ck_assert_int_eq(page_verify(page, PAGE, ref, SEED), 0);
}
END_TEST

START_TEST(page_of_another_number_is_refused)
{
	struct page *page = lay_page();

	seal_by_hand(page);
	refused(page, (struct page_ref){ref.pgno + 1, ref.gen}, "a page of another number",
		"found page 16909060");
}
END_TEST

START_TEST(page_of_another_generation_is_refused)
{
	struct page *page = lay_page();

	seal_by_hand(page);
	refused(page, (struct page_ref){ref.pgno, ref.gen + 1}, "an older version of the page",
		"of generation 1112131415161718");
	refused(page, (struct page_ref){ref.pgno, ref.gen - 1}, "a newer version of the page",
		"of generation 1112131415161718");
}
END_TEST

/* Where bytes are rotten, what the header says is worth nothing. */
START_TEST(checksum_is_looked_at_before_the_header)
{
	struct page *page = lay_page();

	seal_by_hand(page);
	page->gen[0] ^= 1;
	refused(page, ref, "a page with a rotten generation", "checksum");
	page->gen[0] ^= 1;
	page->type = 0;
	refused(page, ref, "a page with a rotten type", "checksum");
}
END_TEST

START_TEST(page_of_an_unknown_type_is_refused)
{
	struct page *page = lay_page();

	for (unsigned kind = 0; kind <= UINT8_MAX; kind++) {
		page->type = (uint8_t)kind;
		seal_by_hand(page);
		if (kind == 0 || kind >= PAGE_TYPE_END) {
			refused(page, ref, "a page of an unknown type", "unknown page type");
		} else {
			ck_assert_msg(page_verify(page, PAGE, ref, SEED) == 0,
				"page_verify() has refused a page of type %u: %s", kind,
				error_text());
		}
	}
}
END_TEST

static void fill(uint8_t *bytes, uint32_t size_bytes, uint64_t *rng)
{
	for (uint32_t i = 0; i < size_bytes; i += 8)
		le64_set(bytes + i, check_random(rng));
}

/* A sealed page of random content, by the functions of the lab. */
static void make(uint8_t *bytes, uint32_t size_bytes, struct page_ref r, uint64_t seed,
	uint64_t *rng)
{
	fill(bytes, size_bytes, rng);
	page_init((struct page *)bytes, r,
		(enum page_type)(1 + check_random(rng) % (PAGE_TYPE_END - 1)),
		(unsigned)(check_random(rng) % 256), (uint32_t)check_random(rng));
	page_seal((struct page *)bytes, size_bytes, seed);
}

/* Makes one of five faults; its name. other: an older version, or another page. */
static const char *damage(uint8_t *bytes, const uint8_t *other, uint32_t size_bytes, uint64_t *rng)
{
	uint32_t at = (uint32_t)(check_random(rng) % (size_bytes - 1)) + 1;

	switch (check_random(rng) % 5) {
	case 0:
		bytes[at] ^= (uint8_t)(1 << check_random(rng) % 8);
		return "a changed bit";
	case 1:
		memcpy(bytes, other, at);
		return "a torn page, of which the front is old";
	case 2:
		memcpy(bytes + at, other + at, size_bytes - at);
		return "a torn page, of which the back is old";
	case 3:
		memcpy(bytes, other, size_bytes);
		return "an old version, or another page";
	default:
		memset(bytes, 0, size_bytes);
		return "zeros";
	}
}

START_TEST(random_faults_are_found)
{
	static _Alignas(8) uint8_t good[LARGEST], bytes[LARGEST], other[LARGEST];
	uint64_t rng = check_seed();

	for (unsigned round = 0; round < 200; round++) {
		uint32_t size_bytes = PAGE << check_random(&rng) % 8;
		uint64_t seed = check_random(&rng);
		struct page_ref r = {.pgno = (pgno_t)check_random(&rng)}, older;

		r.gen = check_random(&rng);
		older = r;
		if (check_random(&rng) % 2)
			older.gen -= 1 + check_random(&rng) % 9;
		else
			older.pgno ^= (pgno_t)(1 + check_random(&rng) % 9);
		make(good, size_bytes, r, seed, &rng);
		make(other, size_bytes, older, seed, &rng);
		ck_assert_int_eq(page_verify((struct page *)good, size_bytes, r, seed), 0);
		for (unsigned i = 0; i < 20; i++) {
			const char *what;

			memcpy(bytes, good, size_bytes);
			what = damage(bytes, other, size_bytes, &rng);
			if (memcmp(bytes, good, size_bytes) == 0)
				continue; /* what was the same is no fault */
			ck_assert_msg(page_verify((struct page *)bytes, size_bytes, r, seed) ==
					      VERSO_ECORRUPT,
				"page_verify() has not seen %s, in a page of %u bytes", what,
				size_bytes);
		}
	}
}
END_TEST

START_TEST(seed_is_the_hash_of_the_files_name)
{
	static const uint8_t uuid[17] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
	uint64_t found = page_seed(uuid), expected = hash_by_hand(uuid, 16, 0);

	ck_assert_msg(found == expected,
		"page_seed() is %016llx, expected %016llx (it hashed %zu bytes with the seed %llx)",
		(unsigned long long)found, (unsigned long long)expected, hashed.len_bytes,
		(unsigned long long)hashed.seed);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lab0_pages");
	TCase *t = tcase_create("pages");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, hash_anew, NULL);
	tcase_add_test(t, sizes_from_512_to_65536_are_valid);
	tcase_add_test(t, sizes_that_are_no_power_of_two_are_refused);
	tcase_add_test(t, sizes_that_are_too_small_or_too_large_are_refused);
	tcase_add_test(t, header_has_its_numbers_in_little_endian);
	tcase_add_test(t, header_of_a_used_buffer_is_wiped);
	tcase_add_test(t, init_leaves_what_is_behind_the_header);
	tcase_add_test(t, all_bytes_behind_the_checksum_are_hashed);
	tcase_add_test(t, checksum_is_never_zero);
	tcase_add_test(t, checksum_stands_in_the_first_eight_bytes);
	tcase_add_test(t, scratch_is_wiped_before_the_checksum);
	tcase_add_test(t, sealed_page_is_good);
	tcase_add_test(t, page_that_was_never_sealed_is_refused);
	tcase_add_test(t, page_with_a_changed_byte_is_refused);
	tcase_add_test(t, page_of_another_number_is_refused);
	tcase_add_test(t, page_of_another_generation_is_refused);
	tcase_add_test(t, checksum_is_looked_at_before_the_header);
	tcase_add_test(t, page_of_an_unknown_type_is_refused);
	tcase_add_test(t, random_faults_are_found);
	tcase_add_test(t, seed_is_the_hash_of_the_files_name);
	suite_add_tcase(s, t);
	return check_main(s);
}
