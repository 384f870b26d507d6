/* SPDX-License-Identifier: MIT */
/*
 * The bare device: each record is a page of the file at random, read past the page cache and not
 * looked into. What a pool can reach at that depth, which is the number of threads (rule R11).
 */
#include "experiments/cell/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES 4096U

struct engine_db {
	int fd;
	uint64_t n_blocks;
};

struct engine_thread {
	struct engine_db *owner;
	unsigned char *block;
};

static struct engine_db *open_db(const struct config *config, bool create, bool write)
{
	struct engine_db *db = calloc(1, sizeof(*db));
	struct stat st;

	if (!db || create || write)
		cell_fail("open", "the device is only read");
	db->fd = open(config->file, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (db->fd < 0 || fstat(db->fd, &st) < 0)
		cell_fail("open", "%s: %s", config->file, strerror(errno));
	db->n_blocks = (uint64_t)st.st_size / BLOCK_BYTES;
	if (db->n_blocks == 0)
		cell_fail("open", "%s: expected at least a block of 4 KiB", config->file);
	return db;
}

static void close_db(struct engine_db *db)
{
	(void)close(db->fd);
	free(db);
}

static struct engine_thread *attach(struct engine_db *db, bool write)
{
	struct engine_thread *t = calloc(1, sizeof(*t));
	void *block;

	(void)write;
	if (!t || posix_memalign(&block, BLOCK_BYTES, BLOCK_BYTES) != 0)
		cell_fail("attach", "no memory");
	t->owner = db;
	t->block = block;
	return t;
}

static void detach(struct engine_thread *t)
{
	free(t->block);
	free(t);
}

static void refresh(struct engine_thread *t)
{
	(void)t;
}

static size_t get(struct engine_thread *t, size_t n, const uint64_t *records,
	engine_check_fn *check, void *arg)
{
	(void)check;
	(void)arg;
	for (size_t i = 0; i < n; i++) {
		uint64_t block = data_mix(records[i]) % t->owner->n_blocks;

		if (pread(t->owner->fd, t->block, BLOCK_BYTES, (off_t)(block * BLOCK_BYTES)) !=
			(ssize_t)BLOCK_BYTES)
			cell_fail("read", "%s", strerror(errno));
	}
	return n;
}

static bool stat_device(struct engine_db *db, struct verso_stat *ret)
{
	(void)db;
	(void)ret;
	return false;
}

const struct engine engine_device = {
	.name = "device",
	.open = open_db,
	.close = close_db,
	.attach = attach,
	.detach = detach,
	.refresh = refresh,
	.get = get,
	.stat = stat_device,
};
