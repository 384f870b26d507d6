/* SPDX-License-Identifier: MIT */
/* What was saved and what was lost, on stderr. */
#include "tools/verso/salvage.h"

#include <inttypes.h>

/* How many records there should be is known, and so many were saved. */
static bool is_whole(const struct salvage_table *t)
{
	return t->has_root && !t->is_doubted && t->n_saved == t->root.n_records &&
	       t->n_long_lost == 0 && t->n_doubted == 0;
}

static void say_table(const struct salvage_table *t)
{
	uint64_t n = t->root.n_records;
	bool is_known = t->has_root && !t->is_doubted;

	(void)fputs(t->name ? "table " : "the default table", stderr);
	if (t->name)
		text_write(stderr, t->name, strlen(t->name));
	(void)fprintf(stderr, ": %" PRIu64, t->n_saved);
	if (is_known && n == t->n_saved)
		(void)fputs(" records saved, all of them", stderr);
	else if (is_known && n > t->n_saved)
		(void)fprintf(stderr, " of %" PRIu64 " records saved, %" PRIu64 " lost", n,
			n - t->n_saved);
	else if (is_known)
		(void)fprintf(stderr, " records saved, but it had %" PRIu64 ": some are old", n);
	else
		(void)fputs(" records saved; how many it had is lost", stderr);
	if (t->n_long_lost > 0)
		(void)fprintf(stderr, "; of %" PRIu64 " the long value cannot be read whole",
			t->n_long_lost);
	if (t->n_unreached > 0)
		(void)fprintf(stderr, "; %" PRIu64 " come from pages that the tree does not reach",
			t->n_unreached);
	if (t->n_doubted > 0)
		(void)fprintf(stderr, ", %" PRIu64 " of these may be old, deleted or unfinished",
			t->n_doubted);
	(void)putc('\n', stderr);
}

/* Whether a meta page says that it is the newest: the database was closed cleanly. */
static bool is_closed(const struct raw_meta *m)
{
	return m->mark != 0 && m->gen == m->durable_gen;
}

/* True: the commit that is looked at is the last one. */
static bool say_state(const struct salvage *s)
{
	const struct raw *r = &s->r;
	unsigned wrong = r->meta[0].wrong ? 0 : 1;

	if (!r->has_meta) {
		say("both meta pages are damaged, so which pages are in use is not known: what was "
		    "saved is the newest that was found, and may be old, deleted, or never "
		    "committed");
		if (!r->has_seed)
			say("with them the database's id is lost, so checksums could not be "
			    "compared: a byte that has changed in a record cannot be seen");
		return false;
	}
	if (s->is_older) {
		say("the last commit is not whole: a crash cut it off, or a page of it is damaged. "
		    "This is the one before it, as the database would open");
		return false;
	}
	if (!r->meta[wrong].wrong || is_closed(raw_newest(r)))
		return true;
	say("one of the two meta pages is damaged, and the database was not closed: the other one "
	    "may be a commit older. Newer than that are %" PRIu64 " pages of trees, which were "
	    "left out",
		s->n_newer);
	return false;
}

/* The catalogue, when it names fewer tables than it should. */
static bool say_catalogue(const struct salvage *s)
{
	const struct salvage_table *c = &s->catalogue;

	if (is_whole(c))
		return true;
	if (c->has_root && c->root.n_records > c->n_saved)
		say("the names of %" PRIu64 " tables of %" PRIu64
		    " are lost: what was found of them is in "
		    "tables called salvaged-N",
			c->root.n_records - c->n_saved, c->root.n_records);
	return false;
}

bool salvage_account(const struct salvage *s, const char *only)
{
	uint64_t n_saved = 0;
	bool whole, is_last;

	(void)fprintf(stderr,
		"%" PRIu32 " pages of %" PRIu32 " bytes, %" PRIu32 " of them damaged\n",
		s->places.n_pages, s->r.page_size, s->loss.n_damaged);
	loss_say(&s->loss);
	is_last = say_state(s);
	whole = say_catalogue(s);
	for (uint32_t i = 0; i < s->n_tables; i++) {
		if (!salvage_wants(&s->tables[i], only))
			continue;
		say_table(&s->tables[i]);
		whole = is_whole(&s->tables[i]) && whole;
		n_saved += s->tables[i].n_saved;
	}
	(void)fprintf(stderr, "saved %" PRIu64 " records: %s\n", n_saved,
		!whole    ? "not all that there were"
		: is_last ? "all that there were"
			  : "all of the commit that was found");
	return whole && is_last;
}
