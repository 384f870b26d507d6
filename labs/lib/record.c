/* SPDX-License-Identifier: MIT */
/*
 * Writes down what a test does with the pages of a student's cache, for ./lab trace
 * (labs/tool/traces.py, which links it in and makes a page to look at of what it wrote).
 *
 * It stands between the parts of a lab, and none of them knows of it. The linker's option
 * --wrap=NAME sends what uses NAME to __wrap_NAME, which is here, and calls the original
 * __real_NAME. So the pager that the test opens is followed call by call: its table of operations
 * is exchanged for one that goes on to the true one. In the same way come the reads and the
 * evictions of the cache, and what its replacement policy is asked.
 *
 * Each event is one line of JSON in a file events-N of the folder LAB_TRACE. A line is written at
 * once, by one call: what a test did before it crashed is there. Only the process that the test
 * runs in writes; its own children do not. `ended` is the last line, which a process that is ended
 * early does not come to.
 *
 * A get is written when it has its pin, and a put before it gives the pin up. So with several
 * threads a pin may exist a moment before its line does. The worst of that is a frame of which a
 * policy is told "pinned" while the lines know no pin yet.
 */
#include "base/error.h"
#include "bufpool/policies.h"
#include "bufpool/policy.h"
#include "labs/lib/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENTS_MAX  2000U /* when LAB_TRACE_EVENTS does not say */
#define FILES_MAX   1000U /* in a folder: one for each process, so for each round of a test */
#define LINE_BYTES  4096U
#define MARKS_MAX   256U /* frames of whose marks a line tells */
#define OFFERED_MAX 64U  /* frames offered to a claim, of which a line tells */

/*
 * Lines
 */

static pid_t runner; /* the program; each of its tests is a child of it; constant */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* what follows */
static pid_t owner;                                      /* the process that these belong to */
static int out = -1;                                     /* -1: nothing is written */
static uint64_t n_events, n_events_max;
static unsigned n_pagers, n_threads;

static _Thread_local unsigned thread; /* 0: not numbered yet */

__attribute__((constructor)) static void begin(void)
{
	runner = getpid();
}

/* Whether there is a file to write to. With the lock. */
static bool has_out(void)
{
	const char *folder = getenv("LAB_TRACE"), *most = getenv("LAB_TRACE_EVENTS");
	char path[512];

	if (owner == getpid())
		return out >= 0;
	owner = getpid();
	out = -1;
	n_events = 0;
	n_events_max = most ? strtoull(most, NULL, 10) : EVENTS_MAX;
	if (!folder || (owner != runner && getppid() != runner))
		return false;
	for (unsigned i = 0; out < 0 && i < FILES_MAX; i++) {
		(void)snprintf(path, sizeof(path), "%s/events-%04u", folder, i);
		out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	}
	return out >= 0;
}

/* A line that a full disk cuts short is found by who reads it. */
static void put_line(const char *text, size_t len_bytes)
{
	ssize_t n = write(out, text, len_bytes);

	(void)n;
}

/* fmt: the members behind "op" and "thread". */
__attribute__((format(printf, 2, 3))) static void say(const char *op, const char *fmt, ...)
{
	int saved = errno, n;
	char text[LINE_BYTES];
	va_list args;

	(void)pthread_mutex_lock(&lock);
	if (has_out() && n_events <= n_events_max) {
		if (thread == 0)
			thread = ++n_threads;
		if (n_events == n_events_max)
			op = "limit";
		n_events += strcmp(op, "insert") != 0; /* which is no event of its own */
		n = snprintf(text, sizeof(text), "{\"op\":\"%s\",\"thread\":%u", op, thread);
		va_start(args, fmt);
		n += vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, args);
		va_end(args);
		if ((size_t)n < sizeof(text) - 2) {
			text[n++] = '}';
			text[n++] = '\n';
			put_line(text, (size_t)n);
		}
	}
	(void)pthread_mutex_unlock(&lock);
	errno = saved;
}

__attribute__((destructor)) static void end(void)
{
	static const char line[] = "{\"op\":\"ended\"}\n";

	if (owner == getpid() && out >= 0)
		put_line(line, sizeof(line) - 1);
}

/* The text of this thread's last error, as a string of JSON has it. */
static const char *quoted_error(void)
{
	static _Thread_local char quoted[2 * ERROR_TEXT_BYTES];
	size_t n = 0;

	for (const char *s = error_text(); *s && n + 2 < sizeof(quoted); s++) {
		if (*s == '"' || *s == '\\')
			quoted[n++] = '\\';
		quoted[n++] = *s >= ' ' ? *s : ' ';
	}
	quoted[n] = '\0';
	return quoted;
}

/*
 * The pager
 */

/* What stands in place of a pager's operations. All fields are constant. */
struct seat {
	struct pager_ops ops; /* first: a pager's ops are its seat */
	const struct pager_ops *real;
	unsigned id;
	uint32_t n_frames; /* of the cache; 0: a map has none */
};

static _Thread_local const struct seat *current; /* whose operation this thread is in; or NULL */
static _Thread_local const struct page *loaded;  /* what this thread has loaded last; or NULL */

static const struct seat *seat_of(const struct pager *p)
{
	return (const struct seat *)p->ops;
}

/* 0: outside of the operations that are followed. */
static unsigned current_id(void)
{
	return current ? current->id : 0;
}

static void say_ref(const char *op, unsigned pager, struct page_ref ref)
{
	say(op, ",\"pager\":%u,\"pgno\":%" PRIu32 ",\"gen\":%" PRIu64, pager, ref.pgno, ref.gen);
}

static void say_page(const char *op, unsigned pager, struct page_ref ref, const struct page *page)
{
	say(op,
		",\"pager\":%u,\"pgno\":%" PRIu32 ",\"gen\":%" PRIu64
		",\"type\":%u,\"level\":%u,\"at\":%" PRIuPTR,
		pager, ref.pgno, ref.gen, page->type, page->level, (uintptr_t)page);
}

static void say_failed(const char *what, unsigned pager, struct page_ref ref, int rc)
{
	say("failed",
		",\"of\":\"%s\",\"pager\":%u,\"pgno\":%" PRIu32 ",\"gen\":%" PRIu64
		",\"rc\":%d,\"text\":\"%s\"",
		what, pager, ref.pgno, ref.gen, rc, quoted_error());
}

static int on_get(struct pager *p, const struct guard *g, struct page_ref ref,
	const struct page **ret_page)
{
	const struct seat *s = seat_of(p), *outer = current;
	int rc;

	current = s;
	rc = s->real->get(p, g, ref, ret_page);
	current = outer;
	if (rc == 0)
		say_page("get", s->id, ref, *ret_page);
	else
		say_failed("get", s->id, ref, rc);
	return rc;
}

/* The page's header is left alone: of a map whose file was cut it cannot be read. */
static void on_put(struct pager *p, const struct page *page, bool unneeded)
{
	const struct seat *s = seat_of(p);

	say("put", ",\"pager\":%u,\"at\":%" PRIuPTR, s->id, (uintptr_t)page);
	s->real->put(p, page, unneeded);
}

static void on_peek(struct pager *p, const struct page_ref *refs, size_t n,
	const struct page **ret_pages)
{
	const struct seat *s = seat_of(p);

	s->real->peek(p, refs, n, ret_pages);
	for (size_t i = 0; i < n; i++)
		if (ret_pages[i])
			say_page("peek", s->id, refs[i], ret_pages[i]);
}

static struct page *on_fresh(struct pager *p, struct page_ref ref)
{
	const struct seat *s = seat_of(p);
	struct page *page = s->real->fresh(p, ref);

	say_page("fresh", s->id, ref, page);
	return page;
}

static size_t on_prefetch(struct pager *p, const struct page_ref *refs, size_t n, bool ahead)
{
	const struct seat *s = seat_of(p), *outer = current;
	size_t n_taken;

	for (size_t i = 0; i < n; i++)
		say_ref(ahead ? "read_ahead" : "prefetch", s->id, refs[i]);
	current = s;
	n_taken = s->real->prefetch(p, refs, n, ahead);
	current = outer;
	return n_taken;
}

static int on_write(struct pager *p, const struct page_write *set, size_t n)
{
	const struct seat *s = seat_of(p);
	int rc = s->real->write(p, set, n);

	for (size_t i = 0; i < n && rc == 0; i++)
		say("write", ",\"pager\":%u,\"pgno\":%" PRIu32 ",\"pages\":%" PRIu32, s->id,
			set[i].pgno, set[i].n_pages);
	if (rc < 0 && n > 0)
		say_failed("write", s->id, (struct page_ref){set[0].pgno, 0}, rc);
	return rc;
}

static int on_flush(struct pager *p)
{
	const struct seat *s = seat_of(p);
	int rc = s->real->flush(p);

	if (rc == 0)
		say("flush", ",\"pager\":%u", s->id);
	else
		say_failed("flush", s->id, (struct page_ref){0, 0}, rc);
	return rc;
}

static void on_drop(struct pager *p, pgno_t pgno, uint32_t n_pages)
{
	const struct seat *s = seat_of(p);

	say("drop", ",\"pager\":%u,\"pgno\":%" PRIu32 ",\"pages\":%" PRIu32, s->id, pgno, n_pages);
	s->real->drop(p, pgno, n_pages);
}

static void on_close(struct pager *p)
{
	struct seat *s = (struct seat *)(uintptr_t)p->ops;

	say("close", ",\"pager\":%u", s->id);
	p->ops = s->real;
	p->ops->close(p);
	free(s);
}

/*
 * What is wrapped. The names are the linker's.
 */

int __real_cache_open(const struct cache_options *options, struct cache **ret_cache);
int __wrap_cache_open(const struct cache_options *options, struct cache **ret_cache);
int __real_lab_pager_open(struct cache *c, const struct lab_pager_options *options,
	struct pager **ret_pager);
int __wrap_lab_pager_open(struct cache *c, const struct lab_pager_options *options,
	struct pager **ret_pager);
int __real_cache_load(struct cache *c, struct page_ref ref, struct page *to);
int __wrap_cache_load(struct cache *c, struct page_ref ref, struct page *to);
int __real_cache_verify(struct cache *c, struct page_ref ref, const struct page *page);
int __wrap_cache_verify(struct cache *c, struct page_ref ref, const struct page *page);
void __real_cache_evicted(struct cache *c, struct page_ref ref);
void __wrap_cache_evicted(struct cache *c, struct page_ref ref);
extern const struct policy_ops *const __real_bufpool_policies[];
extern const struct policy_ops *const __wrap_bufpool_policies[];

static _Thread_local enum bufpool_policy opened_policy; /* of the cache that was opened last */

int __wrap_cache_open(const struct cache_options *options, struct cache **ret_cache)
{
	opened_policy = options->policy;
	return __real_cache_open(options, ret_cache);
}

static void say_open(const struct seat *s, const struct cache *c)
{
	say("open",
		",\"pager\":%u,\"name\":\"%s\",\"page_bytes\":%" PRIu32 ",\"frames\":%" PRIu32
		",\"policy\":\"%s\"",
		s->id, c->name, c->page_size, s->n_frames,
		s->n_frames > 0 ? __real_bufpool_policies[opened_policy]->name : "");
}

int __wrap_lab_pager_open(struct cache *c, const struct lab_pager_options *options,
	struct pager **ret_pager)
{
	int rc = __real_lab_pager_open(c, options, ret_pager);
	struct seat *s = rc == 0 ? calloc(1, sizeof(*s)) : NULL;

	if (!s)
		return rc;
	s->real = (*ret_pager)->ops;
	s->ops = *s->real;
	s->ops.get = on_get;
	s->ops.put = on_put;
	s->ops.peek = on_peek;
	s->ops.fresh = on_fresh;
	s->ops.prefetch = on_prefetch;
	s->ops.write = on_write;
	s->ops.flush = on_flush;
	s->ops.drop = on_drop;
	s->ops.close = on_close;
	s->n_frames = (uint32_t)(c->memory_bytes / c->page_size);
	(void)pthread_mutex_lock(&lock);
	s->id = ++n_pagers;
	(void)pthread_mutex_unlock(&lock);
	(*ret_pager)->ops = &s->ops;
	say_open(s, c);
	return 0;
}

static void say_miss(struct page_ref ref, const struct page *to)
{
	say("miss", ",\"pager\":%u,\"pgno\":%" PRIu32 ",\"gen\":%" PRIu64 ",\"at\":%" PRIuPTR,
		current_id(), ref.pgno, ref.gen, (uintptr_t)to);
}

int __wrap_cache_load(struct cache *c, struct page_ref ref, struct page *to)
{
	int rc;

	say_miss(ref, to);
	rc = __real_cache_load(c, ref, to);
	loaded = rc == 0 ? to : NULL;
	if (rc == 0)
		say_page("load", current_id(), ref, to);
	else
		say_failed("load", current_id(), ref, rc);
	return rc;
}

int __wrap_cache_verify(struct cache *c, struct page_ref ref, const struct page *page)
{
	int rc;

	say_miss(ref, page);
	rc = __real_cache_verify(c, ref, page);
	if (rc == 0)
		say_page("load", current_id(), ref, page);
	else
		say_failed("load", current_id(), ref, rc);
	return rc;
}

void __wrap_cache_evicted(struct cache *c, struct page_ref ref)
{
	say_ref("evict", current_id(), ref);
	__real_cache_evicted(c, ref);
}

/*
 * The policy. A pool gets these tables in place of the engine's.
 */

struct asked {
	policy_claim_fn *claim;
	void *arg;
	unsigned n;
	struct {
		uint32_t frame;
		bool taken;
	} offered[OFFERED_MAX];
};

static struct policy_ops followed[N_POLICIES];

static const struct policy_ops *real_of(const struct policy *policy)
{
	return __real_bufpool_policies[policy->ops - followed];
}

static bool on_claim(void *arg, uint32_t frame)
{
	struct asked *a = arg;
	bool taken = a->claim(a->arg, frame);

	if (a->n < OFFERED_MAX) {
		a->offered[a->n].frame = frame;
		a->offered[a->n++].taken = taken;
	}
	return taken;
}

/* One character a frame: '1' is marked as used. */
static void copy_marks(const struct policy *policy, char *to)
{
	uint32_t n = current && current->n_frames < MARKS_MAX ? current->n_frames : 0;

	for (uint32_t i = 0; i < n; i++)
		to[i] = atomic_load_explicit(&policy->used[i], memory_order_relaxed) == USED_YES
				? '1'
				: '0';
	to[n] = '\0';
}

static uint32_t on_victim(struct policy *policy, policy_claim_fn *claim, void *arg)
{
	struct asked a = {.claim = claim, .arg = arg};
	char before[MARKS_MAX + 1], after[MARKS_MAX + 1], offered[OFFERED_MAX * 24 + 1] = "";
	uint32_t frame;
	int len = 0;

	copy_marks(policy, before);
	frame = real_of(policy)->victim(policy, on_claim, &a);
	copy_marks(policy, after);
	for (unsigned i = 0; i < a.n; i++)
		len += snprintf(offered + len, sizeof(offered) - (size_t)len, "%s[%" PRIu32 ",%s]",
			i > 0 ? "," : "", a.offered[i].frame,
			a.offered[i].taken ? "true" : "false");
	say("victim",
		",\"pager\":%u,\"frame\":%" PRId64
		",\"policy\":\"%s\",\"offered\":[%s],\"marks\":[\"%s\",\"%s\"]",
		current_id(), frame == FRAME_NONE ? -1 : (int64_t)frame, real_of(policy)->name,
		offered, before, after);
	return frame;
}

/* Which number the frame has that was read into: the addresses alone do not tell. */
static void on_insert(struct policy *policy, uint32_t frame, enum arrival arrival)
{
	if (loaded)
		say("insert", ",\"pager\":%u,\"frame\":%" PRIu32 ",\"at\":%" PRIuPTR, current_id(),
			frame, (uintptr_t)loaded);
	loaded = NULL;
	real_of(policy)->insert(policy, frame, arrival);
}

__attribute__((constructor)) static void follow_policies(void)
{
	for (unsigned i = 0; i < N_POLICIES; i++) {
		followed[i] = *__real_bufpool_policies[i];
		followed[i].victim = on_victim;
		followed[i].insert = on_insert;
	}
}

#define POLICY(NAME, name) [BUFPOOL_##NAME] = &followed[BUFPOOL_##NAME],
const struct policy_ops *const __wrap_bufpool_policies[N_POLICIES] = {BUFPOOL_POLICIES(POLICY)};
