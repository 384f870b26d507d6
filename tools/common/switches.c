/* SPDX-License-Identifier: MIT */
#include "tools/common/switches.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
	if (end == text || errno != 0 || text[0] == '-')
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

static bool parse_pager(struct verso_options *o, const char *value)
{
	static const char *const words[] = {"bufpool", "mmap", "vmcache", NULL};
	int i = word_index(value, words);

	o->pager = (enum verso_pager)i;
	return i >= 0;
}

static bool parse_cache(struct verso_options *o, const char *value)
{
	uint64_t bytes;

	if (!parse_size(value, &bytes))
		return false;
	o->cache_bytes = bytes;
	return true;
}

static bool parse_madvise(struct verso_options *o, const char *value)
{
	static const char *const words[] = {
		"random", "normal", "sequential", "populate", "cursor", NULL};
	int i = word_index(value, words);

	o->madvise = (enum verso_madvise)i;
	return i >= 0;
}

static bool parse_checksum(struct verso_options *o, const char *value)
{
	static const char *const words[] = {"once", "none", "always", NULL};
	int i = word_index(value, words);

	o->checksum = (enum verso_checksum)i;
	return i >= 0;
}

const char *const policy_names[] = {
	[VERSO_POLICY_CLOCK] = "clock",
	[VERSO_POLICY_SIEVE] = "sieve",
	[VERSO_POLICY_FIFO] = "fifo",
	[VERSO_POLICY_LRU] = "lru",
	[VERSO_POLICY_2Q] = "2q",
	[VERSO_POLICY_RANDOM] = "random",
	[VERSO_POLICIES] = NULL,
};

static bool parse_policy(struct verso_options *o, const char *value)
{
	int i = word_index(value, policy_names);

	o->policy = (enum verso_policy)i;
	return i >= 0;
}

static bool parse_io(struct verso_options *o, const char *value)
{
	static const char *const words[] = {"best", "uring", "threads", "sync", NULL};
	int i = word_index(value, words);

	o->io = (enum verso_io)i;
	return i >= 0;
}

static bool parse_map_writing(struct verso_options *o, const char *value)
{
	static const char *const words[] = {"heap", "private", "shared", NULL};
	int i = word_index(value, words);

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

static bool parse_commit(struct verso_options *o, const char *value)
{
	if (strcmp(value, "two") == 0)
		o->commit_mode = VERSO_COMMIT_TWO_FLUSH;
	else if (strcmp(value, "one") == 0)
		o->commit_mode = VERSO_COMMIT_ONE_FLUSH;
	else if (strcmp(value, "relaxed") == 0)
		o->sync = VERSO_SYNC_RELAXED;
	else
		return false;
	return true;
}

static bool parse_page_size(struct verso_options *o, const char *value)
{
	uint64_t bytes;

	if (!parse_size(value, &bytes) || bytes > UINT32_MAX)
		return false;
	o->page_size = (uint32_t)bytes;
	return true;
}

const struct db_switch db_switches[] = {
	{"commit", "one|two|relaxed", "flushes a commit; relaxed: one flush at the end", true,
		parse_commit},
	{"page-size", "SIZE", "of a page in a new database: 4K (default), 8K, 16K, 32K, 64K", true,
		parse_page_size},
	{"pager", "bufpool|mmap|vmcache",
		"which reads the file (default bufpool; vmcache: for experiments)", false,
		parse_pager},
	{"cache", "SIZE", "memory of the buffer pool (default 64M)", false, parse_cache},
	{"madvise", "random|normal|sequential|populate|cursor", "with --pager=mmap", false,
		parse_madvise},
	{"checksum", "once|none|always", "when a page's checksum is verified (default once)", false,
		parse_checksum},
	{"mmap-checksum", "once|none|always", NULL, false, parse_checksum}, /* its old name */
	{"map-writing", "heap|private|shared", "with --pager=mmap: where a writer makes pages",
		false, parse_map_writing},
	{"readahead", "PAGES", "of a scan, at most (default 4 MiB of them; 0: none)", false,
		parse_readahead},
	{"policy", "clock|sieve|fifo|lru|2q|random", "which page the pool evicts", false,
		parse_policy},
	{"io", "uring|threads|sync", "how the pool reaches the kernel (default: the best)", false,
		parse_io},
	{"buffered", NULL, "the pool reads and writes through the page cache", false, set_buffered},
	{"small-pages", NULL, "the pool's memory in small pages", false, set_small_pages},
	{"pin-inner", NULL, "inner pages are pinned, not read under a guard", false, set_pin_inner},
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
