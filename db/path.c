/* SPDX-License-Identifier: MIT */
#include "db/path.h"
#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel */

char *path_beside(const char *path, const char *tail)
{
	size_t len = strlen(path) + strlen(tail) + 1;
	char *beside = malloc(len);

	if (beside)
		(void)snprintf(beside, len, "%s%s", path, tail);
	return beside;
}

/* What the link at `path` points to; NULL: it is no link, or no memory. malloc'ed. */
static char *link_target(const char *path)
{
	const char *slash = strrchr(path, '/');
	char target[PATH_MAX], *whole = NULL;
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0)
		return NULL;
	target[n] = '\0';
	if (target[0] == '/' || !slash)
		return strdup(target);
	if (asprintf(&whole, "%.*s/%s", (int)(slash - path), path, target) < 0)
		return NULL;
	return whole;
}

/* The path of a file that is not there, its folder resolved; NULL: it cannot be. malloc'ed. */
static char *resolve_folder(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char *copy = strdup(path), *folder = NULL, *whole = NULL;

	if (copy && slash)
		copy[slash - path] = '\0';
	if (copy)
		folder = realpath(!slash ? "." : slash == path ? "/" : copy, NULL);
	if (folder && name[0] != '\0' &&
		asprintf(&whole, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name) < 0)
		whole = NULL;
	free(folder);
	free(copy);
	return whole;
}

char *path_resolve(const char *path)
{
	char *at = strdup(path), *whole = NULL;

	for (int i = 0; at && !whole && i < LINKS_MAX; i++) {
		char *target;

		whole = realpath(at, NULL);
		if (whole || errno != ENOENT)
			break;
		target = link_target(at);
		if (!target) {
			whole = resolve_folder(at);
			break;
		}
		free(at);
		at = target;
	}
	free(at);
	return whole ? whole : strdup(path);
}

int error_of_file(const char *path, int code)
{
	char text[ERROR_TEXT_BYTES];

	(void)snprintf(text, sizeof(text), "%s", error_text()[0] ? error_text() : error_name(code));
	if (strstr(text, path))
		return code;
	return error_set(code, "%s: %s", path, text);
}
