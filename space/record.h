/* SPDX-License-Identifier: MIT */
/*
 * The record of the free space: what a meta says of it. What does not fit (allocation groups,
 * pending extents) stands in pages that the record refers to.
 *
 * txn/meta.c decides where in the meta each part stands.
 */
#ifndef SPACE_RECORD_H
#define SPACE_RECORD_H

#include "space/layout.h"

#define RECORD_WINDOWS 2U
#define WINDOW_WORDS   (WINDOW_PAGES / 64U)
#define WINDOW_BYTES   (4U + WINDOW_PAGES / 8U)

/*
 * An allocation window: pages that the newest generation set aside for the next ones; bit i is page
 * first + i.
 */
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

/* What is known of an allocation group, or of a page of the index of groups, without reading it. */
struct group_entry {
	gen_t gen;       /* of its bitmap (index) page; 0: not written yet */
	uint32_t n_free; /* pages whose bit is set; of an index page: 0 */
	uint8_t copy;    /* which of the two copies it is */
};

/* Pages freed by generation `free`, which were allocated by generation `birth` or later. */
struct pending_extent {
	pgno_t pgno;
	uint32_t n_pages;
	gen_t birth;
	gen_t free;
};

struct space_record {
	pgno_t n_pages; /* of the file that belong to the generation */
	uint32_t group_pages;
	uint32_t n_groups;
	uint16_t groups_max; /* more than that: `groups` lists index pages */
	uint16_t pending_max;
	struct page_ref list_page; /* the newest page of the chain of pending extents */
	uint32_t n_list_pages;     /* how far the chain counts; older pages are not part of it */
	uint32_t n_chained;        /* extents in it */
	struct window windows[RECORD_WINDOWS];
	uint32_t n_group_entries;
	struct group_entry groups[RECORD_GROUPS_MAX];
	uint32_t n_pending;
	struct pending_extent pending[RECORD_PENDING_MAX];
};

/* The layout of a database that has this record. */
void record_layout(const struct space_record *record, uint32_t page_size,
	struct layout *ret_layout);

/* Why later code could not rely on a record that was read; NULL: it can. */
const char *record_find_fault(const struct space_record *record, uint32_t page_size);

void window_encode(const struct window *window, uint8_t *bytes);
void window_decode(const uint8_t *bytes, struct window *ret_window);
void group_entry_encode(const struct group_entry *entry, uint8_t *bytes);
void group_entry_decode(const uint8_t *bytes, struct group_entry *ret_entry);
void pending_extent_encode(const struct pending_extent *extent, uint8_t *bytes);
void pending_extent_decode(const uint8_t *bytes, struct pending_extent *ret_extent);

#endif
