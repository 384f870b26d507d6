/* SPDX-License-Identifier: MIT */
/*
 * What waits for another program says for which one after a while: a write transaction, and a
 * database, may be open for ever. A thread does that, and ends the process where a caught signal
 * asks for it: the library goes on waiting when a signal comes.
 */
#include "tools/verso/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS        100
#define TICKS_A_SECOND (1000 / TICK_MS)
#define SAY_AFTER_MS   1000U

/* Which process has the turn to write; false: none, or this one. */
static bool find_writer(const struct waiting *w, struct verso_watch *ret_watch)
{
	*ret_watch = (struct verso_watch){.size = sizeof(*ret_watch)};
	return verso_watch(w->args->path, ret_watch) == 0 && ret_watch->writer_pid != 0 &&
	       ret_watch->writer_pid != (uint64_t)getpid();
}

/* False: there is nobody to name, or it may not be waited for. */
static bool say_who_writes(const struct waiting *w, uint64_t waited_ms)
{
	uint64_t least_ms = w->waits == WAITS_AT_FIRST ? waited_ms : 1000;
	struct verso_watch watch;

	if (!find_writer(w, &watch) || watch.write_age_ms == VERSO_UNKNOWN ||
		watch.write_age_ms < least_ms)
		return false;
	say("%s: process %" PRIu64 " (%s) has had a write transaction open for %" PRIu64
	    " s, and `verso %s` waits until it ends",
		w->args->path, watch.writer_pid, watch.writer_program, watch.write_age_ms / 1000,
		w->args->command->name);
	return true;
}

/*
 * Who has the database of w->path open. Where that is not known, the lock may be the own one: until
 * the new file has its name, that of what it replaces is held.
 */
static bool say_who_has_it(const struct waiting *w)
{
	struct verso_watch watch = {.size = sizeof(watch)};
	const char *program = watch.alone_program;
	uint64_t pid;

	if (verso_watch(w->path, &watch) < 0 || !watch.is_open || (!watch.is_alone && !w->by_all))
		return false;
	pid = watch.alone_pid;
	if (pid == 0 && watch.writer_pid != 0) {
		pid = watch.writer_pid;
		program = watch.writer_program;
	} else if (pid == 0) {
		pid = watch.reader_pid;
		program = watch.reader_program;
	}
	if (pid == (uint64_t)getpid() || (pid == 0 && watch.is_alone && w->by_all))
		return false;
	if (pid == 0)
		say("%s: another program has it open, and `verso %s` waits until it is closed",
			w->path, w->args->command->name);
	else
		say("%s: process %" PRIu64
		    " (%s) has it open, and `verso %s` waits until it is closed",
			w->path, pid, program, w->args->command->name);
	return true;
}

/* While another process has the turn to write, this one has begun nothing that would be lost. */
static void end_if_asked(const struct waiting *w)
{
	struct verso_watch watch;

	if (signals_ended_by() != 0 && (w->waits == WAITS_ONLY || find_writer(w, &watch)))
		signals_end_wait();
}

/* After a tick, or as soon as it is over. With the lock. */
static bool is_over_after_tick(struct waiting *w, struct timespec *until)
{
	until->tv_nsec += TICK_MS * 1000000;
	if (until->tv_nsec >= 1000000000) {
		until->tv_nsec -= 1000000000;
		until->tv_sec++;
	}
	while (!w->is_over && pthread_cond_timedwait(&w->over, &w->lock, until) != ETIMEDOUT)
		;
	return w->is_over;
}

static void *waiting_main(void *arg)
{
	struct waiting *w = arg;
	bool is_said = false;
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	(void)pthread_mutex_lock(&w->lock);
	for (uint64_t n = 1; !is_over_after_tick(w, &until); n++) {
		end_if_asked(w);
		if (!is_said && n % TICKS_A_SECOND == 0)
			is_said = w->path ? say_who_has_it(w) : say_who_writes(w, n * TICK_MS);
	}
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void begin(struct waiting *w, bool has_reason)
{
	pthread_condattr_t attr;

	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w->over, &attr);
	(void)pthread_condattr_destroy(&attr);
	w->runs = has_reason && pthread_create(&w->thread, NULL, waiting_main, w) == 0;
}

void waiting_begin(struct waiting *w, const struct arguments *args, enum waits waits)
{
	*w = (struct waiting){.args = args, .waits = waits};
	begin(w, waits != WAITS_NEVER);
}

void waiting_begin_for_close(struct waiting *w, const struct arguments *args, enum waits waits,
	const char *path, bool by_all)
{
	bool may_say = args->open.busy_timeout_ms > SAY_AFTER_MS && !args->is_private;

	*w = (struct waiting){.args = args, .waits = waits, .path = path, .by_all = by_all};
	begin(w, waits != WAITS_NEVER || may_say);
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
