/* SPDX-License-Identifier: MIT */
/*
 * What stands where a student has not written anything yet. Either names its task, so that a test
 * that comes here is NOT IMPLEMENTED in the sheet, and not wrong.
 */
#ifndef LABS_LIB_TODO_H
#define LABS_LIB_TODO_H

/* Returns -ENOSYS, with a text that names the task: `return LAB_TODO("2.4");` */
#define LAB_TODO(task) lab_todo(task, __func__)

/* For functions that cannot fail: ends the process with LAB_TODO_STATUS. */
#define LAB_TODO_VOID(task) lab_todo_void(task, __func__)

/* For what an earlier lab does without: nothing. */
#define LAB_LATER(task) ((void)(task))

#define LAB_TODO_STATUS 77

int lab_todo(const char *task, const char *function);
_Noreturn void lab_todo_void(const char *task, const char *function);

#endif
