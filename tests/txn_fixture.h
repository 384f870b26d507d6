/* SPDX-License-Identifier: MIT */
/* An environment of small limits with the toy payload, over any pager and any io. */
#ifndef TESTS_TXN_FIXTURE_H
#define TESTS_TXN_FIXTURE_H

#include "tests/check_main.h"
#include "tests/crash/toy.h"
#include "tests/refpager/refpager.h"
#include "tests/sim/simdisk.h"

enum txn_pager {
	TXN_REFERENCE,
	TXN_BUFPOOL,
	TXN_MMAP,
	TXN_MMAP_SHARED, /* a writer's pages are made by stores into the file */
	TXN_VMCACHE,
	TXN_PAGERS
};

struct txn_stack {
	struct simdisk *disk;
	struct io *io; /* the disk's, unless it is changed */
	struct file *file;
	struct pager *pager;
	struct txn_env *env;
	struct txn_options options;
	enum txn_pager pager_kind;
	bool keep; /* the reference pager keeps its pages: not the strictest, but fast */
};

/* Fails the test, with the text, unless rc is 0. */
void txn_ok(int rc);

/* Zeroes it, and fills in tiny limits. */
void txn_stack_options(struct txn_stack *s, enum txn_commit_mode mode, enum txn_sync sync);

/* Makes a disk and formats a database of 512-byte pages on it, with tiny limits. */
void txn_stack_make(struct txn_stack *s, enum txn_commit_mode mode, enum txn_sync sync);

/* Formats it anew, with s->options. */
void txn_stack_format(struct txn_stack *s);

/* Opens it; when it cannot be had, nothing is left open. */
int txn_stack_try_open(struct txn_stack *s);
void txn_stack_open(struct txn_stack *s);
void txn_stack_close(struct txn_stack *s);

/* Closes it and frees the disk. */
void txn_stack_free(struct txn_stack *s);

/* A transaction that sets cells [from, to) to value. */
void txn_stack_set(struct txn_stack *s, unsigned from, unsigned to, uint64_t value);

/* Compares the newest published state with model[TOY_CELLS]. */
void txn_stack_expect(struct txn_stack *s, const uint64_t *model);

#endif
