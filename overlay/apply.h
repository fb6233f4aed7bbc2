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
struct apply_hooks {
	/* One failed operation; @port set when it belongs to one port (its endpoint), which then stays down; the rest goes on. */
	void (*failed)(void *user, const struct diff_op *op, int status, const struct err *e);
	/* Delete a link in the background, to hear of it; NULL: the kernel's link_del, unheard. */
	void (*link_del)(void *user, const char *name);
	/* The same of a device inside a container (STATE_DIRECT); NULL: the kernel's direct_del, unheard. */
	void (*direct_del)(void *user, const struct state_port *p);
};
/**
 * apply_diff() - all operations of @d for @want (NULL when the network goes)
 * @have: observed; updated to what was done; never NULL, an empty state_net where nothing was there. Not ->complete afterwards when it
 * cannot be told what stands now (a failure, or a change by which the kernel drops more than was asked for): dump again.
 * @h: may be NULL, its members too
 * A failed bridge, vxlan or uplink stops the rest of this network. Return: 0, or the first error.
 */
int apply_diff(struct kernel *k, const struct state_net *want, struct state_net *have,
	       const struct diff *d, const struct apply_hooks *h, void *user,
	       struct apply_result *ret);
/**
 * apply_know_ports() - what only the desired side knows of a port (endpoint, MAC, addresses, security, where it is) is kept beside the observed one
 * By it a port that leaves is known as this node's own, and its port-security elements go with it; and what kind of network it is.
 */
void apply_know_ports(const struct state_net *want, struct state_net *have);
