/* SPDX-License-Identifier: MIT */
/* crash_txn: crash images of txn/ with the toy payload. */
#include "tests/crash/subject_txn.h"

int main(int argc, char **argv)
{
	static const struct crash_options defaults = {
		.seed = 1,
		.n_images = 65000,
		.images_a_workload = 120,
		.second_one_in = 10,
		.second_images = 3,
		.failures_max = 5,
		.config = -1,
	};

	return crash_main(argc, argv, &subject_txn, &defaults);
}
