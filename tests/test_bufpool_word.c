/* SPDX-License-Identifier: MIT */
/* The page word, and the tables of legal moves. */
#include "bufpool/word.h"
#include "tests/check_main.h"

START_TEST(parts_of_a_word_come_back_as_they_went_in)
{
	uint64_t w = word_make(WORD_WRITING, UINT32_MAX, WORD_PINS_MAX);

	ck_assert_int_eq(word_state(w), WORD_WRITING);
	ck_assert_uint_eq(word_frame(w), UINT32_MAX);
	ck_assert_uint_eq(word_pins(w), WORD_PINS_MAX);
	ck_assert_uint_eq(word_make(WORD_EMPTY, 0, 0), 0);
	ck_assert_uint_eq(word_make(WORD_CACHED, 5, 7) + 1, word_make(WORD_CACHED, 5, 8));
}
END_TEST

START_TEST(only_the_moves_of_the_diagram_are_legal)
{
	static const bool legal[WORD_STATE_END][WORD_STATE_END] = {
		/* to:            EMPTY LOADING UNNEEDED INACTIVE CACHED FRESH WRITING */
		[WORD_EMPTY] = {false, true, false, false, false, true, false},
		[WORD_LOADING] = {true, false, false, false, true, false, false},
		[WORD_UNNEEDED] = {true, false, false, true, true, false, false},
		[WORD_INACTIVE] = {true, false, true, false, true, false, false},
		[WORD_CACHED] = {true, false, true, true, true, false, false},
		[WORD_FRESH] = {true, false, false, false, false, true, true},
		[WORD_WRITING] = {false, false, false, true, true, true, true},
	};

	for (enum word_state a = 0; a < WORD_STATE_END; a++) {
		for (enum word_state b = 0; b < WORD_STATE_END; b++) {
			uint64_t from = a == WORD_EMPTY ? 0 : word_make(a, 3, 0);
			uint64_t to = b == WORD_EMPTY ? 0 : word_make(b, 3, 0);

			ck_assert_msg(word_move_is_legal(from, to) == legal[a][b], "%d to %d", a,
				b);
		}
	}
}
END_TEST

START_TEST(a_page_never_changes_its_frame_in_one_move)
{
	ck_assert(!word_move_is_legal(word_make(WORD_CACHED, 3, 0), word_make(WORD_CACHED, 4, 0)));
	ck_assert(!word_move_is_legal(word_make(WORD_INACTIVE, 3, 0),
		word_make(WORD_CACHED, 4, 1)));
	ck_assert(word_move_is_legal(0, word_make(WORD_LOADING, 4, 0)));
}
END_TEST

START_TEST(only_pages_that_can_be_seen_have_pins)
{
	ck_assert(!word_move_is_legal(word_make(WORD_CACHED, 3, 1),
		word_make(WORD_INACTIVE, 3, 1)));
	ck_assert(!word_move_is_legal(0, word_make(WORD_LOADING, 3, 1)));
	/* A pinned page that is forgotten leaves its pins to its frame. */
	ck_assert(word_move_is_legal(word_make(WORD_CACHED, 3, 1), 0));
}
END_TEST

START_TEST(move_of_a_word_that_changed_fails_and_returns_it)
{
	_Atomic uint64_t word = word_make(WORD_CACHED, 3, 1);
	uint64_t w = word_make(WORD_CACHED, 3, 0);

	ck_assert(!word_move(&word, &w, word_make(WORD_INACTIVE, 3, 0)));
	ck_assert_uint_eq(w, word_make(WORD_CACHED, 3, 1));
	ck_assert(word_move(&word, &w, w - 1));
	ck_assert_uint_eq(atomic_load(&word), word_make(WORD_CACHED, 3, 0));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bufpool_word");
	TCase *tc = tcase_create("word");

	tcase_add_test(tc, parts_of_a_word_come_back_as_they_went_in);
	tcase_add_test(tc, only_the_moves_of_the_diagram_are_legal);
	tcase_add_test(tc, a_page_never_changes_its_frame_in_one_move);
	tcase_add_test(tc, only_pages_that_can_be_seen_have_pins);
	tcase_add_test(tc, move_of_a_word_that_changed_fails_and_returns_it);
	suite_add_tcase(s, tc);
	return check_main(s);
}
