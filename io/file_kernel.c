/* SPDX-License-Identifier: MIT */
/*
 * Files of the real kernel.
 *
 * One descriptor writes, syncs and holds the locks for the whole life of the file. When that one
 * goes through the page cache, a second, O_DIRECT and read-only, serves the reads that want to know
 * what the device holds. (An O_DIRECT read first writes back dirty cached pages of its range; that
 * they are in flight is all it knows of them, so recovery still flushes before it builds on them.)
 *
 * Alignment is asked of statx(STATX_DIOALIGN), never guessed.
 */
#include "base/error.h"
#include "io/io_int.h"
#include "io/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BOUNCE_BYTES_MAX (1u << 20)
#define FOLIO_BYTES_MAX  (UINT64_C(2) << 20) /* the page cache's largest piece */
#define EXTENTS_AT_ONCE  64u

static const struct file_ops file_kernel_ops;

struct file_kernel *file_kernel_of(struct file *f)
{
	ASSERT(f->ops == &file_kernel_ops);
	return (struct file_kernel *)f;
}

/*
 * Transfers
 */

static int transfer_one(struct file *f, enum io_kind kind, int fd, uint32_t align_bytes, void *buf,
	size_t len_bytes, uint64_t off_bytes)
{
	struct iovec iov = {.iov_base = buf, .iov_len = len_bytes};
	struct io_req req = {
		.kind = kind, .file = f, .iov = &iov, .n_iov = 1, .off_bytes = off_bytes};

	if (len_bytes == 0)
		return 0;
	transfer_perform(&req, fd, align_bytes);
	return queue_error(&req);
}

static bool is_aligned(const void *buf, size_t len_bytes, uint64_t off_bytes, uint32_t align_bytes)
{
	return ((uintptr_t)buf | len_bytes | off_bytes) % align_bytes == 0;
}

/*
 * Reads at least want_bytes of the ask_bytes (whole blocks) at off_bytes. The file's last block may
 * be part of one, so fewer bytes than were asked for may be all there is.
 */
static int read_blocks(struct file *f, int fd, uint32_t align_bytes, char *buf, size_t ask_bytes,
	size_t want_bytes, uint64_t off_bytes)
{
	struct iovec iov = {.iov_base = buf, .iov_len = ask_bytes};
	struct io_req failed = {
		.kind = IO_READ, .file = f, .iov = &iov, .n_iov = 1, .off_bytes = off_bytes};
	size_t whole_bytes = 0;

	failed.result = VERSO_EIO;
	for (int i = 0; i < TRANSFER_TRIES_MAX; i++) {
		ssize_t n = pread(fd, buf + whole_bytes, ask_bytes - whole_bytes,
			(off_t)(off_bytes + whole_bytes));

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			failed.result = -errno;
		if (n <= 0)
			break;
		if (whole_bytes + (size_t)n >= want_bytes)
			return 0;
		whole_bytes += (size_t)n - (size_t)n % align_bytes;
	}
	return queue_error(&failed);
}

/* Reads by O_DIRECT into a buffer and from an offset that need not be aligned. */
static int read_bounced(struct file *f, int fd, uint32_t align_bytes, char *buf, size_t len_bytes,
	uint64_t off_bytes)
{
	void *bounce;
	int rc = 0;

	if (posix_memalign(&bounce, align_bytes, BOUNCE_BYTES_MAX) != 0)
		return error_set(-ENOMEM, "no memory for a buffer to read %s", f->path);
	while (len_bytes > 0 && rc == 0) {
		size_t skip_bytes = off_bytes % align_bytes;
		size_t take_bytes = BOUNCE_BYTES_MAX - skip_bytes;
		size_t want_bytes;

		if (take_bytes > len_bytes)
			take_bytes = len_bytes;
		want_bytes = skip_bytes + take_bytes;
		rc = read_blocks(f, fd, align_bytes, bounce,
			(want_bytes + align_bytes - 1) / align_bytes * align_bytes, want_bytes,
			off_bytes - skip_bytes);
		if (rc == 0)
			memcpy(buf, (char *)bounce + skip_bytes, take_bytes);
		buf += take_bytes;
		off_bytes += take_bytes;
		len_bytes -= take_bytes;
	}
	free(bounce);
	return rc;
}

/*
 * Second best where the device cannot be read past the page cache: asks it to forget what is clean
 * there. It drops whole folios only, of 2 MiB at most, and keeps those that are mapped.
 */
static void forget_cached(int fd, uint64_t off_bytes, size_t len_bytes)
{
	uint64_t from = off_bytes / FOLIO_BYTES_MAX * FOLIO_BYTES_MAX;
	uint64_t to =
		(off_bytes + len_bytes + FOLIO_BYTES_MAX - 1) / FOLIO_BYTES_MAX * FOLIO_BYTES_MAX;

	(void)posix_fadvise(fd, (off_t)from, (off_t)(to - from), POSIX_FADV_DONTNEED);
}

static int kernel_read(struct file *f, void *buf, size_t len_bytes, uint64_t off_bytes,
	enum file_view view)
{
	struct file_kernel *fk = file_kernel_of(f);
	bool past_cache = f->direct || (view == FILE_DEVICE && f->device_direct);
	int fd = view == FILE_DEVICE && f->device_direct ? fk->fd_device : fk->fd;

	if (view == FILE_DEVICE && !past_cache)
		forget_cached(fd, off_bytes, len_bytes);
	if (!past_cache)
		return transfer_one(f, IO_READ, fd, 1, buf, len_bytes, off_bytes);
	if (is_aligned(buf, len_bytes, off_bytes, f->align_bytes))
		return transfer_one(f, IO_READ, fd, f->align_bytes, buf, len_bytes, off_bytes);
	return read_bounced(f, fd, f->align_bytes, buf, len_bytes, off_bytes);
}

static int write_bounced(struct file *f, int fd, const char *buf, size_t len_bytes,
	uint64_t off_bytes)
{
	void *bounce;
	int rc = 0;

	if (posix_memalign(&bounce, f->align_bytes, BOUNCE_BYTES_MAX) != 0)
		return error_set(-ENOMEM, "no memory for a buffer to write %s", f->path);
	while (len_bytes > 0 && rc == 0) {
		size_t take_bytes = len_bytes < BOUNCE_BYTES_MAX ? len_bytes : BOUNCE_BYTES_MAX;

		memcpy(bounce, buf, take_bytes);
		rc = transfer_one(f, IO_WRITE, fd, f->align_bytes, bounce, take_bytes, off_bytes);
		buf += take_bytes;
		off_bytes += take_bytes;
		len_bytes -= take_bytes;
	}
	free(bounce);
	return rc;
}

static int kernel_write(struct file *f, const void *buf, size_t len_bytes, uint64_t off_bytes)
{
	struct file_kernel *fk = file_kernel_of(f);
	uint32_t align_bytes = transfer_align(f);

	if (!is_aligned(NULL, len_bytes, off_bytes, align_bytes))
		return error_set(VERSO_EMISUSE,
			"%s: a write of %zu bytes at %llu is not made of blocks of %u bytes",
			f->path, len_bytes, (unsigned long long)off_bytes, align_bytes);
	if (!is_aligned(buf, 0, 0, align_bytes))
		return write_bounced(f, fk->fd, buf, len_bytes, off_bytes);
	return transfer_one(f, IO_WRITE, fk->fd, align_bytes, (void *)(uintptr_t)buf, len_bytes,
		off_bytes);
}

static int kernel_sync(struct file *f)
{
	struct io_req req = {.kind = IO_SYNC, .file = f};

	transfer_perform(&req, file_kernel_of(f)->fd, 1);
	return queue_error(&req);
}

/*
 * Size
 */

static int kernel_size(struct file *f, uint64_t *ret_size_bytes)
{
	struct stat st;

	if (fstat(file_kernel_of(f)->fd, &st) < 0)
		return error_set(-errno, "cannot see the size of %s: %s", f->path,
			error_name(-errno));
	*ret_size_bytes = (uint64_t)st.st_size;
	return 0;
}

static int error_resize(struct file *f, int code, uint64_t size_bytes)
{
	if (code == -ENOSPC || code == -EDQUOT)
		return error_set(code,
			"no room for the %llu bytes of %s (%s): make room on its file system",
			(unsigned long long)size_bytes, f->path, error_name(code));
	return error_set(code, "cannot resize %s to %llu bytes: %s%s", f->path,
		(unsigned long long)size_bytes, error_name(code),
		code == -EFBIG ? "; the limit is that of the file system or of `ulimit -f`" : "");
}

static int kernel_truncate(struct file *f, uint64_t size_bytes)
{
	for (int i = 0; i < EINTR_MAX; i++) {
		if (ftruncate(file_kernel_of(f)->fd, (off_t)size_bytes) == 0)
			return 0;
		if (errno != EINTR)
			break;
	}
	return error_resize(f, -errno, size_bytes);
}

/* For file systems without fallocate: writes zeros beyond the end. Holes before it stay holes. */
static int allocate_by_writing(struct file *f, uint64_t end_bytes)
{
	uint32_t align_bytes = transfer_align(f);
	uint64_t size_bytes = 0;
	void *zeros;
	int rc = kernel_size(f, &size_bytes);

	if (rc < 0)
		return rc;
	if (posix_memalign(&zeros, align_bytes < 64 ? 64 : align_bytes, BOUNCE_BYTES_MAX) != 0)
		return error_set(-ENOMEM, "no memory for a buffer to grow %s", f->path);
	memset(zeros, 0, BOUNCE_BYTES_MAX);
	size_bytes = (size_bytes + align_bytes - 1) / align_bytes * align_bytes;
	while (size_bytes < end_bytes && rc == 0) {
		uint64_t left_bytes = end_bytes - size_bytes;
		size_t take_bytes =
			left_bytes < BOUNCE_BYTES_MAX ? (size_t)left_bytes : BOUNCE_BYTES_MAX;

		rc = kernel_write(f, zeros, take_bytes, size_bytes);
		size_bytes += take_bytes;
	}
	free(zeros);
	return rc;
}

/*
 * Whether ENOSPC means nothing, because each byte of [off, end) has a block of its own. Blocks that
 * another file shares are not the file's own: a store needs new ones. The number of blocks alone
 * proves nothing: some may lie beyond the end while there are holes before it. Returns false where
 * the file system lists no extents: then an allocation fails that was not needed, which loses
 * nothing.
 */
static bool has_blocks_for(int fd, uint64_t off_bytes, uint64_t end_bytes)
{
	union {
		struct fiemap map;
		char room[sizeof(struct fiemap) + EXTENTS_AT_ONCE * sizeof(struct fiemap_extent)];
	} u;
	struct stat st;

	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < end_bytes)
		return false;
	while (off_bytes < end_bytes) {
		uint64_t from_bytes = off_bytes;

		memset(&u, 0, sizeof(u));
		u.map.fm_start = off_bytes;
		u.map.fm_length = end_bytes - off_bytes;
		u.map.fm_extent_count = EXTENTS_AT_ONCE;
		if (ioctl(fd, FS_IOC_FIEMAP, &u.map) < 0)
			return false;
		for (unsigned i = 0; i < u.map.fm_mapped_extents; i++) {
			const struct fiemap_extent *e = &u.map.fm_extents[i];

			if (e->fe_logical > off_bytes || e->fe_flags & FIEMAP_EXTENT_SHARED)
				return false;
			off_bytes = e->fe_logical + e->fe_length;
		}
		if (off_bytes == from_bytes)
			return false;
	}
	return true;
}

/*
 * Where nothing is a hole, nothing is asked for: XFS wants free blocks for a range of the file
 * whether it needs them or not. SEEK_HOLE takes what was allocated and never written for a hole.
 */
static int kernel_allocate(struct file *f, uint64_t off_bytes, uint64_t len_bytes)
{
	uint64_t end_bytes = off_bytes + len_bytes;
	int fd = file_kernel_of(f)->fd, rc;

	if (lseek(fd, (off_t)off_bytes, SEEK_HOLE) >= (off_t)end_bytes)
		return 0;
	for (int i = 0; i < EINTR_MAX; i++) {
		if (fallocate(fd, 0, (off_t)off_bytes, (off_t)len_bytes) == 0)
			return 0;
		if (errno != EINTR)
			break;
	}
	rc = -errno;
	if (rc == -EOPNOTSUPP || rc == -ENOSYS)
		return allocate_by_writing(f, end_bytes);
	if (rc == -ENOSPC && has_blocks_for(fd, off_bytes, end_bytes))
		return 0;
	return error_resize(f, rc, end_bytes);
}

/*
 * Locks
 */

static int kernel_lock(struct file *f, enum lock_kind kind, uint64_t off_bytes, uint64_t len_bytes)
{
	return fd_lock(file_kernel_of(f)->fd, f->path, kind, off_bytes, len_bytes, false);
}

static int kernel_wait_lock(struct file *f, enum lock_kind kind, uint64_t off_bytes,
	uint64_t len_bytes)
{
	return fd_lock(file_kernel_of(f)->fd, f->path, kind, off_bytes, len_bytes, true);
}

static int kernel_find_lock(struct file *f, enum lock_kind kind, uint64_t off_bytes,
	uint64_t len_bytes, bool *ret_found, uint64_t *ret_off_bytes)
{
	return fd_find_lock(file_kernel_of(f)->fd, f->path, kind, off_bytes, len_bytes, ret_found,
		ret_off_bytes);
}

/*
 * Open and close
 */

static int refuse_kind(const char *path, mode_t mode)
{
	if (S_ISREG(mode))
		return 0;
	if (S_ISDIR(mode))
		return error_set(-EISDIR, "%s is a folder; name a file in it", path);
	return error_set(VERSO_ENOTDB, "%s is no regular file but a %s", path,
		S_ISFIFO(mode)   ? "FIFO"
		: S_ISSOCK(mode) ? "socket"
				 : "device");
}

static int error_open(const char *path, unsigned flags, int code)
{
	const char *advice = "";

	if (code == -ENOENT)
		advice = flags & (FILE_CREATE | FILE_UNNAMED) ? "; make its folder first"
							      : "; check the name";
	if (code == -EACCES || code == -EPERM)
		advice = flags & FILE_RDONLY ? "; you may not read it"
					     : "; check who may write it and its folder";
	if (code == -EROFS)
		advice = flags & FILE_RDONLY ? "" : "; open it read-only";
	if (code == -ESTALE)
		advice = "; another file got its name meanwhile: try again";
	if (code == -EEXIST)
		advice = "; it is there already";
	return error_set(code, "cannot open %s: %s%s", path, error_name(code), advice);
}

/* What can be refused by the name alone is, before anything is opened (I9). */
static int check_name(const char *path, unsigned flags)
{
	char folder[PATH_MAX];
	struct statfs fs;
	struct stat st;
	int rc;

	if (flags & FILE_NOFOLLOW && lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		return error_set(-ELOOP, "%s is a symbolic link, which is not followed here", path);
	if (stat(path, &st) == 0)
		return refuse_kind(path, st.st_mode);
	if (!(flags & FILE_CREATE))
		return 0;
	rc = path_folder(path, folder, sizeof(folder));
	if (rc == 0 && statfs(folder, &fs) == 0)
		rc = file_system_refuse(path, &fs, flags);
	return rc;
}

static int check_opened(const char *path, unsigned flags, int fd)
{
	struct statfs fs;
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return error_open(path, flags, -errno);
	rc = refuse_kind(path, st.st_mode);
	return rc < 0 ? rc : file_system_refuse(path, &fs, flags);
}

/*
 * A file without a name in the folder of `path`. io_name() needs /proc to give it one; -EISDIR is
 * the word of kernels and file systems that do not know O_TMPFILE.
 */
static int open_unnamed(const char *path, unsigned flags, unsigned mode)
{
	char folder[PATH_MAX];
	int rc = path_folder(path, folder, sizeof(folder));
	int fd;

	if (rc < 0)
		return rc;
	if (access(PROC_FD, X_OK) < 0)
		return -EOPNOTSUPP;
	fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
	fd = fd < 0 ? -errno : fd_above_stdio(fd);
	if (fd == -EISDIR || fd == -EINVAL)
		return -EOPNOTSUPP;
	if (fd < 0)
		return fd == -EOPNOTSUPP ? fd : error_open(path, flags | FILE_CREATE, fd);
	rc = check_opened(path, flags, fd);
	if (rc < 0)
		(void)close(fd);
	return rc < 0 ? rc : fd;
}

static int open_checked(const char *path, unsigned flags, unsigned mode)
{
	/* O_NONBLOCK: should the name have become a FIFO since check_name(), open() does not
	 * wait. */
	int oflags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int rc = check_name(path, flags);
	int fd;

	if (rc < 0)
		return rc;
	oflags |= flags & FILE_RDONLY ? O_RDONLY : O_RDWR;
	oflags |= flags & FILE_CREATE ? O_CREAT : 0;
	oflags |= flags & FILE_EXCL ? O_EXCL : 0;
	oflags |= flags & FILE_NOFOLLOW ? O_NOFOLLOW : 0;
	fd = open(path, oflags, mode);
	fd = fd < 0 ? -errno : fd_above_stdio(fd);
	if (fd < 0)
		return error_open(path, flags, fd);
	rc = check_opened(path, flags, fd);
	if (rc < 0) {
		(void)close(fd);
		return rc;
	}
	return fd;
}

/* Learns the alignment of direct transfers; 1 and a reason where they are not possible. */
#ifndef WITHOUT_STATX_DIOALIGN
static uint32_t direct_align(int fd, const char **ret_why)
{
	struct statx stx;
	uint32_t align_bytes;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) < 0 ||
		!(stx.stx_mask & STATX_DIOALIGN)) {
		*ret_why = "buffered: this file system or kernel does not report the alignment of "
			   "direct transfers (STATX_DIOALIGN)";
		return 1;
	}
	align_bytes = stx.stx_dio_offset_align > stx.stx_dio_mem_align ? stx.stx_dio_offset_align
								       : stx.stx_dio_mem_align;
	if (stx.stx_dio_offset_align == 0 || align_bytes > 65536 ||
		(align_bytes & (align_bytes - 1)) != 0) {
		*ret_why = "buffered: this file system has no direct transfers for this file";
		return 1;
	}
	*ret_why = "direct, as asked";
	return align_bytes;
}
#else
static uint32_t direct_align(int fd, const char **ret_why)
{
	(void)fd;
	*ret_why = "buffered: Verso was built with headers that have no STATX_DIOALIGN";
	return 1;
}
#endif

/*
 * A second, direct descriptor of the same file. -EINVAL: the file system refuses O_DIRECT. Any
 * other failure (no descriptor left) is no reason to read the page cache instead of the device.
 */
static int open_device(const char *path, int fd)
{
	int fd_device = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat a, b;
	int rc = 0;

	fd_device = fd_device < 0 ? -errno : fd_above_stdio(fd_device);
	if (fd_device < 0)
		return fd_device;
	if (fstat(fd, &a) < 0 || fstat(fd_device, &b) < 0)
		rc = -errno;
	else if (a.st_dev != b.st_dev || a.st_ino != b.st_ino)
		rc = -ESTALE; /* the name means another file by now */
	if (rc == 0)
		return fd_device;
	(void)close(fd_device);
	return rc;
}

static int choose_device(struct file_kernel *fk, uint32_t align_bytes)
{
	int fd = -EINVAL;

	if (fk->file.direct)
		fd = fk->fd;
	else if (align_bytes > 1)
		fd = open_device(fk->path, fk->fd);
	if (fd < 0 && fd != -EINVAL)
		return fd;
	fk->fd_device = fd < 0 ? -1 : fd;
	fk->file.device_direct = fd >= 0;
	fk->file.align_bytes = fd >= 0 ? align_bytes : 1;
	return 0;
}

/* Chooses how the file's transfers go, once it is open. */
static int choose_direct(struct file_kernel *fk, unsigned flags)
{
	struct file *f = &fk->file;
	uint32_t align_bytes = direct_align(fk->fd, &f->direct_why);
	int status = fcntl(fk->fd, F_GETFL);

	if (status < 0)
		return -errno;
	status &= ~O_NONBLOCK; /* from here on: a ring would return EAGAIN where it should wait */
	if (align_bytes > 1 && flags & FILE_DIRECT) {
		f->direct = fcntl(fk->fd, F_SETFL, status | O_DIRECT) == 0;
		if (!f->direct)
			f->direct_why = "buffered: the file system refused O_DIRECT";
	}
	if (!f->direct && fcntl(fk->fd, F_SETFL, status) < 0)
		return -errno;
	if (!(flags & FILE_DIRECT))
		f->direct_why = "buffered, as asked";
	return choose_device(fk, align_bytes);
}

int file_kernel_open(struct io *io, const char *path, unsigned flags, unsigned mode,
	struct file **ret_file)
{
	struct file_kernel *fk;
	bool is_unnamed = flags & FILE_UNNAMED;
	int fd = is_unnamed ? open_unnamed(path, flags, mode) : open_checked(path, flags, mode);
	int rc = 0;

	if (fd < 0)
		return fd;
	fk = calloc(1, sizeof(*fk) + strlen(path) + 1);
	if (!fk) {
		(void)close(fd);
		return error_set(-ENOMEM, "no memory to open %s", path);
	}
	strcpy(fk->path, path);
	fk->fd = fd;
	fk->fd_device = -1;
	fk->file.ops = &file_kernel_ops;
	fk->file.io = io;
	fk->file.path = fk->path;
	fk->file.moves = file_system_moves(fd);
	fk->file.is_remote = file_system_is_remote(fd);
	fk->file.align_bytes = 1;
	fk->file.direct_why = "buffered: a file without a name";
	fk->is_unnamed = is_unnamed;
	if (!is_unnamed)
		rc = choose_direct(fk, flags);
	if (rc < 0) {
		(void)close(fd);
		free(fk);
		return error_open(path, flags, rc);
	}
	*ret_file = &fk->file;
	return 0;
}

static void kernel_imitate(struct file *f, struct file *like)
{
	int fd = file_kernel_of(f)->fd;
	struct stat st;

	if (fstat(file_kernel_of(like)->fd, &st) < 0)
		return;
	/* The owner first: giving it away may clear bits of the mode. */
	if (fchown(fd, st.st_uid, st.st_gid) < 0)
		(void)!fchown(fd, (uid_t)-1, st.st_gid);
	(void)fchmod(fd, st.st_mode & 0666);
}

static int lost(const struct file *f, int code, const char *what)
{
	return error_set(code,
		"%s %s while it was open: nothing more is written to it. Put it back, or restore "
		"it from a copy",
		f->path, what);
}

static int kernel_check_there(struct file *f, uint64_t least_bytes)
{
	struct stat ours, named;

	if (fstat(file_kernel_of(f)->fd, &ours) < 0)
		return error_set(-errno, "cannot look at %s: %s", f->path, error_name(-errno));
	if (ours.st_nlink == 0)
		return lost(f, -ENOENT, "was removed");
	if ((uint64_t)ours.st_size < least_bytes)
		return lost(f, VERSO_EIO, "was cut");
	/* No such name: it has another one now, or this process another root. */
	if (stat(f->path, &named) == 0 &&
		(named.st_ino != ours.st_ino || named.st_dev != ours.st_dev))
		return lost(f, -ESTALE, "was replaced by another file");
	return 0;
}

static bool kernel_is_same(struct file *f, struct file *other)
{
	struct stat a, b;

	return fstat(file_kernel_of(f)->fd, &a) == 0 && fstat(file_kernel_of(other)->fd, &b) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static void kernel_abandon(struct file *f)
{
	struct file_kernel *fk = file_kernel_of(f);

	if (fk->fd_device >= 0 && fk->fd_device != fk->fd)
		(void)close(fk->fd_device);
	(void)close(fk->fd); /* what was to be durable was synced */
	free(fk);
}

static void kernel_close(struct file *f)
{
	/* A child that was forked has the descriptor too: closing alone leaves it the locks. */
	fd_unlock_all(file_kernel_of(f)->fd);
	kernel_abandon(f);
}

static const struct file_ops file_kernel_ops = {
	.read = kernel_read,
	.write = kernel_write,
	.sync = kernel_sync,
	.truncate = kernel_truncate,
	.allocate = kernel_allocate,
	.size = kernel_size,
	.check_there = kernel_check_there,
	.lock = kernel_lock,
	.wait_lock = kernel_wait_lock,
	.find_lock = kernel_find_lock,
	.is_same = kernel_is_same,
	.imitate = kernel_imitate,
	.close = kernel_close,
	.abandon = kernel_abandon,
};
