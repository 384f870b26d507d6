/* SPDX-License-Identifier: MIT */
#include "tests/differential/child.h"

#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHRINK_SECONDS_A_RUN 20

struct shared *child_shared(unsigned n_jobs)
{
	struct shared *s = mmap(NULL, sizeof(*s) + n_jobs * sizeof(s->outcomes[0]),
		PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	return s;
}

char *child_folder(const char *parent)
{
	char *path;

	if (asprintf(&path, "%s/verso-differential-XXXXXX", parent) < 0 || !mkdtemp(path)) {
		perror(parent);
		exit(2);
	}
	return path;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static void run_here(const struct stream *s, const char *scratch, struct outcome *o,
	uint64_t *marks)
{
	struct run *r = malloc(sizeof(*r));
	char *folder = child_folder(scratch);

	if (!r)
		_exit(2);
	o->ok = run_stream(r, s, folder, marks);
	o->at = r->at;
	(void)snprintf(o->failure, sizeof(o->failure), "%s", r->failure);
	(void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(folder);
	free(r);
}

pid_t child_start(const struct stream *s, const char *scratch, struct shared *shared, unsigned job,
	unsigned seconds_max)
{
	pid_t pid;

	memset(&shared->outcomes[job], 0, sizeof(shared->outcomes[job]));
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		(void)alarm(seconds_max);
		run_here(s, scratch, &shared->outcomes[job], shared->marks);
		exit(shared->outcomes[job].ok ? 0 : 1);
	}
	return pid;
}

void child_judge(struct shared *shared, unsigned job, int status)
{
	struct outcome *o = &shared->outcomes[job];

	if (WIFEXITED(status) && (WEXITSTATUS(status) == 0) == o->ok)
		return;
	o->ok = false;
	if (WIFSIGNALED(status))
		(void)snprintf(o->failure, sizeof(o->failure), "killed by signal %d%s",
			WTERMSIG(status), WTERMSIG(status) == SIGALRM ? ": it took too long" : "");
	else if (!o->failure[0])
		(void)snprintf(o->failure, sizeof(o->failure), "ended with status %d", status);
}

struct outcome child_run(const struct stream *s, const char *scratch, struct shared *shared,
	unsigned job)
{
	uint64_t marks[N_MARKS];
	int status = 0;
	pid_t pid;

	memcpy(marks, shared->marks, sizeof(marks));
	pid = child_start(s, scratch, shared, job, SHRINK_SECONDS_A_RUN);
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		perror("fork");
		exit(2);
	}
	child_judge(shared, job, status);
	memcpy(shared->marks, marks, sizeof(marks));
	return shared->outcomes[job];
}
