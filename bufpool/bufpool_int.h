/* SPDX-License-Identifier: MIT */
/*
 * What the files of the pool share: its struct, and what each file does for the others.
 *
 * Lock order: pool.sizing, which only cache_resize takes, before the others; pool.lock and
 * loads.lock are never held together, and neither is held across I/O or a call of the queue. Page
 * words change without a lock, but for those of INACTIVE and UNNEEDED pages, which change only
 * under pool.lock.
 */
#ifndef BUFPOOL_INT_H
#define BUFPOOL_INT_H

#include "bufpool/bufpool.h"
#include "bufpool/policy.h"
#include "bufpool/word.h"
#include "pager/table.h"

#include <pthread.h>

#ifdef VERSO_HOSTILE
#define HOSTILE 1
#else
#define HOSTILE 0
#endif

#define LIMBO_BATCHES 32  /* batches of retired frames that wait for guards separately */
#define LOAD_SLOTS    128 /* prefetches in flight */
#define LOAD_PAGES    32  /* adjacent pages that one prefetch reads */
#define QUEUE_DEPTH   512 /* two write sets at their widest, and prefetches beside them */

/* Frames that left the page table in the same epoch. */
struct limbo_batch {
	uint64_t epoch;
	struct frame_list list;
};

enum load_state {
	LOAD_FREE,
	LOAD_FILLING, /* one thread adds pages */
	LOAD_FLYING,  /* submitted */
	LOAD_DONE,    /* its pages have arrived; the queue may not have completed it yet */
	LOAD_STATE_END,
};

/* Which state may follow which. A quick one is DONE before its filler has called it FLYING. */
static inline bool load_move_is_legal(enum load_state from, enum load_state to)
{
	static const uint8_t next[LOAD_STATE_END] = {
		[LOAD_FREE] = 1 << LOAD_FILLING,
		[LOAD_FILLING] = 1 << LOAD_FREE | 1 << LOAD_FLYING | 1 << LOAD_DONE,
		[LOAD_FLYING] = 1 << LOAD_DONE,
		[LOAD_DONE] = 1 << LOAD_FREE, /* when it is complete and n_refs is 0 */
	};

	return from < LOAD_STATE_END && to < LOAD_STATE_END && (next[from] & 1 << to);
}

/* A prefetch: adjacent pages on their way in. All fields but req: loads.lock, or its one filler. */
struct load {
	struct io_req req;
	struct iovec iov[LOAD_PAGES];
	struct pool *pool;
	struct queue *queue; /* that has req */
	struct page_ref refs[LOAD_PAGES];
	uint32_t frames[LOAD_PAGES];
	uint32_t n_pages;
	unsigned n_iov;
	unsigned n_refs; /* its filler until it is submitted, and threads inside queue_wait() for it
			  */
	enum load_state state; /* changed by load_move() alone */
};

static inline void load_move(struct load *load, enum load_state to)
{
	ASSERT(load_move_is_legal(load->state, to));
	load->state = to;
}

struct loads {
	pthread_mutex_t lock;
	pthread_cond_t arrived; /* broadcast when n_done moves or a prefetch has been submitted */
	uint64_t n_done;        /* loads that ended, well or badly; lock */
	unsigned n_asleep;      /* in a wait for `arrived`; lock */
	struct load slots[LOAD_SLOTS];
};

struct pool {
	struct pager pager; /* first: the interface casts */

	_Alignas(64) struct page_table table; /* a word for each page; see word.h */

	/* Constant once open; all else that a hit needs, in one line. */
	_Alignas(64) uint8_t *arena; /* the frames */
	_Atomic uint8_t *used;       /* by frame: enum used */
	struct frame *frames;        /* by frame */
	unsigned page_shift;
	enum word_state peek_from; /* the first state that peek may show */
	bool sees_hits;            /* the policy has a function for each hit */
	bool verifies_hits;        /* the checksum of each page at each get and peek */
	uint32_t n_frames;         /* parked ones too */
	uint32_t n_quota;          /* units of the pin quota: n_frames less writer_pages */

	/* Constant once open. */
	struct bufpool_options opts; /* with the defaults filled in */
	struct file *file;
	struct queue *queue; /* for what its submitter waits for */
	struct queue *ahead; /* for read-ahead, which no thread waits for yet; may be the same */
	struct policy *policy;
	size_t described_bytes; /* the pool's own, and the descriptors of all frames */
	void *zeros;            /* PAGER_GROWTH_WRITTEN bytes to grow the file with */

	_Alignas(64) _Atomic uint32_t n_quota_used;
	_Atomic uint32_t n_loading;   /* loads that hold a unit and have not ended */
	_Atomic uint32_t n_ahead;     /* of them, pages being prefetched */
	_Atomic uint32_t n_ahead_max; /* most of these */
	_Atomic uint64_t n_pages;     /* the file's size; written by resize */

	_Alignas(64) pthread_mutex_t lock;
	uint32_t n_touched;     /* frames that were ever used; those beyond cost no memory yet */
	struct frame_list free; /* lock */
	struct frame_list unneeded;   /* lock; UNNEEDED pages, the next to be evicted at the head */
	uint32_t n_inactive;          /* lock; INACTIVE pages, which the policy has */
	uint32_t unit_hand;           /* lock; the frame that is looked at next for its unit */
	struct frame_list limbo_open; /* lock; retired, no epoch yet */
	struct limbo_batch limbo[LIMBO_BATCHES]; /* lock; a ring, oldest first */
	unsigned limbo_first, limbo_n;           /* lock */
	uint32_t n_fresh;                        /* lock; FRESH and WRITING pages */
	uint32_t batch;                          /* lock; frames that one eviction frees */

	pthread_mutex_t sizing;   /* held by a cache_resize from its begin to its end */
	size_t cache_bytes;       /* changed under both locks, as the next two */
	uint32_t n_end;           /* frames from here on were never used and are parked */
	struct frame_list parked; /* frames that were used and have no memory now */

	struct loads loads;

	/* For stats only. */
	_Alignas(64) _Atomic uint64_t n_loads[PAGER_LOAD_CAUSES]; /* pages */
	_Atomic uint64_t n_evictions, n_victims, n_unneeded, n_flushes;
	_Atomic uint64_t n_waits_load, n_waits_limbo;
	_Atomic uint64_t n_reads, n_reads_max; /* requests in flight, and most at a time */
	_Atomic uint64_t read_bytes, write_bytes;
};

static inline struct pool *pool_of(struct pager *p)
{
	return (struct pool *)p;
}

static inline struct page *pool_page(const struct pool *pool, uint32_t frame)
{
	return (struct page *)(pool->arena + ((size_t)frame << pool->page_shift));
}

static inline uint32_t pool_frame(const struct pool *pool, const struct page *page)
{
	return (uint32_t)((size_t)((const uint8_t *)page - pool->arena) >> pool->page_shift);
}

static inline void count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* n read requests begin. */
static inline void reads_begin(struct pool *pool, uint64_t n)
{
	uint64_t now = atomic_fetch_add_explicit(&pool->n_reads, n, memory_order_relaxed) + n;
	uint64_t max = atomic_load_explicit(&pool->n_reads_max, memory_order_relaxed);

	while (now > max && !atomic_compare_exchange_weak_explicit(&pool->n_reads_max, &max, now,
				    memory_order_relaxed, memory_order_relaxed))
		;
}

static inline void reads_end(struct pool *pool, uint64_t n)
{
	atomic_fetch_sub_explicit(&pool->n_reads, n, memory_order_relaxed);
}

/*
 * The files, each above those that it calls: frames.c and arrivals.c; evict.c; alloc.c; parked.c
 * and load.c; prefetch.c; get.c and write.c; pool.c. check.c calls no other.
 */

/*
 * The pin quota.
 *
 * Of n_frames frames the writer may want writer_pages at any time. A page that is or may be pinned,
 * or is being loaded, cannot be taken away at once, so each holds a unit of the pin quota, of which
 * there are n_quota = n_frames - writer_pages. A frame that is parked (parked.c) cannot be taken
 * either, and holds a unit for as long. So the writer always finds a frame: a free one, one in
 * limbo, or one whose page is inactive or unneeded, which is clean and cannot be pinned.
 */

/* Takes up to n units, as many as are left; returns how many. No lock needed. */
static inline uint32_t quota_take(struct pool *pool, uint32_t n)
{
	uint32_t used = atomic_load_explicit(&pool->n_quota_used, memory_order_relaxed);
	uint32_t n_taken;

	do {
		if (used >= pool->n_quota)
			return 0;
		n_taken = n < pool->n_quota - used ? n : pool->n_quota - used;
	} while (!atomic_compare_exchange_weak_explicit(&pool->n_quota_used, &used, used + n_taken,
		memory_order_acq_rel, memory_order_relaxed));
	return n_taken;
}

/* Takes a unit if one is left. No lock needed. */
static inline bool quota_try(struct pool *pool)
{
	return quota_take(pool, 1) == 1;
}

static inline void quota_put_many(struct pool *pool, uint32_t n)
{
	uint32_t used = atomic_fetch_sub_explicit(&pool->n_quota_used, n, memory_order_acq_rel);

	ASSERT(used >= n);
}

static inline void quota_put(struct pool *pool)
{
	quota_put_many(pool, 1);
}

/*
 * frames.c: free frames, limbo, unlinked frames. With the lock held, but for pool_back_off(),
 * frames_release() and unlinked_put().
 */

/* Waits a little between two tries of what other threads are about to finish; longer after many. */
void pool_back_off(unsigned tries);

/* Unmaps the arena, if there is one. */
void frames_release(struct pool *pool);

/* Gives back a frame that no other thread can refer to. */
void frame_free(struct pool *pool, uint32_t frame);

/* Gives back a frame whose page was unlinked just now: a guard may still see it. */
void frame_retire(struct pool *pool, uint32_t frame);

/* Moves the frames that no guard can see any more from limbo to the free list. */
void limbo_drain(struct pool *pool);

/*
 * Unlinks the page at pgno, which is not WRITING. The frame of a pinned page is unlinked too: no
 * get finds it any more, and its last put frees it. A load of the page finds out when it ends.
 */
void page_forget(struct pool *pool, pgno_t pgno);

/* The put of a page that was unlinked while pinned. Takes the lock. */
void unlinked_put(struct pool *pool, uint32_t frame);

/*
 * arrivals.c: waiting for loads. Without the lock.
 */

/* How many loads have ended so far. */
uint64_t loads_seen(struct pool *pool);

/* n loads have ended, well or badly: their words and frames have their final states. */
void loads_arrived(struct pool *pool, uint32_t n);

/* Waits until the page is not LOADING any more. */
void load_wait(struct pool *pool, pgno_t pgno);

/* Waits until more than `seen` loads have ended, or no load is in progress. */
void loads_wait(struct pool *pool, uint64_t seen);

/* Waits for every prefetch. */
void loads_drain(struct pool *pool);

/*
 * evict.c: deactivation, eviction, activation.
 */

/* Takes a unit of the pin quota, by deactivating a page when all are in use; waits for loads.
 * VERSO_EPINNED. No lock. */
int quota_get(struct pool *pool);

/* With the lock: moves up to n pages to INACTIVE; returns how many: 0 when none could be had. */
uint32_t pages_deactivate(struct pool *pool, uint32_t n);

/* Moves this page to UNNEEDED, unless it was pinned meanwhile: the next to be evicted. No lock. */
void page_unneeded(struct pool *pool, pgno_t pgno, uint32_t frame);

/* With the lock: unlinks up to n unneeded pages, from the head, into limbo; returns how many. */
uint32_t unneeded_evict(struct pool *pool, uint32_t n);

/* With the lock: the same with up to n pages, unneeded ones first, then the policy's victims. */
uint32_t pages_evict(struct pool *pool, uint32_t n);

/* What a step of a get may return besides 0 and errors. */
enum {
	LOOK_AGAIN = 1,    /* the page word changed meanwhile */
	NOT_IN_MEMORY = 2, /* pin() alone */
};

/*
 * Makes an INACTIVE or UNNEEDED page CACHED and pins it; *ret_w: its word before. 0; LOOK_AGAIN: it
 * is neither any more; VERSO_EPINNED. No lock.
 */
int page_activate(struct pool *pool, pgno_t pgno, uint64_t *ret_w);

/* Hostile builds, at pin 0: evicts the page if it still can be. Takes the lock. */
void evict_now(struct pool *pool, pgno_t pgno);

/* Passes a hit to the policy. Takes the lock. */
void policy_hit(struct pool *pool, uint32_t frame);

/* Marks a hit: a plain store, and only when the mark is not there yet. */
static inline void pool_touch(struct pool *pool, uint32_t frame)
{
	uint8_t used = atomic_load_explicit(&pool->used[frame], memory_order_relaxed);

	if (__builtin_expect(pool->sees_hits, 0) && used != USED_AHEAD)
		policy_hit(pool, frame);
	if (__builtin_expect(used != USED_YES, 0))
		atomic_store_explicit(&pool->used[frame], used == USED_AHEAD ? USED_NOT : USED_YES,
			memory_order_relaxed);
}

/*
 * alloc.c
 */

/* What a frame is wanted for; those to be loaded into are the policy's from the start. PREFETCH
 * (for a get of many) and SCAN take none by frame_get(). */
enum frame_use { FRAME_LOAD, FRAME_PREFETCH, FRAME_SCAN, FRAME_FRESH };

/*
 * A frame for the page pgno. The caller holds a unit of the pin quota, or has counted its fresh
 * page, so at least one frame is not pinned: it waits at most for limbo. FRAME_NONE when guards
 * hold limbo for unreasonably long: a get then fails, the writer tries again. Takes the lock.
 */
uint32_t frame_get(struct pool *pool, pgno_t pgno, enum frame_use use);

/*
 * Up to n frames for no page, in the order of memory, for a caller that holds n units. Waits at
 * most for limbo: 0 when guards hold that for unreasonably long. Takes the lock.
 */
uint32_t frames_take(struct pool *pool, uint32_t n, uint32_t *ret_frames);

/*
 * Frames for a prefetch of up to n adjacent pages, of each of which the caller holds a unit:
 * without waiting, in the order of memory. So adjacent pages come to adjacent frames where that is
 * possible, which a device transfers as one piece. Returns for how many. Takes the lock.
 */
uint32_t frames_get(struct pool *pool, const struct page_ref *refs, uint32_t n, enum frame_use use,
	uint32_t *ret_frames);

/*
 * load.c: one page, from its reference to a verified frame.
 */

/* Loads and pins the page. 0, LOOK_AGAIN, or an error. */
int load_page(struct pool *pool, enum pager_load_cause cause, struct page_ref ref,
	const struct page **ret_page);

/* Verifies a page that was read, as far as the checksum policy goes. VERSO_ECORRUPT. */
int load_verify(const struct pool *pool, const struct page *page, struct page_ref ref);

/* Moves the word from EMPTY to LOADING into `frame`. False: it is not EMPTY any more. */
bool load_begin(struct pool *pool, pgno_t pgno, uint32_t frame);

/* Publishes a good page with so many pins, drops a bad one. False: the word changed meanwhile. */
bool load_end(struct pool *pool, pgno_t pgno, uint32_t frame, bool good, uint32_t pins);

/* Gives back the frame of a load that was never published, and its unit of the pin quota. */
void load_abandon(struct pool *pool, uint32_t frame);

/*
 * parked.c
 */

/* Frames without memory, each of which holds a unit of the pin quota. With either lock. */
static inline uint32_t n_parked(const struct pool *pool)
{
	return pool->n_frames - pool->n_end + pool->parked.n;
}

/* How many frames so many bytes have memory for, all descriptors paid. */
uint32_t frames_within(const struct pool *pool, size_t cache_bytes);

/* Sets what depends on how many frames are not parked. With the lock, or before it is shared. */
void shares_set(struct pool *pool);

/*
 * Asks for huge pages, or not, where frames may be used, and for small ones behind them. Huge: no
 * frame is in the list of those parked. With `sizing`, or before it is shared.
 */
void frames_advise(struct pool *pool, bool huge);

int pool_cache_resize(struct pager *p, size_t cache_bytes);

/*
 * check.c: asserts that the accounting of an idle pool balances (F1, F2), and returns how many
 * pages are pinned. Costs a look at every frame.
 */
uint32_t pool_check(struct pool *pool);

/*
 * Operations of the pager, in get.c, prefetch.c and write.c.
 */
int pool_get(struct pager *p, const struct guard *g, struct page_ref ref,
	const struct page **ret_page);
void pool_put(struct pager *p, const struct page *page, bool unneeded);
void pool_peek(struct pager *p, const struct page_ref *refs, size_t n,
	const struct page **ret_pages);

size_t pool_prefetch(struct pager *p, const struct page_ref *refs, size_t n, bool ahead);
void pool_cool(struct pager *p, const struct page_ref *refs, size_t n);

struct page *pool_fresh(struct pager *p, struct page_ref ref);
int pool_write(struct pager *p, const struct page_write *set, size_t n);
int pool_flush(struct pager *p);
void pool_drop(struct pager *p, pgno_t pgno, uint32_t n_pages);
int pool_resize(struct pager *p, pgno_t n_pages);
int pool_reach(struct pager *p, pgno_t *ret_n_pages);
int pool_read_device(struct pager *p, pgno_t pgno, uint32_t n_pages, void *buf);

#endif
