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

#include <limits.h>
#include <pthread.h>
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
	TAKES_WRITER = 1 << 1, /* --commit, --exclusive */
	TAKES_RANGE = 1 << 2,  /* --from and its like */
	TAKES_RAW = 1 << 3,
	TAKES_JSON = 1 << 4,
	TAKES_LOAD = 1 << 5,  /* --batch, --lines, --tsv */
	TAKES_NEW = 1 << 6,   /* --new */
	TAKES_TRACE = 1 << 7, /* --frames, --plot */
	TAKES_NAMES = 1 << 8,
	TAKES_COPY = 1 << 9, /* --compact, --replace */
	TAKES_SPACE = 1 << 10,
	TAKES_PROCESS = 1 << 13,
	TAKES_DUMP = 1 << 14,  /* --skip-damaged */
	TAKES_WATCH = 1 << 15, /* --watch, --count */
	TAKES_PAGE = 1 << 11,  /* --hex, --wide */
	TAKES_CHECK = 1 << 16, /* --trees */
	TAKES_FILE = 1 << 12,  /* nothing more: it reads the file itself, without the library */
};

/* What `load` reads. */
enum format {
	FORMAT_DUMP,
	FORMAT_LINES, /* key TAB value with escapes */
	FORMAT_TSV,   /* key TAB value without */
	FORMAT_NULL,  /* key, zero byte, value, zero byte */
	FORMAT_CSV,   /* key,value (RFC 4180) */
};

struct arguments {
	const struct command *command;
	const char *path;  /* DB */
	char *const *rest; /* the words behind DB */
	int n_rest;
	struct verso_val *bytes; /* what rest stands for, with rest_is_bytes; a zero behind each */
	struct verso_options open;
	const char *db_switch;       /* the last option that went into `open`; NULL: none did */
	const char *table;           /* NULL: the default one */
	struct verso_val table_name; /* its bytes; data NULL: not given */
	struct verso_val from;       /* data NULL: not given */
	struct verso_val to;         /* data NULL: not given */
	struct verso_val prefix;     /* data NULL: not given */
	struct verso_val prefix_end; /* above every key with the prefix; len 0: none is */
	uint64_t limit_records;      /* UINT64_MAX: no limit */
	uint64_t batch_records;      /* 0: not given */
	uint64_t watch_ns;           /* between two looks; 0: --watch was not given */
	uint64_t n_looks;            /* UINT64_MAX: no limit */
	uint32_t n_frames;           /* 0: not given */
	const char *plot;            /* NULL: not given */
	enum format format;
	bool reverse, keys_only, raw, json, no_overwrite;
	bool crlf, header; /* of what load reads */
	bool names_only, compact, replace, space;
	bool process, hex, wide, skip_damaged, trees;
	bool willneed, cold; /* advice: before a scan, and after it */
	bool is_private;     /* no other program knows the path */
};

struct command {
	const char *name;
	const char *words;      /* of the usage line, behind the name */
	const char *summary;    /* one line */
	const char *help;       /* paragraphs; NULL when the summary says it all */
	const char *example;    /* lines for a shell in an empty folder; two blanks before each */
	unsigned takes;         /* enum option_set */
	unsigned open_flags;    /* enum verso_flags */
	int rest_min, rest_max; /* words behind DB */
	bool rest_is_bytes;     /* keys and values, not names: escapes are undone */
	enum status (*run)(const struct arguments *args);
};

extern const struct command command_get, command_put, command_del, command_scan, command_tables,
	command_drop, command_load, command_dump, command_check, command_stat, command_copy,
	command_compact, command_salvage, command_tree, command_page, command_trace;

/* main.c */

/* The command of that index; NULL: there are no more. */
const struct command *command_at(size_t index);

/* The command of that name. NULL: there is none, which has been reported. */
const struct command *command_find(const char *name);

/* Runs the command words[0], with its events traced, unless trace is NULL. */
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

/* help.c */

void help_welcome(FILE *out);
void help_command(FILE *out, const struct command *command);

/* `verso help`, with the words behind it. */
enum status help(int n_words, char **words);

/* watch.c: `stat --watch` */
enum status watch_db(const struct arguments *args);

/* session.c: opening, failing */

struct session {
	const struct arguments *args;
	struct verso *db;
	struct verso_txn *txn;
	struct verso_table *table;
	bool for_screen; /* records are written to a terminal */
};

/*
 * Opens the database of args and begins a transaction with its table; a command that makes a
 * database makes a missing table too. On failure it has said why, nothing is open, and it returns
 * the exit status.
 */
enum status session_open(struct session *s, const struct arguments *args, unsigned begin_flags);

/* Commits what is open; session_go_on() begins anew. When they fail, nothing is open. */
enum status session_commit_batch(struct session *s);
enum status session_go_on(struct session *s);

/* Commits and closes; session_abort() only closes. */
enum status session_commit(struct session *s);
void session_abort(struct session *s);

/* Says `what` and the library's text for `code` on stderr; returns the exit status for it. */
enum status fail(const char *what, int code);

/* Says what may help against damage. */
void say_salvage(void);

/* Says that there is no such table, and which one may have been meant. */
enum status fail_no_table(struct verso_txn *txn, const char *path, const char *table);

/* Flushes stdout: a full disk or a closed pipe behind it is an error too. */
enum status finish_output(void);

/* text.c: text that a terminal may show */

/* Bytes of the character at `text`; 0: its first byte is shown as \xHH, or a terminal obeys it. */
size_t text_char_len(const void *text, const void *end);

/* Writes text for people: what a terminal would obey, and what is no UTF-8, as \xHH. */
void text_write(FILE *out, const void *text, size_t len_bytes);

/* As a string of JSON; a byte that is no UTF-8 becomes U+DC80 to U+DCFF, as Python has it. */
void text_write_json(FILE *out, const char *text);

/* A message: `verso: `, the text as text_write() has it, a newline, on stderr. Keeps errno. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
/* From now on messages do not have these words: the name of a folder that people do not know. */
void say_without(const char *words, size_t len_bytes);

/* The same behind `verso COMMAND: `. */
__attribute__((format(printf, 2, 3))) void say_of_command(const struct command *command,
	const char *format, ...);

/* words.c: a text of the library, cut to buf_bytes, in the words of the command line. */
void words_of_shell(const char *text, char *buf, size_t buf_bytes);

/* suggest.c: "did you mean" */

struct suggest {
	const char *word; /* what was written */
	size_t len_bytes; /* of it */
	unsigned nearest; /* letters that may differ, of the name that was found or at most */
	bool found;
	char name[256]; /* what may have been meant */
};

void suggest_begin(struct suggest *s, const char *word, size_t len_bytes);

/* Is it this one? */
void suggest_offer(struct suggest *s, const char *name);

/* Pairs of what others call a thing and our name for it, up to a NULL. */
void suggest_instead(struct suggest *s, const char *const (*synonyms)[2]);

/* escape.c: \t \n \\ \xHH */

/*
 * Writes bytes so that they stand in one line, without a TAB. for_screen: what text_write() would
 * not send to a terminal is escaped too.
 */
void escape_write(FILE *out, const void *data, size_t len_bytes, bool for_screen);

/* Undoes the escapes in place. False: a backslash that begins no escape. */
bool escape_undo(char *text, size_t len_bytes, size_t *ret_len_bytes);

/* input.c: lines of a file or of standard input */

struct input {
	int fd;
	const char *name;          /* for people */
	size_t line_max_bytes;     /* a longer line is an error */
	char delimiter;            /* newline, or zero: what ends a line */
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

/* Says what standard input is read for, where that is a terminal. */
void input_announce(const char *what);

/* Of a regular file; of others 0, unknown. */
uint64_t input_size_bytes(const struct input *in);

/* Goes to the next line. 1: it is there; 0: the end; -1: a failure, which has been reported. */
int input_next(struct input *in);

/* The same, but of a line longer than max_bytes it reads only that it is longer, and is there. */
int input_next_within(struct input *in, size_t max_bytes);

/* Says on stderr what is wrong with the current line. */
__attribute__((format(printf, 2, 3))) void input_fail(const struct input *in, const char *format,
	...);

/* signals.c */

/*
 * From now on a signal that asks for the end makes reads of fd end (-1: of none), and no more.
 * last_words says what is left, where the signal ends a wait for another program (waiting.c).
 */
void signals_catch(int fd, void (*last_words)(const void *arg), const void *arg);

/* The number of the signal that came; 0: none. */
int signals_ended_by(void);

/* Ends the process as the signal that came would have; returns when none did. */
void signals_end(void);

/* The same, with the last words. Any thread, while the first one waits. */
void signals_end_wait(void);

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

/* plain.c: records in the formats beside a dump */

struct plain {
	struct input *in;
	enum format format;
	bool crlf, header;      /* as in struct arguments */
	uint64_t n_cr, cr_line; /* lines whose CR is a part of the value; the first of them */
	bool has_mark;          /* a byte order mark is a part of the first key */
	char *bytes;            /* of a record that does not lie in the input as it is */
	size_t len_bytes, cap_bytes;
};

void plain_init(struct plain *p, struct input *in, const struct arguments *args);
void plain_fini(struct plain *p);

/* The next record; its bytes last until the next call. */
enum item plain_next(struct plain *p, struct verso_val *ret_key, struct verso_val *ret_val);

/* Bytes of a byte order mark, with which some programs begin a text; 0: there is none. */
size_t plain_mark_bytes(const struct input *in);

/* csv.c: the same, of rows of two columns. */
enum item csv_next(struct plain *p, struct verso_val *ret_key, struct verso_val *ret_val);

/* Adds to p->bytes. False: no memory, or more than any record has, which has been reported. */
bool plain_add(struct plain *p, const void *data, size_t len_bytes);

/* target.c: where load puts records */

struct target {
	struct session session;
	struct arguments args; /* of the session: another path and page size, perhaps */
	const char *name;      /* of the database */
	char *folder, *path;   /* where a new one is made; NULL: it was there */
	char *place;           /* where it goes then: the name, its links resolved */
	bool in_place;         /* a new one has its name */
};

/*
 * Opens the database args->path for writing, or begins a new one, with page_size where nothing else
 * is asked for. On failure it has said why and nothing is open or left; so with all of these.
 */
enum status target_open(struct target *t, const struct arguments *args, uint32_t page_size);

/* Commits what is open; target_go_on() begins anew. */
enum status target_commit_batch(struct target *t);
enum status target_go_on(struct target *t);

/*
 * Commits and closes; a new database then has its name. One whose name cannot be made durable is
 * left there all the same, and the status is an error.
 */
enum status target_commit(struct target *t);

/* Closes; a new database is no more. */
void target_abort(struct target *t);

/* waiting.c: for another program */

/* How what is done between waiting_begin() and waiting_end() may wait. */
enum waits {
	WAITS_NEVER,
	WAITS_ONLY,     /* it does nothing else, so a caught signal ends it at once */
	WAITS_AT_FIRST, /* for a transaction that was open before, and not for later ones */
	WAITS_AT_TIMES,
};

struct waiting {
	const struct arguments *args;
	enum waits waits;
	const char *path; /* of the database that is to be closed; NULL: a turn is waited for */
	bool by_all;      /* who has it open; else who has it alone */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t over;
	bool runs, is_over; /* is_over: lock */
};

/*
 * Between these a thread says, once, which process has had a write transaction open for a second
 * or longer, and that the command of args waits for it. While another process writes, a caught
 * signal ends this one.
 */
void waiting_begin(struct waiting *w, const struct arguments *args, enum waits waits);

/*
 * The same where --wait says that the database of `path` is waited for, until it is closed: it
 * says who has it open; unless by_all, who has it alone.
 */
void waiting_begin_for_close(struct waiting *w, const struct arguments *args, enum waits waits,
	const char *path, bool by_all);
void waiting_end(struct waiting *w);

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

/* Takes the line away, if there is one: something else is to be written. */
void progress_hide(void);

/* cmd_scan.c */

/* Writes the records of the session's table in the range of its arguments, or all. */
enum status records_write(const struct session *s, FILE *out, struct progress *progress);

#endif
