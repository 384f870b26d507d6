/* SPDX-License-Identifier: MIT */
/*
 * The meta page: what a generation of the database is, in 4 KiB.
 *
 * Two slots, at 0 and at slot_pages, are written in turn. A slot holds the roots, the free space
 * and what opening needs to decide whether the generation is whole. Whatever does not fit (regions,
 * pending extents) goes to pages that the meta refers to. The byte map stands in
 * docs/file-format.md and, as offsets, in meta.c.
 */
#ifndef TXN_META_H
#define TXN_META_H

#include "txn/txn.h"

#define META_BYTES       4096U
#define META_FORMAT      2U
#define META_REGIONS_MAX 64U
#define META_PENDING_MAX 112U
#define META_WINDOWS     2U
#define META_PROTOCOL    1U /* shadow paging, one writer, two slots */
#define WINDOW_PAGES     512U
#define WINDOW_WORDS     (WINDOW_PAGES / 64U)
#define REGION_PAGES_MIN 256U
#define REGION_PAGES_MAX 32768U

/* Pages that the newest generation set aside for the next ones: bit i is page first + i. */
struct window {
	pgno_t first;
	uint64_t mask[WINDOW_WORDS];
};

static inline unsigned window_count(const struct window *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < WINDOW_WORDS; i++)
		n += (unsigned)__builtin_popcountll(w->mask[i]);
	return n;
}

static inline bool window_has(const struct window *w, pgno_t pgno)
{
	pgno_t bit = pgno - w->first;

	return pgno >= w->first && bit < WINDOW_PAGES && (w->mask[bit / 64] >> (bit % 64) & 1);
}

/* What is known of a region, or of a page of the index of regions, without reading it. */
struct region_entry {
	gen_t gen;       /* of its bitmap (index) page; 0: none was written yet */
	uint32_t n_free; /* pages whose bit is set; of an index page: 0 */
	uint8_t copy;    /* which of the two places holds it */
};

/* Pages given up by generation `free`, which were allocated by generation `birth` or later. */
struct pending_extent {
	pgno_t pgno;
	uint32_t n_pages;
	gen_t birth;
	gen_t free;
};

struct meta {
	gen_t gen;
	gen_t durable_gen;         /* was flushed before this meta was written */
	enum txn_commit_mode mode; /* how this generation was made durable */
	uint32_t page_size;
	uint8_t uuid[16];
	uint32_t compat;    /* features that an older Verso may ignore; kept as they are */
	uint32_t ro_compat; /* features that it may ignore for reading; writing needs all known */
	pgno_t n_pages;
	uint32_t region_pages;
	uint32_t n_regions;
	uint16_t regions_max; /* more than that: `regions` lists index pages */
	uint16_t pending_max;
	struct page_ref chunk; /* the newest page of the chain of pending extents */
	uint32_t n_chunks;     /* how far the chain counts; older pages are not part of it */
	uint32_t n_chained;    /* extents in it */
	struct window windows[META_WINDOWS];
	struct txn_root roots[TXN_ROOTS];
	uint32_t n_region_entries;
	struct region_entry regions[META_REGIONS_MAX];
	uint32_t n_pending;
	struct pending_extent pending[META_PENDING_MAX];
};

/* Where things lie, which follows from the page size and the format options alone. */
struct layout {
	uint32_t page_size;
	uint32_t region_pages;
	uint32_t slot_pages;    /* of one meta slot */
	uint32_t index_entries; /* region entries that an index page holds */
	uint32_t chunk_extents; /* extents that a chunk page holds */
	uint16_t regions_max;
	uint16_t pending_max;
};

void layout_init(struct layout *layout, uint32_t page_size, const struct txn_options *options);

static inline pgno_t layout_slot(const struct layout *l, unsigned slot)
{
	return slot * l->slot_pages;
}

/* The page where region r keeps copy 0 of its bitmap; copy 1 is the next one. */
static inline pgno_t layout_bitmap(const struct layout *l, uint32_t region)
{
	return region ? region * l->region_pages : 2 * l->slot_pages;
}

/* The first of a region's pages that is not set aside for the metas and the free space itself. */
static inline pgno_t layout_first_page(const struct layout *l, uint32_t region)
{
	return layout_bitmap(l, region) + (region % l->index_entries == 0 ? 4 : 2);
}

/* The page where index page i keeps copy 0; copy 1 is the next one. */
static inline pgno_t layout_index(const struct layout *l, uint32_t index)
{
	return layout_bitmap(l, index * l->index_entries) + 2;
}

/* True when all of the n_pages from pgno on may belong to trees: neither slots nor places of
 * bitmaps and index, in one region, and in a file of file_pages. */
static inline bool layout_is_ordinary(const struct layout *l, pgno_t file_pages, pgno_t pgno,
	uint32_t n_pages)
{
	return pgno >= layout_first_page(l, pgno / l->region_pages) && pgno < file_pages &&
	       n_pages > 0 && n_pages <= file_pages - pgno &&
	       n_pages <= l->region_pages - pgno % l->region_pages;
}

/* The most pages that a file can have: whole regions. */
static inline pgno_t layout_pages_max(const struct layout *l)
{
	uint64_t n = (uint64_t)META_REGIONS_MAX * l->index_entries * l->region_pages;

	return n < UINT32_MAX ? (pgno_t)n : UINT32_MAX / l->region_pages * l->region_pages;
}

/* Encodes m into the slot buffer (slot_pages long, zeroed here) and seals it. */
void meta_encode(const struct meta *m, const struct layout *layout, unsigned slot, uint64_t seed,
	void *slot_bytes);

/*
 * Decodes META_BYTES of a slot. 0: *ret_m is valid in itself. VERSO_ENOTDB: no meta was written
 * there; VERSO_EVERSION: of another format or a commit mode of a later version; VERSO_ECORRUPT:
 * damaged. Every field is validated.
 */
int meta_decode(const void *slot_bytes, pgno_t slot_pgno, struct meta *ret_m);

/* The layout of a database that has this meta. */
void meta_layout(const struct meta *m, struct layout *ret_layout);

void region_entry_encode(const struct region_entry *entry, uint8_t *bytes);
void region_entry_decode(const uint8_t *bytes, struct region_entry *ret_entry);
void pending_extent_encode(const struct pending_extent *extent, uint8_t *bytes);
void pending_extent_decode(const uint8_t *bytes, struct pending_extent *ret_extent);

#define REGION_ENTRY_BYTES   16U
#define PENDING_EXTENT_BYTES 24U

#endif
