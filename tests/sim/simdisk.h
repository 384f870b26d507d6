/* SPDX-License-Identifier: MIT */
/*
 * A simulated disk: the tables of io/ in memory, deterministic, with a log of everything that could
 * matter at a power cut.
 *
 * Run a workload on simdisk_io(); then a walk over the log (tests/sim/simwalk.h) makes any state
 * that a crash at any event could have left, as another simdisk on which recovery runs and is
 * logged in turn. What storage may do is section 1 of the crash model (tests/sim/README.md).
 *
 * Sectors are 512 bytes. With one thread the log is a function of the calls and the seed. Any
 * number of threads may use a disk; a kill and the walks want it quiet.
 */
#ifndef TESTS_SIM_SIMDISK_H
#define TESTS_SIM_SIMDISK_H

#include "io/io.h"

#include <stdbool.h>

#define SIM_SECTOR 512u

struct simdisk;

enum sim_call_kind {
	SIM_CALL_OPEN,
	SIM_CALL_READ,
	SIM_CALL_WRITE,
	SIM_CALL_SYNC,
	SIM_CALL_TRUNCATE,
	SIM_CALL_ALLOCATE,
	SIM_CALL_SYNC_DIR,
	SIM_CALL_UNLINK,
	SIM_CALL_RENAME,
	SIM_CALL_NAME_FILE,
	SIM_CALL_MAP,
	SIM_CALL_KINDS
};

struct sim_call {
	enum sim_call_kind kind;
	uint64_t nth;     /* how many calls of this kind the disk has seen before */
	uint64_t nth_any; /* how many calls of any kind */
	bool queued;      /* it came through a queue */
	const char *path;
	uint64_t off_bytes, len_bytes;
};

/* Answers 0, or the error (< 0) with which the call fails. Called with the disk locked. */
typedef int sim_fault_fn(void *arg, const struct sim_call *call);

struct simdisk_options { /* zeroed = defaults */
	uint64_t seed;
	uint64_t file_bytes_max; /* of one file; larger is -EFBIG; default 64 MiB */
	uint64_t space_bytes;    /* of all files together; beyond is -ENOSPC; 0: no limit */
	bool cow;                /* overwriting takes new blocks until the next sync */
	bool no_direct;          /* the file system refuses O_DIRECT */
	bool all_named;          /* the file system has no files without a name */
	bool drop_live;          /* after a failed sync reads show the old bytes (Btrfs) */
	unsigned
		split_one_in; /* one queued write in so many is carried out in two parts; 0: none */
	bool whole_blocks;    /* a dying process writes whole blocks of 4,096 bytes, or none of
				 each */
	bool loose_end;       /* a map reads zeros beyond the file's end, where the kernel would
				 raise SIGBUS: faster */
	const uint8_t *stale; /* what freed blocks still hold, by offset; outlives the disk */
	uint64_t stale_bytes;
	sim_fault_fn *fault;
	void *fault_arg;
};

/* opts: NULL for the defaults; copied. Exits the test when memory is short. */
struct simdisk *simdisk_new(const struct simdisk_options *opts);

/* Takes NULL. Every file, map and queue must be closed. */
void simdisk_free(struct simdisk *d);

/* The disk as an io; lives as long as the disk. */
struct io *simdisk_io(struct simdisk *d);

/* How many events the log holds. A crash "at n" comes after the first n events. */
uint64_t simdisk_events(const struct simdisk *d);

/*
 * What the disk did at its n-th event, from 0, in a word: "name", "flush of names", "write", "write
 * done", "flush", "flush done", "flush failed", "size", "growth"; "end" beyond the last. *ret_off:
 * where a write began or which size was set, in bytes; else 0.
 */
const char *simdisk_event(const struct simdisk *d, uint64_t n, uint64_t *ret_off_bytes);

/*
 * The death of the process, without a power cut: locks fall, requests in flight are carried out or
 * not, by seed; every open file, map and queue is dead. Calls on a dead one return -EIO and change
 * nothing, so that the owner can free its memory by closing as usual. What was written stays
 * visible and pending. New files can be opened at once.
 */
void simdisk_kill(struct simdisk *d);

/* Kills by itself as soon as the log holds n events (0: never). */
void simdisk_kill_at(struct simdisk *d, uint64_t n);

/* Whether simdisk_kill_at() has struck. */
bool simdisk_killed(const struct simdisk *d);

/* A digest of every byte that reads have answered since the last reset, with its place. */
uint64_t simdisk_read_digest(const struct simdisk *d);
void simdisk_read_digest_reset(struct simdisk *d);

/* Calls of one kind so far, failed ones included. */
uint64_t simdisk_calls(const struct simdisk *d, enum sim_call_kind kind);

/*
 * Another size of the disk (0: no limit), and what its files take now. An image has the size
 * that its disk has when the walk makes the first one.
 */
void simdisk_set_space(struct simdisk *d, uint64_t space_bytes);
uint64_t simdisk_space_used(struct simdisk *d);

/* What a copy with holes is: each sector of the file that holds zeros alone has no block. */
void simdisk_dig(struct simdisk *d, const char *path);

/* Installs or changes the fault hook; NULL: none. */
void simdisk_set_fault(struct simdisk *d, sim_fault_fn *fault, void *arg);

/*
 * The live bytes of a file, valid until the next call that writes; NULL when there is no such name.
 */
const uint8_t *simdisk_bytes(struct simdisk *d, const char *path, uint64_t *ret_size_bytes);

/* Writes the log, one line an event, to stderr. */
void simdisk_print_log(const struct simdisk *d);

/* A text for an event, static; for messages. */
const char *sim_event_text(const struct simdisk *d, uint64_t n);

#endif
