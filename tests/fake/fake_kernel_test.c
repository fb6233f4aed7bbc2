/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a test does to fake_kernel: its preparations and questions, its faults. */
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
	n->kind = want->kind;
	memcpy(n->bridge, want->bridge, sizeof(n->bridge));
	n->localnet_ok = want->localnet_ok;
	n->uplink_exists = want->uplink_exists;
	n->uplink_up = want->uplink_up;
	n->uplink_enslaved = want->uplink_enslaved;
	n->uplink_mtu = want->uplink_mtu;
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
		struct state_guard g[2];
		size_t n_guards = state_port_guards(&p, g);

		p.ifindex = ++f->next_ifindex;
		state_net_put_port(n, &p);
		for (size_t k = 0; k < n_guards; k++) {
			if (g[k].ip.family == AF_INET6 ? p.guard6 : p.guard4)
				fake_set_guard(f, &g[k], false);
		}
	}
	for (size_t i = 0; i < want->n_fdb; i++)
		state_net_put_fdb(n, &want->fdb[i]);
	for (size_t i = 0; i < want->n_neigh; i++)
		state_net_put_neigh(n, &want->neigh[i]);
	for (size_t i = 0; i < want->n_elems; i++)
		fake_set_elem(f, &want->elems[i], false);
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

static bool same_local(const struct state_net *a, const struct state_net *b)
{
	if (a->kind != b->kind || a->uplink_exists != b->uplink_exists)
		return false;
	if (a->kind == STATE_BRIDGE && a->bridge_exists && strcmp(a->bridge, b->bridge) != 0)
		return false;
	if ((a->kind == STATE_BRIDGE || a->kind == STATE_EGRESS) &&
	    a->localnet_ok != b->localnet_ok)
		return false;
	return !a->uplink_exists ||
	       (a->uplink_up == b->uplink_up && a->uplink_enslaved == b->uplink_enslaved &&
		a->uplink_mtu == b->uplink_mtu);
}

static bool same_devices(const struct state_net *a, const struct state_net *b)
{
	if (!same_local(a, b) || a->bridge_exists != b->bridge_exists ||
	    a->vxlan_exists != b->vxlan_exists)
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
	       a->open == b->open && a->guard6 == b->guard6;
}

static bool has_gateway(const struct state_net *n, struct prefix gw)
{
	for (size_t i = 0; i < n->n_gateways; i++) {
		if (prefix_eq(n->gateways[i], gw))
			return true;
	}
	return false;
}

static int compare(const struct state_net *a, const struct state_net *b, struct err *e)
{
	if (!same_devices(a, b))
		return err_set(e, -1, "devices differ");
	/* On a bridge of the host there may be more: addresses of its administrator. */
	if (a->kind != STATE_BRIDGE && a->n_gateways != b->n_gateways)
		return err_set(e, -1, "%zu gateways, not %zu", a->n_gateways, b->n_gateways);
	for (size_t i = 0; i < b->n_gateways; i++) {
		if (!has_gateway(a, b->gateways[i]))
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

bool fake_kernel_guarded(const struct fake_kernel *f, const struct state_net *want, struct err *e)
{
	struct state_guard g[2];

	for (size_t i = 0; want->kind != STATE_DIRECT && i < want->n_ports; i++) {
		const struct state_port *p = &want->ports[i];
		size_t n = state_port_guards(p, g);

		for (size_t k = 0; k < n; k++) {
			if ((g[k].ip.family == AF_INET6 ? p->guard6 : p->guard4) &&
			    !fake_has_guard(f, &g[k])) {
				err_set(e, -1, "an element of port %s is missing", p->name);
				return false;
			}
		}
	}
	return true;
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
