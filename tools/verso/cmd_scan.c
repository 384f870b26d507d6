/* SPDX-License-Identifier: MIT */
/*
 * Records in key order, of a range or all.
 */
#include "tools/verso/tool.h"

#include <string.h>
#include <unistd.h>

static int compare(struct verso_val a, struct verso_val b)
{
	int d = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

	if (d != 0)
		return d;
	return (a.len > b.len) - (a.len < b.len);
}

/* [from, to) narrowed by the prefix; data NULL: no bound. */
struct range {
	struct verso_val from, to;
};

static struct range range_of(const struct arguments *args)
{
	struct range r = {args->from, args->to};

	if (args->prefix.data && (!r.from.data || compare(r.from, args->prefix) < 0))
		r.from = args->prefix;
	if (args->prefix_end.len > 0 && (!r.to.data || compare(args->prefix_end, r.to) < 0))
		r.to = args->prefix_end;
	return r;
}

static int move_first(struct verso_cursor *c, const struct range *r, bool reverse,
	struct verso_val *key, struct verso_val *val)
{
	int rc;

	if (!reverse)
		return r->from.data ? verso_cursor_seek(c, r->from, key, val)
				    : verso_cursor_first(c, key, val);
	if (!r->to.data)
		return verso_cursor_last(c, key, val);
	rc = verso_cursor_seek(c, r->to, NULL, NULL);
	return rc < 0 ? rc : verso_cursor_prev(c, key, val);
}

static bool is_inside(const struct range *r, bool reverse, struct verso_val key)
{
	if (reverse)
		return !r->from.data || compare(key, r->from) >= 0;
	return !r->to.data || compare(key, r->to) < 0;
}

static enum status write_range(const struct session *s, FILE *out, struct verso_cursor *c,
	struct progress *progress)
{
	const struct arguments *args = s->args;
	struct range range = range_of(args);
	struct verso_val key = {NULL, 0}, val = {NULL, 0}, *want = args->keys_only ? NULL : &val;
	uint64_t n = 0;
	enum status status = STATUS_OK;
	int rc;

	rc = args->willneed
		     ? verso_advise(s->txn, s->table, range.from, range.to, VERSO_ADVICE_WILLNEED)
		     : 0;
	if (rc == 0)
		rc = move_first(c, &range, args->reverse, &key, want);
	while (n < args->limit_records && status == STATUS_OK && !ferror(out)) {
		int move_result = rc;

		/* The value is too long to come in one piece, and the key did not come with it. */
		if (rc == VERSO_ETOOBIG)
			rc = verso_cursor_get(c, &key, NULL);
		if (rc != 0 || !is_inside(&range, args->reverse, key))
			break;
		status = record_write(s, out, c, move_result, key, val);
		progress_step(progress, progress->n + 1);
		n++;
		rc = args->reverse ? verso_cursor_prev(c, &key, want)
				   : verso_cursor_next(c, &key, want);
	}
	if (status == STATUS_OK && rc < 0 && rc != VERSO_ETOOBIG)
		status = fail(args->path, rc);
	return status;
}

/* What the kernel or the pool has of the range goes before other pages, from now on. */
static enum status let_go(const struct session *s)
{
	struct range range = range_of(s->args);
	int rc = verso_advise(s->txn, s->table, range.from, range.to, VERSO_ADVICE_COLD);

	return rc < 0 ? fail(s->args->path, rc) : STATUS_OK;
}

enum status records_write(const struct session *s, FILE *out, struct progress *progress)
{
	struct verso_cursor *cursor;
	enum status status;
	int rc = verso_cursor_open(s->txn, s->table, &cursor);

	if (rc < 0)
		return fail(s->args->path, rc);
	status = write_range(s, out, cursor, progress);
	verso_cursor_close(cursor);
	if (status == STATUS_OK && s->args->cold)
		status = let_go(s);
	return status;
}

static enum status scan(const struct arguments *args)
{
	struct session s;
	struct progress progress;
	enum status status = session_open(&s, args, VERSO_READ);

	if (status != STATUS_OK)
		return status;
	s.for_screen = isatty(STDOUT_FILENO) == 1;
	progress_begin(&progress, "records", 0);
	status = records_write(&s, stdout, &progress);
	progress_end(&progress);
	session_abort(&s);
	return status == STATUS_OK ? finish_output() : status;
}

const struct command command_scan = {
	.name = "scan",
	.words = "DB",
	.summary = "Print a range of records in key order",
	.help = "A line a record: key, TAB, value, with \\t, \\n, \\\\ and \\xHH for bytes that\n"
		"would not stand in a line, or that a terminal would obey. `verso load --lines`\n"
		"reads that.",
	.example = "  printf 'ant\\t1\\nape\\t2\\nbee\\t3\\n' | verso load a.verso --tsv\n"
		   "  verso scan a.verso -p a           # keys that begin with a\n"
		   "  verso scan a.verso -r -n 1        # the last record\n"
		   "  verso scan a.verso --from=ape -k  # keys alone\n",
	.takes = TAKES_TABLE | TAKES_RANGE,
	.open_flags = VERSO_RDONLY,
	.run = scan,
};
