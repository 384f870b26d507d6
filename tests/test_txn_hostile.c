/* SPDX-License-Identifier: MIT */
/*
 * Forged files: every checksum is right, and the content is not. Opening and using
 * them may fail in any way but a crash, a hang, or the overwriting of a slot.
 */
#include "base/error.h"
#include "tests/sim/faultplan.h"
#include "tests/txn_fixture.h"
#include "txn/meta.h"

#include <errno.h>

#define PAGE_BYTES      512U
#define N_LIES          38
#define N_LIES_IN_PAGES 9

/* --- reading and writing the file ---------------------------------------------------------- */

static void page_read(struct file *file, pgno_t pgno, void *buf, unsigned n)
{
	txn_ok(file_read(file, buf, n * PAGE_BYTES, (uint64_t)pgno * PAGE_BYTES, FILE_LIVE));
}

struct victim {
	struct file *file;
	struct layout layout;
	uint64_t seed;
	struct meta meta; /* of the newest slot */
	unsigned slot;
};

static void victim_read(struct txn_stack *s, struct victim *v)
{
	void *buf = check_alloc(META_BYTES);
	struct meta *m = check_alloc(sizeof(*m));

	memset(v, 0, sizeof(*v));
	txn_ok(io_open(s->io, "/db", 0, 0, &v->file));
	for (unsigned slot = 0; slot < 2; slot++) {
		page_read(v->file, slot * META_BYTES / PAGE_BYTES, buf, META_BYTES / PAGE_BYTES);
		txn_ok(meta_decode(buf, slot * META_BYTES / PAGE_BYTES, m));
		if (m->gen < v->meta.gen)
			continue;
		v->meta = *m;
		v->slot = slot;
	}
	v->seed = page_seed(v->meta.uuid);
	meta_layout(&v->meta, &v->layout);
}

/* Writes the meta to both slots, so that no opening can take another. */
static void victim_write(struct victim *v)
{
	void *buf = check_alloc(META_BYTES);

	for (unsigned slot = 0; slot < 2; slot++) {
		meta_encode(&v->meta, &v->layout, slot, v->seed, buf);
		txn_ok(file_write(v->file, buf, META_BYTES, (uint64_t)slot * META_BYTES));
	}
	file_close(v->file);
}

/* --- use ----------------------------------------------------------------------------------- */

static int one_set(struct txn_env *env, unsigned cell, uint64_t value)
{
	struct txn *txn;
	int rc = txn_begin_write(env, &txn);

	if (rc)
		return rc;
	rc = toy_set(txn, cell, value);
	if (rc) {
		txn_abort(txn);
		return rc;
	}
	return txn_commit(txn);
}

static int keep_going(void *arg, pgno_t pgno, const char *finding)
{
	(void)pgno;
	(void)finding;
	return ++*(unsigned *)arg > 1000;
}

static void slots_are_metas(struct txn_stack *s)
{
	uint64_t size_bytes;
	const uint8_t *bytes = simdisk_bytes(s->disk, "/db", &size_bytes);

	ck_assert_uint_ge(size_bytes, 2 * META_BYTES);
	ck_assert_mem_eq(bytes + PAGE_HEADER_BYTES, "VersoDB\n", 8);
	ck_assert_mem_eq(bytes + META_BYTES + PAGE_HEADER_BYTES, "VersoDB\n", 8);
}

/* Opens and uses it; returns the first error. Both slots must be metas afterwards. */
static int use(struct txn_stack *s)
{
	unsigned n_findings = 0;
	int rc = txn_stack_try_open(s), first = rc;

	if (rc == 0) {
		uint64_t *cells = check_alloc(TOY_CELLS * sizeof(*cells));
		struct txn *txn;

		first = txn_check(s->env, keep_going, &n_findings);
		for (unsigned i = 0; i < 60; i++) {
			rc = one_set(s->env, i * 67 % TOY_CELLS, i % 5);
			first = first ? first : rc;
		}
		txn_ok(txn_begin_read(s->env, &txn));
		rc = toy_read(txn, cells);
		first = first ? first : rc;
		txn_abort(txn);
		txn_stack_close(s);
	}
	slots_are_metas(s);
	return first;
}

static void database(struct txn_stack *s, struct victim *v, uint32_t groups_max)
{
	struct fault_plan plan = {.calls = FAULT_WRITE, .kind = FAULT_EIO};

	txn_stack_make(s, TXN_TWO_FLUSH, TXN_FULL);
	s->options.meta_groups_max = groups_max;
	txn_stack_format(s);
	txn_stack_open(s);
	txn_stack_set(s, 0, 1200, 1);
	for (unsigned i = 0; i < 40; i++)
		txn_stack_set(s, 31 * i, 31 * i + 9, i % 4);
	/* The close cannot make the file shorter: the newest state has pending pages. */
	simdisk_set_fault(s->disk, fault_plan_sim, &plan);
	txn_stack_close(s);
	simdisk_set_fault(s->disk, NULL, NULL);
	victim_read(s, v);
}

START_TEST(an_honest_file_is_used_without_an_error)
{
	struct victim *v = check_alloc(sizeof(*v));
	struct txn_stack s;

	database(&s, v, 2);
	victim_write(v);
	txn_ok(use(&s));
	txn_stack_free(&s);
}
END_TEST

static struct pending_extent *extent(struct victim *v)
{
	ck_assert_uint_gt(v->meta.space.n_pending, 0);
	return &v->meta.space.pending[0];
}

static void window_fill(struct victim *v, pgno_t first)
{
	v->meta.space.windows[1].first = first;
	memset(v->meta.space.windows[1].mask, 0xFF, sizeof(v->meta.space.windows[1].mask));
}

static bool lie_windows(struct victim *v, int i)
{
	struct meta *m = &v->meta;

	switch (i) {
	case 0: /* a window over the slots */
		window_fill(v, 0);
		return true;
	case 1: /* over the copies of bitmaps */
		window_fill(v, m->space.group_pages);
		return true;
	case 2: /* beyond the end */
		window_fill(v, m->space.n_pages - 1);
		return true;
	case 3: /* over used pages */
		window_fill(v, 64);
		memset(&m->space.windows[1].mask[2], 0, sizeof(m->space.windows[1].mask) - 16);
		return true;
	case 4: /* both the same */
		window_fill(v, 64);
		memset(&m->space.windows[1].mask[2], 0, sizeof(m->space.windows[1].mask) - 16);
		m->space.windows[0] = m->space.windows[1];
		return true;
	case 5: /* the numbers wrap */
		window_fill(v, m->space.n_pages);
		return true;
	default:
		return false;
	}
}

static bool lie_pending(struct victim *v, int i)
{
	struct meta *m = &v->meta;

	switch (i) {
	case 6:
		extent(v)->pgno = 0;
		return true;
	case 7:
		extent(v)->pgno = m->space.group_pages - 1;
		extent(v)->n_pages = 8;
		return true;
	case 8: /* free twice at once */
		m->space.n_pending = 2;
		m->space.pending[1] = *extent(v);
		return true;
	case 9: /* more than 2^32 pages together */
		extent(v)->n_pages = UINT32_MAX;
		return true;
	case 10: /* all of the file */
		extent(v)->pgno = 30;
		extent(v)->n_pages = m->space.n_pages - 30;
		return true;
	case 11:
		extent(v)->free = m->gen + 1;
		return true;
	case 12: /* the tree is pending */
		extent(v)->pgno = m->roots[0].ref.pgno;
		extent(v)->n_pages = 1;
		return true;
	case 13:
		m->space.n_chained = UINT32_MAX;
		m->space.n_list_pages = 1;
		return true;
	case 14:
		m->space.n_list_pages = m->space.n_chained = m->space.n_pages;
		return true;
	case 15:
		m->space.list_page.pgno = UINT32_MAX;
		m->space.n_list_pages = m->space.n_chained = 1;
		return true;
	case 16:
		m->space.n_list_pages = 0;
		m->space.n_chained = 5;
		return true;
	default:
		return false;
	}
}

static bool lie_sizes(struct victim *v, int i)
{
	struct meta *m = &v->meta;

	switch (i) {
	case 17:
		m->space.n_pages += 8; /* pages that no structure names */
		return true;
	case 18:
		m->space.n_pages = UINT32_MAX;
		return true;
	case 19: /* a group begins with its last page */
		m->space.n_pages = 2 * m->space.group_pages + 1;
		m->space.n_groups = 3;
		return true;
	case 20:
		m->space.n_pages = 1;
		return true;
	case 21:
		m->space.group_pages = 320;
		return true;
	case 22:
		m->space.group_pages = 0;
		return true;
	case 23:
		m->space.group_pages = 3776;
		return true;
	case 24:
		m->space.groups_max = 64;
		return true;
	case 25:
		m->space.groups_max = 0;
		return true;
	case 26:
		m->space.groups[0].n_free++;
		return true;
	case 27:
		m->space.groups[0].copy = 7;
		return true;
	case 28:
		m->space.groups[0].gen = 0;
		return true;
	case 29:
		m->roots[0].ref.pgno = 0;
		m->roots[0].level = 200;
		return true;
	case 30:
		m->roots[0].level = 200;
		return true;
	case 31:
		m->roots[0].ref.gen++;
		return true;
	case 32:
		m->roots[1] = m->roots[0];
		return true;
	case 33:
		m->gen = UINT64_MAX;
		return true;
	case 34:
		m->gen = 0;
		m->durable_gen = 0;
		return true;
	case 35:
		m->mode = TXN_ONE_FLUSH;
		m->durable_gen = 0;
		return true;
	case 36:
		m->mode = TXN_ONE_FLUSH;
		m->durable_gen = 0;
		m->roots[0].ref.pgno++;
		return true;
	case 37:
		m->space.pending_max = 1;
		return true;
	default:
		return false;
	}
}

/* What a meta may say that is not so; by number. */
static bool lie(struct victim *v, int i)
{
	return lie_windows(v, i) || lie_pending(v, i) || lie_sizes(v, i);
}

static struct page *page_load(struct victim *v, pgno_t pgno)
{
	struct page *page = check_alloc(4096);

	page_read(v->file, pgno, page, 1);
	return page;
}

static void page_store(struct victim *v, struct page *page)
{
	memset(page->checksum, 0, sizeof(page->checksum));
	page_seal(page, PAGE_BYTES, v->seed);
	txn_ok(file_write(v->file, page, PAGE_BYTES, (uint64_t)page_ref(page).pgno * PAGE_BYTES));
}

/* Calls pages of group 0 free: from word `from` of its bitmap on. */
static void free_all(struct victim *v, unsigned from)
{
	pgno_t pgno = layout_bitmap(&v->layout, 0) + v->meta.space.groups[0].copy;
	struct page *page = page_load(v, pgno);

	memset(page->payload + 8 * from, 0xFF, 32 - 8 * from);
	v->meta.space.groups[0].n_free = 0;
	for (unsigned i = 0; i < 32; i++)
		v->meta.space.groups[0].n_free += (unsigned)__builtin_popcount(page->payload[i]);
	page_store(v, page);
}

/* Makes the root's first child a page of generation gen. */
static void child_of(struct victim *v, struct page *root, gen_t gen)
{
	struct page_ref ref = page_ref_get(root->payload);
	struct page *child = page_load(v, ref.pgno);

	le64_set(child->gen, gen);
	le64_set(child->lsn, gen);
	page_store(v, child);
	page_ref_set(root->payload, (struct page_ref){ref.pgno, gen});
	page_store(v, root);
}

/* What pages may say. */
static bool lie_in_page(struct victim *v, int i)
{
	struct page *root = page_load(v, v->meta.roots[0].ref.pgno);

	switch (i) {
	case 0: /* copies of bitmaps and index are free */
		free_all(v, 0);
		return true;
	case 1: /* used pages are free */
		free_all(v, 1);
		return true;
	case 2: /* two parents of one child */
		memcpy(root->payload + PAGE_REF_BYTES, root->payload, PAGE_REF_BYTES);
		page_store(v, root);
		return true;
	case 3: /* a child that is its own parent */
		page_ref_set(root->payload, v->meta.roots[0].ref);
		page_store(v, root);
		return true;
	case 4: /* a bitmap and a slot in a tree */
		page_ref_set(root->payload, (struct page_ref){layout_bitmap(&v->layout, 0) +
								      v->meta.space.groups[0].copy,
						    v->meta.space.groups[0].gen});
		page_ref_set(root->payload + PAGE_REF_BYTES, (struct page_ref){0, v->meta.gen});
		page_store(v, root);
		return true;
	case 5: /* nothing there */
		page_ref_set(root->payload, (struct page_ref){UINT32_MAX, v->meta.gen});
		page_store(v, root);
		return true;
	case 6: /* generations that are still to come */
		child_of(v, root, v->meta.gen + 1);
		return true;
	case 7:
		child_of(v, root, ((v->meta.gen >> 40) + 1) << 40 | 1);
		return true;
	case 8:
		child_of(v, root, UINT64_MAX);
		return true;
	default:
		return false;
	}
}

/* Answers 0 or an error; a crash or a hang is for the test's frame to find. */
static void try(int i, uint32_t groups_max, bool (*tell)(struct victim *v, int i))
{
	struct victim *v = check_alloc(sizeof(*v));
	struct txn_stack s;

	database(&s, v, groups_max);
	ck_assert(tell(v, i));
	victim_write(v);
	(void)use(&s);
	txn_stack_free(&s);
}

START_TEST(a_meta_that_lies_does_no_harm)
{
	try(_i / 2, _i % 2 ? 2 : 64, lie);
}
END_TEST

START_TEST(a_page_that_lies_does_no_harm)
{
	try(_i, 64, lie_in_page);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("txn_hostile");
	TCase *c = tcase_create("hostile");

	tcase_add_checked_fixture(c, NULL, check_free);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, an_honest_file_is_used_without_an_error);
	tcase_add_loop_test(c, a_meta_that_lies_does_no_harm, 0, 2 * N_LIES);
	tcase_add_loop_test(c, a_page_that_lies_does_no_harm, 0, N_LIES_IN_PAGES);
	suite_add_tcase(s, c);
	return check_main(s);
}
