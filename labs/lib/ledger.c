/* SPDX-License-Identifier: MIT */
#include "labs/lib/ledger.h"
#include "tests/check_main.h"

#include <stdio.h>
#include <string.h>

#define SEED UINT64_C(9)

static void note(struct ledger *l, char what, uint64_t pgno)
{
	size_t len = strlen(l->text);

	(void)snprintf(l->text + len, sizeof(l->text) - len, "%s%c%llu", len > 0 ? " " : "", what,
		(unsigned long long)pgno);
}

static int on_call(void *arg, const struct sim_call *call)
{
	struct ledger *l = arg;

	if (call->kind != SIM_CALL_READ)
		return 0;
	ck_assert_uint_eq(call->len_bytes, LEDGER_PAGE_BYTES);
	l->n_reads++;
	note(l, call->queued ? 'a' : 'r', call->off_bytes / LEDGER_PAGE_BYTES);
	return l->fault;
}

static void on_event(struct pager_tracer *t, const struct pager_event *event)
{
	if (event->op == PAGER_EVICT)
		note((struct ledger *)t, 'e', event->ref.pgno);
}

void ledger_put_page(struct ledger *l, struct page_ref ref)
{
	struct page *page = check_alloc(LEDGER_PAGE_BYTES);

	page_init(page, ref, PAGE_TOY, 0, 0);
	page->payload[0] = (uint8_t)ref.pgno;
	page_seal(page, LEDGER_PAGE_BYTES, SEED);
	ck_assert_int_eq(file_write(l->file, page, LEDGER_PAGE_BYTES,
				 (uint64_t)ref.pgno * LEDGER_PAGE_BYTES),
		0);
}

static void open_pool(struct ledger *l, uint32_t n_frames, enum bufpool_policy policy)
{
	struct bufpool_options opts = {
		.writer_pages = 4, .reader_pages = n_frames, .policy = policy};
	struct io *io;

	memset(l, 0, sizeof(*l));
	l->disk = simdisk_new(&(struct simdisk_options){.seed = check_seed()});
	io = simdisk_io(l->disk);
	ck_assert_int_eq(io_open(io, "ledger", FILE_CREATE | FILE_EXCL, 0600, &l->file), 0);
	for (pgno_t pgno = 0; pgno < LEDGER_PAGES; pgno++)
		ledger_put_page(l, (struct page_ref){pgno, 1});
	opts.cache_bytes = bufpool_cache_bytes_min(LEDGER_PAGE_BYTES, &opts);
	ck_assert_int_eq(bufpool_open(io, l->file, LEDGER_PAGE_BYTES, SEED, &opts, &l->pager), 0);
	ck_assert_int_eq(guard_open(&l->pager->guards, &l->guard), 0);
	simdisk_set_fault(l->disk, on_call, l);
}

void ledger_open(struct ledger *l, uint32_t n_frames, enum bufpool_policy policy)
{
	open_pool(l, n_frames, policy);
	l->tracer.event = on_event;
	l->pager->tracer = &l->tracer;
}

void ledger_open_for_reads(struct ledger *l, uint32_t n_frames)
{
	open_pool(l, n_frames, BUFPOOL_CLOCK);
}

void ledger_close(struct ledger *l)
{
	guard_close(l->guard);
	pager_close(l->pager);
	file_close(l->file);
	simdisk_free(l->disk);
}

const struct page *ledger_get(struct ledger *l, pgno_t pgno)
{
	const struct page *page = NULL;

	ck_assert_int_eq(pager_get(l->pager, l->guard, (struct page_ref){pgno, 1}, &page), 0);
	ck_assert_uint_eq(page->payload[0], pgno);
	return page;
}

void ledger_visit(struct ledger *l, pgno_t pgno)
{
	pager_put(l->pager, ledger_get(l, pgno));
}

void ledger_visit_all(struct ledger *l, const pgno_t *pages)
{
	for (; *pages > 0; pages++)
		ledger_visit(l, *pages);
}

int ledger_try(struct ledger *l, struct page_ref ref)
{
	const struct page *page;
	int rc = pager_get(l->pager, l->guard, ref, &page);

	if (rc == 0)
		pager_put(l->pager, page);
	return rc;
}

void ledger_prefetch(struct ledger *l, const pgno_t *pages)
{
	struct page_ref refs[LEDGER_PAGES];
	size_t n = 0;

	for (; pages[n] > 0; n++)
		refs[n] = (struct page_ref){pages[n], 1};
	pager_prefetch(l->pager, refs, n);
}

uint64_t ledger_came(struct ledger *l)
{
	struct pager_stats stats;

	pager_stats(l->pager, &stats);
	return stats.n_prefetched;
}

void ledger_is(const struct ledger *l, const char *expected)
{
	ck_assert_msg(strcmp(l->text, expected) == 0,
		"the pool did \"%s\", expected \"%s\" (r5: page 5 was read by a call; a5: it was "
		"asked for ahead; e5: it was evicted)",
		l->text, expected);
}
