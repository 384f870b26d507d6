/* SPDX-License-Identifier: MIT */
/*
 * What a program is told of pages that come, are used and go, when it sets the option `trace` of
 * verso_open(). A part of verso.h, which includes it.
 */
#ifndef VERSO_TRACE_H
#define VERSO_TRACE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What happens to a page. The numbers stay; more may come. */
enum verso_event_kind {
	VERSO_EVENT_GET,      /* got and pinned; a hit, unless a MISS of the thread came before */
	VERSO_EVENT_PUT,      /* a pin ended */
	VERSO_EVENT_PEEK,     /* an inner page was read without a pin: a hit */
	VERSO_EVENT_MISS,     /* a get has to load it (VERSO_MMAP: to verify it) */
	VERSO_EVENT_LOAD,     /* it is in memory and verified, for a get, a get_many or a cursor */
	VERSO_EVENT_PREFETCH, /* asked for by verso_get_many(), or for a long value */
	VERSO_EVENT_READ_AHEAD, /* asked for by a cursor, or by verso_advise() */
	VERSO_EVENT_VICTIM,     /* not VERSO_MMAP: chosen by the policy, to be evicted */
	VERSO_EVENT_UNNEEDED,   /* not VERSO_MMAP: the writer has copied it, or advice is COLD */
	VERSO_EVENT_EVICT,      /* not VERSO_MMAP: it has left memory */
	VERSO_EVENT_FRESH,      /* made by the writer */
	VERSO_EVENT_WRITE,      /* on its way to the file; gen is 0 */
	VERSO_EVENT_FLUSH,      /* what was written is durable; no page */
	VERSO_EVENT_DROP,       /* its place was freed or will be written anew; gen is 0 */
	VERSO_EVENT_FAULT,      /* VERSO_MMAP: it cannot be read any more */
	VERSO_EVENT_KINDS
};

struct verso_event {
	uint64_t time_ns; /* of CLOCK_MONOTONIC */
	uint64_t gen;     /* of the page: pgno and gen name its bytes for ever */
	uint32_t pgno;    /* page number in the file */
	uint32_t thread;  /* as gettid() */
	uint8_t kind;     /* enum verso_event_kind */
	uint8_t type;     /* of the page (docs/file-format.md), 5: of a tree; 0: not at hand */
	uint8_t level;    /* in its tree; 0: a leaf */
};

/*
 * Called for each event, in the thread in which it happens, by several at a time, with locks held:
 * returns soon and calls nothing of this library. *event is valid until it returns.
 */
typedef void verso_trace_fn(void *arg, const struct verso_event *event);

#ifdef __cplusplus
}
#endif

#endif
