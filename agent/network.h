/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * network - networks as everybody asks for them: find, create, remove; the cluster's and this node's own.
 *
 * Cluster networks live in the mirror, changes go through ipam/claim.h. Local ones (bridge, macvlan, ipvlan, the egress bridge, and the
 * predefined bridge, host, none) live in SQLite and in memory (network_local.c), need no etcd, and come first where a name is both's.
 */
#pragma once
#include "agent/config.h"
#include "agent/netopt.h"
#include "base/err.h"
#include "base/strv.h"
#include "ipam/claim.h"
#include "overlay/kernel.h"
#include "store/mirror.h"

struct network_request { /* as the user gave it */
	const char *name, *driver; /* driver NULL: overlay where etcd is configured, else bridge */
	struct strv subnets, gateways, ip_ranges;
	struct kv_pairs aux, options, labels;
	bool ipv6, internal;
	/* Of the cluster, for Docker (agent/docker), which asks for subnets first and tells the name last: */
	const struct id *id; /* NULL: a new one. There is one of that id: success */
	bool pending; /* ->name stands in for one that is not known yet: network_rename() follows */
	const struct id *pools; /* of network_pool_create(), to become this network's subnets */
	size_t n_pools;
};
struct networks;
struct networks_deps {
	struct mirror *mirror;
	struct local *local;
	struct claim *claim; /* NULL: no etcd configured */
	struct kernel *kernel; /* host prefixes for the overlap check, underlay MTU */
	const struct config *config;
	struct ip (*vtep)(void *user); /* this node's, unset while unknown */
	/* Name of an endpoint on local network @id, NULL for none. */
	const char *(*busy)(void *user, struct id id);
	void *user;
};
struct networks *networks_new(const struct networks_deps *d);
void networks_free(struct networks *n);
/* @net borrowed, NULL on failure. -EINVAL, -EEXIST, -ENOSPC, -EAGAIN: the cluster is frozen or not yet known, and the store's statuses. */
typedef void (*network_done_fn)(void *user, int status, const struct model_network *net,
				const struct err *e);
/**
 * networks_load() - local networks from SQLite; the predefined ones are made where they are missing
 * The default bridge's subnet is chosen then: the first of config->local_pools that is free.
 */
int networks_load(struct networks *n, struct err *e);
/* What a local network is, to those it concerns (reconcile: its bridge shall be there or no more). NULL hook: nobody. */
void networks_on_local(struct networks *n,
		       void (*fn)(void *user, const struct model_network *net, bool removed),
		       void *user);
/** network_get() - by id; borrowed until control returns to the loop. NULL: not known. */
const struct model_network *network_get(struct networks *n, struct id id);
/** network_by_key() - by kernel key (network_key()). */
const struct model_network *network_by_key(struct networks *n, uint32_t key);
/** network_key() - the VNI, or STATE_KEY_LOCAL and above; 0: nothing in the kernel (host, null). */
uint32_t network_key(const struct model_network *net);
/** network_each() - local ones first, then the cluster's, each by name. @fn must not change them. */
void network_each(struct networks *n, void (*fn)(void *user, const struct model_network *net),
		  void *user);
/** network_options() - the options of its record, parsed. */
void network_options(const struct model_network *net, struct netopt *ret);
/** network_bridge() - name of a bridge network's device in the host's namespace; "" for other drivers. */
void network_bridge(const struct model_network *net, char ret[IFNAMSIZ]);
/** network_is_predefined() - bridge, host or none: there from the start, never removed. */
bool network_is_predefined(const struct model_network *net);
/**
 * network_egress() - the egress bridge's network, made on first use: subnet from config->egress or the first free local pool, and an IPv6 ULA /64
 * Return: 0, -ENOSPC, ...
 */
int network_egress(struct networks *n, const struct model_network **ret, struct err *e);
/** network_conflict() - another network of this node's view that overlaps with @net and is of the other scope; NULL: none. */
const struct model_network *network_conflict(struct networks *n, const struct model_network *net);
/**
 * network_ready() - can networks of the cluster be changed now?
 * Return: 0, -EINVAL: standalone; -EHOSTUNREACH, -EAGAIN: why not, in words
 */
int network_ready(struct networks *n, struct err *e);
/** network_create() - @done exactly once, maybe from inside for bad input (the one exception to the rule: the API replies at once). */
void network_create(struct networks *n, const struct network_request *req, network_done_fn done,
		    void *user);
/**
 * network_remove() - refuses while endpoints exist anywhere (-EBUSY, naming them), and predefined ones (-EACCES -> 403, as Docker)
 * @done: from inside for local ones, and for what is refused at once
 */
void network_remove(struct networks *n, struct id id, network_done_fn done, void *user);
/**
 * network_find() - by id, name (local ones first), or unique id prefix, in this order (as docker does); @ret as network_get()
 * Return: 0, -ENOENT, -EEXIST: the prefix is ambiguous
 */
int network_find(struct networks *n, const char *ref, const struct model_network **ret,
		 struct err *e);
struct network_pool_request {
	struct prefix pool, range; /* unset: chosen; the whole pool */
	int family; /* AF_INET, AF_INET6 */
	struct id node; /* this one */
	int64_t lease; /* a short one */
};
/** network_pool_create() - hold a subnet for a network to come, checked as for one. Statuses as claim_pool_create(), and network_ready()'s (from inside). */
void network_pool_create(struct networks *n, const struct network_pool_request *req,
			 claim_pool_fn done, void *user);
/** network_rename() - a network of the cluster gets its name and is READY. -EEXIST: taken, here or in the cluster; -EINVAL, -ENOENT, and network_ready()'s. */
void network_rename(struct networks *n, struct id id, const char *name, network_done_fn done,
		    void *user);
