/* SPDX-License-Identifier: MIT */
#include "tests/pool_fixture.h"

#include <stdlib.h>

void fixture_fill(struct page *page, uint32_t page_size)
{
	struct page_ref ref = page_ref(page);
	uint64_t state = ref.gen << 32 | ref.pgno;

	page->type = PAGE_TOY;
	for (uint32_t i = 0; i + 8 <= page_size - PAGE_HEADER_BYTES; i += 8)
		le64_set(page->payload + i, check_random(&state));
	page_seal(page, page_size, FIXTURE_SEED);
}

/* A page in memory that is zeroed. */
static void page_make(struct page *page, uint32_t page_size, struct page_ref ref)
{
	page_init(page, ref, PAGE_TOY, 0, 0);
	fixture_fill(page, page_size);
}

static void *zeroed(size_t len_bytes)
{
	size_t all_bytes = (len_bytes + 4095) & ~(size_t)4095;
	void *bytes = aligned_alloc(4096, all_bytes);

	ck_assert_ptr_nonnull(bytes);
	memset(bytes, 0, all_bytes);
	return bytes;
}

void fixture_put_page(struct fixture *f, struct page_ref ref)
{
	struct page *page = zeroed(f->page_size);

	page_make(page, f->page_size, ref);
	ck_assert_int_eq(file_write(f->file, page, f->page_size, (uint64_t)ref.pgno * f->page_size),
		0);
	free(page);
}

/* The first pages of the file, in one write. */
static void put_pages(struct fixture *f, pgno_t n_pages, gen_t gen)
{
	uint8_t *bytes;

	if (n_pages == 0)
		return;
	bytes = zeroed((size_t)n_pages * f->page_size);
	for (pgno_t i = 0; i < n_pages; i++)
		page_make((struct page *)(bytes + (size_t)i * f->page_size), f->page_size,
			(struct page_ref){i, gen});
	ck_assert_int_eq(file_write(f->file, bytes, (size_t)n_pages * f->page_size, 0), 0);
	free(bytes);
}

void fixture_file(struct fixture *f, bool real, uint32_t page_size, pgno_t n_pages, gen_t gen)
{
	char path[CHECK_PATH_BYTES];
	unsigned flags = FILE_CREATE | FILE_EXCL | FILE_DIRECT;

	memset(f, 0, sizeof(*f));
	f->page_size = page_size;
	f->disk = real ? NULL : simdisk_new(&(struct simdisk_options){.seed = check_seed()});
	f->io = real ? io_kernel() : simdisk_io(f->disk);
	(void)check_path(path, "pool.db");
	(void)io_unlink(f->io, path);
	ck_assert_int_eq(io_open(f->io, path, flags, 0600, &f->file), 0);
	if (!bufpool_fits_file(f->file, page_size)) {
		file_close(f->file);
		flags = 0;
		ck_assert_int_eq(io_open(f->io, path, flags, 0600, &f->file), 0);
	}
	put_pages(f, n_pages, gen);
}

void fixture_open(struct fixture *f, const struct bufpool_options *given, fixture_open_fn open,
	fixture_min_fn cache_bytes_min)
{
	struct bufpool_options opts = {0};

	if (given)
		opts = *given;
	if (opts.writer_pages == 0)
		opts.writer_pages = 4;
	if (opts.reader_pages == 0)
		opts.reader_pages = 4;
	if (opts.cache_bytes == 0)
		opts.cache_bytes = cache_bytes_min(f->page_size, &opts);
	ck_assert_msg(open(f->io, f->file, f->page_size, FIXTURE_SEED, &opts, &f->pager) == 0, "%s",
		error_text());
	ck_assert_int_eq(guard_open(&f->pager->guards, &f->guard), 0);
}

void fixture_close_pool(struct fixture *f)
{
	guard_close(f->guard);
	pager_close(f->pager);
	f->pager = NULL;
}

void fixture_close(struct fixture *f)
{
	if (f->pager)
		fixture_close_pool(f);
	file_close(f->file);
	simdisk_free(f->disk);
}

void fixture_check(const struct fixture *f, const struct page *page, struct page_ref ref)
{
	uint64_t state = ref.gen << 32 | ref.pgno;
	uint32_t n_wrong = 0;

	ck_assert(page_is(page, ref));
	for (uint32_t i = 0; i + 8 <= f->page_size - PAGE_HEADER_BYTES; i += 8)
		n_wrong += le64_get(page->payload + i) != check_random(&state);
	ck_assert_uint_eq(n_wrong, 0);
}

const struct page *fixture_get(struct fixture *f, struct page_ref ref)
{
	const struct page *page = NULL;

	ck_assert_msg(pager_get(f->pager, f->guard, ref, &page) == 0, "%s", error_text());
	fixture_check(f, page, ref);
	return page;
}

void fixture_visit(struct fixture *f, struct page_ref ref)
{
	pager_put(f->pager, fixture_get(f, ref));
}

struct page *fixture_fresh(struct fixture *f, struct page_ref ref)
{
	struct page *page = pager_fresh(f->pager, ref);

	fixture_fill(page, f->page_size);
	return page;
}

struct pager_stats fixture_stats(struct fixture *f)
{
	struct pager_stats stats;

	pager_stats(f->pager, &stats);
	return stats;
}
