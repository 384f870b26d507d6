/* SPDX-License-Identifier: MIT */
#include "experiments/hazards/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define VERSIONS 5 /* commits of all records: the free pages hold older ones by then */

static _Noreturn void give_up(const char *what, const char *text)
{
	(void)fprintf(stderr, "hazards: %s: %s\n", what, text);
	exit(3);
}

static void copy_file(const char *from, const char *to)
{
	static uint8_t block[1U << 16];
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ssize_t n = in >= 0 && out >= 0 ? 1 : -1;

	while (n > 0) {
		n = read(in, block, sizeof(block));
		if (n > 0 && write(out, block, (size_t)n) != n)
			n = -1;
	}
	if (n < 0)
		give_up(to, strerror(errno));
	(void)close(in);
	(void)close(out);
}

/* In a process of its own, so that the cases' processes inherit nothing of it. */
static void update(const struct subject *s, const char *path, uint32_t n_records, uint32_t version)
{
	char text[TEXT_BYTES] = "";
	int status = 0;
	pid_t pid = fork();

	if (pid < 0)
		give_up("fork", strerror(errno));
	if (pid == 0) {
		if (s->update(s, path, n_records, version, text))
			_exit(0);
		(void)fprintf(stderr, "hazards: making the file of %s: %s\n", s->name, text);
		_exit(1);
	}
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		give_up(s->name, "the file could not be made");
}

/* A file name of the folder, which is removed first. */
static const char *name_in(const struct file *set, const struct subject *s, const char *end,
	char *buf, size_t len)
{
	if ((size_t)snprintf(buf, len, "%s/%s%s", set->folder, s->name, end) >= len)
		give_up(set->folder, "the name of the folder is too long");
	(void)unlink(buf);
	return buf;
}

void file_open(struct bench *b, const struct file *set, const struct subject *s)
{
	static char path[400], before[400], text[TEXT_BYTES];

	(void)name_in(set, s, ".db", path, sizeof(path));
	(void)name_in(set, s, ".before", before, sizeof(before));
	for (uint32_t version = 1; version <= VERSIONS; version++) {
		if (version == VERSIONS)
			copy_file(path, before);
		update(s, path, set->n_records, version);
	}
	*b = (struct bench){.subject = s, .folder = set->folder};
	if (!image_read(&b->image, before, path, set->n_records, VERSIONS, text) ||
		!device_open(&b->device, path, set->image, text))
		give_up(s->name, text);
	(void)unlink(before);
}

void file_close(struct bench *b)
{
	char lock[420];

	(void)snprintf(lock, sizeof(lock), "%s-lock", b->device.path);
	(void)unlink(lock);
	(void)unlink(b->device.path);
	device_close(&b->device);
	image_fini(&b->image);
}
