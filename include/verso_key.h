/* SPDX-License-Identifier: MIT */
/*
 * Keys that sort as what they mean. Verso orders keys by memcmp(), and nothing else; these
 * functions turn integers, doubles and strings, and several of them one after the other, into bytes
 * that memcmp() orders as they should be, and back. Header only: nothing of it is in the library.
 *
 * A key is made in memory of yours, part by part, and read in the same order:
 *
 *	uint8_t buf[64];
 *	struct verso_key k = verso_key_begin(buf, sizeof(buf));
 *
 *	verso_key_add_text(&k, "smith");
 *	verso_key_add_i64(&k, -5);
 *	rc = verso_put(txn, table, verso_key_val(&k), val, 0);
 *
 *	struct verso_key_reader r = verso_key_read(key);
 *
 *	verso_key_get_text(&r, name, sizeof(name));
 *	verso_key_get_i64(&r, &n);
 *	if (!verso_key_is_read(&r))
 *		... it is not such a key ...
 *
 * Keys that have their first parts in common lie together, so these parts are the prefix of a range
 * (VERSO_PREFIX). A secondary index is a table of such keys: the value that is looked for, then the
 * record's own key, which makes each different (so a multimap is one, too); its values are empty.
 *
 * Only keys that are made of the same kinds of parts, in the same order, compare as they should.
 * Errors need no check at each part: a key that does not fit its memory becomes one that every call
 * refuses with VERSO_EMISUSE, and a reader that has found something else says so at the end, and
 * gives zeros meanwhile. No function here may fail otherwise; all are for any thread.
 */
#ifndef VERSO_KEY_H
#define VERSO_KEY_H

#include <stdint.h>
#include <string.h>

#include "verso.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A key that is being made. */
struct verso_key {
	uint8_t *buf;
	size_t cap; /* bytes of buf */
	size_t len; /* bytes so far; above cap: it did not fit */
};

/* buf: yours, of cap bytes; must stay as long as the key is used. */
static inline struct verso_key verso_key_begin(void *buf, size_t cap)
{
	struct verso_key k;

	k.buf = (uint8_t *)buf;
	k.cap = cap;
	k.len = 0;
	return k;
}

/* The key so far. If it did not fit: {NULL, its length}, which calls refuse with VERSO_EMISUSE. */
static inline struct verso_val verso_key_val(const struct verso_key *k)
{
	struct verso_val val;

	val.data = k->len <= k->cap ? k->buf : NULL;
	val.len = k->len;
	return val;
}

/*
 * The last part of a key, as it is. Bytes that are not the last part sort wrongly: take
 * verso_key_add_bytes().
 */
static inline void verso_key_add_raw(struct verso_key *k, const void *data, size_t len)
{
	if (len > 0 && k->len <= k->cap && len <= k->cap - k->len)
		memcpy(k->buf + k->len, data, len);
	k->len = len <= SIZE_MAX - k->len ? k->len + len : SIZE_MAX;
}

/* 1, 2, 4 or 8 bytes: unsigned integers, big-endian. */
static inline void verso_key_add_be(struct verso_key *k, uint64_t x, unsigned len)
{
	uint8_t bytes[8];
	unsigned i;

	for (i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(x >> (56 - 8 * i));
	verso_key_add_raw(k, bytes + 8 - len, len);
}

static inline void verso_key_add_u8(struct verso_key *k, uint8_t x)
{
	verso_key_add_be(k, x, 1);
}

static inline void verso_key_add_u16(struct verso_key *k, uint16_t x)
{
	verso_key_add_be(k, x, 2);
}

static inline void verso_key_add_u32(struct verso_key *k, uint32_t x)
{
	verso_key_add_be(k, x, 4);
}

static inline void verso_key_add_u64(struct verso_key *k, uint64_t x)
{
	verso_key_add_be(k, x, 8);
}

/* Signed integers: with the sign's bit turned round, so that those below 0 come first. */
static inline void verso_key_add_i32(struct verso_key *k, int32_t x)
{
	verso_key_add_be(k, (uint32_t)x ^ (UINT32_C(1) << 31), 4);
}

static inline void verso_key_add_i64(struct verso_key *k, int64_t x)
{
	verso_key_add_be(k, (uint64_t)x ^ (UINT64_C(1) << 63), 8);
}

/*
 * A double: -infinity, numbers, infinity, then what is no number (NaN), all of which is one key. -0
 * becomes 0, so that equal numbers have equal keys.
 */
static inline void verso_key_add_double(struct verso_key *k, double x)
{
	uint64_t bits;

	if (x == 0)
		x = 0;
	memcpy(&bits, &x, sizeof(bits));
	if (x != x)
		bits = UINT64_C(0x7ff8) << 48;
	verso_key_add_be(k, bits >> 63 ? ~bits : bits ^ (UINT64_C(1) << 63), 8);
}

/*
 * Any bytes, as a part of a key that may go on behind them: a byte 0 becomes 0 255, and 0 0 is the
 * end. So the shorter of two that begin alike comes first, whatever follows.
 */
static inline void verso_key_add_bytes(struct verso_key *k, const void *data, size_t len)
{
	static const uint8_t end[2] = {0, 0}, zero[2] = {0, 255};
	const uint8_t *p = (const uint8_t *)data;
	size_t from = 0, i;

	for (i = 0; i < len; i++) {
		if (p[i] != 0)
			continue;
		verso_key_add_raw(k, p + from, i - from);
		verso_key_add_raw(k, zero, 2);
		from = i + 1;
	}
	if (from < len)
		verso_key_add_raw(k, p + from, len - from);
	verso_key_add_raw(k, end, 2);
}

/* A string: the same of its bytes. Its order is that of the bytes (of UTF-8: of code points). */
static inline void verso_key_add_text(struct verso_key *k, const char *text)
{
	verso_key_add_bytes(k, text, strlen(text));
}

/* A key that is being read. */
struct verso_key_reader {
	const uint8_t *data;
	size_t left; /* bytes that are not read yet */
	int failed;  /* 1: it was not what was asked for */
};

/* key: must stay as long as it is read. */
static inline struct verso_key_reader verso_key_read(struct verso_val key)
{
	struct verso_key_reader r;

	r.data = (const uint8_t *)key.data;
	r.left = key.len;
	r.failed = 0;
	return r;
}

/* 1: all parts were there, and nothing is left. */
static inline int verso_key_is_read(const struct verso_key_reader *r)
{
	return !r->failed && r->left == 0;
}

static inline uint64_t verso_key_get_be(struct verso_key_reader *r, unsigned len)
{
	uint64_t x = 0;
	unsigned i;

	if (r->failed || r->left < len) {
		r->failed = 1;
		return 0;
	}
	for (i = 0; i < len; i++)
		x = x << 8 | r->data[i];
	r->data += len;
	r->left -= len;
	return x;
}

static inline void verso_key_get_u8(struct verso_key_reader *r, uint8_t *ret_x)
{
	*ret_x = (uint8_t)verso_key_get_be(r, 1);
}

static inline void verso_key_get_u16(struct verso_key_reader *r, uint16_t *ret_x)
{
	*ret_x = (uint16_t)verso_key_get_be(r, 2);
}

static inline void verso_key_get_u32(struct verso_key_reader *r, uint32_t *ret_x)
{
	*ret_x = (uint32_t)verso_key_get_be(r, 4);
}

static inline void verso_key_get_u64(struct verso_key_reader *r, uint64_t *ret_x)
{
	*ret_x = verso_key_get_be(r, 8);
}

static inline void verso_key_get_i32(struct verso_key_reader *r, int32_t *ret_x)
{
	uint32_t bits = (uint32_t)verso_key_get_be(r, 4) ^ (UINT32_C(1) << 31);

	if (r->failed)
		bits = 0;
	memcpy(ret_x, &bits, sizeof(bits));
}

static inline void verso_key_get_i64(struct verso_key_reader *r, int64_t *ret_x)
{
	uint64_t bits = verso_key_get_be(r, 8) ^ (UINT64_C(1) << 63);

	if (r->failed)
		bits = 0;
	memcpy(ret_x, &bits, sizeof(bits));
}

static inline void verso_key_get_double(struct verso_key_reader *r, double *ret_x)
{
	uint64_t bits = verso_key_get_be(r, 8);

	bits = bits >> 63 ? bits ^ (UINT64_C(1) << 63) : ~bits;
	if (r->failed)
		bits = 0;
	memcpy(ret_x, &bits, sizeof(bits));
}

/*
 * What verso_key_add_bytes() took. buf: yours; *ret_len: how many bytes there are. More than cap:
 * the reader has failed, and buf has the first cap of them.
 */
static inline void verso_key_get_bytes(struct verso_key_reader *r, void *buf, size_t cap,
	size_t *ret_len)
{
	uint8_t *out = (uint8_t *)buf;
	size_t i = 0, len = 0;

	*ret_len = 0;
	while (!r->failed) {
		if (i >= r->left || (r->data[i] == 0 && i + 1 >= r->left) ||
			(r->data[i] == 0 && r->data[i + 1] != 0 && r->data[i + 1] != 255)) {
			r->failed = 1;
			return;
		}
		if (r->data[i] == 0 && r->data[i + 1] == 0)
			break;
		if (len < cap)
			out[len] = r->data[i];
		len++;
		i += r->data[i] == 0 ? 2 : 1;
	}
	if (r->failed)
		return;
	r->data += i + 2;
	r->left -= i + 2;
	r->failed = len > cap;
	*ret_len = len;
}

/*
 * What verso_key_add_text() took, with a 0 behind it: buf has room for cap bytes with that, at
 * least one. The reader has failed, and the text is empty, if it does not fit.
 */
static inline void verso_key_get_text(struct verso_key_reader *r, char *buf, size_t cap)
{
	size_t len;

	verso_key_get_bytes(r, buf, cap - 1, &len);
	buf[r->failed ? 0 : len] = '\0';
}

/* What verso_key_add_raw() took: all that is left. It points into the key. */
static inline struct verso_val verso_key_get_raw(struct verso_key_reader *r)
{
	struct verso_val val;

	val.data = r->data;
	val.len = r->failed ? 0 : r->left;
	r->left = 0;
	return val;
}

#ifdef __cplusplus
}
#endif

#endif
