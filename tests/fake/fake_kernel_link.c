/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs of links. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/fake/fake_kernel_priv.h"

/* ---- makers ---- */

static int bridge_add(struct kernel *k, const struct state_net *want, struct err *e)
{
	struct fake_kernel *f = fake_of(k);
	char name[IFNAMSIZ];
	struct state_net *n;
	int r = fake_call(f, FAKE_BRIDGE_ADD, e);

	if (r < 0)
		return r;
	state_net_bridge_name(want, name);
	n = fake_net_make(f, want->vni);
	n->kind = want->kind;
	f->writes++;
	if (n->bridge_exists && !mac_eq(n->bridge_mac, want->bridge_mac))
		fake_lose_neigh(f, n);
	if (!n->bridge_exists) {
		n->bridge_ifindex = ++f->next_ifindex;
		n->bridge_up = false;
		n->bridge_exists = true;
		memcpy(n->bridge, want->bridge, sizeof(n->bridge));
	}
	if (n->kind == STATE_BRIDGE)
		n->localnet_ok = true;
	n->bridge_mac = want->bridge_mac;
	n->bridge_mtu = want->bridge_mtu;
	fake_event_link(f, n, name, false);
	n->bridge_up = true;
	fake_event_link(f, n, name, false);
	return 0;
}

static int vxlan_add(struct kernel *k, const struct state_net *want, struct err *e)
{
	struct fake_kernel *f = fake_of(k);
	struct state_net *n = fake_net_find(f, want->vni);
	char name[IFNAMSIZ];
	int r = fake_call(f, FAKE_VXLAN_ADD, e);

	if (r < 0)
		return r;
	if (!n || !n->bridge_exists)
		return err_set(e, -ENODEV, "no bridge");
	state_vxlan_name(want->vni, name);
	f->writes++;
	if (n->vxlan_exists)
		fake_drop_link(f, name, true);
	n->vxlan_ifindex = ++f->next_ifindex;
	n->vxlan_exists = true;
	n->vtep = want->vtep;
	n->port = want->port;
	n->vxlan_mtu = want->vxlan_mtu;
	n->vxlan_up = n->vxlan_enslaved = n->vxlan_flags_ok = false;
	fake_event_link(f, n, name, false);
	n->vxlan_up = n->vxlan_enslaved = n->vxlan_flags_ok = true;
	fake_event_link(f, n, name, false);
	return 0;
}

static int uplink_add(struct kernel *k, const struct state_net *want, struct err *e)
{
	struct fake_kernel *f = fake_of(k);
	struct state_net *n = fake_net_find(f, want->vni);
	int r = fake_call(f, FAKE_UPLINK_ADD, e);

	if (r < 0)
		return r;
	if (want->kind != STATE_EGRESS)
		fake_violate(f, "an uplink of no egress bridge", STATE_EGRESS_INNER);
	if (!n || !n->bridge_exists)
		return err_set(e, -ENODEV, "no bridge");
	f->writes++;
	if (n->uplink_exists)
		fake_drop_link(f, STATE_EGRESS_INNER, true);
	n->uplink_exists = true;
	n->uplink_mtu = want->uplink_mtu;
	n->uplink_up = n->uplink_enslaved = n->localnet_ok = false;
	fake_event_link(f, n, STATE_EGRESS_INNER, false);
	n->uplink_up = n->uplink_enslaved = n->localnet_ok = true;
	fake_event_link(f, n, STATE_EGRESS_INNER, false);
	fake_event_link(f, n, STATE_EGRESS_HOST, false);
	for (size_t i = 0; i < want->n_gateways; i++)
		fake_set_gateway(f, n, want->gateways[i], false);
	return 0;
}

static bool inside_has(const struct fake_kernel *f, const struct state_port *p)
{
	for (size_t i = 0; i < f->n_nets; i++) {
		for (size_t j = 0; j < f->nets[i]->n_ports; j++) {
			const struct state_port *o = &f->nets[i]->ports[j];

			if (strcmp(o->name, p->name) != 0 && strcmp(o->ifname, p->ifname) == 0 &&
			    strcmp(o->target.path, p->target.path) == 0)
				return true;
		}
	}
	return false;
}

static int port_refused(struct fake_kernel *f, const struct state_net *n,
			const struct state_port *p, struct err *e)
{
	if (f->bad_port_status && strcmp(f->bad_port, p->name) == 0)
		return err_set(e, f->bad_port_status, "fault of port %s", p->name);
	if (p->handed && !p->fresh)
		fake_violate(f, "made again after it was handed over", p->name);
	if (!p->handed && fake_is_dead(f, p->target.path))
		return err_set(e, -ENOENT, "%s is gone", p->target.path);
	if (!n || (n->kind != STATE_DIRECT && !n->bridge_exists))
		return err_set(e, -ENODEV, "no bridge");
	if (inside_has(f, p))
		return err_set(e, -EEXIST, "an interface %s exists", p->ifname);
	return 0;
}

/* In the container at once; nothing is told of it. */
static int direct_add(struct fake_kernel *f, struct state_net *n, const struct state_port *p)
{
	const struct state_port *have = state_net_port(n, p->name);
	struct state_port t = *p;

	if (have && mac_eq(have->mac, p->mac) && strcmp(have->ifname, p->ifname) == 0 &&
	    strcmp(have->target.path, p->target.path) == 0)
		return 0;
	f->writes++;
	t.ifindex = ++f->next_ifindex;
	state_net_put_port(n, &t);
	return 0;
}

static int port_add(struct kernel *k, const struct state_net *want, const struct state_port *p,
		    struct err *e)
{
	struct fake_kernel *f = fake_of(k);
	struct state_net *n = fake_net_find(f, want->vni);
	struct state_port t = *p;
	int r = fake_call(f, FAKE_PORT_ADD, e);

	if (r == 0 && want->kind == STATE_DIRECT) {
		n = fake_net_make(f, want->vni);
		n->kind = STATE_DIRECT;
	}
	if (r == 0)
		r = port_refused(f, n, p, e);
	if (r < 0) {
		fake_net_tidy(f, want->vni);
		return r;
	}
	if (n->kind == STATE_DIRECT)
		return direct_add(f, n, p);
	fake_drop_link(f, p->name, true); /* a stale host end */
	f->writes++;
	t.ifindex = ++f->next_ifindex;
	t.up = t.guard4 = t.guard6 = t.enslaved = t.flags_ok = false;
	state_net_put_port(n, &t);
	fake_event_link(f, n, p->name, false);
	t.enslaved = t.flags_ok = true;
	state_net_put_port(n, &t);
	fake_event_link(f, n, p->name, false);
	return 0;
}

/* ---- changes ---- */

static void check_ready(struct fake_kernel *f, const struct state_net *n,
			const struct state_port *p)
{
	struct state_fdb key = { .where = STATE_FDB_MASTER, .mac = p->mac };
	const struct state_fdb *e = state_net_fdb(n, &key);
	struct state_guard g[2];
	size_t n_guards = state_port_guards(p, g);

	if (!p->enslaved)
		fake_violate(f, "up while on no bridge", p->name);
	else if (!p->flags_ok)
		fake_violate(f, "up without its flags", p->name);
	else if (!p->open && (!e || strcmp(e->port, p->name) != 0))
		fake_violate(f, "up before its entry", p->name);
	for (size_t i = 0; i < n_guards; i++) {
		if (!fake_has_guard(f, &g[i]))
			fake_violate(f, "up before its elements", p->name);
	}
}

static void set_port(struct fake_kernel *f, struct state_net *n, const struct kernel_link_set *s)
{
	struct state_port *p = state_net_port(n, s->name);

	if (s->up == KERNEL_OFF || (s->master && s->port_flags))
		p->up = false;
	if (s->mtu)
		p->mtu = s->mtu;
	if (s->master) {
		fake_unslave(f, n, s->name);
		p->enslaved = n->bridge_exists;
	}
	if (s->port_flags) {
		p->flags_ok = p->enslaved;
		p->open = s->open;
		if (s->isolated != (n->kind == STATE_EGRESS))
			fake_violate(f, "isolated or not, the wrong way", p->name);
	}
	if (s->up == KERNEL_ON) {
		check_ready(f, n, p);
		p->up = true;
	}
}

static void set_vxlan(struct fake_kernel *f, struct state_net *n, const struct kernel_link_set *s)
{
	if (s->mtu)
		n->vxlan_mtu = s->mtu;
	if (s->master) {
		fake_unslave(f, n, s->name);
		n->vxlan_enslaved = n->bridge_exists;
	}
	if (s->port_flags)
		n->vxlan_flags_ok = n->vxlan_enslaved;
	if (ip_is_set(s->vtep))
		n->vtep = s->vtep;
	if (s->up != KERNEL_KEEP)
		n->vxlan_up = s->up == KERNEL_ON;
}

static void set_uplink(struct fake_kernel *f, struct state_net *n, const struct kernel_link_set *s,
		       bool outer)
{
	if (s->mtu && outer)
		n->uplink_mtu = s->mtu;
	if (s->master && !outer) {
		fake_unslave(f, n, s->name);
		n->uplink_enslaved = n->bridge_exists;
	}
	if (s->localnet && outer)
		n->localnet_ok = true;
	if (s->up != KERNEL_KEEP && outer)
		n->uplink_up = s->up == KERNEL_ON;
}

static void set_part(struct fake_kernel *f, struct state_net *n, const struct kernel_link_set *s,
		     enum fake_part part)
{
	bool host = n->kind == STATE_BRIDGE || part == FAKE_PART_OUTER;

	if (s->host != host)
		fake_violate(f, "looked for in the wrong namespace", s->name);
	switch (part) {
	case FAKE_PART_BRIDGE:
		if (!s->localnet || s->up != KERNEL_KEEP || s->mtu || s->master)
			fake_violate(f, "a bridge changed by link_set", s->name);
		else
			n->localnet_ok = true;
		break;
	case FAKE_PART_VXLAN:
		set_vxlan(f, n, s);
		break;
	case FAKE_PART_INNER:
	case FAKE_PART_OUTER:
		set_uplink(f, n, s, part == FAKE_PART_OUTER);
		break;
	case FAKE_PART_PORT:
		set_port(f, n, s);
		break;
	}
}

static int link_set(struct kernel *k, const struct kernel_link_set *s, struct err *e)
{
	struct fake_kernel *f = fake_of(k);
	struct state_net *n = fake_net_of(f, s->name);
	enum fake_part part;
	int r = fake_call(f, FAKE_LINK_SET, e);

	if (r < 0)
		return r;
	if (!n || !fake_part_of(n, s->name, &part))
		return err_set(e, -ENODEV, "no link %s", s->name);
	f->writes++;
	set_part(f, n, s, part);
	fake_event_link(f, n, s->name, false);
	return 0;
}

static int link_shut(struct kernel *k, const char *name, struct err *e)
{
	struct fake_kernel *f = fake_of(k);
	struct state_net *n = fake_net_of(f, name);
	struct state_port *p = n ? state_net_port(n, name) : NULL;
	int r = fake_call(f, FAKE_LINK_SHUT, e);

	if (r < 0 || !p)
		return r;
	f->writes++;
	p->up = false;
	fake_unslave(f, n, name);
	return 0;
}

static bool enqueue(struct fake_kernel *f, enum fake_verb v, const char *name,
		    kernel_deleted_fn done, void *user)
{
	struct fake_deletion d = { .done = done, .user = user };

	snprintf(d.name, sizeof(d.name), "%s", name);
	d.refused = fake_call(f, v, NULL) < 0;
	f->deletions = mem_grow(f->deletions, f->n_deletions + 1, sizeof(d));
	f->deletions[f->n_deletions++] = d;
	fake_wake(f);
	return !d.refused;
}

static void link_del(struct kernel *k, const char *name, kernel_deleted_fn done, void *user)
{
	struct fake_kernel *f = fake_of(k);

	/* From now on it is hidden, as if gone; or stays, and that is told later. */
	if (enqueue(f, FAKE_LINK_DEL, name, done, user) && fake_drop_link(f, name, true))
		f->writes++;
}

static void direct_del(struct kernel *k, const struct state_port *p, kernel_deleted_fn done,
		       void *user)
{
	struct fake_kernel *f = fake_of(k);
	const struct state_net *n = fake_net_of(f, p->name);
	const struct state_port *have = n ? state_net_port(n, p->name) : NULL;

	if (have && (strcmp(have->target.path, p->target.path) != 0 ||
		     strcmp(have->ifname, p->ifname) != 0))
		fake_violate(f, "deleted in another place", p->name);
	if (enqueue(f, FAKE_DIRECT_DEL, p->name, done, user) && fake_drop_link(f, p->name, true))
		f->writes++;
}

void fake_link_ops(struct kernel_ops *ops)
{
	ops->bridge_add = bridge_add;
	ops->vxlan_add = vxlan_add;
	ops->uplink_add = uplink_add;
	ops->port_add = port_add;
	ops->link_set = link_set;
	ops->link_shut = link_shut;
	ops->link_del = link_del;
	ops->direct_del = direct_del;
}
