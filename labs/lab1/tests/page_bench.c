/* SPDX-License-Identifier: MIT */
#include "labs/lab1/tests/page_bench.h"
#include "tests/check_main.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct page *page_of(struct bench *b)
{
	return (struct page *)b->bytes;
}

void page_begin(struct bench *b, unsigned level, const char *prefix)
{
	memset(b, 0, sizeof(*b));
	page_of(b)->type = PAGE_NODE;
	page_of(b)->level = (uint8_t)level;
	node_init(page_of(b), PAGE, (const uint8_t *)prefix, (unsigned)strlen(prefix));
}

void page_set(uint8_t *bytes, unsigned at, unsigned x)
{
	le16_set(bytes + at, (uint16_t)x);
}

/* What the first bytes of a suffix are as a number, most significant first. */
static uint32_t number_of(const uint8_t *suffix, unsigned len)
{
	uint32_t x = 0;

	for (unsigned i = 0; i < 4; i++)
		x = x << 8 | (i < len ? suffix[i] : 0);
	return x;
}

/* Appends an entry behind the last, by hand: no function of the student's is called. */
void page_lay(uint8_t *bytes, uint32_t page_size, const void *suffix, unsigned len,
	const void *front, unsigned front_len, const void *back, unsigned back_len)
{
	unsigned n = le16_get(bytes + 40), heap = le16_get(bytes + 44),
		 at = 64 + n * NODE_SLOT_BYTES;
	unsigned kept = len > NODE_HEAD_BYTES ? len - NODE_HEAD_BYTES : 0;
	uint8_t *to;

	heap += front_len + kept + back_len;
	ck_assert_uint_le(at + NODE_SLOT_BYTES + heap, page_size);
	if (HAS_HEADS)
		le32_set(bytes + at, number_of(suffix, len));
	page_set(bytes, at + NODE_HEAD_BYTES, page_size - heap);
	page_set(bytes, at + NODE_HEAD_BYTES + 2, len);
	page_set(bytes, 40, n + 1);
	page_set(bytes, 44, heap);
	to = bytes + page_size - heap;
	memcpy(to, front, front_len);
	memcpy(to + front_len, (const uint8_t *)suffix + (len - kept), kept);
	if (back_len > 0)
		memcpy(to + front_len + kept, back, back_len);
}

void page_lay_record(struct bench *b, const char *suffix, const char *val)
{
	uint8_t val_len[2];

	le16_set(val_len, (uint16_t)strlen(val));
	page_lay(b->bytes, PAGE, suffix, (unsigned)strlen(suffix), val_len, 2, val,
		(unsigned)strlen(val));
}

void page_lay_child(struct bench *b, const char *suffix, struct page_ref child)
{
	uint8_t ref[PAGE_REF_BYTES];

	page_ref_set(ref, child);
	page_lay(b->bytes, PAGE, suffix, (unsigned)strlen(suffix), ref, PAGE_REF_BYTES, NULL, 0);
}

void page_fruit(struct bench *b)
{
	page_begin(b, 0, "");
	page_lay_record(b, "apple", "red");
	page_lay_record(b, "fig", "blue");
	page_lay_record(b, "lemon", "yellow");
	page_lay_record(b, "plum", "blue");
}

/* Memory between two pages that may not be touched. */
uint8_t *page_guarded(size_t len_bytes)
{
	size_t os_page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *all = mmap(NULL, len_bytes + 2 * os_page, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(all, MAP_FAILED);
	ck_assert_int_eq(mprotect(all, os_page, PROT_NONE), 0);
	ck_assert_int_eq(mprotect(all + os_page + len_bytes, os_page, PROT_NONE), 0);
	return all + os_page;
}

/* A sound node, and some bytes of header, slots and cells changed. */
void page_hostile(uint8_t *bytes, uint64_t *rng)
{
	struct page *page = (struct page *)bytes;
	unsigned n = (unsigned)(check_random(rng) % 30),
		 changes = (unsigned)(check_random(rng) % 4);

	memset(bytes, 0, SMALL);
	page->type = PAGE_NODE;
	page->level = (uint8_t)(check_random(rng) % 2);
	node_init(page, SMALL, (const uint8_t *)"pre", (unsigned)(check_random(rng) % 4));
	for (unsigned i = 0; i < n; i++) {
		uint8_t key[8] = {'k', (uint8_t)i, 'a', 'b', 'c', 'd', 'e'}, front[12] = {3};

		page_lay(bytes, SMALL, key, 2 + (unsigned)(check_random(rng) % 6), front,
			page->level ? 12 : 2, "val", page->level ? 0 : 3);
	}
	while (changes-- > 0) {
		unsigned at = 40 + (unsigned)(check_random(rng) % 40);

		if (check_random(rng) % 4 == 0)
			at = (unsigned)(check_random(rng) % SMALL);
		bytes[at] = (uint8_t)check_random(rng);
	}
}
