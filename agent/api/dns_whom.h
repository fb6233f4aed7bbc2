/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns_whom - as whom a question of `ovlctl dns query` is asked.
 */
#pragma once
#include "agent/api/context.h"
#include "agent/dns/dns_client.h"

struct dns_whom {
	struct dns_client
		client; /* own copies: dns_client_at() lends its client until something changes */
	size_t left_out; /* networks above ZONE_NETWORKS_MAX */
};
/**
 * dns_whom() - as @container: one of `ovlctl run`, a target (agent/target.h), or an endpoint's name or id, of this node; else as one on @network
 * alone; both NULL: as one on all networks with endpoints on this node, then all others of the cluster
 * @ret: all zero before; dns_whom_done() in any case
 * Return: 0; -EINVAL: both, or no names there; -ENOENT, -EEXIST: ambiguous
 */
int dns_whom(const struct api_context *ctx, const char *network, const char *container,
	     struct dns_whom *ret, struct err *e);
void dns_whom_done(struct dns_whom *w);
