/* SPDX-License-Identifier: MIT */
/*
 * Copies on the simulated disk: each call of a copy fails, and the power is cut at each event of
 * one. Whatever happens, the copy's name means nothing, or a whole and durable copy.
 */
#include "tests/copy_fixture.h"
#include "tests/sim/faultplan.h"
#include "tests/sim/simwalk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KINDS 4 /* of copies: compact or not, a new name or a replaced file */

static unsigned flags_of(unsigned kind)
{
	return (kind & 1 ? VERSO_COPY_COMPACT : 0u) | (kind & 2 ? VERSO_COPY_REPLACE : 0u);
}

static struct verso *open_db(struct simdisk *disk, int pager, enum verso_commit_mode mode,
	const char *name, unsigned flags)
{
	struct db_hooks hooks = {.io = simdisk_io(disk)};
	struct verso_options o = {.size = sizeof(o),
		.pager = (enum verso_pager)pager,
		.flags = flags | VERSO_SMALL_PAGES,
		.io = VERSO_IO_SYNC,
		.cache_bytes = (size_t)2 << 20,
		.commit_mode = mode};
	struct verso *db = NULL;

	API_OK(db_open_with(&hooks, name, &o, &db));
	return db;
}

static struct verso *make_db(struct simdisk *disk, int pager, enum verso_commit_mode mode)
{
	struct verso *db = open_db(disk, pager, mode, "db", VERSO_CREATE);

	copy_fill(db, NULL, 0, 400, 1);
	copy_fill(db, "t", 3, 15, 1);
	copy_thin(db, 3);
	return db;
}

/* Something else that has the name. */
static void make_old(struct simdisk *disk)
{
	struct file *file;

	API_OK(io_open(simdisk_io(disk), "copy", FILE_CREATE, 0600, &file));
	API_OK(file_write(file, "old!", 4, 0));
	API_OK(file_sync(file));
	file_close(file);
	API_OK(io_sync_dir(simdisk_io(disk), "copy"));
}

/* What the name means: nothing or the old file, or a copy of db. Answers whether it is a copy. */
static bool is_copy(struct simdisk *disk, int pager, struct verso *db, unsigned kind)
{
	uint64_t size_bytes;
	const uint8_t *bytes = simdisk_bytes(disk, "copy", &size_bytes);
	struct verso *copy;

	if (!bytes || (kind & 2 && size_bytes == 4)) {
		ck_assert(!(kind & 2) || bytes);
		return false;
	}
	copy = open_db(disk, pager, VERSO_COMMIT_BEST, "copy", 0);
	copy_same(db, copy);
	verso_close(copy);
	return true;
}

START_TEST(each_call_of_a_copy_fails)
{
	for (unsigned kind = 0; kind < 2 * KINDS; kind++) {
		struct simdisk_options so = {.all_named = kind >= KINDS};
		struct simdisk *disk = simdisk_new(&so);
		struct verso *db = make_db(disk, _i, VERSO_COMMIT_TWO_FLUSH);
		bool any_struck = true;
		uint64_t n, n_failed = 0;

		if (kind & 2)
			make_old(disk);
		for (n = 0; any_struck; n++) {
			struct fault_plan plan = {.calls = FAULT_ANY,
				.nth = n,
				.kind = n % 2 ? FAULT_EIO : FAULT_ENOSPC};
			char text[400];
			bool done;
			int rc;

			simdisk_set_fault(disk, fault_plan_sim, &plan);
			rc = verso_copy(db, "copy", flags_of(kind), NULL, NULL);
			simdisk_set_fault(disk, NULL, NULL);
			(void)snprintf(text, sizeof(text), "%s", verso_errmsg(NULL));
			/* (What is read ahead in vain is read again.) */
			any_struck = plan.struck > 0;
			ck_assert(rc == 0 || any_struck);
			n_failed += rc < 0;
			done = is_copy(disk, _i, db, kind);
			ck_assert(rc < 0 || done);
			/* All but the folder's flush comes before the name. */
			ck_assert(rc == 0 || !done || strstr(text, "the copy is whole"));
			if (done)
				API_OK(io_unlink(simdisk_io(disk), "copy"));
			if (done && kind & 2)
				make_old(disk);
			api_check(db);
			ck_assert_uint_lt(n, 2000);
		}
		ck_assert_uint_gt(n_failed, 5);
		verso_close(db);
		simdisk_free(disk);
	}
}
END_TEST

START_TEST(power_is_cut_at_each_event_of_a_copy)
{
	static const enum sim_choice_kind kinds[] = {
		SIM_LOST, SIM_APPLIED, SIM_RANDOM, SIM_OPS, SIM_TORN, SIM_FEW_OLD};
	enum verso_commit_mode mode =
		_i / API_PAGERS ? VERSO_COMMIT_ONE_FLUSH : VERSO_COMMIT_TWO_FLUSH;
	uint64_t seed = check_seed(), n_images = 0, n_copies = 0;
	int pager = _i % API_PAGERS;

	for (unsigned kind = 0; kind < 2 * KINDS; kind++) {
		struct simdisk_options so = {.all_named = kind >= KINDS};
		struct simdisk *disk = simdisk_new(&so);
		struct verso *db = make_db(disk, pager, mode);
		struct simwalk *walk;
		uint64_t from;

		if (kind & 2)
			make_old(disk);
		from = simdisk_events(disk);
		API_OK(verso_copy(db, "copy", flags_of(kind), NULL, NULL));
		walk = simwalk_new(disk);
		for (uint64_t n = from; n <= simdisk_events(disk); n++) {
			simwalk_to(walk, n);
			for (unsigned i = 0; i < 6; i++) {
				struct sim_choice c = {kinds[i], check_random(&seed) >> 16};
				struct simdisk *image = simwalk_image(walk, c, false, NULL);
				bool done = is_copy(image, pager, db, kind);

				n_images++;
				n_copies += done;
				/* What was acknowledged is there. */
				ck_assert(done || n < simdisk_events(disk));
			}
		}
		simwalk_free(walk);
		verso_close(db);
		simdisk_free(disk);
	}
	ck_assert_uint_gt(n_copies, 6 * KINDS);
	printf("total: %s: %llu images of a cut copy, %llu with the copy\n", api_pager_names[pager],
		(unsigned long long)n_images, (unsigned long long)n_copies);
}
END_TEST

START_TEST(a_full_disk_is_an_error_and_leaves_nothing)
{
	for (unsigned kind = 0; kind < 2 * KINDS; kind++) {
		struct simdisk_options so = {.all_named = kind >= KINDS};
		struct simdisk *disk = simdisk_new(&so);
		struct verso *db = make_db(disk, _i, VERSO_COMMIT_TWO_FLUSH);
		uint64_t used;

		if (kind & 2)
			make_old(disk);
		used = simdisk_space_used(disk);
		simdisk_set_space(disk, used + 40000);
		API_IS(verso_copy(db, "copy", flags_of(kind), NULL, NULL), -ENOSPC);
		ck_assert(!is_copy(disk, _i, db, kind));
		simdisk_set_space(disk, 0);
		api_check(db);
		verso_close(db);
		simdisk_free(disk);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("copies on a simulated disk");
	TCase *t = tcase_create("each pager");

	tcase_set_timeout(t, 240);
	tcase_add_loop_test(t, each_call_of_a_copy_fails, 0, API_PAGERS);
	tcase_add_loop_test(t, power_is_cut_at_each_event_of_a_copy, 0, 2 * API_PAGERS);
	tcase_add_loop_test(t, a_full_disk_is_an_error_and_leaves_nothing, 0, API_PAGERS);
	suite_add_tcase(s, t);
	return check_main(s);
}
