/* SPDX-License-Identifier: MIT */
/*
 * Room on the simulated disk: which writes find blocks.
 *
 * A file takes as many bytes as it is long, whether by writing, by allocation, or (a real disk
 * would leave a hole) by truncation. A file without a name takes them as long as it is open. On a
 * disk that overwrites in place, writing below the end of a file needs nothing more. On one that
 * copies on write, each sector that is written the first time since the file's last sync takes a
 * new block, and the old one is held until the next sync: what was allocated before is of no help.
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

static uint64_t used_bytes(const struct simdisk *d)
{
	uint64_t used = 0;

	for (uint32_t i = 0; i < d->n_inodes; i++)
		if (in_use(d, i))
			used += d->inodes[i].size + (uint64_t)d->inodes[i].n_held * SIM_SECTOR;
	return used;
}

static bool is_fresh(const struct sim_inode *in, uint64_t s)
{
	return in->fresh_bits[s / 64] >> (s % 64) & 1;
}

/* Sectors of [off, end) below the end of the file whose old blocks would be held. */
static uint64_t count_copied(const struct sim_inode *in, uint64_t off, uint64_t end)
{
	uint64_t n = 0;

	for (uint64_t s = off / SIM_SECTOR; s * SIM_SECTOR < end && s * SIM_SECTOR < in->size; s++)
		n += !is_fresh(in, s);
	return n;
}

int sim_room(const struct simdisk *d, const struct sim_inode *in, uint64_t off, uint64_t len)
{
	uint64_t end = off + len, more;

	if (end > d->opts.file_bytes_max)
		return -EFBIG;
	if (d->opts.space_bytes == 0)
		return 0;
	more = end > in->size ? end - in->size : 0;
	if (d->opts.cow)
		more += count_copied(in, off, end) * SIM_SECTOR;
	return more > 0 && used_bytes(d) + more > d->opts.space_bytes ? -ENOSPC : 0;
}

void sim_room_written(const struct simdisk *d, struct sim_inode *in, uint64_t off, uint64_t len)
{
	if (!d->opts.cow)
		return;
	in->n_held += (uint32_t)count_copied(in, off, off + len);
	for (uint64_t s = off / SIM_SECTOR; s * SIM_SECTOR < off + len; s++)
		in->fresh_bits[s / 64] |= UINT64_C(1) << (s % 64);
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
	d->opts.space_bytes = space_bytes;
	(void)pthread_mutex_unlock(&d->lock);
}

uint64_t simdisk_space_used(struct simdisk *d)
{
	uint64_t used;

	(void)pthread_mutex_lock(&d->lock);
	used = used_bytes(d);
	(void)pthread_mutex_unlock(&d->lock);
	return used;
}
