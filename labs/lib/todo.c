/* SPDX-License-Identifier: MIT */
#include "labs/lib/todo.h"
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* The line by which the grader knows. */
static void say(const char *task, const char *function)
{
	(void)fprintf(stderr, "lab-todo: %s %s\n", task, function);
}

int lab_todo(const char *task, const char *function)
{
	static _Atomic int n_said;

	if (n_said++ == 0) /* it may be called in a loop */
		say(task, function);
	return error_set(-ENOSYS, "Lab %s, %s(), is not implemented yet", task, function);
}

void lab_todo_void(const char *task, const char *function)
{
	say(task, function); /* although another thread may be about to: this ends both */
	(void)fprintf(stderr, "Lab %s, %s(), is not implemented yet\n", task, function);
	_exit(LAB_TODO_STATUS);
}
