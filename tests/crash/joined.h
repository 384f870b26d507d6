/* SPDX-License-Identifier: MIT */
/*
 * Commits that join while another is being flushed, in an order that does not depend on time.
 *
 * Under TXN_FULL a batch of several commits needs several threads. Here the main thread's flush
 * is caught in the middle of its flush; there, one after another, helpers run a transaction each
 * until they have joined; then the flush goes on. The helpers' own flush waits until the main
 * thread has told the history that its commit was acknowledged. So one thread at a time does I/O,
 * and the log of the disk is a function of the seed.
 */
#ifndef TESTS_CRASH_JOINED_H
#define TESTS_CRASH_JOINED_H

#include "txn/txn.h"

#define JOINED_MAX 4

/* One helper's transaction, begin to commit. Answers what txn_commit() did, or what came before. */
typedef int joined_fn(void *arg);

/*
 * From now on the pager's first flush runs n helpers. env: of that pager. One at a time in a
 * process, and the transaction that follows begins, commits and ends before joined_end().
 */
void joined_begin(struct txn_env *env, struct pager *pager, unsigned n, joined_fn *fn, void *arg);

/* The main thread's commit is over and told. Waits for the helpers; *ret_n: how many ran;
 * results[JOINED_MAX]: what each answered. */
void joined_end(unsigned *ret_n, int *results);

#endif
