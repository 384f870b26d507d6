/* SPDX-License-Identifier: MIT */
/* The phases of bench_peers that read. */
#include "bench/peers.h"

#include <string.h>

void slice_get(struct run *r, const struct settings *s, uint64_t from, uint64_t to)
{
	unsigned char key[ENGINE_KEY_BYTES], val[ENGINE_VAL_BYTES];

	r->engine->begin(r->db, ENGINE_READ);
	for (uint64_t i = from; i < to; i++) {
		uint64_t record = bench_mix(i ^ ((uint64_t)s->round << 40)) % s->options.n_records;
		const void *found;

		bench_key(record, key);
		found = r->engine->get(r->db, key);
		engine_check(found != NULL, r->engine->name, "get",
			"a key that was put is not there");
		bench_val(record, 0, val);
		engine_check(memcmp(found, val, sizeof(val)) == 0, r->engine->name, "get",
			"another value than was put");
	}
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
