/* SPDX-License-Identifier: MIT */
/*
 * The free space of a file that is written in one go, as a copy is: which of its pages are in use
 * is known before, so its bitmaps and index pages follow from that. Copy 0 of each is written; a
 * group without a free page needs no bitmap (gen 0).
 */
#ifndef SPACE_IMAGE_H
#define SPACE_IMAGE_H

#include "space/record.h"

struct space_image {
	const struct layout *layout; /* the caller's */
	pgno_t n_pages;
	gen_t gen;           /* of what is written */
	uint64_t seed;       /* of the file's checksums */
	const uint8_t *used; /* a bit a page, the caller's; NULL: all before used_end are in use */
	pgno_t used_end;     /* nothing is from there on */
	struct group_entry *groups;
	uint32_t n_groups;
	uint32_t n_free; /* pages */
};

/*
 * n_pages: of the file, as layout_end_for() has it. used: bits of pages that a file keeps for
 * itself are not looked at; used_end: no page is in use from there on. -ENOMEM. Ends with
 * space_image_fini().
 */
int space_image_init(struct space_image *image, const struct layout *layout, pgno_t n_pages,
	const uint8_t *used, pgno_t used_end, gen_t gen, uint64_t seed);
void space_image_fini(struct space_image *image);

/* Writes the sealed page at pgno to buf if it is one of the free space's: true. Else nothing. */
bool space_image_page(const struct space_image *image, pgno_t pgno, struct page *buf);

/* What the metas say of it. */
void space_image_record(const struct space_image *image, struct space_record *ret_record);

#endif
