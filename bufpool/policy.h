/* SPDX-License-Identifier: MIT */
/*
 * A replacement policy: which page is evicted when another needs its frame.
 *
 * A hit costs a policy nothing but one byte a frame, `used`, that the pool sets when it is not set
 * yet: no list is moved, no lock taken. The policy clears it when it passes. A page that comes in
 * by a miss starts unused, and the use that loaded it does not count: so what is read once, as by a
 * scan, goes before what was read again. A policy that must see every hit has the function `hit`:
 * then each costs the pool's lock.
 *
 * All functions are called under the pool's lock, by one thread at a time.
 *
 * How to add one, with every place: docs/EXTENDING.md.
 */
#ifndef BUFPOOL_POLICY_H
#define BUFPOOL_POLICY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_NONE UINT32_MAX

/* Values of a used byte. */
enum used { USED_NOT, USED_YES, USED_AHEAD /* prefetched: the first use is yet to come */ };

/* The descriptor of a frame. A frame is in one list at most. */
struct frame {
	_Atomic uint32_t pgno; /* of the page in it, or of the last one; written under the lock */
	_Atomic int32_t
		unlinked_pins; /* pins of a page that was forgotten while pinned (frames.c) */
	uint32_t next, prev;   /* in its list: towards the tail, the head; the pool's lock */
};

struct frame_list {
	uint32_t head, tail;
	uint32_t n;
};

struct policy {
	const struct policy_ops *ops;
	struct frame *frames;  /* the links of frames between insert and remove are the policy's */
	_Atomic uint8_t *used; /* a byte a frame */
};

/* Takes the page in `frame` if it can be had now (clean, not pinned). */
typedef bool policy_claim_fn(void *arg, uint32_t frame);

/* Why a page comes in. */
enum arrival {
	ARRIVAL_GET,   /* a get asked for it */
	ARRIVAL_SCAN,  /* a cursor will soon come to it (pager_read_ahead) */
	ARRIVAL_WRITE, /* the writer has made it */
	ARRIVAL_AGAIN, /* it was put as unneeded and is wanted again */
};

struct policy_ops {
	const char *name;
	size_t frame_bytes; /* memory that it takes for each frame, beside its links */

	/* Sets up for so many frames; *ret_policy is freed by close. -ENOMEM. */
	int (*open)(uint32_t n_frames, struct policy **ret_policy);

	/* The page in `frame` has come in. */
	void (*insert)(struct policy *policy, uint32_t frame, enum arrival arrival);

	/* It has gone, or its claim succeeded. */
	void (*remove)(struct policy *policy, uint32_t frame);

	/* The page in `frame`, which is inserted, is used again. NULL: the used byte is enough. */
	void (*hit)(struct policy *policy, uint32_t frame);

	/*
	 * Offers frames to `claim`, best first, until one is taken, and returns it, still inserted.
	 * FRAME_NONE after every frame was offered, or passed over as used, at least once. Costs
	 * one step a frame passed.
	 */
	uint32_t (*victim)(struct policy *policy, policy_claim_fn *claim, void *arg);

	/* The cache has so many frames from now on, n_frames of open at most; their numbers may be
	 * any below that. NULL: the policy does not reckon with it. */
	void (*resize)(struct policy *policy, uint32_t n_frames);

	void (*close)(struct policy *policy);
};

/* Every policy, by enum bufpool_policy; policies.c. */
extern const struct policy_ops *const bufpool_policies[];

static inline void list_init(struct frame_list *list)
{
	*list = (struct frame_list){FRAME_NONE, FRAME_NONE, 0};
}

static inline void list_push_head(struct frame_list *list, struct frame *frames, uint32_t frame)
{
	frames[frame].prev = FRAME_NONE;
	frames[frame].next = list->head;
	if (list->head == FRAME_NONE)
		list->tail = frame;
	else
		frames[list->head].prev = frame;
	list->head = frame;
	list->n++;
}

static inline void list_push_tail(struct frame_list *list, struct frame *frames, uint32_t frame)
{
	frames[frame].next = FRAME_NONE;
	frames[frame].prev = list->tail;
	if (list->tail == FRAME_NONE)
		list->head = frame;
	else
		frames[list->tail].next = frame;
	list->tail = frame;
	list->n++;
}

static inline void list_remove(struct frame_list *list, struct frame *frames, uint32_t frame)
{
	uint32_t next = frames[frame].next, prev = frames[frame].prev;

	if (prev == FRAME_NONE)
		list->head = next;
	else
		frames[prev].next = next;
	if (next == FRAME_NONE)
		list->tail = prev;
	else
		frames[next].prev = prev;
	list->n--;
}

/* The first from the tail that can be claimed, or FRAME_NONE. */
static inline uint32_t list_claim(const struct frame_list *list, const struct frame *frames,
	policy_claim_fn *claim, void *arg)
{
	uint32_t frame = list->tail;

	while (frame != FRAME_NONE && !claim(arg, frame))
		frame = frames[frame].prev;
	return frame;
}

#endif
