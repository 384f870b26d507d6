/* SPDX-License-Identifier: MIT */
/*
 * H3, a stray store: a process has the file open for writing and stores 8 random bytes into a page
 * that its pager handed out. Prints a table, and with --json one line for each hazard and subject.
 * Counts only.
 *
 * Each store has a process of its own, which says through shared memory how far it came: so a
 * SIGSEGV of the store itself differs from a death later. A second process opens the file
 * afterwards and reads what is on disk. Then the file's bytes are put back.
 *
 * A subject that promises to stop a store into a committed page and does not is named at the end,
 * and the program returns 1.
 */
#include "experiments/hazards/case.h"
#include "experiments/hazards/file.h"
#include "experiments/hazards/line.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define N_RECORDS    2000U
#define HANG_SECONDS 20
#define STORE_BYTES  8U
#define PROGRESS_S   5

enum stray {
	STRAY_NONE,      /* the control: all steps of a neighbour's update, without the store */
	STRAY_READ,      /* the page holds a value that was just read */
	STRAY_ALIAS,     /* ... and is stored to where the process has it mapped for writing */
	STRAY_NEIGHBOUR, /* as STRAY_READ, and a transaction updates another record of it next */
	STRAY_WRITTEN,   /* the open transaction has written the page, and commits */
	STRAYS
};

static const char *const stray_names[STRAYS] = {
	"none", "stray_read", "stray_alias", "stray_neighbour", "stray_written"};
static const char *const stray_texts[STRAYS] = {
	"nothing (control)",
	"store into a page that is read",
	"... where it is mapped to write",
	"... a neighbour is updated next",
	"store into a page just written",
};

/* In the order of harm: the worst that came of a store is its outcome. */
enum harm {
	HARM_STOPPED, /* SIGSEGV at the store */
	HARM_UNSEEN,  /* no value was harmed */
	HARM_ERROR,   /* some call failed in the process, no value was wrong, the file is right */
	HARM_DEATH,   /* the process ended later, and the file is right */
	HARM_MEMORY,  /* a call returned a wrong value, and the file is right */
	HARM_BROKEN,  /* a process that opens the file later gets an error */
	HARM_DISK,    /* ... gets a wrong value */
	HARMS
};

static const char *const harm_names[HARMS] = {"stopped at once", "unseen", "error", "later death",
	"wrong until evicted", "broken on disk", "wrong on disk"};
static const char harm_letters[HARMS] = "SUELWBD";

/* Subjects of this program: an engine, and whether it says that a store into a committed page is
 * stopped. */
static const struct {
	const struct subject *subject;
	bool stops;
} engines[] = {
	{&subject_pool, false},
	{&subject_pool_none, false},
	{&subject_vmcache, false},
	{&subject_map_heap, true},
	{&subject_map_private, false},
	{&subject_map_shared, false},
#ifdef HAVE_LMDB
	{&subject_lmdb, true},
	{&subject_lmdb_writemap, false},
#endif
#ifdef HAVE_SQLITE
	{&subject_sqlite, true},
#endif
};

#define ENGINES (sizeof(engines) / sizeof(engines[0]))

struct settings {
	const char *folder, *json, *only_subject, *only_hazard;
	uint32_t n_stores;
	uint64_t seed;
};

/* Where a store goes, and what it stores. */
struct store {
	uint32_t live;      /* which of the image's pages with values */
	uint32_t record;    /* of that page, which is read first */
	uint32_t neighbour; /* of that page, another where there is one */
	uint32_t off_bytes; /* in the page */
	uint64_t bits;
};

struct result {
	uint64_t n[HARMS];
	uint32_t n_none;
	char why_none[TEXT_BYTES];
	char text[TEXT_BYTES]; /* of the first of the worst outcome */
	enum harm worst;
	bool run, kept, sane;
};

static struct result results[ENGINES][STRAYS];

/* Shared by the processes of one store. */
struct report {
	bool aimed;   /* the next thing is the store */
	bool stored;  /* it was not stopped */
	bool changed; /* the commit of the change was acknowledged */
	bool reached; /* the end */
	bool not_made;
	enum outcome outcome; /* of the reads */
	char text[TEXT_BYTES];
};

static struct report *report;

static _Noreturn void give_up(const char *what, const char *text)
{
	(void)fprintf(stderr, "hazard_stray: %s: %s\n", what, text);
	exit(3);
}

/* --- one store ------------------------------------------------------------------------------- */

/* What the records of the page read as. `changed` has the next version if the change was
 * acknowledged, and either one if it may have been. */
static enum outcome read_page(const struct bench *b, struct subject_db *db, const struct store *st,
	uint32_t changed, char text[TEXT_BYTES])
{
	const struct image *m = &b->image;
	enum outcome worst = OUTCOME_RIGHT;

	for (uint32_t v = m->pages[st->live]; v < m->pages[st->live + 1]; v++) {
		uint8_t got[RECORD_VALUE_BYTES], old[RECORD_VALUE_BYTES], new[RECORD_VALUE_BYTES];
		uint32_t record = m->values[v].record;
		char why[TEXT_BYTES] = "";
		enum got rc = b->subject->get(db, record, got, why);

		record_value(record, m->version, old);
		record_value(record, m->version + 1, new);
		if (rc == GOT_ERROR) {
			if (worst == OUTCOME_RIGHT)
				memcpy(text, why, TEXT_BYTES);
			worst = worst == OUTCOME_RIGHT ? OUTCOME_ERROR : worst;
		} else if (rc != GOT_VALUE ||
			   ((record != changed || report->changed ||
				    memcmp(got, old, sizeof(old)) != 0) &&
				   memcmp(got, record == changed ? new : old, sizeof(old)) != 0)) {
			worst = OUTCOME_WRONG;
			(void)snprintf(text, TEXT_BYTES, "record %u %s", record,
				rc == GOT_NOTHING ? "is missing" : "has another value");
		}
	}
	return worst;
}

static void not_made(const char *why)
{
	report->not_made = true;
	if (why)
		(void)snprintf(report->text, TEXT_BYTES, "%s", why);
}

/* Some byte of the page in memory, as this store wants it. NULL: it cannot be made. */
static const uint8_t *aim(const struct bench *b, struct subject_db *db, enum stray stray,
	const struct store *st)
{
	const struct subject *s = b->subject;
	uint32_t page = b->image.values[b->image.pages[st->live]].page;
	const char *why = "it hands out no pointer into a page that it writes";
	const uint8_t *found = NULL;

	if (stray == STRAY_ALIAS) {
		found = device_mapped(&b->device, page, true);
		why = "it has no mapping of the file for writing";
	} else if (s->address) {
		found = s->address(db, st->record, report->text);
		why = NULL;
	} else if (stray != STRAY_WRITTEN) {
		found = device_mapped(&b->device, page, false);
		why = "the page is not in a mapping of the file";
	}
	if (!found)
		not_made(why);
	return found;
}

/* The store itself. A SIGSEGV is one of its outcomes. */
static bool store(const struct bench *b, struct subject_db *db, enum stray stray,
	const struct store *st)
{
	const uint8_t *value = aim(b, db, stray, st);
	volatile uint64_t *target;

	if (!value)
		return false;
	target = (volatile uint64_t *)(((uintptr_t)value & ~(uintptr_t)(PAGE_BYTES - 1)) +
				       st->off_bytes);
	report->aimed = true;
	*target = st->bits;
	report->stored = true;
	return true;
}

/* Reads the page in a transaction; the store is in the middle of it. */
static bool read_and_store(const struct bench *b, struct subject_db *db, enum stray stray,
	const struct store *st)
{
	const struct subject *s = b->subject;
	uint8_t value[RECORD_VALUE_BYTES];

	if (!s->begin(db, false, report->text))
		return false;
	if (s->get(db, st->record, value, report->text) != GOT_VALUE)
		not_made(NULL);
	else if (stray == STRAY_NONE || store(b, db, stray, st))
		report->outcome = read_page(b, db, st, UINT32_MAX, report->text);
	(void)s->end(db, report->text);
	return !report->not_made;
}

/* Sets `record` in a transaction of its own; with the store in the middle of it. */
static bool write_and_store(const struct bench *b, struct subject_db *db, enum stray stray,
	const struct store *st, uint32_t record)
{
	const struct subject *s = b->subject;

	if (!s->begin(db, true, report->text) ||
		!s->put(db, record, b->image.version + 1, report->text) ||
		(stray == STRAY_WRITTEN && !store(b, db, stray, st))) {
		(void)s->end(db, (char[TEXT_BYTES]){0});
		return false;
	}
	report->changed = s->end(db, report->text);
	return report->changed;
}

static enum outcome worse(enum outcome a, enum outcome b)
{
	return a == OUTCOME_WRONG || b == OUTCOME_WRONG ? OUTCOME_WRONG
	       : a == OUTCOME_ERROR                     ? a
							: b;
}

static void child(const struct bench *b, enum stray stray, const struct store *st)
{
	const struct subject *s = b->subject;
	struct subject_db *db = s->open(s, b->device.path, SUBJECT_WRITE, report->text);
	uint32_t changed = UINT32_MAX;
	bool ok = db != NULL;

	report->outcome = OUTCOME_RIGHT;
	if (!db)
		not_made(NULL);
	if (ok && stray != STRAY_WRITTEN)
		ok = read_and_store(b, db, stray, st);
	if (ok && stray != STRAY_READ && stray != STRAY_ALIAS) {
		changed = stray == STRAY_WRITTEN ? st->record : st->neighbour;
		ok = write_and_store(b, db, stray, st, changed);
		if (!ok && !report->not_made)
			report->outcome = worse(report->outcome, OUTCOME_ERROR);
	}
	if (ok && s->begin(db, false, report->text)) {
		report->outcome =
			worse(report->outcome, read_page(b, db, st, changed, report->text));
		(void)s->end(db, report->text);
	}
	s->close(db);
}

/* A process that opens the file afterwards. */
static void look(const struct bench *b, const struct store *st, uint32_t changed)
{
	struct subject_db *db =
		b->subject->open(b->subject, b->device.path, SUBJECT_READ, report->text);

	report->outcome = db ? read_page(b, db, st, changed, report->text) : OUTCOME_ERROR;
	b->subject->close(db);
}

/* Runs one of the two in a process. Its status. */
static int in_process(const struct bench *b, enum stray stray, const struct store *st, bool is_look)
{
	int status = 0;
	pid_t pid;

	report->reached = false;
	pid = fork();
	if (pid < 0)
		give_up("fork", strerror(errno));
	if (pid == 0) {
		(void)alarm(HANG_SECONDS);
		(void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		(void)freopen("/dev/null", "w", stderr); /* a failed assertion is an outcome */
		if (is_look)
			look(b, st,
				stray == STRAY_NONE || stray == STRAY_NEIGHBOUR ? st->neighbour
				: stray == STRAY_WRITTEN                        ? st->record
										: UINT32_MAX);
		else
			child(b, stray, st);
		report->reached = true;
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* Puts the file's bytes back. */
static void restore(const struct bench *b)
{
	static uint8_t now[1U << 16];
	const struct image *m = &b->image;
	size_t end = (size_t)m->n_pages * PAGE_BYTES;
	char name[420];

	if (ftruncate(b->device.fd, (off_t)end) < 0)
		give_up(b->device.path, strerror(errno));
	for (size_t off = 0; off < end; off += sizeof(now)) {
		size_t len = end - off < sizeof(now) ? end - off : sizeof(now);

		if (pread(b->device.fd, now, len, (off_t)off) == (ssize_t)len &&
			memcmp(now, m->after + off, len) == 0)
			continue;
		if (pwrite(b->device.fd, m->after + off, len, (off_t)off) != (ssize_t)len)
			give_up(b->device.path, strerror(errno));
	}
	(void)snprintf(name, sizeof(name), "%s-journal", b->device.path);
	(void)unlink(name);
}

/* false: the store could not be made, and text says why. */
static bool run_store(const struct bench *b, enum stray stray, const struct store *st,
	enum harm *ret_harm, char text[TEXT_BYTES])
{
	struct report first;
	int status;

	memset(report, 0, sizeof(*report));
	status = in_process(b, stray, st, false);
	first = *report;
	memcpy(text, first.text, TEXT_BYTES);
	if (first.not_made || (stray != STRAY_NONE && !first.aimed && first.reached))
		return false;
	if (WIFSIGNALED(status) && first.aimed && !first.stored) {
		*ret_harm = HARM_STOPPED;
		(void)snprintf(text, TEXT_BYTES, "%s", strsignal(WTERMSIG(status)));
	} else if (!first.reached) {
		*ret_harm = HARM_DEATH;
		(void)snprintf(text, TEXT_BYTES, "%s",
			WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it ended by itself");
	} else {
		*ret_harm = first.outcome == OUTCOME_WRONG   ? HARM_MEMORY
			    : first.outcome == OUTCOME_ERROR ? HARM_ERROR
							     : HARM_UNSEEN;
	}
	(void)in_process(b, stray, st, true);
	if (!report->reached || report->outcome == OUTCOME_ERROR)
		*ret_harm = HARM_BROKEN;
	else if (report->outcome == OUTCOME_WRONG)
		*ret_harm = HARM_DISK;
	if (*ret_harm >= HARM_BROKEN)
		memcpy(text, report->text, TEXT_BYTES);
	return true;
}

/* --- the run --------------------------------------------------------------------------------- */

static struct store draw(const struct image *m, uint64_t *rng)
{
	uint32_t live = (uint32_t)(record_draw(rng) % m->n_live);
	uint32_t first = m->pages[live], n = m->pages[live + 1] - first;
	uint32_t i = (uint32_t)(record_draw(rng) % n);

	return (struct store){
		.live = live,
		.record = m->values[first + i].record,
		.neighbour = m->values[first + (i + 1) % n].record,
		.off_bytes =
			(uint32_t)(record_draw(rng) % (PAGE_BYTES / STORE_BYTES)) * STORE_BYTES,
		.bits = record_draw(rng),
	};
}

static void run_hazard(const struct bench *b, const struct settings *set, enum stray stray,
	bool stops, struct result *r)
{
	uint64_t rng = set->seed * 1000 + stray;

	/* Of the control a tenth will do. */
	uint32_t n = stray == STRAY_NONE && set->n_stores > 40 ? set->n_stores / 10 : set->n_stores;

	r->run = true;
	for (uint32_t i = 0; i < n; i++) {
		struct store st = draw(&b->image, &rng);
		char text[TEXT_BYTES] = "";
		enum harm harm;

		if (!run_store(b, stray, &st, &harm, text)) {
			if (r->n_none++ == 0)
				memcpy(r->why_none, text, TEXT_BYTES);
			if (i == 0 && r->why_none[0] == 'i')
				break; /* it never can */
		} else {
			if (r->n[harm]++ == 0 && harm >= r->worst && harm != HARM_UNSEEN) {
				r->worst = harm;
				memcpy(r->text, text, TEXT_BYTES);
			}
		}
		restore(b);
	}
	r->sane = stray != STRAY_NONE || r->n[HARM_UNSEEN] == n;
	r->kept = !stops || stray == STRAY_NONE || stray == STRAY_ALIAS || stray == STRAY_WRITTEN ||
		  r->n[HARM_DEATH] + r->n[HARM_MEMORY] + r->n[HARM_BROKEN] + r->n[HARM_DISK] == 0;
}

static void print_line(FILE *f, const struct settings *set, const char *subject, unsigned stray,
	const struct result *r, bool promises, bool is_sane)
{
	char *details = NULL;
	uint64_t n = 0;
	size_t len;
	FILE *d = open_memstream(&details, &len);

	if (!d)
		give_up("memory", strerror(errno));
	(void)fprintf(d,
		"\"records\":%u,\"seed\":%llu,\"not_produced\":%u,\"not_produced_why\":", N_RECORDS,
		(unsigned long long)set->seed, r->n_none);
	if (r->why_none[0])
		line_quote(d, r->why_none);
	else
		(void)fputs("null", d);
	(void)fprintf(d, ",\"promise_kept\":%s,\"text\":",
		!promises || stray == STRAY_WRITTEN || stray == STRAY_ALIAS ? "null"
		: r->kept                                                   ? "true"
									    : "false");
	line_quote(d, r->text);
	(void)fclose(d);
	for (unsigned i = 0; i < HARMS; i++)
		n += r->n[i];
	line_print(f,
		&(struct line){.cell = subject,
			.hazard = stray_names[stray],
			.skipped = n ? NULL : r->why_none,
			.invalid =
				is_sane ? NULL : "values were not right although nothing happened",
			.names = harm_names,
			.counts = r->n,
			.n_counts = HARMS,
			.trials = n,
			.details = details});
	free(details);
}

static void run_all(const struct settings *set, FILE *json)
{
	time_t began = time(NULL), said = began;
	unsigned done = 0;

	for (unsigned e = 0; e < ENGINES; e++) {
		const struct subject *s = engines[e].subject;
		struct bench b;

		if (set->only_subject && strcmp(set->only_subject, s->name) != 0)
			continue;
		file_open(&b, &(struct file){set->folder, NULL, N_RECORDS}, s);
		for (unsigned h = 0; h < STRAYS; h++) {
			struct result *r = &results[e][h];

			if (set->only_hazard && strcmp(set->only_hazard, stray_names[h]) != 0)
				continue;
			if (done && time(NULL) - said >= PROGRESS_S) {
				said = time(NULL);
				(void)fprintf(stderr, "H3: %u of %zu, about %ld s left\n", done,
					ENGINES * STRAYS,
					(long)((said - began) * (long)(ENGINES * STRAYS - done) /
						done));
			}
			run_hazard(&b, set, h, engines[e].stops, r);
			if (json)
				print_line(json, set, s->name, h, r, engines[e].stops,
					!results[e][STRAY_NONE].run || results[e][STRAY_NONE].sane);
			done++;
		}
		file_close(&b);
	}
	if (done == 0)
		give_up("nothing was run", "no subject and hazard of these names");
	for (unsigned i = 0; json && subjects_missing[i]; i++)
		for (unsigned h = 0; h < STRAYS; h++) {
			struct result r = {.kept = true};

			(void)snprintf(r.why_none, TEXT_BYTES, "%s",
				subject_missing(subjects_missing[i]));
			print_line(json, set, subjects_missing[i], h, &r, false, true);
		}
}

static void print_table(const struct settings *set)
{
	printf("\nH3: a stray store. %u each, seed %llu. S stopped at once, U unseen, E error,\n"
	       "L later death, W wrong until evicted, B broken on disk, D wrong on disk,\n"
	       "- not produced\n\n%-15s",
		set->n_stores, (unsigned long long)set->seed, "");
	for (unsigned h = 0; h < STRAYS; h++)
		printf(" %-31s", stray_texts[h]);
	printf("\n");
	for (unsigned e = 0; e < ENGINES; e++) {
		printf("%-15s", engines[e].subject->name);
		for (unsigned h = 0; h < STRAYS; h++) {
			char text[128] = "";
			size_t used = 0;

			for (unsigned i = 0; i < HARMS; i++)
				if (results[e][h].n[i])
					used += (size_t)snprintf(text + used, sizeof(text) - used,
						"%s%c%llu", used ? " " : "", harm_letters[i],
						(unsigned long long)results[e][h].n[i]);
			printf(" %-31s", used ? text : "-");
		}
		printf("\n");
	}
	for (unsigned e = 0; e < ENGINES; e++)
		for (unsigned h = 0; h < STRAYS; h++)
			if (results[e][h].why_none[0])
				printf("  - %s: %s: %s\n", stray_names[h], engines[e].subject->name,
					results[e][h].why_none);
}

/* Names who promised to stop a store and did not. Returns how many. */
static unsigned print_broken(void)
{
	unsigned n = 0;

	for (unsigned e = 0; e < ENGINES; e++)
		for (unsigned h = 0; h < STRAYS; h++) {
			const struct result *r = &results[e][h];

			if (!r->run || r->kept)
				continue;
			printf("%sBROKEN PROMISE: %s: %s: not stopped; %s\n", n++ ? "" : "\n",
				engines[e].subject->name, stray_names[h], r->text);
		}
	return n;
}

/* --- arguments ------------------------------------------------------------------------------- */

static int usage(const char *why)
{
	(void)fprintf(stderr,
		"hazard_stray: %s\n"
		"usage: hazard_stray --dir FOLDER [--stores N] [--seed N] [--subject NAME]\n"
		"    [--hazard NAME] [--json FILE]\n"
		"       hazard_stray --list: names of the subjects that this build has\n"
		"  --dir     an existing folder, for files of a MB; memory will do\n"
		"  --stores  of each kind into each subject (1 to 1000000; 1000)\n"
		"  --json    append one line of JSON for each hazard and subject; -: stdout\n",
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
	else if (strcmp(name, "--json") == 0)
		set->json = value;
	else if (strcmp(name, "--subject") == 0)
		set->only_subject = value;
	else if (strcmp(name, "--hazard") == 0)
		set->only_hazard = value;
	else if (strcmp(name, "--stores") == 0 && number(value, 1, 1000000, &n))
		set->n_stores = (uint32_t)n;
	else if (strcmp(name, "--seed") == 0 && number(value, 0, UINT32_MAX, &n))
		set->seed = n;
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	struct settings set = {.n_stores = 1000, .seed = 1};
	FILE *json = NULL;
	unsigned n_broken;
	struct stat st;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (unsigned e = 0; e < ENGINES; e++)
			(void)puts(engines[e].subject->name);
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
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		0);
	if (report == MAP_FAILED)
		give_up("memory", strerror(errno));
	run_all(&set, json);
	print_table(&set);
	n_broken = print_broken();
	if (json && json != stdout)
		(void)fclose(json);
	return n_broken ? 1 : 0;
}
