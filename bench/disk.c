/* SPDX-License-Identifier: MIT */
#include "bench/disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMMIT_RECORDS 100000
#define SWITCHES_MAX   16

void disk_check(struct verso *db, int rc, const char *what)
{
	engine_check(rc == 0, "verso", what, rc < 0 ? verso_errmsg(db) : verso_strerror(rc));
}

struct entry {
	unsigned char key[ENGINE_KEY_BYTES];
	uint64_t record;
};

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, ENGINE_KEY_BYTES);
}

static void put_all(struct verso *db, const struct entry *entries, uint64_t n)
{
	struct verso_txn *txn;

	for (uint64_t i = 0; i < n;) {
		disk_check(db, verso_begin(db, VERSO_WRITE, &txn), "begin");
		for (unsigned k = 0; k < COMMIT_RECORDS && i < n; k++, i++) {
			unsigned char val[ENGINE_VAL_BYTES];

			bench_val(entries[i].record, 0, val);
			disk_check(db,
				verso_put(txn, NULL,
					(struct verso_val){entries[i].key, ENGINE_KEY_BYTES},
					(struct verso_val){val, sizeof(val)}, 0),
				"put");
		}
		disk_check(db, verso_commit(txn), "commit");
	}
}

void disk_load(const char *path, uint64_t n_records)
{
	struct verso_options options = {
		.size = sizeof(options),
		.flags = VERSO_CREATE | VERSO_EXCL,
		.cache_bytes = (size_t)1 << 30,
	};
	struct entry *entries = malloc(n_records * sizeof(*entries));
	struct verso *db = NULL;

	engine_check(entries != NULL, "verso", "load", "no memory");
	for (uint64_t i = 0; i < n_records; i++) {
		bench_key(i, entries[i].key);
		entries[i].record = i;
	}
	qsort(entries, n_records, sizeof(*entries), by_key);
	disk_check(db, verso_open(path, &options, &db), "open");
	put_all(db, entries, n_records);
	verso_close(db);
	free(entries);
}

static void exec_fio(const char *path, const char *const *switches, int out)
{
	char file[4096];
	const char *args[SWITCHES_MAX + 8] = {"fio", "--name=read", "--output-format=terse",
		"--readonly", "--direct=1", "--ioengine=io_uring", file};
	size_t n = 7;

	(void)snprintf(file, sizeof(file), "--filename=%s", path);
	for (; *switches && n < SWITCHES_MAX + 7; switches++)
		args[n++] = *switches;
	(void)dup2(out, STDOUT_FILENO);
	(void)execvp("fio", (char *const *)(uintptr_t)args);
	_exit(127);
}

double disk_fio(const char *path, const char *const *switches, enum fio_field field)
{
	char line[8192] = "", *at = line;
	int out[2], status;
	pid_t pid;
	FILE *in;

	if (pipe(out) < 0 || (pid = fork()) < 0)
		return 0;
	if (pid == 0)
		exec_fio(path, switches, out[1]);
	(void)close(out[1]);
	in = fdopen(out[0], "r");
	while (in && fgets(line, sizeof(line), in) && line[0] != '3')
		;
	if (in)
		(void)fclose(in);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return 0;
	for (unsigned i = 1; i < field && at; i++) {
		at = strchr(at, ';');
		at = at ? at + 1 : NULL;
	}
	return at ? strtod(at, NULL) : 0;
}
