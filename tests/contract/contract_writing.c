/* SPDX-License-Identifier: MIT */
/* The contract of fresh, write, flush and drop. */
#include "tests/contract/contract_int.h"

#include <stdlib.h>

START_TEST(fresh_page_has_an_empty_header_and_is_unsealed)
{
	struct world w;
	struct page_ref ref;

	world_open(&w, _i);
	for (unsigned round = 0; round < 3; round++) {
		for (pgno_t pgno = 0; pgno < CONTRACT_WRITER_PAGES; pgno++) {
			const struct page *page;

			ref = (struct page_ref){pgno, ++w.gen};
			page = pager_fresh(w.pager, ref);
			ck_assert(page_is(page, ref));
			ck_assert_uint_eq(le64_get(page->lsn), ref.gen);
			ck_assert(!page_is_sealed(page));
			ck_assert_uint_eq(page->type, 0);
			ck_assert_uint_eq(le64_get(page->tree), 0);
			ck_assert(is_zero(page->checksum, sizeof(page->checksum)));
			ck_assert(is_zero(page->flags, sizeof(page->flags)));
			ck_assert_uint_eq(page->level, 0);
			memset((uint8_t *)(uintptr_t)page + 8, 0xee, w.page_size - 8);
		}
		pager_drop(w.pager, 0, CONTRACT_WRITER_PAGES);
	}
	world_close(&w);
}
END_TEST

START_TEST(writer_pages_can_all_be_fresh_at_a_time)
{
	struct world w;
	struct page_ref refs[CONTRACT_WRITER_PAGES];
	struct page *own[CONTRACT_WRITER_PAGES];

	world_open(&w, _i);
	for (unsigned round = 0; round < 6; round++) {
		for (unsigned i = 0; i < CONTRACT_WRITER_PAGES; i++) {
			refs[i] = (struct page_ref){i * 2 + round % 2, ++w.gen};
			own[i] = pager_fresh(w.pager, refs[i]);
			le64_set(own[i]->payload, refs[i].gen * 3);
		}
		for (unsigned i = 0; i < CONTRACT_WRITER_PAGES; i++) {
			ck_assert_ptr_eq(pager_own(w.pager, w.guard, refs[i]), own[i]);
			ck_assert_uint_eq(le64_get(own[i]->payload), refs[i].gen * 3);
			page_fill(own[i], w.page_size, refs[i]);
		}
		if (round == 3) {
			pager_drop(w.pager, 0, WORLD_PAGES);
			continue;
		}
		world_write(&w, refs, CONTRACT_WRITER_PAGES);
		for (unsigned i = 0; i < CONTRACT_WRITER_PAGES; i++)
			check_get(&w, refs[i]);
	}
	world_close(&w);
}
END_TEST

START_TEST(fresh_pages_are_made_and_dropped_without_end)
{
	struct world w;
	struct pager_stats stats;

	world_open(&w, _i);
	for (unsigned round = 0; round < 100; round++) {
		for (unsigned i = 0; i < CONTRACT_WRITER_PAGES; i++)
			(void)world_make(&w, i);
		pager_drop(w.pager, 0, CONTRACT_WRITER_PAGES);
	}
	pager_stats(w.pager, &stats);
	ck_assert_uint_le(stats.memory_bytes, stats.memory_bytes_max);
	world_close(&w);
}
END_TEST

/* Wherever they lie, but for stores into the file's own pages. */
START_TEST(memory_in_use_counts_the_pages_that_are_made)
{
	struct pager_stats made, dropped;
	struct world w;

	world_open(&w, _i);
	for (unsigned i = 0; i < CONTRACT_WRITER_PAGES; i++)
		(void)world_make(&w, i);
	pager_stats(w.pager, &made);
	ck_assert_uint_le(made.memory_bytes, made.memory_bytes_max);
	if (!w.c->stores)
		ck_assert_uint_ge(made.memory_bytes, CONTRACT_WRITER_PAGES * w.page_size);
	pager_drop(w.pager, 0, CONTRACT_WRITER_PAGES);
	pager_stats(w.pager, &dropped);
	ck_assert_uint_le(dropped.memory_bytes, made.memory_bytes);
	world_close(&w);
}
END_TEST

/* P3 */
START_TEST(fresh_page_reaches_the_file_by_write_alone)
{
	struct world w;
	struct page_ref refs[WORLD_PAGES], own[16];
	struct page *at[16];
	uint8_t *buf;

	world_open(&w, _i);
	world_add_many(&w, 0, WORLD_PAGES - 16, refs);
	world_reopen(&w);
	buf = world_buffer(&w, 1);
	for (unsigned i = 0; i < 16; i++) {
		own[i] = (struct page_ref){WORLD_PAGES - 16 + i, ++w.gen};
		at[i] = pager_fresh(w.pager, own[i]);
		le64_set(at[i]->payload, i);
	}
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < WORLD_PAGES - 16; i++)
			check_get(&w, refs[i]);
	ck_assert_int_eq(pager_flush(w.pager), 0);
	for (unsigned i = 0; i < 16; i++) {
		ck_assert_ptr_eq(pager_own(w.pager, w.guard, own[i]), at[i]);
		ck_assert_uint_eq(le64_get(at[i]->payload), i);
		page_fill(at[i], w.page_size, own[i]);
	}
	ck_assert_int_eq(pager_flush(w.pager), 0);
	for (unsigned i = 0; i < 16 && !w.c->stores; i++) {
		world_read_file(&w, own[i].pgno, buf);
		ck_assert(is_zero(buf, w.page_size));
	}
	world_write(&w, own, 16);
	for (unsigned i = 0; i < 16; i++) {
		world_read_file(&w, own[i].pgno, buf);
		ck_assert(page_is_filled((struct page *)buf, w.page_size, own[i]));
	}
	free(buf);
	world_close(&w);
}
END_TEST

/* P3: where stores reach the file, it has no page there that could be believed. */
START_TEST(a_page_being_made_is_not_sealed_in_the_file)
{
	struct world w;
	struct page_ref old, ref;
	struct page *page;
	uint8_t *buf;

	world_open(&w, _i);
	old = world_add(&w, 20);
	buf = world_buffer(&w, 1);
	ref = (struct page_ref){20, ++w.gen};
	page = pager_fresh(w.pager, ref);
	world_read_file(&w, 20, buf);
	ck_assert_int_eq(page_verify((struct page *)buf, w.page_size, ref, CONTRACT_SEED),
		VERSO_ECORRUPT);
	ck_assert(page_is_sealed((struct page *)buf) == !w.c->stores);
	if (!w.c->stores)
		ck_assert(page_is_filled((struct page *)buf, w.page_size, old));
	page_fill(page, w.page_size, ref);
	pager_drop(w.pager, 20, 1); /* sealed, but never written */
	world_read_file(&w, 20, buf);
	ck_assert(page_is_sealed((struct page *)buf) == !w.c->stores);
	free(buf);
	world_close(&w);
}
END_TEST

/* P6 */
START_TEST(stale_gens_are_refused_after_drop_and_fresh)
{
	struct world w;
	struct page_ref refs[6];

	world_open(&w, _i);
	for (unsigned i = 0; i < 6; i++) {
		refs[i] = world_make(&w, 20);
		for (unsigned k = 0; k < i; k++)
			check_absent(&w, refs[k]);
		check_get(&w, refs[i]);
		if (i % 3 == 2) { /* as an abort does */
			pager_drop(w.pager, 20, 1);
			check_absent(&w, refs[i]);
			continue;
		}
		world_write(&w, &refs[i], 1);
		for (unsigned k = 0; k < i; k++)
			check_absent(&w, refs[k]);
		check_get(&w, refs[i]);
		if (i % 3 == 1)
			pager_drop(w.pager, 20, 1);
	}
	world_close(&w);
}
END_TEST

START_TEST(dropped_page_is_read_from_the_file_again)
{
	struct world w;
	struct page_ref ref, newer;

	world_open(&w, _i);
	ref = world_add(&w, 20);
	pager_drop(w.pager, 20, 1);
	check_get(&w, ref);
	newer = world_make(&w, 20);
	check_absent(&w, ref);
	pager_drop(w.pager, 20, 1); /* newer was never written: the file still has the old one */
	check_absent(&w, newer);
	if (w.c->stores)
		check_absent(&w, ref);
	else
		check_get(&w, ref);
	world_close(&w);
}
END_TEST

START_TEST(drop_of_anything_is_harmless)
{
	struct world w;
	struct page_ref refs[8];

	world_open(&w, _i);
	world_add_many(&w, 8, 8, refs);
	pager_drop(w.pager, 0, 0);
	pager_drop(w.pager, 0, WORLD_PAGES);
	pager_drop(w.pager, 3, 1U << 20);
	pager_drop(w.pager, UINT32_MAX - 100, 101);
	pager_drop(w.pager, UINT32_MAX, 1);
	for (unsigned i = 0; i < 8; i++)
		check_get(&w, refs[i]);
	pager_drop(w.pager, 9, 3);
	for (unsigned i = 0; i < 8; i++)
		check_get(&w, refs[i]);
	world_close(&w);
}
END_TEST

/*
 * A write set of pieces of both kinds, next to each other and apart. refs: what each place holds
 * afterwards.
 */
struct mixture {
	struct page_write set[40];
	void *bufs[40];
	size_t n;
	struct page_ref refs[WORLD_PAGES]; /* gen 0: never written */
};

static void mix_piece(struct world *w, struct mixture *m, pgno_t pgno, uint32_t n_pages, bool fresh)
{
	uint8_t *buf = fresh ? NULL : world_buffer(w, n_pages);

	for (uint32_t i = 0; i < n_pages; i++) {
		struct page_ref ref = {pgno + i, ++w->gen};

		m->refs[ref.pgno] = ref;
		page_fill(fresh ? pager_fresh(w->pager, ref)
				: (struct page *)(buf + i * (size_t)w->page_size),
			w->page_size, ref);
	}
	m->set[m->n] = (struct page_write){.pgno = pgno, .n_pages = n_pages, .buf = buf};
	m->bufs[m->n++] = buf;
}

static void mix(struct world *w, struct mixture *m, uint64_t *rng)
{
	pgno_t pgno = 0;

	m->n = 0;
	while (m->n < 40) {
		uint64_t x = check_random(rng);
		uint32_t n_pages = x % 2 ? 1 + (uint32_t)(x >> 8) % 4 : 1;

		pgno += (pgno_t)(x >> 16) % 3; /* 0: adjacent */
		if (pgno + n_pages > WORLD_PAGES)
			break;
		mix_piece(w, m, pgno, n_pages, x % 2 == 0);
		pgno += n_pages;
	}
}

START_TEST(write_set_mixes_fresh_pages_and_buffers)
{
	static struct mixture m;
	struct world w;
	uint64_t rng = check_seed();
	uint8_t *found;

	world_open(&w, _i);
	found = world_buffer(&w, 1);
	for (unsigned round = 0; round < 6; round++) {
		mix(&w, &m, &rng);
		ck_assert_int_eq(pager_write(w.pager, m.set, m.n), 0);
		for (size_t i = 0; i < m.n; i++)
			free(m.bufs[i]);
		for (pgno_t pgno = 0; pgno < WORLD_PAGES; pgno++) {
			world_read_file(&w, pgno, found);
			if (m.refs[pgno].gen == 0) {
				ck_assert(is_zero(found, w.page_size));
				continue;
			}
			ck_assert(page_is_filled((struct page *)found, w.page_size, m.refs[pgno]));
			check_get(&w, m.refs[pgno]);
		}
		if (round % 2)
			world_reopen(&w);
	}
	free(found);
	world_close(&w);
}
END_TEST

START_TEST(long_buffers_are_written_whole)
{
	enum { N = 600 };
	struct world w;
	struct page_write piece = {.pgno = WORLD_PAGES, .n_pages = N};
	uint32_t n_pages = N;
	uint8_t *buf;

	world_open(&w, _i);
	while ((uint64_t)n_pages * w.page_size > 8 << 20)
		n_pages /= 2;
	piece.n_pages = n_pages;
	ck_assert_int_eq(pager_resize(w.pager, WORLD_PAGES + n_pages), 0);
	buf = world_buffer(&w, n_pages);
	for (uint32_t i = 0; i < n_pages; i++)
		page_fill((struct page *)(buf + i * (size_t)w.page_size), w.page_size,
			(struct page_ref){WORLD_PAGES + i, 77});
	piece.buf = buf;
	ck_assert_int_eq(pager_write(w.pager, &piece, 1), 0);
	free(buf);
	for (uint32_t i = 0; i < n_pages; i++)
		check_get(&w, (struct page_ref){WORLD_PAGES + i, 77});
	world_close(&w);
}
END_TEST

/* P6 */
START_TEST(buffer_written_over_a_cached_page_replaces_it)
{
	struct world w;
	struct page_ref old[4], newer[4];
	struct page_write piece = {.pgno = 30, .n_pages = 4};
	uint8_t *buf;

	world_open(&w, _i);
	world_add_many(&w, 30, 4, old);
	for (unsigned i = 0; i < 4; i++)
		check_get(&w, old[i]);
	buf = world_buffer(&w, 4);
	for (unsigned i = 0; i < 4; i++) {
		newer[i] = (struct page_ref){30 + i, ++w.gen};
		page_fill((struct page *)(buf + i * (size_t)w.page_size), w.page_size, newer[i]);
	}
	piece.buf = buf;
	ck_assert_int_eq(pager_write(w.pager, &piece, 1), 0);
	for (unsigned i = 0; i < 4; i++) {
		check_absent(&w, old[i]);
		check_get(&w, newer[i]);
		check_absent(&w, old[i]);
	}
	free(buf);
	world_close(&w);
}
END_TEST

START_TEST(empty_write_set_does_nothing)
{
	struct world w;
	struct pager_stats before, after;

	world_open(&w, _i);
	pager_stats(w.pager, &before);
	ck_assert_int_eq(pager_write(w.pager, NULL, 0), 0);
	pager_stats(w.pager, &after);
	ck_assert_uint_eq(before.write_bytes, after.write_bytes);
	world_close(&w);
}
END_TEST

/* P2: a reader that got a page before it was written keeps it, whatever becomes of the memory. */
START_TEST(page_pinned_before_its_write_is_readable_until_put)
{
	struct world w;
	struct page_ref refs[8], others[CONTRACT_WRITER_PAGES - 8];
	const struct page *pinned[8];

	world_open(&w, _i);
	for (unsigned i = 0; i < 8; i++) {
		refs[i] = world_make(&w, i);
		pinned[i] = world_get(&w, refs[i]);
	}
	world_write(&w, refs, 8);
	for (unsigned i = 0; i < 8; i++)
		check_get(&w, refs[i]);
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < CONTRACT_WRITER_PAGES - 8; i++)
			others[i] = world_make(&w, 8 + i);
		world_write(&w, others, CONTRACT_WRITER_PAGES - 8);
		for (unsigned i = 0; i < 8; i++)
			ck_assert(page_is_filled(pinned[i], w.page_size, refs[i]));
	}
	for (unsigned i = 0; i < 8; i++) {
		pager_put(w.pager, pinned[i]);
		check_get(&w, refs[i]);
	}
	world_close(&w);
}
END_TEST

/* The same for a page that was seen without a pin: as long as the guard is not left. */
START_TEST(page_seen_before_its_write_is_readable_inside_the_guard)
{
	struct world w;
	struct page_ref refs[4];
	const struct page *seen[4];
	struct guard *reader;

	world_open(&w, _i);
	ck_assert_int_eq(guard_open(&w.pager->guards, &reader), 0);
	for (unsigned i = 0; i < 4; i++)
		refs[i] = world_make(&w, i);
	guard_enter(reader);
	for (unsigned i = 0; i < 4; i++) {
		seen[i] = pager_peek(w.pager, reader, refs[i]);
		ck_assert_ptr_nonnull(seen[i]);
	}
	world_write(&w, refs, 4);
	/* A little only: a thread that wants much memory may wait for this guard. */
	(void)world_make(&w, 50);
	(void)world_make(&w, 51);
	pager_drop(w.pager, 50, 2);
	for (unsigned i = 0; i < 4; i++)
		ck_assert(page_is_filled(seen[i], w.page_size, refs[i]));
	guard_leave(reader);
	guard_close(reader);
	for (unsigned i = 0; i < 4; i++)
		check_get(&w, refs[i]);
	world_close(&w);
}
END_TEST

/* P1 to P3, whatever is cooled: in memory and out of it, pinned, fresh, foreign, beyond the end. */
START_TEST(cooling_of_anything_changes_nothing_but_time)
{
	enum { N = 500 };
	struct page_ref refs[WORLD_PAGES], wanted[N], fresh;
	const struct page *pinned, *own, *seen;
	uint64_t rng = check_seed();
	struct world w;

	world_open(&w, _i);
	world_add_many(&w, 0, WORLD_PAGES - 8, refs);
	world_reopen(&w);
	fresh = world_make(&w, WORLD_PAGES - 1);
	w.pager->ops->peek(w.pager, &fresh, 1, &own);
	pinned = world_get(&w, refs[3]);
	pager_cool(w.pager, NULL, 0);
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
		wanted[0] = refs[3];
		wanted[1] = fresh;
		for (unsigned i = 0; i < WORLD_PAGES - 8; i += 3)
			check_get(&w, refs[i]);
		pager_cool(w.pager, wanted, N);
		pager_cool(w.pager, wanted, N);
		guard_enter(w.guard);
		for (unsigned i = 0; i < WORLD_PAGES - 8; i++) {
			const struct page *page = pager_peek(w.pager, w.guard, refs[i]);

			ck_assert(!page || page_is_filled(page, w.page_size, refs[i]));
		}
		guard_leave(w.guard);
		ck_assert(page_is_filled(pinned, w.page_size, refs[3]));
		check_get(&w, refs[round]);
	}
	for (unsigned i = 0; i < WORLD_PAGES - 8; i++)
		check_get(&w, refs[i]);
	w.pager->ops->peek(w.pager, &fresh, 1, &seen);
	ck_assert_ptr_eq(seen, own);
	check_get(&w, fresh);
	pager_put(w.pager, pinned);
	pager_drop(w.pager, WORLD_PAGES - 1, 1);
	world_close(&w);
}
END_TEST

TCase *contract_writing(void)
{
	TCase *tc = tcase_create("writing");

	tcase_set_timeout(tc, 60);
	ADD_TEST(tc, fresh_page_has_an_empty_header_and_is_unsealed);
	ADD_TEST(tc, writer_pages_can_all_be_fresh_at_a_time);
	ADD_TEST(tc, fresh_pages_are_made_and_dropped_without_end);
	ADD_TEST(tc, memory_in_use_counts_the_pages_that_are_made);
	ADD_TEST(tc, fresh_page_reaches_the_file_by_write_alone);
	ADD_TEST(tc, a_page_being_made_is_not_sealed_in_the_file);
	ADD_TEST(tc, stale_gens_are_refused_after_drop_and_fresh);
	ADD_TEST(tc, dropped_page_is_read_from_the_file_again);
	ADD_TEST(tc, drop_of_anything_is_harmless);
	ADD_TEST(tc, write_set_mixes_fresh_pages_and_buffers);
	ADD_TEST(tc, long_buffers_are_written_whole);
	ADD_TEST(tc, buffer_written_over_a_cached_page_replaces_it);
	ADD_TEST(tc, empty_write_set_does_nothing);
	ADD_TEST(tc, page_pinned_before_its_write_is_readable_until_put);
	ADD_TEST(tc, page_seen_before_its_write_is_readable_inside_the_guard);
	ADD_TEST(tc, cooling_of_anything_changes_nothing_but_time);
	return tc;
}
