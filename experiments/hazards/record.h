/* SPDX-License-Identifier: MIT */
/*
 * Records that can be found again in the raw bytes of a file, whatever wrote it: a value says which
 * record it belongs to and of which version it is, and the rest of it follows from these two.
 */
#ifndef EXPERIMENTS_HAZARDS_RECORD_H
#define EXPERIMENTS_HAZARDS_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#define RECORD_KEY_BYTES   8U
#define RECORD_VALUE_BYTES 100U

/* A number that looks random, the next of its sequence (splitmix64). */
static inline uint64_t record_draw(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* In the order of the records. */
void record_key(uint32_t record, uint8_t key[RECORD_KEY_BYTES]);
void record_value(uint32_t record, uint32_t version, uint8_t value[RECORD_VALUE_BYTES]);

/* Whether the RECORD_VALUE_BYTES at `bytes` are the whole value of some record < n_records in this
 * version. */
bool record_is_at(const uint8_t *bytes, uint32_t n_records, uint32_t version, uint32_t *ret_record);

#endif
