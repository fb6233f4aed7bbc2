/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * subnet - choice and check of a network's subnets.
 *
 * Pure. Overlap is judged against everything in `taken`: networks and pools of the cluster, and this host's routes, addresses and
 * nameservers, each with the words that name it ("network demo", "route 10.1.0.0/16 dev eth0", "nameserver 10.0.0.2").
 */
#pragma once
#include <stddef.h>
#include "base/addr.h"
#include "base/err.h"
#include "store/model.h"

#define SUBNET_MAX_LEN4 30 /* the smallest subnets: one host beside the gateway */
#define SUBNET_MAX_LEN6 126

struct subnet_taken {
	struct prefix prefix;
	const char *who; /* borrowed; the prefix is named after it where it does not itself hold it */
};
struct subnet_pool { /* where automatic subnets come from */
	struct prefix base;
	uint8_t len; /* of each subnet */
};
/** subnet_choose() - the lowest free /len of the pools of @family in order. Return: 0, -ENOSPC. */
int subnet_choose(const struct subnet_pool *pools, size_t n_pools, int family,
		  const struct subnet_taken *taken, size_t n_taken, struct prefix *ret,
		  struct err *e);
/** subnet_ula() - the /64 of index @n inside the ULA /48 derived from the cluster's id (RFC 4193). */
struct prefix subnet_ula(const uint8_t cluster_id[32], uint16_t n);

/* What a request for a network asked for; strings as given by the user, NULL/0 for nothing. */
struct subnet_request {
	const struct strv *subnets, *gateways,
		*ip_ranges; /* repeatable, matched to subnets by containment */
	const struct kv_pairs *aux; /* NAME=IP, matched by containment */
	bool ipv6;
	int family; /* a pool: subnets of AF_INET or AF_INET6 alone (which needs ->ipv6), and no gateway is made up; 0: a network's */
	bool outside; /* of a segment that is not ours (macvlan): no subnet is chosen, and no gateway made up */
};
/**
 * subnet_resolve() - turn a request into the subnets of a record
 * All problems are gathered in @e: malformed, host bits, gateway/range/aux outside or equal to each other, overlaps among
 * themselves, with @taken and with what is no host's (loopback, link-local, multicast, ...), too small (> /30, IPv6 > /126),
 * IPv6 given without ipv6, IPv6 alone (no pool for the IPv4 part), ranges without subnet.
 * Missing IPv4 subnet: chosen from @pools; missing IPv6 with ->ipv6: the first free ULA /64. Missing gateway: the first host address
 * of the subnet that is no auxiliary address (Docker's rule); neither with ->outside. Order: as given; a chosen IPv4 one first, a chosen IPv6 one last.
 * @e: what it holds already is kept, the problems found are added
 * @ret_subnets: heap array, freed with subnet_free(). Untouched on failure.
 * Return: 0, -EINVAL, -ENOSPC when the pools are used up
 */
int subnet_resolve(const struct subnet_request *req, const struct subnet_pool *pools,
		   size_t n_pools, const uint8_t cluster_id[32], const struct subnet_taken *taken,
		   size_t n_taken, struct model_subnet **ret_subnets, size_t *ret_n, struct err *e);
void subnet_free(struct model_subnet *s, size_t n);
