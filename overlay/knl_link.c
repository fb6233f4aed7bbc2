/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_link.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VNI_MAX 16777215u
#define ALIAS_VNI "ovl vni " /* and the number */
#define ALIAS_LOCAL "ovl local "
#define PORT "ve"
#define HOST_PORT "ovp"
#define PORT_HEX 12

static bool parse_number(const char *s, uint32_t min, uint32_t max, uint32_t *ret)
{
	char *end;
	unsigned long long v;

	if (s[0] < '1' || s[0] > '9')
		return false;
	v = strtoull(s, &end, 10);
	if (*end != '\0' || v < min || v > max)
		return false;
	*ret = (uint32_t)v;
	return true;
}

static bool parse_vni(const char *s, uint32_t *ret)
{
	return parse_number(s, 1, VNI_MAX, ret);
}

static bool is_port(const char *name, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(name, prefix, n) == 0 && strlen(name) == n + PORT_HEX &&
	       strspn(name + n, "0123456789abcdef") == PORT_HEX;
}

enum knl_kind knl_link_kind(enum knl_where where, const char *name, uint32_t *ret_key)
{
	enum knl_kind kind = KNL_OTHER;
	uint32_t key = 0;

	if (where == KNL_IN_HOST && strcmp(name, STATE_EGRESS_HOST) == 0) {
		kind = KNL_OUTER;
		key = STATE_KEY_EGRESS;
	} else if (where == KNL_IN_HOST) {
		kind = is_port(name, HOST_PORT) ? KNL_PORT : KNL_OTHER;
	} else if (strncmp(name, "br", 2) == 0 && parse_vni(name + 2, &key)) {
		kind = KNL_BRIDGE;
	} else if (strncmp(name, "vx", 2) == 0 && parse_vni(name + 2, &key)) {
		kind = KNL_VXLAN;
	} else if (is_port(name, PORT)) {
		kind = KNL_PORT;
	} else if (strcmp(name, STATE_EGRESS_BRIDGE) == 0) {
		kind = KNL_BRIDGE;
		key = STATE_KEY_EGRESS;
	} else if (strcmp(name, STATE_EGRESS_INNER) == 0) {
		kind = KNL_INNER;
		key = STATE_KEY_EGRESS;
	}
	if (ret_key)
		*ret_key = key;
	return kind;
}

void knl_link_alias(uint32_t key, char ret[KNL_ALIAS_MAX])
{
	snprintf(ret, KNL_ALIAS_MAX, "%s%u", state_key_is_local(key) ? ALIAS_LOCAL : ALIAS_VNI,
		 key);
}

static void copy_text(const struct nlattr *a, char *ret, size_t size)
{
	snprintf(ret, size, "%.*s", (int)mnl_attr_get_payload_len(a), mnl_attr_get_str(a));
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
		l->flags = knl_flags_parse(slave);
}

static void parse_alias(const struct nlattr *a, struct knl_link *l)
{
	static const char vni[] = ALIAS_VNI, local[] = ALIAS_LOCAL;
	char text[KNL_ALIAS_MAX];

	copy_text(a, text, sizeof(text));
	if (strncmp(text, vni, sizeof(vni) - 1) == 0)
		parse_vni(text + sizeof(vni) - 1, &l->mark);
	else if (strncmp(text, local, sizeof(local) - 1) == 0)
		parse_number(text + sizeof(local) - 1, STATE_KEY_LOCAL, UINT32_MAX, &l->mark);
}

/* The kernel tells all settings of a device as one array (inet_fill_link_af()). */
static bool inet_setting(const struct nlattr *conf, unsigned number)
{
	uint32_t v = 0;

	if (mnl_attr_get_payload_len(conf) >= number * sizeof(v))
		memcpy(&v, (const char *)mnl_attr_get_payload(conf) + (number - 1) * sizeof(v),
		       sizeof(v));
	return v != 0;
}

static void parse_settings(const struct nlattr *spec, struct knl_link *l)
{
	const struct nlattr *af, *a;

	mnl_attr_for_each_nested(af, spec) {
		if (mnl_attr_get_type(af) != AF_INET)
			continue;
		mnl_attr_for_each_nested(a, af) {
			if (mnl_attr_get_type(a) == IFLA_INET_CONF)
				l->localnet = inet_setting(a, IPV4_DEVCONF_ROUTE_LOCALNET) &&
					      inet_setting(a, IPV4_DEVCONF_FORWARDING);
		}
	}
}

static void classify(struct knl_link *l, enum knl_where where)
{
	l->kind = knl_link_kind(where, l->name, &l->vni);
	if (l->kind == KNL_PORT)
		l->vni = l->mark;
	if (where == KNL_IN_OVERLAY)
		return;
	if (l->kind == KNL_OUTER && l->mark != STATE_KEY_EGRESS) {
		l->kind = KNL_OTHER;
		l->vni = 0;
	} else if (l->kind == KNL_OTHER && strcmp(l->driver, "bridge") == 0 &&
		   l->mark > STATE_KEY_EGRESS) {
		l->kind = KNL_BRIDGE;
		l->vni = l->mark;
	}
}

bool knl_link_parse(const struct nlmsghdr *h, enum knl_where where, struct knl_link *ret)
{
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);
	const struct nlattr *a, *info = NULL;
	struct knl_link l = { .link_nsid = -1 };

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*i))
		return false;
	l.ifindex = i->ifi_index;
	l.up = (i->ifi_flags & IFF_UP) != 0;
	l.of_bridge = i->ifi_family == AF_BRIDGE;
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
			/* Notifications of the bridge carry the flags here; the port's own in IFLA_LINKINFO. */
			if (l.of_bridge)
				l.flags = knl_flags_parse(a);
			break;
		case IFLA_AF_SPEC:
			/* Of the bridge it is about VLANs. */
			if (!l.of_bridge)
				parse_settings(a, &l);
			break;
		case IFLA_IFALIAS:
			parse_alias(a, &l);
			break;
		}
	}
	if (l.name[0] == '\0' || l.ifindex <= 0)
		return false;
	if (info)
		parse_info(info, &l);
	classify(&l, where);
	*ret = l;
	return true;
}

bool knl_link_flags_ok(const struct knl_link *l, uint32_t key, bool *ret_open)
{
	enum knl_flags_at at = key == STATE_KEY_EGRESS	   ? KNL_FLAGS_AT_EGRESS :
			       state_port_in_host(l->name) ? KNL_FLAGS_AT_HOST :
							     KNL_FLAGS_AT_OVERLAY;
	bool open = false, ok = true;

	switch (l->kind) {
	case KNL_VXLAN:
		ok = !l->vx_learning &&
		     knl_flags_are(l->flags, KNL_FLAGS_VXLAN, KNL_FLAGS_AT_OVERLAY);
		break;
	case KNL_PORT:
		if (!knl_flags_are(l->flags, KNL_FLAGS_LOCKED, at))
			ok = open = knl_flags_are(l->flags, KNL_FLAGS_OPEN, at);
		break;
	case KNL_INNER:
		ok = knl_flags_are(l->flags, KNL_FLAGS_OPEN, KNL_FLAGS_AT_OVERLAY);
		break;
	case KNL_BRIDGE:
	case KNL_OUTER:
	case KNL_OTHER:
		break;
	}
	if (ret_open)
		*ret_open = open;
	return ok;
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
		knl_link_parse(h, KNL_IN_OVERLAY, user);
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
void knl_link_port_flags(struct knl_sock *s, const char *name, enum knl_flags_kind kind,
			 enum knl_flags_at at)
{
	struct nlmsghdr *h = knl_link_set(s, name, 0, 0);
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(h, IFLA_INFO_SLAVE_KIND, "bridge");
	data = mnl_attr_nest_start(h, IFLA_INFO_SLAVE_DATA);
	knl_flags_put(h, kind, at);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
}

/*
 * Through rtnetlink, beside the rest (fact_localnet): it wants no writable /proc/sys. The caches that a sysctl would flush hold nothing of this:
 * the two are asked when a route is looked up, and a refusal is never cached.
 */
void knl_link_localnet(struct knl_sock *s, const char *name)
{
	struct nlmsghdr *h = knl_link_set(s, name, 0, 0);
	struct nlattr *spec = mnl_attr_nest_start(h, IFLA_AF_SPEC),
		      *inet = mnl_attr_nest_start(h, AF_INET),
		      *conf = mnl_attr_nest_start(h, IFLA_INET_CONF);

	mnl_attr_put_u32(h, IPV4_DEVCONF_ROUTE_LOCALNET, 1);
	mnl_attr_put_u32(h, IPV4_DEVCONF_FORWARDING, 1);
	mnl_attr_nest_end(h, conf);
	mnl_attr_nest_end(h, inet);
	mnl_attr_nest_end(h, spec);
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
