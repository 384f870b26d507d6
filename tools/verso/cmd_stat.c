/* SPDX-License-Identifier: MIT */
/* verso stat: what there is to say about a database, as text or JSON. */
#include "tools/verso/raw.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum unit { UNIT_COUNT, UNIT_BYTES, UNIT_GEN, UNIT_YES };

/* One list serves the text and the JSON. */
struct line {
	const char *name; /* in JSON */
	const char *text; /* for people */
	uint64_t value;
	enum unit unit;
};

static const char *pager_name(enum verso_pager pager)
{
	static const char *const names[] = {
		[VERSO_BUFPOOL] = "bufpool", [VERSO_MMAP] = "mmap", [VERSO_VMCACHE] = "vmcache"};

	return names[pager];
}

static void print_line(const struct line *l)
{
	switch (l->unit) {
	case UNIT_COUNT:
		if (l->value == VERSO_UNKNOWN)
			(void)printf("%-28s not known\n", l->text);
		else
			(void)printf("%-28s %" PRIu64 "\n", l->text, l->value);
		break;
	case UNIT_BYTES:
		if (l->value < 1 << 20)
			(void)printf("%-28s %" PRIu64 " bytes\n", l->text, l->value);
		else
			(void)printf("%-28s %.1f MiB\n", l->text, (double)l->value / (1 << 20));
		break;
	case UNIT_GEN:
		(void)printf("%-28s %" PRIu64 " of incarnation %" PRIu64 "\n", l->text,
			l->value & ((UINT64_C(1) << 40) - 1), l->value >> 40);
		break;
	case UNIT_YES:
		(void)printf("%-28s %s\n", l->text, l->value ? "yes" : "no");
		break;
	}
}

static void print_lines(const struct line *lines, size_t n_lines, bool json)
{
	for (size_t i = 0; i < n_lines; i++) {
		if (!json) {
			print_line(&lines[i]);
			continue;
		}
		(void)printf(", \"%s\": ", lines[i].name);
		if (lines[i].value == VERSO_UNKNOWN)
			(void)printf("null");
		else
			(void)printf("%" PRIu64, lines[i].value);
	}
}

/* A line whose value is a word. */
static void print_text(const char *name, const char *text, const char *value, bool json, bool first)
{
	if (json) {
		(void)printf("%s\"%s\": ", first ? "{" : ", ", name);
		text_write_json(stdout, value);
		return;
	}
	(void)printf("%-28s ", text);
	text_write(stdout, value, strlen(value));
	(void)printf("\n");
}

struct tables {
	struct verso_txn *txn;
	FILE *out;
	bool json, any;
};

static int print_table(void *arg, const char *name)
{
	struct tables *t = arg;
	struct verso_table *table;
	struct verso_table_stat stat = {.size = sizeof(stat)};
	int rc = verso_table_open(t->txn, name, 0, &table);

	if (rc == 0)
		rc = verso_table_stat(t->txn, table, &stat);
	if (rc != 0)
		return rc;
	if (t->json) {
		(void)fprintf(t->out, "%s{\"name\": ", t->any ? ", " : "");
		text_write_json(t->out, name);
		(void)fprintf(t->out, ", \"records\": %" PRIu64 ", \"height\": %" PRIu32 "}",
			stat.n_records, stat.height);
	} else {
		(void)fprintf(t->out, "table ");
		escape_write(t->out, name, strlen(name), true);
		(void)fprintf(t->out, "%*s %" PRIu64 " records, height %" PRIu32 "\n",
			strlen(name) < 22 ? (int)(22 - strlen(name)) : 0, "", stat.n_records,
			stat.height);
	}
	t->any = true;
	return 0;
}

/* As text, malloc'ed: of damaged tables nothing is printed. */
static int list_tables(const struct session *s, char **ret_text)
{
	struct tables t = {.txn = s->txn, .json = s->args->json};
	size_t len_bytes;
	int rc;

	t.out = open_memstream(ret_text, &len_bytes);
	if (!t.out)
		return -errno;
	rc = verso_table_each(s->txn, print_table, &t);
	if (fclose(t.out) == 0 && rc == 0)
		return 0;
	free(*ret_text);
	return rc != 0 ? rc : -ENOMEM;
}

/* What the file is, whoever asks. On a failure nothing is printed. */
static int print_file(const struct session *s, const struct verso_stat *st)
{
	struct verso_table_stat table = {.size = sizeof(table)};
	struct stat file = {0};
	struct raw raw;
	bool json = s->args->json;
	int rc = verso_table_stat(s->txn, NULL, &table);

	if (rc < 0)
		return rc;
	if (!raw_open(&raw, s->args->path))
		return VERSO_EIO;
	(void)fstat(raw.fd, &file);

	const struct line lines[] = {
		{"records", "records in the default table", table.n_records, UNIT_COUNT},
		{"height", "height of its tree", table.height, UNIT_COUNT},
		{"page_size", "page size", st->page_size, UNIT_BYTES},
		{"file_bytes", "file", (uint64_t)file.st_size, UNIT_BYTES},
		{"disk_bytes", "of it on the disk", (uint64_t)file.st_blocks * 512, UNIT_BYTES},
		{"pages", "pages", st->n_pages, UNIT_COUNT},
		{"free_pages", "free pages", st->n_free_pages, UNIT_COUNT},
		{"pending_pages", "pages not yet free", st->n_pending_pages, UNIT_COUNT},
		{"newest_gen", "newest commit", st->newest_gen, UNIT_GEN},
		{"durable_gen", "newest one known durable", st->durable_gen, UNIT_GEN},
		{"closed_cleanly", "closed cleanly", raw_newest(&raw)->mark != 0, UNIT_YES},
		{"rolled_back", "unfinished commit left out", st->rolled_back != 0, UNIT_YES},
	};

	print_text("path", "database", s->args->path, json, true);
	print_text("commit_mode", "newest commit made by",
		raw_newest(&raw)->mode == 1 ? "one-flush" : "two-flush", json, false);
	print_lines(lines, sizeof(lines) / sizeof(lines[0]), json);
	raw_close(&raw);
	return 0;
}

/* What this process did to find it out: for measurements. */
static void print_process(const struct verso_stat *st, bool json)
{
	const struct line lines[] = {
		{"memory_bytes_max", "page memory, at most", st->memory_bytes_max, UNIT_BYTES},
		{"memory_bytes", "page memory, in use", st->memory_bytes, UNIT_BYTES},
		{"gets", "pages pinned", st->n_gets, UNIT_COUNT},
		{"peeks", "pages seen without a pin", st->n_peeks, UNIT_COUNT},
		{"misses", "misses", st->n_misses, UNIT_COUNT},
		{"loads_get", "loaded by gets", st->n_loads_get, UNIT_COUNT},
		{"loads_writer", "loaded by the writer", st->n_loads_writer, UNIT_COUNT},
		{"loads_many", "loaded by gets of many", st->n_loads_many, UNIT_COUNT},
		{"loads_ahead", "loaded ahead", st->n_loads_ahead, UNIT_COUNT},
		{"evictions", "evictions", st->n_evictions, UNIT_COUNT},
		{"victims", "given up by the policy", st->n_victims, UNIT_COUNT},
		{"unneeded", "given up, copied or cold", st->n_unneeded, UNIT_COUNT},
		{"waits_load", "waits for a load", st->n_waits_load, UNIT_COUNT},
		{"waits_limbo", "waits for a frame", st->n_waits_limbo, UNIT_COUNT},
		{"reads", "reads in flight", st->n_reads, UNIT_COUNT},
		{"reads_max", "reads in flight, at most", st->n_reads_max, UNIT_COUNT},
		{"major_faults", "faults that read", st->n_major_faults, UNIT_COUNT},
		{"minor_faults", "faults that mapped", st->n_minor_faults, UNIT_COUNT},
		{"read_bytes", "read", st->read_bytes, UNIT_BYTES},
		{"write_bytes", "written", st->write_bytes, UNIT_BYTES},
	};

	if (!json)
		(void)printf("\nthis process\n");
	print_text("pager", "pager", pager_name(st->pager), json, false);
	print_text("how", "reached by", st->how, json, false);
	print_lines(lines, sizeof(lines) / sizeof(lines[0]), json);
}

static int print_stat(const struct session *s)
{
	struct verso_stat st = {.size = sizeof(st)};
	bool json = s->args->json;
	char *tables;
	int rc = verso_stat(s->db, &st);

	if (rc == 0)
		rc = list_tables(s, &tables);
	if (rc != 0)
		return rc;
	rc = print_file(s, &st);
	if (rc == 0) {
		(void)printf(json ? ", \"tables\": [%s]" : "%s", tables);
		if (s->args->process)
			print_process(&st, json);
		if (json)
			(void)printf("}\n");
	}
	free(tables);
	return rc;
}

/* Only about its space. */
static int collect_space(const struct session *s)
{
	struct verso_space sp = {.size = sizeof(sp)};
	char why[2 * sizeof(sp.why)];
	bool json = s->args->json, is_nameless;
	struct waiting waiting;
	int rc;

	waiting_begin(&waiting, s->args, WAITS_AT_FIRST);
	rc = verso_space(s->db, &sp);
	waiting_end(&waiting);
	if (rc < 0)
		return rc;
	is_nameless = sp.reader_gen != 0 && sp.reader_pid == 0; /* it holds a lock alone */

	const struct line lines[] = {
		{"file_bytes", "file", sp.file_bytes, UNIT_BYTES},
		{"page_size", "page size", sp.page_size, UNIT_BYTES},
		{"pages", "pages", sp.n_pages, UNIT_COUNT},
		{"leaf_pages", "with records", sp.n_leaf, UNIT_COUNT},
		{"inner_pages", "that lead to them", sp.n_inner, UNIT_COUNT},
		{"overflow_pages", "of long values", sp.n_overflow, UNIT_COUNT},
		{"free_space_pages", "that keep account of space", sp.n_free_space, UNIT_COUNT},
		{"free_pages", "free", sp.n_free, UNIT_COUNT},
		{"reserve_pages", "of these, for a full disk", sp.n_reserve, UNIT_COUNT},
		{"pending_pages", "not yet free", sp.n_pending, UNIT_COUNT},
		{"held_pages", "of these, held by readers", sp.n_held, UNIT_COUNT},
		{"slack_pages", "empty parts, in pages", sp.n_slack, UNIT_COUNT},
		{"reader_pid", "oldest reader, process",
			is_nameless ? VERSO_UNKNOWN : sp.reader_pid, UNIT_COUNT},
		{"reader_age_ms", "open for, in ms", is_nameless ? VERSO_UNKNOWN : sp.reader_age_ms,
			UNIT_COUNT},
		{"reader_held_bytes", "holds", (uint64_t)sp.n_reader_held * sp.page_size,
			UNIT_BYTES},
	};
	size_t n_lines = sizeof(lines) / sizeof(lines[0]);

	words_of_shell(sp.why, why, sizeof(why));
	if (!json) {
		print_lines(lines, sp.reader_gen ? n_lines : n_lines - 3, json);
		(void)printf("\n%s\n", why);
		return 0;
	}
	(void)printf("{\"path\": ");
	text_write_json(stdout, s->args->path);
	print_lines(lines, n_lines, json);
	(void)printf(", \"why\": ");
	text_write_json(stdout, why);
	(void)printf("}\n");
	return 0;
}

static enum status stat_db(const struct arguments *args)
{
	struct session s;
	enum status status;
	int rc;

	if (args->watch_ns != 0 && (args->space || args->process || args->db_switch)) {
		say("--watch does not open the database, so there is no --%s with it: leave one "
		    "of them out",
			args->space     ? "space"
			: args->process ? "process"
					: args->db_switch);
		return STATUS_USAGE;
	}
	if (args->watch_ns != 0)
		return watch_db(args);
	if (args->n_looks != UINT64_MAX) {
		say("--count (-n) says how many lines --watch prints: add --watch");
		return STATUS_USAGE;
	}
	status = session_open(&s, args, VERSO_READ);

	if (status != STATUS_OK)
		return status;
	if (args->space) {
		verso_abort(s.txn);
		s.txn = NULL;
		rc = collect_space(&s);
	} else {
		rc = print_stat(&s);
	}
	if (rc != 0)
		status = fail(args->path, rc);
	session_abort(&s);
	return status == STATUS_OK ? finish_output() : status;
}

const struct command command_stat = {
	.name = "stat",
	.words = "DB",
	.summary = "Print sizes and counts of a database",
	.help = "What the file is, whoever asks: sizes in bytes and pages, commits, tables. With\n"
		"--space where the space goes, and a sentence that says what would shrink the\n"
		"file; that reads all of it. With --process also what this run of `verso stat`\n"
		"did with its pages, which is for measurements. With --json, numbers are bytes\n"
		"and counts, null what is not known, and names do not change between versions.\n"
		"\n"
		"With --watch what the programs do that have it open, from the lock file beside\n"
		"it: a line each second, or each SECONDS, until Ctrl-C or N lines; with --json an\n"
		"object a line. The database is not opened for that. commits/s and misses/s are\n"
		"since the line before, commits since all had it closed last. hits%: of the pages\n"
		"that were asked for, how many were in memory; not known under --pager=mmap.\n"
		"readers: open read transactions; oldest, age: the process of the oldest one.\n"
		"writer, turn: which process has the turn to write, and since when; write: since\n"
		"when its transaction is open. A program that has it alone (--exclusive) shows\n"
		"nothing.\n"
		"\n"
		"Of --process: under --pager=mmap the kernel evicts, and does not say so; the\n"
		"faults, of the whole process, are what can be known of its cache. misses: the\n"
		"pages that gets and gets of many had to load.",
	.example = "  verso put planets.verso mars '3390 km'\n"
		   "  verso stat planets.verso\n",
	.takes = TAKES_JSON | TAKES_PROCESS | TAKES_SPACE | TAKES_WATCH,
	.open_flags = VERSO_RDONLY,
	.run = stat_db,
};
