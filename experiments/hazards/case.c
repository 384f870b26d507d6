/* SPDX-License-Identifier: MIT */
/*
 * The parent plants the hazard, the child reads. They meet twice over a pipe: when the child has
 * opened the file (and read the page, where the hazard wants that), and when the hazard is planted.
 */
#include "experiments/hazards/case.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define HANG_SECONDS 20
#define EVICT_LOADS  800 /* three times the frames that a reader's pool has */

const char *const hazard_names[HAZARDS] = {"none", "flip_cold", "flip_resident", "flip_evicted",
	"torn", "lost", "misdirected", "eio", "cut", "hole"};
const char *const hazard_texts[HAZARDS] = {
	"nothing (control)",
	"bit flips before the first read",
	"bit flips later, page in memory",
	"bit flips later, page evicted",
	"torn write",
	"lost write",
	"misdirected write",
	"the disk cannot read it (EIO)",
	"file cut by another process",
	"hole on a full disk",
};
const char *const outcome_names[OUTCOMES] = {"error", "wrong data", "right", "signal", "death"};

/* Shared by parent and child. */
struct report {
	enum outcome outcome;
	bool reached;  /* the end: an outcome stands above */
	bool not_made; /* the child could not do its part of the hazard */
	char text[TEXT_BYTES];
};

static struct report *report;

struct meeting {
	int to_parent[2], to_child[2];
};

static bool meet(int in, int out)
{
	char c = 'x';
	ssize_t n;

	if (out >= 0 && write(out, &c, 1) != 1)
		return false;
	do
		n = in >= 0 ? read(in, &c, 1) : 1;
	while (n < 0 && errno == EINTR);
	return n == 1;
}

/* --- the child ------------------------------------------------------------------------------- */

enum outcome read_records(const struct bench *b, struct subject_db *db, const uint32_t *records,
	size_t n, char text[TEXT_BYTES])
{
	uint8_t value[RECORD_VALUE_BYTES], expected[RECORD_VALUE_BYTES];
	enum outcome outcome = OUTCOME_RIGHT;

	for (size_t i = 0; i < n; i++) {
		char why[TEXT_BYTES] = "";
		enum got got = b->subject->get(db, records[i], value, why);

		record_value(records[i], b->image.version, expected);
		if (got == GOT_VALUE && memcmp(value, expected, sizeof(value)) == 0)
			continue;
		if (got == GOT_ERROR && outcome == OUTCOME_RIGHT) {
			outcome = OUTCOME_ERROR;
			memcpy(text, why, TEXT_BYTES);
		} else if (got != GOT_ERROR) {
			outcome = OUTCOME_WRONG;
			(void)snprintf(text, TEXT_BYTES, "record %u %s", records[i],
				got == GOT_NOTHING ? "is missing" : "has another value");
		}
	}
	return outcome;
}

/* The records of the pages that the damage touches. Returns how many. */
static size_t records_of(const struct image *m, const struct damage *d, uint32_t *records)
{
	size_t n = 0;

	for (unsigned i = 0; i < d->n; i++)
		for (uint32_t v = m->pages[d->live[i]]; v < m->pages[d->live[i] + 1]; v++)
			records[n++] = m->values[v].record;
	return n;
}

/* Reads one record of other pages, so that a pool needs the frame: until it has loaded EVICT_LOADS,
 * or each page twice. Whether it has evicted the page, check_loads() sees. */
static void read_others(const struct bench *b, struct subject_db *db, const struct damage *d)
{
	const struct image *m = &b->image;
	uint64_t loads = b->subject->loads(db);
	char text[TEXT_BYTES];

	for (unsigned round = 0; round < 2; round++)
		for (uint32_t live = 0;
			live < m->n_live && b->subject->loads(db) - loads < EVICT_LOADS; live++)
			if (live != d->live[0])
				(void)read_records(b, db, &m->values[m->pages[live]].record, 1,
					text);
}

/* The session has begun, but the pages of the damage were not read. */
static void read_another(const struct bench *b, struct subject_db *db, const struct damage *d)
{
	const struct image *m = &b->image;
	char text[TEXT_BYTES];

	(void)read_records(b, db, &m->values[m->pages[d->live[0] == 0]].record, 1, text);
}

static bool is_warm(enum hazard hazard)
{
	return hazard == HAZARD_FLIP_RESIDENT || hazard == HAZARD_FLIP_EVICTED;
}

static void not_made(const char *why)
{
	report->not_made = true;
	if (why)
		(void)snprintf(report->text, TEXT_BYTES, "%s", why);
}

/* Whether the pool has, or has not, loaded the page again: as the hazard wants it. */
static void check_loads(struct bench *b, enum hazard hazard, bool loaded)
{
	if (b->subject->is_map || !is_warm(hazard) || loaded == (hazard == HAZARD_FLIP_EVICTED))
		return;
	not_made(loaded ? "the pool had evicted the page" : "the pool had the page still");
}

static void child(struct bench *b, enum hazard hazard, const struct damage *d,
	const struct meeting *m)
{
	const struct subject *s = b->subject;
	uint32_t *records = calloc(b->image.n_values + 1, sizeof(*records));
	size_t n = records_of(&b->image, d, records);
	struct subject_db *db = s->open(s, b->device.path,
		hazard == HAZARD_EIO && !b->device.image ? SUBJECT_READ_FAULTY : SUBJECT_READ,
		report->text);
	uint64_t loads;

	if (!db) {
		report->outcome = OUTCOME_ERROR;
		report->not_made = is_warm(hazard) || hazard == HAZARD_CUT;
		return;
	}
	if (is_warm(hazard) && read_records(b, db, records, n, report->text) != OUTCOME_RIGHT)
		not_made(NULL);
	if (hazard == HAZARD_CUT)
		read_another(b, db, d);
	if (hazard == HAZARD_FLIP_EVICTED) {
		if (s->is_map)
			device_evict(&b->device);
		else
			read_others(b, db, d);
	}
	loads = s->loads ? s->loads(db) : 0;
	if (!meet(m->to_child[0], m->to_parent[1]))
		_exit(3);
	if (hazard == HAZARD_EIO && !b->device.image)
		s->fail_reads(db);
	report->outcome = read_records(b, db, records, n, report->text);
	check_loads(b, hazard, s->loads && s->loads(db) > loads);
	s->close(db);
}

static void child_main(struct bench *b, enum hazard hazard, const struct damage *d,
	const struct meeting *m)
{
	(void)alarm(HANG_SECONDS);
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* of a map it would be large */
	if (hazard == HAZARD_HOLE)
		report->outcome = hole_run(b, b->image.values[b->image.pages[d->live[0]]].record,
			report->text);
	else
		child(b, hazard, d, m);
	report->reached = true;
}

/* --- the parent ------------------------------------------------------------------------------ */

static bool put_pages(struct bench *b, const struct damage *d, bool damaged, char text[TEXT_BYTES])
{
	bool ok = true;

	for (unsigned i = 0; i < d->n; i++)
		ok = device_write(&b->device, d->page[i],
			     damaged ? d->bytes[i] : image_page(&b->image, d->page[i]), text) &&
		     ok;
	return ok;
}

static bool plant(struct bench *b, enum hazard hazard, const struct damage *d,
	char text[TEXT_BYTES])
{
	switch (hazard) {
	case HAZARD_NONE:
	case HAZARD_HOLE:
		return true;
	case HAZARD_EIO:
		return !b->device.image || device_fail(&b->device, d->page[0], text);
	case HAZARD_CUT:
		if (ftruncate(b->device.fd, (off_t)d->page[0] * PAGE_BYTES) == 0)
			return true;
		(void)snprintf(text, TEXT_BYTES, "cutting the file: %s", strerror(errno));
		return false;
	default:
		return put_pages(b, d, true, text);
	}
}

static bool mend_cut(struct bench *b, uint32_t from, char text[TEXT_BYTES])
{
	const struct image *m = &b->image;
	size_t len = (size_t)(m->n_pages - from) * PAGE_BYTES;

	if (pwrite(b->device.fd, image_page(m, from), len, (off_t)from * PAGE_BYTES) ==
		(ssize_t)len)
		return true;
	(void)snprintf(text, TEXT_BYTES, "mending the file: %s", strerror(errno));
	return false;
}

static bool mend(struct bench *b, enum hazard hazard, const struct damage *d, char text[TEXT_BYTES])
{
	switch (hazard) {
	case HAZARD_NONE:
	case HAZARD_HOLE:
		return true;
	case HAZARD_EIO:
		return !b->device.image || device_allow(&b->device, text);
	case HAZARD_CUT:
		return mend_cut(b, d->page[0], text);
	default:
		return put_pages(b, d, false, text);
	}
}

/* Whether the page is in the page cache when the hazard wants it there, or not there. */
static bool is_where_it_should_be(const struct bench *b, enum hazard hazard, const struct damage *d,
	char text[TEXT_BYTES])
{
	bool resident = device_is_resident(&b->device, d->page[0]);

	if (hazard == HAZARD_NONE || hazard == HAZARD_HOLE || hazard == HAZARD_CUT)
		return true;
	if (is_warm(hazard) && !b->subject->is_map)
		return true; /* the pool's frames: check_loads() */
	if (resident == (hazard == HAZARD_FLIP_RESIDENT))
		return true;
	(void)snprintf(text, TEXT_BYTES, "the page is %s the page cache",
		resident ? "still in" : "no longer in");
	return false;
}

static enum outcome outcome_of(int status)
{
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGALRM ? OUTCOME_DEATH : OUTCOME_SIGNAL;
	if (!report->reached)
		return OUTCOME_DEATH;
	return report->not_made ? OUTCOME_NONE : report->outcome;
}

/* Waits for the child's end and says what it was. */
static enum outcome await(pid_t pid, char text[TEXT_BYTES])
{
	enum outcome outcome;
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	outcome = outcome_of(status);
	if (WIFSIGNALED(status))
		(void)snprintf(text, TEXT_BYTES, "%s", strsignal(WTERMSIG(status)));
	else if (!report->reached)
		(void)snprintf(text, TEXT_BYTES, "the process ended with status %d",
			WEXITSTATUS(status));
	else
		memcpy(text, report->text, TEXT_BYTES);
	return outcome;
}

static pid_t start(struct bench *b, enum hazard hazard, const struct damage *d, struct meeting *m)
{
	pid_t pid;

	if (pipe2(m->to_parent, O_CLOEXEC) < 0 || pipe2(m->to_child, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		(void)close(m->to_parent[0]);
		(void)close(m->to_child[1]);
		child_main(b, hazard, d, m);
		_exit(0);
	}
	(void)close(m->to_parent[1]);
	(void)close(m->to_child[0]);
	return pid;
}

static enum outcome run(struct bench *b, enum hazard hazard, const struct damage *d,
	char text[TEXT_BYTES])
{
	bool before = !is_warm(hazard) && hazard != HAZARD_EIO && hazard != HAZARD_CUT;
	char why[TEXT_BYTES] = "";
	enum outcome outcome;
	struct meeting m;
	bool made = true;
	pid_t pid;

	memset(report, 0, sizeof(*report));
	report->outcome = OUTCOME_NONE;
	device_drop_page(&b->device, d->page[0]);
	if (before)
		made = plant(b, hazard, d, why);
	made = made && (!before || is_where_it_should_be(b, hazard, d, why));
	pid = start(b, hazard, d, &m);
	if (pid < 0) {
		(void)snprintf(text, TEXT_BYTES, "fork: %s", strerror(errno));
		return OUTCOME_NONE;
	}
	/* Without a meeting the child has ended: it could not open the file. */
	if (hazard != HAZARD_HOLE && meet(m.to_parent[0], -1)) {
		if (hazard == HAZARD_EIO)
			device_drop_page(&b->device, d->page[0]); /* read ahead by the opening */
		if (!before)
			made = plant(b, hazard, d, why) && is_where_it_should_be(b, hazard, d, why);
		(void)meet(-1, m.to_child[1]);
	}
	outcome = await(pid, text);
	(void)close(m.to_parent[0]);
	(void)close(m.to_child[1]);
	if (!mend(b, hazard, d, why)) {
		(void)fprintf(stderr, "hazard_rot: %s\n", why);
		exit(3);
	}
	if (!made)
		memcpy(text, why, TEXT_BYTES);
	return made ? outcome : OUTCOME_NONE;
}

const char *case_why_not(const struct bench *b, enum hazard hazard)
{
	if (hazard == HAZARD_FLIP_RESIDENT && b->subject->is_map && !b->device.image)
		return "a write to the device through the file takes the page out of the page "
		       "cache: needs a file system in an image (--image, root)";
	if (hazard == HAZARD_EIO && !b->device.image && !b->subject->fail_reads)
		return "its reads cannot be made to fail from outside: needs a file system in an "
		       "image (--image, root)";
	if (hazard == HAZARD_HOLE && b->image.n_free == 0)
		return "it writes in place, so its file has no free pages that could be holes";
	return NULL;
}

enum outcome case_run(struct bench *b, enum hazard hazard, uint32_t live, uint64_t *rng,
	char text[TEXT_BYTES])
{
	struct damage d = {0};

	if (!report) {
		report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (report == MAP_FAILED)
			abort();
	}
	text[0] = '\0';
	if (hazard == HAZARD_TORN) {
		if (!damage_torn(&b->image, live, rng, &d)) {
			(void)snprintf(text, TEXT_BYTES, "no cut of the page touches a value");
			return OUTCOME_NONE;
		}
	} else if (hazard == HAZARD_MISDIRECTED) {
		damage_misdirected(&b->image, live, rng, &d);
	} else if (hazard == HAZARD_LOST) {
		damage_lost(&b->image, live, &d);
	} else {
		damage_flip(&b->image, live, rng, &d);
	}
	return run(b, hazard, &d, text);
}
