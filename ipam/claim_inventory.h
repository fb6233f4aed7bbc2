/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * claim_inventory - the networks and pools there are at one revision, and what asks to become one more. Internal to ipam/claim*.
 *
 * Whoever adds a name, a VNI or a subnet reads both ranges at R, chooses against all of it, and puts its key if "mod_revision < R+1" holds
 * over both: nothing was added or changed since, so they are unique without an index. (What was deleted since is no matter.)
 */
#pragma once
#include "ipam/claim.h"

/* A request for subnets, copied. */
struct claim_ask {
	struct subnet_request ask; /* points into the copies below */
	struct strv subnets, gateways, ip_ranges;
	struct kv_pairs aux;
	struct subnet_pool *pools;
	size_t n_pools;
	struct subnet_taken *host_taken; /* ->who owned */
	size_t n_host_taken;
	struct id cluster_id;
};
/** claim_ask_init() - @a points into itself afterwards: it stays where it is. */
void claim_ask_init(struct claim_ask *a, const struct subnet_request *ask,
		    const struct subnet_pool *pools, size_t n_pools,
		    const struct subnet_taken *host_taken, size_t n_host_taken,
		    struct id cluster_id);
void claim_ask_done(struct claim_ask *a);

/* The keys of both ranges. */
#define CLAIM_RANGES 2
struct claim_ranges {
	char *key[CLAIM_RANGES], *end[CLAIM_RANGES]; /* networks, pools */
};
void claim_ranges_init(struct claim_ranges *r, const char *prefix);
void claim_ranges_done(struct claim_ranges *r);
#define _cleanup_ranges_ _cleanup_(claim_ranges_done)
/** claim_ranges_gets() - the inventory. */
void claim_ranges_gets(const struct claim_ranges *r, struct kv_op ret[CLAIM_RANGES]);
/** claim_ranges_compares() - nothing was added or changed since @revision. */
void claim_ranges_compares(const struct claim_ranges *r, int64_t revision,
			   struct kv_compare ret[CLAIM_RANGES]);

struct claim_inventory {
	struct model_network **networks;
	size_t n_networks;
	struct model_pool **pools;
	size_t n_pools;
	struct subnet_taken *taken; /* first those of this host, then networks and pools */
	char **words; /* what taken[].who borrows */
	size_t n_taken, n_words;
};
/**
 * claim_inventory_take() - decode what claim_ranges_gets() brought; a record that does not decode is passed over, as everywhere
 * @ask: NULL: networks and pools alone; borrowed as long as @ret lives
 * @own, @n_own: pools that are not in the way
 * Return: 0, -EPROTO where the answer lacks parts.
 */
int claim_inventory_take(const char *prefix, const struct kv_result *res,
			 const struct claim_ask *ask, const struct id *own, size_t n_own,
			 struct claim_inventory *ret);
void claim_inventory_done(struct claim_inventory *inv);
/** claim_inventory_network() - by id; NULL for none. */
const struct model_network *claim_inventory_network(const struct claim_inventory *inv,
						    struct id id);
/** claim_inventory_name() - add to @e what is wrong with @name for a network of id @self: malformed, or another's. */
void claim_inventory_name(const struct claim_inventory *inv, const char *name, struct id self,
			  struct err *e);
