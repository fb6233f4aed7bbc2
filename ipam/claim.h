/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * claim - networks and addresses taken and given back through transactions of the store (DESIGN.md §4).
 *
 * Asynchronous, over store/kv.h; each operation is an object that calls back exactly once and then is gone; never from inside the
 * starting call. Conflicts are retried with back-off inside (CLAIM_TRIES_MAX).
 *
 * What can be lost: the answer to a transaction. It is settled by sending the transaction again (its compares make that safe, and its
 * else branch reads the keys) until CLAIM_DEADLINE_MS after the operation's start. Only then it ends with -ETIMEDOUT: outcome unknown.
 *
 * The cache of a network's addresses only proposes; the transaction decides. It is filled by one keys-only range at the first use, and may be
 * told of others' endpoints by claim_note(), which saves conflicts and keeps "next above the newest" true for the whole cluster.
 */
#pragma once
#include <uv.h>
#include "ipam/pool.h"
#include "ipam/subnet.h"
#include "store/kv.h"
#include "store/model.h"

#define CLAIM_TRIES_MAX 64
#define CLAIM_BACKOFF_MIN_MS 1
#define CLAIM_BACKOFF_MAX_MS 50
#define CLAIM_RECENT_MAX 10000 /* released addresses remembered per network; above, the oldest go */
#define CLAIM_DEADLINE_MS \
	4800 /* settling a lost answer ends this long after the operation's start (ovlctl fails within 5 s), */
#define CLAIM_SETTLE_MIN_MS 500 /* but has at least this long */
#define CLAIM_NAMED_MAX 4 /* endpoints named in an error */

/*
 * Statuses beside those named at each callback: kv's (-EHOSTUNREACH: certainly not done; -EACCES; -EREMOTEIO; -EPROTO), -ECANCELED after
 * claim_close(), -EKEYEXPIRED: the lease given is gone (grant another), -EAGAIN: CLAIM_TRIES_MAX conflicts in a row.
 */
struct claim; /* per agent: kv, prefix, per-network cache of addresses (used, recently released, newest) */
struct claim *claim_new(uv_loop_t *loop, struct kv *kv, const char *prefix, uint64_t seed);
/** claim_close() - pending operations call back with -ECANCELED (later); the memory goes when the last one has. @kv must outlive them. */
void claim_close(struct claim *c);

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
	/*
	 * Pools of this node that become this network (at most MODEL_SUBNETS_MAX; copied): their subnets are not counted as taken, and they are
	 * deleted with the same transaction. One that is gone already (its lease ended) does not matter as long as nobody else has the subnet.
	 */
	const struct id *own_pools;
	size_t n_own_pools;
};
/* @net: borrowed; NULL unless status is 0. -EEXIST: name or VNI taken (named), -EINVAL, -ENOSPC, and kv's statuses. */
typedef void (*claim_network_fn)(void *user, int status, const struct model_network *net,
				 const struct err *e);
/**
 * claim_network_create() - choose and check against every network and pool at one revision, and put the record if none came since
 *
 * A record of the same id is this network, made by an earlier call whose answer was lost: success.
 */
void claim_network_create(struct claim *c, const struct claim_network_request *req,
			  claim_network_fn done, void *user);
/**
 * claim_network_rename() - give a network its name, and make it READY; fields that are not known here are kept
 *
 * Neither two renames nor a rename and a creation can both have a name. The record's mod_revision changes: whoever attaches at that moment gets -ESTALE.
 * The network has that name and is READY already: success, with the record as it is. -ENOENT: no such network; -EEXIST: another has that name (named);
 * -EINVAL: no name for a network.
 */
void claim_network_rename(struct claim *c, struct id network, const char *name,
			  claim_network_fn done, void *user);
/* -EBUSY: endpoints or addresses exist (the error names up to a few endpoints and their nodes); -ENOENT. @revision: of the deletion. */
typedef void (*claim_done_fn)(void *user, int status, int64_t revision, const struct err *e);
void claim_network_remove(struct claim *c, struct id network, claim_done_fn done, void *user);

/* ---- pools: subnets held for a network to come (Docker asks for them first) ---- */
struct claim_pool_request {
	/* At most one subnet, without host bits, or none: from ->pools, for IPv6 the first free ULA /64; at most one of ip_ranges. Gateways and aux are
	 * not looked at. Strings copied. */
	struct subnet_request ask;
	int family; /* AF_INET, AF_INET6 */
	const struct subnet_pool *pools; /* copied */
	size_t n_pools;
	const struct subnet_taken *host_taken; /* copied */
	size_t n_host_taken;
	struct id cluster_id;
	struct id node; /* this one */
	int64_t lease; /* a short one: when it ends, the pool is nobody's */
};
/* @pool: borrowed; NULL unless status is 0. -EINVAL (overlaps named), -ENOSPC, and kv's statuses; -EKEYEXPIRED: the lease given is gone. */
typedef void (*claim_pool_fn)(void *user, int status, const struct model_pool *pool,
			      const struct err *e);
/** claim_pool_create() - choose and check against every network and pool at one revision, as claim_network_create() does, and hold it under a new id */
void claim_pool_create(struct claim *c, const struct claim_pool_request *req, claim_pool_fn done,
		       void *user);
/** claim_pool_delete() - absent is success. */
void claim_pool_delete(struct claim *c, struct id pool, claim_done_fn done, void *user);

/* ---- bindings: what a node's Docker calls a network ---- */
/**
 * claim_binding_put() - @b->docker is @b->network on @b->node; @b copied
 * @b: mod_revision 0: there is none yet, or the same one (success); else the one that it replaces
 *
 * @revision told: of the record as it is then (for mirror_apply_own()). -ENOENT: no such network; -EEXIST: bound to another of Docker's networks (named);
 * -ESTALE: the one to be replaced has changed; -EINVAL: no NetworkID.
 */
void claim_binding_put(struct claim *c, const struct model_binding *b, claim_done_fn done,
		       void *user);
/**
 * claim_binding_del() - @b: network, node; mod_revision 0: whatever is there, else only the binding read at that revision
 *
 * Absent is success. -ESTALE: there is another one by now; it stays.
 */
void claim_binding_del(struct claim *c, const struct model_binding *b, claim_done_fn done,
		       void *user);

/* ---- endpoints ---- */
struct claim_endpoint_request {
	const struct model_network *network; /* record with its mod_revision; copied */
	const struct model_endpoint *
		endpoint; /* id, node, name, aliases, sandbox, created; mac zero: from the address; copied */
	struct ip want4, want6; /* unset: chosen */
	int64_t lease; /* the node's address lease */
	bool reclaim; /* put again what this node held: own keys (same endpoint id) are no conflict and overwritten (where anything
			 differs: lease, record), network compare is left out;
			 wants unset are the endpoint's own addresses */
	bool reserved; /* addresses wanted are reserved by ->endpoint's node already (claim_address_reserve()): they are taken over. Where a reservation has
			  gone meanwhile and the address is free, it is taken anew. Also together with reclaim. */
};
/* @ep: with addresses, mac and mod_revision filled; borrowed. -EADDRINUSE (owner's endpoint and node named), -ENOSPC, -ENOENT (network gone),
 * -ESTALE: network record changed (fetch and try again). -ETIMEDOUT only when even the settling read failed: the outcome is unknown.
 * -ERANGE, -EINVAL: an address wanted is outside the subnets or no host's. -EEXIST: the endpoint is there with other addresses, or another node's. */
typedef void (*claim_endpoint_fn)(void *user, int status, const struct model_endpoint *ep,
				  const struct err *e);
/**
 * claim_endpoint_create() - addresses and endpoint in one transaction
 *
 * Fast path: one transaction. The candidate comes from the cache; a conflict refreshes the cache by one range (keys only) of address/<network>/.
 * Called again for an endpoint that is there (same id, node and, where wanted, addresses): success with the record that is there.
 */
void claim_endpoint_create(struct claim *c, const struct claim_endpoint_request *req,
			   claim_endpoint_fn done, void *user);
/**
 * claim_endpoint_release() - delete endpoint and address keys if they are this endpoint's
 * @ep: network, id, addresses, mod_revision are used; copied. mod_revision compares with what the endpoint was created with; 0, or where it
 *	does not match any more: reads first and deletes what names this endpoint. Addresses unset: those of the record found.
 *
 * Absent is success. Never frees another's address.
 */
void claim_endpoint_release(struct claim *c, const struct model_endpoint *ep, claim_done_fn done,
			    void *user);
/**
 * claim_endpoint_unbind() - delete the endpoint and make its addresses reservations of @node again, in one transaction
 * @ep: as claim_endpoint_release()
 *
 * Absent is success. Never touches another's address. -EKEYEXPIRED: the lease is gone.
 */
void claim_endpoint_unbind(struct claim *c, const struct model_endpoint *ep, struct id node,
			   int64_t lease, claim_done_fn done, void *user);

/* ---- addresses without endpoint: Docker asks for them first, and gives them back last ---- */
/* @ip: unset unless status is 0. */
typedef void (*claim_address_fn)(void *user, int status, struct ip ip, const struct err *e);
/**
 * claim_address_reserve() - hold an address of @net for an endpoint to come
 * @net: record with its mod_revision, which is compared; copied
 * @want: unset: chosen as for an endpoint
 * @family: AF_INET, AF_INET6
 * @lease: the node's address lease
 *
 * -EADDRINUSE: gateway, auxiliary address, or held by another (endpoint and node named), this node's own reservations among them; -ENOSPC; -ERANGE;
 * -EINVAL; -ENOENT: network gone; -ESTALE: its record changed.
 */
void claim_address_reserve(struct claim *c, const struct model_network *net, struct ip want,
			   int family, struct id node, int64_t lease, claim_address_fn done,
			   void *user);
/** claim_address_free() - delete the address key if it is reserved by @node; anything else (absent, bound, another's) is success and changes nothing. */
void claim_address_free(struct claim *c, struct id network, struct ip ip, struct id node,
			claim_done_fn done, void *user);
/* @freed: how many, also where it failed in the middle. */
typedef void (*claim_sweep_fn)(void *user, int status, size_t freed, const struct err *e);
/**
 * claim_reservations_sweep() - delete reservations of @node that were neither bound nor freed
 * @networks: @n of them; copied
 * @now_ms: CLOCK_BOOTTIME (clock_boot_ms())
 * @older_than_ms: what a sweep saw that long ago or earlier, and is unchanged since (same mod_revision), goes
 *
 * The age is counted from the first sweep that saw the reservation, in this agent's memory: no clock of another machine or of an earlier
 * run counts, and the first sweep of a run deletes nothing (unless @older_than_ms is 0). Two sweeps a minute apart delete what is unchanged.
 */
void claim_reservations_sweep(struct claim *c, const struct id *networks, size_t n, struct id node,
			      uint64_t now_ms, uint64_t older_than_ms, claim_sweep_fn done,
			      void *user);

/** claim_forget_network() - drop the cache of a network that is gone. */
void claim_forget_network(struct claim *c, struct id network);
/**
 * claim_note() - an endpoint of whatever node came or went, as the mirror tells; a hint that saves conflicts
 * @used: the address is taken, else released
 * @revision: mod_revision of the endpoint, for a deletion the revision it is known at (mirror_revision())
 *
 * Without a cache of that network (nothing was claimed there yet) it does nothing. Notes older than what is known are ignored.
 */
void claim_note(struct claim *c, struct id network, struct ip ip, bool used, int64_t revision);
