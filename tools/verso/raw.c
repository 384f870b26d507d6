/* SPDX-License-Identifier: MIT */
/* The file: its meta pages, and a page by its number. */
#include "tools/verso/raw.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_SIZE_MIN    512u
#define PAGE_SIZE_MAX    65536u
#define FEATURE_NO_HEADS 0x80000000u

struct raw_ref raw_ref_get(const uint8_t *bytes)
{
	return (struct raw_ref){le32_get(bytes), le64_get(bytes + 4)};
}

struct raw_root raw_root_get(const uint8_t *bytes, unsigned count_off)
{
	return (struct raw_root){
		.ref = raw_ref_get(bytes),
		.level = bytes[12],
		.tree = le32_get(bytes + 16),
		.n_records = le64_get(bytes + count_off),
	};
}

const char *raw_gen(uint64_t gen)
{
	static char bufs[4][48];
	static unsigned turn;
	char *buf = bufs[turn++ % 4];

	(void)snprintf(buf, sizeof(bufs[0]), "%" PRIu64 " of incarnation %" PRIu64,
		gen & ((UINT64_C(1) << 40) - 1), gen >> 40);
	return buf;
}

/* As much as there is, up to len_bytes; the rest becomes zeros. False: the disk cannot read it. */
static bool read_at(const struct raw *r, uint64_t off_bytes, uint8_t *buf, size_t len_bytes,
	size_t *ret_len_bytes)
{
	size_t n = 0;
	ssize_t got = 1;

	while (n < len_bytes && got != 0) {
		got = pread(r->fd, buf + n, len_bytes - n, (off_t)(off_bytes + n));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		n += (size_t)got;
	}
	memset(buf + n, 0, len_bytes - n);
	*ret_len_bytes = n;
	return got >= 0;
}

static uint64_t checksum(const uint8_t *page, size_t len_bytes, uint64_t seed)
{
	uint64_t sum = hash_bytes(page + 8, len_bytes - 8, seed);

	return sum ? sum : 1;
}

static bool is_page_size(uint32_t n)
{
	return n >= PAGE_SIZE_MIN && n <= PAGE_SIZE_MAX && (n & (n - 1)) == 0;
}

/* What is wrong with a slot at off_bytes; NULL: it is valid, and m is filled in. */
static const char *meta_parse(struct raw_meta *m, uint64_t off_bytes)
{
	const uint8_t *b = m->bytes;
	uint32_t page_size = le32_get(b + AT_PAGE_SIZE);

	if (memcmp(b + AT_MAGIC, "VersoDB\n", 8) != 0)
		return "no meta page is there";
	m->is_foreign = (le32_get(b + AT_FORMAT) != 2 || le16_get(b + AT_PROTOCOL) != 1 ||
				(le32_get(b + AT_INCOMPAT) & ~FEATURE_NO_HEADS) != 0 ||
				le16_get(b + AT_MODE) > 1) &&
			le64_get(b) == checksum(b, RAW_SLOT_BYTES, hash_bytes(b + AT_UUID, 16, 0));
	if (m->is_foreign || le32_get(b + AT_FORMAT) != 2)
		return "it is of another version of the format, or has features of a later one";
	if (!is_page_size(page_size))
		return "its page size is impossible";
	if (off_bytes != 0 &&
		off_bytes != (page_size > RAW_SLOT_BYTES ? page_size : RAW_SLOT_BYTES))
		return "it lies where the other pages are";
	if (le64_get(b) != checksum(b, RAW_SLOT_BYTES, hash_bytes(b + AT_UUID, 16, 0)))
		return "its checksum does not fit its bytes";
	m->page_size = page_size;
	m->gen = le64_get(b + AT_GEN);
	m->durable_gen = le64_get(b + AT_DURABLE);
	m->mark = le64_get(b + AT_MARK);
	m->mode = le16_get(b + AT_MODE);
	m->n_pages = le32_get(b + AT_N_PAGES);
	m->group_pages = le32_get(b + AT_GROUP_PAGES);
	m->n_groups = le32_get(b + AT_N_GROUPS);
	m->groups_max = le16_get(b + AT_GROUPS_MAX);
	m->n_pending = le32_get(b + AT_N_PENDING);
	m->list_page = raw_ref_get(b + AT_LIST_PAGE);
	m->n_list_pages = le32_get(b + AT_N_LIST_PAGES);
	for (unsigned i = 0; i < 2; i++)
		m->roots[i] = raw_root_get(b + AT_ROOTS + i * 40, RAW_COUNT_IN_META);
	if (m->group_pages < 64 || m->group_pages > 32768 || m->group_pages % 64 != 0 ||
		m->group_pages > (m->page_size - 40) * 8 || m->groups_max > 64 ||
		m->n_pending > 112)
		return "its account of the free space is impossible";
	return NULL;
}

static void meta_read(const struct raw *r, unsigned slot, uint64_t off_bytes)
{
	struct raw_meta *m = &r->meta[slot];
	size_t n;

	m->wrong = read_at(r, off_bytes, m->bytes, sizeof(m->bytes), &n)
			   ? meta_parse(m, off_bytes)
			   : "the disk cannot read it";
}

/* The second slot stands behind a page, whose size the first one says if it can. */
static void metas_read(const struct raw *r)
{
	uint64_t off_bytes = RAW_SLOT_BYTES;

	meta_read(r, 0, 0);
	if (!r->meta[0].wrong && r->meta[0].page_size > off_bytes)
		off_bytes = r->meta[0].page_size;
	meta_read(r, 1, off_bytes);
	while (r->meta[0].wrong && r->meta[1].wrong && off_bytes < PAGE_SIZE_MAX) {
		off_bytes *= 2;
		meta_read(r, 1, off_bytes);
	}
}

static bool is_newer(const struct raw_meta *a, const struct raw_meta *b)
{
	return a->gen > b->gen || (a->gen == b->gen && a->durable_gen > b->durable_gen);
}

/* False: neither meta is valid. */
static bool choose(struct raw *r)
{
	const struct raw_meta *m = r->meta;

	if (m[0].wrong && m[1].wrong)
		return false;
	r->newest = m[0].wrong || (!m[1].wrong && is_newer(&m[1], &m[0])) ? 1 : 0;
	r->page_size = m[r->newest].page_size;
	r->slot_pages = r->page_size < RAW_SLOT_BYTES ? RAW_SLOT_BYTES / r->page_size : 1;
	r->seed = hash_bytes(m[r->newest].bytes + AT_UUID, 16, 0);
	r->has_seed = r->has_meta = true;
	r->head_bytes = le32_get(m[r->newest].bytes + AT_INCOMPAT) & FEATURE_NO_HEADS ? 0 : 4;
	return true;
}

static bool open_file(struct raw *r, const char *path)
{
	struct stat st;

	*r = (struct raw){.path = path};
	r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (r->fd < 0 || fstat(r->fd, &st) < 0) {
		say("%s: %s", path, strerror(errno));
		return false;
	}
	if (!S_ISREG(st.st_mode)) {
		say("%s: not a file, as a database is", path);
		return false;
	}
	r->file_bytes = (uint64_t)st.st_size;
	r->meta = calloc(2, sizeof(*r->meta));
	if (!r->meta) {
		say("out of memory");
		return false;
	}
	metas_read(r);
	return true;
}

/* Says that neither meta is valid, and what `more` knows of that. */
static void say_no_meta(const struct raw *r, const char *more)
{
	say("%s: neither of its two meta pages is valid: at 0, %s; behind it, %s. It is no "
	    "database of this version of Verso, or badly damaged%s",
		r->path, r->meta[0].wrong, r->meta[1].wrong, more);
}

bool raw_open(struct raw *r, const char *path)
{
	bool good = open_file(r, path);

	if (good && !choose(r)) {
		say_no_meta(r, "");
		good = false;
	}
	if (!good)
		raw_close(r);
	return good;
}

bool raw_open_damaged(struct raw *r, const char *path)
{
	bool good = open_file(r, path);

	if (good && (r->meta[0].is_foreign || r->meta[1].is_foreign)) {
		say("%s: it is of another version of Verso, which has to read it: `verso check` "
		    "has the details",
			path);
		good = false;
	}
	if (good && !choose(r) && !raw_find(r)) {
		say_no_meta(r, ": no other page of one was found in it");
		good = false;
	}
	if (!good)
		raw_close(r);
	return good;
}

void raw_close(struct raw *r)
{
	if (r->fd >= 0)
		(void)close(r->fd);
	free(r->meta);
	r->meta = NULL;
	r->fd = -1;
}

const struct raw_meta *raw_newest(const struct raw *r)
{
	return &r->meta[r->newest];
}

uint8_t *raw_buffer(const struct raw *r)
{
	uint8_t *buf = malloc(r->page_size);

	if (!buf)
		say("out of memory");
	return buf;
}

const char *raw_read(const struct raw *r, uint32_t pgno, uint8_t *buf)
{
	size_t n;

	if (!read_at(r, (uint64_t)pgno * r->page_size, buf, r->page_size, &n))
		return "the disk cannot read it";
	if (n < r->page_size)
		return n == 0 ? "the file ends before it" : "the file ends in its middle";
	if (bytes_are_zero(buf, r->page_size))
		return "it holds zeros: nothing was written there";
	if (r->has_seed && le64_get(buf) != checksum(buf, r->page_size, r->seed))
		return "the checksum does not fit the bytes: the page is torn, rotten, of another "
		       "file, or was never a page";
	if (le32_get(buf + AT_PGNO) != pgno)
		return "it says that it is another page: a write went astray";
	if (buf[AT_TYPE] == 0 || buf[AT_TYPE] >= RAW_TYPE_END)
		return "its type is unknown";
	return NULL;
}

const char *raw_read_ref(const struct raw *r, struct raw_ref ref, uint8_t *buf)
{
	const char *wrong = raw_read(r, ref.pgno, buf);

	if (!wrong && le64_get(buf + AT_GEN) != ref.gen)
		wrong = "it is of another generation than the reference to it says: a write was "
			"lost, or the page was used again";
	return wrong;
}
