/* SPDX-License-Identifier: MIT */
/* What the programs that measure engines share: records, time, medians, and the engines' files. */
#include "bench/peers.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void engine_check(int ok, const char *engine, const char *what, const char *why)
{
	if (ok)
		return;
	(void)fprintf(stderr, "%s: %s: %s\n", engine, what, why);
	exit(EXIT_FAILURE);
}

double bench_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

uint64_t bench_mix(uint64_t z)
{
	z = (z + 1) * 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void bench_key(uint64_t i, unsigned char *key)
{
	uint64_t x = bench_mix(i);

	for (int b = 0; b < ENGINE_KEY_BYTES; b++)
		key[b] = (unsigned char)(x >> (8 * (ENGINE_KEY_BYTES - 1 - b)));
}

void bench_val(uint64_t i, unsigned version, unsigned char *val)
{
	memset(val, (int)(i & 0xff), ENGINE_VAL_BYTES);
	memcpy(val, &i, sizeof(i));
	val[ENGINE_VAL_BYTES - 1] = (unsigned char)version;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(double *values, uint64_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static const char *const suffixes[] = {"", "-lock", "-wal", "-shm", "-journal"};

#define N_SUFFIXES (sizeof(suffixes) / sizeof(suffixes[0]))

/* Calls fn with each file that an engine made at path, those in a folder of that name too. */
static void files_each(const char *path, void (*fn)(const char *name, void *arg), void *arg)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char name[4096];

	for (size_t i = 0; i < N_SUFFIXES; i++) {
		(void)snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		if (i > 0 || !dir)
			fn(name, arg);
	}
	while (dir && (entry = readdir(dir)) != NULL) {
		(void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (entry->d_name[0] != '.')
			fn(name, arg);
	}
	if (dir)
		(void)closedir(dir);
}

static void add_mib(const char *name, void *arg)
{
	struct stat st;

	if (stat(name, &st) == 0)
		*(double *)arg += (double)st.st_blocks * 512 / (1 << 20);
}

double bench_files_mib(const char *path)
{
	double mib = 0;

	files_each(path, add_mib, &mib);
	return mib;
}

static void remove_file(const char *name, void *arg)
{
	(void)arg;
	(void)unlink(name);
}

void bench_files_remove(const char *path)
{
	files_each(path, remove_file, NULL);
	(void)rmdir(path);
}
