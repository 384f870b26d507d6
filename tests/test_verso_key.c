/* SPDX-License-Identifier: MIT */
/* verso_key.h: keys sort as what they were made of, and give it back. */
#include "tests/api.h"
#include "verso_key.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_PAIRS 200000

static int sign(int c)
{
	return (c > 0) - (c < 0);
}

static int compare_keys(struct verso_val a, struct verso_val b)
{
	int c = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

	return c ? sign(c) : (a.len > b.len) - (a.len < b.len);
}

/* Numbers near each other, near the ends, and anywhere. */
static uint64_t draw(uint64_t *rng)
{
	static const uint64_t ends[] = {
		0, 1, 127, 128, 255, 256, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX};
	uint64_t x = check_random(rng);

	switch (x % 3) {
	case 0:
		return ends[(x >> 8) % 10] + (x >> 16) % 5 - 2;
	case 1:
		return (x >> 8) % 1000;
	default:
		return check_random(rng);
	}
}

#define CHECK_INTEGER(type, kind)                                                                  \
	do {                                                                                       \
		type a = (type)draw(&rng), b = (type)draw(&rng), back = 0;                         \
		uint8_t bufs[2][16];                                                               \
		struct verso_key ka = verso_key_begin(bufs[0], 16);                                \
		struct verso_key kb = verso_key_begin(bufs[1], 16);                                \
		struct verso_key_reader r;                                                         \
                                                                                                   \
		verso_key_add_##kind(&ka, a);                                                      \
		verso_key_add_##kind(&kb, b);                                                      \
		ck_assert_int_eq(compare_keys(verso_key_val(&ka), verso_key_val(&kb)),             \
			(a > b) - (a < b));                                                        \
		r = verso_key_read(verso_key_val(&ka));                                            \
		verso_key_get_##kind(&r, &back);                                                   \
		ck_assert(verso_key_is_read(&r));                                                  \
		ck_assert(back == a);                                                              \
	} while (0)

START_TEST(integers_sort_by_their_value)
{
	uint64_t rng = check_seed() * 31 + 1;

	for (unsigned i = 0; i < N_PAIRS; i++) {
		CHECK_INTEGER(uint8_t, u8);
		CHECK_INTEGER(uint16_t, u16);
		CHECK_INTEGER(uint32_t, u32);
		CHECK_INTEGER(uint64_t, u64);
		CHECK_INTEGER(int32_t, i32);
		CHECK_INTEGER(int64_t, i64);
	}
}
END_TEST

static double draw_double(uint64_t *rng)
{
	static const double some[] = {
		0, -0.0, 1, -1, 0.5, 1e300, -1e300, 5e-324, -5e-324, INFINITY, -INFINITY};
	uint64_t x = check_random(rng);
	double d;

	if (x % 3 == 0)
		return some[(x >> 8) % 11];
	if (x % 3 == 1)
		return (double)(int64_t)(x >> 32) - 1e9;
	x = check_random(rng);
	memcpy(&d, &x, sizeof(d));
	return d;
}

static struct verso_val key_of_double(double d, uint8_t buf[8])
{
	struct verso_key k = verso_key_begin(buf, 8);

	verso_key_add_double(&k, d);
	return verso_key_val(&k);
}

START_TEST(doubles_sort_by_their_value_and_what_is_no_number_comes_last)
{
	uint64_t rng = check_seed() * 31 + 2;

	for (unsigned i = 0; i < N_PAIRS; i++) {
		double a = draw_double(&rng), b = draw_double(&rng), back = 7;
		uint8_t bufs[2][8];
		struct verso_val ka = key_of_double(a, bufs[0]), kb = key_of_double(b, bufs[1]);
		struct verso_key_reader r = verso_key_read(ka);
		int expected = (a > b) - (a < b);

		if (isnan(a) || isnan(b))
			expected = !!isnan(a) - !!isnan(b);
		ck_assert_int_eq(compare_keys(ka, kb), expected);
		verso_key_get_double(&r, &back);
		ck_assert(verso_key_is_read(&r));
		ck_assert(isnan(a) ? isnan(back) : back == a);
	}
}
END_TEST

struct person {
	uint8_t name[12];
	size_t name_len;
	int64_t year;
	uint8_t tail[6];
	size_t tail_len;
};

static void draw_person(uint64_t *rng, struct person *p)
{
	static const uint8_t bytes[] = {0, 1, 'a', 254, 255};

	p->name_len = check_random(rng) % 5;
	p->tail_len = check_random(rng) % 4;
	for (size_t i = 0; i < sizeof(p->name); i++)
		p->name[i] = bytes[check_random(rng) % 5];
	for (size_t i = 0; i < sizeof(p->tail); i++)
		p->tail[i] = bytes[check_random(rng) % 5];
	p->year = (int64_t)(check_random(rng) % 5) - 2;
}

static int compare_bytes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	return compare_keys((struct verso_val){a, a_len}, (struct verso_val){b, b_len});
}

static int compare_people(const struct person *a, const struct person *b)
{
	int c = compare_bytes(a->name, a->name_len, b->name, b->name_len);

	if (c == 0)
		c = (a->year > b->year) - (a->year < b->year);
	return c ? c : compare_bytes(a->tail, a->tail_len, b->tail, b->tail_len);
}

static struct verso_val key_of_person(const struct person *p, uint8_t buf[64])
{
	struct verso_key k = verso_key_begin(buf, 64);

	verso_key_add_bytes(&k, p->name, p->name_len);
	verso_key_add_i64(&k, p->year);
	verso_key_add_raw(&k, p->tail, p->tail_len);
	return verso_key_val(&k);
}

START_TEST(composite_keys_sort_part_by_part)
{
	uint64_t rng = check_seed() * 31 + 3;

	for (unsigned i = 0; i < N_PAIRS; i++) {
		struct person a, b;
		uint8_t bufs[2][64], name[12];
		struct verso_val ka, kb, tail;
		struct verso_key_reader r;
		size_t len;
		int64_t year;

		draw_person(&rng, &a);
		draw_person(&rng, &b);
		ka = key_of_person(&a, bufs[0]);
		kb = key_of_person(&b, bufs[1]);
		ck_assert_int_eq(compare_keys(ka, kb), compare_people(&a, &b));
		r = verso_key_read(ka);
		verso_key_get_bytes(&r, name, sizeof(name), &len);
		verso_key_get_i64(&r, &year);
		tail = verso_key_get_raw(&r);
		ck_assert(verso_key_is_read(&r));
		ck_assert_int_eq(compare_bytes(name, len, a.name, a.name_len), 0);
		ck_assert(year == a.year);
		ck_assert_int_eq(compare_bytes(tail.data, tail.len, a.tail, a.tail_len), 0);
	}
}
END_TEST

START_TEST(a_key_that_does_not_fit_is_refused)
{
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	uint8_t buf[16];
	struct verso_key k = verso_key_begin(buf, 7);
	volatile size_t huge = SIZE_MAX; /* the compiler shall not see it */

	verso_key_add_u64(&k, 5);
	ck_assert_ptr_null(verso_key_val(&k).data);
	API_IS(verso_put(txn, NULL, verso_key_val(&k), api_val("v"), 0), VERSO_EMISUSE);
	k = verso_key_begin(buf, 8);
	verso_key_add_u64(&k, 5);
	API_OK(verso_put(txn, NULL, verso_key_val(&k), api_val("v"), 0));
	verso_key_add_raw(&k, "x", 1);
	verso_key_add_raw(&k, "x", huge);
	verso_key_add_text(&k, "y");
	API_IS(verso_put(txn, NULL, verso_key_val(&k), api_val("v"), 0), VERSO_EMISUSE);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

/* Any bytes: no call reads beyond them, and the reader says that they are no such key. */
START_TEST(bytes_that_are_no_key_are_found)
{
	uint64_t rng = check_seed() * 31 + 4;

	for (unsigned i = 0; i < N_PAIRS; i++) {
		size_t len = check_random(&rng) % 12, text_len;
		uint8_t *bytes = malloc(len ? len : 1);
		char text[4];
		struct verso_key_reader r;
		uint64_t x = 1;
		double d = 1;

		ck_assert_ptr_nonnull(bytes);
		for (size_t k = 0; k < len; k++)
			bytes[k] = (uint8_t)(check_random(&rng) % 3 ? 0 : check_random(&rng));
		r = verso_key_read((struct verso_val){bytes, len});
		verso_key_get_text(&r, text, sizeof(text));
		ck_assert_uint_lt(strlen(text), sizeof(text));
		verso_key_get_bytes(&r, text, sizeof(text), &text_len);
		verso_key_get_u64(&r, &x);
		verso_key_get_double(&r, &d);
		if (len < 2 + 2 + 8 + 8)
			ck_assert(!verso_key_is_read(&r));
		ck_assert(d == 0);
		free(bytes);
	}
}
END_TEST

/* A secondary index and a prefix scan of it, as the manual shows them. */
START_TEST(an_index_finds_all_records_of_a_value)
{
	static const char *const people[][2] = {
		{"1", "ann"}, {"2", "bob"}, {"3", "ann"}, {"4", "anna"}, {"5", "ann"}, {"6", ""}};
	struct verso *db = api_open(_i, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	struct verso_table *by_name;
	struct verso_cursor *c;
	uint8_t buf[64];
	struct verso_key k;
	struct verso_val key;
	char found[8] = "";

	API_OK(verso_table_open(txn, "by name", VERSO_CREATE, &by_name));
	for (size_t i = 0; i < 6; i++) {
		k = verso_key_begin(buf, sizeof(buf));
		verso_key_add_text(&k, people[i][1]);
		verso_key_add_raw(&k, people[i][0], 1);
		API_OK(verso_put(txn, NULL, api_val(people[i][0]), api_val(people[i][1]), 0));
		API_OK(verso_put(txn, by_name, verso_key_val(&k), api_val(""), 0));
	}
	k = verso_key_begin(buf, sizeof(buf));
	verso_key_add_text(&k, "ann");
	API_OK(verso_cursor_open_range(txn, by_name,
		&(struct verso_range){.from = verso_key_val(&k), .flags = VERSO_PREFIX}, &c));
	while (verso_cursor_next(c, &key, NULL) == 0) {
		struct verso_key_reader r = verso_key_read(key);
		char name[16];

		verso_key_get_text(&r, name, sizeof(name));
		ck_assert_str_eq(name, "ann");
		strncat(found, (const char *)verso_key_get_raw(&r).data, 1);
	}
	ck_assert_str_eq(found, "135");
	verso_cursor_close(c);
	verso_abort(txn);
	verso_close(db);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_key");
	TCase *t = tcase_create("keys");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, integers_sort_by_their_value);
	tcase_add_test(t, doubles_sort_by_their_value_and_what_is_no_number_comes_last);
	tcase_add_test(t, composite_keys_sort_part_by_part);
	tcase_add_loop_test(t, a_key_that_does_not_fit_is_refused, 0, API_PAGERS);
	tcase_add_test(t, bytes_that_are_no_key_are_found);
	tcase_add_loop_test(t, an_index_finds_all_records_of_a_value, 0, API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
