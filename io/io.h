/* SPDX-License-Identifier: MIT */
/*
 * The kernel as Verso sees it: one table, so that a simulated disk can stand in for it.
 *
 * Everything that reaches storage goes through a `struct io`: opening, names, randomness and the
 * clock here; bytes in io/file.h, mappings in io/map.h, the asynchronous queue in io/queue.h. The
 * real kernel is io_kernel(); the tests have others (tests/sim).
 */
#ifndef IO_IO_H
#define IO_IO_H

#include <stddef.h>
#include <stdint.h>

struct io;
struct file;
struct map;
struct queue;

enum file_flags {
	FILE_CREATE = 1 << 0,   /* make it when it is not there */
	FILE_EXCL = 1 << 1,     /* with FILE_CREATE: fail with -EEXIST when it is there */
	FILE_RDONLY = 1 << 2,   /* else read and write */
	FILE_DIRECT = 1 << 3,   /* bypass the page cache where the file system allows it */
	FILE_ANY_FS = 1 << 4,   /* accept a network file system too */
	FILE_NOFOLLOW = 1 << 5, /* a symbolic link is refused (-ELOOP), not followed */
	FILE_UNNAMED = 1 << 6,  /* a new, empty file in the folder of the path, without a name: it
				   is gone at its close, unless io_name() gave it one.
				   -EOPNOTSUPP where the file system has no such files */
};

enum map_mode {
	MAP_READ_SHARED,   /* the pager's view of a file: read-only, grows in place */
	MAP_WRITE_SHARED,  /* what is stored is the file's at once */
	MAP_WRITE_PRIVATE, /* what is stored stays here, until ADVICE_DONTNEED throws it away */
};

/* How the queue reaches the kernel, best first. */
enum queue_backend {
	QUEUE_BEST, /* the first of the following that this kernel allows */
	QUEUE_URING,
	QUEUE_THREADS,
	QUEUE_SYNC,
	QUEUE_BACKGROUND, /* a ring that a thread of ours submits to; taken only by name */
};

/* This process, and the time: for people to read. */
struct io_self {
	uint64_t pid;
	int64_t now_s;    /* seconds since 1970, UTC */
	char program[32]; /* its name, filled up with zeros */
};

struct io_ops {
	const char *name;

	/*
	 * Opens a regular file. Refuses, with a text that says what to do: a directory (-EISDIR),
	 * a FIFO, socket or device (VERSO_ENOTDB), a network file system unless FILE_ANY_FS
	 * (-EOPNOTSUPP), no permission (-EACCES). Never blocks on a FIFO. `mode`: file mode at
	 * creation. Never takes descriptor 0, 1 or 2. *ret_file is the caller's, until
	 * file_close(). The name of a created file is not durable before sync_dir().
	 */
	int (*open)(struct io *io, const char *path, unsigned flags, unsigned mode,
		struct file **ret_file);

	/* Makes the names in the folder that holds `path` durable. May block. */
	int (*sync_dir)(struct io *io, const char *path);

	/* Removes the name. -ENOENT when it does not exist. */
	int (*unlink)(struct io *io, const char *path);

	/* Gives a file another name in its folder, atomically; replaces a file of that name. */
	int (*rename)(struct io *io, const char *from, const char *to);

	/*
	 * Gives an open file the name `to` in its folder, atomically, and takes away the one it was
	 * opened by, if it has one. -EEXIST: something is called so, and nothing has changed. Not
	 * durable before sync_dir().
	 */
	int (*name_file)(struct io *io, struct file *file, const char *to);

	/*
	 * Maps `file` from off_bytes on (a multiple of 64 KiB), within a reservation of
	 * reserve_bytes of address space that never moves. Nothing is accessible before
	 * map_extend(). The map is closed before its file. -ENOMEM, -EAGAIN (mlockall).
	 */
	int (*map)(struct io *io, struct file *file, enum map_mode mode, uint64_t off_bytes,
		uint64_t reserve_bytes, struct map **ret_map);

	/*
	 * Opens a queue of `depth` requests (1..4096). QUEUE_BEST falls from backend to backend and
	 * remembers why; any other backend is taken or refused. VERSO_IO=uring|threads|sync
	 * overrides QUEUE_BEST.
	 */
	int (*queue)(struct io *io, unsigned depth, enum queue_backend backend,
		struct queue **ret_queue);

	/* Fills buf with len_bytes from the system's random source. */
	int (*random)(struct io *io, void *buf, size_t len_bytes);

	/* Monotonic; for display, measurement and waits that end. Never written to a file. */
	uint64_t (*now_ns)(struct io *io);

	/* Returns after about that time, or sooner: for what can only be asked again. */
	void (*pause_ns)(struct io *io, uint64_t wait_ns);

	void (*self)(struct io *io, struct io_self *ret_self);
};

struct io {
	const struct io_ops *ops;
};

/* The real kernel. Static; never closed; any thread. */
struct io *io_kernel(void);

static inline int io_open(struct io *io, const char *path, unsigned flags, unsigned mode,
	struct file **ret_file)
{
	return io->ops->open(io, path, flags, mode, ret_file);
}

static inline int io_sync_dir(struct io *io, const char *path)
{
	return io->ops->sync_dir(io, path);
}

static inline int io_unlink(struct io *io, const char *path)
{
	return io->ops->unlink(io, path);
}

static inline int io_rename(struct io *io, const char *from, const char *to)
{
	return io->ops->rename(io, from, to);
}

static inline int io_name_file(struct io *io, struct file *file, const char *to)
{
	return io->ops->name_file(io, file, to);
}

static inline int io_map(struct io *io, struct file *file, enum map_mode mode, uint64_t off_bytes,
	uint64_t reserve_bytes, struct map **ret_map)
{
	return io->ops->map(io, file, mode, off_bytes, reserve_bytes, ret_map);
}

static inline int io_queue(struct io *io, unsigned depth, enum queue_backend backend,
	struct queue **ret_queue)
{
	return io->ops->queue(io, depth, backend, ret_queue);
}

static inline int io_random(struct io *io, void *buf, size_t len_bytes)
{
	return io->ops->random(io, buf, len_bytes);
}

static inline uint64_t io_now_ns(struct io *io)
{
	return io->ops->now_ns(io);
}

static inline void io_pause_ns(struct io *io, uint64_t wait_ns)
{
	io->ops->pause_ns(io, wait_ns);
}

static inline void io_self(struct io *io, struct io_self *ret_self)
{
	io->ops->self(io, ret_self);
}

#endif
