/* SPDX-License-Identifier: MIT */
/*
 * The simulated disk: its images as such.
 */
#include "tests/sim_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- images ---------------------------------------------------------------------- */

START_TEST(an_image_is_a_disk_that_can_crash_again)
{
	struct simwalk *second;
	struct simdisk *img;
	struct file *f;
	uint8_t buf[S];
	unsigned seen = 0;

	setup_disk(NULL, 2);
	put(0, 1, 'b');
	walk_to_end();
	img = simwalk_image(walk, (struct sim_choice){SIM_APPLIED, 0}, true, NULL);
	f = open_on(img, "f", 0);
	memset(buf, 'c', S);
	ck_assert_int_eq(file_write(f, buf, S, S), 0);
	file_close(f);
	second = simwalk_new(img);
	/* before the write of the second life: what the first crash left is durable */
	ck_assert_str_eq(word_of(simwalk_image(second, (struct sim_choice){SIM_RANDOM, 1}, false,
					 NULL),
				 "f"),
		"ba");
	simwalk_to(second, simdisk_events(img));
	for (unsigned i = 0; i < 20; i++) {
		const char *word = word_of(simwalk_image(second, (struct sim_choice){SIM_RANDOM, i},
						   false, NULL),
			"f");

		ck_assert(strcmp(word, "ba") == 0 || strcmp(word, "bc") == 0);
		seen |= 1U << (word[1] == 'c');
	}
	ck_assert_uint_eq(seen, 3);
	simwalk_free(second);
	/* and the first walk's next image knows nothing of it */
	ck_assert_str_eq(image_word((struct sim_choice){SIM_LOST, 0}), "aa");
	teardown_disk();
}
END_TEST

static struct sim_choice choice_of(unsigned i)
{
	if (i < simwalk_structured(walk))
		return simwalk_structured_nth(walk, i);
	return (struct sim_choice){(enum sim_choice_kind)(SIM_OPS + i % 6), i};
}

/* A second life that dirties the image, so that the next one must be restored. */
static void scribble(struct simdisk *img, uint64_t *rng)
{
	uint64_t size;
	struct file *f;

	if (!simdisk_bytes(img, "f", &size))
		return;
	f = open_on(img, "f", 0);
	for (unsigned i = 0; i < 3; i++) {
		uint8_t buf[3 * S];

		memset(buf, 'Z', sizeof(buf));
		ck_assert_int_eq(file_write(f, buf, sizeof(buf), S * (check_random(rng) % 30)), 0);
	}
	if (check_random(rng) % 4 == 0)
		ck_assert_int_eq(file_truncate(f, S * (check_random(rng) % 20)), 0);
	file_close(f);
	f = open_on(img, "more", FILE_CREATE);
	ck_assert_int_eq(file_write(f, "more", 4, 0), 0);
	file_close(f);
}

/* One random call on the file, and on an independent account of what each sector may hold. */
struct account {
	unsigned n_sectors;
	char may[32][40]; /* letters that the sector may hold at a crash */
	char now[32];
};

static void account_allow(struct account *a, unsigned s, char c)
{
	size_t n = strlen(a->may[s]);

	if (!strchr(a->may[s], c)) {
		a->may[s][n] = c;
		a->may[s][n + 1] = 0;
	}
}

static void random_call(struct account *a, uint64_t *rng)
{
	unsigned at = (unsigned)(check_random(rng) % a->n_sectors);
	unsigned n = 1 + (unsigned)(check_random(rng) % 4);
	char c = (char)('b' + check_random(rng) % 20);

	if (check_random(rng) % 8 == 0) {
		ck_assert_int_eq(file_sync(file), 0);
		for (unsigned s = 0; s < a->n_sectors; s++) {
			a->may[s][0] = a->now[s];
			a->may[s][1] = 0;
		}
		return;
	}
	if (n > a->n_sectors - at)
		n = a->n_sectors - at;
	put(at, n, c);
	for (unsigned s = at; s < at + n; s++) {
		account_allow(a, s, c);
		a->now[s] = c;
	}
}

START_TEST(no_image_breaks_an_independent_account)
{
	uint64_t rng = check_seed();

	for (unsigned round = 0; round < 20; round++) {
		struct account a = {.n_sectors = 16};

		setup_disk(NULL, 16);
		walk = simwalk_new(disk);
		for (unsigned s = 0; s < 16; s++) {
			a.now[s] = 'a';
			memcpy(a.may[s], "a", 2);
		}
		for (unsigned n = 0; n < 60; n++) {
			random_call(&a, &rng);
			simwalk_to(walk, simdisk_events(disk));
			for (unsigned i = 0; i < 30; i++) {
				struct sim_choice c =
					choice_of((unsigned)(check_random(&rng) % 200));
				const char *word;

				if (c.kind == SIM_GARBAGE)
					continue;
				word = image_word(c);
				ck_assert_uint_eq(strlen(word), 16);
				for (unsigned s = 0; s < 16; s++)
					ck_assert_msg(strchr(a.may[s], word[s]) != NULL,
						"seed %llu: sector %u is %c, allowed %s",
						(unsigned long long)check_seed(), s, word[s],
						a.may[s]);
				scribble(simwalk_image(walk, c, false, NULL), &rng);
			}
		}
		teardown_disk();
	}
}
END_TEST

/* Random calls that change sizes and names too. */
static void wild_call(uint64_t *rng)
{
	uint64_t r = check_random(rng);

	switch (r % 8) {
	case 0:
		ck_assert_int_eq(file_sync(file), 0);
		break;
	case 1:
		ck_assert_int_eq(file_truncate(file, S * (r / 8 % 24)), 0);
		break;
	case 2:
		ck_assert_int_eq(file_allocate(file, S * (r / 8 % 24), S), 0);
		break;
	default:
		put(r / 8 % 24, 1 + (unsigned)(r / 256 % 3), (char)('b' + r / 4096 % 20));
		break;
	}
}

struct known {
	uint64_t hash;
	uint64_t size;
	uint8_t *bytes;
};

START_TEST(the_hash_is_equal_exactly_when_the_bytes_are)
{
	struct known *known = calloc(20000, sizeof(*known));
	uint64_t rng = check_seed();
	unsigned n_known = 0, n_equal = 0;

	setup_disk(NULL, 4);
	walk = simwalk_new(disk);
	for (unsigned n = 0; n < 120; n++) {
		wild_call(&rng);
		simwalk_to(walk, simdisk_events(disk));
		for (unsigned i = 0; i < 40; i++) {
			struct known k = {0};
			struct simdisk *img = simwalk_image(walk, choice_of(i), false, &k.hash);
			const uint8_t *p = simdisk_bytes(img, "f", &k.size);
			bool equal = false;

			for (unsigned j = 0; j < n_known; j++) {
				bool same = known[j].size == k.size &&
					    memcmp(known[j].bytes, p, k.size) == 0;

				ck_assert_int_eq(same, known[j].hash == k.hash);
				equal = equal || same;
			}
			n_equal += equal;
			if (!equal) {
				k.bytes = malloc(k.size + 1);
				memcpy(k.bytes, p, k.size);
				known[n_known++] = k;
			}
			scribble(img, &rng);
		}
	}
	ck_assert_uint_gt(n_known, 500);
	ck_assert_uint_gt(n_equal, 100);
	for (unsigned j = 0; j < n_known; j++)
		free(known[j].bytes);
	free(known);
	teardown_disk();
}
END_TEST

START_TEST(an_image_made_again_is_the_same_image)
{
	uint64_t rng = check_seed();

	setup_disk(NULL, 4);
	walk = simwalk_new(disk);
	for (unsigned n = 0; n < 60; n++) {
		wild_call(&rng);
		simwalk_to(walk, simdisk_events(disk));
		for (unsigned i = 0; i < 30; i++) {
			uint64_t once, again, size;
			struct simwalk *fresh = simwalk_new(disk);
			struct simdisk *img = simwalk_image(walk, choice_of(i), false, &once);

			scribble(img, &rng);
			simwalk_to(fresh, simdisk_events(disk));
			img = simwalk_image(fresh, choice_of(i), false, &again);
			ck_assert_uint_eq(once, again);
			img = simwalk_image(walk, choice_of(i), false, &again);
			ck_assert_uint_eq(once, again);
			(void)simdisk_bytes(img, "f", &size);
			simwalk_free(fresh);
		}
	}
	teardown_disk();
}
END_TEST

START_TEST(combinations_are_all_states_and_no_other)
{
	bool seen[4096] = {false};
	unsigned n_seen = 0;
	uint64_t n;

	/* sector 0: a b c; sector 1: a b; growth to 3 sectors: size 2 or 3; sector 2: 0 a5 d */
	setup_disk(NULL, 2);
	put(0, 2, 'b');
	put(0, 1, 'c');
	put(2, 1, 'd');
	walk_to_end();
	n = simwalk_combinations(walk);
	ck_assert_uint_lt(n, 4096);
	for (uint64_t i = 0; i < n; i++) {
		const char *word = image_word((struct sim_choice){SIM_COMBINATION, i});
		unsigned id = strlen(word) < 3 ? 0 : word[2] == '0' ? 1 : word[2] == 'd' ? 2 : 3;

		id = (id * 3 + (unsigned)(word[0] - 'a')) * 2 + (unsigned)(word[1] - 'a');
		ck_assert_uint_lt(id, 24);
		n_seen += !seen[id];
		seen[id] = true;
	}
	ck_assert_uint_eq(n_seen, 24);
	teardown_disk();
}
END_TEST

START_TEST(the_log_is_a_function_of_calls_and_seed)
{
	uint64_t hash[2];

	for (unsigned i = 0; i < 2; i++) {
		struct simdisk_options opts = {.seed = 7, .split_one_in = 3};
		uint64_t rng = 5;

		setup_disk(&opts, 4);
		for (unsigned n = 0; n < 50; n++)
			wild_call(&rng);
		walk_to_end();
		(void)simwalk_image(walk, (struct sim_choice){SIM_RANDOM, 3}, false, &hash[i]);
		teardown_disk();
	}
	ck_assert_uint_eq(hash[0], hash[1]);
}
END_TEST

START_TEST(choices_are_read_as_they_are_printed)
{
	for (unsigned k = 0; k < SIM_CHOICES; k++) {
		struct sim_choice c = {(enum sim_choice_kind)k, 17 * k}, back;
		char buf[48];

		ck_assert(sim_choice_parse(sim_choice_print(buf, c), &back));
		ck_assert_uint_eq(back.kind, c.kind);
		ck_assert_uint_eq(back.n, c.n);
	}
	ck_assert(!sim_choice_parse("nothing", &(struct sim_choice){0}));
	ck_assert(!sim_choice_parse("nothing:3", &(struct sim_choice){0}));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("simdisk_images");
	TCase *t = tcase_create("simdisk_images");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, an_image_is_a_disk_that_can_crash_again);
	tcase_add_test(t, no_image_breaks_an_independent_account);
	tcase_add_test(t, the_hash_is_equal_exactly_when_the_bytes_are);
	tcase_add_test(t, an_image_made_again_is_the_same_image);
	tcase_add_test(t, combinations_are_all_states_and_no_other);
	tcase_add_test(t, the_log_is_a_function_of_calls_and_seed);
	tcase_add_test(t, choices_are_read_as_they_are_printed);
	suite_add_tcase(s, t);
	return check_main(s);
}
