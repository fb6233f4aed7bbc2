/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compile - cluster records and local endpoints in, desired kernel state of one network out.
 *
 * Pure. A network is in the kernel only where it has a local endpoint. Remote endpoints whose node is unknown are left out (and counted), those that claim a local one's MAC or address too.
 * Local endpoints come from the node's own list, never from the mirror; a mirror record of this node without a local endpoint is ignored.
 */
#pragma once
#include "agent/netopt.h"
#include "overlay/state.h"
#include "store/model.h"

struct compile_local { /* one local endpoint of the network; borrowed */
	struct id id;
	struct mac mac;
	struct ip ip4, ip6;
	const char *ifname;
	const struct state_target *target;
	bool shut; /* address conflict: the port is kept down */
	bool handed, fresh; /* as in struct state_port */
	struct ip gw4,
		gw6; /* default route through it; unset: none. Of local networks only: an overlay never bears it */
	const struct model_publish
		*publish; /* what leads to it; NULL but for the sandbox's gateway */
	size_t n_publish;
};
struct compile_input {
	const struct model_network *network;
	struct id self; /* this node */
	struct ip vtep;
	uint16_t vxlan_port;
	uint32_t underlay_mtu;
	enum state_security security; /* option port-security */
	const struct compile_local *locals;
	size_t n_locals;
	const struct model_endpoint *const
		*endpoints; /* all of the mirror, any order, own ones included */
	size_t n_endpoints;
	/* VTEP of a node, unset when unknown. */
	struct ip (*vtep_of)(void *user, struct id node);
	void *user;
};
/**
 * compile_peer() - the entries of one endpoint of another node, be there whatever else; of @in only network, self, vtep and vtep_of are looked at
 * Return: false where it has none: this node's own, its node unknown, out of reach. Those of compile_network() are these, but for what a local one holds.
 */
bool compile_peer(const struct compile_input *in, const struct model_endpoint *ep,
		  struct state_peer *ret);
/** compile_network() - @ret_skipped (may be NULL): remote endpoints left out. Return: sorted desired state; NULL without local endpoints. */
struct state_net *compile_network(const struct compile_input *in, size_t *ret_skipped);
/* A local network: bridge, egress bridge, or devices on a parent (compile_local.c). */
struct compile_local_input {
	const struct model_network *network;
	const struct netopt *opt;
	uint32_t key; /* network_key() */
	uint32_t mtu; /* of the device and its ports */
	struct mac bridge_mac;
	const struct compile_local *locals;
	size_t n_locals;
};
/**
 * compile_local() - a bridge is there without endpoints too, the egress bridge from its first one on; devices on a parent only with
 * A published port of "any address" is one element of each family in which the container has an address. An endpoint that is shut has its port
 * kept down; on a parent, where a device cannot be held so, it has none. Return: sorted desired state, or NULL.
 */
struct state_net *compile_local(const struct compile_local_input *in);
/** compile_guards() - the port-security elements of a desired network; heap array. */
void compile_guards(const struct state_net *n, struct state_guard **ret, size_t *ret_n);
