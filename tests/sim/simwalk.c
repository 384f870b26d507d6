/* SPDX-License-Identifier: MIT */
/*
 * Walking the log: what is durable and what is pending after each event.
 *
 * A successful sync moves what was complete before its submission from pending to durable, in the
 * order of completion; a failed one moves some sectors of it and forgets the others. Every change
 * of a durable sector is told to the image (sim_touch), so that making the next image costs only
 * what differs.
 */
#include "tests/sim/walk_int.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

uint64_t walk_sector_hash(uint64_t sector, const uint8_t *bytes)
{
	return hash_bytes(bytes, SIM_SECTOR, sector);
}

static uint64_t sectors_of(uint64_t size)
{
	return (size + SIM_SECTOR - 1) / SIM_SECTOR;
}

bool sim_survives(const struct simdisk *d, uint64_t sync, uint64_t n, uint64_t sector)
{
	uint64_t how = sim_mix(d->opts.seed, sync);

	if (how % 4 == 0)
		return false;
	if (how % 4 == 1)
		return true;
	return sim_mix(how, sim_mix(n, sector)) % 2;
}

/* --- durable bytes --------------------------------------------------------------------------- */

static void touch(struct simwalk *w, uint32_t ino, uint64_t off, uint64_t len)
{
	if (w->image && ino < w->image->n_inodes)
		sim_touch(&w->image->inodes[ino], off, len);
}

static void durable_resize(struct simwalk *w, uint32_t ino, uint64_t size)
{
	struct walk_file *f = &w->files[ino];
	uint64_t old = f->size;
	uint64_t from = sectors_of(size < old ? size : old);
	uint64_t to = sectors_of(size < old ? old : size);

	if (size < old) {
		uint64_t tail = size / SIM_SECTOR;

		if (size % SIM_SECTOR)
			f->sum -= walk_sector_hash(tail, f->durable + tail * SIM_SECTOR);
		for (uint64_t s = from; s < to; s++)
			f->sum -= walk_sector_hash(s, f->durable + s * SIM_SECTOR);
		memset(f->durable + size, 0, old - size);
		touch(w, ino, size, old - size);
		if (size % SIM_SECTOR)
			f->sum += walk_sector_hash(tail, f->durable + tail * SIM_SECTOR);
	} else {
		for (uint64_t s = from; s < to; s++)
			f->sum += walk_sector_hash(s, f->durable + s * SIM_SECTOR);
	}
	f->size = size;
}

/* Within the durable size; len within one sector. */
static void durable_write(struct simwalk *w, uint32_t ino, const uint8_t *data, uint64_t off,
	uint64_t len)
{
	struct walk_file *f = &w->files[ino];
	uint64_t s = off / SIM_SECTOR;

	f->sum -= walk_sector_hash(s, f->durable + s * SIM_SECTOR);
	memcpy(f->durable + off, data, len);
	f->sum += walk_sector_hash(s, f->durable + s * SIM_SECTOR);
	touch(w, ino, off, len);
}

/* Applies an operation that `sync` covered. failed: only what survives the failure. */
static void make_durable(struct simwalk *w, const struct walk_op *op, uint64_t sync, bool failed)
{
	struct walk_file *f = &w->files[op->ino];
	uint64_t end = op->off_bytes + op->len_bytes;
	bool size = !failed || sim_survives(w->disk, sync, op->event, UINT64_MAX);

	if (op->kind == OP_SIZE && size)
		durable_resize(w, op->ino, op->off_bytes);
	else if (op->kind != OP_SIZE && size && end > f->size)
		durable_resize(w, op->ino, end);
	if (op->kind != OP_WRITE)
		return;
	for (uint64_t off = op->off_bytes; off < end;) {
		uint64_t next = (off / SIM_SECTOR + 1) * SIM_SECTOR;

		if (next > end)
			next = end;
		if (next <= f->size &&
			(!failed || sim_survives(w->disk, sync, op->event, off / SIM_SECTOR)))
			durable_write(w, op->ino, op->data + (off - op->off_bytes), off,
				next - off);
		off = next;
	}
}

/* --- events ---------------------------------------------------------------------------------- */

static struct walk_op *op_add(struct simwalk *w, enum walk_op_kind kind, const struct sim_event *e,
	uint64_t n)
{
	struct walk_op *op;

	if (w->n_ops == w->cap_ops) {
		w->cap_ops = w->cap_ops ? 2 * w->cap_ops : 64;
		w->ops = sim_grow(w->ops, w->cap_ops, sizeof(*w->ops));
	}
	op = &w->ops[w->n_ops++];
	*op = (struct walk_op){
		.kind = kind,
		.ino = e->ino,
		.name = e->name,
		.from = e->from,
		.event = n,
		.done = n,
		.off_bytes = e->off_bytes,
		.len_bytes = e->len_bytes,
		.data = e->data,
	};
	return op;
}

static void op_remove(struct simwalk *w, unsigned i)
{
	memmove(&w->ops[i], &w->ops[i + 1], (w->n_ops - i - 1) * sizeof(*w->ops));
	w->n_ops--;
}

/* What was complete before event `submitted` becomes durable, or some of it. */
static void covered(struct simwalk *w, uint32_t ino, uint64_t submitted, uint64_t sync, bool failed)
{
	for (;;) {
		unsigned first = w->n_ops;

		for (unsigned i = 0; i < w->n_ops; i++)
			if (w->ops[i].kind != OP_NAME && w->ops[i].ino == ino &&
				w->ops[i].done < submitted &&
				(first == w->n_ops || w->ops[i].done < w->ops[first].done))
				first = i;
		if (first == w->n_ops)
			return;
		make_durable(w, &w->ops[first], sync, failed);
		op_remove(w, first);
	}
}

static void write_done(struct simwalk *w, const struct sim_event *e, uint64_t n)
{
	for (unsigned i = 0; i < w->n_ops; i++) {
		if (w->ops[i].kind != OP_WRITE || w->ops[i].event != e->of)
			continue;
		w->ops[i].done = n;
		w->ops[i].len_bytes = e->len_bytes;
		if (e->len_bytes == 0)
			op_remove(w, i);
		return;
	}
}

static size_t folder_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) : 0;
}

static void names_durable(struct simwalk *w, uint32_t name)
{
	const char *path = w->disk->names[name].path;
	size_t len = folder_len(path);

	for (unsigned i = 0; i < w->n_ops;) {
		const struct walk_op *op = &w->ops[i];
		const char *other = op->kind == OP_NAME ? w->disk->names[op->name].path : NULL;

		if (other && folder_len(other) == len && memcmp(other, path, len) == 0) {
			if (op->from != SIM_NONE)
				w->names[op->from] = SIM_NONE;
			w->names[op->name] = op->ino;
			op_remove(w, i);
		} else {
			i++;
		}
	}
}

static void files_make(struct simwalk *w, uint32_t n)
{
	if (n > w->cap_files) {
		w->files = sim_grow(w->files, n, sizeof(*w->files));
		memset(w->files + w->cap_files, 0, (n - w->cap_files) * sizeof(*w->files));
		w->cap_files = n;
	}
	for (; w->n_files < n; w->n_files++) {
		struct walk_file *f = &w->files[w->n_files];

		if (!f->durable)
			f->durable = sim_reserve(w->disk->opts.file_bytes_max);
	}
}

static void step(struct simwalk *w)
{
	uint64_t n = w->at++;
	const struct sim_event *e = &w->disk->events[n];

	switch (e->kind) {
	case SIM_NAME:
		(void)op_add(w, OP_NAME, e, n);
		break;
	case SIM_SYNC_DIR:
		names_durable(w, e->name);
		break;
	case SIM_WRITE:
		op_add(w, OP_WRITE, e, n)->done = e->over ? n : UINT64_MAX;
		break;
	case SIM_WRITE_DONE:
		write_done(w, e, n);
		break;
	case SIM_SYNC:
		break;
	case SIM_SYNC_DONE:
	case SIM_SYNC_FAILED:
		covered(w, e->ino, e->of, n, e->kind == SIM_SYNC_FAILED);
		break;
	case SIM_SIZE:
		(void)op_add(w, OP_SIZE, e, n);
		break;
	case SIM_GROW:
		(void)op_add(w, OP_GROW, e, n);
		break;
	}
	w->versions_valid = false;
}

/* --- the walk -------------------------------------------------------------------------------- */

struct simwalk *simwalk_new(const struct simdisk *d)
{
	struct simwalk *w = sim_alloc(sizeof(*w));

	simwalk_restart(w, d);
	return w;
}

static void file_restart(struct simwalk *w, uint32_t ino)
{
	struct walk_file *f = &w->files[ino];
	const struct sim_inode *in = &w->disk->inodes[ino];
	bool based = w->disk->has_base && ino < w->disk->n_base_inodes && in->base;
	uint64_t size = based ? in->base_size : 0;

	durable_resize(w, ino, size);
	for (uint64_t off = 0; off < size; off += SIM_SECTOR)
		if (memcmp(f->durable + off, in->base + off, SIM_SECTOR) != 0)
			durable_write(w, ino, in->base + off, off,
				size - off < SIM_SECTOR ? size - off : SIM_SECTOR);
}

void simwalk_restart(struct simwalk *w, const struct simdisk *d)
{
	w->disk = d;
	w->file_bytes_max = d->opts.file_bytes_max;
	w->at = 0;
	w->n_ops = 0;
	w->versions_valid = false;
	files_make(w, d->n_inodes);
	for (uint32_t i = 0; i < w->n_files; i++)
		if (i < d->n_inodes)
			file_restart(w, i);
		else
			durable_resize(w, i, 0);
	if (d->n_names > w->cap_names) {
		w->cap_names = d->n_names;
		w->names = sim_grow(w->names, w->cap_names, sizeof(*w->names));
	}
	w->n_names = d->n_names;
	for (uint32_t i = 0; i < d->n_names; i++)
		w->names[i] = d->names[i].base_ino;
}

void simwalk_free(struct simwalk *w)
{
	if (!w)
		return;
	for (uint32_t i = 0; i < w->cap_files; i++)
		sim_unreserve(w->files[i].durable, w->file_bytes_max);
	simdisk_free(w->image);
	free(w->files);
	free(w->names);
	free(w->ops);
	free(w->versions);
	free(w->take);
	free(w);
}

void simwalk_to(struct simwalk *w, uint64_t n)
{
	ASSERT(n >= w->at);
	ASSERT(n <= w->disk->n_events);
	while (w->at < n)
		step(w);
}

uint64_t simwalk_at(const struct simwalk *w)
{
	return w->at;
}

unsigned simwalk_pending(const struct simwalk *w)
{
	return w->n_ops;
}

static int version_compare(const void *a, const void *b)
{
	const struct walk_version *x = a, *y = b;

	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	if (x->sector != y->sector)
		return x->sector < y->sector ? -1 : 1;
	return x->op < y->op ? -1 : x->op > y->op;
}

void walk_build_versions(struct simwalk *w)
{
	if (w->versions_valid)
		return;
	w->n_versions = 0;
	for (unsigned i = 0; i < w->n_ops; i++) {
		const struct walk_op *op = &w->ops[i];
		uint64_t end = sectors_of(op->off_bytes + op->len_bytes);

		if (op->kind != OP_WRITE)
			continue;
		for (uint64_t s = op->off_bytes / SIM_SECTOR; s < end; s++) {
			if (w->n_versions == w->cap_versions) {
				w->cap_versions = w->cap_versions ? 2 * w->cap_versions : 256;
				w->versions = sim_grow(w->versions, w->cap_versions,
					sizeof(*w->versions));
			}
			w->versions[w->n_versions++] =
				(struct walk_version){op->ino, (uint32_t)s, i};
		}
	}
	if (w->n_versions)
		qsort(w->versions, w->n_versions, sizeof(*w->versions), version_compare);
	w->versions_valid = true;
}

/* --- the device view after a failed sync ------------------------------------------------------ */

void sim_device_build(struct simdisk *d, uint32_t ino)
{
	struct sim_inode *in = &d->inodes[ino];
	struct simwalk *w = simwalk_new(d);
	uint64_t after = 0;

	simwalk_to(w, d->n_events);
	if (!in->device)
		in->device = sim_reserve(d->opts.file_bytes_max);
	memset(in->device, 0, in->size);
	memcpy(in->device, w->files[ino].durable,
		w->files[ino].size < in->size ? w->files[ino].size : in->size);
	/* What was not covered is still in the cache, and shows. */
	for (;;) {
		const struct walk_op *next = NULL;

		for (unsigned i = 0; i < w->n_ops; i++)
			if (w->ops[i].ino == ino && w->ops[i].kind != OP_NAME &&
				w->ops[i].done != UINT64_MAX && w->ops[i].done >= after &&
				(!next || w->ops[i].done < next->done))
				next = &w->ops[i];
		if (!next)
			break;
		if (next->kind == OP_WRITE && next->off_bytes < in->size) {
			uint64_t room = in->size - next->off_bytes;

			memcpy(in->device + next->off_bytes, next->data,
				next->len_bytes < room ? next->len_bytes : room);
		}
		after = next->done + 1;
	}
	simwalk_free(w);
}
