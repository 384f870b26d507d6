/* SPDX-License-Identifier: MIT */
/*
 * Anonymous memory. mmap() aligns to a system page only, so a reservation asks for one huge page
 * more than needed and unmaps what lies before and behind the aligned part.
 */
#include "io/memory.h"
#include "base/assert.h"
#include "base/error.h"
#include "io/io_int.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int reserve_aligned(size_t len_bytes, int prot, void **ret_base)
{
	/* Ask for one huge page more than needed and give the ends back. */
	size_t all_bytes = len_bytes + HUGE_PAGE_BYTES;
	size_t head_bytes;
	char *p;

	if (all_bytes < len_bytes)
		return -ENOMEM;
	p = mmap(NULL, all_bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED) /* EINVAL: valgrind's word for a size beyond its means */
		return errno == EINVAL ? -ENOMEM : -errno;
	head_bytes = -(uintptr_t)p % HUGE_PAGE_BYTES;
	if (head_bytes > 0)
		(void)munmap(p, head_bytes);
	(void)munmap(p + head_bytes + len_bytes, HUGE_PAGE_BYTES - head_bytes);
	*ret_base = p + head_bytes;
	return 0;
}

size_t system_page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

void memory_set_huge(void *base, size_t len_bytes, bool huge)
{
	(void)madvise(base, round_up(len_bytes, system_page_bytes()),
		huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

int memory_reserve(size_t len_bytes, bool huge, void **ret_base)
{
	void *base;
	int rc;

	ASSERT(len_bytes > 0);
	if (len_bytes > SIZE_MAX - HUGE_PAGE_BYTES)
		return error_set(-ENOMEM, "cannot reserve %zu bytes of memory: no machine has them",
			len_bytes);
	len_bytes = round_up(len_bytes, system_page_bytes());
	rc = reserve_aligned(len_bytes, PROT_READ | PROT_WRITE, &base);
	if (rc < 0)
		return error_set(rc,
			"cannot reserve %zu bytes of memory: %s; ask for less, or see `ulimit -v`, "
			"vm.overcommit_memory and, where the process locks its memory (mlockall), "
			"`ulimit -l`",
			len_bytes, error_name(rc));
	/* Hints, but for DONTFORK: it is what keeps a child from using our memory by accident. */
	memory_set_huge(base, len_bytes, huge);
	if (madvise(base, len_bytes, MADV_DONTFORK) < 0) {
		rc = error_set(-errno, "cannot keep memory from children: %s", error_name(-errno));
		(void)munmap(base, len_bytes);
		return rc;
	}
	*ret_base = base;
	return 0;
}

void memory_discard(void *p, size_t len_bytes)
{
	size_t page_bytes = system_page_bytes();
	char *begin = p, *end = begin + len_bytes;
	char *first = begin + -(uintptr_t)begin % page_bytes;
	char *last = end - (uintptr_t)end % page_bytes;

	if (first >= last || madvise(first, (size_t)(last - first), MADV_DONTNEED) < 0) {
		memset(begin, 0, len_bytes);
		return;
	}
	memset(begin, 0, (size_t)(first - begin));
	memset(last, 0, (size_t)(end - last));
}

void memory_release(void *base, size_t len_bytes)
{
	if (base)
		(void)munmap(base, round_up(len_bytes, system_page_bytes()));
}
