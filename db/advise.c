/* SPDX-License-Identifier: MIT */
/* Advice for a range of records: the boundary over btree/advise.c. */
#include "db/db_int.h"

_Static_assert((int)VERSO_ADVICE_WILLNEED == (int)BTREE_ADVICE_WILLNEED &&
		       (int)VERSO_ADVICE_COLD == (int)BTREE_ADVICE_COLD,
	"the advices for ranges have one order");

/* Empty: no bound. */
static struct btree_slice bound_of(struct verso_val val)
{
	return (struct btree_slice){val.len > 0 ? val.data : NULL, val.len};
}

int verso_advise(struct verso_txn *txn, struct verso_table *table, struct verso_val from,
	struct verso_val to, enum verso_advice advice)
{
	THREAD_KEPT;
	struct verso_table *in;
	struct fault_guard fault;
	int rc = boundary_txn(txn, false);

	if (rc < 0)
		return call_result(rc);
	rc = boundary_table(txn, table, &in);
	if (rc != 0)
		return call_result(rc);
	if (advice != VERSO_ADVICE_WILLNEED && advice != VERSO_ADVICE_COLD)
		return misuse("verso_advise: an unknown advice");
	rc = boundary_val(from);
	if (rc == 0)
		rc = boundary_val(to);
	if (rc < 0)
		return call_result(rc);
	if (call_may_fault(txn)) {
		if (sigsetjmp(fault.env, 0) != 0)
			return call_faulted(txn);
		call_enter(txn, &fault);
	}
	rc = btree_advise(&in->tree, bound_of(from), bound_of(to), (enum btree_advice)advice);
	call_leave(txn, &fault);
	return call_result(rc);
}
