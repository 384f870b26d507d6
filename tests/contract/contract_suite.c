/* SPDX-License-Identifier: MIT */
/* The cases of the contract: registered once, run over each implementation. */
#include "tests/contract/contract_int.h"

#include <stdio.h>
#include <stdlib.h>

#define CASES_MAX 256

static struct contract_case cases[CASES_MAX];
static int n_cases;
static const struct contract_case *simulated[CASES_MAX];
static int n_simulated;

int contract_n_cases(void)
{
	return n_cases;
}

int contract_n_simulated(void)
{
	return n_simulated;
}

void contract_add_case(const struct contract_case *c)
{
	const char *only = getenv("VERSO_CONTRACT");

	if (only && strncmp(c->name, only, strlen(only)) != 0)
		return;
	ASSERT(n_cases < CASES_MAX);
	cases[n_cases] = *c;
	if (c->simulated)
		simulated[n_simulated++] = &cases[n_cases];
	n_cases++;
}

void contract_add(Suite *s)
{
	if (n_cases == 0) {
		(void)fprintf(stderr, "no pager here has a name that begins with \"%s\"\n",
			getenv("VERSO_CONTRACT") ? getenv("VERSO_CONTRACT") : "");
		exit(EXIT_FAILURE);
	}
	suite_add_tcase(s, contract_reading());
	suite_add_tcase(s, contract_writing());
	suite_add_tcase(s, contract_sizes());
	suite_add_tcase(s, contract_threads());
	suite_add_tcase(s, contract_faults());
}

/*
 * The world
 */

static void must(const struct world *w, const char *what, int rc)
{
	if (rc != 0)
		ck_abort_msg("%s, %u-byte pages, backend %s: %s: %d, %s", w->c->name, w->page_size,
			w->c->backend ? w->c->backend : "best", what, rc, error_text());
}

static void attach(struct world *w)
{
	must(w, "open", w->c->open(w->c, w->io, w->file, &w->pager));
	ck_assert_uint_eq(w->pager->page_size, w->page_size);
	ck_assert_uint_eq(w->pager->seed, CONTRACT_SEED);
	ck_assert_uint_ge(w->pager->writer_pages, CONTRACT_WRITER_PAGES);
	must(w, "guard_open", guard_open(&w->pager->guards, &w->guard));
}

static void detach(struct world *w)
{
	guard_close(w->guard);
	pager_close(w->pager);
}

static void open_case(struct world *w, const struct contract_case *c)
{
	*w = (struct world){.c = c, .page_size = c->page_size, .gen = UINT64_C(5) << 40};
	(void)printf("# %s, %u-byte pages, backend %s\n", c->name, c->page_size,
		c->backend ? c->backend : "best");
	if (c->backend)
		(void)setenv("VERSO_IO", c->backend, 1);
	w->io = io_kernel();
	if (c->simulated) {
		w->disk = simdisk_new(&(struct simdisk_options){.seed = check_seed()});
		w->io = simdisk_io(w->disk);
	}
	check_path(w->path, "contract");
	must(w, "create", io_open(w->io, w->path, FILE_CREATE | c->file_flags, 0600, &w->file));
	attach(w);
	must(w, "resize", pager_resize(w->pager, WORLD_PAGES));
}

void world_open(struct world *w, int i)
{
	open_case(w, &cases[i]);
}

void world_open_simulated(struct world *w, int i)
{
	open_case(w, simulated[i]);
}

void world_close(struct world *w)
{
	detach(w);
	file_close(w->file);
	must(w, "unlink", io_unlink(w->io, w->path));
	simdisk_free(w->disk);
}

void world_reopen(struct world *w)
{
	detach(w);
	attach(w);
}

/*
 * Pages
 */

/* The words of a page are this and multiples of it: cheap to make, and no two pages are alike. */
static uint64_t words_of(struct page_ref ref)
{
	uint64_t state = ref.gen * 0x100000001b3u ^ (uint64_t)ref.pgno << 32;

	return check_random(&state);
}

void page_fill(struct page *page, uint32_t page_size, struct page_ref ref)
{
	uint64_t words = words_of(ref);

	page_init(page, ref, PAGE_TOY, 0, 1);
	for (uint32_t i = 0; i < (page_size - PAGE_HEADER_BYTES) / 8; i++)
		le64_set(page->payload + 8 * (size_t)i, words * (i + 1));
	page_seal(page, page_size, CONTRACT_SEED);
}

bool page_is_filled(const struct page *page, uint32_t page_size, struct page_ref ref)
{
	uint64_t words = words_of(ref);
	bool same = true;

	if (!page_is(page, ref) || !page_is_sealed(page) || page->type != PAGE_TOY)
		return false;
	for (uint32_t i = 0; i < (page_size - PAGE_HEADER_BYTES) / 8; i++)
		same &= le64_get(page->payload + 8 * (size_t)i) == words * (i + 1);
	return same;
}

bool is_zero(const void *bytes, size_t len_bytes)
{
	const uint8_t *p = bytes;

	return len_bytes == 0 || (p[0] == 0 && memcmp(p, p + 1, len_bytes - 1) == 0);
}

struct page_ref world_make(struct world *w, pgno_t pgno)
{
	struct page_ref ref = {pgno, ++w->gen};

	page_fill(pager_fresh(w->pager, ref), w->page_size, ref);
	return ref;
}

int world_try_write(struct world *w, const struct page_ref *refs, size_t n)
{
	struct page_write set[CONTRACT_WRITER_PAGES];

	ck_assert_uint_le(n, CONTRACT_WRITER_PAGES);
	for (size_t i = 0; i < n; i++)
		set[i] = (struct page_write){.pgno = refs[i].pgno, .n_pages = 1};
	return pager_write(w->pager, set, n);
}

void world_write(struct world *w, const struct page_ref *refs, size_t n)
{
	must(w, "write", world_try_write(w, refs, n));
}

struct page_ref world_add(struct world *w, pgno_t pgno)
{
	struct page_ref ref = world_make(w, pgno);

	world_write(w, &ref, 1);
	return ref;
}

void world_add_many(struct world *w, pgno_t pgno, size_t n, struct page_ref *ret_refs)
{
	for (size_t done = 0; done < n;) {
		size_t i = 0;

		for (; i < 32 && done + i < n; i++)
			ret_refs[done + i] = world_make(w, (pgno_t)(pgno + done + i));
		world_write(w, ret_refs + done, i);
		done += i;
	}
}

void *world_buffer(const struct world *w, size_t n_pages)
{
	size_t len_bytes = (n_pages * w->page_size + 4095) & ~(size_t)4095;
	void *buf = aligned_alloc(4096, len_bytes);

	ck_assert_ptr_nonnull(buf);
	memset(buf, 0, len_bytes);
	return buf;
}

void world_overwrite(struct world *w, pgno_t pgno, const void *buf)
{
	must(w, "overwrite", file_write(w->file, buf, w->page_size, (uint64_t)pgno * w->page_size));
}

void world_read_file(struct world *w, pgno_t pgno, void *buf)
{
	must(w, "read",
		file_read(w->file, buf, w->page_size, (uint64_t)pgno * w->page_size, FILE_LIVE));
}

const struct page *world_get(struct world *w, struct page_ref ref)
{
	const struct page *page = NULL;

	must(w, "get", pager_get(w->pager, w->guard, ref, &page));
	ck_assert_ptr_nonnull(page);
	return page;
}

void check_get(struct world *w, struct page_ref ref)
{
	const struct page *page = world_get(w, ref);

	ck_assert(page_is_filled(page, w->page_size, ref));
	pager_put(w->pager, page);
}

void check_absent(struct world *w, struct page_ref ref)
{
	const struct page *page = NULL;

	error_clear();
	ck_assert_int_eq(pager_get(w->pager, w->guard, ref, &page), VERSO_ECORRUPT);
	ck_assert_ptr_null(page);
	ck_assert_str_ne(error_text(), "");
	guard_enter(w->guard);
	page = pager_peek(w->pager, w->guard, ref);
	guard_leave(w->guard);
	ck_assert_ptr_null(page);
}
