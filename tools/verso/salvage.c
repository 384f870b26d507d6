/* SPDX-License-Identifier: MIT */
/* The steps of a salvage, and the file that nobody may write meanwhile. */
#include "tools/verso/salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#define PRESENT_OFF_BYTES (INT64_C(1) << 62) /* docs/file-format.md: held by whoever has it open */

bool salvage_wants(const struct salvage_table *t, const char *only)
{
	return !only || (t->name && strcmp(t->name, only) == 0);
}

/*
 * Nobody has it open, and nobody gets it alone from now on: a lock that needs no right to write.
 * Where the file system has no locks, there is nobody to be seen.
 */
static bool is_at_rest(const struct raw *r)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = PRESENT_OFF_BYTES, .l_len = 1};
	bool used = fcntl(r->fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;

	lock = (struct flock){
		.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = PRESENT_OFF_BYTES, .l_len = 1};
	if (!used && fcntl(r->fd, F_OFD_SETLK, &lock) < 0)
		used = errno == EAGAIN || errno == EACCES;
	if (used)
		say("%s is in use by another process, which may write to it while it is read: end "
		    "that, or salvage a copy of the file",
			r->path);
	return !used;
}

static bool has_changed(const struct raw *r, const struct stat *before)
{
	struct stat now;

	return fstat(r->fd, &now) < 0 || now.st_size != before->st_size ||
	       now.st_mtim.tv_sec != before->st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != before->st_mtim.tv_nsec;
}

static bool make_lists(struct salvage *s)
{
	size_t n;

	salvage_choose(s);
	if (s->failed || !places_init(&s->places, &s->r))
		return false;
	n = s->places.n_pages / 8 + 1;
	s->loss.n_pages = s->places.n_pages;
	s->loss.seen = calloc(n, 1);
	s->reached = calloc(n, 1);
	s->refused = calloc(n, 1);
	if (s->loss.seen && s->reached && s->refused)
		return true;
	say("out of memory");
	return false;
}

static uint32_t count_wanted(const struct salvage *s, const char *only)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n_tables; i++)
		n += salvage_wants(&s->tables[i], only);
	return n;
}

static void give_tables(struct salvage *s, const char *only)
{
	s->failed = !s->sink->begin(s->sink->arg, &s->r, count_wanted(s, only));
	progress_begin(&s->progress, "pages", 0);
	for (uint32_t i = 0; i < s->n_tables && !s->failed && signals_ended_by() == 0; i++) {
		if (!salvage_wants(&s->tables[i], only))
			continue;
		s->failed = !s->sink->table(s->sink->arg, s->tables[i].name);
		if (!s->failed)
			salvage_walk_table(s, &s->tables[i]);
	}
	progress_end(&s->progress);
}

static enum status run(struct salvage *s, const char *only)
{
	struct stat before;

	if (!is_at_rest(&s->r) || fstat(s->r.fd, &before) < 0 || !make_lists(s))
		return STATUS_ERROR;
	salvage_survey(s);
	if (!s->failed && signals_ended_by() == 0)
		salvage_find_tables(s);
	if (s->failed || signals_ended_by() != 0)
		return STATUS_ERROR;
	if (only && count_wanted(s, only) == 0) {
		say("%s: no table `%s` was found", s->r.path, only);
		return STATUS_NO;
	}
	give_tables(s, only);
	if (s->failed || signals_ended_by() != 0)
		return STATUS_ERROR;
	if (has_changed(&s->r, &before)) {
		say("%s was changed while it was read: end what writes to it, and try again",
			s->r.path);
		return STATUS_ERROR;
	}
	return salvage_account(s, only) ? STATUS_OK : STATUS_NO;
}

enum status salvage(const char *path, const char *only, const struct salvage_sink *sink)
{
	struct salvage s = {.sink = sink};
	enum status status;

	if (!raw_open_damaged(&s.r, path))
		return STATUS_ERROR;
	status = run(&s, only);
	for (uint32_t i = 0; i < s.n_tables; i++)
		free(s.tables[i].name);
	free(s.tables);
	free(s.nodes);
	free(s.value);
	free(s.loss.seen);
	free(s.reached);
	free(s.refused);
	places_fini(&s.places);
	raw_close(&s.r);
	return status;
}
