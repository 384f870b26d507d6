/* SPDX-License-Identifier: MIT */
/*
 * Files and maps of the simulated disk.
 *
 * A synchronous write is one event: pending and complete at once. A failed one takes a prefix of
 * its sectors, by seed. A failed sync leaves a part of what it covered durable and forgets the
 * rest, while reads still show it (or not: opts.drop_live): from then on the device view is a copy
 * of its own.
 */
#include "tests/sim/sim_int.h"

#include "base/hash.h"
#include "verso_codes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* --- locks: those of open file descriptions ------------------------------------------------ */

static void lock_add(struct sim_inode *in, struct sim_lock l)
{
	if (l.from >= l.to)
		return;
	if (in->n_locks == in->cap_locks) {
		in->cap_locks = in->cap_locks ? 2 * in->cap_locks : 8;
		in->locks = sim_grow(in->locks, in->cap_locks, sizeof(*in->locks));
	}
	in->locks[in->n_locks++] = l;
}

/* The first lock of another owner that `kind` would meet; NULL: none. */
static const struct sim_lock *lock_in_the_way(const struct sim_inode *in, const void *owner,
	enum lock_kind kind, uint64_t from, uint64_t to)
{
	for (unsigned i = 0; i < in->n_locks && kind != LOCK_NONE; i++) {
		const struct sim_lock *l = &in->locks[i];

		if (l->owner != owner && l->from < to && from < l->to &&
			(kind == LOCK_EXCLUSIVE || l->kind == LOCK_EXCLUSIVE))
			return l;
	}
	return NULL;
}

static int lock_set(struct sim_inode *in, const void *owner, enum lock_kind kind, uint64_t from,
	uint64_t to)
{
	unsigned n = in->n_locks;

	if (lock_in_the_way(in, owner, kind, from, to))
		return VERSO_EBUSY;
	for (unsigned i = 0; i < n;) {
		struct sim_lock l = in->locks[i];

		if (l.owner != owner || l.from >= to || from >= l.to) {
			i++;
			continue;
		}
		/* Its own old lock gives way; what stands out on either side stays. */
		in->locks[i] = in->locks[--n];
		in->locks[n] = in->locks[--in->n_locks];
		lock_add(in, (struct sim_lock){l.owner, l.kind, l.from, from});
		lock_add(in, (struct sim_lock){l.owner, l.kind, to, l.to});
	}
	if (kind != LOCK_NONE)
		lock_add(in, (struct sim_lock){owner, kind, from, to});
	return 0;
}

void sim_locks_drop(struct sim_inode *in, const void *owner)
{
	for (unsigned i = 0; i < in->n_locks;) {
		if (in->locks[i].owner == owner)
			in->locks[i] = in->locks[--in->n_locks];
		else
			i++;
	}
}

/* --- reading and writing ------------------------------------------------------------------- */

void sim_read_bytes(struct simdisk *d, struct simfile *f, void *buf, uint64_t len, uint64_t off,
	enum file_view view)
{
	const struct sim_inode *in = &d->inodes[f->ino];
	const uint8_t *from = in->live;

	if (in->device && ((view == FILE_DEVICE && f->file.device_direct) || f->file.direct))
		from = in->device;
	memcpy(buf, from + off, len);
	d->read_digest = hash_bytes(buf, len, sim_mix(d->read_digest, off));
}

static bool misaligned(const struct file *f, const void *buf, uint64_t len, uint64_t off)
{
	return ((uintptr_t)buf | len | off) % f->align_bytes != 0;
}

static int read_locked(struct simfile *f, void *buf, size_t len, uint64_t off, enum file_view view)
{
	struct simdisk *d = f->disk;
	bool direct = f->file.direct || (view == FILE_DEVICE && f->file.device_direct);
	int r;

	if (f->dead)
		return -EIO;
	r = sim_fault(d, SIM_CALL_READ, false, f->name, off, len);
	if (r < 0)
		return r;
	if (direct && misaligned(&f->file, buf, len, off))
		return -EINVAL;
	if (direct) /* dirty pages of the page cache are written back first */
		sim_stores_note(d);
	if (off > d->inodes[f->ino].size || len > d->inodes[f->ino].size - off)
		return VERSO_EIO;
	sim_read_bytes(d, f, buf, len, off, view);
	return 0;
}

static int file_read_sim(struct file *file, void *buf, size_t len_bytes, uint64_t off_bytes,
	enum file_view view)
{
	struct simfile *f = (struct simfile *)file;
	int r;

	(void)pthread_mutex_lock(&f->disk->lock);
	r = read_locked(f, buf, len_bytes, off_bytes, view);
	(void)pthread_mutex_unlock(&f->disk->lock);
	return r;
}

static int write_locked(struct simfile *f, const void *buf, size_t len, uint64_t off)
{
	struct simdisk *d = f->disk;
	struct sim_inode *in = &d->inodes[f->ino];
	struct sim_event *e;
	uint8_t *data;
	int r;

	if (f->dead)
		return -EIO;
	if (f->rdonly)
		return -EBADF;
	r = sim_fault(d, SIM_CALL_WRITE, false, f->name, off, len);
	sim_stores_note(d);
	if (f->file.direct && misaligned(&f->file, buf, len, off))
		return -EINVAL;
	if (r == 0)
		r = sim_room(d, in, off, len);
	if (r < 0) {
		/* An unknown part was written: some sectors from the start. */
		len = SIM_SECTOR * (sim_random(&d->rng) % (len / SIM_SECTOR + 1));
		if (len == 0 || sim_room(d, in, off, len) < 0)
			return r;
	}
	data = sim_log_bytes(d, len);
	memcpy(data, buf, len);
	e = sim_log(d, SIM_WRITE, f->ino);
	e->over = true;
	e->off_bytes = off;
	e->len_bytes = len;
	e->data = data;
	sim_inode_write(d, in, data, off, len);
	sim_kill_check(d);
	return f->dead ? -EIO : r;
}

static int file_write_sim(struct file *file, const void *buf, size_t len_bytes, uint64_t off_bytes)
{
	struct simfile *f = (struct simfile *)file;
	int r;

	(void)pthread_mutex_lock(&f->disk->lock);
	r = write_locked(f, buf, len_bytes, off_bytes);
	(void)pthread_mutex_unlock(&f->disk->lock);
	return r;
}

/* --- sync ---------------------------------------------------------------------------------- */

/* The event of the failure is the newest of the log. */
void sim_sync_failed(struct simdisk *d, uint32_t ino)
{
	struct sim_inode *in = &d->inodes[ino];

	sim_device_build(d, ino);
	if (d->opts.drop_live) {
		if (d->image)
			sim_touch(in, 0, in->size);
		memcpy(in->live, in->device, in->size);
		if (in->noted)
			memcpy(in->noted, in->device, in->size);
		sim_unreserve(in->device, d->opts.file_bytes_max);
		in->device = NULL;
	}
}

static int sync_locked(struct simfile *f)
{
	struct simdisk *d = f->disk;
	int r;

	if (f->dead)
		return -EIO;
	r = sim_fault(d, SIM_CALL_SYNC, false, f->name, 0, 0);
	sim_log(d, r < 0 ? SIM_SYNC_FAILED : SIM_SYNC_DONE, f->ino)->over = true;
	if (r < 0)
		sim_sync_failed(d, f->ino);
	else
		sim_room_synced(d, &d->inodes[f->ino]);
	sim_kill_check(d);
	return f->dead ? -EIO : r;
}

static int file_sync_sim(struct file *file)
{
	struct simfile *f = (struct simfile *)file;
	int r;

	(void)pthread_mutex_lock(&f->disk->lock);
	r = sync_locked(f);
	(void)pthread_mutex_unlock(&f->disk->lock);
	return r;
}

/* --- size ---------------------------------------------------------------------------------- */

static int resize_locked(struct simfile *f, enum sim_call_kind call, uint64_t off, uint64_t len)
{
	struct simdisk *d = f->disk;
	struct sim_inode *in = &d->inodes[f->ino];
	uint64_t end = off + len;
	int r;

	if (f->dead)
		return -EIO;
	if (f->rdonly)
		return -EBADF;
	r = sim_fault(d, call, false, f->name, off, len);
	sim_stores_note(d); /* they found their blocks before */
	if (r == 0 && call == SIM_CALL_ALLOCATE)
		r = sim_room_allocate(d, in, off, len);
	if (r == 0 && end > d->opts.file_bytes_max)
		r = -EFBIG;
	if (r < 0)
		return r;
	if (call == SIM_CALL_ALLOCATE)
		sim_room_allocated(in, off, len);
	else
		sim_room_truncated(in, in->size, end);
	/* A hole that is filled reads as zeros before and after, whatever crashes. */
	if (end > in->size || (call == SIM_CALL_TRUNCATE && end != in->size)) {
		sim_log(d, call == SIM_CALL_ALLOCATE ? SIM_GROW : SIM_SIZE, f->ino)->off_bytes =
			end;
		sim_inode_resize(d, in, end);
		sim_kill_check(d);
	}
	return f->dead ? -EIO : 0;
}

static int file_truncate_sim(struct file *file, uint64_t size_bytes)
{
	struct simfile *f = (struct simfile *)file;
	int r;

	(void)pthread_mutex_lock(&f->disk->lock);
	r = resize_locked(f, SIM_CALL_TRUNCATE, size_bytes, 0);
	(void)pthread_mutex_unlock(&f->disk->lock);
	return r;
}

static int file_allocate_sim(struct file *file, uint64_t off_bytes, uint64_t len_bytes)
{
	struct simfile *f = (struct simfile *)file;
	int r;

	(void)pthread_mutex_lock(&f->disk->lock);
	r = resize_locked(f, SIM_CALL_ALLOCATE, off_bytes, len_bytes);
	(void)pthread_mutex_unlock(&f->disk->lock);
	return r;
}

static int file_size_sim(struct file *file, uint64_t *ret_size_bytes)
{
	struct simfile *f = (struct simfile *)file;

	if (f->dead)
		return -EIO;
	(void)pthread_mutex_lock(&f->disk->lock);
	*ret_size_bytes = f->disk->inodes[f->ino].size;
	f->disk->read_digest = sim_mix(f->disk->read_digest, *ret_size_bytes);
	(void)pthread_mutex_unlock(&f->disk->lock);
	return 0;
}

/* --- the rest of the file table ------------------------------------------------------------- */

static uint64_t lock_end(uint64_t off_bytes, uint64_t len_bytes)
{
	return len_bytes == 0 || len_bytes > UINT64_MAX - off_bytes ? UINT64_MAX
								    : off_bytes + len_bytes;
}

static int file_lock_sim(struct file *file, enum lock_kind kind, uint64_t off_bytes,
	uint64_t len_bytes)
{
	struct simfile *f = (struct simfile *)file;
	int r = -EIO;

	(void)pthread_mutex_lock(&f->disk->lock);
	if (!f->dead)
		r = lock_set(&f->disk->inodes[f->ino], f, kind, off_bytes,
			lock_end(off_bytes, len_bytes));
	(void)pthread_mutex_unlock(&f->disk->lock);
	return r;
}

static int file_find_lock_sim(struct file *file, enum lock_kind kind, uint64_t off_bytes,
	uint64_t len_bytes, bool *ret_found, uint64_t *ret_off_bytes)
{
	struct simfile *f = (struct simfile *)file;
	const struct sim_lock *l = NULL;

	(void)pthread_mutex_lock(&f->disk->lock);
	if (!f->dead)
		l = lock_in_the_way(&f->disk->inodes[f->ino], f, kind, off_bytes,
			lock_end(off_bytes, len_bytes));
	*ret_found = l != NULL;
	if (l)
		*ret_off_bytes = l->from > off_bytes ? l->from : off_bytes;
	(void)pthread_mutex_unlock(&f->disk->lock);
	return f->dead ? -EIO : 0;
}

/* No file loses its name while it is open, but one may be cut. */
static int file_check_there_sim(struct file *file, uint64_t least_bytes)
{
	struct simfile *f = (struct simfile *)file;
	int r = -EIO;

	(void)pthread_mutex_lock(&f->disk->lock);
	if (!f->dead)
		r = f->disk->inodes[f->ino].size < least_bytes ? VERSO_EIO : 0;
	(void)pthread_mutex_unlock(&f->disk->lock);
	return r;
}

static bool file_is_same_sim(struct file *file, struct file *other)
{
	return ((struct simfile *)file)->ino == ((struct simfile *)other)->ino;
}

/* No file has an owner here. */
static void file_imitate_sim(struct file *file, struct file *like)
{
	(void)file;
	(void)like;
}

static void file_close_sim(struct file *file)
{
	struct simfile *f = (struct simfile *)file;
	struct simdisk *d = f->disk;
	struct simfile **at = &d->files;

	(void)pthread_mutex_lock(&d->lock);
	sim_locks_drop(&d->inodes[f->ino], f);
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	(void)pthread_mutex_unlock(&d->lock);
	free(f);
}

static const struct file_ops sim_file_ops = {
	.read = file_read_sim,
	.write = file_write_sim,
	.sync = file_sync_sim,
	.truncate = file_truncate_sim,
	.allocate = file_allocate_sim,
	.size = file_size_sim,
	.check_there = file_check_there_sim,
	.lock = file_lock_sim,
	.wait_lock = file_lock_sim, /* nobody else would ever give it up */
	.find_lock = file_find_lock_sim,
	.is_same = file_is_same_sim,
	.imitate = file_imitate_sim,
	.close = file_close_sim,
	.abandon = file_close_sim, /* no process ever forks here */
};

struct simfile *sim_file_new(struct simdisk *d, uint32_t ino, uint32_t name, unsigned flags)
{
	struct simfile *f = sim_alloc(sizeof(*f));
	bool can = !d->opts.no_direct;

	f->file = (struct file){
		.ops = &sim_file_ops,
		.io = &d->io,
		.direct = can && (flags & FILE_DIRECT),
		.device_direct = can,
		.direct_why = can ? "simulated disk" : "the simulated disk refuses O_DIRECT",
		.align_bytes = can ? SIM_SECTOR : 1,
		.moves = d->opts.cow ? "a copy-on-write disk" : NULL,
	};
	memcpy(f->path, d->names[name].path, sizeof(f->path));
	f->file.path = f->path;
	f->disk = d;
	f->ino = ino;
	f->name = name;
	f->rdonly = flags & FILE_RDONLY;
	f->next = d->files;
	d->files = f;
	return f;
}

/* --- maps ------------------------------------------------------------------------------------ */

/* With loose ends everything was made accessible at once. */
static int map_change(struct simmap *m, uint64_t len_bytes)
{
	uint64_t keep = (len_bytes + 4095) / 4096 * 4096;
	uint64_t from = (m->map.len_bytes + 4095) / 4096 * 4096; /* mapped: stays as it is */
	uint64_t reserved = m->map.reserved_bytes;
	int prot = m->writable || m->is_private ? PROT_READ | PROT_WRITE : PROT_READ;
	void *p = m->map.base;

	if (m->disk->opts.loose_end || len_bytes == m->map.len_bytes)
		return 0;
	if (len_bytes > from)
		p = mmap(m->map.base + from, len_bytes - from, prot,
			(m->dead || m->is_private ? MAP_PRIVATE : MAP_SHARED) | MAP_FIXED,
			m->disk->inodes[m->ino].fd, (off_t)(m->map.off_bytes + from));
	else if (len_bytes < m->map.len_bytes && keep < reserved)
		p = mmap(m->map.base + keep, reserved - keep, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	return p == MAP_FAILED ? -errno : 0;
}

static int map_extend_sim(struct map *map, uint64_t len_bytes)
{
	struct simmap *m = (struct simmap *)map;
	int r;

	if (len_bytes > map->reserved_bytes)
		return -ENOMEM;
	(void)pthread_mutex_lock(&m->disk->lock);
	r = map_change(m, len_bytes);
	if (r == 0)
		map->len_bytes = len_bytes;
	(void)pthread_mutex_unlock(&m->disk->lock);
	return r;
}

static void map_advise_sim(struct map *map, uint64_t off_bytes, uint64_t len_bytes,
	enum map_advice advice)
{
	const struct simmap *m = (const struct simmap *)map;

	/* Elsewhere it changes no byte. */
	if (m->is_private && advice == ADVICE_DONTNEED)
		(void)madvise(map->base + off_bytes, len_bytes, MADV_DONTNEED);
}

static void map_close_sim(struct map *map)
{
	struct simmap *m = (struct simmap *)map;
	struct simmap **at = &m->disk->maps;

	(void)pthread_mutex_lock(&m->disk->lock);
	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	if (m->writable && !m->dead)
		sim_stores_end(m->disk, m->ino);
	(void)pthread_mutex_unlock(&m->disk->lock);
	(void)munmap(map->base, map->reserved_bytes);
	free(m);
}

static const struct map_ops sim_map_ops = {
	.extend = map_extend_sim,
	.advise = map_advise_sim,
	.close = map_close_sim,
};

int sim_map_new(struct io *io, struct file *file, enum map_mode mode, uint64_t off_bytes,
	uint64_t reserve_bytes, struct map **ret_map)
{
	struct simdisk *d = (struct simdisk *)io;
	struct simfile *f = (struct simfile *)file;
	uint64_t want = (reserve_bytes + 4095) / 4096 * 4096;
	struct simmap *m;
	void *base;
	int r;

	(void)pthread_mutex_lock(&d->lock);
	r = f->dead ? -EIO : sim_fault(d, SIM_CALL_MAP, false, f->name, 0, want);
	(void)pthread_mutex_unlock(&d->lock);
	if (r < 0)
		return r;
	if (d->opts.loose_end)
		base = mmap(NULL, want,
			mode == MAP_READ_SHARED ? PROT_READ : PROT_READ | PROT_WRITE,
			mode == MAP_WRITE_PRIVATE ? MAP_PRIVATE : MAP_SHARED, d->inodes[f->ino].fd,
			(off_t)off_bytes);
	else
		base = mmap(NULL, want, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			0);
	if (base == MAP_FAILED)
		return -errno;
	m = sim_alloc(sizeof(*m));
	m->map = (struct map){
		.ops = &sim_map_ops, .base = base, .off_bytes = off_bytes, .reserved_bytes = want};
	m->disk = d;
	m->ino = f->ino;
	m->writable = mode == MAP_WRITE_SHARED;
	m->is_private = mode == MAP_WRITE_PRIVATE;
	(void)pthread_mutex_lock(&d->lock);
	if (m->writable)
		sim_stores_begin(d, m->ino);
	m->next = d->maps;
	d->maps = m;
	(void)pthread_mutex_unlock(&d->lock);
	*ret_map = &m->map;
	return 0;
}
