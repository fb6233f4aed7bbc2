/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * apply - carry out a diff on the kernel, in order and in batches, and keep the observed state in step.
 */
#pragma once
#include "overlay/diff.h"
#include "overlay/kernel.h"

#define APPLY_BATCH_MAX 1000 /* FDB or neighbour entries per sendmsg */

struct apply_result {
	unsigned done, failed;
	unsigned ports_failed;
};
/* One failed operation; @port set when it belongs to one port (its endpoint), which then stays down; the rest goes on. */
typedef void (*apply_failed_fn)(void *user, const struct diff_op *op, int status,
				const struct err *e);
/**
 * apply_diff() - all operations of @d for @want (NULL when the network goes)
 * @have: observed; updated to what was done; never NULL, an empty state_net where nothing was there
 * A failed bridge or vxlan stops the rest of this network. Return: 0, or the first error.
 */
int apply_diff(struct kernel *k, const struct state_net *want, struct state_net *have,
	       const struct diff *d, apply_failed_fn failed, void *user, struct apply_result *ret);
