/* SPDX-License-Identifier: MIT */
/* How far a long command has come, on a terminal. */
#include "tools/verso/tool.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define SHOW_EVERY_NS 200000000u

static atomic_bool is_shown; /* a message may come from another thread */

void progress_hide(void)
{
	if (atomic_exchange(&is_shown, false))
		(void)fputs("\r\033[K", stderr);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void progress_begin(struct progress *p, const char *what, uint64_t total)
{
	*p = (struct progress){.what = what, .total = total, .on = isatty(STDERR_FILENO) == 1};
	p->start_ns = p->shown_ns = now_ns();
}

void progress_be_quiet(struct progress *p, unsigned seconds)
{
	p->quiet_ns = (uint64_t)seconds * 1000000000u;
}

void progress_step(struct progress *p, uint64_t n)
{
	uint64_t now;
	double seconds;

	p->n = n;
	if (!p->on)
		return;
	now = now_ns();
	if (now - p->shown_ns < SHOW_EVERY_NS || now - p->start_ns < p->quiet_ns)
		return;
	p->shown_ns = now;
	is_shown = true;
	seconds = (double)(now - p->start_ns) / 1e9;
	if (p->total > 0)
		(void)fprintf(stderr, "\r\033[K%" PRIu64 " of %" PRIu64 " %s, %.0f %%, %.1f s", n,
			p->total, p->what, 100.0 * (double)n / (double)p->total, seconds);
	else
		(void)fprintf(stderr, "\r\033[K%" PRIu64 " %s, %.0f/s, %.1f s", n, p->what,
			(double)n / seconds, seconds);
}

void progress_end(struct progress *p)
{
	if (p->on)
		progress_hide();
}
