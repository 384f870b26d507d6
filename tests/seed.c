/* SPDX-License-Identifier: MIT */
#include "tests/seed.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool is_handed;
static uint64_t handed;

/* A number, to the descriptor's end. */
static uint64_t read_number(int fd)
{
	char text[32];
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, text + len, sizeof(text) - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	if (len == 0) {
		perror("VERSO_SEED_FD names a descriptor without a number");
		exit(EXIT_FAILURE);
	}
	(void)close(fd);
	text[len] = '\0';
	return strtoull(text, NULL, 0);
}

uint64_t seed_given(uint64_t otherwise)
{
	const char *fd = getenv("VERSO_SEED_FD"), *seed = getenv("VERSO_SEED");

	if (fd) {
		handed = read_number(atoi(fd));
		is_handed = true;
		(void)unsetenv("VERSO_SEED_FD");
	}
	if (is_handed)
		return handed;
	return seed ? strtoull(seed, NULL, 0) : otherwise;
}
