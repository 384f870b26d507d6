/* SPDX-License-Identifier: MIT */
#include "experiments/cell/updates.h"

#include <string.h>

void updates_note(struct updates *u, uint64_t record, uint64_t version)
{
	u->last[u->n++ % UPDATES_KEPT] = (struct update){record, version};
}

struct expected {
	const struct config *config;
	uint64_t version;
};

static bool has_version(void *arg, uint64_t record, const void *value, size_t len_bytes)
{
	const struct expected *e = arg;
	unsigned char bytes[VALUE_BYTES];

	data_value(record, e->version, bytes);
	return len_bytes == VALUE_BYTES && memcmp(bytes, value, VALUE_BYTES) == 0 &&
	       record != e->config->plant_wrong_at;
}

static bool is_newest(const struct updates *u, uint64_t n_kept, const struct update *update)
{
	for (uint64_t i = 0; i < n_kept; i++) {
		if (u->last[i].record == update->record && u->last[i].version > update->version)
			return false;
	}
	return true;
}

void updates_read_back(struct updates *u, const struct config *config, struct engine_db *db)
{
	uint64_t n_kept = u->n < UPDATES_KEPT ? u->n : UPDATES_KEPT;
	struct engine_thread *t = config->engine->attach(db, false);

	for (uint64_t i = 0; i < n_kept; i++) {
		struct expected e = {config, u->last[i].version};

		if (!is_newest(u, n_kept, &u->last[i]))
			continue;
		u->n_checked++;
		u->n_wrong += config->engine->get(t, 1, &u->last[i].record, has_version, &e) != 1;
	}
	config->engine->detach(t);
}
