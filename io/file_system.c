/* SPDX-License-Identifier: MIT */
/* Which file system a file lies on, and what follows from that. */
#include "base/error.h"
#include "io/io_int.h"

#include <errno.h>
#include <sys/vfs.h>

/* File systems that keep their files on another machine, or (FUSE) may. */
static const char *network_name(const struct statfs *fs)
{
	switch ((unsigned long)fs->f_type & 0xffffffffu) {
	case 0x6969:
		return "NFS";
	case 0x517b:
	case 0xfe534d42:
	case 0xff534d42:
		return "SMB";
	case 0x00c36400:
		return "Ceph";
	case 0x5346414f:
	case 0x6b414653:
		return "AFS";
	case 0x01021997:
		return "9P";
	case 0x0bd00bd0:
		return "Lustre";
	case 0x01161970:
		return "GFS2";
	case 0x7461636f:
		return "OCFS2";
	case 0x65735546:
		return "FUSE";
	default:
		return NULL;
	}
}

int file_system_refuse(const char *path, const struct statfs *fs, unsigned flags)
{
	const char *name = network_name(fs);

	if (!name || flags & FILE_ANY_FS)
		return 0;
	return error_set(-EOPNOTSUPP,
		"%s lies on %s, where locks, maps and flushes may not hold what they promise; move "
		"it to a local disk, or accept that with VERSO_ANY_FS (verso: --any-fs)",
		path, name);
}

/*
 * File systems of which a store through a map may find no block, although the file has one there.
 * What lies below an overlay cannot be seen. XFS is not among them, but a copy of a file that
 * shares its blocks (cp --reflink) behaves so until each was written.
 */
const char *file_system_moves(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return "a file system that does not say which it is";
	switch ((unsigned long)fs.f_type & 0xffffffffu) {
	case 0x9123683e:
		return "Btrfs";
	case 0x2fc12fc1:
		return "ZFS";
	case 0xca451a4e:
		return "bcachefs";
	case 0x3434:
		return "NILFS2";
	case 0x24051905:
		return "UBIFS";
	case 0x794c7630:
		return "an overlay";
	default:
		return NULL;
	}
}

bool file_system_is_remote(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) < 0 || network_name(&fs) != NULL;
}
