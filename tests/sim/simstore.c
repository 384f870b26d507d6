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

/* Where the run of changed sectors ends that begins with the one at off: within a cache page. */
static uint64_t run_end(const struct sim_inode *in, uint64_t off)
{
	uint64_t most = (off / CACHE_PAGE_BYTES + 1) * CACHE_PAGE_BYTES;
	uint64_t end = off + SIM_SECTOR;

	while (end < in->size && end < most &&
		find_change(in->live, in->noted, end, end + SIM_SECTOR) < end + SIM_SECTOR)
		end += SIM_SECTOR;
	return end < in->size ? end : in->size;
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

void sim_stores_note(struct simdisk *d)
{
	for (uint32_t ino = 0; ino < d->n_inodes && d->n_stores > 0; ino++) {
		struct sim_inode *in = &d->inodes[ino];

		for (uint64_t at = 0; in->n_stores > 0 && at < in->size;) {
			uint64_t end;

			at = find_change(in->live, in->noted, at, in->size);
			if (at >= in->size)
				break;
			at = at / SIM_SECTOR * SIM_SECTOR;
			end = run_end(in, at);
			note_run(d, ino, at, end);
			at = end;
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
