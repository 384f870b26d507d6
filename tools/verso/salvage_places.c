/* SPDX-License-Identifier: MIT */
/*
 * What the account of free pages says of each page. A page that is in use and that no tree reaches
 * was a part of one: every page is in exactly one place (txn/README.md, T10).
 */
#include "tools/verso/salvage.h"

#include <stdlib.h>

#define CUT_MAX   64u /* of a file that was cut, pages of the commit for one that is left */
#define PAGES_MIN 65536u

struct fill {
	struct places *p;
	const struct raw *r;
	uint64_t n_pending; /* extents that were found */
	uint64_t n_pages;   /* in them */
};

static void set_run(struct places *p, uint64_t first, uint64_t n, enum place place)
{
	for (uint64_t i = first; i < first + n && i < p->n_pages; i++)
		p->place[i] = (uint8_t)place;
}

/* What the bitmap of a group says, if it can be read. */
static void set_group(struct fill *f, uint32_t group, uint8_t *buf)
{
	const struct raw *r = f->r;
	uint32_t bitmap = raw_bitmap_pgno(r, group), index = raw_index_pgno(r, group);
	uint64_t first = (uint64_t)group * raw_newest(r)->group_pages;
	struct raw_group entry;
	bool known = raw_group_find(r, group, &entry);

	if (known && entry.gen != 0)
		known = !raw_read_ref(r, (struct raw_ref){bitmap + entry.copy, entry.gen}, buf);
	if (known)
		set_run(f->p, first, raw_newest(r)->group_pages, PLACE_USED);
	for (uint32_t i = 0; known && entry.gen != 0 && i < raw_newest(r)->group_pages; i++) {
		if (buf[RAW_HEADER_BYTES + i / 8] >> i % 8 & 1)
			set_run(f->p, first + i, 1, PLACE_FREE);
	}
	set_run(f->p, bitmap, 2, PLACE_OWN);
	if (index)
		set_run(f->p, index, 2, PLACE_OWN);
}

static bool set_extent(void *arg, uint32_t list_pgno, const struct raw_extent *e)
{
	struct fill *f = arg;

	(void)list_pgno;
	f->n_pages += e->n_pages;
	if (f->n_pages > f->p->n_pages) /* more than there are: nothing of it is worth belief */
		return false;
	f->n_pending++;
	set_run(f->p, e->pgno, e->n_pages, PLACE_FREE);
	return true;
}

static void set_windows(struct fill *f)
{
	for (uint32_t pgno = 0; pgno < f->p->n_pages; pgno++) {
		if (raw_window_find(raw_newest(f->r), pgno) >= 0)
			f->p->place[pgno] = PLACE_FREE;
	}
}

static void set_all(struct fill *f, uint8_t *buf)
{
	const struct raw_meta *m = raw_newest(f->r);
	struct places *p = f->p;

	for (uint64_t group = 0; group * m->group_pages < p->n_pages; group++)
		set_group(f, (uint32_t)group, buf);
	set_windows(f);
	raw_each_extent(f->r, set_extent, f);
	/* Without all of the pending list, what is in it passes for in use. */
	for (uint32_t i = 0; f->n_pending < raw_n_extents(f->r) && i < p->n_pages; i++) {
		if (p->place[i] == PLACE_USED)
			p->place[i] = PLACE_UNKNOWN;
	}
	if (m->n_pages < p->n_pages)
		set_run(p, m->n_pages, p->n_pages - m->n_pages, PLACE_FREE);
}

bool places_init(struct places *p, const struct raw *r)
{
	uint64_t n = (r->file_bytes + r->page_size - 1) / r->page_size;
	struct fill f = {.p = p, .r = r};
	uint8_t *buf = raw_buffer(r);

	if (r->has_meta && n < raw_newest(r)->n_pages) {
		/* A number that nothing bears out is not worth any memory. */
		n = n * CUT_MAX + PAGES_MIN;
		if (n > raw_newest(r)->n_pages)
			n = raw_newest(r)->n_pages;
	}
	p->n_pages = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
	p->place = calloc((size_t)p->n_pages + 1, 1);
	if (buf && p->place) {
		if (r->has_meta)
			set_all(&f, buf);
		set_run(p, 0, 2 * r->slot_pages, PLACE_OWN);
	} else if (!p->place) {
		say("out of memory");
	}
	free(buf);
	return buf && p->place;
}

void places_fini(struct places *p)
{
	free(p->place);
	p->place = NULL;
}
