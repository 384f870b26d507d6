/* SPDX-License-Identifier: MIT */
/*
 * What waits for the writer, of whatever process, says for whom after a while: a write transaction
 * may be open for ever.
 */
#include "tools/verso/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

bool say_who_writes(const char *path, const char *what, uint64_t least_ms)
{
	struct verso_watch w = {.size = sizeof(w)};

	if (verso_watch(path, &w) < 0 || w.writer_pid == 0 || w.write_age_ms == VERSO_UNKNOWN ||
		w.write_age_ms < least_ms)
		return false;
	say("%s: process %" PRIu64 " (%s) has had a write transaction open for %" PRIu64
	    " s, and %s waits until it ends",
		path, w.writer_pid, w.writer_program, w.write_age_ms / 1000, what);
	return true;
}

static uint64_t ms_since(const struct timespec *begun)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)((now.tv_sec - begun->tv_sec) * 1000 +
			  (now.tv_nsec - begun->tv_nsec) / 1000000);
}

/* Only of a transaction that was open before the wait began is it certain that it is waited for. */
static void *waiting_main(void *arg)
{
	struct waiting *w = arg;
	struct timespec begun, until;
	bool is_said = false;

	(void)clock_gettime(CLOCK_MONOTONIC, &begun);
	until = begun;
	(void)pthread_mutex_lock(&w->lock);
	while (!w->is_over && !is_said) {
		until.tv_sec++;
		while (!w->is_over &&
			pthread_cond_timedwait(&w->over, &w->lock, &until) != ETIMEDOUT)
			;
		if (!w->is_over)
			is_said = say_who_writes(w->path, w->what, ms_since(&begun));
	}
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}

void waiting_begin(struct waiting *w, const char *path, const char *what)
{
	pthread_condattr_t attr;

	*w = (struct waiting){.path = path, .what = what};
	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w->over, &attr);
	(void)pthread_condattr_destroy(&attr);
	w->runs = pthread_create(&w->thread, NULL, waiting_main, w) == 0;
}

void waiting_end(struct waiting *w)
{
	(void)pthread_mutex_lock(&w->lock);
	w->is_over = true;
	(void)pthread_cond_signal(&w->over);
	(void)pthread_mutex_unlock(&w->lock);
	if (w->runs)
		(void)pthread_join(w->thread, NULL);
	(void)pthread_cond_destroy(&w->over);
	(void)pthread_mutex_destroy(&w->lock);
}
