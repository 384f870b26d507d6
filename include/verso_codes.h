/* SPDX-License-Identifier: MIT */
/*
 * Result codes of Verso, one list for every floor.
 *
 * 0 is success; > 0 is an expected outcome; < 0 is an error: the negated errno of a failed system
 * call, or one of the codes below, which lie under every errno.
 */
#ifndef VERSO_CODES_H
#define VERSO_CODES_H

enum verso_code {
	VERSO_OK = 0,

	VERSO_NOTFOUND = 1, /* no such key, or the cursor has passed the last one */
	VERSO_EXISTS = 2,   /* the key is there (VERSO_NOOVERWRITE), or a table of the new name */
	VERSO_MORE = 3,     /* a part was done, and more is to do: call again */

	VERSO_ECORRUPT = -20001,  /* a page is not what its parent says; the file is damaged */
	VERSO_ENOTDB = -20002,    /* the file is not a Verso database */
	VERSO_EVERSION = -20003,  /* the file is of another version */
	VERSO_EPOISONED = -20004, /* a flush failed; nothing more is written until it is reopened */
	VERSO_EABORTONLY = -20005, /* a call of this transaction failed half-way; abort it */
	VERSO_EBUSY = -20006,      /* another process, pager kind or transaction has it */
	VERSO_EPINNED = -20007,    /* the user's pins hold every frame of the pool */
	VERSO_ETOOBIG = -20008, /* a key or value beyond the limit; the message names the limit */
	VERSO_EMISUSE = -20009, /* a wrong handle, flag or order of calls */
	VERSO_EIO = -20010,     /* the device failed or the file was cut under a live map */
	VERSO_EFULL = -20011,   /* the largest file of its format, or 2^24 crashes; see the text */
};

#endif
