/* SPDX-License-Identifier: MIT */
/*
 * The table that people read: of each phase the median of its rounds, and half of what lies between
 * the least and the most.
 */
#include "tools/headtohead/headtohead.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define LABEL_WIDTH  34
#define COLUMN_WIDTH 14
#define CELL_MAX     64

const char *grouped(char *buf, size_t cap, uint64_t n)
{
	char digits[32];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, n), out = 0;

	for (size_t i = 0; i < len && out + 2 < cap; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			buf[out++] = ',';
		buf[out++] = digits[i];
	}
	buf[out] = '\0';
	return buf;
}

double sample_rate(const struct phase_result *p)
{
	return (double)p->n / ((double)p->used.now_ns / 1e9);
}

double sample_read_each(const struct phase_result *p)
{
	return (double)p->used.read_bytes / (double)p->n;
}

double sample_written_each(const struct phase_result *p)
{
	return (double)p->used.write_bytes / (double)p->n;
}

static double sample_written(const struct phase_result *p)
{
	return (double)p->used.write_bytes;
}

static double sample_waits_each(const struct phase_result *p)
{
	return (double)p->used.major_faults / (double)p->n;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct spread spread_of(const struct samples *s, sample_fn *fn)
{
	double v[ROUNDS_MAX];

	if (s->n == 0)
		return (struct spread){0, 0};
	for (size_t i = 0; i < s->n; i++)
		v[i] = fn(&s->of[i]);
	qsort(v, s->n, sizeof(v[0]), compare);
	return (struct spread){(v[(s->n - 1) / 2] + v[s->n / 2]) / 2, (v[s->n - 1] - v[0]) / 2};
}

/* Three digits that count: 24.3k. */
static void short_number(char *buf, size_t cap, double n)
{
	static const char *const units[] = {"", "k", "M", "G"};
	size_t unit = 0;

	while (n >= 999.5 && unit < 3) {
		n /= 1000;
		unit++;
	}
	(void)snprintf(buf, cap, "%.*f%s",
		n < 9.995 && unit > 0   ? 2
		: n < 99.95 && unit > 0 ? 1
					: 0,
		n, units[unit]);
}

static void rate_cell(char *buf, size_t cap, const struct samples *s)
{
	struct spread rate = spread_of(s, sample_rate);
	char number[32];

	short_number(number, sizeof(number), rate.median);
	if (s->n > 1)
		(void)snprintf(buf, cap, "%s ±%.0f%%", number, 100 * rate.half / rate.median);
	else
		(void)snprintf(buf, cap, "%s", number);
}

enum row_kind {
	ROW_RATE,         /* of a phase */
	ROW_READ_EACH,    /* bytes an operation */
	ROW_WRITTEN_EACH, /* bytes an operation */
	ROW_WAITS_EACH,   /* faults that waited for the disk, an operation */
	ROW_WRITTEN,      /* bytes in a phase */
	ROW_FILE,
	ROW_FILES,
	ROW_MEMORY,
	ROW_HITS,
};

static const struct row {
	const char *label;
	enum row_kind kind;
	enum phase phase;
} rows[] = {
	{"load (once), records/s", ROW_RATE, PHASE_LOAD},
	{"  written", ROW_WRITTEN, PHASE_LOAD},
	{"get, empty caches, gets/s", ROW_RATE, PHASE_GET_COLD},
	{"  read for a get", ROW_READ_EACH, PHASE_GET_COLD},
	{"  faults that wait, for a get", ROW_WAITS_EACH, PHASE_GET_COLD},
	{"scan, empty caches, records/s", ROW_RATE, PHASE_SCAN_COLD},
	{"get, after that scan, gets/s", ROW_RATE, PHASE_GET},
	{"scan, after that, records/s", ROW_RATE, PHASE_SCAN},
	{"get, in a quarter of the memory", ROW_RATE, PHASE_GET_SMALL},
	{"  read for a get", ROW_READ_EACH, PHASE_GET_SMALL},
	{"durable update, commits/s", ROW_RATE, PHASE_UPDATE},
	{"  written for a commit", ROW_WRITTEN_EACH, PHASE_UPDATE},
	{"file, closed", ROW_FILE, N_PHASES},
	{"files while open, with the log", ROW_FILES, N_PHASES},
	{"memory, most in use", ROW_MEMORY, N_PHASES},
	{"own cache: hits of all reads", ROW_HITS, N_PHASES},
};

static void bytes_cell(char *buf, size_t cap, double bytes)
{
	if (bytes < 1e6)
		(void)snprintf(buf, cap, "%.1f KB", bytes / 1e3);
	else
		(void)snprintf(buf, cap, "%.1f MB", bytes / 1e6);
}

static void hits_cell(char *buf, size_t cap, const struct engine_figures *f)
{
	uint64_t n = f->n_hits + f->n_misses;

	if (f->has_cache && n > 0)
		(void)snprintf(buf, cap, "%.2f%%", 100 * (double)f->n_hits / (double)n);
	else
		(void)snprintf(buf, cap, "-");
}

static void cell(char *buf, size_t cap, const struct row *row, const struct result *r)
{
	const struct samples *s = row->phase < N_PHASES ? &r->phases[row->phase] : NULL;

	if (s && s->n == 0) {
		(void)snprintf(buf, cap, "-");
		return;
	}
	switch (row->kind) {
	case ROW_RATE:
		rate_cell(buf, cap, s);
		break;
	case ROW_READ_EACH:
		bytes_cell(buf, cap, spread_of(s, sample_read_each).median);
		break;
	case ROW_WRITTEN_EACH:
		bytes_cell(buf, cap, spread_of(s, sample_written_each).median);
		break;
	case ROW_WAITS_EACH:
		(void)snprintf(buf, cap, "%.2f", spread_of(s, sample_waits_each).median);
		break;
	case ROW_WRITTEN:
		bytes_cell(buf, cap, spread_of(s, sample_written).median);
		break;
	case ROW_FILE:
		bytes_cell(buf, cap, (double)r->file_bytes);
		break;
	case ROW_FILES:
		bytes_cell(buf, cap, (double)r->files_bytes);
		break;
	case ROW_MEMORY:
		bytes_cell(buf, cap, (double)r->memory_bytes);
		break;
	case ROW_HITS:
		hits_cell(buf, cap, &r->figures);
		break;
	}
}

/* Flush right; bytes that continue a character of UTF-8 take no column. */
static void print_right(FILE *out, const char *text)
{
	int n = 0;

	for (const char *p = text; *p; p++)
		n += (*p & 0xc0) != 0x80;
	(void)fprintf(out, "%*s%s", n < COLUMN_WIDTH ? COLUMN_WIDTH - n : 1, "", text);
}

void machine_text(char *buf, size_t cap)
{
	struct utsname u;
	char line[256], model[120] = "unknown processor";
	FILE *f = fopen("/proc/cpuinfo", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "model name : %119[^\n]", model) == 1)
			break;
	}
	if (f)
		(void)fclose(f);
	(void)uname(&u);
	(void)snprintf(buf, cap, "%ld x %s, %.0f GiB, Linux %s", sysconf(_SC_NPROCESSORS_ONLN),
		model, (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / (1u << 30),
		u.release);
}

static void print_header(FILE *out, const struct plan *plan, const struct report_engine *engines,
	size_t n_engines)
{
	const struct dataset *set = plan->model->set;
	char a[32], b[32], machine[300];

	(void)fprintf(out,
		"data     %s packages of Debian (name to stanza; %s stanzas read), %.1f MB, the "
		"longest %.1f KB\n",
		grouped(a, sizeof(a), set->n_records), grouped(b, sizeof(b), set->n_stanzas),
		(double)set->len_bytes / 1e6, (double)set->value_max_bytes / 1e3);
	machine_text(machine, sizeof(machine));
	(void)fprintf(out, "machine  %s\n", machine);
	(void)fprintf(out,
		"memory   %.0f MiB of cache for each; Verso's map and LMDB have the kernel's page "
		"cache\n",
		(double)plan->cache_bytes / (1 << 20));
	if (plan->within)
		(void)fprintf(out,
			"         %.1f MB in all, a quarter of the data, for the gets in a "
			"quarter of the memory\n",
			(double)plan->small_bytes / 1e6);
	else
		(void)fprintf(out,
			"         gets in a quarter of the memory: not measured, because nothing "
			"here limits memory\n");
	(void)fprintf(out, "bytes    read and written are counted %s\n", plan->bytes_from);
	(void)fprintf(out,
		"rounds   %zu, each with the engines in another order: the median, ± half of what "
		"lies between least and most\n",
		plan->n_rounds);
	for (size_t i = 0; i < n_engines; i++)
		(void)fprintf(out, "%-8s %s: %s\n", i == 0 ? "engines" : "", engines[i].ops->title,
			engines[i].result->figures.how);
}

/* The causes that the counts show, for the two figures that depend on the disk. */
static void print_why(FILE *out, const struct report_engine *engines, size_t n_engines)
{
	static const struct {
		const char *text;
		enum phase phase;
		sample_fn *fn;
	} causes[] = {
		{"a get from empty caches costs what it reads", PHASE_GET_COLD, sample_read_each},
		{"a durable update costs a flush of the disk, and what it writes", PHASE_UPDATE,
			sample_written_each},
	};

	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		double least = 0, most = 0;
		const char *least_title = "", *most_title = "";
		char a[CELL_MAX], b[CELL_MAX];

		for (size_t k = 0; k < n_engines; k++) {
			const struct samples *s = &engines[k].result->phases[causes[i].phase];
			double v = spread_of(s, causes[i].fn).median;

			if (s->n == 0)
				continue;
			if (!*least_title || v < least) {
				least = v;
				least_title = engines[k].ops->title;
			}
			if (!*most_title || v > most) {
				most = v;
				most_title = engines[k].ops->title;
			}
		}
		bytes_cell(a, sizeof(a), least);
		bytes_cell(b, sizeof(b), most);
		(void)fprintf(out, "%-8s %s: %s (%s) to %s (%s)\n", i == 0 ? "why" : "",
			causes[i].text, a, least_title, b, most_title);
	}
}

void report_print(FILE *out, const struct plan *plan, const struct report_engine *engines,
	size_t n_engines)
{
	char text[CELL_MAX];

	print_header(out, plan, engines, n_engines);
	(void)fprintf(out, "\n%-*s", LABEL_WIDTH, "");
	for (size_t i = 0; i < n_engines; i++)
		print_right(out, engines[i].ops->title);
	(void)fputc('\n', out);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)fprintf(out, "%-*s", LABEL_WIDTH, rows[i].label);
		for (size_t k = 0; k < n_engines; k++) {
			cell(text, sizeof(text), &rows[i], engines[k].result);
			print_right(out, text);
		}
		(void)fputc('\n', out);
	}
	(void)fputc('\n', out);
	print_why(out, engines, n_engines);
	(void)fputc('\n', out);
}
