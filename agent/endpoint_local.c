/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses of local networks: nothing is claimed, the node's own rows say what is taken. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/endpoint_priv.h"
#include "base/mem.h"
#include "ipam/pool.h"

/* ---- what is known of a network ---- */

static struct ep_pool *pool_get(struct endpoints *es, struct id network)
{
	struct ep_pool *p;

	HASH_FIND(hh, es->pools, &network, sizeof(network), p);
	if (p)
		return p;
	p = mem_alloc(sizeof(*p));
	p->network = network;
	HASH_ADD(hh, es->pools, network, sizeof(p->network), p);
	return p;
}

static void pool_took(struct ep_pool *p, const struct local_endpoint *row)
{
	if (ip_is_set(row->ip4))
		p->newest4 = row->ip4;
	if (ip_is_set(row->ip6))
		p->newest6 = row->ip6;
}

static void pool_expire(struct ep_pool *p, uint64_t now)
{
	size_t old = 0;

	while (old < p->n_recent && p->recent[old].until_ms <= now)
		old++;
	if (old == 0)
		return;
	p->n_recent -= old;
	memmove(p->recent, p->recent + old, p->n_recent * sizeof(*p->recent));
}

static void pool_gave_back(struct ep_pool *p, struct ip ip, uint64_t now)
{
	if (!ip_is_set(ip))
		return;
	pool_expire(p, now);
	if (p->n_recent == EP_RECENT_MAX) {
		p->n_recent--;
		memmove(p->recent, p->recent + 1, p->n_recent * sizeof(*p->recent));
	}
	p->recent = mem_grow(p->recent, p->n_recent + 1, sizeof(*p->recent));
	p->recent[p->n_recent++] = (struct ep_recent){ .ip = ip, .until_ms = now + POOL_RECENT_MS };
}

void ep_local_released(const struct ep *ep)
{
	struct ep_pool *p = pool_get(ep->es, ep->row->network);
	uint64_t now = uv_now(ep->es->d.loop);

	pool_gave_back(p, ep->row->ip4, now);
	pool_gave_back(p, ep->row->ip6, now);
}

static int by_age(const void *a, const void *b)
{
	const struct local_endpoint *const *x = a, *const *y = b;
	const char *s = (*x)->created ? (*x)->created : "", *t = (*y)->created ? (*y)->created : "";

	return strcmp(s, t);
}

void ep_local_load(struct endpoints *es)
{
	_cleanup_free_ const struct local_endpoint **v =
		mem_alloc_array(HASH_COUNT(es->table) + 1, sizeof(struct local_endpoint *));
	struct ep *ep, *tmp;
	size_t n = 0;

	HASH_ITER(hh, es->table, ep, tmp) {
		if (ep->local)
			v[n++] = ep->row;
	}
	qsort(v, n, sizeof(struct local_endpoint *), by_age);
	for (size_t i = 0; i < n; i++)
		pool_took(pool_get(es, v[i]->network), v[i]);
}

void ep_local_done(struct endpoints *es)
{
	struct ep_pool *p = es->pools, *next;

	HASH_CLEAR(hh, es->pools); /* the table; the elements' own list stays to walk along */
	for (; p; p = next) {
		next = p->hh.next;
		free(p->recent);
		free(p);
	}
}

/* ---- the choice ---- */

struct choice {
	struct endpoints *es;
	const struct model_network *net;
	struct ep_pool *known;
	struct ip *used, *recent; /* sorted */
	size_t n_used, n_recent;
};

static int by_ip(const void *a, const void *b)
{
	return ip_cmp(*(const struct ip *)a, *(const struct ip *)b);
}

static void choice_init(struct choice *c)
{
	struct ep *ep, *tmp;

	pool_expire(c->known, uv_now(c->es->d.loop));
	c->used = mem_alloc_array(HASH_COUNT(c->es->table) * 2 + 1, sizeof(*c->used));
	c->recent = mem_alloc_array(c->known->n_recent + 1, sizeof(*c->recent));
	HASH_ITER(hh, c->es->table, ep, tmp) {
		if (!id_eq(ep->row->network, c->net->id))
			continue;
		if (ip_is_set(ep->row->ip4))
			c->used[c->n_used++] = ep->row->ip4;
		if (ip_is_set(ep->row->ip6))
			c->used[c->n_used++] = ep->row->ip6;
	}
	for (size_t i = 0; i < c->known->n_recent; i++)
		c->recent[c->n_recent++] = c->known->recent[i].ip;
	qsort(c->used, c->n_used, sizeof(*c->used), by_ip);
	qsort(c->recent, c->n_recent, sizeof(*c->recent), by_ip);
}

static void choice_done(struct choice *c)
{
	free(c->used);
	free(c->recent);
}

/* The pool of @s; @reserved and @who have room for gateway and auxiliary addresses. */
static struct pool pool_of(const struct choice *c, const struct model_subnet *s,
			   struct ip *reserved, const char **who)
{
	struct pool p = { .subnet = s->subnet,
			  .range = s->ip_range,
			  .reserved = reserved,
			  .reserved_who = who,
			  .used = c->used,
			  .n_used = c->n_used,
			  .recent = c->recent,
			  .n_recent = c->n_recent };

	p.newest = s->subnet.ip.family == AF_INET6 ? c->known->newest6 : c->known->newest4;
	if (ip_is_set(s->gateway)) {
		reserved[p.n_reserved] = s->gateway;
		who[p.n_reserved++] = "the gateway";
	}
	for (size_t i = 0; i < s->n_aux && i < MODEL_AUX_MAX; i++) {
		reserved[p.n_reserved] = s->aux[i].ip;
		who[p.n_reserved++] = "an auxiliary address";
	}
	return p;
}

/* The first subnet of the family that has room. */
static int choose(const struct choice *c, int family, struct ip *ret, struct err *e)
{
	struct err all = { 0 };
	int r = -ENOSPC;

	for (size_t i = 0; r == -ENOSPC && i < c->net->n_subnets; i++) {
		struct ip reserved[MODEL_AUX_MAX + 1];
		const char *who[MODEL_AUX_MAX + 1];
		struct err why = { 0 };
		struct pool p = pool_of(c, &c->net->subnets[i], reserved, who);

		if (p.subnet.ip.family != family)
			continue;
		r = pool_pick(&p, 0, ret, &why);
		if (r < 0)
			err_add(&all, r, "%s", err_text(&why));
	}
	if (r == 0)
		return 0;
	if (all.code == 0)
		err_set(&all, -ENOSPC, "it has no %s subnet", family == AF_INET ? "IPv4" : "IPv6");
	return err_set(e, r, "network %s: %s", c->net->name, err_text(&all));
}

static const struct ep *owner_of(const struct choice *c, struct ip ip)
{
	struct ep *ep, *tmp;

	HASH_ITER(hh, c->es->table, ep, tmp) {
		if (id_eq(ep->row->network, c->net->id) &&
		    (ip_eq(ep->row->ip4, ip) || ip_eq(ep->row->ip6, ip)))
			return ep;
	}
	return NULL;
}

static int check_wanted(const struct choice *c, struct ip ip, int family, struct err *e)
{
	const struct model_subnet *s = model_network_subnet_of(c->net, ip);
	struct ip reserved[MODEL_AUX_MAX + 1];
	const char *who[MODEL_AUX_MAX + 1];
	const struct ep *owner;
	char text[IP_TEXT_MAX];
	struct pool p;
	int r;

	ip_format(ip, text);
	if (ip.family != family)
		return err_set(e, -EINVAL, "%s is no %s address", text,
			       family == AF_INET ? "IPv4" : "IPv6");
	if (!s)
		return err_set(e, -ERANGE, "address %s is in none of the subnets of network %s",
			       text, c->net->name);
	p = pool_of(c, s, reserved, who);
	r = pool_check(&p, ip, e);
	if (r < 0)
		return r;
	owner = owner_of(c, ip);
	if (owner)
		return err_set(e, -EADDRINUSE, "address %s of network %s is in use by endpoint %s",
			       text, c->net->name, owner->row->name);
	return 0;
}

static int take(const struct choice *c, struct ip want, int family, struct ip *ret, struct err *e)
{
	int r;

	if (!ip_is_set(want))
		return choose(c, family, ret, e);
	r = check_wanted(c, want, family, e);
	if (r == 0)
		*ret = want;
	return r;
}

/* ---- the MAC ---- */

static int take_mac(const struct choice *c, struct local_endpoint *row, struct err *e)
{
	char text[MAC_TEXT_MAX];
	struct ep *ep, *tmp;
	struct netopt opt;

	network_options(c->net, &opt);
	if (opt.driver == NETOPT_IPVLAN)
		return mac_is_zero(row->mac) ?
			       0 :
			       err_set(e, -EINVAL,
				       "mac: devices of driver ipvlan have the one of their parent");
	if (mac_is_zero(row->mac)) {
		row->mac = mac_from_ip(row->ip4);
		return 0;
	}
	HASH_ITER(hh, c->es->table, ep, tmp) {
		if (id_eq(ep->row->network, c->net->id) && mac_eq(ep->row->mac, row->mac))
			return err_set(e, -EADDRINUSE,
				       "mac: %s of network %s is in use by endpoint %s",
				       mac_format(row->mac, text), c->net->name, ep->row->name);
	}
	return 0;
}

int ep_local_addresses(struct endpoints *es, const struct model_network *net,
		       const struct endpoint_request *req, bool with6, struct local_endpoint *row,
		       struct err *e)
{
	struct choice c = { .es = es, .net = net, .known = pool_get(es, net->id) };
	bool ipv6 = false;
	int r;

	for (size_t i = 0; i < net->n_subnets; i++)
		ipv6 = ipv6 || net->subnets[i].subnet.ip.family == AF_INET6;
	if (ip_is_set(req->ip6) && !ipv6)
		return err_set(e, -EINVAL, "network %s has no IPv6 subnet", net->name);
	choice_init(&c);
	r = take(&c, req->ip4, AF_INET, &row->ip4, e);
	if (r == 0 && ipv6 && with6)
		r = take(&c, req->ip6, AF_INET6, &row->ip6, e);
	if (r == 0)
		r = take_mac(&c, row, e);
	if (r == 0)
		pool_took(c.known, row);
	choice_done(&c);
	return r;
}

int ep_local_add6(struct endpoints *es, const struct model_network *net, struct local_endpoint *row,
		  struct err *e)
{
	struct choice c = { .es = es, .net = net, .known = pool_get(es, net->id) };
	int r;

	choice_init(&c);
	r = choose(&c, AF_INET6, &row->ip6, e);
	if (r == 0)
		c.known->newest6 = row->ip6;
	choice_done(&c);
	return r;
}
