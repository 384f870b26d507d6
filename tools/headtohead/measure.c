/* SPDX-License-Identifier: MIT */
/* What the system says of this process: memory, faults, bytes read and written. */
#include "tools/headtohead/headtohead.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

/* The number behind `name:` in a file of /proc, or 0. */
static uint64_t proc_number(const char *path, const char *name)
{
	FILE *f = fopen(path, "re");
	char line[128];
	uint64_t n = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, name, strlen(name)) == 0) {
			(void)sscanf(line + strlen(name), ": %" SCNu64, &n);
			break;
		}
	}
	if (f)
		(void)fclose(f);
	return n;
}

static uint64_t nanoseconds(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

/* Statistics of the device; empty: none. */
static char device[64];

/* Sectors of 512 bytes, in the third and seventh column. */
static bool device_bytes(uint64_t *read_bytes, uint64_t *write_bytes)
{
	FILE *f = device[0] ? fopen(device, "re") : NULL;
	uint64_t n_read, n_written;
	bool ok;

	if (!f)
		return false;
	ok = fscanf(f, "%*u %*u %" SCNu64 " %*u %*u %*u %" SCNu64, &n_read, &n_written) == 2;
	(void)fclose(f);
	if (ok) {
		*read_bytes = 512 * n_read;
		*write_bytes = 512 * n_written;
	}
	return ok;
}

const char *usage_init(const char *folder)
{
	uint64_t read_bytes, write_bytes;
	struct stat st;

	if (stat(folder, &st) == 0)
		(void)snprintf(device, sizeof(device), "/sys/dev/block/%u:%u/stat",
			major(st.st_dev), minor(st.st_dev));
	if (device_bytes(&read_bytes, &write_bytes))
		return "by the disk, whoever causes them";
	device[0] = '\0';
	return "charged to the process (whole large folios for parts of them)";
}

void usage_now(struct usage *u)
{
	struct timespec t;
	struct rusage r;

	(void)getrusage(RUSAGE_SELF, &r);
	u->faults = (uint64_t)r.ru_minflt + (uint64_t)r.ru_majflt;
	u->major_faults = (uint64_t)r.ru_majflt;
	u->cpu_ns = nanoseconds(r.ru_utime) + nanoseconds(r.ru_stime);
	if (!device_bytes(&u->read_bytes, &u->write_bytes)) {
		u->read_bytes = usage_process_read_bytes();
		u->write_bytes = proc_number("/proc/self/io", "write_bytes");
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	u->now_ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void usage_less(const struct usage *now, const struct usage *before, struct usage *ret_used)
{
	*ret_used = (struct usage){
		.now_ns = now->now_ns - before->now_ns,
		.read_bytes = now->read_bytes - before->read_bytes,
		.write_bytes = now->write_bytes - before->write_bytes,
		.faults = now->faults - before->faults,
		.major_faults = now->major_faults - before->major_faults,
		.cpu_ns = now->cpu_ns - before->cpu_ns,
	};
}

uint64_t usage_resident_bytes(void)
{
	return 1024 * proc_number("/proc/self/status", "VmRSS");
}

uint64_t usage_resident_peak_bytes(void)
{
	return 1024 * proc_number("/proc/self/status", "VmHWM");
}

void usage_reset_peak(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, "5", 1);
	(void)close(fd);
}

uint64_t usage_own_bytes(void)
{
	return 1024 * (proc_number("/proc/self/status", "RssAnon") +
			      proc_number("/proc/self/status", "RssShmem"));
}

uint64_t usage_cached_bytes(const char *path)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE), n_pages = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char *is_cached = NULL;
	uint64_t n_cached = 0;
	void *map = MAP_FAILED;
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
		n_pages = ((size_t)st.st_size + page_bytes - 1) / page_bytes;
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
		is_cached = malloc(n_pages);
	}
	if (map != MAP_FAILED && is_cached && mincore(map, (size_t)st.st_size, is_cached) == 0) {
		for (size_t i = 0; i < n_pages; i++)
			n_cached += is_cached[i] & 1;
	}
	if (map != MAP_FAILED)
		(void)munmap(map, (size_t)st.st_size);
	free(is_cached);
	if (fd >= 0)
		(void)close(fd);
	return n_cached * page_bytes;
}

uint64_t usage_process_read_bytes(void)
{
	return proc_number("/proc/self/io", "read_bytes");
}

void usage_forget_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)fdatasync(fd);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	(void)close(fd);
}
