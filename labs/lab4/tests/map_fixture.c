/* SPDX-License-Identifier: MIT */
#include "labs/lab4/tests/map_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct page_ref ref_of(pgno_t pgno)
{
	return (struct page_ref){pgno, 1};
}

/* A sealed page in the file, behind the map's back; its number is its first byte too. */
void map_put_page(struct world *w, struct page_ref ref)
{
	struct page *page = check_alloc(PAGE_BYTES);

	page_init(page, ref, PAGE_TOY, 0, 0);
	page->payload[0] = (uint8_t)ref.pgno;
	page_seal(page, PAGE_BYTES, SEED);
	ck_assert_int_eq(file_write(w->file, page, PAGE_BYTES, (uint64_t)ref.pgno * PAGE_BYTES), 0);
}

void map_make_file(struct world *w, pgno_t n_pages)
{
	memset(w, 0, sizeof(*w));
	w->ops = *io_kernel()->ops;
	w->io.ops = &w->ops;
	ck_assert_int_eq(io_open(io_kernel(), check_path(w->path, "map"), FILE_CREATE, 0600,
				 &w->file),
		0);
	ck_assert_int_eq(file_truncate(w->file, 0), 0); /* of a test before this one */
	for (pgno_t pgno = 0; pgno < n_pages; pgno++)
		map_put_page(w, ref_of(pgno));
}

int map_open(struct io *io, struct file *file, enum pager_checksum checksum,
	struct pager **ret_pager)
{
	struct mmap_options opts = {.writer_pages = WRITER_PAGES, .checksum = checksum};

	return mmap_open(io, file, PAGE_BYTES, SEED, &opts, ret_pager);
}

void map_attach(struct world *w)
{
	ck_assert_int_eq(map_open(&w->io, w->file, PAGER_CHECKSUM_ONCE, &w->pager), 0);
	ck_assert_int_eq(guard_open(&w->pager->guards, &w->guard), 0);
}

void map_open_world(struct world *w, pgno_t n_pages)
{
	map_make_file(w, n_pages);
	map_attach(w);
}

void map_close_world(struct world *w)
{
	guard_close(w->guard);
	pager_close(w->pager);
	file_close(w->file);
}

const struct page *map_get(struct world *w, pgno_t pgno)
{
	const struct page *page = NULL;

	ck_assert_int_eq(pager_get(w->pager, w->guard, ref_of(pgno), &page), 0);
	ck_assert_uint_eq(page->payload[0], (uint8_t)pgno);
	return page;
}

void map_visit(struct world *w, pgno_t pgno)
{
	pager_put(w->pager, map_get(w, pgno));
}

int map_try_get(struct world *w, struct page_ref ref)
{
	const struct page *page;
	int rc = pager_get(w->pager, w->guard, ref, &page);

	if (rc == 0)
		pager_put(w->pager, page);
	return rc;
}

/*
 * Children that come to a bad end
 */

/* The signal that ended a child which did that, or 0. */
int ended_by(void (*what)(struct world *w), struct world *w)
{
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		(void)signal(SIGSEGV, SIG_DFL); /* a sanitizer may have put its own there */
		(void)signal(SIGBUS, SIG_DFL);
		what(w);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFSIGNALED(status) || WEXITSTATUS(status) == 0, "the child has failed");
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

_Atomic int *shared_number(void)
{
	_Atomic int *number = mmap(NULL, sizeof(*number), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne((void *)(uintptr_t)number, MAP_FAILED);
	return number;
}

uint8_t *raw_map(const struct world *w, int prot, int share, size_t len_bytes)
{
	int fd = open(w->path, O_RDWR | O_CLOEXEC);
	uint8_t *at = mmap(NULL, len_bytes, prot, share, fd, 0);

	(void)close(fd);
	ck_assert_ptr_ne(at, MAP_FAILED);
	return at;
}
