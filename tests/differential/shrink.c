/* SPDX-License-Identifier: MIT */
/*
 * Delta debugging (Zeller and Hildebrandt, Simplifying and isolating failure-inducing input, 2002),
 * without its granularity by complements: leave out pieces, half the stream first, then ever
 * smaller ones, as long as what remains still fails; then shorten the values.
 */
#include "tests/differential/child.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct shrinker {
	const char *scratch;
	struct shared *shared;
	time_t end;
	unsigned n_runs;
};

static bool still_fails(struct shrinker *k, const struct stream *s)
{
	struct outcome o;

	if (time(NULL) >= k->end)
		return false;
	k->n_runs++;
	o = child_run(s, k->scratch, k->shared, 0);
	return !o.ok;
}

/* Leaves out [from, from + n) if the rest still fails. */
static bool leave_out(struct shrinker *k, struct stream *s, size_t from, size_t n)
{
	struct stream shorter = *s;

	shorter.n_ops = s->n_ops - n;
	shorter.ops = malloc(s->n_ops * sizeof(*s->ops));
	if (!shorter.ops)
		return false;
	memcpy(shorter.ops, s->ops, from * sizeof(*s->ops));
	memcpy(shorter.ops + from, s->ops + from + n, (shorter.n_ops - from) * sizeof(*s->ops));
	if (!still_fails(k, &shorter)) {
		free(shorter.ops);
		return false;
	}
	free(s->ops);
	*s = shorter;
	return true;
}

static void shorten_values(struct shrinker *k, struct stream *s)
{
	for (size_t i = 0; i < s->n_ops; i++) {
		struct op before = s->ops[i];

		if (before.len == 0)
			continue;
		s->ops[i].len = 0;
		if (!still_fails(k, s))
			s->ops[i] = before;
	}
}

void shrink(struct stream *s, const char *scratch, struct shared *shared, unsigned seconds_max)
{
	struct shrinker k = {scratch, shared, time(NULL) + (time_t)seconds_max, 0};
	struct outcome o = child_run(s, scratch, shared, 0);
	size_t piece;

	/* A check after every commit finds it sooner, if it finds it at all. */
	if (s->config.check_every != 1) {
		struct stream eager = *s;

		eager.config.check_every = 1;
		if (still_fails(&k, &eager)) {
			o = shared->outcomes[0];
			s->config.check_every = 1;
		}
	}
	if (!o.ok && o.failure[0] && o.at > 0 && o.at + 1 < s->n_ops) {
		size_t n_ops = s->n_ops;

		s->n_ops = o.at + 1;
		if (!still_fails(&k, s))
			s->n_ops = n_ops;
	}
	for (piece = s->n_ops / 2; piece > 0; piece /= 2) {
		for (size_t from = 0; from + piece <= s->n_ops;) {
			if (!leave_out(&k, s, from, piece))
				from += piece;
		}
	}
	shorten_values(&k, s);
	(void)fprintf(stderr, "shrunk to %zu operations in %u runs\n", s->n_ops, k.n_runs);
}
