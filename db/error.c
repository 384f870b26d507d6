/* SPDX-License-Identifier: MIT */
/* Codes and texts for the caller, and the version. */
#include "db/db_int.h"

#define TEXT_OF(number)     #number
#define VERSION_OF(a, b, c) TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)

const char *verso_strerror(int code)
{
	return error_name(code);
}

const char *verso_errmsg(struct verso *db)
{
	(void)db;
	return error_text();
}

const char *verso_version(void)
{
	return VERSION_OF(VERSO_VERSION_MAJOR, VERSO_VERSION_MINOR, VERSO_VERSION_PATCH);
}
