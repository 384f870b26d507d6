/* SPDX-License-Identifier: MIT */
/* The codec of the dump format. */
#include "tools/verso/dump.h"

#include <inttypes.h>
#include <string.h>

#define LINE_MAX_BYTES 128 /* of a header or an end mark, with room to spare */

/* The only text of a header with these numbers, and of the end mark behind that sum. */
static size_t header_print(char buf[LINE_MAX_BYTES], uint32_t page_size, uint64_t n_tables)
{
	return (size_t)snprintf(buf, LINE_MAX_BYTES,
		"verso-dump 1 page-size=%" PRIu32 " tables=%" PRIu64, page_size, n_tables);
}

static size_t end_print(char buf[LINE_MAX_BYTES], const struct dump_sum *sum, bool is_partial)
{
	return (size_t)snprintf(buf, LINE_MAX_BYTES,
		"end tables=%" PRIu64 " records=%" PRIu64 " xxh3=%016" PRIx64 "%s", sum->n_tables,
		sum->n_records, (uint64_t)XXH3_64bits_digest(sum->hash),
		is_partial ? " partial" : "");
}

static bool sum_init(struct dump_sum *sum)
{
	*sum = (struct dump_sum){.hash = XXH3_createState()};
	if (sum->hash && XXH3_64bits_reset(sum->hash) == XXH_OK)
		return true;
	say("out of memory");
	return false;
}

/* A stream's write function: all of it, or 0. */
static ssize_t write_hashed(void *writer, const char *data, size_t len_bytes)
{
	struct dump_writer *w = writer;

	(void)XXH3_64bits_update(w->sum.hash, data, len_bytes);
	return fwrite(data, 1, len_bytes, stdout) == len_bytes ? (ssize_t)len_bytes : 0;
}

bool dump_begin(struct dump_writer *w, uint32_t page_size, uint64_t n_tables)
{
	char header[LINE_MAX_BYTES];

	*w = (struct dump_writer){NULL};
	if (!sum_init(&w->sum))
		return false;
	w->lines = fopencookie(w, "w", (cookie_io_functions_t){.write = write_hashed});
	if (!w->lines) {
		say("out of memory");
		return false;
	}
	(void)header_print(header, page_size, n_tables);
	(void)fprintf(w->lines, "%s\n", header);
	return true;
}

void dump_table(struct dump_writer *w, const char *name)
{
	w->sum.n_tables++;
	(void)fputs("table", w->lines);
	if (name) {
		(void)putc(' ', w->lines);
		escape_write(w->lines, name, strlen(name), false);
	}
	(void)putc('\n', w->lines);
}

void dump_end(struct dump_writer *w, uint64_t n_records, enum dump_end end_mark)
{
	char end[LINE_MAX_BYTES];

	/* A write that failed has left its mark on stdout, which finish_output() sees. */
	if (w->lines && fclose(w->lines) == 0 && end_mark != DUMP_CUT) {
		w->sum.n_records = n_records;
		(void)end_print(end, &w->sum, end_mark == DUMP_PARTIAL);
		(void)printf("%s\n", end);
	}
	XXH3_freeState(w->sum.hash);
}

/* The next line, of which every byte is there. False: it is not, which has been reported. */
static bool read_line(struct dump_reader *r)
{
	int more = input_next(r->in);

	if (more < 0)
		return false;
	if (more > 0 && r->in->has_newline)
		return true;
	input_fail(r->in, "the dump is cut short: its end mark is missing");
	return false;
}

static void sum_line(struct dump_reader *r)
{
	(void)XXH3_64bits_update(r->sum.hash, r->in->line, r->in->len_bytes);
	(void)XXH3_64bits_update(r->sum.hash, "\n", 1);
}

static bool is_page_size(uint32_t n)
{
	return n >= 512 && n <= 65536 && (n & (n - 1)) == 0;
}

/* False: the line is no header of format 1. */
static bool header_parse(struct dump_reader *r)
{
	char header[LINE_MAX_BYTES];
	size_t len_bytes;

	if (sscanf(r->in->line, "verso-dump 1 page-size=%" SCNu32 " tables=%" SCNu64, &r->page_size,
		    &r->n_tables) != 2 ||
		!is_page_size(r->page_size))
		return false;
	len_bytes = header_print(header, r->page_size, r->n_tables);
	return len_bytes == r->in->len_bytes && memcmp(header, r->in->line, len_bytes) == 0;
}

bool dump_open(struct dump_reader *r, struct input *in)
{
	static const char begin[] = "verso-dump ";
	int more;

	*r = (struct dump_reader){.in = in};
	if (!sum_init(&r->sum))
		return false;
	more = input_next_within(in, LINE_MAX_BYTES);
	if (more < 0)
		return false;
	if (more > 0 && in->has_newline && header_parse(r)) {
		sum_line(r);
		return true;
	}
	if (more > 0 && in->has_newline && strncmp(in->line, begin, sizeof(begin) - 1) == 0)
		input_fail(in,
			"a header of a dump that this verso does not read; it reads `verso-dump 1 "
			"page-size=P tables=T`. The dump is damaged, or of a newer verso");
	else
		input_fail(in,
			"not a dump, which begins with `verso-dump 1`. Lines of key TAB value are "
			"read with --tsv as they are, and with --lines with the escapes (\\t, \\n, "
			"\\\\, \\xHH) that `verso scan` prints and dumps of verso 0.1.0 had");
	return false;
}

/* `table` or `table NAME`; the name takes the place of its escaped form, with a zero behind it. */
static enum item table_parse(struct dump_reader *r, struct verso_val *ret_name)
{
	static const char word[] = "table ";
	const size_t word_len = sizeof(word) - 1;
	struct input *in = r->in;
	char *name = in->line + word_len;
	size_t len_bytes = 0;

	*ret_name = (struct verso_val){NULL, 0};
	if (in->len_bytes >= word_len) {
		if (!escape_undo(name, in->len_bytes - word_len, &len_bytes) || len_bytes == 0 ||
			memchr(name, '\0', len_bytes)) {
			input_fail(in, "this is not the name of a table. The dump is damaged");
			return ITEM_BAD;
		}
		name[len_bytes] = '\0';
		*ret_name = (struct verso_val){name, len_bytes};
	}
	r->sum.n_tables++;
	return ITEM_TABLE;
}

/* ITEM_END: the line is the end mark that belongs here, and nothing follows it. */
static enum item end_compare(struct dump_reader *r)
{
	struct input *in = r->in;
	char end[LINE_MAX_BYTES];
	size_t len_bytes = end_print(end, &r->sum, true);
	int more;

	r->is_partial = len_bytes == in->len_bytes;
	if (!r->is_partial)
		len_bytes = end_print(end, &r->sum, false);

	if (r->sum.n_tables != r->n_tables) {
		input_fail(in,
			"the dump ends after %" PRIu64 " tables of %" PRIu64 ". It is damaged",
			r->sum.n_tables, r->n_tables);
		return ITEM_BAD;
	}
	if (len_bytes != in->len_bytes || memcmp(end, in->line, len_bytes) != 0) {
		input_fail(in,
			"the end mark is not that of the lines before it, which is `%s`. The "
			"dump is damaged",
			end);
		return ITEM_BAD;
	}
	more = input_next(in);
	if (more > 0)
		input_fail(in, "something follows the end mark");
	return more == 0 ? ITEM_END : ITEM_BAD;
}

enum item dump_next(struct dump_reader *r, struct verso_val *key, struct verso_val *val)
{
	struct input *in = r->in;

	if (!read_line(r))
		return ITEM_BAD;
	if (memchr(in->line, '\t', in->len_bytes)) {
		if (r->sum.n_tables == 0) {
			input_fail(in, "a record before any table. The dump is damaged");
			return ITEM_BAD;
		}
		sum_line(r);
		r->sum.n_records++;
		return record_parse(in, true, key, val);
	}
	if (strncmp(in->line, "end ", 4) == 0)
		return end_compare(r);
	if (strcmp(in->line, "table") == 0 || strncmp(in->line, "table ", 6) == 0) {
		sum_line(r);
		return table_parse(r, key);
	}
	input_fail(in, "neither a record, a table nor the end mark. The dump is damaged");
	return ITEM_BAD;
}

void dump_close(struct dump_reader *r)
{
	XXH3_freeState(r->sum.hash);
}
