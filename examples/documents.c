/* SPDX-License-Identifier: MIT */
/*
 * A document store with a secondary index: books by their number, and by their author.
 *
 *	documents DB [mmap]
 *
 * The table "books" has each book under its number. The table "by author" has a record for each
 * book too: its key is the author and the number, its value is empty. Both change in the
 * same transaction, so no reader ever sees one without the other. An author may have many books:
 * the index is a multimap, because the number makes its keys different.
 */
#include "example.h"
#include "verso_key.h"

struct book {
	const char *number, *author, *title;
};

#define KEY_MAX 256U

/* A key of the index, in buf. number NULL: the prefix of all books of the author. */
static struct verso_val index_key(uint8_t buf[KEY_MAX], const char *author, const char *number)
{
	struct verso_key key = verso_key_begin(buf, KEY_MAX);

	verso_key_add_text(&key, author);
	if (number)
		verso_key_add_text(&key, number);
	return verso_key_val(&key);
}

/* A document is `author, newline, title`. */
static struct verso_val author_of(struct verso_val document)
{
	const char *end = memchr(document.data, '\n', document.len);

	return (struct verso_val){document.data, (size_t)(end - (const char *)document.data)};
}

/* Takes a book away, with its record of the index. VERSO_NOTFOUND: there is none. */
static int remove_book(struct verso_txn *txn, const char *number)
{
	struct verso_table *books = open_table(txn, "books"), *index = open_table(txn, "by author");
	struct verso_val document, author;
	uint8_t key[KEY_MAX];
	char old[256];

	if (must(verso_get(txn, books, text(number), &document)) == VERSO_NOTFOUND)
		return VERSO_NOTFOUND;
	author = author_of(document); /* lies in the page until something is written: copied */
	(void)snprintf(old, sizeof(old), "%.*s", (int)author.len, (const char *)author.data);
	must(verso_del(txn, index, index_key(key, old, number)));
	return must(verso_del(txn, books, text(number)));
}

/* Puts a book in the place of an older one of its number. */
static void put_book(struct verso *db, const struct book *book)
{
	struct verso_txn *txn = begin(db, VERSO_WRITE);
	uint8_t key[KEY_MAX];
	char document[512];

	(void)remove_book(txn, book->number);
	(void)snprintf(document, sizeof(document), "%s\n%s", book->author, book->title);
	must(verso_put(txn, open_table(txn, "books"), text(book->number), text(document), 0));
	must(verso_put(txn, open_table(txn, "by author"),
		index_key(key, book->author, book->number), text(""), 0));
	must(verso_commit(txn));
}

static void print_books_of(struct verso *db, const char *author)
{
	struct verso_txn *txn = begin(db, VERSO_READ);
	struct verso_range range = {.flags = VERSO_PREFIX};
	struct verso_table *books, *index;
	struct verso_cursor *cursor;
	struct verso_val key, document;
	uint8_t buf[KEY_MAX];

	must(verso_table_open(txn, "books", 0, &books));
	must(verso_table_open(txn, "by author", 0, &index));
	range.from = index_key(buf, author, NULL);
	must(verso_cursor_open_range(txn, index, &range, &cursor));
	printf("%s\n", author);
	while (must(verso_cursor_next(cursor, &key, NULL)) == 0) {
		struct verso_key_reader reader = verso_key_read(key);
		char name[256], number[256];
		size_t begin_off;

		verso_key_get_text(&reader, name, sizeof(name));
		verso_key_get_text(&reader, number, sizeof(number));
		if (must(verso_get(txn, books, text(number), &document)) == VERSO_NOTFOUND)
			exit(1); /* the two tables would disagree */
		begin_off = author_of(document).len + 1;
		printf("  %s: %.*s\n", number, (int)(document.len - begin_off),
			(const char *)document.data + begin_off);
	}
	verso_cursor_close(cursor);
	verso_abort(txn);
}

int main(int argc, char **argv)
{
	static const struct book books[] = {
		{"0101", "Knuth", "Fundamental Algorithms"},
		{"0205", "Gray", "Transaction Processing"},
		{"0103", "Knuth", "Sorting and Searching"},
		{"0102", "Knut", "Seminumerical Algorithms"},
		{"0102", "Knuth", "Seminumerical Algorithms"}, /* corrects the one before */
	};
	struct verso *db = open_database(argc, argv);
	struct verso_txn *txn;

	for (size_t i = 0; i < sizeof(books) / sizeof(books[0]); i++)
		put_book(db, &books[i]);
	print_books_of(db, "Knuth");
	print_books_of(db, "Knut");
	txn = begin(db, VERSO_WRITE);
	(void)remove_book(txn, "0205");
	must(verso_commit(txn));
	print_books_of(db, "Gray");
	verso_close(db);
	return 0;
}
