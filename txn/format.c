/* SPDX-License-Identifier: MIT */
/* Making an empty database, and recognising one. */
#include "base/error.h"
#include "txn/txn_int.h"

#include <errno.h>
#include <stdlib.h>

#define INITIAL_FREE_PAGES 32U

/* --- making -------------------------------------------------------------------------------- */

static void bitmap_make(const struct layout *l, const struct meta *m, uint64_t seed, uint8_t *file)
{
	struct page_ref ref = {layout_bitmap(l, 0), m->gen};
	struct page *page = (struct page *)(void *)(file + (size_t)ref.pgno * l->page_size);

	page_init(page, ref, PAGE_BITMAP, 0, 0);
	for (pgno_t pgno = layout_first_page(l, 0); pgno < m->space.n_pages; pgno++)
		page->payload[pgno / 8] |= (uint8_t)(1U << pgno % 8);
	page_seal(page, l->page_size, seed);
}

int refuse_one_flush(void)
{
	return error_set(-EOPNOTSUPP,
		"one flush a commit is safe only where opening can read the disk past the page "
		"cache (O_DIRECT), which is refused here: take two flushes");
}

int txn_format(struct file *file, uint32_t page_size, const uint8_t uuid[16],
	const struct txn_options *options)
{
	struct space_options space = space_options_of(options);
	struct layout l;
	struct meta m = {.mode = TXN_TWO_FLUSH, .page_size = page_size};
	uint64_t seed = page_seed(uuid);
	size_t bytes;
	uint8_t *image;
	int rc;

	if (!page_size_is_valid(page_size))
		return error_set(-EINVAL,
			"a page of %u bytes: expected a power of two from %u to %u", page_size,
			PAGE_SIZE_MIN, PAGE_SIZE_MAX);
	if (options->mode == TXN_ONE_FLUSH && !file->medium_direct)
		return refuse_one_flush();
	layout_init(&l, page_size, &space);
	if (l.region_pages < REGION_PAGES_MIN || l.region_pages % 64 != 0)
		return error_set(-EINVAL,
			"a region of %u pages: expected a multiple of 64, from %u to %u",
			l.region_pages, REGION_PAGES_MIN, REGION_PAGES_MAX);
	m.gen = m.durable_gen = UINT64_C(1) << 40;
	m.space.region_pages = l.region_pages;
	m.space.regions_max = l.regions_max;
	m.space.pending_max = l.pending_max;
	m.space.n_pages = (layout_first_page(&l, 0) + INITIAL_FREE_PAGES + 7) / 8 * 8;
	m.space.n_regions = m.space.n_region_entries = 1;
	m.space.regions[0].gen = m.gen;
	m.space.regions[0].n_free = m.space.n_pages - layout_first_page(&l, 0);
	memcpy(m.uuid, uuid, sizeof(m.uuid));
	bytes = (size_t)m.space.n_pages * page_size;
	image = aligned_alloc(4096, bytes);
	if (!image)
		return -ENOMEM;
	memset(image, 0, bytes);
	bitmap_make(&l, &m, seed, image);
	for (unsigned slot = 0; slot < 2; slot++)
		meta_encode(&m, &l, slot, seed, image + (size_t)layout_slot(&l, slot) * page_size);
	rc = file_write(file, image, bytes, 0);
	free(image);
	return rc ? rc : file_sync(file);
}

/* --- recognising --------------------------------------------------------------------------- */

/* Decodes a meta that is expected in slot 1 at off_bytes, for whichever page size puts it there. */
static int decode_second(const void *buf, uint64_t off_bytes, struct meta *ret_m)
{
	pgno_t pgno = page_ref(buf).pgno;
	int rc = meta_decode(buf, pgno, ret_m);

	if (rc == 0 && (uint64_t)pgno * ret_m->page_size != off_bytes)
		rc = error_set(VERSO_ECORRUPT, "a meta page lies where none belongs");
	return rc;
}

static int probe_slots(struct file *file, uint64_t size_bytes, void *buf, struct meta *ret_m)
{
	int worst = VERSO_ENOTDB;

	for (int i = -1; i <= 4; i++) { /* slot 0, then slot 1 for each page size */
		uint64_t off_bytes = i < 0 ? 0 : (uint64_t)META_BYTES << i;
		int rc;

		if (off_bytes + META_BYTES > size_bytes)
			break;
		rc = file_read(file, buf, META_BYTES, off_bytes, FILE_MEDIUM);
		if (rc)
			return rc;
		rc = i < 0 ? meta_decode(buf, 0, ret_m) : decode_second(buf, off_bytes, ret_m);
		if (rc == 0 || rc == VERSO_EVERSION)
			return rc;
		if (worst == VERSO_ENOTDB)
			worst = rc;
	}
	if (worst == VERSO_ENOTDB)
		return error_set(worst, "the file is not a Verso database: no meta page in it");
	return error_set(worst, "both meta pages are damaged: restore the file from a copy");
}

int txn_probe(struct file *file, struct txn_probe *ret_probe)
{
	struct meta *m = malloc(sizeof(*m));
	void *buf = aligned_alloc(4096, META_BYTES);
	uint64_t size_bytes;
	int rc = m && buf ? file_size(file, &size_bytes) : -ENOMEM;

	if (rc == 0)
		rc = probe_slots(file, size_bytes, buf, m);
	if (rc == 0 && size_bytes / m->page_size >= UINT32_MAX)
		rc = error_set(VERSO_ECORRUPT, "the file is larger than any database can be");
	if (rc == 0) {
		ret_probe->page_size = m->page_size;
		ret_probe->file_pages = (pgno_t)(size_bytes / m->page_size);
		ret_probe->seed = page_seed(m->uuid);
		memcpy(ret_probe->uuid, m->uuid, sizeof(m->uuid));
	}
	free(buf);
	free(m);
	return rc;
}
