/* SPDX-License-Identifier: MIT */
/*
 * The pagers, a row each: what verso_open() must know of one to wire it to a file. A pager that is
 * added is a function that opens it and a row of kinds[].
 */
#include "db/pagers.h"
#include "bufpool/bufpool.h"
#include "mmap/mmap.h"
#include "vmcache/vmcache.h"

/* The enums of policies have one order, so that users can have every policy of the pool. */
#define POLICY(NAME, name)                                                                         \
	_Static_assert((int)VERSO_POLICY_##NAME == (int)BUFPOOL_##NAME,                            \
		"enum verso_policy and BUFPOOL_POLICIES have one order");
BUFPOOL_POLICIES(POLICY)
#undef POLICY
_Static_assert((int)VERSO_POLICIES == (int)N_POLICIES, "each policy stands in enum verso_policy");

/* 0: none. */
static uint32_t ahead_pages(const struct verso_options *o, uint32_t page_size)
{
	size_t n = o->readahead_pages;

	if (n == VERSO_NO_READAHEAD)
		return 0;
	if (n == 0)
		n = PAGER_AHEAD_BYTES_DEFAULT / page_size;
	return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

/* The writer's share follows from the transactions' options, as under the other pagers (D7). */
static struct bufpool_options pool_options(const struct verso_options *o,
	const struct txn_options *txn, uint32_t page_size)
{
	return (struct bufpool_options){
		.cache_bytes = o->cache_bytes,
		.cache_bytes_max = o->cache_bytes_max,
		.writer_pages = txn_writer_pages(txn),
		.ahead_pages = o->readahead_pages == 0 ? 0 : ahead_pages(o, page_size),
		.policy = (enum bufpool_policy)o->policy,
		.checksum = (enum pager_checksum)o->checksum,
		.backend = (enum queue_backend)o->io,
		.flags = (o->flags & VERSO_SMALL_PAGES ? BUFPOOL_SMALL_PAGES : 0u) |
			 (o->flags & VERSO_PIN_INNER ? BUFPOOL_PIN_ONLY : 0u) |
			 (o->readahead_pages == VERSO_NO_READAHEAD ? BUFPOOL_NO_AHEAD : 0u),
	};
}

static struct vmcache_options vmcache_options(const struct verso_options *o,
	const struct txn_options *txn, uint32_t page_size)
{
	return (struct vmcache_options){
		.cache_bytes = o->cache_bytes,
		.writer_pages = txn_writer_pages(txn),
		.checksum = (enum pager_checksum)o->checksum,
		.backend = (enum queue_backend)o->io,
		.ahead_pages = ahead_pages(o, page_size),
		.no_ahead = o->readahead_pages == VERSO_NO_READAHEAD,
	};
}

_Static_assert((int)VERSO_IO_URING == (int)QUEUE_URING && (int)VERSO_IO_SYNC == (int)QUEUE_SYNC,
	"the backends have one order");
_Static_assert((int)VERSO_MADVISE_NORMAL == (int)MMAP_ADVICE_NORMAL &&
		       (int)VERSO_MADVISE_CURSOR == (int)MMAP_ADVICE_CURSOR,
	"the advices have one order");
_Static_assert((int)VERSO_MAP_PRIVATE == (int)MMAP_WRITE_PRIVATE &&
		       (int)VERSO_MAP_SHARED == (int)MMAP_WRITE_SHARED,
	"the ways of writing have one order");
_Static_assert((int)VERSO_CHECKSUM_NONE == (int)PAGER_CHECKSUM_NONE &&
		       (int)VERSO_CHECKSUM_ALWAYS == (int)PAGER_CHECKSUM_ALWAYS,
	"the checksum policies have one order");

static int open_bufpool(struct verso *db, const struct txn_probe *probe,
	const struct txn_options *txn)
{
	struct bufpool_options options = pool_options(&db->options, txn, probe->page_size);

	return bufpool_open(db->io, db->file, probe->page_size, probe->seed, &options, &db->pager);
}

static int open_mmap(struct verso *db, const struct txn_probe *probe, const struct txn_options *txn)
{
	const struct verso_options *o = &db->options;
	struct mmap_options options = {
		.writer_pages = txn_writer_pages(txn),
		.checksum = (enum pager_checksum)o->checksum,
		.advice = (enum mmap_advice)o->madvise,
		.writing = o->flags & VERSO_RDONLY ? MMAP_WRITE_HEAP
						   : (enum mmap_writing)o->map_writing,
		.backend = (enum queue_backend)o->io,
		.ahead_pages = o->readahead_pages == 0 ? MMAP_AHEAD_PAGES_DEFAULT
						       : ahead_pages(o, probe->page_size),
	};

	return mmap_open(db->io, db->file, probe->page_size, probe->seed, &options, &db->pager);
}

static int open_vmcache(struct verso *db, const struct txn_probe *probe,
	const struct txn_options *txn)
{
	struct vmcache_options options = vmcache_options(&db->options, txn, probe->page_size);

	return vmcache_open(db->io, db->file, probe->page_size, probe->seed, &options, &db->pager);
}

/* What would be refused when the file is there. */
static int check_bufpool(const struct verso_options *o, const struct txn_options *txn,
	uint32_t page_size)
{
	struct bufpool_options options = pool_options(o, txn, page_size);

	return bufpool_check_cache(page_size, &options);
}

static int check_vmcache(const struct verso_options *o, const struct txn_options *txn,
	uint32_t page_size)
{
	struct vmcache_options options = vmcache_options(o, txn, page_size);

	return vmcache_check_cache(page_size, &options);
}

static const struct pager_kind kinds[] = {
	[VERSO_BUFPOOL] = {.name = "the buffer pool",
		.transfers = true,
		.check_cache = check_bufpool,
		.fits_file = bufpool_fits_file,
		.open = open_bufpool},
	/* Direct writes beside a live map of the file would leave the map stale. */
	[VERSO_MMAP] = {.name = "the map", .open = open_mmap},
	[VERSO_VMCACHE] = {.name = "vmcache",
		.transfers = true,
		.check_cache = check_vmcache,
		.fits_file = vmcache_fits_file,
		.open = open_vmcache},
};

const struct pager_kind *pager_kind_of(const struct verso_options *o)
{
	return (size_t)o->pager < sizeof(kinds) / sizeof(kinds[0]) ? &kinds[o->pager] : NULL;
}

const char *pager_name(uint32_t pager)
{
	return pager < sizeof(kinds) / sizeof(kinds[0]) ? kinds[pager].name : "another pager";
}
