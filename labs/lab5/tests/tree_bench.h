/* SPDX-License-Identifier: MIT */
/*
 * A tree that was laid out by hand and committed, for the tests of single steps. It watches what a
 * lookup asks of the pager, and that an edit changes copies only.
 */
#ifndef LABS_LAB5_TESTS_TREE_BENCH_H
#define LABS_LAB5_TESTS_TREE_BENCH_H

#include "labs/lab5/tree_text.h"

struct bench {
	struct double_env *env;
	struct btree bt;
	struct txn_root committed;
	struct pager_ops ops;         /* of env's pager, watched */
	const struct pager_ops *real; /* which do the work */
	unsigned n_gets, n_peeks;     /* of pages */
	unsigned n_wrong;             /* gets inside the guard, peeks outside */
	char before[TREE_TEXT_MAX];   /* the tree that was committed */
};

void bench_open(struct bench *b, const char *text);

/* No pin may be left. */
void bench_close(struct bench *b);

/* Fails the test unless the record `key` is found, or is not, and nothing stays pinned. */
void bench_finds(struct bench *b, const char *key, bool expected);

/* Puts `key:size`, or deletes `key`, which is there. */
void bench_put(struct bench *b, const char *record);
void bench_del(struct bench *b, const char *key);

/*
 * Fails the test unless the tree is this one; each page of it can be trusted; all other pages were
 * given up; nothing is pinned; and what was committed is as it was.
 */
void bench_is(struct bench *b, const char *text);

/* Fails the test unless no guard is entered and no page is pinned. */
void bench_is_quiet(struct bench *b, const char *when);

#endif
