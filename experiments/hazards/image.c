/* SPDX-License-Identifier: MIT */
#include "experiments/hazards/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR_BYTES 512U

/* --- reading --------------------------------------------------------------------------------- */

static bool read_file(const char *path, uint8_t *bytes, char text[TEXT_BYTES])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;

	for (off_t off = 0; fd >= 0 && n > 0; off += n)
		n = pread(fd, bytes + off, 1U << 20, off);
	if (fd >= 0 && n == 0) {
		(void)close(fd);
		return true;
	}
	(void)snprintf(text, TEXT_BYTES, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return false;
}

static void *more(void *p, size_t n, size_t item_bytes)
{
	if (n & (n - 1)) /* grows at powers of two */
		return p;
	p = realloc(p, 2 * (n + 1) * item_bytes);
	if (!p)
		abort();
	return p;
}

/* Whether a value of some earlier version lies in the page. */
static bool has_older(const struct image *m, uint32_t page)
{
	uint32_t record;

	for (uint32_t off = 0; off + RECORD_VALUE_BYTES <= PAGE_BYTES; off++)
		for (uint32_t version = 1; version < m->version; version++)
			if (record_is_at(image_page(m, page) + off, m->n_records, version, &record))
				return true;
	return false;
}

/* How often each value is found. Where a cell was moved within the commit, its bytes may be left
 * behind: of two nobody can say from outside which one is live. */
static uint32_t *count_values(const struct image *m)
{
	uint32_t *n_found = calloc(m->n_records, sizeof(*n_found)), record;

	if (!n_found)
		abort();
	for (uint32_t page = 0; page < m->n_pages; page++)
		for (uint32_t off = 0; off + RECORD_VALUE_BYTES <= PAGE_BYTES; off++)
			if (record_is_at(image_page(m, page) + off, m->n_records, m->version,
				    &record))
				n_found[record]++;
	return n_found;
}

static void find_values(struct image *m, uint32_t page, const uint32_t *n_found)
{
	uint32_t record, n_before = m->n_values;
	bool any = false;

	for (uint32_t off = 0; off + RECORD_VALUE_BYTES <= PAGE_BYTES; off++) {
		if (!record_is_at(image_page(m, page) + off, m->n_records, m->version, &record))
			continue;
		any = true;
		if (n_found[record] > 1)
			continue;
		m->values = more(m->values, m->n_values, sizeof(*m->values));
		m->values[m->n_values++] = (struct live_value){page, off, record};
		off += RECORD_VALUE_BYTES - 1;
	}
	if (m->n_values > n_before) {
		m->pages = more(m->pages, m->n_live, sizeof(*m->pages));
		m->pages[m->n_live++] = n_before;
	} else if (!any && has_older(m, page)) {
		m->free = more(m->free, m->n_free, sizeof(*m->free));
		m->free[m->n_free++] = page;
	}
}

bool image_read(struct image *m, const char *before, const char *after, uint32_t n_records,
	uint32_t version, char text[TEXT_BYTES])
{
	struct stat sb, sa;
	uint32_t *n_found;
	size_t bytes;

	*m = (struct image){.n_records = n_records, .version = version};
	if (stat(before, &sb) < 0 || stat(after, &sa) < 0) {
		(void)snprintf(text, TEXT_BYTES, "%s: %s", after, strerror(errno));
		return false;
	}
	m->n_pages = (uint32_t)(sa.st_size / PAGE_BYTES);
	/* The older file may be longer; a read takes up to a MiB. */
	bytes = (size_t)(sa.st_size > sb.st_size ? sa.st_size : sb.st_size) + (2U << 20);
	m->before = calloc(1, bytes);
	m->after = calloc(1, bytes);
	if (!m->before || !m->after)
		abort();
	if (!read_file(before, m->before, text) || !read_file(after, m->after, text))
		return false;
	n_found = count_values(m);
	for (uint32_t page = 0; page < m->n_pages; page++)
		find_values(m, page, n_found);
	free(n_found);
	m->pages = more(m->pages, m->n_live, sizeof(*m->pages));
	m->pages[m->n_live] = m->n_values;
	if (m->n_live >= 2)
		return true;
	(void)snprintf(text, TEXT_BYTES,
		"%s: values were found in %u pages, expected 2 or more: take more records", after,
		m->n_live);
	return false;
}

void image_fini(struct image *m)
{
	free(m->before);
	free(m->after);
	free(m->values);
	free(m->pages);
	free(m->free);
}

/* --- damages --------------------------------------------------------------------------------- */

static const uint8_t *page_before(const struct image *m, uint32_t page)
{
	return m->before + (size_t)page * PAGE_BYTES;
}

static uint32_t page_of(const struct image *m, uint32_t live)
{
	return m->values[m->pages[live]].page;
}

/* Begins a damage with a page as it should be. */
static uint8_t *add_page(const struct image *m, uint32_t live, struct damage *d)
{
	d->live[d->n] = live;
	d->page[d->n] = page_of(m, live);
	memcpy(d->bytes[d->n], image_page(m, d->page[d->n]), PAGE_BYTES);
	return d->bytes[d->n++];
}

static bool touches_value(const struct image *m, const struct damage *d)
{
	for (uint32_t v = m->pages[d->live[0]]; v < m->pages[d->live[0] + 1]; v++)
		if (memcmp(d->bytes[0] + m->values[v].off_bytes,
			    image_page(m, d->page[0]) + m->values[v].off_bytes,
			    RECORD_VALUE_BYTES) != 0)
			return true;
	return false;
}

void damage_flip(const struct image *m, uint32_t live, uint64_t *rng, struct damage *ret_damage)
{
	uint32_t first = m->pages[live], n = m->pages[live + 1] - first;
	const struct live_value *v = &m->values[first + record_draw(rng) % n];
	uint32_t bit = (uint32_t)(record_draw(rng) % (RECORD_VALUE_BYTES * 8));
	uint8_t *bytes;

	ret_damage->n = 0;
	bytes = add_page(m, live, ret_damage);
	bytes[v->off_bytes + bit / 8] ^= (uint8_t)(1U << bit % 8);
}

bool damage_torn(const struct image *m, uint32_t live, uint64_t *rng, struct damage *ret_damage)
{
	for (unsigned tries = 0; tries < 64; tries++) {
		uint32_t cut = SECTOR_BYTES * (uint32_t)(1 + record_draw(rng) % 7);
		bool tail = record_draw(rng) % 2;
		uint8_t *bytes;

		ret_damage->n = 0;
		bytes = add_page(m, live, ret_damage);
		if (tail)
			memcpy(bytes + cut, page_before(m, ret_damage->page[0]) + cut,
				PAGE_BYTES - cut);
		else
			memcpy(bytes, page_before(m, ret_damage->page[0]), cut);
		if (touches_value(m, ret_damage))
			return true;
	}
	return false;
}

void damage_lost(const struct image *m, uint32_t live, struct damage *ret_damage)
{
	ret_damage->n = 0;
	memcpy(add_page(m, live, ret_damage), page_before(m, page_of(m, live)), PAGE_BYTES);
}

void damage_misdirected(const struct image *m, uint32_t live, uint64_t *rng,
	struct damage *ret_damage)
{
	uint32_t other = (uint32_t)(record_draw(rng) % (m->n_live - 1));

	other += other >= live;
	damage_lost(m, live, ret_damage);
	memcpy(add_page(m, other, ret_damage), image_page(m, page_of(m, live)), PAGE_BYTES);
}
