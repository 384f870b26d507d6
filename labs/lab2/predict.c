/* SPDX-License-Identifier: MIT */
/*
 * usage: predict reads-POLICY SEED question | answer
 *
 * Questions on replacement, drawn by seed and answered by the policies: how many reads are there?
 */
#include "bufpool/policies.h"
#include "bufpool/policy.h"
#include "trace/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_FRAMES   3
#define N_STEPS    12
#define N_PAGES    6
#define N_NUMBERED (N_PAGES + 1) /* pages are 1 to N_PAGES */

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	return (z ^ z >> 27) >> 20;
}

static void draw(uint64_t seed, struct trace *t, struct trace_access *accesses)
{
	*t = (struct trace){
		.accesses = accesses, .n = N_STEPS, .n_reads = N_STEPS, .n_pages = N_NUMBERED};
	for (size_t i = 0; i < N_STEPS; i++) {
		/* Half of them are one of the first two, so that there are hits. */
		uint64_t r = next_random(&seed);

		accesses[i] = (struct trace_access){
			.page = 1 + (uint32_t)(r & 1 ? (r >> 1) % 2 : (r >> 1) % N_PAGES)};
	}
}

static void ask(const struct trace *t)
{
	(void)printf("%d frames, and these pages:", N_FRAMES);
	for (size_t i = 0; i < t->n; i++)
		(void)printf(" %" PRIu32, t->accesses[i].page);
	(void)printf("\n");
}

static bool policy_of(const char *name, unsigned *ret_policy)
{
	for (unsigned i = 0; trace_policy_names[i]; i++) {
		if (strcmp(trace_policy_names[i], name) == 0) {
			*ret_policy = i;
			return true;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	struct trace_access accesses[N_STEPS];
	bool is_question = argc == 4 && strcmp(argv[3], "question") == 0;
	unsigned policy = 0;
	struct trace t;

	if (argc != 4 || (!is_question && strcmp(argv[3], "answer") != 0) ||
		strncmp(argv[1], "reads-", 6) != 0 ||
		(strcmp(argv[1] + 6, "optimum") != 0 && !policy_of(argv[1] + 6, &policy))) {
		(void)fprintf(stderr, "usage: predict reads-POLICY SEED question | answer\n");
		return 2;
	}
	draw(strtoull(argv[2], NULL, 10), &t, accesses);
	if (is_question)
		ask(&t);
	else
		(void)printf("%" PRIu64 "\n", strcmp(argv[1] + 6, "optimum") == 0
						      ? trace_replay_optimum(&t, N_FRAMES)
						      : trace_replay(&t, policy, N_FRAMES));
	return 0;
}
