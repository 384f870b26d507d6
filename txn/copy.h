/* SPDX-License-Identifier: MIT */
/*
 * The metas of a database that is written in one go, as a copy of a snapshot: both alike, flushed,
 * and closed cleanly.
 */
#ifndef TXN_COPY_H
#define TXN_COPY_H

#include "space/image.h"
#include "txn/txn.h"

/* A generation that no page of a new database can be older than. */
gen_t txn_first_gen(void);

/* Where the pages of the environment's file lie; as long as the environment. */
const struct layout *txn_layout(const struct txn_env *env);

/*
 * Writes a slot of the copy to slot_bytes, of slot_pages pages. gen: the newest of any of its
 * pages. uuid: the copy's own.
 */
struct txn_copy {
	struct txn_env *env; /* of what is copied */
	gen_t gen;
	uint8_t uuid[16];
	struct txn_root roots[TXN_ROOTS];
	const struct space_image *space;
};

/* -ENOMEM */
int txn_copy_meta(const struct txn_copy *copy, unsigned slot, void *slot_bytes);

#endif
