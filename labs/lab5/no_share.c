/* SPDX-License-Identifier: MIT */
/*
 * In the place of btree/share.c: a full leaf asks no neighbour for space, so it is split at once.
 * The tests of single steps and the first half of the experiment are linked with this file.
 */
#include <stdbool.h>

struct edit;
struct node_entry;

/* As in btree/btree_int.h, which only the engine's own files see. */
int share_plan(struct edit *e, const struct node_entry *entry, bool replaces);
bool share_insert(struct edit *e, const struct node_entry *entry, bool replaces);

int share_plan(struct edit *e, const struct node_entry *entry, bool replaces)
{
	(void)e;
	(void)entry;
	(void)replaces;
	return 0;
}

bool share_insert(struct edit *e, const struct node_entry *entry, bool replaces)
{
	(void)e;
	(void)entry;
	(void)replaces;
	return false;
}
