/* SPDX-License-Identifier: MIT */
#include "tools/headtohead/headtohead.h"

#include <stdlib.h>
#include <string.h>

/* The stanza with one more line, as an update of the package would have it. */
static struct verso_val updated_value(struct verso_val val, size_t n)
{
	static const char line[] = "Verso-Update: ";
	char *p = malloc(val.len + 48);
	int len;

	if (!p)
		return (struct verso_val){NULL, 0};
	memcpy(p, val.data, val.len);
	len = snprintf(p + val.len, 48, "%s%zu\n", line, n);
	return (struct verso_val){p, val.len + (size_t)len};
}

bool model_make(const struct dataset *set, size_t n_updates, struct model *ret_model)
{
	struct model m = {.set = set, .n_updates = n_updates};
	uint32_t *order = dataset_shuffle(set->n_records, 2);
	struct record *all = malloc(set->n_records * sizeof(*all));

	m.updates = calloc(n_updates, sizeof(*m.updates));
	if (!order || !all || !m.updates)
		return false;
	memcpy(all, set->records, set->n_records * sizeof(*all));
	for (size_t i = 0; i < n_updates; i++) {
		struct update *u = &m.updates[i];

		u->record = order[i % set->n_records];
		u->del = i % 10 == 9;
		u->val = updated_value(set->records[u->record].val, i);
		if (!u->val.data)
			return false;
		all[u->record].val = u->del ? (struct verso_val){NULL, 0} : u->val;
	}
	for (size_t i = 0; i < set->n_records; i++) {
		if (all[i].val.data)
			all[m.n_after++] = all[i];
	}
	m.after = all;
	free(order);
	*ret_model = m;
	return true;
}

static uint64_t digest_bytes(uint64_t digest, const void *data, size_t len)
{
	/* FNV-1a. */
	for (size_t i = 0; i < len; i++)
		digest = (digest ^ ((const unsigned char *)data)[i]) * 0x100000001b3u;
	return digest;
}

uint64_t digest_record(uint64_t digest, struct verso_val key, struct verso_val val)
{
	digest = digest_bytes(digest, &key.len, sizeof(key.len));
	digest = digest_bytes(digest, key.data, key.len);
	digest = digest_bytes(digest, &val.len, sizeof(val.len));
	return digest_bytes(digest, val.data, val.len);
}
