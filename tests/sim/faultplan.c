/* SPDX-License-Identifier: MIT */
#include "tests/sim/faultplan.h"

#include "base/error.h"

#include <errno.h>

static const struct {
	int code;
	const char *name;
} kinds[FAULT_KINDS] = {
	[FAULT_EIO] = {-EIO, "EIO"},
	[FAULT_ENOSPC] = {-ENOSPC, "ENOSPC"},
	[FAULT_EDQUOT] = {-EDQUOT, "EDQUOT"},
	[FAULT_EINTR] = {-EINTR, "EINTR"},
	[FAULT_EAGAIN] = {-EAGAIN, "EAGAIN"},
	[FAULT_SHORT] = {VERSO_EIO, "short"},
	[FAULT_ZERO] = {VERSO_EIO, "zero"},
	[FAULT_ECANCELED] = {-ECANCELED, "ECANCELED"},
	[FAULT_ENOMEM] = {-ENOMEM, "ENOMEM"},
};

int fault_code(enum fault_kind kind)
{
	return kinds[kind].code;
}

const char *fault_name(enum fault_kind kind)
{
	return kinds[kind].name;
}

int fault_plan_call(struct fault_plan *plan, enum fault_call call)
{
	uint64_t n;

	if (!(plan->calls & call))
		return 0;
	n = atomic_fetch_add(&plan->n, 1);
	if (n != plan->nth && !(plan->forever && n > plan->nth))
		return 0;
	(void)atomic_fetch_add(&plan->struck, 1);
	return error_set(fault_code(plan->kind), "injected %s at call %llu", fault_name(plan->kind),
		(unsigned long long)n);
}

int fault_plan_sim(void *arg, const struct sim_call *call)
{
	static const enum fault_call map[SIM_CALL_KINDS] = {
		[SIM_CALL_OPEN] = FAULT_OPEN,
		[SIM_CALL_READ] = FAULT_READ,
		[SIM_CALL_WRITE] = FAULT_WRITE,
		[SIM_CALL_SYNC] = FAULT_SYNC,
		[SIM_CALL_TRUNCATE] = FAULT_TRUNCATE,
		[SIM_CALL_ALLOCATE] = FAULT_ALLOCATE,
		[SIM_CALL_SYNC_DIR] = FAULT_SYNC_DIR,
		[SIM_CALL_UNLINK] = FAULT_UNLINK,
		[SIM_CALL_RENAME] = FAULT_RENAME,
		[SIM_CALL_NAME_FILE] = FAULT_NAME_FILE,
		[SIM_CALL_MAP] = FAULT_MAP,
	};

	return fault_plan_call(arg, map[call->kind]);
}
