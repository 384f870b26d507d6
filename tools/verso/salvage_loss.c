/* SPDX-License-Identifier: MIT */
/* The damaged pages: each once, by what is wrong with them. */
#include "tools/verso/salvage.h"

#include <inttypes.h>

static struct loss_kind *kind_of(struct loss *l, const char *wrong)
{
	struct loss_kind *k = l->kinds;

	while (k < &l->kinds[LOSS_KINDS - 1] && k->wrong && strcmp(k->wrong, wrong) != 0)
		k++;
	if (!k->wrong)
		k->wrong = k < &l->kinds[LOSS_KINDS - 1] ? wrong : "something else is wrong";
	return k;
}

void loss_add(struct loss *l, uint32_t pgno, const char *wrong)
{
	struct loss_kind *k = kind_of(l, wrong);

	if (pgno < l->n_pages) { /* another one is no page of the file */
		if (salvage_bit(l->seen, pgno))
			return;
		salvage_bit_set(l->seen, pgno);
	}
	if (k->n < LOSS_NUMBERS)
		k->pgnos[k->n] = pgno;
	k->n++;
	l->n_damaged++;
}

void loss_say(const struct loss *l)
{
	for (const struct loss_kind *k = l->kinds; k < &l->kinds[LOSS_KINDS] && k->wrong; k++) {
		if (k->n == 0)
			continue;
		(void)fprintf(stderr, "damaged: page%s", k->n > 1 ? "s" : "");
		for (uint32_t i = 0; i < k->n && i < LOSS_NUMBERS; i++)
			(void)fprintf(stderr, "%s %" PRIu32, i > 0 ? "," : "", k->pgnos[i]);
		if (k->n > LOSS_NUMBERS)
			(void)fprintf(stderr, " and %" PRIu32 " more", k->n - LOSS_NUMBERS);
		(void)fprintf(stderr, ": %s\n", k->wrong);
	}
}
