/* SPDX-License-Identifier: MIT */
/* Lines of a file or of standard input. */
#include "tools/verso/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUF_BYTES ((size_t)1 << 16) /* to begin with; a longer line makes it longer */

void input_announce(const char *what)
{
	if (isatty(STDIN_FILENO) == 1)
		say("reading %s from the terminal; Ctrl-D ends them, Ctrl-C gives up", what);
}

bool input_open(struct input *in, const char *path, size_t line_max_bytes)
{
	*in = (struct input){
		.fd = STDIN_FILENO,
		.name = "standard input",
		.line_max_bytes = line_max_bytes,
		.delimiter = '\n',
	};
	if (!path || strcmp(path, "-") == 0) {
		input_announce("records");
		return true;
	}
	in->name = path;
	in->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (in->fd < 0)
		say("%s: %s", path, strerror(errno));
	return in->fd >= 0;
}

uint64_t input_size_bytes(const struct input *in)
{
	struct stat st;

	return fstat(in->fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

/* Makes space for a byte at least, and for the zero behind a line. */
static bool make_space(struct input *in)
{
	size_t cap_bytes = in->cap_bytes > 0 ? 2 * in->cap_bytes : BUF_BYTES;
	char *buf;

	if (in->end_off + 1 < in->cap_bytes)
		return true;
	if (in->begin_off > 0) {
		in->end_off -= in->begin_off;
		memmove(in->buf, in->buf + in->begin_off, in->end_off);
		in->begin_off = 0;
		return true;
	}
	buf = realloc(in->buf, cap_bytes);
	if (!buf)
		return false;
	in->buf = buf;
	in->cap_bytes = cap_bytes;
	return true;
}

/* Reads more of the file. False: a failure. */
static bool read_more(struct input *in)
{
	ssize_t n;

	if (!make_space(in))
		return false;
	do {
		n = read(in->fd, in->buf + in->end_off, in->cap_bytes - 1 - in->end_off);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return false;
	in->end_off += (size_t)n;
	in->is_read = n == 0;
	return true;
}

int input_next_within(struct input *in, size_t max_bytes)
{
	size_t len_bytes = 0, searched_bytes;
	char *newline = NULL;

	in->n_lines++;
	for (;;) {
		searched_bytes = len_bytes;
		len_bytes = in->end_off - in->begin_off;
		if (len_bytes > searched_bytes)
			newline = memchr(in->buf + in->begin_off + searched_bytes, in->delimiter,
				len_bytes - searched_bytes);
		if (newline || len_bytes > max_bytes || in->is_read)
			break;
		if (!read_more(in)) {
			input_fail(in, "%s", strerror(errno));
			return -1;
		}
	}
	if (len_bytes == 0)
		return 0;
	in->line = in->buf + in->begin_off;
	in->has_newline = newline != NULL;
	in->len_bytes = newline ? (size_t)(newline - in->line) : len_bytes;
	in->line[in->len_bytes] = '\0';
	in->begin_off += in->len_bytes + in->has_newline;
	in->read_bytes += in->len_bytes + in->has_newline;
	return 1;
}

int input_next(struct input *in)
{
	int more = input_next_within(in, in->line_max_bytes);

	if (more > 0 && in->len_bytes > in->line_max_bytes) {
		input_fail(in, "the line is longer than %zu bytes, the longest key and value",
			in->line_max_bytes);
		return -1;
	}
	return more;
}

void input_fail(const struct input *in, const char *format, ...)
{
	va_list args;
	char *text;

	if (signals_ended_by() != 0)
		return; /* it only ends too early */
	va_start(args, format);
	if (vasprintf(&text, format, args) >= 0) {
		say("%s, %s %" PRIu64 ": %s", in->name, in->delimiter == '\n' ? "line" : "field",
			in->n_lines, text);
		free(text);
	}
	va_end(args);
}

void input_close(struct input *in)
{
	free(in->buf);
	if (in->fd > STDIN_FILENO)
		(void)close(in->fd);
}
