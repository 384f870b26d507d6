/* SPDX-License-Identifier: MIT */
/* The writer's search for generations that others have locked (txn/read_locks.h). */
#include "tests/check_main.h"
#include "tests/stack_used.h"
#include "txn/read_locks.h"
#include "verso_codes.h"

#define LOCKS_MAX (READ_LOCKS_MAX + 1)

/* A file of which others have bytes locked. It names the one that was locked first, as Linux does
 * where each lock is of another process. */
struct locked_file {
	struct file file; /* first */
	uint64_t at[LOCKS_MAX];
	size_t n, n_calls;
};

static int remember_lock(struct file *f, enum lock_kind kind, uint64_t off_bytes,
	uint64_t len_bytes)
{
	struct locked_file *l = (struct locked_file *)f;

	ck_assert_uint_eq(len_bytes, 1);
	if (kind != LOCK_NONE)
		l->at[l->n++] = off_bytes;
	return 0;
}

static int find_first(struct file *f, enum lock_kind kind, uint64_t off_bytes, uint64_t len_bytes,
	bool *ret_found, uint64_t *ret_off_bytes)
{
	struct locked_file *l = (struct locked_file *)f;

	ck_assert_int_eq(kind, LOCK_EXCLUSIVE);
	ck_assert_uint_gt(len_bytes, 0);
	l->n_calls++;
	*ret_found = false;
	for (size_t i = 0; i < l->n && !*ret_found; i++) {
		*ret_found = l->at[i] >= off_bytes && l->at[i] - off_bytes < len_bytes;
		if (*ret_found)
			*ret_off_bytes = l->at[i];
	}
	return 0;
}

static const struct file_ops locked_ops = {.lock = remember_lock, .find_lock = find_first};

static struct locked_file locked = {.file = {.ops = &locked_ops}};
static struct read_locks others, mine;

static void begin(void)
{
	read_locks_init(&others, &locked.file);
	read_locks_init(&mine, &locked.file);
}

enum order { UP, DOWN, MIXED, ORDERS };

/* Generations 1 to n, at a distance of each other. */
static gen_t nth_gen(size_t i)
{
	return (UINT64_C(3) << 40) + 1 + 7 * i;
}

static void lock_all(enum order order, size_t n)
{
	uint64_t state = check_seed();
	gen_t gens[LOCKS_MAX];

	for (size_t i = 0; i < n; i++)
		gens[i] = nth_gen(order == DOWN ? n - 1 - i : i);
	for (size_t i = n; order == MIXED && i > 1; i--) {
		size_t other = check_random(&state) % i;
		gen_t gen = gens[i - 1];

		gens[i - 1] = gens[other];
		gens[other] = gen;
	}
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(read_locks_take(&others, gens[i]), 0);
}

START_TEST(every_lock_is_found_in_whatever_order_they_came)
{
	static const size_t counts[] = {0, 1, 2, 3, 100, READ_LOCKS_MAX};
	enum order order = (enum order)(_i % ORDERS);
	size_t n_locked = counts[_i / ORDERS], n = 0;
	gen_t gens[READ_LOCKS_MAX];

	begin();
	lock_all(order, n_locked);
	ck_assert_int_eq(read_locks_list(&mine, nth_gen(n_locked), gens, &n), 0);
	ck_assert_uint_eq(n, n_locked);
	for (size_t i = 0; i < n; i++) /* what lies lower is done first */
		ck_assert_uint_eq(gens[i], nth_gen(i));
	ck_assert_uint_eq(locked.n_calls, 2 * n_locked + 1);
}
END_TEST

START_TEST(one_lock_too_many_and_the_lock_of_all_are_refused)
{
	gen_t gens[READ_LOCKS_MAX];
	size_t n = 0;

	begin();
	lock_all((enum order)(_i % ORDERS), READ_LOCKS_MAX + (_i < ORDERS));
	if (_i >= ORDERS) {
		locked.n--;
		ck_assert_int_eq(read_locks_take(&others, READ_ALL), 0);
	}
	ck_assert_int_eq(read_locks_list(&mine, nth_gen(LOCKS_MAX), gens, &n), VERSO_EBUSY);
	ck_assert_uint_eq(n, 0);
}
END_TEST

/* --- what others can do to the stack of a writer ------------------------------------------- */

static void *list(void *arg)
{
	static gen_t gens[READ_LOCKS_MAX];
	size_t n;

	ck_assert_int_eq(read_locks_list(&mine, nth_gen(READ_LOCKS_MAX), gens, &n), 0);
	ck_assert_uint_eq(n, locked.n);
	return arg;
}

START_TEST(a_thousand_locks_need_no_more_stack_than_two)
{
	size_t of_two, of_all;

	begin();
	lock_all(DOWN, 2);
	(void)stack_used(list); /* what is done once is done */
	of_two = stack_used(list);
	locked.n = 0;
	others.n = 0;
	lock_all((enum order)_i, READ_LOCKS_MAX);
	of_all = stack_used(list);
	ck_assert_msg(of_all <= of_two + 4096, "%zu bytes of stack for two locks, %zu for all",
		of_two, of_all);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("read_locks");
	TCase *t = tcase_create("search");

	suite_add_tcase(s, t);
	tcase_set_timeout(t, 30);
	tcase_add_loop_test(t, every_lock_is_found_in_whatever_order_they_came, 0, 6 * ORDERS);
	tcase_add_loop_test(t, one_lock_too_many_and_the_lock_of_all_are_refused, 0, 2 * ORDERS);
	tcase_add_loop_test(t, a_thousand_locks_need_no_more_stack_than_two, 0, ORDERS);
	return check_main(s);
}
