/* SPDX-License-Identifier: MIT */
/*
 * A database file as docs/file-format.md describes it, read without the library: for looking at its
 * pages, damaged ones too. Nothing is locked and nothing is written. While a program writes to the
 * file, a page may be read when it is half there.
 *
 * Nothing that a file says is believed: each number is compared with what it may be.
 */
#ifndef TOOLS_VERSO_RAW_H
#define TOOLS_VERSO_RAW_H

#include "base/bytes.h"
#include "tools/verso/tool.h"

#define RAW_HEADER_BYTES 40u
#define RAW_SLOT_BYTES   4096u
#define RAW_WINDOWS      2u
#define RAW_WINDOW_PAGES 512u
#define RAW_LEVELS_MAX   64u
#define RAW_KEY_MAX      65536u

enum raw_type {
	RAW_META = 1,
	RAW_BITMAP,
	RAW_INDEX,
	RAW_PENDING,
	RAW_NODE,
	RAW_OVERFLOW,
	RAW_TYPE_END,
};

/* Where the fields of a page's header and of a meta slot stand. */
enum raw_at {
	AT_PGNO = 8,
	AT_TYPE = 12,
	AT_LEVEL = 13,
	AT_GEN = 16,
	AT_LSN = 24,
	AT_TREE = 32,
	AT_MAGIC = 40,
	AT_FORMAT = 48,
	AT_PAGE_SIZE = 52,
	AT_INCOMPAT = 64,
	AT_PROTOCOL = 68,
	AT_MODE = 70,
	AT_UUID = 72,
	AT_DURABLE = 88,
	AT_N_PAGES = 96,
	AT_GROUP_PAGES = 100,
	AT_N_GROUPS = 104,
	AT_GROUPS_MAX = 108,
	AT_N_PENDING = 112,
	AT_LIST_PAGE = 116,
	AT_N_LIST_PAGES = 128,
	AT_N_LIST_EXTENTS = 132,
	AT_WINDOWS = 136,
	AT_ROOTS = 272,
	AT_MARK = 376,
	AT_GROUPS = 384,
	AT_EXTENTS = 1408,
};

struct raw_ref {
	uint32_t pgno;
	uint64_t gen;
};

/* The description of a tree. */
struct raw_root {
	struct raw_ref ref; /* pgno 0: the tree is empty */
	unsigned level;
	uint32_t tree;
	uint64_t n_records;
};

struct raw_meta {
	const char *wrong;             /* NULL: it is valid */
	bool is_foreign;               /* whole, and of a version or with features unknown here */
	uint8_t bytes[RAW_SLOT_BYTES]; /* as in the file */
	uint64_t gen, durable_gen, mark;
	unsigned mode; /* 0: two-flush, 1: one-flush */
	uint32_t page_size, n_pages, group_pages, n_groups, groups_max, n_pending, n_list_pages;
	struct raw_ref list_page;
	struct raw_root roots[2]; /* the default table, the catalogue */
};

struct raw {
	int fd;
	const char *path;
	uint64_t file_bytes;
	uint32_t page_size;
	uint32_t slot_pages;   /* of one of the two slots */
	unsigned head_bytes;   /* of a key in a slot of a node */
	uint64_t seed;         /* of the checksums */
	bool has_seed;         /* false: checksums cannot be compared */
	bool has_meta;         /* false: neither meta is valid */
	unsigned newest;       /* index of the meta that is looked at */
	struct raw_meta *meta; /* two of them */
};

/* raw.c */

/* Opens a file. False: it is none with a valid meta page, which has been reported. */
bool raw_open(struct raw *r, const char *path);
void raw_close(struct raw *r);

/*
 * The same, but a file of which neither meta page is valid is opened too, if it has pages of a
 * database: has_meta is false then, and has_seed too when the database's id is nowhere to be found.
 */
bool raw_open_damaged(struct raw *r, const char *path);

/* The meta page of the newest commit. */
const struct raw_meta *raw_newest(const struct raw *r);

/* A buffer for a page, which the caller frees. NULL: out of memory, which has been reported. */
uint8_t *raw_buffer(const struct raw *r);

/*
 * Reads a page into page_size bytes. NULL: it is a page of this file, of that number, whole. Else
 * what is wrong with it; what could be read is in buf, the rest is zeros.
 */
const char *raw_read(const struct raw *r, uint32_t pgno, uint8_t *buf);

/* The same; the page is also the one that ref means. */
const char *raw_read_ref(const struct raw *r, struct raw_ref ref, uint8_t *buf);

struct raw_ref raw_ref_get(const uint8_t *bytes);
/* The two places where trees are described differ in where the number of records stands. */
#define RAW_COUNT_IN_META      20u
#define RAW_COUNT_IN_CATALOGUE 24u

struct raw_root raw_root_get(const uint8_t *bytes, unsigned count_off);

/* `3 of incarnation 1`, in one of a few buffers that are used in turns. */
const char *raw_gen(uint64_t gen);

/* raw_find.c: page size and seed of a file without a valid meta page. False: it has no pages. */
bool raw_find(struct raw *r);

/* raw_node.c: a page of a tree */

struct raw_node {
	const uint8_t *page;
	uint32_t page_size;
	unsigned head_bytes;
	unsigned level, n, prefix_len, heap_len, dead_bytes;
};

/* NULL: every offset in it lies inside the page. Else what is wrong. */
const char *raw_node_open(const struct raw *r, const uint8_t *page, struct raw_node *ret_node);

/* NULL: its keys ascend, its parts make up its heap, and what should be zero is. */
const char *raw_node_wrong(const struct raw_node *node);

/* As memcmp() has it, the shorter first. */
int raw_compare(const void *a, size_t a_len, const void *b, size_t b_len);

/* Bytes that its entries and its prefix take, and that they could take. */
unsigned raw_node_used(const struct raw_node *node);
unsigned raw_node_cap(const struct raw_node *node);

/* Bytes of the longest key. */
unsigned raw_key_max(uint32_t page_size);

unsigned raw_node_cell_off(const struct raw_node *node, unsigned i);

/* The key of entry i, to buf of RAW_KEY_MAX bytes; its length. */
unsigned raw_node_key(const struct raw_node *node, unsigned i, uint8_t *buf);

/* Child i of an inner node, 0 to n. */
struct raw_ref raw_node_child(const struct raw_node *node, unsigned i);

struct raw_value {
	const uint8_t *data; /* what lies in the leaf; of a long value its last bytes, or none */
	unsigned len_bytes;
	bool is_long;
	uint64_t long_bytes; /* of the whole value */
	unsigned n_refs, level;
	uint64_t n_pages;    /* under the references, with pages of references */
	const uint8_t *refs; /* 12 bytes each, to pages of `level` */
};

/* The value of entry i of a leaf. NULL: done. Else what is wrong with it. */
const char *raw_node_value(const struct raw_node *node, unsigned i, struct raw_value *ret_value);

/* Bytes, or references, of an overflow page. Bounded by the page. */
unsigned raw_overflow_count(const struct raw *r, const uint8_t *page);
struct raw_ref raw_overflow_ref(const uint8_t *page, unsigned i);

/* raw_walk.c */

struct raw_walk {
	const struct raw *r;
	unsigned level_min; /* the lowest to be read */
	/* A node that is whole. False: this one has been enough. */
	bool (*node)(void *arg, struct raw_ref ref, const struct raw_node *node);
	/* A page that is not; what is below it is not seen. */
	void (*bad)(void *arg, struct raw_ref ref, const char *wrong);
	void *arg;
	/* The walk's own. */
	uint8_t *seen; /* a bit a page of the file */
	bool stopped;
};

/* Calls node() for each node of a tree from its root on, parents first. False: out of memory. */
bool raw_walk(struct raw_walk *walk, const struct raw_root *root);

/* Called for each named table. False: this one has been enough. */
typedef bool raw_table_fn(void *arg, const uint8_t *name, unsigned name_len,
	const struct raw_root *root);

/* The tables of the catalogue, in the order of their names. False: out of memory. */
bool raw_each_table(const struct raw *r, raw_table_fn *each, void *arg);

/*
 * The words for a tree: `the default table`, `the catalogue of tables`, `table NAME`. To be freed;
 * NULL: out of memory.
 */
char *raw_tree_name(const struct raw *r, uint32_t tree);

/* raw_space.c: what is free */

struct raw_group {
	uint64_t gen; /* of its bitmap (or index) page; 0: not written yet */
	unsigned n_free;
	unsigned copy;
};

struct raw_extent {
	uint32_t pgno, n_pages;
	uint64_t birth, free;
};

struct raw_group raw_group_get(const uint8_t *bytes);
struct raw_extent raw_extent_get(const uint8_t *bytes);

/* Entries that an index page has, extents that a page of the pending list has at most. */
unsigned raw_index_entries(const struct raw *r);
unsigned raw_list_extents(const struct raw *r);

/* The first of the two places of group's bitmap, and of the index page behind it; 0: has none. */
uint32_t raw_bitmap_pgno(const struct raw *r, uint32_t group);
uint32_t raw_index_pgno(const struct raw *r, uint32_t group);

/* The entry of a group. False: it stands in an index page that cannot be read. */
bool raw_group_find(const struct raw *r, uint32_t group, struct raw_group *ret_group);

/* Which window has the page set aside; -1: none. */
int raw_window_find(const struct raw_meta *meta, uint32_t pgno);

/* Calls each() for all pending extents, those in the meta page (list_pgno 0) first. */
typedef bool raw_extent_fn(void *arg, uint32_t list_pgno, const struct raw_extent *extent);
uint64_t raw_n_extents(const struct raw *r); /* as the meta page counts them */
void raw_each_extent(const struct raw *r, raw_extent_fn *each, void *arg);

#endif
