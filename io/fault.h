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
 *		... g was left already; the access failed: return VERSO_EIO ...
 *	}
 *
 * `base`, `len_bytes` and `g` are not changed between sigsetjmp() and the fault; other locals that
 * are, and are read in the else branch, are volatile. Guards nest. Guarded code holds no lock,
 * because it may be left at any load. A SIGBUS outside every guarded range goes to the handler that
 * the application had installed before. Should that leave by a jump, all guards of the thread are
 * left, and the notes' `failed` is VERSO_EIO.
 *
 * The jump loses the locals of guarded code, and with them all that only they knew: pins, for
 * example. So code that takes something that must be given back notes it (fault_note), and strikes
 * it out when it gives it back (fault_strike). Where the jump lands, what is in the notes and
 * nowhere else was lost.
 */
#ifndef IO_FAULT_H
#define IO_FAULT_H

#include "base/assert.h"

#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fault_area {
	const char *base;
	size_t len_bytes;
};

#define FAULT_AREAS_MAX 32

/* Memory of maps, where a fault can happen; the list grows while others are inside guards. */
struct fault_areas {
	_Atomic unsigned n;                       /* grows, by one thread */
	struct fault_area areas[FAULT_AREAS_MAX]; /* constant once counted */
	const struct fault_areas *next;           /* of another map, or NULL; constant */
};

struct fault_guard {
	sigjmp_buf env;
	struct fault_area area;          /* of one that was given as such */
	const struct fault_areas *areas; /* NULL: `area` alone */
	struct fault_guard *outer;       /* the one that this one nests in */
};

/*
 * Makes our handler the one that the kernel calls, if it is not (any more). 0, -ENOMEM, -errno. Any
 * thread.
 */
int fault_install(void);

/*
 * What one user of guards holds, from call to call; an item once for each time that it was taken.
 * One thread at a time.
 */
struct fault_notes {
	const void **items; /* the newest last */
	uint32_t n, cap;
	int failed; /* 0, or the code of what left a call in its middle: what is noted is lost */
};

/* Where this thread notes; NULL: notes are off. */
extern _Thread_local struct fault_notes *fault_noting __attribute__((tls_model("initial-exec")));

/* 0 or -ENOMEM. For pagers with may_fault alone: of the others not every call notes. */
int fault_note(const void *what);

void fault_strike(const void *what);

/*
 * Between these two this thread notes there, and strikes out. Everything that takes or gives back
 * what is noted lies between them. They do not nest.
 */
static inline void fault_notes_begin(struct fault_notes *notes)
{
	ASSERT(!fault_noting);
	fault_noting = notes;
}

static inline void fault_notes_end(void)
{
	fault_noting = NULL;
}

/* Nothing is noted any more. */
void fault_notes_fini(struct fault_notes *notes);

/*
 * The kernel ends a process whose fault finds SIGBUS blocked: no handler is called. So where a
 * thread may have blocked it, guarded code is put between these two. fault_unblock() returns
 * whether it was blocked; each is a system call.
 */
bool fault_unblock(void);
void fault_block(void);

/*
 * This thread's guards. initial-exec: the handler may read it, and a load costs one instruction.
 */
extern _Thread_local struct fault_guard *fault_innermost __attribute__((tls_model("initial-exec")));

static inline void fault_push(struct fault_guard *g)
{
	g->outer = fault_innermost;
	atomic_signal_fence(memory_order_seq_cst);
	fault_innermost = g;
	atomic_signal_fence(memory_order_seq_cst);
}

/* From here on a fault in [base, base + len_bytes) jumps to g->env, with g left. */
static inline void fault_enter(struct fault_guard *g, const void *base, size_t len_bytes)
{
	g->area = (struct fault_area){base, len_bytes};
	g->areas = NULL;
	fault_push(g);
}

/* The same for a fault in any of these, and in what is added to them meanwhile. NULL: an empty
 * list. */
static inline void fault_enter_areas(struct fault_guard *g, const struct fault_areas *areas)
{
	g->area = (struct fault_area){0};
	g->areas = areas;
	fault_push(g);
}

/* One thread at a time; before another thread can refer to what lies there. */
static inline void fault_areas_add(struct fault_areas *areas, const void *base, size_t len_bytes)
{
	unsigned n = atomic_load_explicit(&areas->n, memory_order_relaxed);

	ASSERT(n < FAULT_AREAS_MAX);
	areas->areas[n] = (struct fault_area){base, len_bytes};
	atomic_store_explicit(&areas->n, n + 1, memory_order_release);
}

/* g is the innermost one. */
static inline void fault_leave(struct fault_guard *g)
{
	ASSERT(fault_innermost == g);
	atomic_signal_fence(memory_order_seq_cst);
	fault_innermost = g->outer;
	atomic_signal_fence(memory_order_seq_cst);
}

#endif
