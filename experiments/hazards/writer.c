/* SPDX-License-Identifier: MIT */
#include "experiments/hazards/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_RECORDS   6000U
#define PLAIN_PAGES 256U /* of the file that is written in place */

static const struct subject heap = {
	.name = "map_heap",
	.options = {.pager = VERSO_MMAP, .map_writing = VERSO_MAP_HEAP},
};
static const struct subject private = {
	.name = "map_private",
	.options = {.pager = VERSO_MMAP, .map_writing = VERSO_MAP_PRIVATE},
};
static const struct subject shared = {
	.name = "map_shared",
	.options = {.pager = VERSO_MMAP, .map_writing = VERSO_MAP_SHARED},
};
static const struct subject pool = {
	.name = "pool",
	.options = {.pager = VERSO_BUFPOOL},
};

const struct writer writers[] = {
	{"pool", "frames of a pool", &pool},
	{"map_heap", "pages in memory of their own", &heap},
	{"map_private", "a private map", &private},
	{"map_shared", "a shared map, pages elsewhere than the committed ones", &shared},
	{"in_place", "a shared map, over the committed pages", NULL},
	{NULL, NULL, NULL},
};

/* Runs in a child; its status is the result, and its text comes back through shared memory. */
static bool in_child(bool (*run)(const struct writer *w, const char *path, char text[TEXT_BYTES]),
	const struct writer *w, const char *path, char text[TEXT_BYTES])
{
	char *said =
		mmap(NULL, TEXT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 1;
	pid_t pid;

	if (said == MAP_FAILED)
		abort();
	pid = fork();
	if (pid == 0)
		_exit(run(w, path, said) ? 0 : 1);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		(void)snprintf(text, TEXT_BYTES, "fork: %s", strerror(errno));
	else
		memcpy(text, said, TEXT_BYTES);
	(void)munmap(said, TEXT_BYTES);
	return status == 0;
}

/* Anonymous memory of this process, by its page tables; UINT32_MAX: unknown. */
static uint32_t anonymous_kib(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "re");
	uint32_t kib = UINT32_MAX;
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Anonymous: %" SCNu32 " kB", &kib) == 1)
			break;
	}
	if (f)
		(void)fclose(f);
	return kib;
}

/* Of the writer: what it had when its transaction began. */
static uint32_t kib_before;

/* --- a file that is written in place --------------------------------------------------------- */

static void plain_page(uint32_t page, uint32_t version, uint8_t bytes[PAGE_BYTES])
{
	uint64_t state = (uint64_t)version << 32 | page;

	for (unsigned i = 0; i < PAGE_BYTES; i += 8) {
		uint64_t x = record_draw(&state);

		memcpy(bytes + i, &x, 8);
	}
}

static bool plain_make(const char *path, char text[TEXT_BYTES])
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	uint8_t bytes[PAGE_BYTES];
	bool ok = fd >= 0;

	for (uint32_t page = 0; ok && page < PLAIN_PAGES; page++) {
		plain_page(page, 1, bytes);
		ok = write(fd, bytes, PAGE_BYTES) == (ssize_t)PAGE_BYTES;
	}
	ok = ok && fsync(fd) == 0;
	if (!ok)
		(void)snprintf(text, TEXT_BYTES, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

static bool plain_change(const char *path, char text[TEXT_BYTES])
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t *map = fd < 0 ? MAP_FAILED
			      : mmap(NULL, (size_t)PLAIN_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
					MAP_SHARED, fd, 0);

	if (map == MAP_FAILED) {
		(void)snprintf(text, TEXT_BYTES, "%s: %s", path, strerror(errno));
		return false;
	}
	/* One page at a time: the kernel counts what is dirty by what it has read together. */
	(void)madvise(map, (size_t)PLAIN_PAGES * PAGE_BYTES, MADV_RANDOM);
	kib_before = anonymous_kib();
	for (uint32_t i = 0; i < N_CHANGED; i++) {
		uint32_t page = i * (PLAIN_PAGES / N_CHANGED);

		plain_page(page, 2, map + (size_t)page * PAGE_BYTES);
	}
	return true;
}

static bool plain_is_whole(const char *path, char text[TEXT_BYTES])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t found[PAGE_BYTES], bytes[PAGE_BYTES];
	unsigned n_wrong = 0;

	for (uint32_t page = 0; fd >= 0 && page < PLAIN_PAGES; page++) {
		plain_page(page, 1, bytes);
		n_wrong += pread(fd, found, PAGE_BYTES, (off_t)page * PAGE_BYTES) !=
				   (ssize_t)PAGE_BYTES ||
			   memcmp(found, bytes, PAGE_BYTES) != 0;
	}
	(void)snprintf(text, TEXT_BYTES, "%u pages are not those that were committed", n_wrong);
	return fd >= 0 && n_wrong == 0;
}

/* --- a database ------------------------------------------------------------------------------ */

static bool failed(char text[TEXT_BYTES], const char *what)
{
	(void)snprintf(text, TEXT_BYTES, "%s: %s", what, verso_errmsg(NULL));
	return false;
}

static int put(struct verso_txn *txn, uint32_t record, uint32_t version)
{
	uint8_t key[RECORD_KEY_BYTES], value[RECORD_VALUE_BYTES];

	record_key(record, key);
	record_value(record, version, value);
	return verso_put(txn, NULL, (struct verso_val){key, sizeof(key)},
		(struct verso_val){value, sizeof(value)}, 0);
}

static struct verso *open_db(const struct writer *w, const char *path, unsigned flags)
{
	struct verso_options options = w->subject->options;
	struct verso *db;

	options.size = sizeof(options);
	options.flags = flags;
	options.cache_bytes = (size_t)8 << 20; /* no transaction spills */
	return verso_open(path, &options, &db) < 0 ? NULL : db;
}

/* All records in version 1. Twice, so that the transaction that comes finds free pages. */
static bool make(const struct writer *w, const char *path, char text[TEXT_BYTES])
{
	struct verso_txn *txn;
	struct verso *db;
	int rc = 0;

	if (!w->subject)
		return plain_make(path, text);
	db = open_db(w, path, VERSO_CREATE | VERSO_EXCL);
	if (!db)
		return failed(text, "verso_open");
	for (unsigned time = 0; rc == 0 && time < 3; time++) {
		rc = verso_begin(db, VERSO_WRITE, &txn);
		for (uint32_t r = 0; rc == 0 && r < N_RECORDS; r++)
			rc = put(txn, r, 1);
		if (rc == 0)
			rc = verso_commit(txn);
	}
	if (rc)
		(void)failed(text, "the first commit");
	verso_close(db);
	return rc == 0;
}

static bool change(const struct writer *w, const char *path, char text[TEXT_BYTES])
{
	struct verso_txn *txn;
	struct verso *db;
	int rc;

	if (!w->subject)
		return plain_change(path, text);
	db = open_db(w, path, 0);
	rc = db ? verso_begin(db, VERSO_WRITE, &txn) : -1;
	kib_before = anonymous_kib();
	for (uint32_t i = 0; rc == 0 && i < N_CHANGED; i++)
		rc = put(txn, i * (N_RECORDS / N_CHANGED), 2);
	return rc == 0 || failed(text, "a change");
}

static bool is_whole(const struct writer *w, const char *path, char text[TEXT_BYTES])
{
	uint8_t key[RECORD_KEY_BYTES], value[RECORD_VALUE_BYTES];
	unsigned n_wrong = 0;
	struct verso_txn *txn;
	struct verso_val val;
	struct verso *db;

	if (!w->subject)
		return plain_is_whole(path, text);
	db = open_db(w, path, 0);
	if (!db || verso_begin(db, VERSO_READ, &txn) < 0)
		return failed(text, "opening again");
	for (uint32_t r = 0; r < N_RECORDS; r++) {
		record_key(r, key);
		record_value(r, 1, value);
		n_wrong += verso_get(txn, NULL, (struct verso_val){key, sizeof(key)}, &val) != 0 ||
			   val.len != sizeof(value) || memcmp(val.data, value, sizeof(value)) != 0;
	}
	verso_abort(txn);
	verso_close(db);
	(void)snprintf(text, TEXT_BYTES, "%u records are not those that were committed", n_wrong);
	return n_wrong == 0;
}

bool writer_make_file(const struct writer *w, const char *path, char text[TEXT_BYTES])
{
	return in_child(make, w, path, text);
}

bool writer_file_is_whole(const struct writer *w, const char *path, char text[TEXT_BYTES])
{
	return in_child(is_whole, w, path, text);
}

/* --- the process ------------------------------------------------------------------------------ */

static bool enter_group(const char *procs)
{
	int fd = open(procs, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, "0", 1) == 1;

	if (fd >= 0)
		(void)close(fd);
	return ok;
}

/* What a writer says when its pages are changed, or why they are not. */
struct message {
	char text[TEXT_BYTES];
	uint32_t grown_kib;
};

static uint32_t grown_kib(void)
{
	uint32_t now = anonymous_kib();

	if (now == UINT32_MAX || kib_before == UINT32_MAX)
		return UINT32_MAX;
	return now > kib_before ? now - kib_before : 0;
}

static _Noreturn void run_writer(const struct writer *w, const char *path, const char *group,
	int out)
{
	struct message said = {.text = ""};
	bool ok = true;

	if (group && !enter_group(group)) {
		(void)snprintf(said.text, TEXT_BYTES, "entering %s: %s", group, strerror(errno));
		ok = false;
	}
	ok = ok && change(w, path, said.text);
	said.grown_kib = grown_kib();
	if (ok)
		said.text[0] = '\0';
	if (write(out, &said, sizeof(said)) < 0 || !ok)
		_exit(1);
	for (;;)
		(void)pause();
}

pid_t writer_start(const struct writer *w, const char *path, const char *group,
	uint32_t *ret_grown_kib, char text[TEXT_BYTES])
{
	struct message said;
	int pipes[2];
	pid_t pid;
	ssize_t n;

	if (pipe2(pipes, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		(void)snprintf(text, TEXT_BYTES, "fork: %s", strerror(errno));
		return -1;
	}
	if (pid == 0)
		run_writer(w, path, group, pipes[1]);
	(void)close(pipes[1]);
	n = read(pipes[0], &said, sizeof(said));
	(void)close(pipes[0]);
	if (n == (ssize_t)sizeof(said) && said.text[0] == '\0') {
		*ret_grown_kib = said.grown_kib;
		return pid;
	}
	if (n == (ssize_t)sizeof(said))
		memcpy(text, said.text, TEXT_BYTES);
	else
		(void)snprintf(text, TEXT_BYTES, "the writer ended before it was ready");
	writer_kill(pid);
	return -1;
}

void writer_kill(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}
