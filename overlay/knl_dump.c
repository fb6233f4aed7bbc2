/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_dump.h"

#include <errno.h>
#include <linux/if_link.h>
#include <stdlib.h>
#include <string.h>
#include "overlay/knl_dump_priv.h"

static void dump_begin(struct dump *d, const struct knl_dump_from *from, uint32_t only)
{
	*d = (struct dump){
		.only = only,
		.ovl = { .where = KNL_IN_OVERLAY,
			 .only = only,
			 .sock = from->ovl.sock,
			 .hidden = from->ovl.hidden },
		.host = { .where = KNL_IN_HOST,
			  .only = only,
			  .sock = from->host.sock,
			  .hidden = from->host.hidden },
	};
}

static void dump_done(struct dump *d)
{
	for (size_t i = 0; i < d->n_nets; i++)
		state_net_free(d->nets[i]);
	free(d->nets);
	free(d->ovl.links);
	free(d->host.links);
}
#define _cleanup_dump_ _cleanup_(dump_done)

static void add_link(struct side *s, const struct knl_link *l)
{
	if (l->kind == KNL_OTHER)
		return;
	if (s->hidden.is(s->hidden.user, l->ifindex)) {
		if (l->kind == KNL_BRIDGE && s->only != 0 && l->vni == s->only)
			s->going = l->ifindex;
		return;
	}
	if (s->n == s->cap) {
		s->cap = s->cap * 2 + 16;
		s->links = mem_grow(s->links, s->cap, sizeof(*s->links));
	}
	s->links[s->n++] = (struct found){ .link = *l };
}

static void take_link(void *user, const struct nlmsghdr *h)
{
	struct side *s = user;
	struct knl_link l;

	if (!h)
		s->n = s->keep;
	else if (h->nlmsg_type == RTM_NEWLINK && knl_link_parse(h, s->where, &l))
		add_link(s, &l);
}

static void take_answer(void *user, unsigned index, const struct nlmsghdr *h)
{
	struct side *s = user;
	struct knl_link l;

	(void)index;
	if (h->nlmsg_type == RTM_NEWLINK && knl_link_parse(h, s->where, &l))
		add_link(s, &l);
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

/* Those of one driver (NULL: any) with this master; 0: with any or none, -1: with none. */
static int read_links(struct side *s, int master, const char *driver, struct err *e)
{
	struct nlmsghdr *h = begin_links(s->sock);
	struct nlattr *info;

	if (master != 0)
		mnl_attr_put_u32(h, IFLA_MASTER, (uint32_t)master);
	if (driver) {
		info = mnl_attr_nest_start(h, IFLA_LINKINFO);
		mnl_attr_put_strz(h, IFLA_INFO_KIND, driver);
		mnl_attr_nest_end(h, info);
	}
	s->keep = s->n;
	return knl_dump(s->sock, take_link, s, e);
}

static int cmp_link(const void *a, const void *b)
{
	int x = ((const struct found *)a)->link.ifindex,
	    y = ((const struct found *)b)->link.ifindex;

	return x < y ? -1 : x > y;
}

struct found *knl_dump_link(const struct side *s, int ifindex)
{
	struct found key = { .link = { .ifindex = ifindex } };

	if (s->n == 0)
		return NULL;
	return bsearch(&key, s->links, s->n, sizeof(*s->links), cmp_link);
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
	if (n->kind != STATE_BRIDGE)
		return;
	memcpy(n->bridge, l->name, sizeof(n->bridge));
	n->localnet_ok = l->localnet;
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
	n->vxlan_flags_ok = enslaved && l->flags.any && knl_link_flags_ok(l, n->vni, NULL);
}

static void put_port(struct state_net *n, const struct knl_link *l, bool enslaved)
{
	struct state_port p = {
		.mtu = l->mtu,
		.up = l->up,
		.enslaved = enslaved,
		.ifindex = l->ifindex,
	};

	p.flags_ok = enslaved && l->flags.any && knl_link_flags_ok(l, n->vni, &p.open);
	memcpy(p.name, l->name, sizeof(p.name));
	state_net_add_port(n, &p);
}

/* Bridges, VXLAN devices and the uplink make networks. */
static void organize_devices(struct dump *d, struct side *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct found *f = &s->links[i];

		if (f->link.kind == KNL_PORT || (d->only != 0 && f->link.vni != d->only))
			continue;
		f->net = find_net(d, f->link.vni, true);
		if (f->link.kind == KNL_BRIDGE)
			put_bridge(f->net, &f->link);
		if (f->link.kind == KNL_INNER)
			d->inner = f->link;
		if (f->link.kind == KNL_OUTER)
			d->outer = f->link;
	}
}

/* Ports belong to the network of their bridge, else to the one they were made for. */
static void organize_ports(struct dump *d, struct side *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct found *f = &s->links[i];
		struct found *master = f->link.master ? knl_dump_link(s, f->link.master) : NULL;
		struct state_net *of_bridge =
			master && master->link.kind == KNL_BRIDGE ? master->net : NULL;

		if (f->link.kind == KNL_VXLAN && f->net)
			put_vxlan(f->net, &f->link, of_bridge == f->net);
		if (f->link.kind == KNL_INNER && f->net)
			d->inner_enslaved = of_bridge == f->net && f->link.flags.any &&
					    knl_link_flags_ok(&f->link, f->net->vni, NULL);
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

/* One end alone, or two that are no pair, are no uplink: it is to be made anew. */
static void organize_uplink(struct dump *d)
{
	struct state_net *n = find_net(d, STATE_KEY_EGRESS, false);

	if (!n || d->inner.ifindex == 0 || d->outer.ifindex == 0 ||
	    d->outer.peer != d->inner.ifindex || d->inner.peer != d->outer.ifindex)
		return;
	n->uplink_exists = true;
	n->uplink_up = d->inner.up && d->outer.up;
	n->uplink_enslaved = d->inner_enslaved;
	/* Whichever end differs from what is wanted is to be seen. */
	n->uplink_mtu = d->inner.mtu < d->outer.mtu ? d->inner.mtu : d->outer.mtu;
	n->localnet_ok = d->outer.localnet;
}

static void organize(struct dump *d)
{
	struct side *sides[] = { &d->ovl, &d->host };

	for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
		if (sides[i]->n == 0)
			continue;
		qsort(sides[i]->links, sides[i]->n, sizeof(*sides[i]->links), cmp_link);
		organize_devices(d, sides[i]);
		organize_ports(d, sides[i]);
	}
	organize_uplink(d);
}

static void finish(struct dump *d)
{
	for (size_t i = 0; i < d->n_nets; i++)
		state_net_sort(d->nets[i]);
}

/* Where nothing of ours is there is nothing to read either. */
static int read_entries(struct dump *d, struct side *s, struct err *e)
{
	int r;

	d->at = s;
	if (s->n == 0)
		return 0;
	r = knl_dump_fdb(d, 0, 0, e);
	if (r == 0 && s->where == KNL_IN_OVERLAY)
		r = knl_dump_neigh(d, 0, e);
	if (r == 0)
		r = knl_dump_addrs(d, 0, e);
	return r;
}

static void put_loose(const struct side *s, struct kernel_dump *ret)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->links[i].link.kind == KNL_PORT && !s->links[i].net)
			memcpy(ret->loose[ret->n_loose++], s->links[i].link.name, IFNAMSIZ);
}

int knl_dump_all(const struct knl_dump_from *from, struct kernel_dump *ret, struct err *e)
{
	_cleanup_dump_ struct dump d;
	int r = 0;

	dump_begin(&d, from, 0);
	if (d.ovl.sock)
		r = read_links(&d.ovl, 0, NULL, e);
	if (r == 0 && d.host.sock)
		r = read_links(&d.host, 0, NULL, e);
	if (r < 0)
		return r;
	organize(&d);
	r = read_entries(&d, &d.ovl, e);
	if (r == 0)
		r = read_entries(&d, &d.host, e);
	if (r < 0)
		return r;
	finish(&d);
	ret->nets = TAKE_PTR(d.nets);
	ret->n_nets = d.n_nets;
	d.n_nets = 0;
	ret->loose = mem_alloc_array(d.ovl.n + d.host.n + 1, sizeof(*ret->loose));
	ret->n_loose = 0;
	put_loose(&d.ovl, ret);
	put_loose(&d.host, ret);
	return 0;
}

static int bridge_of(const struct dump *d, const struct side *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->links[i].link.kind == KNL_BRIDGE && s->links[i].link.vni == d->only)
			return s->links[i].link.ifindex;
	return 0;
}

static void put_get(struct knl_sock *s, const char *name)
{
	knl_link_get(s, name);
	knl_allow(s, -ENODEV);
}

/* Ports on its bridge, and those on none, which may be its. */
static int read_ports(struct dump *d, struct side *s, struct err *e)
{
	int bridge = bridge_of(d, s), r = 0;

	if (bridge != 0)
		r = read_links(s, bridge, NULL, e);
	if (r == 0 && s->going != 0)
		r = read_links(s, s->going, NULL, e);
	if (r == 0)
		r = read_links(s, -1, "veth", e);
	return r;
}

static int read_overlay_links(struct dump *d, struct err *e)
{
	char br[IFNAMSIZ], dev[IFNAMSIZ];
	struct side *s = &d->ovl;
	int r;

	if (!s->sock)
		return 0;
	if (d->only == STATE_KEY_EGRESS) {
		memcpy(br, STATE_EGRESS_BRIDGE, sizeof(STATE_EGRESS_BRIDGE));
		memcpy(dev, STATE_EGRESS_INNER, sizeof(STATE_EGRESS_INNER));
	} else {
		state_bridge_name(d->only, br);
		state_vxlan_name(d->only, dev);
	}
	knl_drop(s->sock);
	put_get(s->sock, br);
	put_get(s->sock, dev);
	r = knl_send(s->sock, take_answer, s);
	if (r < 0)
		return knl_fail(s->sock, e, r, "cannot read the network with %s", br);
	return read_ports(d, s, e);
}

/* The name of a bridge in the host's namespace is known from its mark only. */
static int read_host_links(struct dump *d, struct err *e)
{
	struct side *s = &d->host;
	int r;

	if (d->only != STATE_KEY_EGRESS) {
		r = read_links(s, 0, "bridge", e);
		return r < 0 ? r : read_ports(d, s, e);
	}
	knl_drop(s->sock);
	put_get(s->sock, STATE_EGRESS_HOST);
	r = knl_send(s->sock, take_answer, s);
	return r < 0 ? knl_fail(s->sock, e, r, "cannot read " STATE_EGRESS_HOST) : 0;
}

/* Devices are read by name and again as ports of their bridge. */
static void drop_doubles(struct side *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		bool seen = false;

		if (s->links[i].link.kind != KNL_PORT)
			for (size_t k = 0; k < n; k++)
				seen = seen || s->links[k].link.ifindex == s->links[i].link.ifindex;
		if (!seen)
			s->links[n++] = s->links[i];
	}
	s->n = n;
}

static int read_net_entries(struct dump *d, const struct state_net *n, struct err *e)
{
	int r = 0;

	d->at = n->kind == STATE_BRIDGE ? &d->host : &d->ovl;
	if (n->bridge_exists)
		r = knl_dump_fdb(d, n->bridge_ifindex, 0, e);
	if (r == 0 && n->bridge_exists && n->kind == STATE_OVERLAY)
		r = knl_dump_neigh(d, n->bridge_ifindex, e);
	if (r == 0 && n->bridge_exists && n->kind != STATE_EGRESS)
		r = knl_dump_addrs(d, n->bridge_ifindex, e);
	if (r == 0 && n->vxlan_exists && !n->vxlan_enslaved)
		r = knl_dump_fdb(d, 0, n->vxlan_ifindex, e);
	d->at = &d->host;
	if (r == 0 && d->outer.ifindex != 0)
		r = knl_dump_addrs(d, d->outer.ifindex, e);
	return r;
}

static int dump_one(const struct knl_dump_from *from, uint32_t vni, struct state_net **ret,
		    struct err *e)
{
	_cleanup_dump_ struct dump d;
	struct state_net *n;
	int r = 0;

	dump_begin(&d, from, vni);
	if (!state_key_is_local(vni) || vni == STATE_KEY_EGRESS)
		r = read_overlay_links(&d, e);
	if (r == 0 && state_key_is_local(vni))
		r = read_host_links(&d, e);
	if (r < 0)
		return r;
	drop_doubles(&d.ovl);
	drop_doubles(&d.host);
	organize(&d);
	n = find_net(&d, vni, true);
	r = read_net_entries(&d, n, e);
	if (r < 0)
		return r;
	finish(&d);
	*ret = n;
	d.n_nets = 0; /* it was the only one */
	return 0;
}

/* A device that goes between its own reading and that of its entries (-ENODEV, where those of one device are asked for) is none: once more. */
int knl_dump_one(const struct knl_dump_from *from, uint32_t vni, struct state_net **ret,
		 struct err *e)
{
	int r = -ENODEV;

	for (unsigned i = 0; r == -ENODEV && i < KNL_DUMP_TRIES; i++) {
		struct err why = { 0 };

		r = dump_one(from, vni, ret, &why);
		if (r < 0)
			err_set(e, r, "%s", err_text(&why));
	}
	return r;
}
