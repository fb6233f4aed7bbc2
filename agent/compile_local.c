/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks of this node only: bridges of the host, the egress bridge, devices on a parent; and their elements in the host's table. */
#include <stdio.h>
#include <string.h>

#include "agent/compile_priv.h"

static void set_bridge(const struct compile_local_input *in, struct state_net *n)
{
	n->bridge_exists = n->bridge_up = n->localnet_ok = true;
	n->bridge_mac = in->bridge_mac;
	n->bridge_mtu = in->mtu;
	compile_gateways(in->network, n);
}

/* ---- elements ---- */

static void add_ifname(struct state_net *n, enum state_set set, const char *ifname)
{
	struct state_elem el = state_elem_ifname(set, ifname);

	state_net_add_elem(n, &el);
}

static void add_publish(struct state_net *n, const struct model_publish *p, struct ip to)
{
	struct ip host = p->host_ip;
	struct state_elem el;

	if (!ip_is_set(to) || (ip_is_set(host) && host.family != to.family))
		return;
	if (ip_is_unspecified(host)) /* 0.0.0.0 or ::, all of one family */
		host = (struct ip){ 0 };
	el = state_elem_publish(p->proto, host, p->host_port, to, p->port);
	state_net_add_elem(n, &el);
}

static void add_open(struct state_net *n, const struct model_publish *p, struct ip ip)
{
	struct state_elem el;

	if (!ip_is_set(ip))
		return;
	el = state_elem_open(p->proto, ip, p->port);
	state_net_add_elem(n, &el);
}

static void add_member(struct state_net *n, struct ip ip, const char *ifname)
{
	struct state_elem el;

	if (!ip_is_set(ip))
		return;
	el = state_elem_member(ip, ifname);
	state_net_add_elem(n, &el);
}

static void add_endpoint_elems(const struct compile_local_input *in, const struct compile_local *l,
			       const char *ifname, struct state_net *n)
{
	bool routed = n->kind == STATE_BRIDGE && in->opt->gateway_mode == NETOPT_ROUTED;

	add_member(n, l->ip4, ifname);
	add_member(n, l->ip6, ifname);
	for (size_t i = 0; i < l->n_publish; i++) {
		if (routed) {
			add_open(n, &l->publish[i], l->ip4);
			add_open(n, &l->publish[i], l->ip6);
		} else {
			add_publish(n, &l->publish[i], l->ip4);
			add_publish(n, &l->publish[i], l->ip6);
		}
	}
}

static void add_elems(const struct compile_local_input *in, struct state_net *n)
{
	const char *ifname = n->kind == STATE_EGRESS ? STATE_EGRESS_HOST : n->bridge;
	bool masquerade = n->kind == STATE_EGRESS ||
			  (in->opt->gateway_mode == NETOPT_NAT && in->opt->masquerade &&
			   !in->network->internal);

	add_ifname(n, STATE_SET_BRIDGES, ifname);
	if (masquerade)
		add_ifname(n, STATE_SET_MASQ4, ifname);
	if (masquerade && in->network->ipv6)
		add_ifname(n, STATE_SET_MASQ6, ifname);
	if (n->kind == STATE_BRIDGE) {
		if (in->network->internal)
			add_ifname(n, STATE_SET_INTERNAL, ifname);
		add_ifname(n, in->opt->icc ? STATE_SET_ICC : STATE_SET_NOICC, ifname);
		/* Its ports too: not every kernel tells of a frame which bridge it is on. */
		for (size_t i = 0; i < n->n_ports && !in->opt->icc; i++)
			add_ifname(n, STATE_SET_NOICC, n->ports[i].name);
	}
	for (size_t i = 0; i < in->n_locals; i++) {
		if (!in->locals[i].shut)
			add_endpoint_elems(in, &in->locals[i], ifname, n);
	}
}

/* ---- networks ---- */

static enum state_kind kind_of(const struct compile_local_input *in)
{
	switch (in->opt->driver) {
	case NETOPT_EGRESS:
		return STATE_EGRESS;
	case NETOPT_MACVLAN:
	case NETOPT_IPVLAN:
		return STATE_DIRECT;
	case NETOPT_BRIDGE:
	case NETOPT_OVERLAY:
	case NETOPT_HOST:
	case NETOPT_NULL:
		break;
	}
	return STATE_BRIDGE;
}

static void set_kind(const struct compile_local_input *in, struct state_net *n)
{
	switch (n->kind) {
	case STATE_EGRESS:
		set_bridge(in, n);
		n->uplink_exists = n->uplink_up = n->uplink_enslaved = true;
		n->uplink_mtu = in->mtu;
		break;
	case STATE_BRIDGE:
		netopt_bridge(in->opt, in->network->id, n->bridge);
		set_bridge(in, n);
		break;
	case STATE_DIRECT:
		snprintf(n->parent, sizeof(n->parent), "%s", in->opt->parent);
		snprintf(n->driver, sizeof(n->driver), "%s",
			 in->opt->driver == NETOPT_IPVLAN ? "ipvlan" : "macvlan");
		snprintf(n->mode, sizeof(n->mode), "%s", in->opt->mode);
		break;
	case STATE_OVERLAY:
		break;
	}
}

struct state_net *compile_local(const struct compile_local_input *in)
{
	const struct compile_port how = { .network = in->network,
					  .security = in->opt->driver == NETOPT_BRIDGE ?
							      in->opt->security :
							      STATE_SECURE_MAC_IP,
					  .mtu = in->mtu,
					  .container_mtu = in->mtu,
					  .routed = true };
	enum state_kind kind = kind_of(in);
	struct state_net *n;

	if (kind == STATE_DIRECT && in->n_locals == 0)
		return NULL;
	n = state_net_new(in->key);
	n->kind = kind;
	n->complete = true;
	set_kind(in, n);
	for (size_t i = 0; i < in->n_locals && n->n_ports < STATE_PORTS_MAX; i++) {
		if (kind != STATE_DIRECT || !in->locals[i].shut)
			compile_port(&how, &in->locals[i], n);
	}
	if (kind != STATE_DIRECT)
		add_elems(in, n);
	state_net_sort(n);
	return n;
}
