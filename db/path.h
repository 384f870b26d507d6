/* SPDX-License-Identifier: MIT */
/* Names of files. */
#ifndef DB_PATH_H
#define DB_PATH_H

/* path with tail behind it; malloc'ed; NULL: no memory. */
char *path_beside(const char *path, const char *tail);

/*
 * The path with links resolved, so that one database has one side file; where there is no file yet,
 * of the place where one would be made: what a link to nothing points to. As it is when that cannot
 * be had: the open will say why. malloc'ed; NULL: no memory.
 */
char *path_resolve(const char *path);

/* Puts the path before a text of the floors below, which do not all know it. Returns the code. */
int error_of_file(const char *path, int code);

#endif
