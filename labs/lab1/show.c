/* SPDX-License-Identifier: MIT */
/*
 * Shows a node byte by byte, made by the student's own functions, and draws the questions of
 * predict.toml:
 *
 *	show page                          three records in a leaf, then one of them removed
 *	show inner                         an inner node with two children
 *	show compact                       an insert into a page whose free bytes are dead ones
 *	show wrong                         pages with one wrong number, and what is said of them
 *	show place|removed|fit SEED question   a question
 *	show place|removed|fit SEED answer     who is right
 *	show predicted                     the same for the questions that the handout prints
 */
#include "btree/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE     512U
#define LINE     8U
#define TEXT_MAX 80

struct record {
	const char *key, *val;
};

static _Alignas(8) uint8_t bytes[PAGE], scratch[PAGE];

static struct page *begin(unsigned level, const char *prefix)
{
	struct page *page = (struct page *)bytes;

	memset(bytes, 0, sizeof(bytes));
	page->type = PAGE_NODE;
	page->level = (uint8_t)level;
	node_init(page, PAGE, (const uint8_t *)prefix, (unsigned)strlen(prefix));
	return page;
}

static void put(struct page *page, const struct record *r)
{
	struct node_entry entry = {
		.key = (const uint8_t *)r->key, .key_len = (unsigned)strlen(r->key)};
	bool exact;
	unsigned i = node_lower(page, PAGE, entry.key, entry.key_len, &exact);

	entry.val.data = (const uint8_t *)r->val;
	entry.val.len = (unsigned)strlen(r->val);
	node_insert(page, PAGE, i, &entry, scratch);
}

static void print_line(unsigned at, unsigned n, const char *what)
{
	printf("%6u ", at);
	for (unsigned i = 0; i < n || i < LINE; i++) {
		if (i < n)
			printf(" %02x", bytes[at + i]);
		else
			printf("   ");
	}
	printf("   %s\n", what);
}

static void key_text(const struct page *page, unsigned i, char *to)
{
	uint8_t key[PAGE];
	unsigned len = node_key(page, PAGE, i, key);

	(void)snprintf(to, TEXT_MAX / 2, "%.*s", len == NODE_BAD ? 0 : (int)len, (const char *)key);
}

static void print_header(const struct page *page)
{
	char what[TEXT_MAX];

	(void)snprintf(what, sizeof(what), "count %u, prefix_len %u, heap_len %u, dead %u",
		node_count(page), node_prefix_len(page), node_heap_len(page), node_dead(page));
	print_line(NODE_COUNT, LINE, what);
}

static void print_page(const struct page *page)
{
	char what[TEXT_MAX], key[TEXT_MAX / 2];
	unsigned prefix_len = node_prefix_len(page);

	print_header(page);
	for (unsigned i = 0; i < node_count(page); i++) {
		key_text(page, i, key);
		(void)snprintf(what, sizeof(what), "slot %u: %s; its cell is at %u", i, key,
			node_off(page, i));
		print_line((unsigned)(node_slot(page, i) - bytes), NODE_SLOT_BYTES, what);
	}
	/* From the free bytes on, as they lie. */
	for (unsigned at = PAGE - node_heap_len(page); at < PAGE - prefix_len;) {
		unsigned next = PAGE - prefix_len, of = node_count(page);

		for (unsigned i = 0; i < node_count(page); i++) {
			if (node_off(page, i) == at)
				of = i;
			else if (node_off(page, i) > at && node_off(page, i) < next)
				next = node_off(page, i);
		}
		if (of == node_count(page)) {
			print_line(at, next - at, "dead");
		} else {
			key_text(page, of, key);
			next = at + node_entry_size(page, of) - NODE_SLOT_BYTES;
			(void)snprintf(what, sizeof(what), "cell of %s", key);
			print_line(at, next - at, what);
		}
		at = next;
	}
	if (prefix_len > 0)
		print_line(PAGE - prefix_len, prefix_len, "the prefix");
}

static void show_page(void)
{
	static const struct record records[] = {
		{"libc6", "2.36"}, {"libasan8", "12"}, {"libz", "1"}};
	struct page *page = begin(0, "lib");

	for (unsigned i = 0; i < 3; i++)
		put(page, &records[i]);
	print_page(page);
	printf("after node_remove() of entry 0, libasan8\n");
	node_remove(page, PAGE, 0);
	print_page(page);
}

static void show_inner(void)
{
	struct node_entry entry = {.key = (const uint8_t *)"libgtk", .key_len = 6, .child = {9, 3}};
	struct page *page = begin(1, "");

	node_set_child(page, 0, (struct page_ref){8, 3});
	node_insert(page, PAGE, 0, &entry, scratch);
	print_header(page);
	print_line(NODE_LEFTMOST, PAGE_REF_BYTES, "the leftmost child: page 8, generation 3");
	print_line(NODE_SLOTS, NODE_SLOT_BYTES, "slot 0: libgtk");
	print_line(node_off(page, 0), 14, "its cell: page 9, generation 3, and the tail");
}

static void print_space(const struct page *page, const char *when)
{
	unsigned used = NODE_SLOTS + node_count(page) * NODE_SLOT_BYTES + node_heap_len(page);

	printf("%-22s count %u, heap_len %u, dead %u; free between slots and heap: %u\n", when,
		node_count(page), node_heap_len(page), node_dead(page), PAGE - used);
}

static void show_compact(void)
{
	struct record r = {"aa", "0123456789012345"};
	struct page *page = begin(0, "");
	char key[3] = "aa";

	r.key = key;
	for (; key[0] < 'r'; key[0]++)
		put(page, &r);
	print_space(page, "17 records:");
	node_remove(page, PAGE, 2);
	print_space(page, "the third one removed:");
	key[0] = 'c';
	key[1] = 'b';
	put(page, &r);
	print_space(page, "another one put:");
}

/* The page of show_page() with one number changed, a byte at `at`. */
static void print_wrong(unsigned at, uint8_t wrong)
{
	static const struct record records[] = {
		{"libc6", "2.36"}, {"libasan8", "12"}, {"libz", "1"}};
	struct page *page = begin(0, "lib");
	const char *what;
	uint8_t right;

	for (unsigned i = 0; i < 3; i++)
		put(page, &records[i]);
	right = bytes[at];
	bytes[at] = wrong;
	what = node_validate(page, PAGE);
	printf("byte %3u: %02x in place of %02x   %s\n", at, wrong, right, what ? what : "good");
}

static void show_wrong(void)
{
	print_wrong(NODE_COUNT, 0xff);
	print_wrong(NODE_COUNT + 5, 0x02);
	print_wrong(NODE_COUNT + 2, 0x12);
	print_wrong(NODE_SLOTS + NODE_SLOT_BYTES, 0x01);
	print_wrong(NODE_SLOTS + 4, 0xee);
	print_wrong(NODE_SLOTS + 5, 0x03);
	print_wrong(PAGE - 3 - 6, 0xff);
	print_wrong(NODE_COUNT + 6, 0x05);
}

/* What a seed draws: three different keys of three to nine letters, and values. */
struct drawn {
	struct record records[3];
	char texts[6][16];
	unsigned asked, key_len, val_len;
};

static unsigned draw_number(uint64_t *state, unsigned below)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(*state >> 40) % below;
}

static void draw(struct drawn *d, uint64_t seed)
{
	memset(d, 0, sizeof(*d));
	for (unsigned i = 0; i < 3; i++) {
		unsigned key_len = 3 + draw_number(&seed, 7), val_len = 1 + draw_number(&seed, 8);

		memset(d->texts[2 * i], (int)('a' + 8 * i + draw_number(&seed, 8)), key_len);
		memset(d->texts[2 * i + 1], 'v', val_len);
	}
	d->asked = draw_number(&seed, 2);
	for (unsigned i = 0; i < 3; i++) {
		unsigned k = (i + d->asked) % 3;

		d->records[i] = (struct record){d->texts[2 * k], d->texts[2 * k + 1]};
	}
	d->key_len = 2 + draw_number(&seed, 10);
	d->val_len = draw_number(&seed, 20);
}

static struct page *drawn_page(const struct drawn *d)
{
	struct page *page = begin(0, "");

	for (unsigned i = 0; i < 3; i++)
		put(page, &d->records[i]);
	return page;
}

static unsigned index_of(const struct page *page, const char *key)
{
	bool exact;

	return node_lower(page, PAGE, (const uint8_t *)key, (unsigned)strlen(key), &exact);
}

static void ask_records(const struct drawn *d)
{
	printf("an empty leaf of %u bytes, without a prefix; these records come in this order:\n",
		PAGE);
	for (unsigned i = 0; i < 3; i++)
		printf("key %s, value %s\n", d->records[i].key, d->records[i].val);
}

static void ask_place(const struct drawn *d)
{
	ask_records(d);
	printf("at which byte begins the cell of %s?\n", d->records[d->asked].key);
}

static void answer_place(const struct drawn *d)
{
	const struct page *page = drawn_page(d);

	printf("%u\n", node_off(page, index_of(page, d->records[d->asked].key)));
}

static void ask_removed(const struct drawn *d)
{
	ask_records(d);
	printf("then %s is removed. What are heap_len and dead?\n", d->records[d->asked].key);
}

static void answer_removed(const struct drawn *d)
{
	struct page *page = drawn_page(d);

	node_remove(page, PAGE, index_of(page, d->records[d->asked].key));
	printf("%u %u\n", node_heap_len(page), node_dead(page));
}

static void ask_fit(const struct drawn *d)
{
	printf("keys of %u bytes, values of %u bytes, no prefix:\n", d->key_len, d->val_len);
	printf("how many records has a full leaf of %u bytes?\n", PAGE);
}

static void answer_fit(const struct drawn *d)
{
	uint8_t key[16] = {0}, val[32] = {0};
	struct node_entry entry = {
		.key = key, .key_len = d->key_len, .val = {val, d->val_len, false}};
	struct page *page = begin(0, "");

	while (node_fits(page, PAGE, &entry)) {
		key[1]++;
		node_insert(page, PAGE, node_count(page), &entry, scratch);
	}
	printf("%u\n", node_count(page));
}

static void show_predicted(void)
{
	static const struct drawn d = {
		.records = {{"sssss", "vv"}, {"jjj", "v"}, {"bbbbbbb", "vvvv"}},
		.key_len = 8,
		.val_len = 10};
	struct page *page = drawn_page(&d);

	printf("%u\n", node_off(page, index_of(page, "jjj")));
	node_remove(page, PAGE, index_of(page, "sssss"));
	printf("%u %u\n", node_heap_len(page), node_dead(page));
	answer_fit(&d);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*show)(void);
	} shows[] = {{"page", show_page}, {"inner", show_inner}, {"compact", show_compact},
		{"wrong", show_wrong}, {"predicted", show_predicted}};
	static const struct {
		const char *name;
		void (*ask)(const struct drawn *d);
		void (*answer)(const struct drawn *d);
	} questions[] = {{"place", ask_place, answer_place},
		{"removed", ask_removed, answer_removed}, {"fit", ask_fit, answer_fit}};
	struct drawn d;

	for (unsigned i = 0; argc == 2 && i < sizeof(shows) / sizeof(*shows); i++)
		if (strcmp(argv[1], shows[i].name) == 0) {
			shows[i].show();
			return 0;
		}
	for (unsigned i = 0; argc == 4 && i < sizeof(questions) / sizeof(*questions); i++) {
		if (strcmp(argv[1], questions[i].name) != 0)
			continue;
		draw(&d, strtoull(argv[2], NULL, 10));
		if (strcmp(argv[3], "answer") == 0)
			questions[i].answer(&d);
		else
			questions[i].ask(&d);
		return 0;
	}
	(void)fprintf(stderr, "usage: show page | inner | compact | wrong | predicted\n"
			      "       show place|removed|fit SEED question|answer\n");
	return 2;
}
