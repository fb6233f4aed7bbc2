/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/apply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "overlay/apply_priv.h"

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

int apply_note(struct apply *a, const struct diff_op *op, int r, const struct err *e)
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

void apply_delete_link(struct apply *a, const char *name)
{
	if (a->h && a->h->link_del)
		a->h->link_del(a->user, name);
	else
		a->k->ops->link_del(a->k, name, NULL, NULL);
}

void apply_lose_fdb(struct state_net *h, const char *port, bool self)
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

/* ---- ports ---- */

#define GUARDS_MAX 4 /* of one port: two with addresses, one with neither, one for any */

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

	if (apply_note(a, op, r, &e) < 0) {
		port_failed(a, op);
		return 0;
	}
	p = *op->port;
	p.guard4 = p.guard6 = false;
	p.up = a->want->kind == STATE_DIRECT; /* there is no second step */
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

	state_net_bridge_name(a->want, master);

	/* Back on the bridge: while down; up comes after its entries (facts §4). */
	bool back = w->enslaved && h && !h->enslaved;
	struct kernel_link_set s = { .name = w->name,
				     .host = a->want->kind == STATE_BRIDGE,
				     .mtu = w->mtu,
				     .up = back || !w->up ? KERNEL_OFF : KERNEL_KEEP,
				     .master = back ? master : NULL,
				     .port_flags = true,
				     .open = w->open,
				     .isolated = a->want->kind == STATE_EGRESS };
	r = a->k->ops->link_set(a->k, &s, &e);
	if (apply_note(a, op, r, &e) < 0) {
		port_failed(a, op);
		return 0;
	}
	if (h) {
		h->mtu = w->mtu;
		h->enslaved = h->flags_ok = true;
		h->open = w->open;
		if (s.up == KERNEL_OFF)
			h->up = false;
	}
	return 0;
}

static int port_up(struct apply *a, const struct diff_op *op)
{
	struct state_port *h = state_net_port(a->have, op->port->name);
	struct kernel_link_set s = { .name = op->port->name,
				     .host = a->want->kind == STATE_BRIDGE,
				     .up = KERNEL_ON };
	struct err e = { 0 };

	if (is_bad(a, op->port->name))
		return 0;
	if (apply_note(a, op, a->k->ops->link_set(a->k, &s, &e), &e) < 0)
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
	h->security = p->security;
}

/*
 * The elements of a port; to be deleted of one that was only dumped, those of every kind of security that it may have been made with: what is
 * not there is no error.
 */
static size_t guard_ops(const struct state_port *p, bool del,
			struct kernel_guard_op ops[GUARDS_MAX])
{
	struct state_port q = *p;
	struct state_guard g[2];
	size_t n = 0;

	for (int s = STATE_SECURE_MAC_IP; s <= STATE_SECURE_OFF; s++) {
		size_t count;

		if (s != p->security && !(del && id_is_zero(p->endpoint)))
			continue;
		q.security = (uint8_t)s;
		count = state_port_guards(&q, g);
		for (size_t i = 0; i < count; i++)
			ops[n++] = (struct kernel_guard_op){ .del = del, .guard = g[i] };
	}
	return n;
}

static int do_guard(struct apply *a, const struct diff_op *op)
{
	const struct state_port *p = op->port;
	struct state_port *h = state_net_port(a->have, p->name);
	struct kernel_guard_op ops[GUARDS_MAX];
	bool del = op->type == DIFF_GUARD_DEL;
	struct err e = { 0 };
	size_t n;

	/* A port that was only dumped does not tell what its elements hold; once it is gone they are strays of the next full dump. */
	if (is_bad(a, p->name) || mac_is_zero(p->mac))
		return 0;
	n = guard_ops(p, del, ops);
	if (n == 0)
		return 0;
	if (apply_note(a, op, a->k->ops->guard(a->k, ops, n, &e), &e) < 0) {
		if (!del)
			port_failed(a, op);
		else
			keep_guards(a, p, h);
		return 0;
	}
	if (h) {
		h->guard4 = !del && (p->security != STATE_SECURE_MAC_IP || ip_is_set(p->ip4));
		h->guard6 = !del && p->security == STATE_SECURE_MAC_IP && ip_is_set(p->ip6);
	}
	return 0;
}

static int del_direct(struct apply *a, const struct state_port *p)
{
	if (a->h && a->h->direct_del)
		a->h->direct_del(a->user, p);
	else
		a->k->ops->direct_del(a->k, p, NULL, NULL);
	state_net_drop_port(a->have, p->name);
	a->res.done++;
	return 0;
}

static int del_port(struct apply *a, const struct diff_op *op)
{
	struct err e = { 0 };

	if (a->have->kind == STATE_DIRECT)
		return del_direct(a, op->port);
	apply_note(a, op, a->k->ops->link_shut(a->k, op->port->name, &e), &e);
	apply_delete_link(a, op->port->name);
	apply_lose_fdb(a->have, op->port->name, false);
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
		r = a->k->ops->fdb(a->k, apply_net(a), &ops[i], 1, NULL, &e);
		if (r == 0)
			continue;
		apply_note(a, &up, r, &e);
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
	r = a->k->ops->fdb(a->k, apply_net(a), batch, count, &failed, &e);
	/* Where some failed this is not quite true, and what is observed is marked so. */
	if (!del)
		put_fdb(a->have, batch, count);
	for (size_t i = 0; del && i < count; i++)
		state_net_drop_fdb(a->have, &batch[i].fdb);
	a->res.done += (unsigned)(count - failed);
	if (r < 0)
		apply_note(a, ops, r, &e);
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
	r = a->k->ops->neigh(a->k, apply_net(a), batch, n, &failed, &e);
	if (!del)
		put_neigh(a->have, batch, n);
	for (size_t i = 0; del && i < n; i++)
		state_net_drop_neigh(a->have, batch[i].neigh.ip);
	a->res.done += (unsigned)(n - failed);
	if (r < 0)
		apply_note(a, ops, r, &e);
}

/* Return: < 0 when the rest of this network cannot go on. */
static int one(struct apply *a, const struct diff_op *op)
{
	switch (op->type) {
	case DIFF_BRIDGE_ADD:
	case DIFF_VXLAN_ADD:
	case DIFF_UPLINK_ADD:
	case DIFF_BRIDGE_SET:
	case DIFF_VXLAN_SET:
	case DIFF_UPLINK_SET:
	case DIFF_VXLAN_DEL:
	case DIFF_UPLINK_DEL:
	case DIFF_BRIDGE_DEL:
	case DIFF_GATEWAY_ADD:
	case DIFF_GATEWAY_DEL:
		return apply_device(a, op);
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
	have->kind = want->kind;
	for (size_t i = 0; i < want->n_ports; i++) {
		const struct state_port *w = &want->ports[i];
		struct state_port *h = state_net_port(have, w->name);

		if (!h)
			continue;
		h->endpoint = w->endpoint;
		h->mac = w->mac;
		h->ip4 = w->ip4;
		h->ip6 = w->ip6;
		h->security = w->security;
		h->target = w->target;
		memcpy(h->ifname, w->ifname, sizeof(h->ifname));
	}
}
