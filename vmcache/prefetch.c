/* SPDX-License-Identifier: MIT */
/*
 * Prefetch: adjacent pages in one request of a queue, which is one piece of memory too, because
 * neighbours in the file are neighbours in the arena; verified and published by the thread that
 * reaps it. Which queue: see queues_open().
 *
 * A prefetch is a hint: it takes a unit of the pin quota and a slot only when that needs no wait,
 * and one that fails leaves nothing behind. The get that needs the page reads again and reports.
 */
#include "base/error.h"
#include "base/thread.h"
#include "vmcache/vmcache_int.h"

#include <errno.h>

/* In the thread that reaps, whose own call may succeed: a bad page is no error of it. */
static void prefetch_done(struct io_req *req)
{
	struct vm_load *load = req->owner;
	struct vmcache *vm = load->vm;
	uint32_t n_pages = load->n_pages;

	error_mute();
	for (uint32_t i = 0; i < n_pages; i++) {
		struct page_ref ref = load->refs[i];
		const struct page *page = vm_place(vm, ref.pgno);
		uint64_t w = atomic_load_explicit(vm_word(vm, ref.pgno), memory_order_relaxed);
		bool good = req->result == 0 && vm_verify(vm, page, ref) == 0;

		if (good)
			pager_trace_page(&vm->pager, PAGER_LOAD, ref, page);
		(void)vm_load_end(vm, ref.pgno, vm_slot(w), good, VM_AHEAD);
	}
	error_unmute();
	if (req->result == 0)
		vm_count(&vm->read_bytes, (uint64_t)n_pages << vm->page_shift);
	vm_reads_end(vm, 1);
	atomic_fetch_sub(&vm->n_ahead, n_pages);
	pthread_mutex_lock(&vm->arrivals.lock);
	load->state = LOAD_DONE; /* the queue still has to set `complete`: not free yet */
	pthread_mutex_unlock(&vm->arrivals.lock);
	vm_arrived(vm, n_pages);
}

/* A load to fill, or NULL when all are in flight. */
static struct vm_load *load_get(struct vmcache *vm)
{
	struct vm_load *found = NULL;

	pthread_mutex_lock(&vm->arrivals.lock);
	for (unsigned i = 0; i < LOAD_SLOTS && !found; i++) {
		struct vm_load *load = &vm->arrivals.slots[i];

		if (load->state == LOAD_DONE && load->n_refs == 0 &&
			atomic_load_explicit(&load->req.complete, memory_order_acquire))
			load->state = LOAD_FREE;
		if (load->state == LOAD_FREE)
			found = load;
	}
	if (found) {
		found->state = LOAD_FILLING;
		found->n_refs = 1;
		found->n_pages = 0;
	}
	pthread_mutex_unlock(&vm->arrivals.lock);
	return found;
}

static void load_put(struct vmcache *vm, struct vm_load *load)
{
	pthread_mutex_lock(&vm->arrivals.lock);
	load->state = LOAD_FREE;
	load->n_refs = 0;
	pthread_mutex_unlock(&vm->arrivals.lock);
}

/* A unit of the pin quota, without waiting. */
static bool quota_at_once(struct vmcache *vm)
{
	if (vm_quota_try(vm))
		return true;
	pthread_mutex_lock(&vm->lock);
	(void)vm_deactivate(vm, vm->batch);
	pthread_mutex_unlock(&vm->lock);
	return vm_quota_try(vm);
}

/* Claims the place of a page and adds it to the load. 0; 1: that page is not to be had; < 0: nor is
 * any other. */
static int load_add(struct vmcache *vm, struct vm_load *load, struct page_ref ref)
{
	uint32_t slot;
	int rc;

	if (!quota_at_once(vm))
		return -EAGAIN;
	/* Counted before the word becomes LOADING: a thread that sees LOADING may wait for it. */
	atomic_fetch_add(&vm->n_loading, 1);
	rc = vm_claim(vm, ref.pgno, VM_USE_PREFETCH, &slot);
	if (rc != 0) {
		vm_quota_put(vm);
		vm_arrived(vm, 1);
		return rc;
	}
	atomic_fetch_add(&vm->n_ahead, 1);
	load->refs[load->n_pages++] = ref;
	return 0;
}

static bool is_wanted(struct vmcache *vm, struct page_ref ref)
{
	return ref.pgno < atomic_load_explicit(&vm->n_pages, memory_order_relaxed) &&
	       vm_state(atomic_load_explicit(vm_word(vm, ref.pgno), memory_order_relaxed)) ==
		       VM_EMPTY;
}

static bool follows(const struct vm_load *load, struct page_ref ref)
{
	return load->n_pages > 0 && load->n_pages < LOAD_PAGES &&
	       load->refs[load->n_pages - 1].pgno + 1 == ref.pgno;
}

/* Its pieces of memory: one, but at the seam of two segments, and for pages below the stride. */
static unsigned load_fill_iov(struct vmcache *vm, struct vm_load *load)
{
	size_t page_size = vm->pager.page_size;
	unsigned n = 0;

	for (uint32_t i = 0; i < load->n_pages; i++) {
		void *place = vm_place(vm, load->refs[i].pgno);
		struct iovec *last = n > 0 ? &load->iov[n - 1] : NULL;

		if (last && (char *)last->iov_base + last->iov_len == place)
			last->iov_len += page_size;
		else
			load->iov[n++] = (struct iovec){place, page_size};
	}
	return n;
}

static void submit(struct vmcache *vm, struct queue *queue, enum pager_load_cause cause,
	struct vm_load *const *loads, size_t n)
{
	struct io_req *reqs[LOAD_SLOTS];

	for (size_t i = 0; i < n; i++) {
		struct vm_load *load = loads[i];

		memset(&load->req, 0, sizeof(load->req));
		load->req.kind = IO_READ;
		load->req.file = vm->file;
		load->req.iov = load->iov;
		load->req.n_iov = load_fill_iov(vm, load);
		load->req.off_bytes = (uint64_t)load->refs[0].pgno << vm->page_shift;
		load->req.done = prefetch_done;
		load->req.owner = load;
		load->queue = queue;
		reqs[i] = &load->req;
		vm_count(&vm->n_loads[cause], load->n_pages);
	}
	vm_reads_begin(vm, n);
	queue_submit(queue, reqs, n);
	pthread_mutex_lock(&vm->arrivals.lock);
	for (size_t i = 0; i < n; i++) {
		if (loads[i]->state == LOAD_FILLING) /* else it is done already */
			loads[i]->state = LOAD_FLYING;
		loads[i]->n_refs--;
	}
	if (vm->arrivals.n_asleep > 0)
		(void)pthread_cond_broadcast(&vm->arrivals.moved);
	pthread_mutex_unlock(&vm->arrivals.lock);
}

size_t vm_prefetch(struct pager *p, const struct page_ref *refs, size_t n, bool ahead)
{
	THREAD_KEPT;
	struct vmcache *vm = vm_of(p);
	struct queue *queue = ahead ? vm->ahead : vm->queue;
	struct vm_load *loads[LOAD_SLOTS];
	struct vm_load *load = NULL;
	size_t i, n_loads = 0;

	queue_poll(queue);
	for (i = 0; i < n; i++) {
		if (!is_wanted(vm, refs[i]))
			continue;
		if (atomic_load_explicit(&vm->n_ahead, memory_order_relaxed) >=
			vm->opts.prefetch_pages)
			break;
		if (!load || !follows(load, refs[i])) {
			if (load && load->n_pages > 0) {
				loads[n_loads++] = load;
				load = NULL;
			}
			if (!load)
				load = n_loads < LOAD_SLOTS ? load_get(vm) : NULL;
			if (!load)
				break;
		}
		if (load_add(vm, load, refs[i]) < 0)
			break;
	}
	if (load && load->n_pages > 0)
		loads[n_loads++] = load;
	else if (load)
		load_put(vm, load);
	if (n_loads > 0)
		submit(vm, queue, ahead ? PAGER_LOAD_AHEAD : PAGER_LOAD_MANY, loads, n_loads);
	return i;
}
