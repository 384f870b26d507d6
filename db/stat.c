/* SPDX-License-Identifier: MIT */
/* What there is to say about a database, gathered from the floors below; and its memory. */
#include "db/db_int.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static void take_txn(struct verso_stat *st, struct txn_env *env)
{
	struct txn_stat t;

	txn_stat(env, &t);
	st->n_pages = t.n_pages;
	st->n_free_pages = t.n_free_pages;
	st->n_pending_pages = t.n_pending_pages;
	st->newest_gen = t.newest_gen;
	st->durable_gen = t.durable_gen;
	st->n_readers = t.n_readers;
	st->oldest_reader_gen = t.oldest_reader_gen;
	st->n_commits = t.n_commits;
	st->n_flushes = t.n_flushes;
	st->n_spilled_pages = t.n_spilled_pages;
	st->batch_max = (uint32_t)t.n_group_max;
	st->rolled_back = t.rolled_back;
	st->poisoned = t.poisoned;
}

static void take_pager(struct verso_stat *st, struct pager *pager)
{
	struct pager_stats p;

	pager_stats(pager, &p);
	st->page_size = pager->page_size;
	st->n_gets = p.n_gets;
	st->n_peeks = p.n_peeks;
	st->n_misses = p.n_misses;
	st->n_evictions = p.n_evictions;
	st->n_prefetched = p.n_prefetched;
	st->n_barriers = p.n_flushes;
	st->read_bytes = p.read_bytes;
	st->write_bytes = p.write_bytes;
	st->n_loads_get = p.n_loads[PAGER_LOAD_GET];
	st->n_loads_writer = p.n_loads[PAGER_LOAD_WRITER];
	st->n_loads_many = p.n_loads[PAGER_LOAD_MANY];
	st->n_loads_ahead = p.n_loads[PAGER_LOAD_AHEAD];
	st->n_victims = p.n_victims;
	st->n_unneeded = p.n_unneeded;
	st->n_waits_load = p.n_waits_load;
	st->n_waits_limbo = p.n_waits_limbo;
	st->n_reads = p.n_reads;
	st->n_reads_max = p.n_reads_max;
	st->memory_bytes_max = p.memory_bytes_max;
	st->memory_bytes = p.memory_bytes;
	(void)snprintf(st->how, sizeof(st->how), "%s", p.how);
}

static void take_faults(struct verso_stat *st)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) < 0) {
		st->n_major_faults = st->n_minor_faults = VERSO_UNKNOWN;
		return;
	}
	st->n_major_faults = (uint64_t)usage.ru_majflt;
	st->n_minor_faults = (uint64_t)usage.ru_minflt;
}

int verso_cache_resize(struct verso *db, size_t cache_bytes)
{
	THREAD_KEPT;
	int rc = boundary_db(db);

	return call_result(rc < 0 ? rc : pager_cache_resize(db->pager, cache_bytes));
}

int verso_stat(struct verso *db, struct verso_stat *stat)
{
	struct verso_stat full = {0};
	int rc = boundary_db(db);

	if (rc < 0)
		return call_result(rc);
	if (!stat || stat->size < sizeof(stat->size))
		return misuse("verso_stat: set stat->size to sizeof(struct verso_stat)");
	take_txn(&full, db->env);
	take_pager(&full, db->pager);
	take_faults(&full);
	full.pager = db->options.pager;
	full.sync = db->options.sync;
	full.commit_mode = db->commit_mode;
	full.size = stat->size < sizeof(full) ? stat->size : sizeof(full);
	memcpy(stat, &full, full.size);
	return 0;
}
