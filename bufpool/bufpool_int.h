/* SPDX-License-Identifier: MIT */
/*
 * What the files of the pool share: its struct, and what each file does for the others.
 *
 * Lock order: pool.lock and loads.lock are never held together, and neither is held across I/O or a
 * call of the queue. Page words change without a lock, but for those in state INACTIVE, which
 * change only under pool.lock.
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

#define LIMBO_BATCHES    32  /* batches of retired frames that wait for guards separately */
#define LOAD_SLOTS       128 /* prefetches in flight */
#define LOAD_PAGES       16  /* adjacent pages that one prefetch reads */
#define QUEUE_DEPTH      512 /* two write sets at their widest, and prefetches beside them */
#define GROW_CHUNK_BYTES ((size_t)1 << 20)

/* Frames that left the page table in the same epoch. */
struct limbo_batch {
	uint64_t epoch;
	struct frame_list list;
};

/* FREE --> FILLING --> FLYING (submitted) --> DONE --> FREE when it is complete and nobody refers
 * to it; a quick one goes from FILLING to DONE. */
enum load_state { LOAD_FREE, LOAD_FILLING, LOAD_FLYING, LOAD_DONE };

/* A prefetch: adjacent pages on their way in. All fields but req: loads.lock, or its one filler. */
struct load {
	struct io_req req;
	struct iovec iov[LOAD_PAGES];
	struct pool *pool;
	struct queue *queue; /* that has req */
	struct page_ref refs[LOAD_PAGES];
	uint32_t frames[LOAD_PAGES];
	uint32_t n_pages;
	unsigned n_refs; /* its filler until it is submitted, and threads inside queue_wait() for it
			  */
	enum load_state state;
};

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
	uint32_t n_frames;
	uint32_t n_quota; /* units of the pin quota (evict.h): n_frames less writer_pages */

	/* Constant once open. */
	struct bufpool_options opts; /* with the defaults filled in */
	struct io *io;
	struct file *file;
	struct queue *queue; /* for what its submitter waits for */
	struct queue *ahead; /* for what nobody waits for yet; may be the same */
	struct policy *policy;
	uint32_t batch; /* frames that one eviction frees */
	void *zeros;    /* GROW_CHUNK_BYTES to grow the file with */

	_Alignas(64) _Atomic uint32_t n_quota_used;
	_Atomic uint32_t n_loading; /* loads that hold a unit and have not ended */
	_Atomic uint32_t n_ahead;   /* of them, pages being prefetched */
	_Atomic uint64_t n_pages;   /* the file's size; written by resize */

	_Alignas(64) pthread_mutex_t lock;
	uint32_t n_touched;     /* frames that were ever used; those beyond cost no memory yet */
	struct frame_list free; /* lock */
	struct frame_list inactive;              /* lock; the next to be evicted at the head */
	struct frame_list limbo_open;            /* lock; retired, no epoch yet */
	struct limbo_batch limbo[LIMBO_BATCHES]; /* lock; a ring, oldest first */
	unsigned limbo_first, limbo_n;           /* lock */
	uint32_t n_fresh;                        /* lock; FRESH and WRITING pages */

	struct loads loads;

	/* For stats only. */
	_Alignas(64) _Atomic uint64_t n_misses, n_evictions, n_prefetched, n_flushes;
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

/* evict.c: the policy sees a hit. Takes the lock. */
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

static inline void count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* A breath between two tries of what others are about to finish; longer the more there were. */
void pool_back_off(unsigned tries);

/*
 * frames.c: where frames come from and go to. With the lock held, but for frame_get().
 */

/* What a frame is wanted for; those to be loaded into are the policy's from the start. */
enum frame_use { FRAME_LOAD, FRAME_PREFETCH, FRAME_SCAN, FRAME_FRESH };

/*
 * A frame for the page pgno. The caller holds a unit of the pin quota, or has counted its fresh
 * page, so that there is a frame that no user pins: what may have to be waited for is limbo.
 * FRAME_NONE when guards hold it for unreasonably long, which a get tells and the writer waits out;
 * for prefetches at once.
 */
uint32_t frame_get(struct pool *pool, pgno_t pgno, enum frame_use use);

/* Ends the arena; there may be none. */
void frames_release(struct pool *pool);

/* Gives back a frame that nobody can see. */
void frame_free(struct pool *pool, uint32_t frame);

/* Gives back a frame whose page was unlinked just now: guards may still be looking at it. */
void frame_retire(struct pool *pool, uint32_t frame);

/* Moves what no guard sees any more from limbo to the free list. */
void limbo_drain(struct pool *pool);

/*
 * Forgets what is cached of pgno, whatever its state but FRESH and WRITING. A page that is pinned
 * stays as it is, found by nobody, until its last put.
 */
void page_forget(struct pool *pool, pgno_t pgno);

/* The put of a page that was forgotten while pinned. Takes the lock. */
void unlinked_put(struct pool *pool, uint32_t frame);

/*
 * evict.c: the pin quota.
 *
 * The pool has n_frames frames, of which the writer may want writer_pages at any time. What cannot
 * be taken away at once, a page that is or may be pinned, or is being loaded, needs one of the
 * other n_quota units. So frames in such use never exceed n_quota, and the writer always finds its
 * own: free, in limbo, or inactive to clean pages that nobody can pin.
 */

/* Takes a unit if there is one. No lock needed. */
static inline bool quota_try(struct pool *pool)
{
	uint32_t used = atomic_load_explicit(&pool->n_quota_used, memory_order_relaxed);

	do {
		if (used >= pool->n_quota)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&pool->n_quota_used, &used, used + 1,
		memory_order_acq_rel, memory_order_relaxed));
	return true;
}

static inline void quota_put(struct pool *pool)
{
	uint32_t used = atomic_fetch_sub_explicit(&pool->n_quota_used, 1, memory_order_acq_rel);

	ASSERT(used > 0);
}

/* Takes a unit, by deactivating a page when there is none; waits for loads. VERSO_EPINNED.
 * No lock. */
int quota_get(struct pool *pool);

/* With the lock: deactivates up to n of the policy's victims to INACTIVE; how many. */
uint32_t pages_deactivate(struct pool *pool, uint32_t n);

/* Deactivates that page, if nobody has pinned it meanwhile, to be the next that is evicted. No
 * lock. */
void page_deactivate(struct pool *pool, pgno_t pgno, uint32_t frame);

/* With the lock: unlinks up to n inactive pages, oldest first, into limbo; how many. */
uint32_t inactive_evict(struct pool *pool, uint32_t n);

/*
 * Makes an INACTIVE page CACHED and pins it; *ret_w: its word before. 0; 1: it is not INACTIVE any
 * more; VERSO_EPINNED. No lock.
 */
int page_activate(struct pool *pool, pgno_t pgno, uint64_t *ret_w);

/* Hostile builds, at pin 0: evicts the page if it still can be. Takes the lock. */
void evict_now(struct pool *pool, pgno_t pgno);

/*
 * load.c
 */

/* Loads and pins the page. 0; 1: somebody else changed the word, look again; an error. */
int load_page(struct pool *pool, struct page_ref ref, const struct page **ret_page);

/* Waits until the page is not LOADING any more. */
void load_wait(struct pool *pool, pgno_t pgno);

/* Waits until more than `seen` loads have ended, or none is under way. */
void loads_wait(struct pool *pool, uint64_t seen);
uint64_t loads_seen(struct pool *pool);

void pool_prefetch(struct pager *p, const struct page_ref *refs, size_t n, bool ahead);

/* Waits for every prefetch. */
void loads_drain(struct pool *pool);

/*
 * check.c: asserts that the books of a pool at rest balance (B1, B2), and returns how many pages
 * are pinned. Costs a look at every frame.
 */
uint32_t pool_check(struct pool *pool);

/*
 * get.c and write.c: slots of the table.
 */
int pool_get(struct pager *p, struct page_ref ref, const struct page **ret_page);
void pool_put(struct pager *p, const struct page *page, bool unneeded);
void pool_peek(struct pager *p, const struct page_ref *refs, size_t n,
	const struct page **ret_pages);

struct page *pool_fresh(struct pager *p, struct page_ref ref);
int pool_write(struct pager *p, const struct page_write *set, size_t n);
int pool_flush(struct pager *p);
void pool_drop(struct pager *p, pgno_t pgno, uint32_t n_pages);
int pool_resize(struct pager *p, pgno_t n_pages);
int pool_read_device(struct pager *p, pgno_t pgno, uint32_t n_pages, void *buf);

#endif
