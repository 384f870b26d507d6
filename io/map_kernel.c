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

#define RESERVE_BYTES     (1ull << 40)
#define RESERVE_BYTES_MIN (1ull << 20)

struct map_kernel {
	struct map map; /* first */
	int fd;         /* the file's; constant */
	int prot;       /* constant */
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
			"%s has outgrown the %llu bytes of address space that its map reserved; "
			"reopen it with a greater reservation (VERSO_RESERVE)",
			mk->path, (unsigned long long)m->reserved_bytes);
	if (new_bytes > old_bytes)
		p = mmap(m->base + old_bytes, new_bytes - old_bytes, mk->prot,
			MAP_SHARED | MAP_FIXED, mk->fd, (off_t)old_bytes);
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
		[ADVICE_POPULATE] = MADV_POPULATE_READ,
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

/* VERSO_RESERVE: a number of bytes, or of K, M, G or T of them. 0 when it is not set. */
static int reserve_wanted(uint64_t *ret_bytes)
{
	const char *s = getenv("VERSO_RESERVE");
	unsigned long long n;
	char *end;
	int shift = 0;

	*ret_bytes = RESERVE_BYTES;
	if (!s)
		return 0;
	errno = 0;
	n = strtoull(s, &end, 10);
	switch (*end) {
	case 'T':
		shift += 10; /* fall through */
	case 'G':
		shift += 10; /* fall through */
	case 'M':
		shift += 10; /* fall through */
	case 'K':
		shift += 10;
		end++;
	}
	if (*end != '\0' || *s < '0' || *s > '9' || errno != 0 || n == 0 ||
		n > (1ull << 47) >> shift)
		return error_set(-EINVAL, "VERSO_RESERVE=%s is no size; say a number, or 64G", s);
	*ret_bytes = n << shift;
	return 0;
}

int map_kernel_open(struct io *io, struct file *file, enum map_mode mode, uint64_t reserve_bytes,
	struct map **ret_map)
{
	struct file_kernel *fk = file_kernel_of(file);
	struct map_kernel *mk;
	void *base;
	int rc;

	(void)io;
	if (reserve_bytes == 0) {
		rc = reserve_wanted(&reserve_bytes);
		if (rc < 0)
			return rc;
	}
	reserve_bytes = round_up(reserve_bytes, system_page_bytes());
	mk = calloc(1, sizeof(*mk));
	if (!mk)
		return error_set(-ENOMEM, "no memory to map %s", fk->path);
	rc = reserve_aligned(reserve_bytes, PROT_NONE, &base);
	while (rc == -ENOMEM && reserve_bytes / 2 >= RESERVE_BYTES_MIN) {
		reserve_bytes = round_up(reserve_bytes / 2, system_page_bytes());
		rc = reserve_aligned(reserve_bytes, PROT_NONE, &base);
	}
	if (rc < 0) {
		free(mk);
		return error_set(rc,
			"cannot reserve %llu bytes of address space for %s: %s; see `ulimit -v`",
			(unsigned long long)reserve_bytes, fk->path, error_name(rc));
	}
	(void)madvise(base, reserve_bytes, MADV_DONTFORK);
	mk->map =
		(struct map){.ops = &map_kernel_ops, .base = base, .reserved_bytes = reserve_bytes};
	mk->fd = fk->fd;
	mk->prot = mode == MAP_WRITE_SHARED ? PROT_READ | PROT_WRITE : PROT_READ;
	mk->path = fk->path;
	*ret_map = &mk->map;
	return 0;
}
