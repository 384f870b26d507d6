/* SPDX-License-Identifier: MIT */
/* The same as JSON, for programs: every sample, unrounded. */
#include "tools/headtohead/headtohead.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char *const phase_names[N_PHASES] = {
	[PHASE_LOAD] = "load",
	[PHASE_GET_COLD] = "get_empty_caches",
	[PHASE_SCAN_COLD] = "scan_empty_caches",
	[PHASE_GET] = "get_after_scan",
	[PHASE_SCAN] = "scan_after_scan",
	[PHASE_FILL_SMALL] = "fill_quarter_of_memory",
	[PHASE_GET_SMALL] = "get_in_quarter_of_memory",
	[PHASE_UPDATE] = "durable_update",
	[PHASE_VERIFY] = "verify",
};

static void print_string(FILE *out, const char *text)
{
	(void)fputc('"', out);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			(void)fprintf(out, "\\%c", *p);
		else if (*p < 0x20)
			(void)fprintf(out, "\\u%04x", *p);
		else
			(void)fputc(*p, out);
	}
	(void)fputc('"', out);
}

static void print_sample(FILE *out, const struct phase_result *p)
{
	(void)fprintf(out,
		"{\"operations\": %" PRIu64 ", \"ns\": %" PRIu64 ", \"cpu_ns\": %" PRIu64
		", \"read_bytes\": %" PRIu64 ", \"written_bytes\": %" PRIu64
		", \"faults\": %" PRIu64 ", \"major_faults\": %" PRIu64 "}",
		p->n, p->used.now_ns, p->used.cpu_ns, p->used.read_bytes, p->used.write_bytes,
		p->used.faults, p->used.major_faults);
}

static void print_engine(FILE *out, const struct report_engine *engine)
{
	const struct result *r = engine->result;

	(void)fputs("  {\"title\": ", out);
	print_string(out, engine->ops->title);
	(void)fputs(", \"how\": ", out);
	print_string(out, r->figures.how);
	(void)fprintf(out,
		",\n   \"failed_stages\": %" PRIu32 ", \"wrong_answers\": %" PRIu64
		", \"records\": %" PRIu64 ", \"digest\": \"%016" PRIx64
		"\",\n   \"file_bytes\": %" PRIu64 ", \"files_bytes\": %" PRIu64
		", \"memory_bytes\": %" PRIu64 ",\n   \"phases\": {",
		r->n_failed, r->n_wrong, r->n_records, r->digest, r->file_bytes, r->files_bytes,
		r->memory_bytes);
	for (size_t i = 0; i < N_PHASES; i++) {
		(void)fprintf(out, "%s\n    \"%s\": [", i > 0 ? "," : "", phase_names[i]);
		for (size_t k = 0; k < r->phases[i].n; k++) {
			(void)fputs(k > 0 ? ",\n     " : "", out);
			print_sample(out, &r->phases[i].of[k]);
		}
		(void)fputc(']', out);
	}
	(void)fputs("}}", out);
}

bool report_json(const char *path, const struct plan *plan, const struct report_engine *engines,
	size_t n_engines, bool agree)
{
	FILE *out = fopen(path, "we");
	char machine[300];
	bool ok = out != NULL;

	if (ok) {
		machine_text(machine, sizeof(machine));
		(void)fputs("{\"machine\": ", out);
		print_string(out, machine);
		(void)fprintf(out,
			",\n \"records\": %zu, \"data_bytes\": %" PRIu64
			", \"cache_bytes\": %zu, \"rounds\": %zu, \"agree\": %s,\n"
			" \"engines\": [\n",
			plan->model->set->n_records, plan->model->set->len_bytes, plan->cache_bytes,
			plan->n_rounds, agree ? "true" : "false");
		for (size_t i = 0; i < n_engines; i++) {
			print_engine(out, &engines[i]);
			(void)fputs(i + 1 < n_engines ? ",\n" : "\n", out);
		}
		(void)fputs("]}\n", out);
		ok = ferror(out) == 0;
		ok = fclose(out) == 0 && ok;
	}
	if (!ok)
		(void)fprintf(stderr, "headtohead: %s: %s\n", path, strerror(errno));
	return ok;
}
