/* SPDX-License-Identifier: MIT */
#include "tests/double_txn.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>

#define SEED 42U

static struct double_env *env_of(struct pager *p)
{
	return (struct double_env *)p;
}

static struct double_env *txn_env_of(struct txn *txn)
{
	return (struct double_env *)txn->env;
}

static struct double_page *find(struct double_env *env, struct page_ref ref)
{
	struct double_page *dp;

	if (ref.pgno == 0 || ref.pgno >= env->n_pages)
		return NULL;
	dp = &env->pages[ref.pgno];
	return dp->data && page_is(dp->data, ref) ? dp : NULL;
}

static bool fails_now(struct double_env *env)
{
	return ++env->n_calls == env->fail_at;
}

static int double_get(struct pager *p, const struct guard *g, struct page_ref ref,
	const struct page **ret_page)
{
	struct double_env *env = env_of(p);
	struct double_page *dp = find(env, ref);

	(void)g;
	if (fails_now(env))
		return error_set(-EIO, "the double was told to fail");
	if (!dp)
		return error_set(VERSO_ECORRUPT, "no such page");
	if (!env->lax && page_is_sealed(dp->data)) {
		int rc = page_verify(dp->data, p->page_size, ref, p->seed);

		if (rc < 0)
			return rc;
	}
	dp->pins++;
	env->n_pins++;
	*ret_page = dp->data;
	return 0;
}

static void double_put(struct pager *p, const struct page *page, bool unneeded)
{
	struct double_env *env = env_of(p);
	struct double_page *dp = find(env, page_ref(page));

	(void)unneeded;
	ASSERT(dp != NULL);
	ASSERT(dp->data == page);
	ASSERT(dp->pins > 0);
	dp->pins--;
	env->n_pins--;
}

static const struct page *peek_one(struct double_env *env, struct page_ref ref)
{
	struct double_page *dp = find(env, ref);

	env->n_peeks++;
	if (env->miss && env->n_peeks % env->miss == 0)
		return NULL;
	return dp ? dp->data : NULL;
}

static void double_peek(struct pager *p, const struct page_ref *refs, size_t n,
	const struct page **ret_pages)
{
	for (size_t i = 0; i < n; i++)
		ret_pages[i] = peek_one(env_of(p), refs[i]);
}

static size_t double_prefetch(struct pager *p, const struct page_ref *refs, size_t n, bool ahead)
{
	struct double_env *env = env_of(p);

	(void)ahead;
	if (env->take > 0 && n > env->take)
		n = env->take;
	for (size_t i = 0; i < n; i++) {
		const struct double_page *dp = find(env, refs[i]);

		/* A damaged tree may name a page that is not there. */
		env->n_prefetched += dp && dp->data->level == 0;
	}
	return n;
}

static void double_stats(struct pager *p, struct pager_stats *stats)
{
	(void)p;
	(void)stats;
}

static const struct pager_ops double_ops = {
	.name = "double",
	.get = double_get,
	.put = double_put,
	.peek = double_peek,
	.prefetch = double_prefetch,
	.stats = double_stats,
};

struct double_env *double_open(uint32_t page_size)
{
	struct double_env *env = aligned_alloc(64, (sizeof(*env) + 63) & ~(size_t)63);

	ASSERT(env != NULL);
	memset(env, 0, sizeof(*env));
	pager_init(&env->pager, &double_ops, page_size, SEED, 1U << 30);
	env->cap_pages = 1024;
	env->pages = calloc(env->cap_pages, sizeof(*env->pages));
	env->n_pages = 1; /* page 0 is never used */
	ASSERT(guard_open(&env->pager.guards, &env->guard) == 0);
	env->txn = (struct txn){.env = (struct txn_env *)env,
		.pager = &env->pager,
		.guard = env->guard,
		.gen = 1,
		.writable = true};
	return env;
}

void double_close(struct double_env *env)
{
	ASSERT(env->n_pins == 0);
	for (pgno_t i = 0; i < env->n_pages; i++)
		free(env->pages[i].data);
	free(env->pages);
	free(env->free_list);
	guard_close(env->guard);
	pager_fini(&env->pager);
	free(env);
}

static void forget(struct double_env *env, pgno_t pgno)
{
	struct double_page *dp = &env->pages[pgno];

	ASSERT(dp->pins == 0);
	free(dp->data);
	*dp = (struct double_page){0};
	env->free_list = realloc(env->free_list, (env->n_free + 1) * sizeof(*env->free_list));
	ASSERT(env->free_list != NULL);
	env->free_list[env->n_free++] = pgno;
}

void double_commit(struct double_env *env)
{
	for (pgno_t i = 0; i < env->n_pages; i++) {
		struct double_page *dp = &env->pages[i];

		if (dp->own && !page_is_sealed(dp->data)) {
			if (env->lax)
				le64_set(dp->data->checksum, 1);
			else
				page_seal(dp->data, env->pager.page_size, env->pager.seed);
		}
		dp->own = false;
		if (dp->freed && !env->keep)
			forget(env, i);
	}
	env->budget = 0;
	env->free_budget = 0;
	env->txn.gen++;
}

struct txn *double_reader(struct double_env *env)
{
	struct txn *txn = malloc(sizeof(*txn));

	ASSERT(txn != NULL);
	*txn = env->txn;
	txn->writable = false;
	ASSERT(guard_open(&env->pager.guards, &txn->guard) == 0);
	return txn;
}

void double_reader_close(struct txn *txn)
{
	guard_close(txn->guard);
	free(txn);
}

struct page *double_page(struct double_env *env, pgno_t pgno)
{
	ASSERT(pgno < env->n_pages);
	return env->pages[pgno].data;
}

void double_reseal(struct double_env *env, pgno_t pgno)
{
	struct page *page = double_page(env, pgno);

	memset(page->checksum, 0, sizeof(page->checksum));
	page_seal(page, env->pager.page_size, env->pager.seed);
}

/*
 * txn/txn.h
 */

int txn_reserve_for(struct txn *txn, const struct txn_need *need)
{
	struct double_env *env = txn_env_of(txn);

	ASSERT(need->n_pages <= TXN_OP_PAGES_MAX);
	if (fails_now(env))
		return error_set(-ENOSPC, "the double was told to fail");
	env->n_prepares++;
	if (env->spill && env->n_prepares % env->spill == 0) {
		txn->gen++;
		for (pgno_t i = 0; i < env->n_pages; i++) {
			struct double_page *dp = &env->pages[i];

			if (dp->own && !page_is_sealed(dp->data))
				page_seal(dp->data, env->pager.page_size, env->pager.seed);
		}
	}
	env->budget = need->n_pages;
	env->free_budget = need->n_frees;
	return 0;
}

static struct page *page_make(struct double_env *env, struct page_ref *ret_ref)
{
	struct page_ref ref = {env->n_pages, env->txn.gen};
	struct double_page *dp;

	ASSERT(env->budget > 0);
	env->budget--;
	if (env->n_free > 0)
		ref.pgno = env->free_list[--env->n_free];
	else
		env->n_pages++;
	if (env->n_pages > env->cap_pages) {
		env->cap_pages *= 2;
		env->pages = realloc(env->pages, env->cap_pages * sizeof(*env->pages));
		ASSERT(env->pages != NULL);
		memset(env->pages + env->cap_pages / 2, 0,
			env->cap_pages / 2 * sizeof(*env->pages));
	}
	dp = &env->pages[ref.pgno];
	*dp = (struct double_page){.own = true};
	dp->data = aligned_alloc(env->pager.page_size < 4096 ? env->pager.page_size : 4096,
		env->pager.page_size);
	ASSERT(dp->data != NULL);
	env->n_live++;
	*ret_ref = ref;
	return dp->data;
}

struct page *txn_alloc(struct txn *txn, enum page_type type, unsigned level, uint32_t tree,
	struct page_ref *ret_ref)
{
	struct double_env *env = txn_env_of(txn);
	struct page *page = page_make(env, ret_ref);

	memset(page, 0, env->pager.page_size);
	page_init(page, *ret_ref, type, level, tree);
	return page;
}

/* Gives up a page: one of ours at once, but never an older transaction's: readers may hold it. */
static void give_up(struct double_env *env, struct page_ref ref)
{
	struct double_page *dp = find(env, ref);

	if (env->damaged && (!dp || dp->freed || dp->pins > 0))
		return;
	ASSERT(dp != NULL);
	ASSERT(!dp->freed);
	ASSERT(dp->pins == 0);
	env->n_live--;
	if (dp->own)
		forget(env, ref.pgno);
	else
		dp->freed = true;
}

struct page *txn_own(struct txn *txn, struct page_ref ref)
{
	struct double_page *dp = ref.pgno ? find(txn_env_of(txn), ref) : NULL;

	return dp && dp->own && !page_is_sealed(dp->data) ? dp->data : NULL;
}

struct page *txn_touch(struct txn *txn, const struct page *page, struct page_ref *ret_ref)
{
	struct double_env *env = txn_env_of(txn);
	struct page_ref old = page_ref(page);
	struct page *copy;
	struct double_page *dp = find(env, old);

	ASSERT(dp != NULL);
	ASSERT(dp->pins > 0);
	env->n_touches++;
	if (!page_is_sealed(page)) {
		ASSERT(dp->own);
		ASSERT(env->budget > 0);
		env->budget--;
		le64_set(dp->data->lsn, txn->gen);
		double_put(&env->pager, page, false);
		*ret_ref = old;
		return dp->data;
	}
	env->n_moves++;
	copy = page_make(env, ret_ref);
	memcpy(copy, page, env->pager.page_size);
	memset(copy->checksum, 0, sizeof(copy->checksum));
	le32_set(copy->pgno, ret_ref->pgno);
	le64_set(copy->gen, ret_ref->gen);
	le64_set(copy->lsn, ret_ref->gen);
	double_put(&env->pager, page, false);
	give_up(env, old);
	return copy;
}

void txn_free(struct txn *txn, struct page_ref ref)
{
	struct double_env *env = txn_env_of(txn);

	ASSERT(env->free_budget > 0);
	env->free_budget--;
	give_up(env, ref);
}
