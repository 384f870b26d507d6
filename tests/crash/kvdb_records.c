/* SPDX-License-Identifier: MIT */
/* Keys, values, and the model's digest. */
#include "base/hash.h"
#include "tests/crash/kvdb_int.h"

#include <stdio.h>
#include <string.h>

const char *const kvdb_table_names[TABLES] = {NULL, "a", "b"};

/* Key i: the empty one, short ones, long ones that share much, eight bytes that share nothing. */
struct verso_val kvdb_key(unsigned i, char *buf)
{
	uint64_t mixed = i;

	if (i == 0)
		return (struct verso_val){"", 0};
	if (i % 3 == 0)
		return (struct verso_val){buf, (size_t)snprintf(buf, KEY_BYTES, "k%u", i)};
	if (i % 3 == 1)
		return (struct verso_val){
			buf, (size_t)snprintf(buf, KEY_BYTES,
				     "/a/long/prefix/that/many/keys/share/%s/%06u",
				     i % 2 ? "odd" : "even", i)};
	mixed = crash_draw(&mixed);
	memcpy(buf, &mixed, sizeof(mixed));
	return (struct verso_val){buf, sizeof(mixed)};
}

/* The number of a value that is not long. */
uint64_t kvdb_draw_number(uint64_t *rng)
{
	return crash_draw(rng) & ~IS_LONG;
}

/* The value that is made of a number: mostly short, sometimes of several pages. Those of odd
 * numbers differ from all others. */
size_t kvdb_value_len(uint64_t number)
{
	uint64_t state = number, r = crash_draw(&state) % 16, size = crash_draw(&state);
	size_t len = r < 11 ? size % 40 : r < 14 ? 30 + size % 90 : 120 + size % (SHORT_MAX - 120);

	if (number & IS_LONG)
		return SHORT_MAX + size % (VALUE_MAX - SHORT_MAX);

	return number % 2 && len < 8 ? 8 : len;
}

struct verso_val kvdb_value(uint64_t number, uint8_t *buf)
{
	uint64_t state = ~number;
	size_t len = kvdb_value_len(number);

	for (size_t i = 0; i < len; i += 8) {
		uint64_t x = crash_draw(&state);

		memcpy(buf + i, &x, len - i < 8 ? len - i : 8);
	}
	return (struct verso_val){buf, len};
}

uint64_t kvdb_hash_record(unsigned table, struct verso_val key, struct verso_val val)
{
	return hash_bytes(val.data, val.len, hash_bytes(key.data, key.len, table + 1));
}

uint64_t kvdb_hash_table(unsigned table)
{
	return hash_bytes(&table, sizeof(table), 77);
}

uint64_t kvdb_hash_of(unsigned table, unsigned i, uint64_t number)
{
	uint8_t value[VALUE_MAX];
	char key[KEY_BYTES];

	return number ? kvdb_hash_record(table, kvdb_key(i, key), kvdb_value(number, value)) : 0;
}

uint64_t kvdb_model_digest(const void *arg)
{
	const struct model *m = arg;
	uint64_t digest = 0;

	for (unsigned t = 0; t < TABLES; t++) {
		digest += m->exists[t] ? kvdb_hash_table(t) : 0;
		for (unsigned i = 0; i < KEYS; i++)
			digest += m->hash[t][i];
	}
	return digest;
}

void kvdb_model_set(struct model *m, unsigned t, unsigned i, uint64_t number)
{
	m->number[t][i] = number;
	m->hash[t][i] = kvdb_hash_of(t, i, number);
}
