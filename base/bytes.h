/* SPDX-License-Identifier: MIT */
/*
 * Little-endian integers in byte arrays: the only way in which Verso reads or writes a number of a
 * file. No alignment is needed; on a little-endian host each call is one instruction.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BYTES_SWAP16(x) (x)
#define BYTES_SWAP32(x) (x)
#define BYTES_SWAP64(x) (x)
#else
#define BYTES_SWAP16(x) __builtin_bswap16(x)
#define BYTES_SWAP32(x) __builtin_bswap32(x)
#define BYTES_SWAP64(x) __builtin_bswap64(x)
#endif

static inline bool bytes_are_zero(const void *p, size_t len_bytes)
{
	const uint8_t *bytes = p;

	return len_bytes == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len_bytes - 1) == 0);
}

static inline uint16_t le16_get(const void *p)
{
	uint16_t x;

	memcpy(&x, p, sizeof(x));
	return BYTES_SWAP16(x);
}

static inline uint32_t le32_get(const void *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof(x));
	return BYTES_SWAP32(x);
}

static inline uint64_t le64_get(const void *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return BYTES_SWAP64(x);
}

static inline void le16_set(void *p, uint16_t x)
{
	x = BYTES_SWAP16(x);
	memcpy(p, &x, sizeof(x));
}

static inline void le32_set(void *p, uint32_t x)
{
	x = BYTES_SWAP32(x);
	memcpy(p, &x, sizeof(x));
}

static inline void le64_set(void *p, uint64_t x)
{
	x = BYTES_SWAP64(x);
	memcpy(p, &x, sizeof(x));
}

#endif
