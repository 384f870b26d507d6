/* SPDX-License-Identifier: MIT */
/* A digest of all that a database holds on the device: tests compare two pagers by it. */
#include "base/hash.h"
#include "txn/txn_int.h"

#include <errno.h>
#include <stdlib.h>

struct image {
	uint64_t digest;
	uint32_t page_size;
};

static void add_bytes(struct image *image, const void *bytes, size_t len_bytes)
{
	image->digest = hash_bytes(bytes, len_bytes, image->digest);
}

static void add_page(void *arg, const struct page *page)
{
	struct image *image = arg;

	add_bytes(image, page, image->page_size);
}

static int add_slots(struct txn_env *env, struct image *image)
{
	const struct layout *l = &env->layout;
	void *buf = aligned_alloc(4096, l->slot_pages * l->page_size);
	int rc = buf ? 0 : -ENOMEM;

	for (unsigned slot = 0; rc == 0 && slot < 2; slot++) {
		rc = pager_read_device(env->pager, layout_slot(l, slot), l->slot_pages, buf);
		if (rc == 0)
			add_bytes(image, buf, META_BYTES);
	}
	free(buf);
	return rc;
}

int txn_image(struct txn_env *env, uint64_t *ret_digest)
{
	struct image image = {.page_size = env->layout.page_size};
	struct meta *m = malloc(sizeof(*m));
	int rc = m ? txn_sync(env) : -ENOMEM;

	if (rc == 0)
		rc = writer_acquire(env);
	if (rc) {
		free(m);
		return rc;
	}
	pthread_mutex_lock(&env->lock);
	*m = env->durable;
	pthread_mutex_unlock(&env->lock);
	add_bytes(&image, &env->space.file_pages, sizeof(env->space.file_pages));
	rc = add_slots(env, &image);
	if (rc == 0)
		rc = walk_pages(env, m, 0, add_page, &image);
	writer_release(env);
	free(m);
	if (rc == 0)
		*ret_digest = image.digest;
	return rc;
}
