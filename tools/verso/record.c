/* SPDX-License-Identifier: MIT */
/*
 * Records as text. A value that is too long to be handed over in one piece is read and written
 * piece by piece.
 */
#include "tools/verso/tool.h"

#include <string.h>

#define PIECE_BYTES 65536

static void write_bytes(const struct session *s, FILE *out, const void *data, size_t len_bytes,
	bool escaped)
{
	if (escaped)
		escape_write(out, data, len_bytes, s->for_screen);
	else
		(void)fwrite(data, 1, len_bytes, out);
}

enum status value_write(const struct session *s, FILE *out, struct verso_val key, bool escaped)
{
	static char piece[PIECE_BYTES];
	uint64_t off_bytes = 0;
	size_t len_bytes;

	do {
		int rc = verso_read(s->txn, s->table, key, off_bytes, piece, sizeof(piece),
			&len_bytes);

		if (rc != 0)
			return fail(s->args->path, rc);
		write_bytes(s, out, piece, len_bytes, escaped);
		off_bytes += len_bytes;
	} while (len_bytes == sizeof(piece) && !ferror(out));
	return STATUS_OK;
}

enum status record_write(const struct session *s, FILE *out, struct verso_cursor *cursor,
	int move_result, struct verso_val key, struct verso_val val)
{
	enum status status = STATUS_OK;

	if (move_result == VERSO_ETOOBIG) {
		int rc = verso_cursor_get(cursor, &key, NULL);

		if (rc != 0)
			return fail(s->args->path, rc);
	}
	escape_write(out, key.data, key.len, s->for_screen);
	if (!s->args->keys_only) {
		(void)putc('\t', out);
		if (move_result == VERSO_ETOOBIG)
			status = value_write(s, out, key, true);
		else
			escape_write(out, val.data, val.len, s->for_screen);
	}
	(void)putc('\n', out);
	return status;
}

enum item record_parse(const struct input *in, bool escaped, struct verso_val *ret_key,
	struct verso_val *ret_val)
{
	char *tab = memchr(in->line, '\t', in->len_bytes);
	size_t key_len, val_len;

	if (!tab) {
		input_fail(in, "no TAB between key and value");
		return ITEM_BAD;
	}
	key_len = (size_t)(tab - in->line);
	val_len = in->len_bytes - key_len - 1;
	if (escaped && (!escape_undo(in->line, key_len, &key_len) ||
			       !escape_undo(tab + 1, val_len, &val_len))) {
		input_fail(in, "a backslash that is none of \\t, \\n, \\\\ and \\xHH");
		return ITEM_BAD;
	}
	*ret_key = (struct verso_val){in->line, key_len};
	*ret_val = (struct verso_val){tab + 1, val_len};
	return ITEM_RECORD;
}
