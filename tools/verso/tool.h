/* SPDX-License-Identifier: MIT */
/*
 * The `verso` tool: one file a subcommand, and what they share.
 *
 * A subcommand is a `struct command` in main.c's table. Its run() gets the options parsed and the
 * words left over, and returns the exit status. Messages go to stderr, results to stdout.
 */
#ifndef TOOLS_VERSO_TOOL_H
#define TOOLS_VERSO_TOOL_H

#include "verso.h"

#include <stdbool.h>
#include <stdio.h>

enum status {
	STATUS_OK = 0,
	STATUS_NO = 1,    /* not found, or the check found damage */
	STATUS_USAGE = 2, /* the command line cannot be understood */
	STATUS_ERROR = 3, /* it could not be done: I/O, a damaged file, no such file, bad input */
};

/* Which options a subcommand takes, beside those that every one takes. */
enum option_set {
	TAKES_TABLE = 1 << 0,
	TAKES_WRITER = 1 << 1, /* --commit, --page-size */
	TAKES_RANGE = 1 << 2,  /* --from and its like */
	TAKES_RAW = 1 << 3,
	TAKES_JSON = 1 << 4,
	TAKES_LOAD = 1 << 5,  /* --batch, --lines, --tsv */
	TAKES_NEW = 1 << 6,   /* --new */
	TAKES_TRACE = 1 << 7, /* --frames, --plot */
	TAKES_COPY = 1 << 8,  /* --compact, --replace */
	TAKES_SPACE = 1 << 9, /* --space */
};

/* What `load` reads. */
enum format {
	FORMAT_DUMP,
	FORMAT_LINES, /* key TAB value with escapes */
	FORMAT_TSV,   /* key TAB value without */
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
	uint64_t batch_records;      /* 0: not given */
	uint32_t n_frames;           /* 0: not given */
	const char *plot;            /* NULL: not given */
	enum format format;
	bool reverse, keys_only, raw, json, no_overwrite, compact, replace, space;
	bool willneed, cold; /* advice: before a scan, and after it */
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
	command_dump, command_check, command_stat, command_copy, command_trace;

/* main.c: runs the command words[0], with its events traced, unless trace is NULL. */
enum status run_command(int n_words, char **words, verso_trace_fn *trace, void *trace_arg);

/* cmd_trace.c: the words behind `verso trace record`. */
enum status trace_record(int n_words, char **words);

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
 * table. On failure it has said why, nothing is open, and it returns the exit status.
 */
enum status session_open(struct session *s, const struct arguments *args, unsigned begin_flags);

/* Commits what is open and begins anew. */
enum status session_commit_and_go_on(struct session *s);

/* Commits and closes; session_abort() only closes. */
enum status session_commit(struct session *s);
void session_abort(struct session *s);

/* Says `what` and the library's text for `code` on stderr; returns the exit status for it. */
enum status fail(const char *what, int code);

/* Flushes stdout: a full disk or a closed pipe behind it is an error too. */
enum status finish_output(void);

/* escape.c: \t \n \r \\ \xHH */

/* Writes bytes so that they stand in one line, without a TAB. */
void escape_write(FILE *out, const void *data, size_t len_bytes);

/* Undoes the escapes in place. False: a backslash that begins no escape. */
bool escape_undo(char *text, size_t len_bytes, size_t *ret_len_bytes);

/* input.c: lines of a file or of standard input */

struct input {
	int fd;
	const char *name;          /* for people */
	size_t line_max_bytes;     /* a longer line is an error */
	char *line;                /* the current one, with a zero in place of its newline */
	size_t len_bytes;          /* of it, without the newline */
	bool has_newline;          /* the last line of a file may have none */
	bool is_read;              /* the file, up to its end */
	char *buf;                 /* what is read and not yet a line: begin_off to end_off */
	size_t cap_bytes;          /* of buf */
	size_t begin_off, end_off; /* in buf */
	uint64_t n_lines, read_bytes;
};

/* path NULL: standard input. False: it cannot be opened, which has been reported. */
bool input_open(struct input *in, const char *path, size_t line_max_bytes);
void input_close(struct input *in);

/* Of a regular file; of others 0, unknown. */
uint64_t input_size_bytes(const struct input *in);

/* Goes to the next line. 1: it is there; 0: the end; -1: a failure, which has been reported. */
int input_next(struct input *in);

/* The same, but of a line longer than max_bytes it reads only that it is longer, and is there. */
int input_next_within(struct input *in, size_t max_bytes);

/* Says on stderr what is wrong with the current line. */
__attribute__((format(printf, 2, 3))) void input_fail(const struct input *in, const char *format,
	...);

/* What a line turned out to be. */
enum item {
	ITEM_BAD = -1, /* which has been reported */
	ITEM_END,
	ITEM_TABLE, /* key has its name, with a zero behind it; data NULL: the default one */
	ITEM_RECORD,
};

/* record.c: a record as `key TAB value`, and back */

/* Writes the record on which the cursor stands, or with --keys its key alone. */
enum status record_write(const struct session *s, FILE *out, struct verso_cursor *cursor,
	int move_result, struct verso_val key, struct verso_val val);

/* Writes a value of any length, as it is. */
enum status value_write(const struct session *s, FILE *out, struct verso_val key, bool escaped);

/* The record of the current line; with `escaped` the escapes are undone, in place. */
enum item record_parse(const struct input *in, bool escaped, struct verso_val *ret_key,
	struct verso_val *ret_val);

/* target.c: where load puts records */

struct target {
	struct session session;
	struct arguments args; /* of the session: another path and page size, perhaps */
	const char *name;      /* of the database */
	char *folder, *path;   /* where a new one is made; NULL: it was there */
	char *place;           /* where it goes then: the name, its links resolved */
};

/*
 * Opens the database args->path for writing, or begins a new one, with page_size where nothing else
 * is asked for. On failure it has said why and nothing is open or left; so with all of these.
 */
enum status target_open(struct target *t, const struct arguments *args, uint32_t page_size);

/* Commits what is open and begins anew. */
enum status target_commit_and_go_on(struct target *t);

/*
 * Commits and closes; a new database then has its name. One whose name cannot be made durable is
 * left there all the same, and the status is an error.
 */
enum status target_commit(struct target *t);

/* Closes; a new database is no more. */
void target_abort(struct target *t);

/* progress.c: a line on stderr that is written again, only on a terminal */

struct progress {
	const char *what;  /* "records" */
	uint64_t n, total; /* total 0: unknown */
	uint64_t start_ns, shown_ns;
	uint64_t quiet_ns; /* from the start on nothing is shown for so long */
	bool on;
};

void progress_begin(struct progress *p, const char *what, uint64_t total);
void progress_be_quiet(struct progress *p, unsigned seconds); /* for so long */
void progress_step(struct progress *p, uint64_t n);
void progress_end(struct progress *p);

/* cmd_scan.c */

/* Writes the records of the session's table in the range of its arguments, or all. */
enum status records_write(const struct session *s, FILE *out, struct progress *progress);

#endif
