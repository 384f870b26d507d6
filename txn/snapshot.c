/* SPDX-License-Identifier: MIT */
#include "txn/snapshot.h"
#include "base/error.h"
#include "base/hash.h"

#include <stdlib.h>

#define LOCK_FILE_VERSION 1U

static const char lock_magic[8] = {'V', 'e', 'r', 's', 'o', 'L', 'k', '\n'};

/*
 * How a snapshot lies in the words: what a root's `user`, `kind` and `flags` say is the tree's own.
 */
_Static_assert(PUBLISHED_WORDS == 2 + 5 * TXN_ROOTS, "a snapshot fits the published words");

static void words_fill(const struct snapshot *state, uint64_t *words)
{
	words[0] = state->gen;
	words[1] = state->n_pages;
	for (unsigned i = 0; i < TXN_ROOTS; i++) {
		const struct txn_root *root = &state->roots[i];
		uint64_t *w = words + 2 + 5 * i;

		w[0] = root->ref.gen;
		w[1] = root->ref.pgno | (uint64_t)root->tree << 32;
		w[2] = root->level | (uint64_t)root->flags << 8 | (uint64_t)root->kind << 16;
		w[3] = root->count;
		w[4] = root->user;
	}
}

static void words_read(const uint64_t *words, struct snapshot *state)
{
	state->gen = words[0];
	state->n_pages = (pgno_t)words[1];
	for (unsigned i = 0; i < TXN_ROOTS; i++) {
		struct txn_root *root = &state->roots[i];
		const uint64_t *w = words + 2 + 5 * i;

		root->ref = (struct page_ref){(pgno_t)w[1], w[0]};
		root->tree = (uint32_t)(w[1] >> 32);
		root->level = (uint8_t)w[2];
		root->flags = (uint8_t)(w[2] >> 8);
		root->kind = (uint16_t)(w[2] >> 16);
		root->count = w[3];
		root->user = w[4];
	}
}

int snapshots_open(struct snapshots *s, struct file *file, const uint8_t uuid[16])
{
	int rc = file_truncate(file, 0);

	memset(s, 0, sizeof(*s));
	s->file = file;
	if (rc == 0)
		rc = file_allocate(file, 0, sizeof(struct lock_file));
	if (rc == 0)
		rc = io_map(file->io, file, MAP_WRITE_SHARED, sizeof(struct lock_file), &s->map);
	if (rc == 0)
		rc = map_extend(s->map, sizeof(struct lock_file));
	if (rc) {
		snapshots_close(s);
		return rc;
	}
	s->shared = (struct lock_file *)(void *)s->map->base;
	memset(s->shared, 0, sizeof(*s->shared));
	memcpy(s->shared->header.magic, lock_magic, sizeof(lock_magic));
	s->shared->header.version = LOCK_FILE_VERSION;
	s->shared->header.n_readers = SNAPSHOT_READERS;
	memcpy(s->shared->header.uuid, uuid, 16);
	return 0;
}

void snapshots_close(struct snapshots *s)
{
	if (!s->file)
		return;
	map_close(s->map);
	memset(s, 0, sizeof(*s));
}

void snapshots_publish(struct snapshots *s, const struct snapshot *state)
{
	struct published *p = &s->shared->published;
	uint64_t sequence = atomic_load_explicit(&p->sequence, memory_order_relaxed);
	uint64_t words[PUBLISHED_WORDS];

	words_fill(state, words);
	atomic_store_explicit(&p->sequence, sequence + 1, memory_order_relaxed);
	/* Release: whoever sees one of these words sees the odd sequence too. */
	for (unsigned i = 0; i < PUBLISHED_WORDS; i++)
		atomic_store_explicit(&p->words[i], words[i], memory_order_release);
	atomic_store_explicit(&p->checksum, hash_bytes(words, sizeof(words), LOCK_FILE_VERSION),
		memory_order_release);
	atomic_store_explicit(&p->sequence, sequence + 2, memory_order_seq_cst);
}

/* A consistent copy of the published words and the sequence under which it stood. */
static int published_read(const struct published *p, uint64_t *words, uint64_t *ret_sequence)
{
	for (;;) {
		uint64_t before = atomic_load_explicit(&p->sequence, memory_order_seq_cst), sum;

		for (unsigned i = 0; i < PUBLISHED_WORDS; i++)
			words[i] = atomic_load_explicit(&p->words[i], memory_order_acquire);
		sum = atomic_load_explicit(&p->checksum, memory_order_acquire);
		if (before % 2 != 0 ||
			atomic_load_explicit(&p->sequence, memory_order_relaxed) != before)
			continue;
		if (sum != hash_bytes(words, PUBLISHED_WORDS * sizeof(*words), LOCK_FILE_VERSION))
			return error_set(VERSO_ECORRUPT,
				"the lock file was overwritten: close the database everywhere and "
				"remove the file");
		*ret_sequence = before;
		return 0;
	}
}

int snapshots_take_slot(struct snapshots *s, unsigned *ret_slot)
{
	for (unsigned i = 0; i < SNAPSHOT_READERS; i++) {
		uint32_t nobody = 0, used;

		if (!atomic_compare_exchange_strong(&s->shared->readers[i].owner, &nobody, 1))
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

int snapshots_begin(struct snapshots *s, unsigned slot, struct snapshot *ret_state)
{
	struct reader_slot *reader = &s->shared->readers[slot];
	uint64_t words[PUBLISHED_WORDS], sequence;
	int rc = published_read(&s->shared->published, words, &sequence);

	while (rc == 0) {
		uint64_t now;

		/* Sequentially consistent, as the writer's scan: one of the two sees the other. */
		atomic_store_explicit(&reader->gen, words[0], memory_order_seq_cst);
		now = atomic_load_explicit(&s->shared->published.sequence, memory_order_seq_cst);
		if (now == sequence) {
			words_read(words, ret_state);
			return 0;
		}
		rc = published_read(&s->shared->published, words, &sequence);
	}
	snapshots_end(s, slot);
	return rc;
}

void snapshots_end(struct snapshots *s, unsigned slot)
{
	atomic_store_explicit(&s->shared->readers[slot].gen, 0, memory_order_release);
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
		gen_t gen = atomic_load_explicit(&s->shared->readers[i].gen, memory_order_seq_cst);

		if (gen)
			gens[n++] = gen;
	}
	qsort(gens, n, sizeof(*gens), compare_gens);
	return n;
}
