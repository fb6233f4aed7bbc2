/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_uplink.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <string.h>
#include "overlay/knl_bridge.h"

#define INNER STATE_EGRESS_INNER
#define OUTER STATE_EGRESS_HOST

struct ends {
	struct knl_link bridge, inner, outer; /* ifindex 0: not there */
};

static int read_end(struct knl_sock *s, const char *name, struct knl_link *ret, struct err *e)
{
	int r = knl_link_read(s, name, ret);

	if (r == -ENODEV)
		*ret = (struct knl_link){ 0 };
	return r < 0 && r != -ENODEV ? knl_fail(s, e, r, "cannot look for %s", name) : 0;
}

static int read_ends(const struct knl_uplink_place *at, struct ends *ret, struct err *e)
{
	int r = read_end(at->ovl, STATE_EGRESS_BRIDGE, &ret->bridge, e);

	if (r == 0)
		r = read_end(at->ovl, INNER, &ret->inner, e);
	if (r == 0)
		r = read_end(at->host, OUTER, &ret->outer, e);
	if (r < 0)
		return r;
	if (ret->outer.ifindex != 0 && ret->outer.mark != STATE_KEY_EGRESS)
		return err_set(e, -EEXIST,
			       "an interface " OUTER " exists already that is not ours");
	if (ret->bridge.ifindex == 0)
		return err_set(e, -ENODEV, "there is no egress bridge " STATE_EGRESS_BRIDGE);
	return 0;
}

static bool is_pair(const struct ends *x)
{
	return x->inner.ifindex != 0 && x->outer.ifindex != 0 &&
	       x->outer.peer == x->inner.ifindex && x->inner.peer == x->outer.ifindex;
}

static int clear(const struct knl_uplink_place *at, const struct ends *x, struct err *e)
{
	int r = x->inner.ifindex ? knl_link_delete(at->ovl, x->inner.ifindex) : 0;

	if (r < 0)
		return knl_fail(at->ovl, e, r, "cannot delete the former " INNER);
	r = x->outer.ifindex ? knl_link_delete(at->host, x->outer.ifindex) : 0;
	return r < 0 ? knl_fail(at->host, e, r, "cannot delete the former " OUTER) : 0;
}

static void put_veth(const struct knl_uplink_place *at, const struct state_net *want)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };
	struct nlmsghdr *h =
		knl_begin(at->host, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &i, sizeof(i));
	struct nlattr *info, *data, *peer;
	struct mac mac;

	mnl_attr_put_strz(h, IFLA_IFNAME, OUTER);
	mnl_attr_put_u32(h, IFLA_MTU, want->uplink_mtu);
	for (size_t k = 0; k < want->n_gateways; k++) {
		if (want->gateways[k].ip.family != AF_INET)
			continue;
		mac = mac_from_ip(want->gateways[k].ip);
		mnl_attr_put(h, IFLA_ADDRESS, sizeof(mac.b), mac.b);
		break;
	}
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(h, VETH_INFO_PEER);
	memcpy(mnl_nlmsg_put_extra_header(h, sizeof(i)), &i, sizeof(i));
	mnl_attr_put_strz(h, IFLA_IFNAME, INNER);
	mnl_attr_put_u32(h, IFLA_MTU, want->uplink_mtu);
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)at->nsfd);
	mnl_attr_nest_end(h, peer);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
}

/* By itself: what follows is by name, and must not meet a device that somebody made meanwhile. */
static int create(const struct knl_uplink_place *at, const struct state_net *want, struct err *e)
{
	int r;

	knl_drop(at->host);
	put_veth(at, want);
	r = knl_send(at->host, NULL, NULL);
	return r < 0 ? knl_fail(at->host, e, r, "cannot make veth " OUTER " with " INNER) : 0;
}

static int set_up_inner(const struct knl_uplink_place *at, const struct state_net *want, int bridge,
			const char *alias, struct err *e)
{
	struct knl_sock *s = at->ovl;
	int r;

	knl_drop(s);
	knl_link_quiet(s, INNER, alias);
	mnl_attr_put_u32(knl_link_set(s, INNER, 0, 0), IFLA_MTU, want->uplink_mtu);
	mnl_attr_put_u32(knl_link_set(s, INNER, 0, 0), IFLA_MASTER, (uint32_t)bridge);
	knl_link_port_flags(s, INNER, KNL_FLAGS_OPEN, KNL_FLAGS_AT_OVERLAY);
	knl_link_set(s, INNER, IFF_UP, IFF_UP);
	r = knl_send(s, NULL, NULL);
	return r < 0 ? knl_fail(s, e, r, "cannot set up " INNER) : 0;
}

static int set_up_outer(const struct knl_uplink_place *at, const struct state_net *want,
			const char *alias, struct err *e)
{
	struct knl_sock *s = at->host;
	int r;

	knl_drop(s);
	knl_link_quiet(s, OUTER, alias);
	mnl_attr_put_u32(knl_link_set(s, OUTER, 0, 0), IFLA_MTU, want->uplink_mtu);
	knl_link_localnet(s, OUTER);
	knl_link_set(s, OUTER, IFF_UP, IFF_UP);
	r = knl_send(s, NULL, NULL);
	if (r < 0)
		return knl_fail(s, e, r, "cannot set up " OUTER);
	for (size_t i = 0; r == 0 && i < want->n_gateways; i++)
		r = knl_bridge_gateway(s, want, false, want->gateways[i], e);
	return r;
}

int knl_uplink_make(const struct knl_uplink_place *at, const struct state_net *want,
		    unsigned *ret_writes, struct err *e)
{
	struct ends x = { 0 };
	char alias[KNL_ALIAS_MAX];
	bool made = false;
	int r = read_ends(at, &x, e);

	if (r == 0 && !is_pair(&x)) {
		r = clear(at, &x, e);
		if (r == 0)
			r = create(at, want, e);
		made = r == 0;
	}
	if (r < 0)
		return r;
	*ret_writes = 1;
	knl_link_alias(want->vni, alias);
	r = set_up_inner(at, want, x.bridge.ifindex, alias, e);
	if (r == 0)
		r = set_up_outer(at, want, alias, e);
	if (r < 0 && made && knl_link_read(at->ovl, INNER, &x.inner) == 0)
		knl_link_delete(at->ovl, x.inner.ifindex);
	return r;
}
