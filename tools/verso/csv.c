/* SPDX-License-Identifier: MIT */
/*
 * Rows of two columns, key and value, as spreadsheets write them (RFC 4180), some behind a byte
 * order mark: a comma divides them, newline or CR LF ends a row. A column in double quotes may hold
 * all of these, and each double quote in it stands there twice.
 */
#include "tools/verso/tool.h"

#include <inttypes.h>
#include <string.h>

/* What ended a column. */
enum after { AFTER_BAD, AFTER_COMMA, AFTER_ROW };

/* A column's bytes behind its double quote, up to behind the last one. */
static bool take_quoted(struct plain *p, size_t *at)
{
	struct input *in = p->in;
	uint64_t first_line = in->n_lines;
	int more = 1;

	while (more > 0) {
		const char *from = in->line + *at;
		size_t left_bytes = in->len_bytes - *at;
		const char *quote = memchr(from, '"', left_bytes);
		size_t len_bytes = quote ? (size_t)(quote - from) : left_bytes;

		if (!plain_add(p, from, len_bytes))
			return false;
		*at += len_bytes + (quote != NULL);
		if (quote && (*at == in->len_bytes || in->line[*at] != '"'))
			return true;
		if (quote) {
			++*at;
			if (!plain_add(p, "\"", 1))
				return false;
			continue;
		}
		if (!plain_add(p, "\n", 1))
			return false;
		*at = 0;
		more = in->has_newline ? input_next(in) : 0;
	}
	if (more == 0)
		input_fail(in, "the double quotes that begin in line %" PRIu64 " do not end",
			first_line);
	return false;
}

/* A column's bytes up to the comma or the end of the row. */
static bool take_bare(struct plain *p, size_t *at)
{
	struct input *in = p->in;
	const char *from = in->line + *at;
	const char *comma = memchr(from, ',', in->len_bytes - *at);
	size_t len_bytes = comma ? (size_t)(comma - from) : in->len_bytes - *at;

	if (!comma && len_bytes > 0 && from[len_bytes - 1] == '\r')
		len_bytes--;
	if (memchr(from, '"', len_bytes)) {
		input_fail(in, "a double quote inside a column that does not begin with one");
		return false;
	}
	*at += len_bytes;
	return plain_add(p, from, len_bytes);
}

static enum after take_column(struct plain *p, size_t *at)
{
	struct input *in = p->in;
	size_t left_bytes;
	bool good;

	if (*at < in->len_bytes && in->line[*at] == '"') {
		++*at;
		good = take_quoted(p, at);
	} else {
		good = take_bare(p, at);
	}
	if (!good)
		return AFTER_BAD;
	left_bytes = in->len_bytes - *at;
	if (left_bytes == 0 || (left_bytes == 1 && in->line[*at] == '\r'))
		return AFTER_ROW;
	if (in->line[(*at)++] == ',')
		return AFTER_COMMA;
	input_fail(in, "something other than a comma follows a column in double quotes");
	return AFTER_BAD;
}

enum item csv_next(struct plain *p, struct verso_val *ret_key, struct verso_val *ret_val)
{
	size_t at, key_len;
	int more = input_next(p->in);
	enum after after;

	if (more <= 0)
		return more == 0 ? ITEM_END : ITEM_BAD;
	p->len_bytes = 0;
	at = plain_mark_bytes(p->in);
	after = take_column(p, &at);
	key_len = p->len_bytes;
	if (after == AFTER_COMMA) {
		after = take_column(p, &at);
		if (after == AFTER_ROW) {
			*ret_key = (struct verso_val){p->bytes, key_len};
			*ret_val = (struct verso_val){p->bytes + key_len, p->len_bytes - key_len};
			return ITEM_RECORD;
		}
	} else if (after == AFTER_ROW) {
		input_fail(p->in, "one column; expected two, key,value");
		return ITEM_BAD;
	}
	if (after == AFTER_COMMA)
		input_fail(p->in,
			"more than two columns; expected key,value. A column that holds a "
			"comma stands in double quotes");
	return ITEM_BAD;
}
