/* SPDX-License-Identifier: MIT */
/* The records: stanzas of a package index, read into memory. */
#include "tools/headtohead/headtohead.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_image(const char *path, char **ret_image, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *image = NULL;
	size_t len = 0;

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0)
		image = malloc((size_t)st.st_size + 1);
	while (image && len < (size_t)st.st_size) {
		ssize_t n = read(fd, image + len, (size_t)st.st_size - len);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (fd >= 0)
		(void)close(fd);
	if (!image || len == 0) {
		(void)fprintf(stderr, "headtohead: %s: cannot read it, or it is empty\n", path);
		free(image);
		return false;
	}
	image[len] = '\0';
	*ret_image = image;
	*ret_len = len;
	return true;
}

/* The value of the field `Package:` of a stanza; len 0: it has none. */
static struct verso_val package_of(const char *stanza, const char *end)
{
	static const char field[] = "Package: ";
	const size_t field_len = sizeof(field) - 1;

	for (const char *line = stanza; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *line_end = newline ? newline : end;

		if ((size_t)(line_end - line) > field_len && memcmp(line, field, field_len) == 0)
			return (struct verso_val){
				line + field_len, (size_t)(line_end - line) - field_len};
		line = line_end + 1;
	}
	return (struct verso_val){NULL, 0};
}

/* Adds each stanza's record, in the order of the file. */
static bool parse(struct dataset *set, const char *end)
{
	size_t cap = 0;

	for (const char *stanza = set->image; stanza < end;) {
		const char *gap = strstr(stanza, "\n\n");
		const char *stanza_end = gap ? gap + 1 : end;
		struct verso_val key = package_of(stanza, stanza_end);

		if (key.len > 0) {
			if (set->n_records == cap) {
				struct record *more;

				cap = cap ? 2 * cap : 1024;
				more = realloc(set->records, cap * sizeof(*more));
				if (!more)
					return false;
				set->records = more;
			}
			set->records[set->n_records++] =
				(struct record){key, {stanza, (size_t)(stanza_end - stanza)}};
		}
		stanza = stanza_end;
		while (*stanza == '\n')
			stanza++;
	}
	return true;
}

/* By key; of equal keys the one that stands first in the file comes first. */
static int compare(const void *a, const void *b)
{
	const struct record *x = a, *y = b;
	size_t len = x->key.len < y->key.len ? x->key.len : y->key.len;
	int d = memcmp(x->key.data, y->key.data, len);

	if (d != 0)
		return d;
	if (x->key.len != y->key.len)
		return x->key.len < y->key.len ? -1 : 1;
	return (x->key.data > y->key.data) - (x->key.data < y->key.data);
}

static bool same_key(const struct record *a, const struct record *b)
{
	return a->key.len == b->key.len && memcmp(a->key.data, b->key.data, a->key.len) == 0;
}

/* Sorts, and keeps the last of the records with one key. */
static void sort_and_unite(struct dataset *set)
{
	size_t n = 0;

	if (set->n_records == 0)
		return;
	qsort(set->records, set->n_records, sizeof(*set->records), compare);
	for (size_t i = 0; i < set->n_records; i++) {
		if (n > 0 && same_key(&set->records[n - 1], &set->records[i]))
			n--;
		set->records[n++] = set->records[i];
	}
	set->n_records = n;
	for (size_t i = 0; i < n; i++) {
		const struct record *r = &set->records[i];

		set->len_bytes += r->key.len + r->val.len;
		if (r->val.len > set->value_max_bytes)
			set->value_max_bytes = r->val.len;
	}
}

bool dataset_read(const char *path, struct dataset *ret_set)
{
	struct dataset set = {0};
	size_t len;

	if (!read_image(path, &set.image, &len))
		return false;
	if (!parse(&set, set.image + len)) {
		(void)fprintf(stderr, "headtohead: out of memory\n");
		return false;
	}
	set.n_stanzas = set.n_records;
	sort_and_unite(&set);
	if (set.n_records == 0) {
		(void)fprintf(stderr, "headtohead: %s: no stanza with a `Package:` line\n", path);
		return false;
	}
	*ret_set = set;
	return true;
}

static uint64_t next_random(uint64_t *state)
{
	/* splitmix64 (S. Vigna, public domain). */
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint32_t *dataset_order(size_t n, uint64_t seed)
{
	uint32_t *order = malloc(n * sizeof(*order));
	bool is_random = seed != 0;

	if (!order)
		return NULL;
	for (size_t i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	for (size_t i = n; is_random && i > 1; i--) {
		size_t j = next_random(&seed) % i;
		uint32_t t = order[i - 1];

		order[i - 1] = order[j];
		order[j] = t;
	}
	return order;
}
