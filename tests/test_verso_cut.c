/* SPDX-License-Identifier: MIT */
/* Faults of a mapping, and the guards against them: in the middle of a call, and after it. */
#include "io/fault.h"
#include "tests/api.h"

#include <fcntl.h>
#include <setjmp.h>
#include <string.h>
#include <unistd.h>

#define KEPT_BYTES 8192

static char long_bytes[100000];

static jmp_buf out;
static volatile int n_told;

static int tell_and_leave(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	n_told++;
	longjmp(out, 1);
}

static int find_and_leave(void *arg, uint32_t pgno, const char *text)
{
	(void)arg;
	(void)pgno;
	(void)text;
	n_told++;
	longjmp(out, 1);
}

START_TEST(a_callback_that_does_not_return_leaves_no_guard_behind)
{
	struct verso *db = api_open(VERSO_MMAP, "a", 0);
	struct verso_txn *txn = api_begin(db, VERSO_WRITE);
	char path[CHECK_PATH_BYTES];
	struct verso_table *table;
	int fd = open(api_path(path, "a"), O_RDWR);

	ck_assert_int_ge(fd, 0);
	API_OK(verso_table_open(txn, "named", VERSO_CREATE, &table));
	API_OK(verso_commit(txn));
	txn = api_begin(db, VERSO_READ);

	if (setjmp(out) == 0)
		(void)verso_table_each(txn, tell_and_leave, NULL);
	ck_assert_int_eq(n_told, 1);
	ck_assert_ptr_null(fault_innermost);
	verso_abort(txn);
	verso_close(db);
	/* Damage, which is what a check tells. */
	ck_assert_int_eq(pwrite(fd, long_bytes, sizeof(long_bytes), KEPT_BYTES),
		sizeof(long_bytes));
	db = api_open(VERSO_MMAP, "a", 0);
	if (setjmp(out) == 0)
		(void)verso_check(db, VERSO_CHECK_TREES, find_and_leave, NULL);
	ck_assert_int_eq(n_told, 2);
	ck_assert_ptr_null(fault_innermost);
	ck_assert_int_eq(close(fd), 0);
	verso_close(db);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cut");
	TCase *t = tcase_create("mmap");

	tcase_add_test(t, a_callback_that_does_not_return_leaves_no_guard_behind);
	suite_add_tcase(s, t);
	return check_main(s);
}
