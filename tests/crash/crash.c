/* SPDX-License-Identifier: MIT */
/*
 * One judge for all levels. Level 0 is the workload's disk; an image of it runs on level 1 and is a
 * disk with a history of its own (the version recovered, then the further commits), whose images
 * run on level 2, and so on. Each level has a walk, a history and a set of images seen, used again
 * and again.
 */
#include "tests/crash/crash.h"

#include "base/assert.h"
#include "base/error.h"
#include "tests/crash/seen.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LEVELS          3  /* crashes in a row */
#define FURTHER_COMMITS 10 /* that every recovered state must take */
#define CRASHED_COMMITS 2  /* of them that are crashed at the next level */
#define IMAGE_SECONDS   60 /* after which an image is taken to hang */
#define NO_DATABASE     UINT64_C(0x6e6f6461746162)

struct place {
	uint64_t at;
	struct sim_choice choice;
};

struct level {
	struct simwalk *walk; /* of the disk of this level */
	struct crash_history history;
	struct seen images, decisions;
	/* Of the image of this level that is being judged. */
	struct crash_image image;
	char failure[200]; /* "" : none yet */
	char error[ERROR_TEXT_BYTES];
};

struct run {
	const struct crash_subject *s;
	struct crash_options opts;
	struct crash_totals *totals;
	unsigned config;
	uint64_t seed;
	uint64_t rng;
	bool cow;       /* of the disk's options */
	unsigned depth; /* places in use */
	struct place places[LEVELS];
	struct level levels[LEVELS + 1];
	const struct place *replay; /* only these places; NULL: all */
	unsigned replay_depth;
};

/* --- failures ------------------------------------------------------------------------------- */

static struct run *running; /* for the handler of signals */

static const char *place_text(const struct run *r)
{
	static char text[400];
	size_t n = (size_t)snprintf(text, sizeof(text), "config=%s seed=%llu",
		r->s->config_name(r->config), (unsigned long long)r->seed);

	for (unsigned i = 0; i < r->depth; i++) {
		char choice[48];

		n += (size_t)snprintf(text + n, sizeof(text) - n, " event=%llu choice=%s",
			(unsigned long long)r->places[i].at,
			sim_choice_print(choice, r->places[i].choice));
	}
	return text;
}

/* Hands over the image of this depth, or what failed before there was one. */
static void tell(struct run *r)
{
	struct level *l = &r->levels[r->depth];

	l->image.config = r->s->config_name(r->config);
	l->image.seed = r->seed;
	l->image.depth = r->depth;
	l->image.failure = l->failure[0] ? l->failure : NULL;
	l->image.error = l->error;
	l->image.replay = place_text(r);
	if (r->opts.hook.image)
		r->opts.hook.image(r->opts.hook.arg, &l->image);
}

/* Of one image the first failure counts for its verdict, and each for the totals. */
static bool fail(struct run *r, const char *what)
{
	struct level *l = &r->levels[r->depth];

	r->totals->n_failures++;
	if (!l->failure[0]) {
		(void)snprintf(l->failure, sizeof(l->failure), "%s", what);
		(void)snprintf(l->error, sizeof(l->error), "%s", error_text());
	}
	return false;
}

/* A crash or a hang of the code under test is a failure that ends the run. */
static void on_signal(int sig)
{
	static volatile sig_atomic_t entered;

	if (running && !entered) {
		entered = 1;
		(void)fail(running, sig == SIGALRM ? "hangs" : strsignal(sig));
		tell(running);
	}
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

static void catch_signals(void)
{
	static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM};

	for (unsigned i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		(void)signal(signals[i], on_signal);
}

/* --- judging one image ------------------------------------------------------------------------ */

/*
 * Opens and finds the digest. *ret_db is NULL when there is no database, which is fine when none
 * was acknowledged.
 */
static bool open_and_find(struct run *r, struct simdisk *img, void **ret_db, uint64_t *ret_digest)
{
	int rc;

	error_clear();
	*ret_db = NULL;
	*ret_digest = NO_DATABASE;
	r->levels[r->depth].image.opening = CRASH_REFUSED;
	rc = r->s->open(r->config, r->seed, img, ret_db);
	if (rc < 0)
		return fail(r, "it does not open");
	r->levels[r->depth].image.opening = rc > 0 ? CRASH_NO_DATABASE : CRASH_OPENED;
	if (rc > 0)
		return true;
	rc = r->s->digest(*ret_db, ret_digest);
	if (rc < 0) {
		r->s->close(*ret_db);
		r->levels[r->depth].image.opening = CRASH_REFUSED;
		return fail(r, "the recovered state cannot be read");
	}
	return true;
}

static bool is_allowed(struct run *r, const struct crash_history *h, uint64_t at, uint64_t digest)
{
	char text[160];

	if (digest == NO_DATABASE ? !crash_is_named(h, at) : crash_find(h, at, digest) >= 0)
		return true;
	for (unsigned i = 0; i < h->n; i++) {
		const struct crash_version *v = &h->versions[i];

		if (v->digest != digest)
			continue;
		(void)snprintf(text, sizeof(text),
			"finds version %u (begun %lld, acknowledged %lld, dead %lld): not allowed",
			i, (long long)v->begun_at, (long long)v->acked_at, (long long)v->dead_at);
		return fail(r, text);
	}
	return fail(r, digest == NO_DATABASE ? "an acknowledged database is gone"
					     : "recovers a state that never was");
}

static bool find_again(struct run *r, struct simdisk *img, void **ret_db, uint64_t expected)
{
	uint64_t digest;

	if (!open_and_find(r, img, ret_db, &digest))
		return false;
	if (digest == expected)
		return true;
	if (*ret_db)
		r->s->close(*ret_db);
	*ret_db = NULL;
	return fail(r, "another opening finds another version");
}

/* The further commits; *ret_limit: number of events after those that the next level crashes. */
static bool go_on(struct run *r, void *db, struct simdisk *img, struct crash_history *h,
	uint64_t hash, uint64_t *ret_limit)
{
	uint64_t rng = hash, digest;

	for (unsigned i = 0; i < FURTHER_COMMITS; i++) {
		if (r->s->commit(db, &rng, h) < 0)
			return fail(r, "a further commit fails");
		if (i + 1 == CRASHED_COMMITS)
			*ret_limit = simdisk_events(img);
	}
	if (r->s->check(db) < 0)
		return fail(r, "check after further commits");
	if (r->s->digest(db, &digest) < 0)
		return fail(r, "the state after further commits cannot be read");
	if (digest != crash_newest(h))
		return fail(r, "further commits give another state");
	return true;
}

static void enumerate_again(struct run *r, struct simdisk *disk, uint64_t limit, uint64_t hash);

/* What is asked of an open database whose history has begun; db is closed by this call. */
static bool judge_further(struct run *r, void *db, struct simdisk *img, uint64_t hash, bool again)
{
	struct crash_history *h = &r->levels[r->depth].history;
	uint64_t limit = 0;
	bool ok;

	/* Opening must do without a block; commits need not where they copy on write. */
	if (r->cow)
		simdisk_set_space(img, 0);
	ok = go_on(r, db, img, h, hash, &limit);
	r->s->close(db);
	if (ok && hash / 2 % 4 == 0) {
		ok = find_again(r, img, &db, crash_newest(h));
		if (ok)
			r->s->close(db);
	}
	if (ok && again)
		enumerate_again(r, img, limit, hash);
	return ok;
}

/* Everything that is asked of an image once its state was found; db is closed by this call. */
static bool judge_database(struct run *r, void *db, struct simdisk *img, uint64_t hash,
	uint64_t digest, bool again)
{
	struct crash_history *h = &r->levels[r->depth].history;

	if (r->s->check(db) < 0) {
		r->s->close(db);
		return fail(r, "check");
	}
	crash_history_reset(h, img);
	crash_begin_with(h, digest);
	/* The first opening ends by a close, or by the death of the process. */
	if (hash % 2)
		simdisk_kill(img);
	r->s->close(db);
	if (!find_again(r, img, &db, digest))
		return false;
	return judge_further(r, db, img, hash, again);
}

/* An image without a database must take one, whatever was left of it, and never lose it again. */
static bool judge_creation(struct run *r, struct simdisk *img, uint64_t hash, bool again)
{
	struct crash_history *h = &r->levels[r->depth].history;
	uint64_t created_at, digest;
	void *db;

	error_clear();
	if (r->s->create(r->config, r->seed, img) < 0)
		return fail(r, "a database cannot be created where none was found");
	created_at = simdisk_events(img);
	if (!open_and_find(r, img, &db, &digest))
		return false;
	if (!db)
		return fail(r, "a database was created and is not there");
	crash_history_reset(h, img);
	crash_begin_with(h, digest);
	h->versions[0].acked_at = h->named_at = created_at;
	return judge_further(r, db, img, hash, again);
}

static void count_distinct(struct run *r, const struct simdisk *img, uint64_t digest)
{
	struct level *l = &r->levels[r->depth];
	uint64_t decision = simdisk_read_digest(img) ^ digest * 0x9e3779b97f4a7c15u, seen;

	if (r->depth == 1) {
		r->totals->n_distinct++;
		if (!seen_find(&l->decisions, decision, &seen)) {
			seen_add(&l->decisions, decision, 0);
			r->totals->n_decisions++;
		}
	} else if (r->depth == 2) {
		r->totals->n_second++;
	} else {
		r->totals->n_third++;
	}
}

/* Which version has this digest, allowed or not; -1: none. */
static int version_of(const struct crash_history *h, uint64_t digest)
{
	for (unsigned i = 0; i < h->n; i++)
		if (h->versions[i].digest == digest)
			return (int)i;
	return -1;
}

static void image_begin(struct run *r, const struct level *up, uint64_t at, struct sim_choice c)
{
	struct level *l = &r->levels[r->depth];

	l->failure[0] = l->error[0] = '\0';
	l->image = (struct crash_image){
		.event = at,
		.phase = crash_phase_at(&up->history, at),
		.choice = c,
		.n_pending = simwalk_pending(up->walk),
		.version = -1,
	};
	l->image.next = simdisk_event(up->history.disk, at, &l->image.next_off_bytes);
}

/* The image of `c` at the walk's place on the level above. Its depth is r->depth. */
static bool judge_image(struct run *r, struct level *up, uint64_t at, struct sim_choice c)
{
	struct level *l = &r->levels[r->depth];
	enum crash_opening opening;
	uint64_t hash, digest;
	struct simdisk *img;
	bool again, ok;
	void *db;

	/* Whether it is crashed again must be known before, and depend on nothing but the place. */
	again = r->depth < LEVELS && r->opts.second_one_in &&
		(r->replay ? r->replay_depth > r->depth
			   : (at * 31 + c.n * 7 + c.kind) % r->opts.second_one_in == 0);
	img = simwalk_image(up->walk, c, again, &hash);
	l->image.hash = hash;
	if (!r->replay && seen_find(&l->images, hash, &digest)) {
		l->image.again = true;
		l->image.opening = digest == NO_DATABASE ? CRASH_NO_DATABASE : CRASH_OPENED;
		l->image.version = version_of(&up->history, digest);
		return is_allowed(r, &up->history, at, digest);
	}
	simdisk_read_digest_reset(img);
	if (!open_and_find(r, img, &db, &digest))
		return false;
	opening = l->image.opening;
	l->image.version = version_of(&up->history, digest);
	seen_add(&l->images, hash, digest);
	count_distinct(r, img, digest);
	ok = is_allowed(r, &up->history, at, digest);
	if (!ok && db)
		r->s->close(db);
	if (ok)
		ok = db ? judge_database(r, db, img, hash, digest, again)
			: judge_creation(r, img, hash, again);
	l->image.opening = opening; /* of the first opening, whatever the later ones decided */
	return ok;
}

static bool judge(struct run *r, struct sim_choice c)
{
	struct level *up = &r->levels[r->depth];
	uint64_t at = simwalk_at(up->walk);
	bool ok;

	r->places[r->depth++] = (struct place){at, c};
	(void)alarm(IMAGE_SECONDS);
	if (r->depth == 1)
		r->totals->n_images++;
	image_begin(r, up, at, c);
	ok = judge_image(r, up, at, c);
	tell(r);
	r->depth--;
	return ok;
}

/* --- which images ----------------------------------------------------------------------------- */

static struct sim_choice draw_choice(struct run *r, const struct simwalk *w)
{
	if (crash_draw(&r->rng) % 2)
		return simwalk_structured_nth(w,
			(unsigned)(crash_draw(&r->rng) % simwalk_structured(w)));
	return (struct sim_choice){
		(enum sim_choice_kind)(SIM_OPS + crash_draw(&r->rng) % (SIM_COMBINATION - SIM_OPS)),
		crash_draw(&r->rng) >> 40};
}

static bool enough(const struct run *r)
{
	return r->totals->n_failures >= r->opts.failures_max;
}

/* Judges about n images at the walk's place; all choices by operation where they are few. */
static void judge_here(struct run *r, struct simwalk *w, unsigned n)
{
	unsigned n_structured = simwalk_structured(w);

	if (n_structured <= n / 2 || simwalk_pending(w) == 0) {
		for (unsigned i = 0; i < n_structured && !enough(r); i++)
			(void)judge(r, simwalk_structured_nth(w, i));
		n -= n_structured < n ? n_structured : n;
		if (simwalk_pending(w) == 0)
			return;
	}
	for (unsigned i = 0; i < n && !enough(r); i++)
		(void)judge(r, draw_choice(r, w));
}

static void replay_here(struct run *r, struct simdisk *disk)
{
	struct level *l = &r->levels[r->depth];
	const struct place *p = &r->replay[r->depth];

	if (r->depth >= r->replay_depth)
		return;
	if (l->walk)
		simwalk_restart(l->walk, disk);
	else
		l->walk = simwalk_new(disk);
	simwalk_to(l->walk, p->at);
	(void)judge(r, p->choice);
}

/* Crashes an image, whose events up to `limit` are recovery and the first further commits. */
static void enumerate_again(struct run *r, struct simdisk *disk, uint64_t limit, uint64_t hash)
{
	struct level *l = &r->levels[r->depth];
	uint64_t rng = r->rng;

	if (r->replay) {
		replay_here(r, disk);
		return;
	}
	if (l->walk)
		simwalk_restart(l->walk, disk);
	else
		l->walk = simwalk_new(disk);
	r->rng = hash;
	for (uint64_t at = 0; at <= limit && !enough(r); at++) {
		if (crash_draw(&r->rng) % (limit + 1) >= r->opts.second_images)
			continue;
		simwalk_to(l->walk, at);
		(void)judge(r, draw_choice(r, l->walk));
	}
	r->rng = rng;
}

static void enumerate(struct run *r, struct simdisk *disk)
{
	struct level *l = &r->levels[0];
	uint64_t n_events = simdisk_events(disk);
	uint64_t n = r->opts.images_a_workload, places = n_events + 1;

	if (l->walk)
		simwalk_restart(l->walk, disk);
	else
		l->walk = simwalk_new(disk);
	for (uint64_t at = 0; at <= n_events && !enough(r); at++) {
		/* n images over all places: a whole number at each, and one more at some. */
		uint64_t here = n / places + (crash_draw(&r->rng) % places < n % places);

		simwalk_to(l->walk, at);
		if (here)
			judge_here(r, l->walk, (unsigned)here);
	}
}

static void tell_workload(const struct run *r, const struct simdisk *disk)
{
	struct crash_workload w = {
		.config = r->s->config_name(r->config),
		.seed = r->seed,
		.n_events = simdisk_events(disk),
		.n_versions = r->levels[0].history.n,
		.last_config = r->opts.config >= 0 || r->config + 1 == r->s->n_configs,
	};

	if (r->opts.hook.workload)
		r->opts.hook.workload(r->opts.hook.arg, &w);
}

static void run_workload(struct run *r, unsigned config, uint64_t seed)
{
	struct simdisk_options o = {.seed = seed};
	struct simdisk *disk;

	r->config = config;
	r->seed = r->rng = seed;
	r->depth = 0;
	r->levels[0].failure[0] = r->levels[0].error[0] = '\0';
	r->levels[0].image = (struct crash_image){.opening = CRASH_NOT_OPENED, .version = -1};
	r->totals->n_workloads++;
	for (unsigned i = 0; i <= LEVELS; i++) {
		seen_clear(&r->levels[i].images);
		seen_clear(&r->levels[i].decisions);
	}
	(void)alarm(IMAGE_SECONDS);
	r->s->disk_options(config, seed, &o);
	r->cow = o.cow;
	disk = simdisk_new(&o);
	crash_history_reset(&r->levels[0].history, disk);
	error_clear();
	if (r->s->workload(config, seed, disk, &r->levels[0].history) < 0) {
		(void)fail(r, "the workload itself");
		tell(r);
	} else if (r->replay) {
		replay_here(r, disk);
	} else {
		enumerate(r, disk);
	}
	tell_workload(r, disk);
	/* The walks' options name the stale bytes of this disk: begin the next one anew. */
	for (unsigned i = 0; i <= LEVELS; i++) {
		simwalk_free(r->levels[i].walk);
		r->levels[i].walk = NULL;
	}
	simdisk_free(disk);
}

/* "config=... seed=... event=... choice=... [event=... choice=...]" */
static bool parse_replay(const struct crash_subject *s, const char *text, unsigned *config,
	uint64_t *seed, struct place *places, unsigned *depth)
{
	char copy[512], *save = NULL;
	bool have_config = false;

	*depth = 0;
	(void)snprintf(copy, sizeof(copy), "%s", text);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		if (strncmp(w, "config=", 7) == 0) {
			for (*config = 0; *config < s->n_configs; (*config)++)
				if (strcmp(s->config_name(*config), w + 7) == 0) {
					have_config = true;
					break;
				}
		} else if (strncmp(w, "seed=", 5) == 0) {
			*seed = strtoull(w + 5, NULL, 0);
		} else if (strncmp(w, "event=", 6) == 0 && *depth < LEVELS) {
			places[*depth].at = strtoull(w + 6, NULL, 0);
		} else if (strncmp(w, "choice=", 7) == 0 && *depth < LEVELS) {
			if (!sim_choice_parse(w + 7, &places[(*depth)++].choice))
				return false;
		}
	}
	return have_config;
}

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool done(const struct run *r)
{
	return enough(r) || (!r->opts.soak && r->totals->n_decisions >= r->opts.n_images);
}

int crash_run(const struct crash_subject *s, const struct crash_options *opts,
	struct crash_totals *ret_totals)
{
	static struct run r; /* static: the signal handler looks at it */
	struct place places[LEVELS];
	double from = now();
	unsigned config;
	uint64_t seed;

	memset(ret_totals, 0, sizeof(*ret_totals));
	memset(&r, 0, sizeof(r));
	r.s = s;
	r.opts = *opts;
	r.totals = ret_totals;
	running = &r;
	catch_signals();
	if (opts->replay) {
		if (!parse_replay(s, opts->replay, &config, &seed, places, &r.replay_depth)) {
			running = NULL;
			return -EINVAL;
		}
		r.replay = places;
		run_workload(&r, config, seed);
	}
	for (seed = opts->seed; !opts->replay && !done(&r); seed++) {
		for (config = 0; config < s->n_configs && !done(&r); config++) {
			if (opts->config < 0 || (unsigned)opts->config == config)
				run_workload(&r, config, seed);
			ret_totals->seconds = now() - from;
		}
	}
	(void)alarm(0);
	running = NULL;
	for (unsigned i = 0; i <= LEVELS; i++) {
		crash_history_fini(&r.levels[i].history);
		seen_fini(&r.levels[i].images);
		seen_fini(&r.levels[i].decisions);
	}
	ret_totals->seconds = now() - from;
	return 0;
}
