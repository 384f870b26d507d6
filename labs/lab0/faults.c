/* SPDX-License-Identifier: MIT */
/*
 * The experiment: 10,000 faults of a disk against four ways of looking at what was read. A fault
 * that a way does not see is a page that is taken for good, and is none.
 *
 *	faults [SEED]	the table; faults.py draws it
 *	faults P3	the choice of predict.toml that came of it
 *
 * Nothing here knows how a checksum is made: page_verify() is asked in each case, for the reference
 * that this way of looking has. Without a page number, or a generation, the page's own is believed.
 */
#include "pager/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE   4096U
#define SECTOR 512U
#define N_EACH 2000U
#define SEED   UINT64_C(0x0ddba11)

enum fault { BIT, TORN, OLD, OTHER, ZEROS, N_FAULTS };
enum way { NOTHING, SUM, SUM_PGNO, SUM_PGNO_GEN, N_WAYS };

static const char *const fault_names[N_FAULTS] = {
	"bit", "torn half", "old version", "bytes of another page", "zeros"};
static const char *const way_names[N_WAYS] = {"nothing", "sum", "sum+pgno", "sum+pgno+gen"};

static _Alignas(8) uint8_t good[PAGE], old[PAGE], other[PAGE], found[PAGE];

static uint64_t draw(uint64_t *state)
{
	uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static void make(uint8_t *to, struct page_ref ref, uint64_t *rng)
{
	for (unsigned i = 0; i < PAGE; i += 8)
		le64_set(to + i, draw(rng));
	page_init((struct page *)to, ref, PAGE_NODE, 0, 1);
	page_seal((struct page *)to, PAGE, SEED);
}

/* What a read returns after the fault. */
static void damage(enum fault fault, uint64_t *rng)
{
	unsigned at;

	memcpy(found, good, PAGE);
	switch (fault) {
	case BIT:
		at = (unsigned)(draw(rng) % (PAGE * 8));
		found[at / 8] ^= (uint8_t)(1 << at % 8);
		break;
	case TORN: /* the power was cut: the first sectors are new, the others still old */
		at = SECTOR * (1 + (unsigned)(draw(rng) % (PAGE / SECTOR - 1)));
		memcpy(found + at, old + at, PAGE - at);
		break;
	case OLD: /* the disk said that it had written, and had not */
		memcpy(found, old, PAGE);
		break;
	case OTHER: /* another page was written here, or this one was read there */
		memcpy(found, other, PAGE);
		break;
	default:
		memset(found, 0, PAGE);
	}
}

static bool takes_for_good(enum way way, struct page_ref ref)
{
	const struct page *page = (const struct page *)found;

	if (way == NOTHING)
		return true;
	if (way < SUM_PGNO)
		ref.pgno = page_ref(page).pgno;
	if (way < SUM_PGNO_GEN)
		ref.gen = page_ref(page).gen;
	return page_verify(page, PAGE, ref, SEED) == 0;
}

static void run(uint64_t rng, unsigned table[N_FAULTS][N_WAYS])
{
	for (unsigned i = 0; i < N_EACH; i++) {
		struct page_ref ref = {.pgno = 1 + (pgno_t)(draw(&rng) % 1000000)};

		ref.gen = 2 + draw(&rng) % 1000000;
		make(old, (struct page_ref){ref.pgno, ref.gen - 1}, &rng);
		make(other, (struct page_ref){ref.pgno + 1, ref.gen}, &rng);
		make(good, ref, &rng);
		for (unsigned fault = 0; fault < N_FAULTS; fault++) {
			damage((enum fault)fault, &rng);
			for (unsigned way = 0; way < N_WAYS; way++)
				table[fault][way] += takes_for_good((enum way)way, ref);
		}
	}
}

static void print(unsigned table[N_FAULTS][N_WAYS])
{
	printf("%-24s", "taken for good");
	for (unsigned way = 0; way < N_WAYS; way++)
		printf("%14s", way_names[way]);
	for (unsigned fault = 0; fault < N_FAULTS; fault++) {
		printf("\n%-24s", fault_names[fault]);
		for (unsigned way = 0; way < N_WAYS; way++)
			printf("%14u", table[fault][way]);
	}
	printf("\n%-24s", "of 10000 faults");
	for (unsigned way = 0; way < N_WAYS; way++) {
		unsigned n = 0;

		for (unsigned fault = 0; fault < N_FAULTS; fault++)
			n += table[fault][way];
		printf("%14u", n);
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	bool is_question = argc > 1 && strcmp(argv[1], "P3") == 0;
	unsigned table[N_FAULTS][N_WAYS] = {{0}};

	run(argc > 1 && !is_question ? strtoull(argv[1], NULL, 10) : 1, table);
	if (!is_question) {
		print(table);
		return EXIT_SUCCESS;
	}
	if (table[OLD][SUM_PGNO] == N_EACH)
		printf("none of them\n");
	else
		printf("%s\n", table[OLD][SUM_PGNO] == 0 ? "all of them" : "some of them");
	return EXIT_SUCCESS;
}
