/* SPDX-License-Identifier: MIT */
#include "experiments/cell/residency.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* the same number on every architecture but alpha */
#endif

struct cachestat_range {
	uint64_t off_bytes, len_bytes; /* len_bytes 0: up to the end */
};

struct cachestat {
	uint64_t n_cached, n_dirty, n_writeback, n_evicted, n_recently_evicted; /* pages */
};

static int by_mincore(int fd, uint64_t len_bytes, uint64_t page_bytes, struct residency *ret)
{
	uint64_t n_pages = (len_bytes + page_bytes - 1) / page_bytes;
	unsigned char *present = malloc(n_pages > 0 ? n_pages : 1);
	void *map = len_bytes > 0 ? mmap(NULL, len_bytes, PROT_READ, MAP_SHARED, fd, 0) : NULL;
	uint64_t n = 0;
	int rc = 0;

	if (!present || map == MAP_FAILED) {
		rc = -ENOMEM;
	} else if (len_bytes > 0 && mincore(map, len_bytes, present) < 0) {
		rc = -errno;
	} else {
		for (uint64_t i = 0; i < n_pages; i++)
			n += present[i] & 1U;
		*ret = (struct residency){
			n * page_bytes, RESIDENCY_UNKNOWN, RESIDENCY_UNKNOWN, false};
	}
	if (map != MAP_FAILED && len_bytes > 0)
		(void)munmap(map, len_bytes);
	free(present);
	return rc;
}

int residency_get(int fd, struct residency *ret)
{
	uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	struct cachestat_range whole = {0, 0};
	struct cachestat found;
	struct stat st;

	if (syscall(SYS_cachestat, fd, &whole, &found, 0) == 0) {
		*ret = (struct residency){found.n_cached * page_bytes,
			(found.n_dirty + found.n_writeback) * page_bytes,
			found.n_recently_evicted * page_bytes, true};
		return 0;
	}
	if (fstat(fd, &st) < 0)
		return -errno;
	return by_mincore(fd, (uint64_t)st.st_size, page_bytes, ret);
}

int residency_drop(int fd)
{
	if (fsync(fd) < 0)
		return -errno;
	return -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}
