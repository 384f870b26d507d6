/* SPDX-License-Identifier: MIT */
/*
 * What the two backends that use io_uring share: how a request becomes an entry of the ring, and
 * how entries reach the kernel.
 */
#ifndef IO_URING_H
#define IO_URING_H

#include "io/queue.h"

#include <liburing.h>

struct req_list {
	struct io_req *first;
	unsigned n;
};

static inline void list_push(struct req_list *list, struct io_req *req)
{
	req->next = list->first;
	list->first = req;
	list->n++;
}

/* Puts the request's next attempt into the submission ring, which is not full. */
void uring_push(struct io_uring *ring, struct io_req *req);

/* Hands every filled entry to the kernel; those that it persistently refuses to *ret_refused. */
void uring_enter_submit(struct io_uring *ring, struct req_list *ret_refused);

/* Performs by calls that block what the ring refused. */
void uring_perform_all(struct req_list *list);

/* Completes each: its done(), then `complete`. */
void uring_deliver(struct req_list *over);

/* See fd_above_stdio(). On failure the ring still has the descriptor that it had. */
int uring_above_stdio(struct io_uring *ring);

#endif
