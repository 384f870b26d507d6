/* SPDX-License-Identifier: MIT */
/* The whole stack, tree included, under the crash engine. */
#include "tests/crash/kvdb.h"

static struct session_config session_config(unsigned config)
{
	return (struct session_config){
		.index = config,
		.sync = kvdb_sync(&kvdb_configs[config]),
		.is_async = kvdb_configs[config].is_async,
	};
}

static const char *config_name(unsigned config)
{
	return kvdb_configs[config].name;
}

static void disk_options(unsigned config, uint64_t seed, struct simdisk_options *opts)
{
	struct session_config c = session_config(config);

	session_disk_options(config, seed, opts);
	opts->whole_blocks = c.sync == TXN_PROCESS;
	opts->stale = session_stale_bytes(&kvdb_ops, &c, seed, &opts->stale_bytes);
}

static int workload(unsigned config, uint64_t seed, struct simdisk *d, struct crash_history *h)
{
	struct session_config c = session_config(config);

	return session_workload(&kvdb_ops, &c, seed, d, h);
}

static int create_again(unsigned config, uint64_t seed, struct simdisk *d)
{
	session_marks[MARK_CREATED_AGAIN].n++;
	return kvdb_create(config, seed, d);
}

int main(int argc, char **argv)
{
	static const struct crash_subject subject = {
		.name = "db",
		.n_configs = KVDB_CONFIGS,
		.config_name = config_name,
		.disk_options = disk_options,
		.workload = workload,
		.create = create_again,
		.open = kvdb_open,
		.digest = kvdb_digest,
		.check = kvdb_check,
		.commit = kvdb_commit,
		.close = kvdb_close,
		.marks = session_marks,
		.n_marks = KVDB_MARKS,
	};
	static const struct crash_options defaults = {
		.seed = 1,
		.n_images = 35000,
		.images_a_workload = 120,
		.second_one_in = 10,
		.second_images = 3,
		.failures_max = 5,
		.config = -1,
	};

	kvdb_marks_init();
	return crash_main(argc, argv, &subject, &defaults);
}
