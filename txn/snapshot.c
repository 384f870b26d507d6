/* SPDX-License-Identifier: MIT */
/*
 * The published state as a seqlock (Linux), and the slots in which readers say what they read, as
 * LMDB's reader table does within one process. Why no reader is missed stands in snapshot.h.
 */
#include "txn/snapshot.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct snapshot) == PUBLISHED_WORDS * sizeof(uint64_t),
	"words of a snapshot");

void snapshots_publish(struct snapshots *s, const struct snapshot *state)
{
	struct published *p = &s->published;
	uint64_t sequence = atomic_load_explicit(&p->sequence, memory_order_relaxed);
	uint64_t words[PUBLISHED_WORDS];

	DCHECK(sequence % 2 == 0); /* one thread at a time publishes */
	memcpy(words, state, sizeof(words));
	atomic_store_explicit(&p->sequence, sequence + 1, memory_order_relaxed);
	/* Release: a reader that sees one of these words sees the odd sequence too. */
	for (unsigned i = 0; i < PUBLISHED_WORDS; i++)
		atomic_store_explicit(&p->words[i], words[i], memory_order_release);
	atomic_store_explicit(&p->sequence, sequence + 2, memory_order_seq_cst);
}

/* A consistent copy of the published words; returns the sequence under which it stood. */
static uint64_t published_read(const struct published *p, uint64_t *words)
{
	for (;;) {
		uint64_t before = atomic_load_explicit(&p->sequence, memory_order_seq_cst);

		for (unsigned i = 0; i < PUBLISHED_WORDS; i++)
			words[i] = atomic_load_explicit(&p->words[i], memory_order_acquire);
		if (before % 2 == 0 &&
			atomic_load_explicit(&p->sequence, memory_order_relaxed) == before)
			return before;
	}
}

int snapshots_take_slot(struct snapshots *s, unsigned *ret_slot)
{
	for (unsigned i = 0; i < SNAPSHOT_READERS; i++) {
		uint32_t used;

		if (atomic_exchange(&s->readers[i].taken, true))
			continue;
		used = atomic_load(&s->n_used);
		while (used < i + 1 && !atomic_compare_exchange_weak(&s->n_used, &used, i + 1))
			;
		*ret_slot = i;
		return 0;
	}
	return error_set(VERSO_EBUSY, "%u readers are active, more are not possible: end some",
		SNAPSHOT_READERS);
}

void snapshots_begin(struct snapshots *s, unsigned slot, struct snapshot *ret_state)
{
	struct reader_slot *reader = &s->readers[slot];
	uint64_t words[PUBLISHED_WORDS], sequence;

	DCHECK(atomic_load(&reader->taken));
	DCHECK(atomic_load(&reader->gen) == 0); /* a handle has one snapshot at a time */
	/* T4: from the store on no page that this generation reaches is used again. */
	do {
		sequence = published_read(&s->published, words);
		/* Sequentially consistent, as the writer's scan: one of the two sees the other. */
		atomic_store_explicit(&reader->gen, words[0], memory_order_seq_cst);
	} while (atomic_load_explicit(&s->published.sequence, memory_order_seq_cst) != sequence);
	memcpy(ret_state, words, sizeof(words));
}

void snapshots_end(struct snapshots *s, unsigned slot)
{
	atomic_store_explicit(&s->readers[slot].gen, 0, memory_order_release);
}

static int compare_gens(const void *a, const void *b)
{
	gen_t x = *(const gen_t *)a, y = *(const gen_t *)b;

	return (x > y) - (x < y);
}

size_t snapshots_in_use(struct snapshots *s, gen_t *gens)
{
	uint32_t n_used = atomic_load(&s->n_used);
	size_t n = 0;

	for (uint32_t i = 0; i < n_used; i++) {
		gen_t gen = atomic_load_explicit(&s->readers[i].gen, memory_order_seq_cst);

		if (gen)
			gens[n++] = gen;
	}
	qsort(gens, n, sizeof(*gens), compare_gens);
	return n;
}
