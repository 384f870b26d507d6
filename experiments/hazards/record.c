/* SPDX-License-Identifier: MIT */
#include "experiments/hazards/record.h"

#include "base/bytes.h"

#define RECORD_MAGIC 0x76a1be5dU

void record_key(uint32_t record, uint8_t key[RECORD_KEY_BYTES])
{
	for (unsigned i = 0; i < RECORD_KEY_BYTES; i++)
		key[i] = i < 4 ? 0 : (uint8_t)(record >> (24 - 8 * (i - 4)));
}

void record_value(uint32_t record, uint32_t version, uint8_t value[RECORD_VALUE_BYTES])
{
	uint64_t state = (uint64_t)version << 32 | record;

	le32_set(value, RECORD_MAGIC);
	le32_set(value + 4, record);
	le32_set(value + 8, version);
	for (unsigned i = 12; i < RECORD_VALUE_BYTES; i++)
		value[i] = (uint8_t)record_draw(&state);
}

bool record_is_at(const uint8_t *bytes, uint32_t n_records, uint32_t version, uint32_t *ret_record)
{
	uint8_t value[RECORD_VALUE_BYTES];
	uint32_t record;

	if (le32_get(bytes) != RECORD_MAGIC || le32_get(bytes + 8) != version)
		return false;
	record = le32_get(bytes + 4);
	if (record >= n_records)
		return false;
	record_value(record, version, value);
	if (memcmp(bytes, value, sizeof(value)) != 0)
		return false;
	*ret_record = record;
	return true;
}
