/* SPDX-License-Identifier: MIT */
/* Opening a pool where memory, address space or the file are not as one would like. */
#include "bufpool/bufpool_int.h"
#include "tests/pool_fixture.h"
#include "tests/sim/failmalloc.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

START_TEST(every_allocation_of_open_may_fail)
{
	struct bufpool_options opts = {.cache_bytes = 1 << 20};
	struct fixture f;
	int rc = -ENOMEM;

	fixture_file(&f, true, 4096, 4, 1);
	for (uint64_t n = 0; rc < 0; n++) {
		error_clear();
		failmalloc_arm(n, false);
		rc = bufpool_open(f.io, f.file, 4096, FIXTURE_SEED, &opts, &f.pager);
		if (failmalloc_disarm() == 0)
			ck_assert_int_eq(rc, 0);
		ck_assert(rc == 0 || rc == -ENOMEM);
		ck_assert(rc == 0 || *error_text());
		/* A queue may fall back to a lower backend instead of failing. */
		if (rc == 0 && failmalloc_calls() > n) {
			pager_close(f.pager);
			rc = -ENOMEM;
		}
	}
	ck_assert_int_eq(guard_open(&f.pager->guards, &f.guard), 0);
	fixture_visit(&f, (struct page_ref){3, 1});
	fixture_close(&f);
}
END_TEST

START_TEST(too_small_a_cache_is_refused_with_the_size_that_it_takes)
{
	struct bufpool_options opts = {.writer_pages = 100, .reader_pages = 10};
	size_t min_bytes = bufpool_cache_bytes_min(4096, &opts);
	struct fixture f;
	char text[32];

	fixture_file(&f, false, 4096, 1, 1);
	opts.cache_bytes = min_bytes - 1;
	ck_assert_int_eq(bufpool_open(f.io, f.file, 4096, 1, &opts, &f.pager), -EINVAL);
	(void)snprintf(text, sizeof(text), "at least %zu", min_bytes);
	ck_assert_ptr_nonnull(strstr(error_text(), text));
	opts.cache_bytes = min_bytes;
	ck_assert_int_eq(bufpool_open(f.io, f.file, 4096, 1, &opts, &f.pager), 0);
	ck_assert_uint_eq(f.pager->writer_pages, 100);
	pager_close(f.pager);
	f.pager = NULL;
	fixture_close(&f);
}
END_TEST

START_TEST(frames_and_their_descriptions_stay_within_cache_bytes)
{
	static const size_t caches[] = {1 << 20, 3000000, (64 << 20) + 1, 1000 << 20};
	static const uint32_t sizes[] = {512, 4096, 65536};

	for (unsigned i = 0; i < 4 * 3; i++) {
		struct bufpool_options opts = {.cache_bytes = caches[i / 3], .writer_pages = 2};
		struct fixture f;
		struct pool *pool;
		size_t bytes;

		fixture_file(&f, false, sizes[i % 3], 1, 1);
		opts.reader_pages = 8;
		fixture_pool(&f, &opts);
		pool = pool_of(f.pager);
		bytes = sizeof(*pool) +
			(size_t)pool->n_frames *
				(sizes[i % 3] + sizeof(struct frame) + 1 + sizeof(uint32_t));
		ck_assert_uint_le(bytes, opts.cache_bytes);
		if (!HOSTILE_BUILD)
			ck_assert_uint_gt(bytes + 2 * sizes[i % 3], opts.cache_bytes);
		fixture_close(&f);
	}
}
END_TEST

START_TEST(file_whose_direct_blocks_are_larger_than_a_page_is_refused)
{
	struct fixture f;
	struct file coarse;

	fixture_file(&f, false, 512, 1, 1);
	coarse = *f.file;
	coarse.direct = true;
	coarse.align_bytes = 4096;
	ck_assert(!bufpool_fits_file(&coarse, 512));
	ck_assert(bufpool_fits_file(&coarse, 4096));
	ck_assert_int_eq(bufpool_open(f.io, &coarse, 512, 1, NULL, &f.pager), -EINVAL);
	f.pager = NULL;
	fixture_close(&f);
}
END_TEST

START_TEST(address_space_is_in_proportion_to_the_file)
{
	struct rlimit limit = {(rlim_t)3 << 30, (rlim_t)3 << 30};
	struct fixture f;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	check_skip("sanitizers need the address space");
	return;
#endif
	fixture_file(&f, false, 4096, 8, 1);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	fixture_pool(&f, NULL);
	ck_assert_uint_lt(table_end(&pool_of(f.pager)->table), (uint64_t)1 << 20);
	fixture_visit(&f, (struct page_ref){7, 1});
	/* What the words of a larger file cannot have leaves all as it was. */
	ck_assert_int_eq(pager_resize(f.pager, UINT32_MAX), -ENOMEM);
	fixture_visit(&f, (struct page_ref){7, 1});
	fixture_close(&f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bufpool_open");
	TCase *tc = tcase_create("open");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, every_allocation_of_open_may_fail);
	tcase_add_test(tc, too_small_a_cache_is_refused_with_the_size_that_it_takes);
	tcase_add_test(tc, frames_and_their_descriptions_stay_within_cache_bytes);
	tcase_add_test(tc, file_whose_direct_blocks_are_larger_than_a_page_is_refused);
	tcase_add_test(tc, address_space_is_in_proportion_to_the_file);
	suite_add_tcase(s, tc);
	return check_main(s);
}
