/* SPDX-License-Identifier: MIT */
/* Making an empty database, and recognising one. */
#include "base/bytes.h"
#include "base/error.h"
#include "txn/txn_int.h"

#include <errno.h>
#include <stdlib.h>

#define INITIAL_FREE_PAGES 10U  /* 64 KiB in all, of 4 KiB pages */
#define SECTOR_BYTES       512U /* what a disk writes whole */

/* The size of a new database. */
static pgno_t first_pages(uint32_t page_size)
{
	struct space_options none = {0};
	struct layout l;

	layout_init(&l, page_size, &none);
	return (layout_first_page(&l, 0) + INITIAL_FREE_PAGES + 7) / 8 * 8;
}

/* --- making -------------------------------------------------------------------------------- */

int refuse_one_flush(const struct txn_options *options)
{
	if (options->sync == TXN_PROCESS)
		return error_set(-EOPNOTSUPP,
			"commits that are only written (VERSO_SYNC_PROCESS) are safe only where "
			"opening can read the disk past the page cache (O_DIRECT), which is "
			"refused here: use VERSO_SYNC_FULL or VERSO_SYNC_RELAXED");
	return error_set(-EOPNOTSUPP,
		"one flush a commit is safe only where opening can read the disk past the page "
		"cache (O_DIRECT), which is refused here: take two flushes");
}

/* The first state: no bitmap yet, the few free pages in a window. */
static void meta_first(struct meta *m, const struct layout *l, const uint8_t uuid[16])
{
	struct window *w = &m->space.windows[0];

	*m = (struct meta){.mode = TXN_TWO_FLUSH, .page_size = l->page_size};
	m->gen = m->durable_gen = m->mark = UINT64_C(1) << GEN_SEQ_BITS;
	m->space.group_pages = l->group_pages;
	m->space.groups_max = l->groups_max;
	m->space.pending_max = l->pending_max;
	m->space.n_pages = first_pages(l->page_size);
	m->space.n_groups = m->space.n_group_entries = 1;
	ASSERT(m->space.n_pages <= WINDOW_PAGES);
	for (pgno_t pgno = layout_first_page(l, 0); pgno < m->space.n_pages; pgno++)
		w->mask[pgno / 64] |= UINT64_C(1) << pgno % 64;
	memcpy(m->uuid, uuid, sizeof(m->uuid));
}

/*
 * One slot after the other, each durably, slot 0 last: until slot 1 is a meta the file begins with
 * zeros, as the file of no other program does. The rest of a new meta is zeros, as the file is
 * already: so what is in flight is one sector.
 */
static int metas_write(struct file *file, const struct meta *m, const struct layout *l)
{
	size_t slot_bytes = (size_t)l->slot_pages * l->page_size;
	void *buf = aligned_alloc(4096, slot_bytes);
	int rc = buf ? 0 : -ENOMEM;

	for (unsigned slot = 2; rc == 0 && slot-- > 0;) {
		meta_encode(m, l, slot, page_seed(m->uuid), buf);
		ASSERT(bytes_are_zero((uint8_t *)buf + SECTOR_BYTES, slot_bytes - SECTOR_BYTES));
		rc = file_write(file, buf, SECTOR_BYTES,
			(uint64_t)layout_slot(l, slot) * l->page_size);
		if (rc == 0)
			rc = file_sync(file);
	}
	free(buf);
	return rc;
}

/* First the size, durably, as a hole, which is zeros whatever crashes; then the metas. */
static int write_durably(struct file *file, const struct meta *m, const struct layout *l)
{
	uint64_t bytes = (uint64_t)m->space.n_pages * l->page_size;
	int rc = file_truncate(file, bytes);

	if (rc == 0)
		rc = file_sync(file);
	if (rc == 0)
		rc = file_allocate(file, 0, bytes);
	return rc < 0 ? rc : metas_write(file, m, l);
}

int txn_format(struct file *file, uint32_t page_size, const uint8_t uuid[16],
	const struct txn_options *options)
{
	struct space_options space = space_options_of(options);
	struct layout l;
	struct meta *m;
	int rc;

	if (!page_size_is_valid(page_size))
		return error_set(-EINVAL,
			"a page of %u bytes: expected a power of two from %u to %u", page_size,
			PAGE_SIZE_MIN, PAGE_SIZE_MAX);
	if (options->mode == TXN_ONE_FLUSH && !file->device_direct)
		return refuse_one_flush(options);
	layout_init(&l, page_size, &space);
	if (l.group_pages < GROUP_PAGES_MIN || l.group_pages % 64 != 0)
		return error_set(-EINVAL,
			"an allocation group of %u pages: expected a multiple of 64, from %u to %u",
			l.group_pages, GROUP_PAGES_MIN, GROUP_PAGES_MAX);
	m = malloc(sizeof(*m));
	if (!m)
		return -ENOMEM;
	meta_first(m, &l, uuid);
	rc = write_durably(file, m, &l);
	free(m);
	return rc;
}

/* --- recognising --------------------------------------------------------------------------- */

/* Decodes a meta that is expected in slot 1 at off_bytes, for whichever page size puts it there. */
static int decode_second(const void *buf, uint64_t off_bytes, struct meta *ret_m)
{
	pgno_t pgno = page_ref(buf).pgno;
	int rc = meta_decode(buf, pgno, ret_m);

	if (rc == 0 && (uint64_t)pgno * ret_m->page_size != off_bytes)
		rc = error_set(VERSO_ECORRUPT, "a meta page lies where only other pages can be");
	return rc;
}

static int probe_slots(struct file *file, uint64_t size_bytes, void *buf, struct meta *ret_m)
{
	int worst = VERSO_ENOTDB;

	for (int i = -1; i <= 4; i++) { /* slot 0, then slot 1 for each page size */
		uint64_t off_bytes = i < 0 ? 0 : (uint64_t)META_BYTES << i;
		int rc;

		if (off_bytes + META_BYTES > size_bytes)
			break;
		rc = file_read(file, buf, META_BYTES, off_bytes, FILE_DEVICE);
		if (rc)
			return rc;
		rc = i < 0 ? meta_decode(buf, 0, ret_m) : decode_second(buf, off_bytes, ret_m);
		if (rc == 0 || rc == VERSO_EVERSION)
			return rc;
		if (worst == VERSO_ENOTDB)
			worst = rc;
	}
	if (worst == VERSO_ENOTDB)
		return error_set(worst, "the file is not a Verso database: no meta page in it");
	return error_set(worst, "both meta pages are damaged: restore the file from a copy");
}

int txn_probe(struct file *file, struct txn_probe *ret_probe)
{
	struct meta *m = malloc(sizeof(*m));
	void *buf = aligned_alloc(4096, META_BYTES);
	uint64_t size_bytes;
	int rc = m && buf ? file_size(file, &size_bytes) : -ENOMEM;

	if (rc == 0)
		rc = probe_slots(file, size_bytes, buf, m);
	if (rc == 0 && size_bytes / m->page_size >= UINT32_MAX)
		rc = error_set(VERSO_ECORRUPT, "the file is larger than any database can be");
	if (rc == 0) {
		ret_probe->page_size = m->page_size;
		ret_probe->file_pages = (pgno_t)(size_bytes / m->page_size);
		ret_probe->seed = page_seed(m->uuid);
		memcpy(ret_probe->uuid, m->uuid, sizeof(m->uuid));
	}
	free(buf);
	free(m);
	return rc;
}

/* Whether all bytes from at to end are zeros. TXN_BLANK, 0, or an error. */
static int is_zero(struct file *file, uint64_t at, uint64_t end)
{
	uint8_t *buf = aligned_alloc(4096, PAGE_SIZE_MAX);
	bool zeros = true;
	int rc = buf ? 0 : -ENOMEM;

	while (rc == 0 && zeros && at < end) {
		uint64_t left = end - at;
		size_t n = left < PAGE_SIZE_MAX ? (size_t)left : PAGE_SIZE_MAX;

		rc = file_read(file, buf, n, at, FILE_LIVE);
		zeros = rc == 0 && bytes_are_zero(buf, n);
		at += n;
	}
	free(buf);
	if (rc < 0)
		return rc;
	return zeros ? TXN_BLANK : 0;
}

/* Where the first meta of a new database of just that size is written; the size: it has none. */
static uint64_t first_meta_at(uint64_t size_bytes)
{
	for (uint32_t page_size = PAGE_SIZE_MIN; page_size <= PAGE_SIZE_MAX; page_size *= 2) {
		if (size_bytes == (uint64_t)first_pages(page_size) * page_size)
			return page_size < META_BYTES ? META_BYTES : page_size;
	}
	return size_bytes;
}

/* Whether slot 1, at that offset, is no meta, of whichever version. TXN_BLANK, 0, or an error. */
static int is_no_meta(struct file *file, uint64_t at)
{
	struct meta *m = malloc(sizeof(*m));
	void *buf = aligned_alloc(4096, META_BYTES);
	int rc = m && buf ? file_read(file, buf, META_BYTES, at, FILE_LIVE) : -ENOMEM;

	if (rc == 0) {
		int found = decode_second(buf, at, m);

		rc = found != 0 && found != VERSO_EVERSION ? TXN_BLANK : 0;
	}
	free(buf);
	free(m);
	return rc;
}

static int is_blank(struct file *file, uint64_t size_bytes)
{
	uint64_t at;
	int rc;

	if (size_bytes > (uint64_t)first_pages(PAGE_SIZE_MAX) * PAGE_SIZE_MAX)
		return 0;
	at = first_meta_at(size_bytes);
	rc = is_zero(file, 0, at);
	if (rc == TXN_BLANK)
		rc = is_zero(file, at + SECTOR_BYTES, size_bytes);
	/* What a power cut made of the sector in flight is nothing. */
	if (rc == TXN_BLANK && at < size_bytes)
		rc = is_no_meta(file, at);
	return rc;
}

/* Others may cut the file meanwhile: by a compaction, or because they could not make it. */
int txn_is_blank(struct file *file)
{
	for (;;) {
		uint64_t size_bytes, now_bytes;
		int rc = file_size(file, &size_bytes);

		if (rc < 0)
			return rc;
		rc = is_blank(file, size_bytes);
		if (rc != VERSO_EIO || file_size(file, &now_bytes) < 0 || now_bytes >= size_bytes)
			return rc;
		error_clear();
	}
}
