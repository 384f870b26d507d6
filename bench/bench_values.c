/* SPDX-License-Identifier: MIT */
/*
 * The size of a file over its payload, by the size of the values: Verso beside LMDB and SQLite (a
 * table without rowid). One line a size, of 60 from 50 bytes to 100 KB, each a twelfth of an octave
 * or so above the one before; keys of 8 random bytes; some MiB of payload in each database.
 *
 *	key order       the records are put in the order of their keys (LMDB: MDB_APPEND)
 *	random order    the same records in another order
 *	replaced        then every value once more, in a third order
 *
 * A commit has a hundredth of the records, 100 at most. The size is that of the closed file. Beside
 * Verso's stands what of it the trees had before it was closed: the rest is copy-on-write's.
 * "/page" is how many such records a full leaf of Verso holds, "*" where that is less than with the
 * size before: there a curve has a step.
 *
 * The last lines compare with the aims and name the worst points. Exit status 1 when one is missed.
 */
#include <getopt.h>
#include <lmdb.h>
#include <math.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <verso.h>

#define KEY_BYTES 8U
#define N_SIZES   60
#define VAL_MIN   50.0
#define VAL_MAX   100000.0

enum way { KEY_ORDER, RANDOM_ORDER, REPLACED, N_WAYS };
enum who { VERSO, LMDB, SQLITE, N_WHO };

static const char *const way_names[] = {"key order", "random order", "replaced"};

struct records {
	uint64_t *keys; /* ascending as bytes */
	size_t n;
	size_t val_len;
	size_t batch; /* records a commit */
};

static void fail_if(int failed, const char *who, const char *why)
{
	if (!failed)
		return;
	(void)fprintf(stderr, "bench_values: %s: %s\n", who, why);
	exit(2);
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/*
 * The engines: open, put, commit, close.
 */

struct store {
	struct verso *db;
	struct verso_txn *txn;
	MDB_env *env;
	MDB_txn *mdb_txn;
	MDB_dbi dbi;
	unsigned put_flags;
	sqlite3 *sql;
	sqlite3_stmt *insert;
	double live_bytes; /* Verso: of the trees */
};

static void verso_is(struct store *s, int rc)
{
	fail_if(rc != 0, "Verso", rc < 0 ? verso_errmsg(s->db) : "an unexpected outcome");
}

static void lmdb_is(int rc)
{
	fail_if(rc != 0, "LMDB", mdb_strerror(rc));
}

static void sqlite_is(struct store *s, int ok)
{
	fail_if(!ok, "SQLite", sqlite3_errmsg(s->sql));
}

static void sqlite_do(struct store *s, const char *statement)
{
	sqlite_is(s, sqlite3_exec(s->sql, statement, NULL, NULL, NULL) == SQLITE_OK);
}

static void store_open(enum who who, struct store *s, const char *path, enum way way)
{
	struct verso_options o = {.size = sizeof(o), .flags = VERSO_CREATE | VERSO_EXCL};

	memset(s, 0, sizeof(*s));
	switch (who) {
	case VERSO:
		verso_is(s, verso_open(path, &o, &s->db));
		break;
	case LMDB:
		s->put_flags = way == KEY_ORDER ? MDB_APPEND : 0;
		lmdb_is(mdb_env_create(&s->env));
		lmdb_is(mdb_env_set_mapsize(s->env, (size_t)4 << 30));
		lmdb_is(mdb_env_open(s->env, path, MDB_NOSUBDIR | MDB_NOSYNC, 0600));
		break;
	default:
		sqlite_is(s, sqlite3_open(path, &s->sql) == SQLITE_OK);
		sqlite_do(s, "pragma journal_mode = wal");
		sqlite_do(s, "pragma synchronous = off");
		sqlite_do(s, "create table t (k blob primary key, v blob) without rowid");
		sqlite_is(s, sqlite3_prepare_v2(s->sql, "insert or replace into t values (?, ?)",
				     -1, &s->insert, NULL) == SQLITE_OK);
	}
}

static void store_begin(enum who who, struct store *s)
{
	switch (who) {
	case VERSO:
		verso_is(s, verso_begin(s->db, VERSO_WRITE, &s->txn));
		break;
	case LMDB:
		lmdb_is(mdb_txn_begin(s->env, NULL, 0, &s->mdb_txn));
		lmdb_is(mdb_dbi_open(s->mdb_txn, NULL, 0, &s->dbi));
		break;
	default:
		sqlite_do(s, "begin");
	}
}

static void store_put(enum who who, struct store *s, const void *key, const void *val, size_t len)
{
	struct verso_val k = {key, KEY_BYTES}, v = {val, len};
	MDB_val mk = {KEY_BYTES, (void *)(uintptr_t)key}, mv = {len, (void *)(uintptr_t)val};

	switch (who) {
	case VERSO:
		verso_is(s, verso_put(s->txn, NULL, k, v, 0));
		break;
	case LMDB:
		lmdb_is(mdb_put(s->mdb_txn, s->dbi, &mk, &mv, s->put_flags));
		break;
	default:
		(void)sqlite3_bind_blob(s->insert, 1, key, KEY_BYTES, SQLITE_STATIC);
		(void)sqlite3_bind_blob(s->insert, 2, val, (int)len, SQLITE_STATIC);
		sqlite_is(s, sqlite3_step(s->insert) == SQLITE_DONE);
		(void)sqlite3_reset(s->insert);
	}
}

static void store_commit(enum who who, struct store *s)
{
	switch (who) {
	case VERSO:
		verso_is(s, verso_commit(s->txn));
		break;
	case LMDB:
		lmdb_is(mdb_txn_commit(s->mdb_txn));
		break;
	default:
		sqlite_do(s, "commit");
	}
}

static void store_close(enum who who, struct store *s)
{
	struct verso_stat stat = {.size = sizeof(stat)};

	switch (who) {
	case VERSO:
		verso_is(s, verso_stat(s->db, &stat));
		s->live_bytes = (double)(stat.n_pages - stat.n_free_pages - stat.n_pending_pages) *
				stat.page_size;
		verso_close(s->db);
		break;
	case LMDB:
		mdb_env_close(s->env);
		break;
	default:
		(void)sqlite3_finalize(s->insert);
		sqlite_is(s, sqlite3_close(s->sql) == SQLITE_OK);
	}
}

/*
 * One point
 */

/* Puts all records: turn 0 in the order of their keys, else in an order of its own. */
static void put_all(enum who who, struct store *s, const struct records *r, unsigned turn,
	uint8_t *val)
{
	size_t *order = malloc(r->n * sizeof(*order));

	fail_if(!order, "records", "no memory");
	for (size_t i = 0; i < r->n; i++) {
		size_t j = turn ? mix(i * 2654435761U + turn) % (i + 1) : i;

		order[i] = order[j];
		order[j] = i;
	}
	for (size_t i = 0; i < r->n; i++) {
		uint64_t x = mix(r->keys[order[i]] + turn);

		for (size_t k = 0; k + 8 <= r->val_len; k += 8, x += 0x9e3779b97f4a7c15U)
			memcpy(val + k, &x, 8);
		if (i % r->batch == 0)
			store_begin(who, s);
		store_put(who, s, &r->keys[order[i]], val, r->val_len);
		if (i % r->batch == r->batch - 1 || i + 1 == r->n)
			store_commit(who, s);
	}
	free(order);
}

static void remove_all(const char *path)
{
	static const char *const ends[] = {"", "-lock", "-wal", "-shm"};
	char name[4200];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		(void)snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		(void)unlink(name);
	}
}

/* Bytes of the file over the payload's; *ret_live: of Verso's trees. */
static double measure(enum who who, enum way way, const struct records *r, const char *path,
	uint8_t *val, double *ret_live)
{
	double payload = (double)r->n * (double)(KEY_BYTES + r->val_len);
	struct store s;
	struct stat st;

	remove_all(path);
	store_open(who, &s, path, way);
	put_all(who, &s, r, way == KEY_ORDER ? 0 : 1, val);
	if (way == REPLACED)
		put_all(who, &s, r, 2, val);
	store_close(who, &s);
	*ret_live = s.live_bytes / payload;
	fail_if(stat(path, &st) < 0, "file", "it is gone");
	remove_all(path);
	return (double)st.st_size / payload;
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, KEY_BYTES);
}

static void make_records(struct records *r, size_t val_len, size_t payload)
{
	r->val_len = val_len;
	r->n = payload / (KEY_BYTES + val_len);
	r->batch = r->n / 100 < 1 ? 1 : r->n / 100 > 100 ? 100 : r->n / 100;
	r->keys = malloc(r->n * sizeof(*r->keys));
	fail_if(!r->keys, "records", "no memory");
	for (size_t i = 0; i < r->n; i++)
		r->keys[i] = mix(i + 1);
	qsort(r->keys, r->n, sizeof(*r->keys), by_bytes);
}

/*
 * Results
 */

struct point {
	size_t val_len;
	double file[N_WAYS][N_WHO], live[N_WAYS];
};

/* Records of this length that a full leaf of Verso holds; 0: each has pages of its own. */
static unsigned records_a_page(size_t val_len)
{
	unsigned entry = (unsigned)(8 + 2 + KEY_BYTES - 4 + val_len), cap = 4096 - 64;

	return entry > cap / 2 ? 0 : cap / entry;
}

static double mean_of(const struct point *points, int n, enum way way, enum who who)
{
	double sum = 0;

	for (int i = 0; i < n; i++)
		sum += log(points[i].file[way][who]);
	return exp(sum / n);
}

static int aim_is_met(const char *text, double got, double most, size_t at)
{
	(void)printf("%-58s %6.3f, aim %5.3f%s", text, got, most, got <= most ? "" : "  MISSED");
	if (at)
		(void)printf(" (at %zu bytes)", at);
	(void)printf("\n");
	return got <= most;
}

static int judge(const struct point *points, int n)
{
	double worst = 0, mean = mean_of(points, n, KEY_ORDER, VERSO);
	size_t at = 0;
	int ok = aim_is_met("key order: geometric mean", mean, 1.2, 0);

	for (int i = 0; i < n; i++) {
		double lmdb = 1.05 * points[i].file[KEY_ORDER][LMDB];
		double x = points[i].file[KEY_ORDER][VERSO] / (lmdb > 1.35 ? lmdb : 1.35);

		if (x > worst) {
			worst = x;
			at = points[i].val_len;
		}
	}
	ok &= aim_is_met("key order: worst over max(1.35, 1.05 x LMDB)", worst, 1.0, at);
	for (enum way way = RANDOM_ORDER; way < N_WAYS; way++) {
		char text[80];

		worst = 0;
		for (int i = 0; i < n; i++) {
			double x = points[i].file[way][VERSO] / points[i].file[way][SQLITE];

			if (x > worst) {
				worst = x;
				at = points[i].val_len;
			}
		}
		mean = mean_of(points, n, way, VERSO) / mean_of(points, n, way, SQLITE);
		(void)snprintf(text, sizeof(text), "%s: geometric mean over SQLite's",
			way_names[way]);
		ok &= aim_is_met(text, mean, 1.05, 0);
		(void)snprintf(text, sizeof(text), "%s: worst over SQLite's", way_names[way]);
		ok &= aim_is_met(text, worst, 1.25, at);
	}
	return ok;
}

static void print_point(const struct point *p, size_t before)
{
	unsigned now = records_a_page(p->val_len);

	(void)printf("%6zu %5u%s", p->val_len, now,
		before && now < records_a_page(before) ? "*" : " ");
	for (enum way way = 0; way < N_WAYS; way++)
		(void)printf(" | %5.2f %5.2f %5.2f %5.2f", p->file[way][VERSO], p->live[way],
			p->file[way][LMDB], p->file[way][SQLITE]);
	(void)printf("\n");
	(void)fflush(stdout);
}

static void print_header(size_t payload)
{
	(void)printf(
		"file over payload; %zu MiB a database, 4 KiB pages; Verso %s, %s, SQLite %s\n",
		payload >> 20, verso_version(), mdb_version(NULL, NULL, NULL),
		sqlite3_libversion());
	(void)printf("%6s %5s ", "", "");
	for (enum way way = 0; way < N_WAYS; way++)
		(void)printf(" | %-23s", way_names[way]);
	(void)printf("\n%6s %5s ", "value", "/page");
	for (enum way way = 0; way < N_WAYS; way++)
		(void)printf(" | %5s %5s %5s %5s", "Verso", "trees", "LMDB", "SQLit");
	(void)printf("\n");
}

static int usage(void)
{
	(void)fputs("usage: bench_values [--sizes=N] [--mib=N] [--dir=FOLDER]\n"
		    "  -n, --sizes=N      points of the sweep, 2 to 60 (60)\n"
		    "  -m, --mib=N        payload of each database (8)\n"
		    "  -d, --dir=FOLDER   where the databases are made (.)\n",
		stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"sizes", required_argument, NULL, 'n'},
		{"mib", required_argument, NULL, 'm'}, {"dir", required_argument, NULL, 'd'},
		{NULL, 0, NULL, 0}};
	static struct point points[N_SIZES];
	static uint8_t val[(size_t)VAL_MAX + 8];
	const char *folder = ".";
	int n = N_SIZES, c;
	size_t payload = 8;
	char path[4096];

	while ((c = getopt_long(argc, argv, "n:m:d:", options, NULL)) != -1) {
		if (c == 'n')
			n = atoi(optarg);
		else if (c == 'm')
			payload = strtoull(optarg, NULL, 10);
		else if (c == 'd')
			folder = optarg;
		else
			return usage();
	}
	if (n < 2 || n > N_SIZES || payload == 0 || payload > 4096 || optind < argc)
		return usage();
	payload <<= 20;
	(void)snprintf(path, sizeof(path), "%s/bench_values.%d", folder, (int)getpid());
	print_header(payload);
	for (int i = 0; i < n; i++) {
		struct point *p = &points[i];
		struct records r;

		p->val_len = (size_t)(VAL_MIN * pow(VAL_MAX / VAL_MIN, (double)i / (n - 1)) + 0.5);
		make_records(&r, p->val_len, payload);
		for (enum way way = 0; way < N_WAYS; way++) {
			for (enum who who = 0; who < N_WHO; who++) {
				double live;

				p->file[way][who] = measure(who, way, &r, path, val, &live);
				if (who == VERSO)
					p->live[way] = live;
			}
		}
		free(r.keys);
		print_point(p, i > 0 ? points[i - 1].val_len : 0);
	}
	return judge(points, n) ? EXIT_SUCCESS : EXIT_FAILURE;
}
