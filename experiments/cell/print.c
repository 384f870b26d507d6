/* SPDX-License-Identifier: MIT */
#include "experiments/cell/print.h"

#include <inttypes.h>
#include <stdlib.h>

static void print_count(FILE *f, const char *name, uint64_t value)
{
	if (value == UINT64_MAX)
		(void)fprintf(f, ",\"%s\":null", name);
	else
		(void)fprintf(f, ",\"%s\":%" PRIu64, name, value);
}

static uint64_t ns(struct timeval t)
{
	return ((uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec) * 1000;
}

static uint64_t difference(uint64_t before, uint64_t after)
{
	return before == UINT64_MAX || after == UINT64_MAX ? UINT64_MAX : after - before;
}

static void print_edge(FILE *f, const struct readings *a, const struct readings *b)
{
	print_count(f, "ns", b->time_ns - a->time_ns);
	print_count(f, "user_ns", ns(b->usage.ru_utime) - ns(a->usage.ru_utime));
	print_count(f, "system_ns", ns(b->usage.ru_stime) - ns(a->usage.ru_stime));
	print_count(f, "minor_faults", (uint64_t)(b->usage.ru_minflt - a->usage.ru_minflt));
	print_count(f, "major_faults", (uint64_t)(b->usage.ru_majflt - a->usage.ru_majflt));
	print_count(f, "voluntary_switches", (uint64_t)(b->usage.ru_nvcsw - a->usage.ru_nvcsw));
	print_count(f, "involuntary_switches", (uint64_t)(b->usage.ru_nivcsw - a->usage.ru_nivcsw));
	print_count(f, "device_read_bytes", difference(a->read_bytes, b->read_bytes));
	print_count(f, "device_write_bytes", difference(a->write_bytes, b->write_bytes));
	print_count(f, "dtlb_misses", difference(a->dtlb_misses, b->dtlb_misses));
	if (!b->has_stat) {
		(void)fprintf(f, ",\"pager\":null");
		return;
	}
	(void)fprintf(f, ",\"pager\":{\"page_bytes\":%u", b->stat.page_size);
	print_count(f, "gets", difference(a->stat.n_gets, b->stat.n_gets));
	print_count(f, "peeks", difference(a->stat.n_peeks, b->stat.n_peeks));
	print_count(f, "misses", difference(a->stat.n_misses, b->stat.n_misses));
	print_count(f, "loads_get", difference(a->stat.n_loads_get, b->stat.n_loads_get));
	print_count(f, "loads_writer", difference(a->stat.n_loads_writer, b->stat.n_loads_writer));
	print_count(f, "loads_many", difference(a->stat.n_loads_many, b->stat.n_loads_many));
	print_count(f, "loads_ahead", difference(a->stat.n_loads_ahead, b->stat.n_loads_ahead));
	print_count(f, "waits_load", difference(a->stat.n_waits_load, b->stat.n_waits_load));
	print_count(f, "reads_in_flight_max", b->stat.n_reads_max);
	print_count(f, "prefetched", difference(a->stat.n_prefetched, b->stat.n_prefetched));
	print_count(f, "evictions", difference(a->stat.n_evictions, b->stat.n_evictions));
	print_count(f, "read_bytes", difference(a->stat.read_bytes, b->stat.read_bytes));
	print_count(f, "write_bytes", difference(a->stat.write_bytes, b->stat.write_bytes));
	print_count(f, "commits", difference(a->stat.n_commits, b->stat.n_commits));
	print_count(f, "flushes", difference(a->stat.n_flushes, b->stat.n_flushes));
	print_count(f, "memory_bytes", b->stat.memory_bytes);
	print_count(f, "memory_bytes_max", b->stat.memory_bytes_max);
	(void)fputc('}', f);
}

static void add_parts(struct phase_part *sum, const struct run *r, unsigned phase, bool beside)
{
	for (unsigned i = 0; i < r->n_workers; i++) {
		const struct phase_part *part = &r->workers[i].parts[phase - 1];

		if (r->workers[i].beside != beside)
			continue;
		sum->n_ops += part->n_ops;
		sum->n_checked += part->n_checked;
		sum->n_wrong += part->n_wrong;
		sum->n_minor_faults += part->n_minor_faults;
		sum->n_major_faults += part->n_major_faults;
		sum->cpu_ns += part->cpu_ns;
		sum->n_faults_call += part->n_faults_call;
		sum->n_faults_caller += part->n_faults_caller;
		sum->n_faults_held += part->n_faults_held;
		sum->n_held += part->n_held;
		histogram_merge(&sum->latency, &part->latency);
	}
}

/* What some of the workers of all processes did in a phase: those beside the others, or the
 * others. */
static void print_parts(const struct run *runs, FILE *f, unsigned phase, bool beside)
{
	struct phase_part *sum = calloc(1, sizeof(*sum));

	if (!sum)
		cell_fail("print", "no memory");
	for (unsigned p = 0; p < runs->config->n_processes; p++)
		add_parts(sum, &runs[p], phase, beside);
	(void)fprintf(f, "\"ops\":%" PRIu64 ",\"checked\":%" PRIu64 ",\"wrong\":%" PRIu64,
		sum->n_ops, sum->n_checked, sum->n_wrong);
	print_count(f, "thread_minor_faults", sum->n_minor_faults);
	print_count(f, "thread_major_faults", sum->n_major_faults);
	print_count(f, "thread_cpu_ns", sum->cpu_ns);
	print_count(f, "max_ns", sum->latency.max_ns);
	if (runs->config->hold) {
		print_count(f, "faults_call", sum->n_faults_call);
		print_count(f, "faults_caller", sum->n_faults_caller);
		print_count(f, "faults_held", sum->n_faults_held);
		print_count(f, "held", sum->n_held);
	}
	(void)fprintf(f, ",\"histogram\":");
	histogram_print(&sum->latency, f);
	free(sum);
}

static void print_text(FILE *f, const char *text)
{
	(void)fputc('"', f);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			(void)fputc('\\', f);
		(void)fputc((unsigned char)*text < 0x20 ? ' ' : *text, f);
	}
	(void)fputc('"', f);
}

/* Of all processes together: their sums, and the mean of their clocks. */
static struct readings edge_of(const struct run *runs, unsigned edge)
{
	unsigned n = runs->config->n_processes;
	struct readings sum = runs[0].edges[edge];

	if (n == 1)
		return sum;
	sum.time_ns /= n;
	for (unsigned p = 1; p < n; p++)
		readings_add(&sum, &runs[p].edges[edge], n);
	return sum;
}

void print_run(const struct run *runs, FILE *f)
{
	const struct run *r = &runs[0];
	struct readings before, after = edge_of(runs, r->n_edges);
	uint64_t load_ns = 0, evicted_bytes = 0;

	for (unsigned p = 0; p < r->config->n_processes; p++) {
		load_ns = runs[p].load_ns > load_ns ? runs[p].load_ns : load_ns;
		evicted_bytes += runs[p].evicted_bytes;
	}
	(void)fprintf(f,
		"{\"engine\":\"%s\",\"open_ns\":%" PRIu64 ",\"evicted_bytes\":%" PRIu64 ",\"how\":",
		r->config->engine->name, load_ns, evicted_bytes);
	print_text(f, after.has_stat ? after.stat.how : "");
	print_count(f, "resident_bytes_max", (uint64_t)after.usage.ru_maxrss * 1024);
	if (work_writes(r->config->work)) { /* one writer: the first thread, or the one beside */
		const struct worker *w = &r->workers[r->n_workers - 1];

		(void)fprintf(f, ",\"read_back\":{\"checked\":%" PRIu64 ",\"wrong\":%" PRIu64 "}",
			w->updated.n_checked, w->updated.n_wrong);
	}
	(void)fprintf(f, ",\"phases\":[");
	for (unsigned i = 0; i < r->n_edges; i++) {
		before = edge_of(runs, i);
		after = edge_of(runs, i + 1);
		(void)fprintf(f, "%s{\"phase\":%u,", i ? "," : "", r->edge_phases[i]);
		print_parts(runs, f, r->edge_phases[i], false);
		print_edge(f, &before, &after);
		if (r->workers[r->n_workers - 1].beside) {
			(void)fprintf(f, ",\"%s\":{",
				r->config->work == WORK_SCAN_GETS ? "scan" : "update");
			print_parts(runs, f, r->edge_phases[i], true);
			(void)fputc('}', f);
		}
		(void)fputc('}', f);
	}
	(void)fprintf(f, "]}\n");
}
