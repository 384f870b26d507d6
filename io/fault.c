/* SPDX-License-Identifier: MIT */
/*
 * The handler behind the fault guards. It touches this thread's stack of guards, the handler that
 * was there before, and nothing else.
 */
#include "io/fault.h"
#include "base/error.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <ucontext.h>

/* The attribute is not inherited from the declaration: without it, a call in the handler. */
_Thread_local struct fault_guard *fault_innermost __attribute__((tls_model("initial-exec")));

_Thread_local struct fault_notes *fault_noting __attribute__((tls_model("initial-exec")));

static struct sigaction previous; /* constant once the handler is installed */
static int install_result;

/* A fault of a load or store, as opposed to a signal that somebody sent. */
static bool is_fault(const siginfo_t *info)
{
	return info->si_code == BUS_ADRERR || info->si_code == BUS_OBJERR ||
	       info->si_code == BUS_ADRALN || info->si_code == BUS_MCEERR_AR;
}

/* Does what would have been done without us. */
static void pass_on(int sig, siginfo_t *info, void *context)
{
	bool by_default = !(previous.sa_flags & SA_SIGINFO) && previous.sa_handler == SIG_DFL;
	bool ignored = !(previous.sa_flags & SA_SIGINFO) && previous.sa_handler == SIG_IGN;
	sigset_t mask;

	if (by_default || (ignored && is_fault(info))) {
		struct sigaction dfl = {.sa_handler = SIG_DFL};

		/* The load faults once more on return, which ends the process where it was. */
		(void)sigaction(sig, &dfl, NULL);
		if (!is_fault(info))
			(void)raise(sig);
		return;
	}
	if (ignored)
		return;
	(void)pthread_sigmask(SIG_BLOCK, &previous.sa_mask, &mask);
	if (previous.sa_flags & SA_SIGINFO)
		previous.sa_sigaction(sig, info, context);
	else
		previous.sa_handler(sig);
	(void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

static void handle(int sig, siginfo_t *info, void *context)
{
	const char *at = info->si_addr;

	if (is_fault(info)) {
		for (struct fault_guard *g = fault_innermost; g; g = g->outer) {
			if (at < g->base || at >= g->base + g->len_bytes)
				continue;
			fault_innermost = g->outer;
			/* The jump restores no mask; one who calls us may have blocked signals. */
			(void)pthread_sigmask(SIG_SETMASK, &((ucontext_t *)context)->uc_sigmask,
				NULL);
			siglongjmp(g->env, 1);
		}
	}
	pass_on(sig, info, context);
}

static void install(void)
{
	/* NODEFER: a guard is left by a jump that does not restore the signal mask. */
	struct sigaction ours = {
		.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

	(void)sigemptyset(&ours.sa_mask);
	/* `previous` is whole before the handler can run. */
	if (sigaction(SIGBUS, NULL, &previous) < 0 || sigaction(SIGBUS, &ours, NULL) < 0)
		install_result = -errno;
}

int fault_install(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, install);
	if (install_result < 0)
		return error_set(install_result, "cannot install a handler for SIGBUS: %s",
			error_name(install_result));
	return 0;
}

static sigset_t sigbus(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGBUS);
	return set;
}

bool fault_unblock(void)
{
	sigset_t set = sigbus(), before;

	(void)sigemptyset(&before);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, &before);
	return sigismember(&before, SIGBUS) == 1;
}

void fault_block(void)
{
	sigset_t set = sigbus();

	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

#define NOTES_MIN 32U

static int notes_grow(struct fault_notes *notes)
{
	size_t cap = notes->cap ? 2 * notes->cap : NOTES_MIN;
	const void **items = realloc((void *)notes->items, cap * sizeof(*items));

	if (!items)
		return error_set(-ENOMEM, "no memory to note what a transaction holds");
	notes->items = items;
	notes->cap = cap;
	return 0;
}

int fault_note(const void *what)
{
	struct fault_notes *notes = fault_noting;

	if (!notes)
		return 0;
	if (notes->n == notes->cap) {
		int rc = notes_grow(notes);

		if (rc < 0)
			return rc;
	}
	notes->items[notes->n++] = what;
	return 0;
}

/* From the end: what was taken last is mostly given back first. */
void fault_strike(const void *what)
{
	struct fault_notes *notes = fault_noting;

	size_t i;

	if (!notes)
		return;
	for (i = notes->n; i > 0 && notes->items[i - 1] != what; i--)
		;
	ASSERT(i > 0);
	notes->items[i - 1] = notes->items[--notes->n];
}

void fault_notes_fini(struct fault_notes *notes)
{
	ASSERT(notes->n == 0);
	free((void *)notes->items);
	*notes = (struct fault_notes){0};
}
