/* SPDX-License-Identifier: MIT */
/* What crash_txn tests. */
#ifndef TESTS_CRASH_SUBJECT_TXN_H
#define TESTS_CRASH_SUBJECT_TXN_H

#include "tests/crash/crash.h"

/* txn/ with the toy payload, over the reference pager and the real ones. */
extern const struct crash_subject subject_txn;

#endif
