/* SPDX-License-Identifier: MIT */
/*
 * What the files of db/ share: the handles behind the public names. How they work together stands
 * in db/README.md.
 */
#ifndef DB_INT_H
#define DB_INT_H

#include "base/error.h"
#include "base/thread.h"
#include "btree/btree.h"
#include "btree/catalogue.h"
#include "io/fault.h"
#include "io/file.h"
#include "pager/pager.h"
#include "txn/members.h"
#include "txn/txn.h"
#include "verso.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>
#include <string.h>

#define CACHE_BYTES_DEFAULT ((size_t)64 << 20)
#define PAGE_SIZE_DEFAULT   4096U
#define FILE_MODE_DEFAULT   0600U
#define VALUE_COPY_DEFAULT  ((size_t)256 << 20)
#define BUSY_MS_DEFAULT     1000U
#define TABLE_NAME_MAX      255U

/*
 * Opening, for tests: on another kernel than the real one, with other thresholds.
 */
struct db_hooks {
	struct io *io;                 /* NULL: the real kernel */
	const struct txn_options *txn; /* NULL: what verso_open() uses; `mode`, `sync` and
					  `read_only` always come from the public options */
	const uint8_t *uuid;           /* of a database that is made; NULL: random */
	bool shared;                   /* as verso_open(): other processes may have it open too */
};

/* Until when a lock of somebody else is waited for, by busy_timeout_ms (db/open.c). */
uint64_t busy_until_ns(const struct verso *db);

/* verso_open() with hooks (db/open.c). path is taken as it is: links are not resolved. */
int db_open_with(const struct db_hooks *hooks, const char *path, const struct verso_options *opts,
	struct verso **ret_db);

/*
 * Handles (db/handle.c). Each begins with this. Its memory is used again, for the same kind, and
 * never given back, so that a call with a handle that has ended finds a dead one and says so.
 */
enum handle_kind { HANDLE_DB, HANDLE_TXN, HANDLE_TABLE, HANDLE_KEPT, HANDLE_CURSOR, HANDLE_KINDS };

struct handle {
	_Atomic uint32_t live;    /* HANDLE_MAGIC + kind, or 0 */
	uint64_t number;          /* of all that were made; constant while live */
	struct handle *next_dead; /* the pool's, while dead */
};

#define HANDLE_MAGIC 0x76650000u

/* A zeroed, live handle of the kind's size; NULL: no memory. Any thread. */
void *handle_alloc(enum handle_kind kind, size_t len_bytes);

/* Ends it. Any thread. */
void handle_end(enum handle_kind kind, void *handle);

static inline bool handle_is(const void *handle, enum handle_kind kind)
{
	const struct handle *h = handle;

	return h && atomic_load_explicit(&h->live, memory_order_acquire) == HANDLE_MAGIC + kind;
}

/* Whether the handle that had this number is still live. Afterwards nothing of it is touched. */
static inline bool handle_is_still(const void *handle, enum handle_kind kind, uint64_t number)
{
	return handle_is(handle, kind) && ((const struct handle *)handle)->number == number;
}

/*
 * Number of this process among those that opened a database since their fork; another in a child.
 */
extern const _Atomic uint32_t *process_word;
int process_init(void);

static inline bool process_is(uint32_t number)
{
	return atomic_load_explicit(process_word, memory_order_relaxed) == number;
}

/*
 * The databases that this process has open (handle.c): a thread that waits for a lock
 * which another handle of the same process has would wait in vain. Any thread.
 */
void open_add(struct verso *db);
void open_remove(const struct verso *db);      /* before its locks fall; need not be there */
bool open_has_file(struct file *file);         /* some one of that file */
bool open_has(const struct verso *db);         /* another one of its name, which excludes it */
bool open_writes_here(const struct verso *db); /* this thread, through another one of its name */

/*
 * The database
 */
struct tracer {
	struct pager_tracer pager; /* first */
	verso_trace_fn *event;
	void *arg;
};

/* How it lives with other processes (db/README.md). */
enum db_role {
	ROLE_ALONE,    /* no other one has it open */
	ROLE_MEMBER,   /* reads and writes beside others, which the board knows */
	ROLE_OBSERVER, /* reads beside others, which need not know */
	ROLE_READER,   /* reads what nobody writes */
};

struct compaction; /* compact.c */

struct verso {
	struct handle handle;
	struct tracer tracer;         /* constant once open; unused when tracing is off */
	uint32_t process;             /* process_word at the open; constant */
	struct verso_options options; /* defaults filled in; constant */
	struct io *io;                /* constant */
	struct file *file;            /* constant */
	struct file *side;            /* DB-lock; NULL: none could be had; constant */
	bool side_is_usable;  /* its head is durable, and a member's has all its blocks; constant */
	bool side_has_record; /* it names us; constant */
	bool name_is_durable; /* the folder was synced; the writer's */
	int name_error;       /* why it could not be; the writer's */
	atomic_int sync_error;  /* of the first flush of an observer that failed */
	bool wants_any;         /* pager: VERSO_PAGER_ANY; constant */
	enum db_role role;      /* constant */
	struct file *observed;  /* an observer's: the file, buffered; may be `file`; constant */
	bool has_joined;        /* the members; constant */
	struct members members; /* of those; constant */
	struct map *board;      /* of the side file; constant */
	struct pager *pager;    /* constant */
	struct txn_env *env;    /* constant */
	enum verso_commit_mode commit_mode; /* in use; constant */
	char *path;                         /* constant */
	struct verso *next_open;            /* handle.c's */
	pthread_mutex_t lock;               /* of what follows */
	pthread_mutex_t compact_lock;       /* of what follows */
	struct compaction *compaction; /* where it goes on; NULL: at the beginning; the writer's */
	struct verso_txn *txns;        /* open ones */
	struct kept_table *kept;       /* the newest first */
	_Atomic uint64_t writer; /* number of the thread that last used the open write transaction;
				    0: none */
};

/* A value found lies in a page that is pinned until the result ends. */
struct held {
	struct btree *tree;
	struct btree_item item;
	struct verso_val *result; /* where get_many gave it out, while it runs */
};

/* Memory of results: a list, so that what was given out does not move. */
struct chunk {
	struct chunk *next;
	max_align_t bytes[];
};

/* What verso_table_keep() gives out as a struct verso_table: a name, and where it was found. */
struct kept_table {
	struct handle handle;
	struct verso *db;
	unsigned index; /* of all of the database: of its place in verso_txn.kept */
	struct kept_table *next;
	/* db->lock: root is what the catalogue has for the name when its own root is this. */
	struct page_ref catalogue;
	struct txn_root root;
	char name[TABLE_NAME_MAX + 1];
};

struct verso_table {
	struct handle handle;
	struct verso_txn *txn; /* constant */
	struct btree tree;
	struct txn_root stored; /* as the catalogue has it */
	uint64_t n_edits;       /* in this transaction: a cursor's result is older than the last */
	struct verso_table *next, *prev; /* of the transaction */
	struct verso_table *children[4]; /* in txn->by_name */
	unsigned kept;                   /* one more than its place in txn->kept; 0: it has none */
	char name[TABLE_NAME_MAX + 1];
};

/* Room for a long value, to be stored by the next call of the transaction (db/boundary.c). */
struct room {
	uint8_t *bytes; /* the value, then the key; malloc'ed; stays until the next one */
	size_t val_len, key_len;
	struct verso_table *table; /* NULL: nothing is to be stored */
};

struct verso_txn {
	struct handle handle;
	struct verso *db;             /* constant */
	struct txn *txn;              /* constant */
	struct verso_table main;      /* the default table */
	struct verso_table catalogue; /* never the user's */
	struct verso_table *tables;   /* named ones that are open; the newest first */
	struct verso_table *by_name;  /* the same: the root of a hash trie */
	struct verso_table *
		*kept; /* by kept_table.index: the table of that name; NULL: not known */
	unsigned cap_kept;
	struct verso_cursor *cursors;
	struct held *held; /* pins of the results of the newest get */
	size_t n_held, cap_held;
	void *buf; /* the newest get's value, when it had to be copied */
	size_t cap_bytes;
	struct chunk *chunks; /* the newest get_many's copies */
	struct room room;
	struct fault_notes notes;      /* its pins, where the pager may fault; failed: a call was
					  left in its middle, each later one returns that */
	uint64_t mask_of;              /* thread whose signal mask was looked at last; 0: none's */
	bool blocks_sigbus;            /* that thread, outside our calls */
	struct verso_txn *next, *prev; /* db->lock */
};

/* A range as a call or a cursor has it; malloc'ed. */
struct range {
	struct btree_range range; /* its keys lie in `keys` */
	bool down;                /* VERSO_REVERSE */
	uint8_t keys[];
};

/* Where a cursor of a range stands, in the order of keys. */
enum range_place { RANGE_NEW, RANGE_IN, RANGE_BELOW, RANGE_ABOVE };

struct verso_cursor {
	struct handle handle;
	uint32_t process;      /* constant */
	struct verso_txn *txn; /* NULL: it has ended */
	struct verso_table *table;
	struct btree_cursor *cursor;
	bool on;                /* it stands, or stood before an edit, on `key` */
	uint64_t n_edits;       /* table->n_edits when it was placed */
	struct btree_slice key; /* in the tree's cursor */
	struct btree_item item; /* its pin is the tree's cursor's */
	void *buf;              /* the value, when it had to be copied */
	size_t cap_bytes;
	struct range *range; /* NULL: the whole table */
	enum range_place place;
	struct verso_cursor *next, *prev; /* of the transaction */
};

/* A writer that waits for itself would wait for ever. */
static inline bool waits_for_itself(const struct verso *db)
{
	return atomic_load_explicit(&db->writer, memory_order_relaxed) == thread_number();
}

/* compact.c: takes NULL. */
void compaction_free(struct compaction *at);

/* trace.c: options.trace sees what the pager does from now on. */
void trace_begin(struct verso *db);

/*
 * The API boundary (db/boundary.c): what every call does first, and how a fault of a mapping
 * becomes an error.
 */

/* VERSO_EMISUSE with a text. */
int misuse(const char *what);

/*
 * What a public call returns: an error that no floor had a text for gets that of its code. Each
 * such call returns by it, unless it has set the text itself.
 */
int call_failed(int code);

static inline int call_result(int rc)
{
	return __builtin_expect(rc >= 0, 1) ? rc : call_failed(rc);
}

/* 0, or why this handle cannot be used now. write: the call changes the table. */
int boundary_db(struct verso *db);
int boundary_txn_in_full(struct verso_txn *txn, bool write);
int boundary_cursor_in_full(struct verso_cursor *c);

/* True of a transaction whose state stands in the way of no read, which is nearly every one. */
static inline bool txn_only_reads(const struct verso_txn *txn)
{
	return !txn->notes.failed && !txn->txn->writable;
}

static inline int boundary_txn(struct verso_txn *txn, bool write)
{
	if (__builtin_expect(write || !handle_is(txn, HANDLE_TXN) ||
				     !process_is(txn->db->process) || !txn_only_reads(txn),
		    0))
		return boundary_txn_in_full(txn, write);
	error_clear();
	return 0;
}

static inline int boundary_cursor(struct verso_cursor *c)
{
	if (__builtin_expect(!handle_is(c, HANDLE_CURSOR) || !process_is(c->process) || !c->txn ||
				     !txn_only_reads(c->txn),
		    0))
		return boundary_cursor_in_full(c);
	error_clear();
	return 0;
}

/*
 * A check while it runs (db/checker.c). Lies in the frame of verso_check(), by alloca().
 */
struct checker {
	uint64_t number; /* of the thread's checks, as innermost_number remembers it */
	struct verso *db;
	verso_check_fn *each;
	void *arg;
	uint64_t n_findings;
	bool stopped;
	bool closed;           /* by the callback: done when the check ends */
	struct checker *outer; /* whose callback runs this check */
};

void checker_init(struct checker *k, struct verso *db, verso_check_fn *each, void *arg);

/* Counts a finding and calls the callback, unless it wanted no more. */
void checker_found(struct checker *k, pgno_t pgno, const char *text);

/* Calls the callback of a copy. Not 0: it wants no more, or has asked for a close. */
int checker_step(struct checker *k, verso_copy_fn *step, void *arg, uint64_t done_bytes,
	uint64_t total_bytes);

/* Whether this thread is in the callback of a check or a copy of db, which closes it at its end. */
bool check_runs_here(const struct verso *db);
bool check_defers_close(const struct verso *db);

/* 0, or VERSO_EMISUSE for a length without bytes. */
int boundary_val(struct verso_val val);

/*
 * A public call that reads pages: a fault of the mapping ends the transaction's use instead of the
 * process.
 *
 *	struct fault_guard fault;
 *
 *	if (call_may_fault(txn)) {
 *		if (sigsetjmp(fault.env, 0) != 0)
 *			return call_faulted(txn);
 *		call_enter(txn, &fault);
 *	}
 *	rc = ... read pages ...
 *	call_leave(txn, &fault);
 *
 * A fault between call_enter() and call_leave() returns from sigsetjmp() a second time, so that
 * stands in a function that has not returned by then. Of its locals only those are good that did
 * not change since: txn, and what txn leads to. Pins are noted (io/fault.h), so what ends one
 * outside of this stands between fault_notes_begin() and fault_notes_end(). No callback of the user
 * is called inside: it may never return.
 */
static inline bool call_may_fault(const struct verso_txn *txn)
{
	return txn->txn->pager->may_fault;
}

/* Looks at the mask of a thread once a transaction, for that costs a system call. */
void call_unblock(struct verso_txn *txn);

static inline void call_enter(struct verso_txn *txn, struct fault_guard *fault)
{
	if (__builtin_expect(txn->blocks_sigbus || txn->mask_of != thread_number(), 0))
		call_unblock(txn);
	fault_notes_begin(&txn->notes);
	fault_enter_areas(fault, txn->txn->pager->fault_areas);
}

static inline void call_leave(const struct verso_txn *txn, struct fault_guard *fault)
{
	if (call_may_fault(txn)) {
		fault_leave(fault);
		fault_notes_end();
		if (__builtin_expect(txn->blocks_sigbus, 0))
			fault_block();
	}
}

/*
 * Ends all pins, also those that only the lost locals of a call knew of, and the reader's guard.
 * Between fault_notes_begin() and fault_notes_end().
 */
void call_give_back(struct verso_txn *txn);

/* After a fault: releases all that the transaction holds and returns VERSO_EIO. */
int call_faulted(struct verso_txn *txn);

/*
 * Calls fn under a fault guard where there is no transaction: it reads bytes of the user, which may
 * lie in a result of one, and takes nothing that is to be given back. Returns what it returns, or
 * VERSO_EIO.
 */
int boundary_read(const struct verso *db, int (*fn)(void *arg), void *arg);

/* Bytes that are never NULL, for the floors below. */
static inline struct btree_slice slice_of(struct verso_val val)
{
	return (struct btree_slice){val.len > 0 ? val.data : "", val.len};
}

/*
 * Results (db/result.c): what get hands out, and until when it lasts.
 */

/* Ends the results of earlier gets: the first n_held pins, and the chunks from `chunks` on. */
void results_end(struct verso_txn *txn, size_t n_held, struct chunk *chunks);

/* All of them, with the memory. */
void results_fini(struct verso_txn *txn);

/* Keeps an item's pin for as long as results last. -ENOMEM: the pin is still the caller's. */
int results_hold(struct verso_txn *txn, struct btree *tree, const struct btree_item *item);

/* A chunk of memory that lasts as long as results do. NULL: no memory. */
void *results_alloc(struct verso_txn *txn, size_t len_bytes);

/* Makes *buf hold at least len_bytes. -ENOMEM. */
int buffer_reserve(void **buf, size_t *cap_bytes, size_t len_bytes);

/* Copies an argument that lies in a page pinned for a result; *arg then points to the copy. */
int results_keep_argument(struct verso_txn *txn, struct btree_slice *arg);

/*
 * Before an edit: ends the pins of results. Arguments that lie in them are copied first, and *key
 * and *val point there.
 */
int results_end_before_edit(struct verso_txn *txn, struct btree_slice *key,
	struct btree_slice *val);

/* VERSO_ETOOBIG with a text. */
int value_too_long(const struct verso *db, uint64_t len_bytes);

/*
 * Ranges (db/range.c).
 */

/*
 * Judges a user's range, and makes one, for free(), with room for the keys of its bounds. They are
 * not read yet: they may lie in a page of a mapping. VERSO_EMISUSE, -ENOMEM.
 */
int range_make(const struct verso_range *range, struct range **ret_range);

/* Copies the bounds. Inside the fault guard. */
void range_take_bounds(struct range *r, const struct verso_range *range);

/*
 * Tables (db/tables.c).
 */

/*
 * The table that a call of txn is for: NULL is the default one; a handle of verso_table_keep() is
 * resolved. VERSO_NOTFOUND: there is no table of that name. VERSO_EMISUSE: not a table of this
 * transaction. Sets a fault guard of its own.
 */
int boundary_table(struct verso_txn *txn, struct verso_table *table,
	struct verso_table **ret_table);

/* Ends the handles of verso_table_keep(). */
void tables_end_kept(struct verso *db);

/* Makes a transaction's views of the default table and the catalogue. */
void tables_init(struct verso_txn *txn);

/* Takes the roots back into txn->txn, by way of the catalogue. Inside the fault guard. */
int tables_store(struct verso_txn *txn);

void tables_fini(struct verso_txn *txn);

/* The table of that name; flags as of verso_table_open(). Inside the fault guard. */
int tables_open(struct verso_txn *txn, const char *name, unsigned flags,
	struct verso_table **ret_table);

/* Gives a table another name; its open handle stays. Inside the fault guard. */
int tables_rename(struct verso_txn *txn, const char *from, const char *to);

/* Ends the handle of an open table; its cursors have ended. */
void tables_forget(struct verso_txn *txn, struct verso_table *table);

static inline struct btree_slice table_name_slice(const char *name)
{
	return (struct btree_slice){name, strlen(name)};
}

/* A record of the catalogue, copied: a callback may see it after the page is gone. */
struct table_record {
	char name[TABLE_NAME_MAX + 1]; /* cut to this size, which only a forged file needs */
	size_t name_len;               /* of the whole name */
	bool makes_sense;              /* root can be used */
	struct txn_root root;
};

/* The next record of a cursor of the catalogue. VERSO_NOTFOUND at the end. */
int tables_next(struct verso_txn *txn, struct btree_cursor *cursor,
	struct table_record *ret_record);

/* The first one above a bound; NULL: the next. */
int tables_from(struct verso_txn *txn, struct btree_cursor *cursor, const struct btree_bound *from,
	struct table_record *ret_record);

/* Closes a cursor of the catalogue, outside calls. Takes NULL. */
void close_tree_cursor(struct verso_txn *txn, struct btree_cursor *cursor);

/* Detaches the cursors of a table (NULL: all): later calls on them return VERSO_EMISUSE. */
void cursors_end(struct verso_txn *txn, struct verso_table *table);

#endif
