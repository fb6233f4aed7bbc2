/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/dns_client.h"

#include <string.h>
#include <uthash.h>
#include "base/mem.h"

/* Where a source address is met. */
struct source {
	uint32_t key;
	uint8_t pad[3]; /* a key is compared byte by byte */
	struct ip ip;
};
_Static_assert(sizeof(struct source) == 24, "no bytes between the members of a key");
struct member {
	UT_hash_handle hh; /* by id */
	UT_hash_handle hh4, hh6; /* by source; of those that have the address and a key */
	struct id id, network;
	struct source at4, at6;
	char *ifname;
	struct strv links;
	struct dns_servers servers;
	bool forward;
	struct container *container;
};
/* All members in one place; in the order of their interfaces. */
struct container {
	UT_hash_handle hh; /* by place, where that is not all zero */
	struct dns_place place;
	struct member **v;
	size_t n;
	struct dns_client told;
};
/* A network, for those wired in by hand. */
struct wired {
	UT_hash_handle hh;
	uint32_t key;
	struct id id;
	struct prefix *subnets;
	size_t n_subnets;
	struct dns_client told;
};
struct dns_clients {
	struct member *members, *by4, *by6;
	struct container *containers;
	struct wired *wired;
};

static bool is_place(struct dns_place p)
{
	return p.dev != 0 || p.ino != 0;
}

/* ---- a container ---- */

static void told_reset(struct dns_client *c)
{
	free(c->networks);
	strv_done(&c->links);
	*c = (struct dns_client){ 0 };
}

static bool has_network(const struct dns_client *c, struct id network)
{
	for (size_t i = 0; i < c->n_networks; i++) {
		if (id_eq(c->networks[i], network))
			return true;
	}
	return false;
}

static void container_tell(struct container *c)
{
	struct dns_client *t = &c->told;

	told_reset(t);
	t->place = c->place;
	t->networks = mem_alloc_array(c->n, sizeof(*t->networks));
	for (size_t i = 0; i < c->n; i++) {
		const struct member *m = c->v[i];

		if (!has_network(t, m->network))
			t->networks[t->n_networks++] = m->network;
		for (size_t l = 0; l < m->links.n; l++) {
			if (!strv_has(&t->links, m->links.v[l]))
				strv_add(&t->links, m->links.v[l]);
		}
		if (t->servers.n == 0)
			t->servers = m->servers;
		t->forward = t->forward || m->forward;
	}
}

static bool is_before(const struct member *a, const struct member *b)
{
	/* Numbers as numbers: eth2 before eth10 */
	int order = strverscmp(a->ifname, b->ifname);

	return order < 0 || (order == 0 && id_cmp(a->id, b->id) < 0);
}

static struct container *container_find(const struct dns_clients *cs, struct dns_place place)
{
	struct container *c;

	/* clang-tidy 14 takes the bytes of a number assigned whole, as uthash reads them, for garbage. */
	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
	HASH_FIND(hh, cs->containers, &place, sizeof(place), c);
	return c;
}

/* An endpoint whose place is not known is a container of its own: what others may see is not for it. */
static void container_enter(struct dns_clients *cs, struct member *m, struct dns_place place)
{
	struct container *c = is_place(place) ? container_find(cs, place) : NULL;
	size_t at;

	if (!c) {
		c = mem_alloc(sizeof(*c));
		c->place = place;
		if (is_place(place))
			HASH_ADD(hh, cs->containers, place, sizeof(c->place), c);
	}
	c->v = mem_grow(c->v, c->n + 1, sizeof(struct member *));
	for (at = c->n++; at > 0 && is_before(m, c->v[at - 1]); at--)
		c->v[at] = c->v[at - 1];
	c->v[at] = m;
	m->container = c;
	container_tell(c);
}

static void container_leave(struct dns_clients *cs, const struct member *m)
{
	struct container *c = m->container;
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (c->v[i] != m)
			c->v[n++] = c->v[i];
	}
	c->n = n;
	if (n > 0) {
		container_tell(c);
		return;
	}
	if (is_place(c->place))
		HASH_DELETE(hh, cs->containers, c);
	told_reset(&c->told);
	free(c->v);
	free(c);
}

/* ---- endpoints ---- */

static struct source source_of(uint32_t key, struct ip ip)
{
	return (struct source){ .key = key, .ip = ip };
}

static bool is_source(struct source s)
{
	return s.key != 0 && ip_is_set(s.ip);
}

static struct member *member_find(const struct dns_clients *cs, struct id id)
{
	struct member *m;

	HASH_FIND(hh, cs->members, &id, sizeof(id), m);
	return m;
}

static void member_remove(struct dns_clients *cs, struct member *m)
{
	container_leave(cs, m);
	if (is_source(m->at4))
		HASH_DELETE(hh4, cs->by4, m);
	if (is_source(m->at6))
		HASH_DELETE(hh6, cs->by6, m);
	HASH_DELETE(hh, cs->members, m);
	strv_done(&m->links);
	free(m->ifname);
	free(m);
}

void dns_clients_put(struct dns_clients *cs, const struct dns_client_endpoint *ep)
{
	struct member *old = member_find(cs, ep->id), *m = mem_alloc(sizeof(*m));

	m->id = ep->id;
	m->network = ep->network;
	m->at4 = source_of(ep->key, ep->ip4);
	m->at6 = source_of(ep->key, ep->ip6);
	m->ifname = mem_strdup(ep->ifname ? ep->ifname : "");
	if (ep->links)
		strv_copy(&m->links, ep->links);
	if (ep->servers)
		m->servers = *ep->servers;
	m->forward = ep->forward;
	/* Only now: what @ep points to may be what the old one has. */
	if (old)
		member_remove(cs, old);
	HASH_ADD(hh, cs->members, id, sizeof(m->id), m);
	if (is_source(m->at4))
		HASH_ADD(hh4, cs->by4, at4, sizeof(m->at4), m);
	if (is_source(m->at6))
		HASH_ADD(hh6, cs->by6, at6, sizeof(m->at6), m);
	container_enter(cs, m, ep->place);
}

void dns_clients_del(struct dns_clients *cs, struct id endpoint)
{
	struct member *m = member_find(cs, endpoint);

	if (m)
		member_remove(cs, m);
}

/* ---- networks ---- */

static struct wired *wired_find(const struct dns_clients *cs, uint32_t key)
{
	struct wired *w;

	HASH_FIND(hh, cs->wired, &key, sizeof(key), w);
	return w;
}

/* Already out of the table. */
static void wired_free(struct wired *w)
{
	told_reset(&w->told);
	free(w->subnets);
	free(w);
}

static void wired_remove(struct dns_clients *cs, struct wired *w)
{
	HASH_DELETE(hh, cs->wired, w);
	wired_free(w);
}

void dns_clients_network(struct dns_clients *cs, uint32_t key, struct id id, bool forward,
			 const struct prefix *subnets, size_t n_subnets)
{
	struct wired *old = wired_find(cs, key), *w;

	if (n_subnets == 0 || key == 0) {
		if (old)
			wired_remove(cs, old);
		return;
	}
	w = mem_alloc(sizeof(*w));
	w->key = key;
	w->id = id;
	w->subnets = mem_dup(subnets, n_subnets * sizeof(*subnets));
	w->n_subnets = n_subnets;
	w->told.networks = mem_dup(&id, sizeof(id));
	w->told.n_networks = 1;
	w->told.forward = forward;
	if (old)
		wired_remove(cs, old);
	HASH_ADD(hh, cs->wired, key, sizeof(w->key), w);
}

/* Can a machine of @p's have the address? Not the network's and the broadcast address (where there are any: RFC 3021, RFC 6164), nor the gateway. */
static bool is_host_of(struct prefix p, struct ip ip)
{
	if (!prefix_contains(p, ip) || ip_eq(ip, p.ip))
		return false;
	if (p.len + 1u >= ip_bits(ip))
		return true;
	return !ip_eq(ip, prefix_first(p)) && (ip.family != AF_INET || !ip_eq(ip, prefix_last(p)));
}

/* ---- who asks ---- */

const struct dns_client *dns_client_find(const struct dns_clients *cs, uint32_t key,
					 struct ip source)
{
	struct source at = source_of(key, source);
	const struct wired *w;
	struct member *m;

	if (!is_source(at))
		return NULL;
	if (source.family == AF_INET)
		HASH_FIND(hh4, cs->by4, &at, sizeof(at), m);
	else
		HASH_FIND(hh6, cs->by6, &at, sizeof(at), m);
	if (m)
		return &m->container->told;
	w = wired_find(cs, key);
	for (size_t i = 0; w && i < w->n_subnets; i++) {
		if (is_host_of(w->subnets[i], source))
			return &w->told;
	}
	return NULL;
}

const struct dns_client *dns_client_at(const struct dns_clients *cs, struct dns_place place)
{
	const struct container *c = is_place(place) ? container_find(cs, place) : NULL;

	return c ? &c->told : NULL;
}

struct dns_clients *dns_clients_new(void)
{
	return mem_alloc(sizeof(struct dns_clients));
}

void dns_clients_free(struct dns_clients *cs)
{
	struct member *m, *m_next;
	struct wired *w, *w_next;

	if (!cs)
		return;
	for (m = cs->members; m; m = m_next) {
		m_next = m->hh.next;
		member_remove(cs, m);
	}
	/* The elements outlive the table: clang-tidy takes uthash's delete-while-iterating for a use after free. */
	w = cs->wired;
	HASH_CLEAR(hh, cs->wired);
	for (; w; w = w_next) {
		w_next = w->hh.next;
		wired_free(w);
	}
	free(cs);
}
