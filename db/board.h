/* SPDX-License-Identifier: MIT */
/*
 * The file DB-board as the board of several processes: mapped, and joined.
 *
 * verso.h does not reach it yet: db_open_with() does, for tests. The lock of the database file
 * keeps such processes and one that opens the database alone apart.
 */
#ifndef DB_BOARD_H
#define DB_BOARD_H

#include "db/db_int.h"

/* Maps the side file and joins the others. VERSO_EBUSY: somebody has the database alone. */
int board_open(struct verso *db, uint64_t until_ns);

/* Leaves; takes a database that never joined. */
void board_close(struct verso *db);

#endif
