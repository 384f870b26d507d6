/* SPDX-License-Identifier: MIT */
/*
 * The published state, and the slots in which readers say what they read, as LMDB's reader table
 * does. Why no reader is missed stands in snapshot.h.
 */
#include "txn/snapshot.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct snapshot) == PUBLISHED_WORDS * sizeof(uint64_t),
	"words of a snapshot");

void published_set(struct published *p, const struct snapshot *state)
{
	uint64_t next = atomic_load_explicit(&p->n_moves, memory_order_relaxed) + 1;
	uint64_t words[PUBLISHED_WORDS];

	memcpy(words, state, sizeof(words));
	/* Release: a reader that sees one of these words sees that another place is current. */
	for (unsigned i = 0; i < PUBLISHED_WORDS; i++)
		atomic_store_explicit(&p->words[next % 2][i], words[i], memory_order_release);
	atomic_store_explicit(&p->n_moves, next, memory_order_seq_cst);
}

void published_clear(struct published *p)
{
	static const struct snapshot nothing;

	published_set(p, &nothing);
}

/* A consistent copy of the published words; returns n_moves under which it stood. */
static uint64_t published_read(const struct published *p, uint64_t *words)
{
	for (;;) {
		uint64_t n_moves = atomic_load_explicit(&p->n_moves, memory_order_seq_cst);

		for (unsigned i = 0; i < PUBLISHED_WORDS; i++)
			words[i] = atomic_load_explicit(&p->words[n_moves % 2][i],
				memory_order_acquire);
		if (atomic_load_explicit(&p->n_moves, memory_order_relaxed) == n_moves)
			return n_moves;
	}
}

void published_get(const struct published *p, struct snapshot *ret_state)
{
	uint64_t words[PUBLISHED_WORDS];

	(void)published_read(p, words);
	memcpy(ret_state, words, sizeof(words));
}

int snapshots_take_slot(struct snapshots *s, unsigned member, unsigned *ret_slot)
{
	for (unsigned i = 0; i < SNAPSHOT_READERS; i++) {
		uint32_t used, nobody = 0;

		if (!atomic_compare_exchange_strong(&s->readers[i].owner, &nobody, member + 1))
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

void snapshots_give_slot(struct snapshots *s, unsigned slot)
{
	atomic_store(&s->readers[slot].gen, 0);
	atomic_store(&s->readers[slot].owner, 0);
}

void snapshots_forget(struct snapshots *s, unsigned member)
{
	for (unsigned i = 0; i < SNAPSHOT_READERS; i++) {
		if (atomic_load(&s->readers[i].owner) == member + 1)
			snapshots_give_slot(s, i);
	}
}

bool snapshots_begin(struct snapshots *s, const struct published *p, unsigned slot,
	struct snapshot *ret_state)
{
	struct reader_slot *reader = &s->readers[slot];
	uint64_t words[PUBLISHED_WORDS], n_moves;

	DCHECK(atomic_load(&reader->owner) != 0);
	/* T4: from the store on no page that this generation reaches is used again. */
	n_moves = published_read(p, words);
	/* Sequentially consistent, as the writer's scan: one of the two sees the other. */
	atomic_store_explicit(&reader->gen, words[0], memory_order_seq_cst);
	if (words[0] == 0 || atomic_load_explicit(&p->n_moves, memory_order_seq_cst) != n_moves)
		return false;
	memcpy(ret_state, words, sizeof(words));
	return true;
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

void snapshots_sort(gen_t *gens, size_t n)
{
	qsort(gens, n, sizeof(*gens), compare_gens);
}

size_t snapshots_in_use(struct snapshots *s, member_lives_fn *lives, void *arg, gen_t *gens)
{
	uint32_t n_used = atomic_load(&s->n_used);
	size_t n = 0;

	for (uint32_t i = 0; i < n_used; i++) {
		const struct reader_slot *reader = &s->readers[i];
		gen_t gen = atomic_load_explicit(&reader->gen, memory_order_seq_cst);
		uint32_t owner = gen ? atomic_load(&reader->owner) : 0;

		if (owner != 0 && lives(arg, owner - 1))
			gens[n++] = gen;
	}
	snapshots_sort(gens, n);
	return n;
}
