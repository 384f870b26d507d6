/* SPDX-License-Identifier: MIT */
/*
 * Records in the formats that other programs write. They have no end mark, so a cut cannot be seen
 * in them, but where it leaves a part of a record.
 */
#include "tools/verso/tool.h"

#include <stdlib.h>
#include <string.h>

void plain_init(struct plain *p, struct input *in, const struct arguments *args)
{
	*p = (struct plain){
		.in = in, .format = args->format, .crlf = args->crlf, .header = args->header};
	if (args->format == FORMAT_NULL)
		in->delimiter = '\0';
}

void plain_fini(struct plain *p)
{
	free(p->bytes);
}

bool plain_add(struct plain *p, const void *data, size_t len_bytes)
{
	if (len_bytes > p->in->line_max_bytes - p->len_bytes) {
		input_fail(p->in, "the record is longer than %zu bytes, the longest key and value",
			p->in->line_max_bytes);
		return false;
	}
	if (p->len_bytes + len_bytes >= p->cap_bytes) {
		size_t cap_bytes = 2 * (p->len_bytes + len_bytes) + 64;
		char *bytes = realloc(p->bytes, cap_bytes);

		if (!bytes) {
			input_fail(p->in, "out of memory");
			return false;
		}
		p->bytes = bytes;
		p->cap_bytes = cap_bytes;
	}
	if (len_bytes > 0)
		memcpy(p->bytes + p->len_bytes, data, len_bytes);
	p->len_bytes += len_bytes;
	return true;
}

size_t plain_mark_bytes(const struct input *in)
{
	static const unsigned char mark[] = {0xef, 0xbb, 0xbf};

	return in->n_lines == 1 && in->len_bytes >= sizeof(mark) &&
			       memcmp(in->line, mark, sizeof(mark)) == 0
		       ? sizeof(mark)
		       : 0;
}

/* CR LF: one end of a line where that is asked for, else CR is the value's last byte. */
static void judge_cr(struct plain *p)
{
	struct input *in = p->in;

	if (!in->has_newline || in->len_bytes == 0 || in->line[in->len_bytes - 1] != '\r')
		return;
	if (p->crlf)
		in->line[--in->len_bytes] = '\0';
	else if (p->n_cr++ == 0)
		p->cr_line = in->n_lines;
}

static enum item line_next(struct plain *p, struct verso_val *ret_key, struct verso_val *ret_val)
{
	int more = input_next(p->in);

	if (more <= 0)
		return more == 0 ? ITEM_END : ITEM_BAD;
	judge_cr(p);
	if (p->format == FORMAT_TSV && plain_mark_bytes(p->in) > 0)
		p->has_mark = true;
	return record_parse(p->in, p->format == FORMAT_LINES, ret_key, ret_val);
}

static enum item null_next(struct plain *p, struct verso_val *ret_key, struct verso_val *ret_val)
{
	struct input *in = p->in;
	int more = input_next(in);

	if (more <= 0)
		return more == 0 ? ITEM_END : ITEM_BAD;
	p->len_bytes = 0;
	if (!plain_add(p, in->line, in->len_bytes))
		return ITEM_BAD;
	more = in->has_newline ? input_next(in) : 0;
	if (more < 0)
		return ITEM_BAD;
	if (more == 0 || !in->has_newline) {
		input_fail(in,
			"the input ends in the middle of a record: a zero byte ends each key "
			"and each value");
		return ITEM_BAD;
	}
	*ret_key = (struct verso_val){p->bytes, p->len_bytes};
	*ret_val = (struct verso_val){in->line, in->len_bytes};
	return ITEM_RECORD;
}

enum item plain_next(struct plain *p, struct verso_val *ret_key, struct verso_val *ret_val)
{
	enum item item;

	do {
		item = p->format == FORMAT_CSV    ? csv_next(p, ret_key, ret_val)
		       : p->format == FORMAT_NULL ? null_next(p, ret_key, ret_val)
						  : line_next(p, ret_key, ret_val);
		if (!p->header)
			return item;
		p->header = p->has_mark = false;
	} while (item == ITEM_RECORD);
	return item;
}
