/* SPDX-License-Identifier: MIT */
/*
 * A plug-in that uses Verso is unloaded: unload LIBVERSO.so FILE
 *
 * Its SIGBUS handler stays installed, so the library stays loaded, and passes on what is not its
 * own: here, to the application's handler.
 */
#include "verso.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static sigjmp_buf out;

static void application_handler(int sig)
{
	(void)sig;
	siglongjmp(out, 1);
}

/* Loads the library, opens and closes a database by the mmap pager, and lets the library go. */
static int use_library(const char *library, const char *path)
{
	struct verso_options options = {
		.size = sizeof(options), .flags = VERSO_CREATE, .pager = VERSO_MMAP};
	__typeof__(&verso_open) open_db;
	__typeof__(&verso_close) close_db;
	struct verso *db;
	void *so = dlopen(library, RTLD_NOW | RTLD_LOCAL);

	if (!so) {
		(void)fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	open_db = (__typeof__(open_db))(uintptr_t)dlsym(so, "verso_open");
	close_db = (__typeof__(close_db))(uintptr_t)dlsym(so, "verso_close");
	if (!open_db || !close_db || open_db(path, &options, &db) != 0)
		return 1;
	close_db(db);
	return dlclose(so);
}

/* Touches a page of a map that its file has no more. */
static int fault(const char *path)
{
	int fd = open(path, O_RDWR);
	const volatile char *map = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);

	if (fd < 0 || map == MAP_FAILED || ftruncate(fd, 0) < 0)
		return 1;
	if (sigsetjmp(out, 1) == 0)
		return map[4096] + 2;
	return 0; /* by way of the handler */
}

int main(int argc, char **argv)
{
	if (argc != 3 || signal(SIGBUS, application_handler) == SIG_ERR)
		return 1;
	(void)unlink(argv[2]);
	if (use_library(argv[1], argv[2]) != 0)
		return 1;
	if (!dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD)) {
		(void)fprintf(stderr, "the library was unloaded, its handler was not\n");
		return 1;
	}
	return fault(argv[2]);
}
