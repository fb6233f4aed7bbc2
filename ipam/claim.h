/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * claim - networks and addresses taken and given back through transactions of the store (DESIGN.md §4).
 *
 * Asynchronous, over store/kv.h; each operation is an object that calls back exactly once and then is gone. Conflicts are retried with
 * back-off inside (CLAIM_TRIES_MAX); a timed-out transaction is settled by reading the keys before it is reported.
 */
#pragma once
#include <uv.h>
#include "ipam/pool.h"
#include "ipam/subnet.h"
#include "store/kv.h"
#include "store/model.h"

#define CLAIM_TRIES_MAX 64

struct claim; /* per agent: kv, prefix, per-network cache of addresses (used, recently released, newest) */
struct claim *claim_new(uv_loop_t *loop, struct kv *kv, const char *prefix, uint64_t seed);
void claim_close(struct claim *c); /* pending operations call back with -ECANCELED */

/* ---- networks ---- */
struct claim_network_request {
	/* name, driver, state, mtu, internal, ipv6, flood, options, labels, created, id are taken as they are; vni 0: chosen; subnets: from ask. Copied. */
	const struct model_network *base;
	struct subnet_request ask; /* strings copied */
	const struct subnet_pool *pools; /* copied */
	size_t n_pools;
	const struct subnet_taken *host_taken; /* this host's routes etc.; copied */
	size_t n_host_taken;
	struct id cluster_id;
};
/* @net: borrowed; NULL unless status is 0. -EEXIST: name or VNI taken (named), -EINVAL, -ENOSPC, and kv's statuses. */
typedef void (*claim_network_fn)(void *user, int status, const struct model_network *net,
				 const struct err *e);
void claim_network_create(struct claim *c, const struct claim_network_request *req,
			  claim_network_fn done, void *user);
/* -EBUSY: endpoints or addresses exist (the error names up to a few endpoints and their nodes); -ENOENT. @revision: of the deletion. */
typedef void (*claim_done_fn)(void *user, int status, int64_t revision, const struct err *e);
void claim_network_remove(struct claim *c, struct id network, claim_done_fn done, void *user);

/* ---- endpoints ---- */
struct claim_endpoint_request {
	const struct model_network *network; /* record with its mod_revision; copied */
	const struct model_endpoint *
		endpoint; /* id, node, name, aliases, sandbox, created; mac zero: from the address; copied */
	struct ip want4, want6; /* unset: chosen */
	int64_t lease; /* the node's address lease */
	bool reclaim; /* put again what this node held: own keys (same endpoint id) are no conflict, network compare is left out */
};
/* @ep: with addresses, mac and mod_revision filled; borrowed. -EADDRINUSE (owner's endpoint and node named), -ENOSPC, -ENOENT (network gone),
 * -ESTALE: network record changed (fetch and try again). -ETIMEDOUT only when even the settling read failed: the outcome is unknown. */
typedef void (*claim_endpoint_fn)(void *user, int status, const struct model_endpoint *ep,
				  const struct err *e);
/* Fast path: one transaction. The candidate comes from the cache; a conflict refreshes the cache by one range (keys only) of address/<network>/. */
void claim_endpoint_create(struct claim *c, const struct claim_endpoint_request *req,
			   claim_endpoint_fn done, void *user);
/* Deletes endpoint and address keys if they are this endpoint's (compares create revisions from @ep->mod_revision; 0: reads first and compares the owner);
 * absent is success. Never frees another's address. */
void claim_endpoint_release(struct claim *c, const struct model_endpoint *ep, claim_done_fn done,
			    void *user);
/** claim_forget_network() - drop the cache of a network that is gone. */
void claim_forget_network(struct claim *c, struct id network);
