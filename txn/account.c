/* SPDX-License-Identifier: MIT */
/* Counting what is in no tree. */
#include "txn/account.h"

#include "txn/txn_int.h"

static uint32_t count_own(const struct space *s)
{
	uint32_t n = 0;

	for (uint32_t r = 0; r < s->n_groups; r++)
		n += layout_first_page(&s->layout, r) - r * s->layout.group_pages;
	return n;
}

/* What readers hold, were all flushed. */
static void count_held(const struct txn_env *env, struct horizon h, struct txn_account *account)
{
	const struct extent_queue *q = &env->pending.joined;
	struct horizon oldest = {UINT64_MAX, h.readers, h.n_readers > 0};

	if (h.flushed == 0) { /* by whom is not known, so all of it is */
		account->n_held = account->n_by_oldest = account->n_pending;
		return;
	}
	h.flushed = UINT64_MAX;
	account->oldest_reader = h.n_readers > 0 ? h.readers[0] : 0;
	for (uint32_t i = 0; i < q->n; i++) {
		const struct pending_extent *extent = &q->extents[q->first + i];

		if (!horizon_allows(&h, extent))
			account->n_held += extent->n_pages;
		if (!horizon_allows(&oldest, extent))
			account->n_by_oldest += extent->n_pages;
	}
}

struct find {
	const struct board *board;
	gen_t gen;
	uint64_t pid, begun_ns;
};

static void note_reader(struct find *f, const struct reader_slot *slot, unsigned member)
{
	f->pid = f->board->members[member].pid;
	f->begun_ns = atomic_load_explicit(&slot->begun_ns, memory_order_relaxed);
}

static void look_for_reader(void *arg)
{
	struct find *f = arg;
	const struct snapshots *s = &f->board->snapshots;
	uint32_t n_used = atomic_load(&s->n_used);

	for (uint32_t i = 0; i < n_used && i < SNAPSHOT_READERS && f->pid == 0; i++) {
		uint32_t owner = atomic_load(&s->readers[i].owner);

		if (owner > 0 && owner <= BOARD_MEMBERS_MAX &&
			atomic_load(&s->readers[i].gen) == f->gen)
			note_reader(f, &s->readers[i], owner - 1);
	}
}

/* Who holds a lock alone has written down no process. */
static void find_reader(struct txn_env *env, struct txn_account *account)
{
	struct find f = {.board = env->board, .gen = account->oldest_reader};

	if (f.gen != 0)
		(void)board_do(env->board, look_for_reader, &f);
	account->reader_pid = f.pid;
	account->reader_begun_ns = f.begun_ns;
}

int txn_account(struct txn_env *env, struct txn_account *ret_account)
{
	const struct space *s = &env->space;
	int rc = writer_acquire(env);

	if (rc < 0)
		return rc;
	*ret_account = (struct txn_account){.n_pages = s->n_pages,
		.file_pages = s->file_pages,
		.n_own = count_own(s),
		.n_list = env->pending.joined.n_list_pages,
		.n_free = space_count_free(s),
		.n_pending = pending_count_pages(&env->pending)};
	count_held(env, horizon_now(env), ret_account);
	find_reader(env, ret_account);
	ret_account->n_reserve = reserve_least(&env->write_handle);
	writer_release(env);
	return 0;
}
