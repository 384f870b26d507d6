/* SPDX-License-Identifier: MIT */
/*
 * H2, what a disk may do: every hazard at many places, to every subject. Prints a table, and with
 * --json one line for each hazard and subject. Counts only: nothing here is timed.
 *
 * A subject that promises something (subject.h) and does not keep it is named at the end, and the
 * program returns 1.
 */
#include "experiments/hazards/case.h"
#include "experiments/hazards/file.h"
#include "experiments/hazards/line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define SUBJECTS_MAX 16
#define PROGRESS_S   5

struct settings {
	const char *folder, *image, *json;
	const char *only_subject, *only_hazard;
	uint32_t n_records, n_places;
	uint64_t seed;
};

/* Of one hazard and one subject. */
struct result {
	uint32_t n[OUTCOMES];
	uint32_t n_none;           /* places at which the hazard could not be produced */
	char why_none[TEXT_BYTES]; /* the first of these; or of all */
	char text[TEXT_BYTES];     /* what the subject said at the first error, or wrong value */
	char how[16];
	bool run, kept, promises;
};

static struct result results[SUBJECTS_MAX][HAZARDS];

static _Noreturn void give_up(const char *what, const char *text)
{
	(void)fprintf(stderr, "hazard_rot: %s: %s\n", what, text);
	exit(3);
}

/* --- output ---------------------------------------------------------------------------------- */

/* Members of the details of a line. */
static char *details_of(const struct settings *set, const struct result *r)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		give_up("memory", strerror(errno));
	(void)fprintf(f,
		"\"records\":%u,\"seed\":%llu,\"by\":\"%s\",\"not_produced\":%u,"
		"\"not_produced_why\":",
		set->n_records, (unsigned long long)set->seed, r->how, r->n_none);
	if (r->why_none[0])
		line_quote(f, r->why_none);
	else
		(void)fputs("null", f);
	(void)fprintf(f, ",\"promise_kept\":%s,\"text\":",
		!r->promises ? "null"
		: r->kept    ? "true"
			     : "false");
	line_quote(f, r->text);
	(void)fclose(f);
	return text;
}

static void print_line(FILE *f, const struct settings *set, const char *subject, unsigned hazard,
	const struct result *r, bool is_sane)
{
	uint64_t counts[OUTCOMES], n = 0;
	char *details = details_of(set, r);

	for (unsigned i = 0; i < OUTCOMES; i++)
		n += counts[i] = r->n[i];
	line_print(f,
		&(struct line){.cell = subject,
			.hazard = hazard_names[hazard],
			.skipped = n ? NULL : r->why_none,
			.invalid =
				is_sane ? NULL : "values were not right although nothing happened",
			.names = outcome_names,
			.counts = counts,
			.n_counts = OUTCOMES,
			.trials = n,
			.details = details});
	free(details);
}

static const char *cell(const struct result *r, char *buf, size_t len)
{
	static const char letters[OUTCOMES] = "EWRSD";
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned i = 0; r->run && i < OUTCOMES; i++)
		if (r->n[i])
			used += (size_t)snprintf(buf + used, len - used, "%s%c%u", used ? " " : "",
				letters[i], r->n[i]);
	return used ? buf : "-";
}

/* Of each hazard the reasons why it was not produced, each with its subjects. */
static void print_reasons(unsigned hazard)
{
	bool said[SUBJECTS_MAX] = {false};

	for (unsigned s = 0; subjects[s]; s++) {
		const char *why = results[s][hazard].why_none;

		if (!why[0] || said[s])
			continue;
		printf("  - %s:", hazard_names[hazard]);
		for (unsigned t = s; subjects[t]; t++)
			if (strcmp(results[t][hazard].why_none, why) == 0) {
				printf(" %s", subjects[t]->name);
				said[t] = true;
			}
		printf(": %s\n", why);
	}
}

static void print_table(const struct settings *set)
{
	char buf[64];

	printf("\nH2: what a disk may do. %u records, seed %llu. E error, W wrong data, R right "
	       "data, S signal, D death, - not produced\n\n%-34s",
		set->n_records, (unsigned long long)set->seed, "");
	for (unsigned s = 0; subjects[s]; s++)
		printf(" %-13s", subjects[s]->name);
	printf("\n");
	for (unsigned h = 0; h < HAZARDS; h++) {
		printf("%-34s", hazard_texts[h]);
		for (unsigned s = 0; subjects[s]; s++)
			printf(" %-13s", cell(&results[s][h], buf, sizeof(buf)));
		printf("\n");
	}
	printf("\nNot produced, or not everywhere:\n");
	for (unsigned h = 0; h < HAZARDS; h++)
		print_reasons(h);
	for (unsigned i = 0; subjects_missing[i]; i++)
		printf("  - %s: %s\n", subjects_missing[i], subject_missing(subjects_missing[i]));
}

/* Names each subject that did what it promised never to do. Returns how often. */
static unsigned print_broken(void)
{
	unsigned n = 0;

	for (unsigned s = 0; subjects[s]; s++)
		for (unsigned h = 0; h < HAZARDS; h++) {
			const struct result *r = &results[s][h];

			if (!r->run || r->kept)
				continue;
			printf("%sBROKEN PROMISE: %s: %s: %u times wrong data, %u signals, %u "
			       "deaths; %s\n",
				n++ ? "" : "\n", subjects[s]->name, hazard_names[h],
				r->n[OUTCOME_WRONG], r->n[OUTCOME_SIGNAL], r->n[OUTCOME_DEATH],
				r->text);
		}
	return n;
}

/* --- what was promised ----------------------------------------------------------------------- */

static bool may_be_wrong(enum promise promise, enum hazard hazard)
{
	switch (promise) {
	case PROMISE_NOTHING:
		return true;
	case PROMISE_PLACE:
		return hazard != HAZARD_LOST && hazard != HAZARD_MISDIRECTED &&
		       hazard != HAZARD_EIO && hazard != HAZARD_CUT && hazard != HAZARD_HOLE;
	case PROMISE_LOADED:
		return hazard == HAZARD_FLIP_EVICTED;
	case PROMISE_ALWAYS:
		break;
	}
	return false;
}

static bool is_kept(const struct subject *s, enum hazard hazard, const struct result *r)
{
	if (hazard == HAZARD_NONE)
		return r->n[OUTCOME_ERROR] + r->n[OUTCOME_WRONG] + r->n[OUTCOME_SIGNAL] +
			       r->n[OUTCOME_DEATH] + r->n_none ==
		       0;
	if (s->promise == PROMISE_NOTHING)
		return true;
	return (r->n[OUTCOME_WRONG] == 0 || may_be_wrong(s->promise, hazard)) &&
	       r->n[OUTCOME_SIGNAL] == 0 && r->n[OUTCOME_DEATH] == 0;
}

/* --- the run --------------------------------------------------------------------------------- */

/* Numbers 0 to n - 1 in an order drawn from *rng. */
static uint32_t *shuffled(uint32_t n, uint64_t *rng)
{
	uint32_t *order = calloc(n, sizeof(*order));

	if (!order)
		give_up("memory", strerror(ENOMEM));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t j = (uint32_t)(record_draw(rng) % (i + 1));

		order[i] = order[j];
		order[j] = i;
	}
	return order;
}

static void run_hazard(struct bench *b, const struct settings *set, enum hazard hazard,
	struct result *r)
{
	uint64_t rng = set->seed * 1000 + hazard; /* the same places and bits in all subjects */
	uint32_t *order = shuffled(b->image.n_live, &rng);
	const char *why = case_why_not(b, hazard);

	r->run = true;
	(void)snprintf(r->how, sizeof(r->how), "%s",
		hazard == HAZARD_EIO && !b->device.image ? "seam" : device_how(&b->device));
	if (why)
		(void)snprintf(r->why_none, TEXT_BYTES, "%s", why);
	for (uint32_t i = 0; !why && i < set->n_places; i++) {
		char text[TEXT_BYTES];
		enum outcome o = case_run(b, hazard, order[i % b->image.n_live], &rng, text);

		if (o == OUTCOME_NONE) {
			if (r->n_none++ == 0)
				memcpy(r->why_none, text, TEXT_BYTES);
		} else if (r->n[o]++ == 0 && o != OUTCOME_RIGHT && r->n[OUTCOME_WRONG] <= 1) {
			memcpy(r->text, text, TEXT_BYTES);
		}
	}
	r->promises = b->subject->promise != PROMISE_NOTHING;
	r->kept = is_kept(b->subject, hazard, r);
	free(order);
}

static void progress(unsigned done, unsigned of, time_t began)
{
	static time_t last;
	time_t now = time(NULL);

	if (last == 0)
		last = began;
	if (now - last < PROGRESS_S || done == 0)
		return;
	last = now;
	(void)fprintf(stderr, "H2: %u of %u, about %ld s left\n", done, of,
		(long)((double)(now - began) / done * (of - done)));
}

static void run_all(const struct settings *set, FILE *json)
{
	unsigned n = 0, done = 0;
	time_t began = time(NULL);

	for (; subjects[n]; n++)
		;
	for (unsigned s = 0; s < n; s++) {
		struct bench b;

		if (set->only_subject && strcmp(set->only_subject, subjects[s]->name) != 0)
			continue;
		file_open(&b, &(struct file){set->folder, set->image, set->n_records}, subjects[s]);
		for (unsigned h = 0; h < HAZARDS; h++) {
			progress(s * HAZARDS + h, n * HAZARDS, began);
			if (set->only_hazard && strcmp(set->only_hazard, hazard_names[h]) != 0)
				continue;
			run_hazard(&b, set, h, &results[s][h]);
			if (json)
				print_line(json, set, subjects[s]->name, h, &results[s][h],
					!results[s][HAZARD_NONE].run ||
						results[s][HAZARD_NONE].kept);
			done++;
		}
		file_close(&b);
	}
	for (unsigned i = 0; json && subjects_missing[i]; i++)
		for (unsigned h = 0; h < HAZARDS; h++) {
			struct result r = {.how = "none"};

			(void)snprintf(r.why_none, TEXT_BYTES, "%s",
				subject_missing(subjects_missing[i]));
			print_line(json, set, subjects_missing[i], h, &r, true);
		}
	if (done == 0)
		give_up("nothing was run", "no subject and hazard of these names");
}

/* --- arguments ------------------------------------------------------------------------------- */

static int usage(const char *why)
{
	(void)fprintf(stderr,
		"hazard_rot: %s\n"
		"usage: hazard_rot --dir FOLDER [--places N] [--records N] [--seed N]\n"
		"    [--image FILE] [--subject NAME] [--hazard NAME] [--json FILE]\n"
		"       hazard_rot --list: names of the subjects that this build has\n"
		"  --dir      an existing folder, for files of some MB; best on a real disk\n"
		"  --places   pages of each file that each hazard strikes (1 to 100000; 200)\n"
		"  --records  of 108 bytes in each file (200 to 1000000; 20000)\n"
		"  --image    the image from which the file system of FOLDER was mounted\n"
		"             (experiments/run makes one; root)\n"
		"  --json     append one line of JSON for each hazard and subject; -: stdout\n",
		why);
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

static bool parse_one(struct settings *set, const char *name, const char *value)
{
	uint64_t n;

	if (strcmp(name, "--dir") == 0)
		set->folder = value;
	else if (strcmp(name, "--image") == 0)
		set->image = value;
	else if (strcmp(name, "--json") == 0)
		set->json = value;
	else if (strcmp(name, "--subject") == 0)
		set->only_subject = value;
	else if (strcmp(name, "--hazard") == 0)
		set->only_hazard = value;
	else if (strcmp(name, "--places") == 0 && number(value, 1, 100000, &n))
		set->n_places = (uint32_t)n;
	else if (strcmp(name, "--records") == 0 && number(value, 200, 1000000, &n))
		set->n_records = (uint32_t)n;
	else if (strcmp(name, "--seed") == 0 && number(value, 0, UINT32_MAX, &n))
		set->seed = n;
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	struct settings set = {.n_places = 200, .n_records = 20000, .seed = 1};
	FILE *json = NULL;
	unsigned n_broken;
	struct stat st;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (unsigned i = 0; subjects[i]; i++)
			(void)puts(subjects[i]->name);
		return 0;
	}
	for (int i = 1; i < argc; i += 2)
		if (i + 1 == argc || !parse_one(&set, argv[i], argv[i + 1]))
			return usage(argv[i]);
	if (!set.folder)
		return usage("--dir is missing");
	if (stat(set.folder, &st) < 0 || !S_ISDIR(st.st_mode))
		return usage("--dir: there is no such folder");
	if (set.json)
		json = strcmp(set.json, "-") == 0 ? stdout : fopen(set.json, "ae");
	if (set.json && !json)
		give_up(set.json, strerror(errno));
	run_all(&set, json);
	print_table(&set);
	n_broken = print_broken();
	if (json && json != stdout)
		(void)fclose(json);
	return n_broken ? 1 : 0;
}
