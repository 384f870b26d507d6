/* SPDX-License-Identifier: MIT */
/*
 * H1, the kernel writes what was not committed: writers in the middle of a transaction, something
 * that happens, and what of their pages the device holds afterwards. All writers wait side by side,
 * each with its own file, so that all see the same moment.
 *
 * Somebody else's work may make the kernel write too. So the writers are watched as long before it
 * happens: one whose pages go by themselves has a row that does not count.
 */
#include "experiments/hazards/memgroup.h"
#include "experiments/hazards/line.h"
#include "experiments/hazards/watch.h"
#include "experiments/hazards/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAMPLE_MS      100
#define PROGRESS_MS    5000
#define PRESSURE_BYTES ((uint64_t)32 << 20) /* limit of a group in which memory is short */
#define PRESSURE_TIMES 6                    /* so often its limit is written there */

enum trigger {
	TRIGGER_NOTHING,
	TRIGGER_FSYNC, /* another file, of the same file system */
	TRIGGER_SYNCFS,
	TRIGGER_DIRECT_READ, /* somebody reads the file past the page cache */
	TRIGGER_HERE,        /* memory becomes short in the writers' group */
	TRIGGER_ELSEWHERE,   /* in another group */
	TRIGGERS
};

static const char *const trigger_names[TRIGGERS] = {
	"nothing", "fsync", "syncfs", "direct_read", "pressure_here", "pressure_elsewhere"};
static const char *const trigger_texts[TRIGGERS] = {
	"nothing",
	"another file's fsync",
	"syncfs",
	"an O_DIRECT read of the file",
	"memory pressure here",
	"memory pressure in another group",
};

struct settings {
	const char *folder, *json, *only;
	uint32_t wait_ms, watch_ms;
};

struct result {
	struct watch watch; /* closed: its counts */
	bool ran;           /* its writer was started */
	uint32_t grown_kib; /* anonymous memory that the change took; WATCH_UNKNOWN */
	bool is_whole;
	char skipped[TEXT_BYTES], text[TEXT_BYTES];
	char invalid[TEXT_BYTES]; /* why its counts are not those of the trigger, or "" */
};

static struct result results[TRIGGERS][WRITERS_MAX];

static _Noreturn void give_up(const char *what, const char *text)
{
	(void)fprintf(stderr, "hazard_flush: %s: %s\n", what, text);
	exit(3);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void pause_ms(uint32_t ms)
{
	(void)nanosleep(&(struct timespec){.tv_nsec = (long)ms * 1000000}, NULL);
}

/* A time of /proc/sys/vm; 0: the kernel does not say. By two of them it writes by itself. */
static uint32_t setting_ms(const char *name)
{
	unsigned centisecs = 0;
	char path[64];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/sys/vm/%s", name);
	f = fopen(path, "re");
	if (f && fscanf(f, "%u", &centisecs) != 1)
		centisecs = 0;
	if (f)
		(void)fclose(f);
	return centisecs * 10;
}

static const char *name_in(const struct settings *set, const char *name, char *buf, size_t len)
{
	if ((size_t)snprintf(buf, len, "%s/%s", set->folder, name) >= len)
		give_up(set->folder, "the name of the folder is too long");
	return buf;
}

/* --- triggers -------------------------------------------------------------------------------- */

static bool write_other(const struct settings *set, uint64_t bytes, bool sync)
{
	static const uint8_t block[1U << 16];
	char path[400];
	int fd = open(name_in(set, "other", path, sizeof(path)),
		O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0;

	for (uint64_t done = 0; ok && done < bytes; done += sizeof(block))
		ok = write(fd, block, sizeof(block)) == (ssize_t)sizeof(block);
	ok = ok && (!sync || fsync(fd) == 0);
	if (fd >= 0)
		(void)close(fd);
	(void)unlink(path);
	return ok;
}

static bool sync_folder(const struct settings *set)
{
	int fd = open(set->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && syncfs(fd) == 0;

	if (fd >= 0)
		(void)close(fd);
	return ok;
}

static bool read_direct(const char *path)
{
	_Alignas(PAGE_BYTES) static uint8_t block[1U << 16];
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : 1;

	while (n > 0)
		n = read(fd, block, sizeof(block));
	if (fd >= 0)
		(void)close(fd);
	return n == 0;
}

/* A process in the group writes more than the group may have, and ends. */
static bool press(const struct settings *set, const struct memgroup *g)
{
	int status = 1;
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open(g->procs, O_WRONLY | O_CLOEXEC);

		if (fd < 0 || write(fd, "0", 1) != 1)
			_exit(1);
		_exit(write_other(set, PRESSURE_TIMES * PRESSURE_BYTES, false) ? 0 : 1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static bool pull(const struct settings *set, enum trigger trigger, const struct memgroup *g,
	char paths[WRITERS_MAX][400])
{
	bool ok = true;

	switch (trigger) {
	case TRIGGER_FSYNC:
		return write_other(set, 1U << 16, true);
	case TRIGGER_SYNCFS:
		return sync_folder(set);
	case TRIGGER_DIRECT_READ:
		for (unsigned i = 0; writers[i].name; i++)
			ok = read_direct(paths[i]) && ok;
		return ok;
	case TRIGGER_HERE:
	case TRIGGER_ELSEWHERE:
		return press(set, g);
	default:
		return true;
	}
}

/* --- one trigger ------------------------------------------------------------------------------ */

static void watch_all(const struct settings *set, enum trigger trigger, struct result *r,
	uint64_t began)
{
	uint32_t limit = trigger == TRIGGER_NOTHING ? set->wait_ms : set->watch_ms;
	uint64_t said = now_ms();

	for (;;) {
		uint32_t after = (uint32_t)(now_ms() - began);
		bool over = after >= limit / 2;

		for (unsigned i = 0; writers[i].name; i++)
			if (!r[i].skipped[0]) {
				watch_sample(&r[i].watch, after);
				over = over && watch_is_over(&r[i].watch);
			}
		if (over || after >= limit)
			return;
		if (now_ms() - said >= PROGRESS_MS) {
			said = now_ms();
			(void)fprintf(stderr, "H1: %s: at most %u s left\n", trigger_texts[trigger],
				(limit - after) / 1000 + 1);
		}
		pause_ms(SAMPLE_MS);
	}
}

static bool stores_in_file(const struct writer *w)
{
	return !w->subject || (w->subject->options.pager == VERSO_MMAP &&
				      w->subject->options.map_writing == VERSO_MAP_SHARED);
}

static uint32_t seen(const struct reached *r)
{
	return r->pages == WATCH_UNKNOWN ? 0 : r->pages;
}

/* Pages that go before the trigger were written because of others' work. */
static void watch_before(const struct settings *set, struct result *r)
{
	uint64_t began = now_ms();

	while (now_ms() - began < set->watch_ms) {
		pause_ms(SAMPLE_MS);
		for (unsigned i = 0; writers[i].name; i++)
			watch_sample(&r[i].watch, 0);
	}
	for (unsigned i = 0; writers[i].name; i++) {
		uint32_t n = seen(&r[i].watch.by_count), raw = seen(&r[i].watch.by_bytes);

		if (n > 0 || raw > 0)
			(void)snprintf(r[i].invalid, TEXT_BYTES,
				"%u pages went by themselves in the %u s before the trigger: "
				"others made the kernel write",
				n > raw ? n : raw, set->watch_ms / 1000);
	}
}

/* The same of pages that went before their writer was ready; and, where nothing is done, of those
 * that went long before the kernel writes by itself. */
static void check_early(enum trigger trigger, struct result *r)
{
	uint32_t patience_ms = setting_ms("dirty_expire_centisecs");

	for (unsigned i = 0; writers[i].name; i++) {
		const struct watch *w = &r[i].watch;

		if (stores_in_file(&writers[i]) && w->n_dirty < N_CHANGED)
			(void)snprintf(r[i].invalid, TEXT_BYTES,
				"%u of %u pages went before the writer was ready: others made the "
				"kernel write",
				N_CHANGED - w->n_dirty, N_CHANGED);
		if (trigger == TRIGGER_NOTHING && w->by_count.first_ms < patience_ms / 2)
			(void)snprintf(r[i].invalid, TEXT_BYTES,
				"pages went after %u ms, and this kernel writes by itself after %u "
				"s: others made it",
				w->by_count.first_ms, patience_ms / 1000);
	}
}

static void skip_all(struct result *r, const char *why)
{
	for (unsigned i = 0; writers[i].name; i++)
		(void)snprintf(r[i].skipped, TEXT_BYTES, "%s", why);
}

/* The file of a writer, and the writer. */
static pid_t prepare(const struct writer *w, const char *path, const char *procs, struct result *r)
{
	char lock[420], text[TEXT_BYTES] = "";
	pid_t pid;

	(void)snprintf(lock, sizeof(lock), "%.400s-lock", path);
	(void)unlink(path);
	(void)unlink(lock);
	if (!writer_make_file(w, path, text) || !watch_open(&r->watch, path, text))
		give_up(w->name, text);
	pid = writer_start(w, path, procs, &r->grown_kib, text);
	if (pid < 0)
		give_up(w->name, text);
	r->ran = true;
	watch_begin(&r->watch);
	return pid;
}

/* Who has not waited long enough has seen nothing. */
static void check_patience(const struct settings *set, struct result *r)
{
	uint32_t needed_ms = setting_ms("dirty_expire_centisecs") +
			     setting_ms("dirty_writeback_centisecs") + SAMPLE_MS;

	if (r->watch.n_dirty == 0 || r->watch.by_count.pages != 0 || set->wait_ms >= needed_ms)
		return;
	(void)snprintf(r->skipped, TEXT_BYTES,
		"watched for %u s; this kernel writes by itself after up to %u s (--wait)",
		set->wait_ms / 1000, needed_ms / 1000 + 1);
}

static void finish(const struct writer *w, const char *path, pid_t pid, struct result *r)
{
	char lock[420];

	writer_kill(pid);
	r->is_whole = writer_file_is_whole(w, path, r->text);
	watch_close(&r->watch);
	(void)snprintf(lock, sizeof(lock), "%.400s-lock", path);
	(void)unlink(path);
	(void)unlink(lock);
}

static void run_trigger(const struct settings *set, enum trigger trigger, struct result *r)
{
	bool needs_group = trigger == TRIGGER_HERE || trigger == TRIGGER_ELSEWHERE;
	char paths[WRITERS_MAX][400], text[TEXT_BYTES] = "", name[64];
	pid_t pids[WRITERS_MAX];
	struct memgroup g = {0};
	uint64_t began;

	if (needs_group && !memgroup_make(&g, trigger_names[trigger], PRESSURE_BYTES, text)) {
		skip_all(r, text);
		return;
	}
	for (unsigned i = 0; writers[i].name; i++) {
		(void)snprintf(name, sizeof(name), "%s.db", writers[i].name);
		(void)name_in(set, name, paths[i], sizeof(paths[i]));
		pids[i] = prepare(&writers[i], paths[i], trigger == TRIGGER_HERE ? g.procs : NULL,
			&r[i]);
	}
	if (trigger != TRIGGER_NOTHING)
		watch_before(set, r);
	began = now_ms();
	if (pull(set, trigger, &g, paths))
		watch_all(set, trigger, r, began);
	else
		(void)snprintf(text, sizeof(text), "%s could not be done: %s",
			trigger_texts[trigger], strerror(errno));
	for (unsigned i = 0; writers[i].name; i++)
		finish(&writers[i], paths[i], pids[i], &r[i]);
	check_early(trigger, r);
	for (unsigned i = 0; trigger == TRIGGER_NOTHING && writers[i].name; i++)
		if (!r[i].skipped[0])
			check_patience(set, &r[i]);
	if (text[0])
		skip_all(r, text);
	if (needs_group)
		memgroup_remove(&g);
}

/* --- output ---------------------------------------------------------------------------------- */

/* Of the pages that the writer has changed, where that is known. */
static uint32_t trials_of(const struct result *r)
{
	uint32_t dirty = r->watch.n_dirty;

	return dirty == WATCH_UNKNOWN || dirty < N_CHANGED ? N_CHANGED : dirty;
}

static const struct reached *best_of(const struct result *r)
{
	return r->watch.n_dirty != WATCH_UNKNOWN ? &r->watch.by_count : &r->watch.by_bytes;
}

static void print_number(FILE *f, const char *name, uint32_t n)
{
	if (n == WATCH_UNKNOWN)
		(void)fprintf(f, ",\"%s\":null", name);
	else
		(void)fprintf(f, ",\"%s\":%u", name, n);
}

static void print_reached(FILE *f, const char *name, const struct reached *r, const char *why)
{
	(void)fprintf(f, ",\"%s\":{\"why_not\":", name);
	line_quote(f, why);
	print_number(f, "pages", r->pages);
	print_number(f, "first_ms", r->first_ms);
	print_number(f, "all_ms", r->all_ms);
	(void)fputc('}', f);
}

static void print_line(FILE *f, const struct settings *set, const char *writer, unsigned trigger,
	const struct result *r)
{
	static const char *const names[] = {"reached the device", "stayed in memory"};
	const struct reached *best = best_of(r);
	bool known = !r->skipped[0] && best->pages != WATCH_UNKNOWN;
	uint64_t counts[2] = {0, 0};
	char *details = NULL;
	size_t len;
	FILE *d = open_memstream(&details, &len);

	if (!d)
		give_up("memory", strerror(errno));
	if (known) {
		counts[0] = best->pages < trials_of(r) ? best->pages : trials_of(r);
		counts[1] = trials_of(r) - counts[0];
	}
	(void)fprintf(d, "\"trigger\":\"%s\",\"watched_ms\":%u", trigger_names[trigger],
		trigger == TRIGGER_NOTHING ? set->wait_ms : set->watch_ms);
	if (!r->skipped[0]) {
		print_number(d, "anonymous_kib", r->grown_kib);
		print_number(d, "dirty_pages", r->watch.n_dirty);
		print_reached(d, "by_cachestat", &r->watch.by_count, r->watch.why_count);
		print_reached(d, "by_device", &r->watch.by_bytes, r->watch.why_bytes);
		(void)fprintf(d,
			",\"after_death\":\"%s\",\"text\":", r->is_whole ? "before" : "neither");
		line_quote(d, r->text);
	}
	(void)fclose(d);
	line_print(f, &(struct line){.cell = writer,
			      .hazard = trigger_names[trigger],
			      .skipped = known           ? NULL
					 : r->skipped[0] ? r->skipped
							 : r->watch.why_count,
			      .invalid = r->invalid,
			      .names = names,
			      .counts = counts,
			      .n_counts = 2,
			      .trials = known ? trials_of(r) : 0,
			      .details = details});
	free(details);
}

static const char *cell(const struct result *r, char *buf, size_t len)
{
	const struct reached *best = best_of(r);

	if (r->skipped[0] || best->pages == WATCH_UNKNOWN)
		return "-";
	if (r->invalid[0])
		return "invalid";
	if (best->pages == 0)
		return "0";
	(void)snprintf(buf, len, "%u of %u, %.1f s", best->pages, trials_of(r),
		(best->all_ms == WATCH_UNKNOWN ? best->first_ms : best->all_ms) / 1000.0);
	return buf;
}

static const char *why_not(const struct result *r)
{
	return r->skipped[0] ? r->skipped : r->invalid;
}

/* Why nothing is known, each reason once with its writers. */
static void print_reasons(unsigned trigger)
{
	bool said[WRITERS_MAX] = {false};

	for (unsigned i = 0; writers[i].name; i++) {
		const char *why = why_not(&results[trigger][i]);

		if (!why[0] || said[i])
			continue;
		printf("  not known: %s:", trigger_texts[trigger]);
		for (unsigned k = i; writers[k].name; k++)
			if (strcmp(why_not(&results[trigger][k]), why) == 0) {
				printf(" %s", writers[k].name);
				said[k] = true;
			}
		printf(": %s\n", why);
	}
}

/* Of the first trigger that ran: none of them has anything to do with it. */
static void print_grown(void)
{
	printf("%-34s", "memory of its own for the change");
	for (unsigned i = 0; writers[i].name; i++) {
		const struct result *r = NULL;
		char buf[32] = "-";

		for (unsigned t = 0; t < TRIGGERS && !r; t++)
			r = results[t][i].ran ? &results[t][i] : NULL;
		if (r && r->grown_kib != WATCH_UNKNOWN)
			(void)snprintf(buf, sizeof(buf), "%u KiB", r->grown_kib);
		printf(" %-19s", buf);
	}
	printf("\n");
}

static void print_table(const struct settings *set)
{
	char buf[64];

	printf("\nH1: uncommitted pages on the device, and when (watched for %u s, without trigger "
	       "for %u s)\n\n%-34s",
		set->watch_ms / 1000, set->wait_ms / 1000, "");
	for (unsigned i = 0; writers[i].name; i++)
		printf(" %-19s", writers[i].name);
	printf("\n");
	for (unsigned t = 0; t < TRIGGERS; t++) {
		printf("%-34s", trigger_texts[t]);
		for (unsigned i = 0; writers[i].name; i++)
			printf(" %-19s", cell(&results[t][i], buf, sizeof(buf)));
		printf("\n");
	}
	printf("%-34s", "after the writer's death");
	for (unsigned i = 0; writers[i].name; i++) {
		bool whole = true, ran = false;

		for (unsigned t = 0; t < TRIGGERS; t++)
			if (!results[t][i].skipped[0] &&
				(!set->only || strcmp(set->only, trigger_names[t]) == 0)) {
				ran = true;
				whole = whole && results[t][i].is_whole;
			}
		printf(" %-19s", !ran ? "-" : whole ? "committed state" : "neither state");
	}
	printf("\n");
	print_grown();
	printf("\n");
	for (unsigned i = 0; writers[i].name; i++)
		printf("  %s: %s\n", writers[i].name, writers[i].what);
	for (unsigned t = 0; t < TRIGGERS; t++)
		print_reasons(t);
	if (results[TRIGGER_SYNCFS][0].watch.why_bytes[0])
		printf("  not read: the device itself: %s\n",
			results[TRIGGER_SYNCFS][0].watch.why_bytes);
}

/* --- arguments -------------------------------------------------------------------------------- */

static int usage(const char *why)
{
	(void)fprintf(stderr,
		"hazard_flush: %s\n"
		"usage: hazard_flush --dir FOLDER [--wait SECONDS] [--watch SECONDS]\n"
		"    [--trigger NAME] [--json FILE]\n"
		"  --dir    an existing folder on a disk, not in memory\n"
		"  --wait   for the kernel to write by itself (1 to 3600; 45)\n"
		"  --watch  before and after each other trigger (1 to 3600; 5)\n"
		"  --json   append one line of JSON for each trigger and writer; -: stdout\n",
		why);
	return 2;
}

static bool seconds(const char *text, uint32_t *ret_ms)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	*ret_ms = (uint32_t)n * 1000;
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && n >= 1 && n <= 3600;
}

static bool parse_one(struct settings *set, const char *name, const char *value)
{
	if (strcmp(name, "--wait") == 0)
		return seconds(value, &set->wait_ms);
	if (strcmp(name, "--watch") == 0)
		return seconds(value, &set->watch_ms);
	if (strcmp(name, "--dir") == 0)
		set->folder = value;
	else if (strcmp(name, "--json") == 0)
		set->json = value;
	else if (strcmp(name, "--trigger") == 0)
		set->only = value;
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	struct settings set = {.wait_ms = 45000, .watch_ms = 5000};
	FILE *json = NULL;
	unsigned done = 0;
	struct stat st;

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
	for (unsigned t = 0; t < TRIGGERS; t++) {
		if (set.only && strcmp(set.only, trigger_names[t]) != 0)
			continue;
		run_trigger(&set, t, results[t]);
		for (unsigned i = 0; json && writers[i].name; i++)
			print_line(json, &set, writers[i].name, t, &results[t][i]);
		done++;
	}
	if (done == 0)
		return usage("--trigger: there is no such trigger");
	print_table(&set);
	return 0;
}
