/* SPDX-License-Identifier: MIT */
/* The free space in memory: from a record at opening, to an account at each transaction. */
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
	s->n_groups = record->n_groups;
	memcpy(s->windows, record->windows, sizeof(s->windows));
	windows_count_at_hand(s);
	s->buf = page_buffers_alloc(pager->page_size, 1);
	rc = s->buf ? groups_reserve(s, s->n_groups) : -ENOMEM;
	if (rc == 0 && s->n_groups > s->layout.groups_max) {
		rc = groups_load_index(s, record);
	} else if (rc == 0) {
		for (uint32_t r = 0; r < s->n_groups; r++)
			s->groups[r].entry = record->groups[r];
	}
	for (uint32_t r = 0; rc == 0 && r < s->n_groups; r++)
		s->n_free += s->groups[r].entry.n_free;
	if (rc)
		space_fini(s);
	return rc;
}

void space_fini(struct space *s)
{
	for (uint32_t r = 0; r < s->cap_groups; r++)
		free(s->groups[r].bits);
	free(s->groups);
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
	uint32_t r = group_of(s, pgno);
	pgno_t bit = pgno - group_start(s, r);

	ASSERT(s->groups[r].bits);
	return s->groups[r].bits[bit / 64] >> (bit % 64) & 1;
}
