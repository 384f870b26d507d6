/* SPDX-License-Identifier: MIT */
/*
 * A VFS of SQLite over a disk that fails when it is told to. From then on a read() of the file
 * fails (but of its first page, which the opening has read), and a page of its mapping cannot be
 * loaded: a load of it ends in SIGBUS from the kernel, as when a page fault finds a disk that does
 * not answer. For a process of its own: it fails for good.
 */
#ifndef EXPERIMENTS_HAZARDS_FAILING_VFS_H
#define EXPERIMENTS_HAZARDS_FAILING_VFS_H

/* Its name for sqlite3_open_v2(), or NULL: it could not be registered. */
const char *failing_vfs(void);

void failing_vfs_fail(void);

#endif
