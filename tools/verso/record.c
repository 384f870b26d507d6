/* SPDX-License-Identifier: MIT */
/*
 * Records as text. A value that is too long to be handed over in one piece is read and written
 * piece by piece.
 */
#include "tools/verso/tool.h"

#define PIECE_BYTES 65536

static void write_bytes(const void *data, size_t len_bytes, bool escaped)
{
	if (escaped)
		escape_write(stdout, data, len_bytes);
	else
		(void)fwrite(data, 1, len_bytes, stdout);
}

enum status value_write(const struct session *s, struct verso_val key, bool escaped)
{
	static char piece[PIECE_BYTES];
	uint64_t off_bytes = 0;
	size_t len_bytes;

	do {
		int rc = verso_read(s->txn, s->table, key, off_bytes, piece, sizeof(piece),
			&len_bytes);

		if (rc != 0)
			return fail(s->args->path, rc);
		write_bytes(piece, len_bytes, escaped);
		off_bytes += len_bytes;
	} while (len_bytes == sizeof(piece) && !ferror(stdout));
	return STATUS_OK;
}

enum status record_write(const struct session *s, struct verso_cursor *cursor, int move_result,
	struct verso_val key, struct verso_val val)
{
	enum status status = STATUS_OK;

	if (move_result == VERSO_ETOOBIG) {
		int rc = verso_cursor_get(cursor, &key, NULL);

		if (rc != 0)
			return fail(s->args->path, rc);
	}
	escape_write(stdout, key.data, key.len);
	if (!s->args->keys_only) {
		(void)putchar('\t');
		if (move_result == VERSO_ETOOBIG)
			status = value_write(s, key, true);
		else
			escape_write(stdout, val.data, val.len);
	}
	(void)putchar('\n');
	return status;
}
