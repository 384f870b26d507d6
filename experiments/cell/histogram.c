/* SPDX-License-Identifier: MIT */
#include "experiments/cell/histogram.h"

#include <inttypes.h>

void histogram_merge(struct histogram *h, const struct histogram *other)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		h->counts[i] += other->counts[i];
	h->n += other->n;
	if (other->max_ns > h->max_ns)
		h->max_ns = other->max_ns;
}

void histogram_print(const struct histogram *h, FILE *f)
{
	const char *comma = "";

	(void)fputc('[', f);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (h->counts[i] == 0)
			continue;
		(void)fprintf(f, "%s[%" PRIu64 ",%" PRIu64 "]", comma, histogram_low_ns(i),
			h->counts[i]);
		comma = ",";
	}
	(void)fputc(']', f);
}
