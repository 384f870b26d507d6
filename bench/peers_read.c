/* SPDX-License-Identifier: MIT */
/* The phases of bench_peers that read. */
#include "bench/peers.h"

#include <string.h>

static uint64_t random_record(const struct settings *s, uint64_t i)
{
	return bench_mix(i ^ ((uint64_t)s->round << 40)) % s->options.n_records;
}

static void check_found(const struct run *r, uint64_t record, const void *found)
{
	unsigned char val[ENGINE_VAL_BYTES];

	engine_check(found != NULL, r->engine->name, "get", "a key that was put is not there");
	bench_val(record, 0, val);
	engine_check(memcmp(found, val, sizeof(val)) == 0, r->engine->name, "get",
		"another value than was put");
}

void slice_get(struct run *r, const struct settings *s, uint64_t from, uint64_t to)
{
	unsigned char key[ENGINE_KEY_BYTES];

	r->engine->begin(r->db, ENGINE_READ);
	for (uint64_t i = from; i < to; i++) {
		uint64_t record = random_record(s, i);

		bench_key(record, key);
		check_found(r, record, r->engine->get(r->db, key));
	}
	r->engine->commit(r->db);
}

/* Each key comes from the value before: the gets cannot overlap. */
void slice_dependent(struct run *r, const struct settings *s, uint64_t from, uint64_t to)
{
	unsigned char key[ENGINE_KEY_BYTES];
	uint64_t before = 0;

	r->engine->begin(r->db, ENGINE_READ);
	for (uint64_t i = from; i < to; i++) {
		uint64_t record = random_record(s, i ^ before << 20);
		const void *found;

		bench_key(record, key);
		found = r->engine->get(r->db, key);
		check_found(r, record, found);
		memcpy(&before, found, sizeof(before));
	}
	r->engine->commit(r->db);
}

static void get_many(struct run *r, const struct settings *s, uint64_t from, size_t n)
{
	unsigned char keys[ENGINE_MANY * ENGINE_KEY_BYTES];
	const void *found[ENGINE_MANY];
	uint64_t records[ENGINE_MANY];

	for (size_t k = 0; k < n; k++) {
		records[k] = random_record(s, from + k);
		bench_key(records[k], keys + k * ENGINE_KEY_BYTES);
	}
	r->engine->get_many(r->db, keys, n, found);
	for (size_t k = 0; k < n; k++)
		check_found(r, records[k], found[k]);
}

void slice_many(struct run *r, const struct settings *s, uint64_t from, uint64_t to)
{
	if (!r->engine->get_many) {
		slice_get(r, s, from, to);
		return;
	}
	r->engine->begin(r->db, ENGINE_READ);
	for (; from < to; from += ENGINE_MANY)
		get_many(r, s, from, to - from < ENGINE_MANY ? to - from : ENGINE_MANY);
	r->engine->commit(r->db);
}

/* A slice is one scan; its operations are the records. */
void slice_scan(struct run *r, const struct settings *s, uint64_t from, uint64_t to)
{
	uint64_t sum, n;

	r->engine->begin(r->db, ENGINE_READ);
	n = r->engine->scan(r->db, &sum);
	r->engine->commit(r->db);
	engine_check(n == to - from, r->engine->name, "scan", "another number of records");
	engine_check(!s->results->have_sum || sum == s->results->sum, r->engine->name, "scan",
		"other records");
	s->results->sum = sum;
	s->results->have_sum = 1;
}
