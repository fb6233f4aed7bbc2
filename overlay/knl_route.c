/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/knl_route.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <string.h>
#include "overlay/knl_bridge.h"
#include "overlay/knl_link.h"

/* Interfaces by number, for words. */
struct ifname {
	int ifindex;
	uint32_t mtu;
	char name[IFNAMSIZ];
	bool own;
};
struct host_route {
	struct prefix dst;
	int oif;
};
struct addr {
	struct prefix prefix; /* host bits kept */
	int ifindex;
	uint8_t scope;
	uint32_t flags;
};
struct host {
	struct ifname *links;
	size_t n_links;
	struct addr *addrs;
	size_t n_addrs;
	struct host_route *routes;
	size_t n_routes;
};

static void host_done(struct host *x)
{
	free(x->links);
	free(x->addrs);
	free(x->routes);
}
#define _cleanup_host_ _cleanup_(host_done)

/* Room for one more element, in powers of two. */
static void *grow(void *v, size_t n, size_t size)
{
	return (n & (n - 1)) == 0 ? mem_grow(v, n ? n * 2 : 1, size) : v;
}

/* What is marked a local network's by its ifalias: "ovl local <key>" */
static bool is_own(const struct nlmsghdr *h)
{
	static const char mark[] = "ovl local ";
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct ifinfomsg)) {
		if (mnl_attr_get_type(a) == IFLA_IFALIAS)
			return mnl_attr_get_payload_len(a) >= sizeof(mark) &&
			       memcmp(mnl_attr_get_payload(a), mark, sizeof(mark) - 1) == 0;
	}
	return false;
}

static void take_link(void *user, const struct nlmsghdr *h)
{
	struct host *x = user;
	struct knl_link l;

	if (!h)
		x->n_links = 0;
	if (!h || h->nlmsg_type != RTM_NEWLINK || !knl_link_parse(h, KNL_IN_HOST, &l))
		return;
	x->links = grow(x->links, x->n_links, sizeof(*x->links));
	x->links[x->n_links] =
		(struct ifname){ .ifindex = l.ifindex, .mtu = l.mtu, .own = is_own(h) };
	memcpy(x->links[x->n_links++].name, l.name, IFNAMSIZ);
}

static void take_addr(void *user, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *m;
	struct host *x = user;
	struct ip ip;

	if (!h)
		x->n_addrs = 0;
	if (!h || h->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return;
	m = mnl_nlmsg_get_payload(h);
	ip = knl_bridge_addr_ip(h);
	if (!ip_is_set(ip) || m->ifa_prefixlen > ip_bits(ip) || x->n_addrs == KNL_TAKEN_MAX)
		return;
	x->addrs = grow(x->addrs, x->n_addrs, sizeof(*x->addrs));
	x->addrs[x->n_addrs++] = (struct addr){
		.prefix = { .ip = ip, .len = m->ifa_prefixlen },
		.ifindex = (int)m->ifa_index,
		.scope = m->ifa_scope,
		.flags = m->ifa_flags,
	};
}

static void take_route(void *user, const struct nlmsghdr *h)
{
	const struct rtmsg *m;
	struct host *x = user;
	struct host_route r = { 0 };
	const struct nlattr *a;

	if (!h)
		x->n_routes = 0;
	if (!h || h->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return;
	m = mnl_nlmsg_get_payload(h);
	if (m->rtm_type != RTN_UNICAST || (m->rtm_flags & RTM_F_CLONED) ||
	    x->n_routes == KNL_TAKEN_MAX)
		return;
	mnl_attr_for_each(a, h, sizeof(*m)) {
		size_t len = mnl_attr_get_payload_len(a);

		if (mnl_attr_get_type(a) == RTA_OIF)
			r.oif = (int)knl_get_u32(a);
		if (mnl_attr_get_type(a) == RTA_DST && (len == 4 || len == 16)) {
			r.dst.ip.family = len == 4 ? AF_INET : AF_INET6;
			memcpy(r.dst.ip.b, mnl_attr_get_payload(a), len);
			r.dst.len = m->rtm_dst_len;
		}
	}
	/* Without RTA_DST: a default route, which takes nothing. */
	if (!prefix_is_set(r.dst) || r.dst.len == 0 || r.dst.len > ip_bits(r.dst.ip))
		return;
	x->routes = grow(x->routes, x->n_routes, sizeof(*x->routes));
	x->routes[x->n_routes++] = r;
}

static int read_links(struct knl_sock *s, struct host *x, struct err *e)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };

	knl_drop(s);
	mnl_attr_put_u32(knl_begin(s, RTM_GETLINK, NLM_F_DUMP, &i, sizeof(i)), IFLA_EXT_MASK,
			 RTEXT_FILTER_SKIP_STATS);
	return knl_dump(s, take_link, x, e);
}

static int read_addrs(struct knl_sock *s, struct host *x, struct err *e)
{
	struct ifaddrmsg m = { .ifa_family = AF_UNSPEC };

	knl_drop(s);
	knl_begin(s, RTM_GETADDR, NLM_F_DUMP, &m, sizeof(m));
	return knl_dump(s, take_addr, x, e);
}

static int read_routes(struct knl_sock *s, struct host *x, struct err *e)
{
	struct rtmsg m = { .rtm_family = AF_UNSPEC };

	knl_drop(s);
	knl_begin(s, RTM_GETROUTE, NLM_F_DUMP, &m, sizeof(m));
	return knl_dump(s, take_route, x, e);
}

static const struct ifname *link_of(const struct host *x, int ifindex)
{
	for (size_t i = 0; i < x->n_links; i++)
		if (x->links[i].ifindex == ifindex)
			return &x->links[i];
	return NULL;
}

/* Prefixes that no network could want, and every host has. */
static bool is_everywhere(struct prefix p)
{
	return ip_is_loopback(p.ip) || ip_is_link_local(p.ip) || ip_is_multicast(p.ip);
}

/* @l: NULL for a route with several ways. */
static void add_taken(struct kernel_linux_taken **v, size_t *n, struct prefix p, const char *what,
		      const struct ifname *l)
{
	struct kernel_linux_taken t = { .prefix = prefix_mask(p.ip, p.len), .own = l && l->own };
	char text[PREFIX_TEXT_MAX];

	t.who = mem_printf("%s %s dev %s", what, prefix_format(p, text), l ? l->name : "(several)");
	if (l)
		memcpy(t.dev, l->name, IFNAMSIZ);
	*v = grow(*v, *n, sizeof(**v));
	(*v)[(*n)++] = t;
}

int knl_route_taken(struct knl_sock *host, struct kernel_linux_taken **ret, size_t *ret_n,
		    struct err *e)
{
	_cleanup_host_ struct host x = { 0 };
	struct kernel_linux_taken *v = NULL;
	size_t n = 0;
	int r = read_links(host, &x, e);

	if (r == 0)
		r = read_addrs(host, &x, e);
	if (r == 0)
		r = read_routes(host, &x, e);
	if (r < 0)
		return r;
	/* An address takes its whole subnet; the route that comes with it says the same again, and is harmless. */
	for (size_t i = 0; i < x.n_addrs; i++)
		if (!is_everywhere(x.addrs[i].prefix))
			add_taken(&v, &n, x.addrs[i].prefix, "address",
				  link_of(&x, x.addrs[i].ifindex));
	for (size_t i = 0; i < x.n_routes; i++)
		if (!is_everywhere(x.routes[i].dst))
			add_taken(&v, &n, x.routes[i].dst, "route", link_of(&x, x.routes[i].oif));
	*ret = v;
	*ret_n = n;
	return 0;
}

static void take_source(void *user, unsigned index, const struct nlmsghdr *h)
{
	struct ip *ip = user;
	const struct nlattr *a;

	(void)index;
	if (h->nlmsg_type != RTM_NEWROUTE)
		return;
	mnl_attr_for_each(a, h, sizeof(struct rtmsg)) {
		size_t len = mnl_attr_get_payload_len(a);

		if (mnl_attr_get_type(a) != RTA_PREFSRC || (len != 4 && len != 16))
			continue;
		ip->family = len == 4 ? AF_INET : AF_INET6;
		memcpy(ip->b, mnl_attr_get_payload(a), len);
	}
}

int knl_route_source(struct knl_sock *host, struct ip dst, struct ip *ret, struct err *e)
{
	struct rtmsg m = { .rtm_family = dst.family, .rtm_dst_len = (uint8_t)ip_bits(dst) };
	struct ip source = { 0 };
	char text[IP_TEXT_MAX];
	struct nlmsghdr *h;
	int r;

	knl_drop(host);
	h = knl_begin(host, RTM_GETROUTE, 0, &m, sizeof(m));
	mnl_attr_put(h, RTA_DST, ip_bytes(dst), dst.b);
	r = knl_send(host, take_source, &source);
	if (r < 0)
		return knl_fail(host, e, r, "no route to %s", ip_format(dst, text));
	if (!ip_is_set(source))
		return err_set(e, -EADDRNOTAVAIL, "no source address towards %s",
			       ip_format(dst, text));
	*ret = source;
	return 0;
}

static void take_device(void *user, unsigned index, const struct nlmsghdr *h)
{
	bool *own = user;

	(void)index;
	if (h->nlmsg_type == RTM_NEWLINK)
		*own = is_own(h);
}

int knl_route_device(struct knl_sock *host, const char *ifname, bool *ret_own, struct err *e)
{
	bool own = false;
	int r = -ENODEV;

	if (strlen(ifname) < IFNAMSIZ) {
		knl_drop(host);
		knl_link_get(host, ifname);
		r = knl_send(host, take_device, &own);
	}
	if (r == -ENODEV)
		return err_set(e, r, "there is no interface %s on this host", ifname);
	if (r < 0)
		return knl_fail(host, e, r, "cannot look for interface %s", ifname);
	if (ret_own)
		*ret_own = own;
	return 0;
}

int knl_route_ifaddr(struct knl_sock *host, const char *ifname, struct ip *ret, struct err *e)
{
	_cleanup_host_ struct host x = { 0 };
	const struct addr *found = NULL;
	struct knl_link l;
	int r;

	if (strlen(ifname) >= IFNAMSIZ)
		return err_set(e, -ENODEV, "no interface %s", ifname);
	r = knl_link_read(host, ifname, &l);
	if (r < 0)
		return err_set(e, r, "no interface %s", ifname);
	r = read_addrs(host, &x, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < x.n_addrs; i++) {
		const struct addr *a = &x.addrs[i];
		bool wanted = a->ifindex == l.ifindex && a->scope == RT_SCOPE_UNIVERSE &&
			      !(a->flags & (IFA_F_TENTATIVE | IFA_F_DEPRECATED));

		/* IPv4 before IPv6: its encapsulation is 20 bytes smaller. */
		if (wanted && (!found || (found->prefix.ip.family == AF_INET6 &&
					  a->prefix.ip.family == AF_INET)))
			found = a;
	}
	if (!found)
		return err_set(e, -EADDRNOTAVAIL, "interface %s has no global address", ifname);
	*ret = found->prefix.ip;
	return 0;
}

int knl_route_underlay(struct knl_sock *host, struct ip vtep, uint32_t *ret_mtu,
		       char ret_ifname[IFNAMSIZ], struct err *e)
{
	_cleanup_host_ struct host x = { 0 };
	const struct ifname *l = NULL;
	char text[IP_TEXT_MAX];
	int r = read_addrs(host, &x, e);

	if (r == 0)
		r = read_links(host, &x, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < x.n_addrs && !l; i++)
		if (ip_eq(x.addrs[i].prefix.ip, vtep))
			l = link_of(&x, x.addrs[i].ifindex);
	if (!l)
		return err_set(e, -ENOENT, "no interface of this host has the address %s",
			       ip_format(vtep, text));
	*ret_mtu = l->mtu;
	memcpy(ret_ifname, l->name, IFNAMSIZ);
	return 0;
}

struct outward {
	int oif; /* 0: none */
	uint32_t metric;
};

/* Of several next hops the first. */
static int first_hop(const struct nlattr *multipath)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(multipath);

	return mnl_attr_get_payload_len(multipath) >= sizeof(*hop) ? hop->rtnh_ifindex : 0;
}

static void take_outward(void *user, const struct nlmsghdr *h)
{
	const struct rtmsg *m;
	struct outward *o = user;
	const struct nlattr *a;
	uint32_t metric = 0;
	int oif = 0;

	if (!h)
		*o = (struct outward){ 0 };
	if (!h || h->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return;
	m = mnl_nlmsg_get_payload(h);
	if (m->rtm_type != RTN_UNICAST || m->rtm_dst_len != 0 || m->rtm_table != RT_TABLE_MAIN)
		return;
	mnl_attr_for_each(a, h, sizeof(*m)) {
		if (mnl_attr_get_type(a) == RTA_OIF)
			oif = (int)knl_get_u32(a);
		if (mnl_attr_get_type(a) == RTA_MULTIPATH)
			oif = first_hop(a);
		if (mnl_attr_get_type(a) == RTA_PRIORITY)
			metric = knl_get_u32(a);
	}
	if (oif > 0 && (o->oif == 0 || metric < o->metric))
		*o = (struct outward){ .oif = oif, .metric = metric };
}

static void take_one_link(void *user, unsigned index, const struct nlmsghdr *h)
{
	(void)index;
	if (h->nlmsg_type == RTM_NEWLINK)
		knl_link_parse(h, KNL_IN_HOST, user);
}

int knl_route_outward(struct knl_sock *host, uint32_t *ret_mtu, struct err *e)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };
	struct outward o = { 0 };
	struct knl_link l = { 0 };
	int r = 0;

	for (size_t k = 0; k < ARRAY_SIZE(families) && o.oif == 0; k++) {
		struct rtmsg m = { .rtm_family = families[k], .rtm_table = RT_TABLE_MAIN };

		knl_drop(host);
		knl_begin(host, RTM_GETROUTE, NLM_F_DUMP, &m, sizeof(m));
		r = knl_dump(host, take_outward, &o, e);
		if (r < 0 && families[k] == AF_INET)
			return r;
	}
	if (o.oif == 0)
		return err_set(e, -ENOENT, "this host has no default route");
	knl_drop(host);
	i.ifi_index = o.oif;
	mnl_attr_put_u32(knl_begin(host, RTM_GETLINK, 0, &i, sizeof(i)), IFLA_EXT_MASK,
			 RTEXT_FILTER_SKIP_STATS);
	r = knl_send(host, take_one_link, &l);
	if (r < 0)
		return knl_fail(host, e, r, "cannot read the interface of the default route");
	*ret_mtu = l.mtu;
	return 0;
}
