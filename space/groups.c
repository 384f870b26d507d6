/* SPDX-License-Identifier: MIT */
/*
 * Allocation groups: a bitmap each, read when it is needed, and what is known of it without reading
 * it.
 */
#include "base/array.h"
#include "base/error.h"
#include "space/space_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t bitmap_bytes(const struct space *s)
{
	return s->layout.group_pages / 8;
}

int groups_reserve(struct space *s, uint32_t n)
{
	uint32_t cap = s->cap_groups;
	int rc = array_reserve(&s->groups, &s->cap_groups, n, sizeof(*s->groups));

	if (rc == 0)
		memset(s->groups + cap, 0, (s->cap_groups - cap) * sizeof(*s->groups));
	return rc;
}

static int read_page(struct space *s, struct page_ref ref, enum page_type type)
{
	const struct page *page = s->buf;
	int rc = pager_read_device(s->pager, ref.pgno, 1, s->buf);

	if (rc == 0)
		rc = page_verify(page, s->layout.page_size, ref, s->pager->seed);
	if (rc == 0 && page->type != type)
		rc = error_set(VERSO_ECORRUPT, "page %u: expected type %d, found %u", ref.pgno,
			type, page->type);
	return rc;
}

/* A bitmap's bits as they were read: only of pages that can be free, and are in no window. */
static int bits_validate(const struct space *s, uint32_t r, const uint64_t *bits)
{
	for (pgno_t bit = 0; bit < s->layout.group_pages; bit++) {
		pgno_t pgno = group_start(s, r) + bit;

		if ((bits[bit / 64] >> (bit % 64) & 1) == 0)
			continue;
		if (!layout_is_ordinary(&s->layout, s->n_pages, pgno, 1) || windows_have(s, pgno))
			return error_set(VERSO_ECORRUPT,
				"page %u: the bitmap of allocation group %u calls it free, "
				"which it cannot be. Restore the file from a copy",
				pgno, r);
	}
	return 0;
}

int group_load(struct space *s, uint32_t r)
{
	struct alloc_group *group = &s->groups[r];
	struct page_ref ref = {layout_bitmap(&s->layout, r) + group->entry.copy, group->entry.gen};
	const uint8_t *bytes = ((const struct page *)s->buf)->payload;
	uint32_t n_free = 0;
	uint64_t *bits;
	int rc;

	if (group->bits)
		return 0;
	if (group->entry.gen == 0 && group->entry.n_free == 0) { /* no bitmap was written yet */
		group->bits = calloc(1, bitmap_bytes(s));
		return group->bits ? 0 : -ENOMEM;
	}
	rc = read_page(s, ref, PAGE_BITMAP);
	if (rc)
		return rc;
	bits = malloc(bitmap_bytes(s));
	if (!bits)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->layout.group_pages / 64; i++) {
		bits[i] = le64_get(bytes + 8 * i);
		n_free += (uint32_t)__builtin_popcountll(bits[i]);
	}
	if (n_free != group->entry.n_free) {
		free(bits);
		return error_set(VERSO_ECORRUPT,
			"page %u: the bitmap has %u free pages, its entry says %u", ref.pgno,
			n_free, group->entry.n_free);
	}
	rc = bits_validate(s, r, bits);
	if (rc) {
		free(bits);
		return rc;
	}
	group->bits = bits;
	return 0;
}

int group_promise(struct space *s, uint32_t r)
{
	int rc = group_load(s, r);

	if (rc == 0)
		s->groups[r].promised = true;
	return rc;
}

void group_set(struct space *s, pgno_t pgno, bool is_free)
{
	struct alloc_group *group = &s->groups[group_of(s, pgno)];
	pgno_t bit = pgno - group_start(s, group_of(s, pgno));
	uint64_t mask = UINT64_C(1) << (bit % 64);

	ASSERT(group->bits);
	ASSERT(group->promised); /* S2: else a commit has no room for its bitmap */
	ASSERT(((group->bits[bit / 64] & mask) != 0) != is_free); /* S1 */
	group->bits[bit / 64] ^= mask;
	group->entry.n_free += is_free ? 1 : -1U;
	s->n_free += is_free ? 1 : -1U;
	group->dirty = true;
}

int groups_load_index(struct space *s, const struct space_record *record)
{
	for (uint32_t i = 0; i < record->n_group_entries; i++) {
		struct page_ref ref = {layout_index(&s->layout, i) + record->groups[i].copy,
			record->groups[i].gen};
		const uint8_t *bytes = ((const struct page *)s->buf)->payload;
		uint32_t first = i * s->layout.index_entries;
		int rc = read_page(s, ref, PAGE_GROUPS);

		if (rc)
			return rc;
		s->index[i] = record->groups[i];
		s->n_index = i + 1;
		for (uint32_t j = 0; j < s->layout.index_entries && first + j < s->n_groups; j++) {
			struct group_entry *entry = &s->groups[first + j].entry;

			group_entry_decode(bytes + j * GROUP_ENTRY_BYTES, entry);
			if (entry->copy > 1 || entry->n_free > s->layout.group_pages)
				return error_set(VERSO_ECORRUPT,
					"page %u: expected allocation groups with copy 0 or 1 and "
					"at most %u free pages, found copy %u and %u",
					ref.pgno, s->layout.group_pages, entry->copy,
					entry->n_free);
		}
	}
	return 0;
}

int group_make(struct space *s, uint32_t r)
{
	struct alloc_group *group = &s->groups[r];

	if (!group->bits)
		group->bits = malloc(bitmap_bytes(s));
	if (!group->bits)
		return -ENOMEM;
	memset(group->bits, 0, bitmap_bytes(s));
	ASSERT(group->entry.n_free == 0);
	group->promised = true;
	return 0;
}

void group_forget(struct space *s, uint32_t r)
{
	struct alloc_group *group = &s->groups[r];

	s->n_free -= group->entry.n_free;
	group->entry.n_free = 0;
	group->promised = group->dirty = false;
}

int space_load_group(struct space *s, uint32_t r)
{
	return group_load(s, r);
}
