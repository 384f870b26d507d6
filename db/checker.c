/* SPDX-License-Identifier: MIT */
/*
 * A check or a copy while it runs: its findings, and what its callback may not do meanwhile (D1).
 */
#include "db/db_int.h"

#define NUMBERS UINT64_C(0x9e3779b97f4a7c15) /* apart from what else lies on a stack */

/*
 * Whose callback this thread is in. It lies in the frame of a call, which a callback may have left
 * by a jump: then it is below the frames of today, or its memory is theirs and has another number.
 * Where they left that memory alone it is taken for one that runs; the worst is VERSO_EMISUSE, and
 * a close that is not carried out.
 */
static _Thread_local struct checker *innermost;
static _Thread_local uint64_t innermost_number, n_checks;

/*
 * AddressSanitizer would not have it that other frames are looked at, and may keep variables
 * elsewhere than in the frames: so this frame's own address counts, and alloca() has the checker.
 */
__attribute__((no_sanitize("address"))) static bool is_left(const struct checker *k)
{
	return (uintptr_t)k < (uintptr_t)__builtin_frame_address(0) ||
	       k->number != innermost_number;
}

static void set_innermost(struct checker *k)
{
	innermost = k;
	innermost_number = k ? k->number : 0;
}

static struct checker *checker_of(const struct verso *db)
{
	struct checker *k;

	if (innermost && is_left(innermost))
		set_innermost(NULL);
	for (k = innermost; k && k->db != db;)
		k = k->outer;
	return k;
}

bool check_runs_here(const struct verso *db)
{
	return checker_of(db) != NULL;
}

bool check_defers_close(const struct verso *db)
{
	struct checker *k = checker_of(db);

	if (k)
		k->closed = k->stopped = true;
	return k;
}

static void callback_begins(struct checker *k)
{
	(void)checker_of(NULL); /* forgets what a jump left */
	k->outer = innermost;
	set_innermost(k);
}

void checker_found(struct checker *k, pgno_t pgno, const char *text)
{
	k->n_findings++;
	if (!k->each || k->stopped)
		return;
	callback_begins(k);
	if (k->each(k->arg, pgno, text) != 0)
		k->stopped = true;
	set_innermost(k->outer);
}

int checker_step(struct checker *k, verso_copy_fn *step, void *arg, uint64_t done_bytes,
	uint64_t total_bytes)
{
	callback_begins(k);
	if (step(arg, done_bytes, total_bytes) != 0)
		k->stopped = true;
	set_innermost(k->outer);
	return k->stopped;
}

void checker_init(struct checker *k, struct verso *db, verso_check_fn *each, void *arg)
{
	*k = (struct checker){.number = ++n_checks * NUMBERS, .db = db, .each = each, .arg = arg};
}
