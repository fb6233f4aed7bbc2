/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel, against what is desired: reconcile_examine() in words. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/doctor_priv.h"
#include "base/mem.h"
#include "overlay/diff.h"

#define ENTRIES_SHOWN_MAX \
	8 /* forwarding entries and neighbours of one network; the rest is counted */
#define CURE_MAX 400
#define NET_MAX (MODEL_NAME_MAX + 32)
#define THING_MAX 512

struct kernel_look {
	const struct doctor_deps *d;
	struct doctor_check *c;
	char cure[CURE_MAX];
	uint32_t vni; /* of the network told of last, ... */
	bool all_missing; /* ... which is not there at all: one line is enough */
	unsigned entries, entries_more;
};

static const char *net_text(const struct kernel_look *l, uint32_t key, char buf[NET_MAX])
{
	const struct model_network *net = network_by_key(l->d->networks, key);

	if (net)
		snprintf(buf, NET_MAX, "network %s", net->name);
	else if (key == STATE_KEY_DOCKER_GWBRIDGE)
		snprintf(buf, NET_MAX, "%s", STATE_DOCKER_GWBRIDGE);
	else
		snprintf(buf, NET_MAX, "unknown network with VNI %u", key);
	return buf;
}

/* ---- what an operation is about ---- */

static void port_text(const struct kernel_look *l, const struct state_port *p, char ret[THING_MAX])
{
	const struct local_endpoint *ep =
		id_is_zero(p->endpoint) ? NULL : endpoint_get(l->d->endpoints, p->endpoint);

	if (ep)
		snprintf(ret, THING_MAX, "the interface %s of endpoint %s", p->name, ep->name);
	else
		snprintf(ret, THING_MAX, "the interface %s", p->name);
}

static void fdb_text(const struct state_fdb *f, char ret[THING_MAX])
{
	char mac[MAC_TEXT_MAX], ip[IP_TEXT_MAX];

	if (f->where == STATE_FDB_MASTER)
		snprintf(ret, THING_MAX, "the forwarding entry %s on %s", mac_format(f->mac, mac),
			 f->port);
	else if (mac_is_zero(f->mac))
		snprintf(ret, THING_MAX, "the flooding entry for node %s", ip_format(f->vtep, ip));
	else
		snprintf(ret, THING_MAX, "the forwarding entry %s to node %s",
			 mac_format(f->mac, mac), ip_format(f->vtep, ip));
}

static void neigh_text(const struct state_neigh *n, char ret[THING_MAX])
{
	char mac[MAC_TEXT_MAX], ip[IP_TEXT_MAX];

	snprintf(ret, THING_MAX, "the neighbour entry of %s (%s)", ip_format(n->ip, ip),
		 mac_format(n->mac, mac));
}

static void device_text(const char *what, const char *name, char ret[THING_MAX])
{
	snprintf(ret, THING_MAX, "the %s %s", what, name);
}

static void thing(const struct kernel_look *l, const struct reconcile_finding *f,
		  char ret[THING_MAX])
{
	const struct diff_op *op = f->op;
	char name[IFNAMSIZ], text[PREFIX_TEXT_MAX];

	switch (op->type) {
	case DIFF_BRIDGE_ADD:
	case DIFF_BRIDGE_SET:
	case DIFF_BRIDGE_DEL:
		state_net_bridge_name(f->want ? f->want : f->have, name);
		device_text("bridge", name, ret);
		break;
	case DIFF_VXLAN_ADD:
	case DIFF_VXLAN_SET:
	case DIFF_VXLAN_DEL:
		state_vxlan_name(f->vni, name);
		device_text("VXLAN device", name, ret);
		break;
	case DIFF_UPLINK_ADD:
	case DIFF_UPLINK_SET:
	case DIFF_UPLINK_DEL:
		device_text("way out", STATE_EGRESS_HOST, ret);
		break;
	case DIFF_GATEWAY_ADD:
	case DIFF_GATEWAY_DEL:
		device_text("gateway address", prefix_format(*op->gateway, text), ret);
		break;
	case DIFF_PORT_ADD:
	case DIFF_PORT_SET:
	case DIFF_PORT_UP:
	case DIFF_PORT_DEL:
		port_text(l, op->port, ret);
		break;
	case DIFF_GUARD_ADD:
	case DIFF_GUARD_DEL:
		snprintf(ret, THING_MAX, "port security of %s", op->port->name);
		break;
	case DIFF_FDB_ADD:
	case DIFF_FDB_DEL:
		fdb_text(op->fdb, ret);
		break;
	case DIFF_NEIGH_ADD:
	case DIFF_NEIGH_DEL:
		neigh_text(op->neigh, ret);
		break;
	}
}

static const char *reason_text(enum diff_reason r)
{
	switch (r) {
	case DIFF_MISSING:
		return "is missing in the kernel";
	case DIFF_DIFFERS:
		return "is not in the kernel as it shall be";
	case DIFF_SURPLUS:
		return "should not be in the kernel";
	}
	return "";
}

static bool is_entry(enum diff_op_type t)
{
	return t == DIFF_FDB_ADD || t == DIFF_FDB_DEL || t == DIFF_NEIGH_ADD || t == DIFF_NEIGH_DEL;
}

static void tell_more(struct kernel_look *l)
{
	char net[NET_MAX];

	if (l->entries_more == 0)
		return;
	doctor_find(l->c, "%s: %u further entries differ", net_text(l, l->vni, net),
		    l->entries_more);
	doctor_cure(l->c, "%s", l->cure);
	l->entries_more = 0;
}

static void next_net(struct kernel_look *l, uint32_t vni)
{
	if (l->vni == vni)
		return;
	tell_more(l);
	l->vni = vni;
	l->all_missing = false;
	l->entries = 0;
}

/* What follows from another difference that is told. */
static bool follows(const struct kernel_look *l, const struct reconcile_finding *f)
{
	enum diff_op_type t = f->op->type;

	if (l->all_missing)
		return true;
	return (t == DIFF_PORT_UP || t == DIFF_GUARD_ADD || t == DIFF_GUARD_DEL) &&
	       (!f->want || !state_net_port(f->have, f->op->port->name));
}

static void tell_op(struct kernel_look *l, const struct reconcile_finding *f)
{
	char net[NET_MAX], what[THING_MAX];

	next_net(l, f->vni);
	if (follows(l, f))
		return;
	if (is_entry(f->op->type) && l->entries++ >= ENTRIES_SHOWN_MAX) {
		l->entries_more++;
		return;
	}
	thing(l, f, what);
	doctor_find(l->c, "%s: %s %s", net_text(l, f->vni, net), what, reason_text(f->op->reason));
	doctor_cure(l->c, "%s", l->cure);
	l->all_missing = f->op->type == DIFF_BRIDGE_ADD;
}

/* ---- the rest ---- */

static void tell_target(struct kernel_look *l, const struct reconcile_finding *f)
{
	const struct local_endpoint *ep = endpoint_get(l->d->endpoints, f->port->endpoint);
	char net[NET_MAX];

	doctor_find(l->c, "%s: the namespace %s of endpoint %s is gone", net_text(l, f->vni, net),
		    f->port->target.path, ep ? ep->name : f->port->name);
	doctor_cure(l->c, "%s", DOCTOR_BY_ITSELF);
}

static void tell_one(struct kernel_look *l, const struct reconcile_finding *f)
{
	char ip[IP_TEXT_MAX], mac[MAC_TEXT_MAX], elem[STATE_ELEM_TEXT_MAX], net[NET_MAX];

	next_net(l, 0);
	switch (f->amiss) {
	case RECONCILE_OP:
	case RECONCILE_TARGET_GONE:
		return;
	case RECONCILE_GROUND:
		doctor_find(l->c, "%s", f->why);
		break;
	case RECONCILE_VTEP_MISSING:
		doctor_find(l->c, "VXLAN from node %s is not let in", ip_format(f->ip, ip));
		break;
	case RECONCILE_VTEP_SURPLUS:
		doctor_find(l->c, "VXLAN is let in from %s, which is no node's address",
			    ip_format(f->ip, ip));
		break;
	case RECONCILE_ELEM_MISSING:
		doctor_find(l->c, "%s: the rule \"%s\" is missing in table ovl, or leads elsewhere",
			    net_text(l, f->vni, net), state_elem_format(f->elem, elem));
		break;
	case RECONCILE_ELEM_SURPLUS:
		doctor_find(l->c, "the rule \"%s\" in table ovl is no network's",
			    state_elem_format(f->elem, elem));
		break;
	case RECONCILE_GUARD_SURPLUS:
		doctor_find(l->c, "port security lets %s send as %s %s, which it should not",
			    f->guard->port,
			    mac_is_zero(f->guard->mac) ? "anybody" : mac_format(f->guard->mac, mac),
			    ip_is_set(f->guard->ip) ? ip_format(f->guard->ip, ip) : "");
		break;
	case RECONCILE_LINK_LOOSE:
		doctor_find(l->c, "the interface %s belongs to no endpoint", f->name);
		break;
	}
	doctor_cure(l->c, "%s", l->cure);
}

static void found(void *user, const struct reconcile_finding *f)
{
	struct kernel_look *l = user;

	if (f->amiss == RECONCILE_OP)
		tell_op(l, f);
	else if (f->amiss == RECONCILE_TARGET_GONE)
		tell_target(l, f);
	else
		tell_one(l, f);
}

/* Where repairs fail: why. */
static void choose_cure(struct kernel_look *l)
{
	struct reconcile_stats st;

	reconcile_stats(l->d->reconcile, &st);
	if (st.nets_backing_off > 0 && st.last_error[0])
		snprintf(l->cure, sizeof(l->cure), "ovld keeps trying; the last failure: %s",
			 st.last_error);
	else
		snprintf(l->cure, sizeof(l->cure), "%s", DOCTOR_BY_ITSELF);
}

void doctor_kernel(const struct doctor_deps *d, struct doctor_check *c)
{
	struct kernel_look l = { .d = d, .c = c };
	struct err e = { 0 };

	choose_cure(&l);
	if (reconcile_examine(d->reconcile, found, &l, &e) < 0)
		doctor_skip(c, "%s", err_text(&e));
	tell_more(&l);
	doctor_checked(c);
}
