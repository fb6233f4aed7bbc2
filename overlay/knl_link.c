/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_link.h"

#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VNI_MAX 16777215u
#define ALIAS "ovl vni " /* and the number */
#define PORT_HEX 12

/* Bridge port flags: what each kind of port shall have. Those that others may find useful to flip by hand are held too. */
static const struct {
	uint16_t attr;
	uint8_t vx, ve;
} port_flags[] = {
	{ IFLA_BRPORT_LEARNING, 0, 0 },	      { IFLA_BRPORT_LOCKED, 0, 1 },
	{ IFLA_BRPORT_NEIGH_SUPPRESS, 1, 0 }, { IFLA_BRPORT_ISOLATED, 0, 0 },
	{ IFLA_BRPORT_UNICAST_FLOOD, 1, 1 },  { IFLA_BRPORT_MCAST_FLOOD, 1, 1 },
	{ IFLA_BRPORT_BCAST_FLOOD, 1, 1 },    { IFLA_BRPORT_MODE, 0, 0 }, /* hairpin */
};

static bool parse_vni(const char *s, uint32_t *ret)
{
	char *end;
	unsigned long v;

	if (s[0] < '1' || s[0] > '9')
		return false;
	v = strtoul(s, &end, 10);
	if (*end != '\0' || v > VNI_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

enum knl_kind knl_link_kind(const char *name, uint32_t *ret_vni)
{
	uint32_t vni = 0;
	enum knl_kind kind = KNL_OTHER;

	if (strncmp(name, "br", 2) == 0 && parse_vni(name + 2, &vni))
		kind = KNL_BRIDGE;
	else if (strncmp(name, "vx", 2) == 0 && parse_vni(name + 2, &vni))
		kind = KNL_VXLAN;
	else if (strncmp(name, "ve", 2) == 0 && strlen(name) == 2 + PORT_HEX &&
		 strspn(name + 2, "0123456789abcdef") == PORT_HEX)
		kind = KNL_PORT;
	if (ret_vni)
		*ret_vni = vni;
	return kind;
}

void knl_link_alias(uint32_t vni, char ret[32])
{
	snprintf(ret, 32, ALIAS "%u", vni);
}

static void copy_text(const struct nlattr *a, char *ret, size_t size)
{
	snprintf(ret, size, "%.*s", (int)mnl_attr_get_payload_len(a), mnl_attr_get_str(a));
}

static void parse_flags(const struct nlattr *nest, struct knl_link *l)
{
	const struct nlattr *a;

	l->has_flags = l->flags_ok = true;
	mnl_attr_for_each_nested(a, nest) {
		for (size_t i = 0; i < ARRAY_SIZE(port_flags); i++)
			if (port_flags[i].attr == mnl_attr_get_type(a) &&
			    knl_get_u8(a) !=
				    (l->kind == KNL_VXLAN ? port_flags[i].vx : port_flags[i].ve))
				l->flags_ok = false;
	}
}

static void parse_vxlan(const struct nlattr *nest, struct knl_link *l)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, nest) {
		switch (mnl_attr_get_type(a)) {
		case IFLA_VXLAN_ID:
			l->vx_id = knl_get_u32(a);
			break;
		case IFLA_VXLAN_PORT:
			l->vx_port = ntohs(knl_get_u16(a));
			break;
		case IFLA_VXLAN_LEARNING:
			l->vx_learning = knl_get_u8(a) != 0;
			break;
		case IFLA_VXLAN_LOCAL:
			if (mnl_attr_get_payload_len(a) == 4) {
				l->vx_local.family = AF_INET;
				memcpy(l->vx_local.b, mnl_attr_get_payload(a), 4);
			}
			break;
		case IFLA_VXLAN_LOCAL6:
			if (mnl_attr_get_payload_len(a) == 16) {
				l->vx_local.family = AF_INET6;
				memcpy(l->vx_local.b, mnl_attr_get_payload(a), 16);
			}
			break;
		}
	}
}

static void parse_info(const struct nlattr *nest, struct knl_link *l)
{
	const struct nlattr *a, *data = NULL, *slave = NULL;
	bool on_bridge = false;

	mnl_attr_for_each_nested(a, nest) {
		switch (mnl_attr_get_type(a)) {
		case IFLA_INFO_KIND:
			copy_text(a, l->driver, sizeof(l->driver));
			break;
		case IFLA_INFO_DATA:
			data = a;
			break;
		case IFLA_INFO_SLAVE_KIND:
			on_bridge = strncmp(mnl_attr_get_str(a), "bridge",
					    mnl_attr_get_payload_len(a)) == 0;
			break;
		case IFLA_INFO_SLAVE_DATA:
			slave = a;
			break;
		}
	}
	if (data && strcmp(l->driver, "vxlan") == 0)
		parse_vxlan(data, l);
	if (slave && on_bridge)
		parse_flags(slave, l);
}

static void parse_alias(const struct nlattr *a, struct knl_link *l)
{
	static const char prefix[] = ALIAS;
	char text[32];

	copy_text(a, text, sizeof(text));
	if (strncmp(text, prefix, sizeof(prefix) - 1) == 0)
		parse_vni(text + sizeof(prefix) - 1, &l->vni);
}

bool knl_link_parse(const struct nlmsghdr *h, struct knl_link *ret)
{
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);
	const struct nlattr *a, *info = NULL, *protinfo = NULL, *alias = NULL;
	struct knl_link l = { .link_nsid = -1 };

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*i))
		return false;
	l.ifindex = i->ifi_index;
	l.up = (i->ifi_flags & IFF_UP) != 0;
	mnl_attr_for_each(a, h, sizeof(*i)) {
		switch (mnl_attr_get_type(a)) {
		case IFLA_IFNAME:
			copy_text(a, l.name, sizeof(l.name));
			break;
		case IFLA_MASTER:
			l.master = (int)knl_get_u32(a);
			break;
		case IFLA_LINK:
			l.peer = (int)knl_get_u32(a);
			break;
		case IFLA_LINK_NETNSID:
			l.link_nsid = (int)knl_get_u32(a);
			break;
		case IFLA_MTU:
			l.mtu = knl_get_u32(a);
			break;
		case IFLA_ADDRESS:
			if (mnl_attr_get_payload_len(a) == sizeof(l.mac.b))
				memcpy(l.mac.b, mnl_attr_get_payload(a), sizeof(l.mac.b));
			break;
		case IFLA_LINKINFO:
			info = a;
			break;
		case IFLA_PROTINFO:
			protinfo = a;
			break;
		case IFLA_IFALIAS:
			alias = a;
			break;
		}
	}
	if (l.name[0] == '\0' || l.ifindex <= 0)
		return false;
	l.kind = knl_link_kind(l.name, &l.vni);
	if (alias && l.kind == KNL_PORT)
		parse_alias(alias, &l);
	if (info)
		parse_info(info, &l);
	/* Notifications of the bridge carry the flags here; the port's own in IFLA_LINKINFO. */
	if (protinfo && i->ifi_family == AF_BRIDGE)
		parse_flags(protinfo, &l);
	if (l.vx_learning)
		l.flags_ok = false;
	*ret = l;
	return true;
}

void knl_link_get(struct knl_sock *s, const char *name)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };
	struct nlmsghdr *h = knl_begin(s, RTM_GETLINK, 0, &i, sizeof(i));

	mnl_attr_put_u32(h, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
}

static void take_link(void *user, unsigned index, const struct nlmsghdr *h)
{
	(void)index;
	if (h->nlmsg_type == RTM_NEWLINK)
		knl_link_parse(h, user);
}

int knl_link_read(struct knl_sock *s, const char *name, struct knl_link *ret)
{
	struct knl_link l = { 0 };
	int r;

	knl_drop(s);
	knl_link_get(s, name);
	r = knl_send(s, take_link, &l);
	if (r < 0)
		return r;
	if (l.ifindex == 0)
		return -ENODEV;
	*ret = l;
	return 0;
}

struct nlmsghdr *knl_link_set(struct knl_sock *s, const char *name, unsigned flags, unsigned change)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC, .ifi_flags = flags, .ifi_change = change };
	struct nlmsghdr *h = knl_begin(s, RTM_NEWLINK, 0, &i, sizeof(i));

	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	return h;
}

/*
 * As "ip link set dev X type bridge_slave": the same br_setport() as RTM_SETLINK of AF_BRIDGE reaches, but by name, so
 * it fits into the batch that made the link.
 */
void knl_link_port_flags(struct knl_sock *s, const char *name, enum knl_kind kind)
{
	struct nlmsghdr *h = knl_link_set(s, name, 0, 0);
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(h, IFLA_INFO_SLAVE_KIND, "bridge");
	data = mnl_attr_nest_start(h, IFLA_INFO_SLAVE_DATA);
	for (size_t i = 0; i < ARRAY_SIZE(port_flags); i++)
		mnl_attr_put_u8(h, port_flags[i].attr,
				kind == KNL_VXLAN ? port_flags[i].vx : port_flags[i].ve);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
}

void knl_link_quiet(struct knl_sock *s, const char *name, const char *alias)
{
	struct nlmsghdr *h;
	struct nlattr *spec, *inet6;

	if (alias) {
		h = knl_link_set(s, name, 0, 0);
		mnl_attr_put_strz(h, IFLA_IFALIAS, alias);
	}
	/* In the message that makes the link it would be EAFNOSUPPORT (fact_link_make). */
	h = knl_link_set(s, name, 0, 0);
	spec = mnl_attr_nest_start(h, IFLA_AF_SPEC);
	inet6 = mnl_attr_nest_start(h, AF_INET6);
	mnl_attr_put_u8(h, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(h, inet6);
	mnl_attr_nest_end(h, spec);
	/* A kernel without IPv6 makes no address anyway. */
	knl_allow(s, -EAFNOSUPPORT);
	knl_allow(s, -EOPNOTSUPP);
}

int knl_link_delete(struct knl_sock *s, int ifindex)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex };

	knl_drop(s);
	knl_begin(s, RTM_DELLINK, 0, &i, sizeof(i));
	knl_allow(s, -ENODEV);
	return knl_send(s, NULL, NULL);
}

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
static void settle(struct knl_sock *ovl, const char *name)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };
	struct knl_link l = { 0 };
	struct nlmsghdr *h;

	if (knl_link_read(ovl, name, &l) < 0 || l.link_nsid < 0 || l.peer <= 0)
		return;
	i.ifi_index = l.peer;
	knl_drop(ovl);
	h = knl_begin(ovl, RTM_GETLINK, 0, &i, sizeof(i));
	mnl_attr_put_u32(h, IFLA_TARGET_NETNSID, (uint32_t)l.link_nsid);
	mnl_attr_put_u32(h, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	knl_send(ovl, NULL, NULL);
}

int knl_link_change(struct knl_sock *ovl, const struct kernel_link_set *c, struct err *e)
{
	bool enslave = c->master && c->master[0] != '\0';
	struct knl_link master = { 0 };
	struct nlmsghdr *h;
	int r;

	if (enslave) {
		r = knl_link_read(ovl, c->master, &master);
		if (r < 0)
			return knl_fail(ovl, e, r, "cannot find the bridge %s", c->master);
	}
	knl_drop(ovl);
	/* A port that joins comes with learning on and locked off: no packet before its flags. */
	if (c->up == KERNEL_OFF || (enslave && c->port_flags))
		knl_link_set(ovl, c->name, 0, IFF_UP);
	if (c->mtu != 0) {
		h = knl_link_set(ovl, c->name, 0, 0);
		mnl_attr_put_u32(h, IFLA_MTU, c->mtu);
	}
	if (c->master) {
		h = knl_link_set(ovl, c->name, 0, 0);
		mnl_attr_put_u32(h, IFLA_MASTER, (uint32_t)master.ifindex);
	}
	if (ip_is_set(c->vtep))
		put_vxlan_change(knl_link_set(ovl, c->name, 0, 0), c->vtep);
	if (c->port_flags)
		knl_link_port_flags(ovl, c->name, knl_link_kind(c->name, NULL));
	r = knl_send(ovl, NULL, NULL);
	if (r < 0)
		return knl_fail(ovl, e, r, "cannot change link %s", c->name);
	if (c->up != KERNEL_ON)
		return 0;
	knl_drop(ovl);
	knl_link_set(ovl, c->name, IFF_UP, IFF_UP);
	r = knl_send(ovl, NULL, NULL);
	if (r < 0)
		return knl_fail(ovl, e, r, "cannot set link %s up", c->name);
	if (knl_link_kind(c->name, NULL) == KNL_PORT)
		settle(ovl, c->name);
	return 0;
}
