/* SPDX-License-Identifier: MIT */
/*
 * The codec of a meta page. What a file holds is validated here, once, and returned as an error;
 * later code relies on it.
 */
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
	AT_GROUP_PAGES = 100,
	AT_N_GROUPS = 104,
	AT_GROUPS_MAX = 108,
	AT_PENDING_MAX = 110,
	AT_N_PENDING = 112,
	AT_LIST_PAGE = 116,
	AT_N_LIST_PAGES = 128,
	AT_N_CHAINED = 132,
	AT_WINDOWS = 136,
	AT_ROOTS = 272,
	AT_CHAINED_COMMIT = 352, /* 24 bytes kept for a third way of committing; zero */
	AT_MARK = 376,
	AT_GROUPS = 384,
	AT_PENDING = 1408,

	ROOT_BYTES = 40,
};

_Static_assert(AT_WINDOWS + RECORD_WINDOWS * WINDOW_BYTES == AT_ROOTS, "windows fill their place");
_Static_assert(AT_ROOTS + TXN_ROOTS * ROOT_BYTES == AT_CHAINED_COMMIT, "roots fill their place");
_Static_assert(AT_GROUPS + RECORD_GROUPS_MAX * GROUP_ENTRY_BYTES == AT_PENDING,
	"allocation groups fill theirs");
_Static_assert(AT_PENDING + RECORD_PENDING_MAX * PENDING_EXTENT_BYTES == META_BYTES,
	"a slot is full");

static const uint8_t magic[8] = {'V', 'e', 'r', 's', 'o', 'D', 'B', '\n'};

void txn_root_encode(const struct txn_root *root, uint8_t *bytes, uint8_t *counts)
{
	page_ref_set(bytes, root->ref);
	bytes[12] = root->level;
	bytes[13] = root->flags;
	le16_set(bytes + 14, root->kind);
	le32_set(bytes + 16, root->tree);
	le64_set(counts, root->count);
	le64_set(counts + 8, root->user);
}

void txn_root_decode(const uint8_t *bytes, const uint8_t *counts, struct txn_root *ret_root)
{
	ret_root->ref = page_ref_get(bytes);
	ret_root->level = bytes[12];
	ret_root->flags = bytes[13];
	ret_root->kind = le16_get(bytes + 14);
	ret_root->tree = le32_get(bytes + 16);
	ret_root->count = le64_get(counts);
	ret_root->user = le64_get(counts + 8);
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
	le32_set(b + AT_INCOMPAT, META_FEATURES);
	le32_set(b + AT_PAGE_SIZE, m->page_size);
	le32_set(b + AT_COMPAT, m->compat);
	le32_set(b + AT_RO_COMPAT, m->ro_compat);
	le16_set(b + AT_PROTOCOL, META_PROTOCOL);
	le16_set(b + AT_MODE, (uint16_t)m->mode);
	memcpy(b + AT_UUID, m->uuid, sizeof(m->uuid));
	le64_set(b + AT_DURABLE, m->durable_gen);
	le64_set(b + AT_MARK, m->mark);
	le32_set(b + AT_N_PAGES, m->space.n_pages);
	le32_set(b + AT_GROUP_PAGES, m->space.group_pages);
	le32_set(b + AT_N_GROUPS, m->space.n_groups);
	le16_set(b + AT_GROUPS_MAX, m->space.groups_max);
	le16_set(b + AT_PENDING_MAX, m->space.pending_max);
	le32_set(b + AT_N_PENDING, m->space.n_pending);
	page_ref_set(b + AT_LIST_PAGE, m->space.list_page);
	le32_set(b + AT_N_LIST_PAGES, m->space.n_list_pages);
	le32_set(b + AT_N_CHAINED, m->space.n_chained);
	for (unsigned i = 0; i < RECORD_WINDOWS; i++)
		window_encode(&m->space.windows[i], b + AT_WINDOWS + i * WINDOW_BYTES);
	for (unsigned i = 0; i < TXN_ROOTS; i++)
		txn_root_encode(&m->roots[i], b + AT_ROOTS + i * ROOT_BYTES,
			b + AT_ROOTS + i * ROOT_BYTES + TXN_ROOT_BYTES);
	for (uint32_t i = 0; i < m->space.n_group_entries; i++)
		group_entry_encode(&m->space.groups[i], b + AT_GROUPS + i * GROUP_ENTRY_BYTES);
	for (uint32_t i = 0; i < m->space.n_pending; i++)
		pending_extent_encode(&m->space.pending[i],
			b + AT_PENDING + i * PENDING_EXTENT_BYTES);
	page_seal(slot_bytes, META_BYTES, seed);
}

static int bad_meta(pgno_t slot, const char *what)
{
	return error_set(VERSO_ECORRUPT,
		"the meta page at %u is damaged: %s. Restore the file from a copy", slot, what);
}

void meta_layout(const struct meta *m, struct layout *ret_layout)
{
	record_layout(&m->space, m->page_size, ret_layout);
}

/* Everything that later code relies on without looking again. */
static int meta_validate(const struct meta *m, pgno_t slot)
{
	const char *fault = record_find_fault(&m->space, m->page_size);

	for (unsigned i = 0; !fault && i < TXN_ROOTS; i++) {
		if (m->roots[i].ref.pgno >= m->space.n_pages)
			fault = "a root lies beyond the end";
	}
	return fault ? bad_meta(slot, fault) : 0;
}

static void decode_body(const uint8_t *b, struct meta *m)
{
	m->gen = page_ref((const struct page *)b).gen;
	m->durable_gen = le64_get(b + AT_DURABLE);
	m->mark = le64_get(b + AT_MARK);
	m->mode = le16_get(b + AT_MODE) == TXN_ONE_FLUSH ? TXN_ONE_FLUSH : TXN_TWO_FLUSH;
	memcpy(m->uuid, b + AT_UUID, sizeof(m->uuid));
	m->compat = le32_get(b + AT_COMPAT);
	m->ro_compat = le32_get(b + AT_RO_COMPAT);
	m->space.n_pages = le32_get(b + AT_N_PAGES);
	m->space.group_pages = le32_get(b + AT_GROUP_PAGES);
	m->space.n_groups = le32_get(b + AT_N_GROUPS);
	m->space.groups_max = le16_get(b + AT_GROUPS_MAX);
	m->space.pending_max = le16_get(b + AT_PENDING_MAX);
	m->space.n_pending = le32_get(b + AT_N_PENDING);
	m->space.list_page = page_ref_get(b + AT_LIST_PAGE);
	m->space.n_list_pages = le32_get(b + AT_N_LIST_PAGES);
	m->space.n_chained = le32_get(b + AT_N_CHAINED);
	for (unsigned i = 0; i < RECORD_WINDOWS; i++)
		window_decode(b + AT_WINDOWS + i * WINDOW_BYTES, &m->space.windows[i]);
	for (unsigned i = 0; i < TXN_ROOTS; i++)
		txn_root_decode(b + AT_ROOTS + i * ROOT_BYTES,
			b + AT_ROOTS + i * ROOT_BYTES + TXN_ROOT_BYTES, &m->roots[i]);
	for (uint32_t i = 0; i < RECORD_GROUPS_MAX; i++)
		group_entry_decode(b + AT_GROUPS + i * GROUP_ENTRY_BYTES, &m->space.groups[i]);
	for (uint32_t i = 0; i < RECORD_PENDING_MAX; i++)
		pending_extent_decode(b + AT_PENDING + i * PENDING_EXTENT_BYTES,
			&m->space.pending[i]);
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
			"Carry it over: with the Verso that wrote it `verso dump`, and `verso dump "
			"--table=NAME` for each named table; with this one `verso load --lines` "
			"into a new file",
			format, META_FORMAT);
	if (format > META_FORMAT || protocol != META_PROTOCOL || features != META_FEATURES)
		return error_set(VERSO_EVERSION,
			"the file has format %u, protocol %u, features %x; this Verso reads format "
			"%u, protocol %u, features %x. Open it with a newer Verso, or with one "
			"that was built with the same options",
			format, protocol, features, META_FORMAT, META_PROTOCOL, META_FEATURES);
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
		return bad_meta(slot_pgno,
			"the page size is not one of 512 to 65536 bytes, a power of two");
	decode_body(b, ret_m);
	ret_m->space.n_group_entries = ret_m->space.n_groups;
	meta_layout(ret_m, &l);
	if (ret_m->space.n_groups > ret_m->space.groups_max)
		ret_m->space.n_group_entries = (ret_m->space.n_groups - 1) / l.index_entries + 1;
	return meta_validate(ret_m, slot_pgno);
}
