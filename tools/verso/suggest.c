/* SPDX-License-Identifier: MIT */
/* "Did you mean": the name that differs least from a word, if it is near enough. */
#include "tools/verso/tool.h"

#include <string.h>

#define WORD_MAX 64 /* bytes; nobody misspells a longer one by accident */

/*
 * How many letters must be put in, taken out, replaced or swapped with their neighbour: the
 * distance of Damerau (1964), where no letter is changed twice.
 */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned rows[3][WORD_MAX + 1], *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned *oldest = before;

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned best = last[j - 1] + (a[i - 1] != b[j - 1]);

			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		before = last;
		last = row;
		row = oldest;
	}
	return last[b_len];
}

void suggest_begin(struct suggest *s, const char *word, size_t len_bytes)
{
	*s = (struct suggest){.word = word, .len_bytes = len_bytes};
	s->nearest = (unsigned)(len_bytes + 1) / 3; /* of a word of two letters one may be wrong */
}

void suggest_offer(struct suggest *s, const char *name)
{
	size_t name_len = strlen(name);
	unsigned d;

	if (s->len_bytes > WORD_MAX || name_len > WORD_MAX || name_len == 0)
		return;
	/* A beginning is near, however much is left out. */
	if (s->len_bytes >= 2 && strncmp(name, s->word, s->len_bytes) == 0)
		d = 1;
	else
		d = distance(s->word, s->len_bytes, name, name_len);
	if (d > s->nearest || (s->found && d == s->nearest))
		return;
	s->nearest = d;
	s->found = true;
	memcpy(s->name, name, name_len + 1);
}

void suggest_instead(struct suggest *s, const char *const (*synonyms)[2])
{
	for (; (*synonyms)[0]; synonyms++) {
		if (strlen((*synonyms)[0]) == s->len_bytes &&
			memcmp((*synonyms)[0], s->word, s->len_bytes) == 0) {
			s->found = true;
			s->nearest = 0;
			(void)snprintf(s->name, sizeof(s->name), "%s", (*synonyms)[1]);
		}
	}
}
