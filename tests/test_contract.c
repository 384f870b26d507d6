/* SPDX-License-Identifier: MIT */
/*
 * The contract suite over every pager. To add one: a line in `kinds`. The pool comes with every
 * policy of its list.
 *
 *	VERSO_CONTRACT=NAME     runs the kinds whose name begins so
 *	VERSO_CONTRACT_QUICK=1  pages of other sizes than 4096 only on the simulated disk;
 *	                        2: and of the backends one alone
 */
#include "bufpool/bufpool.h"
#include "bufpool/policy.h"
#include "io/queue.h"
#include "mmap/mmap.h"
#include "tests/contract/contract_suite.h"
#include "tests/refpager/refpager.h"
#include "tests/refpager/plain_pool.h"
#include "vmcache/vmcache.h"

#include <stdio.h>
#include <stdlib.h>

static int open_reference(const struct contract_case *c, struct io *io, struct file *file,
	struct pager **ret_pager)
{
	return refpager_open(io, file, c->page_size, CONTRACT_SEED, CONTRACT_WRITER_PAGES,
		ret_pager);
}

static int open_forgetting(const struct contract_case *c, struct io *io, struct file *file,
	struct pager **ret_pager)
{
	int rc = open_reference(c, io, file, ret_pager);

	if (rc == 0)
		refpager_forget(*ret_pager);
	return rc;
}

static int open_plain(const struct contract_case *c, struct io *io, struct file *file,
	struct pager **ret_pager)
{
	(void)io;
	return plain_pool_open(file, c->page_size, CONTRACT_SEED, CONTRACT_WRITER_PAGES,
		2 * CONTRACT_READER_PAGES, ret_pager);
}

static int open_mmap(const struct contract_case *c, struct io *io, struct file *file,
	enum pager_checksum checksum, enum mmap_advice advice, struct pager **ret_pager)
{
	struct mmap_options opts = {
		.writer_pages = CONTRACT_WRITER_PAGES, .checksum = checksum, .advice = advice};

	return mmap_open(io, file, c->page_size, CONTRACT_SEED, &opts, ret_pager);
}

static int open_mmap_once(const struct contract_case *c, struct io *io, struct file *file,
	struct pager **ret_pager)
{
	return open_mmap(c, io, file, PAGER_CHECKSUM_ONCE, MMAP_ADVICE_RANDOM, ret_pager);
}

static int open_mmap_none(const struct contract_case *c, struct io *io, struct file *file,
	struct pager **ret_pager)
{
	return open_mmap(c, io, file, PAGER_CHECKSUM_NONE, MMAP_ADVICE_POPULATE, ret_pager);
}

static int open_mmap_writing(const struct contract_case *c, struct io *io, struct file *file,
	enum mmap_writing writing, struct pager **ret_pager)
{
	struct mmap_options opts = {.writer_pages = CONTRACT_WRITER_PAGES, .writing = writing};

	return mmap_open(io, file, c->page_size, CONTRACT_SEED, &opts, ret_pager);
}

/* Its writes through the backend of this case. */
static int open_mmap_backend(const struct contract_case *c, struct io *io, struct file *file,
	struct pager **ret_pager)
{
	struct mmap_options opts = {.writer_pages = CONTRACT_WRITER_PAGES};

	if (c->backend && strcmp(c->backend, "uring") == 0)
		opts.backend = QUEUE_URING;
	else if (c->backend && strcmp(c->backend, "threads") == 0)
		opts.backend = QUEUE_THREADS;
	return mmap_open(io, file, c->page_size, CONTRACT_SEED, &opts, ret_pager);
}

static int open_mmap_private(const struct contract_case *c, struct io *io, struct file *file,
	struct pager **ret_pager)
{
	return open_mmap_writing(c, io, file, MMAP_WRITE_PRIVATE, ret_pager);
}

static int open_mmap_shared(const struct contract_case *c, struct io *io, struct file *file,
	struct pager **ret_pager)
{
	return open_mmap_writing(c, io, file, MMAP_WRITE_SHARED, ret_pager);
}

static int open_mmap_always(const struct contract_case *c, struct io *io, struct file *file,
	struct pager **ret_pager)
{
	return open_mmap(c, io, file, PAGER_CHECKSUM_ALWAYS, MMAP_ADVICE_NORMAL, ret_pager);
}

static int open_pool_with(const struct contract_case *c, struct io *io, struct file *file,
	enum bufpool_policy policy, enum pager_checksum checksum, unsigned flags,
	struct pager **ret_pager)
{
	struct bufpool_options opts = {
		.writer_pages = CONTRACT_WRITER_PAGES,
		.reader_pages = CONTRACT_READER_PAGES,
		.policy = policy,
		.checksum = checksum,
		.flags = flags | BUFPOOL_SMALL_PAGES,
	};

	opts.cache_bytes = bufpool_cache_bytes_min(c->page_size, &opts);
	return bufpool_open(io, file, c->page_size, CONTRACT_SEED, &opts, ret_pager);
}

/* Of each policy, c->policy. */
static int open_pool(const struct contract_case *c, struct io *io, struct file *file,
	struct pager **ret_pager)
{
	return open_pool_with(c, io, file, (enum bufpool_policy)c->policy, PAGER_CHECKSUM_ONCE, 0,
		ret_pager);
}

static int open_pool_pins(const struct contract_case *c, struct io *io, struct file *file,
	struct pager **ret_pager)
{
	return open_pool_with(c, io, file, BUFPOOL_CLOCK, PAGER_CHECKSUM_NONE, BUFPOOL_PIN_ONLY,
		ret_pager);
}

static int open_pool_always(const struct contract_case *c, struct io *io, struct file *file,
	struct pager **ret_pager)
{
	return open_pool_with(c, io, file, BUFPOOL_CLOCK, PAGER_CHECKSUM_ALWAYS, 0, ret_pager);
}

static int open_vmcache(const struct contract_case *c, struct io *io, struct file *file,
	enum pager_checksum checksum, struct pager **ret_pager)
{
	struct vmcache_options opts = {
		.writer_pages = CONTRACT_WRITER_PAGES,
		.reader_pages = CONTRACT_READER_PAGES,
		.checksum = checksum,
	};

	opts.cache_bytes = vmcache_cache_bytes_min(c->page_size, &opts);
	return vmcache_open(io, file, c->page_size, CONTRACT_SEED, &opts, ret_pager);
}

static int open_vmcache_once(const struct contract_case *c, struct io *io, struct file *file,
	struct pager **ret_pager)
{
	return open_vmcache(c, io, file, PAGER_CHECKSUM_ONCE, ret_pager);
}

static int open_vmcache_none(const struct contract_case *c, struct io *io, struct file *file,
	struct pager **ret_pager)
{
	return open_vmcache(c, io, file, PAGER_CHECKSUM_NONE, ret_pager);
}

static int open_vmcache_always(const struct contract_case *c, struct io *io, struct file *file,
	struct pager **ret_pager)
{
	return open_vmcache(c, io, file, PAGER_CHECKSUM_ALWAYS, ret_pager);
}

/* Where a kind runs. */
enum {
	SIZES = 1 << 0, /* 512, 4096 and 65536-byte pages; else 4096 */
	BACKENDS =
		1
		<< 1, /* its pages go through the asynchronous queue: each backend; else the best */
	DIRECT = 1 << 2, /* with O_DIRECT as well */
	TRUSTS = 1 << 3, /* compares no checksums */
	STORES = 1 << 4, /* what is stored into a fresh page is the file's at once */
};

struct kind {
	const char *name;
	int (*open)(const struct contract_case *c, struct io *io, struct file *file,
		struct pager **ret_pager);
	unsigned where;
};

static const struct kind kinds[] = {
	{"bufpool, pins only, no checksums", open_pool_pins, TRUSTS},
	{"bufpool, checksums always", open_pool_always, 0},
	{"mmap, checksums once", open_mmap_once, SIZES},
	{"mmap, no checksums", open_mmap_none, TRUSTS},
	{"mmap, checksums always", open_mmap_always, 0},
	{"mmap, each backend", open_mmap_backend, BACKENDS},
	{"mmap, private writing", open_mmap_private, SIZES},
	{"mmap, shared writing", open_mmap_shared, SIZES | STORES},
	{"vmcache, checksums once", open_vmcache_once, SIZES | DIRECT},
	{"vmcache, no checksums", open_vmcache_none, BACKENDS | TRUSTS},
	{"vmcache, checksums always", open_vmcache_always, 0},
	{"reference", open_reference, SIZES},
	{"reference, forgetting", open_forgetting, SIZES},
	{"plain", open_plain, SIZES},
};

static const uint32_t sizes[] = {4096, 512, 65536};
static const char *const backends[] = {"uring", "threads", "sync"};

#define N_KINDS    (sizeof(kinds) / sizeof(kinds[0]))
#define N_SIZES    (sizeof(sizes) / sizeof(sizes[0]))
#define N_BACKENDS (sizeof(backends) / sizeof(backends[0]))

static bool backend_works(const char *backend)
{
	struct queue *queue;
	bool works;

	(void)setenv("VERSO_IO", backend, 1);
	works = io_queue(io_kernel(), 8, QUEUE_BEST, &queue) == 0;
	(void)unsetenv("VERSO_IO");
	if (works)
		queue_close(queue);
	return works;
}

/* The kernel, buffered and direct, on one backend; nothing where the kernel refuses the backend. */
static void add_kernel_cases(struct contract_case c, unsigned where)
{
	if (c.backend && !backend_works(c.backend))
		return;
	contract_add_case(&c);
	if (where & DIRECT) {
		c.file_flags = FILE_DIRECT;
		contract_add_case(&c);
	}
}

static void add_kind(const struct kind *kind, unsigned policy)
{
	const char *text = getenv("VERSO_CONTRACT_QUICK");
	int quick = text ? atoi(text) : 0;
	unsigned where = kind->where;

	for (size_t i = 0; i < (where & SIZES ? N_SIZES : 1); i++) {
		struct contract_case c = {
			.name = kind->name,
			.open = kind->open,
			.policy = policy,
			.page_size = sizes[i],
			.trusting = where & TRUSTS,
			.stores = where & STORES,
		};

		for (size_t r = 0; r < (where & BACKENDS && quick < 2 ? N_BACKENDS : 1); r++) {
			if (quick && c.page_size != 4096)
				break;
			c.backend = where & BACKENDS ? backends[r] : NULL;
			add_kernel_cases(c, where);
		}
		c.backend = NULL;
		c.simulated = true;
		contract_add_case(&c);
	}
}

/* Every policy of the pool; what does not depend on it, with the first ones only. */
static void add_policies(void)
{
	static const unsigned where[N_POLICIES] = {
		[BUFPOOL_CLOCK] = SIZES | BACKENDS | DIRECT, [BUFPOOL_SIEVE] = BACKENDS};
	static char names[N_POLICIES][32];

	for (unsigned i = 0; i < N_POLICIES; i++) {
		struct kind kind = {names[i], open_pool, where[i]};

		(void)snprintf(names[i], sizeof(names[i]), "bufpool, %s",
			bufpool_policies[i]->name);
		add_kind(&kind, i);
	}
}

static void add_cases(void)
{
	add_policies();
	for (size_t k = 0; k < N_KINDS; k++)
		add_kind(&kinds[k], 0);
}

START_TEST(every_backend_is_tried)
{
	if (!backend_works(backends[_i]))
		check_skip("this kernel refuses %s", backends[_i]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("contract");
	TCase *tc = tcase_create("backends");

	add_cases();
	tcase_add_loop_test(tc, every_backend_is_tried, 0, N_BACKENDS);
	suite_add_tcase(s, tc);
	contract_add(s);
	return check_main(s);
}
