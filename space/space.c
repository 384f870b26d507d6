/* SPDX-License-Identifier: MIT */
#include "space/space_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int space_init(struct space *s, struct pager *pager, const struct space_record *record,
	pgno_t file_pages, const struct space_options *options)
{
	int rc;

	memset(s, 0, sizeof(*s));
	s->pager = pager;
	record_layout(record, pager->page_size, &s->layout);
	s->n_pages = record->n_pages;
	s->file_pages = file_pages;
	s->grow_pages = options->grow_pages ? options->grow_pages : 8;
	s->cut_pages = options->cut_pages ? options->cut_pages : 1024;
	s->n_regions = record->n_regions;
	memcpy(s->windows, record->windows, sizeof(s->windows));
	windows_count_at_hand(s);
	s->buf = page_buffers_alloc(pager->page_size, 1);
	rc = s->buf ? regions_reserve(s, s->n_regions) : -ENOMEM;
	if (rc == 0 && s->n_regions > s->layout.regions_max) {
		rc = regions_load_index(s, record);
	} else if (rc == 0) {
		for (uint32_t r = 0; r < s->n_regions; r++)
			s->regions[r].entry = record->regions[r];
	}
	for (uint32_t r = 0; rc == 0 && r < s->n_regions; r++)
		s->n_free += s->regions[r].entry.n_free;
	if (rc)
		space_fini(s);
	return rc;
}

void space_fini(struct space *s)
{
	for (uint32_t r = 0; r < s->cap_regions; r++)
		free(s->regions[r].bits);
	free(s->regions);
	free(s->log);
	free(s->buf);
	memset(s, 0, sizeof(*s));
}

void space_begin(struct space *s)
{
	memcpy(s->saved, s->windows, sizeof(s->saved));
	s->n_log = 0;
}

bool space_is_free(const struct space *s, pgno_t pgno)
{
	uint32_t r = region_of(s, pgno);
	pgno_t bit = pgno - region_start(s, r);

	ASSERT(s->regions[r].bits);
	return s->regions[r].bits[bit / 64] >> (bit % 64) & 1;
}
