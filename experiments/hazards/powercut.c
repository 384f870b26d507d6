/* SPDX-License-Identifier: MIT */
/*
 * H1 on the simulated disk: of the power cuts in the middle of commits, how many leave a state that
 * was neither before nor after. The small store (tests/crash/store.h) with each of its protocols,
 * over frames of its own, over the map that is the file, and over private copies of a map.
 *
 * Each event of the disk's log is a moment; at each, choices say what of the pending writes a power
 * cut left. Images that are equal at one moment count once. Prints a table by what comes next in
 * the commit, and with --json one line for each configuration.
 */
#include "experiments/hazards/line.h"
#include "tests/crash/subject_store.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define COMMITS    12
#define CHOICES    16 /* drawn at each moment, beside the structured ones */
#define EVENTS_MAX 4096
#define IMAGES_MAX 128 /* distinct ones at a moment */

struct share {
	uint64_t neither, all;
};

struct tally {
	struct share steps[STORE_STEPS], total;
};

/* Which step was announced last when the log had so many events. */
struct steps {
	const struct simdisk *disk;
	int at[EVENTS_MAX]; /* STORE_STEPS: none was */
};

static void note_step(void *arg, enum store_step step)
{
	struct steps *s = arg;
	uint64_t n = simdisk_events(s->disk);

	if (n < EVENTS_MAX)
		s->at[n] = (int)step;
}

static _Noreturn void give_up(const char *what, int rc)
{
	(void)fprintf(stderr, "hazard_powercut: %s: %s\n", what, strerror(-rc));
	exit(3);
}

/* Commits on a new disk. Returns how many events there were before the first. */
static uint64_t run_workload(unsigned config, uint64_t seed, struct simdisk *d,
	struct crash_history *h)
{
	const struct crash_subject *s = &subject_store;
	uint64_t rng = seed, digest, from;
	void *db;
	int rc = s->create(config, seed, d);

	if (rc == 0)
		rc = s->open(config, seed, d, &db);
	if (rc)
		give_up("making the store", rc);
	(void)s->digest(db, &digest);
	from = simdisk_events(d);
	crash_begin_with(h, digest);
	h->named_at = from;
	for (unsigned i = 0; i < COMMITS; i++) {
		rc = s->commit(db, &rng, h);
		if (rc)
			give_up("a commit", rc);
	}
	s->close(db);
	return from;
}

/* Whether what is found in the image is neither the state before nor the one after. */
static bool is_neither(unsigned config, uint64_t seed, struct simdisk *img,
	const struct crash_history *h, uint64_t at)
{
	const struct crash_subject *s = &subject_store;
	uint64_t digest;
	void *db;

	if (s->open(config, seed, img, &db) != 0)
		return true;
	(void)s->digest(db, &digest);
	s->close(db);
	return crash_find(h, at, digest) < 0;
}

static struct sim_choice draw(struct simwalk *w, unsigned i, uint64_t *rng)
{
	if (i < simwalk_structured(w) && i < IMAGES_MAX / 2)
		return simwalk_structured_nth(w, i);
	return (struct sim_choice){
		(enum sim_choice_kind)(SIM_OPS + crash_draw(rng) % (SIM_GARBAGE - SIM_OPS)),
		crash_draw(rng) >> 40};
}

static bool is_new(uint64_t *hashes, unsigned *n, uint64_t hash)
{
	for (unsigned i = 0; i < *n; i++)
		if (hashes[i] == hash)
			return false;
	if (*n < IMAGES_MAX)
		hashes[(*n)++] = hash;
	return true;
}

static void cut_here(unsigned config, uint64_t seed, struct simwalk *w,
	const struct crash_history *h, uint64_t *rng, struct share *share)
{
	unsigned n_structured = simwalk_structured(w), n_hashes = 0;
	uint64_t hashes[IMAGES_MAX], hash;

	if (n_structured > IMAGES_MAX / 2)
		n_structured = IMAGES_MAX / 2;
	for (unsigned i = 0; i < n_structured + CHOICES; i++) {
		struct simdisk *img = simwalk_image(w, draw(w, i, rng), false, &hash);

		if (!is_new(hashes, &n_hashes, hash))
			continue;
		share->all++;
		share->neither += is_neither(config, seed, img, h, simwalk_at(w));
	}
}

static void run_config(unsigned config, uint64_t seed, struct tally *t)
{
	struct simdisk_options o = {.seed = seed};
	struct crash_history h = {0};
	static struct steps steps;
	int step = STORE_STEPS;
	uint64_t rng = seed, from;
	struct simwalk *w;

	subject_store.disk_options(config, seed, &o);
	steps.disk = simdisk_new(&o);
	for (unsigned i = 0; i < EVENTS_MAX; i++)
		steps.at[i] = STORE_STEPS;
	subject_store_listen(note_step, &steps);
	crash_history_reset(&h, steps.disk);
	from = run_workload(config, seed, (struct simdisk *)(uintptr_t)steps.disk, &h);
	subject_store_listen(NULL, NULL);
	w = simwalk_new(steps.disk);
	for (uint64_t at = from; at <= simdisk_events(steps.disk) && at < EVENTS_MAX; at++) {
		simwalk_to(w, at);
		if (steps.at[at] != STORE_STEPS)
			step = steps.at[at];
		/* With nothing pending every cut leaves the same. */
		if (step != STORE_STEPS && (simwalk_pending(w) > 0 || step == STEP_ACKNOWLEDGED))
			cut_here(config, seed, w, &h, &rng, &t->steps[step]);
	}
	simwalk_free(w);
	simdisk_free((struct simdisk *)(uintptr_t)steps.disk);
	crash_history_fini(&h);
}

/* --- output ---------------------------------------------------------------------------------- */

static void print_row(const char *name, const struct tally *t)
{
	printf("%-14s", name);
	for (unsigned i = 0; i < STORE_STEPS; i++)
		if (t->steps[i].all)
			printf(" %11.0f%%",
				100 * (double)t->steps[i].neither / (double)t->steps[i].all);
		else
			printf(" %12s", "-");
	printf(" %11.1f%%  of %llu\n", 100 * (double)t->total.neither / (double)t->total.all,
		(unsigned long long)t->total.all);
}

static void print_line(FILE *f, const char *name, const struct tally *t, uint64_t seed,
	unsigned seeds)
{
	static const char *const names[] = {"neither", "before or after"};
	uint64_t counts[] = {t->total.neither, t->total.all - t->total.neither};
	char details[1024];
	size_t n = (size_t)snprintf(details, sizeof(details),
		"\"seed\":%llu,\"seeds\":%u,\"steps\":{", (unsigned long long)seed, seeds);

	for (unsigned i = 0; i < STORE_STEPS; i++)
		n += (size_t)snprintf(details + n, sizeof(details) - n,
			t->steps[i].all ? "%s\"%s\":[%llu,%llu]" : "%s\"%s\":null", i ? "," : "",
			store_step_name((enum store_step)i),
			(unsigned long long)t->steps[i].neither,
			(unsigned long long)t->steps[i].all);
	(void)snprintf(details + n, sizeof(details) - n, "}");
	line_print(f, &(struct line){.cell = name,
			      .hazard = "power_cut",
			      .names = names,
			      .counts = counts,
			      .n_counts = 2,
			      .trials = t->total.all,
			      .details = details});
}

static int usage(const char *why)
{
	(void)fprintf(stderr,
		"hazard_powercut: %s\n"
		"usage: hazard_powercut [--seeds N] [--seed N] [--json FILE]\n"
		"  --seeds  workloads of %u commits (1 to 10000; 20)\n"
		"  --json   append one line of JSON for each configuration; -: stdout\n",
		why, COMMITS);
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

int main(int argc, char **argv)
{
	/* Of store_configs, by protocol. */
	static const unsigned rows[STORE_CONFIGS] = {5, 6, 7, 0, 8, 1, 2, 3, 4};
	uint64_t seeds = 20, seed = 1;
	FILE *json = NULL;

	for (int i = 1; i < argc; i += 2) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (value && strcmp(argv[i], "--json") == 0)
			json = strcmp(value, "-") == 0 ? stdout : fopen(value, "ae");
		else if (!value || !(strcmp(argv[i], "--seeds") == 0
						   ? number(value, 1, 10000, &seeds)
						   : strcmp(argv[i], "--seed") == 0 &&
							     number(value, 0, UINT32_MAX, &seed)))
			return usage(argv[i]);
		if (strcmp(argv[i], "--json") == 0 && !json)
			return usage(strerror(errno));
	}
	printf("H1: power cuts that leave neither the state before nor the one after, in per cent, "
	       "by what comes next\n\n%-14s",
		"");
	for (unsigned i = 0; i < STORE_STEPS; i++)
		printf(" %12s", store_step_name((enum store_step)i));
	printf(" %12s\n", "all");
	for (unsigned row = 0; row < STORE_CONFIGS; row++) {
		unsigned config = rows[row];
		struct tally t = {0};

		for (uint64_t k = 0; k < seeds; k++)
			run_config(config, seed + k, &t);
		for (unsigned i = 0; i < STORE_STEPS; i++) {
			t.total.neither += t.steps[i].neither;
			t.total.all += t.steps[i].all;
		}
		print_row(store_configs[config].name, &t);
		if (json)
			print_line(json, store_configs[config].name, &t, seed, (unsigned)seeds);
	}
	return 0;
}
