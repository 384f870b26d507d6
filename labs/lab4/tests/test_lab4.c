/* SPDX-License-Identifier: MIT */
/*
 * The student's map, step by step (A), and its safety (S): a child does it the naive way, and then
 * by the pager. The other hazards are in test_lab4_hazards.c.
 */
#include "labs/lab4/tests/map_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t n_verified(struct world *w)
{
	struct pager_stats stats;

	pager_stats(w->pager, &stats);
	return stats.n_misses;
}

/*
 * A: the pager
 */

START_TEST(page_is_verified_once_and_then_known)
{
	struct world w;

	map_open_world(&w, 16);
	for (int i = 0; i < 3; i++) {
		map_visit(&w, 7);
		map_visit(&w, 8);
	}
	ck_assert_uint_eq(n_verified(&w), 2);
	map_close_world(&w);
}
END_TEST

START_TEST(damaged_page_is_an_error_each_time)
{
	static const char bad = 'x';
	struct world w;

	map_open_world(&w, 16);
	ck_assert_int_eq(file_write(w.file, &bad, 1, 7 * PAGE_BYTES + 1000), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(map_try_get(&w, ref_of(7)), VERSO_ECORRUPT);
	map_put_page(&w, ref_of(7));
	map_visit(&w, 7);
	map_close_world(&w);
}
END_TEST

START_TEST(another_generation_is_another_page)
{
	const struct page_ref second = {7, 2}, none = {0, 0};
	struct world w;

	map_open_world(&w, 16);
	map_visit(&w, 7);
	ck_assert_int_eq(map_try_get(&w, second), VERSO_ECORRUPT);
	map_put_page(&w, second);
	/* The word still says 1, as a late reader may have written it. The header does not. */
	ck_assert_int_eq(map_try_get(&w, ref_of(7)), VERSO_ECORRUPT);
	ck_assert_int_eq(map_try_get(&w, second), 0);
	ck_assert_int_eq(map_try_get(&w, ref_of(7)), VERSO_ECORRUPT);
	ck_assert_int_eq(map_try_get(&w, second), 0);
	/* A word of 0 means that nothing is known, and no page of zeros is a page. */
	ck_assert_int_eq(file_write(w.file, check_alloc(PAGE_BYTES), PAGE_BYTES, 0), 0);
	ck_assert_int_eq(map_try_get(&w, none), VERSO_ECORRUPT);
	map_close_world(&w);
}
END_TEST

START_TEST(dropped_page_is_verified_again)
{
	struct world w;

	map_open_world(&w, 16);
	for (pgno_t pgno = 5; pgno < 9; pgno++)
		map_visit(&w, pgno);
	pager_drop(w.pager, 6, 2);
	for (pgno_t pgno = 5; pgno < 9; pgno++)
		map_visit(&w, pgno);
	ck_assert_uint_eq(n_verified(&w), 4 + 2);
	pager_drop(w.pager, 8, UINT32_MAX); /* more numbers than there are words */
	map_visit(&w, 7);
	map_visit(&w, 8);
	ck_assert_uint_eq(n_verified(&w), 4 + 2 + 1);
	map_close_world(&w);
}
END_TEST

START_TEST(page_lies_where_its_number_says)
{
	const struct page *first, *second;
	struct world w;

	map_open_world(&w, 16);
	first = map_get(&w, 7);
	second = map_get(&w, 8);
	ck_assert_int_eq((const uint8_t *)second - (const uint8_t *)first, PAGE_BYTES);
	ck_assert_int_eq(pager_resize(w.pager, 2048), 0);
	ck_assert_ptr_eq(map_get(&w, 7), first);
	map_close_world(&w);
}
END_TEST

START_TEST(map_ends_where_the_file_ends)
{
	struct world w;

	map_open_world(&w, 16);
	ck_assert_int_eq(map_try_get(&w, ref_of(16)), VERSO_ECORRUPT);
	ck_assert_int_eq(pager_resize(w.pager, 1000), 0);
	map_put_page(&w, ref_of(999));
	map_visit(&w, 999);
	ck_assert_int_eq(pager_resize(w.pager, 16), 0);
	ck_assert_int_eq(map_try_get(&w, ref_of(999)), VERSO_ECORRUPT);
	ck_assert_int_eq(pager_resize(w.pager, 1000), 0);
	ck_assert_int_eq(map_try_get(&w, ref_of(999)), VERSO_ECORRUPT); /* zeros now */
	map_visit(&w, 15);
	/* Somebody else makes the file longer: not this map. */
	ck_assert_int_eq(file_truncate(w.file, 2000 * PAGE_BYTES), 0);
	map_put_page(&w, ref_of(1500));
	ck_assert_int_eq(map_try_get(&w, ref_of(1500)), VERSO_ECORRUPT);
	map_close_world(&w);
}
END_TEST

START_TEST(any_number_of_pages_may_be_pinned)
{
	static const struct page *pages[N_PAGES];
	struct world w;

	map_open_world(&w, N_PAGES);
	for (pgno_t pgno = 0; pgno < N_PAGES; pgno++)
		pages[pgno] = map_get(&w, pgno);
	map_visit(&w, 7);
	for (pgno_t pgno = 0; pgno < N_PAGES; pgno++) {
		ck_assert_uint_eq(pages[pgno]->payload[0], (uint8_t)pgno);
		pager_put(w.pager, pages[pgno]);
	}
	map_close_world(&w);
}
END_TEST

/*
 * A stream of gets, drops, changes of length, and of pages that are written anew or damaged, drawn
 * by seed, beside a model: what the file has at each number, and what is known of it.
 */

#define STREAM_PAGES 48U
#define STREAM_STEPS 2000

struct model {
	gen_t there[STREAM_PAGES]; /* the generation in the header of what lies there */
	gen_t good[STREAM_PAGES];  /* the same, when the page is whole; else 0 */
	gen_t known[STREAM_PAGES]; /* verified there since the last drop; 0: nothing was */
	pgno_t n_pages;
	uint64_t n_verified;
};

static void model_get(struct model *m, struct world *w, struct page_ref ref)
{
	gen_t good = ref.pgno < m->n_pages ? m->good[ref.pgno] : 0;
	int expected = good != 0 && good == ref.gen ? 0 : VERSO_ECORRUPT;
	int rc = map_try_get(w, ref);

	ck_assert_msg(rc == expected,
		"a get of page %u in generation %llu returned %d, expected %d: the file has %u "
		"pages, and there generation %llu",
		ref.pgno, (unsigned long long)ref.gen, rc, expected, m->n_pages,
		(unsigned long long)good);
	if (rc == 0 && m->known[ref.pgno] != ref.gen) {
		m->known[ref.pgno] = ref.gen;
		m->n_verified++;
	}
	ck_assert_msg(n_verified(w) == m->n_verified,
		"after a get of page %u in generation %llu %llu pages were verified, expected %llu",
		ref.pgno, (unsigned long long)ref.gen, (unsigned long long)n_verified(w),
		(unsigned long long)m->n_verified);
}

static void model_drop(struct model *m, struct world *w, pgno_t pgno, uint32_t n_pages)
{
	pager_drop(w->pager, pgno, n_pages);
	for (uint32_t i = 0; i < n_pages && pgno + i < STREAM_PAGES; i++)
		m->known[pgno + i] = 0;
}

static void model_resize(struct model *m, struct world *w, pgno_t n_pages)
{
	ck_assert_int_eq(pager_resize(w->pager, n_pages), 0);
	for (pgno_t pgno = n_pages; pgno < m->n_pages; pgno++)
		m->there[pgno] = m->good[pgno] = m->known[pgno] = 0;
	m->n_pages = n_pages;
}

/* Another page, or damage (gen 0), at a number that is in the file. */
static void model_write(struct model *m, struct world *w, pgno_t pgno, gen_t gen)
{
	static const char bad = 'x';

	model_drop(m, w, pgno, 1);
	if (gen != 0)
		map_put_page(w, (struct page_ref){pgno, gen});
	else
		ck_assert_int_eq(file_write(w->file, &bad, 1, pgno * PAGE_BYTES + 1000), 0);
	m->there[pgno] = gen != 0 ? gen : m->there[pgno];
	m->good[pgno] = gen;
	model_drop(m, w, pgno, 1);
}

START_TEST(stream_of_gets_agrees_with_a_model)
{
	uint64_t rng = check_seed();
	struct model m = {.n_pages = 16};
	struct world w;

	map_open_world(&w, m.n_pages);
	for (pgno_t pgno = 0; pgno < m.n_pages; pgno++)
		m.there[pgno] = m.good[pgno] = 1;
	for (unsigned step = 0; step < STREAM_STEPS; step++) {
		pgno_t pgno = (pgno_t)(check_random(&rng) % STREAM_PAGES);
		uint64_t r = check_random(&rng);
		gen_t gen = m.there[pgno] ? m.there[pgno] : 1;

		if (r % 100 < 3)
			model_resize(&m, &w, 4 + (pgno_t)(r >> 8) % (STREAM_PAGES - 4));
		else if (r % 100 < 10)
			model_drop(&m, &w, pgno,
				r >> 32 & 1 ? UINT32_MAX : 1 + (uint32_t)(r >> 40) % 8);
		else if (r % 100 < 40 && pgno < m.n_pages)
			model_write(&m, &w, pgno, r >> 32 & 7 ? 2 + step : 0);
		else
			model_get(&m, &w, (struct page_ref){pgno, r >> 32 & 3 ? gen : gen - 1});
	}
	map_close_world(&w);
}
END_TEST

/* What the file has at the payload of a page, as another process reads it. */
static const char *in_file(const struct world *w, pgno_t pgno)
{
	static char text[sizeof(LINE)];
	int fd = open(w->path, O_RDONLY | O_CLOEXEC);
	off_t at = (off_t)pgno * PAGE_BYTES + PAGE_HEADER_BYTES;

	ck_assert_int_eq(pread(fd, text, sizeof(text), at), (ssize_t)sizeof(text));
	(void)close(fd);
	text[sizeof(text) - 1] = '\0';
	return text;
}

/*
 * S: safety
 */

static void change_in_place(struct world *w)
{
	uint8_t *at = raw_map(w, PROT_READ | PROT_WRITE, MAP_SHARED, 16 * PAGE_BYTES);

	memcpy(at + 7 * PAGE_BYTES + PAGE_HEADER_BYTES, LINE, sizeof(LINE));
	(void)raise(SIGKILL);
}

static void change_by_pager(struct world *w)
{
	struct page *page;

	if (map_open(&w->io, w->file, PAGER_CHECKSUM_ONCE, &w->pager) < 0)
		_exit(1);
	page = pager_fresh(w->pager, (struct page_ref){7, 2});
	memcpy(page->payload, LINE, sizeof(LINE));
	(void)raise(SIGKILL);
}

START_TEST(killed_transaction_leaves_nothing_in_the_file)
{
	struct world w;

	map_make_file(&w, 16);
	ck_assert_int_eq(ended_by(change_in_place, &w), SIGKILL);
	ck_assert_str_eq(in_file(&w, 7), LINE); /* the hazard: nobody has committed that */
	map_put_page(&w, ref_of(7));
	ck_assert_int_eq(ended_by(change_by_pager, &w), SIGKILL);
	ck_assert_str_ne(in_file(&w, 7), LINE);
	map_attach(&w);
	map_visit(&w, 7);
	map_close_world(&w);
}
END_TEST

/* A wild pointer: here it is one to a page that was got to be read. */
static void stray_in_place(struct world *w)
{
	uint8_t *at = raw_map(w, PROT_READ | PROT_WRITE, MAP_SHARED, 16 * PAGE_BYTES);

	memcpy(at + 7 * PAGE_BYTES + PAGE_HEADER_BYTES, LINE, sizeof(LINE));
}

static _Atomic int *n_reached; /* how far the child has come; shared with it */

static void stray_by_pager(struct world *w)
{
	const struct page *page;

	if (map_open(&w->io, w->file, PAGER_CHECKSUM_ONCE, &w->pager) < 0 ||
		guard_open(&w->pager->guards, &w->guard) < 0 ||
		pager_get(w->pager, w->guard, ref_of(7), &page) != 0 || page->payload[0] != 7)
		_exit(1);
	*n_reached = 1;
	memcpy((uint8_t *)(uintptr_t)page->payload, LINE, sizeof(LINE));
}

START_TEST(stray_store_ends_the_process_and_not_the_data)
{
	struct world w;
	int how;

	map_make_file(&w, 16);
	ck_assert_int_eq(ended_by(stray_in_place, &w), 0);
	ck_assert_str_eq(in_file(&w, 7), LINE); /* the hazard: and nobody has noticed */
	map_put_page(&w, ref_of(7));
	n_reached = shared_number();
	how = ended_by(stray_by_pager, &w);
	ck_assert_msg(*n_reached == 1,
		"the process was ended by the get of page 7 (signal %d), before any stray store",
		how);
	ck_assert_msg(strcmp(in_file(&w, 7), LINE) != 0,
		"a store through a page that was got to be read is in the file");
	ck_assert_msg(how == SIGSEGV,
		"a store into a page that was got to be read went through unnoticed (signal %d), "
		"expected SIGSEGV (%d)",
		how, SIGSEGV);
	file_close(w.file);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lab4");
	TCase *tc = tcase_create("map");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, NULL, check_free);
	tcase_add_test(tc, page_is_verified_once_and_then_known);
	tcase_add_test(tc, damaged_page_is_an_error_each_time);
	tcase_add_test(tc, another_generation_is_another_page);
	tcase_add_test(tc, dropped_page_is_verified_again);
	tcase_add_test(tc, page_lies_where_its_number_says);
	tcase_add_test(tc, map_ends_where_the_file_ends);
	tcase_add_test(tc, any_number_of_pages_may_be_pinned);
	tcase_add_test(tc, stream_of_gets_agrees_with_a_model);
	tcase_add_test(tc, killed_transaction_leaves_nothing_in_the_file);
	tcase_add_test(tc, stray_store_ends_the_process_and_not_the_data);
	hazards_add(tc);
	suite_add_tcase(s, tc);
	return check_main(s);
}
