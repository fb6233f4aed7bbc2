/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/observe.h"

#include <string.h>

/* Made anew under the same name? Of what we made ourselves the number is not known before the next dump. */
static bool other_link(int ifindex, const struct kernel_event *ev)
{
	return ifindex != 0 && ev->ifindex != 0 && ifindex != ev->ifindex;
}

static bool bridge_event(const struct state_net *net, const struct kernel_event *ev)
{
	if (ev->deleted)
		return net->bridge_exists &&
		       (!net->bridge_ifindex || net->bridge_ifindex == ev->ifindex);
	return !net->bridge_exists || other_link(net->bridge_ifindex, ev) ||
	       net->bridge_up != ev->up || net->bridge_mtu != ev->mtu ||
	       !mac_eq(net->bridge_mac, ev->mac);
}

static bool vxlan_event(const struct state_net *net, const struct kernel_event *ev)
{
	if (ev->deleted)
		return net->vxlan_exists &&
		       (!net->vxlan_ifindex || net->vxlan_ifindex == ev->ifindex);
	return !net->vxlan_exists || other_link(net->vxlan_ifindex, ev) ||
	       (ip_is_set(ev->vtep) && !ip_eq(net->vtep, ev->vtep)) || net->vxlan_up != ev->up ||
	       net->vxlan_mtu != ev->mtu || net->vxlan_enslaved != ev->enslaved ||
	       (ev->has_flags && net->vxlan_flags_ok != ev->flags_ok);
}

static bool uplink_event(const struct state_net *net, const struct kernel_event *ev)
{
	if (ev->deleted)
		return net->uplink_exists;
	if (!net->uplink_exists || net->uplink_up != ev->up || net->uplink_mtu != ev->mtu)
		return true;
	return strcmp(ev->name, STATE_EGRESS_INNER) == 0 && net->uplink_enslaved != ev->enslaved;
}

static bool port_event(const struct state_net *net, const struct kernel_event *ev)
{
	const struct state_port *p = state_net_port(net, ev->name);

	/* Wired onto a bridge of the host by somebody: none of our business. */
	if (!p && net->kind == STATE_BRIDGE && !state_port_in_host(ev->name))
		return false;
	/* Not ours any more: the echoes of a port being shut and deleted. One that is down does no harm until the audit. */
	if (!p)
		return !ev->deleted && ev->up;
	if (ev->deleted)
		return p->ifindex == 0 || p->ifindex == ev->ifindex;
	return other_link(p->ifindex, ev) || p->up != ev->up || p->mtu != ev->mtu ||
	       p->enslaved != ev->enslaved ||
	       (ev->has_flags &&
		(p->flags_ok != ev->flags_ok || (ev->flags_ok && p->open != ev->open)));
}

static bool link_event(const struct state_net *net, const struct kernel_event *ev)
{
	char bridge[IFNAMSIZ], vx[IFNAMSIZ];

	state_net_bridge_name(net, bridge);
	state_vxlan_name(net->vni, vx);
	if (strncmp(ev->name, bridge, IFNAMSIZ) == 0)
		return bridge_event(net, ev);
	if (ev->ifindex != 0 && ev->ifindex == net->bridge_ifindex && !ev->deleted)
		return true; /* somebody gave it another name */
	if (net->kind == STATE_OVERLAY && strcmp(ev->name, vx) == 0)
		return vxlan_event(net, ev);
	if (net->kind == STATE_EGRESS &&
	    (strcmp(ev->name, STATE_EGRESS_INNER) == 0 || strcmp(ev->name, STATE_EGRESS_HOST) == 0))
		return uplink_event(net, ev);
	return port_event(net, ev);
}

static bool fdb_event(const struct state_net *net, const struct kernel_event *ev)
{
	const struct state_fdb *f = state_net_fdb(net, &ev->fdb);
	const struct state_port *p =
		ev->fdb.where == STATE_FDB_MASTER ? state_net_port(net, ev->fdb.port) : NULL;
	bool same = f && (f->where == STATE_FDB_SELF ? ip_eq(f->vtep, ev->fdb.vtep) :
						       strcmp(f->port, ev->fdb.port) == 0);

	/* Learnt behind a port that is open, or behind one that is not ours (the uplink, a port somebody wired onto a bridge of the host). */
	if (!f && (p ? p->open : net->kind != STATE_OVERLAY))
		return false;
	return ev->deleted ? same : !same;
}

static bool neigh_event(const struct state_net *net, const struct kernel_event *ev)
{
	const struct state_neigh *g = state_net_neigh(net, ev->neigh.ip);

	if (net->kind != STATE_OVERLAY)
		return false; /* the kernel's own */
	if (ev->deleted)
		return g != NULL;
	return !g || !mac_eq(g->mac, ev->neigh.mac);
}

static bool gateway_event(const struct state_net *net, const struct kernel_event *ev)
{
	bool have = false;

	for (size_t i = 0; i < net->n_gateways; i++)
		have = have || prefix_eq(net->gateways[i], ev->gateway);
	return have == ev->deleted;
}

bool observe_event(const struct state_net *net, const struct kernel_event *ev)
{
	if (!net) /* a network we know nothing of: only its coming up matters */
		return ev->type == KERNEL_EVENT_LINK && !ev->deleted && ev->up && ev->vni != 0;
	switch (ev->type) {
	case KERNEL_EVENT_LINK:
		return link_event(net, ev);
	case KERNEL_EVENT_FDB:
		return fdb_event(net, ev);
	case KERNEL_EVENT_NEIGH:
		return neigh_event(net, ev);
	case KERNEL_EVENT_GATEWAY:
		return gateway_event(net, ev);
	case KERNEL_EVENT_LOST:
	case KERNEL_EVENT_GROUND:
	case KERNEL_EVENT_UNDERLAY:
		return true;
	}
	return true;
}
