/* SPDX-License-Identifier: MIT */
/* The small store under the crash engine. */
#ifndef TESTS_CRASH_SUBJECT_STORE_H
#define TESTS_CRASH_SUBJECT_STORE_H

#include "tests/crash/crash.h"
#include "tests/crash/store.h"

struct store_config {
	const char *name;
	const struct protocol *protocol;
	enum store_memory memory;
};

/* First those that nothing is lost with, then those that show how something is lost. */
#define STORE_CONFIGS_SAFE 5U
#define STORE_CONFIGS      9U
extern const struct store_config store_configs[STORE_CONFIGS];

/* Over the first STORE_CONFIGS_SAFE; its functions take all. */
extern const struct crash_subject subject_store;

/* Who listens to the steps of every store that is opened from now on. */
void subject_store_listen(void (*on_step)(void *arg, enum store_step step), void *arg);

#endif
