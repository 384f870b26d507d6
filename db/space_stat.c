/* SPDX-License-Identifier: MIT */
/* Where the space goes: a sweep over what is in trees, and the account of the rest. */
#include "base/clock.h"
#include "db/db_int.h"
#include "txn/account.h"
#include "txn/sweep.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MUCH_PERCENT 20U /* of the file: what is worth a sentence */

static void add_run(struct verso_space *sp, const struct sweep_run *run)
{
	for (uint32_t i = 0; i < run->n_pages; i++) {
		const struct page *page =
			(const struct page *)(run->pages + (size_t)i * sp->page_size);

		if (page->type == PAGE_OVERFLOW)
			sp->n_overflow++;
		else if (page->level > 0)
			sp->n_inner++;
		else
			sp->n_leaf++;
		sp->slack_bytes += btree_page_slack(page, sp->page_size);
	}
}

static int add_trees(struct verso_space *sp, struct verso_txn *txn)
{
	struct txn_sweep sweep;
	struct sweep_run run;
	int rc = txn_sweep_init(&sweep, txn->txn);

	while (rc == 0) {
		rc = txn_sweep_next(&sweep, &run);
		if (rc == 0)
			add_run(sp, &run);
	}
	txn_sweep_fini(&sweep);
	sp->n_slack = (uint32_t)(sp->slack_bytes / sp->page_size);
	return rc == SWEEP_END ? 0 : rc;
}

/* The reader of this process that sees the oldest state. */
static void find_reader(struct verso_space *sp, struct verso *db, uint64_t now_ns)
{
	pthread_mutex_lock(&db->lock);
	for (const struct verso_txn *t = db->txns; t; t = t->next) {
		if (t->txn->writable || t->txn->gen != sp->reader_gen)
			continue;
		sp->reader_pid = (uint64_t)getpid();
		if (now_ns > t->txn->begun_ns)
			sp->reader_age_ms = (now_ns - t->txn->begun_ns) / 1000000;
		break;
	}
	pthread_mutex_unlock(&db->lock);
}

/* Of what another process wrote down: it may be anything. */
static uint64_t age_ms(uint64_t begun_ns)
{
	uint64_t now_ns = clock_coarse_ns();

	return begun_ns != 0 && begun_ns < now_ns ? (now_ns - begun_ns) / 1000000 : 0;
}

static void add_account(struct verso_space *sp, const struct txn_account *a)
{
	sp->n_pages = a->n_pages;
	sp->file_bytes = (uint64_t)a->file_pages * sp->page_size;
	sp->n_free_space = a->n_own + a->n_list;
	sp->n_free = a->n_free;
	sp->n_pending = a->n_pending;
	sp->n_held = a->n_held;
	sp->n_reserve = a->n_reserve;
	sp->reader_gen = a->oldest_reader;
	sp->reader_pid = a->reader_pid;
	sp->reader_age_ms = age_ms(a->reader_begun_ns);
	sp->n_reader_held = a->n_by_oldest;
}

/* The sentence is about the largest part of the file that need not be. */
static void explain(struct verso_space *sp)
{
	uint64_t n_file = sp->file_bytes / sp->page_size;
	uint64_t n_free = sp->n_free + (n_file > sp->n_pages ? n_file - sp->n_pages : 0);
	uint64_t n_spare = n_free > sp->n_reserve ? n_free - sp->n_reserve : 0;
	uint64_t n_most = n_spare > sp->n_pending ? n_spare : sp->n_pending;
	char *to = sp->why;
	char reader[96] = "";

	if (sp->n_slack > n_most)
		n_most = sp->n_slack;
	if (sp->reader_pid && sp->reader_age_ms == 0)
		(void)snprintf(reader, sizeof(reader), " (of process %" PRIu64 ")", sp->reader_pid);
	else if (sp->reader_pid)
		(void)snprintf(reader, sizeof(reader),
			" (of process %" PRIu64 ", open for %" PRIu64 ".%" PRIu64 " s)",
			sp->reader_pid, sp->reader_age_ms / 1000, sp->reader_age_ms / 100 % 10);
	if (n_most * 100 < n_file * MUCH_PERCENT || n_file <= 64)
		(void)snprintf(to, sizeof(sp->why),
			"The file is as large as its records need: no part of a fifth or more "
			"would go.");
	else if (n_most == sp->n_pending && sp->n_held * 2 > sp->n_pending)
		(void)snprintf(to, sizeof(sp->why),
			"%" PRIu32 " of %" PRIu64 " pages are kept for readers, the oldest of "
			"which%s holds %" PRIu32 ": when it ends they are used again by what is "
			"written, or verso_compact() cuts them off.",
			sp->n_held, n_file, reader, sp->n_reader_held);
	else if (n_most == sp->n_pending)
		(void)snprintf(to, sizeof(sp->why),
			"%" PRIu32 " of %" PRIu64 " pages were freed by the newest commits: they "
			"are used again by what is written next, or verso_compact() cuts them off.",
			sp->n_pending, n_file);
	else if (n_most == n_spare)
		(void)snprintf(to, sizeof(sp->why),
			"%" PRIu64 " of %" PRIu64 " pages are free: they are used again by what is "
			"written next, or verso_compact() cuts them off.",
			n_free, n_file);
	else
		(void)snprintf(to, sizeof(sp->why),
			"The pages in trees are partly empty, %" PRIu32 " pages in all of %" PRIu64
			": records that come between those there fill them, or verso_compact() "
			"does, where the records of neighbours fit together.",
			sp->n_slack, n_file);
}

int verso_space(struct verso *db, struct verso_space *space)
{
	THREAD_KEPT;
	struct verso_space full = {0};
	struct txn_account account;
	struct verso_txn *txn;
	int rc = boundary_db(db);

	if (rc < 0)
		return call_result(rc);
	if (!space || space->size < sizeof(space->size))
		return misuse("verso_space: set space->size to sizeof(struct verso_space)");
	if (check_runs_here(db))
		return misuse("verso_space: called by the callback of a check or a copy of this "
			      "database");
	if (waits_for_itself(db) || open_writes_here(db))
		return misuse("verso_space: this thread has a write transaction open, for which "
			      "the call would wait forever");
	full.page_size = db->pager->page_size;
	rc = txn_account(db->env, &account);
	if (rc < 0)
		return call_result(rc);
	add_account(&full, &account);
	find_reader(&full, db, clock_coarse_ns());
	rc = verso_begin(db, VERSO_READ, &txn);
	if (rc < 0)
		return rc;
	rc = add_trees(&full, txn);
	verso_abort(txn);
	if (rc < 0)
		return call_result(rc);
	explain(&full);
	full.size = space->size < sizeof(full) ? space->size : sizeof(full);
	memcpy(space, &full, full.size);
	return 0;
}
