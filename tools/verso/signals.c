/* SPDX-License-Identifier: MIT */
/*
 * A signal that asks for the end of a load: what a failed load must undo is undone first. The
 * handler puts /dev/null in the place of the input, so that a read which is about to begin ends
 * too. A wait for another program ends in waiting.c.
 */
#include "tools/verso/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t ended_by;
static int input_fd, null_fd;
static void (*say_last)(const void *arg);
static const void *say_last_arg;

static void on_signal(int signal)
{
	int saved = errno;

	ended_by = signal;
	(void)dup2(null_fd, input_fd);
	errno = saved;
}

void signals_catch(int fd, void (*last_words)(const void *arg), const void *arg)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGTERM};
	struct sigaction old, catch = {.sa_handler = on_signal}; /* no SA_RESTART: a read ends */

	say_last = last_words;
	say_last_arg = arg;
	input_fd = fd;
	null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; null_fd >= 0 && i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			(void)sigaction(signals[i], &catch, NULL);
	}
}

int signals_ended_by(void)
{
	return ended_by;
}

void signals_end(void)
{
	if (ended_by == 0)
		return;
	(void)signal(ended_by, SIG_DFL);
	(void)raise(ended_by);
}

void signals_end_wait(void)
{
	if (ended_by != 0)
		say_last(say_last_arg);
	signals_end();
}
