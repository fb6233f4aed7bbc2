/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox - all endpoints of one namespace together: who bears the default route, is the egress bridge needed?
 *
 * Pure. The default route leads through the endpoint with the highest gw_priority; among equals a bridge (or macvlan, ipvlan with a gateway) before
 * overlay egress; among those the one whose network's name sorts first, as Docker. Networks that are internal have no part in it. A namespace on
 * overlay networks, not all internal, with no local network that leads out, gets an endpoint on the egress bridge; it goes when that changes.
 * The egress endpoint counts with the highest gw_priority of those overlay networks: where that is above the priority of every local network that leads
 * out, it is needed all the same. While all endpoints say that further networks follow, none is asked for; one that is there is kept.
 * Each family is elected by itself. Published ports lead to the endpoint that bears the default route (IPv4's, else IPv6's), where that is on a bridge:
 * nothing of the host's stands before a macvlan or ipvlan device.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/id.h"
#include "store/model.h"

struct sandbox_member {
	struct id endpoint;
	const struct model_network *network;
	int32_t gw_priority;
	bool defer; /* it was connected with "further networks follow" */
	struct ip ip4, ip6;
};
struct sandbox_verdict {
	bool need_egress; /* an egress endpoint shall be there */
	struct id egress; /* the one that is there; zero: none */
	struct id gateway4, gateway6; /* endpoints that bear the default routes; zero: none */
	struct ip via4, via6; /* their networks' gateways */
	struct id published; /* the endpoint that published ports lead to; zero: none (internal networks only, macvlan, ipvlan, host, none) */
};
/** sandbox_judge() - @v: every endpoint of one namespace that is not leaving, the egress one too. */
void sandbox_judge(const struct sandbox_member *v, size_t n, struct sandbox_verdict *ret);
