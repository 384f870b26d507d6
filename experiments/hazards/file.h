/* SPDX-License-Identifier: MIT */
/*
 * The file of a subject, made and read: all records in some versions, each a commit of its own, and
 * where the live values lie. What goes wrong ends the program with status 3.
 */
#ifndef EXPERIMENTS_HAZARDS_FILE_H
#define EXPERIMENTS_HAZARDS_FILE_H

#include "experiments/hazards/case.h"

struct file {
	const char *folder;
	const char *image; /* from which the file system of the folder was mounted, or NULL */
	uint32_t n_records;
};

void file_open(struct bench *b, const struct file *set, const struct subject *s);

/* Removes it. */
void file_close(struct bench *b);

#endif
