/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of a link that is there. */
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include "overlay/knl_link.h"

void knl_link_put_vtep(struct nlmsghdr *h, struct ip vtep)
{
	mnl_attr_put(h, vtep.family == AF_INET6 ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL,
		     ip_bytes(vtep), vtep.b);
}

static void put_vxlan_change(struct nlmsghdr *h, struct ip vtep)
{
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(h, IFLA_INFO_KIND, "vxlan");
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	knl_link_put_vtep(h, vtep);
	mnl_attr_put_u8(h, IFLA_VXLAN_LEARNING, 0);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
}

/*
 * A veth's carrier comes with both ends up, but its work (the port forwards, the peer has a queue) is left to the kernel's
 * link watch, which waits for RTNL: behind a link's deletion for 30 ms, and a first ARP lost then is repeated a second later.
 * Asking for a link does that work at once (linkwatch_sync_dev() in rtnl_getlink(), since 6.8; before, nothing is lost by it).
 */
static void settle(struct knl_sock *s, const char *name)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };
	struct knl_link l = { 0 };
	struct nlmsghdr *h;

	if (knl_link_read(s, name, &l) < 0 || l.link_nsid < 0 || l.peer <= 0)
		return;
	i.ifi_index = l.peer;
	knl_drop(s);
	h = knl_begin(s, RTM_GETLINK, 0, &i, sizeof(i));
	mnl_attr_put_u32(h, IFLA_TARGET_NETNSID, (uint32_t)l.link_nsid);
	mnl_attr_put_u32(h, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	knl_send(s, NULL, NULL);
}

static void put_flags(struct knl_sock *s, const struct kernel_link_set *c, enum knl_kind kind)
{
	/* The uplink has its flags for as long as it is on its bridge. */
	if (kind == KNL_INNER && c->master && c->master[0] != '\0')
		knl_link_port_flags(s, c->name, KNL_FLAGS_OPEN, KNL_FLAGS_AT_OVERLAY);
	if (c->port_flags)
		knl_link_port_flags(s, c->name,
				    kind == KNL_VXLAN ? KNL_FLAGS_VXLAN :
				    c->open	      ? KNL_FLAGS_OPEN :
							KNL_FLAGS_LOCKED,
				    c->isolated ? KNL_FLAGS_AT_EGRESS :
				    c->host	? KNL_FLAGS_AT_HOST :
						  KNL_FLAGS_AT_OVERLAY);
}

int knl_link_change(struct knl_sock *s, const struct kernel_link_set *c, struct err *e)
{
	enum knl_kind kind = knl_link_kind(c->host ? KNL_IN_HOST : KNL_IN_OVERLAY, c->name, NULL);
	bool enslave = c->master && c->master[0] != '\0';
	struct knl_link master = { 0 };
	struct nlmsghdr *h;
	int r;

	if (enslave) {
		r = knl_link_read(s, c->master, &master);
		if (r < 0)
			return knl_fail(s, e, r, "cannot find the bridge %s", c->master);
	}
	knl_drop(s);
	/* A port that joins comes with learning on and locked off: no packet before its flags. */
	if (c->up == KERNEL_OFF || (enslave && c->port_flags))
		knl_link_set(s, c->name, 0, IFF_UP);
	if (c->mtu != 0) {
		h = knl_link_set(s, c->name, 0, 0);
		mnl_attr_put_u32(h, IFLA_MTU, c->mtu);
	}
	if (c->master) {
		h = knl_link_set(s, c->name, 0, 0);
		mnl_attr_put_u32(h, IFLA_MASTER, (uint32_t)master.ifindex);
	}
	if (ip_is_set(c->vtep))
		put_vxlan_change(knl_link_set(s, c->name, 0, 0), c->vtep);
	put_flags(s, c, kind);
	if (c->localnet)
		knl_link_localnet(s, c->name);
	r = knl_send(s, NULL, NULL);
	if (r < 0)
		return knl_fail(s, e, r, "cannot change link %s", c->name);
	if (c->up != KERNEL_ON)
		return 0;
	knl_drop(s);
	knl_link_set(s, c->name, IFF_UP, IFF_UP);
	r = knl_send(s, NULL, NULL);
	if (r < 0)
		return knl_fail(s, e, r, "cannot set link %s up", c->name);
	if (kind == KNL_PORT)
		settle(s, c->name);
	return 0;
}
