/* SPDX-License-Identifier: MIT */
/*
 * What of a file's uncommitted pages has reached the device: by the kernel's count of dirty pages
 * (cachestat, no root), and by the bytes that the block device holds where the file lies (root).
 * Reading the file itself past the page cache is no way to know: the kernel writes it first.
 */
#ifndef EXPERIMENTS_HAZARDS_WATCH_H
#define EXPERIMENTS_HAZARDS_WATCH_H

#include "experiments/hazards/subject.h"

#define WATCH_UNKNOWN UINT32_MAX

/* By one of the two. UNKNOWN: it cannot be had, or has not happened. */
struct reached {
	uint32_t pages;            /* most at a sample */
	uint32_t first_ms, all_ms; /* after the trigger: the first page; all that there were */
};

struct watch {
	int fd, fd_raw;     /* fd_raw -1: the device cannot be read */
	uint8_t *committed; /* n_pages */
	uint64_t *places;   /* on the device, by page */
	uint32_t n_pages;
	uint32_t n_dirty; /* when the writer was ready; UNKNOWN: no cachestat */
	struct reached by_count, by_bytes;
	char why_count[TEXT_BYTES], why_bytes[TEXT_BYTES]; /* why not, or "" */
};

/* The file as it was committed, durable and out of the page cache. false: text says why. */
bool watch_open(struct watch *w, const char *path, char text[TEXT_BYTES]);
void watch_close(struct watch *w);

/* The writer is ready. */
void watch_begin(struct watch *w);

/* So long after the trigger. */
void watch_sample(struct watch *w, uint32_t after_ms);

/* Whether all that was dirty has reached the device, so that nothing more can be seen. */
bool watch_is_over(const struct watch *w);

#endif
