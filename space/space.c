/* SPDX-License-Identifier: MIT */
#include "space/space.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GROW_PAGES_MAX 16384U /* 64 MiB of 4 KiB pages at a time */
#define WINDOW_LEAST   64U    /* free pages that make a window worth fetching */

static uint32_t region_of(const struct space *s, pgno_t pgno)
{
	return pgno / s->layout.region_pages;
}

static pgno_t region_start(const struct space *s, uint32_t r)
{
	return r * s->layout.region_pages;
}

static size_t bitmap_bytes(const struct space *s)
{
	return s->layout.region_pages / 8;
}

/* --- regions ------------------------------------------------------------------------------- */

static int regions_reserve(struct space *s, uint32_t n)
{
	uint32_t cap = s->cap_regions ? s->cap_regions : 8;
	struct region *regions;

	if (n <= s->cap_regions)
		return 0;
	while (cap < n)
		cap *= 2;
	regions = realloc(s->regions, cap * sizeof(*regions));
	if (!regions)
		return -ENOMEM;
	memset(regions + s->cap_regions, 0, (cap - s->cap_regions) * sizeof(*regions));
	s->regions = regions;
	s->cap_regions = cap;
	return 0;
}

static int read_page(struct space *s, struct page_ref ref, enum page_type type)
{
	const struct page *page = s->buf;
	int rc = pager_read_medium(s->pager, ref.pgno, 1, s->buf);

	if (rc == 0)
		rc = page_verify(page, s->layout.page_size, ref, s->pager->seed);
	if (rc == 0 && page->type != type)
		rc = error_set(VERSO_ECORRUPT, "page %u: expected type %d, found %u", ref.pgno,
			type, page->type);
	return rc;
}

static bool in_windows(const struct space *s, pgno_t pgno)
{
	return window_has(&s->windows[0], pgno) || window_has(&s->windows[1], pgno) ||
	       window_has(&s->saved[0], pgno) || window_has(&s->saved[1], pgno);
}

/* A bitmap's bits as they were read: only of pages that can be free, and are in no window. */
static int bits_validate(const struct space *s, uint32_t r, const uint64_t *bits)
{
	for (pgno_t bit = 0; bit < s->layout.region_pages; bit++) {
		pgno_t pgno = region_start(s, r) + bit;

		if ((bits[bit / 64] >> (bit % 64) & 1) == 0)
			continue;
		if (!layout_is_ordinary(&s->layout, s->n_pages, pgno, 1) || in_windows(s, pgno))
			return error_set(VERSO_ECORRUPT,
				"page %u: the bitmap of region %u calls it free, which it cannot "
				"be. Restore the file from a copy",
				pgno, r);
	}
	return 0;
}

static int region_load(struct space *s, uint32_t r)
{
	struct region *region = &s->regions[r];
	struct page_ref ref = {
		layout_bitmap(&s->layout, r) + region->entry.copy, region->entry.gen};
	const uint8_t *bytes = ((const struct page *)s->buf)->payload;
	uint32_t n_free = 0;
	uint64_t *bits;
	int rc;

	if (region->bits)
		return 0;
	rc = read_page(s, ref, PAGE_BITMAP);
	if (rc)
		return rc;
	bits = malloc(bitmap_bytes(s));
	if (!bits)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->layout.region_pages / 64; i++) {
		bits[i] = le64_get(bytes + 8 * i);
		n_free += (uint32_t)__builtin_popcountll(bits[i]);
	}
	if (n_free != region->entry.n_free) {
		free(bits);
		return error_set(VERSO_ECORRUPT,
			"page %u: the bitmap has %u free pages, its entry says %u", ref.pgno,
			n_free, region->entry.n_free);
	}
	rc = bits_validate(s, r, bits);
	if (rc) {
		free(bits);
		return rc;
	}
	region->bits = bits;
	return 0;
}

static void region_set(struct space *s, pgno_t pgno, bool is_free)
{
	struct region *region = &s->regions[region_of(s, pgno)];
	pgno_t bit = pgno - region_start(s, region_of(s, pgno));
	uint64_t mask = UINT64_C(1) << (bit % 64);

	ASSERT(region->bits);
	ASSERT(((region->bits[bit / 64] & mask) != 0) != is_free);
	region->bits[bit / 64] ^= mask;
	region->entry.n_free += is_free ? 1 : -1U;
	region->dirty = true;
}

static int index_load(struct space *s, const struct space_record *record)
{
	for (uint32_t i = 0; i < record->n_region_entries; i++) {
		struct page_ref ref = {layout_index(&s->layout, i) + record->regions[i].copy,
			record->regions[i].gen};
		const uint8_t *bytes = ((const struct page *)s->buf)->payload;
		uint32_t first = i * s->layout.index_entries;
		int rc = read_page(s, ref, PAGE_REGIONS);

		if (rc)
			return rc;
		s->index[i] = record->regions[i];
		s->n_index = i + 1;
		for (uint32_t j = 0; j < s->layout.index_entries && first + j < s->n_regions; j++) {
			struct region_entry *entry = &s->regions[first + j].entry;

			region_entry_decode(bytes + j * REGION_ENTRY_BYTES, entry);
			if (entry->copy > 1 || entry->n_free > s->layout.region_pages)
				return error_set(VERSO_ECORRUPT,
					"page %u: a region is out of range", ref.pgno);
		}
	}
	return 0;
}

static void count_at_hand(struct space *s)
{
	s->n_at_hand = window_count(&s->windows[0]) + window_count(&s->windows[1]);
}

int space_init(struct space *s, struct pager *pager, const struct space_record *record,
	pgno_t file_pages, const struct space_options *options)
{
	int rc;

	memset(s, 0, sizeof(*s));
	s->pager = pager;
	record_layout(record, pager->page_size, &s->layout);
	s->n_pages = record->n_pages;
	s->file_pages = file_pages;
	s->grow_pages = options->grow_pages ? options->grow_pages : 256;
	s->cut_pages = options->cut_pages ? options->cut_pages : 1024;
	s->n_regions = record->n_regions;
	memcpy(s->windows, record->windows, sizeof(s->windows));
	count_at_hand(s);
	s->buf = page_buffers_alloc(pager->page_size, 1);
	rc = s->buf ? regions_reserve(s, s->n_regions) : -ENOMEM;
	if (rc == 0 && s->n_regions > s->layout.regions_max) {
		rc = index_load(s, record);
	} else if (rc == 0) {
		for (uint32_t r = 0; r < s->n_regions; r++)
			s->regions[r].entry = record->regions[r];
	}
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

/* --- windows ------------------------------------------------------------------------------- */

void space_begin(struct space *s)
{
	memcpy(s->saved, s->windows, sizeof(s->saved));
	s->n_log = 0;
	s->n_taken = 0;
}

static void window_to_bits(struct space *s, const struct window *w, bool is_free)
{
	for (pgno_t i = 0; i < WINDOW_PAGES; i++) {
		if (w->mask[i / 64] >> (i % 64) & 1)
			region_set(s, w->first + i, is_free);
	}
}

void space_undo(struct space *s)
{
	while (s->n_log > 0) {
		const struct window_log *entry = &s->log[--s->n_log];

		window_to_bits(s, &entry->window, entry->fetched);
	}
	memcpy(s->windows, s->saved, sizeof(s->windows));
	count_at_hand(s);
}

static int log_reserve(struct space *s)
{
	struct window_log *log;
	uint32_t cap = s->cap_log ? s->cap_log * 2 : 16;

	if (s->n_log + 2 <= s->cap_log)
		return 0;
	log = realloc(s->log, cap * sizeof(*log));
	if (!log)
		return -ENOMEM;
	s->log = log;
	s->cap_log = cap;
	return 0;
}

static void log_add(struct space *s, const struct window *w, bool fetched)
{
	s->log[s->n_log++] = (struct window_log){*w, fetched};
}

/* The free pages of the window-sized piece of region r that begins at word `word` of its bitmap. */
static unsigned piece_count(const struct space *s, uint32_t r, uint32_t word)
{
	uint32_t end = word + WINDOW_WORDS;
	unsigned n = 0;

	if (end > s->layout.region_pages / 64)
		end = s->layout.region_pages / 64;
	for (; word < end; word++)
		n += (unsigned)__builtin_popcountll(s->regions[r].bits[word]);
	return n;
}

struct piece {
	uint32_t region, word;
	unsigned n_free;
};

/* The first piece that is at least half free, else the fullest of free pages. */
static int piece_find(struct space *s, struct piece *ret_best)
{
	struct piece best = {0, 0, 0};

	for (uint32_t r = 0; r < s->n_regions && best.n_free < WINDOW_PAGES / 2; r++) {
		int rc;

		if (s->regions[r].entry.n_free <= best.n_free)
			continue;
		rc = region_load(s, r);
		if (rc)
			return rc;
		for (uint32_t word = 0; word < s->layout.region_pages / 64; word += WINDOW_WORDS) {
			unsigned n = piece_count(s, r, word);

			if (n > best.n_free)
				best = (struct piece){r, word, n};
			if (n >= WINDOW_PAGES / 2)
				break;
		}
	}
	*ret_best = best;
	return 0;
}

static void window_fetch(struct space *s, struct window *w, const struct piece *piece)
{
	const uint64_t *bits = s->regions[piece->region].bits;

	memset(w, 0, sizeof(*w));
	w->first = region_start(s, piece->region) + piece->word * 64;
	for (uint32_t i = 0; i < WINDOW_WORDS && piece->word + i < s->layout.region_pages / 64; i++)
		w->mask[i] = bits[piece->word + i];
	log_add(s, w, true);
	window_to_bits(s, w, false);
}

static void window_return(struct space *s, struct window *w)
{
	log_add(s, w, false);
	window_to_bits(s, w, true);
	memset(w, 0, sizeof(*w));
}

/* --- growth -------------------------------------------------------------------------------- */

/* Gives the pages of regions that are new, from `from` to n_pages, to their bitmaps. */
static void regions_extend(struct space *s, pgno_t from)
{
	for (pgno_t pgno = from; pgno < s->n_pages; pgno++) {
		uint32_t r = region_of(s, pgno);

		if (pgno >= layout_first_page(&s->layout, r))
			region_set(s, pgno, true);
	}
}

static int region_make(struct space *s, uint32_t r)
{
	struct region *region = &s->regions[r];

	if (!region->bits)
		region->bits = malloc(bitmap_bytes(s));
	if (!region->bits)
		return -ENOMEM;
	memset(region->bits, 0, bitmap_bytes(s));
	region->entry.n_free = 0;
	return 0;
}

static pgno_t growth_target(const struct space *s, uint32_t n_more)
{
	uint64_t target = (uint64_t)s->n_pages + n_more;
	uint64_t start = target / s->layout.region_pages * s->layout.region_pages;

	if (target >= layout_pages_max(&s->layout))
		return layout_pages_max(&s->layout);
	/* A region that is begun has room for its own pages. */
	return (pgno_t)(target > start && target < start + 8 ? start + 8 : target);
}

static int grow_to(struct space *s, pgno_t n_pages)
{
	uint32_t n_regions = (n_pages - 1) / s->layout.region_pages + 1;
	pgno_t from = s->n_pages;
	int rc = regions_reserve(s, n_regions);

	if (rc == 0)
		rc = region_load(s, region_of(s, from - 1));
	for (uint32_t r = s->n_regions; rc == 0 && r < n_regions; r++)
		rc = region_make(s, r);
	if (rc == 0 && n_pages > s->file_pages) {
		rc = pager_resize(s->pager, n_pages);
		if (rc == 0)
			s->file_pages = n_pages;
	}
	if (rc)
		return rc;
	s->n_pages = n_pages;
	s->n_regions = n_regions;
	regions_extend(s, from);
	return 0;
}

static bool is_no_room(int rc)
{
	return rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG || rc == VERSO_EFULL;
}

static int grow(struct space *s, unsigned n)
{
	uint32_t wanted = s->n_taken > s->grow_pages ? s->n_taken : s->grow_pages;
	int rc;

	if (wanted > GROW_PAGES_MAX)
		wanted = GROW_PAGES_MAX;
	if (growth_target(s, n) - s->n_pages < n)
		return error_set(VERSO_EFULL, "the database has %u pages and cannot have more",
			s->n_pages);
	rc = grow_to(s, growth_target(s, wanted));
	if (is_no_room(rc) && wanted > n + 8)
		rc = grow_to(s, growth_target(s, n + 8));
	return rc;
}

/* --- handing out --------------------------------------------------------------------------- */

static unsigned fuller_window(const struct space *s)
{
	return window_count(&s->windows[0]) >= window_count(&s->windows[1]) ? 0 : 1;
}

/* The fuller window stays, as the first one; the other goes back, and the piece is fetched. */
static int windows_turn(struct space *s, const struct piece *piece)
{
	unsigned keep = fuller_window(s);
	int rc = log_reserve(s);

	for (unsigned i = 0; rc == 0 && i < RECORD_WINDOWS; i++) {
		if (window_count(&s->windows[i]))
			rc = region_load(s, region_of(s, s->windows[i].first));
	}
	if (rc)
		return rc;
	if (window_count(&s->windows[!keep]))
		window_return(s, &s->windows[!keep]);
	s->windows[0] = s->windows[keep];
	window_fetch(s, &s->windows[1], piece);
	count_at_hand(s);
	return 0;
}

int space_prepare(struct space *s, unsigned n)
{
	unsigned n_least = n < WINDOW_LEAST ? WINDOW_LEAST : n;
	unsigned n_kept;
	struct piece best;
	int rc = 0;

	ASSERT(n <= SPACE_PREPARE_MAX);
	if (s->n_at_hand >= n)
		return 0;
	n_kept = window_count(&s->windows[fuller_window(s)]);
	for (;;) {
		int grown = rc;

		rc = piece_find(s, &best);
		if (rc)
			return rc;
		/* Where there is no room to grow, what is scattered must do. */
		if (best.n_free >= n_least || (grown && best.n_free + n_kept >= n))
			return windows_turn(s, &best);
		if (grown)
			return grown;
		rc = grow(s, n_least);
		if (rc && !is_no_room(rc))
			return rc;
	}
}

pgno_t space_take(struct space *s)
{
	struct window *w = s->windows;
	unsigned i = 0, bit;

	ASSERT(s->n_at_hand > 0); /* space_prepare() saw to it */
	while (w->mask[i] == 0) {
		if (++i == WINDOW_WORDS) {
			i = 0;
			w++;
		}
	}
	bit = (unsigned)__builtin_ctzll(w->mask[i]);
	w->mask[i] &= w->mask[i] - 1;
	s->n_at_hand--;
	s->n_taken++;
	return w->first + i * 64 + bit;
}

int space_load_region(struct space *s, uint32_t r)
{
	return region_load(s, r);
}

int space_load(struct space *s, pgno_t pgno, uint32_t n_pages)
{
	int rc;

	if (!layout_is_ordinary(&s->layout, s->n_pages, pgno, n_pages))
		return error_set(VERSO_ECORRUPT,
			"%u pages at %u were given up, where a tree can have none. The file is "
			"damaged: dump it and load it into a new one",
			n_pages, pgno);
	rc = region_load(s, region_of(s, pgno));
	for (uint32_t i = 0; rc == 0 && i < n_pages; i++) {
		if (space_is_free(s, pgno + i) || in_windows(s, pgno + i))
			rc = error_set(VERSO_ECORRUPT,
				"page %u was given up, and is free already. The file is damaged: "
				"dump it and load it into a new one",
				pgno + i);
	}
	return rc;
}

void space_give(struct space *s, pgno_t pgno, uint32_t n_pages)
{
	for (uint32_t i = 0; i < n_pages; i++) {
		if (!space_is_free(s, pgno + i))
			region_set(s, pgno + i, true);
	}
}

static uint32_t least_cut(const struct space *s)
{
	return s->n_pages / 4 > s->cut_pages ? s->n_pages / 4 : s->cut_pages;
}

int space_cut_prepare(struct space *s)
{
	int rc = 0;

	if (space_count_free(s) < least_cut(s))
		return 0;
	for (uint32_t r = 0; rc == 0 && r < s->n_regions; r++)
		rc = region_load(s, r);
	return rc;
}

static bool is_unused(const struct space *s, pgno_t pgno)
{
	return space_is_free(s, pgno) || window_has(&s->windows[0], pgno) ||
	       window_has(&s->windows[1], pgno);
}

/* Where the file would end without its free tail. All regions are loaded. */
static pgno_t used_end(const struct space *s)
{
	pgno_t end = s->n_pages;

	for (;;) {
		uint32_t r = region_of(s, end - 1);

		while (end > layout_first_page(&s->layout, r) && is_unused(s, end - 1))
			end--;
		if (r == 0 || end > layout_first_page(&s->layout, r))
			return end;
		end = region_start(s, r); /* nothing of the region is used: it goes too */
	}
}

/* So that a long free tail that does not suffice is not gone through again at every commit. */
static bool is_still_in_the_way(const struct space *s)
{
	return s->in_the_way > 0 && s->in_the_way < s->n_pages && !is_unused(s, s->in_the_way) &&
	       s->n_pages - s->in_the_way - 1 < least_cut(s);
}

bool space_cut(struct space *s)
{
	pgno_t end;

	if (space_count_free(s) < least_cut(s))
		return false;
	for (uint32_t r = 0; r < s->n_regions; r++) {
		if (!s->regions[r].bits)
			return false;
	}
	if (is_still_in_the_way(s))
		return false;
	end = used_end(s);
	s->in_the_way = end - 1;
	if (s->n_pages - end < least_cut(s))
		return false;
	for (unsigned i = 0; i < RECORD_WINDOWS; i++) {
		window_to_bits(s, &s->windows[i], true);
		memset(&s->windows[i], 0, sizeof(s->windows[i]));
	}
	s->n_at_hand = 0;
	for (pgno_t pgno = end; pgno < s->n_pages; pgno++) {
		if (space_is_free(s, pgno))
			region_set(s, pgno, false);
	}
	s->n_pages = end;
	s->n_regions = region_of(s, end - 1) + 1;
	for (uint32_t r = s->n_regions; r < s->cap_regions; r++)
		s->regions[r].dirty = false;
	return true;
}

/* --- writing it down ----------------------------------------------------------------------- */

static bool has_index(const struct space *s)
{
	return s->n_regions > s->layout.regions_max;
}

static uint32_t index_count(const struct space *s)
{
	return (s->n_regions - 1) / s->layout.index_entries + 1;
}

static bool index_is_dirty(const struct space *s, uint32_t i)
{
	uint32_t r = i * s->layout.index_entries;

	if (i >= s->n_index)
		return true;
	for (uint32_t j = 0; j < s->layout.index_entries && r + j < s->n_regions; j++) {
		if (s->regions[r + j].dirty)
			return true;
	}
	return false;
}

uint32_t space_count_emitted(const struct space *s, uint32_t n_gives)
{
	uint32_t n = RECORD_WINDOWS + n_gives; /* a cut gives the windows back */

	for (uint32_t r = 0; r < s->n_regions; r++)
		n += s->regions[r].dirty;
	if (n > s->n_regions)
		n = s->n_regions;
	return n + (has_index(s) ? index_count(s) : 0);
}

/* The other place, unless this batch has already moved there. */
static void entry_turn(struct region_entry *entry, gen_t gen, gen_t taken_gen)
{
	if (entry->gen <= taken_gen)
		entry->copy ^= 1;
	entry->gen = gen;
}

static void emit_bitmap(struct space *s, uint32_t r, struct space_pages *pages)
{
	const struct region *region = &s->regions[r];
	struct page_ref ref = {
		layout_bitmap(&s->layout, r) + region->entry.copy, region->entry.gen};
	struct page *page = space_pages_add(pages, ref, PAGE_BITMAP);

	for (uint32_t i = 0; i < s->layout.region_pages / 64; i++)
		le64_set(page->payload + 8 * i, region->bits[i]);
	page_seal(page, s->layout.page_size, s->pager->seed);
}

static void emit_index(struct space *s, uint32_t i, struct space_pages *pages)
{
	struct page_ref ref = {layout_index(&s->layout, i) + s->index[i].copy, s->index[i].gen};
	struct page *page = space_pages_add(pages, ref, PAGE_REGIONS);
	uint32_t r = i * s->layout.index_entries;

	for (uint32_t j = 0; j < s->layout.index_entries && r + j < s->n_regions; j++)
		region_entry_encode(&s->regions[r + j].entry,
			page->payload + j * REGION_ENTRY_BYTES);
	page_seal(page, s->layout.page_size, s->pager->seed);
}

void space_emit(struct space *s, gen_t gen, gen_t taken_gen, struct space_pages *pages,
	struct space_record *record)
{
	bool index_dirty[RECORD_REGIONS_MAX] = {false};

	for (uint32_t i = 0; has_index(s) && i < index_count(s); i++)
		index_dirty[i] = index_is_dirty(s, i);
	for (uint32_t r = 0; r < s->n_regions; r++) {
		if (!s->regions[r].dirty)
			continue;
		entry_turn(&s->regions[r].entry, gen, taken_gen);
		emit_bitmap(s, r, pages);
		s->regions[r].dirty = false;
	}
	record->n_pages = s->n_pages;
	record->n_regions = s->n_regions;
	memcpy(record->windows, s->windows, sizeof(record->windows));
	record->n_region_entries = has_index(s) ? index_count(s) : s->n_regions;
	for (uint32_t i = 0; i < record->n_region_entries; i++) {
		if (has_index(s) && index_dirty[i]) {
			entry_turn(&s->index[i], gen, taken_gen);
			emit_index(s, i, pages);
		}
		record->regions[i] = has_index(s) ? s->index[i] : s->regions[i].entry;
	}
	s->n_index = has_index(s) ? index_count(s) : 0;
}

/* --- looking ------------------------------------------------------------------------------- */

bool space_is_short(const struct space *s, uint32_t n_waiting)
{
	uint32_t few = s->n_pages / 8 > 64 ? s->n_pages / 8 : 64;
	uint32_t need = s->n_taken + s->n_taken / 4;

	return n_waiting > few && space_count_free(s) < (need > few ? need : few);
}

uint32_t space_count_free(const struct space *s)
{
	uint32_t n = s->n_at_hand;

	for (uint32_t r = 0; r < s->n_regions; r++)
		n += s->regions[r].entry.n_free;
	return n;
}

bool space_is_free(const struct space *s, pgno_t pgno)
{
	uint32_t r = region_of(s, pgno);
	pgno_t bit = pgno - region_start(s, r);

	ASSERT(s->regions[r].bits);
	return s->regions[r].bits[bit / 64] >> (bit % 64) & 1;
}
