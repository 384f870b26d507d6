/* SPDX-License-Identifier: MIT */
/*
 * The options of an open: checked, defaults filled in, and turned into those of the floors below.
 */
#include "db/options.h"
#include "db/pagers.h"

#include <string.h>

/* Bounds of the pages that a transaction keeps unsealed, and of those that wait for their flush. */
#define WRITER_PAGES_MAX 131072u
#define WRITER_PAGES_MIN 128u

#define UNFLUSHED_PAGES_MIN 4096u

static int wrong(const char *what)
{
	return error_set(VERSO_EMISUSE, "verso_open: %s", what);
}

static int judge(const struct verso_options *o)
{
	const unsigned flags = VERSO_CREATE | VERSO_EXCL | VERSO_RDONLY | VERSO_COPY |
			       VERSO_ANY_FS | VERSO_BUFFERED | VERSO_SMALL_PAGES | VERSO_PIN_INNER |
			       VERSO_NO_VERIFY | VERSO_EXCLUSIVE | VERSO_IMMUTABLE;

	if (o->flags & ~flags)
		return wrong("an unknown flag");
	if ((o->flags & VERSO_RDONLY) && (o->flags & VERSO_CREATE))
		return wrong("VERSO_RDONLY and VERSO_CREATE exclude each other");
	if ((o->flags & VERSO_RDONLY) && (o->flags & VERSO_EXCLUSIVE))
		return wrong("VERSO_RDONLY and VERSO_EXCLUSIVE exclude each other: who may only "
			     "read cannot keep others out");
	if ((o->flags & VERSO_IMMUTABLE) && !(o->flags & VERSO_RDONLY))
		return wrong("VERSO_IMMUTABLE is for reading: set VERSO_RDONLY too");
	if (o->pager != VERSO_PAGER_ANY && !pager_kind_of(o))
		return wrong("an unknown `pager`: there are VERSO_BUFPOOL, VERSO_MMAP, "
			     "VERSO_VMCACHE and VERSO_PAGER_ANY");
	if ((unsigned)o->sync > VERSO_SYNC_PROCESS ||
		(unsigned)o->commit_mode > VERSO_COMMIT_ONE_FLUSH ||
		(unsigned)o->madvise > VERSO_MADVISE_CURSOR ||
		(unsigned)o->checksum > VERSO_CHECKSUM_ALWAYS || (unsigned)o->io > VERSO_IO_SYNC ||
		(unsigned)o->policy >= VERSO_POLICIES ||
		(unsigned)o->map_writing > VERSO_MAP_SHARED)
		return wrong("`sync`, `commit_mode`, `madvise`, `checksum`, `io`, `policy` or "
			     "`map_writing` has an unknown value");
	if (o->sync == VERSO_SYNC_PROCESS && o->commit_mode == VERSO_COMMIT_TWO_FLUSH)
		return wrong("VERSO_SYNC_PROCESS and VERSO_COMMIT_TWO_FLUSH contradict each other: "
			     "leave one of them out");
	if ((o->flags & VERSO_NO_VERIFY) && o->checksum == VERSO_CHECKSUM_ALWAYS)
		return wrong("VERSO_NO_VERIFY and `checksum` = VERSO_CHECKSUM_ALWAYS contradict "
			     "each other: leave one of them out");
	if (o->page_size != 0 && !page_size_is_valid(o->page_size))
		return wrong(
			"`page_size` is a power of two from 4096 to 65536 (from 512, for tests)");
	if (o->mode & ~07777u)
		return wrong("`mode` has bits that are not file permissions");
	return 0;
}

int options_fill(const struct verso_options *given, struct verso_options *ret_options)
{
	struct verso_options o = {0};
	const unsigned char *bytes = (const unsigned char *)given;
	int rc;

	if (given) {
		size_t known = given->size < sizeof(o) ? given->size : sizeof(o);

		if (given->size < sizeof(given->size))
			return wrong("set options.size to sizeof(struct verso_options)");
		/* A newer program's options, zeroed, mean what they mean to us. */
		for (size_t i = known; i < given->size; i++) {
			if (bytes[i] != 0)
				return wrong(
					"an option that this version of the library does not know");
		}
		memcpy(&o, given, known);
	}
	o.size = sizeof(o);
	if (o.flags & VERSO_NO_VERIFY && o.pager != VERSO_MMAP && o.checksum == VERSO_CHECKSUM_ONCE)
		o.checksum = VERSO_CHECKSUM_NONE;
	rc = judge(&o);
	if (rc < 0)
		return rc;
	if (o.cache_bytes == 0)
		o.cache_bytes = CACHE_BYTES_DEFAULT;
	if (o.cache_bytes_max == 0)
		o.cache_bytes_max = o.cache_bytes;
	if (o.cache_bytes_max < o.cache_bytes)
		return wrong("`cache_bytes_max` is below `cache_bytes`: raise it, or leave it out");
	if (o.busy_timeout_ms == 0)
		o.busy_timeout_ms = BUSY_MS_DEFAULT;
	if (o.mode == 0)
		o.mode = FILE_MODE_DEFAULT;
	if (o.value_copy_max == 0)
		o.value_copy_max = VALUE_COPY_DEFAULT;
	*ret_options = o;
	return 0;
}

uint32_t options_page_size(const struct verso_options *o)
{
	return o->page_size ? o->page_size : PAGE_SIZE_DEFAULT;
}

static uint32_t writer_share(size_t cache_bytes, uint32_t page_size, unsigned sixteenths)
{
	size_t n = cache_bytes / page_size / 16 * sixteenths;

	if (n < WRITER_PAGES_MIN)
		return WRITER_PAGES_MIN;
	return n < WRITER_PAGES_MAX ? (uint32_t)n : WRITER_PAGES_MAX;
}

/* As many as may be unsealed, so that a commit can join beside a flush; of many, a sixteenth. */
static uint32_t unflushed_pages(const struct verso_options *o, uint32_t page_size,
	uint32_t dirty_pages)
{
	uint32_t n = writer_share(o->cache_bytes, page_size, 1);

	if (n < UNFLUSHED_PAGES_MIN)
		n = UNFLUSHED_PAGES_MIN;
	return n < dirty_pages ? n : dirty_pages;
}

void options_txn(const struct verso_options *o, const struct txn_options *tuning,
	const struct file *file, uint32_t page_size, struct txn_options *ret_txn)
{
	struct txn_options t = {0};

	if (tuning)
		t = *tuning;
	t.sync = o->sync == VERSO_SYNC_RELAXED   ? TXN_RELAXED
		 : o->sync == VERSO_SYNC_PROCESS ? TXN_PROCESS
						 : TXN_FULL;
	t.read_only = (o->flags & VERSO_RDONLY) != 0;
	/* One-flush is only safe where opening can look at the device itself. */
	t.mode = TXN_TWO_FLUSH;
	if (o->commit_mode == VERSO_COMMIT_ONE_FLUSH || o->sync == VERSO_SYNC_PROCESS ||
		(o->commit_mode == VERSO_COMMIT_BEST && file && file->device_direct))
		t.mode = TXN_ONE_FLUSH;
	/*
	 * Under any pager: what a transaction writes may not depend on the pager. The larger
	 * part is for unsealed pages, since one that is touched again after it was spilled is
	 * written twice; no more, since it is taken from readers.
	 */
	if (t.dirty_max_pages == 0)
		t.dirty_max_pages = writer_share(o->cache_bytes, page_size, 4);
	if (t.unflushed_max_pages == 0)
		t.unflushed_max_pages = unflushed_pages(o, page_size, t.dirty_max_pages);
	*ret_txn = t;
}
