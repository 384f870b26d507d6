/* SPDX-License-Identifier: MIT */
/*
 * The table of docs/errors.md: each call of the disk fails, in each way, under each pager, and what
 * the caller sees is written down, with the state in which the database is.
 *
 *	error_table >TABLE
 *
 * A cell is all outcomes of many runs: the n-th such call of a transaction fails, n = 0, 1, ...
 * until none is left to fail; alone, or with all that follow; and a flush that fails has lost what
 * it covered, or has not. Each run also proves that the database is whole afterwards, and has what
 * was acknowledged; a run that finds otherwise ends the program with status 1.
 */
#include "base/error.h"
#include "db/db_int.h"
#include "tests/sim/faultio.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_BEFORE   60
#define N_MORE     400
#define VAL_BYTES  300U
#define N_OUTCOMES 16U
#define CACHE      ((size_t)4 << 20)

struct row {
	const char *name;
	unsigned calls; /* enum fault_call */
	int of_commit;  /* which of those that a commit makes; -1: every one, from the open on */
};

static const struct row rows[] = {
	{"read", FAULT_READ, -1},
	{"write", FAULT_WRITE, -1},
	{"data sync", FAULT_SYNC, 0},
	{"meta sync", FAULT_SYNC, 1},
	{"grow", FAULT_TRUNCATE | FAULT_EXTEND, -1},
	{"allocate", FAULT_ALLOCATE, -1},
};

static const enum fault_kind kinds[] = {
	FAULT_EIO, FAULT_ENOSPC, FAULT_SHORT, FAULT_EAGAIN, FAULT_ENOMEM};

static const struct {
	enum verso_pager pager;
	const char *name;
} pagers[] = {{VERSO_BUFPOOL, "VERSO_BUFPOOL"}, {VERSO_MMAP, "VERSO_MMAP"}};

#define N_ROWS   (sizeof(rows) / sizeof(rows[0]))
#define N_KINDS  (sizeof(kinds) / sizeof(kinds[0]))
#define N_PAGERS (sizeof(pagers) / sizeof(pagers[0]))

/* What one run came to. */
struct outcome {
	const char *call; /* which returned the error; NULL: none did */
	int code;
	bool is_poisoned;
	bool has_more; /* opened again, the database has the transaction */
};

struct cell {
	struct outcome outcomes[N_OUTCOMES];
	unsigned n_outcomes;
};

static unsigned long long n_runs, n_struck;

static void fail(const char *what, int rc)
{
	(void)fprintf(stderr, "error_table: %s: %d %s\n", what, rc, verso_errmsg(NULL));
	exit(1);
}

static void must(int rc, const char *what)
{
	if (rc != 0)
		fail(what, rc);
}

static int open_on(struct io *io, enum verso_pager pager, struct verso **ret_db)
{
	struct verso_options options = {.size = sizeof(options),
		.pager = pager,
		.flags = VERSO_CREATE,
		.io = VERSO_IO_SYNC,
		.cache_bytes = CACHE,
		.commit_mode = VERSO_COMMIT_TWO_FLUSH};
	struct db_hooks hooks = {.io = io};

	return db_open_with(&hooks, "db", &options, ret_db);
}

static int put_some(struct verso_txn *txn, int from, int n)
{
	static char bytes[VAL_BYTES];
	int rc = 0;

	for (int i = from; rc == 0 && i < from + n; i++) {
		char key[16];
		int len = snprintf(key, sizeof(key), "key%06d", i);

		rc = verso_put(txn, NULL, (struct verso_val){key, (size_t)len},
			(struct verso_val){bytes, sizeof(bytes)}, 0);
	}
	return rc;
}

/* Reads a record in the middle, which is not in memory after an open. */
static int get_one(struct verso *db)
{
	struct verso_val key = {"key000030", 9}, val;
	struct verso_txn *txn;
	int rc = verso_begin(db, VERSO_READ, &txn);

	if (rc == 0) {
		rc = verso_get(txn, NULL, key, &val);
		verso_abort(txn);
	}
	return rc;
}

/* Commits what was there once more, so that the next commit is not the first one of its session. */
static int commit_again(struct verso *db)
{
	struct verso_txn *txn;
	int rc = verso_begin(db, VERSO_WRITE, &txn);

	if (rc == 0)
		rc = put_some(txn, 0, 1);
	return rc ? rc : verso_commit(txn);
}

/* Opens, reads, and commits more, until a call fails. */
static void work(struct io *io, enum verso_pager pager, const struct row *row,
	struct fault_plan *plan, struct outcome *o, struct verso **ret_db)
{
	struct verso_txn *txn;

	plan->calls = row->of_commit < 0 ? row->calls : 0;
	o->call = "open";
	o->code = open_on(io, pager, ret_db);
	if (o->code < 0)
		return;
	o->call = "get";
	o->code = get_one(*ret_db);
	if (o->code < 0)
		return;
	if (row->of_commit >= 0)
		must(commit_again(*ret_db), "the commit before");
	o->call = "begin";
	o->code = verso_begin(*ret_db, VERSO_WRITE, &txn);
	if (o->code < 0)
		return;
	o->call = "put";
	o->code = put_some(txn, N_BEFORE, N_MORE);
	if (o->code < 0) {
		verso_abort(txn);
		return;
	}
	plan->calls = row->calls;
	o->call = "commit";
	o->code = verso_commit(txn);
	if (o->code == 0)
		o->call = NULL;
}

/* The fault is over: a writer goes on, or is refused. */
static void look_at_writers(struct verso *db, struct outcome *o)
{
	struct verso_txn *txn;
	int rc = verso_begin(db, VERSO_WRITE, &txn);

	o->is_poisoned = rc == VERSO_EPOISONED;
	if (o->is_poisoned) {
		must(get_one(db), "a reader of a poisoned database");
		return;
	}
	must(rc, "the next writer");
	must(put_some(txn, N_BEFORE + N_MORE, 1), "the next put");
	must(verso_commit(txn), "the next commit");
}

/* Opened again, it is whole, and has all of the transaction, or nothing of it. */
static void look_at_state(struct io *io, enum verso_pager pager, struct outcome *o)
{
	struct verso_table_stat stat = {.size = sizeof(stat)};
	struct verso_txn *txn;
	struct verso *db;

	must(open_on(io, pager, &db), "opening again");
	must(verso_check(db, 0, NULL, NULL), "the check");
	must(verso_begin(db, VERSO_READ, &txn), "a reader");
	must(verso_table_stat(txn, NULL, &stat), "the count");
	verso_abort(txn);
	o->has_more = stat.n_records >= N_BEFORE + N_MORE;
	if (stat.n_records != (uint64_t)N_BEFORE + (o->has_more ? N_MORE : 0) &&
		stat.n_records != (uint64_t)N_BEFORE + 1 + (o->has_more ? N_MORE : 0))
		fail("neither before nor after", (int)stat.n_records);
	if (!o->call && !o->has_more)
		fail("a transaction that was acknowledged is lost", 0);
	verso_close(db);
}

/* One run. False: the plan's call never came. */
static bool run(enum verso_pager pager, const struct row *row, struct fault_plan *plan, bool loses,
	struct cell *cell)
{
	struct simdisk *disk = simdisk_new(NULL);
	struct faultio *io = faultio_new(simdisk_io(disk), plan);
	struct outcome o = {0};
	struct verso *db = NULL;
	struct verso_txn *txn;
	unsigned i;

	must(open_on(simdisk_io(disk), pager, &db), "the first open");
	must(verso_begin(db, VERSO_WRITE, &txn), "the first writer");
	must(put_some(txn, 0, N_BEFORE), "the first put");
	must(verso_commit(txn), "the first commit");
	verso_close(db);
	db = NULL;

	if (loses) /* a flush that fails loses what it covered */
		simdisk_set_fault(disk, fault_plan_sim, plan);
	work(loses ? simdisk_io(disk) : faultio_io(io), pager, row, plan, &o, &db);
	simdisk_set_fault(disk, NULL, NULL);
	plan->calls = 0;
	if (db)
		look_at_writers(db, &o);
	verso_close(db);
	look_at_state(simdisk_io(disk), pager, &o);
	faultio_free(io);
	simdisk_free(disk);

	n_runs++;
	if (plan->struck == 0)
		return false;
	n_struck++;
	for (i = 0; i < cell->n_outcomes; i++) {
		if (memcmp(&cell->outcomes[i], &o, sizeof(o)) == 0)
			return true;
	}
	if (cell->n_outcomes == N_OUTCOMES)
		fail("too many outcomes", 0);
	cell->outcomes[cell->n_outcomes++] = o;
	return true;
}

static void fill_cell(enum verso_pager pager, const struct row *row, enum fault_kind kind,
	struct cell *cell)
{
	for (int variant = 0; variant < 4; variant++) {
		bool forever = variant & 1, loses = variant & 2;
		uint64_t nth = row->of_commit < 0 ? 0 : (uint64_t)row->of_commit;

		for (;; nth++) {
			struct fault_plan plan = {.nth = nth, .kind = kind, .forever = forever};

			if (!run(pager, row, &plan, loses, cell) || row->of_commit >= 0)
				break;
		}
	}
}

static const char *code_name(int code)
{
	static const struct {
		int code;
		const char *name;
	} names[] = {{-EIO, "-EIO"}, {-ENOSPC, "-ENOSPC"}, {-EAGAIN, "-EAGAIN"},
		{-ENOMEM, "-ENOMEM"}, {VERSO_EIO, "VERSO_EIO"},
		{VERSO_EPOISONED, "VERSO_EPOISONED"}, {VERSO_ECORRUPT, "VERSO_ECORRUPT"},
		{VERSO_EABORTONLY, "VERSO_EABORTONLY"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].code == code)
			return names[i].name;
	}
	fail("a code without a name", code);
	return NULL;
}

/* The state behind each outcome: as before the transaction, as after it, or either. */
static void print_cell(const struct cell *cell)
{
	bool printed[N_OUTCOMES] = {false}, is_first = true;

	if (cell->n_outcomes == 0)
		printf(" is not called");
	for (unsigned i = 0; i < cell->n_outcomes; i++) {
		const struct outcome *o = &cell->outcomes[i];
		bool before = !o->has_more, after = o->has_more;

		if (printed[i])
			continue;
		for (unsigned j = i + 1; j < cell->n_outcomes; j++) {
			const struct outcome *p = &cell->outcomes[j];

			if (p->call == o->call && p->code == o->code &&
				p->is_poisoned == o->is_poisoned) {
				printed[j] = true;
				before = before || !p->has_more;
				after = after || p->has_more;
			}
		}
		printf("%s", is_first ? " " : "; ");
		is_first = false;
		if (!o->call)
			printf("no error, *after*");
		else
			printf("%s `%s`%s, *%s*", o->call, code_name(o->code),
				o->is_poisoned ? ", poisoned" : "",
				before && after ? "either"
				: before        ? "before"
						: "after");
	}
	printf(" |");
}

int main(void)
{
	for (size_t p = 0; p < N_PAGERS; p++) {
		printf("### %s\n\n| |", pagers[p].name);
		for (size_t k = 0; k < N_KINDS; k++)
			printf(" %s |", fault_name(kinds[k]));
		printf("\n|---|---|---|---|---|---|\n");
		for (size_t r = 0; r < N_ROWS; r++) {
			printf("| %s |", rows[r].name);
			for (size_t k = 0; k < N_KINDS; k++) {
				struct cell cell = {0};

				fill_cell(pagers[p].pager, &rows[r], kinds[k], &cell);
				print_cell(&cell);
			}
			printf("\n");
		}
		printf("\n");
	}
	(void)fprintf(stderr, "total: %zu cells, %llu runs, a call failed in %llu of them\n",
		N_ROWS * N_KINDS * N_PAGERS, n_runs, n_struck);
	return 0;
}
