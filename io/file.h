/* SPDX-License-Identifier: MIT */
/*
 * A file: whole transfers at given offsets, synchronously. What is asynchronous is in io/queue.h.
 *
 * One descriptor both writes and syncs for the whole life of the file, because the kernel reports
 * a failed write-back once for each open description. All calls may block and may be made by any
 * thread; a transfer moves every byte or fails (short transfers and EINTR are carried on inside, a
 * bounded number of times).
 */
#ifndef IO_FILE_H
#define IO_FILE_H

#include "base/assert.h"
#include "io/io.h"

#include <stdbool.h>

/* Which copy of the bytes a read is after. */
enum file_view {
	FILE_LIVE,   /* what any reader sees now, caches included */
	FILE_DEVICE, /* what the device holds: past the page cache where `device_direct` is true */
};

enum lock_kind { LOCK_NONE, LOCK_SHARED, LOCK_EXCLUSIVE };

struct file_ops {
	/* All len_bytes at off_bytes; VERSO_EIO past the end of the file; -errno. */
	int (*read)(struct file *f, void *buf, size_t len_bytes, uint64_t off_bytes,
		enum file_view view);

	/* All len_bytes; not durable before sync. On failure an unknown part was written. */
	int (*write)(struct file *f, const void *buf, size_t len_bytes, uint64_t off_bytes);

	/*
	 * fdatasync: makes durable the bytes, and the size, of every write that had completed
	 * before the call. After a failure an unknown part of them is lost although reads still
	 * show it: never call it again in the hope of a better result.
	 */
	int (*sync)(struct file *f);

	/* Sets the size; growth reads as zeros. */
	int (*truncate)(struct file *f, uint64_t size_bytes);

	/*
	 * Makes blocks for [off, off + len), growing the file and filling holes, which read as
	 * zeros as before: -ENOSPC now instead of later. A file system without fallocate fills no
	 * holes.
	 */
	int (*allocate)(struct file *f, uint64_t off_bytes, uint64_t len_bytes);

	int (*size)(struct file *f, uint64_t *ret_size_bytes);

	/*
	 * Whether f is still the file of its name, and has at least least_bytes: 0, or with a text
	 * -ENOENT (it was removed), -ESTALE (another file has the name), VERSO_EIO (it was cut). A
	 * file that was only given another name is still there.
	 */
	int (*check_there)(struct file *f, uint64_t least_bytes);

	/* Whether other, an open file of the same io, is the same file, by whatever name. */
	bool (*is_same)(struct file *f, struct file *other);

	/*
	 * Takes, changes or gives up an open-file-description lock on a byte range, without
	 * waiting. VERSO_EBUSY: another owner holds it.
	 */
	int (*lock)(struct file *f, enum lock_kind kind, uint64_t off_bytes, uint64_t len_bytes);

	/*
	 * The same, but waits for another owner, without end: it is for locks that their owners
	 * hold for a short time. A simulated disk, which has one thread, answers VERSO_EBUSY.
	 */
	int (*wait_lock)(struct file *f, enum lock_kind kind, uint64_t off_bytes,
		uint64_t len_bytes);

	/*
	 * Whether another owner holds a lock that `kind` on this range would meet: *ret_found. Of
	 * several any one, *ret_off_bytes being its first byte in the range. Takes nothing; by the
	 * time of the answer it may have changed.
	 */
	int (*find_lock)(struct file *f, enum lock_kind kind, uint64_t off_bytes,
		uint64_t len_bytes, bool *ret_found, uint64_t *ret_off_bytes);

	/*
	 * Gives f the owner, the group and the permissions to read and write that `like` has, as
	 * far as this process may. Another open file of the same io.
	 */
	void (*imitate)(struct file *f, struct file *like);

	/* Ends f and gives up its locks. Cannot fail. */
	void (*close)(struct file *f);

	/*
	 * Ends f in a child after fork(), where it stands for the parent's file: the locks remain
	 * the parent's, and fall with it. Cannot fail.
	 */
	void (*abandon)(struct file *f);
};

struct file {
	const struct file_ops *ops;
	struct io *io;
	const char *path;       /* for error texts; NULL: no name; constant */
	bool direct;            /* transfers bypass the page cache; constant */
	bool device_direct;     /* FILE_DEVICE reads bypass the page cache; constant */
	const char *direct_why; /* why `direct` is as it is, for people; static text */
	const char
		*moves; /* a name for people of the file system when what overwrites a block takes
			      a new one (copy-on-write), so that a store through a map may find
			      none: SIGBUS; NULL: blocks stay where they are; constant */
	bool is_remote; /* on a network file system: locks and maps may be those of one host;
			   constant */
	uint32_t align_bytes; /* of buffers, offsets and lengths where a transfer is direct (device
				 reads too); 1 when neither can be direct; constant */
};

static inline int file_read(struct file *f, void *buf, size_t len_bytes, uint64_t off_bytes,
	enum file_view view)
{
	return f->ops->read(f, buf, len_bytes, off_bytes, view);
}

static inline int file_write(struct file *f, const void *buf, size_t len_bytes, uint64_t off_bytes)
{
	DCHECK(!f->direct || off_bytes % f->align_bytes == 0);
	return f->ops->write(f, buf, len_bytes, off_bytes);
}

static inline int file_sync(struct file *f)
{
	return f->ops->sync(f);
}

static inline int file_truncate(struct file *f, uint64_t size_bytes)
{
	return f->ops->truncate(f, size_bytes);
}

static inline int file_allocate(struct file *f, uint64_t off_bytes, uint64_t len_bytes)
{
	return f->ops->allocate(f, off_bytes, len_bytes);
}

static inline int file_size(struct file *f, uint64_t *ret_size_bytes)
{
	return f->ops->size(f, ret_size_bytes);
}

static inline int file_check_there(struct file *f, uint64_t least_bytes)
{
	return f->ops->check_there(f, least_bytes);
}

static inline bool file_is_same(struct file *f, struct file *other)
{
	return f->ops->is_same(f, other);
}

static inline int file_lock(struct file *f, enum lock_kind kind, uint64_t off_bytes,
	uint64_t len_bytes)
{
	return f->ops->lock(f, kind, off_bytes, len_bytes);
}

static inline int file_wait_lock(struct file *f, enum lock_kind kind, uint64_t off_bytes,
	uint64_t len_bytes)
{
	return f->ops->wait_lock(f, kind, off_bytes, len_bytes);
}

static inline int file_find_lock(struct file *f, enum lock_kind kind, uint64_t off_bytes,
	uint64_t len_bytes, bool *ret_found, uint64_t *ret_off_bytes)
{
	return f->ops->find_lock(f, kind, off_bytes, len_bytes, ret_found, ret_off_bytes);
}

static inline void file_imitate(struct file *f, struct file *like)
{
	f->ops->imitate(f, like);
}

/* Takes NULL. */
static inline void file_abandon(struct file *f)
{
	if (f)
		f->ops->abandon(f);
}

/* Takes NULL. */
static inline void file_close(struct file *f)
{
	if (f)
		f->ops->close(f);
}

#endif
