/* SPDX-License-Identifier: MIT */
/*
 * What another program has put where processes that share a database tell each other something:
 * into the lock file, or as a lock of the database. Nobody dies of it, what was committed stays,
 * and where it is not known what is read, nothing is used again.
 */
#include "db/db_int.h"
#include "db/side.h"
#include "tests/api.h"
#include "txn/txn_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_OFF ((UINT64_C(1) << 62) + (UINT64_C(1) << 21)) /* docs/file-format.md */

static char path[CHECK_PATH_BYTES], side[CHECK_PATH_BYTES + 8];

static void setup(void)
{
	(void)api_path(path, "box");
	(void)snprintf(side, sizeof(side), "%s-lock", path);
}

/* The board of those that have the database open, as any program that may write it can have it. */
static struct board *map_board(void)
{
	int fd = open(side, O_RDWR);
	void *bytes;

	ck_assert_int_ge(fd, 0);
	bytes = mmap(NULL, SIDE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(bytes, MAP_FAILED);
	ck_assert_int_eq(close(fd), 0);
	return (struct board *)((char *)bytes + SIDE_BOARD_OFF);
}

static void unmap_board(struct board *board)
{
	ck_assert_int_eq(munmap((char *)board - SIDE_BOARD_OFF, SIDE_BYTES), 0);
}

/* --- what is read is not known --------------------------------------------------------------- */

static uint32_t count_held(struct verso *db)
{
	struct verso_space space = {.size = sizeof(space)};

	API_OK(verso_space(db, &space));
	ck_assert_uint_le(space.n_held, space.n_pending);
	return space.n_held;
}

/* Commits, none of which uses a page again; then, as it is known again, some that do. */
static void nothing_is_used_again_until(struct verso *db, void (*end)(void *arg), void *arg)
{
	struct verso_stat stat = {.size = sizeof(stat)};
	uint32_t before, held;

	API_OK(verso_stat(db, &stat));
	before = stat.n_pending_pages;
	for (unsigned i = 0; i < 60; i++)
		API_OK(api_try_put(db, "moon", i % 2 ? "1737" : "3474"));
	API_OK(verso_stat(db, &stat));
	ck_assert_uint_ge(stat.n_pending_pages, before + 60);
	held = count_held(db);
	ck_assert_uint_ge(held, before + 60);
	end(arg);
	for (unsigned i = 0; i < 60; i++)
		API_OK(api_try_put(db, "moon", i % 2 ? "1737" : "3474"));
	ck_assert_uint_lt(count_held(db), held / 4);
	API_OK(verso_stat(db, &stat));
	ck_assert_uint_le(stat.n_pending_pages, held); /* twice that, if none had been used */
	API_OK(verso_check(db, 0, NULL, NULL));
}

static void lock_byte(int fd, short type, uint64_t off_bytes)
{
	struct flock lock = {.l_type = type, .l_start = (off_t)off_bytes, .l_len = 1};

	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &lock), 0);
}

static void close_fd(void *fd)
{
	ck_assert_int_eq(close(*(int *)fd), 0);
}

/* Permission to read the file is enough for such a lock. */
START_TEST(a_lock_of_no_generation_ends_no_writer)
{
	uint64_t seed = check_seed();
	struct verso *db = api_must_open(_i, path, VERSO_CREATE);

	API_OK(api_try_put(db, "moon", "1737"));
	for (unsigned i = 0; i < 8; i++) {
		uint64_t above = i == 0 ? (UINT64_C(1) << 61) - 1 : check_random(&seed) >> 3;
		int fd = open(path, O_RDONLY);

		ck_assert_int_ge(fd, 0);
		lock_byte(fd, F_RDLCK, READ_OFF + (above | UINT64_C(1) << 60));
		nothing_is_used_again_until(db, close_fd, &fd);
	}
	verso_close(db);
}
END_TEST

static void clear_slot(void *slot)
{
	snapshots_give_slot(&((struct board *)slot)->snapshots, SNAPSHOT_READERS - 1);
}

START_TEST(a_slot_of_no_reader_ends_no_writer)
{
	static const struct {
		gen_t gen;
		uint32_t owner, n_used;
	} forged[] = {
		{UINT64_MAX, 1, SNAPSHOT_READERS}, /* the owner lives, but reads no such thing */
		{UINT64_C(1) << 61, 1, SNAPSHOT_READERS},
		{7, UINT32_MAX, SNAPSHOT_READERS}, /* nobody has such a number */
		{7, SNAPSHOT_MEMBERS + 1, SNAPSHOT_READERS},
		{7, 0, SNAPSHOT_READERS},    /* nobody has it, and it is read */
		{UINT64_MAX, 1, UINT32_MAX}, /* there are no such slots */
	};
	struct verso *db = api_must_open(_i, path, VERSO_CREATE);
	struct board *board = map_board();

	API_OK(api_try_put(db, "moon", "1737"));
	for (unsigned i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		struct reader_slot *slot = &board->snapshots.readers[SNAPSHOT_READERS - 1];

		atomic_store(&board->snapshots.n_used, forged[i].n_used);
		atomic_store(&slot->owner, forged[i].owner);
		atomic_store(&slot->gen, forged[i].gen);
		nothing_is_used_again_until(db, clear_slot, board);
	}
	unmap_board(board);
	verso_close(db);
}
END_TEST

/* The number in its slot is another's, or nobody's: it reads with a lock from then on. */
START_TEST(a_reader_whose_slot_was_taken_away_reads_on)
{
	struct verso *db = api_must_open(_i, path, VERSO_CREATE), *other;
	struct board *board = map_board();
	struct verso_txn *old;

	API_OK(api_try_put(db, "moon", "1737"));
	ck_assert(api_sees(db, "moon", "1737"));
	ck_assert_uint_eq(atomic_load(&board->snapshots.readers[0].owner), 1);
	atomic_store(&board->snapshots.readers[0].owner, 0);
	other = api_must_open(_i, path, 0);
	ck_assert(api_sees(other, "moon", "1737"));
	ck_assert_uint_eq(atomic_load(&board->snapshots.readers[0].owner), 2);
	old = api_begin(db, VERSO_READ);
	for (unsigned i = 0; i < 60; i++) {
		API_OK(api_try_put(db, "moon", "3474"));
		ck_assert(api_sees(other, "moon", "3474"));
		ck_assert(api_has(old, NULL, "moon", "1737"));
	}
	verso_abort(old);
	API_OK(verso_check(db, 0, NULL, NULL));
	unmap_board(board);
	verso_close(other);
	verso_close(db);
}
END_TEST

/* --- what was overwritten is not believed ---------------------------------------------------- */

START_TEST(a_state_that_nobody_published_is_not_read)
{
	struct verso *db = api_must_open(_i, path, VERSO_CREATE), *other;
	struct board *board = map_board();
	struct published *p = &board->snapshots.published;
	struct verso_txn *txn;
	bool is_current;

	API_OK(api_try_put(db, "moon", "1737"));
	other = api_must_open(_i, path, 0);
	for (unsigned i = 0; i < 2 * PUBLISHED_WORDS + 8; i++) {
		unsigned place = i % 2, k = i / 2;
		_Atomic uint64_t *word = k < PUBLISHED_WORDS    ? &p->words[place][k]
					 : k == PUBLISHED_WORDS ? &p->sums[place]
								: &p->n_moves;

		/* The other place is the next one's. */
		is_current = word == &p->n_moves || atomic_load(&p->n_moves) % 2 == place;
		atomic_store(word, i % 3 ? ~atomic_load(word) : atomic_load(word) + 1);
		if (is_current) {
			API_SAYS(verso_begin(db, VERSO_READ, &txn), VERSO_EIO, "overwritten");
			API_SAYS(verso_begin(other, VERSO_READ, &txn), VERSO_EIO, "overwritten");
		}
		API_OK(api_try_put(db, "moon",
			i % 2 ? "1737" : "3474")); /* what is published next is so */
		ck_assert(api_sees(db, "moon", i % 2 ? "1737" : "3474"));
		ck_assert(api_sees(other, "moon", i % 2 ? "1737" : "3474"));
	}
	for (unsigned i = 0; i < 2; i++) /* zeros: nothing was published; nobody waits for that */
		memset((void *)p->words[i], 0, sizeof(p->words[i]));
	API_SAYS(verso_begin(db, VERSO_READ, &txn), VERSO_EIO, "overwritten");
	unmap_board(board);
	API_OK(api_try_put(other, "moon", "0"));
	verso_close(other);
	verso_close(db);
}
END_TEST

/* Forged, with the right checksum. */
static void seal(struct board_left *left)
{
	if (atomic_load(&left->turn) == BOARD_POISONED)
		board_end_turn(left, BOARD_CLEAN); /* poison is believed */
	else
		board_end_turn(left, (enum board_turn)atomic_load(&left->turn));
}

static void forge_left(struct board_left *left, unsigned way)
{
	const gen_t next = left->next_gen, session = left->session_gen;

	switch (way) {
	case 0:
		left->next_gen = 0;
		break;
	case 1:
		left->next_gen = left->durable_gen;
		break;
	case 2:
		left->next_gen = UINT64_MAX;
		break;
	case 3:
		left->session_gen = next;
		break;
	case 4:
		left->session_gen = 0;
		break;
	case 5:
		left->in_session = !left->in_session;
		break;
	case 6:
		left->session_gen = session + (UINT64_C(9) << GEN_SEQ_BITS);
		left->next_gen = left->session_gen + 1;
		break;
	case 7:
		left->durable_gen = UINT64_MAX;
		break;
	case 8:
		atomic_store(&left->turn, 1);
		break;
	case 9:
		left->session_gen = left->in_session = 0;
		left->next_gen = 5;
		break;
	default: /* which could be so */
		left->next_gen++;
	}
	left->n_turns += 100;
}
#define LEFT_WAYS 10U

/* Each number is changed alone, as an accident does it, or with a right checksum. */
START_TEST(a_turn_that_nobody_left_ends_writing_until_all_have_closed)
{
	for (unsigned i = 0; i <= 2 * LEFT_WAYS; i++) {
		struct verso *a = api_must_open(_i, path, VERSO_CREATE),
			     *b = api_must_open(_i, path, 0);
		struct board *board = map_board();
		struct verso_txn *txn;

		API_OK(api_try_put(a, "moon", "1737"));
		API_OK(api_try_put(b, "moon", "3474"));
		forge_left(&board->left, i / 2);
		if (i % 2)
			seal(&board->left);
		API_IS(verso_begin(a, VERSO_WRITE, &txn), VERSO_EIO);
		API_IS(verso_begin(b, VERSO_WRITE, &txn), VERSO_EIO);
		ck_assert(api_sees(a, "moon", "3474"));
		verso_close(b);
		API_IS(verso_begin(a, VERSO_WRITE, &txn), VERSO_EIO);
		b = api_must_open(_i, path, 0);
		API_IS(verso_begin(b, VERSO_WRITE, &txn), VERSO_EIO);
		ck_assert(api_sees(b, "moon", "3474"));
		unmap_board(board);
		verso_close(a);
		verso_close(b);
		a = api_must_open(_i, path, 0);
		API_OK(api_try_put(a, "moon", "0"));
		ck_assert(api_sees(a, "moon", "0"));
		API_OK(verso_check(a, 0, NULL, NULL));
		verso_close(a);
	}
}
END_TEST

/* Which pager they use is agreed on there. */
START_TEST(who_comes_to_a_head_that_was_overwritten_is_refused)
{
	struct verso *db = api_must_open(_i, path, VERSO_CREATE), *other;
	struct board *board = map_board();

	API_OK(api_try_put(db, "moon", "1737"));
	board->head.pager = (board->head.pager + 1) % API_PAGERS;
	API_SAYS(api_try_open(_i, path, 0, &other), VERSO_EIO, "overwritten");
	API_SAYS(api_try_open((_i + 1) % API_PAGERS, path, 0, &other), VERSO_EIO, "overwritten");
	API_SAYS(api_try_open(VERSO_PAGER_ANY, path, 0, &other), VERSO_EIO, "overwritten");
	board->head.pager = UINT32_MAX;
	board_seal_head(&board->head);
	API_SAYS(api_try_open(_i, path, 0, &other), VERSO_EBUSY, "one kind of pager");
	API_OK(api_try_put(db, "moon", "3474"));
	unmap_board(board);
	verso_close(db);
	db = api_must_open(_i, path, 0);
	ck_assert(api_sees(db, "moon", "3474"));
	verso_close(db);
}
END_TEST

/* --- garbage, under processes that work ------------------------------------------------------ */

#define WORKERS  2U
#define ATTEMPTS 60U
#define ROUNDS   10U

/* What the workers and the test share. */
struct shared {
	_Atomic uint64_t n_attempts, n_failed, n_read, n_forged;
	_Atomic uint64_t answered[WORKERS]; /* the last number whose commit was answered with 0 */
	_Atomic uint64_t tried[WORKERS];
};

static struct shared *shared;

enum { DONE = 0, LOST = 3, NO_TEXT = 4 };

/* An error is no fault; one without words is. */
static void must_say(int rc)
{
	if (rc < 0 && verso_errmsg(NULL)[0] == '\0')
		_exit(NO_TEXT);
	atomic_fetch_add(&shared->n_failed, rc < 0);
}

static void write_number(struct verso *db, unsigned w)
{
	char key[8], text[24];
	uint64_t number = atomic_fetch_add(&shared->tried[w], 1) + 1;
	int rc;

	(void)snprintf(key, sizeof(key), "w%u", w);
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	rc = api_try_put(db, key, text);
	must_say(rc);
	if (rc == 0)
		atomic_store(&shared->answered[w], number);
}

/* The number of worker w; 0: none. < 0: an error. */
static int read_number(struct verso *db, unsigned w, uint64_t *ret_number)
{
	struct verso_txn *txn;
	struct verso_val val;
	char key[8], text[24];
	int rc = verso_begin(db, VERSO_READ, &txn);

	*ret_number = 0;
	if (rc < 0)
		return rc;
	(void)snprintf(key, sizeof(key), "w%u", w);
	rc = verso_get(txn, NULL, api_val(key), &val);
	if (rc == 0) {
		(void)snprintf(text, sizeof(text), "%.*s", (int)val.len, (const char *)val.data);
		*ret_number = strtoull(text, NULL, 10);
	}
	verso_abort(txn);
	return rc == VERSO_NOTFOUND ? 0 : rc;
}

/* A snapshot is what was committed when it began: no older one, and nothing that nobody tried. */
static void read_numbers(struct verso *db, bool is_judged)
{
	for (unsigned w = 0; w < WORKERS; w++) {
		uint64_t least = atomic_load(&shared->answered[w]), number;
		int rc = read_number(db, w, &number);

		must_say(rc);
		atomic_fetch_add(&shared->n_read, rc == 0);
		if (is_judged && rc == 0 &&
			(number < least || number > atomic_load(&shared->tried[w])))
			_exit(LOST);
	}
}

/* Else nearly all of it would happen in a turn, whose end puts right what stands on the board. */
static void wait_for_garbage(void)
{
	uint64_t n = atomic_load(&shared->n_forged);

	while (atomic_load(&shared->n_forged) == n)
		(void)sched_yield();
}

static _Noreturn void work(int pager, unsigned w, int ready, bool is_judged)
{
	struct verso *db = NULL;

	if (api_try_open(pager, path, 0, &db) < 0 || write(ready, "+", 1) != 1)
		_exit(1);
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		if (i % 8 == 7)
			wait_for_garbage();
		write_number(db, w);
		read_numbers(db, is_judged);
		atomic_fetch_add(&shared->n_attempts, 1);
	}
	verso_close(db);
	_exit(DONE);
}

/* Some bytes of the board become others. */
static void forge_bytes(struct board *board, uint64_t *seed)
{
	static const uint8_t extremes[] = {0x00, 0xff, 0x80, 0x01};
	static const size_t lens[] = {8, 64, 4096, sizeof(struct board)};
	/* Most of the board is slots: half of the time what lies before them. */
	size_t end = check_random(seed) % 2 ? sizeof(*board) : offsetof(struct board, members);
	size_t before = check_random(seed) % 2 ? end : offsetof(struct board, snapshots.readers[4]);
	size_t at = check_random(seed) % before;
	size_t len = 1 + check_random(seed) % lens[check_random(seed) % 4];
	unsigned way = (unsigned)(check_random(seed) % 8);

	for (size_t i = at; i < at + len && i < sizeof(*board); i++)
		((volatile uint8_t *)board)[i] =
			way < 4 ? extremes[way] : (uint8_t)check_random(seed);
}

/* The same with right checksums, which an accident has not. */
static void forge_sealed(struct board *board, uint64_t *seed)
{
	struct snapshot state = {.gen = check_random(seed) >> check_random(seed) % 64,
		.n_pages = (pgno_t)(check_random(seed) >> check_random(seed) % 64)};
	struct board_left *left = &board->left;

	switch (check_random(seed) % 3) {
	case 0:
		for (unsigned i = 0; i < TXN_ROOTS; i++) {
			state.roots[i].ref.pgno = (pgno_t)check_random(seed) % 40;
			state.roots[i].ref.gen = state.gen;
			state.roots[i].level = (uint8_t)check_random(seed);
		}
		published_set(&board->snapshots.published, &state);
		break;
	case 1:
		left->next_gen = check_random(seed) >> check_random(seed) % 64;
		left->session_gen = check_random(seed) >> check_random(seed) % 64;
		left->durable_gen = check_random(seed) >> check_random(seed) % 64;
		left->in_session = check_random(seed) % 2;
		left->rolled_back = check_random(seed) % 2;
		left->n_turns += 1000;
		board_end_turn(left, BOARD_CLEAN);
		break;
	default:
		forge_bytes(board, seed);
	}
}

/* As they go on; between two times long enough for some calls, or none. */
static void forge_until_done(struct board *board, pid_t *pids, bool is_sealed, uint64_t *seed)
{
	unsigned n_working = WORKERS;

	while (n_working > 0) {
		if (is_sealed)
			forge_sealed(board, seed);
		else
			forge_bytes(board, seed);
		atomic_fetch_add(&shared->n_forged, 1);
		for (uint64_t n = check_random(seed) % 500; n > 0; n--)
			(void)sched_yield();
		for (unsigned w = 0; w < WORKERS; w++) {
			int status;

			if (pids[w] == 0 || waitpid(pids[w], &status, WNOHANG) == 0)
				continue;
			ck_assert_msg(status == 0, "worker %u ended with %x", w, (unsigned)status);
			pids[w] = 0;
			n_working--;
		}
	}
}

static void one_round(int pager, bool is_sealed, uint64_t *seed)
{
	struct board *board;
	pid_t pids[WORKERS];
	int ready[2];
	char bytes[WORKERS];

	ck_assert_int_eq(pipe(ready), 0);
	for (unsigned w = 0; w < WORKERS; w++) {
		pids[w] = fork();
		ck_assert_int_ge(pids[w], 0);
		if (pids[w] == 0)
			work(pager, w, ready[1], !is_sealed);
	}
	for (unsigned w = 0; w < WORKERS; w++)
		ck_assert_int_eq(read(ready[0], bytes + w, 1), 1);
	board = map_board();
	/* Some commits first. */
	while (atomic_load(&shared->n_attempts) % (WORKERS * ATTEMPTS) < check_random(seed) % 20)
		(void)sched_yield();
	forge_until_done(board, pids, is_sealed, seed);
	unmap_board(board);
	ck_assert_int_eq(close(ready[0]), 0);
	ck_assert_int_eq(close(ready[1]), 0);
}

static void share(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
}

START_TEST(garbage_on_the_board_ends_no_process_and_takes_no_commit)
{
	uint64_t seed = check_seed();

	share();
	verso_close(api_must_open(_i, path, VERSO_CREATE));
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct verso *db;

		one_round(_i, false, &seed);
		db = api_must_open(_i, path, 0); /* with the board that they have left */
		API_OK(verso_check(db, 0, NULL, NULL));
		for (unsigned w = 0; w < WORKERS; w++) {
			uint64_t number;

			API_OK(read_number(db, w, &number));
			ck_assert_uint_ge(number, atomic_load(&shared->answered[w]));
			ck_assert_uint_le(number, atomic_load(&shared->tried[w]));
		}
		verso_close(db);
	}
	printf("total: %s: %llu attempts of two processes while the board was overwritten %llu "
	       "times, %llu errors, %llu snapshots\n",
		api_pager_names[_i], (unsigned long long)atomic_load(&shared->n_attempts),
		(unsigned long long)atomic_load(&shared->n_forged),
		(unsigned long long)atomic_load(&shared->n_failed),
		(unsigned long long)atomic_load(&shared->n_read));
	/* It was neither all too early nor all in vain. */
	ck_assert_uint_gt(atomic_load(&shared->n_failed), ROUNDS);
	ck_assert_uint_gt(atomic_load(&shared->n_read), ROUNDS);
}
END_TEST

START_TEST(a_forged_board_ends_no_process)
{
	uint64_t seed = check_seed();

	share();
	for (unsigned i = 0; i < ROUNDS; i++) {
		verso_close(api_must_open(_i, path, VERSO_CREATE));
		one_round(_i, true, &seed);
		(void)unlink(path); /* what they had before may be lost */
	}
	ck_assert_uint_gt(atomic_load(&shared->n_failed), ROUNDS);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verso_board");
	TCase *tc = tcase_create("board");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, check_free);
	tcase_add_loop_test(tc, a_lock_of_no_generation_ends_no_writer, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_slot_of_no_reader_ends_no_writer, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_reader_whose_slot_was_taken_away_reads_on, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_state_that_nobody_published_is_not_read, 0, API_PAGERS);
	tcase_add_loop_test(tc, a_turn_that_nobody_left_ends_writing_until_all_have_closed, 0,
		API_PAGERS);
	tcase_add_loop_test(tc, who_comes_to_a_head_that_was_overwritten_is_refused, 0, API_PAGERS);
	tcase_add_loop_test(tc, garbage_on_the_board_ends_no_process_and_takes_no_commit, 0,
		API_PAGERS);
	tcase_add_loop_test(tc, a_forged_board_ends_no_process, 0, API_PAGERS);
	return check_main(s);
}
