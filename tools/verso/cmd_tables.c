/* SPDX-License-Identifier: MIT */
/* verso tables: the names of the tables, and how much is in each. */
#include "tools/verso/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tables {
	const struct session *s;
	FILE *out;
	bool any;
};

/* name NULL: the default table. */
static void print_table(const struct tables *t, const char *name,
	const struct verso_table_stat *stat)
{
	const struct arguments *args = t->s->args;

	if (args->json) {
		(void)fprintf(t->out, "%s{\"name\": ", t->any ? ",\n " : "[");
		if (name)
			text_write_json(t->out, name);
		else
			(void)fprintf(t->out, "null");
		(void)fprintf(t->out, ", \"records\": %" PRIu64 ", \"height\": %" PRIu32 "}",
			stat->n_records, stat->height);
		return;
	}
	if (!args->names_only)
		(void)fprintf(t->out, "%12" PRIu64 " %7" PRIu32 "  ", stat->n_records,
			stat->height);
	if (name)
		escape_write(t->out, name, strlen(name), t->s->for_screen);
	else
		(void)fprintf(t->out, "(the default table, which has no name)");
	(void)putc('\n', t->out);
}

static int each(void *arg, const char *name)
{
	struct tables *t = arg;
	struct verso_table_stat stat = {.size = sizeof(stat)};
	struct verso_table *table = NULL;
	int rc = name ? verso_table_open(t->s->txn, name, 0, &table) : 0;

	if (rc == 0)
		rc = verso_table_stat(t->s->txn, table, &stat);
	if (rc != 0)
		return rc;
	print_table(t, name, &stat);
	t->any = true;
	return 0;
}

static int list(struct tables *t)
{
	const struct arguments *args = t->s->args;
	int rc = 0;

	if (!args->json && !args->names_only)
		(void)fprintf(t->out, "%12s %7s  %s\n", "records", "height", "table");
	if (args->json || !args->names_only)
		rc = each(t, NULL);
	if (rc == 0)
		rc = verso_table_each(t->s->txn, each, t);
	if (args->json)
		(void)fprintf(t->out, "]\n");
	return rc;
}

/* All or, when a table cannot be read, nothing. */
static enum status tables(const struct arguments *args)
{
	char *text = NULL;
	size_t len_bytes;
	struct session s;
	struct tables t = {.s = &s};
	enum status status = session_open(&s, args, VERSO_READ);
	int rc;

	if (status != STATUS_OK)
		return status;
	s.for_screen = isatty(STDOUT_FILENO) == 1;
	t.out = open_memstream(&text, &len_bytes);
	rc = t.out ? list(&t) : -errno;
	if (t.out && fclose(t.out) != 0 && rc == 0)
		rc = -ENOMEM;
	if (rc == 0)
		(void)fwrite(text, 1, len_bytes, stdout);
	else
		status = fail(args->path, rc);
	free(text);
	session_abort(&s);
	return status == STATUS_OK ? finish_output() : status;
}

const struct command command_tables = {
	.name = "tables",
	.words = "DB",
	.summary = "List the tables, with their number of records",
	.help = "In the order of the bytes of their names, in which \\t, \\n, \\\\ and \\xHH\n"
		"stand for the bytes that they name, as --table takes them. Height: levels of\n"
		"the tree. In JSON the default table's name is null, and names are as they are.",
	.example = "  verso put planets.verso --table=moons luna '1737 km'\n"
		   "  verso tables planets.verso\n",
	.takes = TAKES_NAMES | TAKES_JSON,
	.open_flags = VERSO_RDONLY,
	.run = tables,
};
