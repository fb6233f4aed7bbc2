/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_port.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>
#include "overlay/knl_inside.h"
#include "overlay/netns.h"

#define STALE_TRIES 3
#define OWN_NETNS "/proc/thread-self/ns/net" /* the host's: nobody but netns.c ever leaves it */
#define HANDED_ALIAS "ovl endpoint "

static const char *place_of(const struct state_port *p)
{
	return p->handed ? "the host's namespace" : p->target.path;
}

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
		knl_link_parse(h, KNL_IN_OVERLAY,
			       index == pair->bridge_at ? &pair->bridge : &pair->host_end);
}

/* The host end with its flags, and its peer's number read back: one send. */
static int make_pair(struct knl_sock *s, const struct state_net *want, const struct state_port *p,
		     int target, struct pair *pair, struct err *e)
{
	char alias[KNL_ALIAS_MAX];
	int r, first;

	knl_drop(s);
	knl_link_alias(want->vni, alias);
	put_veth(s, p, pair->bridge.ifindex, target);
	knl_link_quiet(s, p->name, alias);
	knl_link_port_flags(s, p->name, p->open ? KNL_FLAGS_OPEN : KNL_FLAGS_LOCKED,
			    want->kind == STATE_EGRESS ? KNL_FLAGS_AT_EGRESS :
			    want->kind == STATE_BRIDGE ? KNL_FLAGS_AT_HOST :
							 KNL_FLAGS_AT_OVERLAY);
	pair->bridge_at = UINT32_MAX;
	pair->host_end_at = knl_queued(s);
	knl_link_get(s, p->name);
	memset(&pair->host_end, 0, sizeof(pair->host_end));
	r = knl_send(s, take_pair, pair);
	first = knl_status(s, 0);
	if (first == -EEXIST && pair->host_end.ifindex == 0)
		return err_set(e, -EEXIST, "an interface %s exists already in %s", p->ifname,
			       place_of(p));
	if (first == -EEXIST)
		return -EAGAIN; /* a stale host end */
	if (r < 0)
		knl_fail(s, e, r, "cannot make veth %s with %s in %s", p->name, p->ifname,
			 place_of(p));
	if (r < 0 && first == 0 && pair->host_end.ifindex != 0)
		knl_link_delete(s, pair->host_end.ifindex);
	return r;
}

/* Whose it is, for whoever wonders. All else is its taker's to set. */
static int set_alias(struct knl_sock *host, const struct state_port *p, struct err *e)
{
	char id[ID_TEXT_MAX], alias[sizeof(HANDED_ALIAS) + ID_TEXT_MAX];
	int r;

	snprintf(alias, sizeof(alias), HANDED_ALIAS "%s", id_format(p->endpoint, id));
	knl_drop(host);
	mnl_attr_put_strz(knl_link_set(host, p->ifname, 0, 0), IFLA_IFALIAS, alias);
	r = knl_send(host, NULL, NULL);
	return r < 0 ? knl_fail(host, e, r, "cannot mark %s", p->ifname) : 0;
}

static int set_up_inside(const struct state_port *p, int target, int ifindex, struct err *e)
{
	_cleanup_knl_ struct knl_sock *in = NULL;
	int r = knl_open(target, &in, e);

	return r < 0 ? r : knl_inside_set_up(in, p, ifindex, NULL, e);
}

static int make_all(struct knl_sock *s, struct knl_sock *host, const struct state_net *want,
		    const struct state_port *p, int target, struct pair *pair, struct err *e)
{
	int r = make_pair(s, want, p, target, pair, e);

	if (r < 0)
		return r;
	r = p->handed ? set_alias(host, p, e) : set_up_inside(p, target, pair->host_end.peer, e);
	if (r < 0)
		knl_link_delete(s, pair->host_end.ifindex);
	return r;
}

int knl_port_make(struct knl_sock *s, struct knl_sock *host, const struct state_net *want,
		  const struct state_port *p, unsigned *ret_writes, struct err *e)
{
	_cleanup_close_ int target = p->handed ? netns_open(OWN_NETNS, e) :
						 netns_open_target(&p->target, e);
	struct pair pair = { 0 };
	char bridge[IFNAMSIZ];
	int r;

	if (target < 0)
		return target;
	state_net_bridge_name(want, bridge);
	r = knl_link_read(s, bridge, &pair.bridge);
	if (r < 0)
		return knl_fail(s, e, r, "cannot find bridge %s", bridge);
	if (want->kind == STATE_BRIDGE && pair.bridge.mark != want->vni)
		return err_set(e, -ENODEV, "the bridge %s is not that of the network", bridge);
	for (unsigned i = 0; i < STALE_TRIES; i++) {
		r = make_all(s, host, want, p, target, &pair, e);
		if (r != -EAGAIN)
			break;
		r = knl_link_delete(s, pair.host_end.ifindex);
		if (r < 0)
			return knl_fail(s, e, r, "cannot delete the stale link %s", p->name);
		r = err_set(e, -EEXIST, "link %s cannot be deleted", p->name);
	}
	if (r == 0)
		*ret_writes = 1;
	return r;
}
