/* SPDX-License-Identifier: MIT */
/*
 * The meta page: what a generation of the database is, in 4 KiB.
 *
 * Two slots, at 0 and at slot_pages, are written in turn. A slot holds the roots, the record of the
 * free space and what opening needs to decide whether the generation is whole. The byte map stands
 * in docs/file-format.md and, as offsets, in meta.c.
 */
#ifndef TXN_META_H
#define TXN_META_H

#include "space/record.h"
#include "txn/txn.h"

#define META_BYTES    META_SLOT_BYTES
#define META_FORMAT   2U
#define META_PROTOCOL 1U /* shadow paging, one writer, two slots */
/* Features that a reader must know. Bit 31: slots without heads, a dial of the build. */
#if defined NODE_HEAD_BYTES && NODE_HEAD_BYTES == 0
#define META_FEATURES 0x80000000U
#else
#define META_FEATURES 0U
#endif

struct meta {
	gen_t gen;
	gen_t durable_gen; /* was flushed before this meta was written */
	gen_t mark; /* clean-shutdown mark: the highest generation used, by aborts too; else 0 */
	enum txn_commit_mode mode; /* how this generation was made durable */
	uint32_t page_size;
	uint8_t uuid[16];
	uint32_t compat;    /* features that an older Verso may ignore; kept as they are */
	uint32_t ro_compat; /* features that it may ignore for reading; writing needs all known */
	struct txn_root roots[TXN_ROOTS];
	struct space_record space; /* the free space */
};

/* Encodes m into the slot buffer (slot_pages long, zeroed here) and seals it. */
void meta_encode(const struct meta *m, const struct layout *layout, unsigned slot, uint64_t seed,
	void *slot_bytes);

/*
 * Decodes META_BYTES of a slot. 0: *ret_m is valid in itself. VERSO_ENOTDB: no meta was written
 * there; VERSO_EVERSION: of another format or a commit mode of a later version; VERSO_ECORRUPT:
 * damaged. Every field is validated.
 */
int meta_decode(const void *slot_bytes, pgno_t slot_pgno, struct meta *ret_m);

/* The layout of a database that has this meta. */
void meta_layout(const struct meta *m, struct layout *ret_layout);

#endif
