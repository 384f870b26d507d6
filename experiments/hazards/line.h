/* SPDX-License-Identifier: MIT */
/*
 * A line of JSON for the harness (docs/experiments-format.md, kind "hazard"). What depends on the
 * session (kind, experiment, plan, round) the harness adds.
 */
#ifndef EXPERIMENTS_HAZARDS_LINE_H
#define EXPERIMENTS_HAZARDS_LINE_H

#include <stdint.h>
#include <stdio.h>

struct line {
	const char *cell;         /* what the hazard happened to */
	const char *hazard;       /* with the cell it makes the key */
	const char *skipped;      /* why there are no counts; NULL or "": there are */
	const char *invalid;      /* why they cannot be used; NULL or "": they can */
	const char *const *names; /* of the counts */
	const uint64_t *counts;
	unsigned n_counts;
	uint64_t trials;
	const char *details; /* members of an object, or "" */
};

void line_print(FILE *f, const struct line *l);

/* A string of JSON. */
void line_quote(FILE *f, const char *text);

#endif
