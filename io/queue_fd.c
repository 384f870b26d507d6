/* SPDX-License-Identifier: MIT */
/* What a queue's backend needs, wherever it stands: a file's descriptor. */
#include "io/queue_int.h"

int queue_fd(struct file *f)
{
	return file_kernel_of(f)->fd;
}
