/* SPDX-License-Identifier: MIT */
/* Making, sealing and verifying pages. */
#include "pager/page.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"

#include <inttypes.h>

bool page_size_is_valid(uint32_t page_size_bytes)
{
	/* LAB 0.1 begin: a power of two, and neither too small nor too large */
	return page_size_bytes >= PAGE_SIZE_MIN && page_size_bytes <= PAGE_SIZE_MAX &&
	       (page_size_bytes & (page_size_bytes - 1)) == 0;
	/* LAB 0.1 end: LAB_TODO_VOID("0.1"); */
}

void page_init(struct page *page, struct page_ref ref, enum page_type type, unsigned level,
	uint32_t tree)
{
	ASSERT(type > 0 && type < PAGE_TYPE_END);
	ASSERT(level <= UINT8_MAX);
	/* LAB 0.2 begin: page_blank(), and then what it does not know */
	page_blank(page, ref);
	le32_set(page->tree, tree);
	page->type = (uint8_t)type;
	page->level = (uint8_t)level;
	/* LAB 0.2 end: LAB_TODO_VOID("0.2"); */
}

/* Never 0, which means "not sealed". */
static uint64_t checksum_of(const struct page *page, uint32_t page_size_bytes, uint64_t seed)
{
	/* LAB 0.3 begin: the hash of all bytes behind the checksum; 1 in the place of 0 */
	uint64_t sum = hash_bytes(page->pgno, page_size_bytes - sizeof(page->checksum), seed);

	return sum ? sum : 1;
	/* LAB 0.3 end: LAB_TODO_VOID("0.3"); */
}

void page_seal(struct page *page, uint32_t page_size_bytes, uint64_t seed)
{
	ASSERT(!page_is_sealed(page));
	/* LAB 0.4 begin: the scratch becomes 0; then the checksum is computed, and set */
	le32_set(page->scratch, 0);
	le64_set(page->checksum, checksum_of(page, page_size_bytes, seed));
	/* LAB 0.4 end: LAB_TODO_VOID("0.4"); */
}

/* found: what stands in the page where its checksum should be. */
static int error_checksum(struct page_ref ref, uint64_t found)
{
	return error_set(VERSO_ECORRUPT,
		"page %" PRIu32 ": the checksum in the page (%016" PRIx64
		") does not fit its bytes; expected generation %" PRIx64
		". The page is torn, rotten or of another file: restore it from a copy",
		ref.pgno, found, ref.gen);
}

static int error_reference(struct page_ref ref, struct page_ref found)
{
	return error_set(VERSO_ECORRUPT,
		"page %" PRIu32 ": expected generation %" PRIx64 ", found page %" PRIu32
		" of generation %" PRIx64
		". A write was lost or went astray: restore the file from a copy",
		ref.pgno, ref.gen, found.pgno, found.gen);
}

static int error_type(struct page_ref ref, unsigned found)
{
	return error_set(VERSO_ECORRUPT, "page %" PRIu32 ": unknown page type %u", ref.pgno, found);
}

void page_seal_anew(struct page *page, uint32_t page_size_bytes, uint64_t seed)
{
	memset(page->checksum, 0, sizeof(page->checksum));
	page_seal(page, page_size_bytes, seed);
}

int page_verify(const struct page *page, uint32_t page_size_bytes, struct page_ref ref,
	uint64_t seed)
{
	/* LAB 0.5 begin: checksum, reference, type, in this order; each has its error_*() */
	uint64_t sum = le64_get(page->checksum);

	if (sum == 0 || sum != checksum_of(page, page_size_bytes, seed))
		return error_checksum(ref, sum);
	if (!page_is(page, ref))
		return error_reference(ref, page_ref(page));
	if (page->type == 0 || page->type >= PAGE_TYPE_END)
		return error_type(ref, page->type);
	return 0;
	/* LAB 0.5 end: return LAB_TODO("0.5"); */
}

uint64_t page_seed(const uint8_t uuid[16])
{
	/* LAB 0.6 begin: the hash of the 16 bytes, with the seed 0 */
	return hash_bytes(uuid, 16, 0);
	/* LAB 0.6 end: LAB_TODO_VOID("0.6"); */
}
