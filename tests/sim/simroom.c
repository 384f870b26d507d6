/* SPDX-License-Identifier: MIT */
/*
 * Room on the simulated disk: which writes find blocks.
 *
 * A file takes as many bytes as it is long, without its holes: sectors that truncation added, or
 * that a copy left out, until they are written or allocated. A file without a name takes them as
 * long as it is open. On a disk that overwrites in place, writing where there is a block needs
 * nothing more. On one that copies on write, each sector that is written the first time since the
 * file's last sync takes a new block, and the old one is held until the next sync: what was
 * allocated before is of no help.
 */
#include "tests/sim/sim_int.h"

#include <errno.h>
#include <string.h>

static bool in_use(const struct simdisk *d, uint32_t ino)
{
	for (uint32_t i = 0; i < d->n_names; i++)
		if (d->names[i].ino == ino)
			return true;
	for (const struct simfile *f = d->files; f; f = f->next)
		if (f->ino == ino && !f->dead)
			return true;
	return false;
}

static bool bit_is_set(const uint64_t *bits, uint64_t s)
{
	return bits[s / 64] >> (s % 64) & 1;
}

static uint64_t used_bytes(const struct simdisk *d)
{
	uint64_t used = 0;

	for (uint32_t i = 0; i < d->n_inodes; i++) {
		const struct sim_inode *in = &d->inodes[i];

		if (in_use(d, i))
			used += in->size + SIM_SECTOR * ((uint64_t)in->n_held - in->n_holes);
	}
	return used;
}

/* Of the sectors of [off, end) below the end of the file: the holes. */
static uint64_t count_holes(const struct sim_inode *in, uint64_t off, uint64_t end)
{
	uint64_t n = 0;

	for (uint64_t s = off / SIM_SECTOR; in->n_holes && s * SIM_SECTOR < end; s++)
		n += s * SIM_SECTOR < in->size && bit_is_set(in->hole_bits, s);
	return n;
}

/* And those whose old blocks would be held. */
static uint64_t count_copied(const struct sim_inode *in, uint64_t off, uint64_t end)
{
	uint64_t n = 0;

	for (uint64_t s = off / SIM_SECTOR; s * SIM_SECTOR < end && s * SIM_SECTOR < in->size; s++)
		n += !bit_is_set(in->fresh_bits, s) && !bit_is_set(in->hole_bits, s);
	return n;
}

static int room_for(const struct simdisk *d, const struct sim_inode *in, uint64_t off, uint64_t len,
	bool copies)
{
	uint64_t end = off + len, more;

	if (end > d->opts.file_bytes_max)
		return -EFBIG;
	if (d->opts.space_bytes == 0)
		return 0;
	more = end > in->size ? end - in->size : 0;
	more += count_holes(in, off, end) * SIM_SECTOR;
	if (copies)
		more += count_copied(in, off, end) * SIM_SECTOR;
	return more > 0 && used_bytes(d) + more > d->opts.space_bytes ? -ENOSPC : 0;
}

int sim_room(const struct simdisk *d, const struct sim_inode *in, uint64_t off, uint64_t len)
{
	return room_for(d, in, off, len, d->opts.cow);
}

int sim_room_allocate(const struct simdisk *d, const struct sim_inode *in, uint64_t off,
	uint64_t len)
{
	return room_for(d, in, off, len, false);
}

void sim_room_allocated(struct sim_inode *in, uint64_t off, uint64_t len)
{
	for (uint64_t s = off / SIM_SECTOR; in->n_holes && s * SIM_SECTOR < off + len; s++) {
		in->n_holes -= bit_is_set(in->hole_bits, s);
		in->hole_bits[s / 64] &= ~(UINT64_C(1) << (s % 64));
	}
}

void sim_room_written(const struct simdisk *d, struct sim_inode *in, uint64_t off, uint64_t len)
{
	if (d->opts.cow)
		in->n_held += (uint32_t)count_copied(in, off, off + len);
	sim_room_allocated(in, off, len);
	for (uint64_t s = off / SIM_SECTOR; d->opts.cow && s * SIM_SECTOR < off + len; s++)
		in->fresh_bits[s / 64] |= UINT64_C(1) << (s % 64);
}

static void dig(struct sim_inode *in, uint64_t s)
{
	in->n_holes += !bit_is_set(in->hole_bits, s);
	in->hole_bits[s / 64] |= UINT64_C(1) << (s % 64);
}

void sim_room_truncated(struct sim_inode *in, uint64_t from, uint64_t to)
{
	if (to < from)
		sim_room_allocated(in, to, from - to);
	for (uint64_t s = (from + SIM_SECTOR - 1) / SIM_SECTOR; (s + 1) * SIM_SECTOR <= to; s++)
		dig(in, s);
}

void simdisk_dig(struct simdisk *d, const char *path)
{
	static const uint8_t zeros[SIM_SECTOR];

	(void)pthread_mutex_lock(&d->lock);
	for (uint32_t i = 0; i < d->n_names; i++) {
		struct sim_inode *in = &d->inodes[d->names[i].ino];

		if (d->names[i].ino == SIM_NONE || strcmp(d->names[i].path, path) != 0)
			continue;
		for (uint64_t s = 0; (s + 1) * SIM_SECTOR <= in->size; s++) {
			if (memcmp(in->live + s * SIM_SECTOR, zeros, SIM_SECTOR) == 0)
				dig(in, s);
		}
	}
	(void)pthread_mutex_unlock(&d->lock);
}

void sim_room_synced(const struct simdisk *d, struct sim_inode *in)
{
	if (!d->opts.cow)
		return;
	in->n_held = 0;
	memset(in->fresh_bits, 0, d->opts.file_bytes_max / SIM_SECTOR / 8);
}

void simdisk_set_space(struct simdisk *d, uint64_t space_bytes)
{
	(void)pthread_mutex_lock(&d->lock);
	sim_stores_note(d); /* on the disk as it was */
	d->opts.space_bytes = space_bytes;
	(void)pthread_mutex_unlock(&d->lock);
}

uint64_t simdisk_space_used(struct simdisk *d)
{
	uint64_t used;

	(void)pthread_mutex_lock(&d->lock);
	sim_stores_note(d);
	used = used_bytes(d);
	(void)pthread_mutex_unlock(&d->lock);
	return used;
}
