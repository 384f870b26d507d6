/* SPDX-License-Identifier: MIT */
/*
 * A word index: in which lines of a text does a word stand?
 *
 *	word_index DB [mmap] <TEXT
 *
 * One record for each word and line, with an empty value. Its key is the word and the number of the
 * line, made by verso_key.h so that the lines of a word are neighbours, in order. To look a word up
 * is to read the records whose keys begin with it.
 */
#include "example.h"
#include "verso_key.h"

#include <ctype.h>

#define WORD_MAX 63U
#define KEY_MAX  (WORD_MAX + 6)

static void add_line(struct verso_txn *txn, const char *line, uint32_t number)
{
	char word[WORD_MAX + 1];
	uint8_t buf[KEY_MAX];
	size_t len = 0;

	for (const char *c = line;; c++) {
		if (isalpha((unsigned char)*c) && len < WORD_MAX) {
			word[len++] = (char)tolower((unsigned char)*c);
			continue;
		}
		word[len] = '\0';
		if (len > 0) {
			struct verso_key key = verso_key_begin(buf, sizeof(buf));

			verso_key_add_text(&key, word);
			verso_key_add_u32(&key, number);
			must(verso_put(txn, NULL, verso_key_val(&key), text(""), 0));
		}
		len = 0;
		if (*c == '\0')
			return;
	}
}

static void print_lines_of(struct verso_txn *txn, const char *word)
{
	uint8_t buf[KEY_MAX];
	struct verso_key prefix = verso_key_begin(buf, sizeof(buf));
	struct verso_range range = {.flags = VERSO_PREFIX};
	struct verso_cursor *cursor;
	struct verso_val key;

	verso_key_add_text(&prefix, word); /* with its end: no longer words */
	range.from = verso_key_val(&prefix);
	printf("%s:", word);
	must(verso_cursor_open_range(txn, NULL, &range, &cursor));
	while (must(verso_cursor_next(cursor, &key, NULL)) == 0) {
		struct verso_key_reader reader = verso_key_read(key);
		char found[WORD_MAX + 1];
		uint32_t line;

		verso_key_get_text(&reader, found, sizeof(found));
		verso_key_get_u32(&reader, &line);
		printf(" %u", line);
	}
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
