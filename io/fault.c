/* SPDX-License-Identifier: MIT */
/*
 * The handler behind the fault guards. It touches this thread's guards, the handlers that were
 * there before, and nothing else.
 *
 * An application may install its own handler when ours is there, and keep ours to pass on to. So
 * each open looks whether ours is still the one, else puts it in front again; what is found there
 * goes to the head of a list. A signal that is not ours goes to the newest of the list, and when
 * that one passes it on to us, as its predecessor, to the next older one.
 */
#include "io/fault.h"
#include "base/array.h"
#include "base/error.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>

/* The attribute is not inherited from the declaration: without it, a call in the handler. */
_Thread_local struct fault_guard *fault_innermost __attribute__((tls_model("initial-exec")));

_Thread_local struct fault_notes *fault_noting __attribute__((tls_model("initial-exec")));

/* A handler that was there before ours. Never freed: another thread may be in it. */
struct earlier {
	struct sigaction action; /* constant */
	struct earlier *older;   /* what was there when it came; constant */
	struct earlier *next;    /* of all */
};

static _Atomic(struct earlier *) newest;
static _Atomic(struct earlier *) all;

/*
 * The signal that this thread is passing on. An earlier handler may leave by a jump, so this may be
 * a rest: then a new signal has another context, or the same place for it and a higher frame. Our
 * calls are left too then, with their guards and notes, so these are put aside meanwhile.
 */
static _Thread_local struct {
	const void *context;
	const char *frame; /* of handle(), at the last pass */
	const struct earlier *to;
} passing __attribute__((tls_model("initial-exec")));

/* A fault of a load or store, as opposed to a signal that a process sent. */
static bool is_fault(const siginfo_t *info)
{
	return info->si_code == BUS_ADRERR || info->si_code == BUS_OBJERR ||
	       info->si_code == BUS_ADRALN || info->si_code == BUS_MCEERR_AR;
}

/* The handler whose turn it is; NULL: the default action. */
static const struct earlier *next_in_turn(const void *context, const char *frame)
{
	if (passing.context == context && frame < passing.frame)
		return passing.to->older;
	return atomic_load(&newest);
}

/* A jump out of here leaves the thread without guards, and what it noted failed. */
static void call_earlier(const struct sigaction *action, int sig, siginfo_t *info, void *context)
{
	struct fault_guard *guards = fault_innermost;
	struct fault_notes *notes = fault_noting;
	int failed = notes ? notes->failed : 0;
	sigset_t mask;

	fault_innermost = NULL;
	fault_noting = NULL;
	if (notes)
		notes->failed = VERSO_EIO;
	(void)pthread_sigmask(SIG_BLOCK, &action->sa_mask, &mask);
	if (action->sa_flags & SA_SIGINFO)
		action->sa_sigaction(sig, info, context);
	else
		action->sa_handler(sig);
	(void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
	if (notes)
		notes->failed = failed;
	fault_noting = notes;
	fault_innermost = guards;
}

/* Does what would have been done without us. */
static void pass_on(int sig, siginfo_t *info, void *context, const char *frame)
{
	static const struct sigaction by_default = {.sa_handler = SIG_DFL};
	const struct earlier *to = next_in_turn(context, frame);
	const struct sigaction *action = to ? &to->action : &by_default;
	bool has_info = (action->sa_flags & SA_SIGINFO) != 0;
	bool ignores = !has_info && action->sa_handler == SIG_IGN;

	if ((!has_info && action->sa_handler == SIG_DFL) || (ignores && is_fault(info))) {
		/* The load faults once more on return, which ends the process where it was. */
		(void)sigaction(sig, &by_default, NULL);
		if (!is_fault(info))
			(void)raise(sig);
		return;
	}
	if (ignores)
		return;
	passing.context = context;
	passing.frame = frame;
	passing.to = to;
	call_earlier(action, sig, info, context);
	passing.context = NULL;
}

static bool lies_in(const struct fault_area *area, const char *at)
{
	return at >= area->base && at < area->base + area->len_bytes;
}

static bool covers(const struct fault_guard *g, const char *at)
{
	if (!g->areas)
		return lies_in(&g->area, at);
	for (const struct fault_areas *list = g->areas; list; list = list->next) {
		unsigned n = atomic_load_explicit(&list->n, memory_order_acquire);

		for (unsigned i = 0; i < n; i++) {
			if (lies_in(&list->areas[i], at))
				return true;
		}
	}
	return false;
}

static void handle(int sig, siginfo_t *info, void *context)
{
	if (is_fault(info)) {
		for (struct fault_guard *g = fault_innermost; g; g = g->outer) {
			if (!covers(g, info->si_addr))
				continue;
			fault_innermost = g->outer;
			/* The jump restores no mask; a handler that calls ours may have blocked
			 * signals. */
			(void)pthread_sigmask(SIG_SETMASK, &((ucontext_t *)context)->uc_sigmask,
				NULL);
			siglongjmp(g->env, 1);
		}
	}
	pass_on(sig, info, context, __builtin_frame_address(0));
}

static bool is_same(const struct sigaction *a, const struct sigaction *b)
{
	return (a->sa_flags & SA_SIGINFO) == (b->sa_flags & SA_SIGINFO) &&
	       (a->sa_flags & SA_SIGINFO ? a->sa_sigaction == b->sa_sigaction
					 : a->sa_handler == b->sa_handler);
}

static bool is_ours(const struct sigaction *a)
{
	return (a->sa_flags & SA_SIGINFO) && a->sa_sigaction == handle;
}

/* Puts the handler that is there now at the head of the list. One that came before is as it was. */
static int remember(const struct sigaction *now)
{
	struct earlier *first = atomic_load(&all), *e = first;

	while (e && !is_same(&e->action, now))
		e = e->next;
	if (!e) {
		e = malloc(sizeof(*e));
		if (!e)
			return error_set(-ENOMEM, "no memory to remember a handler of SIGBUS");
		*e = (struct earlier){*now, atomic_load(&newest), first};
		while (!atomic_compare_exchange_weak(&all, &e->next, e))
			;
	}
	atomic_store(&newest, e);
	return 0;
}

/* Without a lock, which a child might find held: at worst two threads do the same twice. */
int fault_install(void)
{
	/* NODEFER: a guard is left by a jump that does not restore the signal mask. */
	struct sigaction ours = {
		.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
	struct sigaction now, meanwhile;

	(void)sigemptyset(&ours.sa_mask);
	if (sigaction(SIGBUS, NULL, &now) == 0) {
		/* It is remembered before ours can run. */
		int rc = is_ours(&now) ? 0 : remember(&now);

		if (rc < 0 || is_ours(&now))
			return rc;
		if (sigaction(SIGBUS, &ours, &meanwhile) == 0) {
			/* Another thread's may have come after we looked. */
			rc = is_ours(&meanwhile) ? 0 : remember(&meanwhile);
			if (rc < 0)
				(void)sigaction(SIGBUS, &meanwhile, NULL);
			return rc;
		}
	}
	return error_set(-errno, "cannot install a handler for SIGBUS: %s", error_name(-errno));
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

int fault_note(const void *what)
{
	struct fault_notes *notes = fault_noting;

	if (!notes)
		return 0;
	if (notes->n == notes->cap && array_reserve(&notes->items, &notes->cap,
					      (uint64_t)notes->n + 1, sizeof(*notes->items)) < 0)
		return error_set(-ENOMEM, "no memory to note what a transaction holds");
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
