/* SPDX-License-Identifier: MIT */
#include "tests/crash/marks.h"

#include "base/error.h"
#include "txn/meta.h"

struct crash_mark session_marks[SESSION_MARKS + PAYLOAD_MARKS_MAX] = {
	[MARK_SPILLED] = {"pages spilled", 10000, 0, 0},
	[MARK_RECOPIED] = {"spilled pages copied again", 1000, 0, 0},
	[MARK_LIST_PAGES] = {"pending-list pages written", 1000, 0, 0},
	[MARK_BITMAPS] = {"bitmaps written (flips)", 5000, 0, 0},
	[MARK_CUTS] = {"files cut", 500, 0, 0},
	[MARK_BATCH] = {"sessions with a batch of >= 3 commits", 200, 0, 0},
	[MARK_DEAD] = {"pages that died within a batch", 1000, 0, 0},
	[MARK_TAKE_OVER] = {"take-overs from a dead writer", 200, 0, 0},
	[MARK_POISONED] = {"sessions poisoned by a flush", 200, 0, 0},
	[MARK_WRITE_FAILED] = {"sessions with a failed write or growth", 100, 0, 0},
	[MARK_REUSED] = {"pages reused below a long reader", 1000, 0, 0},
	[MARK_READERS] = {"snapshots compared", 1000, 0, 0},
	[MARK_ANSWERED] = {"deaths that left what was answered, not flushed", 20, 0, 0},
	[MARK_GROUPS] = {"sessions with an index of allocation groups", 50, 0, 0},
	[MARK_THREE_GROUPS] = {"sessions with three allocation groups", 50, 0, 0},
	[MARK_THREE_GROUPS_CUT] = {"sessions with three allocation groups and a cut", 20, 0, 0},
	[MARK_LARGE] = {"relaxed transactions beyond all limits", 200, 0, 0},
	[MARK_GENERATIONS] = {"transactions of several generations", 5000, 0, 0},
	[MARK_PAGE_AGAIN] = {"pages used again in a later one of them", 10000, 0, 0},
	[MARK_FULL] = {"times that a disk was full", 500, 0, 0},
	[MARK_FULL_DELETES] = {"records deleted from a full disk", 3000, 0, 0},
	[MARK_DRAINED] = {"full disks emptied and filled twice", 20, 0, 0},
	[MARK_COW] = {"times that a copying disk was full", 100, 0, 0},
	[MARK_SAME_INCARNATION] = {"sessions that began no incarnation", 200, 0, 1},
	[MARK_MARK_CONSUMED] = {"of these, ended by a crash", 50, 0, 1},
	[MARK_CARRIED] = {"sequences that carried into an incarnation", 50, 0, 1},
	[MARK_CREATION_DIED] = {"creations that died", 0, 0, 0},
	[MARK_CREATION_FAILED] = {"creations with a failed call", 0, 0, 0},
	[MARK_CREATION_OPENED] = {"what a dead creation left opened", 0, 0, 0},
	[MARK_CREATED_AGAIN] = {"images on which it was created again", 100, 0, 0},
	[MARK_OPEN_CLEAN] = {"opened: newest is known as flushed", 1000, 0, 0},
	[MARK_OPEN_TWO] = {"opened: newest took two flushes", 10000, 0, 0},
	[MARK_OPEN_WALKED] = {"opened: newest batch verified", 10000, 0, 0},
	[MARK_OPEN_ROLLED] = {"opened: rolled back", 5000, 0, 0},
	[MARK_OPEN_SHORT] = {"opened: file too short for the newest", 50, 0, 0},
	[MARK_OPEN_TORN] = {"opened: one meta torn", 2000, 0, 0},
	[MARK_OPEN_NONE] = {"opened: no database yet", 100, 0, 0},
};

void session_mark_slots(struct simdisk *d, const char *path, uint32_t page_size)
{
	static struct meta m[2];
	uint64_t slot_pages = META_BYTES < page_size ? 1 : META_BYTES / page_size;
	bool valid[2];
	uint64_t size;
	const uint8_t *bytes = simdisk_bytes(d, path, &size);
	unsigned newest;

	if (!bytes) {
		session_marks[MARK_OPEN_NONE].n++;
		return;
	}
	for (unsigned i = 0; i < 2; i++) {
		uint64_t off = i * slot_pages * page_size;

		valid[i] = off + META_BYTES <= size &&
			   meta_decode(bytes + off, (pgno_t)(i * slot_pages), &m[i]) == 0;
	}
	error_clear();
	if (!valid[0] || !valid[1])
		session_marks[MARK_OPEN_TORN].n++;
	newest = !valid[0] || (valid[1] && m[1].gen > m[0].gen);
	if (!valid[newest])
		return;
	if (m[newest].space.n_pages > size / page_size)
		session_marks[MARK_OPEN_SHORT].n++;
	if (m[newest].durable_gen >= m[newest].gen)
		session_marks[MARK_OPEN_CLEAN].n++;
	else if (m[newest].mode == TXN_TWO_FLUSH)
		session_marks[MARK_OPEN_TWO].n++;
}

void session_mark_opened(struct txn_env *env)
{
	struct txn_stat s;

	txn_stat(env, &s);
	session_marks[MARK_OPEN_WALKED].n += s.walked;
	session_marks[MARK_OPEN_ROLLED].n += s.rolled_back;
}
