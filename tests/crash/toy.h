/* SPDX-License-Identifier: MIT */
/*
 * The toy payload: an array of numbers in a tree of fixed shape over txn/, the smallest thing that
 * has inner pages, leaves, and pages to free. The commit protocol was proved on it before there
 * was a tree.
 *
 * TOY_LEVELS levels; an inner page holds TOY_FANOUT references, a leaf TOY_FANOUT numbers. A number
 * that was never set is 0, and a page with nothing but zeros below it does not exist.
 */
#ifndef TESTS_CRASH_TOY_H
#define TESTS_CRASH_TOY_H

#include "txn/txn.h"

#define TOY_FANOUT 8U
#define TOY_LEVELS 4U
#define TOY_CELLS  (TOY_FANOUT * TOY_FANOUT * TOY_FANOUT * TOY_FANOUT)

extern const struct txn_schema toy_schema;

/* *ret_value of cell i < TOY_CELLS. */
int toy_get(struct txn *txn, unsigned i, uint64_t *ret_value);

/* Sets cell i; value 0 frees the pages that are empty then. */
int toy_set(struct txn *txn, unsigned i, uint64_t value);

/* The same, with n_asked >= TOY_LEVELS pages prepared for: more than it can use. */
int toy_set_asking(struct txn *txn, unsigned i, uint64_t value, unsigned n_asked);

/* Sets to 0 all cells below the page of `level` that holds cell i: that page and those below it are
 * given up. */
int toy_clear(struct txn *txn, unsigned i, unsigned level);

/* A digest of all cells: the sum of toy_mix(i, value). */
int toy_digest(struct txn *txn, uint64_t *ret_digest);

/* 0 for value 0. */
uint64_t toy_mix(unsigned i, uint64_t value);

/* Reads all cells into values[TOY_CELLS]. */
int toy_read(struct txn *txn, uint64_t *values);

#endif
