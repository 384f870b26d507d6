/* SPDX-License-Identifier: MIT */
/*
 * usage: turns POLICY FRAMES STEP...
 *
 * Plays a story on a replacement policy alone, without a pool. A step is a letter, a page that is
 * asked for; +a pins it, -a ends that, !a forgets it. Prints for each what left for it, and the
 * frames; * is the mark of a page that was used since it came.
 */
#include "bufpool/policies.h"
#include "bufpool/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_MAX 16U

static struct {
	struct policy *policy;
	struct frame frames[FRAMES_MAX];
	_Atomic uint8_t used[FRAMES_MAX];
	char page_of[FRAMES_MAX]; /* 0: the frame is free */
	bool is_pinned[FRAMES_MAX];
	uint32_t n_frames;
} c;

static bool claim(void *arg, uint32_t frame)
{
	(void)arg;
	return frame < c.n_frames && c.page_of[frame] && !c.is_pinned[frame];
}

static uint32_t frame_of(char page)
{
	for (uint32_t frame = 0; frame < c.n_frames; frame++)
		if (c.page_of[frame] == page)
			return frame;
	return FRAME_NONE;
}

static void forget(uint32_t frame)
{
	c.policy->ops->remove(c.policy, frame);
	c.page_of[frame] = 0;
}

/* What became of it, in a word. */
static const char *ask(char page)
{
	static char left[8];
	uint32_t frame = frame_of(page);

	if (frame != FRAME_NONE) {
		c.used[frame] = USED_YES;
		if (c.policy->ops->hit)
			c.policy->ops->hit(c.policy, frame);
		return "hit";
	}
	(void)snprintf(left, sizeof(left), "-");
	frame = frame_of(0);
	if (frame >= c.n_frames) {
		frame = c.policy->ops->victim(c.policy, claim, NULL);
		if (frame >= c.n_frames)
			return "none";
		(void)snprintf(left, sizeof(left), "%c", c.page_of[frame]);
		forget(frame);
	}
	c.page_of[frame] = page;
	c.frames[frame].pgno = (uint32_t)page;
	c.used[frame] = USED_NOT;
	c.policy->ops->insert(c.policy, frame, ARRIVAL_GET);
	return left;
}

static void print_frames(void)
{
	for (uint32_t frame = 0; frame < c.n_frames; frame++)
		printf(" %c%s%s", c.page_of[frame] ? c.page_of[frame] : '.',
			c.page_of[frame] && !c.policy->ops->hit && c.used[frame] ? "*" : "",
			c.is_pinned[frame] ? "+" : "");
	printf("\n");
}

static bool step(const char *word)
{
	bool is_sign = strchr("+-!", word[0]) != NULL;
	char page = word[is_sign];
	uint32_t frame = page ? frame_of(page) : FRAME_NONE;

	if (!page || word[is_sign + 1] || (is_sign && frame == FRAME_NONE))
		return false;
	if (word[0] == '!')
		forget(frame);
	else if (is_sign)
		c.is_pinned[frame] = word[0] == '+';
	printf("%-4s %-6s", word, is_sign ? "" : ask(page));
	print_frames();
	return true;
}

int main(int argc, char **argv)
{
	const struct policy_ops *ops = NULL;
	long n_frames = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
	bool good = true;

	for (unsigned i = 0; argc > 1 && i < N_POLICIES; i++)
		if (strcmp(bufpool_policies[i]->name, argv[1]) == 0)
			ops = bufpool_policies[i];
	if (!ops || n_frames < 1 || n_frames > (long)FRAMES_MAX ||
		ops->open((uint32_t)n_frames, &c.policy) < 0) {
		(void)fprintf(stderr,
			"usage: turns POLICY FRAMES STEP..., for example: turns clock "
			"3 a b c a d\n");
		return 2;
	}
	c.n_frames = (uint32_t)n_frames;
	c.policy->ops = ops;
	c.policy->frames = c.frames;
	c.policy->used = c.used;
	printf("     left   frames\n");
	for (int i = 3; i < argc && good; i++)
		good = step(argv[i]);
	if (!good)
		(void)fprintf(stderr,
			"a step is a letter, or +a, -a, !a of a page that is there\n");
	ops->close(c.policy);
	return good ? EXIT_SUCCESS : 2;
}
