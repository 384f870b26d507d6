/* SPDX-License-Identifier: MIT */
/* The subject on which the commit protocol was proved: txn/ with the toy payload. */
#include "tests/crash/subject_txn.h"

#include "tests/crash/toydb.h"

static struct session_config session_config(unsigned config)
{
	const struct toydb_config *c = &toydb_configs[config];

	return (struct session_config){config, c->sync, c->is_async, c->no_direct, c->shared};
}

static const char *config_name(unsigned config)
{
	return toydb_configs[config].name;
}

static void disk_options(unsigned config, uint64_t seed, struct simdisk_options *opts)
{
	struct session_config c = session_config(config);

	session_disk_options(config, seed, opts);
	opts->whole_blocks = c.sync == TXN_PROCESS;
	opts->stale = session_stale_bytes(&toydb_ops, &c, seed, &opts->stale_bytes);
}

static int workload(unsigned config, uint64_t seed, struct simdisk *d, struct crash_history *h)
{
	struct session_config c = session_config(config);

	return session_workload(&toydb_ops, &c, seed, d, h);
}

static int create_again(unsigned config, uint64_t seed, struct simdisk *d)
{
	session_marks[MARK_CREATED_AGAIN].n++;
	return toydb_create(config, seed, d);
}

const struct crash_subject subject_txn = {
	.name = "txn",
	.n_configs = TOYDB_CONFIGS,
	.config_name = config_name,
	.disk_options = disk_options,
	.workload = workload,
	.create = create_again,
	.open = toydb_open,
	.digest = toydb_digest,
	.check = toydb_check,
	.commit = toydb_commit,
	.close = toydb_close,
	.marks = session_marks,
	.n_marks = SESSION_MARKS,
};
