/* SPDX-License-Identifier: MIT */
/* Every page of the file that is in use, once, in their order. */
#include "tools/verso/salvage.h"
#include "base/array.h"

#include <stdlib.h>

/* By tree; in use before not known to be; the newest first, of equal ones the highest. */
static int compare(const void *a, const void *b)
{
	const struct salvage_node *x = a, *y = b;

	if (x->tree != y->tree)
		return x->tree < y->tree ? -1 : 1;
	if (x->is_used != y->is_used)
		return x->is_used ? -1 : 1;
	if (x->lsn != y->lsn)
		return x->lsn > y->lsn ? -1 : 1;
	if (x->level != y->level)
		return x->level > y->level ? -1 : 1;
	return (x->pgno > y->pgno) - (x->pgno < y->pgno);
}

static void add_node(struct salvage *s, uint32_t pgno, const uint8_t *page)
{
	struct salvage_node node = {
		.gen = le64_get(page + AT_GEN),
		.lsn = le64_get(page + AT_LSN),
		.pgno = pgno,
		.tree = le32_get(page + AT_TREE),
		.level = page[AT_LEVEL],
		.is_used = s->places.place[pgno] == PLACE_USED,
	};

	if (s->r.has_meta && node.lsn > raw_newest(&s->r)->gen) {
		s->n_newer++;
		return;
	}
	if (s->places.place[pgno] == PLACE_FREE)
		return;
	if (array_reserve(&s->nodes, &s->cap_nodes, s->n_nodes + UINT64_C(1), sizeof(node)) < 0) {
		say("out of memory");
		s->failed = true;
		return;
	}
	s->nodes[s->n_nodes++] = node;
}

/* A page that may be damaged: one that was never written is, where it should be in use. */
static bool is_loss(const struct salvage *s, uint32_t pgno, const uint8_t *page)
{
	switch (s->places.place[pgno]) {
	case PLACE_USED:
		return true;
	case PLACE_UNKNOWN:
		return !bytes_are_zero(page, s->r.page_size);
	default:
		return false;
	}
}

static void look_at(struct salvage *s, uint32_t pgno, uint8_t *buf)
{
	bool is_free = s->places.place[pgno] == PLACE_FREE;
	struct raw_node node;
	const char *wrong;

	if (s->places.place[pgno] == PLACE_OWN ||
		(is_free && s->r.has_meta && !s->r.meta[0].wrong && !s->r.meta[1].wrong))
		return;
	wrong = raw_read(&s->r, pgno, buf);
	s->n_read++;
	if (!wrong && buf[AT_TYPE] == RAW_NODE) {
		wrong = raw_node_open(&s->r, buf, &node);
		if (!wrong)
			wrong = raw_node_wrong(&node);
		if (!wrong)
			add_node(s, pgno, buf);
	}
	if (wrong && is_loss(s, pgno, buf))
		loss_add(&s->loss, pgno, wrong);
}

/* The slots, and the bitmaps that count. */
static void look_at_own(struct salvage *s, uint8_t *buf)
{
	const struct raw_meta *m = raw_newest(&s->r);
	struct raw_group entry;

	for (unsigned i = 0; i < 2; i++) {
		if (s->r.meta[i].wrong)
			loss_add(&s->loss, i * s->r.slot_pages, s->r.meta[i].wrong);
	}
	for (uint32_t g = 0; s->r.has_meta && (uint64_t)g * m->group_pages < m->n_pages; g++) {
		uint32_t pgno = raw_bitmap_pgno(&s->r, g);
		const char *wrong;

		if (!raw_group_find(&s->r, g, &entry)) {
			loss_add(&s->loss,
				raw_index_pgno(&s->r,
					g / raw_index_entries(&s->r) * raw_index_entries(&s->r)),
				"what it should say of the free pages cannot be read");
			continue;
		}
		if (entry.gen == 0)
			continue;
		wrong = raw_read_ref(&s->r, (struct raw_ref){pgno + entry.copy, entry.gen}, buf);
		if (wrong)
			loss_add(&s->loss, pgno + entry.copy, wrong);
	}
}

void salvage_survey(struct salvage *s)
{
	uint8_t *buf = raw_buffer(&s->r);
	uint32_t n = s->places.n_pages;

	s->failed = !buf;
	if (buf)
		look_at_own(s, buf);
	progress_begin(&s->progress, "pages", n);
	for (uint32_t pgno = 0; !s->failed && pgno < n && signals_ended_by() == 0; pgno++) {
		if ((uint64_t)pgno * s->r.page_size < s->r.file_bytes)
			look_at(s, pgno, buf);
		else if (s->places.place[pgno] == PLACE_USED)
			loss_add(&s->loss, pgno, "the file ends before it");
		progress_step(&s->progress, pgno);
	}
	progress_end(&s->progress);
	if (s->n_nodes > 0)
		qsort(s->nodes, s->n_nodes, sizeof(*s->nodes), compare);
	free(buf);
}
