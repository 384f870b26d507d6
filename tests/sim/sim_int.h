/* SPDX-License-Identifier: MIT */
/* What the parts of the simulated disk share. */
#ifndef TESTS_SIM_SIM_INT_H
#define TESTS_SIM_SIM_INT_H

#include "base/assert.h"
#include "io/file.h"
#include "io/map.h"
#include "io/queue.h"
#include "tests/sim/simdisk.h"

#include <pthread.h>

#define SIM_NONE UINT32_MAX

enum sim_event_kind {
	SIM_NAME,     /* `name` now means `ino` (SIM_NONE: unlinked), and `from`, when it is a name,
			 nothing any more; pending until SIM_SYNC_DIR */
	SIM_SYNC_DIR, /* the names in the folder of `name` are durable */
	SIM_WRITE,    /* may reach the device from now on; `over`: complete at once */
	SIM_WRITE_DONE, /* `of` is complete; only its first len_bytes took */
	SIM_SYNC, /* submitted: covers the writes complete before it; `over`: succeeded at once */
	SIM_SYNC_DONE,   /* `of` succeeded */
	SIM_SYNC_FAILED, /* `of` failed: some of what it covered is durable, the rest is lost */
	SIM_SIZE,        /* the size is set to off_bytes */
	SIM_GROW,        /* the size is at least off_bytes */
};

struct sim_event {
	enum sim_event_kind kind;
	bool over;
	uint32_t ino, name, from;
	uint64_t off_bytes, len_bytes;
	uint64_t of; /* number of the event that began what this one ends; its own when over */
	const uint8_t *data;
};

struct sim_lock {
	const void *owner;
	enum lock_kind kind;
	uint64_t from, to; /* [from, to) */
};

struct sim_inode {
	int fd;            /* memory file; its size is the live size, or the most if loose_end */
	uint64_t size;     /* live */
	uint8_t *live;     /* all of file_bytes_max, writable; only [0, size) may be touched */
	uint8_t *device;   /* what the device shows; NULL while it is the same as live */
	uint8_t *noted;    /* what the log has of live; NULL: was never mapped writable */
	unsigned n_stores; /* writable maps of it, of the living */
	struct sim_lock *locks;
	unsigned n_locks, cap_locks;

	/* Images only: sectors that may differ from the walk's durable bytes. */
	uint32_t *touched;
	uint32_t n_touched, cap_touched;
	uint64_t *touched_bits;

	/* Copy on write only: sectors written since the last sync, old blocks held till then. */
	uint64_t *fresh_bits;
	uint32_t n_held;

	/* Sectors below the end of the file that have no block. */
	uint64_t *hole_bits;
	uint32_t n_holes;

	/* Images only, when asked for: what the disk held before anything ran on it. */
	uint8_t *base;
	uint64_t base_size;
};

struct sim_name {
	char path[200];
	uint32_t ino;      /* live meaning */
	uint32_t base_ino; /* before the first event */
};

struct simfile {
	struct file file;
	struct simdisk *disk;
	uint32_t ino, name;
	bool rdonly, dead;
	char path[200];
	struct simfile *next;
};

struct simmap {
	struct map map;
	struct simdisk *disk;
	uint32_t ino;
	bool writable, is_private, dead;
	struct simmap *next;
};

struct simqueue {
	struct queue queue;
	struct simdisk *disk;
	struct sim_pending *pending; /* array */
	unsigned n_pending, cap_pending;
	unsigned depth;
	pthread_cond_t changed; /* something was submitted, or is complete */
	struct simqueue *next;
};

/* A request in flight. */
struct sim_pending {
	struct io_req *req;
	uint64_t event; /* of the write or sync */
	uint8_t *data;  /* of a write: gathered */
	uint64_t off_bytes, len_bytes;
	int fault; /* what it will return */
};

struct sim_block {
	struct sim_block *next;
	size_t used, cap;
	uint8_t bytes[];
};

struct simdisk {
	struct io io;
	struct simdisk_options opts;
	pthread_mutex_t lock; /* all that follows */
	uint64_t rng;
	uint64_t clock_ns;

	struct sim_event *events;
	uint64_t n_events, cap_events;
	struct sim_block *blocks; /* bytes of the log; first is the one in use */

	struct sim_inode *inodes;
	uint32_t n_inodes, cap_inodes;
	uint32_t n_base_inodes; /* images: those that existed before the first event */
	struct sim_name *names;
	uint32_t n_names, cap_names;

	struct simfile *files;
	struct simmap *maps;
	unsigned n_stores; /* writable maps, of the living */
	struct simqueue *queues;

	uint64_t calls[SIM_CALL_KINDS], calls_any;
	uint64_t kill_at;
	bool killed;
	uint64_t read_digest;
	bool image;    /* keeps `touched` */
	bool has_base; /* inodes' base is valid */
};

/* memory that cannot fail: a test machine without memory ends the test */
void *sim_alloc(size_t len_bytes);
void *sim_grow(void *p, size_t n, size_t item_bytes);
void *sim_reserve(uint64_t len_bytes);
void sim_unreserve(void *p, uint64_t len_bytes);

uint64_t sim_random(uint64_t *state);
uint64_t sim_mix(uint64_t a, uint64_t b);

/* simdisk.c: the log. sim_log() notes stores first. */
struct sim_event *sim_log(struct simdisk *d, enum sim_event_kind kind, uint32_t ino);
struct sim_event *sim_log_add(struct simdisk *d, enum sim_event_kind kind, uint32_t ino);
uint8_t *sim_log_bytes(struct simdisk *d, size_t len_bytes);
int sim_fault(struct simdisk *d, enum sim_call_kind kind, bool queued, uint32_t name,
	uint64_t off_bytes, uint64_t len_bytes);
void sim_kill_locked(struct simdisk *d);
void sim_kill_check(struct simdisk *d);
void sim_reset(struct simdisk *d);

/* simdisk.c: inodes */
uint32_t sim_inode_new(struct simdisk *d);
void sim_inode_set_size(struct simdisk *d, struct sim_inode *in, uint64_t size);
void sim_inode_resize(struct simdisk *d, struct sim_inode *in, uint64_t size);
void sim_inode_write(struct simdisk *d, struct sim_inode *in, const void *buf, uint64_t off,
	uint64_t len);
void sim_touch(struct sim_inode *in, uint64_t off, uint64_t len);

/* simfile.c */
struct simfile *sim_file_new(struct simdisk *d, uint32_t ino, uint32_t name, unsigned flags);
void sim_read_bytes(struct simdisk *d, struct simfile *f, void *buf, uint64_t len, uint64_t off,
	enum file_view view);
void sim_sync_failed(struct simdisk *d, uint32_t ino);
void sim_locks_drop(struct sim_inode *in, const void *owner);
int sim_map_new(struct io *io, struct file *file, enum map_mode mode, uint64_t off_bytes,
	uint64_t reserve_bytes, struct map **ret_map);

/* simroom.c */
/* 0, -EFBIG, or -ENOSPC when the file may not have [off, off + len). */
int sim_room(const struct simdisk *d, const struct sim_inode *in, uint64_t off, uint64_t len);
int sim_room_allocate(const struct simdisk *d, const struct sim_inode *in, uint64_t off,
	uint64_t len);
/* [off, off + len) has blocks; truncation has changed the size. */
void sim_room_allocated(struct sim_inode *in, uint64_t off, uint64_t len);
void sim_room_truncated(struct sim_inode *in, uint64_t from, uint64_t to);
/* To be called before the bytes are written, and after a sync that succeeded. */
void sim_room_written(const struct simdisk *d, struct sim_inode *in, uint64_t off, uint64_t len);
void sim_room_synced(const struct simdisk *d, struct sim_inode *in);

/* simstore.c */
/* Logs what was stored through writable maps since the last event. */
void sim_stores_note(struct simdisk *d);
/* A writable map of the file begins, ends. */
void sim_stores_begin(struct simdisk *d, uint32_t ino);
void sim_stores_end(struct simdisk *d, uint32_t ino);

/* simqueue.c */
int sim_queue_new(struct io *io, unsigned depth, enum queue_backend backend,
	struct queue **ret_queue);
void sim_queue_kill(struct simqueue *q);

/* simwalk.c: rebuilds the device from the log after a failed sync */
void sim_device_build(struct simdisk *d, uint32_t ino);

/* Whether sector s of the write that event n logged survives the failed sync of event `sync`. */
bool sim_survives(const struct simdisk *d, uint64_t sync, uint64_t n, uint64_t sector);

#endif
