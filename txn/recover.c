/* SPDX-License-Identifier: MIT */
/*
 * Opening: which generation is the newest that is whole (T7, T8).
 *
 * Both slots are read from the device, after a sync whose result is kept but not trusted. The
 * newest valid meta is taken if it was flushed in two steps, or if the other slot's copy of it, or
 * its own, says that it was flushed. A one-flush meta may have reached the disk before its pages:
 * it is taken only if every page that is newer than its durable_gen verifies. Those are found by
 * walking down references and going on only where the **parent-held** gen is newer: what a page
 * says of its own age proves nothing, because a lost write leaves an old page behind. Else the
 * other slot is taken, which then is the generation that was flushed before; and if it is not, an
 * acknowledged commit is lost and that is an error.
 *
 * Where the device cannot be read past the page cache, a sync that fails leaves it unknown which of
 * the bytes that were read are on the disk. Then readers see them, and nothing is written.
 *
 * Nothing is written here: a crash in recovery changes nothing. What was rejected is overwritten by
 * the first write of the next session (session.c).
 */
#include "base/error.h"
#include "io/io.h"
#include "txn/txn_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* judge(): the pages of a one-flush meta did not become durable. */
#define NOT_WHOLE 1

/* recover_any(), for metas that are being written. */
#define LOOKS_MAX 20U
#define PAUSE_NS  UINT64_C(1000000)

struct candidate {
	struct meta meta;
	bool valid;
	int rc; /* why it is not */
};

/* --- the decision -------------------------------------------------------------------------- */

static int read_slot(struct txn_env *env, const struct layout *l, unsigned slot, void *buf,
	struct candidate *c)
{
	int rc = pager_read_device(env->pager, layout_slot(l, slot), l->slot_pages, buf);

	if (rc && rc != VERSO_EIO)
		return rc;
	c->rc = rc ? rc : meta_decode(buf, layout_slot(l, slot), &c->meta);
	if (c->rc == 0 && memcmp(c->meta.uuid, env->uuid, sizeof(env->uuid)) != 0)
		c->rc = error_set(VERSO_ECORRUPT, "the two metas are of different databases");
	if (c->rc == 0 && c->meta.page_size != l->page_size)
		c->rc = error_set(VERSO_ECORRUPT, "the two metas have different page sizes");
	c->valid = c->rc == 0;
	return c->rc == VERSO_EVERSION ? c->rc : 0;
}

static bool is_newer(const struct meta *a, const struct meta *b)
{
	return a->gen != b->gen ? a->gen > b->gen : a->durable_gen > b->durable_gen;
}

static int file_is_cut(const struct meta *m, pgno_t file_pages)
{
	return error_set(VERSO_ECORRUPT,
		"the file has %u pages, its newest durable state has %u: the file was cut. Restore "
		"it from a copy",
		file_pages, m->space.n_pages);
}

/* 0: take it. NOT_WHOLE: take the other. < 0: an error. */
static int judge(struct txn_env *env, const struct meta *m, struct recovered *r)
{
	int rc;

	if (m->mode == TXN_TWO_FLUSH || m->durable_gen >= m->gen || m->gen == r->flushed_gen)
		return m->space.n_pages <= r->file_pages ? 0 : file_is_cut(m, r->file_pages);
	r->walked = true;
	if (m->space.n_pages > r->file_pages)
		return NOT_WHOLE;
	rc = walk_pages(env, m, m->durable_gen, NULL, NULL);
	return rc == VERSO_ECORRUPT ? NOT_WHOLE : rc;
}

/*
 * T7, in one piece, for the assertion: why all pages of m are on the disk. By the order of its
 * flushes, by its own word or the rejected meta's that it was flushed, by the word of the process
 * that flushed it, or by a walk.
 */
static bool is_proved_whole(const struct recovered *r, const struct meta *rejected)
{
	const struct meta *m = &r->meta;

	if (rejected)
		return m->gen == rejected->durable_gen && m->gen < rejected->gen;
	return m->mode == TXN_TWO_FLUSH || m->gen <= m->durable_gen || m->gen == r->flushed_gen ||
	       r->walked;
}

static int decide(struct txn_env *env, struct candidate *c, struct recovered *r)
{
	unsigned newest = !c[0].valid || (c[1].valid && is_newer(&c[1].meta, &c[0].meta));
	const struct meta *m = &c[newest].meta, *other = &c[!newest].meta;
	const struct meta *rejected = NULL;
	int rc = judge(env, m, r);

	if (rc < 0)
		return rc;
	if (rc == NOT_WHOLE) {
		if (!c[!newest].valid || other->gen != m->durable_gen)
			return error_set(VERSO_ECORRUPT,
				"generation %" PRIx64 " is not whole, and generation %" PRIx64
				", which was durable before it, is gone: restore the file from a "
				"copy",
				m->gen, m->durable_gen);
		if (other->space.n_pages > r->file_pages)
			return file_is_cut(other, r->file_pages);
		r->rolled_back = true;
		rejected = m;
		newest = !newest;
	}
	r->meta = c[newest].meta;
	r->slot = newest;
	ASSERT(c[newest].valid);                                      /* T7 */
	ASSERT(rejected || !c[!newest].valid || !is_newer(other, m)); /* T7: the newest one */
	ASSERT(is_proved_whole(r, rejected));                         /* T7 */
	ASSERT(r->meta.space.n_pages <= r->file_pages); /* T7: all its pages can be there */
	/* Both slots are valid since the format: one that is not was torn, or has rotted. */
	if (!c[!newest].valid)
		r->rolled_back = true;
	for (unsigned slot = 0; slot < 2; slot++)
		r->slot_pages[slot] = c[slot].valid ? c[slot].meta.space.n_pages : UINT32_MAX;
	r->session_gen =
		session_first_gen(c[0].valid ? &c[0].meta : NULL, c[1].valid ? &c[1].meta : NULL);
	/* T2: whatever is on the disk, what is written from here on is newer. */
	ASSERT(r->session_gen == 0 || r->session_gen > r->meta.gen);
	return 0;
}

static int read_slots(struct txn_env *env, struct candidate *c)
{
	struct space_options none = {0};
	struct layout l;
	void *buf;
	int rc = 0;

	layout_init(&l, env->layout.page_size, &none);
	buf = aligned_alloc(4096, l.slot_pages * l.page_size);
	if (!buf)
		return -ENOMEM;
	for (unsigned slot = 0; rc == 0 && slot < 2; slot++)
		rc = read_slot(env, &l, slot, buf, &c[slot]);
	free(buf);
	return rc == 0 && !c[0].valid && !c[1].valid ? c[0].rc : rc;
}

int recover(struct txn_env *env, struct recovered *r)
{
	struct candidate *c = calloc(2, sizeof(*c));
	int rc = c ? 0 : -ENOMEM;

	if (rc == 0 && !env->options.read_only && r->flushed_gen == 0)
		r->sync_code = pager_flush(env->pager);
	if (rc == 0)
		rc = read_slots(env, c);
	if (rc == 0)
		rc = decide(env, c, r);
	free(c);
	return rc;
}

int recover_any(struct txn_env *env, struct meta *ret_meta)
{
	struct candidate *c = calloc(2, sizeof(*c));
	int rc = c ? read_slots(env, c) : -ENOMEM;

	/* Beside a writer both may be met while they are written. */
	for (unsigned i = 0; rc == VERSO_ECORRUPT && i < LOOKS_MAX; i++) {
		io_pause_ns(env->members->file->io, PAUSE_NS);
		memset(c, 0, 2 * sizeof(*c));
		rc = read_slots(env, c);
	}
	if (rc == 0)
		*ret_meta = c[c[0].valid ? 0 : 1].meta;
	free(c);
	return rc;
}
