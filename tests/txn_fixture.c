/* SPDX-License-Identifier: MIT */
#include "tests/txn_fixture.h"
#include "base/error.h"
#include "bufpool/bufpool.h"
#include "mmap/mmap.h"
#include "vmcache/vmcache.h"

#define PAGE_BYTES 512U

static const uint8_t uuid[16] = "0123456789abcdef";

void txn_ok(int rc)
{
	ck_assert_msg(rc == 0, "%d: %s", rc, error_text());
}

void txn_stack_format(struct txn_stack *s)
{
	txn_ok(io_open(s->io, "/db", FILE_CREATE, 0600, &s->file));
	txn_ok(txn_format(s->file, PAGE_BYTES, uuid, &s->options));
	file_close(s->file);
	s->file = NULL;
}

void txn_stack_options(struct txn_stack *s, enum txn_commit_mode mode, enum txn_sync sync)
{
	memset(s, 0, sizeof(*s));
	s->options = (struct txn_options){
		.mode = mode,
		.sync = sync,
		.group_pages = 256,
		.meta_pending_max = 6,
		.meta_groups_max = 2,
		.dirty_max_pages = 8,
		.grow_pages = 32,
		.cut_pages = 32,
	};
}

void txn_stack_make(struct txn_stack *s, enum txn_commit_mode mode, enum txn_sync sync)
{
	txn_stack_options(s, mode, sync);
	s->disk = simdisk_new(NULL);
	s->io = simdisk_io(s->disk);
	txn_stack_format(s);
}

static int pager_open(struct txn_stack *s, const struct txn_probe *probe)
{
	uint32_t n = txn_writer_pages(&s->options);
	struct bufpool_options pool = {.writer_pages = n, .reader_pages = 64};
	struct vmcache_options vm = {.writer_pages = n, .reader_pages = 64};
	struct mmap_options map = {.writer_pages = n};
	int rc;

	pool.flags = BUFPOOL_SMALL_PAGES;
	pool.cache_bytes = bufpool_cache_bytes_min(probe->page_size, &pool);
	switch (s->pager_kind) {
	case TXN_BUFPOOL:
		return bufpool_open(s->io, s->file, probe->page_size, probe->seed, &pool,
			&s->pager);
	case TXN_MMAP_SHARED:
		map.writing = MMAP_WRITE_SHARED;
		return mmap_open(s->io, s->file, probe->page_size, probe->seed, &map, &s->pager);
	case TXN_VMCACHE:
		vm.cache_bytes = vmcache_cache_bytes_min(probe->page_size, &vm);
		return vmcache_open(s->io, s->file, probe->page_size, probe->seed, &vm, &s->pager);
	case TXN_MMAP:
		return mmap_open(s->io, s->file, probe->page_size, probe->seed, &map, &s->pager);
	default:
		rc = refpager_open(s->io, s->file, probe->page_size, probe->seed, n, &s->pager);
		if (rc == 0 && !s->keep)
			refpager_forget(s->pager);
		return rc;
	}
}

static bool is_direct(const struct txn_stack *s)
{
	return s->pager_kind == TXN_BUFPOOL || s->pager_kind == TXN_VMCACHE;
}

int txn_stack_try_open(struct txn_stack *s)
{
	struct txn_probe probe;
	int rc = io_open(s->io, "/db", FILE_CREATE | (is_direct(s) ? FILE_DIRECT : 0u), 0600,
		&s->file);

	if (rc)
		goto out;
	rc = txn_probe(s->file, &probe);
	if (rc == 0)
		rc = pager_open(s, &probe);
	if (rc)
		goto file;
	rc = txn_env_open(s->pager, &probe, &toy_schema, &s->options, &s->env);
	if (rc == 0)
		return 0;
	pager_close(s->pager);
file:
	file_close(s->file);
out:
	s->env = NULL;
	return rc;
}

void txn_stack_open(struct txn_stack *s)
{
	txn_ok(txn_stack_try_open(s));
}

void txn_stack_close(struct txn_stack *s)
{
	if (!s->env)
		return;
	txn_env_close(s->env);
	pager_close(s->pager);
	file_close(s->file);
	s->env = NULL;
}

void txn_stack_free(struct txn_stack *s)
{
	txn_stack_close(s);
	simdisk_free(s->disk);
}

void txn_stack_set(struct txn_stack *s, unsigned from, unsigned to, uint64_t value)
{
	struct txn *txn;

	txn_ok(txn_begin_write(s->env, &txn));
	for (unsigned i = from; i < to; i++)
		txn_ok(toy_set(txn, i, value));
	txn_ok(txn_commit(txn));
}

void txn_stack_expect(struct txn_stack *s, const uint64_t *model)
{
	uint64_t *cells = check_alloc(TOY_CELLS * sizeof(*cells));
	struct txn *txn;

	txn_ok(txn_begin_read(s->env, &txn));
	txn_ok(toy_read(txn, cells));
	txn_abort(txn);
	ck_assert_mem_eq(cells, model, TOY_CELLS * sizeof(*cells));
}
