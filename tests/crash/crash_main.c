/* SPDX-License-Identifier: MIT */
/* Arguments, totals and marks of a crash test. */
#include "tests/crash/crash.h"
#include "tests/seed.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void usage(const char *program, const struct crash_subject *s)
{
	printf("usage: %s [--images N] [--workload-images N] [--seed N] [--config NAME]\n"
	       "    [--second-one-in N] [--second-images N] [--failures N] [--soak] [--verbose]\n"
	       "    [--phases]\n"
	       "    [--replay 'config=... seed=... event=... choice=...']\n"
	       "configurations:",
		program);
	for (unsigned i = 0; i < s->n_configs; i++)
		printf(" %s", s->config_name(i));
	printf("\n");
}

unsigned crash_print(const struct crash_subject *s, const struct crash_totals *t,
	enum crash_minima minima)
{
	unsigned n_below = 0;

	printf("total: %s: %llu distinct crash images (%llu by what opening read or decided), %llu "
	       "with a second crash, %llu with a third, of %llu made in %llu workloads; %llu "
	       "failures; %.1f s\n",
		s->name, (unsigned long long)t->n_distinct, (unsigned long long)t->n_decisions,
		(unsigned long long)t->n_second, (unsigned long long)t->n_third,
		(unsigned long long)t->n_images, (unsigned long long)t->n_workloads,
		(unsigned long long)t->n_failures, t->seconds);
	printf("total: %s, marks:", s->name);
	for (unsigned i = 0; i < s->n_marks; i++)
		printf("%s %s %llu", i ? "," : "", s->marks[i].name,
			(unsigned long long)s->marks[i].n);
	printf("\n");
	for (unsigned i = 0; i < s->n_marks; i++) {
		const struct crash_mark *m = &s->marks[i];
		uint64_t min = minima == CRASH_MINIMA         ? m->min
			       : minima == CRASH_MINIMA_QUICK ? m->min_quick
							      : 0;

		if (m->n >= min)
			continue;
		printf("mark below its minimum of %llu: %s: %llu\n", (unsigned long long)min,
			m->name, (unsigned long long)m->n);
		n_below++;
	}
	(void)fflush(stdout);
	return n_below;
}

/* A smaller run than the default one, or of one configuration, need not see everything. */
static enum crash_minima minima_for(const struct crash_options *o,
	const struct crash_options *defaults)
{
	if (o->config >= 0 || o->n_images < CRASH_QUICK_IMAGES)
		return CRASH_NO_MINIMA;
	if (o->n_images >= defaults->n_images)
		return CRASH_MINIMA;
	return o->seed == defaults->seed ? CRASH_MINIMA_QUICK : CRASH_NO_MINIMA;
}

/*
 * What the program makes of the images: it prints failures, and counts images by phase.
 */

#define PHASES_MAX 64U

struct phase_count {
	const char *phase, *next;
	uint64_t n_images, n_failures;
};

struct report {
	const struct crash_subject *s;
	const struct crash_totals *totals;
	bool soak, verbose, phases;
	struct phase_count counts[PHASES_MAX];
	unsigned n_counts;
};

static void count_phase(struct report *report, const struct crash_image *image)
{
	struct phase_count *c = report->counts;

	while (c < report->counts + report->n_counts &&
		(strcmp(c->phase, image->phase) != 0 || strcmp(c->next, image->next) != 0))
		c++;
	if (c == report->counts + report->n_counts) {
		if (report->n_counts == PHASES_MAX)
			return;
		report->n_counts++;
		*c = (struct phase_count){.phase = image->phase, .next = image->next};
	}
	c->n_images++;
	c->n_failures += image->failure != NULL;
}

static void on_image(void *arg, const struct crash_image *image)
{
	struct report *report = arg;

	if (image->depth == 1 && report->phases)
		count_phase(report, image);
	if (!image->failure)
		return;
	printf("FAIL %s: %s\n  replay: --replay '%s'\n", report->s->name, image->failure,
		image->replay);
	if (image->error[0])
		printf("  error text: %s\n", image->error);
	(void)fflush(stdout);
}

static void on_workload(void *arg, const struct crash_workload *w)
{
	struct report *report = arg;

	if (report->verbose)
		printf("%s seed %llu: %llu events, %u versions, %llu distinct images so far\n",
			w->config, (unsigned long long)w->seed, (unsigned long long)w->n_events,
			w->n_versions, (unsigned long long)report->totals->n_distinct);
	if (report->soak && w->last_config && w->seed % 16 == 15)
		(void)crash_print(report->s, report->totals, CRASH_NO_MINIMA);
}

static void print_phases(const struct report *report)
{
	printf("%-16s %-16s %10s %10s\n", "phase", "next", "images", "failures");
	for (unsigned i = 0; i < report->n_counts; i++)
		printf("%-16s %-16s %10llu %10llu\n", report->counts[i].phase,
			report->counts[i].next, (unsigned long long)report->counts[i].n_images,
			(unsigned long long)report->counts[i].n_failures);
}

static bool parse(int argc, char **argv, const struct crash_subject *s, struct crash_options *o,
	struct report *report)
{
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i], *v = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(a, "--soak") == 0) {
			o->soak = true;
			continue;
		}
		if (strcmp(a, "--verbose") == 0) {
			report->verbose = true;
			continue;
		}
		if (strcmp(a, "--phases") == 0) {
			report->phases = true;
			continue;
		}
		if (!v)
			return false;
		i++;
		if (strcmp(a, "--images") == 0) {
			o->n_images = strtoull(v, NULL, 0);
		} else if (strcmp(a, "--workload-images") == 0) {
			o->images_a_workload = (unsigned)strtoul(v, NULL, 0);
		} else if (strcmp(a, "--seed") == 0) {
			o->seed = strtoull(v, NULL, 0);
		} else if (strcmp(a, "--second-one-in") == 0) {
			o->second_one_in = (unsigned)strtoul(v, NULL, 0);
		} else if (strcmp(a, "--second-images") == 0) {
			o->second_images = (unsigned)strtoul(v, NULL, 0);
		} else if (strcmp(a, "--failures") == 0) {
			o->failures_max = (unsigned)strtoul(v, NULL, 0);
		} else if (strcmp(a, "--replay") == 0) {
			o->replay = v;
		} else if (strcmp(a, "--config") == 0) {
			for (o->config = (int)s->n_configs - 1; o->config >= 0; o->config--)
				if (strcmp(s->config_name((unsigned)o->config), v) == 0)
					break;
			if (o->config < 0)
				return false;
		} else {
			return false;
		}
	}
	return true;
}

int crash_main(int argc, char **argv, const struct crash_subject *s,
	const struct crash_options *defaults)
{
	struct crash_options o = *defaults;
	struct crash_totals t;
	struct report report = {.s = s, .totals = &t};
	unsigned n_below;

	o.seed = seed_given(o.seed);
	if (!parse(argc, argv, s, &o, &report)) {
		usage(argv[0], s);
		return 2;
	}
	/* A database is opened thousands of times a second: keep the memory. */
	(void)mallopt(M_MMAP_THRESHOLD, 64 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
	report.soak = o.soak;
	o.hook = (struct crash_hook){on_image, on_workload, &report};
	if (crash_run(s, &o, &t) < 0) {
		printf("not a replay line: %s\n", o.replay);
		return 1;
	}
	if (o.replay) {
		printf("%s\n", t.n_failures ? "it fails" : "it does not fail");
		return t.n_failures != 0;
	}
	if (report.phases)
		print_phases(&report);
	n_below = crash_print(s, &t, minima_for(&o, defaults));
	printf("%u passed, %llu failed, 0 skipped\n",
		(o.config < 0 ? s->n_configs : 1) + s->n_marks - n_below,
		(unsigned long long)t.n_failures + n_below);
	return t.n_failures || n_below;
}
