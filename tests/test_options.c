/* SPDX-License-Identifier: MIT */
/* What db/options.c makes of an open's options for the floors below. */
#include "db/options.h"
#include "tests/check_main.h"

#define MIB ((size_t)1 << 20)

static const struct {
	size_t cache_bytes;
	uint32_t page_size, dirty_pages, unflushed_pages;
} shares[] = {
	{2 * MIB, 4096, 128, 128},        /* never fewer */
	{64 * MIB, 4096, 4096, 4096},     /* a quarter; so much waits for the flush at least */
	{64 * MIB, 65536, 256, 256},      /* but never more than may be unsealed */
	{1024 * MIB, 4096, 65536, 16384}, /* a quarter and a sixteenth */
	{16 * 1024 * MIB, 4096, 131072, 131072}, /* never more */
};

START_TEST(writer_has_its_share_of_the_cache)
{
	struct verso_options o = {.cache_bytes = shares[_i].cache_bytes};
	struct txn_options t;

	options_txn(&o, NULL, NULL, shares[_i].page_size, &t);
	ck_assert_uint_eq(t.dirty_max_pages, shares[_i].dirty_pages);
	ck_assert_uint_eq(t.unflushed_max_pages, shares[_i].unflushed_pages);
}
END_TEST

START_TEST(tuning_goes_before_shares)
{
	struct verso_options o = {.cache_bytes = 64 * MIB};
	struct txn_options tuning = {.dirty_max_pages = 7, .unflushed_max_pages = 3}, t;

	options_txn(&o, &tuning, NULL, 4096, &t);
	ck_assert_uint_eq(t.dirty_max_pages, 7);
	ck_assert_uint_eq(t.unflushed_max_pages, 3);
}
END_TEST

static const struct {
	enum verso_commit_mode asked;
	bool has_file, device_direct;
	enum txn_commit_mode mode;
} modes[] = {
	{VERSO_COMMIT_BEST, true, true, TXN_ONE_FLUSH},
	{VERSO_COMMIT_BEST, true, false, TXN_TWO_FLUSH}, /* opening could not see the device */
	{VERSO_COMMIT_BEST, false, false, TXN_TWO_FLUSH},
	{VERSO_COMMIT_TWO_FLUSH, true, true, TXN_TWO_FLUSH},
	{VERSO_COMMIT_ONE_FLUSH, true, true, TXN_ONE_FLUSH},
};

START_TEST(one_flush_where_the_device_can_be_seen)
{
	struct verso_options o = {.cache_bytes = 64 * MIB, .commit_mode = modes[_i].asked};
	struct file file = {.device_direct = modes[_i].device_direct};
	struct txn_options t;

	options_txn(&o, NULL, modes[_i].has_file ? &file : NULL, 4096, &t);
	ck_assert_int_eq(t.mode, modes[_i].mode);
}
END_TEST

START_TEST(sync_and_access_go_down)
{
	struct verso_options o = {.cache_bytes = 64 * MIB}, relaxed = o, process = o, read_only = o;
	struct txn_options t;

	relaxed.sync = VERSO_SYNC_RELAXED;
	process.sync = VERSO_SYNC_PROCESS;
	read_only.flags = VERSO_RDONLY;
	options_txn(&o, NULL, NULL, 4096, &t);
	ck_assert(t.sync == TXN_FULL && !t.read_only);
	options_txn(&relaxed, NULL, NULL, 4096, &t);
	ck_assert(t.sync == TXN_RELAXED && !t.read_only);
	/* Where the device cannot be seen it is refused, not made another mode. */
	options_txn(&process, NULL, NULL, 4096, &t);
	ck_assert(t.sync == TXN_PROCESS && t.mode == TXN_ONE_FLUSH);
	options_txn(&read_only, NULL, NULL, 4096, &t);
	ck_assert(t.sync == TXN_FULL && t.read_only);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("options");
	TCase *tc = tcase_create("txn");

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, writer_has_its_share_of_the_cache, 0,
		sizeof(shares) / sizeof(shares[0]));
	tcase_add_test(tc, tuning_goes_before_shares);
	tcase_add_loop_test(tc, one_flush_where_the_device_can_be_seen, 0,
		sizeof(modes) / sizeof(modes[0]));
	tcase_add_test(tc, sync_and_access_go_down);
	return check_main(s);
}
