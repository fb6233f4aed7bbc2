/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bridges, VXLAN devices, the uplink of the egress bridge, gateways. */
#include <string.h>

#include "overlay/apply_priv.h"

/* A new bridge has no ports and no entries, whatever was observed of the one before. */
static void lose_bridge(struct state_net *h)
{
	size_t kept = 0;

	for (size_t i = 0; i < h->n_fdb; i++) {
		if (h->fdb[i].where == STATE_FDB_SELF)
			h->fdb[kept++] = h->fdb[i];
	}
	h->n_fdb = kept;
	h->n_neigh = 0;
	if (h->kind != STATE_EGRESS) /* those are on the other end of its uplink */
		h->n_gateways = 0;
	h->vxlan_enslaved = h->vxlan_flags_ok = h->uplink_enslaved = false;
	for (size_t i = 0; i < h->n_ports; i++)
		h->ports[i].enslaved = h->ports[i].flags_ok = false;
}

static void took_bridge(struct apply *a)
{
	struct state_net *h = a->have;

	h->bridge_exists = h->bridge_up = true;
	h->bridge_ifindex = 0;
	h->bridge_mac = a->want->bridge_mac;
	h->bridge_mtu = a->want->bridge_mtu;
	memcpy(h->bridge, a->want->bridge, sizeof(h->bridge));
	if (a->want->kind == STATE_BRIDGE)
		h->localnet_ok = true;
}

static void took_vxlan(struct apply *a)
{
	struct state_net *h = a->have;

	h->vxlan_exists = h->vxlan_up = h->vxlan_enslaved = h->vxlan_flags_ok = true;
	h->vxlan_ifindex = 0;
	h->vtep = a->want->vtep;
	h->port = a->want->port;
	h->vxlan_mtu = a->want->vxlan_mtu;
}

/* The host's own addresses are reached through it, and it forwards: other hands may take just that away. */
static int open_localnet(struct apply *a, struct err *e)
{
	struct kernel_link_set s = {
		.name = a->want->bridge, .host = true, .up = KERNEL_KEEP, .localnet = true
	};
	int r = a->k->ops->link_set(a->k, &s, e);

	if (r == 0)
		a->have->localnet_ok = true;
	return r;
}

/*
 * A bridge that is down or has another MAC loses its neighbours and its IPv6 gateway (facts §4), before or by our hand: what is observed is
 * stale, and the caller dumps again.
 */
static int set_bridge(struct apply *a, const struct diff_op *op)
{
	const struct state_net *w = a->want, *h = a->have;
	bool alter = !h->bridge_up || !mac_eq(w->bridge_mac, h->bridge_mac) ||
		     w->bridge_mtu != h->bridge_mtu;
	struct err e = { 0 };
	int r = 0;

	if (alter)
		r = a->k->ops->bridge_add(a->k, w, &e); /* sets what differs on one that is there */
	else
		r = open_localnet(a, &e);
	if (r == 0 && alter)
		took_bridge(a);
	apply_note(a, op, r, &e);
	if (alter)
		a->have->complete = false;
	return r;
}

static int set_vxlan(struct apply *a, const struct diff_op *op)
{
	char name[IFNAMSIZ], master[IFNAMSIZ];
	struct err e = { 0 };
	int r;

	state_vxlan_name(a->want->vni, name);
	state_bridge_name(a->want->vni, master);

	struct kernel_link_set s = { .name = name,
				     .mtu = a->want->vxlan_mtu,
				     .up = KERNEL_ON,
				     .master = a->have->vxlan_enslaved ? NULL : master,
				     .port_flags = true };
	if (!ip_eq(a->have->vtep, a->want->vtep))
		s.vtep = a->want->vtep;
	r = a->k->ops->link_set(a->k, &s, &e);
	if (r == 0)
		took_vxlan(a);
	return apply_note(a, op, r, &e);
}

static int del_vxlan(struct apply *a, const struct diff_op *op)
{
	char name[IFNAMSIZ];

	(void)op;
	state_vxlan_name(a->have->vni, name);
	apply_delete_link(a, name);
	apply_lose_fdb(a->have, name, true);
	a->have->vxlan_exists = false;
	a->have->vxlan_enslaved = false;
	a->res.done++;
	return 0;
}

static int add_vxlan(struct apply *a, const struct diff_op *op)
{
	struct err e = { 0 };
	char name[IFNAMSIZ];
	int r = a->k->ops->vxlan_add(a->k, a->want, &e);

	if (r == 0) {
		state_vxlan_name(a->want->vni, name);
		apply_lose_fdb(a->have, name, true);
		took_vxlan(a);
	}
	return apply_note(a, op, r, &e);
}

static int add_bridge(struct apply *a, const struct diff_op *op)
{
	struct err e = { 0 };
	int r = a->k->ops->bridge_add(a->k, a->want, &e);

	if (r == 0) {
		lose_bridge(a->have);
		took_bridge(a);
	}
	return apply_note(a, op, r, &e);
}

static int del_bridge(struct apply *a, const struct diff_op *op)
{
	char name[IFNAMSIZ];

	(void)op;
	state_net_bridge_name(a->have, name);
	apply_delete_link(a, name[0] ? name : a->have->bridge);
	lose_bridge(a->have);
	a->have->bridge_exists = false;
	a->res.done++;
	return 0;
}

/* ---- the uplink of the egress bridge ---- */

static void took_uplink(struct apply *a)
{
	struct state_net *h = a->have;

	h->uplink_exists = h->uplink_up = h->uplink_enslaved = h->localnet_ok = true;
	h->uplink_mtu = a->want->uplink_mtu;
}

static int add_uplink(struct apply *a, const struct diff_op *op)
{
	struct err e = { 0 };
	int r = a->k->ops->uplink_add(a->k, a->want, &e);

	if (r == 0) {
		took_uplink(a);
		memcpy(a->have->gateways, a->want->gateways, sizeof(a->have->gateways));
		a->have->n_gateways = a->want->n_gateways;
	}
	return apply_note(a, op, r, &e);
}

/* As a bridge, the outer end loses its IPv6 address where it was down: to be dumped again. */
static int set_uplink(struct apply *a, const struct diff_op *op)
{
	bool was_down = !a->have->uplink_up;
	struct kernel_link_set inner = { .name = STATE_EGRESS_INNER,
					 .mtu = a->want->uplink_mtu,
					 .up = KERNEL_ON,
					 .master = a->have->uplink_enslaved ? NULL :
									      STATE_EGRESS_BRIDGE };
	struct kernel_link_set outer = { .name = STATE_EGRESS_HOST,
					 .host = true,
					 .mtu = a->want->uplink_mtu,
					 .up = KERNEL_ON,
					 .localnet = true };
	struct err e = { 0 };
	int r = a->k->ops->link_set(a->k, &inner, &e);

	if (r == 0)
		r = a->k->ops->link_set(a->k, &outer, &e);
	if (r == 0)
		took_uplink(a);
	apply_note(a, op, r, &e);
	if (was_down)
		a->have->complete = false;
	return r;
}

static int del_uplink(struct apply *a, const struct diff_op *op)
{
	struct state_net *h = a->have;

	(void)op;
	apply_delete_link(a, STATE_EGRESS_INNER);
	h->uplink_exists = h->uplink_up = h->uplink_enslaved = h->localnet_ok = false;
	h->n_gateways = 0;
	a->res.done++;
	return 0;
}

/* ---- gateways ---- */

static int do_gateway(struct apply *a, const struct diff_op *op)
{
	bool del = op->type == DIFF_GATEWAY_DEL;
	struct state_net *h = a->have;
	struct err e = { 0 };
	int r = a->k->ops->gateway(a->k, apply_net(a), del, *op->gateway, &e);
	size_t kept = 0;

	if (r == 0) {
		for (size_t i = 0; i < h->n_gateways; i++) {
			if (!prefix_eq(h->gateways[i], *op->gateway))
				h->gateways[kept++] = h->gateways[i];
		}
		if (!del && kept < STATE_GATEWAYS_MAX)
			h->gateways[kept++] = *op->gateway;
		h->n_gateways = kept;
		state_net_sort(h);
	}
	apply_note(a, op, r, &e);
	return 0; /* a gateway that failed stops nothing else */
}

int apply_device(struct apply *a, const struct diff_op *op)
{
	static int (*const by_type[])(struct apply * a, const struct diff_op *op) = {
		[DIFF_BRIDGE_ADD] = add_bridge,	 [DIFF_BRIDGE_SET] = set_bridge,
		[DIFF_BRIDGE_DEL] = del_bridge,	 [DIFF_VXLAN_ADD] = add_vxlan,
		[DIFF_VXLAN_SET] = set_vxlan,	 [DIFF_VXLAN_DEL] = del_vxlan,
		[DIFF_UPLINK_ADD] = add_uplink,	 [DIFF_UPLINK_SET] = set_uplink,
		[DIFF_UPLINK_DEL] = del_uplink,	 [DIFF_GATEWAY_ADD] = do_gateway,
		[DIFF_GATEWAY_DEL] = do_gateway,
	};

	return by_type[op->type](a, op);
}
