/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_inside.h"

#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include "overlay/knl_bridge.h"

#define LOOPBACK_IFINDEX 1 /* of "lo" in every namespace (LOOPBACK_IFINDEX in the kernel) */

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

static void put_default(struct knl_sock *s, int ifindex, struct ip gw)
{
	struct rtmsg m = {
		.rtm_family = gw.family,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = KNL_ROUTE_PROTO,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
	};
	struct nlmsghdr *h =
		knl_begin(s, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof(m));

	mnl_attr_put(h, RTA_GATEWAY, ip_bytes(gw), gw.b);
	mnl_attr_put_u32(h, RTA_OIF, (uint32_t)ifindex);
}

/*
 * Without IPv6 in the network it gets no link-local address either: DAD, router solicitations and MLD reports would go to
 * every node. With it one without DAD: its MAC is ours alone.
 */
int knl_inside_set_up(struct knl_sock *in, const struct state_port *p, int ifindex,
		      const char *alias, struct err *e)
{
	const struct ip gw[] = { p->gw4, p->gw6 };
	int r;

	knl_drop(in);
	put_up(in, LOOPBACK_IFINDEX);
	knl_link_quiet(in, p->ifname, NULL);
	if (ip_is_set(p->ip4))
		knl_bridge_put_addr(in, ifindex, false,
				    (struct prefix){ .ip = p->ip4, .len = p->len4 });
	if (ip_is_set(p->ip6)) {
		knl_bridge_put_addr(in, ifindex, false,
				    (struct prefix){ .ip = p->ip6, .len = p->len6 });
		knl_bridge_put_addr(in, ifindex, false, knl_bridge_link_local(p->mac));
	}
	put_up(in, ifindex);
	for (uint8_t i = 0; i < p->n_routes; i++)
		put_route(in, ifindex, p->routes[i]);
	for (size_t i = 0; i < ARRAY_SIZE(gw); i++)
		if (ip_is_set(gw[i]) && !ip_is_unspecified(gw[i]))
			put_default(in, ifindex, gw[i]);
	if (alias)
		mnl_attr_put_strz(knl_link_set(in, p->ifname, 0, 0), IFLA_IFALIAS, alias);
	r = knl_send(in, NULL, NULL);
	return r < 0 ? knl_fail(in, e, r, "cannot set up %s in %s", p->ifname, p->target.path) : 0;
}

/* Default routes of ours in one family. */
struct defaults {
	unsigned n;
	struct ip gw; /* of the last one */
	int oif;
};

static void take_default(void *user, const struct nlmsghdr *h)
{
	const struct rtmsg *m;
	struct defaults *d = user;
	const struct nlattr *a;

	if (!h)
		*d = (struct defaults){ 0 };
	if (!h || h->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return;
	m = mnl_nlmsg_get_payload(h);
	/* Where a kernel does not filter. */
	if (m->rtm_dst_len != 0 || m->rtm_protocol != KNL_ROUTE_PROTO ||
	    m->rtm_table != RT_TABLE_MAIN)
		return;
	d->n++;
	mnl_attr_for_each(a, h, sizeof(*m)) {
		size_t len = mnl_attr_get_payload_len(a);

		if (mnl_attr_get_type(a) == RTA_OIF)
			d->oif = (int)knl_get_u32(a);
		if (mnl_attr_get_type(a) != RTA_GATEWAY || (len != 4 && len != 16))
			continue;
		d->gw.family = len == 4 ? AF_INET : AF_INET6;
		memcpy(d->gw.b, mnl_attr_get_payload(a), len);
	}
}

static int read_defaults(struct knl_sock *in, uint8_t family, struct defaults *ret, struct err *e)
{
	struct rtmsg m = { .rtm_family = family,
			   .rtm_table = RT_TABLE_MAIN,
			   .rtm_protocol = KNL_ROUTE_PROTO };

	knl_drop(in);
	knl_begin(in, RTM_GETROUTE, NLM_F_DUMP, &m, sizeof(m));
	/* A namespace without IPv6 has no such table: nothing there. */
	return knl_dump(in, take_default, ret, e);
}

static void put_no_default(struct knl_sock *s, uint8_t family)
{
	struct rtmsg m = { .rtm_family = family,
			   .rtm_table = RT_TABLE_MAIN,
			   .rtm_protocol = KNL_ROUTE_PROTO,
			   .rtm_scope = RT_SCOPE_NOWHERE };

	knl_begin(s, RTM_DELROUTE, 0, &m, sizeof(m));
	knl_allow(s, -ESRCH);
}

static int settle_default(struct knl_sock *in, uint8_t family, int ifindex, struct ip gw,
			  unsigned *writes, struct err *e)
{
	struct defaults have = { 0 };
	char text[IP_TEXT_MAX];
	int r;

	if (ip_is_set(gw) && ip_is_unspecified(gw))
		return 0;
	r = read_defaults(in, family, &have, e);
	if (r < 0)
		return family == AF_INET6 && !ip_is_set(gw) ? 0 : r;
	if (ip_is_set(gw) ? have.n == 1 && have.oif == ifindex && ip_eq(have.gw, gw) : have.n == 0)
		return 0;
	knl_drop(in);
	if (ip_is_set(gw))
		put_default(in, ifindex, gw);
	for (unsigned i = 0; !ip_is_set(gw) && i < have.n; i++)
		put_no_default(in, family);
	*writes += knl_queued(in);
	r = knl_send(in, NULL, NULL);
	if (r < 0 && ip_is_set(gw))
		return knl_fail(in, e, r, "cannot set the default route by %s",
				ip_format(gw, text));
	return r < 0 ? knl_fail(in, e, r, "cannot delete the default route") : 0;
}

int knl_inside_default(struct knl_sock *in, const char *ifname, struct ip gw4, struct ip gw6,
		       unsigned *ret_writes, struct err *e)
{
	bool any = (ip_is_set(gw4) && !ip_is_unspecified(gw4)) ||
		   (ip_is_set(gw6) && !ip_is_unspecified(gw6));
	struct knl_link l = { 0 };
	unsigned writes = 0;
	int r = any ? knl_link_read(in, ifname, &l) : 0;

	if (r < 0)
		return knl_fail(in, e, r, "cannot find the interface %s", ifname);
	r = settle_default(in, AF_INET, l.ifindex, gw4, &writes, e);
	if (r == 0)
		r = settle_default(in, AF_INET6, l.ifindex, gw6, &writes, e);
	*ret_writes = writes;
	return r;
}
