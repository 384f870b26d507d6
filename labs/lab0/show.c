/* SPDX-License-Identifier: MIT */
/*
 * Shows a page byte by byte and a transfer attempt by attempt, made by the student's own functions,
 * and draws the questions of predict.toml:
 *
 *	show page                          a page of 512 bytes
 *	show transfer                      a read with three answers of the kernel
 *	show seed                          two files, and a page of one of them
 *	show byte|attempt SEED question    a question
 *	show byte|attempt SEED answer      who is right
 *	show predicted                     the same for the questions that the handout prints
 */
#include "io/transfer.h"
#include "pager/page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE  512U
#define LINE  8U
#define SHOWN 48U
#define BLOCK 4096U

static const uint8_t uuid[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static _Alignas(8) uint8_t bytes[PAGE];

static void print_line(unsigned at, const char *what)
{
	printf("%6u ", at);
	for (unsigned i = 0; i < LINE; i++)
		printf(" %02x", bytes[at + i]);
	printf("   %s\n", what);
}

static void show_page(void)
{
	static const char *const lines[SHOWN / LINE] = {"checksum of all that follows",
		"pgno 1000; type 5, level 0, flags 0", "gen 770",
		"lsn 770: changed last in generation 770", "tree 258, scratch 0",
		"the payload: Hello"};
	struct page_ref ref = {1000, 770};
	struct page *page = (struct page *)bytes;

	page_init(page, ref, PAGE_NODE, 0, 258);
	memcpy(page->payload, "Hello", 5);
	le32_set(page->scratch, 77); /* a note of a transaction, which may not be sealed */
	page_seal(page, PAGE, page_seed(uuid));
	for (unsigned i = 0; i < SHOWN / LINE; i++)
		print_line(i * LINE, lines[i]);
	printf("page_verify() of page 1000, generation 770: %s\n",
		page_verify(page, PAGE, ref, page_seed(uuid)) == 0 ? "good" : "refused");
	bytes[300] ^= 1;
	printf("and with one bit of byte 300 changed: %s\n",
		page_verify(page, PAGE, ref, page_seed(uuid)) == 0 ? "good" : "refused");
}

static void print_seed(const char *what, const uint8_t *name)
{
	printf("%s ", what);
	for (unsigned i = 0; i < sizeof(uuid); i++)
		printf(" %02x", name[i]);
	printf("   seed %016llx\n", (unsigned long long)page_seed(name));
}

static void show_seed(void)
{
	struct page *page = (struct page *)bytes;
	struct page_ref ref = {1000, 770};
	uint8_t other[sizeof(uuid)];

	memcpy(other, uuid, sizeof(uuid));
	other[15]++;
	print_seed("file A", uuid);
	print_seed("file B", other);
	page_init(page, ref, PAGE_NODE, 0, 258);
	page_seal(page, PAGE, page_seed(uuid));
	printf("a page of A, read as a page of A: %s\n",
		page_verify(page, PAGE, ref, page_seed(uuid)) == 0 ? "good" : "refused");
	printf("the same bytes, read as a page of B: %s\n",
		page_verify(page, PAGE, ref, page_seed(other)) == 0 ? "good" : "refused");
}

/* What the next attempt asks for; a vector of one buffer is that buffer. */
static size_t next_attempt(const struct io_req *req, uint64_t *ret_off_bytes)
{
	struct attempt att;

	transfer_next(req, BLOCK, &att);
	*ret_off_bytes = att.off_bytes;
	return att.iov ? att.iov->iov_len : att.len_bytes;
}

static const char *answer_text(char *to, size_t size, int64_t answer)
{
	if (answer == -EINTR)
		(void)snprintf(to, size, "-EINTR");
	else
		(void)snprintf(to, size, "%lld", (long long)answer);
	return to;
}

static void show_transfer(void)
{
	static const int64_t answers[] = {5000, -EINTR, 8192};
	static uint8_t buffer[3 * BLOCK];
	struct iovec iov = {buffer, sizeof(buffer)};
	struct io_req req = {.kind = IO_READ, .iov = &iov, .n_iov = 1, .off_bytes = 2 * BLOCK};
	bool is_over = false;

	printf("a read of %zu bytes at offset %llu, in blocks of %u\n", iov.iov_len,
		(unsigned long long)req.off_bytes, BLOCK);
	printf("%-27s %-10s %s\n", "the attempt asks for", "answer", "then");
	for (unsigned i = 0; i < sizeof(answers) / sizeof(answers[0]) && !is_over; i++) {
		uint64_t off_bytes;
		size_t len_bytes = next_attempt(&req, &off_bytes);
		char attempt[64], answer[32];

		(void)snprintf(attempt, sizeof(attempt), "%zu bytes at %llu", len_bytes,
			(unsigned long long)off_bytes);
		printf("%-27s %-10s ", attempt, answer_text(answer, sizeof(answer), answers[i]));
		is_over = transfer_take(&req, BLOCK, answers[i]);
		if (is_over)
			printf("over, with the result %d\n", req.result);
		else
			printf("%zu bytes are done\n", req.done_bytes);
	}
}

static unsigned draw_number(uint64_t *state, unsigned below)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(*state >> 40) % below;
}

/* A page whose number and generation have three bytes each, and one of these six bytes. */
struct byte_asked {
	struct page_ref ref;
	unsigned at;
};

static struct byte_asked draw_byte(uint64_t seed)
{
	struct byte_asked d = {.ref = {.pgno = 0x10000 + draw_number(&seed, 0xf00000)}};

	d.ref.gen = 0x10000 + draw_number(&seed, 0xf00000);
	d.at = draw_number(&seed, 2) ? 8 : 16;
	d.at += draw_number(&seed, 3);
	return d;
}

static void ask_byte(const struct byte_asked *d)
{
	printf("a page has the number %u (0x%06x) and the generation %llu (0x%06llx).\n",
		d->ref.pgno, d->ref.pgno, (unsigned long long)d->ref.gen,
		(unsigned long long)d->ref.gen);
	printf("Which two hexadecimal digits has byte %u of the page?\n", d->at);
}

static void answer_byte(const struct byte_asked *d)
{
	page_init((struct page *)bytes, d->ref, PAGE_NODE, 0, 0);
	printf("%02x\n", bytes[d->at]);
}

/* A read of eight blocks, and two answers that do not end it. */
struct attempt_asked {
	uint64_t off_bytes;
	size_t len_bytes;
	int64_t answers[2];
};

static struct attempt_asked draw_attempt(uint64_t seed)
{
	struct attempt_asked d = {.off_bytes = draw_number(&seed, 10) * (uint64_t)BLOCK,
		.len_bytes = 8 * (size_t)BLOCK};
	unsigned odd = draw_number(&seed, 2); /* which of the answers brings no block */

	for (unsigned i = 0; i < 2; i++) {
		if (i != odd)
			d.answers[i] = BLOCK + 1 + draw_number(&seed, 2 * BLOCK);
		else if (draw_number(&seed, 2))
			d.answers[i] = 1 + draw_number(&seed, BLOCK - 1);
		else
			d.answers[i] = -EINTR;
	}
	return d;
}

static void ask_attempt(const struct attempt_asked *d)
{
	char first[32], second[32];

	printf("a read of %zu bytes at offset %llu of the file, in blocks of %u.\n", d->len_bytes,
		(unsigned long long)d->off_bytes, BLOCK);
	printf("The kernel answers %s, and then %s.\n",
		answer_text(first, sizeof(first), d->answers[0]),
		answer_text(second, sizeof(second), d->answers[1]));
	printf("At which offset does the third attempt begin, and for how many bytes? (two "
	       "numbers)\n");
}

static void answer_attempt(const struct attempt_asked *d)
{
	static uint8_t buffer[8 * BLOCK];
	struct iovec iov = {buffer, d->len_bytes};
	struct io_req req = {.kind = IO_READ, .iov = &iov, .n_iov = 1, .off_bytes = d->off_bytes};
	uint64_t off_bytes = 0;
	size_t len_bytes = 0;

	for (unsigned i = 0; i < 2; i++) {
		(void)next_attempt(&req, &off_bytes);
		(void)transfer_take(&req, BLOCK, d->answers[i]);
	}
	len_bytes = next_attempt(&req, &off_bytes);
	printf("%llu %zu\n", (unsigned long long)off_bytes, len_bytes);
}

static void predicted(void)
{
	struct attempt_asked attempt = {BLOCK, 4 * (size_t)BLOCK, {10000, BLOCK}};

	page_init((struct page *)bytes, (struct page_ref){258, 1}, PAGE_NODE, 0, 0);
	printf("%02x %02x\n", bytes[8], bytes[9]);
	answer_attempt(&attempt);
}

static int drawn(const char *what, uint64_t seed, bool is_answer)
{
	if (strcmp(what, "byte") == 0) {
		struct byte_asked d = draw_byte(seed);

		(is_answer ? answer_byte : ask_byte)(&d);
		return EXIT_SUCCESS;
	}
	if (strcmp(what, "attempt") == 0) {
		struct attempt_asked d = draw_attempt(seed);

		(is_answer ? answer_attempt : ask_attempt)(&d);
		return EXIT_SUCCESS;
	}
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (argc == 2 && strcmp(what, "page") == 0)
		show_page();
	else if (argc == 2 && strcmp(what, "transfer") == 0)
		show_transfer();
	else if (argc == 2 && strcmp(what, "seed") == 0)
		show_seed();
	else if (argc == 2 && strcmp(what, "predicted") == 0)
		predicted();
	else if (argc != 4 || drawn(what, strtoull(argv[2], NULL, 10),
				      strcmp(argv[3], "answer") == 0) != EXIT_SUCCESS) {
		(void)fprintf(stderr,
			"usage: show page|transfer|seed|predicted, or show byte|attempt SEED "
			"question|answer\n");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
