/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a trace, little-endian: 16 of a header, then 32 for each event. The events of one
 * thread are in order; those of several lie in pieces behind each other.
 */
#ifndef TRACE_FORMAT_H
#define TRACE_FORMAT_H

#include "base/bytes.h"
#include "verso.h"

#define TRACE_MAGIC        "verso page trace" /* 16 bytes, without a zero */
#define TRACE_HEADER_BYTES 16
#define TRACE_EVENT_BYTES  32

static inline void trace_event_encode(const struct verso_event *e, uint8_t *bytes)
{
	memset(bytes, 0, TRACE_EVENT_BYTES);
	le64_set(bytes, e->time_ns);
	le64_set(bytes + 8, e->gen);
	le32_set(bytes + 16, e->pgno);
	le32_set(bytes + 20, e->thread);
	bytes[24] = e->kind;
	bytes[25] = e->type;
	bytes[26] = e->level;
}

static inline void trace_event_decode(const uint8_t *bytes, struct verso_event *ret_event)
{
	*ret_event = (struct verso_event){
		.time_ns = le64_get(bytes),
		.gen = le64_get(bytes + 8),
		.pgno = le32_get(bytes + 16),
		.thread = le32_get(bytes + 20),
		.kind = bytes[24],
		.type = bytes[25],
		.level = bytes[26],
	};
}

#endif
