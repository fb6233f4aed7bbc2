/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The objects of fake_kernel, and what the kernel takes along when one changes. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/fake/fake_kernel_priv.h"

/* ---- networks and links ---- */

struct state_net *fake_net_find(const struct fake_kernel *f, uint32_t vni)
{
	for (size_t i = 0; i < f->n_nets; i++) {
		if (f->nets[i]->vni == vni)
			return f->nets[i];
	}
	return NULL;
}

struct state_net *fake_net_make(struct fake_kernel *f, uint32_t vni)
{
	struct state_net *n = fake_net_find(f, vni);

	if (n)
		return n;
	f->nets = mem_grow(f->nets, f->n_nets + 1, sizeof(struct state_net *));
	n = f->nets[f->n_nets++] = state_net_new(vni);
	n->complete = true;
	return n;
}

void fake_net_tidy(struct fake_kernel *f, uint32_t vni)
{
	for (size_t i = 0; i < f->n_nets; i++) {
		struct state_net *n = f->nets[i];

		if (n->vni != vni || n->bridge_exists || n->vxlan_exists || n->uplink_exists ||
		    n->n_ports > 0)
			continue;
		state_net_free(n);
		f->nets[i] = f->nets[--f->n_nets];
		return;
	}
}

bool fake_part_of(const struct state_net *n, const char *name, enum fake_part *ret)
{
	char br[IFNAMSIZ], vx[IFNAMSIZ];

	state_net_bridge_name(n, br);
	state_vxlan_name(n->vni, vx);
	if (n->bridge_exists && strcmp(br, name) == 0)
		*ret = FAKE_PART_BRIDGE;
	else if (n->vxlan_exists && strcmp(vx, name) == 0)
		*ret = FAKE_PART_VXLAN;
	else if (n->uplink_exists && strcmp(name, STATE_EGRESS_INNER) == 0)
		*ret = FAKE_PART_INNER;
	else if (n->uplink_exists && strcmp(name, STATE_EGRESS_HOST) == 0)
		*ret = FAKE_PART_OUTER;
	else if (state_net_port(n, name))
		*ret = FAKE_PART_PORT;
	else
		return false;
	return true;
}

struct state_net *fake_net_of(const struct fake_kernel *f, const char *name)
{
	for (size_t i = 0; i < f->n_nets; i++) {
		enum fake_part part;

		if (fake_part_of(f->nets[i], name, &part))
			return f->nets[i];
	}
	return NULL;
}

void fake_violate(struct fake_kernel *f, const char *what, const char *name)
{
	if (!f->violation[0])
		snprintf(f->violation, sizeof(f->violation), "%s: %s", name, what);
}

/* ---- events ---- */

static void on_timer(uv_timer_t *t)
{
	fake_kernel_turn(t->data);
}

void fake_wake(struct fake_kernel *f)
{
	if (f->timer && !uv_is_active((uv_handle_t *)f->timer))
		uv_timer_start(f->timer, on_timer, 0, 0);
}

void fake_event(struct fake_kernel *f, const struct kernel_event *ev)
{
	static const struct kernel_event lost = { .type = KERNEL_EVENT_LOST };
	bool was_losing = f->lose > 0;

	if (f->mute || !f->fn)
		return;
	if (was_losing && --f->lose > 0)
		return;
	if ((f->n_queue & (f->n_queue - 1)) == 0)
		f->queue = mem_grow(f->queue, f->n_queue ? f->n_queue * 2 : 1, sizeof(*f->queue));
	f->queue[f->n_queue++] = was_losing ? lost : *ev;
	fake_wake(f);
}

void fake_kernel_tell(struct fake_kernel *f, const struct kernel_event *ev)
{
	fake_event(f, ev);
}

void fake_event_ground(struct fake_kernel *f)
{
	fake_event(f, &(struct kernel_event){ .type = KERNEL_EVENT_GROUND });
}

void fake_event_link(struct fake_kernel *f, const struct state_net *n, const char *name,
		     bool deleted)
{
	struct kernel_event ev = { .type = KERNEL_EVENT_LINK, .deleted = deleted, .vni = n->vni };
	const struct state_port *p = state_net_port(n, name);
	enum fake_part part;

	if (n->kind == STATE_DIRECT || !fake_part_of(n, name, &part))
		return;
	snprintf(ev.name, sizeof(ev.name), "%s", name);
	switch (part) {
	case FAKE_PART_BRIDGE:
		ev.ifindex = n->bridge_ifindex;
		ev.mtu = n->bridge_mtu;
		ev.up = n->bridge_up;
		ev.mac = n->bridge_mac;
		break;
	case FAKE_PART_VXLAN:
		ev.ifindex = n->vxlan_ifindex;
		ev.mtu = n->vxlan_mtu;
		ev.up = n->vxlan_up;
		ev.enslaved = ev.has_flags = n->vxlan_enslaved;
		ev.flags_ok = n->vxlan_flags_ok;
		ev.vtep = n->vtep;
		break;
	case FAKE_PART_INNER:
	case FAKE_PART_OUTER:
		ev.mtu = n->uplink_mtu;
		ev.up = n->uplink_up;
		ev.enslaved = part == FAKE_PART_INNER && n->uplink_enslaved;
		break;
	case FAKE_PART_PORT:
		ev.ifindex = p->ifindex;
		ev.mtu = p->mtu;
		ev.up = p->up;
		ev.enslaved = ev.has_flags = p->enslaved;
		ev.flags_ok = p->flags_ok;
		ev.open = p->open;
		break;
	}
	fake_event(f, &ev);
}

/* ---- entries ---- */

void fake_set_fdb(struct fake_kernel *f, struct state_net *n, const struct state_fdb *e, bool del)
{
	const struct state_fdb *have = state_net_fdb(n, e);
	struct kernel_event ev = {
		.type = KERNEL_EVENT_FDB, .deleted = del, .vni = n->vni, .fdb = *e
	};

	if (del && !have)
		return;
	if (!del && have && ip_eq(have->vtep, e->vtep) && strcmp(have->port, e->port) == 0)
		return; /* identical: no notification */
	if (del) {
		ev.fdb = *have;
		state_net_drop_fdb(n, &ev.fdb);
	} else {
		state_net_put_fdb(n, e);
	}
	fake_event(f, &ev);
}

void fake_set_neigh(struct fake_kernel *f, struct state_net *n, const struct state_neigh *g,
		    bool del)
{
	const struct state_neigh *have = state_net_neigh(n, g->ip);
	struct kernel_event ev = {
		.type = KERNEL_EVENT_NEIGH, .deleted = del, .vni = n->vni, .neigh = *g
	};

	if (del ? !have : have && mac_eq(have->mac, g->mac))
		return;
	if (del)
		state_net_drop_neigh(n, g->ip);
	else
		state_net_put_neigh(n, g);
	fake_event(f, &ev);
}

void fake_set_gateway(struct fake_kernel *f, struct state_net *n, struct prefix gw, bool del)
{
	size_t kept = 0;
	bool had;

	for (size_t i = 0; i < n->n_gateways; i++) {
		if (!prefix_eq(n->gateways[i], gw))
			n->gateways[kept++] = n->gateways[i];
	}
	had = kept != n->n_gateways;
	if (!del)
		n->gateways[kept++] = gw;
	n->n_gateways = kept;
	state_net_sort(n);
	if (had == del)
		fake_event(f, &(struct kernel_event){ .type = KERNEL_EVENT_GATEWAY,
						      .deleted = del,
						      .vni = n->vni,
						      .gateway = gw });
}

void fake_lose_fdb(struct fake_kernel *f, struct state_net *n, const char *port)
{
	for (size_t i = n->n_fdb; i-- > 0;) {
		struct state_fdb e = n->fdb[i];

		if (e.where == STATE_FDB_MASTER && (!port || strcmp(e.port, port) == 0))
			fake_set_fdb(f, n, &e, true);
	}
}

void fake_lose_self(struct fake_kernel *f, struct state_net *n)
{
	for (size_t i = n->n_fdb; i-- > 0;) {
		struct state_fdb e = n->fdb[i];

		if (e.where == STATE_FDB_SELF)
			fake_set_fdb(f, n, &e, true);
	}
}

void fake_lose_neigh(struct fake_kernel *f, struct state_net *n)
{
	while (n->n_neigh > 0) {
		struct state_neigh g = n->neigh[n->n_neigh - 1];

		fake_set_neigh(f, n, &g, true);
	}
}

void fake_lose_gateways(struct fake_kernel *f, struct state_net *n, bool all)
{
	for (size_t i = n->n_gateways; i-- > 0;) {
		if (all || n->gateways[i].ip.family == AF_INET6)
			fake_set_gateway(f, n, n->gateways[i], true);
	}
}

void fake_unslave(struct fake_kernel *f, struct state_net *n, const char *name)
{
	struct state_port *p = state_net_port(n, name);

	fake_lose_fdb(f, n, name);
	if (p)
		p->enslaved = p->flags_ok = p->open = false;
	else if (strcmp(name, STATE_EGRESS_INNER) == 0)
		n->uplink_enslaved = false;
	else
		n->vxlan_enslaved = n->vxlan_flags_ok = false;
	fake_event_link(f, n, name, false);
}

static void lose_bridge(struct fake_kernel *f, struct state_net *n)
{
	char vx[IFNAMSIZ];

	fake_lose_fdb(f, n, NULL);
	fake_lose_neigh(f, n);
	if (n->kind != STATE_EGRESS)
		fake_lose_gateways(f, n, true);
	for (size_t i = 0; i < n->n_ports; i++)
		fake_unslave(f, n, n->ports[i].name);
	state_vxlan_name(n->vni, vx);
	if (n->vxlan_exists)
		fake_unslave(f, n, vx);
	if (n->uplink_exists)
		fake_unslave(f, n, STATE_EGRESS_INNER);
}

bool fake_drop_link(struct fake_kernel *f, const char *name, bool silent)
{
	struct state_net *n = fake_net_of(f, name);
	enum fake_part part;

	for (size_t i = 0; i < f->n_loose; i++) {
		if (strcmp(f->loose[i], name) != 0)
			continue;
		memmove(f->loose[i], f->loose[--f->n_loose], IFNAMSIZ);
		return true;
	}
	if (!n || !fake_part_of(n, name, &part))
		return false;
	if (part == FAKE_PART_BRIDGE)
		lose_bridge(f, n);
	else
		fake_lose_fdb(f, n, name);
	if (part == FAKE_PART_VXLAN)
		fake_lose_self(f, n);
	if (part == FAKE_PART_INNER || part == FAKE_PART_OUTER)
		fake_lose_gateways(f, n, true);
	if (!silent)
		fake_event_link(f, n, name, true);
	switch (part) {
	case FAKE_PART_BRIDGE:
		n->bridge_exists = false;
		break;
	case FAKE_PART_VXLAN:
		n->vxlan_exists = n->vxlan_enslaved = false;
		break;
	case FAKE_PART_INNER:
	case FAKE_PART_OUTER:
		n->uplink_exists = n->uplink_up = n->uplink_enslaved = n->localnet_ok = false;
		break;
	case FAKE_PART_PORT:
		state_net_drop_port(n, name);
		break;
	}
	fake_net_tidy(f, n->vni);
	return true;
}

/* ---- elements ---- */

void fake_set_guard(struct fake_kernel *f, const struct state_guard *g, bool del)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->n_guards; i++) {
		const struct state_guard *o = &f->guards[i];

		if (strcmp(o->port, g->port) != 0 || !mac_eq(o->mac, g->mac) ||
		    !ip_eq(o->ip, g->ip))
			f->guards[kept++] = *o;
	}
	f->n_guards = kept;
	if (del)
		return;
	f->guards = mem_grow(f->guards, kept + 1, sizeof(*f->guards));
	f->guards[f->n_guards++] = *g;
}

void fake_set_vtep(struct fake_kernel *f, struct ip ip, bool del)
{
	size_t kept = 0, at = 0;

	for (size_t i = 0; i < f->n_vteps; i++) {
		if (!ip_eq(f->vteps[i], ip))
			f->vteps[kept++] = f->vteps[i];
	}
	f->n_vteps = kept;
	if (del)
		return;
	f->vteps = mem_grow(f->vteps, kept + 1, sizeof(*f->vteps));
	while (at < kept && ip_cmp(f->vteps[at], ip) < 0)
		at++;
	memmove(&f->vteps[at + 1], &f->vteps[at], (kept - at) * sizeof(*f->vteps));
	f->vteps[at] = ip;
	f->n_vteps++;
}

bool fake_has_guard(const struct fake_kernel *f, const struct state_guard *g)
{
	for (size_t i = 0; i < f->n_guards; i++) {
		const struct state_guard *o = &f->guards[i];

		if (strcmp(o->port, g->port) == 0 && mac_eq(o->mac, g->mac) && ip_eq(o->ip, g->ip))
			return true;
	}
	return false;
}

bool fake_guard_may_fit(const struct state_net *n, const struct state_port *p,
			const struct state_guard *g)
{
	if (g->security == STATE_SECURE_OFF)
		return true;
	return mac_eq(g->mac, p->mac) && (!ip_is_set(g->ip) || n->kind != STATE_OVERLAY);
}

/* Of a port: does the element of this family stand, or that of no address? */
static bool guarded(const struct fake_kernel *f, const struct state_net *net,
		    const struct state_port *p, bool six)
{
	struct state_guard g[2];
	size_t n = state_port_guards(p, g);

	for (size_t i = 0; i < n; i++) {
		if ((g[i].ip.family == AF_INET6) == six && fake_has_guard(f, &g[i]))
			return true;
	}
	/* Another hand's count for ports in use only: what fake_kernel_put() makes of an earlier life is no such hand. */
	for (size_t i = 0; p->up && i < f->n_guards; i++) {
		const struct state_guard *o = &f->guards[i];

		if (strcmp(o->port, p->name) == 0 && (o->ip.family == AF_INET6) == six &&
		    fake_guard_may_fit(net, p, o))
			return true;
	}
	return false;
}

struct state_net *fake_observe(const struct fake_kernel *f, const struct state_net *n)
{
	struct state_net *o = mem_dup(n, sizeof(*n));

	o->complete = true;
	o->ports = NULL;
	o->fdb = NULL;
	o->neigh = NULL;
	o->n_ports = o->n_fdb = o->n_neigh = 0;
	for (size_t i = 0; i < n->n_ports; i++) {
		const struct state_port *t = &n->ports[i];
		struct state_port p = { .mtu = t->mtu,
					.up = t->up,
					.enslaved = t->enslaved,
					.flags_ok = t->flags_ok,
					.open = t->open,
					.ifindex = t->ifindex };

		memcpy(p.name, t->name, sizeof(p.name));
		p.guard4 = guarded(f, n, t, false);
		p.guard6 = guarded(f, n, t, true);
		state_net_add_port(o, &p);
	}
	for (size_t i = 0; i < n->n_fdb; i++)
		state_net_add_fdb(o, &n->fdb[i]);
	for (size_t i = 0; i < n->n_neigh; i++)
		state_net_add_neigh(o, &n->neigh[i]);
	return o;
}
