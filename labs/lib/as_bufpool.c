/* SPDX-License-Identifier: MIT */
/*
 * The student's cache under the name of the engine's pool. These three functions are all that the
 * rest of Verso knows of bufpool/pool.c. Their object stands before the engine's libraries, so the
 * linker takes nothing from the file that it displaces: library, tool and tests open this one.
 */
#include "base/error.h"
#include "bufpool/bufpool.h"
#include "labs/lib/cache.h"

#include <errno.h>
#include <inttypes.h>

/* How the cache's bytes are divided. */
struct shares {
	size_t cache_bytes;
	uint32_t writer_pages, reader_pages;
	uint64_t n_frames; /* of the cache; less than reader_pages: it is too small */
};

static struct shares divide(uint32_t page_size, const struct bufpool_options *opts)
{
	struct shares s = {
		.cache_bytes = opts && opts->cache_bytes > 0 ? opts->cache_bytes
							     : BUFPOOL_CACHE_BYTES_DEFAULT,
		.writer_pages = opts ? opts->writer_pages : 0,
		.reader_pages = opts && opts->reader_pages > 0 ? opts->reader_pages
							       : BUFPOOL_READER_PAGES_DEFAULT,
	};
	uint64_t all = s.cache_bytes / page_size;

	if (s.writer_pages == 0)
		s.writer_pages = (uint32_t)(all / 4 > 0 ? all / 4 : 1);
	s.n_frames = all > s.writer_pages ? all - s.writer_pages : 0;
	if (s.n_frames > UINT32_MAX / 2)
		s.n_frames = UINT32_MAX / 2;
	return s;
}

size_t bufpool_cache_bytes_min(uint32_t page_size, const struct bufpool_options *opts)
{
	struct shares s = divide(page_size, opts);

	return ((size_t)(opts && opts->writer_pages > 0 ? opts->writer_pages : 1) +
		       s.reader_pages) *
	       page_size;
}

int bufpool_check_cache(uint32_t page_size, const struct bufpool_options *opts)
{
	struct shares s = divide(page_size, opts);

	if (s.n_frames >= s.reader_pages)
		return 0;
	return error_set(-EINVAL,
		"a cache of %zu bytes is too small for %" PRIu32 " pages of the writer and %" PRIu32
		" of readers: it needs %zu",
		s.cache_bytes, s.writer_pages, s.reader_pages,
		bufpool_cache_bytes_min(page_size, opts));
}

int bufpool_open(struct io *io, struct file *file, uint32_t page_size, uint64_t seed,
	const struct bufpool_options *opts, struct pager **ret_pager)
{
	struct shares s = divide(page_size, opts);
	struct cache_options options = {
		.name = "bufpool",
		.io = io,
		.file = file,
		.page_size = page_size,
		.seed = seed,
		.checksum = opts ? opts->checksum : PAGER_CHECKSUM_ONCE,
		.n_frames = (uint32_t)s.n_frames,
		.policy = opts ? opts->policy : BUFPOOL_CLOCK,
	};
	struct lab_pager_options pager_options = {
		.io = io, .writer_pages = s.writer_pages, .pin_pages = s.reader_pages};
	struct cache *c;
	int rc = bufpool_check_cache(page_size, opts);

	if (rc < 0)
		return rc;
	if (!bufpool_fits_file(file, page_size))
		return error_set(-EINVAL,
			"pages of %" PRIu32 " bytes cannot be transferred directly in blocks of "
			"%" PRIu32 ": open the file through the page cache",
			page_size, file->align_bytes);
	rc = cache_open(&options, &c);
	if (rc < 0)
		return rc;
	rc = lab_pager_open(c, &pager_options, ret_pager);
	if (rc < 0)
		c->ops->close(c);
	return rc;
}
