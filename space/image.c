/* SPDX-License-Identifier: MIT */
/* Bitmaps and index pages of a file whose pages in use are known. */
#include "space/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool has_index(const struct space_image *image)
{
	return image->n_groups > image->layout->groups_max;
}

static uint32_t index_count(const struct space_image *image)
{
	return (image->n_groups - 1) / image->layout->index_entries + 1;
}

static bool is_free(const struct space_image *image, pgno_t pgno)
{
	bool is_used = pgno < image->used_end &&
		       (!image->used || (image->used[pgno / 8] >> (pgno % 8) & 1));

	return !is_used && layout_is_ordinary(image->layout, image->n_pages, pgno, 1);
}

/* Calls for each page of a group; returns how many are free, and sets their bits where wanted. */
static uint32_t count_group(const struct space_image *image, uint32_t r, uint8_t *bits)
{
	pgno_t start = r * image->layout->group_pages;
	uint32_t n_free = 0;

	for (pgno_t i = 0; i < image->layout->group_pages && start + i < image->n_pages; i++) {
		if (!is_free(image, start + i))
			continue;
		n_free++;
		if (bits)
			bits[i / 8] |= (uint8_t)(1U << (i % 8));
	}
	return n_free;
}

int space_image_init(struct space_image *image, const struct layout *layout, pgno_t n_pages,
	const uint8_t *used, pgno_t used_end, gen_t gen, uint64_t seed)
{
	*image = (struct space_image){.layout = layout,
		.n_pages = n_pages,
		.gen = gen,
		.seed = seed,
		.used = used,
		.used_end = used_end,
		.n_groups = (n_pages - 1) / layout->group_pages + 1};
	image->groups = calloc(image->n_groups, sizeof(*image->groups));
	if (!image->groups)
		return -ENOMEM;
	for (uint32_t r = 0; r < image->n_groups; r++) {
		uint32_t n_free = count_group(image, r, NULL);

		image->groups[r] = (struct group_entry){n_free ? gen : 0, n_free, 0};
		image->n_free += n_free;
	}
	return 0;
}

void space_image_fini(struct space_image *image)
{
	free(image->groups);
	image->groups = NULL;
}

static bool bitmap_page(const struct space_image *image, uint32_t r, struct page *buf)
{
	struct page_ref ref = {layout_bitmap(image->layout, r), image->gen};

	if (image->groups[r].n_free == 0)
		return false;
	memset(buf, 0, image->layout->page_size);
	page_init(buf, ref, PAGE_BITMAP, 0, 0);
	(void)count_group(image, r, buf->payload);
	page_seal(buf, image->layout->page_size, image->seed);
	return true;
}

static bool index_page(const struct space_image *image, uint32_t i, struct page *buf)
{
	struct page_ref ref = {layout_index(image->layout, i), image->gen};
	uint32_t first = i * image->layout->index_entries;

	if (!has_index(image))
		return false;
	memset(buf, 0, image->layout->page_size);
	page_init(buf, ref, PAGE_GROUPS, 0, 0);
	for (uint32_t j = 0; j < image->layout->index_entries && first + j < image->n_groups; j++)
		group_entry_encode(&image->groups[first + j],
			buf->payload + (size_t)j * GROUP_ENTRY_BYTES);
	page_seal(buf, image->layout->page_size, image->seed);
	return true;
}

bool space_image_page(const struct space_image *image, pgno_t pgno, struct page *buf)
{
	const struct layout *l = image->layout;
	uint32_t r = pgno / l->group_pages;

	if (pgno == layout_bitmap(l, r))
		return bitmap_page(image, r, buf);
	if (r % l->index_entries == 0 && pgno == layout_index(l, r / l->index_entries))
		return index_page(image, r / l->index_entries, buf);
	return false;
}

void space_image_record(const struct space_image *image, struct space_record *ret_record)
{
	struct space_record *r = ret_record;

	*r = (struct space_record){.n_pages = image->n_pages,
		.group_pages = image->layout->group_pages,
		.n_groups = image->n_groups,
		.groups_max = image->layout->groups_max,
		.pending_max = image->layout->pending_max};
	r->n_group_entries = has_index(image) ? index_count(image) : image->n_groups;
	for (uint32_t i = 0; i < r->n_group_entries; i++)
		r->groups[i] = has_index(image) ? (struct group_entry){image->gen, 0, 0}
						: image->groups[i];
}
