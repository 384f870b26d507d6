/* SPDX-License-Identifier: MIT */
/*
 * The contract with several threads: readers with pins and guards beside a writer, and beside a
 * leader that writes what the writer has handed over.
 *
 * The model is shadow paging at its smallest. A slot names a page; a change makes the page anew at
 * another place, publishes its reference in the slot, and gives the old place back when no reader
 * can hold its reference any more: readers stand inside a guard of a second domain (`snapshots`)
 * from the moment they read a slot until they are done, which takes the part of T4.
 */
#include "tests/contract/contract_int.h"

#include <sched.h>
#include <stdlib.h>

#define N_READERS 3
#define N_SLOTS   48
#define N_PLACES  WORLD_PAGES
#define BATCH_MAX 12

#ifdef __SANITIZE_THREAD__
#define N_BATCHES 150
#else
#define N_BATCHES 400
#endif

/* References fit a word: the gens of this file are small numbers above GEN_BASE. */
#define GEN_BASE (UINT64_C(7) << 40)

static uint64_t pack(struct page_ref ref)
{
	return (uint64_t)ref.pgno << 32 | (ref.gen - GEN_BASE);
}

static struct page_ref unpack(uint64_t word)
{
	return (struct page_ref){(pgno_t)(word >> 32), GEN_BASE + (uint32_t)word};
}

/* Places that were given back in one epoch. */
struct returned {
	uint64_t epoch;
	unsigned n;
	pgno_t places[BATCH_MAX];
};

struct batch {
	struct page_write set[BATCH_MAX];
	struct page_ref refs[BATCH_MAX];
	unsigned slots[BATCH_MAX];
	void *bufs[BATCH_MAX]; /* of pieces that are no fresh pages */
	unsigned n;
	bool published;
	struct returned old;
};

struct stage {
	struct world w;
	struct guard_domain snapshots;
	_Atomic uint64_t slots[N_SLOTS];
	atomic_bool stop;
	atomic_uint n_reads;
	uint64_t rng;

	pgno_t free[N_PLACES]; /* the writer's */
	unsigned n_free;
	struct returned waiting[N_PLACES];
	unsigned n_waiting;

	pthread_mutex_t lock; /* the mailbox of the leader */
	pthread_cond_t moved;
	struct batch *mail; /* handed over, not yet written; NULL: none */
	bool closing;
};

/*
 * Readers
 */

struct reader {
	struct stage *stage;
	struct guard *pages, *snapshot;
	uint64_t rng;
	pthread_t thread;
};

static struct page_ref look(struct reader *r)
{
	return unpack(atomic_load(&r->stage->slots[check_random(&r->rng) % N_SLOTS]));
}

static bool read_seen(struct reader *r, struct page_ref ref)
{
	struct world *w = &r->stage->w;
	const struct page *page;

	guard_enter(r->pages);
	page = pager_peek(w->pager, r->pages, ref);
	ASSERT(!page || page_is_filled(page, w->page_size, ref));
	guard_leave(r->pages);
	return page != NULL;
}

static const struct page *read_pinned(struct reader *r, struct page_ref ref)
{
	struct world *w = &r->stage->w;
	const struct page *page;
	int rc = pager_get(w->pager, r->pages, ref, &page);

	ASSERT(rc == 0);
	ASSERT(page_is_filled(page, w->page_size, ref));
	return page;
}

/* Reads a few pages of one snapshot: some seen, some pinned and kept while others are read. */
static void read_snapshot(struct reader *r)
{
	struct world *w = &r->stage->w;
	struct page_ref refs[3];
	const struct page *pinned[3];
	unsigned n = 0;

	guard_enter(r->snapshot);
	for (unsigned i = 0; i < 3; i++) {
		refs[n] = look(r);
		if (check_random(&r->rng) % 2 && read_seen(r, refs[n]))
			continue;
		pinned[n] = read_pinned(r, refs[n]);
		n++;
		if (check_random(&r->rng) % 4 == 0)
			sched_yield();
	}
	while (n > 0) {
		n--;
		ASSERT(page_is_filled(pinned[n], w->page_size, refs[n]));
		if (check_random(&r->rng) % 4 == 0)
			pager_put_unneeded(w->pager, pinned[n]);
		else
			pager_put(w->pager, pinned[n]);
	}
	guard_leave(r->snapshot);
	atomic_fetch_add(&r->stage->n_reads, 1);
}

static void *read_slots(void *arg)
{
	struct reader *r = arg;

	while (!atomic_load(&r->stage->stop)) {
		read_snapshot(r);
		sched_yield();
	}
	return NULL;
}

/*
 * The writer
 */

/* Gives places back whose epoch no reader can be of.. */
static void collect(struct stage *s)
{
	do {
		uint64_t oldest = guard_oldest(&s->snapshots);
		unsigned kept = 0;

		for (unsigned i = 0; i < s->n_waiting; i++) {
			struct returned *r = &s->waiting[i];

			if (r->epoch >= oldest) {
				s->waiting[kept++] = *r;
				continue;
			}
			for (unsigned k = 0; k < r->n; k++)
				s->free[s->n_free++] = r->places[k];
		}
		s->n_waiting = kept;
		if (s->n_free < BATCH_MAX)
			sched_yield();
	} while (s->n_free < BATCH_MAX && s->n_waiting > 0);
}

static int by_pgno(const void *a, const void *b)
{
	const pgno_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/*
 * Makes a batch: fresh pages, and here and there a buffer, as the free space's pages are written.
 */
static void make_batch(struct stage *s, struct batch *b, bool buffers)
{
	struct world *w = &s->w;
	unsigned slot = (unsigned)check_random(&s->rng) % N_SLOTS;
	pgno_t places[BATCH_MAX];

	collect(s);
	b->n = 1 + (unsigned)check_random(&s->rng) % BATCH_MAX;
	ck_assert_uint_ge(s->n_free, b->n);
	for (unsigned i = 0; i < b->n; i++) { /* any of the free places */
		unsigned k = (unsigned)check_random(&s->rng) % s->n_free;

		places[i] = s->free[k];
		s->free[k] = s->free[--s->n_free];
	}
	qsort(places, b->n, sizeof(places[0]), by_pgno);
	for (unsigned i = 0; i < b->n; i++) {
		struct page_ref ref = {places[i], ++w->gen};
		bool buffer = buffers && check_random(&s->rng) % 8 == 0;

		b->bufs[i] = buffer ? world_buffer(w, 1) : NULL;
		page_fill(buffer ? b->bufs[i] : pager_fresh(w->pager, ref), w->page_size, ref);
		b->refs[i] = ref;
		b->slots[i] = slot++ % N_SLOTS;
		b->set[i] = (struct page_write){ref.pgno, 1, b->bufs[i]};
	}
	b->published = false;
}

static void publish(struct stage *s, struct batch *b)
{
	b->old.n = b->n;
	for (unsigned i = 0; i < b->n; i++)
		b->old.places[i] =
			unpack(atomic_exchange(&s->slots[b->slots[i]], pack(b->refs[i]))).pgno;
	b->published = true;
}

/* The old places may be used again once this batch is written and its readers are gone. */
static void finish(struct stage *s, struct batch *b)
{
	b->old.epoch = guard_retire(&s->snapshots);
	s->waiting[s->n_waiting++] = b->old;
	for (unsigned i = 0; i < b->n; i++)
		free(b->bufs[i]);
}

static void abort_batch(struct stage *s, struct batch *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		pager_drop(s->w.pager, b->refs[i].pgno, 1);
		s->free[s->n_free++] = b->refs[i].pgno;
		free(b->bufs[i]);
	}
}

static void write_alone(struct stage *s)
{
	for (unsigned round = 0; round < N_BATCHES; round++) {
		struct batch b;
		unsigned kind = (unsigned)check_random(&s->rng) % 4;

		make_batch(s, &b, kind != 0);
		if (kind == 1) {
			abort_batch(s, &b);
			continue;
		}
		if (kind == 0) /* seen before it is written */
			publish(s, &b);
		ck_assert_int_eq(pager_write(s->w.pager, b.set, b.n), 0);
		if (!b.published)
			publish(s, &b);
		finish(s, &b);
		if (round % 64 == 0)
			ck_assert_int_eq(pager_flush(s->w.pager), 0);
		sched_yield();
	}
}

/*
 * The leader
 */

static void *lead(void *arg)
{
	struct stage *s = arg;

	pthread_mutex_lock(&s->lock);
	for (unsigned round = 0;; round++) {
		struct batch *b;

		while (!s->mail && !s->closing)
			pthread_cond_wait(&s->moved, &s->lock);
		b = s->mail;
		if (!b)
			break;
		pthread_mutex_unlock(&s->lock);
		ASSERT(pager_write(s->w.pager, b->set, b->n) == 0);
		ASSERT(round % 16 != 0 || pager_flush(s->w.pager) == 0);
		pthread_mutex_lock(&s->lock);
		s->mail = NULL;
		pthread_cond_broadcast(&s->moved);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* The writer makes and publishes one batch while the leader writes the one before. */
static void write_with_leader(struct stage *s)
{
	struct batch batches[2];
	struct batch *before = NULL;
	pthread_t leader;

	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->moved, NULL);
	ck_assert_int_eq(pthread_create(&leader, NULL, lead, s), 0);
	for (unsigned round = 0; round < N_BATCHES; round++) {
		struct batch *b = &batches[round % 2];

		make_batch(s, b, false);
		if (check_random(&s->rng) % 5 == 0) {
			abort_batch(s, b);
			round--;
			continue;
		}
		publish(s, b);
		pthread_mutex_lock(&s->lock);
		while (s->mail)
			pthread_cond_wait(&s->moved, &s->lock);
		s->mail = b;
		pthread_cond_broadcast(&s->moved);
		pthread_mutex_unlock(&s->lock);
		if (before)
			finish(s, before);
		before = b;
	}
	pthread_mutex_lock(&s->lock);
	s->closing = true;
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
	ck_assert_int_eq(pthread_join(leader, NULL), 0);
	finish(s, before);
}

static void play(struct stage *s, int i, void (*write)(struct stage *s))
{
	struct reader readers[N_READERS];

	world_open(&s->w, i);
	s->w.gen = GEN_BASE;
	s->rng = check_seed();
	guard_domain_init(&s->snapshots);
	for (unsigned k = 0; k < N_SLOTS; k++)
		atomic_init(&s->slots[k], pack(world_add(&s->w, k)));
	for (pgno_t pgno = N_SLOTS; pgno < N_PLACES; pgno++)
		s->free[s->n_free++] = pgno;
	for (unsigned k = 0; k < N_READERS; k++) {
		struct reader *r = &readers[k];

		*r = (struct reader){.stage = s, .rng = check_seed() * 10 + k};
		ck_assert_int_eq(guard_open(&s->w.pager->guards, &r->pages), 0);
		ck_assert_int_eq(guard_open(&s->snapshots, &r->snapshot), 0);
		ck_assert_int_eq(pthread_create(&r->thread, NULL, read_slots, r), 0);
	}
	write(s);
	while (atomic_load(&s->n_reads) < 2 * N_BATCHES)
		sched_yield();
	atomic_store(&s->stop, true);
	for (unsigned k = 0; k < N_READERS; k++) {
		ck_assert_int_eq(pthread_join(readers[k].thread, NULL), 0);
		guard_close(readers[k].pages);
		guard_close(readers[k].snapshot);
	}
	for (unsigned k = 0; k < N_SLOTS; k++)
		check_get(&s->w, unpack(atomic_load(&s->slots[k])));
	world_reopen(&s->w);
	for (unsigned k = 0; k < N_SLOTS; k++)
		check_get(&s->w, unpack(atomic_load(&s->slots[k])));
	guard_domain_fini(&s->snapshots);
	world_close(&s->w);
}

START_TEST(readers_are_right_beside_a_writer)
{
	static struct stage s;

	play(&s, _i, write_alone);
}
END_TEST

START_TEST(readers_are_right_beside_a_writer_and_a_leader)
{
	static struct stage s;

	play(&s, _i, write_with_leader);
}
END_TEST

/*
 * Many threads, one file without a writer
 */

struct crowd {
	struct world w;
	struct page_ref refs[4 * WORLD_PAGES];
	unsigned n_pages;
	unsigned n_rounds;
	pthread_barrier_t start;
};

struct member {
	struct crowd *crowd;
	struct guard *guard;
	uint64_t rng;
	pthread_t thread;
};

static void crowd_get(struct member *m, unsigned i)
{
	struct world *w = &m->crowd->w;
	const struct page *page;

	ASSERT(pager_get(w->pager, m->guard, m->crowd->refs[i], &page) == 0);
	ASSERT(page_is_filled(page, w->page_size, m->crowd->refs[i]));
	pager_put(w->pager, page);
}

/* All at once for the same page. */
static void *get_in_step(void *arg)
{
	struct member *m = arg;

	for (unsigned i = 0; i < m->crowd->n_rounds; i++) {
		(void)pthread_barrier_wait(&m->crowd->start);
		crowd_get(m, i);
	}
	return NULL;
}

/* Any page, some asked for ahead. */
static void *get_at_random(void *arg)
{
	struct member *m = arg;

	for (unsigned i = 0; i < m->crowd->n_rounds; i++) {
		uint64_t x = check_random(&m->rng);
		unsigned at = (unsigned)(x % m->crowd->n_pages);

		if (x >> 60 == 0 && at + 8 < m->crowd->n_pages) {
			pager_prefetch(m->crowd->w.pager, m->crowd->refs + at, 8);
			crowd_get(m, at + 7);
		}
		crowd_get(m, at);
	}
	return NULL;
}

static void gather(struct crowd *c, int i, unsigned n_pages, unsigned n_rounds,
	void *(*act)(void *arg))
{
	struct member members[N_READERS];

	world_open(&c->w, i);
	ck_assert_int_eq(pager_resize(c->w.pager, n_pages), 0);
	world_add_many(&c->w, 0, n_pages, c->refs);
	world_reopen(&c->w);
	c->n_pages = n_pages;
	c->n_rounds = n_rounds;
	ck_assert_int_eq(pthread_barrier_init(&c->start, NULL, N_READERS), 0);
	for (unsigned k = 0; k < N_READERS; k++) {
		struct member *m = &members[k];

		*m = (struct member){.crowd = c, .rng = check_seed() * 10 + k};
		ck_assert_int_eq(guard_open(&c->w.pager->guards, &m->guard), 0);
		ck_assert_int_eq(pthread_create(&m->thread, NULL, act, m), 0);
	}
	for (unsigned k = 0; k < N_READERS; k++) {
		ck_assert_int_eq(pthread_join(members[k].thread, NULL), 0);
		guard_close(members[k].guard);
	}
	(void)pthread_barrier_destroy(&c->start);
	world_close(&c->w);
}

START_TEST(threads_that_miss_the_same_page_all_get_it)
{
	static struct crowd c;

	gather(&c, _i, WORLD_PAGES, WORLD_PAGES, get_in_step);
}
END_TEST

START_TEST(threads_get_any_page_of_a_file_larger_than_the_cache)
{
	static struct crowd c;

	gather(&c, _i, 4 * WORLD_PAGES, 1500, get_at_random);
}
END_TEST

/* One thread grows and cuts the end of the file while others read its beginning. */
START_TEST(size_changes_beside_readers)
{
	static struct crowd c;
	struct member members[N_READERS];

	world_open(&c.w, _i);
	world_add_many(&c.w, 0, WORLD_PAGES, c.refs);
	world_reopen(&c.w);
	c.n_pages = WORLD_PAGES;
	c.n_rounds = 1000;
	for (unsigned k = 0; k < N_READERS; k++) {
		struct member *m = &members[k];

		*m = (struct member){.crowd = &c, .rng = check_seed() * 10 + k};
		ck_assert_int_eq(guard_open(&c.w.pager->guards, &m->guard), 0);
		ck_assert_int_eq(pthread_create(&m->thread, NULL, get_at_random, m), 0);
	}
	for (pgno_t round = 0; round < 20; round++) {
		struct page_ref ref;

		ck_assert_int_eq(pager_resize(c.w.pager, WORLD_PAGES + 1 + round * 3), 0);
		ref = world_add(&c.w, WORLD_PAGES + round * 3);
		check_get(&c.w, ref);
		if (round % 3 == 2)
			ck_assert_int_eq(pager_resize(c.w.pager, WORLD_PAGES), 0);
	}
	for (unsigned k = 0; k < N_READERS; k++) {
		ck_assert_int_eq(pthread_join(members[k].thread, NULL), 0);
		guard_close(members[k].guard);
	}
	world_close(&c.w);
}
END_TEST

TCase *contract_threads(void)
{
	TCase *tc = tcase_create("threads");

	tcase_set_timeout(tc, 120);
	ADD_TEST(tc, readers_are_right_beside_a_writer);
	ADD_TEST(tc, readers_are_right_beside_a_writer_and_a_leader);
	ADD_TEST(tc, threads_that_miss_the_same_page_all_get_it);
	ADD_TEST(tc, threads_get_any_page_of_a_file_larger_than_the_cache);
	ADD_TEST(tc, size_changes_beside_readers);
	return tc;
}
