/* SPDX-License-Identifier: MIT */
/*
 * A job queue that survives a crash: a job is never lost, and is done by one worker at a time.
 *
 *	job_queue DB [mmap]
 *
 * Three tables. "waiting" has the jobs in the order of their numbers, "running" those that a worker
 * has taken, and the default table the number of the next job. To take a job moves it from one
 * table to the other in one transaction; when the program begins, what was running goes back to the
 * queue, because its worker has died. So a job may be done twice, if its worker dies between the
 * work and finish_job(), but never not at all.
 */
#include "example.h"
#include "verso_key.h"

/* A job's number as a key: numbers sort by their size. */
static struct verso_val job_key(uint8_t buf[8], uint64_t number)
{
	struct verso_key key = verso_key_begin(buf, 8);

	verso_key_add_u64(&key, number);
	return verso_key_val(&key);
}

static uint64_t job_number(struct verso_val key)
{
	struct verso_key_reader reader = verso_key_read(key);
	uint64_t number;

	verso_key_get_u64(&reader, &number);
	return number;
}

static void add_job(struct verso *db, const char *what)
{
	struct verso_txn *txn = begin(db, VERSO_WRITE);
	struct verso_val val;
	uint64_t n = must(verso_get(txn, NULL, text("next"), &val)) == 0 ? job_number(val) : 1;
	uint8_t buf[8];

	must(verso_put(txn, open_table(txn, "waiting"), job_key(buf, n), text(what), 0));
	must(verso_put(txn, NULL, text("next"), job_key(buf, n + 1), 0));
	must(verso_commit(txn)); /* from here on the job is not lost */
}

/* Moves the first record of one table to the other. VERSO_NOTFOUND: there is none. */
static int move_first(struct verso_txn *txn, const char *from, const char *to, uint64_t *ret_job)
{
	struct verso_table *source = open_table(txn, from), *target = open_table(txn, to);
	struct verso_cursor *cursor;
	struct verso_val key, val;
	int rc;

	must(verso_cursor_open(txn, source, &cursor));
	rc = must(verso_cursor_first(cursor, &key, &val));
	if (rc == 0) {
		*ret_job = job_number(key);
		must(verso_put(txn, target, key, val, 0)); /* reads key and val before it changes */
		must(verso_cursor_del(cursor));
	}
	verso_cursor_close(cursor);
	return rc;
}

/* VERSO_NOTFOUND: no job is waiting. */
static int take_job(struct verso *db, uint64_t *ret_job)
{
	struct verso_txn *txn = begin(db, VERSO_WRITE);
	int rc = move_first(txn, "waiting", "running", ret_job);

	must(verso_commit(txn));
	return rc;
}

static void finish_job(struct verso *db, uint64_t n)
{
	struct verso_txn *txn = begin(db, VERSO_WRITE);
	uint8_t buf[8];

	must(verso_del(txn, open_table(txn, "running"), job_key(buf, n)));
	must(verso_commit(txn));
}

/* What was running when the program ended runs no more. */
static unsigned recover_jobs(struct verso *db)
{
	struct verso_txn *txn = begin(db, VERSO_WRITE);
	unsigned n = 0;
	uint64_t job;

	while (move_first(txn, "running", "waiting", &job) == 0)
		n++;
	must(verso_commit(txn));
	return n;
}

int main(int argc, char **argv)
{
	static const char *const jobs[] = {"water the plants", "feed the cat", "write a letter"};
	struct verso *db = open_database(argc, argv);
	uint64_t job;

	printf("%u jobs were running\n", recover_jobs(db));
	for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++)
		add_job(db, jobs[i]);
	while (take_job(db, &job) == 0) {
		printf("job %llu is taken\n", (unsigned long long)job);
		if (job % 3 == 0)
			break; /* as if the worker died here */
		finish_job(db, job);
	}
	verso_close(db);
	return 0;
}
