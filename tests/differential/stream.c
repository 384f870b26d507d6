/* SPDX-License-Identifier: MIT */
#include "tests/differential/stream.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[OP_KINDS] = {
	[OP_PUT] = "put",
	[OP_PUT_NEW] = "put-new",
	[OP_DEL] = "del",
	[OP_GET] = "get",
	[OP_GET_MANY] = "get-many",
	[OP_READ] = "read",
	[OP_ADVISE] = "advise",
	[OP_SCAN_UP] = "scan-up",
	[OP_SCAN_DOWN] = "scan-down",
	[OP_CURSOR_OPEN] = "cursor-open",
	[OP_CURSOR_FIRST] = "cursor-first",
	[OP_CURSOR_LAST] = "cursor-last",
	[OP_CURSOR_SEEK] = "cursor-seek",
	[OP_CURSOR_NEXT] = "cursor-next",
	[OP_CURSOR_PREV] = "cursor-prev",
	[OP_CURSOR_GET] = "cursor-get",
	[OP_CURSOR_DEL] = "cursor-del",
	[OP_CURSOR_PUT] = "cursor-put",
	[OP_DROP] = "drop",
	[OP_CLEAR] = "clear",
	[OP_RENAME] = "rename",
	[OP_APPEND] = "append",
	[OP_REPLACE] = "replace",
	[OP_RESERVE] = "reserve",
	[OP_WRITE] = "write",
	[OP_COUNT] = "count",
	[OP_DEL_RANGE] = "del-range",
	[OP_SCAN_RANGE] = "scan-range",
	[OP_COMMIT] = "commit",
	[OP_ABORT] = "abort",
	[OP_READER_BEGIN] = "reader-begin",
	[OP_READER_LOOK] = "reader-look",
	[OP_READER_END] = "reader-end",
	[OP_REOPEN] = "reopen",
};

uint64_t mix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void stream_free(struct stream *s)
{
	free(s->ops);
	s->ops = NULL;
	s->n_ops = 0;
}

const char *op_text(const struct op *op, char *buf, size_t cap)
{
	(void)snprintf(buf, cap, "%s table=%u key=%u n=%u len=%u seed=%u", names[op->kind],
		op->table, op->key, op->n, op->len, op->seed);
	return buf;
}

void stream_print(const struct stream *s, FILE *out)
{
	const struct config *c = &s->config;
	char line[160];

	(void)fprintf(out,
		"config seed=%" PRIu64
		" page_size=%u keys=%u n_ids=%u one_flush=%d sync=%u async=%d "
		"copy=%d pin_inner=%d dirty_pages=%u check_every=%u writing=%u guests=%d "
		"sabotage=%u\n",
		c->seed, c->page_size, (unsigned)c->keys, c->n_ids, c->one_flush, (unsigned)c->sync,
		c->async, c->copy, c->pin_inner, c->dirty_pages, c->check_every, c->writing,
		c->guests, c->sabotage);
	for (size_t i = 0; i < s->n_ops; i++)
		(void)fprintf(out, "%s\n", op_text(&s->ops[i], line, sizeof(line)));
}

static bool parse_config(const char *line, struct config *c)
{
	unsigned keys, sync;
	int one_flush, async, copy, pin_inner, guests;

	if (sscanf(line,
		    "config seed=%" SCNu64 " page_size=%u keys=%u n_ids=%u one_flush=%d sync=%u "
		    "async=%d copy=%d pin_inner=%d dirty_pages=%u check_every=%u writing=%u "
		    "guests=%d sabotage=%u",
		    &c->seed, &c->page_size, &keys, &c->n_ids, &one_flush, &sync, &async, &copy,
		    &pin_inner, &c->dirty_pages, &c->check_every, &c->writing, &guests,
		    &c->sabotage) != 14 ||
		c->writing > VERSO_MAP_SHARED || sync > VERSO_SYNC_PROCESS || keys >= KEY_SHAPES ||
		c->n_ids == 0)
		return false;
	c->keys = (enum key_shape)keys;
	c->one_flush = one_flush;
	c->sync = (enum verso_sync)sync;
	c->async = async;
	c->copy = copy;
	c->pin_inner = pin_inner;
	c->guests = guests;
	return true;
}

static bool parse_op(const char *line, struct op *op)
{
	char name[32];
	unsigned table, n;

	if (sscanf(line, "%31s table=%u key=%u n=%u len=%u seed=%u", name, &table, &op->key, &n,
		    &op->len, &op->seed) != 6 ||
		table >= N_TABLES || n > UINT16_MAX || op->len > VALUE_MAX)
		return false;
	op->table = (uint8_t)table;
	op->n = (uint16_t)n;
	for (unsigned kind = 0; kind < OP_KINDS; kind++) {
		if (strcmp(name, names[kind]) == 0) {
			op->kind = (uint8_t)kind;
			return true;
		}
	}
	return false;
}

bool stream_parse(FILE *in, struct stream *ret_stream)
{
	struct stream s = {0};
	size_t cap = 0;
	char line[256];
	bool has_config = false;

	while (fgets(line, sizeof(line), in)) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (!has_config) {
			has_config = parse_config(line, &s.config);
			if (has_config)
				continue;
		}
		if (s.n_ops == cap) {
			cap = cap ? 2 * cap : 256;
			s.ops = realloc(s.ops, cap * sizeof(*s.ops));
		}
		if (!has_config || !s.ops || !parse_op(line, &s.ops[s.n_ops])) {
			(void)fprintf(stderr, "not a line of a stream: %s", line);
			return false;
		}
		s.n_ops++;
	}
	*ret_stream = s;
	return has_config;
}

static uint32_t key_max(uint32_t page_size)
{
	return (page_size - 64) / 4 - 32;
}

static size_t key_text(uint32_t id, char *buf, size_t cap)
{
	static const char *const tops[] = {"home", "home/user", "usr/share/doc", "var", ""};
	uint64_t state = id / 37;
	uint64_t x = mix(&state);

	return (size_t)snprintf(buf, cap, "%s/%03x/%05x", tops[x % 5], (unsigned)(x >> 8 & 0x3f),
		id);
}

struct verso_val key_make(const struct config *c, uint32_t id, void *buf)
{
	uint32_t longest = key_max(c->page_size);
	uint64_t state = id, x = mix(&state);
	uint8_t *p = buf;
	size_t len = 8;

	switch (c->keys) {
	case KEYS_RANDOM:
		memcpy(p, &x, 8);
		break;
	case KEYS_ASCENDING:
		x = __builtin_bswap64(id);
		memcpy(p, &x, 8);
		break;
	case KEYS_PREFIX:
		/* Groups of keys that differ in their last five bytes. */
		len = longest - (unsigned)(x % 4);
		memset(p, 'p', len);
		p[3] = (uint8_t)('a' + id % 3);
		id = __builtin_bswap32(id);
		memcpy(p + len - 5, &id, 4);
		break;
	case KEYS_MIXED:
		len = id % 13 == 0 ? x % (longest + 1) : x % 12;
		for (size_t i = 0; i < len; i++)
			p[i] = (uint8_t)(mix(&state) >> (id % 2 ? 62 : 8));
		break;
	case KEYS_TEXT:
		len = key_text(id, buf, longest + 1);
		if (len > longest)
			len = longest;
		break;
	case KEY_SHAPES:
		break;
	}
	return (struct verso_val){buf, len};
}

struct verso_val value_make(uint32_t len, uint32_t seed, void *buf)
{
	uint64_t state = seed, x = mix(&state);
	uint8_t *p = buf;

	for (uint32_t i = 0; i + 8 <= len; i += 8, x += 0x0101010101010101u)
		memcpy(p + i, &x, 8);
	for (uint32_t i = len & ~7u; i < len; i++)
		p[i] = (uint8_t)(seed + i);
	return (struct verso_val){buf, len};
}
