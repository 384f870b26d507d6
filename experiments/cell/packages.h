/* SPDX-License-Identifier: MIT */
/*
 * Debian's packages, and the order in which their records are looked up when one of them is to be
 * installed: the package itself, what it depends on, what that depends on, each once. Few packages
 * are in nearly every such walk, most are in few: locality that nobody made up.
 *
 * A package has ten records, about what its stanza of a kilobyte would take, in the order of the
 * packages' names; its first one is looked up. So packages whose names are alike share a page.
 */
#ifndef EXPERIMENTS_CELL_PACKAGES_H
#define EXPERIMENTS_CELL_PACKAGES_H

#include <stdint.h>

#define RECORDS_A_PACKAGE 10U

/* What each depends on: the numbers from first[i] up to first[i + 1] in `needs`. */
struct packages {
	uint32_t n;
	uint32_t *first, *needs;
};

/* Reads a file that lib/debian.py has written: a line for each package, in the order of their
 * names, with the numbers of those that it depends on. Ends the process when it is not one. */
struct packages *packages_read(const char *path);
void packages_free(struct packages *p);

/* One walk after the other, each from a package at random. */
struct walk;

struct walk *walk_new(const struct packages *p);
void walk_free(struct walk *w);

/* The next record. random: of 64 bits; it chooses where a walk begins. */
uint64_t walk_next(struct walk *w, uint64_t random, uint64_t n_records);

#endif
