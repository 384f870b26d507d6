/* SPDX-License-Identifier: MIT */
/* The contract of get, put, peek, prefetch, read_device and the statistics. */
#include "tests/contract/contract_int.h"

#include <stdlib.h>

START_TEST(get_returns_the_page_that_was_written)
{
	struct world w;
	struct page_ref refs[WORLD_PAGES];

	world_open(&w, _i);
	world_add_many(&w, 0, WORLD_PAGES, refs);
	for (unsigned i = 0; i < WORLD_PAGES; i++)
		check_get(&w, refs[i * 37 % WORLD_PAGES]);
	world_close(&w);
}
END_TEST

START_TEST(get_returns_the_page_after_reopening)
{
	struct world w;
	struct page_ref refs[WORLD_PAGES];

	world_open(&w, _i);
	world_add_many(&w, 0, WORLD_PAGES, refs);
	world_reopen(&w);
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < WORLD_PAGES; i++)
			check_get(&w, refs[i * 37 % WORLD_PAGES]);
	world_close(&w);
}
END_TEST

START_TEST(get_finds_fresh_pages)
{
	struct world w;
	struct page_ref ref;
	const struct page *page;
	struct page *own;

	world_open(&w, _i);
	ref = (struct page_ref){7, ++w.gen};
	own = pager_fresh(w.pager, ref);
	page = world_get(&w, ref);
	ck_assert_ptr_eq(page, own);
	pager_put(w.pager, page);
	page_fill(own, w.page_size, ref);
	check_get(&w, ref);
	world_write(&w, &ref, 1);
	check_get(&w, ref);
	world_close(&w);
}
END_TEST

/* P1 */
START_TEST(get_refuses_another_gen)
{
	struct world w;
	struct page_ref ref, newer, older;

	world_open(&w, _i);
	ref = world_add(&w, 3);
	newer = (struct page_ref){3, ref.gen + 1};
	older = (struct page_ref){3, ref.gen - 1};
	for (unsigned round = 0; round < 2; round++) {
		check_absent(&w, newer);
		check_absent(&w, older);
		check_get(&w, ref);
		check_absent(&w, newer);
		ck_assert_ptr_nonnull(strstr(error_text(), "page 3"));
		world_reopen(&w);
	}
	world_close(&w);
}
END_TEST

/* P1: the bytes of one page at the place of another, as a misdirected write leaves them. */
START_TEST(get_refuses_a_page_of_another_number)
{
	struct world w;
	struct page_ref refs[2];
	void *buf;

	world_open(&w, _i);
	world_add_many(&w, 10, 2, refs);
	buf = world_buffer(&w, 1);
	world_read_file(&w, 10, buf);
	world_overwrite(&w, 11, buf);
	world_reopen(&w);
	check_absent(&w, refs[1]);
	check_absent(&w, (struct page_ref){11, refs[0].gen});
	check_get(&w, refs[0]);
	free(buf);
	world_close(&w);
}
END_TEST

START_TEST(get_beyond_the_end_is_corruption)
{
	static const pgno_t beyond[] = {
		WORLD_PAGES, WORLD_PAGES + 1, 1U << 20, 1U << 31, UINT32_MAX - 1, UINT32_MAX};
	struct world w;

	world_open(&w, _i);
	for (unsigned i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
		check_absent(&w, (struct page_ref){beyond[i], 1});
		check_absent(&w, (struct page_ref){beyond[i], 0});
	}
	world_close(&w);
}
END_TEST

START_TEST(pages_of_zeros_and_of_ones_are_refused_under_any_gen)
{
	static const gen_t gens[] = {0, 1, 2, UINT64_C(1) << 40, UINT64_C(1) << 62,
		UINT64_C(1) << 63, (UINT64_C(1) << 63) | 1, UINT64_MAX - 1, UINT64_MAX};
	struct world w;
	uint8_t *ones;

	world_open(&w, _i);
	ones = world_buffer(&w, 1);
	memset(ones, 0xff, w.page_size);
	world_overwrite(&w, 1, ones);
	(void)world_make(&w, 2);
	for (unsigned i = 0; i < sizeof(gens) / sizeof(gens[0]); i++) {
		check_absent(&w, (struct page_ref){0, gens[i]}); /* zeros */
		check_absent(&w, (struct page_ref){1, gens[i]}); /* ones */
		check_absent(&w, (struct page_ref){2, gens[i]}); /* being made */
		check_absent(&w, (struct page_ref){UINT32_MAX, gens[i]});
	}
	pager_drop(w.pager, 2, 1);
	free(ones);
	world_close(&w);
}
END_TEST

START_TEST(rot_is_found_at_load)
{
	struct world w;
	struct page_ref refs[16];
	uint8_t *buf;

	world_open(&w, _i);
	if (w.c->trusting) {
		world_close(&w);
		return;
	}
	world_add_many(&w, 0, 16, refs);
	buf = world_buffer(&w, 1);
	for (pgno_t pgno = 0; pgno < 16; pgno += 2) {
		world_read_file(&w, pgno, buf);
		buf[w.page_size - 1 - pgno * (w.page_size / 16)] ^= 0x10;
		world_overwrite(&w, pgno, buf);
	}
	world_reopen(&w);
	for (pgno_t pgno = 0; pgno < 16; pgno++) {
		if (pgno % 2 == 0) {
			check_absent(&w, refs[pgno]);
			ck_assert_ptr_nonnull(strstr(error_text(), "checksum"));
		} else {
			check_get(&w, refs[pgno]);
		}
	}
	free(buf);
	world_close(&w);
}
END_TEST

START_TEST(failed_get_leaves_nothing_behind)
{
	struct world w;
	struct page_ref ref;
	void *good, *zeros;

	world_open(&w, _i);
	ref = world_add(&w, 9);
	good = world_buffer(&w, 1);
	zeros = world_buffer(&w, 1);
	world_read_file(&w, 9, good);
	world_overwrite(&w, 9, zeros);
	world_reopen(&w);
	for (unsigned i = 0; i < 200; i++)
		check_absent(&w, ref);
	world_overwrite(&w, 9, good);
	check_get(&w, ref);
	free(good);
	free(zeros);
	world_close(&w);
}
END_TEST

/* P6: another process has written the place anew. */
START_TEST(cached_page_of_another_gen_is_loaded_again)
{
	struct world w;
	struct page_ref ref, newer;
	struct page *buf;

	world_open(&w, _i);
	ref = world_add(&w, 5);
	check_get(&w, ref);
	newer = (struct page_ref){5, ref.gen + 100};
	buf = world_buffer(&w, 1);
	page_fill(buf, w.page_size, newer);
	world_overwrite(&w, 5, buf);
	check_get(&w, newer);
	check_get(&w, newer);
	check_absent(&w, ref);
	check_get(&w, newer);
	free(buf);
	world_close(&w);
}
END_TEST

START_TEST(pinned_pages_keep_their_bytes_while_others_come_and_go)
{
	struct world w;
	struct page_ref refs[WORLD_PAGES];
	const struct page *pinned[CONTRACT_READER_PAGES - 2];

	world_open(&w, _i);
	world_add_many(&w, 0, WORLD_PAGES, refs);
	world_reopen(&w);
	for (unsigned i = 0; i < CONTRACT_READER_PAGES - 2; i++)
		pinned[i] = world_get(&w, refs[i]);
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = CONTRACT_READER_PAGES; i < WORLD_PAGES; i++)
			check_get(&w, refs[i]);
	for (unsigned i = 0; i < CONTRACT_READER_PAGES - 2; i++) {
		ck_assert(page_is_filled(pinned[i], w.page_size, refs[i]));
		pager_put(w.pager, pinned[i]);
	}
	world_close(&w);
}
END_TEST

START_TEST(page_is_pinned_until_its_last_put)
{
	struct world w;
	struct page_ref refs[WORLD_PAGES];
	const struct page *first;

	world_open(&w, _i);
	world_add_many(&w, 0, WORLD_PAGES, refs);
	world_reopen(&w);
	first = world_get(&w, refs[0]);
	for (unsigned i = 0; i < 1000; i++)
		ck_assert_ptr_eq(world_get(&w, refs[0]), first);
	for (unsigned i = 0; i < 1000; i++)
		pager_put(w.pager, first);
	for (unsigned i = 1; i < WORLD_PAGES; i++)
		check_get(&w, refs[i]);
	ck_assert(page_is_filled(first, w.page_size, refs[0]));
	pager_put(w.pager, first);
	world_close(&w);
}
END_TEST

START_TEST(page_that_was_put_as_unneeded_can_still_be_got)
{
	struct world w;
	struct page_ref refs[WORLD_PAGES];
	const struct page *first;

	world_open(&w, _i);
	world_add_many(&w, 0, WORLD_PAGES, refs);
	world_reopen(&w);
	first = world_get(&w, refs[0]);
	for (unsigned i = 0; i < WORLD_PAGES; i++) {
		pager_put_unneeded(w.pager, world_get(&w, refs[i]));
		check_get(&w, refs[i]);
		check_get(&w, refs[WORLD_PAGES - 1 - i]);
	}
	ck_assert(page_is_filled(first, w.page_size, refs[0]));
	pager_put_unneeded(w.pager, first);
	world_close(&w);
}
END_TEST

/* P7: either all can be pinned, or get returns VERSO_EPINNED, and a put makes the next one
 * possible. */
START_TEST(too_many_pins_are_refused)
{
	enum { N = 2048 };
	static struct page_ref refs[N];
	static const struct page *pinned[N];
	struct world w;
	unsigned n = 0, n_pages = N;
	int rc = 0;

	world_open(&w, _i);
	while ((uint64_t)n_pages * w.page_size > 16 << 20)
		n_pages /= 2;
	ck_assert_int_eq(pager_resize(w.pager, n_pages), 0);
	world_add_many(&w, 0, n_pages, refs);
	world_reopen(&w);
	while (n < n_pages && rc == 0) {
		rc = pager_get(w.pager, w.guard, refs[n], &pinned[n]);
		n += rc == 0;
	}
	ck_assert_uint_ge(n, CONTRACT_READER_PAGES);
	if (rc != 0) {
		ck_assert_int_eq(rc, VERSO_EPINNED);
		ck_assert_str_ne(error_text(), "");
		pager_put(w.pager, pinned[--n]);
		check_get(&w, refs[n]);
		check_get(&w, refs[n_pages - 1]);
	}
	for (unsigned i = 0; i < n; i++) {
		ck_assert(page_is_filled(pinned[i], w.page_size, refs[i]));
		pager_put(w.pager, pinned[i]);
	}
	check_get(&w, refs[n_pages - 1]);
	world_close(&w);
}
END_TEST

START_TEST(writer_has_its_pages_whatever_readers_pin)
{
	enum { N = 1024 };
	static struct page_ref refs[N], own[CONTRACT_WRITER_PAGES];
	static const struct page *pinned[N];
	struct world w;
	unsigned n = 0, n_pages = N;

	world_open(&w, _i);
	while ((uint64_t)n_pages * w.page_size > 8 << 20)
		n_pages /= 2;
	ck_assert_int_eq(pager_resize(w.pager, n_pages + CONTRACT_WRITER_PAGES), 0);
	world_add_many(&w, 0, n_pages, refs);
	world_reopen(&w);
	while (n < n_pages && pager_get(w.pager, w.guard, refs[n], &pinned[n]) == 0)
		n++;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < CONTRACT_WRITER_PAGES; i++)
			own[i] = world_make(&w, n_pages + i);
		world_write(&w, own, CONTRACT_WRITER_PAGES);
	}
	for (unsigned i = 0; i < n; i++) {
		ck_assert(page_is_filled(pinned[i], w.page_size, refs[i]));
		pager_put(w.pager, pinned[i]);
	}
	for (unsigned i = 0; i < CONTRACT_WRITER_PAGES; i++)
		check_get(&w, own[i]);
	world_close(&w);
}
END_TEST

START_TEST(peek_finds_nothing_that_was_never_got)
{
	struct world w;
	struct page_ref ref;

	world_open(&w, _i);
	ref = world_add(&w, 4);
	world_reopen(&w);
	guard_enter(w.guard);
	ck_assert_ptr_null(pager_peek(w.pager, w.guard, ref));
	guard_leave(w.guard);
	world_close(&w);
}
END_TEST

START_TEST(peek_finds_a_pinned_page_and_never_a_wrong_one)
{
	struct world w;
	struct page_ref ref;
	const struct page *page, *seen;

	world_open(&w, _i);
	ref = world_add(&w, 4);
	world_reopen(&w);
	page = world_get(&w, ref);
	guard_enter(w.guard);
	seen = pager_peek(w.pager, w.guard, ref);
	/* A pager may keep peek to the writer's pages; what it finds is the page. */
	if (seen)
		ck_assert(page_is_filled(seen, w.page_size, ref));
	ck_assert_ptr_null(pager_peek(w.pager, w.guard, (struct page_ref){4, ref.gen + 1}));
	ck_assert_ptr_null(pager_peek(w.pager, w.guard, (struct page_ref){5, ref.gen}));
	guard_leave(w.guard);
	pager_put(w.pager, page);
	world_close(&w);
}
END_TEST

/* Whatever a peek of many finds, a peek of each finds, at its place. */
START_TEST(peek_of_many_finds_what_peeks_of_one_find)
{
	enum { N = 9 };
	struct world w;
	struct page_ref refs[N];
	const struct page *pinned[N / 3], *seen[N];
	size_t n_found;

	world_open(&w, _i);
	for (unsigned i = 0; i < N; i++)
		refs[i] = world_add(&w, 4 + i);
	world_reopen(&w);
	for (unsigned i = 0; i < N / 3; i++)
		pinned[i] = world_get(&w, refs[3 * i]);
	refs[3].gen++;
	refs[8].pgno = UINT32_MAX;
	guard_enter(w.guard);
	n_found = pager_peek_many(w.pager, w.guard, refs, N, seen);
	for (unsigned i = 0; i < N; i++) {
		ck_assert_ptr_eq(seen[i], pager_peek(w.pager, w.guard, refs[i]));
		if (!seen[i])
			continue;
		ck_assert(i % 3 == 0 && i != 3);
		ck_assert_ptr_eq(seen[i], pinned[i / 3]);
		n_found--;
	}
	ck_assert_uint_eq(n_found, 0);
	guard_leave(w.guard);
	for (unsigned i = 0; i < N / 3; i++)
		pager_put(w.pager, pinned[i]);
	world_close(&w);
}
END_TEST

START_TEST(writer_finds_its_own_pages_until_they_are_sealed)
{
	struct world w;
	struct page_ref ref, other;
	const struct page *seen;
	struct page *own;

	world_open(&w, _i);
	ref = (struct page_ref){4, ++w.gen};
	other = (struct page_ref){4, ref.gen + 1};
	own = pager_fresh(w.pager, ref);
	ck_assert_ptr_eq(pager_own(w.pager, w.guard, ref), own);
	w.pager->ops->peek(w.pager, &ref, 1, &seen); /* outside a guard too */
	ck_assert_ptr_eq(seen, own);
	ck_assert_ptr_null(pager_own(w.pager, w.guard, other));
	page_fill(own, w.page_size, ref);
	ck_assert_ptr_null(pager_own(w.pager, w.guard, ref));
	w.pager->ops->peek(w.pager, &ref, 1, &seen);
	ck_assert_ptr_eq(seen, own);
	world_write(&w, &ref, 1);
	ck_assert_ptr_null(pager_own(w.pager, w.guard, ref));
	world_close(&w);
}
END_TEST

START_TEST(prefetch_of_anything_changes_nothing_but_time)
{
	enum { N = 1000 };
	static struct page_ref wanted[N];
	struct world w;
	struct page_ref refs[WORLD_PAGES], fresh;
	uint64_t rng = check_seed();

	world_open(&w, _i);
	world_add_many(&w, 0, WORLD_PAGES - 8, refs);
	world_reopen(&w);
	fresh = world_make(&w, WORLD_PAGES - 1);
	pager_prefetch(w.pager, NULL, 0);
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < N; i++) {
			uint64_t x = check_random(&rng);
			pgno_t pgno = (pgno_t)(x >> 8) % (WORLD_PAGES + 50);

			if (x % 8 == 0)
				pgno = (pgno_t)(x >> 32);
			wanted[i] = (struct page_ref){pgno, x % 16 == 0 ? x : 1};
			if (pgno < WORLD_PAGES - 8 && x % 4 != 1)
				wanted[i] = refs[pgno];
		}
		pager_prefetch(w.pager, wanted, N);
		guard_enter(w.guard);
		for (unsigned i = 0; i < WORLD_PAGES - 8; i++) {
			const struct page *page = pager_peek(w.pager, w.guard, refs[i]);

			ck_assert(!page || page_is_filled(page, w.page_size, refs[i]));
		}
		guard_leave(w.guard);
		check_get(&w, refs[round]);
	}
	for (unsigned i = 0; i < WORLD_PAGES - 8; i++)
		check_get(&w, refs[i]);
	check_get(&w, fresh);
	check_absent(&w, (struct page_ref){WORLD_PAGES - 5, 1});
	pager_drop(w.pager, WORLD_PAGES - 1, 1);
	world_close(&w);
}
END_TEST

/* P6: what was on its way when the place got another owner is not believed. */
START_TEST(prefetched_page_is_forgotten_with_its_number)
{
	struct world w;
	struct page_ref refs[32], newer[32];
	struct page_write piece = {.pgno = 32, .n_pages = 32};
	uint8_t *buf;

	world_open(&w, _i);
	buf = world_buffer(&w, 32);
	for (unsigned round = 0; round < 8; round++) {
		world_add_many(&w, 32, 32, refs);
		world_reopen(&w);
		pager_prefetch(w.pager, refs, 32);
		if (round % 2 == 0) {
			pager_drop(w.pager, 32, 32);
			for (unsigned i = 0; i < 32; i++)
				newer[i] = world_make(&w, 32 + i);
			world_write(&w, newer, 32);
		} else {
			for (unsigned i = 0; i < 32; i++) {
				newer[i] = (struct page_ref){32 + i, ++w.gen};
				memset(buf + (size_t)i * w.page_size, 0, w.page_size);
				page_fill((struct page *)(buf + (size_t)i * w.page_size),
					w.page_size, newer[i]);
			}
			piece.buf = buf;
			ck_assert_int_eq(pager_write(w.pager, &piece, 1), 0);
		}
		for (unsigned i = 0; i < 32; i++) {
			check_get(&w, newer[i]);
			check_absent(&w, refs[i]);
			check_get(&w, newer[i]);
		}
	}
	free(buf);
	world_close(&w);
}
END_TEST

/* P4 */
START_TEST(read_device_shows_the_file_and_not_the_cache)
{
	struct world w;
	struct page_ref refs[8], newer;
	struct page *buf;
	uint8_t *device;

	world_open(&w, _i);
	world_add_many(&w, 8, 8, refs);
	ck_assert_int_eq(pager_flush(w.pager), 0);
	device = world_buffer(&w, 10);
	ck_assert_int_eq(pager_read_device(w.pager, 7, 10, device), 0);
	ck_assert(is_zero(device, w.page_size));
	ck_assert(is_zero(device + 9 * (size_t)w.page_size, w.page_size));
	for (unsigned i = 0; i < 8; i++)
		ck_assert(page_is_filled((struct page *)(device + (1 + i) * (size_t)w.page_size),
			w.page_size, refs[i]));
	newer = (struct page_ref){8, ++w.gen};
	buf = world_buffer(&w, 1);
	page_fill(buf, w.page_size, newer);
	check_get(&w, refs[0]);
	world_overwrite(&w, 8, buf);
	ck_assert_int_eq(pager_read_device(w.pager, 8, 1, device), 0);
	ck_assert(page_is_filled((struct page *)device, w.page_size, newer));
	free(buf);
	free(device);
	world_close(&w);
}
END_TEST

START_TEST(read_device_beyond_the_end_fails)
{
	struct world w;
	void *buf;

	world_open(&w, _i);
	buf = world_buffer(&w, 8);
	ck_assert_int_eq(pager_read_device(w.pager, WORLD_PAGES - 8, 8, buf), 0);
	ck_assert_int_eq(pager_read_device(w.pager, WORLD_PAGES - 7, 8, buf), VERSO_EIO);
	ck_assert_int_eq(pager_read_device(w.pager, WORLD_PAGES, 1, buf), VERSO_EIO);
	ck_assert_int_eq(pager_read_device(w.pager, UINT32_MAX, 1, buf), VERSO_EIO);
	free(buf);
	world_close(&w);
}
END_TEST

START_TEST(figures_count_what_was_done)
{
	struct world w;
	struct pager_stats before, after;
	struct page_ref refs[20];

	world_open(&w, _i);
	pager_stats(w.pager, &before);
	world_add_many(&w, 0, 20, refs);
	ck_assert_int_eq(pager_flush(w.pager), 0);
	pager_stats(w.pager, &after);
	ck_assert_uint_ge(after.write_bytes - before.write_bytes, 20 * (uint64_t)w.page_size);
	ck_assert_uint_eq(after.n_flushes - before.n_flushes, 1);
	world_reopen(&w);
	pager_stats(w.pager, &before);
	ck_assert_uint_eq(before.n_gets, 0);
	ck_assert_uint_eq(before.n_misses, 0);
	for (unsigned i = 0; i < 20; i++)
		check_get(&w, refs[i]);
	pager_stats(w.pager, &after);
	ck_assert_uint_eq(after.n_gets, 20);
	ck_assert_uint_eq(after.n_misses, 20);
	ck_assert_uint_ge(after.read_bytes, 20 * (uint64_t)w.page_size);
	ck_assert_uint_le(after.memory_bytes, after.memory_bytes_max);
	ck_assert_str_ne(after.how, "");
	ck_assert_uint_eq(after.n_peeks, 0);
	world_close(&w);
}
END_TEST

struct recorder {
	struct pager_tracer tracer; /* first */
	unsigned n[PAGER_TRACE_OPS];
	struct page_ref last;
};

static void record(struct pager_tracer *t, const struct pager_event *event)
{
	struct recorder *r = (struct recorder *)t;

	r->n[event->op]++;
	r->last = event->ref;
	if (event->op == PAGER_GET || event->op == PAGER_PUT)
		ck_assert_uint_eq(event->type, PAGE_TOY);
}

START_TEST(tracer_sees_every_operation)
{
	struct world w;
	struct recorder r = {.tracer.event = record};
	struct page_ref ref;

	world_open(&w, _i);
	w.pager->tracer = &r.tracer;
	ref = world_add(&w, 6);
	check_get(&w, ref);
	ck_assert_uint_eq(r.last.pgno, 6);
	ck_assert_uint_eq(r.last.gen, ref.gen);
	pager_prefetch(w.pager, (struct page_ref[]){ref, ref}, 2);
	ck_assert_uint_eq(r.last.pgno, 6);
	pager_drop(w.pager, 6, 1);
	ck_assert_uint_eq(r.n[PAGER_FRESH], 1);
	ck_assert_uint_eq(r.n[PAGER_WRITE], 1);
	ck_assert_uint_eq(r.n[PAGER_GET], 1);
	ck_assert_uint_eq(r.n[PAGER_PUT], 1);
	ck_assert_uint_eq(r.n[PAGER_DROP], 1);
	ck_assert_uint_eq(r.n[PAGER_PREFETCH], 2);
	world_close(&w);
}
END_TEST

TCase *contract_reading(void)
{
	TCase *tc = tcase_create("reading");

	tcase_set_timeout(tc, 60);
	ADD_TEST(tc, get_returns_the_page_that_was_written);
	ADD_TEST(tc, get_returns_the_page_after_reopening);
	ADD_TEST(tc, get_finds_fresh_pages);
	ADD_TEST(tc, get_refuses_another_gen);
	ADD_TEST(tc, get_refuses_a_page_of_another_number);
	ADD_TEST(tc, get_beyond_the_end_is_corruption);
	ADD_TEST(tc, pages_of_zeros_and_of_ones_are_refused_under_any_gen);
	ADD_TEST(tc, rot_is_found_at_load);
	ADD_TEST(tc, failed_get_leaves_nothing_behind);
	ADD_TEST(tc, cached_page_of_another_gen_is_loaded_again);
	ADD_TEST(tc, pinned_pages_keep_their_bytes_while_others_come_and_go);
	ADD_TEST(tc, page_is_pinned_until_its_last_put);
	ADD_TEST(tc, page_that_was_put_as_unneeded_can_still_be_got);
	ADD_TEST(tc, too_many_pins_are_refused);
	ADD_TEST(tc, writer_has_its_pages_whatever_readers_pin);
	ADD_TEST(tc, peek_finds_nothing_that_was_never_got);
	ADD_TEST(tc, peek_finds_a_pinned_page_and_never_a_wrong_one);
	ADD_TEST(tc, peek_of_many_finds_what_peeks_of_one_find);
	ADD_TEST(tc, writer_finds_its_own_pages_until_they_are_sealed);
	ADD_TEST(tc, prefetch_of_anything_changes_nothing_but_time);
	ADD_TEST(tc, prefetched_page_is_forgotten_with_its_number);
	ADD_TEST(tc, read_device_shows_the_file_and_not_the_cache);
	ADD_TEST(tc, read_device_beyond_the_end_fails);
	ADD_TEST(tc, figures_count_what_was_done);
	ADD_TEST(tc, tracer_sees_every_operation);
	return tc;
}
