/* SPDX-License-Identifier: MIT */
/*
 * The table of a database's switches: the words or the size that each takes, its help line, and
 * a parser that sets one member of struct verso_options. Parser and help have one list of words.
 */
#include "tools/common/switches.h"
#include "trace/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS_MAX 1e9

/* A word out of a list, as its index; -1: it is none of them. */
static int word_index(const char *word, const char *const *list)
{
	for (int i = 0; list[i]; i++) {
		if (strcmp(word, list[i]) == 0)
			return i;
	}
	return -1;
}

bool parse_size(const char *text, uint64_t *ret_bytes)
{
	char *end;
	unsigned shift = 0;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || errno != 0)
		return false;
	if (*end == 'K' || *end == 'k')
		shift = 10;
	else if (*end == 'M' || *end == 'm')
		shift = 20;
	else if (*end == 'G' || *end == 'g')
		shift = 30;
	if (shift > 0)
		end++;
	if (*end != '\0' || n > UINT64_MAX >> shift)
		return false;
	*ret_bytes = (uint64_t)n << shift;
	return true;
}

/* The words of a switch are the parser's and the help's; in the order of their enum. */
static const char *const pager_words[] = {"bufpool", "mmap", "vmcache", NULL};
static const char *const madvise_words[] = {
	"random", "normal", "sequential", "populate", "cursor", NULL};
static const char *const checksum_words[] = {"once", "none", "always", NULL};
static const char *const io_words[] = {"best", "uring", "threads", "sync", NULL};
static const char *const map_writing_words[] = {"heap", "private", "shared", NULL};
static const char *const commit_words[] = {"best", "two", "one", "relaxed", "process", NULL};

static bool parse_pager(struct verso_options *o, const char *value)
{
	int i = word_index(value, pager_words);

	o->pager = (enum verso_pager)i;
	return i >= 0;
}

static bool parse_cache(struct verso_options *o, const char *value)
{
	uint64_t bytes;

	if (!parse_size(value, &bytes) || bytes == 0) /* 0 is the default in the options */
		return false;
	o->cache_bytes = bytes;
	return true;
}

static bool parse_madvise(struct verso_options *o, const char *value)
{
	int i = word_index(value, madvise_words);

	o->madvise = (enum verso_madvise)i;
	return i >= 0;
}

static bool parse_checksum(struct verso_options *o, const char *value)
{
	int i = word_index(value, checksum_words);

	o->checksum = (enum verso_checksum)i;
	return i >= 0;
}

static bool parse_policy(struct verso_options *o, const char *value)
{
	int i = word_index(value, trace_policy_names);

	o->policy = (enum verso_policy)i;
	return i >= 0;
}

static bool parse_io(struct verso_options *o, const char *value)
{
	int i = word_index(value, io_words);

	o->io = (enum verso_io)i;
	return i >= 0;
}

static bool parse_map_writing(struct verso_options *o, const char *value)
{
	int i = word_index(value, map_writing_words);

	o->map_writing = (enum verso_map_writing)i;
	return i >= 0;
}

static bool parse_readahead(struct verso_options *o, const char *value)
{
	uint64_t n_pages;

	if (!parse_size(value, &n_pages))
		return false;
	o->readahead_pages = n_pages == 0 ? VERSO_NO_READAHEAD : n_pages;
	return true;
}

static bool set_buffered(struct verso_options *o, const char *value)
{
	(void)value;
	return o->flags |= VERSO_BUFFERED;
}

static bool set_small_pages(struct verso_options *o, const char *value)
{
	(void)value;
	return o->flags |= VERSO_SMALL_PAGES;
}

static bool set_pin_inner(struct verso_options *o, const char *value)
{
	(void)value;
	return o->flags |= VERSO_PIN_INNER;
}

static bool set_any_fs(struct verso_options *o, const char *value)
{
	(void)value;
	return o->flags |= VERSO_ANY_FS;
}

static bool set_exclusive(struct verso_options *o, const char *value)
{
	(void)value;
	return o->flags |= VERSO_EXCLUSIVE;
}

static bool set_immutable(struct verso_options *o, const char *value)
{
	(void)value;
	return o->flags |= VERSO_IMMUTABLE;
}

static bool parse_wait(struct verso_options *o, const char *value)
{
	char *end;
	double ms = strtod(value, &end) * 1000;

	if (strcmp(value, "forever") == 0) {
		o->busy_timeout_ms = VERSO_BUSY_FOREVER;
		return true;
	}
	if (value[0] < '0' || value[0] > '9' || *end != '\0' || !(ms <= WAIT_MS_MAX))
		return false;
	o->busy_timeout_ms = ms < 1 ? 1 : (unsigned)ms; /* 0 is the default in the options */
	return true;
}

static bool set_copy(struct verso_options *o, const char *value)
{
	(void)value;
	return o->flags |= VERSO_COPY;
}

static bool parse_value_copy_max(struct verso_options *o, const char *value)
{
	uint64_t bytes;

	if (!parse_size(value, &bytes) || bytes == 0)
		return false;
	o->value_copy_max = bytes;
	return true;
}

static bool parse_commit(struct verso_options *o, const char *value)
{
	int i = word_index(value, commit_words);

	if (i == 3)
		o->sync = VERSO_SYNC_RELAXED;
	else if (i == 4)
		o->sync = VERSO_SYNC_PROCESS;
	else
		o->commit_mode = (enum verso_commit_mode)i;
	return i >= 0;
}

static bool parse_mode(struct verso_options *o, const char *value)
{
	char *end;
	unsigned long mode = strtoul(value, &end, 8);

	if (value[0] < '0' || value[0] > '7' || *end != '\0' || mode == 0 || mode > 07777)
		return false;
	o->mode = (unsigned)mode;
	return true;
}

static bool parse_page_size(struct verso_options *o, const char *value)
{
	uint64_t bytes;

	if (!parse_size(value, &bytes) || bytes == 0 || bytes > UINT32_MAX)
		return false;
	o->page_size = (uint32_t)bytes;
	return true;
}

const struct db_switch db_switches[] = {
	{"commit", NULL, commit_words,
		"flushes a commit (best: one with O_DIRECT; process, relaxed: few)", SWITCH_WRITER,
		parse_commit},
	{"page-size", "SIZE", NULL, "of a page in a new database: 4K (default), 8K, 16K, 32K, 64K",
		SWITCH_MAKER, parse_page_size},
	{"mode", "MODE", NULL, "of a new database's file, before the umask (default 0600)",
		SWITCH_MAKER, parse_mode},
	{"pager", NULL, pager_words, "which reads the file (default: the one in use, else bufpool)",
		SWITCH_ANY, parse_pager},
	{"wait", "SECONDS", NULL, "if another process has it alone (default 1; 0: not; or forever)",
		SWITCH_ANY, parse_wait},
	{"exclusive", NULL, NULL, "no other process may have the database open meanwhile",
		SWITCH_WRITER, set_exclusive},
	{"immutable", NULL, NULL,
		"no program writes the file, so it is not locked: at your own risk", SWITCH_READER,
		set_immutable},
	{"cache", "SIZE", NULL, "memory of the buffer pool (default 64M)", SWITCH_ANY, parse_cache},
	{"madvise", NULL, madvise_words, "with --pager=mmap", SWITCH_ANY, parse_madvise},
	{"checksum", NULL, checksum_words, "when a page's checksum is verified (default once)",
		SWITCH_ANY, parse_checksum},
	{"mmap-checksum", NULL, checksum_words, NULL, SWITCH_ANY,
		parse_checksum}, /* its old name */
	{"map-writing", NULL, map_writing_words, "with --pager=mmap: where a writer makes pages",
		SWITCH_ANY, parse_map_writing},
	{"readahead", "PAGES", NULL, "of a scan, at most (default 4 MiB of them; 0: none)",
		SWITCH_ANY, parse_readahead},
	{"policy", NULL, trace_policy_names, "which page the pool evicts (default clock)",
		SWITCH_ANY, parse_policy},
	{"io", NULL, io_words,
		"how the pager reaches the kernel (default best: what works; a map: sync)",
		SWITCH_ANY, parse_io},
	{"buffered", NULL, NULL, "the pool reads and writes through the page cache", SWITCH_ANY,
		set_buffered},
	{"small-pages", NULL, NULL, "the pool's memory in small pages", SWITCH_ANY,
		set_small_pages},
	{"pin-inner", NULL, NULL, "inner pages are pinned, not read under a guard", SWITCH_ANY,
		set_pin_inner},
	{"copy", NULL, NULL, "what is read is copied, not pointed to in the mapping", SWITCH_ANY,
		set_copy},
	{"value-copy-max", "SIZE", NULL,
		"longer values are not copied to memory whole (default 256M)", SWITCH_ANY,
		parse_value_copy_max},
	{"any-fs", NULL, NULL, "a network file system is accepted, at your own risk", SWITCH_ANY,
		set_any_fs},
};

const size_t n_db_switches = sizeof(db_switches) / sizeof(db_switches[0]);

const struct db_switch *db_switch_find(const char *name, size_t len_bytes)
{
	for (size_t i = 0; i < n_db_switches; i++) {
		if (strlen(db_switches[i].name) == len_bytes &&
			memcmp(db_switches[i].name, name, len_bytes) == 0)
			return &db_switches[i];
	}
	return NULL;
}

const char *db_switch_value(const struct db_switch *sw)
{
	static char joined[256];
	size_t len = 0;

	if (!sw->words)
		return sw->value;
	joined[0] = '\0';
	for (size_t i = 0; sw->words[i] && len < sizeof(joined); i++)
		len += (size_t)snprintf(joined + len, sizeof(joined) - len, "%s%s", i ? "|" : "",
			sw->words[i]);
	return joined;
}
