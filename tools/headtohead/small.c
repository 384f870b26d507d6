/* SPDX-License-Identifier: MIT */
/*
 * Reads in less memory than the data takes.
 *
 * The limit holds for all memory of a process: caches, the kernel's page cache that it causes, and
 * what it has beside them. So the reads are made by a program of its own, which is this one called
 * with --small-gets, and which holds no data set: it reads the keys, and a digest of each value,
 * from a file.
 *
 * It begins with empty caches and fills memory by gets until it has read as many bytes as memory
 * holds, so that each further page takes the place of another, in whatever cache the engine has;
 * then it measures. Both bounds are counters: a clock would end the filling of a slow disk too
 * early. If memory then holds more than the limit, nothing limits it, and there is no result.
 */
#include "tools/headtohead/headtohead.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT_NS     500000000u
#define GETS_AT_ONCE 64 /* between two looks at counters and clock */
#define LIMIT_SPARE  20 /* a limit is exceeded by more than one part in so many */

#define PATH_LEN_MAX 4096

struct probe {
	uint64_t digest; /* of the value */
	uint32_t key_len;
};

static void probes_path(char *buf, size_t cap, const char *folder)
{
	(void)snprintf(buf, cap, "%s/probes", folder);
}

static uint64_t digest_of(struct verso_val val)
{
	return digest_record(DIGEST_START, (struct verso_val){NULL, 0}, val);
}

bool small_prepare(const struct plan *plan)
{
	const struct dataset *set = plan->model->set;
	char path[PATH_LEN_MAX];
	FILE *out;
	bool ok;

	probes_path(path, sizeof(path), plan->folder);
	out = fopen(path, "we");
	ok = out != NULL;
	for (size_t i = 0; ok && i < set->n_records; i++) {
		const struct record *r = &set->records[plan->get_order[i]];
		struct probe probe = {digest_of(r->val), (uint32_t)r->key.len};

		ok = fwrite(&probe, sizeof(probe), 1, out) == 1 &&
		     fwrite(r->key.data, 1, r->key.len, out) == r->key.len;
	}
	if (out)
		ok = fclose(out) == 0 && ok;
	if (!ok)
		(void)fprintf(stderr, "headtohead: %s: %s\n", path, strerror(errno));
	return ok;
}

/* What the program says to small_run(). */
struct answer {
	struct phase_result fill, count;
	uint64_t n_wrong;
	uint64_t held_bytes; /* in memory when it was full: of the file, and of the program's own */
};

/* Whether memory was limited to what was asked for; says so where it was not. */
static bool was_limited(const struct engine_ops *ops, const struct plan *plan,
	const struct answer *a)
{
	if (a->held_bytes <= plan->small_bytes + plan->small_bytes / LIMIT_SPARE)
		return true;
	(void)fprintf(stderr,
		"headtohead: %s: not measured in little memory: %s limits nothing (%.1f MB in "
		"memory, expected at most %.1f)\n",
		ops->title, plan->within, (double)a->held_bytes / 1e6,
		(double)plan->small_bytes / 1e6);
	return false;
}

bool small_run(const struct engine_ops *ops, const struct plan *plan, size_t round,
	struct result *result)
{
	struct samples *fills = &result->phases[PHASE_FILL_SMALL];
	struct samples *counts = &result->phases[PHASE_GET_SMALL];
	char within[PATH_LEN_MAX], bytes[32], round_text[32];
	struct answer a;
	int ends[2], status;
	bool told;
	pid_t child;

	(void)snprintf(within, sizeof(within), "exec %s \"$@\"", plan->within);
	(void)snprintf(bytes, sizeof(bytes), "%zu", plan->small_bytes);
	(void)snprintf(round_text, sizeof(round_text), "%zu", round);
	(void)fflush(NULL);
	if (pipe2(ends, O_CLOEXEC) < 0 || (child = fork()) < 0) {
		(void)fprintf(stderr, "headtohead: %s\n", strerror(errno));
		return false;
	}
	if (child == 0) {
		(void)dup2(ends[1], STDOUT_FILENO);
		(void)execl("/bin/sh", "sh", "-c", within, "sh", bytes, "--", plan->program,
			"--small-gets", ops->file, plan->folder, bytes, round_text, (char *)NULL);
		_exit(127);
	}
	(void)close(ends[1]);
	told = read(ends[0], &a, sizeof(a)) == (ssize_t)sizeof(a);
	(void)close(ends[0]);
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0 ||
		!told) {
		(void)fprintf(stderr, "headtohead: %s: the reads in little memory failed (%s)\n",
			ops->title, plan->within);
		return false;
	}
	result->n_wrong += a.n_wrong;
	if (was_limited(ops, plan, &a)) {
		fills->of[fills->n++] = a.fill;
		counts->of[counts->n++] = a.count;
	}
	return true;
}

/*
 * The program within the limit
 */

struct probes {
	char *image;
	size_t len, at; /* at: of the next one */
	size_t n;
};

static bool probes_read(const char *folder, struct probes *ret_probes)
{
	char path[PATH_LEN_MAX];
	struct stat st;
	FILE *in;
	bool ok;

	probes_path(path, sizeof(path), folder);
	in = fopen(path, "re");
	ok = in && fstat(fileno(in), &st) == 0 && st.st_size > 0;
	if (ok) {
		ret_probes->len = (size_t)st.st_size;
		ret_probes->image = malloc(ret_probes->len);
		ok = ret_probes->image &&
		     fread(ret_probes->image, 1, ret_probes->len, in) == ret_probes->len;
	}
	if (!ok)
		(void)fprintf(stderr, "headtohead: %s: %s\n", path, strerror(errno));
	if (in)
		(void)fclose(in);
	usage_forget_file(path);
	for (size_t at = 0; ok && at < ret_probes->len; ret_probes->n++) {
		struct probe probe;

		memcpy(&probe, ret_probes->image + at, sizeof(probe));
		at += sizeof(probe) + probe.key_len;
	}
	return ok;
}

/* The next probe and its key; after the last comes the first. */
static struct verso_val probes_next(struct probes *p, struct probe *ret_probe)
{
	struct verso_val key;

	if (p->at == p->len)
		p->at = 0;
	memcpy(ret_probe, p->image + p->at, sizeof(*ret_probe));
	key = (struct verso_val){p->image + p->at + sizeof(*ret_probe), ret_probe->key_len};
	p->at += sizeof(*ret_probe) + key.len;
	return key;
}

struct small {
	const struct engine_ops *ops;
	void *engine;
	char path[PATH_LEN_MAX]; /* of the database */
	struct probes probes;
	struct answer answer;
};

static int get_some(struct small *s, struct phase_result *p)
{
	for (int i = 0; i < GETS_AT_ONCE; i++) {
		struct probe probe;
		struct verso_val key = probes_next(&s->probes, &probe), val;
		int rc = s->ops->get(s->engine, key, &val);

		if (rc < 0)
			return rc;
		s->answer.n_wrong += rc == VERSO_NOTFOUND || digest_of(val) != probe.digest;
		p->n++;
	}
	return 0;
}

/*
 * Until as many bytes were read as memory holds. Where less has to be read, each record was read
 * once.
 */
static int fill(struct small *s, size_t memory_bytes)
{
	struct phase_result *p = &s->answer.fill;
	uint64_t end_bytes = usage_process_read_bytes() + memory_bytes;
	struct usage before, now;
	int rc = 0;

	usage_now(&before);
	while (rc == 0 && p->n < s->probes.n && usage_process_read_bytes() < end_bytes)
		rc = get_some(s, p);
	usage_now(&now);
	usage_less(&now, &before, &p->used);
	s->answer.held_bytes = usage_own_bytes() + usage_cached_bytes(s->path);
	return rc;
}

static int count(struct small *s)
{
	struct phase_result *p = &s->answer.count;
	struct usage before, now;
	int rc;

	usage_now(&before);
	do {
		rc = get_some(s, p);
		usage_now(&now);
	} while (rc == 0 && now.now_ns - before.now_ns < COUNT_NS);
	usage_less(&now, &before, &p->used);
	return rc;
}

bool small_gets(const struct engine_ops *ops, const char *folder, size_t memory_bytes, size_t round)
{
	struct small s = {.ops = ops, .engine = calloc(1, ops->size)};
	int rc = -1;

	(void)usage_init(folder);
	if (!s.engine || !probes_read(folder, &s.probes)) {
		free(s.engine);
		return false;
	}
	for (size_t i = 0; i < round * 1000; i++) {
		struct probe probe;

		(void)probes_next(&s.probes, &probe);
	}
	(void)snprintf(s.path, sizeof(s.path), "%s/%s", folder, ops->file);
	usage_forget_file(s.path);
	rc = ops->open(s.engine, s.path, memory_bytes / 100 * ops->small_cache_percent);
	if (rc == 0)
		rc = ops->begin(s.engine, false);
	if (rc == 0)
		rc = fill(&s, memory_bytes);
	if (rc == 0)
		rc = count(&s);
	if (rc == 0)
		rc = ops->commit(s.engine);
	if (rc == 0)
		rc = ops->close(s.engine);
	free(s.probes.image);
	free(s.engine);
	return rc == 0 &&
	       write(STDOUT_FILENO, &s.answer, sizeof(s.answer)) == (ssize_t)sizeof(s.answer);
}
