/* SPDX-License-Identifier: MIT */
/*
 * Threads: four readers count money while a writer moves it between accounts.
 *
 *	readers DB [mmap]
 *
 * A reader sees the state of one commit, whatever is committed meanwhile, so its sum is always
 * right; it takes no lock and nobody waits for it. A transaction is used by one thread at a time,
 * so each thread begins its own.
 */
#include "example.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#define N_ACCOUNTS 1000
#define N_READERS  4
#define N_MOVES    200
#define EACH_HAS   100

static atomic_int done;

struct reader {
	pthread_t thread;
	struct verso *db;
	unsigned n_sums, n_wrong;
};

static struct verso_val account_key(char buf[16], int n)
{
	return (struct verso_val){buf, (size_t)snprintf(buf, 16, "account%04d", n)};
}

static void put_amount(struct verso_txn *txn, int n, int32_t amount)
{
	char key[16];

	must(verso_put(txn, NULL, account_key(key, n), (struct verso_val){&amount, sizeof(amount)},
		0));
}

static int32_t get_amount(struct verso_txn *txn, int n)
{
	struct verso_val val;
	int32_t amount;
	char key[16];

	must(verso_get(txn, NULL, account_key(key, n), &val));
	memcpy(&amount, val.data, sizeof(amount));
	return amount;
}

static void *read_sums(void *arg)
{
	struct reader *reader = arg;

	do {
		struct verso_txn *txn = begin(reader->db, VERSO_READ);
		struct verso_cursor *cursor;
		struct verso_val val;
		int64_t sum = 0;
		int32_t amount;

		must(verso_cursor_open(txn, NULL, &cursor));
		while (must(verso_cursor_next(cursor, NULL, &val)) == 0) {
			memcpy(&amount, val.data, sizeof(amount));
			sum += amount;
		}
		verso_cursor_close(cursor);
		verso_abort(txn);
		reader->n_sums++;
		reader->n_wrong += sum != (int64_t)N_ACCOUNTS * EACH_HAS;
	} while (!atomic_load(&done));
	return NULL;
}

static void move_money(struct verso *db)
{
	uint32_t random = 1;

	for (int i = 0; i < N_MOVES; i++) {
		struct verso_txn *txn = begin(db, VERSO_WRITE);
		int from, to;

		random = random * 1103515245 + 12345;
		from = (int)(random >> 8) % N_ACCOUNTS;
		to = (from + 1 + i) % N_ACCOUNTS;
		if (from != to) {
			put_amount(txn, from, get_amount(txn, from) - 1);
			put_amount(txn, to, get_amount(txn, to) + 1);
		}
		must(verso_commit(txn));
	}
}

int main(int argc, char **argv)
{
	struct reader readers[N_READERS] = {0};
	struct verso *db = open_database(argc, argv);
	struct verso_txn *txn = begin(db, VERSO_WRITE);
	unsigned n_wrong = 0, n_without = 0;

	for (int i = 0; i < N_ACCOUNTS; i++)
		put_amount(txn, i, EACH_HAS);
	must(verso_commit(txn));

	for (int i = 0; i < N_READERS; i++) {
		readers[i].db = db;
		if (pthread_create(&readers[i].thread, NULL, read_sums, &readers[i]) != 0)
			return 1;
	}
	move_money(db);
	atomic_store(&done, 1);
	for (int i = 0; i < N_READERS; i++) {
		(void)pthread_join(readers[i].thread, NULL);
		n_wrong += readers[i].n_wrong;
		n_without += readers[i].n_sums == 0;
	}
	printf("%d transactions, %d readers, %u without a sum, %u wrong sums\n", N_MOVES, N_READERS,
		n_without, n_wrong);
	verso_close(db);
	return n_wrong > 0;
}
