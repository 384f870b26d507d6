/* SPDX-License-Identifier: MIT */
#include "experiments/cell/data.h"

#include <math.h>
#include <string.h>

void data_key(uint64_t record, unsigned char key[KEY_BYTES])
{
	for (unsigned i = 0; i < KEY_BYTES; i++)
		key[i] = (unsigned char)(record >> (56 - 8 * i));
}

void data_value(uint64_t record, uint64_t version, unsigned char value[VALUE_BYTES])
{
	uint64_t x = data_mix(record + 1) ^ (version * UINT64_C(0x9e3779b97f4a7c15));
	size_t at = sizeof(version);

	memcpy(value, &version, sizeof(version));
	while (at < VALUE_BYTES) {
		size_t n = VALUE_BYTES - at < sizeof(x) ? VALUE_BYTES - at : sizeof(x);

		x = data_mix(x + UINT64_C(0x9e3779b97f4a7c15));
		memcpy(value + at, &x, n);
		at += n;
	}
}

bool data_check(uint64_t record, const void *value, size_t len_bytes)
{
	unsigned char expected[VALUE_BYTES];
	uint64_t version;

	if (len_bytes != VALUE_BYTES)
		return false;
	memcpy(&version, value, sizeof(version));
	data_value(record, version, expected);
	return memcmp(expected, value, VALUE_BYTES) == 0;
}

const char *const keys_names[] = {
	[KEYS_UNIFORM] = "uniform",
	[KEYS_ZIPF] = "zipf",
	[KEYS_HOT] = "hot",
	[KEYS_LOOP] = "loop",
	[KEYS_SPARSE] = "sparse",
	[KEYS_CHAIN] = "chain",
	[KEYS_DEBIAN] = "debian",
	[KEYS_KINDS] = NULL,
};

#define ZIPF_THETA 0.99

/* The harmonic number of order ZIPF_THETA: a sum up to a thousand, and its integral behind. */
static double zeta(uint64_t n)
{
	uint64_t exact = n < 1000 ? n : 1000;
	double sum = 0;

	for (uint64_t i = 1; i <= exact; i++)
		sum += pow((double)i, -ZIPF_THETA);
	if (n > exact)
		sum += (pow((double)n + 0.5, 1 - ZIPF_THETA) -
			       pow((double)exact + 0.5, 1 - ZIPF_THETA)) /
		       (1 - ZIPF_THETA);
	return sum;
}

uint64_t scatter_factor(uint64_t n)
{
	uint64_t factor = (uint64_t)((double)n * 0.6180339887) | 1U;

	for (;; factor += 2) {
		uint64_t a = factor, b = n;

		while (b > 0) {
			uint64_t rest = a % b;

			a = b;
			b = rest;
		}
		if (a == 1)
			return factor;
	}
}

uint64_t scatter(uint64_t i, uint64_t n, uint64_t factor)
{
	return (uint64_t)((unsigned __int128)i * factor % n);
}

void keys_init(struct keys *keys, enum keys_kind kind, uint64_t n_records, double part,
	uint64_t stride, uint64_t seed)
{
	*keys = (struct keys){.kind = kind, .n_records = n_records, .state = data_mix(seed + 1)};
	keys->n_chosen = (uint64_t)(part * (double)n_records);
	if (keys->n_chosen == 0)
		keys->n_chosen = 1;
	if (keys->n_chosen > n_records)
		keys->n_chosen = n_records;
	keys->first = kind == KEYS_HOT || kind == KEYS_CHAIN ? (n_records - keys->n_chosen) / 2 : 0;
	if (kind == KEYS_SPARSE) {
		keys->stride = stride > 0 ? stride : 1;
		keys->n_chosen = (n_records + keys->stride - 1) / keys->stride;
		keys->factor = scatter_factor(keys->n_chosen);
	}
	if (kind == KEYS_ZIPF) {
		keys->zipf_zeta = zeta(n_records);
		keys->zipf_alpha = 1 / (1 - ZIPF_THETA);
		keys->zipf_eta = (1 - pow(2.0 / (double)n_records, 1 - ZIPF_THETA)) /
				 (1 - zeta(2) / keys->zipf_zeta);
	}
}

static uint64_t next_random(struct keys *keys)
{
	keys->state += UINT64_C(0x9e3779b97f4a7c15);
	return data_mix(keys->state);
}

/* A random number of 64 bits as one below n. */
static uint64_t scaled(uint64_t x, uint64_t n)
{
	return (uint64_t)((unsigned __int128)x * n >> 64);
}

static uint64_t below(struct keys *keys, uint64_t n)
{
	return scaled(next_random(keys), n);
}

void keys_follow(struct keys *keys, const void *value, size_t len_bytes)
{
	/* Behind the version, which is the same in all records of a file that is only read. */
	if (len_bytes >= 2 * sizeof(keys->link))
		memcpy(&keys->link, (const unsigned char *)value + sizeof(keys->link),
			sizeof(keys->link));
}

void keys_walk(struct keys *keys, const struct packages *packages)
{
	keys->walk = walk_new(packages);
}

void keys_fini(struct keys *keys)
{
	walk_free(keys->walk);
	keys->walk = NULL;
}

/* Gray and others, "Quickly generating billion-record synthetic databases", 1994. */
static uint64_t zipf(struct keys *keys)
{
	double u = (double)(next_random(keys) >> 11) * 0x1p-53, uz = u * keys->zipf_zeta;
	uint64_t rank;

	if (uz < 1)
		rank = 0;
	else if (uz < 1 + pow(0.5, ZIPF_THETA))
		rank = 1;
	else
		rank = (uint64_t)((double)keys->n_records *
				  pow(keys->zipf_eta * u - keys->zipf_eta + 1, keys->zipf_alpha));
	return data_mix(rank + 7) % keys->n_records;
}

uint64_t keys_next(struct keys *keys)
{
	uint64_t i = keys->n++;

	switch (keys->kind) {
	case KEYS_ZIPF:
		return zipf(keys);
	case KEYS_HOT:
		return keys->first + below(keys, keys->n_chosen);
	case KEYS_LOOP:
		return i % keys->n_chosen;
	case KEYS_SPARSE:
		return scatter(i % keys->n_chosen, keys->n_chosen, keys->factor) * keys->stride;
	case KEYS_CHAIN:
		/* The count keeps a chain from running in a small circle. */
		return keys->first +
		       scaled(data_mix(keys->link ^ (keys->state + i)), keys->n_chosen);
	case KEYS_DEBIAN:
		return walk_next(keys->walk, next_random(keys), keys->n_records);
	case KEYS_UNIFORM:
	case KEYS_KINDS:
		break;
	}
	return below(keys, keys->n_records);
}
