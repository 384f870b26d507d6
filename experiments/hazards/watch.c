/* SPDX-License-Identifier: MIT */
#include "experiments/hazards/watch.h"

#include "experiments/cell/residency.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define NO_PLACE UINT64_MAX

static bool failed(char text[TEXT_BYTES], const char *what)
{
	(void)snprintf(text, TEXT_BYTES, "%s: %s", what, strerror(errno));
	return false;
}

/* --- the device ------------------------------------------------------------------------------ */

static bool find_place(const struct watch *w, uint32_t page, uint64_t *ret_place)
{
	union {
		struct fiemap map;
		uint8_t space[sizeof(struct fiemap) + sizeof(struct fiemap_extent)];
	} u = {.map = {.fm_start = (uint64_t)page * PAGE_BYTES,
		       .fm_length = PAGE_BYTES,
		       .fm_extent_count = 1}};
	struct fiemap_extent e;

	*ret_place = NO_PLACE;
	if (ioctl(w->fd, FS_IOC_FIEMAP, &u.map) < 0 || u.map.fm_mapped_extents == 0)
		return false;
	memcpy(&e, u.space + sizeof(struct fiemap), sizeof(e));
	if (e.fe_flags & (FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_UNWRITTEN |
				 FIEMAP_EXTENT_NOT_ALIGNED | FIEMAP_EXTENT_ENCODED))
		return false;
	*ret_place = e.fe_physical + (uint64_t)page * PAGE_BYTES - e.fe_logical;
	return true;
}

/* How many pages the device holds in another state than the committed one. One that has no place of
 * its own yet was never written. */
static uint32_t count_changed(const struct watch *w)
{
	_Alignas(PAGE_BYTES) static uint8_t bytes[PAGE_BYTES];
	uint32_t n = 0;

	for (uint32_t page = 0; page < w->n_pages; page++) {
		if (w->places[page] == NO_PLACE && !find_place(w, page, &w->places[page]))
			continue;
		n += pread(w->fd_raw, bytes, PAGE_BYTES, (off_t)w->places[page]) !=
			     (ssize_t)PAGE_BYTES ||
		     memcmp(bytes, w->committed + (size_t)page * PAGE_BYTES, PAGE_BYTES) != 0;
	}
	return n;
}

/* The name in /dev of a block device. */
static bool device_path(dev_t dev, char *path, size_t len)
{
	char line[128];
	FILE *f;
	bool found = false;

	(void)snprintf(line, sizeof(line), "/sys/dev/block/%u:%u/uevent", major(dev), minor(dev));
	f = fopen(line, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		if (strncmp(line, "DEVNAME=", 8) == 0) {
			line[strcspn(line, "\n")] = '\0';
			(void)snprintf(path, len, "/dev/%s", line + 8);
			found = true;
		}
	if (f)
		(void)fclose(f);
	return found;
}

static void open_device(struct watch *w, dev_t dev)
{
	char path[160];

	if (!device_path(dev, path, sizeof(path))) {
		(void)snprintf(w->why_bytes, TEXT_BYTES, "the file system is on no block device");
		return;
	}
	w->fd_raw = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (w->fd_raw < 0) {
		(void)snprintf(w->why_bytes, TEXT_BYTES, "%s: %s (needs root)", path,
			strerror(errno));
		return;
	}
	for (uint32_t page = 0; page < w->n_pages; page++)
		w->places[page] = NO_PLACE;
	if (count_changed(w) != 0)
		(void)snprintf(w->why_bytes, TEXT_BYTES,
			"%s does not hold the file's bytes where the file system says", path);
	if (w->why_bytes[0]) {
		(void)close(w->fd_raw);
		w->fd_raw = -1;
	}
}

/* --- the watch -------------------------------------------------------------------------------- */

bool watch_open(struct watch *w, const char *path, char text[TEXT_BYTES])
{
	static const struct reached nothing = {WATCH_UNKNOWN, WATCH_UNKNOWN, WATCH_UNKNOWN};
	struct stat st;
	size_t len;

	*w = (struct watch){.fd_raw = -1, .by_count = nothing, .by_bytes = nothing};
	w->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (w->fd < 0 || fstat(w->fd, &st) < 0)
		return failed(text, path);
	len = (size_t)st.st_size;
	w->n_pages = (uint32_t)(len / PAGE_BYTES);
	w->committed = malloc(len + 1);
	w->places = calloc(w->n_pages + 1, sizeof(*w->places));
	if (!w->committed || !w->places)
		abort();
	if (pread(w->fd, w->committed, len, 0) != (ssize_t)len || residency_drop(w->fd) < 0)
		return failed(text, path);
	open_device(w, st.st_dev);
	return true;
}

void watch_close(struct watch *w)
{
	if (w->fd >= 0)
		(void)close(w->fd);
	if (w->fd_raw >= 0)
		(void)close(w->fd_raw);
	free(w->committed);
	free(w->places);
}

static uint32_t count_dirty(struct watch *w)
{
	struct residency r;

	if (residency_get(w->fd, &r) == 0 && r.by_cachestat)
		return (uint32_t)(r.dirty_bytes / PAGE_BYTES);
	(void)snprintf(w->why_count, TEXT_BYTES,
		"cachestat is missing (Linux 6.5): nothing else counts dirty pages without root");
	return WATCH_UNKNOWN;
}

void watch_begin(struct watch *w)
{
	w->n_dirty = count_dirty(w);
	if (w->n_dirty != WATCH_UNKNOWN)
		w->by_count.pages = 0;
	if (w->fd_raw >= 0)
		w->by_bytes.pages = 0;
}

static void note(struct reached *r, uint32_t pages, uint32_t all, uint32_t after_ms)
{
	if (pages > r->pages)
		r->pages = pages;
	if (pages > 0 && r->first_ms == WATCH_UNKNOWN)
		r->first_ms = after_ms;
	if (pages > 0 && pages >= all && r->all_ms == WATCH_UNKNOWN)
		r->all_ms = after_ms;
}

void watch_sample(struct watch *w, uint32_t after_ms)
{
	uint32_t dirty = w->n_dirty == WATCH_UNKNOWN ? WATCH_UNKNOWN : count_dirty(w);

	if (dirty != WATCH_UNKNOWN)
		note(&w->by_count, dirty < w->n_dirty ? w->n_dirty - dirty : 0, w->n_dirty,
			after_ms);
	if (w->fd_raw >= 0)
		note(&w->by_bytes, count_changed(w),
			w->n_dirty == WATCH_UNKNOWN ? WATCH_UNKNOWN : w->n_dirty, after_ms);
}

bool watch_is_over(const struct watch *w)
{
	return w->n_dirty == 0 || (w->by_count.all_ms != WATCH_UNKNOWN &&
					  (w->fd_raw < 0 || w->by_bytes.all_ms != WATCH_UNKNOWN));
}
