/* SPDX-License-Identifier: MIT */
/* Tracing: a pager's events become those of verso.h, with time and thread. */
#include "db/db_int.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert((int)VERSO_EVENT_GET == (int)PAGER_GET &&
		       (int)VERSO_EVENT_UNNEEDED == (int)PAGER_UNNEEDED &&
		       (int)VERSO_EVENT_FAULT == (int)PAGER_FAULT &&
		       (int)VERSO_EVENT_KINDS == (int)PAGER_TRACE_OPS,
	"the events have one order");

static uint32_t kernel_thread(void)
{
	static _Thread_local uint32_t number;

	if (number == 0)
		number = (uint32_t)syscall(SYS_gettid);
	return number;
}

static void forward(struct pager_tracer *t, const struct pager_event *event)
{
	const struct tracer *tracer = (const struct tracer *)t; /* its first member */
	struct verso_event e = {
		.gen = event->ref.gen,
		.pgno = event->ref.pgno,
		.thread = kernel_thread(),
		.kind = (uint8_t)event->op,
		.type = event->type,
		.level = event->level,
	};
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	e.time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	tracer->event(tracer->arg, &e);
}

void trace_begin(struct verso *db)
{
	if (!db->options.trace)
		return;
	db->tracer = (struct tracer){{forward}, db->options.trace, db->options.trace_arg};
	db->pager->tracer = &db->tracer.pager;
}
