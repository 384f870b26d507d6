/* SPDX-License-Identifier: MIT */
/* The choice of a ring. */
#include "labs/lib/ring.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int (*ring_instead)(unsigned depth, struct ring **ret_ring);

static _Thread_local char how[128];

const char *ring_how(void)
{
	return how;
}

int ring_open(unsigned depth, struct ring **ret_ring)
{
	const char *wanted = getenv("VERSO_RING");
	int rc;

	if (ring_instead)
		return ring_instead(depth, ret_ring);
	if (wanted && strcmp(wanted, "threads") == 0) {
		(void)snprintf(how, sizeof(how), "on threads, as VERSO_RING says");
		return ring_threads_open(depth, ret_ring);
	}
	rc = ring_uring_open(depth, ret_ring);
	if (rc == 0)
		(void)snprintf(how, sizeof(how), "on io_uring");
	if (rc == 0 || (wanted && strcmp(wanted, "uring") == 0))
		return rc;
	(void)snprintf(how, sizeof(how), "on threads, because io_uring is refused here: %s",
		error_name(rc));
	return ring_threads_open(depth, ret_ring);
}
