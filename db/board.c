/* SPDX-License-Identifier: MIT */
#include "db/board.h"
#include "db/side.h"
#include "io/map.h"

#include <errno.h>
#include <stdlib.h>

#define BOARD_BYTES ((sizeof(struct board) + 4095) / 4096 * 4096)

/* Long enough first. Others may be at it too: it never becomes shorter, and nothing is written. */
static int map(struct verso *db)
{
	uint64_t size_bytes;
	int rc = file_size(db->side, &size_bytes);

	if (rc == 0 && size_bytes < BOARD_BYTES)
		rc = file_truncate(db->side, BOARD_BYTES);
	if (rc == 0)
		rc = io_map(db->io, db->side, MAP_WRITE_SHARED, 0, BOARD_BYTES, &db->board);
	return rc < 0 ? rc : map_extend(db->board, BOARD_BYTES);
}

int board_open(struct verso *db, uint64_t until_ns)
{
	char *path = path_beside(db->path, "-board");
	int rc = path ? io_open(db->io, path, FILE_NOFOLLOW | FILE_CREATE, db->options.mode & 0666,
				&db->side)
		      : -ENOMEM;

	free(path);
	if (rc == 0)
		rc = map(db);
	if (rc == 0)
		rc = members_join(&db->members, db->file, (struct board *)db->board->base,
			until_ns);
	db->has_joined = rc == 0;
	/* Blocks for all of it, so that no store needs a new one, while nobody else is here. */
	if (rc == 0 && db->members.is_first)
		rc = file_allocate(db->side, 0, BOARD_BYTES);
	return rc;
}

void board_close(struct verso *db)
{
	if (db->has_joined)
		members_leave(&db->members);
	map_close(db->board);
}
