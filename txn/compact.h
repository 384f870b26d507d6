/* SPDX-License-Identifier: MIT */
/* What a compaction wants of a write transaction: pages near the beginning of the file. */
#ifndef TXN_COMPACT_H
#define TXN_COMPACT_H

#include "txn/txn.h"

/*
 * For a write transaction that has changed nothing: frees what can be used again by now, and lets
 * it take the lowest free pages. *ret_end: where the file would end if all that is in use lay
 * before; what lies behind that should move. I/O errors, -ENOMEM: abort it.
 */
int txn_compact_begin(struct txn *txn, pgno_t *ret_end);

/* How many pages it may still take before the file would grow. */
uint32_t txn_compact_room(const struct txn *txn);

/* Pages of the newest state that joined here. Any thread. */
pgno_t txn_compact_size(struct txn_env *env);

/*
 * Cuts off what is free at the end of the file, as far as readers and slots let it, by commits of
 * its own. No write transaction of this thread is open. Errors as of a commit.
 */
int txn_shrink(struct txn_env *env);

#endif
