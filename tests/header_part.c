/* SPDX-License-Identifier: MIT */
/* A part of verso.h compiles alone, and twice. */
#include PART
#include PART

extern int header_part;
int header_part = 1;
