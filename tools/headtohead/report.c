/* SPDX-License-Identifier: MIT */
/* The table that is printed. */
#include "tools/headtohead/headtohead.h"

#include <inttypes.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define LABEL_WIDTH  36
#define COLUMN_WIDTH 16

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

static const char *megabytes(char *buf, size_t cap, uint64_t bytes)
{
	(void)snprintf(buf, cap, "%.1f MB", (double)bytes / 1e6);
	return buf;
}

static double seconds(const struct phase_result *p)
{
	return (double)p->used.now_ns / 1e9;
}

enum row_kind {
	ROW_RATE,         /* of a phase */
	ROW_READ,         /* bytes in a phase */
	ROW_WRITTEN,      /* bytes in a phase */
	ROW_MAJOR_FAULTS, /* in a phase */
	ROW_FAULTS,       /* in a phase */
	ROW_FILE,
	ROW_FILES,
	ROW_MEMORY,
	ROW_HITS,
	ROW_MISSES,
	ROW_TIME,
};

static const struct row {
	const char *label;
	enum row_kind kind;
	enum phase phase;
} rows[] = {
	{"load, records/s", ROW_RATE, PHASE_LOAD},
	{"  written", ROW_WRITTEN, PHASE_LOAD},
	{"get, empty caches, gets/s", ROW_RATE, PHASE_GET_COLD},
	{"  read", ROW_READ, PHASE_GET_COLD},
	{"  faults that waited for the disk", ROW_MAJOR_FAULTS, PHASE_GET_COLD},
	{"get, full caches, gets/s", ROW_RATE, PHASE_GET},
	{"  faults", ROW_FAULTS, PHASE_GET},
	{"scan, records/s", ROW_RATE, PHASE_SCAN},
	{"durable update, commits/s", ROW_RATE, PHASE_UPDATE},
	{"  written", ROW_WRITTEN, PHASE_UPDATE},
	{"file, closed", ROW_FILE, N_PHASES},
	{"files while open, with the log", ROW_FILES, N_PHASES},
	{"memory, most in use", ROW_MEMORY, N_PHASES},
	{"own cache: hits", ROW_HITS, N_PHASES},
	{"own cache: misses", ROW_MISSES, N_PHASES},
	{"time, all phases", ROW_TIME, N_PHASES},
};

static const char *cell(char *buf, size_t cap, const struct row *row, const struct result *r)
{
	const struct phase_result *p = row->phase < N_PHASES ? &r->phases[row->phase] : NULL;
	double time = 0;

	switch (row->kind) {
	case ROW_RATE:
		return grouped(buf, cap, (uint64_t)((double)p->n / seconds(p)));
	case ROW_READ:
		return megabytes(buf, cap, p->used.read_bytes);
	case ROW_WRITTEN:
		return megabytes(buf, cap, p->used.write_bytes);
	case ROW_MAJOR_FAULTS:
		return grouped(buf, cap, p->used.major_faults);
	case ROW_FAULTS:
		return grouped(buf, cap, p->used.faults);
	case ROW_FILE:
		return megabytes(buf, cap, r->file_bytes);
	case ROW_FILES:
		return megabytes(buf, cap, r->files_bytes);
	case ROW_MEMORY:
		return megabytes(buf, cap, r->memory_bytes);
	case ROW_HITS:
		return r->figures.has_cache ? grouped(buf, cap, r->figures.n_hits) : "-";
	case ROW_MISSES:
		return r->figures.has_cache ? grouped(buf, cap, r->figures.n_misses) : "-";
	case ROW_TIME:
		for (int i = 0; i < N_PHASES; i++)
			time += seconds(&r->phases[i]);
		(void)snprintf(buf, cap, "%.1f s", time);
		return buf;
	}
	return "";
}

static void print_machine(FILE *out)
{
	struct utsname u;
	char line[256], model[200] = "unknown processor";
	FILE *f = fopen("/proc/cpuinfo", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "model name : %199[^\n]", model) == 1)
			break;
	}
	if (f)
		(void)fclose(f);
	(void)uname(&u);
	(void)fprintf(out, "machine  %ld x %s, %.0f GiB, Linux %s\n", sysconf(_SC_NPROCESSORS_ONLN),
		model, (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / (1u << 30),
		u.release);
}

static void print_header(FILE *out, const struct plan *plan, const struct report_engine *engines,
	size_t n_engines)
{
	const struct dataset *set = plan->model->set;
	char a[32], b[32];

	(void)fprintf(out,
		"data     %s packages of Debian (name to stanza; %s stanzas read), %.1f MB, the "
		"longest %.1f KB\n",
		grouped(a, sizeof(a), set->n_records), grouped(b, sizeof(b), set->n_stanzas),
		(double)set->len_bytes / 1e6, (double)set->value_max_bytes / 1e3);
	print_machine(out);
	(void)fprintf(out,
		"memory   %.0f MiB of cache for each, but the mmap pager: the kernel's page "
		"cache\n",
		(double)plan->cache_bytes / (1 << 20));
	(void)fprintf(out, "bytes    read and written are counted %s\n", plan->bytes_from);
	for (size_t i = 0; i < n_engines; i++)
		(void)fprintf(out, "%-8s %s: %s\n", i == 0 ? "engines" : "", engines[i].ops->title,
			engines[i].result->figures.how);
}

void report_print(FILE *out, const struct plan *plan, const struct report_engine *engines,
	size_t n_engines)
{
	char buf[64];

	print_header(out, plan, engines, n_engines);
	(void)fprintf(out, "\n%-*s", LABEL_WIDTH, "");
	for (size_t i = 0; i < n_engines; i++)
		(void)fprintf(out, "%*s", COLUMN_WIDTH, engines[i].ops->title);
	(void)fputc('\n', out);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)fprintf(out, "%-*s", LABEL_WIDTH, rows[i].label);
		for (size_t k = 0; k < n_engines; k++)
			(void)fprintf(out, "%*s", COLUMN_WIDTH,
				cell(buf, sizeof(buf), &rows[i], engines[k].result));
		(void)fputc('\n', out);
	}
	(void)fputc('\n', out);
}
