/* SPDX-License-Identifier: MIT */
/*
 * The workload: sessions of commits of one to four numbers, each of which ends by a close, by the
 * death of the process in the middle of something, or with an edit that is never committed.
 */
#include "tests/crash/subject_store.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SESSIONS        4
#define SESSION_COMMITS 6

const struct store_config store_configs[STORE_CONFIGS] = {
	{"log-pool", &protocol_log, STORE_POOL},
	{"log-copied", &protocol_log, STORE_COPIED},
	{"shadow-pool", &protocol_shadow, STORE_POOL},
	{"shadow-map", &protocol_shadow, STORE_MAP},
	{"shadow-copied", &protocol_shadow, STORE_COPIED},
	{"none-pool", &protocol_none, STORE_POOL},
	{"none-map", &protocol_none, STORE_MAP},
	{"none-copied", &protocol_none, STORE_COPIED},
	{"log-map", &protocol_log, STORE_MAP},
};

static struct crash_mark marks[] = {
	{"sessions that ended by a death", 20, 0, 1},
	{"deaths after which the newest version was gone", 10, 0, 1},
	{"edits that were never committed", 20, 0, 1},
};

enum { MARK_DEATH, MARK_GONE, MARK_UNCOMMITTED };

/*
 * Of the commit that runs; NULL: none was made yet. One store is open at a time. It lies here and
 * not beside the store, which a protocol has in its hands: it may be what is judged (Lab 6).
 */
static struct crash_history *history;

static void (*listener)(void *arg, enum store_step step);
static void *listener_arg;

void subject_store_listen(void (*on_step)(void *arg, enum store_step step), void *arg)
{
	listener = on_step;
	listener_arg = arg;
}

/* Each step is a phase of the history too. */
static void on_step(void *arg, enum store_step step)
{
	(void)arg;
	if (history)
		crash_phase(history, store_step_name(step));
	if (listener)
		listener(listener_arg, step);
}

static uint64_t digest_of(const struct store *s)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < STORE_NUMBERS; i++) {
		uint64_t state = store_get(s, i) * 64 + i;

		sum += crash_draw(&state);
	}
	return sum;
}

static int open_store(unsigned config, uint64_t seed, struct simdisk *d, void **ret_db)
{
	struct store *s = calloc(1, sizeof(*s));
	int rc;

	(void)seed;
	ASSERT(s);
	history = NULL;
	rc = store_open(s, simdisk_io(d), store_configs[config].protocol,
		store_configs[config].memory);
	if (rc) {
		store_close(s);
		free(s);
		return rc;
	}
	s->on_step = on_step;
	*ret_db = s;
	return 0;
}

static void close_store(void *arg)
{
	store_close(arg);
	free(arg);
}

static int create_store(unsigned config, uint64_t seed, struct simdisk *d)
{
	(void)config;
	(void)seed;
	return store_create(simdisk_io(d));
}

static int find_digest(void *arg, uint64_t *ret_digest)
{
	*ret_digest = digest_of(arg);
	return 0;
}

static int check_store(void *arg)
{
	(void)arg;
	return 0; /* any 32 numbers are a state: the digest says whether it is one of ours */
}

/* Changes one to four numbers. *ret_digest is that of the state afterwards, known before it. */
static int edit(struct store *s, uint64_t *rng, struct crash_history *h, unsigned *ret_version)
{
	unsigned n = 1 + (unsigned)(crash_draw(rng) % 4);
	struct store after = *s;
	unsigned which[4];
	uint64_t values[4];
	int rc = 0;

	/* On paper first: when the first store reaches a map, the version has begun. */
	for (unsigned k = 0; k < n; k++) {
		unsigned page;

		which[k] = (unsigned)(crash_draw(rng) % STORE_NUMBERS);
		values[k] = crash_draw(rng);
		page = which[k] / STORE_PAGE_NUMBERS;
		le64_set(&after.memory[after.where[page]][which[k] % STORE_PAGE_NUMBERS *
							  STORE_PAGE_BYTES / STORE_PAGE_NUMBERS],
			values[k]);
	}
	history = h;
	*ret_version = crash_begin(h, digest_of(&after));
	for (unsigned k = 0; rc == 0 && k < n; k++)
		rc = store_set(s, which[k], values[k]);
	return rc;
}

static int commit_once(void *arg, uint64_t *rng, struct crash_history *h)
{
	unsigned version;
	int rc = edit(arg, rng, h, &version);

	if (rc == 0)
		rc = store_commit(arg);
	if (rc == 0)
		crash_ack(h, version);
	return rc;
}

/* Opens after a death, and goes on with what is found there. */
static int reopen(unsigned config, uint64_t seed, struct simdisk *d, struct crash_history *h,
	void **ret_db)
{
	uint64_t newest = crash_newest(h), found;
	void *db;
	int rc = open_store(config, seed, d, &db), version;

	if (rc)
		return error_set(-EIO, "the store does not open after a death: %d", rc);
	(void)find_digest(db, &found);
	version = crash_find(h, simdisk_events(d), found);
	/* Of a death without a power cut, in place is no worse than the rest: but it may show a
	 * state in the middle of an edit. Then the history begins again with that. */
	if (version < 0) {
		crash_history_reset(h, d);
		crash_begin_with(h, found);
		h->versions[0].begun_at = h->versions[0].acked_at = simdisk_events(d);
	} else {
		crash_rebase(h, (unsigned)version, h->n);
	}
	marks[MARK_GONE].n += found != newest;
	*ret_db = db;
	return 0;
}

static int workload(unsigned config, uint64_t seed, struct simdisk *d, struct crash_history *h)
{
	uint64_t rng = seed;
	unsigned version;
	void *db;
	int rc = create_store(config, seed, d);

	if (rc == 0)
		rc = open_store(config, seed, d, &db);
	if (rc)
		return rc;
	crash_begin_with(h, digest_of(db));
	h->named_at = simdisk_events(d);
	for (unsigned session = 0; rc == 0 && session < SESSIONS; session++) {
		bool dies = crash_draw(&rng) % 2;

		if (dies)
			simdisk_kill_at(d, simdisk_events(d) + 1 + crash_draw(&rng) % 30);
		for (unsigned i = 0; rc == 0 && i < SESSION_COMMITS; i++)
			rc = commit_once(db, &rng, h);
		if (rc == 0 && crash_draw(&rng) % 2) {
			rc = edit(db, &rng, h, &version);
			marks[MARK_UNCOMMITTED].n++;
		}
		if (simdisk_killed(d))
			rc = 0;
		simdisk_kill_at(d, 0);
		if (dies)
			simdisk_kill(d);
		marks[MARK_DEATH].n += dies;
		close_store(db);
		if (rc == 0)
			rc = reopen(config, seed, d, h, &db);
	}
	if (rc == 0)
		close_store(db);
	return rc;
}

static const char *config_name(unsigned config)
{
	return store_configs[config].name;
}

static void disk_options(unsigned config, uint64_t seed, struct simdisk_options *opts)
{
	(void)config;
	(void)seed;
	opts->file_bytes_max = 1U << 20;
}

const struct crash_subject subject_store = {
	.name = "store",
	.n_configs = STORE_CONFIGS_SAFE,
	.config_name = config_name,
	.disk_options = disk_options,
	.workload = workload,
	.create = create_store,
	.open = open_store,
	.digest = find_digest,
	.check = check_store,
	.commit = commit_once,
	.close = close_store,
	.marks = marks,
	.n_marks = sizeof(marks) / sizeof(*marks),
};
