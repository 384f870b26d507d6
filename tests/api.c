/* SPDX-License-Identifier: MIT */
#include "tests/api.h"
#include "io/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const api_pager_names[API_PAGERS] = {
	[VERSO_BUFPOOL] = "bufpool", [VERSO_MMAP] = "mmap", [VERSO_VMCACHE] = "vmcache"};

const char *api_path(char *buf, const char *name)
{
	char own[64];

	(void)snprintf(own, sizeof(own), "%d-%.40s", (int)getpid(), name);
	return check_path(buf, own);
}

struct verso *api_open_with(int pager, const char *name, struct verso_options options)
{
	char path[CHECK_PATH_BYTES];
	struct verso *db;

	options.size = sizeof(options);
	options.pager = (enum verso_pager)pager;
	if (!(options.flags & VERSO_RDONLY))
		options.flags |= VERSO_CREATE;
	API_OK(verso_open(api_path(path, name), &options, &db));
	return db;
}

struct verso *api_open(int pager, const char *name, unsigned flags)
{
	return api_open_with(pager, name, (struct verso_options){.flags = flags});
}

int api_try_open(int pager, const char *path, unsigned flags, struct verso **ret_db)
{
	struct verso_options o = {.size = sizeof(o),
		.pager = (enum verso_pager)pager,
		.flags = flags,
		.cache_bytes = 4 << 20};

	return verso_open(path, &o, ret_db);
}

struct verso *api_must_open(int pager, const char *path, unsigned flags)
{
	struct verso *db = NULL;

	API_OK(api_try_open(pager, path, flags, &db));
	return db;
}

static _Atomic uint64_t impatient_ns;

static uint64_t impatient_now_ns(struct io *io)
{
	(void)io;
	return impatient_ns;
}

static void impatient_pause_ns(struct io *io, uint64_t wait_ns)
{
	(void)io;
	impatient_ns += wait_ns;
}

struct io *api_impatient_io(void)
{
	static struct io_ops ops;
	static struct io io = {&ops};

	ops = *io_kernel()->ops;
	ops.now_ns = impatient_now_ns;
	ops.pause_ns = impatient_pause_ns;
	return &io;
}

struct verso_txn *api_begin(struct verso *db, unsigned flags)
{
	struct verso_txn *txn;

	API_OK(verso_begin(db, flags, &txn));
	return txn;
}

struct verso_val api_val(const char *text)
{
	return (struct verso_val){text, strlen(text)};
}

void api_put(struct verso_txn *txn, struct verso_table *table, const char *key, const char *val)
{
	API_OK(verso_put(txn, table, api_val(key), api_val(val), 0));
}

int api_has(struct verso_txn *txn, struct verso_table *table, const char *key, const char *val)
{
	struct verso_val found;
	int rc = verso_get(txn, table, api_val(key), &found);

	if (!val)
		return rc == VERSO_NOTFOUND;
	return rc == 0 && found.len == strlen(val) && memcmp(found.data, val, found.len) == 0;
}

int api_try_put(struct verso *db, const char *key, const char *val)
{
	struct verso_txn *txn;
	int rc = verso_begin(db, VERSO_WRITE, &txn);

	if (rc < 0)
		return rc;
	rc = verso_put(txn, NULL, api_val(key), api_val(val), 0);
	if (rc == 0)
		return verso_commit(txn);
	verso_abort(txn);
	return rc;
}

bool api_sees(struct verso *db, const char *key, const char *val)
{
	struct verso_txn *txn = api_begin(db, VERSO_READ);
	bool has = api_has(txn, NULL, key, val);

	verso_abort(txn);
	return has;
}

void api_fill(struct verso *db, unsigned n, size_t len)
{
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	char key[32], *val = malloc(len + 1);

	ck_assert_ptr_nonnull(val);
	for (unsigned i = 0; i < n; i++) {
		memset(val, (int)('a' + i % 26), len);
		(void)snprintf(key, sizeof(key), "key%06u", i);
		API_OK(verso_put(txn, NULL, api_val(key), (struct verso_val){val, len}, 0));
	}
	free(val);
	API_OK(verso_commit(txn));
}

static int tell(void *arg, uint32_t pgno, const char *text)
{
	(void)arg;
	(void)fprintf(stderr, "check: page %u: %s\n", (unsigned)pgno, text);
	return 0;
}

void api_check(struct verso *db)
{
	API_OK(verso_check(db, 0, tell, NULL));
}

/* By the io floor alone: a pager that refuses of its own accord is no reason to skip a test. */
static bool bypasses_the_cache(void)
{
	char path[CHECK_PATH_BYTES];
	struct file *f;
	bool does;

	ck_assert_int_eq(io_open(io_kernel(), api_path(path, "direct"), FILE_CREATE, 0600, &f), 0);
	does = f->device_direct;
	file_close(f);
	return does;
}

bool api_skips_process(int pager)
{
	char path[CHECK_PATH_BYTES];
	struct verso_options o = {.size = sizeof(o),
		.pager = (enum verso_pager)pager,
		.sync = VERSO_SYNC_PROCESS,
		.flags = VERSO_CREATE};
	struct verso *db;
	int rc = verso_open(api_path(path, "process"), &o, &db);

	if (rc == 0)
		verso_close(db);
	if (rc != -EOPNOTSUPP || bypasses_the_cache())
		return false;
	check_skip("there is no O_DIRECT here");
	return true;
}
