/* SPDX-License-Identifier: MIT */
/* The heap of the mmap pager: the states of a copy, and what becomes of one that is free. */
#include "base/asan.h"
#include "mmap/mmap_int.h"
#include "tests/check_main.h"

#define PAGE_BYTES 4096u

START_TEST(only_the_moves_of_the_diagram_are_legal)
{
	static const bool legal[COPY_STATE_END][COPY_STATE_END] = {
		/* to:           NEW TAKEN RETIRED GONE */
		[COPY_NEW] = {false, true, false, false},
		[COPY_TAKEN] = {false, false, true, false},
		[COPY_RETIRED] = {false, false, false, true},
		[COPY_GONE] = {false, true, false, false},
	};

	for (enum copy_state a = 0; a < COPY_STATE_END; a++)
		for (enum copy_state b = 0; b < COPY_STATE_END; b++)
			ck_assert_msg(copy_move_is_legal(copy_make(a, 0), b) == legal[a][b],
				"%d to %d", a, b);
}
END_TEST

/* A reader that came late may pin in any state, which changes no state; but it delays GONE. */
START_TEST(pins_go_along_but_not_to_gone)
{
	_Atomic uint32_t copy = copy_make(COPY_GONE, 2);
	uint32_t from = copy_make(COPY_GONE, 1);

	ck_assert(!copy_move(&copy, &from, COPY_TAKEN)); /* a pin more than was known */
	ck_assert_uint_eq(from, copy_make(COPY_GONE, 2));
	ck_assert(copy_move(&copy, &from, COPY_TAKEN));
	ck_assert_uint_eq(atomic_load(&copy), copy_make(COPY_TAKEN, 2));
	ck_assert(copy_move_is_legal(copy_make(COPY_TAKEN, 2), COPY_RETIRED));
	ck_assert(!copy_move_is_legal(copy_make(COPY_RETIRED, 1), COPY_GONE));
}
END_TEST

/* M3: no pins, and every guard is of a later epoch. */
START_TEST(a_copy_is_taken_again_after_its_pins_and_guards)
{
	struct guard_domain domain;
	struct guard *guard;
	struct heap h;
	uint32_t i;

	guard_domain_init(&domain);
	ck_assert_int_eq(guard_open(&domain, &guard), 0);
	ck_assert_int_eq(heap_init(&h, &domain, PAGE_BYTES, 8), 0);
	i = heap_take(&h);
	ck_assert_int_eq(heap_pin(&h, i), 0);
	heap_retire(&h, i);
	ck_assert_uint_eq(copy_state(atomic_load(&h.copies[i].state)), COPY_RETIRED);
	ck_assert_uint_ne(heap_take(&h), i);
	guard_enter(guard);
	heap_unpin(&h, i);
	ck_assert_uint_eq(copy_state(atomic_load(&h.copies[i].state)), COPY_GONE);
	ck_assert_uint_ne(heap_take(&h), i);
	guard_leave(guard);
	ck_assert_uint_eq(heap_take(&h), i);
	ck_assert_uint_eq(copy_state(atomic_load(&h.copies[i].state)), COPY_TAKEN);
	for (i = 0; i < h.n_touched; i++)
		heap_retire(&h, i);
	heap_fini(&h);
	guard_close(guard);
	guard_domain_fini(&domain);
}
END_TEST

#if POISON_FREE
static bool is_poisoned(const struct heap *h, uint32_t i)
{
#if HAVE_ASAN
	return __asan_address_is_poisoned(heap_page(h, i));
#else
	return *(const uint8_t *)heap_page(h, i) == POISON_BYTE;
#endif
}
#endif

START_TEST(free_copies_are_poisoned)
{
#if POISON_FREE
	struct guard_domain domain;
	struct heap h;
	uint32_t a, b;

	guard_domain_init(&domain);
	ck_assert_int_eq(heap_init(&h, &domain, PAGE_BYTES, 8), 0);
	a = heap_take(&h);
	b = heap_take(&h);
	memset(heap_page(&h, a), 0, PAGE_BYTES);
	memset(heap_page(&h, b), 0, PAGE_BYTES);
	heap_retire(&h, a);
	ck_assert(!is_poisoned(&h, a)); /* guards may see it */
	heap_retire(&h, b);
	ck_assert_uint_eq(heap_take(&h), b);
	ck_assert(is_poisoned(&h, a));
	memset(heap_page(&h, b), 0, PAGE_BYTES);
	heap_retire(&h, b);
	heap_fini(&h);
	guard_domain_fini(&domain);
#else
	check_skip("free copies are poisoned in the hostile build and under AddressSanitizer");
#endif
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mmap_heap");
	TCase *tc = tcase_create("heap");

	tcase_add_test(tc, only_the_moves_of_the_diagram_are_legal);
	tcase_add_test(tc, pins_go_along_but_not_to_gone);
	tcase_add_test(tc, a_copy_is_taken_again_after_its_pins_and_guards);
	tcase_add_test(tc, free_copies_are_poisoned);
	suite_add_tcase(s, tc);
	return check_main(s);
}
