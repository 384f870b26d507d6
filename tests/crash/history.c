/* SPDX-License-Identifier: MIT */
#include "tests/crash/crash.h"

#include "base/assert.h"

#include <stdlib.h>

void crash_history_reset(struct crash_history *h, const struct simdisk *disk)
{
	h->disk = disk;
	h->n = h->n_phases = 0;
	h->named_at = CRASH_NEVER;
}

void crash_history_fini(struct crash_history *h)
{
	free(h->versions);
	free(h->phases);
}

void crash_phase(struct crash_history *h, const char *name)
{
	if (h->n_phases == h->cap_phases) {
		h->cap_phases = h->cap_phases ? 2 * h->cap_phases : 64;
		h->phases = realloc(h->phases, h->cap_phases * sizeof(*h->phases));
		ASSERT(h->phases);
	}
	h->phases[h->n_phases++] = (struct crash_phase){simdisk_events(h->disk), name};
}

const char *crash_phase_at(const struct crash_history *h, uint64_t at)
{
	unsigned lo = 0, hi = h->n_phases;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (h->phases[mid].from <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 ? h->phases[lo - 1].name : "start";
}

unsigned crash_begin(struct crash_history *h, uint64_t digest)
{
	if (h->n == h->cap) {
		h->cap = h->cap ? 2 * h->cap : 64;
		h->versions = realloc(h->versions, h->cap * sizeof(*h->versions));
		ASSERT(h->versions);
	}
	/* One state of two versions would let one of them stand in for the other. */
	ASSERT(!crash_known(h, digest));
	h->versions[h->n] = (struct crash_version){
		.digest = digest,
		.begun_at = simdisk_events(h->disk),
		.acked_at = CRASH_NEVER,
		.dead_at = CRASH_NEVER,
	};
	crash_phase(h, "commit");
	return h->n++;
}

void crash_begin_with(struct crash_history *h, uint64_t digest)
{
	unsigned v = crash_begin(h, digest);

	h->versions[v].begun_at = h->versions[v].acked_at = h->named_at = 0;
	h->n_phases = 0;
}

void crash_ack(struct crash_history *h, unsigned v)
{
	ASSERT(v < h->n);
	if (h->versions[v].acked_at == CRASH_NEVER)
		h->versions[v].acked_at = simdisk_events(h->disk);
	crash_phase(h, "acknowledged");
}

void crash_name(struct crash_history *h)
{
	if (h->named_at == CRASH_NEVER)
		h->named_at = simdisk_events(h->disk);
}

void crash_abandon(struct crash_history *h, unsigned v)
{
	ASSERT(v < h->n);
	h->versions[v].dead_at = h->versions[v].begun_at;
}

void crash_rebase(struct crash_history *h, unsigned v, unsigned n)
{
	crash_ack(h, v);
	for (unsigned i = v + 1; i < n; i++)
		if (h->versions[i].dead_at == CRASH_NEVER)
			h->versions[i].dead_at = simdisk_events(h->disk);
}

bool crash_known(const struct crash_history *h, uint64_t digest)
{
	for (unsigned i = 0; i < h->n; i++)
		if (h->versions[i].digest == digest)
			return true;
	return false;
}

uint64_t crash_newest(const struct crash_history *h)
{
	unsigned i = h->n - 1;

	while (i > 0 && h->versions[i].dead_at != CRASH_NEVER)
		i--;
	return h->versions[i].digest;
}

bool crash_is_named(const struct crash_history *h, uint64_t at)
{
	return h->named_at <= at;
}

int crash_find(const struct crash_history *h, uint64_t at, uint64_t digest)
{
	for (unsigned i = h->n; i-- > 0;) {
		const struct crash_version *v = &h->versions[i];

		if (v->digest == digest)
			return v->begun_at <= at && v->dead_at > at ? (int)i : -1;
		if (v->acked_at <= at)
			return -1;
	}
	return -1;
}
