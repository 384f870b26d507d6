/* SPDX-License-Identifier: MIT */
/* From the public options to those of the floors below. Pure, but for the error text. */
#ifndef DB_OPTIONS_H
#define DB_OPTIONS_H

#include "db/db_int.h"

/* Judges what was given (NULL: nothing) and fills in the defaults. VERSO_EMISUSE. */
int options_fill(const struct verso_options *given, struct verso_options *ret_options);

/* Of a database that is made. */
uint32_t options_page_size(const struct verso_options *o);

/* The options of txn. tuning: NULL, or a test's thresholds. */
void options_txn(const struct verso_options *o, const struct txn_options *tuning,
	const struct file *file, uint32_t page_size, struct txn_options *ret_txn);

#endif
