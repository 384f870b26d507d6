/* SPDX-License-Identifier: MIT */
/*
 * Text that a terminal may show. A name or a key can hold anything, what a terminal obeys too (an
 * escape sequence, a change of the direction of writing); such bytes are shown, not sent.
 */
#include "tools/verso/tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the UTF-8 character at p; 0: there is none. */
static size_t utf8_len(const unsigned char *p, const unsigned char *end)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (p[0] > 0xf4 || n > (size_t)(end - p))
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	/* A longer form than needed, half of a surrogate pair, beyond the last character. */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
		(p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/* What changes the direction of writing: U+202A to U+202E, U+2066 to U+2069. */
static bool turns_text(const unsigned char *p)
{
	return p[0] == 0xe2 && ((p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) ||
				       (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9));
}

size_t text_char_len(const void *text, const void *end)
{
	const unsigned char *p = text;
	size_t n = utf8_len(p, end);
	bool obeyed = p[0] < 0x20 || p[0] == 0x7f || (n == 2 && p[0] == 0xc2 && p[1] < 0xa0) ||
		      (n == 3 && turns_text(p));

	return obeyed ? 0 : n;
}

void text_write(FILE *out, const void *text, size_t len_bytes)
{
	const unsigned char *p = text, *end = p + len_bytes;

	while (p < end) {
		size_t n = text_char_len(p, end);

		if (n > 0)
			(void)fwrite(p, 1, n, out);
		else
			(void)fprintf(out, "\\x%02x", *p);
		p += n > 0 ? n : 1;
	}
}

void text_write_json(FILE *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + strlen(text);

	(void)putc('"', out);
	while (p < end) {
		size_t n = utf8_len(p, end);

		if (n == 0)
			(void)fprintf(out, "\\udc%02x", *p);
		else if (*p < 0x20 || *p == 0x7f)
			(void)fprintf(out, "\\u%04x", *p);
		else if (*p == '"' || *p == '\\')
			(void)fprintf(out, "\\%c", *p);
		else
			(void)fwrite(p, 1, n, out);
		p += n > 0 ? n : 1;
	}
	(void)putc('"', out);
}

static char left_out[64];

void say_without(const char *words, size_t len_bytes)
{
	(void)snprintf(left_out, sizeof(left_out), "%.*s", (int)len_bytes, words);
}

static void leave_out(char *text)
{
	size_t len = strlen(left_out);

	for (char *p = text; len > 0 && (p = strstr(p, left_out)) != NULL;)
		memmove(p, p + len, strlen(p + len) + 1);
}

static void say_list(const char *before, const char *format, va_list args)
{
	int saved = errno;
	char *text;
	int n = vasprintf(&text, format, args);

	progress_hide();
	(void)fputs(before, stderr);
	if (n >= 0) {
		leave_out(text);
		text_write(stderr, text, strlen(text));
		free(text);
	}
	(void)putc('\n', stderr);
	errno = saved;
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say_list("verso: ", format, args);
	va_end(args);
}

void say_of_command(const struct command *command, const char *format, ...)
{
	char before[64];
	va_list args;

	(void)snprintf(before, sizeof(before), "verso %s: ", command->name);
	va_start(args, format);
	say_list(before, format, args);
	va_end(args);
}
