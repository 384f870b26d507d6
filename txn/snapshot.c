/* SPDX-License-Identifier: MIT */
/*
 * The published state, and the slots in which readers say what they read, as LMDB's reader table
 * does. Why no reader is missed stands in snapshot.h.
 */
#include "txn/snapshot.h"
#include "base/error.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct snapshot) == PUBLISHED_WORDS * sizeof(uint64_t),
	"words of a snapshot");

/* n_moves is in it: else the state before, which stands in the other place, could pass for new. */
static uint64_t sum_of(const uint64_t *words, uint64_t n_moves)
{
	return hash_bytes(words, PUBLISHED_WORDS * sizeof(*words), n_moves);
}

void published_set(struct published *p, const struct snapshot *state)
{
	uint64_t next = atomic_load_explicit(&p->n_moves, memory_order_relaxed) + 1;
	uint64_t words[PUBLISHED_WORDS];

	memcpy(words, state, sizeof(words));
	/* Release: a reader that sees one of these words sees that another place is current. */
	for (unsigned i = 0; i < PUBLISHED_WORDS; i++)
		atomic_store_explicit(&p->words[next % 2][i], words[i], memory_order_release);
	atomic_store_explicit(&p->sums[next % 2], sum_of(words, next), memory_order_release);
	atomic_store_explicit(&p->n_moves, next, memory_order_seq_cst);
}

void published_clear(struct published *p)
{
	static const struct snapshot nothing;

	published_set(p, &nothing);
}

/* A consistent copy of the published words, and n_moves under which it stood. False: it is none. */
static bool published_read(const struct published *p, uint64_t *words, uint64_t *ret_n_moves)
{
	for (;;) {
		uint64_t n_moves = atomic_load_explicit(&p->n_moves, memory_order_seq_cst), sum;

		for (unsigned i = 0; i < PUBLISHED_WORDS; i++)
			words[i] = atomic_load_explicit(&p->words[n_moves % 2][i],
				memory_order_acquire);
		sum = atomic_load_explicit(&p->sums[n_moves % 2], memory_order_acquire);
		if (atomic_load_explicit(&p->n_moves, memory_order_relaxed) != n_moves)
			continue;
		*ret_n_moves = n_moves;
		return sum == sum_of(words, n_moves);
	}
}

bool published_get(const struct published *p, struct snapshot *ret_state)
{
	uint64_t words[PUBLISHED_WORDS], n_moves;

	if (!published_read(p, words, &n_moves))
		return false;
	memcpy(ret_state, words, sizeof(words));
	return true;
}

int snapshots_take_slot(struct snapshots *s, unsigned member, unsigned *ret_slot)
{
	for (unsigned i = 0; i < SNAPSHOT_READERS; i++) {
		uint32_t used, nobody = 0;

		/* Only where something else has written does nobody's slot have a reader. */
		if (atomic_load_explicit(&s->readers[i].gen, memory_order_relaxed) != 0 ||
			!atomic_compare_exchange_strong(&s->readers[i].owner, &nobody, member + 1))
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

enum snapshot_begun snapshots_begin(struct snapshots *s, const struct published *p, unsigned member,
	unsigned slot, struct snapshot *ret_state)
{
	struct reader_slot *reader = &s->readers[slot];
	uint64_t words[PUBLISHED_WORDS], n_moves;

	if (atomic_load_explicit(&reader->owner, memory_order_relaxed) != member + 1)
		return SNAPSHOT_NO_SLOT;
	if (!published_read(p, words, &n_moves))
		return SNAPSHOT_DAMAGED;
	/* Nothing stands where a process had published to itself; to all it never does that. */
	if (words[0] == 0)
		return p == &s->published ? SNAPSHOT_DAMAGED : SNAPSHOT_MOVED;
	/*
	 * T4: from the store on no page that this generation reaches is used again. Sequentially
	 * consistent, as the writer's scan: one of the two sees the other.
	 */
	atomic_store_explicit(&reader->gen, words[0], memory_order_seq_cst);
	if (atomic_load_explicit(&p->n_moves, memory_order_seq_cst) != n_moves)
		return SNAPSHOT_MOVED;
	memcpy(ret_state, words, sizeof(words));
	return SNAPSHOT_BEGUN;
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

enum slot_says { SLOT_NOTHING, SLOT_GEN, SLOT_NONSENSE };

static enum slot_says slot_read(const struct reader_slot *reader, member_lives_fn *lives, void *arg,
	gen_t *ret_gen)
{
	gen_t gen = atomic_load_explicit(&reader->gen, memory_order_seq_cst);
	uint32_t owner = gen ? atomic_load(&reader->owner) : 0;

	if (gen == 0)
		return SLOT_NOTHING;
	if (owner == 0) /* given back since: that clears gen first */
		return atomic_load(&reader->gen) == 0 ? SLOT_NOTHING : SLOT_NONSENSE;
	if (owner > SNAPSHOT_MEMBERS)
		return SLOT_NONSENSE;
	*ret_gen = gen;
	return lives(arg, owner - 1) ? SLOT_GEN : SLOT_NOTHING;
}

bool snapshots_in_use(struct snapshots *s, member_lives_fn *lives, void *arg, gen_t *gens,
	size_t *ret_n)
{
	uint32_t n_used = atomic_load(&s->n_used);
	bool is_known = true;
	size_t n = 0;

	for (uint32_t i = 0; i < n_used && i < SNAPSHOT_READERS; i++) {
		enum slot_says says = slot_read(&s->readers[i], lives, arg, &gens[n]);

		n += says == SLOT_GEN;
		is_known = is_known && says != SLOT_NONSENSE;
	}
	snapshots_sort(gens, n);
	*ret_n = n;
	return is_known;
}
