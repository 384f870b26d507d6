/* SPDX-License-Identifier: MIT */
/*
 * Reads in less memory than the data takes.
 *
 * The limit holds for all memory of a process: caches, the kernel's page cache that it causes, and
 * what it has beside them. So the reads are made by a program of its own, which is this one called
 * with --small-gets, and which holds no data set: it reads the keys, and a digest of each value,
 * from a file. It begins with empty caches and reads uncounted until memory is full; then it
 * counts.
 */
#include "tools/headtohead/headtohead.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILL_NS  1000000000u
#define COUNT_NS 500000000u

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
	uint64_t n, n_wrong;
	struct usage used;
};

bool small_run(const struct engine_ops *ops, const struct plan *plan, size_t round,
	struct result *result)
{
	struct samples *samples = &result->phases[PHASE_GET_SMALL];
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
	samples->of[samples->n++] = (struct phase_result){a.n, a.used};
	return true;
}

/*
 * The program within the limit
 */

struct probes {
	char *image;
	size_t len, at; /* at: of the next one */
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

/* Gets for so long; *ret_used is what they used. */
static int gets_for(const struct engine_ops *ops, void *engine, struct probes *probes,
	uint64_t time_ns, struct answer *a)
{
	struct usage before, now;

	usage_now(&before);
	do {
		for (int i = 0; i < 64; i++) {
			struct probe probe;
			struct verso_val key = probes_next(probes, &probe), val;
			int rc = ops->get(engine, key, &val);

			if (rc < 0)
				return rc;
			a->n_wrong += rc == VERSO_NOTFOUND || digest_of(val) != probe.digest;
			a->n++;
		}
		usage_now(&now);
	} while (now.now_ns - before.now_ns < time_ns);
	usage_less(&now, &before, &a->used);
	return 0;
}

bool small_gets(const struct engine_ops *ops, const char *folder, size_t memory_bytes, size_t round)
{
	struct answer fill = {0}, count = {0};
	struct probes probes = {0};
	char path[PATH_LEN_MAX];
	void *engine = calloc(1, ops->size);
	int rc = -1;

	(void)usage_init(folder);
	if (!engine || !probes_read(folder, &probes)) {
		free(engine);
		return false;
	}
	for (size_t i = 0; i < round * 1000; i++) {
		struct probe probe;

		(void)probes_next(&probes, &probe);
	}
	(void)snprintf(path, sizeof(path), "%s/%s", folder, ops->file);
	usage_forget_file(path);
	rc = ops->open(engine, path, memory_bytes / 100 * ops->small_cache_percent);
	if (rc == 0)
		rc = ops->begin(engine, false);
	if (rc == 0)
		rc = gets_for(ops, engine, &probes, FILL_NS, &fill);
	if (rc == 0)
		rc = gets_for(ops, engine, &probes, COUNT_NS, &count);
	if (rc == 0)
		rc = ops->commit(engine);
	if (rc == 0)
		rc = ops->close(engine);
	count.n_wrong += fill.n_wrong;
	free(probes.image);
	free(engine);
	return rc == 0 && write(STDOUT_FILENO, &count, sizeof(count)) == (ssize_t)sizeof(count);
}
