/* SPDX-License-Identifier: MIT */
/*
 * Where `load` puts its records. A database that is there is opened where it is. A new one is made
 * in a folder of its own beside its place, and moved there when it is whole and durable: a load
 * that fails leaves nothing, and one that is killed leaves nothing under the database's name.
 */
#include "tools/verso/tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as in the kernel */

static enum status failed(const char *what)
{
	say("%s: %s%s", what, strerror(errno), errno == ENOENT ? "; make its folder first" : "");
	return STATUS_ERROR;
}

/* Removes the folder and all that is in it: no other process knows its name. */
static void remove_folder(struct target *t)
{
	DIR *dir = t->folder ? opendir(t->folder) : NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL)
		(void)unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		(void)closedir(dir);
	if (t->folder && rmdir(t->folder) < 0)
		(void)failed(t->folder);
	free(t->folder);
	free(t->path);
	free(t->place);
	t->folder = t->path = t->place = NULL;
}

/* How many bytes at the beginning of the path stand for its folder, with the slash. */
static int folder_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (int)(slash + 1 - path) : 0;
}

/*
 * Where the database is to be made: `name`, or what the links there point to, as in verso_open().
 * malloc'ed; NULL: errno has why.
 */
static char *place_of(const char *name)
{
	char target[PATH_MAX], *place = strdup(name), *next;

	for (int i = 0; place && i < LINKS_MAX; i++) {
		ssize_t n = readlink(place, target, sizeof(target) - 1);

		if (n < 0)
			return place; /* no link, or nothing */
		target[n] = '\0';
		if (asprintf(&next, "%.*s%s", target[0] == '/' ? 0 : folder_len(place), place,
			    target) < 0)
			next = NULL;
		free(place);
		place = next;
	}
	free(place);
	errno = place ? ELOOP : ENOMEM;
	return NULL;
}

/* A short name: that of the database may be the longest there is. */
static enum status make_folder(struct target *t)
{
	int n;

	t->place = place_of(t->name);
	if (!t->place)
		return failed(t->name);
	n = folder_len(t->place);
	if (asprintf(&t->folder, "%.*sverso-load-XXXXXX", n, t->place) < 0) {
		t->folder = NULL;
		return failed(t->name);
	}
	if (!mkdtemp(t->folder)) {
		free(t->folder);
		t->folder = NULL;
		return failed(t->name);
	}
	if (asprintf(&t->path, "%s/%s", t->folder, t->place + n) < 0) {
		t->path = NULL;
		return failed(t->name);
	}
	say_without(t->path + n, strlen(t->folder + n) + 1);
	return STATUS_OK;
}

enum status target_open(struct target *t, const struct arguments *args, uint32_t page_size)
{
	enum status status = STATUS_OK;
	struct stat st;

	*t = (struct target){.name = args->path, .args = *args};
	if (stat(t->name, &st) == 0)
		page_size = st.st_size > 0 ? 0 : page_size; /* it keeps its own */
	else if (errno == ENOENT)
		status = make_folder(t);
	if (t->path) {
		t->args.path = t->path;
		t->args.is_private = true;
	}
	if (t->args.open.page_size == 0)
		t->args.open.page_size = page_size;
	if (status == STATUS_OK)
		status = session_open(&t->session, &t->args, VERSO_WRITE);
	if (status != STATUS_OK)
		remove_folder(t);
	return status;
}

enum status target_commit_batch(struct target *t)
{
	enum status status = session_commit_batch(&t->session);

	if (status != STATUS_OK)
		remove_folder(t);
	return status;
}

enum status target_go_on(struct target *t)
{
	enum status status = session_go_on(&t->session);

	if (status != STATUS_OK)
		remove_folder(t);
	return status;
}

void target_abort(struct target *t)
{
	session_abort(&t->session);
	remove_folder(t);
}

/*
 * Makes the name of the file durable, by verso_open()'s rule: a folder that may not be opened is
 * flushed with its whole file system, and some file systems have no names that wait to be flushed.
 */
static int sync_name(const char *name)
{
	int n = folder_len(name);
	char *folder = n > 0 ? strndup(name, (size_t)n) : strdup(".");
	int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int rc, err;

	if (fd < 0 && folder && errno == EACCES) {
		fd = open(name, O_RDONLY | O_CLOEXEC);
		rc = fd < 0 ? -1 : syncfs(fd);
	} else {
		rc = fd < 0 ? -1 : fsync(fd);
		if (rc < 0 && (errno == EINVAL || errno == EROFS))
			rc = 0;
	}
	err = errno;
	if (fd >= 0)
		(void)close(fd);
	free(folder);
	errno = err;
	return rc;
}

/* Moves the file where nothing is. Not every file system can do that in one step. */
static int move_new(const char *from, const char *to)
{
	int rc = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);

	if (rc < 0 && (errno == EINVAL || errno == ENOSYS)) {
		rc = link(from, to);
		if (rc == 0)
			(void)unlink(from);
	}
	return rc;
}

/* Once it has its name, others may use it: whatever comes then, it stays. */
static enum status move_to_place(struct target *t)
{
	if (move_new(t->path, t->place) < 0)
		return failed(t->name);
	t->in_place = true;
	if (sync_name(t->place) < 0) {
		say("%s: every record is loaded, but the folder could not be "
		    "flushed (%s): a power cut may take the file's name",
			t->name, strerror(errno));
		return STATUS_ERROR;
	}
	return STATUS_OK;
}

enum status target_commit(struct target *t)
{
	enum status status = session_commit(&t->session);

	if (status == STATUS_OK && t->path)
		status = move_to_place(t);
	remove_folder(t);
	return status;
}
