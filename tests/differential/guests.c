/* SPDX-License-Identifier: MIT */
/*
 * Guests: for each of the two files a process of its own, which commits between the stream's
 * commits, and reads beside it. It has two handles: a member, which takes the writer's turn, and an
 * observer with another pager. What the observer sees is told by a hash of all records, which must
 * be the stream's; and its snapshot stays open until its next order, when it must have the same.
 */
#include "base/hash.h"
#include "tests/differential/run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct order {
	bool closes; /* else: writes and looks */
	bool deletes;
	enum verso_pager pager;
	uint32_t key, len, seed;
};

struct answer {
	int rc;
	uint64_t hash;
	char text[200];
};

/* In the guest's process. */
struct guest {
	const struct config *config;
	const char *path;
	struct verso *member, *observer;
	struct verso_txn *reader; /* the observer's */
	uint64_t hash;            /* of what it saw when it began */
	uint8_t key_buf[KEY_MAX], val_buf[VALUE_MAX];
};

/* --- what a snapshot has ---------------------------------------------------------------------- */

static int hash_table(struct verso_txn *txn, struct verso_table *table, uint64_t *hash)
{
	struct verso_cursor *c;
	struct verso_val key, val;
	int rc = verso_cursor_open(txn, table, &c);

	if (rc != 0)
		return rc;
	for (rc = verso_cursor_first(c, &key, &val); rc == 0;
		rc = verso_cursor_next(c, &key, &val)) {
		*hash = hash_bytes(key.data, key.len, *hash + 1);
		*hash = hash_bytes(val.data, val.len, *hash);
	}
	verso_cursor_close(c);
	return rc == VERSO_NOTFOUND ? 0 : rc;
}

static int hash_all(struct verso_txn *txn, uint64_t *ret_hash)
{
	uint64_t hash = 0;
	int rc = hash_table(txn, NULL, &hash);

	for (unsigned t = 1; rc == 0 && t < N_TABLES; t++) {
		struct verso_table *table;
		char name[8];

		(void)snprintf(name, sizeof(name), "t%u", t);
		hash++;
		rc = verso_table_open(txn, name, 0, &table);
		if (rc == 0)
			rc = hash_table(txn, table, &hash);
		else if (rc == VERSO_NOTFOUND)
			rc = 0;
	}
	*ret_hash = hash;
	return rc;
}

/* --- the guest's process ---------------------------------------------------------------------- */

static int open_both(struct guest *g, enum verso_pager pager)
{
	enum verso_pager other = (enum verso_pager)((pager + 1) % N_PAGERS);
	int rc = 0;

	if (g->member)
		return 0;
	rc = sides_open_one(g->config, g->path, pager, VERSO_CREATE, &g->member);
	return rc < 0 ? rc : sides_open_one(g->config, g->path, other, VERSO_RDONLY, &g->observer);
}

static void close_both(struct guest *g)
{
	verso_abort(g->reader);
	verso_close(g->observer);
	verso_close(g->member);
	g->reader = NULL;
	g->observer = g->member = NULL;
}

static int look_again(struct guest *g)
{
	uint64_t hash;
	int rc = g->reader ? hash_all(g->reader, &hash) : 0;

	if (rc == 0 && g->reader && hash != g->hash)
		return error_set(-1, "the snapshot of an observer has changed");
	verso_abort(g->reader);
	g->reader = NULL;
	return rc;
}

static int write_one(struct guest *g, const struct order *o)
{
	struct verso_val key = key_make(g->config, o->key, g->key_buf);
	struct verso_val val = value_make(o->len, o->seed, g->val_buf);
	struct verso_txn *txn;
	int rc = verso_begin(g->member, VERSO_WRITE, &txn);

	if (rc < 0)
		return rc;
	rc = o->deletes ? verso_del(txn, NULL, key) : verso_put(txn, NULL, key, val, 0);
	if (rc >= 0)
		return verso_commit(txn);
	verso_abort(txn);
	return rc;
}

static int obey(struct guest *g, const struct order *o)
{
	int rc = open_both(g, o->pager);

	if (rc == 0)
		rc = look_again(g);
	if (rc == 0)
		rc = write_one(g, o);
	if (rc == 0)
		rc = verso_begin(g->observer, VERSO_READ, &g->reader);
	return rc < 0 ? rc : hash_all(g->reader, &g->hash);
}

/* Until the other end is closed. */
static _Noreturn void live(struct guest *g, int fd)
{
	struct order o;

	while (read(fd, &o, sizeof(o)) == sizeof(o)) {
		struct answer a = {0};

		if (o.closes)
			close_both(g);
		else
			a.rc = obey(g, &o);
		a.hash = g->hash;
		if (a.rc != 0)
			(void)snprintf(a.text, sizeof(a.text), "%s", verso_errmsg(NULL));
		if (write(fd, &a, sizeof(a)) != sizeof(a))
			break;
	}
	_exit(0);
}

/* --- the stream's process --------------------------------------------------------------------- */

static bool start(struct run *r, unsigned i)
{
	static struct guest guest;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return run_fail(r, "no socket for a guest");
	r->guests[i].pid = fork();
	if (r->guests[i].pid == 0) {
		(void)close(fds[0]);
		guest = (struct guest){.config = &r->stream->config, .path = r->sides[i].path};
		live(&guest, fds[1]);
	}
	(void)close(fds[1]);
	r->guests[i].fd = fds[0];
	return r->guests[i].pid > 0 || run_fail(r, "no process for a guest");
}

bool guests_start(struct run *r)
{
	r->guests[0].fd = r->guests[1].fd = -1;
	return !r->stream->config.guests || (start(r, 0) && start(r, 1));
}

void guests_end(struct run *r)
{
	/* Both ends first: the second guest has the first one's socket, too. */
	for (unsigned i = 0; i < 2; i++) {
		if (r->guests[i].fd >= 0)
			(void)close(r->guests[i].fd);
	}
	for (unsigned i = 0; i < 2; i++) {
		if (r->guests[i].pid > 0)
			(void)waitpid(r->guests[i].pid, NULL, 0);
	}
}

static bool give_order(struct run *r, unsigned i, const struct order *o, struct answer *ret_answer)
{
	int fd = r->guests[i].fd;

	if (write(fd, o, sizeof(*o)) != sizeof(*o) ||
		read(fd, ret_answer, sizeof(*ret_answer)) != sizeof(*ret_answer))
		return run_fail(r, "side %u: the guest has died", i);
	return ret_answer->rc == 0 ||
	       run_fail(r, "side %u: the guest: %d, %s", i, ret_answer->rc, ret_answer->text);
}

bool guests_leave(struct run *r)
{
	struct order o = {.closes = true};
	struct answer a;

	return !r->stream->config.guests || (give_order(r, 0, &o, &a) && give_order(r, 1, &o, &a));
}

/* The same, as the stream's own handle sees it. */
static bool sees_as_much(struct run *r, unsigned i, uint64_t hash)
{
	struct verso_txn *txn = NULL;
	uint64_t own = 0;
	int rc = verso_begin(r->sides[i].db, VERSO_READ, &txn);

	if (rc == 0)
		rc = hash_all(txn, &own);
	verso_abort(txn);
	if (rc != 0)
		return run_fail(r, "side %u: beside a guest: %d, %s", i, rc, verso_errmsg(NULL));
	return own == hash || run_fail(r, "side %u: an observer sees something else", i);
}

bool guests_turn(struct run *r)
{
	uint64_t state = r->stream->config.seed * 1000003 + r->n_commits;
	struct order o = {.key = (uint32_t)(mix(&state) % r->stream->config.n_ids),
		.len = (uint32_t)(mix(&state) % (2 * r->stream->config.page_size)),
		.seed = (uint32_t)mix(&state),
		.deletes = mix(&state) % 3 == 0};
	struct verso_val key = key_make(&r->stream->config, o.key, r->key_buf);
	struct answer answers[2];

	for (unsigned i = 0; i < 2; i++) {
		o.pager = r->sides[i].pager;
		if (!give_order(r, i, &o, &answers[i]))
			return false;
	}
	oracle_begin(&r->oracle);
	if (o.deletes)
		(void)oracle_del(&r->oracle, 0, key);
	else
		oracle_put(&r->oracle, 0, key, value_make(o.len, o.seed, r->val_buf));
	oracle_end(&r->oracle, true);
	run_mark(r, MARK_GUESTS, 2);
	return sees_as_much(r, 0, answers[0].hash) && sees_as_much(r, 1, answers[1].hash);
}
