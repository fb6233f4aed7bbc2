/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What another hand does to fake_kernel. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/fake/fake_kernel_priv.h"

/* ---- another hand: links ---- */

static bool touch_bridge(struct fake_kernel *f, struct state_net *n, enum fake_drift what)
{
	char name[IFNAMSIZ];

	if (!n->bridge_exists)
		return false;
	state_net_bridge_name(n, name);
	if (what == FAKE_BRIDGE_DOWN) {
		n->bridge_up = false;
		fake_event_link(f, n, name, false);
		fake_lose_neigh(f, n);
		if (n->kind != STATE_EGRESS)
			fake_lose_gateways(f, n, false);
		return true;
	}
	if (what == FAKE_BRIDGE_NAME) {
		if (n->kind != STATE_BRIDGE)
			return false;
		snprintf(n->bridge, sizeof(n->bridge), "other%u", n->vni % 1000);
		memcpy(name, n->bridge, sizeof(name));
	} else if (what == FAKE_BRIDGE_MTU)
		n->bridge_mtu = 1280;
	else
		n->bridge_mac.b[5] ^= 1;
	fake_event_link(f, n, name, false);
	if (what == FAKE_BRIDGE_MAC)
		fake_lose_neigh(f, n);
	return true;
}

static bool touch_vxlan(struct fake_kernel *f, struct state_net *n, enum fake_drift what)
{
	char name[IFNAMSIZ];

	if (!n->vxlan_exists)
		return false;
	state_vxlan_name(n->vni, name);
	if (what == FAKE_VXLAN_FREE) {
		fake_unslave(f, n, name);
		return true;
	}
	if (what == FAKE_VXLAN_DSTPORT) {
		fake_event_link(f, n, name, true);
		fake_lose_self(f, n);
		fake_lose_fdb(f, n, name);
		n->vxlan_ifindex = ++f->next_ifindex;
		n->port++;
	} else if (what == FAKE_VXLAN_DOWN) {
		n->vxlan_up = false;
	} else if (what == FAKE_VXLAN_MTU) {
		n->vxlan_mtu = 1280;
	} else if (what == FAKE_VXLAN_FLAGS) {
		n->vxlan_flags_ok = false;
	} else {
		n->vtep.b[0] ^= 1;
	}
	fake_event_link(f, n, name, false);
	return true;
}

static bool touch_uplink(struct fake_kernel *f, struct state_net *n, enum fake_drift what)
{
	if (!n->uplink_exists)
		return false;
	if (what == FAKE_UPLINK_FREE) {
		fake_unslave(f, n, STATE_EGRESS_INNER);
		return true;
	}
	if (what == FAKE_UPLINK_DOWN)
		n->uplink_up = false;
	else
		n->uplink_mtu = 1280;
	fake_event_link(f, n, STATE_EGRESS_HOST, false);
	if (what == FAKE_UPLINK_DOWN)
		fake_lose_gateways(f, n, false);
	return true;
}

/* A sysctl: heard of as part of the ground. */
static bool touch_localnet(struct fake_kernel *f, struct state_net *n)
{
	if (!n->localnet_ok)
		return false;
	n->localnet_ok = false;
	fake_event_ground(f);
	return true;
}

static bool touch_elem(struct fake_kernel *f, enum fake_drift what)
{
	struct state_elem stray = state_elem_ifname(STATE_SET_MASQ4, "stray0");

	if (what == FAKE_ADD_ELEM) {
		fake_set_elem(f, &stray, false);
	} else if (what == FAKE_DROP_ELEM) {
		if (f->n_elems == 0)
			return false;
		f->n_elems--;
	} else {
		size_t i = 0;

		while (i < f->n_elems && f->elems[i].set != STATE_SET_PUBLISH)
			i++;
		if (i == f->n_elems)
			return false;
		f->elems[i].to_port ^= 1;
	}
	fake_event_ground(f);
	return true;
}

static bool touch_port(struct fake_kernel *f, struct state_net *n, enum fake_drift what)
{
	struct state_port *p = n->n_ports ? &n->ports[0] : NULL;
	char name[IFNAMSIZ];

	if (!p || n->kind == STATE_DIRECT)
		return false;
	memcpy(name, p->name, IFNAMSIZ);
	if (what == FAKE_PORT_FREE || what == FAKE_PORT_LOOSE)
		fake_unslave(f, n, name);
	else if (what == FAKE_PORT_DOWN)
		p->up = false;
	else if (what == FAKE_PORT_MTU)
		p->mtu = 1280;
	else if (what == FAKE_PORT_OPEN)
		p->open = !p->open; /* a foreign kind of flags, as an event tells it */
	else
		p->flags_ok = false;
	fake_event_link(f, n, name, false);
	return true;
}

/* ---- another hand: entries ---- */

static struct state_fdb *find_fdb(struct state_net *n, enum state_fdb_where where, bool flood)
{
	for (size_t i = 0; i < n->n_fdb; i++) {
		struct state_fdb *e = &n->fdb[i];

		if (e->where == where && mac_is_zero(e->mac) == flood)
			return e;
	}
	return NULL;
}

static bool touch_fdb(struct fake_kernel *f, struct state_net *n, enum fake_drift what)
{
	static const struct mac foreign = { { 2, 9, 9, 9, 9, 9 } };
	bool master = what == FAKE_DROP_MASTER || what == FAKE_MOVE_MASTER ||
		      what == FAKE_ADD_MASTER;
	bool add = what == FAKE_ADD_SELF || what == FAKE_ADD_MASTER;
	struct state_fdb e = { .where = master ? STATE_FDB_MASTER : STATE_FDB_SELF };
	struct state_fdb *have = find_fdb(n, e.where, what == FAKE_DROP_FLOOD);

	if (!n->bridge_exists || (!master && !n->vxlan_exists) || (!add && !have) ||
	    (master && n->kind != STATE_OVERLAY &&
	     (n->n_ports < 2 || n->ports[0].security == STATE_SECURE_OFF /* learnt */)))
		return false;
	if (add)
		e.mac = foreign;
	else
		e = *have;
	if (add || what == FAKE_MOVE_SELF || what == FAKE_MOVE_MASTER) {
		e.vtep = master ? (struct ip){ 0 } : ip_v4(0x0a090909);
		if (master && strncmp(e.port, "vx", 2) == 0 && n->n_ports > 0)
			memcpy(e.port, n->ports[0].name, sizeof(e.port));
		else if (master && n->kind != STATE_OVERLAY)
			memcpy(e.port, n->ports[strcmp(e.port, n->ports[0].name) == 0].name,
			       sizeof(e.port));
		else if (master)
			state_vxlan_name(n->vni, e.port);
	}
	fake_set_fdb(f, n, &e,
		     what == FAKE_DROP_SELF || what == FAKE_DROP_FLOOD || what == FAKE_DROP_MASTER);
	return true;
}

static bool touch_neigh(struct fake_kernel *f, struct state_net *n, enum fake_drift what)
{
	struct state_neigh g = { .ip = ip_v4(0x0a0000fe), .mac = { { 2, 9, 9, 9, 9, 9 } } };

	if (n->kind != STATE_OVERLAY || !n->bridge_exists ||
	    (what != FAKE_ADD_NEIGH && n->n_neigh == 0))
		return false;
	if (what != FAKE_ADD_NEIGH)
		g.ip = n->neigh[0].ip;
	fake_set_neigh(f, n, &g, what == FAKE_DROP_NEIGH);
	return true;
}

static bool touch_gateway(struct fake_kernel *f, struct state_net *n, enum fake_drift what)
{
	bool del = what == FAKE_DROP_GATEWAY;
	struct prefix gw = { .ip = ip_v4(0x0a4d4d4d), .len = 24 };

	if (!(n->kind == STATE_EGRESS ? n->uplink_exists : n->bridge_exists) ||
	    (del && n->n_gateways == 0))
		return false;
	fake_set_gateway(f, n, del ? n->gateways[0] : gw, del);
	return true;
}

/* ---- another hand: the rest ---- */

static bool add_port(struct fake_kernel *f, struct state_net *n, enum fake_drift what)
{
	struct state_port p = {
		.name = "veffffffffffff", .mtu = 1500, .up = true, .enslaved = true
	};

	(void)what;
	if (!n->bridge_exists)
		return false;
	if (n->kind == STATE_BRIDGE)
		snprintf(p.name, sizeof(p.name), "ovpffffffffffff");
	p.ifindex = ++f->next_ifindex;
	state_net_put_port(n, &p);
	fake_event_link(f, n, p.name, false);
	return true;
}

static bool loosen(struct fake_kernel *f, struct state_net *n, enum fake_drift what)
{
	if (!touch_port(f, n, what))
		return false;
	f->loose = mem_grow(f->loose, f->n_loose + 1, sizeof(*f->loose));
	memcpy(f->loose[f->n_loose++], n->ports[0].name, IFNAMSIZ);
	state_net_drop_port(n, n->ports[0].name);
	return true;
}

/* Nothing in the kernel contradicts it. */
static bool misguard(struct fake_kernel *f, struct state_net *n, enum fake_drift what)
{
	const struct state_port *p = n->n_ports > 0 ? &n->ports[0] : NULL;
	struct state_guard own[2];
	size_t count = p && n->kind != STATE_DIRECT ? state_port_guards(p, own) : 0;

	if (count == 0 || own[0].security == STATE_SECURE_OFF ||
	    (what != FAKE_FREE_GUARD && own[0].security != STATE_SECURE_MAC_IP))
		return false;
	if (what == FAKE_MOVE_GUARD)
		fake_set_guard(f, &own[0], true);
	own[0].ip = ip_v4(0x0a090909);
	if (what == FAKE_FREE_GUARD) {
		struct state_port open = *p;

		open.security = STATE_SECURE_OFF;
		state_port_guards(&open, own);
	}
	fake_set_guard(f, &own[0], false);
	fake_event_ground(f);
	return true;
}

static bool touch_elements(struct fake_kernel *f, struct state_net *n, enum fake_drift what)
{
	static const struct state_guard stray = { .port = "veffffffffffff",
						  .mac = { { 2, 9 } },
						  .ip = { .family = AF_INET, .b = { 10 } } };

	(void)n;
	if ((what == FAKE_DROP_GUARD && f->n_guards == 0) ||
	    (what == FAKE_DROP_VTEP && f->n_vteps == 0))
		return false;
	if (what == FAKE_DROP_TABLES) {
		f->grounded = false;
		f->n_guards = f->n_vteps = f->n_elems = 0;
	} else if (what == FAKE_DROP_GUARD)
		f->n_guards--;
	else if (what == FAKE_DROP_VTEP)
		f->n_vteps--;
	else if (what == FAKE_ADD_VTEP)
		fake_set_vtep(f, ip_v4(0x09090909), false);
	else
		fake_set_guard(f, &stray, false);
	fake_event_ground(f);
	return true;
}

static bool drop_namespace(struct fake_kernel *f, struct state_net *n, enum fake_drift what)
{
	size_t nets = 0, guards = 0;

	(void)n;
	(void)what;
	for (size_t i = 0; i < f->n_nets; i++) {
		if (f->nets[i]->kind == STATE_BRIDGE || f->nets[i]->kind == STATE_DIRECT)
			f->nets[nets++] = f->nets[i];
		else
			state_net_free(f->nets[i]);
	}
	f->n_nets = nets;
	for (size_t i = 0; i < f->n_guards; i++) {
		if (state_port_in_host(f->guards[i].port))
			f->guards[guards++] = f->guards[i];
	}
	f->n_guards = guards;
	f->grounded = f->namespace_is_there = false;
	fake_event_ground(f);
	return true;
}

static bool drop_port(struct fake_kernel *f, struct state_net *n, enum fake_drift what)
{
	bool direct = what == FAKE_DROP_DIRECT;
	char name[IFNAMSIZ];

	if (n->n_ports == 0 || (n->kind == STATE_DIRECT) != direct)
		return false;
	memcpy(name, n->ports[0].name, IFNAMSIZ);
	return fake_drop_link(f, name, false);
}

static bool local_drift(struct fake_kernel *f, struct state_net *n, enum fake_drift what)
{
	if (what == FAKE_DROP_UPLINK)
		return fake_drop_link(f, STATE_EGRESS_HOST, false);
	if (what == FAKE_LOCALNET_OFF)
		return touch_localnet(f, n);
	if (what == FAKE_DROP_ELEM || what == FAKE_MOVE_ELEM || what == FAKE_ADD_ELEM)
		return touch_elem(f, what);
	return touch_uplink(f, n, what);
}

static bool drop_device(struct fake_kernel *f, struct state_net *n, enum fake_drift what)
{
	char name[IFNAMSIZ];

	if (what == FAKE_DROP_BRIDGE)
		state_net_bridge_name(n, name);
	else
		state_vxlan_name(n->vni, name);
	return fake_drop_link(f, name, false);
}

static const struct {
	const char *name;
	bool (*done)(struct fake_kernel *f, struct state_net *n, enum fake_drift what);
} drifts[FAKE_DRIFTS] = {
	[FAKE_DROP_BRIDGE] = { "bridge deleted", drop_device },
	[FAKE_DROP_VXLAN] = { "vxlan deleted", drop_device },
	[FAKE_DROP_PORT] = { "port deleted", drop_port },
	[FAKE_DROP_SELF] = { "self entry deleted", touch_fdb },
	[FAKE_DROP_FLOOD] = { "flood entry deleted", touch_fdb },
	[FAKE_DROP_MASTER] = { "master entry deleted", touch_fdb },
	[FAKE_DROP_NEIGH] = { "neighbour deleted", touch_neigh },
	[FAKE_DROP_GATEWAY] = { "gateway deleted", touch_gateway },
	[FAKE_DROP_GUARD] = { "element deleted", touch_elements },
	[FAKE_DROP_VTEP] = { "vtep deleted", touch_elements },
	[FAKE_DROP_TABLES] = { "tables flushed", touch_elements },
	[FAKE_DROP_NAMESPACE] = { "namespace deleted", drop_namespace },
	[FAKE_BRIDGE_DOWN] = { "bridge down", touch_bridge },
	[FAKE_BRIDGE_MAC] = { "bridge mac", touch_bridge },
	[FAKE_BRIDGE_MTU] = { "bridge mtu", touch_bridge },
	[FAKE_VXLAN_DOWN] = { "vxlan down", touch_vxlan },
	[FAKE_VXLAN_MTU] = { "vxlan mtu", touch_vxlan },
	[FAKE_VXLAN_FREE] = { "vxlan off its bridge", touch_vxlan },
	[FAKE_VXLAN_FLAGS] = { "vxlan flags", touch_vxlan },
	[FAKE_VXLAN_LOCAL] = { "vxlan local address", touch_vxlan },
	[FAKE_VXLAN_DSTPORT] = { "vxlan port number", touch_vxlan },
	[FAKE_PORT_DOWN] = { "port down", touch_port },
	[FAKE_PORT_MTU] = { "port mtu", touch_port },
	[FAKE_PORT_FREE] = { "port off its bridge", touch_port },
	[FAKE_PORT_LOOSE] = { "port loose", loosen },
	[FAKE_PORT_FLAGS] = { "port flags", touch_port },
	[FAKE_PORT_OPEN] = { "port open", touch_port },
	[FAKE_MOVE_SELF] = { "self entry moved", touch_fdb },
	[FAKE_MOVE_MASTER] = { "master entry moved", touch_fdb },
	[FAKE_MOVE_NEIGH] = { "neighbour changed", touch_neigh },
	[FAKE_ADD_SELF] = { "self entry added", touch_fdb },
	[FAKE_ADD_MASTER] = { "master entry added", touch_fdb },
	[FAKE_ADD_NEIGH] = { "neighbour added", touch_neigh },
	[FAKE_ADD_GATEWAY] = { "gateway added", touch_gateway },
	[FAKE_ADD_PORT] = { "port added", add_port },
	[FAKE_ADD_GUARD] = { "element added", touch_elements },
	[FAKE_ADD_VTEP] = { "vtep added", touch_elements },
	[FAKE_DROP_UPLINK] = { "uplink deleted", local_drift },
	[FAKE_UPLINK_DOWN] = { "uplink down", local_drift },
	[FAKE_UPLINK_MTU] = { "uplink mtu", local_drift },
	[FAKE_UPLINK_FREE] = { "uplink off its bridge", local_drift },
	[FAKE_LOCALNET_OFF] = { "route_localnet off", local_drift },
	[FAKE_DROP_DIRECT] = { "device in a container deleted", drop_port },
	[FAKE_BRIDGE_NAME] = { "bridge renamed", touch_bridge },
	[FAKE_DROP_ELEM] = { "host element deleted", local_drift },
	[FAKE_MOVE_ELEM] = { "host element changed", local_drift },
	[FAKE_ADD_ELEM] = { "host element added", local_drift },
	[FAKE_OTHER_GUARD] = { "element of another address added", misguard },
	[FAKE_MOVE_GUARD] = { "element with another address", misguard },
	[FAKE_FREE_GUARD] = { "port freed", misguard },
};

bool fake_kernel_drift(struct fake_kernel *f, enum fake_drift what, uint32_t vni)
{
	struct state_net *n = fake_net_find(f, vni);

	return n && what < FAKE_DRIFTS && drifts[what].done(f, n, what);
}

const char *fake_drift_name(enum fake_drift what)
{
	return what < FAKE_DRIFTS ? drifts[what].name : "?";
}
