/* SPDX-License-Identifier: MIT */
/* The account of free pages: groups and their bitmaps, windows, the pending list. */
#include "tools/verso/raw.h"

#include <stdlib.h>

#define GROUP_BYTES  16u
#define EXTENT_BYTES 24u
#define WINDOW_BYTES 68u

struct raw_group raw_group_get(const uint8_t *bytes)
{
	return (struct raw_group){le64_get(bytes), le16_get(bytes + 8), bytes[10] & 1u};
}

struct raw_extent raw_extent_get(const uint8_t *bytes)
{
	return (struct raw_extent){
		le32_get(bytes), le32_get(bytes + 4), le64_get(bytes + 8), le64_get(bytes + 16)};
}

unsigned raw_index_entries(const struct raw *r)
{
	return (r->page_size - RAW_HEADER_BYTES) / GROUP_BYTES;
}

unsigned raw_list_extents(const struct raw *r)
{
	return (r->page_size - RAW_HEADER_BYTES - 16) / EXTENT_BYTES;
}

uint32_t raw_bitmap_pgno(const struct raw *r, uint32_t group)
{
	return group > 0 ? group * raw_newest(r)->group_pages : 2 * r->slot_pages;
}

uint32_t raw_index_pgno(const struct raw *r, uint32_t group)
{
	return group % raw_index_entries(r) == 0 ? raw_bitmap_pgno(r, group) + 2 : 0;
}

bool raw_group_find(const struct raw *r, uint32_t group, struct raw_group *ret_group)
{
	const struct raw_meta *m = raw_newest(r);
	uint32_t index = group / raw_index_entries(r);
	struct raw_group entry;
	uint8_t *buf;
	bool good;

	if (m->n_groups <= m->groups_max) {
		if (group < 64)
			*ret_group = raw_group_get(m->bytes + AT_GROUPS + group * GROUP_BYTES);
		return group < 64;
	}
	if (index >= 64)
		return false;
	entry = raw_group_get(m->bytes + AT_GROUPS + index * GROUP_BYTES);
	buf = raw_buffer(r);
	good = buf && !raw_read_ref(r,
			      (struct raw_ref){
				      raw_index_pgno(r, index * raw_index_entries(r)) + entry.copy,
				      entry.gen},
			      buf);
	if (good)
		*ret_group = raw_group_get(buf + RAW_HEADER_BYTES +
					   (size_t)(group % raw_index_entries(r)) * GROUP_BYTES);
	free(buf);
	return good;
}

int raw_window_find(const struct raw_meta *meta, uint32_t pgno)
{
	for (unsigned w = 0; w < RAW_WINDOWS; w++) {
		const uint8_t *window = meta->bytes + AT_WINDOWS + w * WINDOW_BYTES;
		uint32_t first = le32_get(window), bit = pgno - first;

		if (pgno >= first && bit < RAW_WINDOW_PAGES &&
			(le64_get(window + 4 + bit / 64 * 8) >> bit % 64 & 1))
			return (int)w;
	}
	return -1;
}

uint64_t raw_n_extents(const struct raw *r)
{
	const struct raw_meta *m = raw_newest(r);

	return (uint64_t)m->n_pending + le32_get(m->bytes + AT_N_LIST_EXTENTS);
}

void raw_each_extent(const struct raw *r, raw_extent_fn *each, void *arg)
{
	const struct raw_meta *m = raw_newest(r);
	struct raw_ref ref = m->list_page;
	uint64_t n_there = r->file_bytes / r->page_size, most = m->n_list_pages;
	uint8_t *buf = raw_buffer(r);
	bool more = buf;

	if (most > n_there) /* a page that means itself has no end */
		most = n_there;
	for (uint32_t i = 0; more && i < m->n_pending; i++) {
		struct raw_extent e = raw_extent_get(m->bytes + AT_EXTENTS + i * EXTENT_BYTES);

		more = each(arg, 0, &e);
	}
	for (uint32_t k = 0; more && k < most && ref.pgno != 0; k++) {
		uint32_t pgno = ref.pgno, n;

		if (raw_read_ref(r, ref, buf) || buf[AT_TYPE] != RAW_PENDING)
			break;
		n = le32_get(buf + RAW_HEADER_BYTES + 12);
		for (uint32_t i = 0; more && i < n && i < raw_list_extents(r); i++) {
			struct raw_extent e = raw_extent_get(buf + RAW_HEADER_BYTES + 16 +
							     (size_t)i * EXTENT_BYTES);

			more = each(arg, pgno, &e);
		}
		ref = raw_ref_get(buf + RAW_HEADER_BYTES);
	}
	free(buf);
}
