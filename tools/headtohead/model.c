/* SPDX-License-Identifier: MIT */
/* The records before and after the updates, sorted, and a digest of them. */
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

/* What is left of the data set. False: out of memory. */
static bool collect_after(struct model *m)
{
	const struct dataset *set = m->set;

	m->after = malloc(set->n_records * sizeof(*m->after));
	if (!m->after)
		return false;
	for (size_t i = 0; i < set->n_records; i++) {
		if (m->last[i].data)
			m->after[m->n_after++] = (struct record){set->records[i].key, m->last[i]};
	}
	return true;
}

bool model_make(const struct dataset *set, size_t n_updates, struct model *ret_model)
{
	struct model m = {.set = set, .n_updates = n_updates};
	uint32_t *order = dataset_order(set->n_records, 2);

	m.updates = calloc(n_updates, sizeof(*m.updates));
	m.last = malloc(set->n_records * sizeof(*m.last));
	if (!order || !m.updates || !m.last)
		return false;
	for (size_t i = 0; i < set->n_records; i++)
		m.last[i] = set->records[i].val;
	for (size_t i = 0; i < n_updates; i++) {
		struct update *u = &m.updates[i];
		struct verso_val *last;

		u->record = order[i % set->n_records];
		last = &m.last[u->record];
		u->del = i % 10 == 9 && last->data;
		u->val = updated_value(set->records[u->record].val, i);
		if (!u->val.data)
			return false;
		*last = u->del ? (struct verso_val){NULL, 0} : u->val;
	}
	free(order);
	if (!collect_after(&m))
		return false;
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
