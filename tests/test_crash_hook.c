/* SPDX-License-Identifier: MIT */
/*
 * The hook of the crash engine, by the smallest subject that can fail: two numbers in two sectors
 * of a file, written where they lie. A power cut between the two writes leaves half of a commit,
 * and the hook must say so, in the phase in which it happened, and nowhere else.
 */
#include "base/bytes.h"
#include "io/file.h"
#include "tests/check_main.h"
#include "tests/crash/crash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELLS  2U
#define SECTOR 512U

struct pair {
	struct simdisk *disk;
	struct file *file;
	uint64_t value; /* of both numbers */
	uint8_t bytes[CELLS * SECTOR] __attribute__((aligned(4096)));
};

static uint64_t pair_digest(const struct pair *p)
{
	uint64_t digest = 17;

	for (unsigned i = 0; i < CELLS; i++)
		digest = digest * 1000003 + le64_get(p->bytes + i * SECTOR);
	return digest;
}

static int pair_write(struct pair *p, struct crash_history *h, unsigned i)
{
	uint8_t *cell = p->bytes + i * SECTOR;

	if (h)
		crash_phase(h, i == 0 ? "first write" : "second write");
	le64_set(cell, p->value);
	return file_write(p->file, cell, SECTOR, i * SECTOR);
}

static int pair_commit(void *db, uint64_t *rng, struct crash_history *h)
{
	struct pair *p = db;
	uint8_t before[sizeof(p->bytes)];
	unsigned v;
	int rc = 0;

	(void)rng;
	p->value++;
	memcpy(before, p->bytes, sizeof(before));
	for (unsigned i = 0; i < CELLS; i++)
		le64_set(p->bytes + i * SECTOR, p->value);
	v = crash_begin(h, pair_digest(p));
	memcpy(p->bytes, before, sizeof(before));
	for (unsigned i = 0; i < CELLS && rc == 0; i++)
		rc = pair_write(p, h, i);
	crash_phase(h, "flush");
	if (rc == 0)
		rc = file_sync(p->file);
	if (rc == 0)
		crash_ack(h, v);
	return rc;
}

static int pair_open(unsigned config, uint64_t seed, struct simdisk *d, void **ret_db)
{
	struct pair *p = aligned_alloc(4096, (sizeof(*p) + 4095) / 4096 * 4096);
	uint64_t size_bytes = 0;
	int rc;

	(void)config;
	(void)seed;
	ck_assert_ptr_nonnull(p);
	memset(p, 0, sizeof(*p));
	p->disk = d;
	rc = io_open(simdisk_io(d), "/pair", 0, 0600, &p->file);
	if (rc == 0)
		rc = file_size(p->file, &size_bytes);
	if (rc < 0 || size_bytes < sizeof(p->bytes)) {
		file_close(p->file);
		free(p);
		return rc == 0 || rc == -ENOENT ? 1 : rc;
	}
	rc = file_read(p->file, p->bytes, sizeof(p->bytes), 0, FILE_LIVE);
	p->value = le64_get(p->bytes);
	*ret_db = p;
	return rc;
}

static void pair_close(void *db)
{
	struct pair *p = db;

	file_close(p->file);
	free(p);
}

static int pair_create(unsigned config, uint64_t seed, struct simdisk *d)
{
	uint8_t zeros[CELLS * SECTOR] = {0};
	struct file *file;
	int rc = io_open(simdisk_io(d), "/pair", FILE_CREATE, 0600, &file);

	(void)config;
	(void)seed;
	if (rc < 0)
		return rc;
	rc = file_write(file, zeros, sizeof(zeros), 0);
	if (rc == 0)
		rc = file_sync(file);
	file_close(file);
	return rc == 0 ? io_sync_dir(simdisk_io(d), "/pair") : rc;
}

static int pair_workload(unsigned config, uint64_t seed, struct simdisk *d, struct crash_history *h)
{
	static const struct pair zero;
	uint64_t rng = seed;
	void *db;
	int rc;

	(void)crash_begin(h, pair_digest(&zero));
	rc = pair_create(config, seed, d);
	if (rc == 0)
		rc = pair_open(config, seed, d, &db);
	if (rc != 0)
		return rc;
	crash_ack(h, 0);
	crash_name(h);
	for (int i = 0; i < 5 && rc == 0; i++)
		rc = pair_commit(db, &rng, h);
	pair_close(db);
	return rc;
}

static int pair_digest_of(void *db, uint64_t *ret_digest)
{
	*ret_digest = pair_digest(db);
	return 0;
}

static int pair_check(void *db)
{
	(void)db;
	return 0;
}

static const char *pair_name(unsigned config)
{
	(void)config;
	return "in-place";
}

static void pair_disk(unsigned config, uint64_t seed, struct simdisk_options *opts)
{
	(void)config;
	(void)seed;
	(void)opts;
}

static const struct crash_subject pair_subject = {
	.name = "pair",
	.n_configs = 1,
	.config_name = pair_name,
	.disk_options = pair_disk,
	.workload = pair_workload,
	.create = pair_create,
	.open = pair_open,
	.digest = pair_digest_of,
	.check = pair_check,
	.commit = pair_commit,
	.close = pair_close,
};

struct seen_images {
	uint64_t n, n_failed, n_opened, n_workloads;
	uint64_t n_in_flush; /* of the failed ones */
	char replay[400], failure[200];
};

static void see_image(void *arg, const struct crash_image *image)
{
	struct seen_images *seen = arg;

	ck_assert_str_eq(image->config, "in-place");
	ck_assert_uint_eq(image->depth, 1);
	seen->n++;
	seen->n_opened += image->opening == CRASH_OPENED;
	if (!image->failure) {
		ck_assert(image->opening == CRASH_NO_DATABASE || image->version >= 0);
		return;
	}
	seen->n_failed++;
	/* Half of a commit is there only when something of it is pending. */
	ck_assert_uint_gt(image->n_pending, 0);
	ck_assert_int_eq(image->opening, CRASH_OPENED);
	ck_assert_int_eq(image->version, -1);
	ck_assert_str_ne(image->phase, "acknowledged");
	ck_assert_str_ne(image->phase, "first write");
	seen->n_in_flush += strcmp(image->phase, "flush") == 0;
	(void)snprintf(seen->replay, sizeof(seen->replay), "%s", image->replay);
	(void)snprintf(seen->failure, sizeof(seen->failure), "%s", image->failure);
}

static void see_workload(void *arg, const struct crash_workload *w)
{
	struct seen_images *seen = arg;

	ck_assert_uint_eq(w->n_versions, 6);
	ck_assert(w->last_config);
	seen->n_workloads++;
}

static struct crash_options pair_options(struct seen_images *seen)
{
	return (struct crash_options){
		.seed = check_seed(),
		.n_images = 60,
		.images_a_workload = 120,
		.failures_max = 1000,
		.config = -1,
		.hook = {see_image, see_workload, seen},
	};
}

START_TEST(hook_is_given_each_image_with_phase_decision_and_verdict)
{
	struct seen_images seen = {0};
	struct crash_options opts = pair_options(&seen);
	struct crash_totals totals;

	ck_assert_int_eq(crash_run(&pair_subject, &opts, &totals), 0);
	ck_assert_uint_eq(seen.n, totals.n_images);
	ck_assert_uint_eq(seen.n_failed, totals.n_failures);
	ck_assert_uint_eq(seen.n_workloads, totals.n_workloads);
	ck_assert_uint_gt(seen.n_opened, seen.n / 2);
	ck_assert_uint_gt(seen.n_in_flush, 0);
	ck_assert_str_eq(seen.failure, "recovers a state that never was");
}
END_TEST

START_TEST(line_of_a_failing_image_makes_it_again)
{
	struct seen_images seen = {0}, again = {0};
	struct crash_options opts = pair_options(&seen);
	struct crash_totals totals;

	ck_assert_int_eq(crash_run(&pair_subject, &opts, &totals), 0);
	opts = pair_options(&again);
	opts.replay = seen.replay;
	ck_assert_int_eq(crash_run(&pair_subject, &opts, &totals), 0);
	ck_assert_uint_eq(again.n, 1);
	ck_assert_str_eq(again.failure, seen.failure);
	ck_assert_str_eq(again.replay, seen.replay);
	opts.replay = "config=unheard-of";
	ck_assert_int_eq(crash_run(&pair_subject, &opts, &totals), -EINVAL);
}
END_TEST

START_TEST(event_belongs_to_the_phase_that_began_last)
{
	struct simdisk *disk = simdisk_new(NULL);
	struct crash_history h = {0};

	crash_history_reset(&h, disk);
	ck_assert_str_eq(crash_phase_at(&h, 0), "start");
	(void)crash_begin(&h, 1);
	ck_assert_str_eq(crash_phase_at(&h, 0), "commit");
	crash_phase(&h, "log write");
	ck_assert_str_eq(crash_phase_at(&h, 0), "log write");
	ck_assert_int_eq(pair_create(0, 1, disk), 0);
	crash_ack(&h, 0);
	ck_assert_str_eq(crash_phase_at(&h, simdisk_events(disk) - 1), "log write");
	ck_assert_str_eq(crash_phase_at(&h, simdisk_events(disk)), "acknowledged");
	crash_history_fini(&h);
	simdisk_free(disk);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("crash_hook");
	TCase *tc = tcase_create("hook");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, hook_is_given_each_image_with_phase_decision_and_verdict);
	tcase_add_test(tc, line_of_a_failing_image_makes_it_again);
	tcase_add_test(tc, event_belongs_to_the_phase_that_began_last);
	suite_add_tcase(s, tc);
	return check_main(s);
}
