/* SPDX-License-Identifier: MIT */
#include "db/holder.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "db/side.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The record of who has it alone, in a sector of its own, which is never synced. */
enum {
	AT_PID = SIDE_RECORD_OFF,
	AT_SINCE = SIDE_RECORD_OFF + 8,
	AT_PROGRAM = SIDE_RECORD_OFF + 16,
	AT_CHECKSUM = SIDE_RECORD_OFF + 48,
	RECORD_BYTES = 56,
};

#define RECORD_SEED 2U /* the version of the side file that brought the record */

static uint64_t record_sum(const uint8_t *record)
{
	return hash_bytes(record, AT_CHECKSUM - SIDE_RECORD_OFF, RECORD_SEED);
}

static int record_write(struct file *side, const struct io_self *who)
{
	uint8_t record[RECORD_BYTES] = {0};

	le64_set(record + AT_PID - SIDE_RECORD_OFF, who->pid);
	le64_set(record + AT_SINCE - SIDE_RECORD_OFF, (uint64_t)who->now_s);
	memcpy(record + AT_PROGRAM - SIDE_RECORD_OFF, who->program, sizeof(who->program));
	le64_set(record + AT_CHECKSUM - SIDE_RECORD_OFF, record_sum(record));
	return file_write(side, record, sizeof(record), SIDE_RECORD_OFF);
}

void holder_sign(struct verso *db)
{
	struct io_self self;

	io_self(db->io, &self);
	/* Behind a head that may be spoilt nothing is written (side.c). */
	db->side_has_record = db->side_is_usable && record_write(db->side, &self) == 0;
	error_clear();
}

void holder_leave(struct verso *db)
{
	static const struct io_self nobody;

	if (db->side_has_record)
		(void)record_write(db->side, &nobody);
}

void holder_name(const char *from, char *to)
{
	unsigned i;

	for (i = 0; i < HOLDER_NAME_BYTES - 1 && from[i] != '\0'; i++)
		to[i] = (char)(isprint((unsigned char)from[i]) ? from[i] : '?');
	to[i] = '\0';
}

/* --- the text ------------------------------------------------------------------------------ */

/* The side file, whoever we are; NULL: there is none that we may read. */
static struct file *side_to_read(const struct holder_place *place)
{
	char *path = path_beside(place->path, "-lock");
	struct file *file = NULL;

	if (path &&
		io_open(place->io, path, FILE_RDONLY | FILE_ANY_FS | FILE_NOFOLLOW, 0, &file) < 0)
		file = NULL;
	free(path);
	return file;
}

static bool member_read(const struct holder_place *place, struct file *side,
	struct io_self *ret_who)
{
	struct board_member member;
	uint64_t off_bytes = SIDE_BOARD_OFF + offsetof(struct board, members);
	unsigned id;

	if (!place->file || !members_find(place->file, &id) ||
		file_read(side, &member, sizeof(member), off_bytes + id * sizeof(member),
			FILE_LIVE) < 0)
		return false;
	ret_who->pid = member.pid;
	ret_who->now_s = member.since_s;
	memcpy(ret_who->program, member.program, sizeof(ret_who->program));
	return member.pid != 0;
}

bool holder_of_record(struct file *side, struct io_self *ret_who)
{
	uint8_t record[RECORD_BYTES];

	if (file_read(side, record, sizeof(record), SIDE_RECORD_OFF, FILE_LIVE) < 0 ||
		le64_get(record + AT_CHECKSUM - SIDE_RECORD_OFF) != record_sum(record))
		return false;
	ret_who->pid = le64_get(record + AT_PID - SIDE_RECORD_OFF);
	ret_who->now_s = (int64_t)le64_get(record + AT_SINCE - SIDE_RECORD_OFF);
	memcpy(ret_who->program, record + AT_PROGRAM - SIDE_RECORD_OFF, sizeof(ret_who->program));
	return ret_who->pid != 0;
}

/* A record of a process that has died says nothing of those who have it now. */
static bool is_had_alone(const struct holder_place *place)
{
	uint64_t at_bytes;
	bool found;

	return place->file &&
	       file_find_lock(place->file, LOCK_SHARED, PRESENT_OFF_BYTES, 1, &found, &at_bytes) ==
		       0 &&
	       found;
}

static bool find_holder(const struct holder_place *place, struct io_self *ret_who)
{
	struct file *side = side_to_read(place);
	bool found = side && (member_read(place, side, ret_who) ||
				     (is_had_alone(place) && holder_of_record(side, ret_who)));

	file_close(side);
	holder_name(ret_who->program, ret_who->program);
	return found;
}

int holder_busy_at(const struct holder_place *place, const char *why)
{
	struct io_self who = {0}, self;
	char since[32] = "?";
	struct tm tm;
	time_t then;

	if (!find_holder(place, &who))
		return error_set(VERSO_EBUSY,
			"the database is open already, %s. Which process has it is not known: it "
			"only reads, or could not write that down (full disk, read-only folder). "
			"Wait until it ends, or end it",
			why);
	then = (time_t)who.now_s;
	if (gmtime_r(&then, &tm))
		(void)strftime(since, sizeof(since), "%F %T", &tm);
	io_self(place->io, &self);
	return error_set(VERSO_EBUSY,
		"the database is open already, by %sprocess %llu (%s) since %s UTC, %s. Wait until "
		"it ends, or end it",
		who.pid == self.pid ? "another handle of this " : "", (unsigned long long)who.pid,
		who.program, since, why);
}
