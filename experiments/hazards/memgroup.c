/* SPDX-License-Identifier: MIT */
#include "experiments/hazards/memgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Where groups are, and the file in each that limits it. */
static const struct {
	const char *root, *limit;
} versions[] = {
	{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
	{"/sys/fs/cgroup", "memory.max"},
};

static bool write_number(const char *folder, const char *name, uint64_t n)
{
	char path[400], text[32];
	int fd, len = snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	bool ok;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, text, (size_t)len) == len;
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

bool memgroup_make(struct memgroup *g, const char *name, uint64_t limit_bytes,
	char text[TEXT_BYTES])
{
	for (unsigned v = 0; v < sizeof(versions) / sizeof(*versions); v++) {
		(void)snprintf(g->path, sizeof(g->path), "%s/verso-hazard-%d-%s", versions[v].root,
			(int)getpid(), name);
		if (mkdir(g->path, 0700) < 0)
			continue;
		if (write_number(g->path, versions[v].limit, limit_bytes)) {
			(void)snprintf(g->procs, sizeof(g->procs), "%s/cgroup.procs", g->path);
			return true;
		}
		(void)rmdir(g->path);
	}
	(void)snprintf(text, TEXT_BYTES,
		"a memory group with a limit cannot be made here: %s (needs root)",
		strerror(errno));
	return false;
}

void memgroup_remove(const struct memgroup *g)
{
	/* The kernel takes a moment to forget the last process. */
	for (unsigned tries = 0; tries < 100 && rmdir(g->path) < 0 && errno == EBUSY; tries++)
		(void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}
