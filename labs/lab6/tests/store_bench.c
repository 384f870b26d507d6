/* SPDX-License-Identifier: MIT */
#include "labs/lab6/tests/store_bench.h"
#include "tests/check_main.h"
#include "tests/sim/simwalk.h"

#include <stdio.h>
#include <string.h>

static const char *word_for(struct bench *b, const struct sim_call *call)
{
	bool is_log = strcmp(call->path, PATH_LOG) == 0;

	if (call->kind == SIM_CALL_SYNC)
		return is_log ? "log-flush" : "flush";
	if (is_log)
		return "log";
	if (call->off_bytes >= METAS * STORE_PAGE_BYTES || b->protocol == &protocol_log)
		return "page";
	b->last_meta = call->off_bytes / STORE_PAGE_BYTES;
	return "meta";
}

static int on_call(void *arg, const struct sim_call *call)
{
	struct bench *b = arg;
	size_t len = strlen(b->ledger);

	if (call->kind != SIM_CALL_WRITE && call->kind != SIM_CALL_SYNC)
		return 0;
	if (b->fail_in > 0 && --b->fail_in == 0)
		return FAIL_WITH;
	(void)snprintf(b->ledger + len, sizeof(b->ledger) - len, "%s%s", len > 0 ? " " : "",
		word_for(b, call));
	return 0;
}

int bench_reopen(struct bench *b)
{
	return store_open(&b->store, simdisk_io(b->disk), b->protocol, b->memory);
}

void bench_open(struct bench *b, const struct protocol *p, enum store_memory memory)
{
	memset(b, 0, sizeof(*b));
	b->protocol = p;
	b->memory = memory;
	b->disk = simdisk_new(&(struct simdisk_options){.seed = check_seed()});
	ck_assert_int_eq(store_create(simdisk_io(b->disk)), 0);
	ck_assert_int_eq(bench_reopen(b), 0);
	simdisk_set_fault(b->disk, on_call, b);
}

void bench_close(struct bench *b)
{
	store_close(&b->store);
	simdisk_free(b->disk);
}

void bench_die(struct bench *b)
{
	simdisk_kill(b->disk);
	store_close(&b->store);
	ck_assert_int_eq(bench_reopen(b), 0);
}

void bench_set(struct bench *b, unsigned i, uint64_t value)
{
	ck_assert_int_eq(store_set(&b->store, i, value), 0);
}

void bench_commit(struct bench *b)
{
	ck_assert_int_eq(store_commit(&b->store), 0);
}

bool bench_holds(const struct bench *b, const uint64_t *numbers)
{
	for (unsigned i = 0; i < STORE_NUMBERS; i++)
		if (store_get(&b->store, i) != numbers[i])
			return false;
	return true;
}

void bench_is_model(const struct bench *b, const char *when)
{
	for (unsigned i = 0; i < STORE_NUMBERS; i++)
		ck_assert_msg(store_get(&b->store, i) == b->model[i],
			"%s, number %u (page %u) is %llu, expected %llu", when, i,
			i / STORE_PAGE_NUMBERS, (unsigned long long)store_get(&b->store, i),
			(unsigned long long)b->model[i]);
}

void bench_is_ledger(const struct bench *b, const char *expected)
{
	ck_assert_msg(strcmp(b->ledger, expected) == 0,
		"the disk was asked to do \"%s\", expected \"%s\"", b->ledger, expected);
}

uint8_t *bench_bytes(struct bench *b, const char *path)
{
	uint64_t size_bytes;
	const uint8_t *bytes = simdisk_bytes(b->disk, path, &size_bytes);

	ck_assert_ptr_nonnull(bytes);
	return (uint8_t *)(uintptr_t)bytes;
}

void bench_overwrite(struct bench *b, const char *path, const uint8_t *bytes, size_t len_bytes,
	uint64_t off_bytes)
{
	struct file *f;

	simdisk_set_fault(b->disk, NULL, NULL);
	ck_assert_int_eq(io_open(simdisk_io(b->disk), path, 0, 0600, &f), 0);
	ck_assert_int_eq(file_write(f, bytes, len_bytes, off_bytes), 0);
	ck_assert_int_eq(file_sync(f), 0);
	file_close(f);
	simdisk_set_fault(b->disk, on_call, b);
}

void bench_flip(struct bench *b, const char *path, uint64_t off_bytes)
{
	uint8_t byte = bench_bytes(b, path)[off_bytes] ^ 0x10;

	bench_overwrite(b, path, &byte, 1, off_bytes);
}

void bench_random_commit(struct bench *b, uint64_t *rng)
{
	unsigned n = 1 + (unsigned)(check_random(rng) % 4);

	for (unsigned k = 0; k < n; k++) {
		unsigned i = (unsigned)(check_random(rng) % STORE_NUMBERS);

		b->model[i] = check_random(rng);
		bench_set(b, i, b->model[i]);
	}
	bench_commit(b);
}

/* After recovery the next process may believe what this one saw, and a power cut takes nothing. */
void bench_nothing_is_pending(struct bench *b)
{
	struct simwalk *w = simwalk_new(b->disk);

	simwalk_to(w, simdisk_events(b->disk));
	ck_assert_msg(simwalk_pending(w) == 0,
		"recovery did \"%s\" and leaves %u writes that a power cut may lose", b->ledger,
		simwalk_pending(w));
	simwalk_free(w);
}

void bench_lose_the_pages(struct bench *b, uint64_t *rng)
{
	uint8_t old[STORE_PAGES * STORE_PAGE_BYTES];

	bench_random_commit(b, rng);
	memcpy(old, bench_bytes(b, PATH_STORE), sizeof(old));
	for (unsigned page = 0; page < STORE_PAGES; page++) {
		b->model[page * STORE_PAGE_NUMBERS + 2] = 1000 + page;
		bench_set(b, page * STORE_PAGE_NUMBERS + 2, 1000 + page);
	}
	bench_commit(b);
	store_close(&b->store);
	bench_overwrite(b, PATH_STORE, old, sizeof(old), 0);
	b->ledger[0] = '\0';
}
