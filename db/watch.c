/* SPDX-License-Identifier: MIT */
/*
 * A look at what the processes do that have a database open, by one that may have nothing to do
 * with them: from the locks of the file, and from the board, which is read as a file, so that
 * nothing is waited for. What stands there is foreign data: each number is judged, and none leads
 * anywhere.
 */
#include "base/clock.h"
#include "db/holder.h"
#include "db/side.h"
#include "txn/read_locks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct looking {
	struct file *file;   /* the database */
	struct file *side;   /* NULL: there is none */
	struct board *board; /* a copy; NULL: they have none, or it is in use for another file */
	bool lives[BOARD_MEMBERS_MAX];
	uint64_t now_ns;
	struct verso_watch *watch;
};

/* --- what stands on the board -------------------------------------------------------------- */

static uint64_t count_at(const _Atomic uint64_t *count)
{
	return atomic_load_explicit(count, memory_order_relaxed);
}

/* Since then; VERSO_UNKNOWN: that is no time of this clock. */
static uint64_t age_ms(const struct looking *l, uint64_t since_ns)
{
	if (since_ns == 0 || since_ns > l->now_ns)
		return VERSO_UNKNOWN;
	return (l->now_ns - since_ns) / 1000000;
}

static void find_living(struct looking *l)
{
	struct members m = {.file = l->file, .id = BOARD_MEMBERS_MAX};

	for (unsigned id = 0; id < BOARD_MEMBERS_MAX; id++) {
		l->lives[id] = l->board->members[id].pid != 0 && members_live(&m, id);
		l->watch->n_processes += l->lives[id];
	}
}

/* The dead too, whose counts nobody has moved to the past yet. */
static void add_counts(struct looking *l)
{
	uint64_t sums[BOARD_COUNTS];

	for (unsigned i = 0; i < BOARD_COUNTS; i++) {
		sums[i] = count_at(&l->board->past[i]);
		for (unsigned id = 0; id < BOARD_MEMBERS_MAX; id++)
			sums[i] += count_at(&l->board->activity[id].counts[i]);
	}
	l->watch->n_commits = sums[BOARD_COMMITS];
	l->watch->n_gets = sums[BOARD_GETS];
	l->watch->n_peeks = sums[BOARD_PEEKS];
	l->watch->n_misses = sums[BOARD_MISSES];
	l->watch->read_bytes = sums[BOARD_READ_BYTES];
	l->watch->write_bytes = sums[BOARD_WRITE_BYTES];
}

/* Those in slots, and the one that has read for the longest time. */
static void find_readers(struct looking *l)
{
	const struct snapshots *s = &l->board->snapshots;
	struct verso_watch *w = l->watch;
	uint64_t oldest_ns = UINT64_MAX;

	for (unsigned i = 0; i < SNAPSHOT_READERS; i++) {
		uint32_t owner = atomic_load(&s->readers[i].owner);
		uint64_t begun_ns = count_at(&s->readers[i].begun_ns);

		if (count_at(&s->readers[i].gen) == 0 || owner == 0 || owner > BOARD_MEMBERS_MAX ||
			!l->lives[owner - 1])
			continue;
		w->n_readers++;
		if (begun_ns >= oldest_ns)
			continue;
		oldest_ns = begun_ns;
		w->reader_pid = l->board->members[owner - 1].pid;
		w->reader_age_ms = age_ms(l, begun_ns);
		holder_name(l->board->members[owner - 1].program, w->reader_program);
	}
}

static void find_writer(struct looking *l)
{
	struct verso_watch *w = l->watch;
	uint64_t newest_ns = 0;

	if (!members_turn_is_taken(l->file))
		return;
	for (unsigned id = 0; id < BOARD_MEMBERS_MAX; id++) {
		const struct board_activity *a = &l->board->activity[id];
		uint64_t since_ns = count_at(&a->turn_since_ns);

		if (!l->lives[id] || since_ns <= newest_ns)
			continue;
		newest_ns = since_ns;
		w->writer_pid = l->board->members[id].pid;
		w->writer_age_ms = age_ms(l, since_ns);
		w->write_age_ms = age_ms(l, count_at(&a->write_since_ns));
		holder_name(l->board->members[id].program, w->writer_program);
	}
}

static void look_at_board(struct looking *l)
{
	find_living(l);
	add_counts(l);
	find_readers(l);
	find_writer(l);
	l->watch->pager = l->board->head.pager < VERSO_PAGERS ? (int)l->board->head.pager : -1;
	l->watch->poisoned = atomic_load(&l->board->left.turn) == BOARD_POISONED;
}

/* --- the files ----------------------------------------------------------------------------- */

static int error_format(const struct looking *l)
{
	return error_set(VERSO_EVERSION,
		"%s is in use by a process with another version of Verso, and what that one writes "
		"into %s is not known to this one",
		l->file->path, l->side->path);
}

/*
 * Of those that have this file open; board stays NULL where they have none, or the first of them
 * fills it in just now, or the last one is leaving.
 */
static int read_board(struct looking *l)
{
	uint64_t size_bytes;
	uint32_t format;
	unsigned id;
	int rc;

	if (!l->side || !members_use(l->side) || !members_find(l->file, &id))
		return 0;
	rc = file_size(l->side, &size_bytes);
	if (rc == 0 && size_bytes < SIDE_BYTES)
		rc = error_format(l);
	if (rc < 0)
		return rc;
	l->board = aligned_alloc(_Alignof(struct board), sizeof(*l->board));
	rc = l->board ? file_read(l->side, l->board, sizeof(*l->board), SIDE_BOARD_OFF, FILE_LIVE)
		      : -ENOMEM;
	if (rc < 0)
		return rc;
	format = atomic_load(&l->board->head.is_open);
	if (format == BOARD_FORMAT)
		return 0;
	free(l->board);
	l->board = NULL;
	return format == 0 ? 0 : error_format(l);
}

/* Those that only read have a lock for each state. */
static void count_locked(struct looking *l)
{
	struct read_locks locks;
	gen_t *gens = malloc(READ_LOCKS_MAX * sizeof(*gens));
	size_t n = 0;

	read_locks_init(&locks, l->file);
	/* Where one of them is about to begin, or there are too many, they are not listed. */
	if (gens && read_locks_list(&locks, UINT64_MAX, gens, &n) < 0)
		n = 1;
	l->watch->n_locked = (uint32_t)n;
	read_locks_fini(&locks);
	free(gens);
	error_clear();
}

static bool is_locked(struct file *file, enum lock_kind against)
{
	uint64_t at_bytes;
	bool found;

	return file_find_lock(file, against, PRESENT_OFF_BYTES, 1, &found, &at_bytes) == 0 && found;
}

static int look(struct looking *l)
{
	struct verso_watch *w = l->watch;
	struct txn_probe probe;
	struct io_self who = {0};
	int rc = txn_probe(l->file, &probe);

	/* Both metas may be met while they are written. */
	if (rc < 0 && rc != VERSO_ECORRUPT)
		return rc;
	error_clear();
	w->now_ns = clock_coarse_ns();
	w->is_open = is_locked(l->file, LOCK_EXCLUSIVE);
	w->is_alone = is_locked(l->file, LOCK_SHARED);
	if (w->is_alone && l->side && holder_of_record(l->side, &who)) {
		w->alone_pid = who.pid;
		holder_name(who.program, w->alone_program);
	}
	if (w->is_alone || !w->is_open)
		return 0;
	count_locked(l);
	rc = read_board(l);
	w->now_ns = l->now_ns = clock_coarse_ns(); /* not before what stands there was written */
	if (rc == 0 && l->board)
		look_at_board(l);
	return rc;
}

static int open_files(struct looking *l, const char *path)
{
	char *beside = path_beside(path, "-lock");
	int rc = beside ? io_open(io_kernel(), path, FILE_RDONLY | FILE_ANY_FS, 0, &l->file)
			: -ENOMEM;

	if (rc == 0) {
		rc = io_open(io_kernel(), beside, FILE_RDONLY | FILE_ANY_FS | FILE_NOFOLLOW, 0,
			&l->side);
		rc = rc == -ENOENT ? 0 : rc;
	}
	free(beside);
	return rc;
}

int verso_watch(const char *path, struct verso_watch *watch)
{
	THREAD_KEPT;
	struct verso_watch full = {
		.reader_age_ms = VERSO_UNKNOWN,
		.writer_age_ms = VERSO_UNKNOWN,
		.write_age_ms = VERSO_UNKNOWN,
		.pager = -1,
	};
	struct looking l = {.watch = &full};
	char *resolved;
	int rc;

	error_clear();
	if (!path || path[0] == '\0')
		return misuse("verso_watch: no path");
	if (!watch || watch->size < sizeof(watch->size))
		return misuse("verso_watch: set watch->size to sizeof(struct verso_watch)");
	resolved = path_resolve(path);
	rc = resolved ? open_files(&l, resolved) : -ENOMEM;
	if (rc == 0)
		rc = look(&l);
	if (rc < 0 && resolved)
		rc = error_of_file(resolved, rc);
	free(l.board);
	file_close(l.side);
	file_close(l.file);
	free(resolved);
	if (rc < 0)
		return call_result(rc);
	full.size = watch->size < sizeof(full) ? watch->size : sizeof(full);
	memcpy(watch, &full, full.size);
	return 0;
}
