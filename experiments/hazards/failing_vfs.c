/* SPDX-License-Identifier: MIT */
/*
 * Everything goes on to SQLite's own VFS but read() and the mapping. A page that cannot be loaded
 * is a page of a mapping behind the end of its file. A load of it ends in SIGBUS, as one does
 * that the disk has failed.
 */
#include "experiments/hazards/failing_vfs.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define HOLE_BYTES  (64U << 10) /* SQLite's largest page */
#define FIRST_BYTES 4096        /* of the file: in memory since the opening, so nothing loads it */

struct failing_file {
	sqlite3_file base;
	sqlite3_file *real; /* behind this struct */
};

static bool fails;
static void *hole; /* HOLE_BYTES that cannot be loaded */
static sqlite3_vfs vfs;
static sqlite3_io_methods methods;

static sqlite3_file *real_of(sqlite3_file *f)
{
	return ((struct failing_file *)f)->real;
}

static int f_close(sqlite3_file *f)
{
	return real_of(f)->pMethods->xClose(real_of(f));
}

static int f_read(sqlite3_file *f, void *to, int n, sqlite3_int64 off)
{
	return fails && off >= FIRST_BYTES ? SQLITE_IOERR_READ
					   : real_of(f)->pMethods->xRead(real_of(f), to, n, off);
}

static int f_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 off)
{
	return real_of(f)->pMethods->xWrite(real_of(f), from, n, off);
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int f_sync(sqlite3_file *f, int flags)
{
	return real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int f_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int f_lock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int f_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int f_check(sqlite3_file *f, int *out)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int f_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int f_device(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int f_fetch(sqlite3_file *f, sqlite3_int64 off, int n, void **ret)
{
	int rc = real_of(f)->pMethods->xFetch(real_of(f), off, n, ret);

	if (rc == SQLITE_OK && *ret && fails && off >= FIRST_BYTES) {
		(void)real_of(f)->pMethods->xUnfetch(real_of(f), off, *ret);
		*ret = hole;
	}
	return rc;
}

static int f_unfetch(sqlite3_file *f, sqlite3_int64 off, void *p)
{
	return p == hole && p ? SQLITE_OK : real_of(f)->pMethods->xUnfetch(real_of(f), off, p);
}

static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	struct failing_file *file = (struct failing_file *)f;
	sqlite3_vfs *real = v->pAppData;
	int rc;

	file->real = (sqlite3_file *)(file + 1);
	rc = real->xOpen(real, name, file->real, flags, ret_flags);
	f->pMethods = rc == SQLITE_OK ? &methods : NULL;
	return rc;
}

/* What SIGBUS comes of: a mapping of an empty file. */
static bool make_hole(void)
{
	int fd = memfd_create("hole", MFD_CLOEXEC);

	if (fd < 0)
		return false;
	hole = mmap(NULL, HOLE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	(void)close(fd);
	return hole != MAP_FAILED;
}

const char *failing_vfs(void)
{
	sqlite3_vfs *real = sqlite3_vfs_find(NULL);

	if (vfs.zName)
		return vfs.zName;
	if (!real || !make_hole())
		return NULL;
	/* Version 3 of the methods without shared memory: a rollback journal needs none. */
	methods = (sqlite3_io_methods){3, f_close, f_read, f_write, f_truncate, f_sync, f_size,
		f_lock, f_unlock, f_check, f_control, f_sector, f_device, NULL, NULL, NULL, NULL,
		f_fetch, f_unfetch};
	vfs = *real;
	vfs.zName = "failing";
	vfs.pNext = NULL;
	vfs.pAppData = real;
	vfs.szOsFile = (int)sizeof(struct failing_file) + real->szOsFile;
	vfs.xOpen = v_open;
	if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK)
		vfs.zName = NULL;
	return vfs.zName;
}

void failing_vfs_fail(void)
{
	fails = true;
}
