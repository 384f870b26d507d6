/* SPDX-License-Identifier: MIT */
/* The phases of bench_peers that write. */
#include "bench/peers.h"

#include <pthread.h>

/* A slice is a transaction. */
void slice_load(struct run *r, const struct settings *s, uint64_t from, uint64_t to)
{
	unsigned char key[ENGINE_KEY_BYTES], val[ENGINE_VAL_BYTES];

	(void)s;
	r->engine->begin(r->db, ENGINE_WRITE);
	for (uint64_t i = from; i < to; i++) {
		bench_key(i, key);
		bench_val(i, 0, val);
		r->engine->put(r->db, key, val);
	}
	r->engine->commit(r->db);
}

/* The same in the order of the keys, which is passed on to an engine that can use it. */
void slice_sorted_load(struct run *r, const struct settings *s, uint64_t from, uint64_t to)
{
	void (*put)(struct engine_db *, const void *, const void *) =
		r->engine->append ? r->engine->append : r->engine->put;
	unsigned char key[ENGINE_KEY_BYTES], val[ENGINE_VAL_BYTES];

	(void)s;
	r->engine->begin(r->db, ENGINE_WRITE);
	for (uint64_t i = from; i < to; i++) {
		for (int b = 0; b < ENGINE_KEY_BYTES; b++)
			key[b] = (unsigned char)(i >> (8 * (ENGINE_KEY_BYTES - 1 - b)));
		bench_val(i, 0, val);
		put(r->db, key, val);
	}
	r->engine->commit(r->db);
}

/* Replaces a value in a transaction of its own. */
static void durable_put(const struct run *r, struct engine_db *db, const struct settings *s,
	uint64_t i)
{
	unsigned char key[ENGINE_KEY_BYTES], val[ENGINE_VAL_BYTES];
	uint64_t record = bench_mix(i ^ (1ull << 62)) % s->options.n_records;

	bench_key(record, key);
	bench_val(record, 1, val);
	r->engine->begin(db, ENGINE_WRITE);
	r->engine->put(db, key, val);
	r->engine->commit(db);
}

void slice_put(struct run *r, const struct settings *s, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++) {
		double begin = bench_now();

		durable_put(r, r->db, s, i);
		r->put_us[i] = (bench_now() - begin) * 1e6;
	}
}

struct writer {
	pthread_t thread;
	const struct run *run;
	const struct settings *settings;
	struct engine_db *db;
	uint64_t from, to;
};

static void *write_puts(void *arg)
{
	const struct writer *w = arg;

	for (uint64_t i = w->from; i < w->to; i++)
		durable_put(w->run, w->db, w->settings, i);
	return NULL;
}

/* The puts are divided among threads, and the slice ends with the last of them. */
void slice_writers(struct run *r, const struct settings *s, uint64_t from, uint64_t to)
{
	struct writer writers[N_WRITERS];

	for (uint64_t i = 0; i < N_WRITERS; i++) {
		struct writer *w = &writers[i];

		if (!r->writers[i])
			r->writers[i] = r->engine->attach(r->db);
		*w = (struct writer){.run = r, .settings = s, .db = r->writers[i]};
		w->from = from + (to - from) * i / N_WRITERS;
		w->to = from + (to - from) * (i + 1) / N_WRITERS;
	}
	for (int i = 0; i < N_WRITERS; i++)
		engine_check(pthread_create(&writers[i].thread, NULL, write_puts, &writers[i]) == 0,
			r->engine->name, "writers", "no thread");
	for (int i = 0; i < N_WRITERS; i++)
		(void)pthread_join(writers[i].thread, NULL);
}
