/* SPDX-License-Identifier: MIT */
/* Maps of the real kernel. */
#include "base/error.h"
#include "io/file.h"
#include "io/map.h"
#include "io/memory.h"
#include "tests/check_main.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static char path[CHECK_PATH_BYTES];

static struct file *open_new(const char *name)
{
	struct file *f = NULL;

	ck_assert_int_eq(io_open(io_kernel(), check_path(path, name), FILE_CREATE | FILE_EXCL, 0600,
				 &f),
		0);
	return f;
}

static struct map *map_new(struct file *f, enum map_mode mode, uint64_t reserve_bytes)
{
	struct map *m = NULL;

	ck_assert_int_eq(io_map(io_kernel(), f, mode, 0, reserve_bytes, &m), 0);
	return m;
}

/* Whether a byte lies in memory that may be read, by the kernel's own list. */
static bool is_readable(const void *p)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long begin, end;
	bool readable = false;
	char line[512], mode;

	ck_assert_ptr_nonnull(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %c", &begin, &end, &mode) == 3 && (uintptr_t)p >= begin &&
			(uintptr_t)p < end)
			readable = mode == 'r';
	}
	(void)fclose(maps);
	return readable;
}

static bool is_readable_in_child(const void *p)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(is_readable(p) ? 1 : 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status) == 1;
}

static void write_fill(struct file *f, int fill, size_t len_bytes, uint64_t off_bytes)
{
	ck_assert_int_eq(file_write(f, memset(check_alloc(len_bytes), fill, len_bytes), len_bytes,
				 off_bytes),
		0);
}

START_TEST(growth_moves_nothing_and_shows_what_is_written)
{
	struct file *f = open_new("growth");
	struct map *m = map_new(f, MAP_READ_SHARED, 64 * MIB);
	const uint8_t *first = m->base;

	ck_assert_uint_eq((uintptr_t)m->base % (2 * MIB), 0);
	ck_assert(!is_readable(m->base));
	for (size_t i = 0; i < 40; i++) {
		/* Odd sizes: the map ends within a system page. */
		uint64_t len_bytes = (i + 1) * 10000;

		write_fill(f, (int)(i + 1), 10000, i * 10000);
		ck_assert_int_eq(map_extend(m, len_bytes), 0);
		ck_assert_uint_eq(m->len_bytes, len_bytes);
		ck_assert_ptr_eq(m->base, first);
		ck_assert_uint_eq(first[0], 1);
		ck_assert_uint_eq(first[len_bytes - 1], i + 1);
		ck_assert(!is_readable(first + len_bytes + 4096));
	}
	write_fill(f, 99, 10000, 0);
	ck_assert_uint_eq(first[0], 99);
	ck_assert_uint_eq(first[10000], 2);
	map_close(m);
	file_close(f);
}
END_TEST

START_TEST(what_lies_above_a_shrunken_map_is_not_accessible)
{
	struct file *f = open_new("shrink");
	struct map *m = map_new(f, MAP_READ_SHARED, 16 * MIB);

	write_fill(f, 7, 4 * MIB, 0);
	ck_assert_int_eq(map_extend(m, 4 * MIB), 0);
	ck_assert(is_readable(m->base + 4 * MIB - 1));
	ck_assert_int_eq(map_extend(m, MIB), 0);
	ck_assert(is_readable(m->base + MIB - 1));
	ck_assert(!is_readable(m->base + MIB));
	ck_assert_int_eq(map_extend(m, 2 * MIB), 0);
	ck_assert_uint_eq(m->base[2 * MIB - 1], 7);
	ck_assert_int_eq(map_extend(m, 0), 0);
	ck_assert(!is_readable(m->base));
	map_close(m);
	file_close(f);
}
END_TEST

START_TEST(a_map_cannot_outgrow_its_reservation)
{
	struct file *f = open_new("outgrow");
	struct map *m;

	m = map_new(f, MAP_READ_SHARED, 2 * MIB);
	ck_assert_uint_eq(m->reserved_bytes, 2 * MIB);
	ck_assert_int_eq(map_extend(m, 2 * MIB), 0);
	ck_assert_int_eq(map_extend(m, 2 * MIB + 1), -ENOMEM);
	ck_assert_ptr_nonnull(strstr(error_text(), "outgrown"));
	ck_assert_int_eq(map_extend(m, UINT64_MAX), -ENOMEM);
	ck_assert_uint_eq(m->len_bytes, 2 * MIB);
	map_close(m);
	file_close(f);
}
END_TEST

static size_t address_space_bytes(void)
{
	FILE *statm = fopen("/proc/self/statm", "r");
	unsigned long n_pages = 0;

	if (statm) {
		(void)!fscanf(statm, "%lu", &n_pages);
		(void)fclose(statm);
	}
	return n_pages * (size_t)sysconf(_SC_PAGESIZE);
}

START_TEST(more_address_space_than_the_limit_is_refused)
{
	struct file *f = open_new("limit");
	struct rlimit before, limit;
	struct map *m;
	void *p;

	ck_assert_int_eq(getrlimit(RLIMIT_AS, &before), 0);
	limit = before;
	limit.rlim_cur = address_space_bytes() + 64 * MIB;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	ck_assert_int_eq(io_map(io_kernel(), f, MAP_READ_SHARED, 0, 128 * MIB, &m), -ENOMEM);
	ck_assert_ptr_nonnull(strstr(error_text(), "ulimit -v"));
	ck_assert_int_eq(memory_reserve(128 * MIB, true, &p), -ENOMEM);
	ck_assert_ptr_nonnull(strstr(error_text(), "ulimit -v"));
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &before), 0);
	file_close(f);
}
END_TEST

START_TEST(a_map_shows_its_piece_of_the_file)
{
	struct file *f = open_new("piece");
	struct map *m;

	write_fill(f, 1, MIB, 0);
	write_fill(f, 2, MIB, MIB);
	ck_assert_int_eq(io_map(io_kernel(), f, MAP_READ_SHARED, MIB, 4 * MIB, &m), 0);
	ck_assert_int_eq(map_extend(m, 4096), 0);
	ck_assert_uint_eq(m->base[0], 2);
	ck_assert_int_eq(map_extend(m, MIB), 0);
	ck_assert_uint_eq(m->base[MIB - 1], 2);
	write_fill(f, 3, 4096, 2 * MIB - 4096);
	ck_assert_uint_eq(m->base[MIB - 1], 3);
	map_close(m);
	file_close(f);
}
END_TEST

START_TEST(a_child_has_no_map)
{
	struct file *f = open_new("child");
	struct map *m = map_new(f, MAP_READ_SHARED, 16 * MIB);

	write_fill(f, 1, MIB, 0);
	ck_assert_int_eq(map_extend(m, MIB), 0);
	ck_assert(is_readable(m->base));
	ck_assert(!is_readable_in_child(m->base));
	ck_assert(!is_readable_in_child(m->base + MIB - 1));
	map_close(m);
	file_close(f);
}
END_TEST

START_TEST(a_writable_map_is_seen_by_file_and_other_maps)
{
	struct file *f = open_new("writable");
	struct map *a = map_new(f, MAP_WRITE_SHARED, MIB), *b = map_new(f, MAP_READ_SHARED, MIB);
	char word[5];

	ck_assert_int_eq(file_truncate(f, 8192), 0);
	ck_assert_int_eq(map_extend(a, 8192), 0);
	ck_assert_int_eq(map_extend(b, 8192), 0);
	memcpy(a->base + 5000, "verso", 5);
	ck_assert_mem_eq(b->base + 5000, "verso", 5);
	ck_assert_int_eq(file_read(f, word, 5, 5000, FILE_LIVE), 0);
	ck_assert_mem_eq(word, "verso", 5);
	/* An O_DIRECT read writes back first what lies dirty under it. */
	ck_assert_int_eq(file_read(f, word, 5, 5000, FILE_DEVICE), 0);
	ck_assert_mem_eq(word, "verso", 5);
	map_close(a);
	map_close(b);
	file_close(f);
}
END_TEST

START_TEST(a_private_map_keeps_what_is_stored_until_it_is_thrown_away)
{
	struct file *f = open_new("private");
	struct map *m = map_new(f, MAP_WRITE_PRIVATE, MIB);
	char word[5];

	write_fill(f, 'a', 8192, 0);
	ck_assert_int_eq(map_extend(m, 8192), 0);
	memcpy(m->base + 5000, "verso", 5);
	ck_assert_int_eq(file_read(f, word, 5, 5000, FILE_LIVE), 0);
	ck_assert_mem_eq(word, "aaaaa", 5);
	write_fill(f, 'b', 8192, 0);
	ck_assert_mem_eq(m->base + 5000, "verso", 5); /* its page is a copy */
	ck_assert_uint_eq(m->base[0], 'b');
	map_advise(m, 4096, 4096, ADVICE_DONTNEED);
	ck_assert_uint_eq(m->base[5000], 'b');
	map_close(m);
	file_close(f);
}
END_TEST

START_TEST(advice_changes_no_byte)
{
	struct file *f = open_new("advice");
	struct map *m = map_new(f, MAP_READ_SHARED, 16 * MIB);

	map_advise(m, 0, 4096, ADVICE_RANDOM); /* nothing is mapped yet */
	write_fill(f, 5, 2 * MIB, 0);
	ck_assert_int_eq(map_extend(m, 2 * MIB), 0);
	for (int advice = ADVICE_NORMAL; advice <= ADVICE_COLD; advice++) {
		map_advise(m, 0, 2 * MIB, (enum map_advice)advice);
		map_advise(m, 100, 5000, (enum map_advice)advice);
		map_advise(m, MIB, 64 * MIB, (enum map_advice)advice);
		map_advise(m, 64 * MIB, MIB, (enum map_advice)advice);
		map_advise(m, MIB, UINT64_MAX, (enum map_advice)advice);
		ck_assert_uint_eq(m->base[0], 5);
		ck_assert_uint_eq(m->base[2 * MIB - 1], 5);
	}
	map_close(m);
	file_close(f);
}
END_TEST

START_TEST(a_read_only_file_can_be_mapped_to_read)
{
	struct file *f = open_new("ro");
	struct map *m;

	write_fill(f, 3, 4096, 0);
	file_close(f);
	ck_assert_int_eq(io_open(io_kernel(), path, FILE_RDONLY, 0, &f), 0);
	m = map_new(f, MAP_READ_SHARED, MIB);
	ck_assert_int_eq(map_extend(m, 4096), 0);
	ck_assert_uint_eq(m->base[17], 3);
	map_close(m);
	m = map_new(f, MAP_WRITE_SHARED, MIB);
	ck_assert_int_eq(map_extend(m, 4096), -EACCES);
	map_close(m);
	file_close(f);
}
END_TEST

START_TEST(memory_is_aligned_zeroed_and_not_the_childs)
{
	for (int huge = 0; huge < 2; huge++) {
		void *p = NULL;

		ck_assert_int_eq(memory_reserve(5 * MIB + 1, huge, &p), 0);
		ck_assert_uint_eq((uintptr_t)p % (2 * MIB), 0);
		for (size_t i = 0; i < 5 * MIB + 1; i += 4096)
			ck_assert_int_eq(((char *)p)[i], 0);
		ck_assert(is_readable(p));
		ck_assert(!is_readable_in_child(p));
		memory_release(p, 5 * MIB + 1);
	}
	memory_release(NULL, 0);
}
END_TEST

START_TEST(discarded_memory_reads_as_zeros_and_its_neighbours_as_before)
{
	static const struct {
		size_t off_bytes, len_bytes;
	} cuts[] = {
		{0, 4096}, {100, 50}, {100, 10000}, {4000, 4192}, {4096, 1}, {0, 65536}, {5, 0}};
	char *expected = check_alloc(65536);
	void *base = NULL;
	char *p;

	ck_assert_int_eq(memory_reserve(65536, false, &base), 0);
	p = base;
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		memset(p, 'x', 65536);
		memory_discard(p + cuts[i].off_bytes, cuts[i].len_bytes);
		memset(expected, 'x', 65536);
		memset(expected + cuts[i].off_bytes, 0, cuts[i].len_bytes);
		ck_assert_mem_eq(p, expected, 65536);
	}
	memory_release(base, 65536);
}
END_TEST

START_TEST(more_memory_than_there_are_addresses_is_refused)
{
	void *p = (void *)8;

	ck_assert_int_eq(memory_reserve((size_t)1 << 60, true, &p), -ENOMEM);
	ck_assert_int_eq(memory_reserve(SIZE_MAX - 4096, true, &p), -ENOMEM);
	ck_assert_int_eq(memory_reserve(SIZE_MAX, true, &p), -ENOMEM); /* rounded up: 0 */
	ck_assert_ptr_eq(p, (void *)8);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("io_map");
	TCase *t = tcase_create("map");

	tcase_add_checked_fixture(t, NULL, check_free);
	tcase_add_test(t, growth_moves_nothing_and_shows_what_is_written);
	tcase_add_test(t, what_lies_above_a_shrunken_map_is_not_accessible);
	tcase_add_test(t, a_map_cannot_outgrow_its_reservation);
	tcase_add_test(t, more_address_space_than_the_limit_is_refused);
	tcase_add_test(t, a_map_shows_its_piece_of_the_file);
	tcase_add_test(t, a_child_has_no_map);
	tcase_add_test(t, a_writable_map_is_seen_by_file_and_other_maps);
	tcase_add_test(t, a_private_map_keeps_what_is_stored_until_it_is_thrown_away);
	tcase_add_test(t, advice_changes_no_byte);
	tcase_add_test(t, a_read_only_file_can_be_mapped_to_read);
	tcase_add_test(t, memory_is_aligned_zeroed_and_not_the_childs);
	tcase_add_test(t, discarded_memory_reads_as_zeros_and_its_neighbours_as_before);
	tcase_add_test(t, more_memory_than_there_are_addresses_is_refused);
	suite_add_tcase(s, t);
	return check_main(s);
}
