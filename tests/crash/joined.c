/* SPDX-License-Identifier: MIT */
#include "tests/crash/joined.h"

#include "base/error.h"
#include "txn/txn_int.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

struct helper {
	pthread_t thread;
	int result;
	atomic_bool over;
};

static struct {
	struct pager_ops hooked; /* the pager's own, but for flush and write */
	const struct pager_ops *real;
	struct pager *pager;
	struct txn_env *env;
	joined_fn *fn;
	void *arg;
	unsigned n_wanted, n_run;
	struct helper helpers[JOINED_MAX];
	pthread_t main;
	bool armed;              /* main's */
	atomic_bool in_flush;    /* helpers may do as they like */
	atomic_bool gate_opened; /* and afterwards only when this is set */
} j;

static void *help(void *arg)
{
	struct helper *h = arg;

	h->result = j.fn(j.arg);
	atomic_store(&h->over, true);
	return NULL;
}

static uint64_t commits(void)
{
	struct txn_stat stat;

	txn_stat(j.env, &stat);
	return stat.n_commits;
}

/* Runs a helper until its commit has joined, or it has failed. */
static void run_helper(struct helper *h)
{
	uint64_t before = commits();

	h->result = 0;
	atomic_store(&h->over, false);
	if (pthread_create(&h->thread, NULL, help, h) != 0)
		abort();
	while (!atomic_load(&h->over) && commits() == before)
		(void)sched_yield();
}

/* That of a flush: the one with which a session begins is made with the writer lock held. */
static int hooked_flush(struct pager *p)
{
	if (j.armed && pthread_equal(pthread_self(), j.main) && j.env->flushing) {
		j.armed = false;
		atomic_store(&j.in_flush, true);
		while (j.n_run < j.n_wanted)
			run_helper(&j.helpers[j.n_run++]);
		atomic_store(&j.in_flush, false);
	}
	return j.real->flush(p);
}

static int hooked_write(struct pager *p, const struct page_write *set, size_t n)
{
	bool helper = !pthread_equal(pthread_self(), j.main);

	while (helper && !atomic_load(&j.in_flush) && !atomic_load(&j.gate_opened))
		(void)sched_yield();
	return j.real->write(p, set, n);
}

void joined_begin(struct txn_env *env, struct pager *pager, unsigned n, joined_fn *fn, void *arg)
{
	ASSERT(n <= JOINED_MAX);
	j.real = pager->ops;
	j.hooked = *pager->ops;
	j.hooked.flush = hooked_flush;
	j.hooked.write = hooked_write;
	j.pager = pager;
	j.env = env;
	j.fn = fn;
	j.arg = arg;
	j.n_wanted = n;
	j.n_run = 0;
	j.main = pthread_self();
	j.armed = true;
	atomic_store(&j.in_flush, false);
	atomic_store(&j.gate_opened, false);
	pager->ops = &j.hooked;
}

void joined_end(unsigned *ret_n, int *results)
{
	j.armed = false;
	atomic_store(&j.gate_opened, true);
	for (unsigned i = 0; i < j.n_run; i++) {
		(void)pthread_join(j.helpers[i].thread, NULL);
		results[i] = j.helpers[i].result;
	}
	*ret_n = j.n_run;
	j.pager->ops = j.real;
}
