/* SPDX-License-Identifier: MIT */
/* The life of a cell: open, wait for the harness, work, print. */
#include "experiments/cell/evict.h"
#include "experiments/cell/print.h"
#include "experiments/cell/processes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define OBSERVE_NS 1000000

static struct live *map_live(int fd, int sharing)
{
	struct live *live = mmap(NULL, sizeof(*live), PROT_READ | PROT_WRITE,
		fd < 0 ? sharing | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	if (live == MAP_FAILED)
		cell_fail("live", "%s", strerror(errno));
	return live;
}

/* What rule R9 forbids, for E17: it makes its CPU a target of every TLB shootdown. */
static void *observe(void *arg)
{
	struct run *r = arg;
	uint64_t seen = 0;

	while (!atomic_load(&r->live->stop)) {
		for (unsigned i = 0; i < r->n_workers; i++)
			seen += atomic_load(&r->live->threads[i].n_ops);
		(void)nanosleep(&(struct timespec){0, OBSERVE_NS}, NULL);
	}
	return (void *)(uintptr_t)seen;
}

static void start_workers(struct run *r)
{
	const struct config *config = r->config;
	bool beside = config->work == WORK_SCAN_GETS || config->work == WORK_UPDATE_GETS;

	r->n_workers = config->n_threads + beside;
	for (unsigned i = 0; i < r->n_workers; i++) {
		struct worker *w = &r->workers[i];

		w->index = i;
		w->slot = r->process * r->n_workers + i;
		w->run = r;
		atomic_store(&r->live->threads[w->slot].pid, (uint64_t)getpid());
		w->beside = beside && i == config->n_threads;
		w->scans =
			config->work == WORK_SCAN || (config->work == WORK_SCAN_GETS && w->beside);
		w->updates = config->work == WORK_UPDATE ||
			     (config->work == WORK_UPDATE_GETS && w->beside);
		if (!(w->beside && w->updates))
			w->engine = config->engine->attach(r->db, w->updates);
		keys_init(&w->keys, config->keys, config->n_records, config->part, config->stride,
			config->seed + UINT64_C(1000003) * w->slot);
	}
	for (unsigned i = 0; i < r->n_workers && r->packages; i++)
		keys_walk(&r->workers[i].keys, r->packages);
	for (unsigned i = 1; i < r->n_workers; i++) {
		if (pthread_create(&r->workers[i].thread, NULL, worker_main, &r->workers[i]) != 0)
			cell_fail("threads", "expected %u, could start %u", r->n_workers, i);
	}
}

static void end_workers(struct run *r)
{
	/* A worker that came to its end ends the others too: they would be alone. */
	atomic_store(&r->live->stop, 1);
	for (unsigned i = 1; i < r->n_workers; i++)
		(void)pthread_join(r->workers[i].thread, NULL);
	readings_take(&r->edges[r->n_edges], r->config->engine, r->db);
	for (unsigned i = 0; i < r->n_workers; i++) {
		if (r->workers[i].engine)
			r->config->engine->detach(r->workers[i].engine);
	}
	/* Behind the last reading: it belongs to no phase. */
	for (unsigned i = 0; i < r->n_workers; i++) {
		if (r->workers[i].updates)
			updates_read_back(&r->workers[i].updated, r->config, r->db);
	}
}

static void free_workers(struct run *r)
{
	for (unsigned i = 0; i < r->n_workers; i++)
		keys_fini(&r->workers[i].keys);
	packages_free(r->packages);
}

void process_open(struct run *r)
{
	const struct config *config = r->config;
	uint64_t start_ns = now_ns();

	readings_begin();
	if (config->packages_path)
		r->packages = packages_read(config->packages_path);
	if (config->evict_above_bytes)
		r->evictor = evictor_start(config->file, config->evict_above_bytes, config->seed);
	r->db = config->engine->open(config, false, work_writes(config->work));
	start_workers(r);
	if (config->plant_observer && pthread_create(&r->observer, NULL, observe, r) != 0)
		cell_fail("threads", "no observer could be started");
	r->load_ns = now_ns() - start_ns;
}

void process_work(struct run *r)
{
	(void)worker_main(&r->workers[0]);
	end_workers(r);
	if (r->config->plant_observer)
		(void)pthread_join(r->observer, NULL);
	r->evicted_bytes = evictor_stop(r->evictor);
	r->config->engine->close(r->db);
	free_workers(r);
}

void cell_begin(struct run *r)
{
	atomic_store(&r->live->state, LIVE_READY);
	if (!r->has_harness)
		atomic_store(&r->live->phase, 1);
}

/* For each process what it does: zeros, shared where there are several. */
static struct run *make_runs(const struct config *config)
{
	unsigned n = config->n_processes;
	int sharing = n > 1 ? MAP_SHARED : MAP_PRIVATE;
	struct run *runs = mmap(NULL, n * sizeof(*runs), PROT_READ | PROT_WRITE,
		sharing | MAP_ANONYMOUS, -1, 0);
	struct live *live = map_live(config->live_fd, sharing);

	if (runs == MAP_FAILED)
		cell_fail("run", "%s", strerror(errno));
	for (unsigned i = 0; i < n; i++) {
		runs[i].config = config;
		runs[i].process = i;
		runs[i].has_harness = config->live_fd >= 0;
		runs[i].live = live;
	}
	return runs;
}

void cell_run(const struct config *config, FILE *out)
{
	struct run *runs = make_runs(config);

	if (config->n_processes > 1) {
		processes_run(runs);
	} else {
		process_open(runs);
		cell_begin(runs);
		process_work(runs);
	}
	atomic_store(&runs->live->state, LIVE_DONE);
	print_run(runs, out);
	(void)munmap(runs->live, sizeof(*runs->live));
	(void)munmap(runs, config->n_processes * sizeof(*runs));
}

void cell_load(const struct config *config)
{
	struct engine_db *db = config->engine->open(config, true, true);
	struct engine_thread *t = config->engine->attach(db, true);
	uint64_t factor = scatter_factor(config->n_records);

	for (uint64_t i = 0; i < config->n_records; i++) {
		config->engine->put(t,
			config->load_scattered ? scatter(i, config->n_records, factor) : i, 0);
		if (i % 100000 == 99999)
			config->engine->commit(t);
	}
	config->engine->commit(t);
	config->engine->detach(t);
	config->engine->close(db);
}
