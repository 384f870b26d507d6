/* SPDX-License-Identifier: MIT */
/*
 * Loading one page.
 *
 * The thread that moves a page word from EMPTY to LOADING reads the page; others wait for it
 * (F5; arrivals.c). A miss reads by one synchronous call in the thread that wants the page, and
 * verifies it there: no other thread is involved, and no queue that may be full of writes.
 *
 * A frame becomes visible in one step, LOADING to CACHED, after its page was verified (F4). That
 * step fails when the page number was overwritten or dropped during the read.
 */
#include "base/error.h"
#include "pager/growth.h"
#include "bufpool/bufpool_int.h"

#include <inttypes.h>

int load_verify(const struct pool *pool, const struct page *page, struct page_ref ref)
{
	if (pool->opts.checksum == PAGER_CHECKSUM_NONE && page_is(page, ref) &&
		page_is_sealed(page))
		return 0;
	return page_verify(page, pool->pager.page_size, ref, pool->pager.seed);
}

void load_abandon(struct pool *pool, uint32_t frame)
{
	pthread_mutex_lock(&pool->lock);
	pool->policy->ops->remove(pool->policy, frame);
	frame_free(pool, frame);
	pthread_mutex_unlock(&pool->lock);
	quota_put(pool);
}

bool load_begin(struct pool *pool, pgno_t pgno, uint32_t frame)
{
	uint64_t w = 0;

	return word_move(table_word(&pool->table, pgno), &w, word_make(WORD_LOADING, frame, 0));
}

bool load_end(struct pool *pool, pgno_t pgno, uint32_t frame, bool good, uint32_t pins)
{
	uint64_t w = word_make(WORD_LOADING, frame, 0);
	bool moved = word_move(table_word(&pool->table, pgno), &w,
		good ? word_make(WORD_CACHED, frame, pins) : 0);

	if (!moved || !good)
		load_abandon(pool, frame);
	return moved;
}

/* Reads the page into its frame and judges it. */
static int read_page(struct pool *pool, struct page_ref ref, uint32_t frame)
{
	struct page *page = pool_page(pool, frame);
	size_t len_bytes = pool->pager.page_size;
	int rc = file_read(pool->file, page, len_bytes, (uint64_t)ref.pgno << pool->page_shift,
		FILE_LIVE);

	if (rc == VERSO_EIO) {
		uint64_t size_bytes;

		/* The file was cut by another process: report that instead. */
		if (file_size(pool->file, &size_bytes) == 0 &&
			ref.pgno >= size_bytes >> pool->page_shift)
			return error_set(VERSO_ECORRUPT,
				"page %" PRIu32 " is gone: the file was cut to %" PRIu64
				" bytes while it was open. Restore it from a copy",
				ref.pgno, size_bytes);
	}
	if (rc < 0)
		return rc;
	count(&pool->read_bytes, len_bytes);
	return load_verify(pool, page, ref);
}

int load_page(struct pool *pool, enum pager_load_cause cause, struct page_ref ref,
	const struct page **ret_page)
{
	uint32_t frame;
	int rc = growth_has(&pool->n_pages, pool->file, pool->page_shift, ref);

	if (rc == 0)
		rc = quota_get(pool);
	if (rc < 0)
		return rc;
	atomic_fetch_add(&pool->n_loading, 1);
	frame = frame_get(pool, ref.pgno, FRAME_LOAD);
	if (frame == FRAME_NONE) {
		quota_put(pool);
		rc = error_set(VERSO_EPINNED,
			"no memory for page %" PRIu32 ": a thread stays inside a guard", ref.pgno);
	} else if (!load_begin(pool, ref.pgno, frame)) {
		load_abandon(pool, frame);
		rc = LOOK_AGAIN;
	} else {
		count(&pool->n_loads[cause], 1);
		pager_trace(&pool->pager, PAGER_MISS, ref);
		reads_begin(pool, 1);
		rc = read_page(pool, ref, frame);
		reads_end(pool, 1);
		if (rc == 0)
			pager_trace_page(&pool->pager, PAGER_LOAD, ref, pool_page(pool, frame));
		if (!load_end(pool, ref.pgno, frame, rc == 0, 1) && rc == 0)
			rc = LOOK_AGAIN;
	}
	loads_arrived(pool, 1);
	if (rc == 0)
		*ret_page = pool_page(pool, frame);
	return rc;
}
