/* SPDX-License-Identifier: MIT */
/*
 * One case of H2: one subject, one hazard, one place in the file. The subject runs in a process of
 * its own, so that a signal is an outcome like others.
 */
#ifndef EXPERIMENTS_HAZARDS_CASE_H
#define EXPERIMENTS_HAZARDS_CASE_H

#include "experiments/hazards/device.h"
#include "experiments/hazards/image.h"

enum hazard {
	HAZARD_NONE,          /* the control: nothing happens */
	HAZARD_FLIP_COLD,     /* a bit flips before the page is read for the first time */
	HAZARD_FLIP_RESIDENT, /* after it, while the page is in memory */
	HAZARD_FLIP_EVICTED,  /* after it, and the page has left memory since */
	HAZARD_TORN,          /* a part of the sectors was written */
	HAZARD_LOST,          /* the page was not written at all */
	HAZARD_MISDIRECTED,   /* it was written to another page's place */
	HAZARD_EIO,           /* the disk cannot read the page */
	HAZARD_CUT,           /* another process shortens the file */
	HAZARD_HOLE,          /* a free page has no block, and the disk is full */
	HAZARDS
};

extern const char *const hazard_names[HAZARDS], *const hazard_texts[HAZARDS];

enum outcome {
	OUTCOME_ERROR,  /* some call failed, and none returned anything wrong */
	OUTCOME_WRONG,  /* a call returned another value than the one that was committed */
	OUTCOME_RIGHT,  /* all values are right */
	OUTCOME_SIGNAL, /* the process was ended by a signal */
	OUTCOME_DEATH,  /* it ended by itself in the middle of a call, or hung */
	OUTCOMES,
	OUTCOME_NONE = OUTCOMES /* the hazard could not be produced: no outcome */
};

extern const char *const outcome_names[OUTCOMES];

/* What the cases of one subject share. */
struct bench {
	const struct subject *subject;
	struct device device;
	struct image image;
	const char *folder; /* of the file: for HAZARD_HOLE */
};

/* Why the hazard cannot be produced for this subject here, or NULL. */
const char *case_why_not(const struct bench *b, enum hazard hazard);

/* The file is as it was afterwards. text: what the subject said; or why there is no outcome. */
enum outcome case_run(struct bench *b, enum hazard hazard, uint32_t live, uint64_t *rng,
	char text[TEXT_BYTES]);

/* hole.c: HAZARD_HOLE, in the process of the case, whose view of b->folder it changes for good. */
enum outcome hole_run(const struct bench *b, uint32_t record, char text[TEXT_BYTES]);

/* What reading these records gives. */
enum outcome read_records(const struct bench *b, struct subject_db *db, const uint32_t *records,
	size_t n, char text[TEXT_BYTES]);

#endif
