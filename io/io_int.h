/* SPDX-License-Identifier: MIT */
/*
 * What the files of io/ share; private to this folder.
 */
#ifndef IO_IO_INT_H
#define IO_IO_INT_H

#include "io/file.h"
#include "io/map.h"
#include "io/queue.h"

#include <sys/vfs.h>

#define PROC_FD   "/proc/self/fd"
#define EINTR_MAX 64 /* interruptions of one call that are taken */

/* A file of the real kernel. Everything here is constant while it is open. */
struct file_kernel {
	struct file file; /* first */
	int fd;           /* reads, writes, syncs and holds the locks */
	int fd_device;    /* O_DIRECT reads of the same file; may be fd; -1: not possible */
	bool is_unnamed;  /* opened without a name: `path` is for texts alone */
	char path[];
};

int file_kernel_open(struct io *io, const char *path, unsigned flags, unsigned mode,
	struct file **ret_file);

/*
 * The same open file under a descriptor from 3 up, and fd closed; -errno, fd closed too. Else a
 * program that runs with 0, 1 or 2 closed would write its messages into the file.
 */
int fd_above_stdio(int fd);

/*
 * file_system.c: refuses one whose files may lie on another machine, unless FILE_ANY_FS:
 * -EOPNOTSUPP; and a name for people of the one of fd if it is as `moves` of struct file says.
 */
int file_system_refuse(const char *path, const struct statfs *fs, unsigned flags);
const char *file_system_moves(int fd);
bool file_system_is_remote(int fd); /* or may be: file.is_remote */

/* lock.c: file_ops.lock, or wait_lock, and find_lock of a descriptor. path: for the text. */
int fd_lock(int fd, const char *path, enum lock_kind kind, uint64_t off_bytes, uint64_t len_bytes,
	bool wait);
int fd_find_lock(int fd, const char *path, enum lock_kind kind, uint64_t off_bytes,
	uint64_t len_bytes, bool *ret_found, uint64_t *ret_off_bytes);
void fd_unlock_all(int fd);

/* The kernel's file behind f, which must be one. */
struct file_kernel *file_kernel_of(struct file *f);

int map_kernel_open(struct io *io, struct file *file, enum map_mode mode, uint64_t off_bytes,
	uint64_t reserve_bytes, struct map **ret_map);

/* Stores the folder part of path in buf (len_bytes); -ENAMETOOLONG. */
int path_folder(const char *path, char *buf, size_t len_bytes);

size_t system_page_bytes(void);

static inline uint64_t round_up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

#define HUGE_PAGE_BYTES ((size_t)2 << 20)

/* Reserves len_bytes (whole system pages) of address space aligned to a huge page. -ENOMEM. */
int reserve_aligned(size_t len_bytes, int prot, void **ret_base);

int queue_kernel_open(struct io *io, unsigned depth, enum queue_backend backend,
	struct queue **ret_queue);

#endif
