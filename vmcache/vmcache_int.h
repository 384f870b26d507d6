/* SPDX-License-Identifier: MIT */
/*
 * What the files of the vmcache pager share: its struct, and what each file does for the others.
 *
 * Lock order: vmcache.lock and arrivals.lock are never held together, and neither is held across
 * I/O, a call of the queue, or a call that gives memory back (V8). State words change without a
 * lock, but for those that are LEAVING or GONE, which change only under vmcache.lock (V3).
 */
#ifndef VMCACHE_INT_H
#define VMCACHE_INT_H

#include "pager/table.h"
#include "vmcache/state.h"
#include "vmcache/vmcache.h"

#include <pthread.h>

#ifdef VERSO_HOSTILE
#define HOSTILE 1
#else
#define HOSTILE 0
#endif

#define STRIDE_MIN  4096U /* the least that the kernel takes back; smaller pages are for tests */
#define BATCH_MAX   64U   /* pages that are deactivated, or whose memory is given back, at once */
#define LOAD_SLOTS  128U  /* prefetches in flight */
#define LOAD_PAGES  16U   /* adjacent pages that one prefetch reads */
#define QUEUE_DEPTH 512U  /* two write sets at their widest, and prefetches beside them */
#define SLOT_NONE   UINT32_MAX

/* The right to have one page in memory. All fields: vmcache.lock. */
struct vm_slot {
	uint64_t epoch; /* of its unlink, while in `leaving`; 0: not moved on since */
	uint32_t pgno;  /* of the page that has it, or had it last */
	uint32_t next, prev;
};

struct slot_list {
	uint32_t head, tail;
	uint32_t n;
};

/* FREE --> FILLING --> FLYING (submitted) --> DONE --> FREE when it is complete and n_refs is 0; a
 * quick one goes from FILLING to DONE. */
enum load_state { LOAD_FREE, LOAD_FILLING, LOAD_FLYING, LOAD_DONE };

/* A prefetch: adjacent pages on their way in. All fields but req: arrivals.lock, or its filler. */
struct vm_load {
	struct io_req req;
	struct iovec iov[LOAD_PAGES];
	struct vmcache *vm;
	struct queue *queue; /* that has req */
	struct page_ref refs[LOAD_PAGES];
	uint32_t n_pages;
	unsigned n_refs; /* its filler until it is submitted, and threads inside queue_wait() */
	enum load_state state;
};

/* Who waits for a place that another thread has to itself. */
struct arrivals {
	pthread_mutex_t lock;
	pthread_cond_t moved; /* broadcast when places have been let go, or a prefetch submitted */
	uint64_t n_done;      /* loads that ended, well or badly; lock */
	unsigned n_asleep;    /* in a wait for `moved`; lock */
	struct vm_load slots[LOAD_SLOTS];
};

struct vmcache {
	struct pager pager; /* first: the interface casts */

	_Alignas(64) struct page_table table; /* a state word for each page; state.h */
	/* Of each segment of the table: where page 0 would lie if its places began with that.
	 * Constant once made; arena.c. */
	_Atomic uintptr_t places[TABLE_SEGMENTS];
	size_t stride_bytes; /* from one place to the next; constant */
	unsigned page_shift; /* constant */
	bool verifies_hits;  /* the checksum of each page at each get and peek; constant */

	/* Constant once open. */
	struct vmcache_options opts; /* with the defaults filled in */
	struct file *file;
	struct queue *queue; /* for what its submitter waits for */
	struct queue *ahead; /* for read-ahead, which no thread waits for yet; may be the same */
	struct vm_slot *slots;
	void *zeros; /* PAGER_GROWTH_WRITTEN bytes to grow the file with */
	uint32_t n_slots;
	uint32_t n_quota; /* units of the pin quota: n_slots less writer_pages */
	uint32_t batch;   /* pages that are deactivated at once */

	_Alignas(64) _Atomic uint32_t n_quota_used;
	_Atomic uint32_t n_loading; /* loads that hold a unit and have not ended */
	_Atomic uint32_t n_ahead;   /* of them, pages being prefetched */
	_Atomic uint64_t n_pages;   /* the file's size; written by resize */

	_Alignas(64) pthread_mutex_t lock;
	uint32_t n_touched;       /* lock; slots that were ever used */
	uint32_t hand;            /* lock; of the clock, over the slots */
	uint32_t n_fresh;         /* lock; FRESH and WRITING pages */
	uint64_t end_pages;       /* lock; every word beyond is EMPTY; only grows */
	struct slot_list free;    /* lock */
	struct slot_list leaving; /* lock; LEAVING and GONE pages, oldest first */

	struct arrivals arrivals;

	/* For stats only. */
	_Alignas(64) _Atomic uint64_t n_loads[PAGER_LOAD_CAUSES]; /* pages, by why */
	_Atomic uint64_t n_evictions, n_flushes, n_victims, n_unneeded;
	_Atomic uint64_t n_waits_load, n_waits_limbo;
	_Atomic uint64_t n_reads, n_reads_max; /* requests in flight */
	_Atomic uint64_t read_bytes, write_bytes;
};

static inline struct vmcache *vm_of(struct pager *p)
{
	return (struct vmcache *)p;
}

static inline _Atomic uint64_t *vm_word(const struct vmcache *vm, pgno_t pgno)
{
	return table_word(&vm->table, pgno);
}

/* Where a page lies: arithmetic. pgno < table_end(). */
static inline struct page *vm_place(const struct vmcache *vm, pgno_t pgno)
{
	uintptr_t origin =
		atomic_load_explicit(&vm->places[table_segment(pgno)], memory_order_relaxed);

	return (struct page *)(origin + (uintptr_t)pgno * vm->stride_bytes);
}

static inline void vm_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* So many read requests are about to be submitted. */
static inline void vm_reads_begin(struct vmcache *vm, uint64_t n)
{
	uint64_t now = atomic_fetch_add_explicit(&vm->n_reads, n, memory_order_relaxed) + n;
	uint64_t most = atomic_load_explicit(&vm->n_reads_max, memory_order_relaxed);

	while (now > most && !atomic_compare_exchange_weak_explicit(&vm->n_reads_max, &most, now,
				     memory_order_relaxed, memory_order_relaxed))
		;
}

static inline void vm_reads_end(struct vmcache *vm, uint64_t n)
{
	atomic_fetch_sub_explicit(&vm->n_reads, n, memory_order_relaxed);
}

/*
 * The files, each above those that it calls: arena.c and wait.c; slots.c; claim.c; quota.c;
 * load.c; prefetch.c; get.c and write.c; vmcache.c. check.c calls no other.
 *
 * arena.c: the places, reserved with the table.
 */

/* Makes words and places for at least n_pages. -ENOMEM: as before. One thread at a time. */
int vm_reach(struct vmcache *vm, uint64_t n_pages);
void vm_arena_fini(struct vmcache *vm);

/* The page number whose place it is. */
pgno_t vm_pgno_at(const struct vmcache *vm, const struct page *page);

/* Before a place is filled, and after nothing refers to it: its memory goes back to the kernel. */
void vm_place_open(const struct vmcache *vm, pgno_t pgno);
void vm_place_discard(const struct vmcache *vm, pgno_t pgno, uint32_t n_pages);

/*
 * wait.c: waiting for places that are busy. Without the lock.
 */

/* Gives way to other threads; sleeps a little from some number of tries on. */
void vm_back_off(unsigned tries);

/* How many loads have ended so far. */
uint64_t vm_loads_seen(struct vmcache *vm);

/* n loads have ended (0: a place was let go otherwise): their words have their final states. */
void vm_arrived(struct vmcache *vm, uint32_t n);

/* Waits until the place is not busy any more. */
void vm_wait(struct vmcache *vm, pgno_t pgno);

/* Waits until more than `seen` loads have ended, or no load is in progress. */
void vm_loads_wait(struct vmcache *vm, uint64_t seen);

/* Waits for every prefetch. */
void vm_loads_drain(struct vmcache *vm);

/*
 * slots.c: slots, and the pages that wait for guards.
 */

/* With the lock: a slot for the page, or SLOT_NONE. */
uint32_t vm_slot_take(struct vmcache *vm, pgno_t pgno);

/* It is free. Takes the lock. */
void vm_slot_give(struct vmcache *vm, uint32_t slot);

/* With the lock: the slot's page has just become LEAVING or GONE; it ceases to be LEAVING. */
void vm_leaving_add(struct vmcache *vm, uint32_t slot);
void vm_leaving_remove(struct vmcache *vm, uint32_t slot);

/* With the lock, of a slot in the list: no guard can see what its page was when it joined. */
bool vm_has_left(struct vmcache *vm, uint32_t slot);

/* Gives back the memory of pages that no guard can see any more; a batch. How many. No lock. */
uint32_t vm_reap(struct vmcache *vm);

/*
 * claim.c: who has a place.
 */

/* What a place is claimed for. A prefetch does not wait. */
enum vm_use { VM_USE_GET, VM_USE_PREFETCH, VM_USE_FRESH };

/*
 * Makes the place this thread's own, LOADING, with a slot. The caller holds a unit of the pin
 * quota, or has counted its fresh page. 0; 1: the word is another by now, look again; -EAGAIN,
 * without a text: guards hold back every slot for unreasonably long, or a prefetch would have to
 * wait. No lock.
 */
int vm_claim(struct vmcache *vm, pgno_t pgno, enum vm_use use, uint32_t *ret_slot);

/* Ends a claim that brought nothing: the memory goes back, the word becomes EMPTY. No lock. */
void vm_claim_end(struct vmcache *vm, pgno_t pgno, uint32_t slot);

/* With the lock: no get or peek finds the page any more (P6). Not of a WRITING page. */
void vm_forget(struct vmcache *vm, pgno_t pgno);

/* The last put of a DROPPED page, whose word was w. False: the word changed. Takes the lock. */
bool vm_dropped_end(struct vmcache *vm, pgno_t pgno, uint64_t w);

/*
 * quota.c: units of the pin quota, the clock.
 */

static inline bool vm_quota_try(struct vmcache *vm)
{
	uint32_t n = atomic_load_explicit(&vm->n_quota_used, memory_order_relaxed);

	while (n < vm->n_quota) {
		if (atomic_compare_exchange_weak_explicit(&vm->n_quota_used, &n, n + 1,
			    memory_order_acq_rel, memory_order_relaxed))
			return true;
	}
	return false;
}

static inline void vm_quota_put(struct vmcache *vm)
{
	uint32_t before = atomic_fetch_sub_explicit(&vm->n_quota_used, 1, memory_order_acq_rel);

	ASSERT(before > 0);
}

/* Takes a unit, by deactivating pages when all are in use; waits for loads. VERSO_EPINNED. No
 * lock. */
int vm_quota_get(struct vmcache *vm);

/* With the lock: moves up to n pages that the clock gives up to LEAVING; returns how many. */
uint32_t vm_deactivate(struct vmcache *vm, uint32_t n);

/* Moves this page to LEAVING, unless it is pinned or not CACHED. True: it moved. No lock. */
bool vm_deactivate_page(struct vmcache *vm, pgno_t pgno);

/*
 * Makes a LEAVING page CACHED and pins it. 0; 1: it is not LEAVING any more; 2: it is another page
 * than ref; VERSO_EPINNED. No lock.
 */
int vm_revive(struct vmcache *vm, struct page_ref ref);

/*
 * load.c: one page, from its reference to a verified place.
 */

/* Loads and pins the page. 0; 1: the word changed meanwhile, look again; an error. */
int vm_load(struct vmcache *vm, enum pager_load_cause cause, struct page_ref ref);

/* Verifies a page that was read, as far as the checksum policy goes. VERSO_ECORRUPT. */
int vm_verify(const struct vmcache *vm, const struct page *page, struct page_ref ref);

/* Publishes a good page with the word's pins and marks, or ends the claim of a bad one. False: it
 * was dropped or overwritten meanwhile. */
bool vm_load_end(struct vmcache *vm, pgno_t pgno, uint32_t slot, bool good, uint64_t marks);

/*
 * A clean page that is not `ref` is in ref's place: if the file has `ref` by now, forgets it. 1:
 * look again; an error: what the file says.
 */
int vm_load_over(struct vmcache *vm, struct page_ref ref);

/*
 * check.c: asserts that the accounting of an idle pager balances (V1, V2). Costs a look at every
 * slot.
 */
void vm_check(struct vmcache *vm);

/*
 * Operations of the pager, in get.c, prefetch.c and write.c.
 */
int vm_get(struct pager *p, const struct guard *g, struct page_ref ref,
	const struct page **ret_page);
void vm_put(struct pager *p, const struct page *page, bool unneeded);
void vm_peek(struct pager *p, const struct page_ref *refs, size_t n, const struct page **ret_pages);

size_t vm_prefetch(struct pager *p, const struct page_ref *refs, size_t n, bool ahead);
void vm_cool(struct pager *p, const struct page_ref *refs, size_t n);

struct page *vm_fresh(struct pager *p, struct page_ref ref);
int vm_write(struct pager *p, const struct page_write *set, size_t n);
int vm_flush(struct pager *p);
void vm_drop(struct pager *p, pgno_t pgno, uint32_t n_pages);
int vm_resize(struct pager *p, pgno_t n_pages);
int vm_look(struct pager *p, pgno_t *ret_n_pages);
int vm_read_device(struct pager *p, pgno_t pgno, uint32_t n_pages, void *buf);

#endif
