/* SPDX-License-Identifier: MIT */
/*
 * Transactions: one writer, any number of readers, each on a snapshot of its own.
 *
 * To read: txn_begin_read(), follow references from txn->roots with the pager's get and peek,
 * txn_abort(). To write: txn_begin_write(); for each operation txn_reserve() first, which may fail
 * and then has changed nothing, and afterwards txn_alloc(), txn_touch() and txn_free(), which
 * cannot fail; put the new root into txn->roots; txn_commit().
 *
 * Pages are copied on write (shadow paging, Lorie 1977): a page that a durable root or a snapshot
 * may reach is never overwritten, so a change to it goes to a copy under another page number
 * (txn_touch), and its parent must be changed too, up to the root. Inside a transaction a page that
 * it made itself is changed in place until it is sealed; txn_reserve() may seal and write such
 * pages (spill) when there are too many.
 *
 * What this floor knows of its payload is struct txn_schema: the references in a page. Invariants
 * T1 to T15 stand in txn/README.md.
 */
#ifndef TXN_TXN_H
#define TXN_TXN_H

#include "io/file.h"
#include "pager/pager.h"
#include "space/layout.h"

#define TXN_ROOTS            2                 /* trees that the meta page holds itself */
#define TXN_OP_PAGES_MAX     SPACE_PREPARE_MAX /* pages that one txn_reserve() can promise */
#define TXN_RECORD_BYTES_MAX (1U << 30) /* whose removal the reserve for a full disk covers */

struct members;
struct txn_env;
struct txn_writer;

/* What a meta page says of a tree: written and read as it is, but for `ref`, which is followed. */
struct txn_root {
	struct page_ref ref; /* pgno 0: an empty tree */
	uint8_t level;       /* of the root page */
	uint8_t flags;       /* the tree's own */
	uint16_t kind;       /* the tree's own */
	uint32_t tree;       /* the tree's id */
	uint64_t count;      /* records */
	uint64_t user;       /* the tree's own */
};

/*
 * Its bytes in a file: TXN_ROOT_BYTES of {pgno, gen, level, flags, kind, tree}, and at `counts` 16
 * of {count, user}, which a meta page and a record of the catalogue have at different places.
 */
#define TXN_ROOT_BYTES 20U
void txn_root_encode(const struct txn_root *root, uint8_t *bytes, uint8_t *counts);
void txn_root_decode(const uint8_t *bytes, const uint8_t *counts, struct txn_root *ret_root);

struct txn {
	struct txn_env *env; /* constant */
	struct pager *pager; /* constant */
	struct guard *guard; /* this transaction's, for get and peek */
	gen_t gen;           /* of the snapshot read; when writing, the attempt's newest */
	pgno_t n_pages;      /* pages of the file; of a writer, at its last txn_reserve() */
	uint64_t begun_ns;   /* clock_coarse_ns() */
	bool writable;       /* constant */
	int broken;          /* 0, or the error that made it abort-only */
	struct txn_root roots[TXN_ROOTS]; /* a writer changes them */
	struct txn_writer *writer;        /* private */
	unsigned reader_slot;             /* private */
	bool has_slot, is_locked;         /* private */
	struct txn *next_free;            /* private */
};

/* Called for each reference found in a page. Returns 0 to go on. */
typedef int txn_ref_fn(void *arg, struct page_ref ref, unsigned level);

struct txn_schema {
	/*
	 * Calls fn for each page that `page` refers to, with the level that the page there must
	 * have; stops and forwards what fn returns when it is not 0. The bytes are verified but
	 * not yet believed: VERSO_ECORRUPT when they make no sense.
	 */
	int (*each_ref)(const struct page *page, uint32_t page_size, txn_ref_fn *fn, void *arg);
};

enum txn_commit_mode {
	TXN_TWO_FLUSH, /* pages, flush, meta, flush */
	TXN_ONE_FLUSH, /* pages and meta, flush; opening verifies the newest group commit */
};

enum txn_sync {
	TXN_FULL,    /* commit returns, and readers see it, after the flush */
	TXN_RELAXED, /* commit returns and publishes at once; txn_sync() flushes */
	TXN_PROCESS, /* commit returns, and readers see it, when it is written; txn_sync() flushes.
			With TXN_ONE_FLUSH */
};

/* Zeroed = defaults. What is marked (format) is fixed when the file is made. */
struct txn_options {
	enum txn_commit_mode mode;
	enum txn_sync sync;
	bool read_only;
	uint32_t group_pages;      /* (format) pages a bitmap page covers; default and most 32768 */
	uint32_t meta_pending_max; /* freed extents kept in the meta itself; default and most 112 */
	uint32_t meta_groups_max;  /* groups kept in the meta itself; default and most 64 */
	uint32_t dirty_max_pages;  /* unsealed pages before a spill; default 4096 */
	uint32_t unflushed_max_pages; /* sealed pages that joined commits may hold; default as
					 dirty_max */
	uint32_t one_flush_max_pages; /* larger ones take two flushes; default and most 1024 */
	uint32_t grow_pages;          /* least growth of the file; default 8 */
	uint32_t cut_pages;           /* least free tail that is cut off; default 1024 */
	struct members *members; /* who else has the file open; the caller's, until the close; NULL:
				    nobody does, or may */
	bool courtesy;           /* with members: a thread gives the turn of an idle process */
	struct file *observed;   /* with read_only: others may write the file, and this, buffered,
				    is what their states are read from; the caller's, until the
				    close; NULL: nobody writes it */
	struct file *file;       /* asked at each flush whether it is still there; the caller's;
				    NULL: not asked */
};

/* The pages that the writer of an environment with these options may hold at once: give it to the
 * pager as writer_pages. */
uint32_t txn_writer_pages(const struct txn_options *options);

/* What the meta pages say before a pager exists. */
struct txn_probe {
	uint32_t page_size;
	uint8_t uuid[16];
	uint64_t seed;     /* of the checksums: page_seed(uuid) */
	pgno_t file_pages; /* whole pages in the file */
};

/*
 * Reads the metas of `file` from the device. VERSO_ENOTDB: no meta was ever written here (a file of
 * zero length too); VERSO_EVERSION: a newer format; VERSO_ECORRUPT: both metas are damaged.
 */
int txn_probe(struct file *file, struct txn_probe *ret_probe);

/*
 * Writes a new, empty database into `file`, which is blank, and syncs it: the metas last, so that
 * it is blank until it is a database. The name is made durable by the caller. uuid: 16 random
 * bytes. After a failure it may be neither: the caller empties it.
 */
int txn_format(struct file *file, uint32_t page_size, const uint8_t uuid[16],
	const struct txn_options *options);

/*
 * TXN_BLANK: no database was ever made in `file`: it is empty, or zeros, or what a creation that
 * was cut short leaves: zeros of its size, but for a damaged sector where slot 1 begins. 0: there
 * is something, as in any file whose first bytes are not zeros. Reads the file, unless it is larger
 * than a new database can be.
 */
#define TXN_BLANK 1
int txn_is_blank(struct file *file);

/*
 * Opens the environment: recovers (T7) and is ready for transactions.
 *
 * The caller has made sure that no other process has the file open for writing. `pager` stays the
 * caller's and must outlive the environment. schema: static. options: copied.
 * VERSO_ECORRUPT: the newest durable state cannot be had, with a text that says why. A read-only
 * opening writes nothing to the database. May block.
 */
int txn_env_open(struct pager *pager, const struct txn_probe *probe,
	const struct txn_schema *schema, const struct txn_options *options,
	struct txn_env **ret_env);

/* Flushes what joined, marks the close (T8). No transaction is open. Takes NULL. Cannot fail: an
 * error here loses nothing that was reported as durable. */
void txn_env_close(struct txn_env *env);

/* A snapshot of the newest published state. -ENOMEM; VERSO_EBUSY: 1,024 readers are active, and
 * there are no members. Never blocks. Any thread. The handle is used by one thread at a time, until
 * txn_abort(). */
int txn_begin_read(struct txn_env *env, struct txn **ret_txn);

/*
 * Waits for the writer before. It costs no I/O, but for the first after an opening that rejected a
 * commit (T7).
 * VERSO_EPOISONED, -EROFS when read-only, -ENOMEM, I/O errors. Any thread.
 */
int txn_begin_write(struct txn_env *env, struct txn **ret_txn);

/* What an operation is for decides how much of the last free pages it may use (txn/reserve.c). */
enum txn_use {
	TXN_ADD,    /* leaves enough to remove a record, and to commit */
	TXN_REMOVE, /* leaves enough to commit; frees as many pages as it takes */
	TXN_FINISH, /* a part of the commit: takes what there is */
};

struct txn_need {
	enum txn_use use;
	unsigned n_pages; /* calls of alloc and touch; <= TXN_OP_PAGES_MAX */
	size_t n_frees;   /* calls of free, beside those that touch makes */
	size_t n_extents; /* runs of neighbours that these can be, of earlier transactions */
};

/*
 * Makes sure that the next n_pages calls of alloc and touch, and n_frees of free, cannot fail:
 * space in the file, memory, and room for unsealed pages, for which it may spill: own pages that
 * were unsealed may be sealed afterwards, so pointers to them are for reading only and touch may
 * move them. On failure nothing has changed, unless a spill or the like failed: then it is
 * abort-only. -ENOSPC, -ENOMEM, VERSO_EFULL, I/O errors, VERSO_EABORTONLY, VERSO_EPOISONED.
 */
int txn_reserve_for(struct txn *txn, const struct txn_need *need);

static inline int txn_reserve(struct txn *txn, unsigned n_pages, size_t n_frees)
{
	return txn_reserve_for(txn, &(struct txn_need){TXN_ADD, n_pages, n_frees, n_frees});
}

/*
 * A new page: header set, payload zeroed, the transaction's to change until the next txn_reserve().
 */
struct page *txn_alloc(struct txn *txn, enum page_type type, unsigned level, uint32_t tree,
	struct page_ref *ret_ref);

/*
 * Makes the pinned `page` writable and ends the pin. Returns `page` itself when it is unsealed and
 * this transaction's; else a copy at *ret_ref, and the old page is freed. *ret_ref is set in both
 * cases: when it differs from before, the parent must be changed.
 */
struct page *txn_touch(struct txn *txn, const struct page *page, struct page_ref *ret_ref);

/*
 * The page at ref, to be changed in place until the next txn_reserve(): it is this transaction's
 * own and unsealed. NULL: it is not, or not any more, or the transaction cannot go on, of which
 * txn_reserve() says why. ref may be the null reference.
 */
struct page *txn_own(struct txn *txn, struct page_ref ref);

/* Frees a page that the new version no longer refers to. No pin of this transaction is on it. */
void txn_free(struct txn *txn, struct page_ref ref);

/* Makes the transaction abort-only and returns `code`, the first time; later codes do not count. */
int txn_break(struct txn *txn, int code);

/*
 * Joins the open group commit and, under TXN_FULL, waits for its flush. Ends txn, whatever it
 * returns. 0: durable (FULL) or published (RELAXED). < 0: nothing of it will be seen, except that
 * after VERSO_EPOISONED a reopened database may hold it.
 */
int txn_commit(struct txn *txn);

/*
 * The same without waiting, and so without anybody who flushes: that does who waits for it or
 * commits after it, txn_sync(), the close; a commit when much waits; a process that wants the turn.
 * *ret_gen: for txn_wait(); 0: it changed nothing.
 */
int txn_commit_async(struct txn *txn, gen_t *ret_gen);

/*
 * Returns when what txn_commit_async() returned `gen` for is durable. VERSO_EMISUSE: it returned
 * gen to nobody, as far as is known. Any thread.
 */
int txn_wait(struct txn_env *env, gen_t gen);

/* Ends a reader, or undoes a writer. Takes NULL. */
void txn_abort(struct txn *txn);

/* Returns when everything that was committed before is durable. */
int txn_sync(struct txn_env *env);

/*
 * T10: proves that every page of the newest joined state is in exactly one place. Takes the writer
 * lock. 0, VERSO_ECORRUPT with a text, or an error of reading. `report`, when not NULL, is called
 * with each finding and returns non-zero to stop.
 */
typedef int txn_report_fn(void *arg, pgno_t pgno, const char *finding);
int txn_check(struct txn_env *env, txn_report_fn *report, void *arg);

/*
 * A digest of the database's image: both metas, every page that the newest reaches, the length.
 * The same operations with the same options and uuid give the same image under every pager.
 * Flushes, and takes the writer lock. Reads all of it from the device: for tests.
 */
int txn_image(struct txn_env *env, uint64_t *ret_digest);

/*
 * T14, for whoever walks a tree: NULL, or why no transaction can have made `parent` refer to
 * `child`. Another protocol has another law here, or none.
 */
const char *txn_ref_wrong(const struct page *parent, struct page_ref child);

struct txn_stat {
	gen_t newest_gen, durable_gen, published_gen;
	uint32_t n_pages, n_free_pages, n_pending_pages;
	uint32_t n_readers;
	gen_t oldest_reader_gen; /* 0: no reader */
	uint64_t n_commits, n_flushes, n_spilled_pages, n_recopied_pages, n_list_pages_written;
	uint64_t n_bitmaps_written, n_cuts, n_group_max, n_rejoined_dead_pages;
	bool rolled_back; /* opening rejected a commit that was not whole, or a damaged meta */
	bool walked;      /* opening verified the newest group commit */
	bool poisoned;
	enum txn_commit_mode mode;
	enum txn_sync sync;
};
void txn_stat(struct txn_env *env, struct txn_stat *stat);

#endif
