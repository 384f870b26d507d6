/* SPDX-License-Identifier: MIT */
/*
 * A file is cut under a live map; each test then touches what is no longer there.
 */
#include "io/fault.h"
#include "io/file.h"
#include "io/map.h"
#include "tests/check_main.h"

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 4

struct cut {
	struct file *f;
	struct map *m;
};

/* A map of PAGES pages of 'p', of which only the first is still in the file. */
static struct cut cut_new(const char *name)
{
	char path[CHECK_PATH_BYTES];
	struct cut c;

	ck_assert_int_eq(io_open(io_kernel(), check_path(path, name), FILE_CREATE | FILE_EXCL, 0600,
				 &c.f),
		0);
	ck_assert_int_eq(file_write(c.f, memset(check_alloc(PAGES * 4096), 'p', PAGES * 4096),
				 PAGES * 4096, 0),
		0);
	ck_assert_int_eq(io_map(io_kernel(), c.f, MAP_READ_SHARED, 0, 1 << 20, &c.m), 0);
	ck_assert_int_eq(map_extend(c.m, PAGES * 4096), 0);
	ck_assert_int_eq(((volatile uint8_t *)c.m->base)[3 * 4096], 'p');
	ck_assert_int_eq(file_truncate(c.f, 4096), 0);
	return c;
}

static void cut_free(struct cut c)
{
	map_close(c.m);
	file_close(c.f);
}

static volatile uint8_t sink;

/* Loads a byte, and uses it: valgrind drops a load whose result is not used. */
static void load(const uint8_t *p)
{
	sink = *(const volatile uint8_t *)p;
}

/* The byte there, or -1 where the file ends before: how the pager is to use a guard. */
static int guarded_load(const uint8_t *p)
{
	struct fault_guard g;
	int byte;

	if (sigsetjmp(g.env, 0) != 0)
		return -1;
	fault_enter(&g, p, 1);
	byte = *(const volatile uint8_t *)p;
	fault_leave(&g);
	return byte;
}

START_TEST(a_fault_under_a_guard_becomes_an_error)
{
	struct cut c = cut_new("guard");

	ck_assert_int_eq(fault_install(), 0);
	ck_assert_int_eq(fault_install(), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(guarded_load(c.m->base), 'p');
		ck_assert_int_eq(guarded_load(c.m->base + 4096), -1);
		ck_assert_int_eq(guarded_load(c.m->base + 3 * 4096), -1);
		ck_assert_ptr_null(fault_innermost);
	}
	/* What comes back can be read again. */
	ck_assert_int_eq(file_truncate(c.f, PAGES * 4096), 0);
	ck_assert_int_eq(guarded_load(c.m->base + 4096), 0);
	cut_free(c);
}
END_TEST

/* The outer guard covers the whole map, the inner one a page; which of them is left? */
static int load_in_two(struct map *m, size_t inner_page, size_t page)
{
	struct fault_guard outer, inner;

	if (sigsetjmp(outer.env, 0) != 0) {
		ck_assert_ptr_null(fault_innermost);
		return 1;
	}
	fault_enter(&outer, m->base, m->len_bytes);
	if (sigsetjmp(inner.env, 0) != 0) {
		ck_assert_ptr_eq(fault_innermost, &outer);
		fault_leave(&outer);
		return 2;
	}
	fault_enter(&inner, m->base + inner_page * 4096, 4096);
	load(m->base + page * 4096);
	fault_leave(&inner);
	fault_leave(&outer);
	return 0;
}

START_TEST(guards_nest_and_the_innermost_that_covers_is_left)
{
	struct cut c = cut_new("nest");

	ck_assert_int_eq(fault_install(), 0);
	ck_assert_int_eq(load_in_two(c.m, 1, 0), 0);
	ck_assert_int_eq(load_in_two(c.m, 1, 1), 2);
	ck_assert_int_eq(load_in_two(c.m, 1, 2), 1);
	ck_assert_int_eq(load_in_two(c.m, 0, 0), 0);
	ck_assert_ptr_null(fault_innermost);
	cut_free(c);
}
END_TEST

static void *load_often(void *arg)
{
	struct map *m = arg;

	for (int i = 0; i < 2000; i++) {
		size_t page = (size_t)i % PAGES;

		ck_assert_int_eq(guarded_load(m->base + page * 4096), page == 0 ? 'p' : -1);
	}
	return NULL;
}

START_TEST(each_thread_has_guards_of_its_own)
{
	struct cut c = cut_new("threads");
	pthread_t threads[4];

	ck_assert_int_eq(fault_install(), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, load_often, c.m), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	cut_free(c);
}
END_TEST

static sigjmp_buf out;
static void *volatile seen_address;
static volatile int n_seen;

static void see_info(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	seen_address = info->si_addr;
	n_seen++;
	if (info->si_code > 0)
		siglongjmp(out, 1);
}

static void see(int sig)
{
	(void)sig;
	n_seen++;
	siglongjmp(out, 1);
}

START_TEST(a_fault_outside_reaches_the_previous_handler)
{
	struct cut c = cut_new("previous");
	struct sigaction sa = {.sa_sigaction = see_info, .sa_flags = SA_SIGINFO};
	struct fault_guard g;

	ck_assert_int_eq(sigaction(SIGBUS, &sa, NULL), 0);
	ck_assert_int_eq(fault_install(), 0);
	if (sigsetjmp(out, 1) == 0)
		load(c.m->base + 4096);
	ck_assert_int_eq(n_seen, 1);
	ck_assert_ptr_eq(seen_address, c.m->base + 4096);

	/* Under a guard of another range too. */
	if (sigsetjmp(out, 1) == 0 && sigsetjmp(g.env, 0) == 0) {
		fault_enter(&g, c.m->base, 4096);
		load(c.m->base + 2 * 4096);
		ck_abort_msg("no fault");
	}
	ck_assert_int_eq(n_seen, 2);
	/* Whoever leaves by a jump has left its guards. */
	ck_assert_ptr_null(fault_innermost);

	/* A signal that a process sends is no fault, guard or not. */
	if (sigsetjmp(g.env, 0) == 0) {
		fault_enter(&g, NULL, SIZE_MAX);
		ck_assert_int_eq(raise(SIGBUS), 0);
		fault_leave(&g);
	} else {
		ck_abort_msg("took a sent signal for a fault");
	}
	ck_assert_int_eq(n_seen, 3);
	cut_free(c);
}
END_TEST

START_TEST(a_previous_handler_of_the_old_kind_is_called_too)
{
	struct cut c = cut_new("old-kind");

	ck_assert(signal(SIGBUS, see) != SIG_ERR);
	ck_assert_int_eq(fault_install(), 0);
	if (sigsetjmp(out, 1) == 0)
		load(c.m->base + 4096);
	ck_assert_int_eq(n_seen, 1);
	ck_assert_int_eq(guarded_load(c.m->base + 4096), -1);
	ck_assert_int_eq(n_seen, 1);
	cut_free(c);
}
END_TEST

/* Of an application that installed its own when ours was there, and calls what was there before. */
static struct sigaction before_theirs;
static volatile int n_theirs;

static void pass_on_theirs(int sig, siginfo_t *info, void *context)
{
	n_theirs++;
	if (before_theirs.sa_flags & SA_SIGINFO)
		before_theirs.sa_sigaction(sig, info, context);
	else
		before_theirs.sa_handler(sig);
}

START_TEST(a_handler_that_was_installed_later_is_not_in_the_way_after_the_next_open)
{
	struct cut c = cut_new("late");
	struct sigaction first = {.sa_sigaction = see_info, .sa_flags = SA_SIGINFO};

	ck_assert_int_eq(sigaction(SIGBUS, &first, NULL), 0);
	ck_assert_int_eq(fault_install(), 0);
	ck_assert(signal(SIGBUS, see) != SIG_ERR);
	ck_assert_int_eq(fault_install(), 0);
	ck_assert_int_eq(guarded_load(c.m->base + 4096), -1);
	ck_assert_int_eq(n_seen, 0);
	/* What is not guarded is theirs: the newest handler's. */
	if (sigsetjmp(out, 1) == 0)
		load(c.m->base + 4096);
	ck_assert_int_eq(n_seen, 1);
	ck_assert_ptr_null(seen_address);
	cut_free(c);
}
END_TEST

START_TEST(a_later_handler_that_passes_on_reaches_the_first_and_comes_to_an_end)
{
	struct cut c = cut_new("chain");
	struct sigaction first = {.sa_sigaction = see_info, .sa_flags = SA_SIGINFO};
	struct sigaction theirs = {.sa_sigaction = pass_on_theirs, .sa_flags = SA_SIGINFO};

	ck_assert_int_eq(sigaction(SIGBUS, &first, NULL), 0);
	ck_assert_int_eq(fault_install(), 0);
	ck_assert_int_eq(sigaction(SIGBUS, &theirs, &before_theirs), 0);
	/* Ours, theirs, ours again (theirs passed on), the first. */
	for (int i = 1; i <= 3; i++) {
		ck_assert_int_eq(fault_install(), 0);
		ck_assert_int_eq(guarded_load(c.m->base + 4096), -1);
		if (sigsetjmp(out, 1) == 0)
			load(c.m->base + 4096);
		ck_assert_int_eq(n_theirs, i);
		ck_assert_int_eq(n_seen, i);
		ck_assert_ptr_eq(seen_address, c.m->base + 4096);
	}
	/* And where they install it once more. */
	ck_assert_int_eq(sigaction(SIGBUS, &theirs, &before_theirs), 0);
	ck_assert_int_eq(fault_install(), 0);
	if (sigsetjmp(out, 1) == 0)
		load(c.m->base + 4096);
	ck_assert_int_eq(n_theirs, 4);
	ck_assert_int_eq(n_seen, 4);
	ck_assert_int_eq(guarded_load(c.m->base + 4096), -1);
	cut_free(c);
}
END_TEST

START_TEST(many_handlers_one_after_another_are_taken)
{
	struct cut c = cut_new("many");
	struct sigaction a = {.sa_sigaction = see_info, .sa_flags = SA_SIGINFO};
	struct sigaction b = {.sa_handler = see};

	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(sigaction(SIGBUS, i % 2 ? &b : &a, NULL), 0);
		ck_assert_int_eq(fault_install(), 0);
		ck_assert_int_eq(guarded_load(c.m->base + 4096), -1);
	}
	if (sigsetjmp(out, 1) == 0)
		load(c.m->base + 4096);
	ck_assert_int_eq(n_seen, 1);
	ck_assert_ptr_null(seen_address);
	cut_free(c);
}
END_TEST

enum deed { DEED_FAULT, DEED_SEND };

/* How a child ends that had `before` as its handler and then faults outside, or is sent SIGBUS. */
static int child_end(struct cut c, void (*before)(int), enum deed deed)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct map *m;

		(void)signal(SIGBUS, before);
		if (fault_install() < 0 ||
			io_map(io_kernel(), c.f, MAP_READ_SHARED, 0, 1 << 20, &m) < 0 ||
			map_extend(m, PAGES * 4096) < 0 || guarded_load(m->base + 4096) != -1)
			_exit(3);
		if (deed == DEED_FAULT)
			load(m->base + 4096);
		else
			(void)raise(SIGBUS);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

START_TEST(without_a_previous_handler_a_fault_outside_ends_the_process)
{
	struct cut c = cut_new("default");

	ck_assert_int_eq(child_end(c, SIG_DFL, DEED_FAULT), -SIGBUS);
	ck_assert_int_eq(child_end(c, SIG_DFL, DEED_SEND), -SIGBUS);
	cut_free(c);
}
END_TEST

START_TEST(an_ignored_signal_stays_ignored_but_a_fault_cannot_be)
{
	struct cut c = cut_new("ignored");

	ck_assert_int_eq(child_end(c, SIG_IGN, DEED_FAULT), -SIGBUS);
	ck_assert_int_eq(child_end(c, SIG_IGN, DEED_SEND), 0);
	cut_free(c);
}
END_TEST

/* What another thread may do while fault_install() runs: SIGBUS is looked at, and then it comes. */
static bool comes_between;

int sigaction(int sig, const struct sigaction *action, struct sigaction *before)
{
	static int (*real)(int, const struct sigaction *, struct sigaction *);
	int rc;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "sigaction");
	rc = real(sig, action, before);
	if (sig == SIGBUS && !action && comes_between) {
		struct sigaction theirs = {.sa_sigaction = see_info, .sa_flags = SA_SIGINFO};

		comes_between = false;
		(void)real(SIGBUS, &theirs, NULL);
	}
	return rc;
}

START_TEST(a_handler_that_comes_while_ours_is_installed_is_not_lost)
{
	struct cut c = cut_new("between");

	comes_between = true;
	ck_assert_int_eq(fault_install(), 0);
	ck_assert(!comes_between);
	ck_assert_int_eq(guarded_load(c.m->base + 4096), -1);
	ck_assert_int_eq(n_seen, 0);
	if (sigsetjmp(out, 1) == 0)
		load(c.m->base + 4096);
	ck_assert_int_eq(n_seen, 1);
	cut_free(c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("io_fault");
	TCase *t = tcase_create("fault");

	tcase_add_checked_fixture(t, NULL, check_free);
	tcase_add_test(t, a_fault_under_a_guard_becomes_an_error);
	tcase_add_test(t, guards_nest_and_the_innermost_that_covers_is_left);
	tcase_add_test(t, each_thread_has_guards_of_its_own);
	tcase_add_test(t, a_fault_outside_reaches_the_previous_handler);
	tcase_add_test(t, a_previous_handler_of_the_old_kind_is_called_too);
	tcase_add_test(t, a_handler_that_was_installed_later_is_not_in_the_way_after_the_next_open);
	tcase_add_test(t, a_later_handler_that_passes_on_reaches_the_first_and_comes_to_an_end);
	tcase_add_test(t, many_handlers_one_after_another_are_taken);
	tcase_add_test(t, without_a_previous_handler_a_fault_outside_ends_the_process);
	tcase_add_test(t, an_ignored_signal_stays_ignored_but_a_fault_cannot_be);
	tcase_add_test(t, a_handler_that_comes_while_ours_is_installed_is_not_lost);
	suite_add_tcase(s, t);
	return check_main(s);
}
