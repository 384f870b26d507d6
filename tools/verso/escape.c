/* SPDX-License-Identifier: MIT */
/*
 * The escapes of dumps: TAB separates key and value and newline ends a record, so neither may stand
 * inside one. Those two, the backslash and other control bytes are escaped;
 * bytes above ASCII (UTF-8 text) are left alone, so that dumps can be read. On a screen that holds
 * only for what is such text.
 */
#include "tools/verso/tool.h"

#include <string.h>

/* Bytes at p that stand for themselves together; 0: none. */
static size_t plain_len(const unsigned char *p, const unsigned char *end, bool for_screen)
{
	if (*p == '\\')
		return 0;
	if (for_screen)
		return text_char_len(p, end);
	return *p >= 0x20 && *p != 0x7f;
}

void escape_write(FILE *out, const void *data, size_t len_bytes, bool for_screen)
{
	const unsigned char *p = data, *end = p + len_bytes;

	while (p < end) {
		const unsigned char *plain = p;
		size_t n;

		while (p < end && (n = plain_len(p, end, for_screen)) > 0)
			p += n;
		if (p > plain)
			(void)fwrite(plain, 1, (size_t)(p - plain), out);
		if (p == end)
			break;
		switch (*p) {
		case '\t':
			(void)fputs("\\t", out);
			break;
		case '\n':
			(void)fputs("\\n", out);
			break;
		case '\\':
			(void)fputs("\\\\", out);
			break;
		default:
			(void)fprintf(out, "\\x%02x", *p);
		}
		p++;
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool escape_undo(char *text, size_t len_bytes, size_t *ret_len_bytes)
{
	char *out = memchr(text, '\\', len_bytes), *end = text + len_bytes;
	const char *p = out;

	if (!p) {
		*ret_len_bytes = len_bytes;
		return true;
	}
	while (p < end) {
		if (*p != '\\') {
			*out++ = *p++;
			continue;
		}
		if (++p == end)
			return false;
		if (*p == 't') {
			*out++ = '\t';
		} else if (*p == 'n') {
			*out++ = '\n';
		} else if (*p == '\\') {
			*out++ = '\\';
		} else if (*p == 'x' && end - p >= 3 && hex_digit(p[1]) >= 0 &&
			   hex_digit(p[2]) >= 0) {
			*out++ = (char)(hex_digit(p[1]) << 4 | hex_digit(p[2]));
			p += 2;
		} else {
			return false;
		}
		p++;
	}
	*ret_len_bytes = (size_t)(out - text);
	return true;
}
