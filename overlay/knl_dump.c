/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_dump.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <string.h>
#include "overlay/knl_bridge.h"
#include "overlay/knl_entry.h"
#include "overlay/knl_link.h"

/* One link of ours, and the network it was found to belong to. */
struct found {
	struct knl_link link;
	struct state_net *net; /* NULL: none (a loose port) */
};
struct dump {
	struct knl_hidden hidden;
	uint32_t only; /* this VNI, 0: all */
	struct found *links; /* by ifindex, once organized */
	size_t n_links, links_cap, keep; /* keep: how many came from earlier requests */
	struct state_net **nets; /* by VNI */
	size_t n_nets;
};

static void dump_done(struct dump *d)
{
	for (size_t i = 0; i < d->n_nets; i++)
		state_net_free(d->nets[i]);
	free(d->nets);
	free(d->links);
}
#define _cleanup_dump_ _cleanup_(dump_done)

static void add_link(struct dump *d, const struct knl_link *l)
{
	if (l->kind == KNL_OTHER || d->hidden.is(d->hidden.user, l->ifindex))
		return;
	if (d->n_links == d->links_cap) {
		d->links_cap = d->links_cap * 2 + 16;
		d->links = mem_grow(d->links, d->links_cap, sizeof(*d->links));
	}
	d->links[d->n_links++] = (struct found){ .link = *l };
}

static void take_link(void *user, const struct nlmsghdr *h)
{
	struct dump *d = user;
	struct knl_link l;

	if (!h)
		d->n_links = d->keep;
	else if (h->nlmsg_type == RTM_NEWLINK && knl_link_parse(h, &l))
		add_link(d, &l);
}

static void take_answer(void *user, unsigned index, const struct nlmsghdr *h)
{
	struct knl_link l;

	(void)index;
	if (h->nlmsg_type == RTM_NEWLINK && knl_link_parse(h, &l))
		add_link(user, &l);
}

static struct nlmsghdr *begin_links(struct knl_sock *s)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };
	struct nlmsghdr *h;

	knl_drop(s);
	h = knl_begin(s, RTM_GETLINK, NLM_F_DUMP, &i, sizeof(i));
	mnl_attr_put_u32(h, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return h;
}

/* Ports on this bridge, or with -1 those on none. */
static int read_ports(struct knl_sock *s, struct dump *d, int master, struct err *e)
{
	struct nlmsghdr *h = begin_links(s);
	struct nlattr *info;

	mnl_attr_put_u32(h, IFLA_MASTER, (uint32_t)master);
	if (master < 0) {
		info = mnl_attr_nest_start(h, IFLA_LINKINFO);
		mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
		mnl_attr_nest_end(h, info);
	}
	d->keep = d->n_links;
	return knl_dump(s, take_link, d, e);
}

static int cmp_link(const void *a, const void *b)
{
	int x = ((const struct found *)a)->link.ifindex,
	    y = ((const struct found *)b)->link.ifindex;

	return x < y ? -1 : x > y;
}

static struct found *find_link(const struct dump *d, int ifindex)
{
	struct found key = { .link = { .ifindex = ifindex } };

	if (d->n_links == 0)
		return NULL;
	return bsearch(&key, d->links, d->n_links, sizeof(*d->links), cmp_link);
}

/* The network of @vni, made if @make. */
static struct state_net *find_net(struct dump *d, uint32_t vni, bool make)
{
	size_t lo = 0, hi = d->n_nets;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (d->nets[mid]->vni == vni)
			return d->nets[mid];
		if (d->nets[mid]->vni < vni)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!make)
		return NULL;
	d->nets = mem_grow(d->nets, d->n_nets + 1, sizeof(struct state_net *));
	memmove(&d->nets[lo + 1], &d->nets[lo], (d->n_nets - lo) * sizeof(struct state_net *));
	d->nets[lo] = state_net_new(vni);
	d->nets[lo]->complete = true;
	d->n_nets++;
	return d->nets[lo];
}

static void put_bridge(struct state_net *n, const struct knl_link *l)
{
	n->bridge_exists = true;
	n->bridge_ifindex = l->ifindex;
	n->bridge_mac = l->mac;
	n->bridge_mtu = l->mtu;
	n->bridge_up = l->up;
}

static void put_vxlan(struct state_net *n, const struct knl_link *l, bool enslaved)
{
	n->vxlan_exists = true;
	n->vxlan_ifindex = l->ifindex;
	n->vtep = l->vx_local;
	n->port = l->vx_port;
	n->vxlan_mtu = l->mtu;
	n->vxlan_up = l->up;
	n->vxlan_enslaved = enslaved;
	n->vxlan_flags_ok = enslaved && l->has_flags && l->flags_ok;
}

static void put_port(struct state_net *n, const struct knl_link *l, bool enslaved)
{
	struct state_port p = {
		.mtu = l->mtu,
		.up = l->up,
		.enslaved = enslaved,
		.flags_ok = enslaved && l->has_flags && l->flags_ok,
		.ifindex = l->ifindex,
	};

	memcpy(p.name, l->name, sizeof(p.name));
	state_net_add_port(n, &p);
}

/* Bridges and VXLAN devices make networks; ports belong to that of their bridge, else to the one they were made for. */
static void organize(struct dump *d)
{
	if (d->n_links > 0)
		qsort(d->links, d->n_links, sizeof(*d->links), cmp_link);
	for (size_t i = 0; i < d->n_links; i++) {
		struct found *f = &d->links[i];

		if (f->link.kind == KNL_PORT || (d->only != 0 && f->link.vni != d->only))
			continue;
		f->net = find_net(d, f->link.vni, true);
		if (f->link.kind == KNL_BRIDGE)
			put_bridge(f->net, &f->link);
	}
	for (size_t i = 0; i < d->n_links; i++) {
		struct found *f = &d->links[i];
		struct found *master = f->link.master ? find_link(d, f->link.master) : NULL;
		struct state_net *of_bridge =
			master && master->link.kind == KNL_BRIDGE ? master->net : NULL;

		if (f->link.kind == KNL_VXLAN && f->net)
			put_vxlan(f->net, &f->link, of_bridge == f->net);
		if (f->link.kind != KNL_PORT)
			continue;
		f->net = of_bridge;
		/* Its bridge may be gone: it is to be put on a new one, not made anew under its container. */
		if (!f->net && f->link.vni != 0 && (d->only == 0 || f->link.vni == d->only))
			f->net = find_net(d, f->link.vni, true);
		if (f->net)
			put_port(f->net, &f->link, of_bridge != NULL);
	}
}

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
	dev = find_link(d, en.ifindex);
	if (!dev || !dev->net || dev->link.kind == KNL_BRIDGE)
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
	dev = find_link(d, en.ifindex);
	if (!dev || !dev->net || dev->link.kind != KNL_BRIDGE || !ip_is_set(en.dst))
		return;
	g.ip = en.dst;
	g.mac = en.mac;
	state_net_add_neigh(dev->net, &g);
}

static void take_addr(void *user, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *m;
	struct dump *d = user;
	struct found *dev;
	struct ip ip;

	if (!h)
		for (size_t i = 0; i < d->n_nets; i++)
			d->nets[i]->n_gateways = 0;
	if (!h || h->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return;
	m = mnl_nlmsg_get_payload(h);
	dev = find_link(d, (int)m->ifa_index);
	ip = knl_bridge_addr_ip(h);
	if (!dev || !dev->net || dev->link.kind != KNL_BRIDGE || !ip_is_set(ip) ||
	    (ip.family == AF_INET6 && ip_is_link_local(ip)) ||
	    dev->net->n_gateways == STATE_GATEWAYS_MAX)
		return;
	dev->net->gateways[dev->net->n_gateways++] =
		(struct prefix){ .ip = ip, .len = m->ifa_prefixlen };
}

/* @bridge, @port: 0 for all. */
static int read_fdb(struct knl_sock *s, struct dump *d, int bridge, int port, struct err *e)
{
	struct ndmsg m = { .ndm_family = AF_BRIDGE, .ndm_ifindex = port };
	struct nlmsghdr *h;

	knl_drop(s);
	h = knl_begin(s, RTM_GETNEIGH, NLM_F_DUMP, &m, sizeof(m));
	if (bridge != 0)
		mnl_attr_put_u32(h, NDA_MASTER, (uint32_t)bridge);
	return knl_dump(s, take_fdb, d, e);
}

static int read_neigh(struct knl_sock *s, struct dump *d, int bridge, struct err *e)
{
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

static int read_addrs(struct knl_sock *s, struct dump *d, int bridge, struct err *e)
{
	struct ifaddrmsg m = { .ifa_family = AF_UNSPEC, .ifa_index = (unsigned)bridge };

	knl_drop(s);
	knl_begin(s, RTM_GETADDR, NLM_F_DUMP, &m, sizeof(m));
	return knl_dump(s, take_addr, d, e);
}

static void finish(struct dump *d)
{
	for (size_t i = 0; i < d->n_nets; i++)
		state_net_sort(d->nets[i]);
}

int knl_dump_all(struct knl_sock *ovl, struct knl_hidden hidden, struct kernel_dump *ret,
		 struct err *e)
{
	_cleanup_dump_ struct dump d = { .hidden = hidden };
	int r;

	begin_links(ovl);
	r = knl_dump(ovl, take_link, &d, e);
	if (r < 0)
		return r;
	organize(&d);
	if (d.n_nets > 0) {
		r = read_fdb(ovl, &d, 0, 0, e);
		if (r == 0)
			r = read_neigh(ovl, &d, 0, e);
		if (r == 0)
			r = read_addrs(ovl, &d, 0, e);
	}
	if (r < 0)
		return r;
	finish(&d);
	ret->nets = TAKE_PTR(d.nets);
	ret->n_nets = d.n_nets;
	d.n_nets = 0;
	ret->loose = mem_alloc_array(d.n_links ? d.n_links : 1, sizeof(*ret->loose));
	ret->n_loose = 0;
	for (size_t i = 0; i < d.n_links; i++)
		if (d.links[i].link.kind == KNL_PORT && !d.links[i].net)
			memcpy(ret->loose[ret->n_loose++], d.links[i].link.name, IFNAMSIZ);
	return 0;
}

static int read_net_links(struct knl_sock *ovl, struct dump *d, struct err *e)
{
	char br[IFNAMSIZ], vx[IFNAMSIZ];
	int bridge = 0, r;

	state_bridge_name(d->only, br);
	state_vxlan_name(d->only, vx);
	knl_drop(ovl);
	knl_link_get(ovl, br);
	knl_allow(ovl, -ENODEV);
	knl_link_get(ovl, vx);
	knl_allow(ovl, -ENODEV);
	r = knl_send(ovl, take_answer, d);
	if (r < 0)
		return knl_fail(ovl, e, r, "cannot read network %u", d->only);
	for (size_t i = 0; i < d->n_links; i++)
		if (d->links[i].link.kind == KNL_BRIDGE)
			bridge = d->links[i].link.ifindex;
	if (bridge != 0)
		r = read_ports(ovl, d, bridge, e);
	if (r == 0)
		r = read_ports(ovl, d, -1, e);
	return r;
}

/* The VXLAN device is read by name and again as a port of its bridge. */
static void drop_doubles(struct dump *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n_links; i++) {
		bool seen = false;

		if (d->links[i].link.kind == KNL_VXLAN)
			for (size_t k = 0; k < n; k++)
				seen = seen || d->links[k].link.ifindex == d->links[i].link.ifindex;
		if (!seen)
			d->links[n++] = d->links[i];
	}
	d->n_links = n;
}

int knl_dump_one(struct knl_sock *ovl, struct knl_hidden hidden, uint32_t vni,
		 struct state_net **ret, struct err *e)
{
	_cleanup_dump_ struct dump d = { .hidden = hidden, .only = vni };
	struct state_net *n;
	int r = read_net_links(ovl, &d, e);

	if (r < 0)
		return r;
	drop_doubles(&d);
	organize(&d);
	n = find_net(&d, vni, true);
	if (n->bridge_exists) {
		r = read_fdb(ovl, &d, n->bridge_ifindex, 0, e);
		if (r == 0)
			r = read_neigh(ovl, &d, n->bridge_ifindex, e);
		if (r == 0)
			r = read_addrs(ovl, &d, n->bridge_ifindex, e);
	}
	if (r == 0 && n->vxlan_exists && !n->vxlan_enslaved)
		r = read_fdb(ovl, &d, 0, n->vxlan_ifindex, e);
	if (r < 0)
		return r;
	finish(&d);
	*ret = n;
	d.n_nets = 0; /* it was the only one */
	return 0;
}

/* Where a port is. */
struct place {
	const char *name;
	struct state_net *net;
	struct state_port *port;
};

static int cmp_place(const void *a, const void *b)
{
	return strncmp(((const struct place *)a)->name, ((const struct place *)b)->name, IFNAMSIZ);
}

static bool mac_fits(const struct state_net *n, const struct state_guard *g)
{
	struct state_fdb key = { .where = STATE_FDB_MASTER, .mac = g->mac };
	const struct state_fdb *f = state_net_fdb(n, &key);

	if (f)
		return strncmp(f->port, g->port, IFNAMSIZ) == 0;
	for (size_t i = 0; i < n->n_fdb; i++)
		if (n->fdb[i].where == STATE_FDB_MASTER &&
		    strncmp(n->fdb[i].port, g->port, IFNAMSIZ) == 0)
			return false;
	return true;
}

static bool ip_fits(const struct state_net *n, const struct state_guard *g)
{
	const struct state_neigh *have = state_net_neigh(n, g->ip);

	if (!ip_is_set(g->ip))
		return true;
	if (have)
		return mac_eq(have->mac, g->mac);
	for (size_t i = 0; i < n->n_neigh; i++)
		if (n->neigh[i].ip.family == g->ip.family && mac_eq(n->neigh[i].mac, g->mac))
			return false;
	return true;
}

void knl_dump_guards(struct state_net *const *nets, size_t n_nets, const struct state_guard *guards,
		     size_t n_guards, struct state_guard **ret_strays, size_t *ret_n_strays)
{
	_cleanup_free_ struct place *places = NULL;
	struct state_guard *strays = NULL;
	size_t n = 0, n_strays = 0;

	for (size_t i = 0; i < n_nets; i++)
		n += nets[i]->n_ports;
	places = mem_alloc_array(n ? n : 1, sizeof(*places));
	n = 0;
	for (size_t i = 0; i < n_nets; i++)
		for (size_t k = 0; k < nets[i]->n_ports; k++)
			places[n++] = (struct place){ nets[i]->ports[k].name, nets[i],
						      &nets[i]->ports[k] };
	qsort(places, n, sizeof(*places), cmp_place);
	for (size_t i = 0; i < n_guards; i++) {
		const struct state_guard *g = &guards[i];
		struct place key = { .name = g->port };
		struct place *at = bsearch(&key, places, n, sizeof(*places), cmp_place);

		if (at && mac_fits(at->net, g) && ip_fits(at->net, g)) {
			/* Without address (nft_ground.h) it guards nothing, and goes with the port. */
			at->port->guard4 |= g->ip.family == AF_INET;
			at->port->guard6 |= g->ip.family == AF_INET6;
		} else if (ret_strays) {
			strays = mem_grow(strays, n_strays + 1, sizeof(*strays));
			strays[n_strays++] = *g;
		}
	}
	if (ret_strays) {
		*ret_strays = strays;
		*ret_n_strays = n_strays;
	}
}
