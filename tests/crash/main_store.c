/* SPDX-License-Identifier: MIT */
/* The small store where nothing is lost. Where something is: experiments/hazards/powercut.c. */
#include "tests/crash/subject_store.h"

int main(int argc, char **argv)
{
	static const struct crash_options defaults = {
		.seed = 1,
		.n_images = 15000,
		.images_a_workload = 120,
		.second_one_in = 10,
		.second_images = 3,
		.failures_max = 5,
		.config = -1,
	};

	return crash_main(argc, argv, &subject_store, &defaults);
}
