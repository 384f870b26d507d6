/* SPDX-License-Identifier: MIT */
/* Write transactions that make the file smaller. */
#include "txn/compact.h"

#include "txn/txn_int.h"

int txn_compact_begin(struct txn *txn, pgno_t *ret_end)
{
	struct space *s = &txn->env->space;
	uint64_t n_used;
	int rc = reclaim(txn);

	ASSERT(!txn->writer->changed);
	if (rc == 0)
		rc = space_cut(s, 1, reserve_least(txn));
	if (rc == 0)
		rc = space_aim_low(s);
	space_begin(s);
	if (rc < 0)
		return rc;
	txn->writer->changed = true; /* what was reclaimed and cut is written down */
	n_used = s->n_pages - space_count_free(s);
	*ret_end = layout_end_for(&s->layout, n_used + reserve_least(txn));
	return 0;
}

uint32_t txn_compact_room(const struct txn *txn)
{
	uint32_t n_free = space_count_free(&txn->env->space), n_least = reserve_least(txn);

	return n_free > n_least ? n_free - n_least : 0;
}

pgno_t txn_compact_size(struct txn_env *env)
{
	pgno_t n_pages;

	pthread_mutex_lock(&env->lock);
	n_pages = env->joined.space.n_pages;
	pthread_mutex_unlock(&env->lock);
	return n_pages;
}
