/* SPDX-License-Identifier: MIT */
/* What the tests of Lab 4 share: a file of the kernel, the student's map over it, children. */
#ifndef LABS_LAB4_TESTS_MAP_FIXTURE_H
#define LABS_LAB4_TESTS_MAP_FIXTURE_H

#include "base/error.h"
#include "io/map.h"
#include "mmap/mmap.h"
#include "tests/check_main.h"

#define PAGE_BYTES   4096U
#define SEED         UINT64_C(0x1db710641db71064)
#define WRITER_PAGES 8U
#define N_PAGES      1024U
#define LINE         "uncommitted"

struct world {
	struct io io; /* the kernel's, but for `map` */
	struct io_ops ops;
	struct file *file;
	struct pager *pager;
	struct guard *guard;
	char path[CHECK_PATH_BYTES];
};

/* The page in generation 1. */
struct page_ref ref_of(pgno_t pgno);
/* A sealed page in the file, behind the map's back; its number is its first byte too. */
void map_put_page(struct world *w, struct page_ref ref);
/* A file of n_pages pages, in generation 1; no pager yet. */
void map_make_file(struct world *w, pgno_t n_pages);
int map_open(struct io *io, struct file *file, enum pager_checksum checksum,
	struct pager **ret_pager);
/* Opens the pager over the file, verifying once. */
void map_attach(struct world *w);
/* Both. */
void map_open_world(struct world *w, pgno_t n_pages);
void map_close_world(struct world *w);
/* Gets a page in generation 1, which must be good. */
const struct page *map_get(struct world *w, pgno_t pgno);
/* Gets it and puts it. */
void map_visit(struct world *w, pgno_t pgno);
/* The same for any page: what the get returns. */
int map_try_get(struct world *w, struct page_ref ref);
/* The signal that ended a child which did that, or 0. */
int ended_by(void (*what)(struct world *w), struct world *w);
/* A number that a child shares with its test; 0 at first. */
_Atomic int *shared_number(void);
/* A map of the file that knows nothing of pagers. */
uint8_t *raw_map(const struct world *w, int prot, int share, size_t len_bytes);

/* Those of stalls and errors (test_lab4_hazards.c). */
void hazards_add(TCase *tc);

#endif
