/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * network_priv - what the files of network share: the networks of this node, and both ways to make one.
 */
#pragma once
#include "agent/network.h"

struct networks {
	struct networks_deps d;
	struct model_network **locals; /* by name */
	size_t n_locals;
	void (*on_local)(void *user, const struct model_network *net, bool removed);
	void *on_local_user;
};
/** network_local_get() - one of this node's own, NULL for none. */
struct model_network *network_local_get(struct networks *n, struct id id);
struct model_network *network_local_by_name(struct networks *n, const char *name);
