/* SPDX-License-Identifier: MIT */
#include "experiments/cell/evict.h"
#include "experiments/cell/cell.h"
#include "experiments/cell/residency.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_BYTES  (UINT64_C(256) << 10)
#define PAUSE_NS     2000000
#define MAPPINGS_MAX 64

struct mapping {
	unsigned char *start;
	uint64_t len_bytes, off_bytes;
};

struct evictor {
	pthread_t thread;
	atomic_bool end;
	int fd;
	struct stat st;
	uint64_t above_bytes, state, evicted_bytes;
	struct mapping mappings[MAPPINGS_MAX];
	unsigned n_mappings;
};

/* Where this process has the file mapped. */
static void find_mappings(struct evictor *e)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[4352];

	e->n_mappings = 0;
	while (f && fgets(line, sizeof(line), f) && e->n_mappings < MAPPINGS_MAX) {
		uint64_t start, end, off_bytes, inode;
		unsigned dev_major, dev_minor;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %x:%x %" SCNu64, &start,
			    &end, &off_bytes, &dev_major, &dev_minor, &inode) != 6 ||
			inode != e->st.st_ino || makedev(dev_major, dev_minor) != e->st.st_dev)
			continue;
		e->mappings[e->n_mappings++] =
			(struct mapping){(unsigned char *)(uintptr_t)start, end - start, off_bytes};
	}
	if (f)
		(void)fclose(f);
}

static void evict_chunk(struct evictor *e, uint64_t off_bytes)
{
	for (unsigned i = 0; i < e->n_mappings; i++) {
		const struct mapping *m = &e->mappings[i];

		if (off_bytes < m->off_bytes || off_bytes - m->off_bytes >= m->len_bytes)
			continue;
		uint64_t at = off_bytes - m->off_bytes;
		uint64_t len_bytes =
			m->len_bytes - at < CHUNK_BYTES ? m->len_bytes - at : CHUNK_BYTES;

		(void)madvise(m->start + at, len_bytes, MADV_DONTNEED);
	}
	(void)posix_fadvise(e->fd, (off_t)off_bytes, (off_t)CHUNK_BYTES, POSIX_FADV_DONTNEED);
}

static void *evict(void *arg)
{
	const struct timespec pause = {0, PAUSE_NS};
	struct evictor *e = arg;
	uint64_t n_chunks = ((uint64_t)e->st.st_size + CHUNK_BYTES - 1) / CHUNK_BYTES;

	while (!atomic_load(&e->end)) {
		struct residency found;

		if (residency_get(e->fd, &found) < 0)
			break;
		if (found.cached_bytes <= e->above_bytes) {
			(void)nanosleep(&pause, NULL);
			continue;
		}
		find_mappings(e);
		for (uint64_t over = found.cached_bytes - e->above_bytes, i = 0;
			i * CHUNK_BYTES < 2 * over + CHUNK_BYTES; i++) {
			e->state = data_mix(e->state + 1);
			evict_chunk(e, e->state % n_chunks * CHUNK_BYTES);
		}
		e->evicted_bytes += found.cached_bytes - e->above_bytes;
	}
	return NULL;
}

struct evictor *evictor_start(const char *path, uint64_t above_bytes, uint64_t seed)
{
	struct evictor *e = calloc(1, sizeof(*e));

	if (!e)
		cell_fail("evict", "no memory");
	e->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (e->fd < 0 || fstat(e->fd, &e->st) < 0)
		cell_fail("evict", "%s: %s", path, strerror(errno));
	e->above_bytes = above_bytes;
	e->state = seed;
	if (pthread_create(&e->thread, NULL, evict, e) != 0)
		cell_fail("evict", "no thread");
	return e;
}

uint64_t evictor_stop(struct evictor *e)
{
	uint64_t evicted_bytes;

	if (!e)
		return 0;
	atomic_store(&e->end, true);
	(void)pthread_join(e->thread, NULL);
	evicted_bytes = e->evicted_bytes;
	(void)close(e->fd);
	free(e);
	return evicted_bytes;
}
