/* SPDX-License-Identifier: MIT */
/*
 * Shows what lies in the files of a small store, byte by byte, after two commits:
 *
 *	show shadow	the two meta pages, and which places are in use
 *	show log	the record in the log
 *	show images	two writes before a flush: how many images a power cut may leave
 *	show predict	all images of the commit that predict.toml asks about
 */
#include "base/bytes.h"
#include "tests/crash/store.h"
#include "tests/sim/simdisk.h"
#include "tests/sim/simwalk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE 8U

static void must(int rc, const char *what)
{
	if (rc == 0)
		return;
	(void)fprintf(stderr, "show: %s: %d\n", what, rc);
	exit(EXIT_FAILURE);
}

static const uint8_t *bytes_of(struct simdisk *d, const char *name)
{
	uint64_t size_bytes;

	return simdisk_bytes(d, name, &size_bytes);
}

static void print_line(const uint8_t *bytes, unsigned off, const char *what)
{
	printf("%6u ", off);
	for (unsigned i = 0; i < LINE; i++)
		printf(" %02x", bytes[off + i]);
	printf("   %s\n", what);
}

static void print_meta(const uint8_t *meta)
{
	char what[80];

	print_line(meta, 0, "checksum of the bytes 8 to 47");
	(void)snprintf(what, sizeof(what), "sequence %llu", (unsigned long long)le64_get(meta + 8));
	print_line(meta, 8, what);
	for (unsigned page = 0; page < STORE_PAGES; page++) {
		(void)snprintf(what, sizeof(what), "page %u lies in place %llu", page,
			(unsigned long long)le64_get(meta + 16 + LINE * page));
		print_line(meta, 16 + LINE * page, what);
	}
}

static void print_record(const uint8_t *record)
{
	char what[80];

	print_line(record, 0, "checksum of all that follows");
	print_line(record, 8, "which pages: bit n is page n");
	(void)snprintf(what, sizeof(what), "sequence %llu",
		(unsigned long long)le64_get(record + 16));
	print_line(record, 16, what);
	for (unsigned page = 0; page < STORE_PAGES; page++) {
		(void)snprintf(what, sizeof(what), "page %u, number %u: %llu", page,
			page * STORE_PAGE_NUMBERS,
			(unsigned long long)le64_get(record + 512 + page * STORE_PAGE_BYTES));
		print_line(record, 512 + page * STORE_PAGE_BYTES, what);
	}
}

/* Two commits: number 0 becomes 7; then numbers 0 and 8 become 1000 and 2000. */
static void two_commits(struct simdisk *d, const struct protocol *p)
{
	struct store s;

	must(store_create(simdisk_io(d)), "creating the store");
	must(store_open(&s, simdisk_io(d), p, STORE_POOL), "opening it");
	must(store_set(&s, 0, 7), "setting number 0");
	must(store_commit(&s), "the first commit");
	must(store_set(&s, 0, 1000), "setting number 0");
	must(store_set(&s, STORE_PAGE_NUMBERS, 2000), "setting number 8");
	must(store_commit(&s), "the second commit");
	store_close(&s);
}

static void show_shadow(struct simdisk *d)
{
	two_commits(d, &protocol_shadow);
	for (unsigned slot = 0; slot < 2; slot++) {
		printf("place %u\n", slot);
		print_meta(bytes_of(d, "store") + slot * STORE_PAGE_BYTES);
	}
}

static void show_log(struct simdisk *d)
{
	two_commits(d, &protocol_log);
	printf("the log\n");
	print_record(bytes_of(d, "store-log"));
}

/* Two sectors of one write, and one of another, before a flush. */
static void show_images(struct simdisk *d)
{
	static const uint8_t page[STORE_PAGE_BYTES] = {1};
	struct simwalk *w;
	struct file *f;
	uint64_t from;

	must(store_create(simdisk_io(d)), "creating the store");
	must(io_open(simdisk_io(d), "store", 0, 0600, &f), "opening it");
	from = simdisk_events(d);
	must(file_write(f, page, STORE_PAGE_BYTES, 0), "a write");
	must(file_write(f, page, STORE_PAGE_BYTES, STORE_PAGE_BYTES), "a write");
	must(file_sync(f), "a flush");
	w = simwalk_new(d);
	for (uint64_t at = from; at <= simdisk_events(d); at++) {
		uint64_t off_bytes;
		const char *next = simdisk_event(d, at, &off_bytes);

		simwalk_to(w, at);
		printf("next: %-12s %u pending, %llu images\n", next, simwalk_pending(w),
			(unsigned long long)simwalk_combinations(w));
	}
	simwalk_free(w);
	file_close(f);
}

/* predict.toml: page A in sectors 0 and 1, B in 2 and 3, the meta page in 4; new is upper case. */
#define PREDICT_SECTORS 5U

static void write_letters(struct file *f, const char *letters, unsigned sector)
{
	uint8_t bytes[SIM_SECTOR] = {0};

	for (; *letters; letters++, sector++) {
		bytes[0] = (uint8_t)*letters;
		must(file_write(f, bytes, SIM_SECTOR, sector * SIM_SECTOR), "a write");
	}
}

static void print_images(struct simwalk *w, const char *when)
{
	printf("%s\n", when);
	for (uint64_t i = 0; i < simwalk_combinations(w); i++) {
		struct simdisk *img =
			simwalk_image(w, (struct sim_choice){SIM_COMBINATION, i}, false, NULL);
		const uint8_t *bytes = bytes_of(img, "predict");

		for (unsigned sector = 0; sector < PREDICT_SECTORS; sector++)
			printf("%s%c", sector == 2 || sector == 4 ? "  " : " ",
				bytes[sector * SIM_SECTOR]);
		printf("\n");
	}
}

static void show_predict(struct simdisk *d)
{
	uint64_t first, second;
	struct simwalk *w;
	struct file *f;

	must(io_open(simdisk_io(d), "predict", FILE_CREATE, 0600, &f), "making a file");
	write_letters(f, "aabbm", 0);
	must(file_sync(f), "a flush");
	must(io_sync_dir(simdisk_io(d), "predict"), "a flush of names");
	write_letters(f, "AABB", 0);
	first = simdisk_events(d);
	must(file_sync(f), "the first flush");
	write_letters(f, "M", 4);
	second = simdisk_events(d);
	must(file_sync(f), "the second flush");
	w = simwalk_new(d);
	simwalk_to(w, first);
	print_images(w, "before the first flush is done:");
	simwalk_to(w, second);
	print_images(w, "after it, before the second is done:");
	simwalk_free(w);
	file_close(f);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*show)(struct simdisk *d);
	} shows[] = {{"shadow", show_shadow}, {"log", show_log}, {"images", show_images},
		{"predict", show_predict}};

	for (unsigned i = 0; argc == 2 && i < sizeof(shows) / sizeof(*shows); i++)
		if (strcmp(argv[1], shows[i].name) == 0) {
			struct simdisk *d = simdisk_new(NULL);

			shows[i].show(d);
			simdisk_free(d);
			return 0;
		}
	(void)fprintf(stderr, "usage: show shadow | log | images | predict\n");
	return 2;
}
