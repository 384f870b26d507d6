/* SPDX-License-Identifier: MIT */
/*
 * The tree and the catalogue over real transactions, on each pager: random streams with commits,
 * aborts, reopenings, spills in the middle of everything, and readers held on old snapshots.
 */
#include "btree/catalogue.h"
#include "bufpool/bufpool.h"
#include "io/file.h"
#include "mmap/mmap.h"
#include "tests/btree_model.h"
#include "tests/check_main.h"
#include "tests/refpager/refpager.h"
#include "tests/sim/simdisk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TABLES  3U /* 0: the default one; the others are named */
#define READERS 3U

enum kind { REFERENCE, BUFPOOL, MMAP };

struct setting {
	const char *name;
	enum kind kind;
	uint32_t page_size;
	unsigned n_ops;
};

static const struct setting settings[] = {
	{"reference pager, 512", REFERENCE, 512, 12000},
	{"reference pager, 4096", REFERENCE, 4096, 6000},
	{"bufpool, 512", BUFPOOL, 512, 12000},
	{"bufpool, 4096", BUFPOOL, 4096, 6000},
	{"mmap, 512", MMAP, 512, 12000},
	{"mmap, 4096", MMAP, 4096, 6000},
	{"mmap, 65536", MMAP, 65536, 1500},
};

struct reader {
	struct txn *txn;
	struct model models[TABLES];
};

struct stack {
	const struct setting *setting;
	struct simdisk *disk;
	struct io *io;
	char path[CHECK_PATH_BYTES];
	struct file *file;
	struct pager *pager;
	struct txn_env *env;
	struct txn_options options;
	uint64_t rng;
	struct model durable[TABLES], mine[TABLES];
	struct txn *txn; /* the writer */
	struct btree catalogue, trees[TABLES];
	struct reader readers[READERS];
	uint8_t key[128];
	uint8_t *val;
};

static const char *const names[TABLES] = {"", "first", "second"};

static void ok(int rc)
{
	ck_assert_msg(rc == 0, "%d: %s", rc, error_text());
}

static uint64_t pick(struct stack *s, uint64_t n)
{
	return check_random(&s->rng) % n;
}

static struct btree_slice name_of(unsigned t)
{
	return (struct btree_slice){names[t], strlen(names[t])};
}

static void pager_make(struct stack *s, const struct txn_probe *probe)
{
	uint32_t writer_pages = txn_writer_pages(&s->options);

	if (s->setting->kind == REFERENCE) {
		ok(refpager_open(s->io, s->file, probe->page_size, probe->seed, writer_pages,
			&s->pager));
		refpager_forget(s->pager);
	} else if (s->setting->kind == BUFPOOL) {
		struct bufpool_options b = {.writer_pages = writer_pages, .reader_pages = 48};

		b.cache_bytes = bufpool_cache_bytes_min(probe->page_size, &b);
		ok(bufpool_open(s->io, s->file, probe->page_size, probe->seed, &b, &s->pager));
	} else {
		struct mmap_options m = {.writer_pages = writer_pages};

		ok(mmap_open(s->io, s->file, probe->page_size, probe->seed, &m, &s->pager));
	}
}

static void stack_open(struct stack *s)
{
	struct txn_probe probe;

	ok(io_open(s->io, s->path, 0, 0600, &s->file));
	ok(txn_probe(s->file, &probe));
	pager_make(s, &probe);
	ok(txn_env_open(s->pager, &probe, &btree_schema, &s->options, &s->env));
}

static void stack_close(struct stack *s)
{
	txn_env_close(s->env);
	pager_close(s->pager);
	file_close(s->file);
}

static void models_copy(struct model *to, const struct model *from)
{
	for (unsigned t = 0; t < TABLES; t++) {
		model_fini(&to[t]);
		for (size_t i = 0; i < from[t].n; i++) {
			struct model_record *r = &from[t].records[i];

			model_put(&to[t], (struct btree_slice){r->key, r->key_len}, r->val_seed,
				r->val_len);
		}
	}
}

/* A view of each tree of a transaction. A table that is not there yet is empty. */
static void trees_open(struct txn *txn, struct btree *catalogue, struct btree *trees, bool create)
{
	btree_init(catalogue, txn, &txn->roots[1]);
	btree_init(&trees[0], txn, &txn->roots[0]);
	for (unsigned t = 1; t < TABLES; t++) {
		struct txn_root root = {.tree = 1000 + t};
		int rc = catalogue_find(catalogue, name_of(t), &root);

		if (rc == VERSO_NOTFOUND && create)
			rc = catalogue_create(catalogue, name_of(t), 0, &root);
		if (rc != VERSO_NOTFOUND)
			ok(rc);
		btree_init(&trees[t], txn, &root);
	}
}

static void trees_close(struct btree *catalogue, struct btree *trees)
{
	for (unsigned t = 0; t < TABLES; t++)
		btree_fini(&trees[t]);
	btree_fini(catalogue);
}

static void writer_begin(struct stack *s)
{
	ok(txn_begin_write(s->env, &s->txn));
	trees_open(s->txn, &s->catalogue, s->trees, true);
	models_copy(s->mine, s->durable);
}

static void writer_end(struct stack *s, bool commit)
{
	for (unsigned t = 1; t < TABLES; t++)
		ok(catalogue_update(&s->catalogue, name_of(t), &s->trees[t].root));
	s->txn->roots[0] = s->trees[0].root;
	s->txn->roots[1] = s->catalogue.root;
	trees_close(&s->catalogue, s->trees);
	if (commit) {
		ok(txn_commit(s->txn));
		models_copy(s->durable, s->mine);
	} else {
		txn_abort(s->txn);
	}
	s->txn = NULL;
}

static void compare(struct txn *txn, const struct model *models)
{
	struct btree catalogue, trees[TABLES];

	trees_open(txn, &catalogue, trees, false);
	ck_assert_msg(btree_check(&catalogue, NULL, NULL, NULL) == 0, "%s", error_text());
	for (unsigned t = 0; t < TABLES; t++)
		model_same_tree(&models[t], &trees[t]);
	trees_close(&catalogue, trees);
}

static void reader_toggle(struct stack *s, struct reader *r)
{
	if (r->txn) {
		compare(r->txn, r->models);
		txn_abort(r->txn);
		r->txn = NULL;
		return;
	}
	ok(txn_begin_read(s->env, &r->txn));
	models_copy(r->models, s->durable);
}

static void readers_close(struct stack *s)
{
	for (unsigned i = 0; i < READERS; i++)
		if (s->readers[i].txn)
			reader_toggle(s, &s->readers[i]);
}

static struct btree_slice some_key(struct stack *s, const struct model *m)
{
	int n;

	if (m->n > 0 && pick(s, 3) == 0) {
		struct model_record *r = &m->records[pick(s, m->n)];

		memcpy(s->key, r->key, r->key_len);
		return (struct btree_slice){s->key, r->key_len};
	}
	n = snprintf((char *)s->key, sizeof(s->key), "%s/%llu",
		pick(s, 2) ? "usr/share/doc" : "etc", (unsigned long long)pick(s, 2000));
	return (struct btree_slice){s->key, (size_t)n};
}

static void one_edit(struct stack *s, unsigned put_percent)
{
	unsigned t = (unsigned)pick(s, TABLES);
	struct btree_slice key = some_key(s, &s->mine[t]);
	uint32_t page_size = s->setting->page_size;

	if (pick(s, 100) < put_percent) {
		uint64_t seed = check_random(&s->rng);
		size_t len = pick(s, 40) == 0 ? pick(s, 30U * page_size) : pick(s, page_size / 5);

		model_value(seed, s->val, len);
		ok(btree_put(&s->trees[t], key, (struct btree_slice){s->val, len}, 0));
		model_put(&s->mine[t], key, seed, len);
	} else {
		bool there = model_del(&s->mine[t], key);

		ck_assert_int_eq(btree_del(&s->trees[t], key), there ? 0 : VERSO_NOTFOUND);
	}
}

/* All pages of all trees, for T10, which txn_check proves; and what each tree says. */
static void verify(struct stack *s)
{
	struct txn *txn;

	ok(txn_check(s->env, NULL, NULL));
	ok(txn_begin_read(s->env, &txn));
	compare(txn, s->durable);
	txn_abort(txn);
}

static void stack_make(struct stack *s, const struct setting *setting)
{
	static const uint8_t uuid[16] = "0123456789abcdef";
	struct txn *txn;

	memset(s, 0, sizeof(*s));
	s->setting = setting;
	s->rng = check_seed() * 7919 + setting->page_size;
	s->val = malloc(31U * setting->page_size);
	ck_assert_ptr_nonnull(s->val);
	s->io = io_kernel();
	(void)check_path(s->path, "stack.verso");
	if (setting->kind == REFERENCE) {
		s->disk = simdisk_new(NULL);
		s->io = simdisk_io(s->disk);
		(void)snprintf(s->path, sizeof(s->path), "/db");
	} else {
		(void)unlink(s->path);
	}
	s->options = (struct txn_options){
		.group_pages = 256,
		.meta_pending_max = 6,
		.meta_groups_max = 2,
		.dirty_max_pages = 24,
		.grow_pages = 32,
		.cut_pages = 32,
	};
	ok(io_open(s->io, s->path, FILE_CREATE, 0600, &s->file));
	ok(txn_format(s->file, setting->page_size, uuid, &s->options));
	file_close(s->file);
	stack_open(s);
	ok(txn_begin_write(s->env, &txn));
	catalogue_root_init(&txn->roots[1]);
	ok(txn_commit(txn));
}

static void stack_free(struct stack *s)
{
	stack_close(s);
	for (unsigned t = 0; t < TABLES; t++) {
		model_fini(&s->durable[t]);
		model_fini(&s->mine[t]);
		for (unsigned i = 0; i < READERS; i++)
			model_fini(&s->readers[i].models[t]);
	}
	if (s->disk)
		simdisk_free(s->disk);
	free(s->val);
}

/* Shorter streams in the builds that are slow: the n-th part, by VERSO_STREAM_PART. */
static unsigned n_ops_of(const struct setting *setting)
{
	const char *part = getenv("VERSO_STREAM_PART");

	return setting->n_ops / (part ? (unsigned)strtoul(part, NULL, 0) : 1);
}

START_TEST(stream_survives_commits_aborts_and_reopening)
{
	const struct setting *setting = &settings[_i];
	unsigned n_ops = n_ops_of(setting);
	struct stack s;

	printf("VERSO_SEED=%llu %s\n", (unsigned long long)check_seed(), setting->name);
	stack_make(&s, setting);
	for (unsigned i = 0; i < n_ops;) {
		unsigned n = 1U << pick(&s, 9);
		unsigned put_percent = i * 3 / n_ops == 1 ? 30 : 70;

		if (pick(&s, 3) == 0)
			reader_toggle(&s, &s.readers[pick(&s, READERS)]);
		writer_begin(&s);
		for (unsigned k = 0; k < n; k++)
			one_edit(&s, put_percent);
		if (pick(&s, 4) == 0)
			for (unsigned t = 0; t < TABLES; t++)
				model_same_tree(&s.mine[t], &s.trees[t]);
		writer_end(&s, pick(&s, 5) != 0);
		i += n;
		if (pick(&s, 6) == 0)
			verify(&s);
		if (pick(&s, 20) == 0) {
			readers_close(&s);
			stack_close(&s);
			stack_open(&s);
			verify(&s);
		}
	}
	readers_close(&s);
	verify(&s);
	/* drop everything: the catalogue and the default table are empty in the end */
	writer_begin(&s);
	for (unsigned t = 0; t < TABLES; t++) {
		ok(btree_drop(&s.trees[t]));
		model_fini(&s.mine[t]);
	}
	writer_end(&s, true);
	verify(&s);
	stack_free(&s);
}
END_TEST

START_TEST(table_ids_are_never_used_again)
{
	static const struct setting setting = {"ids", REFERENCE, 512, 0};
	struct txn_root a, b;
	struct stack s;

	stack_make(&s, &setting);
	writer_begin(&s);
	ck_assert_int_eq(catalogue_find(&s.catalogue, name_of(1), &a), 0);
	ck_assert_uint_eq(a.tree, CATALOGUE_TABLES);
	ck_assert_int_eq(catalogue_create(&s.catalogue, name_of(1), 0, &b), VERSO_EXISTS);
	ck_assert_int_eq(catalogue_remove(&s.catalogue, name_of(1)), 0);
	ck_assert_int_eq(catalogue_find(&s.catalogue, name_of(1), &a), VERSO_NOTFOUND);
	ck_assert_int_eq(catalogue_create(&s.catalogue, name_of(1), 5, &b), 0);
	ck_assert_uint_gt(b.tree, a.tree);
	ck_assert_uint_eq(b.flags, 5);
	ck_assert_int_eq(catalogue_create(&s.catalogue, (struct btree_slice){"", 0}, 0, &b),
		VERSO_EMISUSE);
	ck_assert_int_eq(catalogue_update(&s.catalogue, (struct btree_slice){"no", 2}, &b),
		VERSO_NOTFOUND);
	b.kind = 9;
	ck_assert_int_eq(catalogue_update(&s.catalogue, name_of(2), &b), 0);
	ck_assert_int_eq(catalogue_find(&s.catalogue, name_of(2), &b), VERSO_EVERSION);
	trees_close(&s.catalogue, s.trees);
	txn_abort(s.txn);
	stack_free(&s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("btree_stack");
	TCase *t = tcase_create("stack");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, stream_survives_commits_aborts_and_reopening, 0,
		sizeof(settings) / sizeof(settings[0]));
	tcase_add_test(t, table_ids_are_never_used_again);
	suite_add_tcase(s, t);
	return check_main(s);
}
