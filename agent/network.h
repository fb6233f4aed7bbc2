/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * network - networks as the API offers them: find, create, remove. Records live in the mirror, changes go through ipam/claim.h.
 */
#pragma once
#include "agent/config.h"
#include "base/err.h"
#include "base/strv.h"
#include "ipam/claim.h"
#include "overlay/kernel.h"
#include "store/mirror.h"

struct network_request { /* as the user gave it */
	const char *name, *driver; /* driver NULL: overlay where etcd is configured */
	struct strv subnets, gateways, ip_ranges;
	struct kv_pairs aux, options, labels;
	bool ipv6, internal;
};
struct networks;
struct networks_deps {
	struct mirror *mirror;
	struct claim *claim; /* NULL: no etcd configured */
	struct kernel *kernel; /* host prefixes for the overlap check, underlay MTU */
	const struct config *config;
	struct ip (*vtep)(void *user); /* this node's, unset while unknown */
	void *user;
};
struct networks *networks_new(const struct networks_deps *d);
void networks_free(struct networks *n);
/* @net borrowed, NULL on failure. -EINVAL, -EEXIST, -ENOSPC, -EAGAIN: the cluster is frozen or not yet known, and the store's statuses. */
typedef void (*network_done_fn)(void *user, int status, const struct model_network *net,
				const struct err *e);
/** network_create() - @done exactly once, maybe from inside for bad input (the one exception to the rule: the API replies at once). */
void network_create(struct networks *n, const struct network_request *req, network_done_fn done,
		    void *user);
/** network_remove() - refuses while endpoints exist anywhere (-EBUSY, naming them). */
void network_remove(struct networks *n, struct id id, network_done_fn done, void *user);
/** network_find() - by id, name, or unique id prefix, in this order (as docker does). -ENOENT, -EEXIST: the prefix is ambiguous. */
int network_find(struct networks *n, const char *ref, struct mirror_network **ret, struct err *e);
