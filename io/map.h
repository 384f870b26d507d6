/* SPDX-License-Identifier: MIT */
/*
 * A mapping of a piece of a file that grows in place: one reservation of address space, the file
 * mapped at its start, no pointer ever moves.
 *
 * Bytes within the mapped length are coherent with file_write() on the same file. Access beyond the
 * file's end (another process cut it) raises SIGBUS: io/fault.h turns that into an error.
 */
#ifndef IO_MAP_H
#define IO_MAP_H

#include "io/io.h"

enum map_advice {
	ADVICE_NORMAL,
	ADVICE_RANDOM,
	ADVICE_SEQUENTIAL,
	ADVICE_WILLNEED,
	ADVICE_DONTNEED,
	ADVICE_COLD,    /* the kernel may take these pages first; they stay until it must */
	ADVICE_POPULATE /* read and map it now; may block */
};

struct map_ops {
	/*
	 * Makes [0, len_bytes) accessible and what lies above not; shrinks too. -ENOMEM beyond the
	 * reservation. One thread at a time.
	 */
	int (*extend)(struct map *m, uint64_t len_bytes);

	/* A hint about [off, off + len); a failure does not matter and is not reported. */
	void (*advise)(struct map *m, uint64_t off_bytes, uint64_t len_bytes,
		enum map_advice advice);

	void (*close)(struct map *m);
};

struct map {
	const struct map_ops *ops;
	uint8_t *base;           /* start of the reservation, of off_bytes in the file; constant */
	uint64_t off_bytes;      /* constant */
	uint64_t reserved_bytes; /* constant */
	_Atomic uint64_t len_bytes; /* accessible now; written by extend, read by advise */
};

static inline int map_extend(struct map *m, uint64_t len_bytes)
{
	return m->ops->extend(m, len_bytes);
}

static inline void map_advise(struct map *m, uint64_t off_bytes, uint64_t len_bytes,
	enum map_advice advice)
{
	m->ops->advise(m, off_bytes, len_bytes, advice);
}

/* Takes NULL. */
static inline void map_close(struct map *m)
{
	if (m)
		m->ops->close(m);
}

#endif
