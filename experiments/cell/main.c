/* SPDX-License-Identifier: MIT */
#include "experiments/cell/engine.h"
#include "experiments/cell/histogram.h"
#include "experiments/cell/readings.h"
#include "experiments/cell/residency.h"
#include "tools/common/switches.h"
#include "trace/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_FAILED 3

static const char usage[] =
	"usage: cell COMMAND [--OPTION=VALUE]...\n"
	"\n"
	"  version                          what this build is, and which engines it has\n"
	"  load --file=F --records=N        make a file\n"
	"  run  --file=F --records=N ...    run a workload, print a line of JSON\n"
	"  drop --file=F                    write and drop its page cache; print what is left\n"
	"  residency --file=F               what of it is in the page cache\n"
	"  replay --file=TRACE --frames=N   misses of every policy and of the optimum\n"
	"  histogram                        times in ns on stdin, one a line, as buckets\n";

const char *const work_names[] = {
	[WORK_GET] = "get",
	[WORK_SCAN] = "scan",
	[WORK_SCAN_GETS] = "scan-gets",
	[WORK_UPDATE] = "update",
	[WORK_UPDATE_GETS] = "update-gets",
	[WORK_KINDS] = NULL,
};

bool work_writes(enum work_kind work)
{
	return work == WORK_UPDATE || work == WORK_UPDATE_GETS;
}

void cell_fail(const char *what, const char *format, ...)
{
	va_list args;

	(void)fprintf(stderr, "cell: %s: ", what);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
	_exit(STATUS_FAILED); /* other threads may still be at work */
}

static const struct engine *const engines[] = {
	&engine_verso,
#ifdef HAVE_LMDB
	&engine_lmdb,
#endif
	&engine_device,
};

#define N_ENGINES (sizeof(engines) / sizeof(engines[0]))

const struct engine *engine_find(const char *name)
{
	for (size_t i = 0; i < N_ENGINES; i++) {
		if (strcmp(engines[i]->name, name) == 0)
			return engines[i];
	}
	return NULL;
}

/* --- the command line ---------------------------------------------------------------------- */

struct arguments {
	struct config config;
	uint64_t n_frames;
};

static bool parse_word(const char *word, const char *const *list, unsigned *ret)
{
	for (unsigned i = 0; list[i]; i++) {
		if (strcmp(list[i], word) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static bool parse_number(const char *text, double *ret)
{
	char *end;

	*ret = strtod(text, &end);
	return end != text && *end == '\0' && *ret >= 0;
}

static bool set_words(struct config *c, const char *name, const char *value, bool *ret_good)
{
	unsigned word = 0;

	*ret_good = true;
	if (strcmp(name, "file") == 0) {
		c->file = value;
	} else if (strcmp(name, "trace") == 0) {
		c->trace_path = value;
	} else if (strcmp(name, "packages") == 0) {
		c->packages_path = value;
	} else if (strcmp(name, "engine") == 0) {
		c->engine = engine_find(value);
		*ret_good = c->engine != NULL;
	} else if (strcmp(name, "work") == 0) {
		*ret_good = parse_word(value, work_names, &word);
		c->work = word;
	} else if (strcmp(name, "keys") == 0) {
		*ret_good = parse_word(value, keys_names, &word);
		c->keys = word;
	} else if (strcmp(name, "part") == 0) {
		*ret_good = parse_number(value, &c->part) && c->part <= 1;
	} else if (strcmp(name, "seconds") == 0) {
		*ret_good = parse_number(value, &c->seconds);
	} else if (strcmp(name, "plant-cache-share") == 0) {
		*ret_good = parse_number(value, &c->plant_cache_share) && c->plant_cache_share <= 1;
	} else if (strcmp(name, "rate") == 0) {
		*ret_good = parse_number(value, &c->rate);
	} else if (strcmp(name, "plant-observer") == 0) {
		c->plant_observer = true;
	} else if (strcmp(name, "plant-read-twice") == 0) {
		c->plant_read_twice = true;
	} else if (strcmp(name, "scattered") == 0) {
		c->load_scattered = true;
	} else {
		return false;
	}
	return true;
}

static bool set_counts(struct arguments *a, const char *name, const char *value, bool *ret_good)
{
	struct config *c = &a->config;
	uint64_t n = 0;
	const struct {
		const char *name;
		uint64_t *large;
		unsigned *small;
		uint64_t min, max;
	} counts[] = {
		{"records", &c->n_records, NULL, 1, UINT64_C(1) << 40},
		{"seed", &c->seed, NULL, 0, UINT64_MAX},
		{"stride", &c->stride, NULL, 1, UINT64_MAX},
		{"ops", &c->n_ops, NULL, 0, UINT64_MAX},
		{"cache-max", &c->cache_max_bytes, NULL, 0, SIZE_MAX},
		{"evict-above", &c->evict_above_bytes, NULL, 0, UINT64_MAX},
		{"processes", NULL, &c->n_processes, 1, LIVE_THREADS_MAX - 1},
		{"threads", NULL, &c->n_threads, 1, LIVE_THREADS_MAX - 1},
		{"batch", NULL, &c->batch, 1, BATCH_MAX},
		{"commit-records", NULL, &c->commit, 1, 1000000},
		{"passes", NULL, &c->passes, 1, 1000000},
		{"scan-phase", NULL, &c->scan_phase, 1, LIVE_PHASES_MAX},
		{"hold", NULL, &c->hold, 0, HOLD_MAX},
		{"live-fd", NULL, (unsigned *)&c->live_fd, 0, 65535},
		{"plant-sleep-us", NULL, &c->plant_sleep_us, 0, 1000000},
		{"plant-wrong-at", &c->plant_wrong_at, NULL, 0, UINT64_MAX},
		{"plant-die-at", &c->plant_die_at, NULL, 1, UINT64_MAX},
		{"frames", &a->n_frames, NULL, 1, UINT32_MAX},
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		if (strcmp(name, counts[i].name) != 0)
			continue;
		*ret_good = parse_size(value, &n) && n >= counts[i].min && n <= counts[i].max;
		if (counts[i].large)
			*counts[i].large = n;
		else
			*counts[i].small = (unsigned)n;
		return true;
	}
	return false;
}

/* One --name=value: the cell's own, or a switch of a database. */
static void set_option(struct arguments *a, const char *word)
{
	char name[64];
	const char *value = strchr(word, '=');
	size_t len = value ? (size_t)(value - word) : strlen(word);
	const struct db_switch *s;
	bool good;

	if (strncmp(word, "--", 2) != 0 || len < 3 || len - 2 >= sizeof(name))
		cell_fail("arguments", "expected --OPTION=VALUE, found %s", word);
	memcpy(name, word + 2, len - 2);
	name[len - 2] = '\0';
	value = value ? value + 1 : "";
	if (!set_words(&a->config, name, value, &good) && !set_counts(a, name, value, &good)) {
		s = db_switch_find(name, strlen(name));
		if (!s)
			cell_fail("arguments", "unknown option --%s", name);
		good = s->apply(&a->config.options, value);
	}
	if (!good)
		cell_fail("arguments", "--%s cannot be %s", name, value);
}

static void check_config(const struct config *c)
{
	if (!c->file || c->n_records == 0)
		cell_fail("arguments", "--file and --records are needed");
	if ((c->work == WORK_SCAN || c->work == WORK_SCAN_GETS) && !c->engine->scan)
		cell_fail("arguments", "engine %s cannot scan", c->engine->name);
	if (work_writes(c->work) && !c->engine->put)
		cell_fail("arguments", "engine %s cannot write", c->engine->name);
	if ((c->keys == KEYS_DEBIAN) != (c->packages_path != NULL))
		cell_fail("arguments", "--keys=debian and --packages belong together");
	if (c->hold && (c->work != WORK_GET || c->batch > 1 || c->engine != &engine_verso))
		cell_fail("arguments", "--hold keeps results of single gets of verso");
	if (c->n_processes > 1 && (c->work != WORK_GET || c->trace_path || c->cache_max_bytes ||
					  c->evict_above_bytes))
		cell_fail("arguments", "--processes get, and have no trace, no evictor, and a "
				       "cache of one size");
	if (c->n_processes * c->n_threads >= LIVE_THREADS_MAX)
		cell_fail("arguments", "expected fewer than %d threads in all, found %u",
			LIVE_THREADS_MAX, c->n_processes * c->n_threads);
	if (c->work == WORK_UPDATE && c->n_threads > 1)
		cell_fail("arguments", "there is one writer, found --threads=%u", c->n_threads);
}

/* --- commands ------------------------------------------------------------------------------ */

static void print_version(void)
{
	const char *why = readings_why_no_dtlb();

	(void)printf("{\"verso\":\"%s\",\"engines\":[", verso_version());
	for (size_t i = 0; i < N_ENGINES; i++)
		(void)printf("%s\"%s\"", i ? "," : "", engines[i]->name);
	(void)printf("],\"build\":{\"optimization\":\"%s\",\"sanitizer\":\"%s\",\"coverage\":%s,"
		     "\"hostile\":%s}",
		CELL_OPTIMIZATION, CELL_SANITIZER, CELL_COVERAGE ? "true" : "false",
		CELL_HOSTILE ? "true" : "false");
	if (why)
		(void)printf(",\"why_no_dtlb\":\"%s\"}\n", why);
	else
		(void)printf(",\"why_no_dtlb\":null}\n");
}

static void print_residency(const char *path, bool drop)
{
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1, rc;
	struct residency found;

	if (fd < 0)
		cell_fail("residency", "%s: %s", path ? path : "no --file", strerror(errno));
	rc = drop ? residency_drop(fd) : 0;
	if (rc == 0)
		rc = residency_get(fd, &found);
	if (rc < 0)
		cell_fail("residency", "%s: %s", path, strerror(-rc));
	(void)printf("{\"cached_bytes\":%" PRIu64 ",\"dirty_bytes\":", found.cached_bytes);
	if (found.by_cachestat)
		(void)printf("%" PRIu64 ",\"recently_evicted_bytes\":%" PRIu64 "}\n",
			found.dirty_bytes, found.recently_evicted_bytes);
	else
		(void)printf("null,\"recently_evicted_bytes\":null}\n");
	(void)close(fd);
}

static void replay(const char *path, uint64_t n_frames)
{
	struct trace trace;
	char text[512];
	uint64_t n;

	if (!path || n_frames == 0)
		cell_fail("replay", "--file and --frames are needed");
	if (!trace_read(path, &trace, text, sizeof(text)))
		cell_fail("replay", "%s", text);
	(void)printf("{\"reads\":%zu,\"pages\":%" PRIu32 ",\"frames\":%" PRIu64 ",\"misses\":{",
		trace.n_reads, trace.n_pages, n_frames);
	for (unsigned i = 0; i <= VERSO_POLICIES; i++) {
		n = i < VERSO_POLICIES ? trace_replay(&trace, i, (uint32_t)n_frames)
				       : trace_replay_optimum(&trace, (uint32_t)n_frames);
		if (n == UINT64_MAX)
			cell_fail("replay", "no memory");
		(void)printf("%s\"%s\":%" PRIu64, i ? "," : "",
			i < VERSO_POLICIES ? trace_policy_names[i] : "optimum", n);
	}
	(void)printf("}}\n");
	trace_free(&trace);
}

static void print_histogram(void)
{
	static struct histogram h;
	uint64_t ns;

	while (scanf("%" SCNu64, &ns) == 1)
		histogram_add(&h, ns);
	(void)printf("{\"max_ns\":%" PRIu64 ",\"histogram\":", h.max_ns);
	histogram_print(&h, stdout);
	(void)printf("}\n");
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	struct arguments a = {.config = {
				      .engine = &engine_verso,
				      .part = 1,
				      .stride = 1,
				      .seconds = 1,
				      .n_processes = 1,
				      .n_threads = 1,
				      .batch = 1,
				      .commit = 1,
				      .passes = 1,
				      .scan_phase = 1,
				      .live_fd = -1,
				      .plant_wrong_at = UINT64_MAX,
				      .plant_cache_share = 1,
			      }};

	for (int i = 2; i < argc; i++)
		set_option(&a, argv[i]);
	a.config.options.cache_bytes_max = (size_t)a.config.cache_max_bytes;
	a.config.options.cache_bytes =
		((size_t)((double)a.config.options.cache_bytes * a.config.plant_cache_share) +
			a.config.n_processes - 1) /
		a.config.n_processes; /* rounded up: 0 means something else */
	if (strcmp(command, "version") == 0) {
		print_version();
	} else if (strcmp(command, "load") == 0) {
		check_config(&a.config);
		cell_load(&a.config);
	} else if (strcmp(command, "run") == 0) {
		check_config(&a.config);
		cell_run(&a.config, stdout);
	} else if (strcmp(command, "drop") == 0 || strcmp(command, "residency") == 0) {
		print_residency(a.config.file, command[0] == 'd');
	} else if (strcmp(command, "replay") == 0) {
		replay(a.config.file, a.n_frames);
	} else if (strcmp(command, "histogram") == 0) {
		print_histogram();
	} else {
		(void)fputs(usage, stderr);
		return 2;
	}
	if (fflush(stdout) != 0)
		cell_fail("output", "%s", strerror(errno));
	return 0;
}
