/* SPDX-License-Identifier: MIT */
/*
 * The heat map of Lab 6: of the images that a power cut may leave, how many hold no state that may
 * be found, in per cent. A row is a protocol over a memory; a column is what comes next in the
 * commit. "-": no image, because nothing was pending there.
 *
 * The images are those of the crash engine, by its hook; equal ones of one moment count once. A
 * workload is a store that is created and takes COMMITS commits; nobody dies, for what a death
 * leaves is another table.
 */
#include "tests/crash/subject_store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMITS         12
#define WORKLOAD_IMAGES 600
#define MOMENT_IMAGES   256
#define ROW_IMAGES      3000U

struct cell {
	uint64_t bad, all;
};

struct row {
	struct cell cells[STORE_STEPS];
	uint64_t n_images, n_workloads;
	uint64_t event; /* the moment that is being looked at, and its images */
	uint64_t hashes[MOMENT_IMAGES];
	unsigned n_hashes;
};

static int workload(unsigned config, uint64_t seed, struct simdisk *d, struct crash_history *h)
{
	const struct crash_subject *s = &subject_store;
	uint64_t rng = seed, digest;
	void *db;
	int rc = s->create(config, seed, d);

	if (rc == 0)
		rc = s->open(config, seed, d, &db);
	if (rc != 0)
		return rc < 0 ? rc : -ENOENT;
	(void)s->digest(db, &digest);
	crash_begin_with(h, digest);
	h->versions[0].begun_at = h->versions[0].acked_at = h->named_at = simdisk_events(d);
	for (unsigned i = 0; rc == 0 && i < COMMITS; i++)
		rc = s->commit(db, &rng, h);
	s->close(db);
	return rc;
}

static int step_of(const char *phase)
{
	for (int step = 0; step < (int)STORE_STEPS; step++)
		if (strcmp(phase, store_step_name((enum store_step)step)) == 0)
			return step;
	return -1; /* before the first commit */
}

/* Whether this image is the first of its bytes at this moment. */
static bool is_new(struct row *row, const struct crash_image *image)
{
	if (row->event != image->event) {
		row->event = image->event;
		row->n_hashes = 0;
	}
	for (unsigned i = 0; i < row->n_hashes; i++)
		if (row->hashes[i] == image->hash)
			return false;
	if (row->n_hashes < MOMENT_IMAGES)
		row->hashes[row->n_hashes++] = image->hash;
	return true;
}

static void on_image(void *arg, const struct crash_image *image)
{
	struct row *row = arg;
	int step = step_of(image->phase);

	if (image->opening == CRASH_NOT_OPENED) {
		(void)fprintf(stderr, "heat: %s: %s: %s\n", image->config, image->failure,
			image->error);
		exit(EXIT_FAILURE);
	}
	if (step < 0 || !is_new(row, image))
		return;
	if (image->n_pending == 0 && step != (int)STEP_ACKNOWLEDGED)
		return;
	row->cells[step].all++;
	row->cells[step].bad += image->failure != NULL;
	row->n_images++;
}

static void on_workload(void *arg, const struct crash_workload *w)
{
	(void)w;
	((struct row *)arg)->n_workloads++;
	((struct row *)arg)->event = UINT64_MAX;
}

static void print_row(const char *name, const struct row *row)
{
	printf("%-14s", name);
	for (unsigned i = 0; i < STORE_STEPS; i++)
		if (row->cells[i].all)
			printf(" %11.0f%%",
				100 * (double)row->cells[i].bad / (double)row->cells[i].all);
		else
			printf(" %12s", "-");
	printf("   %llu\n", (unsigned long long)row->n_images);
}

static void print_json(FILE *f, const char *name, const struct row *row)
{
	(void)fprintf(f, "{\"row\":\"%s\",\"workloads\":%llu,\"steps\":{", name,
		(unsigned long long)row->n_workloads);
	for (unsigned i = 0; i < STORE_STEPS; i++)
		(void)fprintf(f, "%s\"%s\":[%llu,%llu]", i ? "," : "",
			store_step_name((enum store_step)i), (unsigned long long)row->cells[i].bad,
			(unsigned long long)row->cells[i].all);
	(void)fprintf(f, "}}\n");
}

static int usage(const char *why)
{
	(void)fprintf(stderr,
		"heat: %s\n"
		"usage: heat [--seed N] [--images N] [--json FILE]\n"
		"  --images  distinct ones for each row (1 to 1000000; %u)\n"
		"  --json    one line of JSON a row; -: stdout, without the table\n",
		why, ROW_IMAGES);
	return 2;
}

static bool number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *ret >= min &&
	       *ret <= max;
}

static void print_head(void)
{
	printf("Images after a power cut that hold no committed state, in per cent, by what comes "
	       "next\n\n%-14s",
		"");
	for (unsigned i = 0; i < STORE_STEPS; i++)
		printf(" %12s", store_step_name((enum store_step)i));
	printf("   images\n");
}

int main(int argc, char **argv)
{
	/* Of store_configs: nothing, the log, shadow pages. */
	static const unsigned rows[STORE_CONFIGS] = {5, 6, 7, 0, 1, 8, 2, 4, 3};
	struct crash_subject subject = subject_store;
	uint64_t seed = 1, n_images = ROW_IMAGES;
	FILE *json = NULL;

	for (int i = 1; i < argc; i += 2) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(argv[i], "--json") == 0 && *value)
			json = strcmp(value, "-") == 0 ? stdout : fopen(value, "we");
		else if (!(strcmp(argv[i], "--seed") == 0
					 ? number(value, 0, UINT32_MAX, &seed)
					 : strcmp(argv[i], "--images") == 0 &&
						   number(value, 1, 1000000, &n_images)))
			return usage(argv[i]);
		if (strcmp(argv[i], "--json") == 0 && !json)
			return usage(strerror(errno));
	}
	subject.n_configs = STORE_CONFIGS;
	subject.workload = workload;
	if (json != stdout)
		print_head();
	for (unsigned i = 0; i < STORE_CONFIGS; i++) {
		struct row row = {.n_images = 0};
		struct crash_options opts = {
			.seed = seed,
			.n_images = n_images,
			.images_a_workload = WORKLOAD_IMAGES,
			.failures_max = UINT_MAX,
			.config = (int)rows[i],
			.hook = {on_image, on_workload, &row},
		};
		struct crash_totals totals;

		(void)crash_run(&subject, &opts, &totals);
		if (json != stdout)
			print_row(store_configs[rows[i]].name, &row);
		if (json)
			print_json(json, store_configs[rows[i]].name, &row);
	}
	return 0;
}
