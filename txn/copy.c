/* SPDX-License-Identifier: MIT */
/* The metas of a copy. */
#include "txn/copy.h"

#include "txn/txn_int.h"

#include <errno.h>
#include <stdlib.h>

gen_t txn_first_gen(void)
{
	return UINT64_C(1) << GEN_SEQ_BITS;
}

const struct layout *txn_layout(const struct txn_env *env)
{
	return &env->layout;
}

/* As after a clean close (T8): equal slots, flushed by their own word, with a mark. */
int txn_copy_meta(const struct txn_copy *copy, unsigned slot, void *slot_bytes)
{
	struct txn_env *env = copy->env;
	struct meta *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	pthread_mutex_lock(&env->lock);
	m->compat = env->durable.compat;
	m->ro_compat = env->durable.ro_compat;
	pthread_mutex_unlock(&env->lock);
	m->gen = m->durable_gen = m->mark = copy->gen;
	m->mode = TXN_TWO_FLUSH;
	m->page_size = env->layout.page_size;
	memcpy(m->uuid, copy->uuid, sizeof(m->uuid));
	memcpy(m->roots, copy->roots, sizeof(m->roots));
	space_image_record(copy->space, &m->space);
	meta_encode(m, &env->layout, slot, page_seed(copy->uuid), slot_bytes);
	free(m);
	return 0;
}
