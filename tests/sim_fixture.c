/* SPDX-License-Identifier: MIT */
#include "tests/sim_fixture.h"

#include <stdlib.h>
#include <string.h>

struct simdisk *disk;
struct simwalk *walk;
struct file *file;

struct file *open_on(struct simdisk *d, const char *path, unsigned flags)
{
	struct file *f;

	ck_assert_int_eq(io_open(simdisk_io(d), path, flags, 0600, &f), 0);
	return f;
}

void setup_disk(const struct simdisk_options *opts, unsigned n)
{
	uint8_t buf[64 * S];

	disk = simdisk_new(opts);
	file = open_on(disk, "f", FILE_CREATE);
	memset(buf, 'a', sizeof(buf));
	if (n)
		ck_assert_int_eq(file_write(file, buf, n * S, 0), 0);
	ck_assert_int_eq(file_sync(file), 0);
	ck_assert_int_eq(io_sync_dir(simdisk_io(disk), "f"), 0);
}

void teardown_disk(void)
{
	file_close(file);
	simwalk_free(walk);
	simdisk_free(disk);
	walk = NULL;
	file = NULL;
	disk = NULL;
}

void put(uint64_t sector, unsigned n, char c)
{
	uint8_t *buf = malloc(n * S);

	memset(buf, c, n * S);
	ck_assert_int_eq(file_write(file, buf, n * S, sector * S), 0);
	free(buf);
}

struct simwalk *walk_to_end(void)
{
	simwalk_free(walk);
	walk = simwalk_new(disk);
	simwalk_to(walk, simdisk_events(disk));
	return walk;
}

char letter(const uint8_t *p)
{
	for (unsigned i = 1; i < S; i++)
		if (p[i] != p[0])
			return '?';
	return p[0] == 0 ? '0' : (char)p[0];
}

const char *word_of(struct simdisk *d, const char *path)
{
	static char word[128];
	uint64_t size;
	const uint8_t *p = simdisk_bytes(d, path, &size);
	unsigned i;

	if (!p)
		return "-";
	ck_assert_uint_eq(size % S, 0);
	for (i = 0; i * S < size; i++)
		word[i] = letter(p + i * S);
	word[i] = 0;
	return word;
}

const char *image_word(struct sim_choice c)
{
	return word_of(simwalk_image(walk, c, false, NULL), "f");
}

void expect_words(const char *allowed)
{
	bool seen[64] = {false};
	unsigned n_allowed = 0;
	char list[64][64];

	for (const char *p = allowed; *p; p += strspn(p, " ")) {
		size_t len = strcspn(p, " ");

		memcpy(list[n_allowed], p, len);
		list[n_allowed++][len] = 0;
		p += len;
	}
	for (unsigned i = 0; i < simwalk_structured(walk) + 3 * DRAWS; i++) {
		static const enum sim_choice_kind kinds[3] = {SIM_RANDOM, SIM_FEW_OLD, SIM_FEW_NEW};
		struct sim_choice c = {kinds[i % 3], i};
		const char *word;
		unsigned k;

		if (i < simwalk_structured(walk))
			c = simwalk_structured_nth(walk, i);
		word = image_word(c);
		for (k = 0; k < n_allowed && strcmp(word, list[k]) != 0;)
			k++;
		ck_assert_msg(k < n_allowed, "choice %u:%llu gave \"%s\", not one of \"%s\"",
			c.kind, (unsigned long long)c.n, word, allowed);
		seen[k] = true;
	}
	for (unsigned k = 0; k < n_allowed; k++)
		ck_assert_msg(seen[k], "\"%s\" was never found", list[k]);
}

struct iovec iov_of(char c, unsigned n)
{
	static _Alignas(512) uint8_t bytes[26][8 * S];

	memset(bytes[c - 'a'], c, n * S);
	return (struct iovec){bytes[c - 'a'], n * S};
}

struct io_req write_req(struct iovec *iov, uint64_t sector)
{
	return (struct io_req){
		.kind = IO_WRITE, .file = file, .iov = iov, .n_iov = 1, .off_bytes = sector * S};
}
