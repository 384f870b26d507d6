/* SPDX-License-Identifier: MIT */
/* What the files of the pending list share. */
#ifndef SPACE_PENDING_INT_H
#define SPACE_PENDING_INT_H

#include "base/assert.h"
#include "space/pending.h"

static inline struct pending_extent *extent_at(const struct pending *p, uint32_t i)
{
	return &p->extents[p->first + i];
}

static inline struct chunk *chunk_at(const struct pending *p, uint32_t i)
{
	return &p->chunks[p->first_chunk + i];
}

/* pending.c: adds an extent at the end, for which there is room. */
void pending_queue(struct pending *p, const struct pending_extent *e);

/* chunks.c */
int extent_validate(const struct pending *p, const struct pending_extent *e,
	const struct space_record *record, gen_t gen);
int chain_load(struct pending *p, struct pager *pager, const struct space_record *record, gen_t gen,
	struct page *buf);
int chunks_reserve(struct pending *p, uint32_t n);
void chunk_fill(struct pending *p, struct page *page, uint64_t seed);

#endif
