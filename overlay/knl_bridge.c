/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_bridge.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <string.h>

#define BROADCAST_LEN_MAX 30 /* longer prefixes have no broadcast address */

/* Snooping would keep multicast from the VXLAN port; bridge-nf takes frames through the host's rules (facts §10). */
static void put_options(struct nlmsghdr *h)
{
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(h, IFLA_INFO_KIND, "bridge");
	data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	mnl_attr_put_u8(h, IFLA_BR_MCAST_SNOOPING, 0);
	mnl_attr_put_u8(h, IFLA_BR_NF_CALL_IPTABLES, 0);
	mnl_attr_put_u8(h, IFLA_BR_NF_CALL_IP6TABLES, 0);
	mnl_attr_put_u8(h, IFLA_BR_NF_CALL_ARPTABLES, 0);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
}

static void put_create(struct knl_sock *s, const char *name, const struct state_net *want)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };
	struct nlmsghdr *h = knl_begin(s, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &i, sizeof(i));

	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	/* At creation: without one it changes with its ports, and a change loses all neighbours (facts §4). */
	mnl_attr_put(h, IFLA_ADDRESS, sizeof(want->bridge_mac.b), want->bridge_mac.b);
	/* Only a change makes it the bridge's own, which no port alters (fact_mtu): another value first. */
	mnl_attr_put_u32(h, IFLA_MTU, want->bridge_mtu - 1);
	put_options(h);
	mnl_attr_put_u32(knl_link_set(s, name, 0, 0), IFLA_MTU, want->bridge_mtu);
}

static void put_change(struct knl_sock *s, const struct knl_link *have,
		       const struct state_net *want)
{
	struct nlmsghdr *h = knl_link_set(s, have->name, 0, 0);

	if (!mac_eq(have->mac, want->bridge_mac))
		mnl_attr_put(h, IFLA_ADDRESS, sizeof(want->bridge_mac.b), want->bridge_mac.b);
	if (have->mtu != want->bridge_mtu)
		mnl_attr_put_u32(h, IFLA_MTU, want->bridge_mtu);
	put_options(h);
}

int knl_bridge_make(struct knl_sock *ovl, const struct state_net *want, unsigned *ret_writes,
		    struct err *e)
{
	struct knl_link have = { 0 };
	char name[IFNAMSIZ];
	int r;

	state_bridge_name(want->vni, name);
	r = knl_link_read(ovl, name, &have);
	if (r < 0 && r != -ENODEV)
		return knl_fail(ovl, e, r, "cannot look for bridge %s", name);
	knl_drop(ovl);
	if (r == -ENODEV)
		put_create(ovl, name, want);
	else if (strcmp(have.driver, "bridge") != 0)
		return err_set(e, -EEXIST, "a link %s exists that is no bridge but %s", name,
			       have.driver[0] ? have.driver : "something else");
	else
		put_change(ovl, &have, want);
	knl_link_quiet(ovl, name, NULL);
	knl_link_set(ovl, name, IFF_UP, IFF_UP);
	r = knl_send(ovl, NULL, NULL);
	if (r < 0)
		return knl_fail(ovl, e, r, "cannot make bridge %s", name);
	*ret_writes = 1;
	return 0;
}

void knl_bridge_put_addr(struct knl_sock *s, int ifindex, bool del, struct prefix addr)
{
	struct ifaddrmsg a = {
		.ifa_family = addr.ip.family,
		.ifa_prefixlen = addr.len,
		.ifa_flags = addr.ip.family == AF_INET6 ? IFA_F_NODAD : 0,
		.ifa_index = (unsigned)ifindex,
	};
	struct nlmsghdr *h = knl_begin(s, del ? RTM_DELADDR : RTM_NEWADDR,
				       del ? 0 : NLM_F_CREATE | NLM_F_REPLACE, &a, sizeof(a));

	mnl_attr_put(h, IFA_LOCAL, ip_bytes(addr.ip), addr.ip.b);
	mnl_attr_put(h, IFA_ADDRESS, ip_bytes(addr.ip), addr.ip.b);
	if (!del && addr.ip.family == AF_INET && addr.len <= BROADCAST_LEN_MAX)
		mnl_attr_put(h, IFA_BROADCAST, 4, prefix_last(prefix_mask(addr.ip, addr.len)).b);
}

int knl_bridge_gateway(struct knl_sock *ovl, uint32_t vni, bool del, struct prefix gw,
		       struct err *e)
{
	char name[IFNAMSIZ], text[PREFIX_TEXT_MAX];
	struct knl_link br = { 0 };
	int r;

	state_bridge_name(vni, name);
	r = knl_link_read(ovl, name, &br);
	if (r == -ENODEV && del)
		return 0;
	if (r < 0)
		return knl_fail(ovl, e, r, "cannot find bridge %s", name);
	knl_drop(ovl);
	knl_bridge_put_addr(ovl, br.ifindex, del, gw);
	knl_allow(ovl, del ? -EADDRNOTAVAIL : -EEXIST);
	r = knl_send(ovl, NULL, NULL);
	if (r < 0)
		return knl_fail(ovl, e, r, "cannot %s address %s on %s", del ? "delete" : "add",
				prefix_format(gw, text), name);
	return 0;
}

struct ip knl_bridge_addr_ip(const struct nlmsghdr *h)
{
	struct ip local = { 0 }, address = { 0 };
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct ifaddrmsg)) {
		uint16_t type = mnl_attr_get_type(a);
		size_t len = mnl_attr_get_payload_len(a);
		struct ip *ip = type == IFA_LOCAL ? &local : &address;

		if ((type != IFA_LOCAL && type != IFA_ADDRESS) || (len != 4 && len != 16))
			continue;
		ip->family = len == 4 ? AF_INET : AF_INET6;
		memcpy(ip->b, mnl_attr_get_payload(a), len);
	}
	/* On a point-to-point link IFA_ADDRESS is the other side. */
	return ip_is_set(local) ? local : address;
}
