/* SPDX-License-Identifier: MIT */
/*
 * Snapshots: the published state, and who still reads which generation. Both live in the lock file,
 * a small file beside the database that is mapped and shared; it holds nothing that a crash must
 * keep and is initialised anew by whoever opens the database alone.
 *
 * Layout (docs/file-format.md): a header; the published state, under an atomic sequence and a
 * checksum; 64 process records; 1,024 reader slots of a cache line.
 *
 * To begin, a reader stores the published generation in a slot of its own, with a fence, and reads
 * the published state again: if it has moved, it repeats. The writer scans the slots after
 * publishing, so either it sees the reader or the reader sees the newer state. Neither waits for
 * the other.
 *
 * One process for now: the file is locked exclusively. The layout is what several will share.
 */
#ifndef TXN_SNAPSHOT_H
#define TXN_SNAPSHOT_H

#include "txn/txn.h"

#include "io/map.h"

#define SNAPSHOT_READERS   1024U
#define SNAPSHOT_PROCESSES 64U
#define PUBLISHED_WORDS    12U

struct lock_file_header {
	uint8_t magic[8];
	uint32_t version;
	uint32_t n_readers;
	uint8_t boot_id[16];         /* another boot: everything here is stale */
	uint8_t uuid[16];            /* of the database */
	_Atomic uint32_t poison;     /* not 0: a flush failed; no writer until all have closed */
	_Atomic uint32_t pager_kind; /* agreed by all processes: 0 none yet */
	_Atomic uint64_t
		next_seq; /* of the attempt to come; moved before its first page is written */
};

struct published {
	_Atomic uint64_t sequence; /* odd while it is being changed */
	_Atomic uint64_t words[PUBLISHED_WORDS];
	_Atomic uint64_t checksum;
};

struct process_record {
	_Atomic uint64_t pid;   /* display only: the lock on this record's byte says who lives */
	_Atomic uint64_t start; /* display only */
	uint64_t unused[6];
};

struct reader_slot {
	_Alignas(64) _Atomic uint64_t gen; /* snapshot in use; 0: none */
	_Atomic uint32_t owner;            /* process record + 1; 0: the slot is free */
};

struct lock_file {
	struct lock_file_header header;
	_Alignas(64) struct published published;
	_Alignas(64) struct process_record processes[SNAPSHOT_PROCESSES];
	struct reader_slot readers[SNAPSHOT_READERS];
};

struct snapshots {
	struct file *file;
	struct map *map;
	struct lock_file *shared;
	_Atomic uint32_t n_used; /* no slot from there on was ever taken */
};

/* What readers begin with. */
struct snapshot {
	gen_t gen;
	pgno_t n_pages;
	struct txn_root roots[TXN_ROOTS];
};

/* Initialises the file, which the caller has locked for itself alone, and maps it. */
int snapshots_open(struct snapshots *s, struct file *file, const uint8_t uuid[16]);
/* Takes one that was not opened. */
void snapshots_close(struct snapshots *s);

/* Makes a state visible to readers that begin from now on. One thread at a time. */
void snapshots_publish(struct snapshots *s, const struct snapshot *state);

/* Takes a slot for good: begin and end use it again and again. VERSO_EBUSY: all are taken. */
int snapshots_take_slot(struct snapshots *s, unsigned *ret_slot);

/* Registers a reader in its slot and returns what it may read. VERSO_ECORRUPT: the lock file was
 * overwritten by something. */
int snapshots_begin(struct snapshots *s, unsigned slot, struct snapshot *ret_state);
void snapshots_end(struct snapshots *s, unsigned slot);

/* The generations in use, sorted, into gens (room for SNAPSHOT_READERS); returns how many. */
size_t snapshots_in_use(struct snapshots *s, gen_t *gens);

#endif
