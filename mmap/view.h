/* SPDX-License-Identifier: MIT */
/*
 * The whole file, mapped: byte by byte in one order, in segments of address space.
 *
 * The first segment has VIEW_FIRST bytes of the file; each further one has as many as all before it
 * together. So the address space is in proportion to the file, no size has to be guessed, and
 * nothing that is mapped ever moves. Which segment a byte lies in follows from the highest bit of
 * its offset; a page lies in one segment, because both sizes are powers of two.
 */
#ifndef MMAP_VIEW_H
#define MMAP_VIEW_H

#include "io/fault.h"
#include "io/map.h"

#include <stdatomic.h>
#include <stdint.h>

#define VIEW_FIRST_BITS 20U /* 1 MiB */
#define VIEW_FIRST      (UINT64_C(1) << VIEW_FIRST_BITS)
#define VIEW_SEGMENTS   (48 - VIEW_FIRST_BITS + 1) /* 2^32 pages of 64 KiB */

struct view {
	/* Of each segment: where byte 0 would lie if it began with that. Constant once made. */
	_Atomic uintptr_t origins[VIEW_SEGMENTS];
	struct io *io;                   /* constant */
	struct file *file;               /* constant */
	enum map_mode mode;              /* constant */
	struct map *maps[VIEW_SEGMENTS]; /* the thread that resizes; NULL: not made yet */
	struct fault_areas areas;        /* of the segments */
};

/* A view of nothing, in zeroed memory. */
void view_init(struct view *v, struct io *io, struct file *file, enum map_mode mode);

/*
 * Makes [0, len_bytes) accessible and what lies above not; the file has so many bytes. One thread
 * at a time. What io_map() and map_extend() return; the view is then what it was or less: call
 * again with what it was.
 */
int view_reach(struct view *v, uint64_t len_bytes);

/* A hint; what lies above the view is left out. */
void view_advise(struct view *v, uint64_t off_bytes, uint64_t len_bytes, enum map_advice advice);

void view_fini(struct view *v);

/* Address space that the view has taken. Any thread. */
uint64_t view_reserved_bytes(const struct view *v);

/* Whether a pointer is into the view. Any thread. */
bool view_owns(const struct view *v, const void *p);

/* The offset of a byte of the view. */
uint64_t view_offset(const struct view *v, const void *p);

static inline unsigned view_segment(uint64_t off_bytes)
{
	return 63U - VIEW_FIRST_BITS + 1 - (unsigned)__builtin_clzll(off_bytes | (VIEW_FIRST - 1));
}

/* Below what view_reach() reached. */
static inline const void *view_at(const struct view *v, uint64_t off_bytes)
{
	uintptr_t origin =
		atomic_load_explicit(&v->origins[view_segment(off_bytes)], memory_order_relaxed);

	return (const void *)(origin + off_bytes);
}

#endif
