/* SPDX-License-Identifier: MIT */
#include "tests/crash/store.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"

#include <errno.h>
#include <string.h>

#define FILE_NAME "store"
#define LOG_NAME  "store-log"
#define NEW_NAME  "store.new"

const char *store_step_name(enum store_step step)
{
	static const char *const names[STORE_STEPS] = {"edit", "log write", "log flush",
		"page write", "page flush", "meta write", "meta flush", "acknowledged"};

	return names[step];
}

void store_step(struct store *s, enum store_step next)
{
	if (s->on_step)
		s->on_step(s->on_step_arg, next);
}

/* --- files ----------------------------------------------------------------------------------- */

/* A file of so many zeros, durable but for its name. */
static int make_file(struct io *io, const char *name, size_t len_bytes)
{
	static const uint8_t zeros[STORE_PLACES * STORE_PAGE_BYTES];
	struct file *f;
	int rc = io_open(io, name, FILE_CREATE, 0600, &f);

	if (rc)
		return rc;
	rc = file_write(f, zeros, len_bytes, 0);
	if (rc == 0)
		rc = file_sync(f);
	file_close(f);
	return rc;
}

int store_create(struct io *io)
{
	int rc = make_file(io, LOG_NAME, STORE_LOG_BYTES);

	if (rc == 0)
		rc = make_file(io, NEW_NAME, STORE_PLACES * STORE_PAGE_BYTES);
	/* Whoever finds the store finds an empty log too. */
	if (rc == 0)
		rc = io_sync_dir(io, LOG_NAME);
	if (rc == 0)
		rc = io_rename(io, NEW_NAME, FILE_NAME);
	if (rc == 0)
		rc = io_sync_dir(io, FILE_NAME);
	return rc;
}

/* All of its bytes: where a process is played that ended, its memory ended too (Lab 6). */
static void forget_error_text(void)
{
	(void)error_set(-EIO, "%*s", ERROR_TEXT_BYTES - 1, "");
	error_clear();
}

int store_open(struct store *s, struct io *io, const struct protocol *p, enum store_memory kind)
{
	int rc;

	forget_error_text();
	memset(s, 0, sizeof(*s));
	s->protocol = p;
	s->kind = kind;
	rc = io_open(io, FILE_NAME, 0, 0600, &s->file);
	if (rc == -ENOENT)
		return 1;
	if (rc == 0)
		rc = io_open(io, LOG_NAME, 0, 0600, &s->log);
	return rc == 0 ? p->recover(s) : rc;
}

void store_close(struct store *s)
{
	file_close(s->log);
	file_close(s->file);
}

/* --- numbers --------------------------------------------------------------------------------- */

/* Half of the numbers of a page lie in each of its sectors. */
static uint8_t *number(const struct store *s, unsigned i)
{
	unsigned page = i / STORE_PAGE_NUMBERS, k = i % STORE_PAGE_NUMBERS;

	DCHECK(i < STORE_NUMBERS);
	return (uint8_t *)(uintptr_t)&s
		->memory[s->where[page]][k * STORE_PAGE_BYTES / STORE_PAGE_NUMBERS];
}

uint64_t store_get(const struct store *s, unsigned i)
{
	return le64_get(number(s, i));
}

int store_set(struct store *s, unsigned i, uint64_t value)
{
	unsigned page = i / STORE_PAGE_NUMBERS;
	int place;

	store_step(s, STEP_EDIT);
	place = s->protocol->touch(s, page);
	if (place < 0)
		return place;
	s->where[page] = (unsigned)place;
	s->touched[page] = true;
	le64_set(number(s, i), value);
	return store_changed(s, (unsigned)place);
}

int store_commit(struct store *s)
{
	int rc = s->protocol->commit(s);

	if (rc)
		return rc;
	store_step(s, STEP_ACKNOWLEDGED);
	memset(s->touched, 0, sizeof(s->touched));
	memcpy(s->committed, s->where, sizeof(s->where));
	return 0;
}

/* --- what a protocol is made of -------------------------------------------------------------- */

static int write_place(struct store *s, unsigned place)
{
	return file_write(s->file, s->memory[place], STORE_PAGE_BYTES,
		(uint64_t)place * STORE_PAGE_BYTES);
}

int store_changed(struct store *s, unsigned place)
{
	return s->kind == STORE_MAP ? write_place(s, place) : 0;
}

int store_write(struct store *s, unsigned place)
{
	return s->kind == STORE_MAP ? 0 : write_place(s, place);
}

int store_sync(struct store *s)
{
	return file_sync(s->file);
}

int store_read(struct store *s, unsigned place)
{
	return file_read(s->file, s->memory[place], STORE_PAGE_BYTES,
		(uint64_t)place * STORE_PAGE_BYTES, FILE_LIVE);
}

int store_copy(struct store *s, unsigned to, unsigned from)
{
	memcpy(s->memory[to], s->memory[from], STORE_PAGE_BYTES);
	return store_changed(s, to);
}

int store_read_in_place(struct store *s)
{
	int rc = 0;

	for (unsigned page = 0; rc == 0 && page < STORE_PAGES; page++) {
		s->where[page] = s->committed[page] = page;
		rc = store_read(s, page);
	}
	return rc;
}

int store_write_touched(struct store *s)
{
	int rc = 0;

	store_step(s, STEP_PAGE_WRITE);
	for (unsigned page = 0; rc == 0 && page < STORE_PAGES; page++)
		if (s->touched[page])
			rc = store_write(s, s->where[page]);
	store_step(s, STEP_PAGE_FLUSH);
	return rc ? rc : store_sync(s);
}

int store_log_write(struct store *s, const uint8_t *bytes)
{
	return file_write(s->log, bytes, STORE_LOG_BYTES, 0);
}

int store_log_sync(struct store *s)
{
	return file_sync(s->log);
}

int store_log_read(struct store *s, uint8_t *bytes)
{
	return file_read(s->log, bytes, STORE_LOG_BYTES, 0, FILE_LIVE);
}
