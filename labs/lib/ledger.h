/* SPDX-License-Identifier: MIT */
/*
 * A pool of a few frames on a simulated disk that writes down what it does, in order: "r5" page 5
 * was read by a call that blocks; "a5" it was asked for ahead, through the queue, which carries it
 * out when somebody waits, in an order drawn by seed; "e5" it was evicted.
 */
#ifndef LABS_LIB_LEDGER_H
#define LABS_LIB_LEDGER_H

#include "bufpool/bufpool.h"
#include "tests/sim/simdisk.h"

#define LEDGER_PAGE_BYTES 4096U
#define LEDGER_PAGES      64U /* of the file: 0 to 63, each of generation 1 */
#define LEDGER_LINE_BYTES 400

struct ledger {
	struct pager_tracer tracer; /* first */
	struct simdisk *disk;
	struct file *file;
	struct pager *pager;
	struct guard *guard;
	int fault;        /* of reads; 0: none */
	unsigned n_reads; /* in all */
	char text[LEDGER_LINE_BYTES];
};

void ledger_open(struct ledger *l, uint32_t n_frames, enum bufpool_policy policy);

/* The same with CLOCK; evictions are not written down. */
void ledger_open_for_reads(struct ledger *l, uint32_t n_frames);

/* Nothing is pinned. */
void ledger_close(struct ledger *l);

/* A sealed page in the file, behind the pool's back; its number is its first byte too. */
void ledger_put_page(struct ledger *l, struct page_ref ref);

/* Gets a page of generation 1, which must succeed; pager_put() puts it back. */
const struct page *ledger_get(struct ledger *l, pgno_t pgno);

/* Gets a page and puts it back. */
void ledger_visit(struct ledger *l, pgno_t pgno);

/* The same for each of `pages`, which ends with 0. */
void ledger_visit_all(struct ledger *l, const pgno_t *pages);

/* The same for any page: what the get returns. */
int ledger_try(struct ledger *l, struct page_ref ref);

/* Says that each of `pages`, in generation 1, will be wanted; they end with 0. */
void ledger_prefetch(struct ledger *l, const pgno_t *pages);

/* Pages that were read ahead, came, and were good. */
uint64_t ledger_came(struct ledger *l);

/* Asserts that this is what the pool did: "r1 r2 e1 r3". */
void ledger_is(const struct ledger *l, const char *expected);

#endif
