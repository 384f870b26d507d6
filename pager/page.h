/* SPDX-License-Identifier: MIT */
/*
 * A page: the unit that a pager moves, and the header that every page of a file begins with.
 *
 * A reference to a page is (pgno, gen): the page number, and the generation in which it was
 * allocated. Parents hold it for their children. A page that is loaded must have exactly these in
 * its header, else it is not the page that was meant: a lost write leaves an older gen, a
 * misdirected one another pgno, and both have checksums that are right.
 *
 * The header, little-endian (docs/file-format.md is normative):
 *
 *	 0 checksum u64   XXH3-64 of the bytes behind it, seeded by the file; 0: not sealed yet
 *	 8 pgno     u32
 *	12 type     u8    enum page_type
 *	13 level    u8    0: leaf
 *	14 flags    u16   the type's own
 *	16 gen      u64   of allocation; never changes later
 *	24 lsn      u64   gen of the last change: its own, or a later one of its transaction
 *	32 tree     u32   id of the tree that owns the page; 0: none
 *	36 scratch  u32   the transaction's while the page is not sealed; 0 afterwards
 *
 * A page is sealed once and never changes afterwards.
 */
#ifndef PAGER_PAGE_H
#define PAGER_PAGE_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint32_t pgno_t; /* page number: the page's offset in pages */
typedef uint64_t gen_t;  /* incarnation << 40 | sequence; 0: none */

#define PAGE_SIZE_MIN     512U /* below 4096 for tests only */
#define PAGE_SIZE_MAX     65536U
#define PAGE_HEADER_BYTES 40U
#define PAGE_REF_BYTES    12U

enum page_type {
	PAGE_META = 1,     /* txn/meta.h */
	PAGE_BITMAP = 2,   /* space: which pages of an allocation group are free */
	PAGE_GROUPS = 3,   /* space: an index of allocation groups */
	PAGE_PENDING = 4,  /* space: pages freed, not yet free */
	PAGE_NODE = 5,     /* btree: a leaf or an inner node */
	PAGE_OVERFLOW = 6, /* btree: a piece of a long value, or references to pieces */
	PAGE_TOY = 7,      /* tests: the payload under which the commit was proved */
	PAGE_TYPE_END,
};

struct page_ref {
	pgno_t pgno;
	gen_t gen;
};

struct page {
	uint8_t checksum[8];
	uint8_t pgno[4];
	uint8_t type;
	uint8_t level;
	uint8_t flags[2];
	uint8_t gen[8];
	uint8_t lsn[8];
	uint8_t tree[4];
	uint8_t scratch[4];
	uint8_t payload[];
};

_Static_assert(sizeof(struct page) == PAGE_HEADER_BYTES, "the header is 40 bytes on disk");

static inline struct page_ref page_ref(const struct page *page)
{
	return (struct page_ref){le32_get(page->pgno), le64_get(page->gen)};
}

static inline gen_t page_lsn(const struct page *page)
{
	return le64_get(page->lsn);
}

static inline bool page_is(const struct page *page, struct page_ref ref)
{
	return le32_get(page->pgno) == ref.pgno && le64_get(page->gen) == ref.gen;
}

static inline bool page_is_sealed(const struct page *page)
{
	return le64_get(page->checksum) != 0;
}

static inline struct page_ref page_ref_get(const void *bytes)
{
	const uint8_t *p = bytes;

	return (struct page_ref){le32_get(p), le64_get(p + 4)};
}

static inline void page_ref_set(void *bytes, struct page_ref ref)
{
	uint8_t *p = bytes;

	le32_set(p, ref.pgno);
	le64_set(p + 4, ref.gen);
}

/* Bytes from one buffer to the next of page_buffers_alloc(). */
static inline size_t page_buffer_bytes(uint32_t page_size_bytes)
{
	return page_size_bytes < 4096 ? 4096 : page_size_bytes;
}

/* Buffers of a page each, aligned as transfers want them (4096); to be given to free(). Or NULL. */
static inline void *page_buffers_alloc(uint32_t page_size_bytes, unsigned n)
{
	return aligned_alloc(4096, n * page_buffer_bytes(page_size_bytes));
}

/* Whether pages go from and to such buffers where transfers are in blocks of align_bytes. */
static inline bool page_buffers_fit(uint32_t page_size_bytes, uint32_t align_bytes)
{
	return align_bytes <= 4096 && page_size_bytes % align_bytes == 0;
}

/* True for the powers of two from PAGE_SIZE_MIN to PAGE_SIZE_MAX. */
bool page_size_is_valid(uint32_t page_size_bytes);

/* Writes the header of a fresh page: whose it is, nothing else, unsealed. The rest stays. */
static inline void page_blank(struct page *page, struct page_ref ref)
{
	memset(page, 0, PAGE_HEADER_BYTES);
	le32_set(page->pgno, ref.pgno);
	le64_set(page->gen, ref.gen);
	le64_set(page->lsn, ref.gen);
}

/* The same, for a page of this kind. */
void page_init(struct page *page, struct page_ref ref, enum page_type type, unsigned level,
	uint32_t tree);

/*
 * Seals a page: its scratch is zeroed and its checksum set. seed: the file's (page_seed). The page
 * may not change afterwards (P8). Costs one hash.
 */
void page_seal(struct page *page, uint32_t page_size_bytes, uint64_t seed);

/*
 * The same for bytes that were read and verified, in the caller's memory, and that go to another
 * file, under its seed.
 */
void page_seal_anew(struct page *page, uint32_t page_size_bytes, uint64_t seed);

/*
 * Checks that `page`, as read, is the sealed page that `ref` names. 0, or VERSO_ECORRUPT with a
 * text that names the page, what was expected and what was found. Pure otherwise; any thread.
 */
int page_verify(const struct page *page, uint32_t page_size_bytes, struct page_ref ref,
	uint64_t seed);

/* The seed of a file's checksums, from its 128-bit uuid: blocks of an older file do not verify. */
uint64_t page_seed(const uint8_t uuid[16]);

#endif
