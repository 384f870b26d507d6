/* SPDX-License-Identifier: MIT */
/*
 * The records, and the order in which a workload asks for them.
 *
 * Record i has the key i, 8 bytes big-endian, and a value of 100 bytes: a version, and bytes that
 * follow from key and version. So every value that is read can be checked, at the same cost in all
 * engines, without a copy of the data.
 */
#ifndef EXPERIMENTS_CELL_DATA_H
#define EXPERIMENTS_CELL_DATA_H

#include "experiments/cell/packages.h"

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#define KEY_BYTES   8U
#define VALUE_BYTES 100U

void data_key(uint64_t record, unsigned char key[KEY_BYTES]);
void data_value(uint64_t record, uint64_t version, unsigned char value[VALUE_BYTES]);

/* Whether these bytes are what one of the record's versions says. */
bool data_check(uint64_t record, const void *value, size_t len_bytes);

/* A number that looks random, the same for the same x. */
static inline uint64_t data_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

enum keys_kind {
	KEYS_UNIFORM,
	KEYS_ZIPF,   /* Zipf's law with 0.99, the frequent ones scattered over the file */
	KEYS_HOT,    /* uniform, in a part of the file at its middle */
	KEYS_LOOP,   /* one after the other, in a part of the file, again and again */
	KEYS_SPARSE, /* one record of `stride`, each once before any comes again, scattered */
	KEYS_CHAIN,  /* as KEYS_HOT; each comes out of the value that was read before it */
	KEYS_DEBIAN, /* along the dependencies of Debian's packages (packages.h) */
	KEYS_KINDS
};

extern const char *const keys_names[]; /* NULL ends them */

struct keys {
	enum keys_kind kind;
	uint64_t n_records;
	uint64_t first, n_chosen; /* but for UNIFORM, ZIPF, DEBIAN: records that are asked for */
	uint64_t stride, factor;  /* KEYS_SPARSE */
	uint64_t state;           /* of the generator */
	uint64_t n;               /* keys so far */
	uint64_t link;            /* KEYS_CHAIN: out of the value that was read last */
	struct walk *walk;        /* KEYS_DEBIAN; owned */
	double zipf_zeta, zipf_eta, zipf_alpha;
};

/* part: of the records that KEYS_HOT, LOOP and CHAIN ask for, 0 to 1. stride: of KEYS_SPARSE. */
void keys_init(struct keys *keys, enum keys_kind kind, uint64_t n_records, double part,
	uint64_t stride, uint64_t seed);
uint64_t keys_next(struct keys *keys);

/* KEYS_CHAIN: the value that was read; the next key cannot be known before. */
void keys_follow(struct keys *keys, const void *value, size_t len_bytes);

/* KEYS_DEBIAN, after keys_init: the packages, which outlive the keys. Then keys_fini. */
void keys_walk(struct keys *keys, const struct packages *packages);
void keys_fini(struct keys *keys);

/* Numbers 0 to n - 1 in an order that looks random, each once: the i-th. */
uint64_t scatter(uint64_t i, uint64_t n, uint64_t factor);
uint64_t scatter_factor(uint64_t n);

#endif
