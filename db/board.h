/* SPDX-License-Identifier: MIT */
/*
 * The board of several processes, as the side file has it: mapped, and joined; and the pager that
 * they agree on. Under two kinds of pager, or of transfers, a process could see what is in a cache
 * of the kernel where another one has written past it.
 */
#ifndef DB_BOARD_H
#define DB_BOARD_H

#include "db/db_int.h"

/*
 * Under VERSO_PAGER_ANY: takes the kind of pager and of transfers that those have who use the
 * database now, else the default. They may leave at once: board_open() decides.
 */
void board_take_kind(struct verso *db);

/*
 * Maps the side file and joins the others. VERSO_EBUSY: somebody has the database alone, or under
 * another kind of pager. BOARD_OTHER_KIND, under VERSO_PAGER_ANY alone: close the board, open the
 * file as db->options want it now, and try again.
 */
#define BOARD_OTHER_KIND 1
int board_open(struct verso *db, uint64_t until_ns);

/* Leaves; takes a database that never joined. */
void board_close(struct verso *db);

#endif
