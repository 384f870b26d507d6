/* SPDX-License-Identifier: MIT */
/* verso page: one page of the file, as a person reads it. */
#include "tools/verso/options.h"
#include "tools/verso/page.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

void page_line(const char *label, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) >= 0) {
		(void)printf("%-15s ", label);
		text_write(stdout, text, strlen(text));
		(void)putchar('\n');
		free(text);
	}
	va_end(args);
}

static void print_hex(const uint8_t *page, uint32_t page_size)
{
	(void)printf("\n");
	for (uint32_t at = 0; at < page_size; at += 16) {
		if (at >= 16 && at + 16 < page_size && memcmp(page + at, page + at - 16, 16) == 0) {
			if (at < 32 || memcmp(page + at - 16, page + at - 32, 16) != 0)
				(void)printf("*\n");
			continue;
		}
		(void)printf("%5" PRIu32 " ", at);
		for (uint32_t i = at; i < at + 16; i++)
			(void)printf("%s%02x", i % 8 == 0 ? "  " : " ", page[i]);
		(void)printf("  ");
		for (uint32_t i = at; i < at + 16; i++)
			(void)putchar(page[i] >= 0x20 && page[i] < 0x7f ? page[i] : '.');
		(void)printf("\n");
	}
}

static const char *type_name(const uint8_t *page)
{
	static const char *const names[RAW_TYPE_END] = {
		[RAW_META] = "a meta page",
		[RAW_BITMAP] = "a bitmap of free pages",
		[RAW_INDEX] = "an index of allocation groups",
		[RAW_PENDING] = "a page of the pending list",
		[RAW_NODE] = "an inner node",
		[RAW_OVERFLOW] = "an overflow page",
	};

	if (page[AT_TYPE] == RAW_NODE && page[AT_LEVEL] == 0)
		return "a leaf";
	return page[AT_TYPE] < RAW_TYPE_END && names[page[AT_TYPE]] ? names[page[AT_TYPE]]
								    : "of an unknown type";
}

static bool is_of_a_tree(const uint8_t *page)
{
	return page[AT_TYPE] == RAW_NODE || page[AT_TYPE] == RAW_OVERFLOW;
}

static void print_header(const struct raw *r, uint32_t pgno, const uint8_t *page)
{
	uint32_t tree = le32_get(page + AT_TREE);
	char *name = is_of_a_tree(page) ? raw_tree_name(r, tree) : NULL;

	(void)printf("page %" PRIu32 " of ", pgno);
	text_write(stdout, r->path, strlen(r->path));
	(void)printf(": %s%s", type_name(page), name ? " of " : "");
	if (name)
		text_write(stdout, name, strlen(name));
	(void)printf("\n");
	page_line("bytes", "%" PRIu64 " to %" PRIu64, (uint64_t)pgno * r->page_size,
		(uint64_t)(pgno + UINT64_C(1)) * r->page_size - 1);
	page_line("checksum", "%016" PRIx64 ", right", le64_get(page));
	page_line("allocated in", "generation %s", raw_gen(le64_get(page + AT_GEN)));
	page_line("last changed in", "generation %s", raw_gen(le64_get(page + AT_LSN)));
	if (is_of_a_tree(page))
		page_line("level", "%u of tree %" PRIu32, page[AT_LEVEL], tree);
	free(name);
}

/* A page that is not whole: what its header says, for what that is worth. */
static void print_wrong(const struct raw *r, uint32_t pgno, const uint8_t *page, const char *wrong)
{
	(void)printf("page %" PRIu32 " of ", pgno);
	text_write(stdout, r->path, strlen(r->path));
	(void)printf(": %s\n", wrong);
	page_line("bytes", "%" PRIu64 " to %" PRIu64, (uint64_t)pgno * r->page_size,
		(uint64_t)(pgno + UINT64_C(1)) * r->page_size - 1);
	if (bytes_are_zero(page, r->page_size))
		return;
	page_line("its header says", "page %" PRIu32 ", type %u, level %u, tree %" PRIu32,
		le32_get(page + AT_PGNO), page[AT_TYPE], page[AT_LEVEL], le32_get(page + AT_TREE));
	page_line("", "allocated in generation %s, last changed in %s",
		raw_gen(le64_get(page + AT_GEN)), raw_gen(le64_get(page + AT_LSN)));
}

static void print_slot(const struct raw *r, uint32_t slot)
{
	const struct raw_meta *m = &r->meta[slot];

	(void)printf("page %" PRIu32 " of ", slot * r->slot_pages);
	text_write(stdout, r->path, strlen(r->path));
	(void)printf(": the %s meta page\n", slot == 0 ? "first" : "second");
	if (m->wrong)
		page_line("state", "not valid: %s", m->wrong);
	else
		page_line("state", "valid, %s",
			slot == r->newest ? "the newest commit: what is said of other pages is "
					    "said by this one"
					  : "of an older commit, or of the same; the next commit "
					    "overwrites it");
	if (!m->wrong)
		page_show_meta(r, m);
}

static void print_page(const struct arguments *args, const struct raw *r, uint32_t pgno,
	uint8_t *page)
{
	const char *wrong = raw_read(r, pgno, page);

	if (pgno < 2 * r->slot_pages) {
		print_slot(r, pgno / r->slot_pages);
	} else {
		if (wrong)
			print_wrong(r, pgno, page, wrong);
		else
			print_header(r, pgno, page);
		page_refs(r, pgno, wrong ? NULL : page);
		if (!wrong && page[AT_TYPE] == RAW_NODE)
			page_show_node(r, page, args->wide);
		else if (!wrong && page[AT_TYPE] == RAW_OVERFLOW)
			page_show_overflow(r, page, args->wide);
		else if (!wrong)
			page_show_space(r, pgno, page);
	}
	if (args->hex)
		print_hex(page, r->page_size);
}

static enum status page(const struct arguments *args)
{
	struct raw r;
	uint64_t pgno, n_pages;
	uint8_t *buf;

	if (!parse_number(args->rest[0], &pgno)) {
		say_of_command(args->command, "%s: N is the number of a page, such as 3",
			args->rest[0]);
		return STATUS_USAGE;
	}
	if (!raw_open(&r, args->path))
		return STATUS_ERROR;
	n_pages = (r.file_bytes + r.page_size - 1) / r.page_size;
	buf = raw_buffer(&r);
	if (buf && pgno < n_pages)
		print_page(args, &r, (uint32_t)pgno, buf);
	else if (buf)
		say("%s: there is no page %" PRIu64 ": the file has the pages 0 to %" PRIu64,
			args->path, pgno, n_pages - 1);
	raw_close(&r);
	free(buf);
	if (!buf)
		return STATUS_ERROR;
	return pgno < n_pages ? finish_output() : STATUS_NO;
}

const struct command command_page = {
	.name = "page",
	.words = "DB N",
	.summary = "Show one page of the file: what it is, and where it belongs",
	.help = "N is a page number, from 0. Header, contents and what refers to the page, as\n"
		"docs/file-format.md has them; of a damaged page, what is wrong with it. The file\n"
		"is read without a lock and nothing is written, so it may be in use; a page that\n"
		"is being written can look damaged. To find what refers to an overflow page all\n"
		"leaves of its table are read. Exit status 1: the file has no such page.",
	.example = "  verso put planets.verso mars '3390 km'\n"
		   "  verso page planets.verso 0     # a meta page, which names the roots\n"
		   "  verso page planets.verso 6     # the leaf\n",
	.takes = TAKES_PAGE | TAKES_FILE,
	.rest_min = 1,
	.rest_max = 1,
	.run = page,
};
