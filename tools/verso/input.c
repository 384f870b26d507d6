/* SPDX-License-Identifier: MIT */
#include "tools/verso/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool input_open(struct input *in, const char *path)
{
	*in = (struct input){.file = stdin, .name = "standard input"};
	if (!path)
		return true;
	in->name = path;
	in->file = fopen(path, "re");
	if (!in->file)
		(void)fprintf(stderr, "verso: %s: %s\n", path, strerror(errno));
	return in->file != NULL;
}

uint64_t input_size_bytes(const struct input *in)
{
	struct stat st;

	return fstat(fileno(in->file), &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

int input_next(struct input *in)
{
	ssize_t len;

	errno = 0;
	len = getline(&in->line, &in->cap_bytes, in->file);
	in->n_lines++;
	if (len < 0) {
		if (feof(in->file))
			return 0;
		input_fail(in, "%s", strerror(errno));
		return -1;
	}
	in->read_bytes += (uint64_t)len;
	in->has_newline = in->line[len - 1] == '\n';
	in->len_bytes = (size_t)len - in->has_newline;
	in->line[in->len_bytes] = '\0';
	return 1;
}

void input_fail(const struct input *in, const char *format, ...)
{
	va_list args;

	(void)fprintf(stderr, "verso: %s, line %" PRIu64 ": ", in->name, in->n_lines);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)putc('\n', stderr);
}

void input_close(struct input *in)
{
	free(in->line);
	if (in->file && in->file != stdin)
		(void)fclose(in->file);
}
