/* SPDX-License-Identifier: MIT */
#include "experiments/hazards/device.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

static bool failed(char text[TEXT_BYTES], const char *what, const char *path)
{
	(void)snprintf(text, TEXT_BYTES, "%s %s: %s", what, path, strerror(errno));
	return false;
}

bool device_open(struct device *d, const char *path, const char *image, char text[TEXT_BYTES])
{
	*d = (struct device){.path = path, .image = image != NULL};
	d->fd = open(path, O_RDWR | O_CLOEXEC);
	if (d->fd < 0)
		return failed(text, "opening", path);
	d->fd_raw =
		image ? open(image, O_RDWR | O_CLOEXEC) : open(path, O_RDWR | O_CLOEXEC | O_DIRECT);
	if (d->fd_raw < 0 && image) {
		(void)close(d->fd);
		return failed(text, "opening", image);
	}
	if (d->fd_raw < 0) {
		d->buffered = true;
		d->fd_raw = d->fd;
	}
	return true;
}

void device_close(struct device *d)
{
	if (!d->buffered)
		(void)close(d->fd_raw);
	(void)close(d->fd);
}

const char *device_how(const struct device *d)
{
	return d->image ? "image" : d->buffered ? "pwrite" : "O_DIRECT";
}

/* Where the page lies in the image. */
static bool physical(const struct device *d, uint32_t page, uint64_t *ret_off,
	char text[TEXT_BYTES])
{
	union {
		struct fiemap map;
		uint8_t space[sizeof(struct fiemap) + sizeof(struct fiemap_extent)];
	} u = {.map = {.fm_start = (uint64_t)page * PAGE_BYTES,
		       .fm_length = PAGE_BYTES,
		       .fm_flags = FIEMAP_FLAG_SYNC,
		       .fm_extent_count = 1}};
	struct fiemap_extent e;

	if (ioctl(d->fd, FS_IOC_FIEMAP, &u.map) < 0)
		return failed(text, "FIEMAP of", d->path);
	memcpy(&e, u.space + sizeof(struct fiemap), sizeof(e));
	if (u.map.fm_mapped_extents == 0 ||
		e.fe_flags & (FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_UNWRITTEN |
				     FIEMAP_EXTENT_NOT_ALIGNED | FIEMAP_EXTENT_ENCODED)) {
		errno = ENODATA;
		return failed(text, "a page without blocks in", d->path);
	}
	*ret_off = e.fe_physical + (uint64_t)page * PAGE_BYTES - e.fe_logical;
	return true;
}

bool device_write(struct device *d, uint32_t page, const uint8_t bytes[PAGE_BYTES],
	char text[TEXT_BYTES])
{
	_Alignas(PAGE_BYTES) static uint8_t aligned[PAGE_BYTES];
	uint64_t off = (uint64_t)page * PAGE_BYTES;

	if (d->image && !physical(d, page, &off, text))
		return false;
	memcpy(aligned, bytes, PAGE_BYTES);
	if (pwrite(d->fd_raw, aligned, PAGE_BYTES, (off_t)off) != (ssize_t)PAGE_BYTES)
		return failed(text, "changing a page of", d->path);
	if (d->buffered)
		device_drop(d);
	return true;
}

/* The loop device of the file system ends there (0: where its image ends). */
static bool limit_loop(const struct device *d, uint64_t end_bytes, char text[TEXT_BYTES])
{
	struct loop_info64 info;
	char path[64] = "";
	struct stat st;
	int fd, rc;

	if (fstat(d->fd, &st) == 0)
		(void)snprintf(path, sizeof(path), "/dev/loop%u", minor(st.st_dev));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return failed(text, "opening", path);
	rc = ioctl(fd, LOOP_GET_STATUS64, &info);
	info.lo_sizelimit = end_bytes;
	/* The kernel asks again for what was in flight. */
	for (unsigned tries = 0; rc == 0 && tries < 50; tries++) {
		rc = ioctl(fd, LOOP_SET_STATUS64, &info);
		if (rc == 0 || errno != EAGAIN)
			break;
	}
	if (rc < 0)
		(void)failed(text, "the size of", path);
	(void)close(fd);
	return rc == 0;
}

bool device_fail(struct device *d, uint32_t page, char text[TEXT_BYTES])
{
	uint64_t off;

	/* Nothing is left that would have to be written meanwhile. */
	if (syncfs(d->fd) < 0)
		return failed(text, "syncfs of", d->path);
	return physical(d, page, &off, text) && limit_loop(d, off, text);
}

bool device_allow(struct device *d, char text[TEXT_BYTES])
{
	return limit_loop(d, 0, text);
}

void device_drop(struct device *d)
{
	(void)sync_file_range(d->fd, 0, 0,
		SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
	(void)posix_fadvise(d->fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* A mapping of the file in this process. */
struct mapping {
	uintptr_t from, to;
	uint64_t off; /* of the file, in bytes */
	char rights[8];
};

static bool next_mapping(const struct stat *st, FILE *maps, struct mapping *ret_mapping)
{
	char line[512];

	while (fgets(line, sizeof(line), maps)) {
		unsigned major, minor;
		unsigned long inode;

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s %" SCNx64 " %x:%x %lu",
			    &ret_mapping->from, &ret_mapping->to, ret_mapping->rights,
			    &ret_mapping->off, &major, &minor, &inode) == 7 &&
			inode == st->st_ino && major == major(st->st_dev) &&
			minor == minor(st->st_dev))
			return true;
	}
	return false;
}

void device_evict(struct device *d)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	struct mapping m;
	struct stat st;

	if (!maps)
		return;
	if (fstat(d->fd, &st) == 0)
		while (next_mapping(&st, maps, &m))
			(void)madvise((void *)m.from, m.to - m.from, MADV_PAGEOUT);
	(void)fclose(maps);
	device_drop(d);
}

uint8_t *device_mapped(const struct device *d, uint32_t page, bool to_write)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uint64_t wanted = (uint64_t)page * PAGE_BYTES;
	uint8_t *found = NULL;
	struct mapping m;
	struct stat st;

	if (!maps)
		return NULL;
	if (fstat(d->fd, &st) == 0)
		while (!found && next_mapping(&st, maps, &m))
			if (wanted >= m.off && wanted - m.off < m.to - m.from &&
				(!to_write || m.rights[1] == 'w'))
				found = (uint8_t *)(m.from + (wanted - m.off));
	(void)fclose(maps);
	return found;
}

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* the same number on every architecture but alpha */
#endif

/* cachestat counts a page that is being read, too; mincore does not before it is there. */
bool device_is_resident(const struct device *d, uint32_t page)
{
	uint64_t range[2] = {(uint64_t)page * PAGE_BYTES, PAGE_BYTES}, n_pages[5];
	unsigned char resident = 0;
	void *p;

	if (syscall(SYS_cachestat, d->fd, range, n_pages, 0) == 0)
		return n_pages[0] > 0;
	p = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, d->fd, (off_t)range[0]);
	if (p == MAP_FAILED)
		return false;
	(void)mincore(p, PAGE_BYTES, &resident);
	(void)munmap(p, PAGE_BYTES);
	return resident & 1;
}

void device_drop_page(struct device *d, uint32_t page)
{
	for (unsigned tries = 0; tries < 50; tries++) {
		device_drop(d);
		if (!device_is_resident(d, page))
			return;
		(void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
	}
}
