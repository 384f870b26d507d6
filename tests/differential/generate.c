/* SPDX-License-Identifier: MIT */
/*
 * Where streams come from: a flavour says how often which operation comes, and in which order keys
 * are taken; a stream goes through phases in which it grows, shrinks or stays as it is.
 */
#include "tests/differential/stream.h"

#include <stdlib.h>
#include <string.h>

enum order { ORDER_RANDOM, ORDER_UP, ORDER_DOWN };

struct flavour {
	const char *name;
	uint32_t page_size; /* 0: any */
	int keys;           /* enum key_shape; -1: any */
	uint32_t n_ids;     /* 0: any */
	enum order order;   /* of the keys that are put in a phase of growth */
	unsigned long_one_in;
	bool empties; /* phases of deletion go on until nothing is left */
	bool tables;  /* all alike; else mostly the default one */
	uint8_t weights[OP_KINDS];
};

#define READS                                                                                      \
	[OP_GET] = 20, [OP_GET_MANY] = 2, [OP_READ] = 2, [OP_SCAN_UP] = 2, [OP_SCAN_DOWN] = 2,     \
	[OP_ADVISE] = 1

#define READERS [OP_READER_BEGIN] = 2, [OP_READER_LOOK] = 2, [OP_READER_END] = 1

#define CURSORS                                                                                    \
	[OP_CURSOR_OPEN] = 2, [OP_CURSOR_FIRST] = 1, [OP_CURSOR_LAST] = 1, [OP_CURSOR_SEEK] = 4,   \
	[OP_CURSOR_NEXT] = 10, [OP_CURSOR_PREV] = 10, [OP_CURSOR_GET] = 3, [OP_CURSOR_DEL] = 6

static const struct flavour flavours[] = {
	{.name = "any",
		.keys = -1,
		.long_one_in = 40,
		.weights = {[OP_PUT] = 60,
			[OP_PUT_NEW] = 5,
			[OP_DEL] = 20,
			READS,
			READERS,
			CURSORS,
			[OP_DROP] = 1,
			[OP_COMMIT] = 2,
			[OP_ABORT] = 1,
			[OP_REOPEN] = 1}},
	{.name = "deep",
		.page_size = 512,
		.keys = KEYS_PREFIX,
		.n_ids = 12000,
		.weights = {[OP_PUT] = 180,
			[OP_DEL] = 30,
			[OP_GET] = 15,
			[OP_SCAN_UP] = 1,
			[OP_SCAN_DOWN] = 1,
			[OP_COMMIT] = 1}},
	{.name = "ascending",
		.keys = KEYS_ASCENDING,
		.n_ids = 6000,
		.order = ORDER_UP,
		.weights =
			{[OP_PUT] = 150, [OP_DEL] = 20, READS, [OP_COMMIT] = 2, [OP_REOPEN] = 1}},
	{.name = "descending",
		.keys = KEYS_ASCENDING,
		.n_ids = 6000,
		.order = ORDER_DOWN,
		.weights = {[OP_PUT] = 150, [OP_DEL] = 20, READS, [OP_COMMIT] = 2}},
	{.name = "delete-all",
		.keys = -1,
		.n_ids = 500,
		.empties = true,
		.long_one_in = 60,
		.weights =
			{[OP_PUT] = 60, [OP_DEL] = 60, READS, CURSORS, READERS, [OP_COMMIT] = 3}},
	{.name = "long",
		.keys = -1,
		.n_ids = 300,
		.long_one_in = 3,
		.weights = {[OP_PUT] = 50,
			[OP_PUT_NEW] = 10,
			[OP_DEL] = 35,
			READS,
			READERS,
			[OP_COMMIT] = 4,
			[OP_ABORT] = 2,
			[OP_REOPEN] = 1}},
	{.name = "cursors",
		.keys = -1,
		.n_ids = 1500,
		.long_one_in = 100,
		.weights = {[OP_PUT] = 40,
			[OP_DEL] = 5,
			[OP_GET] = 5,
			CURSORS,
			[OP_COMMIT] = 1,
			[OP_ABORT] = 1}},
	{.name = "snapshots",
		.keys = -1,
		.n_ids = 1500,
		.long_one_in = 50,
		.weights = {[OP_PUT] = 60,
			[OP_DEL] = 40,
			[OP_GET] = 5,
			[OP_READER_BEGIN] = 5,
			[OP_READER_LOOK] = 10,
			[OP_READER_END] = 1,
			[OP_COMMIT] = 10,
			[OP_ABORT] = 1}},
	{.name = "tables",
		.tables = true,
		.keys = -1,
		.n_ids = 400,
		.long_one_in = 50,
		.weights = {[OP_PUT] = 60,
			[OP_DEL] = 15,
			READS,
			READERS,
			[OP_DROP] = 4,
			[OP_COMMIT] = 4,
			[OP_ABORT] = 2,
			[OP_REOPEN] = 1}},
	{.name = "ranges",
		.keys = -1,
		.long_one_in = 50,
		.weights = {[OP_PUT] = 250,
			[OP_DEL] = 10,
			READS,
			READERS,
			CURSORS,
			[OP_COUNT] = 6,
			[OP_DEL_RANGE] = 6,
			[OP_SCAN_RANGE] = 6,
			[OP_CLEAR] = 1,
			[OP_COMMIT] = 6,
			[OP_ABORT] = 1,
			[OP_REOPEN] = 1}},
	{.name = "ways to write",
		.tables = true,
		.keys = -1,
		.n_ids = 400,
		.long_one_in = 20,
		.weights = {[OP_PUT] = 20,
			[OP_DEL] = 15,
			READS,
			READERS,
			CURSORS,
			[OP_CURSOR_PUT] = 10,
			[OP_APPEND] = 10,
			[OP_REPLACE] = 20,
			[OP_RESERVE] = 20,
			[OP_WRITE] = 60,
			[OP_RENAME] = 4,
			[OP_DROP] = 2,
			[OP_CLEAR] = 1,
			[OP_COMMIT] = 6,
			[OP_ABORT] = 1,
			[OP_REOPEN] = 1}},
	{.name = "small commits",
		.keys = -1,
		.n_ids = 3000,
		.weights = {[OP_PUT] = 20,
			[OP_DEL] = 12,
			[OP_GET] = 10,
			READERS,
			[OP_COMMIT] = 30,
			[OP_ABORT] = 2,
			[OP_REOPEN] = 1}},
};

#define N_FLAVOURS ((int)(sizeof(flavours) / sizeof(flavours[0])))

enum phase { PHASE_GROW, PHASE_SHRINK, PHASE_STAY, N_PHASES };

struct generator {
	const struct flavour *flavour;
	struct config config;
	uint64_t state;
	enum phase phase;
	uint32_t phase_left; /* operations */
	uint32_t next_id[N_TABLES];
	uint32_t del_id;
	unsigned weight_sum;
};

static uint32_t below(struct generator *g, uint32_t n)
{
	return (uint32_t)(mix(&g->state) % n);
}

static void make_config(struct generator *g, uint64_t seed)
{
	static const uint32_t sizes[] = {512, 512, 512, 1024, 4096, 16384, 65536};
	const struct flavour *f = g->flavour;
	struct config *c = &g->config;

	c->seed = seed;
	c->page_size = f->page_size ? f->page_size : sizes[below(g, 7)];
	c->keys = (enum key_shape)(f->keys >= 0 ? (uint32_t)f->keys : below(g, KEY_SHAPES));
	c->n_ids = f->n_ids ? f->n_ids : 20 + below(g, 5000);
	c->one_flush = below(g, 2);
	c->sync = below(g, 4) == 0 ? VERSO_SYNC_RELAXED : VERSO_SYNC_FULL;
	c->copy = below(g, 8) == 0;
	c->pin_inner = below(g, 8) == 0;
	c->dirty_pages = 24 + below(g, 3) * 40;
	c->check_every = below(g, 4) == 0 ? 1 : 40;
	c->writing = (uint32_t)(seed % (VERSO_MAP_SHARED + 1));
	/* The pager of a lab has a file of its own. */
	c->guests =
		c->sync != VERSO_SYNC_RELAXED && seed / 3 % 3 == 1 && !getenv("VERSO_ONE_PROCESS");
	if (c->sync == VERSO_SYNC_FULL && c->page_size >= 4096 && seed / 2 % 2 == 1) {
		c->sync = VERSO_SYNC_PROCESS; /* which takes direct transfers */
		c->one_flush = true;
	}
	c->async = c->sync == VERSO_SYNC_FULL && seed / 2 % 5 == 3;
}

/* In a phase that empties, deletions walk over all ids; else they hit anywhere. */
static uint32_t pick_key(struct generator *g, unsigned kind, unsigned table)
{
	const struct flavour *f = g->flavour;

	if (kind == OP_PUT && g->phase != PHASE_SHRINK && f->order == ORDER_UP)
		return g->next_id[table]++ % f->n_ids;
	if (kind == OP_PUT && g->phase != PHASE_SHRINK && f->order == ORDER_DOWN)
		return f->n_ids - 1 - g->next_id[table]++ % f->n_ids;
	if (kind == OP_DEL && f->empties && g->phase == PHASE_SHRINK)
		return g->del_id++ % g->config.n_ids;
	return below(g, g->config.n_ids);
}

static uint32_t pick_len(struct generator *g)
{
	uint32_t page_size = g->config.page_size;
	unsigned one_in = g->flavour->long_one_in;

	if (one_in && below(g, one_in) == 0) {
		uint32_t len = page_size / 4 + below(g, page_size * 8);

		return below(g, 30) == 0 || len > VALUE_MAX ? below(g, VALUE_MAX) : len;
	}
	switch (below(g, 8)) {
	case 0:
		return 0;
	case 1:
		return below(g, page_size / 2); /* the longest that lie in a leaf, too */
	default:
		return below(g, 24);
	}
}

static unsigned pick_kind(struct generator *g)
{
	uint32_t x = below(g, g->weight_sum);
	unsigned kind = 0;

	while (x >= g->flavour->weights[kind])
		x -= g->flavour->weights[kind++];
	/* Growth turns deletions into puts, decline the other way round, mostly. */
	if (kind == OP_DEL && g->phase == PHASE_GROW && below(g, 4) > 0)
		return OP_PUT;
	if (kind == OP_PUT && g->phase == PHASE_SHRINK && (g->flavour->empties || below(g, 8) > 0))
		return OP_DEL;
	return kind;
}

static struct op make_op(struct generator *g)
{
	struct op op = {0};

	if (g->phase_left-- == 0) {
		g->phase = (enum phase)below(g, N_PHASES);
		g->phase_left = g->flavour->empties ? 2 * g->config.n_ids : 200 + below(g, 3000);
		if (g->flavour->empties)
			g->phase = g->phase == PHASE_SHRINK ? PHASE_GROW : PHASE_SHRINK;
	}
	op.kind = (uint8_t)pick_kind(g);
	op.table = (uint8_t)(g->flavour->tables || below(g, 10) == 0 ? below(g, N_TABLES) : 0);
	if (g->flavour->empties && g->phase == PHASE_SHRINK)
		op.table = 0;
	op.key = pick_key(g, op.kind, op.table);
	op.seed = (uint32_t)mix(&g->state);
	op.len = pick_len(g);
	op.n = (uint16_t)below(g, op.kind == OP_READ ? 5000 : 40);
	return op;
}

const char *stream_flavour(int flavour)
{
	return flavour >= 0 && flavour < N_FLAVOURS ? flavours[flavour].name : NULL;
}

bool stream_generate(uint64_t seed, size_t n_ops, int flavour, struct stream *ret_stream)
{
	struct generator g = {.state = seed};
	struct stream s = {.n_ops = n_ops};

	g.flavour = &flavours[flavour >= 0 ? flavour : (int)(seed % (uint64_t)N_FLAVOURS)];
	(void)mix(&g.state);
	make_config(&g, seed);
	for (int i = 0; i < OP_KINDS; i++)
		g.weight_sum += g.flavour->weights[i];
	g.phase_left = 500 + below(&g, 4000);
	s.config = g.config;
	s.ops = malloc(n_ops * sizeof(*s.ops));
	if (!s.ops)
		return false;
	for (size_t i = 0; i < n_ops; i++)
		s.ops[i] = make_op(&g);
	*ret_stream = s;
	return true;
}
