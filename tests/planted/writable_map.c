/* SPDX-License-Identifier: MIT */
/*
 * A planted fault: a shared map of a file that should be read-only, and may be stored to. Linked
 * with -Wl,--wrap=mmap64 in front of the library. H3 must name it.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/types.h>

void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t off);
void *__real_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t off);

/* off_t has 64 bits here, so this is the symbol that mmap() stands for. */
void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	if (fd >= 0 && (flags & MAP_SHARED) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR)
		prot |= PROT_WRITE;
	return __real_mmap64(addr, len, prot, flags, fd, off);
}
