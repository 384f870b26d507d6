/* SPDX-License-Identifier: MIT */
/*
 * Head to head: the same records, reads, scans and durable updates through several engines, which
 * must agree on every record.
 *
 * Each stage of each engine runs in a child process of its own, so that its memory and faults are
 * its own, and leaves its results in memory shared with the parent. Reads and updates are repeated
 * in rounds; in each round the engines take turns in another order. What every engine must return
 * is in the model, which is made before and the same for all.
 */
#ifndef TOOLS_HEADTOHEAD_H
#define TOOLS_HEADTOHEAD_H

#include "verso.h"

#include <stdbool.h>
#include <stdio.h>

/* dataset.c: the records */

struct record {
	struct verso_val key, val; /* in the data set's file image */
};

struct dataset {
	char *image;            /* of the input file */
	struct record *records; /* in key order, each key once */
	size_t n_records;
	size_t n_stanzas;   /* in the file; of several with one name the last counts */
	uint64_t len_bytes; /* of all keys and values */
	size_t value_max_bytes;
};

/*
 * Reads stanzas, separated by empty lines, with a line `Package: NAME` each (what apt keeps in its
 * lists and dpkg in its status file). False: it cannot, and has said why. *ret_set is the caller's
 * until the process ends.
 */
bool dataset_read(const char *path, struct dataset *ret_set);

/*
 * A permutation of 0..n-1, the same for every run with this seed; 0: none, they are in order. The
 * caller frees it; NULL: ENOMEM.
 */
uint32_t *dataset_order(size_t n, uint64_t seed);

/* model.c: what the database must hold after the updates */

struct update {
	uint32_t record; /* index in the data set */
	bool del;
	struct verso_val val;
};

struct model {
	const struct dataset *set;
	struct update *updates; /* in the order in which they are made */
	size_t n_updates;
	struct verso_val *last; /* of each record of the data set, in the end; data NULL: deleted */
	struct record *after;   /* in key order, what is left in the end */
	size_t n_after;
};

/*
 * n_updates updates of records in random order, again and again where there are fewer records. One
 * in ten deletes, where the record is there to be deleted. False: out of memory.
 */
bool model_make(const struct dataset *set, size_t n_updates, struct model *ret_model);

/* Of a sequence of records; starts at DIGEST_START. */
#define DIGEST_START 0xcbf29ce484222325u
uint64_t digest_record(uint64_t digest, struct verso_val key, struct verso_val val);

/* engine_*.c */

struct engine_figures {
	uint64_t n_hits, n_misses; /* of its own cache */
	bool has_cache;
	char how[256]; /* for people */
};

typedef int record_fn(void *arg, struct verso_val key, struct verso_val val);

/* Every call returns 0, or an error that it has printed on stderr. */
struct engine_ops {
	const char *title;
	const char *file;             /* name of the database in the folder */
	unsigned small_cache_percent; /* of memory that is short; the rest is for the page cache */

	/* Opens the database at path; makes it when it is missing. */
	int (*open)(void *engine, const char *path, size_t cache_bytes);
	int (*begin)(void *engine, bool write);
	int (*put)(void *engine, struct verso_val key, struct verso_val val);
	int (*del)(void *engine, struct verso_val key);
	/* 1: not found. *ret_val lasts until the next call. */
	int (*get)(void *engine, struct verso_val key, struct verso_val *ret_val);
	/* All records in key order; fn returns 0 to go on. */
	int (*scan)(void *engine, record_fn *fn, void *arg);
	int (*commit)(void *engine);
	/* Proves that the file is whole. */
	int (*check)(void *engine);
	void (*figures)(void *engine, struct engine_figures *figures);
	int (*close)(void *engine);
	size_t size; /* of the engine's object, which the caller zeroes */
};

/* How Verso's databases are opened, beside pager and cache; set before the first is. */
extern struct verso_options verso_switches;

extern const struct engine_ops engine_bufpool, engine_mmap, engine_vmcache, engine_lmdb,
	engine_sqlite_rowid, engine_sqlite_by_key;

/* measure.c */

struct usage {
	uint64_t now_ns;
	uint64_t read_bytes, write_bytes; /* see usage_init() */
	uint64_t faults, major_faults;
	uint64_t cpu_ns;
};

/*
 * Chooses where bytes read and written are counted: at the device that holds `folder`, whichever
 * program causes them, because what the kernel charges to a process counts a whole large folio for
 * each write to a part of it, three times what is written. Where the device cannot be asked, at the
 * process. Answers a text for people.
 */
const char *usage_init(const char *folder);

void usage_now(struct usage *u);
void usage_less(const struct usage *now, const struct usage *before, struct usage *ret_used);

/* Resident memory in bytes: now, and the most since usage_reset_peak(). */
uint64_t usage_resident_bytes(void);
uint64_t usage_resident_peak_bytes(void);
void usage_reset_peak(void);

/* Resident memory in bytes that is of no file; and what the kernel caches of a file. */
uint64_t usage_own_bytes(void);
uint64_t usage_cached_bytes(const char *path);

/* Bytes that this process made the kernel read from disks so far; 0: not known. */
uint64_t usage_process_read_bytes(void);

/* Writes dirty pages of the file back and drops it from the kernel's page cache. */
void usage_forget_file(const char *path);

/* run.c */

#define ROUNDS_MAX 32

enum phase {
	PHASE_LOAD,
	PHASE_GET_COLD,
	PHASE_SCAN_COLD,
	PHASE_GET,
	PHASE_SCAN,
	PHASE_FILL_SMALL,
	PHASE_GET_SMALL,
	PHASE_UPDATE,
	PHASE_VERIFY,
	N_PHASES
};

/* What one process does with one engine; the phases of each stage follow each other in it. */
enum stage {
	STAGE_LOAD,   /* once */
	STAGE_READ,   /* in each round */
	STAGE_SMALL,  /* in each round: reads in less memory than the data takes */
	STAGE_UPDATE, /* in each round, an equal share of the updates */
	STAGE_VERIFY, /* once */
	N_STAGES
};

struct phase_result {
	uint64_t n; /* operations */
	struct usage used;
};

/* The rounds of a phase. */
struct samples {
	size_t n;
	struct phase_result of[ROUNDS_MAX];
};

struct result {
	uint32_t n_failed;     /* stages that did not come to their end */
	uint64_t n_wrong;      /* results that were not the model's */
	uint64_t digest;       /* of all records in the end */
	uint64_t n_records;    /* in the end */
	uint64_t file_bytes;   /* in the end, closed */
	uint64_t files_bytes;  /* most before a close: with what the engine has beside it */
	uint64_t memory_bytes; /* most that was resident beyond the start of a stage */
	struct samples phases[N_PHASES];
	struct engine_figures figures; /* of the reads of all rounds */
};

struct plan {
	const struct model *model;
	const char *folder;
	size_t cache_bytes;
	size_t load_batch; /* records a transaction */
	size_t n_rounds;
	bool is_sorted;      /* the load */
	const char *program; /* this one's file */
	const char *within;  /* a command that runs another in so many bytes; NULL: there is none */
	size_t small_bytes;  /* of memory, in all, for the reads in little memory */
	uint32_t *load_order;
	uint32_t *get_order;
	const char *bytes_from; /* what usage_init() said */
};

/* Runs a stage in this process. False: it did not come to its end, and has said why. */
bool run_stage(const struct engine_ops *ops, const struct plan *plan, enum stage stage,
	size_t round, struct result *result);

/* small.c: reads in less memory than the data takes, by a program of its own within a limit */

/*
 * Writes what such a program asks for and what it must find, in the order of the plan's gets, to
 * the plan's folder. False: it cannot, and has said why.
 */
bool small_prepare(const struct plan *plan);

/* Runs it for one engine. False: it did not come to its end, and has said why. */
bool small_run(const struct engine_ops *ops, const struct plan *plan, size_t round,
	struct result *result);

/* What that program does. False: it did not come to its end. */
bool small_gets(const struct engine_ops *ops, const char *folder, size_t memory_bytes,
	size_t round);

/* report.c, report_json.c */

struct report_engine {
	const struct engine_ops *ops;
	const struct result *result;
};

/* 1234567 as 1,234,567. */
const char *grouped(char *buf, size_t cap, uint64_t n);

/* The middle of a phase's rounds, and half of what lies between the least and the most. */
struct spread {
	double median, half;
};
typedef double sample_fn(const struct phase_result *p);
struct spread spread_of(const struct samples *s, sample_fn *fn);

double sample_rate(const struct phase_result *p);         /* operations a second */
double sample_read_each(const struct phase_result *p);    /* bytes read an operation */
double sample_written_each(const struct phase_result *p); /* bytes written an operation */

/* What the machine is, in one line. */
void machine_text(char *buf, size_t cap);

void report_print(FILE *out, const struct plan *plan, const struct report_engine *engines,
	size_t n_engines);

/* Every sample of every phase, as one JSON object. False: it cannot be written. */
bool report_json(const char *path, const struct plan *plan, const struct report_engine *engines,
	size_t n_engines, bool agree);

#endif
