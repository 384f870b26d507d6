/* SPDX-License-Identifier: MIT */
/*
 * Running a stream: on two of the pagers and the oracle, operation by operation, until a result
 * differs.
 */
#ifndef TESTS_DIFFERENTIAL_RUN_H
#define TESTS_DIFFERENTIAL_RUN_H

#include "tests/differential/oracle.h"

#include "db/db_int.h"

#include <sys/types.h>

/* What happened, over all streams; in memory shared with the children that run them. */
enum mark {
	MARK_OPS,
	MARK_COMMITS,
	MARK_ABORTS,
	MARK_IMAGES,
	MARK_CHECKS,
	MARK_SNAPSHOTS, /* readers whose whole snapshot was compared */
	MARK_OLD,       /* of them, those that were older than the newest commit */
	MARK_RECORDS,   /* compared in snapshots and scans */
	MARK_REOPENS,
	MARK_DROPS,
	MARK_CURSOR_DELS,
	MARK_RANGE_DELS, /* records */
	MARK_PRUNES,
	MARK_PIECES,
	MARK_RENAMES,
	MARK_HEIGHT_4, /* commits with a tree of four levels or more */
	MARK_SPLITS,
	MARK_EDGE_SPLITS,
	MARK_MERGES,
	MARK_REDISTRIBUTIONS,
	MARK_LATE_SPLITS,
	MARK_ROOTS_GROWN,
	MARK_ROOTS_SHRUNK,
	MARK_EMPTIED, /* commits that left the default table empty, after it had records */
	MARK_OVERFLOW_MADE,
	MARK_OVERFLOW_FREED,
	MARK_LONG_PREFIX, /* puts of keys that share more than half of the longest key */
	MARK_SPILLS,
	MARK_EVICTIONS,
	MARK_CUTS,
	MARK_COPIES,
	MARK_COMPACTIONS, /* steps of them */
	MARK_COMPACTED,   /* leaves and pages that they changed */
	MARK_GUESTS,      /* commits of other processes */
	MARK_WRITTEN,     /* commits that were written, not flushed */
	MARK_ASYNC,       /* commits that were not waited for one by one */
	MARK_UNSEALED,    /* pages in which the files differed, as they may (sides.c) */
	N_MARKS,
};

#define N_PAGERS 3 /* enum verso_pager */

struct side {
	enum verso_pager pager;
	bool was_shared; /* a map has stored into the file: some pages may lack a seal */
	char path[512];
	struct verso *db;
	uint64_t async_gen;                   /* of its newest commit that was not waited for */
	struct verso_txn *txn;                /* NULL: none is open */
	struct verso_table *tables[N_TABLES]; /* of txn, when open; [0] stays NULL */
	struct verso_table *kept[N_TABLES];   /* of db; likewise */
	struct verso_cursor *cursors[N_CURSORS];
	struct verso_txn *readers[N_READERS];
};

/* Where a cursor must be. */
struct place {
	bool open;
	uint8_t table;
	enum { PLACE_NEW, PLACE_AT, PLACE_BEFORE, PLACE_BEHIND } state;
	size_t key_len;
	uint8_t key[KEY_MAX];
};

struct run {
	const struct stream *stream;
	struct side sides[2];
	struct oracle oracle;
	struct place places[N_CURSORS];
	uint64_t reader_commit[N_READERS]; /* n_commits when it began */
	uint64_t n_commits;
	uint64_t *marks; /* N_MARKS, shared */
	struct {
		int fd; /* where it takes orders */
		pid_t pid;
	} guests[2]; /* one for each side */
	bool had_records;
	size_t at;          /* the running operation */
	char failure[1024]; /* "" while all is well */
	uint8_t key_buf[KEY_MAX], val_buf[VALUE_MAX];
};

/* Runs it in folder, which is empty. True: every result was right; else r->failure says which was
 * not. */
bool run_stream(struct run *r, const struct stream *s, const char *folder, uint64_t *marks);

/* Remembers why the stream failed; returns false. */
bool run_fail(struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline void run_mark(struct run *r, enum mark mark, uint64_t n)
{
	(void)__atomic_fetch_add(&r->marks[mark], n, __ATOMIC_RELAXED);
}

/* sides.c */
int sides_open_one(const struct config *c, const char *path, enum verso_pager pager, unsigned flags,
	struct verso **ret_db);
bool sides_open(struct run *r);
void sides_close(struct run *r);
bool sides_begin(struct run *r); /* a write transaction, unless one is open */
bool sides_end(struct run *r, bool commit);
bool sides_wait(struct run *r);                  /* until readers see all commits */
bool sides_table(struct run *r, unsigned table); /* opens it in the write transaction */
bool sides_compare_images(struct run *r);
bool sides_check(struct run *r);

/* look.c: reading, against a view */

/* Both sides answered rc0 and rc1: the same, and `expected`. */
bool look_codes(struct run *r, int rc0, int rc1, int expected);
bool look_values(struct run *r, struct verso_val v0, struct verso_val v1,
	struct verso_val expected);
bool look_get(struct run *r, struct verso_txn *const *txns, struct verso_table *const *tables,
	struct view *v, unsigned table, struct verso_val key);
bool look_get_many(struct run *r, const struct op *op);
bool look_read(struct run *r, const struct op *op, struct verso_val key);
/* n records from key on (data NULL: from the end), up or down. */
bool look_scan(struct run *r, struct verso_txn *const *txns, struct verso_table *const *tables,
	struct view *v, unsigned table, struct verso_val key, bool up, uint64_t n);

/* guests.c: other processes, where the stream has any */
bool guests_start(struct run *r); /* before anything is open */
bool guests_turn(struct run *r);  /* each commits, and looks; no write transaction is open */
bool guests_leave(struct run *r); /* they close what they have open */
void guests_end(struct run *r);

/* readers.c */
bool readers_begin(struct run *r, unsigned reader);
bool readers_look(struct run *r, unsigned reader, const struct op *op);
bool readers_end(struct run *r, unsigned reader);

/* ranges.c */
bool ranges_op(struct run *r, const struct op *op, struct verso_table *const *tables,
	struct verso_val key);

/* writes.c */
bool writes_op(struct run *r, const struct op *op, struct verso_table *const *tables,
	struct verso_val key);
bool writes_rename(struct run *r, const struct op *op);

/* cursors.c */
bool cursors_op(struct run *r, const struct op *op);
void cursors_forget(struct run *r); /* the transaction ends */
void cursors_forget_table(struct run *r, unsigned table);

#endif
