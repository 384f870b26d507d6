/* SPDX-License-Identifier: MIT */
/* verso tables: the names of the tables, and how much is in each. */
#include "tools/verso/tool.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

struct tables {
	const struct session *s;
	bool any;
};

/* name NULL: the default table. */
static void print_table(const struct tables *t, const char *name,
	const struct verso_table_stat *stat)
{
	const struct arguments *args = t->s->args;

	if (args->json) {
		(void)printf("%s{\"name\": ", t->any ? ",\n " : "[");
		if (name)
			text_write_json(stdout, name);
		else
			(void)printf("null");
		(void)printf(", \"records\": %" PRIu64 ", \"height\": %" PRIu32 "}",
			stat->n_records, stat->height);
		return;
	}
	if (!args->names_only)
		(void)printf("%12" PRIu64 " %7" PRIu32 "  ", stat->n_records, stat->height);
	if (name)
		escape_write(stdout, name, strlen(name), t->s->for_screen);
	else
		(void)printf("(the default table, which has no name)");
	(void)putchar('\n');
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
	return ferror(stdout);
}

static enum status tables(const struct arguments *args)
{
	struct session s;
	struct tables t = {.s = &s};
	enum status status = session_open(&s, args, VERSO_READ);
	int rc = 0;

	if (status != STATUS_OK)
		return status;
	s.for_screen = isatty(STDOUT_FILENO) == 1;
	if (!args->json && !args->names_only)
		(void)printf("%12s %7s  %s\n", "records", "height", "table");
	if (args->json || !args->names_only)
		rc = each(&t, NULL);
	if (rc == 0)
		rc = verso_table_each(s.txn, each, &t);
	if (args->json)
		(void)printf("]\n");
	if (rc < 0)
		status = fail(args->path, rc);
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
