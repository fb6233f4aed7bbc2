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
	/* Another value first, see knl_bridge_make(). */
	mnl_attr_put_u32(h, IFLA_MTU, want->bridge_mtu - 1);
	put_options(h);
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

static int may_change(const struct knl_link *have, enum knl_where where,
		      const struct state_net *want, struct err *e)
{
	const char *what = have->driver[0] ? have->driver : "an interface";

	if (strcmp(have->driver, "bridge") != 0)
		return err_set(e, -EEXIST, "a link %s exists that is no bridge (%s)", have->name,
			       what);
	if (where == KNL_IN_HOST && have->mark == 0)
		return err_set(e, -EEXIST, "a bridge %s exists already that is not ours",
			       have->name);
	if (where == KNL_IN_HOST && have->mark != want->vni)
		return err_set(e, -EEXIST, "the bridge %s is that of another local network",
			       have->name);
	return 0;
}

/* By itself: what follows is by name, and must not meet a bridge that somebody made meanwhile. */
static int create(struct knl_sock *s, const char *name, const struct state_net *want, struct err *e)
{
	int r;

	knl_drop(s);
	put_create(s, name, want);
	r = knl_send(s, NULL, NULL);
	return r < 0 ? knl_fail(s, e, r, "cannot make bridge %s", name) : 0;
}

int knl_bridge_make(struct knl_sock *s, enum knl_where where, const struct state_net *want,
		    unsigned *ret_writes, struct err *e)
{
	char name[IFNAMSIZ], alias[KNL_ALIAS_MAX];
	struct knl_link have = { 0 };
	bool made = false;
	int r;

	state_net_bridge_name(want, name);
	knl_link_alias(want->vni, alias);
	r = knl_link_read(s, name, &have);
	if (r < 0 && r != -ENODEV)
		return knl_fail(s, e, r, "cannot look for bridge %s", name);
	made = r == -ENODEV;
	r = made ? create(s, name, want, e) : may_change(&have, where, want, e);
	if (r < 0)
		return r;
	knl_drop(s);
	if (made)
		/* Only a change makes it the bridge's own, which no port alters (fact_mtu). */
		mnl_attr_put_u32(knl_link_set(s, name, 0, 0), IFLA_MTU, want->bridge_mtu);
	else
		put_change(s, &have, want);
	knl_link_quiet(s, name, state_key_is_local(want->vni) ? alias : NULL);
	if (where == KNL_IN_HOST)
		knl_link_localnet(s, name);
	knl_link_set(s, name, IFF_UP, IFF_UP);
	r = knl_send(s, NULL, NULL);
	*ret_writes = 1;
	if (r == 0)
		return 0;
	knl_fail(s, e, r, "cannot make bridge %s", name);
	if (made && knl_link_read(s, name, &have) == 0)
		knl_link_delete(s, have.ifindex);
	return r;
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

struct prefix knl_bridge_link_local(struct mac m)
{
	struct prefix p = { .ip = { .family = AF_INET6, .b = { 0xfe, 0x80 } }, .len = 64 };
	uint8_t id[8] = { m.b[0] ^ 2, m.b[1], m.b[2], 0xff, 0xfe, m.b[3], m.b[4], m.b[5] };

	memcpy(p.ip.b + 8, id, sizeof(id));
	return p;
}

int knl_bridge_gateway(struct knl_sock *s, const struct state_net *net, bool del, struct prefix gw,
		       struct err *e)
{
	char name[IFNAMSIZ] = STATE_EGRESS_HOST, text[PREFIX_TEXT_MAX];
	struct knl_link dev = { 0 };
	int r;

	if (net->kind != STATE_EGRESS)
		state_net_bridge_name(net, name);
	r = knl_link_read(s, name, &dev);
	/* In the host's namespace a name says nothing. */
	if (r == 0 && net->kind != STATE_OVERLAY && dev.mark != net->vni)
		r = -ENODEV;
	if (r == -ENODEV && del)
		return 0;
	if (r < 0)
		return knl_fail(s, e, r, "cannot find the device %s of the network", name);
	knl_drop(s);
	knl_bridge_put_addr(s, dev.ifindex, del, gw);
	knl_allow(s, del ? -EADDRNOTAVAIL : -EEXIST);
	if (!del && gw.ip.family == AF_INET6 && net->kind != STATE_OVERLAY) {
		knl_bridge_put_addr(s, dev.ifindex, false, knl_bridge_link_local(dev.mac));
		knl_allow(s, -EEXIST);
	}
	r = knl_send(s, NULL, NULL);
	if (r < 0)
		return knl_fail(s, e, r, "cannot %s address %s on %s", del ? "delete" : "add",
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
