/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a file before and after its last commit, where in them the live values lie, and what
 * a disk may make of them.
 *
 * Every record was set in the last commit, so a value of its version that is found once is live, in
 * an engine that copies pages as in one that writes in place. A damage always touches a live
 * value: whoever reads that value without a check reads something wrong.
 */
#ifndef EXPERIMENTS_HAZARDS_IMAGE_H
#define EXPERIMENTS_HAZARDS_IMAGE_H

#include "experiments/hazards/subject.h"

struct live_value {
	uint32_t page, off_bytes; /* in the page */
	uint32_t record;
};

struct image {
	uint8_t *before, *after; /* n_pages each; what the file lacks is zeros */
	uint32_t n_pages;
	uint32_t n_records, version; /* of the last commit */
	struct live_value *values;   /* by page, then offset */
	uint32_t n_values;
	uint32_t
		*pages; /* indexes into values: where each page with values begins; one more ends */
	uint32_t n_live; /* pages with values */
	uint32_t *free;  /* pages with older values only: to be used again */
	uint32_t n_free;
};

/* What lies on the device afterwards instead of what was written. */
struct damage {
	unsigned n;       /* pages, 1 or 2 */
	uint32_t live[2]; /* which of the live pages */
	uint32_t page[2]; /* their page numbers */
	uint8_t bytes[2][PAGE_BYTES];
};

/* Both files, read. false: text says why. */
bool image_read(struct image *m, const char *before, const char *after, uint32_t n_records,
	uint32_t version, char text[TEXT_BYTES]);
void image_fini(struct image *m);

/* The page of the file after the commit. */
static inline const uint8_t *image_page(const struct image *m, uint32_t page)
{
	return m->after + (size_t)page * PAGE_BYTES;
}

/* One bit of one live value of the page. */
void damage_flip(const struct image *m, uint32_t live, uint64_t *rng, struct damage *ret_damage);

/* Some sectors are of the commit, the rest is what lay there before. false: no such cut touches a
 * value. */
bool damage_torn(const struct image *m, uint32_t live, uint64_t *rng, struct damage *ret_damage);

/* The page was never written. */
void damage_lost(const struct image *m, uint32_t live, struct damage *ret_damage);

/* It was written to the place of another live page. */
void damage_misdirected(const struct image *m, uint32_t live, uint64_t *rng,
	struct damage *ret_damage);

#endif
