/* SPDX-License-Identifier: MIT */
/*
 * The `verso` tool: one file a subcommand, and what they share.
 *
 * A subcommand is a `struct command` in main.c's table. Its run() gets the options parsed and the
 * words left over, and answers the exit status. Messages go to stderr, results to stdout.
 */
#ifndef TOOLS_VERSO_TOOL_H
#define TOOLS_VERSO_TOOL_H

#include "verso.h"

#include <stdbool.h>
#include <stdio.h>

enum status {
	STATUS_OK = 0,
	STATUS_NO = 1,    /* not found, or the check found damage */
	STATUS_USAGE = 2, /* the command line makes no sense */
	STATUS_ERROR = 3, /* it could not be done: I/O, a damaged file, no such file, bad input */
};

/* Which options a subcommand takes, beside those that every one takes. */
enum option_set {
	TAKES_TABLE = 1 << 0,
	TAKES_WRITER = 1 << 1, /* --commit, --page-size */
	TAKES_RANGE = 1 << 2,  /* --from and its like */
	TAKES_RAW = 1 << 3,
	TAKES_JSON = 1 << 4,
	TAKES_BATCH = 1 << 5,
	TAKES_NEW = 1 << 6, /* --new */
};

/* The most words behind DB that stand for bytes: a key and a value. */
#define REST_BYTES_MAX 2

struct arguments {
	const struct command *command;
	const char *path;  /* DB */
	char *const *rest; /* the words behind DB */
	int n_rest;
	struct verso_val bytes[REST_BYTES_MAX]; /* what rest stands for, with rest_is_bytes */
	struct verso_options open;
	const char *table;           /* NULL: the default one */
	struct verso_val from;       /* data NULL: not given */
	struct verso_val to;         /* data NULL: not given */
	struct verso_val prefix;     /* data NULL: not given */
	struct verso_val prefix_end; /* above every key with the prefix; len 0: none is */
	uint64_t limit_records;      /* UINT64_MAX: no limit */
	uint64_t batch_records;
	bool reverse, keys_only, raw, json, no_overwrite;
};

struct command {
	const char *name;
	const char *words;   /* of the usage line, behind the name */
	const char *summary; /* one line */
	const char *help;    /* paragraphs; NULL when the summary says it all */
	unsigned takes;      /* enum option_set */
	unsigned open_flags; /* enum verso_flags */
	int rest_min, rest_max;
	bool rest_is_bytes; /* keys and values, not names: escapes are undone */
	enum status (*run)(const struct arguments *args);
};

extern const struct command command_get, command_put, command_del, command_scan, command_load,
	command_dump, command_check, command_stat;

/* arguments.c */

/*
 * Parses what stands behind the command's name. On false it has said on stderr what is wrong.
 * Either way arguments_free() frees what it holds.
 */
bool arguments_parse(const struct command *command, int n_words, char **words,
	struct arguments *ret_args);

void arguments_free(struct arguments *args);

/* Writes the options that a command takes, a line each. */
void arguments_describe(const struct command *command, FILE *out);

/* session.c: opening, failing */

struct session {
	const struct arguments *args;
	struct verso *db;
	struct verso_txn *txn;
	struct verso_table *table;
};

/*
 * Opens the database of args and begins a transaction with its table. VERSO_WRITE makes a missing
 * table. On failure it has said why, nothing is open, and the answer is the exit status.
 */
enum status session_open(struct session *s, const struct arguments *args, unsigned begin_flags);

/* Commits what is open and begins anew. */
enum status session_commit_and_go_on(struct session *s);

/* Commits and closes; session_abort() only closes. */
enum status session_commit(struct session *s);
void session_abort(struct session *s);

/* Says `what` and the library's text for `code` on stderr; answers the exit status for it. */
enum status fail(const char *what, int code);

/* Flushes stdout: a full disk or a closed pipe behind it is an error too. */
enum status finish_output(void);

/* escape.c: \t \n \r \\ \xHH */

/* Writes bytes so that they stand in one line, without a TAB. */
void escape_write(FILE *out, const void *data, size_t len_bytes);

/* Undoes the escapes in place. False: a backslash that begins no escape. */
bool escape_undo(char *text, size_t len_bytes, size_t *ret_len_bytes);

/* record.c */

/* Writes the record on which the cursor stands as `key TAB value`, or the key alone. */
enum status record_write(const struct session *s, struct verso_cursor *cursor, int move_result,
	struct verso_val key, struct verso_val val);

/* Writes a value of any length, as it is. */
enum status value_write(const struct session *s, struct verso_val key, bool escaped);

/* progress.c: a line on stderr that is written again, only on a terminal */

struct progress {
	const char *what;  /* "records" */
	uint64_t n, total; /* total 0: unknown */
	uint64_t start_ns, shown_ns;
	bool on;
};

void progress_begin(struct progress *p, const char *what, uint64_t total);
void progress_step(struct progress *p, uint64_t n);
void progress_end(struct progress *p);

#endif
