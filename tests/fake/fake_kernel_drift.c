/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others do to fake_kernel: the test's preparations and questions, its faults, and another hand's changes. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/fake/fake_kernel_priv.h"

/* ---- preparations ---- */

void fake_kernel_put(struct fake_kernel *f, const struct state_net *want)
{
	struct state_net *n = fake_net_make(f, want->vni);
	bool mute = f->mute;

	f->mute = true;
	n->bridge_exists = want->bridge_exists;
	n->bridge_ifindex = ++f->next_ifindex;
	n->bridge_mac = want->bridge_mac;
	n->bridge_mtu = want->bridge_mtu;
	n->bridge_up = want->bridge_up;
	memcpy(n->gateways, want->gateways, sizeof(n->gateways));
	n->n_gateways = want->n_gateways;
	n->vxlan_exists = want->vxlan_exists;
	n->vxlan_ifindex = ++f->next_ifindex;
	n->vtep = want->vtep;
	n->port = want->port;
	n->vxlan_mtu = want->vxlan_mtu;
	n->vxlan_up = want->vxlan_up;
	n->vxlan_enslaved = want->vxlan_enslaved;
	n->vxlan_flags_ok = want->vxlan_flags_ok;
	for (size_t i = 0; i < want->n_ports; i++) {
		struct state_port p = want->ports[i];
		struct state_guard g = { .mac = p.mac };

		p.ifindex = ++f->next_ifindex;
		state_net_put_port(n, &p);
		memcpy(g.port, p.name, sizeof(g.port));
		g.ip = p.ip4;
		if (p.guard4)
			fake_set_guard(f, &g, false);
		g.ip = p.ip6;
		if (p.guard6)
			fake_set_guard(f, &g, false);
	}
	for (size_t i = 0; i < want->n_fdb; i++)
		state_net_put_fdb(n, &want->fdb[i]);
	for (size_t i = 0; i < want->n_neigh; i++)
		state_net_put_neigh(n, &want->neigh[i]);
	f->mute = mute;
}

void fake_kernel_put_vtep(struct fake_kernel *f, struct ip vtep)
{
	fake_set_vtep(f, vtep, false);
}

void fake_kernel_kill(struct fake_kernel *f, const char *path)
{
	fake_kernel_bury(f, path);
	for (size_t i = 0; i < f->n_nets; i++) {
		for (size_t j = f->nets[i]->n_ports; j-- > 0;) {
			char name[IFNAMSIZ];

			memcpy(name, f->nets[i]->ports[j].name, IFNAMSIZ);
			if (strcmp(f->nets[i]->ports[j].target.path, path) == 0)
				fake_drop_link(f, name, false);
		}
	}
}

void fake_kernel_bury(struct fake_kernel *f, const char *path)
{
	if (f->n_dead < FAKE_DEAD_MAX)
		snprintf(f->dead[f->n_dead++], STATE_TARGET_PATH_MAX, "%s", path);
}

void fake_kernel_unground(struct fake_kernel *f)
{
	f->grounded = false;
	fake_event_ground(f);
}

void fake_kernel_fail(struct fake_kernel *f, enum fake_verb v, unsigned nth, unsigned times,
		      int status)
{
	f->faults[v] = (struct fake_fault){ .after = nth - 1, .times = times, .status = status };
}

void fake_kernel_fail_port(struct fake_kernel *f, const char *name, int status)
{
	snprintf(f->bad_port, sizeof(f->bad_port), "%s", name);
	f->bad_port_status = status;
}

void fake_kernel_mute(struct fake_kernel *f, bool on)
{
	f->mute = on;
}

void fake_kernel_hold(struct fake_kernel *f, bool on)
{
	f->hold = on;
	if (!on)
		fake_wake(f);
}

void fake_kernel_lose(struct fake_kernel *f, unsigned n)
{
	f->lose = n + 1;
}

/* ---- questions ---- */

const struct state_net *fake_kernel_net(const struct fake_kernel *f, uint32_t vni)
{
	return fake_net_find(f, vni);
}

size_t fake_kernel_count(const struct fake_kernel *f)
{
	return f->n_nets;
}

size_t fake_kernel_guards(const struct fake_kernel *f)
{
	return f->n_guards;
}

size_t fake_kernel_vteps(const struct fake_kernel *f, const struct ip **ret)
{
	if (ret)
		*ret = f->vteps;
	return f->n_vteps;
}

unsigned fake_kernel_calls(const struct fake_kernel *f, enum fake_verb v)
{
	return f->calls[v];
}

const char *fake_kernel_violation(const struct fake_kernel *f)
{
	return f->violation[0] ? f->violation : NULL;
}

static bool same_devices(const struct state_net *a, const struct state_net *b)
{
	if (a->bridge_exists != b->bridge_exists || a->vxlan_exists != b->vxlan_exists)
		return false;
	if (a->bridge_exists && (!mac_eq(a->bridge_mac, b->bridge_mac) ||
				 a->bridge_mtu != b->bridge_mtu || a->bridge_up != b->bridge_up))
		return false;
	return !a->vxlan_exists ||
	       (ip_eq(a->vtep, b->vtep) && a->port == b->port && a->vxlan_mtu == b->vxlan_mtu &&
		a->vxlan_up == b->vxlan_up && a->vxlan_enslaved == b->vxlan_enslaved &&
		a->vxlan_flags_ok == b->vxlan_flags_ok);
}

static bool same_port(const struct state_port *a, const struct state_port *b)
{
	return strcmp(a->name, b->name) == 0 && a->mtu == b->mtu && a->up == b->up &&
	       a->enslaved == b->enslaved && a->flags_ok == b->flags_ok && a->guard4 == b->guard4 &&
	       a->guard6 == b->guard6;
}

static int compare(const struct state_net *a, const struct state_net *b, struct err *e)
{
	if (!same_devices(a, b))
		return err_set(e, -1, "devices differ");
	if (a->n_gateways != b->n_gateways)
		return err_set(e, -1, "%zu gateways, not %zu", a->n_gateways, b->n_gateways);
	for (size_t i = 0; i < a->n_gateways; i++) {
		if (!prefix_eq(a->gateways[i], b->gateways[i]))
			return err_set(e, -1, "gateway %zu differs", i);
	}
	if (a->n_ports != b->n_ports)
		return err_set(e, -1, "%zu ports, not %zu", a->n_ports, b->n_ports);
	for (size_t i = 0; i < a->n_ports; i++) {
		const struct state_port *p = &a->ports[i], *q = &b->ports[i];

		if (!same_port(p, q))
			return err_set(
				e, -1,
				"port %s, not %s: mtu %u/%u up %d/%d on %d/%d flags %d/%d v4 %d/%d v6 %d/%d",
				p->name, q->name, p->mtu, q->mtu, p->up, q->up, p->enslaved,
				q->enslaved, p->flags_ok, q->flags_ok, p->guard4, q->guard4,
				p->guard6, q->guard6);
	}
	if (a->n_fdb != b->n_fdb)
		return err_set(e, -1, "%zu fdb entries, not %zu", a->n_fdb, b->n_fdb);
	for (size_t i = 0; i < a->n_fdb; i++) {
		if (state_fdb_cmp(&a->fdb[i], &b->fdb[i]) != 0 ||
		    !ip_eq(a->fdb[i].vtep, b->fdb[i].vtep) ||
		    strcmp(a->fdb[i].port, b->fdb[i].port) != 0)
			return err_set(e, -1, "fdb entry %zu differs", i);
	}
	if (a->n_neigh != b->n_neigh)
		return err_set(e, -1, "%zu neighbours, not %zu", a->n_neigh, b->n_neigh);
	for (size_t i = 0; i < a->n_neigh; i++) {
		if (!ip_eq(a->neigh[i].ip, b->neigh[i].ip) ||
		    !mac_eq(a->neigh[i].mac, b->neigh[i].mac))
			return err_set(e, -1, "neighbour %zu differs", i);
	}
	return 0;
}

bool fake_kernel_is(const struct fake_kernel *f, uint32_t vni, const struct state_net *want,
		    struct err *e)
{
	const struct state_net *n = fake_net_find(f, vni);
	_cleanup_state_net_ struct state_net *seen = NULL;

	if (!n || !want) {
		if (!n == !want)
			return true;
		err_set(e, -1, n ? "network %u is there" : "network %u is missing", vni);
		return false;
	}
	seen = fake_observe(f, n);
	return compare(seen, want, e) == 0;
}

/* ---- another hand: links ---- */

static bool drop_named(struct fake_kernel *f, void (*name_of)(uint32_t, char *), uint32_t vni)
{
	char name[IFNAMSIZ];

	name_of(vni, name);
	return fake_drop_link(f, name, false);
}

static bool touch_bridge(struct fake_kernel *f, struct state_net *n, enum fake_drift what)
{
	char name[IFNAMSIZ];

	if (!n->bridge_exists)
		return false;
	state_bridge_name(n->vni, name);
	if (what == FAKE_BRIDGE_DOWN) {
		n->bridge_up = false;
		fake_event_link(f, n, name, false);
		fake_lose_neigh(f, n);
		fake_lose_gateways(f, n, false);
		return true;
	}
	if (what == FAKE_BRIDGE_MTU)
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

static bool touch_port(struct fake_kernel *f, struct state_net *n, enum fake_drift what)
{
	struct state_port *p = n->n_ports ? &n->ports[0] : NULL;
	char name[IFNAMSIZ];

	if (!p)
		return false;
	memcpy(name, p->name, IFNAMSIZ);
	if (what == FAKE_PORT_FREE || what == FAKE_PORT_LOOSE)
		fake_unslave(f, n, name);
	else if (what == FAKE_PORT_DOWN)
		p->up = false;
	else if (what == FAKE_PORT_MTU)
		p->mtu = 1280;
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

	if (!n->bridge_exists || !n->vxlan_exists || (!add && !have))
		return false;
	if (add)
		e.mac = foreign;
	else
		e = *have;
	if (add || what == FAKE_MOVE_SELF || what == FAKE_MOVE_MASTER) {
		e.vtep = master ? (struct ip){ 0 } : ip_v4(0x0a090909);
		if (master && strncmp(e.port, "vx", 2) == 0 && n->n_ports > 0)
			memcpy(e.port, n->ports[0].name, sizeof(e.port));
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

	if (!n->bridge_exists || (what != FAKE_ADD_NEIGH && n->n_neigh == 0))
		return false;
	if (what != FAKE_ADD_NEIGH)
		g.ip = n->neigh[0].ip;
	fake_set_neigh(f, n, &g, what == FAKE_DROP_NEIGH);
	return true;
}

static bool touch_gateway(struct fake_kernel *f, struct state_net *n, bool del)
{
	struct prefix gw = { .ip = ip_v4(0x0a4d4d4d), .len = 24 };

	if (!n->bridge_exists || (del && n->n_gateways == 0))
		return false;
	fake_set_gateway(f, n, del ? n->gateways[0] : gw, del);
	return true;
}

/* ---- another hand: the rest ---- */

static bool add_port(struct fake_kernel *f, struct state_net *n)
{
	struct state_port p = {
		.name = "veffffffffffff", .mtu = 1500, .up = true, .enslaved = true
	};

	p.ifindex = ++f->next_ifindex;
	state_net_put_port(n, &p);
	fake_event_link(f, n, p.name, false);
	return n->bridge_exists;
}

static bool loosen(struct fake_kernel *f, struct state_net *n)
{
	if (!touch_port(f, n, FAKE_PORT_LOOSE))
		return false;
	f->loose = mem_grow(f->loose, f->n_loose + 1, sizeof(*f->loose));
	memcpy(f->loose[f->n_loose++], n->ports[0].name, IFNAMSIZ);
	state_net_drop_port(n, n->ports[0].name);
	return true;
}

static bool touch_elements(struct fake_kernel *f, enum fake_drift what)
{
	static const struct state_guard stray = { .port = "veffffffffffff",
						  .mac = { { 2, 9 } },
						  .ip = { .family = AF_INET, .b = { 10 } } };

	if ((what == FAKE_DROP_GUARD && f->n_guards == 0) ||
	    (what == FAKE_DROP_VTEP && f->n_vteps == 0))
		return false;
	if (what == FAKE_DROP_TABLES) {
		f->grounded = false;
		f->n_guards = f->n_vteps = 0;
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

static bool drop_namespace(struct fake_kernel *f)
{
	for (size_t i = 0; i < f->n_nets; i++)
		state_net_free(f->nets[i]);
	f->n_nets = f->n_guards = 0;
	f->grounded = f->namespace_is_there = false;
	fake_event_ground(f);
	return true;
}

bool fake_kernel_drift(struct fake_kernel *f, enum fake_drift what, uint32_t vni)
{
	struct state_net *n = fake_net_find(f, vni);
	char name[IFNAMSIZ];

	if (!n)
		return false;
	switch (what) {
	case FAKE_DROP_BRIDGE:
		return drop_named(f, state_bridge_name, vni);
	case FAKE_DROP_VXLAN:
		return drop_named(f, state_vxlan_name, vni);
	case FAKE_DROP_PORT:
		if (n->n_ports == 0)
			return false;
		memcpy(name, n->ports[0].name, IFNAMSIZ);
		return fake_drop_link(f, name, false);
	case FAKE_DROP_SELF:
	case FAKE_DROP_FLOOD:
	case FAKE_DROP_MASTER:
	case FAKE_MOVE_SELF:
	case FAKE_MOVE_MASTER:
	case FAKE_ADD_SELF:
	case FAKE_ADD_MASTER:
		return touch_fdb(f, n, what);
	case FAKE_DROP_NEIGH:
	case FAKE_MOVE_NEIGH:
	case FAKE_ADD_NEIGH:
		return touch_neigh(f, n, what);
	case FAKE_DROP_GATEWAY:
	case FAKE_ADD_GATEWAY:
		return touch_gateway(f, n, what == FAKE_DROP_GATEWAY);
	case FAKE_DROP_GUARD:
	case FAKE_DROP_VTEP:
	case FAKE_DROP_TABLES:
	case FAKE_ADD_GUARD:
	case FAKE_ADD_VTEP:
		return touch_elements(f, what);
	case FAKE_DROP_NAMESPACE:
		return drop_namespace(f);
	case FAKE_BRIDGE_DOWN:
	case FAKE_BRIDGE_MAC:
	case FAKE_BRIDGE_MTU:
		return touch_bridge(f, n, what);
	case FAKE_VXLAN_DOWN:
	case FAKE_VXLAN_MTU:
	case FAKE_VXLAN_FREE:
	case FAKE_VXLAN_FLAGS:
	case FAKE_VXLAN_LOCAL:
	case FAKE_VXLAN_DSTPORT:
		return touch_vxlan(f, n, what);
	case FAKE_PORT_DOWN:
	case FAKE_PORT_MTU:
	case FAKE_PORT_FREE:
	case FAKE_PORT_FLAGS:
		return touch_port(f, n, what);
	case FAKE_PORT_LOOSE:
		return loosen(f, n);
	case FAKE_ADD_PORT:
		return add_port(f, n);
	case FAKE_DRIFTS:
		break;
	}
	return false;
}

const char *fake_drift_name(enum fake_drift what)
{
	static const char *const names[FAKE_DRIFTS] = {
		[FAKE_DROP_BRIDGE] = "bridge deleted",
		[FAKE_DROP_VXLAN] = "vxlan deleted",
		[FAKE_DROP_PORT] = "port deleted",
		[FAKE_DROP_SELF] = "self entry deleted",
		[FAKE_DROP_FLOOD] = "flood entry deleted",
		[FAKE_DROP_MASTER] = "master entry deleted",
		[FAKE_DROP_NEIGH] = "neighbour deleted",
		[FAKE_DROP_GATEWAY] = "gateway deleted",
		[FAKE_DROP_GUARD] = "element deleted",
		[FAKE_DROP_VTEP] = "vtep deleted",
		[FAKE_DROP_TABLES] = "tables flushed",
		[FAKE_DROP_NAMESPACE] = "namespace deleted",
		[FAKE_BRIDGE_DOWN] = "bridge down",
		[FAKE_BRIDGE_MAC] = "bridge mac",
		[FAKE_BRIDGE_MTU] = "bridge mtu",
		[FAKE_VXLAN_DOWN] = "vxlan down",
		[FAKE_VXLAN_MTU] = "vxlan mtu",
		[FAKE_VXLAN_FREE] = "vxlan off its bridge",
		[FAKE_VXLAN_FLAGS] = "vxlan flags",
		[FAKE_VXLAN_LOCAL] = "vxlan local address",
		[FAKE_VXLAN_DSTPORT] = "vxlan port number",
		[FAKE_PORT_DOWN] = "port down",
		[FAKE_PORT_MTU] = "port mtu",
		[FAKE_PORT_FREE] = "port off its bridge",
		[FAKE_PORT_LOOSE] = "port loose",
		[FAKE_PORT_FLAGS] = "port flags",
		[FAKE_MOVE_SELF] = "self entry moved",
		[FAKE_MOVE_MASTER] = "master entry moved",
		[FAKE_MOVE_NEIGH] = "neighbour changed",
		[FAKE_ADD_SELF] = "self entry added",
		[FAKE_ADD_MASTER] = "master entry added",
		[FAKE_ADD_NEIGH] = "neighbour added",
		[FAKE_ADD_GATEWAY] = "gateway added",
		[FAKE_ADD_PORT] = "port added",
		[FAKE_ADD_GUARD] = "element added",
		[FAKE_ADD_VTEP] = "vtep added",
	};

	return what < FAKE_DRIFTS ? names[what] : "?";
}
