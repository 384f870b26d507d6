/* SPDX-License-Identifier: MIT */
/*
 * usage: play FRAMES POLICY STEP...
 *
 * Plays a story on a small pool of the student's, step by step, and prints for each what the pool
 * did, as its ledger writes it (ledger.h): the microscope of Labs 2 and 3. A step is two words:
 *
 *	get 7		gets page 7 and puts it back; get 7,8 does so with one after the other
 *	get 7:2		the same for generation 2 of page 7; without a number it is generation 1
 *	pin 7		gets page 7 and keeps it
 *	put 7		puts back what `pin 7` kept
 *	fail 7		as get, while each read of the disk fails
 *	forget 7	the file's bytes of page 7 are about to change
 *	write 7:2	generation 2 of page 7 is written to the file, behind the pool's back
 *	ahead 7,8	these pages will be wanted soon (Lab 3)
 */
#include "base/error.h"
#include "bufpool/policy.h"
#include "labs/lib/ledger.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_MAX  64
#define REFS_MAX    32U
#define WORDS_MAX   40 /* of all steps: each does a few things, and the ledger has one line */
#define WORDS_BYTES 16
#define NO_STEP     1

static struct ledger l;
static struct {
	struct page_ref ref;
	const struct page *page; /* NULL: was put back */
} pins[WORDS_MAX];
static unsigned n_pins;

static int get(struct page_ref ref, bool keep)
{
	const struct page *page = NULL;
	int rc = pager_get(l.pager, l.guard, ref, &page);

	if (rc < 0)
		return rc;
	if (keep) {
		pins[n_pins].ref = ref;
		pins[n_pins++].page = page;
	} else {
		pager_put(l.pager, page);
	}
	return 0;
}

/* Puts back the last pin of a page. */
static int put(struct page_ref ref)
{
	for (unsigned i = n_pins; i-- > 0;) {
		if (!pins[i].page || pins[i].ref.pgno != ref.pgno)
			continue;
		pager_put(l.pager, pins[i].page);
		pins[i].page = NULL;
		return 0;
	}
	(void)fprintf(stderr, "put %u: pin it first\n", ref.pgno);
	return NO_STEP;
}

/* Reads "7,8:2". How many; 0: it makes no sense. */
static size_t read_refs(const char *text, struct page_ref *ret_refs)
{
	size_t n = 0;
	char *end;

	for (;;) {
		unsigned long pgno = strtoul(text, &end, 10), gen = 1;

		if (end == text || pgno >= LEDGER_PAGES || n == REFS_MAX)
			return 0;
		if (*end == ':') {
			text = end + 1;
			gen = strtoul(text, &end, 10);
			if (end == text)
				return 0;
		}
		ret_refs[n++] = (struct page_ref){(pgno_t)pgno, gen};
		if (*end == '\0')
			return n;
		if (*end != ',')
			return 0;
		text = end + 1;
	}
}

/* One thing with one page. 0, an error of the pool, or NO_STEP. */
static int act(const char *verb, struct page_ref ref)
{
	bool is_pin = strcmp(verb, "pin") == 0, is_fail = strcmp(verb, "fail") == 0;
	int rc = 0;

	if (is_pin || is_fail || strcmp(verb, "get") == 0) {
		l.fault = is_fail ? -EIO : 0;
		rc = get(ref, is_pin);
		l.fault = 0;
	} else if (strcmp(verb, "put") == 0) {
		rc = put(ref);
	} else if (strcmp(verb, "forget") == 0) {
		pager_drop(l.pager, ref.pgno, 1);
	} else if (strcmp(verb, "write") == 0) {
		ledger_put_page(&l, ref);
	} else {
		rc = NO_STEP;
	}
	return rc;
}

static int step(const char *verb, const struct page_ref *refs, size_t n)
{
	int rc = n > 0 ? 0 : NO_STEP;

	if (strcmp(verb, "ahead") == 0) {
		pager_prefetch(l.pager, refs, n);
		return rc;
	}
	if (n > 1 && strcmp(verb, "pin") == 0)
		return NO_STEP;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = act(verb, refs[i]);
	return rc;
}

static bool play(int argc, char **argv)
{
	struct page_ref refs[REFS_MAX];

	for (int i = 0; i + 1 < argc; i += 2) {
		size_t was = strlen(l.text);
		char words[LEDGER_LINE_BYTES];
		int rc;

		error_clear();
		rc = step(argv[i], refs, read_refs(argv[i + 1], refs));
		if (rc == NO_STEP)
			return false;
		while (l.text[was] == ' ')
			was++;
		(void)snprintf(words, sizeof(words), "%s %s", argv[i], argv[i + 1]);
		printf("%-*s %s", WORDS_BYTES, words, l.text[was] ? l.text + was : "-");
		if (rc < 0)
			printf("   error: %s", error_text()[0] ? error_text() : error_name(rc));
		printf("\n");
	}
	return argc % 2 == 0;
}

int main(int argc, char **argv)
{
	long n_frames = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
	unsigned policy = 0;
	bool good = n_frames > 0 && n_frames <= FRAMES_MAX && argc > 2 && argc - 3 <= WORDS_MAX;

	while (good && policy < N_POLICIES && strcmp(bufpool_policies[policy]->name, argv[2]) != 0)
		policy++;
	if (good && policy < N_POLICIES) {
		ledger_open(&l, (uint32_t)n_frames, (enum bufpool_policy)policy);
		good = play(argc - 3, argv + 3);
		for (unsigned i = 0; i < n_pins; i++)
			if (pins[i].page)
				pager_put(l.pager, pins[i].page);
		ledger_close(&l);
		if (good)
			return EXIT_SUCCESS;
	}
	(void)fprintf(stderr,
		"usage: play FRAMES POLICY STEP..., for example: play 3 fifo get 7 get 7,8\n"
		"steps: get 7, get 7,8, get 7:2, pin 7, put 7, fail 7, forget 7, write 7:2, "
		"ahead 7,8; pages 0 to %u\n",
		LEDGER_PAGES - 1);
	return 2;
}
