/* SPDX-License-Identifier: MIT */
/* Arguments, totals and marks of a crash test. */
#include "tests/crash/crash.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void usage(const char *program, const struct crash_subject *s)
{
	printf("usage: %s [--images N] [--workload-images N] [--seed N] [--config NAME]\n"
	       "    [--second-one-in N] [--second-images N] [--failures N] [--soak] [--verbose]\n"
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

static bool parse(int argc, char **argv, const struct crash_subject *s, struct crash_options *o)
{
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i], *v = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(a, "--soak") == 0) {
			o->soak = true;
			continue;
		}
		if (strcmp(a, "--verbose") == 0) {
			o->verbose = true;
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
	const char *seed = getenv("VERSO_SEED");
	struct crash_totals t;
	unsigned n_below;

	if (seed)
		o.seed = strtoull(seed, NULL, 0);
	if (!parse(argc, argv, s, &o)) {
		usage(argv[0], s);
		return 2;
	}
	/* A database is opened thousands of times a second: keep the memory. */
	(void)mallopt(M_MMAP_THRESHOLD, 64 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
	crash_run(s, &o, &t);
	if (o.replay) {
		printf("%s\n", t.n_failures ? "it fails" : "it does not fail");
		return t.n_failures != 0;
	}
	n_below = crash_print(s, &t, minima_for(&o, defaults));
	printf("%u passed, %llu failed, 0 skipped\n",
		(o.config < 0 ? s->n_configs : 1) + s->n_marks - n_below,
		(unsigned long long)t.n_failures + n_below);
	return t.n_failures || n_below;
}
