/* SPDX-License-Identifier: MIT */
#include "txn/meta.h"
#include "base/error.h"

#include <string.h>

/* Byte map of a slot; the page header (pager/page.h) takes the first 40. */
enum {
	AT_MAGIC = 40,
	AT_FORMAT = 48,
	AT_PAGE_SIZE = 52,
	AT_COMPAT = 56,
	AT_RO_COMPAT = 60,
	AT_INCOMPAT = 64,
	AT_PROTOCOL = 68,
	AT_MODE = 70,
	AT_UUID = 72,
	AT_DURABLE = 88,
	AT_N_PAGES = 96,
	AT_REGION_PAGES = 100,
	AT_N_REGIONS = 104,
	AT_REGIONS_MAX = 108,
	AT_PENDING_MAX = 110,
	AT_N_PENDING = 112,
	AT_CHUNK = 116,
	AT_N_CHUNKS = 128,
	AT_N_CHAINED = 132,
	AT_WINDOWS = 136,
	AT_ROOTS = 272,
	AT_CHAINED_COMMIT = 352, /* 32 bytes kept for a third way of committing; zero */
	AT_REGIONS = 384,
	AT_PENDING = 1408,

	WINDOW_BYTES = 4 + WINDOW_PAGES / 8,
	ROOT_BYTES = 40,
};

_Static_assert(AT_WINDOWS + META_WINDOWS * WINDOW_BYTES == AT_ROOTS, "windows fill their place");
_Static_assert(AT_ROOTS + TXN_ROOTS * ROOT_BYTES == AT_CHAINED_COMMIT, "roots fill their place");
_Static_assert(AT_REGIONS + META_REGIONS_MAX * REGION_ENTRY_BYTES == AT_PENDING,
	"regions fill theirs");
_Static_assert(AT_PENDING + META_PENDING_MAX * PENDING_EXTENT_BYTES == META_BYTES,
	"a slot is full");

static const uint8_t magic[8] = {'V', 'e', 'r', 's', 'o', 'D', 'B', '\n'};

static uint32_t option_or(uint32_t option, uint32_t most)
{
	return option && option < most ? option : most;
}

void layout_init(struct layout *l, uint32_t page_size, const struct txn_options *options)
{
	uint32_t bits = ((page_size - PAGE_HEADER_BYTES) * 8) / WINDOW_PAGES * WINDOW_PAGES;

	l->page_size = page_size;
	l->region_pages = option_or(options->region_pages, option_or(bits, REGION_PAGES_MAX));
	l->slot_pages = page_size < META_BYTES ? META_BYTES / page_size : 1;
	l->index_entries = (page_size - PAGE_HEADER_BYTES) / REGION_ENTRY_BYTES;
	l->chunk_extents = (page_size - PAGE_HEADER_BYTES - 16) / PENDING_EXTENT_BYTES;
	l->regions_max = (uint16_t)option_or(options->meta_regions_max, META_REGIONS_MAX);
	l->pending_max = (uint16_t)option_or(options->meta_pending_max, META_PENDING_MAX);
}

void meta_layout(const struct meta *m, struct layout *ret_layout)
{
	struct txn_options options = {
		.region_pages = m->region_pages,
		.meta_regions_max = m->regions_max,
		.meta_pending_max = m->pending_max,
	};

	layout_init(ret_layout, m->page_size, &options);
}

void region_entry_encode(const struct region_entry *entry, uint8_t *bytes)
{
	memset(bytes, 0, REGION_ENTRY_BYTES);
	le64_set(bytes, entry->gen);
	le16_set(bytes + 8, (uint16_t)entry->n_free);
	bytes[10] = entry->copy;
}

void region_entry_decode(const uint8_t *bytes, struct region_entry *ret_entry)
{
	ret_entry->gen = le64_get(bytes);
	ret_entry->n_free = le16_get(bytes + 8);
	ret_entry->copy = bytes[10];
}

void pending_extent_encode(const struct pending_extent *extent, uint8_t *bytes)
{
	le32_set(bytes, extent->pgno);
	le32_set(bytes + 4, extent->n_pages);
	le64_set(bytes + 8, extent->birth);
	le64_set(bytes + 16, extent->free);
}

void pending_extent_decode(const uint8_t *bytes, struct pending_extent *ret_extent)
{
	ret_extent->pgno = le32_get(bytes);
	ret_extent->n_pages = le32_get(bytes + 4);
	ret_extent->birth = le64_get(bytes + 8);
	ret_extent->free = le64_get(bytes + 16);
}

static void root_encode(const struct txn_root *root, uint8_t *bytes)
{
	page_ref_set(bytes, root->ref);
	bytes[12] = root->level;
	bytes[13] = root->flags;
	le16_set(bytes + 14, root->kind);
	le32_set(bytes + 16, root->tree);
	le64_set(bytes + 20, root->count);
	le64_set(bytes + 28, root->user);
}

static void root_decode(const uint8_t *bytes, struct txn_root *root)
{
	root->ref = page_ref_get(bytes);
	root->level = bytes[12];
	root->flags = bytes[13];
	root->kind = le16_get(bytes + 14);
	root->tree = le32_get(bytes + 16);
	root->count = le64_get(bytes + 20);
	root->user = le64_get(bytes + 28);
}

static void window_encode(const struct window *window, uint8_t *bytes)
{
	le32_set(bytes, window->first);
	for (unsigned i = 0; i < WINDOW_WORDS; i++)
		le64_set(bytes + 4 + 8 * i, window->mask[i]);
}

static void window_decode(const uint8_t *bytes, struct window *window)
{
	window->first = le32_get(bytes);
	for (unsigned i = 0; i < WINDOW_WORDS; i++)
		window->mask[i] = le64_get(bytes + 4 + 8 * i);
}

void meta_encode(const struct meta *m, const struct layout *layout, unsigned slot, uint64_t seed,
	void *slot_bytes)
{
	struct page_ref ref = {layout_slot(layout, slot), m->gen};
	uint8_t *b = slot_bytes;

	memset(b, 0, (size_t)layout->slot_pages * layout->page_size);
	page_init(slot_bytes, ref, PAGE_META, 0, 0);
	memcpy(b + AT_MAGIC, magic, sizeof(magic));
	le32_set(b + AT_FORMAT, META_FORMAT);
	le32_set(b + AT_PAGE_SIZE, m->page_size);
	le32_set(b + AT_COMPAT, m->compat);
	le32_set(b + AT_RO_COMPAT, m->ro_compat);
	le16_set(b + AT_PROTOCOL, META_PROTOCOL);
	le16_set(b + AT_MODE, (uint16_t)m->mode);
	memcpy(b + AT_UUID, m->uuid, sizeof(m->uuid));
	le64_set(b + AT_DURABLE, m->durable_gen);
	le32_set(b + AT_N_PAGES, m->n_pages);
	le32_set(b + AT_REGION_PAGES, m->region_pages);
	le32_set(b + AT_N_REGIONS, m->n_regions);
	le16_set(b + AT_REGIONS_MAX, m->regions_max);
	le16_set(b + AT_PENDING_MAX, m->pending_max);
	le32_set(b + AT_N_PENDING, m->n_pending);
	page_ref_set(b + AT_CHUNK, m->chunk);
	le32_set(b + AT_N_CHUNKS, m->n_chunks);
	le32_set(b + AT_N_CHAINED, m->n_chained);
	for (unsigned i = 0; i < META_WINDOWS; i++)
		window_encode(&m->windows[i], b + AT_WINDOWS + i * WINDOW_BYTES);
	for (unsigned i = 0; i < TXN_ROOTS; i++)
		root_encode(&m->roots[i], b + AT_ROOTS + i * ROOT_BYTES);
	for (uint32_t i = 0; i < m->n_region_entries; i++)
		region_entry_encode(&m->regions[i], b + AT_REGIONS + i * REGION_ENTRY_BYTES);
	for (uint32_t i = 0; i < m->n_pending; i++)
		pending_extent_encode(&m->pending[i], b + AT_PENDING + i * PENDING_EXTENT_BYTES);
	page_seal(slot_bytes, META_BYTES, seed);
}

static int bad_meta(pgno_t slot, const char *what)
{
	return error_set(VERSO_ECORRUPT,
		"the meta page at %u is damaged: %s. Restore the file from a copy", slot, what);
}

/* Its pages lie where free pages can, in one region. */
static bool window_is_sane(const struct window *w, const struct layout *l, pgno_t n_pages)
{
	for (uint64_t i = 0; i < WINDOW_PAGES; i++) {
		uint64_t pgno = w->first + i;

		if ((w->mask[i / 64] >> (i % 64) & 1) == 0)
			continue;
		if (pgno >= n_pages || pgno / l->region_pages != w->first / l->region_pages ||
			!layout_is_ordinary(l, n_pages, (pgno_t)pgno, 1))
			return false;
	}
	return true;
}

static bool windows_are_sane(const struct window *w, const struct layout *l, pgno_t n_pages)
{
	for (pgno_t i = 0; i < WINDOW_PAGES; i++) {
		if ((w[0].mask[i / 64] >> (i % 64) & 1) && window_has(&w[1], w[0].first + i))
			return false;
	}
	return window_is_sane(&w[0], l, n_pages) && window_is_sane(&w[1], l, n_pages);
}

/* Everything that later code relies on without looking again. */
static int meta_validate(const struct meta *m, pgno_t slot)
{
	struct layout l;
	uint32_t n_entries = m->n_regions;

	if (m->region_pages < REGION_PAGES_MIN || m->region_pages > REGION_PAGES_MAX ||
		m->region_pages % 64 != 0 ||
		m->region_pages > (m->page_size - PAGE_HEADER_BYTES) * 8)
		return bad_meta(slot, "the pages of a region are out of range");
	if (m->regions_max == 0 || m->regions_max > META_REGIONS_MAX || m->pending_max == 0 ||
		m->pending_max > META_PENDING_MAX || m->n_pending > m->pending_max)
		return bad_meta(slot, "a count is out of range");
	meta_layout(m, &l);
	if (m->region_pages != l.region_pages)
		return bad_meta(slot, "the pages of a region are out of range");
	if (m->n_pages < layout_first_page(&l, 0))
		return bad_meta(slot, "the file is shorter than its own metas");
	if (m->n_pages > layout_pages_max(&l))
		return bad_meta(slot, "the file has more pages than any can");
	if (m->n_pages < layout_first_page(&l, (m->n_pages - 1) / l.region_pages))
		return bad_meta(slot, "the last region is too short");
	if (m->n_regions != (m->n_pages - 1) / l.region_pages + 1)
		return bad_meta(slot, "the number of regions does not fit the size");
	if (n_entries > l.regions_max)
		n_entries = (m->n_regions - 1) / l.index_entries + 1;
	if (n_entries > META_REGIONS_MAX || n_entries != m->n_region_entries)
		return bad_meta(slot, "too many regions");
	for (uint32_t i = 0; i < n_entries; i++) {
		if (m->regions[i].copy > 1 || m->regions[i].n_free > l.region_pages)
			return bad_meta(slot, "a region is out of range");
	}
	if (!windows_are_sane(m->windows, &l, m->n_pages))
		return bad_meta(slot, "a window of free pages lies where none can be");
	for (unsigned i = 0; i < TXN_ROOTS; i++) {
		if (m->roots[i].ref.pgno >= m->n_pages)
			return bad_meta(slot, "a root lies beyond the end");
	}
	return 0;
}

static void decode_body(const uint8_t *b, struct meta *m)
{
	m->gen = page_ref((const struct page *)b).gen;
	m->durable_gen = le64_get(b + AT_DURABLE);
	m->mode = le16_get(b + AT_MODE) == TXN_ONE_FLUSH ? TXN_ONE_FLUSH : TXN_TWO_FLUSH;
	memcpy(m->uuid, b + AT_UUID, sizeof(m->uuid));
	m->compat = le32_get(b + AT_COMPAT);
	m->ro_compat = le32_get(b + AT_RO_COMPAT);
	m->n_pages = le32_get(b + AT_N_PAGES);
	m->region_pages = le32_get(b + AT_REGION_PAGES);
	m->n_regions = le32_get(b + AT_N_REGIONS);
	m->regions_max = le16_get(b + AT_REGIONS_MAX);
	m->pending_max = le16_get(b + AT_PENDING_MAX);
	m->n_pending = le32_get(b + AT_N_PENDING);
	m->chunk = page_ref_get(b + AT_CHUNK);
	m->n_chunks = le32_get(b + AT_N_CHUNKS);
	m->n_chained = le32_get(b + AT_N_CHAINED);
	for (unsigned i = 0; i < META_WINDOWS; i++)
		window_decode(b + AT_WINDOWS + i * WINDOW_BYTES, &m->windows[i]);
	for (unsigned i = 0; i < TXN_ROOTS; i++)
		root_decode(b + AT_ROOTS + i * ROOT_BYTES, &m->roots[i]);
	for (uint32_t i = 0; i < META_REGIONS_MAX; i++)
		region_entry_decode(b + AT_REGIONS + i * REGION_ENTRY_BYTES, &m->regions[i]);
	for (uint32_t i = 0; i < META_PENDING_MAX; i++)
		pending_extent_decode(b + AT_PENDING + i * PENDING_EXTENT_BYTES, &m->pending[i]);
}

/* 0, or VERSO_EVERSION with what to do about a file that another version wrote. */
static int version_check(const uint8_t *b)
{
	static const char *const modes_later[] = {"written but not flushed", "chained"};
	uint32_t format = le32_get(b + AT_FORMAT), features = le32_get(b + AT_INCOMPAT);
	unsigned protocol = le16_get(b + AT_PROTOCOL), mode = le16_get(b + AT_MODE);

	if (format < META_FORMAT)
		return error_set(VERSO_EVERSION,
			"the file has format %u, which is older than the %u that this Verso reads. "
			"Carry it over: `verso dump` with the Verso that wrote it, then `verso "
			"load` into a new file with this one",
			format, META_FORMAT);
	if (format > META_FORMAT || protocol != META_PROTOCOL || features != 0)
		return error_set(VERSO_EVERSION,
			"the file has format %u, protocol %u, features %x; this Verso reads format "
			"%u, protocol %u, no features. Open it with a newer Verso",
			format, protocol, features, META_FORMAT, META_PROTOCOL);
	if (mode > TXN_ONE_FLUSH)
		return error_set(VERSO_EVERSION,
			"the file's last commit was made in mode %u (%s); this Verso recovers from "
			"%u (two-flush) and %u (one-flush). Open it with a newer Verso",
			mode, mode - 2 < 2 ? modes_later[mode - 2] : "unknown", TXN_TWO_FLUSH,
			TXN_ONE_FLUSH);
	return 0;
}

int meta_decode(const void *slot_bytes, pgno_t slot_pgno, struct meta *ret_m)
{
	const uint8_t *b = slot_bytes;
	const struct page *page = slot_bytes;
	struct layout l;
	struct page_ref ref;
	int rc;

	if (memcmp(b + AT_MAGIC, magic, sizeof(magic)) != 0)
		return error_set(VERSO_ENOTDB, "no meta page of a Verso database at page %u",
			slot_pgno);
	ref = page_ref(page);
	ref.pgno = slot_pgno;
	rc = page_verify(page, META_BYTES, ref, page_seed(b + AT_UUID));
	if (rc)
		return rc;
	if (page->type != PAGE_META)
		return bad_meta(slot_pgno, "it is a page of another type");
	rc = version_check(b);
	if (rc)
		return rc;
	memset(ret_m, 0, sizeof(*ret_m));
	ret_m->page_size = le32_get(b + AT_PAGE_SIZE);
	if (!page_size_is_valid(ret_m->page_size))
		return bad_meta(slot_pgno, "the page size is none that can be");
	decode_body(b, ret_m);
	ret_m->n_region_entries = ret_m->n_regions;
	meta_layout(ret_m, &l);
	if (ret_m->n_regions > ret_m->regions_max)
		ret_m->n_region_entries = (ret_m->n_regions - 1) / l.index_entries + 1;
	return meta_validate(ret_m, slot_pgno);
}
