/* SPDX-License-Identifier: MIT */
/*
 * Shows what a map costs, on this machine: nothing here is graded.
 *
 *	show bytes [FOLDER]		page 7 in the file, its address, and its word's index
 *	show gets [FOLDER]		gets of pages that are there and that are not
 *	show modes [FOLDER]		one stray store through each kind of map
 *	show amplification [FOLDER]	what the kernel reads for 200 random gets, by advice
 *	show latency [FOLDER]		each get of 2,000, by advice, as lines `name,ns` for plot.py
 *	show tables [FOLDER]		page tables after the whole file was touched
 *	show P1|P2|P3 [FOLDER]		the choice of predict.toml that came of it
 *
 * The file has 64 MiB and lies in FOLDER (else in the working folder), without a name. A map
 * without advice stands in this file; "yours" is the pager with your map.
 */
#include "base/error.h"
#include "io/file.h"
#include "labs/lib/page_dump.h"
#include "mmap/mmap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES 4096U
#define N_PAGES    16384U
#define BYTES      ((size_t)N_PAGES * PAGE_BYTES)
#define SEED       UINT64_C(0x1db710641db71064)
#define NOT_SHOWN  77 /* the status where a machine cannot show it (labs/tool/own.py) */
#define N_READS    200U
#define N_TIMED    2000U

static char path[512];
static int fd; /* the same file as `file`, for what the kernel is asked about it */
static struct file *file;

static void must(bool good, const char *what)
{
	if (good)
		return;
	(void)fprintf(stderr, "show: %s: %s\n", what,
		error_text()[0] ? error_text() : strerror(errno));
	exit(EXIT_FAILURE);
}

static struct page_ref ref_of(pgno_t pgno)
{
	return (struct page_ref){pgno, 1};
}

static void make_file(const char *folder)
{
	struct page *page = aligned_alloc(PAGE_BYTES, PAGE_BYTES);

	must(page != NULL, "memory");
	(void)snprintf(path, sizeof(path), "%s/lab4-show-%d", folder, (int)getpid());
	must(io_open(io_kernel(), path, FILE_CREATE | FILE_EXCL, 0600, &file) == 0, path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	must(fd >= 0 && unlink(path) == 0, path);
	for (pgno_t pgno = 0; pgno < N_PAGES; pgno++) {
		memset(page, 0, PAGE_BYTES);
		page_init(page, ref_of(pgno), PAGE_TOY, 0, 0);
		page->payload[0] = (uint8_t)pgno;
		page_seal(page, PAGE_BYTES, SEED);
		must(file_write(file, page, PAGE_BYTES, (uint64_t)pgno * PAGE_BYTES) == 0, "write");
	}
	free(page);
	must(fsync(fd) == 0, "fsync");
}

static uint8_t *raw_map(void)
{
	uint8_t *at = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);

	must(at != MAP_FAILED, "mmap");
	return at;
}

static unsigned n_resident(void)
{
	static unsigned char there[N_PAGES];
	uint8_t *at = raw_map();
	unsigned n = 0;

	must(mincore(at, BYTES, there) == 0, "mincore");
	(void)munmap(at, BYTES);
	for (unsigned i = 0; i < N_PAGES; i++)
		n += there[i] & 1;
	return n;
}

static void make_cold(void)
{
	struct timespec pause = {.tv_nsec = 100000000};

	for (int i = 0; i < 20; i++) {
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		(void)nanosleep(&pause, NULL); /* reads that are still on their way */
		if (n_resident() == 0)
			return;
	}
	(void)fprintf(stderr,
		"show: this file system keeps its files in memory: name another folder\n");
	exit(NOT_SHOWN);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A number for the i-th read; the same in every run. */
static pgno_t drawn(uint64_t i)
{
	uint64_t x = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	return (pgno_t)((x ^ x >> 27) % N_PAGES);
}

struct reader {
	const char *name;
	int advice;   /* of a map that is made here */
	bool mine;    /* the pager with the student's map instead */
	size_t ahead; /* how many reads are named before */
	const volatile uint8_t *at;
	struct pager *pager;
	struct guard *guard;
};

static void open_reader(struct reader *r)
{
	struct mmap_options opts = {.writer_pages = 1};

	make_cold();
	if (!r->mine) {
		r->at = raw_map();
		(void)madvise((void *)(uintptr_t)r->at, BYTES, r->advice);
		return;
	}
	must(mmap_open(io_kernel(), file, PAGE_BYTES, SEED, &opts, &r->pager) == 0, "open");
	must(guard_open(&r->pager->guards, &r->guard) == 0, "guard");
}

static void close_reader(struct reader *r)
{
	if (!r->mine) {
		(void)munmap((void *)(uintptr_t)r->at, BYTES);
		return;
	}
	guard_close(r->guard);
	pager_close(r->pager);
}

static void read_one(struct reader *r, uint64_t i)
{
	struct page_ref ahead = ref_of(drawn(i + r->ahead));
	const struct page *page;

	if (!r->mine) {
		(void)r->at[(size_t)drawn(i) * PAGE_BYTES];
		return;
	}
	if (r->ahead > 0)
		pager_prefetch(r->pager, &ahead, 1);
	must(pager_get(r->pager, r->guard, ref_of(drawn(i)), &page) == 0, "get");
	pager_put(r->pager, page);
}

static struct reader readers[] = {
	{.name = "no advice", .advice = MADV_NORMAL},
	{.name = "sequential", .advice = MADV_SEQUENTIAL},
	{.name = "random", .advice = MADV_RANDOM},
	{.name = "yours", .mine = true},
	{.name = "yours and prefetch", .mine = true, .ahead = 16},
};

#define N_READERS (sizeof(readers) / sizeof(readers[0]))

/* Pages that the kernel reads for N_READS gets by r. */
static unsigned pages_read(struct reader *r, long *ret_waited)
{
	struct rusage before, after;
	unsigned n;

	open_reader(r);
	(void)getrusage(RUSAGE_SELF, &before);
	for (unsigned i = 0; i < N_READS; i++)
		read_one(r, i);
	(void)getrusage(RUSAGE_SELF, &after);
	n = n_resident();
	close_reader(r);
	*ret_waited = after.ru_majflt - before.ru_majflt;
	return n;
}

static void show_amplification(void)
{
	printf("%-20s %8s %14s %14s %12s\n", "map", "reads", "waited for", "pages read",
		"for each");
	for (size_t k = 0; k < N_READERS; k++) {
		long waited;
		unsigned n = pages_read(&readers[k], &waited);

		printf("%-20s %8u %14ld %14u %12.1f\n", readers[k].name, N_READS, waited, n,
			(double)n / N_READS);
	}
}

/* The words are those of predict.toml; what is between them goes to the nearer one. */
static void show_p1(void)
{
	long waited;
	unsigned n = pages_read(&readers[0], &waited);

	printf("%s\n", n < 3 * N_READS / 2 ? "200"
		       : n < 10 * N_READS  ? "some 400"
					   : "many thousands");
}

static void show_p2(void)
{
	long waited;
	unsigned n = pages_read(&readers[2], &waited);

	printf("%s\n", n < N_READS / 2   ? "none"
		       : n < 2 * N_READS ? "some 200"
					 : "as many as in P1");
}

static void show_p3(void)
{
	uint8_t old, now;
	pid_t child;
	int status;

	must(pread(fd, &old, 1, 0) == 1, "pread");
	child = fork();
	must(child >= 0, "fork");
	if (child == 0) {
		volatile uint8_t *at =
			mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		if (at == MAP_FAILED)
			_exit(EXIT_FAILURE);
		*at = (uint8_t)~old;
		(void)kill(getpid(), SIGKILL);
	}
	must(waitpid(child, &status, 0) == child && WIFSIGNALED(status), "the child");
	printf("%s\n", pread(fd, &now, 1, 0) != 1 ? "an error"
		       : now == old               ? "the old byte"
						  : "the new byte");
}

static void show_latency(void)
{
	for (size_t k = 0; k < N_READERS; k++) {
		struct reader *r = &readers[k];

		open_reader(r);
		for (unsigned i = 0; i < N_TIMED; i++) {
			uint64_t began = now_ns();

			read_one(r, i);
			printf("%s,%llu\n", r->name, (unsigned long long)(now_ns() - began));
		}
		close_reader(r);
	}
}

static void show_bytes(void)
{
	struct mmap_options opts = {.writer_pages = 1};
	const struct page *seven, *eight;
	struct pager *pager;
	struct guard *guard;

	must(mmap_open(io_kernel(), file, PAGE_BYTES, SEED, &opts, &pager) == 0, "open");
	must(guard_open(&pager->guards, &guard) == 0, "guard");
	must(pager_get(pager, guard, ref_of(7), &seven) == 0, "get");
	must(pager_get(pager, guard, ref_of(8), &eight) == 0, "get");
	page_dump(seven);
	printf("\npage 7 lies at %p in memory and at byte %u of the file\n", (const void *)seven,
		7 * PAGE_BYTES);
	printf("page 8 lies at %p: %td bytes further\n", (const void *)eight,
		(const uint8_t *)eight - (const uint8_t *)seven);
	pager_put(pager, seven);
	pager_put(pager, eight);
	guard_close(guard);
	pager_close(pager);
}

static void show_gets(void)
{
	static const struct page_ref refs[] = {{0, 1}, {7, 1}, {7, 1}, {7, 2}, {N_PAGES, 1}};
	struct mmap_options opts = {.writer_pages = 1};
	const struct page *first = NULL;
	struct pager *pager;
	struct guard *guard;

	must(mmap_open(io_kernel(), file, PAGE_BYTES, SEED, &opts, &pager) == 0, "open");
	must(guard_open(&pager->guards, &guard) == 0, "guard");
	for (size_t i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
		const struct page *page = NULL;
		int rc = pager_get(pager, guard, refs[i], &page);

		printf("get (%u, %llu)%*s", refs[i].pgno, (unsigned long long)refs[i].gen,
			refs[i].pgno < 10 ? 8 : 4, "");
		if (rc == 0 && !first)
			first = page;
		if (rc == 0)
			printf("0, the page is at byte %td of the map\n",
				(const uint8_t *)page - (const uint8_t *)first);
		else
			printf("%s\n", rc == VERSO_ECORRUPT ? "VERSO_ECORRUPT" : "another error");
		if (rc == 0)
			pager_put(pager, page);
	}
	guard_close(guard);
	pager_close(pager);
}

/* A child stores one byte into page 7 through a map of this kind, and says what it sees there. */
static void show_mode(const char *name, int prot, int flags)
{
	uint8_t old, now;
	pid_t child;
	int status;

	must(pread(fd, &old, 1, 7 * PAGE_BYTES) == 1, "pread");
	child = fork();
	must(child >= 0, "fork");
	if (child == 0) {
		volatile uint8_t *at = mmap(NULL, BYTES, prot, flags, fd, 0);

		if (at == MAP_FAILED)
			_exit(EXIT_FAILURE);
		at[7 * PAGE_BYTES] = (uint8_t)~old;
		_exit(at[7 * PAGE_BYTES] != old ? EXIT_SUCCESS : EXIT_FAILURE);
	}
	must(waitpid(child, &status, 0) == child, "the child");
	must(pread(fd, &now, 1, 7 * PAGE_BYTES) == 1, "pread");
	printf("%-18s  %-17s  %-16s  %s\n", name,
		WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV ? "ends in SIGSEGV" : "succeeds",
		WIFSIGNALED(status) ? "-" : "the new byte",
		now == old ? "the old byte" : "the new byte");
	must(pwrite(fd, &old, 1, 7 * PAGE_BYTES) == 1, "pwrite");
}

static void show_modes(void)
{
	printf("%-18s  %-17s  %-16s  %s\n", "map", "the store", "the map shows", "the file has");
	show_mode("MAP_READ_SHARED", PROT_READ, MAP_SHARED);
	show_mode("MAP_WRITE_SHARED", PROT_READ | PROT_WRITE, MAP_SHARED);
	show_mode("MAP_WRITE_PRIVATE", PROT_READ | PROT_WRITE, MAP_PRIVATE);
}

static void show_tables(void)
{
	const volatile uint8_t *at = raw_map();
	FILE *status;
	char line[128];

	for (int round = 0; round < 2; round++) {
		status = fopen("/proc/self/status", "r");
		must(status != NULL, "/proc/self/status");
		while (fgets(line, sizeof(line), status)) {
			if (strncmp(line, "VmPTE:", 6) == 0)
				printf("%s: page tables%s",
					round == 0 ? "before" : "after all was touched", line + 6);
		}
		(void)fclose(status);
		for (pgno_t pgno = 0; pgno < N_PAGES; pgno++)
			(void)at[(size_t)pgno * PAGE_BYTES];
	}
	(void)munmap((void *)(uintptr_t)at, BYTES);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*show)(void);
	} all[] = {{"bytes", show_bytes}, {"gets", show_gets}, {"modes", show_modes},
		{"amplification", show_amplification}, {"latency", show_latency},
		{"tables", show_tables}, {"P1", show_p1}, {"P2", show_p2}, {"P3", show_p3}};

	for (size_t i = 0; argc >= 2 && i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(argv[1], all[i].name) != 0)
			continue;
		make_file(argc > 2 ? argv[2] : ".");
		all[i].show();
		(void)close(fd);
		file_close(file);
		return EXIT_SUCCESS;
	}
	(void)fprintf(stderr, "usage: show bytes|gets|modes|amplification|latency|tables|P1|P2|P3 "
			      "[FOLDER]\n");
	return 2;
}
