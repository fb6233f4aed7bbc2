/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/diff.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static struct diff_op *add(struct diff *d, enum diff_op_type type, enum diff_reason reason)
{
	if ((d->n & (d->n - 1)) == 0)
		d->ops = mem_grow(d->ops, d->n == 0 ? 1 : d->n * 2, sizeof(*d->ops));
	d->ops[d->n] = (struct diff_op){ .type = type, .reason = reason };
	return &d->ops[d->n++];
}

/* ---- devices ---- */

static void diff_bridge(const struct state_net *want, const struct state_net *have, struct diff *d)
{
	if (!have->bridge_exists)
		add(d, DIFF_BRIDGE_ADD, DIFF_MISSING);
	else if (!mac_eq(want->bridge_mac, have->bridge_mac) ||
		 want->bridge_mtu != have->bridge_mtu || !have->bridge_up ||
		 (want->kind == STATE_BRIDGE && !have->localnet_ok))
		add(d, DIFF_BRIDGE_SET, DIFF_DIFFERS);
}

static void diff_uplink(const struct state_net *want, const struct state_net *have, struct diff *d)
{
	if (!have->uplink_exists)
		add(d, DIFF_UPLINK_ADD, DIFF_MISSING);
	else if (want->uplink_mtu != have->uplink_mtu || !have->uplink_up ||
		 !have->uplink_enslaved || !have->bridge_exists || !have->localnet_ok)
		add(d, DIFF_UPLINK_SET, DIFF_DIFFERS);
}

/* Is the device there that bears the gateways? */
static bool gateways_stand(const struct state_net *want, const struct state_net *have)
{
	return want->kind == STATE_EGRESS ? have->uplink_exists : have->bridge_exists;
}

/* What a changelink cannot change (facts §6): the device is made anew. */
static bool vxlan_unfit(const struct state_net *want, const struct state_net *have)
{
	return have->vxlan_exists &&
	       (want->port != have->port || want->vtep.family != have->vtep.family);
}

/* Return: the device is new, so whatever entries it had are not there. */
static bool diff_vxlan(const struct state_net *want, const struct state_net *have, struct diff *d)
{
	if (vxlan_unfit(want, have))
		add(d, DIFF_VXLAN_DEL, DIFF_DIFFERS);
	if (!have->vxlan_exists || vxlan_unfit(want, have)) {
		add(d, DIFF_VXLAN_ADD, have->vxlan_exists ? DIFF_DIFFERS : DIFF_MISSING);
		return true;
	}
	if (!ip_eq(want->vtep, have->vtep) || want->vxlan_mtu != have->vxlan_mtu ||
	    !have->vxlan_up || !have->vxlan_enslaved || !have->vxlan_flags_ok ||
	    !have->bridge_exists)
		add(d, DIFF_VXLAN_SET, DIFF_DIFFERS);
	return false;
}

static bool has_gateway(const struct state_net *n, struct prefix gw)
{
	for (size_t i = 0; i < n->n_gateways; i++) {
		if (prefix_eq(n->gateways[i], gw))
			return true;
	}
	return false;
}

/* ---- ports ---- */

static bool port_differs(const struct state_net *have, const struct state_port *w,
			 const struct state_port *h)
{
	return w->mtu != h->mtu || (w->enslaved && (!h->enslaved || !have->bridge_exists)) ||
	       (w->flags_ok && (!h->flags_ok || w->open != h->open)) || (!w->up && h->up);
}

static void diff_ports(const struct state_net *want, const struct state_net *have, struct diff *d)
{
	for (size_t i = 0; i < want->n_ports; i++) {
		const struct state_port *w = &want->ports[i], *h = state_net_port(have, w->name);

		if (!h)
			add(d, DIFF_PORT_ADD, DIFF_MISSING)->port = w;
		else if (port_differs(have, w, h))
			add(d, DIFF_PORT_SET, DIFF_DIFFERS)->port = w;
	}
}

static void diff_ports_up(const struct state_net *want, const struct state_net *have,
			  struct diff *d)
{
	for (size_t i = 0; i < want->n_ports; i++) {
		const struct state_port *w = &want->ports[i], *h = state_net_port(have, w->name);
		bool off_bridge = h && (!h->enslaved || !have->bridge_exists);

		if ((w->guard4 && (!h || !h->guard4)) || (w->guard6 && (!h || !h->guard6)))
			add(d, DIFF_GUARD_ADD, DIFF_MISSING)->port = w;
		/* Of a port that is gone elements may be left; a shut one shall not find them. */
		if ((h && ((!w->guard4 && h->guard4) || (!w->guard6 && h->guard6))) ||
		    (!h && !w->guard4 && !w->guard6))
			add(d, DIFF_GUARD_DEL, DIFF_SURPLUS)->port = w;
		/* A port that was off its bridge was shut before it went back (facts §4). */
		if (w->up && (!h || !h->up || off_bridge))
			add(d, DIFF_PORT_UP, h ? DIFF_DIFFERS : DIFF_MISSING)->port = w;
	}
}

/* ---- entries: merges of sorted arrays ---- */

static bool fdb_same(const struct state_fdb *w, const struct state_fdb *h)
{
	return w->where == STATE_FDB_SELF ? ip_eq(w->vtep, h->vtep) : strcmp(w->port, h->port) == 0;
}

/* Behind an open port the bridge learns: what it has learnt is no surplus. */
static bool is_learnt(const struct state_net *want, const struct state_fdb *h)
{
	const struct state_port *p = h->where == STATE_FDB_MASTER ? state_net_port(want, h->port) :
								    NULL;

	return p && p->open;
}

/* Is the entry on a device or bridge that has just been made? Then it is not there whatever was observed. */
static bool fdb_lost(const struct state_net *want, const struct state_net *have,
		     const struct state_fdb *w, bool vxlan_new)
{
	char vx[IFNAMSIZ];

	if (w->where == STATE_FDB_SELF)
		return vxlan_new;
	if (!have->bridge_exists)
		return true;
	state_vxlan_name(want->vni, vx);
	return strcmp(w->port, vx) == 0 && (vxlan_new || !have->vxlan_enslaved);
}

static void diff_fdb(const struct state_net *want, const struct state_net *have, bool vxlan_new,
		     bool may_delete, struct diff *d, size_t *ret_surplus)
{
	size_t i = 0, j = 0, surplus = 0;

	while (i < want->n_fdb || j < have->n_fdb) {
		const struct state_fdb *w = i < want->n_fdb ? &want->fdb[i] : NULL;
		const struct state_fdb *h = j < have->n_fdb ? &have->fdb[j] : NULL;
		int c = !w ? 1 : !h ? -1 : state_fdb_cmp(w, h);

		if (w && c < 0) {
			add(d, DIFF_FDB_ADD, DIFF_MISSING)->fdb = w;
			i++;
		} else if (h && c > 0) {
			if (may_delete && !is_learnt(want, h))
				d->fdb[surplus++] = *h;
			j++;
		} else if (w && h) {
			if (!fdb_same(w, h) || fdb_lost(want, have, w, vxlan_new))
				add(d, DIFF_FDB_ADD, DIFF_DIFFERS)->fdb = w;
			i++;
			j++;
		}
	}
	*ret_surplus = surplus;
}

static void diff_neigh(const struct state_net *want, const struct state_net *have, bool may_delete,
		       struct diff *d, size_t *ret_surplus)
{
	size_t i = 0, j = 0, surplus = 0;

	while (i < want->n_neigh || j < have->n_neigh) {
		const struct state_neigh *w = i < want->n_neigh ? &want->neigh[i] : NULL;
		const struct state_neigh *h = j < have->n_neigh ? &have->neigh[j] : NULL;
		int c = !w ? 1 : !h ? -1 : ip_cmp(w->ip, h->ip);

		if (w && c < 0) {
			add(d, DIFF_NEIGH_ADD, DIFF_MISSING)->neigh = w;
			i++;
		} else if (h && c > 0) {
			if (may_delete)
				d->neigh[surplus++] = *h;
			j++;
		} else if (w && h) {
			if (!mac_eq(w->mac, h->mac) || !have->bridge_exists)
				add(d, DIFF_NEIGH_ADD, DIFF_DIFFERS)->neigh = w;
			i++;
			j++;
		}
	}
	*ret_surplus = surplus;
}

/* ---- surplus ---- */

/* Of a port that was only dumped the entries tell whose it was: its elements go with it. */
static void learn_owner(const struct state_net *have, struct state_port *p)
{
	for (size_t i = 0; i < have->n_fdb && mac_is_zero(p->mac); i++) {
		const struct state_fdb *f = &have->fdb[i];

		if (f->where == STATE_FDB_MASTER && strcmp(f->port, p->name) == 0)
			p->mac = f->mac;
	}
	for (size_t i = 0; i < have->n_neigh && !mac_is_zero(p->mac); i++) {
		const struct state_neigh *g = &have->neigh[i];

		if (mac_eq(g->mac, p->mac) && g->ip.family == AF_INET)
			p->ip4 = g->ip;
		else if (mac_eq(g->mac, p->mac))
			p->ip6 = g->ip;
	}
}

/*
 * Which ports there shall be is told by this node's own list, not by the cluster's records: one that was known as an endpoint's (observed
 * with its id, see apply_know_ports()) and is on the list no more has left, however incomplete the picture of the cluster is.
 */
static void diff_surplus_ports(const struct state_net *want, const struct state_net *have,
			       bool may_delete, struct diff *d)
{
	size_t n = 0;

	for (size_t i = 0; i < have->n_ports; i++) {
		const struct state_port *h = &have->ports[i];

		if ((want && state_net_port(want, h->name)) ||
		    (!may_delete && id_is_zero(h->endpoint)))
			continue;
		d->ports[n] = *h;
		if (mac_is_zero(h->mac))
			learn_owner(have, &d->ports[n]);
		if (h->guard4 || h->guard6)
			add(d, DIFF_GUARD_DEL, DIFF_SURPLUS)->port = &d->ports[n];
		add(d, DIFF_PORT_DEL, DIFF_SURPLUS)->port = &d->ports[n];
		n++;
	}
}

static void diff_surplus_gateways(const struct state_net *want, const struct state_net *have,
				  struct diff *d)
{
	size_t n = 0;

	for (size_t i = 0; gateways_stand(want, have) && i < have->n_gateways; i++) {
		if (has_gateway(want, have->gateways[i]))
			continue;
		d->gateways[n] = have->gateways[i];
		add(d, DIFF_GATEWAY_DEL, DIFF_SURPLUS)->gateway = &d->gateways[n++];
	}
}

static void diff_remove(const struct state_net *have, bool may_delete, struct diff *d)
{
	diff_surplus_ports(NULL, have, may_delete, d);
	if (may_delete && have->vxlan_exists)
		add(d, DIFF_VXLAN_DEL, DIFF_SURPLUS);
	if (may_delete && have->uplink_exists)
		add(d, DIFF_UPLINK_DEL, DIFF_SURPLUS);
	if (may_delete && have->bridge_exists)
		add(d, DIFF_BRIDGE_DEL, DIFF_SURPLUS);
}

static void diff_gateways(const struct state_net *want, const struct state_net *have,
			  struct diff *d)
{
	bool stand = gateways_stand(want, have);

	if (want->kind == STATE_EGRESS && !stand)
		return; /* they come with the uplink */
	for (size_t i = 0; i < want->n_gateways; i++) {
		if (!stand || !has_gateway(have, want->gateways[i]))
			add(d, DIFF_GATEWAY_ADD, DIFF_MISSING)->gateway = &want->gateways[i];
	}
}

static void diff_change(const struct state_net *want, const struct state_net *have, bool may_delete,
			struct diff *d)
{
	size_t n_fdb = 0, n_neigh = 0;
	bool vxlan_new = false;

	diff_bridge(want, have, d);
	if (want->kind == STATE_OVERLAY)
		vxlan_new = diff_vxlan(want, have, d);
	if (want->kind == STATE_EGRESS)
		diff_uplink(want, have, d);
	diff_gateways(want, have, d);
	diff_ports(want, have, d);
	diff_fdb(want, have, vxlan_new, may_delete, d, &n_fdb);
	if (want->kind == STATE_OVERLAY)
		diff_neigh(want, have, may_delete, d, &n_neigh);
	diff_ports_up(want, have, d);

	/* From the end: what is behind a deleted one moves up. */
	for (size_t i = n_neigh; i-- > 0;)
		add(d, DIFF_NEIGH_DEL, DIFF_SURPLUS)->neigh = &d->neigh[i];
	/* SELF sorts before MASTER; the bridge must forget a MAC before the device does. */
	for (size_t i = n_fdb; i-- > 0;)
		add(d, DIFF_FDB_DEL, DIFF_SURPLUS)->fdb = &d->fdb[i];
	diff_surplus_ports(want, have, may_delete, d);
	if (may_delete && want->kind != STATE_BRIDGE)
		diff_surplus_gateways(want, have, d);
}

static void diff_direct(const struct state_net *want, const struct state_net *have, bool may_delete,
			struct diff *d)
{
	for (size_t i = 0; i < want->n_ports; i++) {
		const struct state_port *w = &want->ports[i], *h = state_net_port(have, w->name);

		if (!h || !h->up)
			add(d, DIFF_PORT_ADD, h ? DIFF_DIFFERS : DIFF_MISSING)->port = w;
	}
	diff_surplus_ports(want, have, may_delete, d);
}

void diff_net(const struct state_net *want, const struct state_net *have, bool may_delete,
	      struct diff *ret)
{
	const struct state_net nothing = { 0 };
	struct state_net renamed;

	memset(ret, 0, sizeof(*ret));
	if (!have)
		have = &nothing;
	ret->ports = mem_alloc_array(have->n_ports + 1, sizeof(*ret->ports));
	ret->fdb = mem_alloc_array(have->n_fdb + 1, sizeof(*ret->fdb));
	ret->neigh = mem_alloc_array(have->n_neigh + 1, sizeof(*ret->neigh));
	ret->gateways = mem_alloc_array(have->n_gateways + 1, sizeof(*ret->gateways));
	if (want && want->kind == STATE_BRIDGE && have->bridge_exists &&
	    strncmp(want->bridge, have->bridge, IFNAMSIZ) != 0) {
		/* Somebody gave it another name: as if it were not there. */
		add(ret, DIFF_BRIDGE_DEL, DIFF_DIFFERS);
		renamed = *have;
		renamed.bridge_exists = false;
		have = &renamed;
	}
	if (want && want->kind == STATE_DIRECT)
		diff_direct(want, have, may_delete, ret);
	else if (want)
		diff_change(want, have, may_delete, ret);
	else
		diff_remove(have, may_delete, ret);
}

void diff_done(struct diff *d)
{
	free(d->ops);
	free(d->ports);
	free(d->fdb);
	free(d->neigh);
	free(d->gateways);
	memset(d, 0, sizeof(*d));
}

const char *diff_op_name(enum diff_op_type t)
{
	static const char *const names[] = {
		[DIFF_BRIDGE_ADD] = "bridge-add",   [DIFF_BRIDGE_SET] = "bridge-set",
		[DIFF_VXLAN_DEL] = "vxlan-del",	    [DIFF_VXLAN_ADD] = "vxlan-add",
		[DIFF_VXLAN_SET] = "vxlan-set",	    [DIFF_UPLINK_ADD] = "uplink-add",
		[DIFF_UPLINK_SET] = "uplink-set",   [DIFF_UPLINK_DEL] = "uplink-del",
		[DIFF_GATEWAY_ADD] = "gateway-add", [DIFF_PORT_ADD] = "port-add",
		[DIFF_PORT_SET] = "port-set",	    [DIFF_FDB_ADD] = "fdb-add",
		[DIFF_NEIGH_ADD] = "neigh-add",	    [DIFF_GUARD_ADD] = "guard-add",
		[DIFF_PORT_UP] = "port-up",	    [DIFF_NEIGH_DEL] = "neigh-del",
		[DIFF_FDB_DEL] = "fdb-del",	    [DIFF_GUARD_DEL] = "guard-del",
		[DIFF_PORT_DEL] = "port-del",	    [DIFF_GATEWAY_DEL] = "gateway-del",
		[DIFF_BRIDGE_DEL] = "bridge-del",
	};

	return names[t];
}

void diff_ips(const struct ip *want, size_t n_want, const struct ip *have, size_t n_have,
	      struct ip **ret_add, size_t *ret_n_add, struct ip **ret_del, size_t *ret_n_del)
{
	struct ip *plus = mem_alloc_array(n_want + 1, sizeof(*plus)),
		  *minus = mem_alloc_array(n_have + 1, sizeof(*minus));
	size_t i = 0, j = 0, n_plus = 0, n_minus = 0;

	while (i < n_want || j < n_have) {
		int c = i == n_want ? 1 : j == n_have ? -1 : ip_cmp(want[i], have[j]);

		if (c < 0)
			plus[n_plus++] = want[i];
		else if (c > 0)
			minus[n_minus++] = have[j];
		i += c <= 0;
		j += c >= 0;
	}
	*ret_add = plus;
	*ret_n_add = n_plus;
	*ret_del = minus;
	*ret_n_del = n_minus;
}
