/* SPDX-License-Identifier: MIT */
/* What the pages of a file are used for beside trees, and what keeps those that were freed. */
#ifndef TXN_ACCOUNT_H
#define TXN_ACCOUNT_H

#include "txn/txn.h"

struct txn_account {
	pgno_t n_pages;    /* of the newest joined state */
	pgno_t file_pages; /* of the file */
	uint32_t n_own;    /* slots, and both copies of bitmaps and index pages */
	uint32_t n_list;   /* list pages of the pending list */
	uint32_t n_free;
	uint32_t n_pending;       /* freed, but not to be used again yet, */
	uint32_t n_held;          /* of these, what readers may still see, */
	gen_t oldest_reader;      /* and the oldest of them; 0: none */
	uint64_t reader_pid;      /* of its process, in that one's namespace; 0: it is not known */
	uint64_t reader_begun_ns; /* clock_coarse_ns(); 0: it is not known */
	uint32_t n_by_oldest;     /* what that one may see */
	uint32_t n_reserve; /* free pages that a full disk keeps for removals (txn/reserve.c) */
};

/* Takes the writer lock; costs the length of the pending list. VERSO_EPOISONED, -ENOMEM. */
int txn_account(struct txn_env *env, struct txn_account *ret_account);

#endif
