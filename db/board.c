/* SPDX-License-Identifier: MIT */
#include "db/board.h"
#include "db/holder.h"
#include "db/pagers.h"
#include "db/side.h"
#include "io/map.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PAUSE_NS UINT64_C(5000000)

/* Maps begin at multiples of 64 KiB: so the whole side file is mapped. */
static int map_board(struct verso *db)
{
	int rc = io_map(db->io, db->side, MAP_WRITE_SHARED, 0, SIDE_BYTES, &db->board);

	if (db->side->moves)
		board_expect_faults();
	return rc < 0 ? rc : map_extend(db->board, SIDE_BYTES);
}

static struct board *board_of(const struct verso *db)
{
	return (struct board *)(db->board->base + SIDE_BOARD_OFF);
}

/* --- one kind of pager --------------------------------------------------------------------- */

static void use_kind(struct verso *db, uint32_t pager, bool is_buffered)
{
	db->options.pager = (enum verso_pager)pager;
	db->options.flags &= ~(unsigned)VERSO_BUFFERED;
	if (is_buffered)
		db->options.flags |= VERSO_BUFFERED;
}

/* Whether the options ask for it already. */
static bool has_kind(const struct verso *db, const struct board_head *head)
{
	return head->pager == (uint32_t)db->options.pager &&
	       !head->is_buffered == !(db->options.flags & VERSO_BUFFERED);
}

void board_take_kind(struct verso *db)
{
	struct file *side = NULL;
	struct board_head head;
	char *path;

	if (!db->wants_any)
		return;
	path = path_beside(db->path, "-lock");
	if (path &&
		io_open(db->io, path, FILE_RDONLY | FILE_NOFOLLOW | FILE_ANY_FS, 0, &side) == 0 &&
		file_read(side, &head, sizeof(head), SIDE_BOARD_OFF, FILE_LIVE) == 0 &&
		atomic_load(&head.is_open) == BOARD_FORMAT && members_use(side) &&
		board_head_is_sound(&head) && head.pager < VERSO_PAGERS)
		use_kind(db, head.pager, head.is_buffered);
	file_close(side);
	free(path);
	error_clear();
}

static bool is_buffered(const struct verso *db)
{
	return pager_kind_of(&db->options)->transfers && !db->file->direct;
}

static void set_head(void *arg)
{
	struct verso *db = arg;
	struct board_head *head = &board_of(db)->head;

	head->pager = db->options.pager;
	head->is_buffered = is_buffered(db);
	board_seal_head(head);
}

struct reading {
	const struct verso *db;
	struct board_head head;
};

static void read_head(void *arg)
{
	struct reading *r = arg;

	r->head.pager = board_of(r->db)->head.pager;
	r->head.is_buffered = board_of(r->db)->head.is_buffered;
	r->head.sum = board_of(r->db)->head.sum;
}

static int error_kind(const struct verso *db, const struct board_head *head)
{
	char why[240];

	(void)snprintf(why, sizeof(why),
		"through %s%s, not through %s%s, and all processes that share it use one kind of "
		"pager: open it with the same, or with VERSO_PAGER_ANY, which takes theirs",
		pager_name(head->pager), head->is_buffered ? " with buffered transfers" : "",
		pager_name(db->options.pager), is_buffered(db) ? " with buffered transfers" : "");
	return holder_busy(db, why);
}

/* BOARD_OTHER_KIND: theirs is another one, which is taken now. */
static int agree(struct verso *db)
{
	struct reading r = {.db = db};

	if (db->members.is_first)
		return board_do(board_of(db), set_head, db) ? 0 : error_no_board();
	if (!board_do(board_of(db), read_head, &r))
		return error_no_board();
	if (!board_head_is_sound(&r.head))
		return error_bad_board();
	if (r.head.pager == (uint32_t)db->options.pager && !r.head.is_buffered == !is_buffered(db))
		return 0;
	/* Their transfers may be such that this process cannot have them. */
	if (!db->wants_any || r.head.pager >= VERSO_PAGERS || has_kind(db, &r.head))
		return error_kind(db, &r.head);
	use_kind(db, r.head.pager, r.head.is_buffered);
	return BOARD_OTHER_KIND;
}

/* --- opening and closing ------------------------------------------------------------------- */

static int error_full(const struct verso *db)
{
	char why[160];

	(void)snprintf(why, sizeof(why),
		"and %u times more, which is all that can share it. Who opens it for reading only "
		"needs no place among them",
		BOARD_MEMBERS_MAX - 1);
	return holder_busy(db, why);
}

static void leave(struct verso *db)
{
	if (db->has_joined)
		members_leave(&db->members);
	db->has_joined = false;
}

static int join(struct verso *db, uint64_t until_ns)
{
	int rc = members_join(&db->members, db->file, db->side, board_of(db), until_ns);

	db->has_joined = rc == 0;
	if (rc == MEMBERS_FULL)
		return error_full(db);
	return rc < 0 ? rc : agree(db);
}

int board_open(struct verso *db, uint64_t until_ns)
{
	int rc = fault_install();

	if (rc == 0)
		rc = map_board(db);
	while (rc == 0) {
		rc = join(db, until_ns);
		if (rc != VERSO_EBUSY || !db->has_joined || io_now_ns(db->io) >= until_ns)
			break;
		leave(db); /* those with another kind may end */
		io_pause_ns(db->io, PAUSE_NS);
		rc = 0;
	}
	return rc;
}

void board_close(struct verso *db)
{
	leave(db);
	map_close(db->board);
	db->board = NULL;
}
