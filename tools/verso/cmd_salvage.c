/* SPDX-License-Identifier: MIT */
/* verso salvage: what can still be read of a damaged database, as a new one. */
#include "tools/verso/salvage.h"

#include <errno.h>
#include <sys/stat.h>

struct rescue {
	const struct arguments *args;
	struct arguments to; /* of the new database */
	struct target target;
	bool is_open;
};

static bool begin(void *arg, const struct raw *r, uint32_t n_tables)
{
	struct rescue *c = arg;

	(void)n_tables;
	c->is_open = target_open(&c->target, &c->to, r->page_size) == STATUS_OK;
	return c->is_open;
}

static bool put_table(void *arg, const char *name)
{
	struct rescue *c = arg;
	struct session *s = &c->target.session;
	int rc = 0;

	s->table = NULL;
	if (name)
		rc = verso_table_open(s->txn, name, VERSO_CREATE, &s->table);
	if (rc != 0)
		(void)fail(name, rc);
	return rc == 0;
}

static bool put_record(void *arg, struct verso_val key, struct verso_val val)
{
	struct rescue *c = arg;
	struct session *s = &c->target.session;
	int rc = verso_put(s->txn, s->table, key, val, VERSO_NOOVERWRITE);

	if (rc != 0)
		(void)fail(c->to.path, rc);
	return rc == 0;
}

/* Whatever is there stays, an empty file and a link to nothing too. */
static bool is_free(const char *name)
{
	struct stat st;

	if (lstat(name, &st) < 0 && errno == ENOENT)
		return true;
	say("%s is there already: choose another name for what is saved", name);
	return false;
}

static enum status salvage_db(const struct arguments *args)
{
	struct rescue c = {.args = args, .to = *args};
	const struct salvage_sink sink = {begin, put_table, put_record, &c};
	enum status status;

	c.to.path = args->rest[0];
	if (!is_free(c.to.path))
		return STATUS_ERROR;
	signals_catch(-1, NULL, NULL);
	status = salvage(args->path, NULL, &sink);
	if (status == STATUS_ERROR && c.is_open)
		target_abort(&c.target);
	else if (c.is_open && target_commit(&c.target) != STATUS_OK)
		status = STATUS_ERROR;
	if (status == STATUS_ERROR && !c.target.in_place)
		say("%snothing was saved, and %s was not made",
			signals_ended_by() != 0 ? "interrupted: " : "", c.to.path);
	signals_end();
	return status;
}

const struct command command_salvage = {
	.name = "salvage",
	.words = "OLD NEW",
	.summary = "Save what can still be read of a damaged database into a new one",
	.help = "OLD is only read, and must not be in use; NEW must not be there, and appears\n"
		"when it is whole. Each tree is followed from its root, round what is damaged.\n"
		"Records that no root leads to any more are taken from the pages that are in\n"
		"use; where it is not known which are, from the newest, and the account says\n"
		"that these may be old. They never replace what a root leads to. A table without\n"
		"its name is called salvaged-N. The account, on standard error, has the damaged\n"
		"pages and what each table has lost. Exit status 0: everything was saved; 1: not\n"
		"everything, or that is not known; 3: nothing, and there is no NEW.",
	.example = "  verso put planets.verso mars '3390 km'\n"
		   "  verso salvage planets.verso saved.verso\n",
	.takes = TAKES_WRITER,
	.open_flags = VERSO_CREATE,
	.rest_min = 1,
	.rest_max = 1,
	.run = salvage_db,
};
