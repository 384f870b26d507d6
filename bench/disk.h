/* SPDX-License-Identifier: MIT */
/* What the programs that measure a database on disk share: how it is loaded, and fio beside it. */
#ifndef BENCH_DISK_H
#define BENCH_DISK_H

#include "bench/peers.h"

#include <verso.h>

/* Ends the program with the database's text unless rc is 0. */
void disk_check(struct verso *db, int rc, const char *what);

/* Makes the database with records [0, n_records) in the order of their keys: its leaves then lie
 * in that order too. */
void disk_load(const char *path, uint64_t n_records);

/* A field of fio's terse line, counted from 1. */
enum fio_field {
	FIO_READ_KIB_A_SECOND = 7,
	FIO_READS_A_SECOND = 8,
};

/* Lets fio read `path` past the page cache by io_uring, with these switches beside, of which NULL
 * is the last. 0: fio is not there, or it failed. */
double disk_fio(const char *path, const char *const *switches, enum fio_field field);

#endif
