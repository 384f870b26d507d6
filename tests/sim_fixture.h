/* SPDX-License-Identifier: MIT */
/* What the tests of the simulated disk share: a disk with one file, and images of it as words. */
#ifndef TESTS_SIM_FIXTURE_H
#define TESTS_SIM_FIXTURE_H

#include "tests/check_main.h"

#include "io/file.h"
#include "io/map.h"
#include "io/queue.h"
#include "tests/sim/simdisk.h"
#include "tests/sim/simwalk.h"

#define S     SIM_SECTOR
#define DRAWS 400 /* random images looked at where a rule has a handful of outcomes */

extern struct simdisk *disk;
extern struct simwalk *walk;
extern struct file *file;

struct file *open_on(struct simdisk *d, const char *path, unsigned flags);

/* A disk with one file "f" of n sectors of 'a', all durable. */
void setup_disk(const struct simdisk_options *opts, unsigned n);
void teardown_disk(void);

/* Writes n sectors of c. */
void put(uint64_t sector, unsigned n, char c);

/* The walk, at the end of the log. */
struct simwalk *walk_to_end(void);

/* A sector as one letter; '?' for a mixture. */
char letter(const uint8_t *p);

/* The file as a word, one letter a sector; "-" when there is none. Static memory. */
const char *word_of(struct simdisk *d, const char *path);

/* The word of "f" on an image of the walk. */
const char *image_word(struct sim_choice c);

/*
 * Looks at many images and checks that exactly the words of `allowed` (separated by blanks) are
 * found.
 */
void expect_words(const char *allowed);

/* n <= 8 sectors of c, aligned, in static memory of that letter. */
struct iovec iov_of(char c, unsigned n);

/* A request that writes iov at a sector of `file`. */
struct io_req write_req(struct iovec *iov, uint64_t sector);

#endif
