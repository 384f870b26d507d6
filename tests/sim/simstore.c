/* SPDX-License-Identifier: MIT */
/*
 * Stores through writable maps of a file.
 *
 * A store tells the disk nothing. So before each event is logged, the bytes of files that are
 * mapped writable are compared with those that the log has, and the sectors that differ are logged
 * as writes, complete at once: a kernel writes them back whenever it wants, by pages of its cache.
 * It may catch them while they are changed: of every fourth write a state between the old and the
 * new one is logged first, in which each word is the one or the other.
 */
#include "tests/sim/sim_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_PAGE_BYTES 4096u
#define HALF_ONE_IN      4u /* writes are logged in a state between */

/* Other threads may be storing: a race by design, of which the kernel's write-back has the like. */
#define RACY __attribute__((no_sanitize_thread))

/* A byte of [from, to) that differs: the first, or `to`. */
RACY static uint64_t find_change(const volatile uint8_t *now, const uint8_t *noted, uint64_t from,
	uint64_t to)
{
	while (from < to && now[from] == noted[from]) {
		from++;
		while (from % 8 == 0 && from + 8 <= to &&
			*(const volatile uint64_t *)(now + from) ==
				*(const uint64_t *)(noted + from))
			from += 8;
	}
	return from;
}

RACY static void copy_bytes(uint8_t *to, const volatile uint8_t *from, uint64_t len)
{
	for (uint64_t i = 0; i < len; i++)
		to[i] = from[i];
}

static void log_store(struct simdisk *d, uint32_t ino, uint64_t off, uint64_t len,
	const uint8_t *data)
{
	struct sim_event *e = sim_log_add(d, SIM_WRITE, ino);

	e->over = true;
	e->off_bytes = off;
	e->len_bytes = len;
	e->data = data;
}

/* What was caught half-way: by words, since the processor stores no less at once. */
static void log_half(struct simdisk *d, uint32_t ino, uint64_t off, uint64_t len,
	const uint8_t *new_bytes)
{
	const uint8_t *old_bytes = d->inodes[ino].noted + off;
	uint64_t rng = sim_mix(d->opts.seed, sim_mix(d->n_events, off));
	uint8_t *data;

	if (sim_random(&rng) % HALF_ONE_IN)
		return;
	data = sim_log_bytes(d, len);
	for (uint64_t i = 0; i < len; i++)
		data[i] = sim_mix(rng, i / 8) % 2 ? old_bytes[i] : new_bytes[i];
	log_store(d, ino, off, len, data);
}

/*
 * Whether write-back of its page brings the disk new bytes in the sector at off: what was stored
 * since, and what a failed flush left in the cache alone.
 */
static bool is_dirty(const struct sim_inode *in, uint64_t off)
{
	uint64_t end = off + SIM_SECTOR < in->size ? off + SIM_SECTOR : in->size;

	return find_change(in->live, in->noted, off, end) < end ||
	       (in->device && find_change(in->live, in->device, off, end) < end);
}

/* The kernel finds blocks for a whole page of its cache, whatever is stored there. */
static void find_blocks(struct simdisk *d, struct sim_inode *in, uint64_t off)
{
	uint64_t from = off / CACHE_PAGE_BYTES * CACHE_PAGE_BYTES;
	uint64_t end = from + CACHE_PAGE_BYTES < in->size ? from + CACHE_PAGE_BYTES : in->size;

	if (sim_room(d, in, from, end - from) < 0) {
		fprintf(stderr,
			"simulator: a store at byte %llu of a file found no block: SIGBUS\n",
			(unsigned long long)off);
		abort();
	}
	sim_room_written(d, in, from, end - from);
}

/* Whole sectors, but for the last of the file. */
static void note_run(struct simdisk *d, uint32_t ino, uint64_t off, uint64_t end)
{
	struct sim_inode *in = &d->inodes[ino];
	uint64_t len = end - off;
	uint8_t *data = sim_log_bytes(d, len);

	find_blocks(d, in, off);
	copy_bytes(data, in->live + off, len);
	log_half(d, ino, off, len, data);
	log_store(d, ino, off, len, data);
	if (d->image)
		sim_touch(in, off, len);
	memcpy(in->noted + off, data, len);
	if (in->device)
		memcpy(in->device + off, data, len);
}

/* The runs of dirty sectors of the cache page at `at`, in which something was stored. */
static void note_page(struct simdisk *d, uint32_t ino, uint64_t at)
{
	struct sim_inode *in = &d->inodes[ino];
	uint64_t end = at + CACHE_PAGE_BYTES < in->size ? at + CACHE_PAGE_BYTES : in->size;

	while (at < end) {
		uint64_t from = at;

		while (at < end && is_dirty(in, at))
			at += SIM_SECTOR;
		if (at > from)
			note_run(d, ino, from, at < end ? at : end);
		else
			at += SIM_SECTOR;
	}
}

void sim_stores_note(struct simdisk *d)
{
	for (uint32_t ino = 0; ino < d->n_inodes && d->n_stores > 0; ino++) {
		struct sim_inode *in = &d->inodes[ino];

		for (uint64_t at = 0; in->n_stores > 0 && at < in->size; at += CACHE_PAGE_BYTES) {
			at = find_change(in->live, in->noted, at, in->size);
			if (at >= in->size)
				break;
			at = at / CACHE_PAGE_BYTES * CACHE_PAGE_BYTES;
			note_page(d, ino, at);
		}
	}
}

void sim_stores_begin(struct simdisk *d, uint32_t ino)
{
	struct sim_inode *in = &d->inodes[ino];

	if (!in->noted) {
		in->noted = sim_reserve(d->opts.file_bytes_max);
		memcpy(in->noted, in->live, in->size);
	}
	in->n_stores++;
	d->n_stores++;
}

void sim_stores_end(struct simdisk *d, uint32_t ino)
{
	sim_stores_note(d);
	d->inodes[ino].n_stores--;
	d->n_stores--;
}
