/* SPDX-License-Identifier: MIT */
#include "tools/verso/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct input {
	FILE *file;
	const char *name;
	char *line; /* getline()'s */
	size_t cap_bytes;
	uint64_t n_lines, read_bytes;
};

static uint64_t size_of(FILE *file)
{
	struct stat st;

	return fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

/* 1: a record; 0: the end; -1: a line that is none, which has been told. */
static int read_record(struct input *in, struct verso_val *key, struct verso_val *val)
{
	ssize_t len = getline(&in->line, &in->cap_bytes, in->file);
	char *tab;
	size_t key_len, val_len;

	if (len < 0) {
		if (feof(in->file))
			return 0;
		(void)fprintf(stderr, "verso: %s: %s\n", in->name, strerror(errno));
		return -1;
	}
	in->n_lines++;
	in->read_bytes += (uint64_t)len;
	if (in->line[len - 1] == '\n')
		len--;
	tab = memchr(in->line, '\t', (size_t)len);
	if (!tab) {
		(void)fprintf(stderr, "verso: %s, line %" PRIu64 ": no TAB between key and value\n",
			in->name, in->n_lines);
		return -1;
	}
	if (!escape_undo(in->line, (size_t)(tab - in->line), &key_len) ||
		!escape_undo(tab + 1, (size_t)(in->line + len - tab - 1), &val_len)) {
		(void)fprintf(stderr,
			"verso: %s, line %" PRIu64
			": a backslash that is none of \\t, \\n, \\\\ and \\xHH\n",
			in->name, in->n_lines);
		return -1;
	}
	*key = (struct verso_val){in->line, key_len};
	*val = (struct verso_val){tab + 1, val_len};
	return 1;
}

/* Puts every record; on failure the session is closed and *ret_committed records are there. */
static enum status load_records(struct session *s, struct input *in, uint64_t *ret_n,
	uint64_t *ret_committed)
{
	struct progress progress;
	struct verso_val key, val;
	uint64_t n = 0;
	enum status status = STATUS_OK;
	int more;

	*ret_committed = 0;
	progress_begin(&progress, "bytes", size_of(in->file));
	while ((more = read_record(in, &key, &val)) > 0) {
		int rc = verso_put(s->txn, s->table, key, val, 0);

		if (rc < 0) {
			(void)fprintf(stderr, "verso: line %" PRIu64 "\n", in->n_lines);
			status = fail(in->name, rc);
			break;
		}
		progress_step(&progress, in->read_bytes);
		if (++n % s->args->batch_records == 0) {
			status = session_commit_and_go_on(s);
			if (status != STATUS_OK) {
				progress_end(&progress);
				return status;
			}
			*ret_committed = n;
		}
	}
	progress_end(&progress);
	if (more < 0)
		status = STATUS_ERROR;
	if (status == STATUS_OK) {
		status = session_commit(s);
		if (status == STATUS_OK)
			*ret_committed = n;
	} else {
		session_abort(s);
	}
	*ret_n = n;
	return status;
}

static enum status load(const struct arguments *args)
{
	struct input in = {.file = stdin, .name = "standard input"};
	struct session s;
	uint64_t n = 0, n_committed;
	enum status status;

	if (args->n_rest > 0) {
		in.name = args->rest[0];
		in.file = fopen(in.name, "re");
		if (!in.file) {
			(void)fprintf(stderr, "verso: %s: %s\n", in.name, strerror(errno));
			return STATUS_ERROR;
		}
	}
	status = session_open(&s, args, VERSO_WRITE);
	if (status == STATUS_OK) {
		status = load_records(&s, &in, &n, &n_committed);
		if (status == STATUS_OK)
			(void)fprintf(stderr, "loaded %" PRIu64 " records\n", n);
		else if (n_committed > 0)
			(void)fprintf(stderr,
				"verso: the first %" PRIu64 " records were loaded and stay\n",
				n_committed);
	}
	free(in.line);
	if (in.file != stdin)
		(void)fclose(in.file);
	return status;
}

const struct command command_load = {
	.name = "load",
	.words = "DB [FILE]",
	.summary = "Put the records of a dump",
	.help = "FILE, or standard input, has a line a record: key, TAB, value, with \\t, \\n,\n"
		"\\\\ and \\xHH for bytes that would not stand in a line. A missing database or\n"
		"table is made; a key that is there gets the new value. Sorted input loads\n"
		"fastest.",
	.takes = TAKES_TABLE | TAKES_WRITER | TAKES_BATCH,
	.open_flags = VERSO_CREATE,
	.rest_max = 1,
	.run = load,
};
