/* SPDX-License-Identifier: MIT */
/*
 * A double of txn/ and a pager for the tests of the tree: pages are allocations, nothing is a file.
 *
 * It is strict: every pin is counted, what prepare promised is counted down, freeing twice or what
 * is pinned is an assertion, own pages that are freed are unmapped from use at once, sealed pages
 * are verified at every get. It can be made to fail, to miss and to spill.
 */
#ifndef TESTS_DOUBLE_TXN_H
#define TESTS_DOUBLE_TXN_H

#include "txn/txn.h"

struct double_page {
	struct page *data; /* NULL: nothing here */
	unsigned pins;
	bool own;   /* made by the transaction that runs */
	bool freed; /* by the transaction that runs; stays readable until its commit */
};

struct double_env {
	struct pager pager;
	struct txn txn;
	struct guard *guard;
	struct double_page *pages; /* by pgno */
	pgno_t n_pages, cap_pages;
	pgno_t *free_list;
	size_t n_free;
	unsigned budget;    /* pages that prepare promised and that were not taken */
	size_t free_budget; /* frees */
	size_t n_live;      /* pages in use */
	size_t n_pins;
	size_t n_calls; /* of prepare and get */
	size_t fail_at; /* this call of prepare or get fails with -EIO; 0: none */
	unsigned miss;  /* every so manieth peek finds nothing; 0: none */
	size_t take;    /* a prefetch takes so many of its pages; 0: all */
	unsigned spill; /* every so manieth prepare seals all own pages; 0: none */
	size_t n_peeks, n_prepares, n_touches, n_moves;
	size_t n_prefetched; /* leaves that prefetches took */
	bool keep;           /* freed pages are kept for snapshots */
	bool lax;            /* no checksums: for benchmarks */
	bool damaged;        /* what is given up twice, or without being there, is ignored */
};

struct double_env *double_open(uint32_t page_size);
void double_close(struct double_env *env);

/* Seals what is unsealed and begins the next transaction in env->txn. */
void double_commit(struct double_env *env);

/* A reader's handle on the committed pages; its own guard. End with double_reader_close. */
struct txn *double_reader(struct double_env *env);
void double_reader_close(struct txn *txn);

/* The page at pgno for a test that damages it, and a new checksum afterwards. */
struct page *double_page(struct double_env *env, pgno_t pgno);
void double_reseal(struct double_env *env, pgno_t pgno);

#endif
