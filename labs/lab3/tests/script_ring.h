/* SPDX-License-Identifier: MIT */
/*
 * A ring that does what a test says: it moves no bytes, takes attempts in, and gives an answer when
 * the test gives one. So every order of completions can be had, and nothing depends on a disk.
 */
#ifndef LABS_LAB3_TESTS_SCRIPT_RING_H
#define LABS_LAB3_TESTS_SCRIPT_RING_H

#include "io/transfer.h"
#include "labs/lib/ring.h"

#include <pthread.h>

#define SCRIPT_MAX  4096        /* attempts of a test */
#define PATIENCE_NS 1500000000L /* a queue that is right does not need it */
#define A_WHILE_NS  50000000L   /* for something that must not happen */

struct script_try {
	struct io_req *req; /* NULL: a wake-up */
	struct attempt att; /* what was asked for; of a sync: nothing */
	bool is_answered;
};

/* One for each process, as Check runs each test in its own. */
struct script {
	struct ring ring; /* first */
	unsigned n_calls; /* of push and enter: no lock of the ring's own, for ThreadSanitizer */
	bool is_slow;     /* push and enter take a while, so that calls without a lock meet */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* What follows: lock. */
	struct script_try tries[SCRIPT_MAX]; /* in the order of pushes */
	unsigned n_pushed;
	unsigned n_entered; /* of these, handed over */
	struct ring_answer answers[SCRIPT_MAX];
	unsigned n_answers, n_taken;
	unsigned n_in, n_in_max; /* requests that were pushed and whose answer was not taken */
	unsigned n_late;         /* calls of a thread after the ring was closed */
	bool is_waiting;         /* a thread is in wait */
	bool is_closed;
	bool is_held; /* answers that were given are not there yet */
};

extern struct script script;

/* From now on every queue of io_uring has this ring. */
void script_install(void);

/* The same for any flag of a test: waits until *n is at least `wanted`. */
bool script_await(const unsigned *n, unsigned wanted, long patience_ns);

/* Answers the nth attempt, which was handed over and has no answer yet. */
void script_answer(unsigned nth, int64_t answer);

/* ... with all that it asked for. */
void script_answer_whole(unsigned nth);

/* While it is held the ring gives out no answer; then all that were given are there at once. */
void script_hold(bool is_held);

/* Waits until a request is complete, without the queue: whether it came to that. */
bool script_await_complete(const struct io_req *req, long patience_ns);

#endif
