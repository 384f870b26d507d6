/* SPDX-License-Identifier: MIT */
/*
 * A word index: in which lines of a text does a word stand?
 *
 *	word_index DB [mmap] <TEXT
 *
 * One record for each word and line, with an empty value. Its key is the word, a zero, and the
 * number of the line with its most significant byte first, so that the lines of a word are
 * neighbours, in order. To look a word up is to read the records whose keys begin with it.
 */
#include "example.h"

#include <ctype.h>
#include <stdint.h>

#define WORD_MAX 63U

/* word, 0, line: a key of *ret_len bytes in buf. */
static struct verso_val make_key(unsigned char buf[WORD_MAX + 5], const char *word, uint32_t line)
{
	size_t len = strlen(word) + 1;

	memcpy(buf, word, len);
	for (int i = 0; i < 4; i++)
		buf[len++] = (unsigned char)(line >> (24 - 8 * i));
	return (struct verso_val){buf, len};
}

static uint32_t key_line(struct verso_val key)
{
	const unsigned char *last = (const unsigned char *)key.data + key.len - 4;

	return (uint32_t)last[0] << 24 | (uint32_t)last[1] << 16 | (uint32_t)last[2] << 8 | last[3];
}

static void add_line(struct verso_txn *txn, const char *line, uint32_t number)
{
	char word[WORD_MAX + 1];
	unsigned char key[WORD_MAX + 5];
	size_t len = 0;

	for (const char *c = line;; c++) {
		if (isalpha((unsigned char)*c) && len < WORD_MAX) {
			word[len++] = (char)tolower((unsigned char)*c);
			continue;
		}
		word[len] = '\0';
		if (len > 0)
			must(verso_put(txn, NULL, make_key(key, word, number),
				(struct verso_val){NULL, 0}, 0));
		len = 0;
		if (*c == '\0')
			return;
	}
}

static void print_lines_of(struct verso_txn *txn, const char *word)
{
	struct verso_val prefix = {word, strlen(word) + 1}; /* with its zero: no longer words */
	struct verso_cursor *cursor;
	struct verso_val key;
	int rc;

	printf("%s:", word);
	must(verso_cursor_open(txn, NULL, &cursor));
	for (rc = must(verso_cursor_seek(cursor, prefix, &key, NULL));
		rc == 0 && key.len > prefix.len && memcmp(key.data, prefix.data, prefix.len) == 0;
		rc = must(verso_cursor_next(cursor, &key, NULL)))
		printf(" %u", key_line(key));
	printf("\n");
	verso_cursor_close(cursor);
}

int main(int argc, char **argv)
{
	struct verso *db = open_database(argc, argv);
	struct verso_table_stat stat = {.size = sizeof(stat)};
	struct verso_txn *txn = begin(db, VERSO_WRITE);
	char line[1024];
	uint32_t n_lines = 0;

	while (fgets(line, sizeof(line), stdin))
		add_line(txn, line, ++n_lines);
	must(verso_commit(txn));

	txn = begin(db, VERSO_READ);
	must(verso_table_stat(txn, NULL, &stat));
	printf("%u lines, %llu records\n", n_lines, (unsigned long long)stat.n_records);
	print_lines_of(txn, "the");
	print_lines_of(txn, "sea");
	print_lines_of(txn, "se");
	verso_abort(txn);
	verso_close(db);
	return 0;
}
