/* SPDX-License-Identifier: MIT */
#include "experiments/cell/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SCAN_RECORDS  256U /* between two looks at the clock */
#define STAT_EVERY_NS 20000000U
#define POLL_PAUSE_NS 1000000
#define SPIN_LAST_NS  60000U
#define REFRESH_EVERY 1024U

static uint64_t cpu_ns(const struct rusage *u)
{
	uint64_t us = (uint64_t)u->ru_utime.tv_sec * 1000000 + (uint64_t)u->ru_utime.tv_usec +
		      (uint64_t)u->ru_stime.tv_sec * 1000000 + (uint64_t)u->ru_stime.tv_usec;

	return us * 1000;
}

static void pause_ns(uint64_t ns)
{
	const struct timespec t = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

	(void)nanosleep(&t, NULL);
}

/* --- phases -------------------------------------------------------------------------------- */

static void publish(struct worker *w)
{
	struct run *r = w->run;
	struct verso_stat stat;

	if (!r->config->engine->stat(r->db, &stat)) {
		atomic_store(&r->live->threads[w->slot].n_evictions, UINT64_MAX);
		return;
	}
	atomic_store(&r->live->threads[w->slot].n_evictions, stat.n_evictions);
	atomic_store(&r->live->threads[w->slot].pool_bytes, stat.memory_bytes);
	atomic_store(&r->live->threads[w->slot].n_frames,
		stat.pager != VERSO_MMAP ? stat.memory_bytes_max / stat.page_size : 0);
}

static void end_phase(struct worker *w)
{
	struct phase_part *part = w->phase > 0 ? &w->parts[w->phase - 1] : NULL;
	struct rusage usage;

	if (!part)
		return;
	(void)getrusage(RUSAGE_THREAD, &usage);
	part->n_minor_faults += (uint64_t)(usage.ru_minflt - w->phase_usage.ru_minflt);
	part->n_major_faults += (uint64_t)(usage.ru_majflt - w->phase_usage.ru_majflt);
	part->cpu_ns += cpu_ns(&usage) - cpu_ns(&w->phase_usage);
}

/* A phase may get from its own part of the records: the same keys in all cells of a round. */
static void set_phase_keys(struct worker *w, double part)
{
	const struct config *config = w->run->config;

	w->has_phase_keys = part > 0;
	if (w->has_phase_keys)
		keys_init(&w->phase_keys, KEYS_HOT, config->n_records, part, 1,
			config->seed + UINT64_C(1000003) * w->slot + w->phase);
}

static uint64_t next_key(struct worker *w)
{
	return keys_next(w->has_phase_keys ? &w->phase_keys : &w->keys);
}

static void enter_phase(struct worker *w, unsigned phase)
{
	struct run *r = w->run;

	if (phase > LIVE_PHASES_MAX)
		cell_fail("phase", "expected 1 to %u, found %u", LIVE_PHASES_MAX, phase);
	end_phase(w);
	if (w->index == 0 && r->n_edges < LIVE_PHASES_MAX) {
		r->edge_phases[r->n_edges] = phase;
		readings_take(&r->edges[r->n_edges++], r->config->engine, r->db);
	}
	w->phase = phase;
	if (w->phase_batch > 0)
		w->intended_ns = 0; /* an open loop begins when memory has been filled */
	w->phase_batch = (unsigned)atomic_load(&r->live->batch);
	set_phase_keys(w, (double)atomic_load(&r->live->part_ppm) / 1e6);
	if (w->phase_batch > BATCH_MAX)
		cell_fail("phase", "expected a batch up to %u, found %u", BATCH_MAX,
			w->phase_batch);
	w->phase_start_ns = now_ns();
	(void)getrusage(RUSAGE_THREAD, &w->phase_usage);
}

/* E14: the harness wants memory, or gives it back. A map has nothing to be told. */
static void resize(struct worker *w, uint64_t wanted)
{
	struct run *r = w->run;

	if (wanted == 0 || wanted == atomic_load(&r->live->resized_bytes))
		return;
	if (r->config->engine->resize)
		r->config->engine->resize(r->db, wanted);
	atomic_store(&r->live->resized_bytes, wanted);
}

/* Looks what the harness wants. False: end. */
static bool follow(struct worker *w, uint64_t ns)
{
	struct run *r = w->run;
	uint64_t cache_bytes;
	unsigned phase;

	if (w->index == 0 && !r->has_harness && w->phase > 0 &&
		ns - w->phase_start_ns > (uint64_t)(r->config->seconds * 1e9))
		atomic_store(&r->live->stop, 1);
	if (atomic_load_explicit(&r->live->stop, memory_order_relaxed))
		return false;
	/* Before the phase: memory is taken in a phase that has begun. */
	cache_bytes = atomic_load(&r->live->cache_bytes);
	phase = (unsigned)atomic_load(&r->live->phase);
	if (phase != w->phase)
		enter_phase(w, phase);
	if (w->index == 0)
		resize(w, cache_bytes);
	return true;
}

/* --- work ---------------------------------------------------------------------------------- */

static bool is_right(const struct config *config, uint64_t record, const void *value,
	size_t len_bytes)
{
	return data_check(record, value, len_bytes) && record != config->plant_wrong_at;
}

/* Rule R1 counts what was looked at here, so an engine that does not pass a value on is seen. */
static bool check_record(void *arg, uint64_t record, const void *value, size_t len_bytes)
{
	struct worker *w = arg;

	w->n_looked++;
	return is_right(w->run->config, record, value, len_bytes);
}

static void count(struct worker *w, size_t n, size_t n_right, uint64_t latency_ns)
{
	struct phase_part *part = &w->parts[w->phase - 1];

	part->n_ops += n;
	part->n_checked += w->n_looked;
	w->n_looked = 0;
	part->n_wrong += n - n_right;
	histogram_add(&part->latency, latency_ns);
	w->n_ops += n;
	atomic_store_explicit(&w->run->live->threads[w->slot].n_ops, w->n_ops,
		memory_order_relaxed);
}

/* Open loop: waits for the intended start. Returns it. */
static uint64_t wait_for_start(struct worker *w, uint64_t ns)
{
	uint64_t start;

	if (w->intended_ns == 0)
		w->intended_ns = ns;
	start = w->intended_ns;
	w->intended_ns += (uint64_t)(1e9 / w->run->config->rate);
	while (ns < start) {
		if (start - ns > SPIN_LAST_NS)
			pause_ns(start - ns - SPIN_LAST_NS);
		ns = now_ns();
	}
	return start;
}

/* What a pager that reads each page twice would cost: a fault that E3 must name. */
static void plant_read(struct worker *w, uint64_t record)
{
	const struct config *config = w->run->config;

	if (!w->planted)
		w->planted = engine_device.attach(engine_device.open(config, false, false), false);
	(void)engine_device.get(w->planted, 1, &record, check_record, w);
}

/* KEYS_CHAIN: the next key is not known before this value was read. */
static bool check_and_follow(void *arg, uint64_t record, const void *value, size_t len_bytes)
{
	struct worker *w = arg;

	keys_follow(&w->keys, value, len_bytes);
	return check_record(w, record, value, len_bytes);
}

static size_t get_once(struct worker *w, size_t n)
{
	const struct config *config = w->run->config;
	uint64_t records[BATCH_MAX];

	for (size_t i = 0; i < n; i++)
		records[i] = next_key(w);
	if (config->plant_sleep_us)
		pause_ns(config->plant_sleep_us * UINT64_C(1000));
	if (config->plant_read_twice)
		plant_read(w, records[0]);
	if (config->keys == KEYS_CHAIN)
		return config->engine->get(w->engine, n, records, check_and_follow, w);
	return config->engine->get(w->engine, n, records, check_record, w);
}

/* --- results that are held (E4) -------------------------------------------------------------- */

static uint64_t major_faults(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_THREAD, &usage);
	return (uint64_t)usage.ru_majflt;
}

/* The call has returned: its caller looks at the result for the first time, and keeps it. */
static bool check_and_hold(void *arg, uint64_t record, const void *value, size_t len_bytes)
{
	struct worker *w = arg;
	struct held *h = &w->held[w->n_held % w->run->config->hold];
	bool right;

	h->faults_returned = major_faults();
	right = check_record(w, record, value, len_bytes);
	h->faults_checked = major_faults();
	*h = (struct held){
		h->engine, record, value, len_bytes, h->faults_returned, h->faults_checked};
	return right;
}

/* A get in a transaction of its own, whose result lasts for `hold` further gets; then it is
 * checked again. A result ends with the next get of its transaction, so each has one. */
static size_t get_and_hold(struct worker *w)
{
	const struct config *config = w->run->config;
	struct phase_part *part = &w->parts[w->phase - 1];
	struct held *h = &w->held[w->n_held % config->hold];
	uint64_t record = next_key(w), before = major_faults(), after;
	bool right;

	if (h->value) {
		right = is_right(config, h->record, h->value, h->len_bytes);
		after = major_faults();
		part->n_held++;
		part->n_wrong += !right;
		part->n_faults_held += after - before;
		before = after;
		h->value = NULL;
	}
	if (h->engine)
		config->engine->refresh(h->engine);
	else
		h->engine = config->engine->attach(w->run->db, false);
	right = config->engine->get(h->engine, 1, &record, check_and_hold, w) == 1;
	part->n_faults_call += h->faults_returned - before;
	part->n_faults_caller += h->faults_checked - h->faults_returned;
	w->n_held++;
	return right;
}

static void end_held(struct worker *w)
{
	for (unsigned i = 0; w->held && i < w->run->config->hold; i++) {
		if (w->held[i].engine)
			w->run->config->engine->detach(w->held[i].engine);
	}
	free(w->held);
	w->held = NULL;
}

static size_t update_once(struct worker *w)
{
	const struct config *config = w->run->config;

	for (unsigned i = 0; i < config->commit; i++) {
		uint64_t record = next_key(w);

		config->engine->put(w->engine, record, ++w->version);
		updates_note(&w->updated, record, w->version);
	}
	config->engine->commit(w->engine);
	return config->commit;
}

/* Gets and updates: one operation after the other. */
static void run_points(struct worker *w)
{
	const struct config *config = w->run->config;
	bool updates = w->updates;
	uint64_t ns = now_ns(), published_ns = 0, start, refreshed = 0;

	if (config->hold)
		w->held = calloc(config->hold, sizeof(*w->held));
	if (config->hold && !w->held)
		cell_fail("hold", "no memory");
	while (follow(w, ns) && (config->n_ops == 0 || w->n_ops < config->n_ops)) {
		bool filling = w->phase_batch > 0 && !updates;
		size_t n_right, n = updates ? config->commit : config->batch;

		if (filling)
			n = w->phase_batch;
		if (w->index == 0 && ns - published_ns > STAT_EVERY_NS) {
			publish(w);
			published_ns = ns;
		}
		if (!updates && w->n_ops - refreshed >= REFRESH_EVERY) {
			config->engine->refresh(w->engine);
			refreshed = w->n_ops;
		}
		if (config->plant_die_at && w->n_ops >= config->plant_die_at &&
			w->run->process == config->n_processes - 1)
			abort();
		start = config->rate > 0 && !filling ? wait_for_start(w, ns) : ns;
		if (updates)
			n_right = update_once(w);
		else
			n_right = config->hold && !filling ? get_and_hold(w) : get_once(w, n);
		ns = now_ns();
		count(w, n, n_right, ns - start);
	}
}

/* The whole file in the order of its keys, and whether it holds each record. */
static void run_scan(struct worker *w)
{
	const struct config *config = w->run->config;
	uint64_t ns = now_ns(), published_ns = 0, n_pass = 0;

	for (unsigned passes = 0; follow(w, ns);) {
		uint64_t start = ns;
		size_t n_right, n;

		if (w->beside && w->phase != config->scan_phase) {
			pause_ns(POLL_PAUSE_NS);
			ns = now_ns();
			continue;
		}
		if (w->index == 0 && ns - published_ns > STAT_EVERY_NS) {
			publish(w);
			published_ns = ns;
		}
		n = config->engine->scan(w->engine, SCAN_RECORDS, &n_right, check_record, w);
		ns = now_ns();
		n_pass += n;
		count(w, n, n_right, ns - start);
		if (n == SCAN_RECORDS)
			continue;
		if (n_pass != config->n_records)
			cell_fail("scan", "expected %llu records, found %llu",
				(unsigned long long)config->n_records, (unsigned long long)n_pass);
		n_pass = 0;
		if (!w->beside && ++passes == config->passes)
			break;
	}
}

void *worker_main(void *arg)
{
	struct worker *w = arg;
	const struct engine *engine = w->run->config->engine;
	/* LMDB's writer ends on the thread on which it began. */
	bool is_writer_beside = w->beside && w->updates;
	unsigned phase;

	while (atomic_load(&w->run->live->phase) == 0 && !atomic_load(&w->run->live->stop))
		pause_ns(POLL_PAUSE_NS);
	phase = (unsigned)atomic_load(&w->run->live->phase);
	if (phase == 0)
		return NULL;
	enter_phase(w, phase); /* even where another process has already come to its end */
	if (is_writer_beside)
		w->engine = engine->attach(w->run->db, true);
	if (w->scans)
		run_scan(w);
	else
		run_points(w);
	end_held(w);
	end_phase(w);
	if (is_writer_beside) {
		engine->detach(w->engine);
		w->engine = NULL;
	}
	return NULL;
}
