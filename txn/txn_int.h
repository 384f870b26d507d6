/* SPDX-License-Identifier: MIT */
/*
 * What the files of txn/ share. The idea, the invariants T1-T15 and the lock table: txn/README.md.
 */
#ifndef TXN_TXN_INT_H
#define TXN_TXN_INT_H

#include "base/array.h"
#include "space/pending.h"
#include "space/space.h"
#include "txn/courtesy.h"
#include "txn/group_commit.h"
#include "txn/members.h"
#include "txn/read_locks.h"
#include "txn/txn.h"

#include <pthread.h>

#define GEN_SEQ_BITS 40

/* Snapshots that may be in use at once: those with slots, and those with locks. */
#define READERS_MAX (SNAPSHOT_READERS + READ_LOCKS_MAX)

struct dirty_page {
	pgno_t pgno;
	struct page *page; /* NULL: freed again */
	bool sealed;       /* being spilled: once written it is the pager's */
};

struct pgno_list {
	pgno_t *items;
	uint32_t n, cap;
};

/*
 * The one writer's state; used again by each write transaction. Owned by the thread that holds the
 * writer lock.
 */
struct txn_writer {
	struct dirty_page
		*dirty; /* unsealed pages in the order of making; index + 1 is in page->scratch */
	uint32_t n_dirty, cap_dirty; /* holes included */
	uint32_t n_unsealed;         /* without holes */
	gen_t first_gen;             /* own pages have this generation or a later one */
	struct pgno_list recycled;   /* page numbers of own pages that were freed */
	struct pgno_list dead;       /* page numbers of joined pages that this transaction freed */
	uint32_t n_written;          /* own pages that were spilled and not freed since */
	uint32_t n_promised; /* calls of alloc and touch that txn_reserve() still promises */
	bool changed;        /* something was allocated or freed */
	uint32_t n_early_list_pages;    /* list pages that were written before the commit */
	gen_t taken_at_begin;           /* what is newer may not have been written yet */
	uint64_t n_spilled, n_recopied; /* not yet in env's */
	struct txn_root roots_before[TXN_ROOTS];
	gen_t readers[READERS_MAX];
	/* Of spill(), used again: a fault in a page that it seals jumps out of it. */
	struct page_write *spilled;
	uint32_t cap_spilled;
	void *list_page_bufs; /* NULL, or PENDING_EARLY_LIST_PAGES of page_buffers_alloc() */
};

enum env_state {
	ENV_READING,  /* no write transaction yet: nothing was written since opening */
	ENV_WRITING,  /* pages may be: the session has begun (T2) */
	ENV_POISONED, /* a flush failed: nothing is written any more */
	ENV_STATE_END,
};

/* Which state may follow which (the picture stands in txn/README.md): POISONED never ends. */
static inline bool env_move_is_legal(enum env_state from, enum env_state to)
{
	static const uint8_t next[ENV_STATE_END] = {
		[ENV_READING] = 1 << ENV_WRITING | 1 << ENV_POISONED,
		[ENV_WRITING] = 1 << ENV_WRITING | 1 << ENV_POISONED, /* the next incarnation */
		[ENV_POISONED] = 0,
	};

	return from < ENV_STATE_END && to < ENV_STATE_END && (next[from] & 1 << to);
}

struct txn_env {
	struct pager *pager;
	const struct txn_schema *schema;
	struct txn_options options; /* defaults filled in; constant */
	struct layout layout;       /* constant */
	uint8_t uuid[16];
	struct board *board;     /* with the other members; else own_board; constant */
	struct board *own_board; /* NULL: it is shared; constant */
	struct members *members; /* NULL: no other process has the file open; constant */
	/* Under TXN_RELAXED: what readers of this process see, while it is ahead of the board. */
	struct published ahead;
	_Atomic bool is_ahead;
	_Atomic uint64_t show_at_ns;  /* when the board is told next what is counted; relaxed */
	struct read_locks read_locks; /* of an observer (observe.c) */
	struct observer *observer;    /* observe.c's; NULL: it is none; constant */
	_Atomic bool stopped; /* state is ENV_POISONED: for threads that do not hold the lock */
	bool walked;          /* by opening; constant */

	pthread_mutex_t lock; /* below, unless said otherwise */
	pthread_cond_t turn;  /* the writer lock is free, for one; or state has changed, for all */
	enum env_state state; /* changed by env_move() alone */
	int poison_code;      /* why a flush failed; constant once it has */
	bool writer_busy;     /* somebody holds the writer lock */
	bool flushing;        /* somebody leads a flush and owns `flight` */
	bool has_turn;        /* of all processes; also read under the writer lock */
	struct courtesy courtesy; /* turn.c: gives the turn when nobody comes back to do it */
	bool turn_is_promised;    /* no further writer here until the turn has been given */
	uint64_t turn_seen;       /* number of our last turn; writer lock */
	_Atomic bool board_lost;  /* the board cannot be written any more */
	bool is_last;             /* of all processes: it closes, and keeps its turn */
	bool rolled_back;      /* opening rejected something that could become whole; writer lock */
	bool in_session;       /* session_gen is durable; writer lock */
	gen_t session_gen;     /* of its first meta; 0: no incarnation is left; writer lock */
	gen_t next_gen;        /* of the next attempt; writer lock */
	gen_t joined_gen;      /* newest that joined, or that opening found */
	gen_t taken_gen;       /* newest that a flush has taken */
	gen_t written_gen;     /* newest whose meta is in its slot: the next; TXN_PROCESS: newer */
	gen_t durable_gen;     /* newest that is flushed */
	gen_t async_first_gen; /* of txn_commit_async(): its oldest commit here; 0: none */
	gen_t async_gen;       /* its newest: joined, and perhaps no thread waits for it */
	gen_t flushed_gen;     /* newest whose pages are: a session's beginning changes no state */
	unsigned durable_slot; /* where its meta stands */
	pgno_t slot_pages[2];  /* file size that each slot's meta speaks of; UINT32_MAX: no meta */
	struct meta joined;    /* the newest joined state; gen is joined_gen */
	struct meta durable;   /* the newest flushed state */
	struct meta written;   /* TXN_PROCESS: the newest written one, while it is not flushed */
	uint32_t n_written_pages; /* of it and those before it: what opening would walk (T15) */
	struct group_commit group_commits[2];
	struct group_commit *open;   /* joined, not taken */
	struct group_commit *flight; /* the other: taken; owned by the leader while `flushing` */

	struct space space;       /* writer lock */
	struct pending pending;   /* writer lock */
	struct txn_writer writer; /* writer lock */

	pthread_mutex_t handles_lock;
	struct txn *free_handles; /* handles_lock; each keeps its guard and, a reader, its slot */
	struct txn write_handle;  /* writer lock */
	uint32_t n_open;          /* handles_lock: transactions of either sort */

	uint64_t n_commits, n_flushes, n_spilled, n_recopied, n_dead; /* for display */
	uint64_t n_bitmaps_written, n_list_pages_written, n_cuts, n_group_max;
	uint32_t n_free_pages, n_pending_pages; /* of the joined state, for display */
};

static inline struct space_options space_options_of(const struct txn_options *o)
{
	return (struct space_options){
		.group_pages = o->group_pages,
		.groups_max = o->meta_groups_max,
		.pending_max = o->meta_pending_max,
		.grow_pages = o->grow_pages,
		.cut_pages = o->cut_pages,
	};
}

/* format.c: the error of T7: commits as these options want them could not be verified here. */
int refuse_one_flush(const struct txn_options *options);

/* What a look at the file says. */
struct recovered {
	pgno_t file_pages; /* in: how long the file is */
	gen_t flushed_gen; /* in: a generation that its process says it has flushed; 0: none */
	struct meta meta;  /* the state to go on from */
	unsigned slot;     /* where it stands */
	pgno_t slot_pages[2];
	gen_t session_gen; /* of the session that would begin now */
	bool rolled_back, walked;
	int sync_code; /* why the sync before it failed */
};

/* recover.c: reads both slots and decides (T7, T8). */
int recover(struct txn_env *env, struct recovered *r);

/* A meta of either slot, for what all have alike. */
int recover_any(struct txn_env *env, struct meta *ret_meta);

/*
 * walk.c: reads from the device, and verifies, every page of a generation that a reference newer
 * than newer_than leads to: trees, bitmaps, index, list pages. 0 for all. visit, when not NULL,
 * sees each verified page. VERSO_ECORRUPT: one is not what its parent says. -ENOMEM, I/O errors.
 */
typedef void walk_page_fn(void *arg, const struct page *page);
int walk_pages(struct txn_env *env, const struct meta *meta, gen_t newer_than, walk_page_fn *visit,
	void *arg);

/* Whether what joined may wait in memory for a leader that never comes; env->lock is held. */
static inline bool leaves_unflushed(const struct txn_env *env)
{
	return env->options.sync == TXN_RELAXED || env->async_gen > env->written_gen;
}

/* reader.c */
void txn_end_read(struct txn *txn);
void txn_handle_opened(struct txn *txn); /* counted among the open ones */
void txn_handle_closed(struct txn *txn);

/* session.c */
/*
 * The first generation of the next session (T2), by the metas that are valid (else NULL); 0: no
 * incarnation is left.
 */
gen_t session_first_gen(const struct meta *a, const struct meta *b);
int session_take_gen(struct txn_env *env, gen_t *ret_gen); /* for an attempt; writer lock */
bool session_is_used_up(const struct txn_env
		*env);                        /* next_gen is of another incarnation; writer lock */
int session_start(struct txn_env *env);       /* before a page is written (T2, T7); writer lock */
void session_mark_clean(struct txn_env *env); /* the last close (T8) */
void session_cut(struct txn_env *env);        /* cuts the file when it may be (T12); writer lock */

/* flush.c: both with env->lock held, which they may release for a time. */
int flush_until(struct txn_env *env, gen_t gen);
int answer_until(struct txn_env *env, gen_t gen);      /* until its commit may be answered */
void env_move(struct txn_env *env, enum env_state to); /* asserts that the table allows it */
void env_poison(struct txn_env *env, int code);
void env_stop_writing(struct txn_env *env, int code); /* the same, silently: by opening */
int error_poisoned(const struct txn_env *env);        /* VERSO_EPOISONED, with the cause */
int meta_write(struct txn_env *env, const struct meta *m, unsigned slot, void *slot_bytes);
void env_publish(struct txn_env *env, const struct meta *m);       /* to all; it is flushed */
void env_publish_ahead(struct txn_env *env, const struct meta *m); /* to this process */

/*
 * writer.c: the generations in use, ascending, into gens (room for READERS_MAX). newest: no reader
 * of Verso's has a newer one, but what others have put there may be newer. VERSO_EBUSY: more than
 * that, or it is not known what is read; I/O errors.
 */
int env_readers(struct txn_env *env, gen_t newest, gen_t *gens, size_t *ret_n);

/* adopt.c: goes on from what the file has, or r; nothing is in flight or joined. */
int adopt(struct txn_env *env, gen_t flushed_gen);
int adopt_recovered(struct txn_env *env, const struct recovered *r);
int adopt_layout(struct txn_env *env,
	const struct meta *m); /* where its parts lie; what we can do */

/* observe.c: readers, and checks, of an environment that only watches others write. */
int observe_look(struct txn_env *env, struct recovered *r); /* the newest state that is whole */
int observe_begin(struct txn_env *env, struct snapshot *ret_state); /* its generation is locked */
void observe_fini(struct txn_env *env);
int observe_load(struct txn_env *env); /* at the opening */
void observe_stat(struct txn_env *env,
	struct txn_stat *stat);             /* what the file has now, if it can */
int observe_take_turn(struct txn_env *env); /* nobody writes until observe_give_turn() */
void observe_give_turn(struct txn_env *env);

/* turn.c: the turn of this process among all. No-ops where it is the only one. */
int turn_take(struct txn_env *env);          /* the writer lock is held, env->lock is not */
void turn_give(struct txn_env *env);         /* when nothing needs it any more; env->lock is held */
void turn_note_awaited(struct txn_env *env); /* env->lock is held */
int turn_found(struct txn_env *env);         /* at the opening by the first: others may come */
bool turn_look_for_others(void *env);        /* env->courtesy's */
bool turn_begins_last(struct txn_env *env);  /* at the close: nobody else has the file open */

/* writer.c */
struct horizon horizon_now(struct txn_env *env); /* writer lock */
int writer_acquire(struct txn_env *env);
void writer_release(struct txn_env *env);
void writer_account(struct txn_env *env); /* adds to the counts for display; env->lock is held */
void txn_abort_write(struct txn *txn);

/* spill.c */
int spill(struct txn *txn, uint32_t n_keep);
int spill_for(struct txn *txn, unsigned n_pages); /* when n_pages more would be too many */
int write_list_pages_early(struct txn *txn);      /* until what is left fits one commit */

/* shrink.c: the last close, after all is flushed */
void env_shrink(struct txn_env *env);

/* reserve.c */
uint32_t reserve_count(const struct txn *txn, const struct txn_need *need);
int return_recycled(struct txn *txn);
uint32_t reserve_least(const struct txn *txn); /* what every operation that adds leaves */
int reclaim(struct txn *txn);                  /* frees what flushes and readers allow */
int promise_space(struct txn *txn, unsigned n, uint32_t keep); /* n takes, leaving keep */

static inline int pgno_list_reserve(struct pgno_list *list, size_t n)
{
	return array_reserve(&list->items, &list->cap, list->n + (uint64_t)n, sizeof(*list->items));
}

static inline void pgno_list_add(struct pgno_list *list, pgno_t pgno)
{
	ASSERT(list->n < list->cap);
	list->items[list->n++] = pgno;
}

#endif
