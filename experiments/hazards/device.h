/* SPDX-License-Identifier: MIT */
/*
 * A file's bytes on its device, changed while engines look at it through caches.
 *
 * Without privileges a page is changed by an O_DIRECT write, which is how the bytes get past the
 * page cache; but the kernel takes the page out of that cache for it. Where the file lies on a file
 * system that is mounted from an image (a loop device), the page is changed in the image, and the
 * kernel is none the wiser, as when a disk rots.
 */
#ifndef EXPERIMENTS_HAZARDS_DEVICE_H
#define EXPERIMENTS_HAZARDS_DEVICE_H

#include "experiments/hazards/subject.h"

struct device {
	const char *path;
	int fd;        /* buffered */
	int fd_raw;    /* O_DIRECT, or the image, or fd where the file system refuses both */
	bool image;    /* fd_raw is the image that holds the file system */
	bool buffered; /* fd_raw is fd: a change is in the page cache too */
};

/* image: path of the image that the file's file system was mounted from, or NULL. */
bool device_open(struct device *d, const char *path, const char *image, char text[TEXT_BYTES]);
void device_close(struct device *d);

/* How bytes are changed: a word for results. */
const char *device_how(const struct device *d);

/* Page number `page` of the file is this now. */
bool device_write(struct device *d, uint32_t page, const uint8_t bytes[PAGE_BYTES],
	char text[TEXT_BYTES]);

/* Reads of the page, and of what lies behind it on the loop device, fail from now on (an image
 * only), until they are allowed again. */
bool device_fail(struct device *d, uint32_t page, char text[TEXT_BYTES]);
bool device_allow(struct device *d, char text[TEXT_BYTES]);

/* Writes what is dirty (without a flush: no power is cut here) and takes the file out of the page
 * cache, as far as nobody has it mapped. */
void device_drop(struct device *d);

/* The same, until the page has left it, for a tenth of a second at most: what was read ahead may
 * still be on its way. */
void device_drop_page(struct device *d, uint32_t page);

/* Takes the pages of the file out of this process's maps and out of the page cache. */
void device_evict(struct device *d);

/* Where a mapping of the file in this process (one for writing) has the page; NULL: none has. */
uint8_t *device_mapped(const struct device *d, uint32_t page, bool to_write);

/* Whether the page is in the page cache. */
bool device_is_resident(const struct device *d, uint32_t page);

#endif
