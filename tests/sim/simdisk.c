/* SPDX-License-Identifier: MIT */
/*
 * The simulated disk: names, the log of events, and the bytes of files as programs see them.
 *
 * The live view of a file is a memory file, mapped once at a place that never moves and cut or
 * grown with the file, so that a map of it behaves as the kernel's: coherent with writes, SIGBUS
 * beyond the end. The disk holds no durable image while a workload runs: that, and what is pending,
 * is rebuilt from the log by a walk.
 */
#include "tests/sim/sim_int.h"

#include "base/hash.h"
#include "verso_codes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILE_BYTES_MAX (UINT64_C(64) << 20)
#define BLOCK_BYTES    (UINT64_C(256) << 10)

static const char *const call_names[SIM_CALL_KINDS] = {"open", "read", "write", "sync", "truncate",
	"allocate", "sync_dir", "unlink", "rename", "name_file", "map"};

static const char *const event_names[] = {
	[SIM_NAME] = "name",
	[SIM_SYNC_DIR] = "sync_dir",
	[SIM_WRITE] = "write",
	[SIM_WRITE_DONE] = "write_done",
	[SIM_SYNC] = "sync",
	[SIM_SYNC_DONE] = "sync_done",
	[SIM_SYNC_FAILED] = "sync_failed",
	[SIM_SIZE] = "size",
	[SIM_GROW] = "grow",
};

/* --- memory ------------------------------------------------------------------------------- */

static void out_of_memory(const char *what)
{
	perror(what);
	abort();
}

/* In programs with the failing allocator, the simulator itself is spared. */
void failmalloc_pause(void) __attribute__((weak));
void failmalloc_resume(void) __attribute__((weak));

static void spare(bool on)
{
	if (failmalloc_pause && on)
		failmalloc_pause();
	if (failmalloc_resume && !on)
		failmalloc_resume();
}

void *sim_alloc(size_t len_bytes)
{
	void *p;

	spare(true);
	p = calloc(1, len_bytes ? len_bytes : 1);
	spare(false);
	if (!p)
		out_of_memory("simulator: calloc");
	return p;
}

void *sim_grow(void *p, size_t n, size_t item_bytes)
{
	spare(true);
	p = realloc(p, n * item_bytes);
	spare(false);
	if (!p)
		out_of_memory("simulator: realloc");
	return p;
}

void *sim_reserve(uint64_t len_bytes)
{
	void *p = mmap(NULL, len_bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		out_of_memory("simulator: mmap");
	return p;
}

void sim_unreserve(void *p, uint64_t len_bytes)
{
	if (p)
		(void)munmap(p, len_bytes);
}

uint64_t sim_mix(uint64_t a, uint64_t b)
{
	uint64_t z = (a ^ (b * 0x9e3779b97f4a7c15u)) + 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t sim_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15u;
	return sim_mix(*state, 0);
}

/* --- the log ------------------------------------------------------------------------------ */

struct sim_event *sim_log_add(struct simdisk *d, enum sim_event_kind kind, uint32_t ino)
{
	struct sim_event *e;

	if (d->n_events == d->cap_events) {
		d->cap_events = d->cap_events ? 2 * d->cap_events : 256;
		d->events = sim_grow(d->events, d->cap_events, sizeof(*d->events));
	}
	e = &d->events[d->n_events];
	*e = (struct sim_event){
		.kind = kind, .ino = ino, .name = SIM_NONE, .from = SIM_NONE, .of = d->n_events};
	d->n_events++;
	return e;
}

struct sim_event *sim_log(struct simdisk *d, enum sim_event_kind kind, uint32_t ino)
{
	sim_stores_note(d);
	return sim_log_add(d, kind, ino);
}

/* Room for bytes that live as long as the log. */
uint8_t *sim_log_bytes(struct simdisk *d, size_t len_bytes)
{
	struct sim_block *b = d->blocks;
	uint8_t *p;

	if (!b || b->cap - b->used < len_bytes) {
		size_t cap = len_bytes > BLOCK_BYTES ? len_bytes : BLOCK_BYTES;

		b = sim_alloc(sizeof(*b) + cap);
		b->cap = cap;
		b->next = d->blocks;
		d->blocks = b;
	}
	p = b->bytes + b->used;
	b->used += len_bytes;
	return p;
}

/* Counts a call and asks the hook: 0, or the error that the call returns. */
int sim_fault(struct simdisk *d, enum sim_call_kind kind, bool queued, uint32_t name,
	uint64_t off_bytes, uint64_t len_bytes)
{
	struct sim_call c = {
		.kind = kind,
		.nth = d->calls[kind]++,
		.nth_any = d->calls_any++,
		.queued = queued,
		.path = name == SIM_NONE ? "" : d->names[name].path,
		.off_bytes = off_bytes,
		.len_bytes = len_bytes,
	};

	return d->opts.fault ? d->opts.fault(d->opts.fault_arg, &c) : 0;
}

/*
 * The dead keep their memory but see no more of the disk: a writable map becomes a private copy at
 * the same place. What they stored before stays.
 */
void sim_kill_locked(struct simdisk *d)
{
	for (struct simqueue *q = d->queues; q; q = q->next)
		sim_queue_kill(q);
	for (struct simfile *f = d->files; f; f = f->next) {
		if (!f->dead)
			sim_locks_drop(&d->inodes[f->ino], f);
		f->dead = true;
	}
	for (struct simmap *m = d->maps; m; m = m->next) {
		uint64_t len = d->opts.loose_end ? m->map.reserved_bytes : m->map.len_bytes;

		if (m->dead)
			continue;
		m->dead = true;
		if (m->writable)
			sim_stores_end(d, m->ino);
		if (m->writable && len &&
			mmap(m->map.base, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
				d->inodes[m->ino].fd, (off_t)m->map.off_bytes) == MAP_FAILED)
			out_of_memory("simulator: mmap of a dead map");
	}
}

void sim_kill_check(struct simdisk *d)
{
	if (!d->kill_at || d->killed || d->n_events < d->kill_at)
		return;
	d->killed = true;
	sim_kill_locked(d);
}

/* --- inodes ------------------------------------------------------------------------------- */

uint32_t sim_inode_new(struct simdisk *d)
{
	struct sim_inode *in;

	if (d->n_inodes == d->cap_inodes) {
		d->cap_inodes = d->cap_inodes ? 2 * d->cap_inodes : 8;
		d->inodes = sim_grow(d->inodes, d->cap_inodes, sizeof(*d->inodes));
		memset(d->inodes + d->n_inodes, 0,
			(d->cap_inodes - d->n_inodes) * sizeof(*d->inodes));
	}
	/* An image that is made anew finds the memory of its last life here. */
	in = &d->inodes[d->n_inodes];
	if (!in->live) {
		in->fd = memfd_create("simdisk", MFD_CLOEXEC);
		if (in->fd < 0)
			out_of_memory("simulator: memfd_create");
		in->live = mmap(NULL, d->opts.file_bytes_max, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_NORESERVE, in->fd, 0);
		if (in->live == MAP_FAILED)
			out_of_memory("simulator: mmap of a file");
		if (d->opts.loose_end && ftruncate(in->fd, (off_t)d->opts.file_bytes_max) < 0)
			out_of_memory("simulator: ftruncate");
		in->touched_bits = sim_reserve(d->opts.file_bytes_max / SIM_SECTOR / 8);
		in->fresh_bits = sim_reserve(d->opts.file_bytes_max / SIM_SECTOR / 8);
		in->hole_bits = sim_reserve(d->opts.file_bytes_max / SIM_SECTOR / 8);
	}
	ASSERT(in->size == 0);
	in->n_locks = 0;
	return d->n_inodes++;
}

/* Remembers that the sectors of [off, off + len) may differ from the durable ones. */
void sim_touch(struct sim_inode *in, uint64_t off, uint64_t len)
{
	uint64_t end = (off + len + SIM_SECTOR - 1) / SIM_SECTOR;

	for (uint64_t s = off / SIM_SECTOR; s < end; s++) {
		uint64_t bit = UINT64_C(1) << (s % 64);

		if (in->touched_bits[s / 64] & bit)
			continue;
		in->touched_bits[s / 64] |= bit;
		if (in->n_touched == in->cap_touched) {
			in->cap_touched = in->cap_touched ? 2 * in->cap_touched : 256;
			in->touched = sim_grow(in->touched, in->cap_touched, sizeof(*in->touched));
		}
		in->touched[in->n_touched++] = (uint32_t)s;
	}
}

/* The live size of the memory file alone: what lies beyond it is zeros. */
void sim_inode_set_size(struct simdisk *d, struct sim_inode *in, uint64_t size)
{
	if (d->opts.loose_end && size < in->size)
		memset(in->live + size, 0, in->size - size);
	if (!d->opts.loose_end && ftruncate(in->fd, (off_t)size) < 0)
		out_of_memory("simulator: ftruncate");
	in->size = size;
}

/* Growth reads as zeros; what is cut is gone. */
void sim_inode_resize(struct simdisk *d, struct sim_inode *in, uint64_t size)
{
	uint64_t old = in->size;

	if (size == old)
		return;
	if (d->image)
		sim_touch(in, size < old ? size : old, size < old ? old - size : size - old);
	sim_inode_set_size(d, in, size);
	if (in->device && size < old)
		memset(in->device + size, 0, old - size);
	if (in->noted && size < old)
		memset(in->noted + size, 0, old - size);
}

void sim_inode_write(struct simdisk *d, struct sim_inode *in, const void *buf, uint64_t off,
	uint64_t len)
{
	if (len == 0)
		return;
	sim_room_written(d, in, off, len);
	if (off + len > in->size)
		sim_inode_resize(d, in, off + len);
	if (d->image)
		sim_touch(in, off, len);
	memcpy(in->live + off, buf, len);
	if (in->noted)
		memcpy(in->noted + off, buf, len);
	if (in->device)
		memcpy(in->device + off, buf, len);
}

/* --- names and the io table --------------------------------------------------------------- */

static uint32_t name_find(const struct simdisk *d, const char *path)
{
	for (uint32_t i = 0; i < d->n_names; i++)
		if (strcmp(d->names[i].path, path) == 0)
			return i;
	return SIM_NONE;
}

static uint32_t name_make(struct simdisk *d, const char *path)
{
	uint32_t i = name_find(d, path);

	if (i != SIM_NONE)
		return i;
	if (d->n_names == d->cap_names) {
		d->cap_names = d->cap_names ? 2 * d->cap_names : 8;
		d->names = sim_grow(d->names, d->cap_names, sizeof(*d->names));
	}
	i = d->n_names++;
	memset(&d->names[i], 0, sizeof(d->names[i]));
	memcpy(d->names[i].path, path, strlen(path) + 1);
	d->names[i].ino = SIM_NONE;
	d->names[i].base_ino = SIM_NONE;
	return i;
}

/* from: a name that goes at the same time, or SIM_NONE. */
static void name_set(struct simdisk *d, uint32_t name, uint32_t ino, uint32_t from)
{
	struct sim_event *e = sim_log(d, SIM_NAME, ino);

	e->name = name;
	e->from = from;
	if (from != SIM_NONE)
		d->names[from].ino = SIM_NONE;
	d->names[name].ino = ino;
	sim_kill_check(d);
}

static int open_locked(struct simdisk *d, const char *path, unsigned flags,
	struct simfile **ret_file)
{
	uint32_t name, ino;
	int r;

	if (strlen(path) >= sizeof(d->names->path))
		return -ENAMETOOLONG;
	name = name_make(d, path);
	r = sim_fault(d, SIM_CALL_OPEN, false, name, 0, 0);
	if (r < 0)
		return r;
	ino = flags & FILE_UNNAMED ? SIM_NONE : d->names[name].ino;
	if (flags & FILE_UNNAMED) {
		if (d->opts.all_named)
			return -EOPNOTSUPP;
		ino = sim_inode_new(d);
	} else if (ino == SIM_NONE) {
		if (!(flags & FILE_CREATE))
			return -ENOENT;
		ino = sim_inode_new(d);
		name_set(d, name, ino, SIM_NONE);
	} else if ((flags & FILE_CREATE) && (flags & FILE_EXCL)) {
		return -EEXIST;
	}
	*ret_file = sim_file_new(d, ino, name, flags);
	return 0;
}

static int sim_open(struct io *io, const char *path, unsigned flags, unsigned mode,
	struct file **ret_file)
{
	struct simdisk *d = (struct simdisk *)io;
	struct simfile *f = NULL;
	int r;

	(void)mode;
	(void)pthread_mutex_lock(&d->lock);
	r = open_locked(d, path, flags, &f);
	(void)pthread_mutex_unlock(&d->lock);
	if (r == 0)
		*ret_file = &f->file;
	return r;
}

static int sim_sync_dir(struct io *io, const char *path)
{
	struct simdisk *d = (struct simdisk *)io;
	uint32_t name;
	int r;

	(void)pthread_mutex_lock(&d->lock);
	name = name_make(d, path);
	r = sim_fault(d, SIM_CALL_SYNC_DIR, false, name, 0, 0);
	if (r == 0) {
		sim_log(d, SIM_SYNC_DIR, SIM_NONE)->name = name;
		sim_kill_check(d);
	}
	(void)pthread_mutex_unlock(&d->lock);
	return r;
}

static int sim_unlink(struct io *io, const char *path)
{
	struct simdisk *d = (struct simdisk *)io;
	uint32_t name;
	int r;

	(void)pthread_mutex_lock(&d->lock);
	name = name_make(d, path);
	r = sim_fault(d, SIM_CALL_UNLINK, false, name, 0, 0);
	if (r == 0 && d->names[name].ino == SIM_NONE)
		r = -ENOENT;
	if (r == 0)
		name_set(d, name, SIM_NONE, SIM_NONE);
	(void)pthread_mutex_unlock(&d->lock);
	return r;
}

static int sim_rename(struct io *io, const char *from, const char *to)
{
	struct simdisk *d = (struct simdisk *)io;
	uint32_t old, new;
	int r;

	(void)pthread_mutex_lock(&d->lock);
	old = name_make(d, from);
	new = name_make(d, to);
	r = sim_fault(d, SIM_CALL_RENAME, false, old, 0, 0);
	if (r == 0 && d->names[old].ino == SIM_NONE)
		r = -ENOENT;
	if (r == 0 && old != new)
		name_set(d, new, d->names[old].ino, old);
	(void)pthread_mutex_unlock(&d->lock);
	return r;
}

static int sim_name_file(struct io *io, struct file *file, const char *to)
{
	struct simdisk *d = (struct simdisk *)io;
	struct simfile *f = (struct simfile *)file;
	uint32_t new;
	int r;

	(void)pthread_mutex_lock(&d->lock);
	new = name_make(d, to);
	r = f->dead ? -EIO : sim_fault(d, SIM_CALL_NAME_FILE, false, new, 0, 0);
	if (r == 0 && d->names[new].ino != SIM_NONE)
		r = -EEXIST;
	if (r == 0)
		name_set(d, new, f->ino, d->names[f->name].ino == f->ino ? f->name : SIM_NONE);
	(void)pthread_mutex_unlock(&d->lock);
	return r;
}

static int sim_random_bytes(struct io *io, void *buf, size_t len_bytes)
{
	struct simdisk *d = (struct simdisk *)io;

	(void)pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < len_bytes; i++)
		((uint8_t *)buf)[i] = (uint8_t)sim_random(&d->rng);
	(void)pthread_mutex_unlock(&d->lock);
	return 0;
}

static uint64_t sim_now_ns(struct io *io)
{
	struct simdisk *d = (struct simdisk *)io;
	uint64_t now;

	(void)pthread_mutex_lock(&d->lock);
	now = d->clock_ns += 1000;
	(void)pthread_mutex_unlock(&d->lock);
	return now;
}

static void sim_pause_ns(struct io *io, uint64_t wait_ns)
{
	struct simdisk *d = (struct simdisk *)io;

	(void)pthread_mutex_lock(&d->lock);
	d->clock_ns += wait_ns;
	(void)pthread_mutex_unlock(&d->lock);
}

static void sim_self(struct io *io, struct io_self *ret_self)
{
	(void)io;
	*ret_self = (struct io_self){.pid = 1, .program = "simulated"};
}

static const struct io_ops sim_io_ops = {
	.name = "simdisk",
	.open = sim_open,
	.sync_dir = sim_sync_dir,
	.unlink = sim_unlink,
	.rename = sim_rename,
	.name_file = sim_name_file,
	.map = sim_map_new,
	.queue = sim_queue_new,
	.random = sim_random_bytes,
	.now_ns = sim_now_ns,
	.pause_ns = sim_pause_ns,
	.self = sim_self,
};

/* --- the disk ----------------------------------------------------------------------------- */

struct simdisk *simdisk_new(const struct simdisk_options *opts)
{
	struct simdisk *d = sim_alloc(sizeof(*d));

	d->io.ops = &sim_io_ops;
	if (opts)
		d->opts = *opts;
	if (d->opts.file_bytes_max == 0)
		d->opts.file_bytes_max = FILE_BYTES_MAX;
	d->rng = sim_mix(d->opts.seed, 1);
	(void)pthread_mutex_init(&d->lock, NULL);
	return d;
}

/* Frees the log, all but one block, which an image that is made again will fill. */
static void log_clear(struct simdisk *d)
{
	while (d->blocks && d->blocks->next) {
		struct sim_block *b = d->blocks;

		d->blocks = b->next;
		free(b);
	}
	if (d->blocks)
		d->blocks->used = 0;
	d->n_events = 0;
}

/* An image about to be made again: nothing but its bytes stays. */
void sim_reset(struct simdisk *d)
{
	ASSERT(!d->files);
	ASSERT(!d->maps);
	ASSERT(!d->queues);
	log_clear(d);
	for (uint32_t i = 0; i < d->n_inodes; i++) {
		sim_unreserve(d->inodes[i].device, d->opts.file_bytes_max);
		d->inodes[i].device = NULL;
		sim_unreserve(d->inodes[i].noted, d->opts.file_bytes_max);
		d->inodes[i].noted = NULL;
		sim_room_synced(d, &d->inodes[i]);
		sim_room_allocated(&d->inodes[i], 0, d->inodes[i].size);
		d->inodes[i].n_locks = 0;
	}
	memset(d->calls, 0, sizeof(d->calls));
	d->calls_any = 0;
	d->clock_ns = 0;
	d->kill_at = 0;
	d->killed = false;
	d->read_digest = 0;
	d->has_base = false;
}

void simdisk_free(struct simdisk *d)
{
	if (!d)
		return;
	sim_reset(d);
	free(d->blocks);
	for (uint32_t i = 0; i < d->cap_inodes; i++) {
		struct sim_inode *in = &d->inodes[i];

		if (!in->live)
			continue;
		(void)munmap(in->live, d->opts.file_bytes_max);
		(void)close(in->fd);
		sim_unreserve(in->touched_bits, d->opts.file_bytes_max / SIM_SECTOR / 8);
		sim_unreserve(in->fresh_bits, d->opts.file_bytes_max / SIM_SECTOR / 8);
		sim_unreserve(in->hole_bits, d->opts.file_bytes_max / SIM_SECTOR / 8);
		sim_unreserve(in->base, d->opts.file_bytes_max);
		free(in->touched);
		free(in->locks);
	}
	free(d->inodes);
	free(d->names);
	free(d->events);
	(void)pthread_mutex_destroy(&d->lock);
	free(d);
}

struct io *simdisk_io(struct simdisk *d)
{
	return &d->io;
}

uint64_t simdisk_events(const struct simdisk *d)
{
	return d->n_events;
}

const char *simdisk_event(const struct simdisk *d, uint64_t n, uint64_t *ret_off_bytes)
{
	static const char *const names[] = {
		[SIM_NAME] = "name",
		[SIM_SYNC_DIR] = "flush of names",
		[SIM_WRITE] = "write",
		[SIM_WRITE_DONE] = "write done",
		[SIM_SYNC] = "flush",
		[SIM_SYNC_DONE] = "flush done",
		[SIM_SYNC_FAILED] = "flush failed",
		[SIM_SIZE] = "size",
		[SIM_GROW] = "growth",
	};

	*ret_off_bytes = 0;
	if (n >= d->n_events)
		return "end";
	*ret_off_bytes = d->events[n].off_bytes;
	return names[d->events[n].kind];
}

void simdisk_kill(struct simdisk *d)
{
	(void)pthread_mutex_lock(&d->lock);
	sim_kill_locked(d);
	(void)pthread_mutex_unlock(&d->lock);
}

void simdisk_kill_at(struct simdisk *d, uint64_t n)
{
	d->kill_at = n;
	d->killed = false;
}

bool simdisk_killed(const struct simdisk *d)
{
	return d->killed;
}

uint64_t simdisk_read_digest(const struct simdisk *d)
{
	return d->read_digest;
}

void simdisk_read_digest_reset(struct simdisk *d)
{
	d->read_digest = 0;
}

uint64_t simdisk_calls(const struct simdisk *d, enum sim_call_kind kind)
{
	return d->calls[kind];
}

void simdisk_set_fault(struct simdisk *d, sim_fault_fn *fault, void *arg)
{
	d->opts.fault = fault;
	d->opts.fault_arg = arg;
}

const uint8_t *simdisk_bytes(struct simdisk *d, const char *path, uint64_t *ret_size_bytes)
{
	uint32_t name = name_find(d, path);

	if (name == SIM_NONE || d->names[name].ino == SIM_NONE)
		return NULL;
	*ret_size_bytes = d->inodes[d->names[name].ino].size;
	return d->inodes[d->names[name].ino].live;
}

const char *sim_event_text(const struct simdisk *d, uint64_t n)
{
	static _Thread_local char text[160];
	const struct sim_event *e = &d->events[n];

	(void)snprintf(text, sizeof(text), "%s%s ino=%d off=%llu len=%llu of=%llu",
		event_names[e->kind], e->over ? "(over)" : "", (int)e->ino,
		(unsigned long long)e->off_bytes, (unsigned long long)e->len_bytes,
		(unsigned long long)e->of);
	return text;
}

void simdisk_print_log(const struct simdisk *d)
{
	for (uint64_t i = 0; i < d->n_events; i++)
		fprintf(stderr, "%6llu %s\n", (unsigned long long)i, sim_event_text(d, i));
	for (unsigned i = 0; i < SIM_CALL_KINDS; i++)
		fprintf(stderr, "%s %llu calls\n", call_names[i], (unsigned long long)d->calls[i]);
}
