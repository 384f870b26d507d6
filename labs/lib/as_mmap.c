/* SPDX-License-Identifier: MIT */
/*
 * The student's map under the name of the engine's mmap pager: all that the rest of Verso knows of
 * mmap/mmap.c. As as_bufpool.c, this object stands before the engine's libraries.
 *
 * The writer's pages are always made in frames of their own (lab_pager.c), whatever way of writing
 * was asked for, and the advice is the student's.
 */
#include "base/error.h"
#include "io/fault.h"
#include "labs/lib/cache.h"
#include "mmap/mmap.h"

int mmap_open(struct io *io, struct file *file, uint32_t page_size, uint64_t seed,
	const struct mmap_options *opts, struct pager **ret_pager)
{
	uint32_t writer_pages = opts->writer_pages > 0 ? opts->writer_pages : 1;
	struct cache_options options = {
		.name = "mmap",
		.io = io,
		.file = file,
		.page_size = page_size,
		.seed = seed,
		.checksum = opts->checksum,
	};
	struct lab_pager_options pager_options = {
		.io = io, .writer_pages = writer_pages, .pin_pages = writer_pages};
	struct cache *c;
	int rc;

	if (file->direct)
		return error_set(VERSO_EMISUSE,
			"a file that is mapped may not be written past the page cache (O_DIRECT)");
	rc = fault_install();
	if (rc == 0)
		rc = cache_open(&options, &c);
	if (rc < 0)
		return rc;
	rc = lab_pager_open(c, &pager_options, ret_pager);
	if (rc < 0) {
		c->ops->close(c);
		return rc;
	}
	(*ret_pager)->ahead_pages = opts->ahead_pages;
	return 0;
}
