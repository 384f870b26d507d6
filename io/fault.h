/* SPDX-License-Identifier: MIT */
/*
 * Fault guards: SIGBUS on a mapped file becomes an error return.
 *
 *	struct fault_guard g;
 *	if (sigsetjmp(g.env, 0) == 0) {
 *		fault_enter(&g, base, len_bytes);
 *		... touch the mapping ...
 *		fault_leave(&g);
 *	} else {
 *		... g was left already; the access failed: answer VERSO_EIO ...
 *	}
 *
 * Guards nest. Guarded code holds no lock and allocates nothing, because it may be left at any
 * load. A SIGBUS outside every guarded range goes to the handler that the application had installed
 * before.
 */
#ifndef IO_FAULT_H
#define IO_FAULT_H

#include <setjmp.h>
#include <stddef.h>

struct fault_guard {
	sigjmp_buf env;
	const char *base;
	size_t len_bytes;
	struct fault_guard *outer; /* the one that this one nests in */
};

/* Installs the handler, once a process; later calls do nothing. 0 or -errno. Any thread. */
int fault_install(void);

void fault_enter(struct fault_guard *g, const void *base, size_t len_bytes);

void fault_leave(struct fault_guard *g);

#endif
