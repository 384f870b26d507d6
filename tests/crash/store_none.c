/* SPDX-License-Identifier: MIT */
/* No protocol: pages are written where they lie. A power cut may leave half of a commit. */
#include "tests/crash/store.h"

static int none_recover(struct store *s)
{
	int rc = store_sync(s);

	return rc ? rc : store_read_in_place(s);
}

static int none_touch(struct store *s, unsigned page)
{
	return (int)s->where[page];
}

const struct protocol protocol_none = {
	.name = "none",
	.recover = none_recover,
	.touch = none_touch,
	.commit = store_write_touched,
};
