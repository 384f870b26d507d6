/* SPDX-License-Identifier: MIT */
/*
 * What can still be read of a damaged database: the records of every leaf that verifies.
 *
 * 1. Survey: every page in use is read once. Nodes that are whole are listed, by tree, the newest
 *    first; pages that are not are counted with what is wrong with them.
 * 2. Each tree is walked from its root, round what is damaged. What it reaches is certain. A leaf
 *    that is reached covers the keys between its fences: which of them exist is known then.
 * 3. What is still not covered is looked for in the nodes of the list that no walk has reached,
 *    those that are in use by the account of free pages first, the newest first. So a record of an
 *    older page never takes the place of one that a newer page has, or has no more.
 *
 * Invariants. S1: a key is given out once at most. S2: a key that a walk from the root covers is
 * given out by that walk alone. S3: a page that is free by the account, or newer than the commit
 * that is looked at, gives nothing. S4: a long value is given out whole or not at all.
 */
#ifndef TOOLS_VERSO_SALVAGE_H
#define TOOLS_VERSO_SALVAGE_H

#include "tools/verso/raw.h"

/* Where the records go. What fails is reported there. */
struct salvage_sink {
	/* Once, before the first table. */
	bool (*begin)(void *arg, const struct raw *r, uint32_t n_tables);
	/* name NULL: the default table. Its records follow; S1 holds in each. */
	bool (*table)(void *arg, const char *name);
	bool (*record)(void *arg, struct verso_val key, struct verso_val val);
	void *arg;
};

/*
 * Salvages the database at `path`, of which `only` is the one table wanted (NULL: all), and says on
 * stderr what was lost. STATUS_OK: nothing. STATUS_NO: something, or there is no such table.
 * STATUS_ERROR: it could not be done, and what the sink has is of no use; a signal does that too.
 */
enum status salvage(const char *path, const char *only, const struct salvage_sink *sink);

/* The rest is between the salvage_*.c. */

/* salvage_places.c: what the account of free pages says of each page */

enum place {
	PLACE_UNKNOWN, /* what would say it is damaged */
	PLACE_FREE,    /* or pending, or behind the end */
	PLACE_USED,    /* in a tree, or a page of the pending list */
	PLACE_OWN,     /* a slot, or for a bitmap or a page of the index, whatever lies there */
};

struct places {
	uint32_t n_pages; /* of the file, or of the commit if that is more */
	uint8_t *place;   /* a byte a page, enum place */
};

/* False: out of memory. places_fini() either way. */
bool places_init(struct places *p, const struct raw *r);
void places_fini(struct places *p);

/* salvage_cover.c: the keys of a tree of which it is known whether they exist */

struct cover_span {
	struct verso_val low, high; /* low <= key < high */
	bool to_end;                /* there is no high */
};

struct cover {
	struct cover_range *ranges; /* in order, apart from each other */
	uint32_t n, cap;
};

bool cover_has(const struct cover *c, struct verso_val key);
bool cover_is_all(const struct cover *c);

/* False: out of memory. */
bool cover_add(struct cover *c, const struct cover_span *span);
void cover_fini(struct cover *c);

/* salvage_loss.c: what is damaged */

#define LOSS_KINDS   24
#define LOSS_NUMBERS 8

struct loss_kind {
	const char *wrong;
	uint32_t n;
	uint32_t pgnos[LOSS_NUMBERS]; /* the first of them */
};

struct loss {
	uint8_t *seen; /* a bit a page: it was counted */
	uint32_t n_pages, n_damaged;
	struct loss_kind kinds[LOSS_KINDS];
};

/* `wrong` stays where it is. */
void loss_add(struct loss *l, uint32_t pgno, const char *wrong);
void loss_say(const struct loss *l);

/* A node that is whole. */
struct salvage_node {
	uint64_t gen, lsn;
	uint32_t pgno, tree;
	uint8_t level;
	bool is_used; /* by the account */
};

struct salvage_table {
	char *name; /* NULL: the default table, or the catalogue */
	struct raw_root root;
	bool has_root;   /* `root` is known */
	bool is_doubted; /* what says so may be old */
	bool is_named;   /* the name is that of the catalogue */
	uint64_t n_saved, n_unreached, n_doubted, n_long_lost;
	bool is_covered; /* every key of it */
};

struct salvage {
	struct raw r;
	const struct salvage_sink *sink;
	struct places places;
	struct loss loss;
	uint8_t *reached, *refused; /* a bit a page: a walk came there; what is there is not what a
				       reference means */
	struct salvage_node *nodes; /* by tree; then in use or not, the newest first */
	uint32_t n_nodes, cap_nodes;
	struct salvage_table *tables;
	uint32_t n_tables, cap_tables;
	struct salvage_table catalogue;
	struct cover cover;          /* of the tree that is walked */
	struct salvage_table *table; /* of that */
	uint32_t tree;
	bool is_unreached, is_doubted; /* what is walked now: not from a root; maybe old */
	bool failed;                   /* which was reported */
	bool is_older;    /* the newest commit is not whole, so the one before it is looked at */
	uint64_t n_read;  /* pages */
	uint64_t n_newer; /* nodes that are newer than the commit */
	uint8_t *value;   /* of a long one */
	size_t value_cap_bytes;
	struct progress progress;
};

static inline bool salvage_bit(const uint8_t *bits, uint32_t pgno)
{
	return bits[pgno / 8] >> pgno % 8 & 1;
}

static inline void salvage_bit_set(uint8_t *bits, uint32_t pgno)
{
	bits[pgno / 8] |= (uint8_t)(1u << pgno % 8);
}

/* salvage_survey.c: lists the nodes. */
void salvage_survey(struct salvage *s);

/* salvage_state.c: turns to the commit that opening would take. */
void salvage_choose(struct salvage *s);

/* salvage_value.c: the bytes of a long value. False: not all of them can be read. */
bool salvage_value(struct salvage *s, const struct raw_value *v, uint64_t lsn,
	struct verso_val *ret_val);

/* salvage_walk.c: gives out what s->table has: from its root, then from nodes of the list. */
void salvage_walk_table(struct salvage *s, struct salvage_table *t);

/* salvage_tables.c: the tables there are. */
void salvage_find_tables(struct salvage *s);

/* Of the tables, the one that is wanted, or all. */
bool salvage_wants(const struct salvage_table *t, const char *only);

/* salvage_account.c: says what was saved and what was lost. True: nothing was. */
bool salvage_account(const struct salvage *s, const char *only);

#endif
