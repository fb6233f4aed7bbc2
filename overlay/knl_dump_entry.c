/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Forwarding entries, neighbours and addresses of the links found. */
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <string.h>
#include "overlay/knl_bridge.h"
#include "overlay/knl_dump_priv.h"
#include "overlay/knl_entry.h"

/*
 * Entries are appended in place. Where a dump begins again (@h NULL) those already there stay: the sort drops doubles,
 * and of one that has gone meanwhile the notification is still to come.
 */
static void take_fdb(void *user, const struct nlmsghdr *h)
{
	struct dump *d = user;
	struct state_fdb f = { 0 };
	struct found *dev;
	struct knl_entry en;

	if (!h || h->nlmsg_type != RTM_NEWNEIGH || !knl_entry_parse(h, &en) || !en.ours)
		return;
	dev = knl_dump_link(d->at, en.ifindex);
	if (!dev || !dev->net || (dev->link.kind != KNL_VXLAN && dev->link.kind != KNL_PORT))
		return;
	/* Behind an open port, and behind those that others put on a bridge of the host, the bridge learns. */
	if (en.learnt && dev->net->kind != STATE_OVERLAY)
		return;
	f.mac = en.mac;
	if (en.bridge != 0) {
		f.where = STATE_FDB_MASTER;
		memcpy(f.port, dev->link.name, sizeof(f.port));
	} else if (dev->link.kind == KNL_VXLAN && ip_is_set(en.dst)) {
		f.where = STATE_FDB_SELF;
		f.vtep = en.dst;
	} else {
		return; /* a veth's own unicast and multicast lists */
	}
	state_net_add_fdb(dev->net, &f);
}

static void take_neigh(void *user, const struct nlmsghdr *h)
{
	struct dump *d = user;
	struct state_neigh g = { 0 };
	struct found *dev;
	struct knl_entry en;

	if (!h || h->nlmsg_type != RTM_NEWNEIGH || !knl_entry_parse(h, &en) || !en.ours)
		return;
	dev = knl_dump_link(d->at, en.ifindex);
	if (!dev || !dev->net || dev->link.kind != KNL_BRIDGE || !ip_is_set(en.dst) ||
	    dev->net->kind != STATE_OVERLAY)
		return;
	g.ip = en.dst;
	g.mac = en.mac;
	state_net_add_neigh(dev->net, &g);
}

/* Does this link bear gateways? The egress bridge's are on the host's end of its uplink. */
static bool bears_gateways(const struct found *dev)
{
	if (!dev || !dev->net)
		return false;
	return dev->link.kind == KNL_OUTER ||
	       (dev->link.kind == KNL_BRIDGE && dev->net->kind != STATE_EGRESS);
}

static void forget_addrs(struct dump *d)
{
	for (size_t i = 0; i < d->at->n; i++)
		if (bears_gateways(&d->at->links[i]))
			d->at->links[i].net->n_gateways = 0;
}

static void take_addr(void *user, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *m;
	struct dump *d = user;
	struct state_net *net;
	struct found *dev;
	struct ip ip;

	if (!h)
		forget_addrs(d);
	if (!h || h->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return;
	m = mnl_nlmsg_get_payload(h);
	dev = knl_dump_link(d->at, (int)m->ifa_index);
	ip = knl_bridge_addr_ip(h);
	if (!bears_gateways(dev) || !ip_is_set(ip) ||
	    (ip.family == AF_INET6 && ip_is_link_local(ip)) ||
	    dev->net->n_gateways == STATE_GATEWAYS_MAX)
		return;
	net = dev->net;
	net->gateways[net->n_gateways++] = (struct prefix){ .ip = ip, .len = m->ifa_prefixlen };
}

int knl_dump_fdb(struct dump *d, int bridge, int port, struct err *e)
{
	struct knl_sock *s = d->at->sock;
	struct ndmsg m = { .ndm_family = AF_BRIDGE, .ndm_ifindex = port };
	struct nlmsghdr *h;

	knl_drop(s);
	h = knl_begin(s, RTM_GETNEIGH, NLM_F_DUMP, &m, sizeof(m));
	if (bridge != 0)
		mnl_attr_put_u32(h, NDA_MASTER, (uint32_t)bridge);
	return knl_dump(s, take_fdb, d, e);
}

int knl_dump_neigh(struct dump *d, int bridge, struct err *e)
{
	struct knl_sock *s = d->at->sock;
	static const uint8_t families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct ndmsg m = { .ndm_family = families[i] };
		struct nlmsghdr *h;
		int r;

		knl_drop(s);
		h = knl_begin(s, RTM_GETNEIGH, NLM_F_DUMP, &m, sizeof(m));
		if (bridge != 0)
			mnl_attr_put_u32(h, NDA_IFINDEX, (uint32_t)bridge);
		r = knl_dump(s, take_neigh, d, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int knl_dump_addrs(struct dump *d, int dev, struct err *e)
{
	struct knl_sock *s = d->at->sock;
	struct ifaddrmsg m = { .ifa_family = AF_UNSPEC, .ifa_index = (unsigned)dev };

	knl_drop(s);
	knl_begin(s, RTM_GETADDR, NLM_F_DUMP, &m, sizeof(m));
	return knl_dump(s, take_addr, d, e);
}
