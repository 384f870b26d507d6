/* SPDX-License-Identifier: MIT */
#include "tests/crash/shape.h"

#include "mmap/mmap.h"
#include "tests/crash/crash.h"

enum session_shape session_shape(unsigned config, uint64_t seed)
{
	static const enum session_shape shapes[8] = {
		SHAPE_USUAL,
		SHAPE_FULL,
		SHAPE_GROUPS,
		SHAPE_USUAL,
		SHAPE_LARGE,
		SHAPE_USUAL,
		SHAPE_GROUPS,
		SHAPE_COW,
	};
	uint64_t state = seed;

	/* By turns over the configurations, from a place that differs from seed to seed. */
	return shapes[(crash_draw(&state) + config) % 8];
}

uint32_t session_page_size(uint64_t seed)
{
	return seed % 4 == 3 ? 1024 : 512;
}

unsigned session_map_writing(unsigned config, uint64_t seed)
{
	unsigned ways = session_shape(config, seed) == SHAPE_COW ? MMAP_WRITE_SHARED
								 : MMAP_WRITE_SHARED + 1;

	return (unsigned)(seed / 7 % ways);
}

struct txn_options session_txn_options(unsigned config, uint64_t seed, enum txn_commit_mode mode,
	enum txn_sync sync)
{
	struct txn_options o = {
		.mode = mode,
		.sync = sync,
		.group_pages = 256,
		.meta_pending_max = 4,
		.meta_groups_max = seed % 2 ? 1 : 2,
		.dirty_max_pages = seed % 3 ? 8 : 16,
		/* Under TXN_FULL no thread waits for room: helpers must join while others flush. */
		.unflushed_max_pages = sync == TXN_FULL ? 1000 : 40,
		.one_flush_max_pages = 48,
		.grow_pages = 8,
		.cut_pages = 16,
	};

	switch (session_shape(config, seed)) {
	case SHAPE_GROUPS:
		o.meta_pending_max = seed % 3 == 0 ? 4 : seed % 3 == 1 ? 24 : 112;
		o.meta_groups_max = seed % 4 ? 64 : 2;
		o.grow_pages = 64;
		o.cut_pages = seed % 5 ? 200 : 16; /* more than there is in holes */
		break;
	case SHAPE_LARGE:
		o.dirty_max_pages = seed % 2 ? 48 : 16;
		if (sync == TXN_RELAXED)
			o.unflushed_max_pages = seed % 3 ? 16 : 40;
		break;
	default:
		break;
	}
	return o;
}

void session_disk_options(unsigned config, uint64_t seed, struct simdisk_options *opts)
{
	opts->file_bytes_max = 8 << 20;
	opts->loose_end = seed % 5 != 0;
	opts->split_one_in = 4;
	opts->drop_live = seed % 3 == 2;
	opts->cow = session_shape(config, seed) == SHAPE_COW;
}

void session_disk_limit(unsigned config, uint64_t seed, struct simdisk *d)
{
	enum session_shape shape = session_shape(config, seed);
	uint64_t state = ~seed, n_pages = 40 + crash_draw(&state) % 120;

	if (shape == SHAPE_FULL || shape == SHAPE_COW)
		simdisk_set_space(d, simdisk_space_used(d) + n_pages * session_page_size(seed));
}
