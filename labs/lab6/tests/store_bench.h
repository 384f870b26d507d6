/* SPDX-License-Identifier: MIT */
/*
 * A store on a simulated disk, for tests of a protocol.
 *
 * The ledger is what the disk was asked to do, in order: "page" a page was written, "meta" a meta
 * page, "flush" the file was made durable, "log" the record was written, "log-flush" it was made
 * durable.
 */
#ifndef LABS_LAB6_TESTS_STORE_BENCH_H
#define LABS_LAB6_TESTS_STORE_BENCH_H

#include "tests/crash/store.h"
#include "tests/sim/simdisk.h"

#include <errno.h>

#define PATH_STORE         "store"
#define PATH_LOG           "store-log"
#define METAS              2U /* places 0 and 1 of the shadow protocol */
#define FAIL_WITH          (-EIO)
#define BENCH_LEDGER_BYTES 600

/* A store on a simulated disk, what it must hold, and what the disk was asked to do. */
struct bench {
	const struct protocol *protocol;
	enum store_memory memory;
	struct simdisk *disk;
	struct store store;
	uint64_t model[STORE_NUMBERS];
	char ledger[BENCH_LEDGER_BYTES];
	uint64_t last_meta; /* the place of the meta page that was written last */
	int fail_in;        /* calls until one fails; 0: none does */
};

/* A new store; all numbers are 0. */
void bench_open(struct bench *b, const struct protocol *p, enum store_memory memory);
void bench_close(struct bench *b);

/* Opens again, after store_close(&b->store): what that returns. */
int bench_reopen(struct bench *b);

/* The process dies; another one opens what is there. No power cut: what was written is seen. */
void bench_die(struct bench *b);

/* A number becomes `value`; a commit. Both must succeed. */
void bench_set(struct bench *b, unsigned i, uint64_t value);
void bench_commit(struct bench *b);

/* One to four numbers of the model and of the store become others; then a commit. */
void bench_random_commit(struct bench *b, uint64_t *rng);

/* Whether the store has these numbers. */
bool bench_holds(const struct bench *b, const uint64_t *numbers);

/* Asserts that the store has what the model has; when: for the message. */
void bench_is_model(const struct bench *b, const char *when);

/* Asserts that this is what the disk was asked to do: "page flush meta flush". */
void bench_is_ledger(const struct bench *b, const char *expected);

/* What lies in a file now (PATH_STORE, PATH_LOG). */
uint8_t *bench_bytes(struct bench *b, const char *path);

/* Writes bytes to a file behind the store's back; changes one bit of the byte at an offset. */
void bench_overwrite(struct bench *b, const char *path, const uint8_t *bytes, size_t len_bytes,
	uint64_t off_bytes);
void bench_flip(struct bench *b, const char *path, uint64_t off_bytes);

/* Asserts that a power cut now would take nothing away. */
void bench_nothing_is_pending(struct bench *b);

/* Of the log: two commits, then the pages are as before the second, and the store is closed: as
 * after a power cut between the flush of the log and that of the pages. */
void bench_lose_the_pages(struct bench *b, uint64_t *rng);

#endif
