/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/apply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

struct apply {
	struct kernel *k;
	const struct state_net *want; /* NULL: the network goes */
	struct state_net *have;
	const struct apply_hooks *h;
	void *user;
	struct apply_result res;
	char (*bad_ports)[IFNAMSIZ]; /* could not be made: their entries are left out */
	size_t n_bad;
	int status; /* first failure */
};

static bool is_bad(const struct apply *a, const char *port)
{
	for (size_t i = 0; i < a->n_bad; i++) {
		if (strcmp(a->bad_ports[i], port) == 0)
			return true;
	}
	return false;
}

static void mark_bad(struct apply *a, const char *port)
{
	a->bad_ports = mem_grow(a->bad_ports, a->n_bad + 1, sizeof(*a->bad_ports));
	snprintf(a->bad_ports[a->n_bad++], IFNAMSIZ, "%s", port);
}

static int note(struct apply *a, const struct diff_op *op, int r, const struct err *e)
{
	if (r == 0) {
		a->res.done++;
		return 0;
	}
	a->res.failed++;
	if (a->status == 0)
		a->status = r;
	/* What now stands is not known for sure. */
	a->have->complete = false;
	if (a->h && a->h->failed)
		a->h->failed(a->user, op, r, e);
	return r;
}

static void delete_link(struct apply *a, const char *name)
{
	if (a->h && a->h->link_del)
		a->h->link_del(a->user, name);
	else
		a->k->ops->link_del(a->k, name, NULL, NULL);
}

/* Entries that went with a device: on the bridge those via @port, and with @self the device's own. */
static void lose_fdb(struct state_net *h, const char *port, bool self)
{
	size_t kept = 0;

	for (size_t i = 0; i < h->n_fdb; i++) {
		const struct state_fdb *f = &h->fdb[i];

		if (f->where == STATE_FDB_SELF ? self : strcmp(f->port, port) == 0)
			continue;
		h->fdb[kept++] = *f;
	}
	h->n_fdb = kept;
}

/* ---- devices ---- */

/* A new bridge has no ports and no entries, whatever was observed of the one before. */
static void lose_bridge(struct state_net *h)
{
	size_t kept = 0;

	for (size_t i = 0; i < h->n_fdb; i++) {
		if (h->fdb[i].where == STATE_FDB_SELF)
			h->fdb[kept++] = h->fdb[i];
	}
	h->n_fdb = kept;
	h->n_neigh = h->n_gateways = 0;
	h->vxlan_enslaved = h->vxlan_flags_ok = false;
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

/*
 * A bridge that is down or has another MAC loses its neighbours and its IPv6 gateway (facts §4), before or by our hand: what is observed is
 * stale, and the caller dumps again.
 */
static int set_bridge(struct apply *a, const struct diff_op *op)
{
	struct err e = { 0 };
	int r = a->k->ops->bridge_add(a->k, a->want,
				      &e); /* sets what differs on one that is there */

	if (r == 0)
		took_bridge(a);
	note(a, op, r, &e);
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
	return note(a, op, r, &e);
}

static int del_vxlan(struct apply *a, const struct diff_op *op)
{
	char name[IFNAMSIZ];

	(void)op;
	state_vxlan_name(a->have->vni, name);
	delete_link(a, name);
	lose_fdb(a->have, name, true);
	a->have->vxlan_exists = false;
	a->have->vxlan_enslaved = false;
	a->res.done++;
	return 0;
}

static int del_bridge(struct apply *a, const struct diff_op *op)
{
	char name[IFNAMSIZ];

	(void)op;
	state_bridge_name(a->have->vni, name);
	delete_link(a, name);
	lose_bridge(a->have);
	a->have->bridge_exists = false;
	a->res.done++;
	return 0;
}

static int add_device(struct apply *a, const struct diff_op *op)
{
	bool bridge = op->type == DIFF_BRIDGE_ADD;
	struct err e = { 0 };
	char name[IFNAMSIZ];
	int r = bridge ? a->k->ops->bridge_add(a->k, a->want, &e) :
			 a->k->ops->vxlan_add(a->k, a->want, &e);

	if (r == 0 && bridge) {
		lose_bridge(a->have);
		took_bridge(a);
	} else if (r == 0) {
		state_vxlan_name(a->want->vni, name);
		lose_fdb(a->have, name, true);
		took_vxlan(a);
	}
	return note(a, op, r, &e);
}

static int do_gateway(struct apply *a, const struct diff_op *op)
{
	bool del = op->type == DIFF_GATEWAY_DEL;
	struct state_net *h = a->have;
	struct err e = { 0 };
	int r = a->k->ops->gateway(a->k, h, del, *op->gateway, &e);
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
	note(a, op, r, &e);
	return 0; /* a gateway that failed stops nothing else */
}

/* ---- ports ---- */

static void port_failed(struct apply *a, const struct diff_op *op)
{
	a->res.ports_failed++;
	mark_bad(a, op->port->name);
}

static int add_port(struct apply *a, const struct diff_op *op)
{
	struct err e = { 0 };
	struct state_port p;
	int r = a->k->ops->port_add(a->k, a->want, op->port, &e);

	if (note(a, op, r, &e) < 0) {
		port_failed(a, op);
		return 0;
	}
	p = *op->port;
	p.up = p.guard4 = p.guard6 = false;
	state_net_put_port(a->have, &p);
	return 0;
}

static int set_port(struct apply *a, const struct diff_op *op)
{
	const struct state_port *w = op->port;
	struct state_port *h = state_net_port(a->have, w->name);
	char master[IFNAMSIZ];
	struct err e = { 0 };
	int r;

	state_bridge_name(a->want->vni, master);

	/* Back on the bridge: while down; up comes after its entries (facts §4). */
	bool back = w->enslaved && h && !h->enslaved;
	struct kernel_link_set s = { .name = w->name,
				     .mtu = w->mtu,
				     .up = back || !w->up ? KERNEL_OFF : KERNEL_KEEP,
				     .master = back ? master : NULL,
				     .port_flags = true };
	r = a->k->ops->link_set(a->k, &s, &e);
	if (note(a, op, r, &e) < 0) {
		port_failed(a, op);
		return 0;
	}
	if (h) {
		h->mtu = w->mtu;
		h->enslaved = h->flags_ok = true;
		if (s.up == KERNEL_OFF)
			h->up = false;
	}
	return 0;
}

static int port_up(struct apply *a, const struct diff_op *op)
{
	struct state_port *h = state_net_port(a->have, op->port->name);
	struct kernel_link_set s = { .name = op->port->name, .up = KERNEL_ON };
	struct err e = { 0 };

	if (is_bad(a, op->port->name))
		return 0;
	if (note(a, op, a->k->ops->link_set(a->k, &s, &e), &e) < 0)
		port_failed(a, op);
	else if (h)
		h->up = true;
	return 0;
}

/* The port goes all the same; that it is still observed, with what its elements hold, tells the next round what is left to delete. */
static void keep_guards(struct apply *a, const struct state_port *p, struct state_port *h)
{
	mark_bad(a, p->name);
	if (!h)
		return;
	h->mac = p->mac;
	h->ip4 = p->ip4;
	h->ip6 = p->ip6;
}

static int do_guard(struct apply *a, const struct diff_op *op)
{
	const struct state_port *p = op->port;
	struct state_port *h = state_net_port(a->have, p->name);
	struct kernel_guard_op ops[2] = { 0 };
	bool del = op->type == DIFF_GUARD_DEL;
	struct err e = { 0 };
	size_t n = 0;

	/* A port that was only dumped does not tell what its elements hold; once it is gone they are strays of the next full dump. */
	if (is_bad(a, p->name) || mac_is_zero(p->mac))
		return 0;
	for (int six = 0; six < 2; six++) {
		struct ip ip = six ? p->ip6 : p->ip4;

		if (!ip_is_set(ip))
			continue;
		ops[n].del = del;
		snprintf(ops[n].guard.port, IFNAMSIZ, "%s", p->name);
		ops[n].guard.mac = p->mac;
		ops[n].guard.ip = ip;
		n++;
	}
	if (note(a, op, a->k->ops->guard(a->k, ops, n, &e), &e) < 0) {
		if (!del)
			port_failed(a, op);
		else
			keep_guards(a, p, h);
		return 0;
	}
	if (h) {
		h->guard4 = !del && ip_is_set(p->ip4);
		h->guard6 = !del && ip_is_set(p->ip6);
	}
	return 0;
}

static int del_port(struct apply *a, const struct diff_op *op)
{
	struct err e = { 0 };

	note(a, op, a->k->ops->link_shut(a->k, op->port->name, &e), &e);
	delete_link(a, op->port->name);
	lose_fdb(a->have, op->port->name, false);
	if (!is_bad(a, op->port->name))
		state_net_drop_port(a->have, op->port->name);
	return 0;
}

/* ---- entries, in batches: a run of operations of one kind ---- */

static size_t run_length(const struct diff *d, size_t from)
{
	size_t n = 1;

	while (from + n < d->n && n < APPLY_BATCH_MAX && d->ops[from + n].type == d->ops[from].type)
		n++;
	return n;
}

/* One by one where they are few, as a whole where they are many: each insertion moves what is behind it. */
#define PUT_MAX 32

static void put_fdb(struct state_net *h, const struct kernel_fdb_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (n <= PUT_MAX)
			state_net_put_fdb(h, &ops[i].fdb);
		else
			state_net_add_fdb(h, &ops[i].fdb);
	}
	if (n > PUT_MAX)
		state_net_sort(h);
}

static void put_neigh(struct state_net *h, const struct kernel_neigh_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (n <= PUT_MAX)
			state_net_put_neigh(h, &ops[i].neigh);
		else
			state_net_add_neigh(h, &ops[i].neigh);
	}
	if (n > PUT_MAX)
		state_net_sort(h);
}

/*
 * A batch does not tell which entries failed. A port without its own is deaf and must not come up, nor may the others wait for what is not
 * theirs: those of local ports are tried once more, one by one.
 */
static void retry_local(struct apply *a, const struct kernel_fdb_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct state_fdb *f = &ops[i].fdb;
		const struct state_port *p =
			f->where == STATE_FDB_MASTER ? state_net_port(a->want, f->port) : NULL;
		struct diff_op up = { .type = DIFF_PORT_UP, .reason = DIFF_MISSING, .port = p };
		struct err e = { 0 };
		int r;

		if (!p || is_bad(a, f->port))
			continue;
		r = a->k->ops->fdb(a->k, a->have, &ops[i], 1, NULL, &e);
		if (r == 0)
			continue;
		note(a, &up, r, &e);
		port_failed(a, &up);
	}
}

static void do_fdb(struct apply *a, const struct diff_op *ops, size_t n)
{
	_cleanup_free_ struct kernel_fdb_op *batch = mem_alloc_array(n, sizeof(*batch));
	bool del = ops->type == DIFF_FDB_DEL;
	struct err e = { 0 };
	size_t count = 0, failed = 0;
	int r;

	for (size_t i = 0; i < n; i++) {
		if (!del && ops[i].fdb->where == STATE_FDB_MASTER && is_bad(a, ops[i].fdb->port))
			continue;
		batch[count++] = (struct kernel_fdb_op){ .del = del, .fdb = *ops[i].fdb };
	}
	if (count == 0)
		return;
	r = a->k->ops->fdb(a->k, a->have, batch, count, &failed, &e);
	/* Where some failed this is not quite true, and what is observed is marked so. */
	if (!del)
		put_fdb(a->have, batch, count);
	for (size_t i = 0; del && i < count; i++)
		state_net_drop_fdb(a->have, &batch[i].fdb);
	a->res.done += (unsigned)(count - failed);
	if (r < 0)
		note(a, ops, r, &e);
	if (r < 0 && !del)
		retry_local(a, batch, count);
}

static void do_neigh(struct apply *a, const struct diff_op *ops, size_t n)
{
	_cleanup_free_ struct kernel_neigh_op *batch = mem_alloc_array(n, sizeof(*batch));
	bool del = ops->type == DIFF_NEIGH_DEL;
	struct err e = { 0 };
	size_t failed = 0;
	int r;

	for (size_t i = 0; i < n; i++)
		batch[i] = (struct kernel_neigh_op){ .del = del, .neigh = *ops[i].neigh };
	r = a->k->ops->neigh(a->k, a->have, batch, n, &failed, &e);
	if (!del)
		put_neigh(a->have, batch, n);
	for (size_t i = 0; del && i < n; i++)
		state_net_drop_neigh(a->have, batch[i].neigh.ip);
	a->res.done += (unsigned)(n - failed);
	if (r < 0)
		note(a, ops, r, &e);
}

/* Return: < 0 when the rest of this network cannot go on. */
static int one(struct apply *a, const struct diff_op *op)
{
	switch (op->type) {
	case DIFF_BRIDGE_ADD:
	case DIFF_VXLAN_ADD:
		return add_device(a, op);
	case DIFF_BRIDGE_SET:
		return set_bridge(a, op);
	case DIFF_VXLAN_SET:
		return set_vxlan(a, op);
	case DIFF_VXLAN_DEL:
		return del_vxlan(a, op);
	case DIFF_BRIDGE_DEL:
		return del_bridge(a, op);
	case DIFF_GATEWAY_ADD:
	case DIFF_GATEWAY_DEL:
		return do_gateway(a, op);
	case DIFF_PORT_ADD:
		return add_port(a, op);
	case DIFF_PORT_SET:
		return set_port(a, op);
	case DIFF_PORT_UP:
		return port_up(a, op);
	case DIFF_GUARD_ADD:
	case DIFF_GUARD_DEL:
		return do_guard(a, op);
	case DIFF_PORT_DEL:
		return del_port(a, op);
	case DIFF_FDB_ADD:
	case DIFF_FDB_DEL:
	case DIFF_NEIGH_ADD:
	case DIFF_NEIGH_DEL:
		break; /* batches */
	}
	return 0;
}

int apply_diff(struct kernel *k, const struct state_net *want, struct state_net *have,
	       const struct diff *d, const struct apply_hooks *h, void *user,
	       struct apply_result *ret)
{
	struct apply a = { .k = k, .want = want, .have = have, .h = h, .user = user };

	for (size_t i = 0; i < d->n;) {
		const struct diff_op *op = &d->ops[i];
		size_t n = run_length(d, i);

		if (op->type == DIFF_FDB_ADD || op->type == DIFF_FDB_DEL) {
			do_fdb(&a, op, n);
		} else if (op->type == DIFF_NEIGH_ADD || op->type == DIFF_NEIGH_DEL) {
			do_neigh(&a, op, n);
		} else {
			n = 1;
			if (one(&a, op) < 0)
				break;
		}
		i += n;
	}
	free(a.bad_ports);
	if (ret)
		*ret = a.res;
	return a.status;
}

void apply_know_ports(const struct state_net *want, struct state_net *have)
{
	for (size_t i = 0; i < want->n_ports; i++) {
		const struct state_port *w = &want->ports[i];
		struct state_port *h = state_net_port(have, w->name);

		if (!h)
			continue;
		h->endpoint = w->endpoint;
		h->mac = w->mac;
		h->ip4 = w->ip4;
		h->ip6 = w->ip6;
	}
}
