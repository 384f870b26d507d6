/* SPDX-License-Identifier: MIT */
/*
 * The library speaks of its calls and options as a C program sees them. Where such a text reaches
 * the shell, what it advises is said in the words of the command line.
 */
#include "tools/verso/tool.h"

#include <string.h>

static const struct {
	const char *in_c, *in_shell;
} words[] = {
	{"accept that with VERSO_ANY_FS (verso: --any-fs)", "accept that with --any-fs"},
	{"end cursors and transactions, or open the database with a larger cache",
		"give it a larger --cache"},
	{"Wait until it ends, or end it", "Wait until it ends (--wait=SECONDS), or end it"},
	{"open it with the same, or with VERSO_PAGER_ANY, which takes theirs",
		"leave --pager and --buffered out, and it takes theirs"},
	{"verso_compact() ", "`verso compact` "},
	{"here: take two flushes", "here: leave --commit out, or say --commit=two"},
	{"only written (VERSO_SYNC_PROCESS) are", "only written (--commit=process) are"},
	{"here: use VERSO_SYNC_FULL or VERSO_SYNC_RELAXED",
		"here: leave --commit out, or say --commit=relaxed"},
	{"verso_open: `page_size` is", "--page-size is"},
	{"cannot change: leave the option out", "cannot change: leave --page-size out"},
	{"open the file through the page cache", "add --buffered"},
	{"Let a writer's pages lie on the heap, or move the file",
		"Leave --map-writing out, or move the file"},
	{"pages of scans: read less ahead", "pages of scans: say less with --readahead"},
	{", and a new database was not asked for", ""},
	{"need at least ", "need at least --cache="},
	{"close cursors and transactions that are not needed any more, or allow", "allow"},
	{"; the cursor cannot go on from it: first, last and seek place it again", ""},
	{"by another process or by another handle of this one", "by another process"},
	{"in use by another process or handle", "in use by another process"},
	{"wrong use of a handle, flag or order of calls",
		"a bug of this tool, which has used the library wrongly: please report it"},
	{"a flush failed: reopen the database before writing",
		"a flush failed, and nothing more is written: look at the disk, then try again"},
};

/* Puts `to`, of which there is room, in the place of from_len bytes at p. */
static void replace(char *p, size_t from_len, const char *to)
{
	size_t to_len = strlen(to);

	memmove(p + to_len, p + from_len, strlen(p + from_len) + 1);
	memcpy(p, to, to_len);
}

void words_of_shell(const char *text, char *buf, size_t buf_bytes)
{
	(void)snprintf(buf, buf_bytes, "%s", text);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t from_len = strlen(words[i].in_c), to_len = strlen(words[i].in_shell);
		char *p = strstr(buf, words[i].in_c);

		if (p && strlen(buf) - from_len + to_len < buf_bytes)
			replace(p, from_len, words[i].in_shell);
	}
}
