/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_port.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <string.h>
#include "overlay/knl_bridge.h"
#include "overlay/netns.h"

#define STALE_TRIES 3
#define LOOPBACK_IFINDEX 1 /* of "lo" in every namespace (LOOPBACK_IFINDEX in the kernel) */

/* No IFF_UP on the peer here: ENOTCONN (fact_link_make). */
static void put_veth(struct knl_sock *s, const struct state_port *p, int bridge, int target)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };
	struct nlmsghdr *h = knl_begin(s, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &i, sizeof(i));
	struct nlattr *info, *data, *peer;

	mnl_attr_put_strz(h, IFLA_IFNAME, p->name);
	mnl_attr_put_u32(h, IFLA_MTU, p->mtu);
	mnl_attr_put_u32(h, IFLA_MASTER, (uint32_t)bridge);
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(h, VETH_INFO_PEER);
	memcpy(mnl_nlmsg_put_extra_header(h, sizeof(i)), &i, sizeof(i));
	mnl_attr_put_strz(h, IFLA_IFNAME, p->ifname);
	mnl_attr_put(h, IFLA_ADDRESS, sizeof(p->mac.b), p->mac.b);
	mnl_attr_put_u32(h, IFLA_MTU, p->container_mtu);
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)target);
	mnl_attr_nest_end(h, peer);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
}

struct pair {
	struct knl_link bridge, host_end;
	unsigned bridge_at, host_end_at; /* whose answer in the batch */
};

static void take_pair(void *user, unsigned index, const struct nlmsghdr *h)
{
	struct pair *pair = user;

	if (h->nlmsg_type == RTM_NEWLINK)
		knl_link_parse(h, index == pair->bridge_at ? &pair->bridge : &pair->host_end);
}

/* The host end with its flags, and its peer's number read back: one send. */
static int make_pair(struct knl_sock *ovl, const struct state_net *want, const struct state_port *p,
		     int target, struct pair *pair, struct err *e)
{
	char alias[32];
	int r, first;

	knl_drop(ovl);
	knl_link_alias(want->vni, alias);
	put_veth(ovl, p, pair->bridge.ifindex, target);
	knl_link_quiet(ovl, p->name, alias);
	knl_link_port_flags(ovl, p->name, KNL_PORT);
	pair->bridge_at = UINT32_MAX;
	pair->host_end_at = knl_queued(ovl);
	knl_link_get(ovl, p->name);
	memset(&pair->host_end, 0, sizeof(pair->host_end));
	r = knl_send(ovl, take_pair, pair);
	first = knl_status(ovl, 0);
	if (first == -EEXIST && pair->host_end.ifindex == 0)
		return err_set(e, -EEXIST, "an interface %s exists already in %s", p->ifname,
			       p->target.path);
	if (first == -EEXIST)
		return -EAGAIN; /* a stale host end */
	if (r < 0)
		knl_fail(ovl, e, r, "cannot make veth %s with %s in %s", p->name, p->ifname,
			 p->target.path);
	if (r < 0 && first == 0 && pair->host_end.ifindex != 0)
		knl_link_delete(ovl, pair->host_end.ifindex);
	return r;
}

static void put_up(struct knl_sock *s, int ifindex)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC,
			       .ifi_index = ifindex,
			       .ifi_flags = IFF_UP,
			       .ifi_change = IFF_UP };

	knl_begin(s, RTM_NEWLINK, 0, &i, sizeof(i));
}

static void put_route(struct knl_sock *s, int ifindex, struct prefix dst)
{
	struct rtmsg m = {
		.rtm_family = dst.ip.family,
		.rtm_dst_len = dst.len,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = KNL_ROUTE_PROTO,
		.rtm_scope = dst.ip.family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
	};
	struct nlmsghdr *h =
		knl_begin(s, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof(m));

	mnl_attr_put(h, RTA_DST, ip_bytes(dst.ip), dst.ip.b);
	mnl_attr_put_u32(h, RTA_OIF, (uint32_t)ifindex);
}

/* The link-local address that the kernel would make (RFC 4291 appendix A), but without DAD: its MAC is ours alone. */
static struct prefix link_local(struct mac m)
{
	struct prefix p = { .ip = { .family = AF_INET6, .b = { 0xfe, 0x80 } }, .len = 64 };
	uint8_t id[8] = { m.b[0] ^ 2, m.b[1], m.b[2], 0xff, 0xfe, m.b[3], m.b[4], m.b[5] };

	memcpy(p.ip.b + 8, id, sizeof(id));
	return p;
}

/*
 * What the peer needs, from within. Without IPv6 in the network it gets no link-local address either: DAD, router
 * solicitations and MLD reports would go to every node.
 */
static int set_up_inside(struct knl_sock *in, const struct state_port *p, int ifindex,
			 struct err *e)
{
	int r;

	put_up(in, LOOPBACK_IFINDEX);
	knl_link_quiet(in, p->ifname, NULL);
	if (ip_is_set(p->ip4))
		knl_bridge_put_addr(in, ifindex, false,
				    (struct prefix){ .ip = p->ip4, .len = p->len4 });
	if (ip_is_set(p->ip6)) {
		knl_bridge_put_addr(in, ifindex, false,
				    (struct prefix){ .ip = p->ip6, .len = p->len6 });
		knl_bridge_put_addr(in, ifindex, false, link_local(p->mac));
	}
	put_up(in, ifindex);
	for (uint8_t i = 0; i < p->n_routes; i++)
		put_route(in, ifindex, p->routes[i]);
	r = knl_send(in, NULL, NULL);
	return r < 0 ? knl_fail(in, e, r, "cannot set up %s in %s", p->ifname, p->target.path) : 0;
}

static int make_all(struct knl_sock *ovl, const struct state_net *want, const struct state_port *p,
		    int target, struct pair *pair, struct err *e)
{
	_cleanup_knl_ struct knl_sock *in = NULL;
	int r = make_pair(ovl, want, p, target, pair, e);

	if (r < 0)
		return r;
	r = knl_open(target, &in, e);
	if (r == 0)
		r = set_up_inside(in, p, pair->host_end.peer, e);
	if (r < 0)
		knl_link_delete(ovl, pair->host_end.ifindex);
	return r;
}

int knl_port_make(struct knl_sock *ovl, const struct state_net *want, const struct state_port *p,
		  unsigned *ret_writes, struct err *e)
{
	_cleanup_close_ int target = netns_open_target(&p->target, e);
	struct pair pair = { 0 };
	char bridge[IFNAMSIZ];
	int r;

	if (target < 0)
		return target;
	state_bridge_name(want->vni, bridge);
	r = knl_link_read(ovl, bridge, &pair.bridge);
	if (r < 0)
		return knl_fail(ovl, e, r, "cannot find bridge %s", bridge);
	for (unsigned i = 0; i < STALE_TRIES; i++) {
		r = make_all(ovl, want, p, target, &pair, e);
		if (r != -EAGAIN)
			break;
		r = knl_link_delete(ovl, pair.host_end.ifindex);
		if (r < 0)
			return knl_fail(ovl, e, r, "cannot delete the stale link %s", p->name);
		r = err_set(e, -EEXIST, "link %s cannot be deleted", p->name);
	}
	if (r == 0)
		*ret_writes = 1;
	return r;
}
