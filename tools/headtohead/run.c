/* SPDX-License-Identifier: MIT */
/*
 * The phases that every engine goes through. The reads begin with empty caches, the kernel's
 * included; a scan from empty caches then reads everything once, and the other reads follow it.
 *
 * Every result of every phase is compared with the model's while it is timed, but for the scan,
 * where the comparison would cost more than what is measured: it is made in the last phase.
 */
#include "tools/headtohead/headtohead.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GETS_COLD    4000
#define REPEAT_NS    200000000u /* gets and scans from memory are repeated for so long */
#define PATH_LEN_MAX 4096

struct run {
	const struct engine_ops *ops;
	const struct plan *plan;
	struct result *result;
	size_t round;
	void *engine;
	char path[PATH_LEN_MAX];
};

static bool equal(struct verso_val a, struct verso_val b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static int open_engine(struct run *r)
{
	memset(r->engine, 0, r->ops->size);
	return r->ops->open(r->engine, r->path, r->plan->cache_bytes);
}

/* What the file takes on the disk with all that the engine keeps beside it. */
static uint64_t files_bytes(const struct run *r)
{
	static const char *const tails[] = {"", "-wal", "-shm", "-lock"};
	uint64_t sum_bytes = 0;
	char path[PATH_LEN_MAX + 8];
	struct stat st;

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", r->path, tails[i]);
		if (stat(path, &st) == 0)
			sum_bytes += (uint64_t)st.st_size;
	}
	return sum_bytes;
}

static int close_engine(struct run *r)
{
	uint64_t now_bytes = files_bytes(r);

	if (now_bytes > r->result->files_bytes)
		r->result->files_bytes = now_bytes;
	return r->ops->close(r->engine);
}

static void phase_end(struct run *r, enum phase phase, uint64_t n, const struct usage *before)
{
	struct samples *samples = &r->result->phases[phase];
	struct phase_result *p = &samples->of[samples->n++];
	struct usage now;

	usage_now(&now);
	p->n = n;
	usage_less(&now, before, &p->used);
}

static uint64_t elapsed_ns(const struct usage *since)
{
	struct usage now;

	usage_now(&now);
	return now.now_ns - since->now_ns;
}

/* All records in random order, load_batch to a durable transaction. */
static int load(struct run *r)
{
	const struct dataset *set = r->plan->model->set;
	struct usage u;
	int rc = open_engine(r);

	usage_now(&u);
	for (size_t i = 0; rc == 0 && i < set->n_records; i++) {
		const struct record *record = &set->records[r->plan->load_order[i]];

		if (i % r->plan->load_batch == 0) {
			if (i > 0)
				rc = r->ops->commit(r->engine);
			if (rc == 0)
				rc = r->ops->begin(r->engine, true);
		}
		if (rc == 0)
			rc = r->ops->put(r->engine, record->key, record->val);
	}
	if (rc == 0)
		rc = r->ops->commit(r->engine);
	if (rc == 0)
		rc = close_engine(r);
	phase_end(r, PHASE_LOAD, set->n_records, &u);
	return rc;
}

/* Reads record i of the shuffled order and compares it. */
static int get_one(struct run *r, size_t i)
{
	const struct dataset *set = r->plan->model->set;
	const struct record *record = &set->records[r->plan->get_order[i]];
	struct verso_val val;
	int rc = r->ops->get(r->engine, record->key, &val);

	if (rc == VERSO_NOTFOUND || (rc == 0 && !equal(val, record->val)))
		r->result->n_wrong++;
	return rc < 0 ? rc : 0;
}

struct tally {
	uint64_t n, len_bytes;
};

static int count_record(void *arg, struct verso_val key, struct verso_val val)
{
	struct tally *t = arg;

	t->n++;
	t->len_bytes += key.len + val.len;
	return 0;
}

static int scan_all(struct run *r)
{
	const struct dataset *set = r->plan->model->set;
	struct tally t = {0, 0};
	int rc = r->ops->scan(r->engine, count_record, &t);

	if (rc == 0 && (t.n != set->n_records || t.len_bytes != set->len_bytes))
		r->result->n_wrong++;
	return rc;
}

static int get_all(struct run *r)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < r->plan->model->set->n_records; i++)
		rc = get_one(r, i);
	return rc;
}

/* The database with nothing of it in memory, and a reading transaction. */
static int open_cold(struct run *r)
{
	int rc;

	usage_forget_file(r->path);
	rc = open_engine(r);
	return rc == 0 ? r->ops->begin(r->engine, false) : rc;
}

static int close_after_reading(struct run *r)
{
	int rc = r->ops->commit(r->engine);

	r->ops->figures(r->engine, &r->result->figures);
	return rc == 0 ? close_engine(r) : rc;
}

/* Each round reads other records. */
static int gets_cold(struct run *r)
{
	size_t n_records = r->plan->model->set->n_records;
	size_t n = n_records < GETS_COLD ? n_records : GETS_COLD;
	struct usage u;
	int rc = open_cold(r);

	usage_now(&u);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = get_one(r, (r->round * n + i) % n_records);
	phase_end(r, PHASE_GET_COLD, n, &u);
	return rc == 0 ? close_after_reading(r) : rc;
}

/* A task over all records, again and again. */
static int repeat(struct run *r, enum phase phase, int (*task)(struct run *r))
{
	size_t n_records = r->plan->model->set->n_records;
	uint64_t n = 0;
	struct usage u;
	int rc;

	usage_now(&u);
	do {
		rc = task(r);
		n += n_records;
	} while (rc == 0 && elapsed_ns(&u) < REPEAT_NS);
	phase_end(r, phase, n, &u);
	return rc;
}

static int reads(struct run *r)
{
	struct usage u;
	int rc = gets_cold(r);

	if (rc == 0)
		rc = open_cold(r);
	usage_now(&u);
	if (rc == 0)
		rc = scan_all(r);
	phase_end(r, PHASE_SCAN_COLD, r->plan->model->set->n_records, &u);
	if (rc == 0)
		rc = repeat(r, PHASE_GET, get_all);
	if (rc == 0)
		rc = repeat(r, PHASE_SCAN, scan_all);
	return rc == 0 ? close_after_reading(r) : rc;
}

/* The round's share; each is a transaction, durable before the next begins. */
static int updates(struct run *r)
{
	const struct model *m = r->plan->model;
	size_t first = m->n_updates * r->round / r->plan->n_rounds;
	size_t end = m->n_updates * (r->round + 1) / r->plan->n_rounds;
	struct usage u;
	int rc = open_engine(r);

	usage_now(&u);
	for (size_t i = first; rc == 0 && i < end; i++) {
		const struct update *update = &m->updates[i];
		struct verso_val key = m->set->records[update->record].key;

		rc = r->ops->begin(r->engine, true);
		if (rc == 0)
			rc = update->del ? r->ops->del(r->engine, key)
					 : r->ops->put(r->engine, key, update->val);
		if (rc == 0)
			rc = r->ops->commit(r->engine);
	}
	phase_end(r, PHASE_UPDATE, end - first, &u);
	return rc == 0 ? close_engine(r) : rc;
}

struct verification {
	const struct model *model;
	uint64_t n, n_wrong, digest;
};

static int verify_record(void *arg, struct verso_val key, struct verso_val val)
{
	struct verification *v = arg;
	const struct record *expected = &v->model->after[v->n];

	if (v->n >= v->model->n_after || !equal(key, expected->key) || !equal(val, expected->val))
		v->n_wrong++;
	v->n++;
	v->digest = digest_record(v->digest, key, val);
	return 0;
}

/* By get: each record that was updated is what its last update left. */
static int verify_updates(struct run *r, struct verification *v)
{
	const struct model *m = r->plan->model;

	for (size_t i = 0; i < m->n_updates; i++) {
		uint32_t record = m->updates[i].record;
		const struct verso_val *last = &m->last[record];
		struct verso_val val = {NULL, 0};
		int found = r->ops->get(r->engine, m->set->records[record].key, &val);

		if (found < 0)
			return found;
		if ((found == VERSO_NOTFOUND) != !last->data || (found == 0 && !equal(val, *last)))
			v->n_wrong++;
	}
	return 0;
}

/*
 * The file, opened again: every byte of every record, by scan and by get, and the file's own check.
 */
static int verify(struct run *r)
{
	const struct model *m = r->plan->model;
	struct verification v = {.model = m, .digest = DIGEST_START};
	struct usage u;
	int rc = open_engine(r);

	if (rc < 0)
		return rc;
	usage_now(&u);
	rc = r->ops->begin(r->engine, false);
	if (rc == 0)
		rc = r->ops->scan(r->engine, verify_record, &v);
	if (rc == 0)
		rc = verify_updates(r, &v);
	if (rc == 0)
		rc = r->ops->commit(r->engine);
	if (rc == 0)
		rc = r->ops->check(r->engine);
	phase_end(r, PHASE_VERIFY, v.n, &u);
	r->result->n_records = v.n;
	r->result->digest = v.digest;
	r->result->n_wrong += v.n_wrong;
	return rc == 0 ? close_engine(r) : rc;
}

bool run_stage(const struct engine_ops *ops, const struct plan *plan, enum stage stage,
	size_t round, struct result *result)
{
	static int (*const stages[N_STAGES])(struct run * r) = {
		[STAGE_LOAD] = load,
		[STAGE_READ] = reads,
		[STAGE_UPDATE] = updates,
		[STAGE_VERIFY] = verify,
	};
	struct run r = {.ops = ops, .plan = plan, .result = result, .round = round};
	uint64_t before_bytes, most_bytes;
	struct stat st;
	int rc;

	if (stage == STAGE_SMALL)
		return small_run(ops, plan, round, result);
	r.engine = calloc(1, ops->size);
	if (!r.engine)
		return false;
	(void)snprintf(r.path, sizeof(r.path), "%s/%s", plan->folder, ops->file);
	usage_reset_peak();
	before_bytes = usage_resident_bytes();
	rc = stages[stage](&r);
	most_bytes = usage_resident_peak_bytes() - before_bytes;
	if (stage != STAGE_VERIFY && most_bytes > result->memory_bytes)
		result->memory_bytes = most_bytes;
	if (stat(r.path, &st) == 0)
		result->file_bytes = (uint64_t)st.st_size;
	free(r.engine);
	return rc == 0;
}
