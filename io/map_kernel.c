/* SPDX-License-Identifier: MIT */
/*
 * Maps of the real kernel: a reservation of inaccessible address space, taken once; extend() lays
 * the file over its start. The part that is mapped already is left as it is, so a reader is never
 * disturbed and nothing ever moves (I8).
 */
#include "base/error.h"
#include "io/io_int.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Headers that do not know how to read and map at once: reading ahead has to do. */
#ifndef WITHOUT_MADV_POPULATE_READ
#define KERNEL_POPULATE MADV_POPULATE_READ
#else
#define KERNEL_POPULATE MADV_WILLNEED
#endif

/* Since Linux 5.4; an older kernel refuses the hint. */
#ifndef MADV_COLD
#define MADV_COLD 20
#endif

struct map_kernel {
	struct map map; /* first */
	int fd;         /* the file's; constant */
	int prot;       /* constant */
	int share;      /* MAP_SHARED or MAP_PRIVATE; constant */
	const char *path;
};

static int kernel_extend(struct map *m, uint64_t len_bytes)
{
	struct map_kernel *mk = (struct map_kernel *)m;
	uint64_t old_bytes = round_up(m->len_bytes, system_page_bytes());
	uint64_t new_bytes = round_up(len_bytes, system_page_bytes());
	void *p = NULL;

	if (new_bytes > m->reserved_bytes || new_bytes < len_bytes)
		return error_set(-ENOMEM,
			"%s has outgrown the %llu bytes of address space that its map reserved",
			mk->path, (unsigned long long)m->reserved_bytes);
	if (new_bytes > old_bytes)
		p = mmap(m->base + old_bytes, new_bytes - old_bytes, mk->prot,
			mk->share | MAP_FIXED, mk->fd, (off_t)(m->off_bytes + old_bytes));
	else if (new_bytes < old_bytes)
		p = mmap(m->base + new_bytes, old_bytes - new_bytes, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	if (p == MAP_FAILED)
		return error_set(-errno, "cannot map %llu bytes of %s: %s",
			(unsigned long long)new_bytes, mk->path, error_name(-errno));
	if (p)
		(void)madvise(p,
			new_bytes > old_bytes ? new_bytes - old_bytes : old_bytes - new_bytes,
			MADV_DONTFORK);
	m->len_bytes = len_bytes;
	return 0;
}

static void kernel_advise(struct map *m, uint64_t off_bytes, uint64_t len_bytes,
	enum map_advice advice)
{
	static const int kernel_advices[] = {
		[ADVICE_NORMAL] = MADV_NORMAL,
		[ADVICE_RANDOM] = MADV_RANDOM,
		[ADVICE_SEQUENTIAL] = MADV_SEQUENTIAL,
		[ADVICE_WILLNEED] = MADV_WILLNEED,
		[ADVICE_DONTNEED] = MADV_DONTNEED,
		[ADVICE_COLD] = MADV_COLD,
		[ADVICE_POPULATE] = KERNEL_POPULATE,
	};
	uint64_t page_bytes = system_page_bytes();
	uint64_t end_bytes = off_bytes + len_bytes;
	uint64_t mapped_bytes = round_up(m->len_bytes, page_bytes);

	off_bytes -= off_bytes % page_bytes;
	if (end_bytes > mapped_bytes || end_bytes < off_bytes)
		end_bytes = mapped_bytes;
	if (off_bytes < end_bytes)
		(void)madvise(m->base + off_bytes, end_bytes - off_bytes, kernel_advices[advice]);
}

static void kernel_close(struct map *m)
{
	(void)munmap(m->base, m->reserved_bytes);
	free(m);
}

static const struct map_ops map_kernel_ops = {
	.extend = kernel_extend,
	.advise = kernel_advise,
	.close = kernel_close,
};

int map_kernel_open(struct io *io, struct file *file, enum map_mode mode, uint64_t off_bytes,
	uint64_t reserve_bytes, struct map **ret_map)
{
	struct file_kernel *fk = file_kernel_of(file);
	struct map_kernel *mk;
	void *base;
	int rc;

	(void)io;
	reserve_bytes = round_up(reserve_bytes, system_page_bytes());
	mk = calloc(1, sizeof(*mk));
	if (!mk)
		return error_set(-ENOMEM, "no memory to map %s", fk->path);
	rc = reserve_aligned(reserve_bytes, PROT_NONE, &base);
	if (rc < 0) {
		free(mk);
		return error_set(rc,
			"cannot reserve %llu bytes of address space for %s: %s; see `ulimit -v` "
			"and, where memory is locked (mlockall), `ulimit -l`",
			(unsigned long long)reserve_bytes, fk->path, error_name(rc));
	}
	(void)madvise(base, reserve_bytes, MADV_DONTFORK);
	mk->map = (struct map){.ops = &map_kernel_ops,
		.base = base,
		.off_bytes = off_bytes,
		.reserved_bytes = reserve_bytes};
	mk->fd = fk->fd;
	mk->prot = mode == MAP_READ_SHARED ? PROT_READ : PROT_READ | PROT_WRITE;
	mk->share = mode == MAP_WRITE_PRIVATE ? MAP_PRIVATE | MAP_NORESERVE : MAP_SHARED;
	mk->path = fk->path;
	*ret_map = &mk->map;
	return 0;
}
