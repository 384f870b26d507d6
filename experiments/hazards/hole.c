/* SPDX-License-Identifier: MIT */
/*
 * A copy of the file in which the free pages are holes, as some copies are, on a small file system
 * that is full; and an engine that writes to it. The file system is a tmpfs that only this process
 * sees.
 */
#include "experiments/hazards/case.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		(void)close(fd);
	return ok;
}

/* Without root, in a user namespace in which this user is root. */
static bool enter_namespace(void)
{
	unsigned uid = geteuid(), gid = getegid();
	char text[32];

	if (uid == 0)
		return unshare(CLONE_NEWNS) == 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	(void)write_text("/proc/self/setgroups", "deny");
	(void)snprintf(text, sizeof(text), "0 %u 1", uid);
	if (!write_text("/proc/self/uid_map", text))
		return false;
	(void)snprintf(text, sizeof(text), "0 %u 1", gid);
	return write_text("/proc/self/gid_map", text);
}

static bool mount_small(const char *folder, size_t bytes)
{
	char options[64];

	(void)snprintf(options, sizeof(options), "size=%zu,mode=0700", bytes);
	return enter_namespace() && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("hazard", folder, "tmpfs", 0, options) == 0;
}

static bool is_free(const struct image *m, uint32_t page)
{
	for (uint32_t i = 0; i < m->n_free; i++)
		if (m->free[i] == page)
			return true;
	return false;
}

static bool copy_with_holes(const struct image *m, const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && ftruncate(fd, (off_t)m->n_pages * PAGE_BYTES) == 0;

	for (uint32_t page = 0; ok && page < m->n_pages; page++)
		if (!is_free(m, page))
			ok = pwrite(fd, image_page(m, page), PAGE_BYTES,
				     (off_t)page * PAGE_BYTES) == (ssize_t)PAGE_BYTES;
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

static bool fill_up(const char *path)
{
	static const uint8_t zeros[PAGE_BYTES];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return false;
	while (write(fd, zeros, sizeof(zeros)) > 0)
		;
	(void)close(fd);
	return errno == ENOSPC;
}

/* Opens the file again, and reads: `record` may have either version when the write has failed. */
static enum outcome read_again(const struct bench *b, const char *path, uint32_t record,
	uint32_t version, bool written, char text[TEXT_BYTES])
{
	uint8_t value[RECORD_VALUE_BYTES], new[RECORD_VALUE_BYTES], old[RECORD_VALUE_BYTES];
	char why[TEXT_BYTES] = "";
	struct subject_db *db = b->subject->open(b->subject, path, SUBJECT_READ, why);
	enum got got = db ? b->subject->get(db, record, value, why) : GOT_ERROR;

	record_value(record, version, new);
	record_value(record, b->image.version, old);
	b->subject->close(db);
	if (got == GOT_ERROR) {
		memcpy(text, why, TEXT_BYTES);
		return OUTCOME_ERROR;
	}
	if (got == GOT_VALUE && (memcmp(value, new, sizeof(value)) == 0 ||
					(!written && memcmp(value, old, sizeof(value)) == 0)))
		return written ? OUTCOME_RIGHT : OUTCOME_ERROR;
	(void)snprintf(text, TEXT_BYTES, "record %u after a write that %s: %s", record,
		written ? "succeeded" : "failed",
		got == GOT_VALUE ? "another value" : "it is missing");
	return OUTCOME_WRONG;
}

enum outcome hole_run(const struct bench *b, uint32_t record, char text[TEXT_BYTES])
{
	const struct subject *s = b->subject;
	uint32_t version = b->image.version + 1;
	char path[512], filler[512];
	struct subject_db *db;
	bool written;

	(void)snprintf(path, sizeof(path), "%s/hole.db", b->folder);
	(void)snprintf(filler, sizeof(filler), "%s/filler", b->folder);
	if (!mount_small(b->folder, (size_t)b->image.n_pages * PAGE_BYTES + (1U << 20))) {
		(void)snprintf(text, TEXT_BYTES,
			"a small file system cannot be mounted: %s (needs user namespaces or root)",
			strerror(errno));
		return OUTCOME_NONE;
	}
	if (!copy_with_holes(&b->image, path) || !fill_up(filler)) {
		(void)snprintf(text, TEXT_BYTES, "filling the small file system: %s",
			strerror(errno));
		return OUTCOME_NONE;
	}
	db = s->open(s, path, SUBJECT_WRITE, text);
	written = db && s->set(db, record, version, text);
	s->close(db);
	return read_again(b, path, record, version, written, text);
}
