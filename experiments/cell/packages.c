/* SPDX-License-Identifier: MIT */
#include "experiments/cell/packages.h"

#include "experiments/cell/cell.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACKAGES_MAX 10000000U

/* --- the file ------------------------------------------------------------------------------- */

/* The numbers of one line, behind those that are there. */
static void read_line(struct packages *p, const char *path, const char *line)
{
	uint32_t end = p->first[p->n];
	char *next;

	for (;;) {
		unsigned long need;

		errno = 0;
		need = strtoul(line, &next, 10);
		if (next == line)
			break;
		if (errno != 0 || need >= PACKAGES_MAX || end == UINT32_MAX)
			cell_fail("packages", "%s: line %u: a number is too large", path, p->n + 1);
		if ((end & (end + 1)) == 0) { /* a power of two less one: twice as much memory */
			p->needs = realloc(p->needs, ((size_t)end + 1) * 2 * sizeof(*p->needs));
			if (!p->needs)
				cell_fail("packages", "no memory");
		}
		p->needs[end++] = (uint32_t)need;
		line = next;
	}
	line += strspn(line, " ");
	if (*line != '\n' && *line != '\0')
		cell_fail("packages", "%s: line %u: expected numbers, found %.20s", path, p->n + 1,
			line);
	p->first[++p->n] = end;
}

struct packages *packages_read(const char *path)
{
	FILE *f = fopen(path, "re");
	struct packages *p = calloc(1, sizeof(*p));
	size_t len = 0;
	char *line = NULL;

	if (!f || !p)
		cell_fail("packages", "%s: %s", path, strerror(errno));
	p->first = calloc(1, sizeof(*p->first));
	if (!p->first)
		cell_fail("packages", "no memory");
	while (getline(&line, &len, f) > 0) {
		if (p->n == PACKAGES_MAX)
			cell_fail("packages", "%s: more than %u lines", path, PACKAGES_MAX);
		p->first = realloc(p->first, ((size_t)p->n + 2) * sizeof(*p->first));
		if (!p->first)
			cell_fail("packages", "no memory");
		read_line(p, path, line);
	}
	free(line);
	(void)fclose(f);
	if (p->n == 0)
		cell_fail("packages", "%s: expected a line for each package, found none", path);
	for (uint32_t i = 0; i < p->first[p->n]; i++)
		if (p->needs[i] >= p->n)
			cell_fail("packages", "%s: package %u of %u is needed", path, p->needs[i],
				p->n);
	return p;
}

void packages_free(struct packages *p)
{
	if (!p)
		return;
	free(p->first);
	free(p->needs);
	free(p);
}

/* --- walks ---------------------------------------------------------------------------------- */

struct walk {
	const struct packages *packages;
	uint32_t number; /* of this walk, from 1 on */
	uint32_t *seen;  /* by package: the walk in which it was found last */
	uint32_t *stack; /* that were found and not yet looked up: n of them at most */
	uint32_t n_stack;
};

struct walk *walk_new(const struct packages *p)
{
	struct walk *w = calloc(1, sizeof(*w));

	if (!w)
		cell_fail("packages", "no memory");
	w->packages = p;
	w->seen = calloc(p->n, sizeof(*w->seen));
	w->stack = calloc(p->n, sizeof(*w->stack));
	if (!w->seen || !w->stack)
		cell_fail("packages", "no memory");
	return w;
}

void walk_free(struct walk *w)
{
	if (!w)
		return;
	free(w->seen);
	free(w->stack);
	free(w);
}

/* Each package once a walk, so the stack never holds more than there are. */
static void find(struct walk *w, uint32_t package)
{
	if (w->seen[package] == w->number)
		return;
	w->seen[package] = w->number;
	w->stack[w->n_stack++] = package;
}

uint64_t walk_next(struct walk *w, uint64_t random, uint64_t n_records)
{
	const struct packages *p = w->packages;
	uint64_t each = n_records / p->n;
	uint32_t package;

	if (w->n_stack == 0) {
		w->number++;
		find(w, (uint32_t)((unsigned __int128)random * p->n >> 64));
	}
	package = w->stack[--w->n_stack];
	/* From the last on: the first one is looked up next, and what it needs before others. */
	for (uint32_t i = p->first[package + 1]; i > p->first[package]; i--)
		find(w, p->needs[i - 1]);
	if (each == 0)
		return (uint64_t)package * n_records / p->n;
	return package * (each < RECORDS_A_PACKAGE ? each : RECORDS_A_PACKAGE);
}
