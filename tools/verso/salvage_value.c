/* SPDX-License-Identifier: MIT */
/* The pages of a long value. */
#include "tools/verso/salvage.h"

#include <stdlib.h>

#define AT_PIECE 48u

struct value {
	struct salvage *s;
	uint64_t n_bytes, end_bytes; /* that are there, and that are in pages */
	uint32_t tree;
	uint64_t lsn; /* of the page with the reference that is followed: it means no newer one */
};

static bool found(struct value *v, struct raw_ref ref, const char *wrong)
{
	if (wrong && !v->s->is_doubted)
		loss_add(&v->s->loss, ref.pgno, wrong);
	return !wrong;
}

static bool read_pages(struct value *v, struct raw_ref ref, unsigned level, uint8_t *buf);

static bool read_under(struct value *v, const uint8_t *page, unsigned level)
{
	unsigned n = raw_overflow_count(&v->s->r, page);
	uint8_t *buf = raw_buffer(&v->s->r);
	bool good = buf;

	v->s->failed = v->s->failed || !buf;
	for (unsigned i = 0; good && i < n; i++) {
		v->lsn = le64_get(page + AT_LSN);
		good = read_pages(v, raw_overflow_ref(page, i), level - 1, buf);
	}
	free(buf);
	return good;
}

static bool read_pages(struct value *v, struct raw_ref ref, unsigned level, uint8_t *buf)
{
	const struct raw *r = &v->s->r;
	const char *wrong = raw_read_ref(r, ref, buf);
	uint64_t rest = v->end_bytes - v->n_bytes, n = r->page_size - AT_PIECE;

	if (!wrong && (buf[AT_TYPE] != RAW_OVERFLOW || buf[AT_LEVEL] != level ||
			      le32_get(buf + AT_TREE) != v->tree || ref.gen > v->lsn))
		wrong = "it is not the page of a long value that is expected there";
	if (!wrong && level == 0) {
		n = rest < n ? rest : n;
		if (n == 0 || raw_overflow_count(r, buf) != n)
			wrong = "it holds more or less of a long value than belongs there";
	}
	if (!wrong && salvage_bit(v->s->reached, ref.pgno))
		wrong = "two references mean it";
	if (!found(v, ref, wrong))
		return false;
	salvage_bit_set(v->s->reached, ref.pgno);
	if (level > 0)
		return read_under(v, buf, level);
	memcpy(v->s->value + v->n_bytes, buf + AT_PIECE, n);
	v->n_bytes += n;
	return true;
}

static bool reserve(struct salvage *s, uint64_t len_bytes)
{
	uint8_t *grown;

	if (len_bytes <= s->value_cap_bytes)
		return true;
	grown = realloc(s->value, len_bytes);
	if (!grown) {
		say("out of memory for a value of %llu bytes", (unsigned long long)len_bytes);
		s->failed = true;
		return false;
	}
	s->value = grown;
	s->value_cap_bytes = len_bytes;
	return true;
}

bool salvage_value(struct salvage *s, const struct raw_value *v, uint64_t lsn,
	struct verso_val *ret_val)
{
	struct value value = {
		.s = s, .end_bytes = v->long_bytes - v->len_bytes, .tree = s->tree, .lsn = lsn};
	uint8_t *buf;
	bool good = v->long_bytes >= v->len_bytes && reserve(s, v->long_bytes);

	buf = good ? raw_buffer(&s->r) : NULL;
	s->failed = s->failed || (good && !buf);
	good = buf;
	for (unsigned i = 0; good && i < v->n_refs; i++) {
		value.lsn = lsn;
		good = read_pages(&value, raw_ref_get(v->refs + (size_t)i * 12), v->level, buf);
	}
	free(buf);
	if (!good || value.n_bytes != value.end_bytes)
		return false;
	memcpy(s->value + value.n_bytes, v->data, v->len_bytes);
	*ret_val = (struct verso_val){s->value, v->long_bytes};
	return true;
}
