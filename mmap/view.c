/* SPDX-License-Identifier: MIT */
/*
 * Segments of the view: maps are made as the file grows, shrink with it, and are unmapped at the
 * end alone, so an address that was handed out stays the file's.
 */
#include "mmap/view.h"
#include "base/assert.h"

_Static_assert(VIEW_SEGMENTS <= FAULT_AREAS_MAX, "each segment is an area");

static uint64_t segment_first(unsigned k)
{
	return k == 0 ? 0 : VIEW_FIRST << (k - 1);
}

static uint64_t segment_bytes(unsigned k)
{
	return k == 0 ? VIEW_FIRST : VIEW_FIRST << (k - 1);
}

void view_init(struct view *v, struct io *io, struct file *file, enum map_mode mode)
{
	v->mode = mode;
	v->io = io;
	v->file = file;
}

static int make_segment(struct view *v, unsigned k)
{
	int rc = io_map(v->io, v->file, v->mode, segment_first(k), segment_bytes(k), &v->maps[k]);

	if (rc < 0)
		return rc;
	fault_areas_add(&v->areas, v->maps[k]->base, segment_bytes(k));
	atomic_store_explicit(&v->origins[k],
		(uintptr_t)v->maps[k]->base - (uintptr_t)segment_first(k), memory_order_release);
	return 0;
}

int view_reach(struct view *v, uint64_t len_bytes)
{
	for (unsigned k = 0; k < VIEW_SEGMENTS; k++) {
		uint64_t first = segment_first(k);
		uint64_t len = len_bytes > first ? len_bytes - first : 0;
		int rc = 0;

		if (len > segment_bytes(k))
			len = segment_bytes(k);
		if (len > 0 && !v->maps[k])
			rc = make_segment(v, k);
		if (rc == 0 && v->maps[k] && v->maps[k]->len_bytes != len)
			rc = map_extend(v->maps[k], len);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void view_advise(struct view *v, uint64_t off_bytes, uint64_t len_bytes, enum map_advice advice)
{
	uint64_t end_bytes = off_bytes + len_bytes;

	for (unsigned k = view_segment(off_bytes); k < VIEW_SEGMENTS && off_bytes < end_bytes;
		k++) {
		uint64_t first = segment_first(k), until = first + segment_bytes(k);

		if (atomic_load_explicit(&v->origins[k], memory_order_acquire) == 0)
			return;
		if (until > end_bytes)
			until = end_bytes;
		map_advise(v->maps[k], off_bytes - first, until - off_bytes, advice);
		off_bytes = until;
	}
}

void view_fini(struct view *v)
{
	for (unsigned k = 0; k < VIEW_SEGMENTS; k++)
		map_close(v->maps[k]);
}

uint64_t view_reserved_bytes(const struct view *v)
{
	unsigned n = atomic_load_explicit(&v->areas.n, memory_order_acquire);
	uint64_t bytes = 0;

	for (unsigned i = 0; i < n; i++)
		bytes += v->areas.areas[i].len_bytes;
	return bytes;
}

bool view_owns(const struct view *v, const void *p)
{
	unsigned n = atomic_load_explicit(&v->areas.n, memory_order_acquire);

	for (unsigned i = 0; i < n; i++) {
		if ((uintptr_t)p - (uintptr_t)v->areas.areas[i].base < v->areas.areas[i].len_bytes)
			return true;
	}
	return false;
}

uint64_t view_offset(const struct view *v, const void *p)
{
	for (unsigned k = 0; k < VIEW_SEGMENTS; k++) {
		uint64_t off_bytes = (uintptr_t)p - atomic_load(&v->origins[k]);

		if (off_bytes - segment_first(k) < segment_bytes(k) && v->maps[k])
			return off_bytes;
	}
	ASSERT(false); /* it was a byte of the view */
	return 0;
}
