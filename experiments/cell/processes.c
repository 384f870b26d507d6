/* SPDX-License-Identifier: MIT */
#include "experiments/cell/processes.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define POLL_NS 1000000

struct children {
	struct run *runs;
	unsigned n, n_running;
	pid_t pids[LIVE_THREADS_MAX]; /* 0: it has ended */
	char why[128];                /* the first that did not end well; "": all did */
};

static _Noreturn void child_main(struct run *r, pid_t parent)
{
	/* Without its parent nobody would ever end it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(EXIT_FAILURE);
	process_open(r);
	atomic_store(&r->is_ready, true);
	process_work(r);
	_exit(EXIT_SUCCESS);
}

static void note_end(struct children *c, pid_t pid, int status)
{
	bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	for (unsigned i = 0; i < c->n; i++) {
		if (c->pids[i] != pid)
			continue;
		c->pids[i] = 0;
		c->n_running--;
		if (good || c->why[0])
			continue;
		(void)snprintf(c->why, sizeof(c->why), "process %u of %u ended %s %d", i + 1, c->n,
			WIFSIGNALED(status) ? "by signal" : "with status",
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	}
	if (!good)
		atomic_store(&c->runs->live->stop, 1);
}

/* Waits for a child's end, or looks for one: flags are those of waitpid. False: there is none. */
static bool reap(struct children *c, int flags)
{
	int status;
	pid_t pid;

	do
		pid = waitpid(-1, &status, flags);
	while (pid < 0 && errno == EINTR);
	if (pid < 0)
		cell_fail("processes", "%s", strerror(errno));
	if (pid > 0)
		note_end(c, pid, status);
	return pid > 0;
}

static bool all_ready(const struct children *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		if (!atomic_load(&c->runs[i].is_ready))
			return false;
	}
	return true;
}

/* What is added up must be of the same phases. A process that slept through a short one was not. */
static void check_phases(const struct children *c)
{
	const struct run *first = &c->runs[0];

	for (unsigned i = 1; i < c->n; i++) {
		const struct run *r = &c->runs[i];

		if (r->n_edges != first->n_edges ||
			memcmp(r->edge_phases, first->edge_phases, sizeof(r->edge_phases)) != 0)
			cell_fail("processes", "process %u has been in %u phases, the first in %u",
				i + 1, r->n_edges, first->n_edges);
	}
}

void processes_run(struct run *runs)
{
	struct children c = {.runs = runs, .n = runs->config->n_processes};
	pid_t own = getpid();

	for (unsigned i = 0; i < c.n; i++) {
		c.pids[i] = fork();
		if (c.pids[i] == 0)
			child_main(&runs[i], own);
		if (c.pids[i] < 0)
			cell_fail("processes", "expected %u, could start %u: %s", c.n, i,
				strerror(errno));
		c.n_running++;
	}
	while (!all_ready(&c) && !c.why[0]) {
		if (!reap(&c, WNOHANG))
			(void)nanosleep(&(struct timespec){0, POLL_NS}, NULL);
	}
	if (!c.why[0])
		cell_begin(runs);
	while (c.n_running > 0)
		(void)reap(&c, 0);
	if (c.why[0])
		cell_fail("processes", "%s", c.why);
	check_phases(&c);
}
