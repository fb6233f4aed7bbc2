/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/zone.h"

#include <string.h>
#include "agent/dns/zone_priv.h"
#include "base/mem.h"

#define HEAP_OVERHEAD 16 /* per allocation: the heap's own header, and rounding */

/* ---- tables ---- */

struct zone_net *zone_net_find(const struct zone *z, struct id id)
{
	struct zone_net *net;

	HASH_FIND(hh, z->nets, &id, sizeof(id), net);
	return net;
}

unsigned zone_hash(const char *text, size_t len)
{
	unsigned hash;

	HASH_VALUE(text, len, hash);
	return hash;
}

struct zone_name *zone_name_find(const struct zone_net *net, const char *text, size_t len,
				 unsigned hash)
{
	struct zone_name *name;

	HASH_FIND_BYHASHVALUE(hh, net->names, text, len, hash, name);
	return name;
}

struct zone_ep *zone_ep_by_ip(const struct zone_net *net, struct ip ip)
{
	struct zone_ep *ep;

	if (ip.family == AF_INET)
		HASH_FIND(hh4, net->by4, &ip, sizeof(ip), ep);
	else
		HASH_FIND(hh6, net->by6, &ip, sizeof(ip), ep);
	return ep;
}

static enum zone_class class_of(const struct zone_ep *ep)
{
	if (ip_is_set(ep->ip4))
		return ip_is_set(ep->ip6) ? ZONE_BOTH : ZONE_ONLY4;
	return ip_is_set(ep->ip6) ? ZONE_ONLY6 : ZONE_NEITHER;
}

static void put_at(struct zone_name *name, uint32_t at, struct zone_holder *h)
{
	name->v[at] = h;
	h->at = at;
}

/* Into its class: the first of each class behind it moves to that one's end. */
static void name_insert(struct zone *z, struct zone_name *name, struct zone_holder *h)
{
	uint32_t hole = name->end[ZONE_NEITHER], class = (uint32_t)class_of(h->ep);

	if (hole == name->cap) {
		uint32_t cap = name->cap ? name->cap * 2 : 1;

		name->v = mem_grow(name->v, cap, sizeof(struct zone_holder *));
		z->bytes += (cap - name->cap) * sizeof(struct zone_holder *);
		z->bytes += name->cap ? 0 : HEAP_OVERHEAD;
		name->cap = cap;
	}
	for (uint32_t c = ZONE_NEITHER; c > class; c--) {
		uint32_t first = name->end[c - 1];

		if (first != hole)
			put_at(name, hole, name->v[first]);
		name->end[c]++;
		hole = first;
	}
	put_at(name, hole, h);
	name->end[class]++;
}

/* Out of its class: the last of it, and of each class behind it, moves up. */
static void name_remove(struct zone_name *name, const struct zone_holder *h)
{
	uint32_t hole = h->at;

	for (uint32_t c = (uint32_t)class_of(h->ep); c < ZONE_CLASSES; c++) {
		uint32_t last = --name->end[c];

		if (last != hole)
			put_at(name, hole, name->v[last]);
		hole = last;
	}
}

static size_t name_bytes(const struct zone_name *name)
{
	size_t v = name->cap ? name->cap * sizeof(struct zone_holder *) + HEAP_OVERHEAD : 0;

	return sizeof(*name) + name->len + 1 + HEAP_OVERHEAD + v;
}

static struct zone_name *name_get(struct zone *z, struct zone_net *net, const char *text,
				  size_t len)
{
	unsigned hash = zone_hash(text, len);
	struct zone_name *name = zone_name_find(net, text, len, hash);

	if (name)
		return name;
	name = mem_alloc(sizeof(*name) + len + 1);
	name->len = (uint16_t)len;
	memcpy(name->text, text, len);
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, net->names, name->text, len, hash, name);
	z->bytes += name_bytes(name);
	return name;
}

static void name_put_back(struct zone *z, struct zone_net *net, struct zone_name *name)
{
	if (name->end[ZONE_NEITHER] > 0)
		return;
	z->bytes -= name_bytes(name);
	HASH_DELETE(hh, net->names, name);
	free(name->v);
	free(name);
}

/* ---- what an endpoint is to be ---- */

struct wanted {
	const char *name[ZONE_NAMES_PER_ENDPOINT_MAX]; /* any case */
	size_t len[ZONE_NAMES_PER_ENDPOINT_MAX];
	size_t n_names;
	uint32_t ports[ZONE_PORTS_PER_ENDPOINT_MAX]; /* ascending, each once */
	size_t n_ports;
};

static void want_name(struct wanted *w, const char *name)
{
	size_t len = strnlen(name, ZONE_NAME_MAX + 1);

	if (w->n_names == ZONE_NAMES_PER_ENDPOINT_MAX || !zone_text_ok(name, len))
		return;
	for (size_t i = 0; i < w->n_names; i++) {
		if (w->len[i] == len && zone_text_eq_fold(w->name[i], name, len))
			return;
	}
	w->name[w->n_names] = name;
	w->len[w->n_names++] = len;
}

static int cmp_port(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void want(struct wanted *w, const struct zone_endpoint *ep)
{
	size_t n = 0;

	w->n_names = w->n_ports = 0;
	for (size_t i = 0; i < ep->n_names; i++)
		want_name(w, ep->names[i]);
	for (size_t i = 0; i < ep->n_ports && w->n_ports < ZONE_PORTS_PER_ENDPOINT_MAX; i++) {
		if (ep->ports[i].port != 0)
			w->ports[w->n_ports++] =
				zone_port_key(ep->ports[i].proto, ep->ports[i].port);
	}
	if (w->n_ports > 1)
		qsort(w->ports, w->n_ports, sizeof(w->ports[0]), cmp_port);
	for (size_t i = 0; i < w->n_ports; i++) {
		if (n == 0 || w->ports[n - 1] != w->ports[i])
			w->ports[n++] = w->ports[i];
	}
	w->n_ports = n;
}

static bool is_wanted(const struct zone_ep *ep, const struct zone_endpoint *now,
		      const struct wanted *w)
{
	if (ep->n_names != w->n_names || ep->n_ports != w->n_ports || !ip_eq(ep->ip4, now->ip4) ||
	    !ip_eq(ep->ip6, now->ip6) ||
	    (w->n_ports && memcmp(ep->ports, w->ports, w->n_ports * sizeof(w->ports[0])) != 0))
		return false;
	for (size_t i = 0; i < w->n_names; i++) {
		const struct zone_name *name = ep->names[i].name;

		if (name->len != w->len[i] || !zone_text_eq_fold(name->text, w->name[i], w->len[i]))
			return false;
	}
	return true;
}

/* ---- endpoints ---- */

static size_t ep_bytes(const struct zone_ep *ep)
{
	return sizeof(*ep) + ep->n_names * sizeof(ep->names[0]) + HEAP_OVERHEAD +
	       (ep->n_ports ? ep->n_ports * sizeof(ep->ports[0]) + HEAP_OVERHEAD : 0);
}

static struct zone_ep *ep_find(const struct zone_net *net, struct id id)
{
	struct zone_ep *ep;

	HASH_FIND(hh, net->endpoints, &id, sizeof(id), ep);
	return ep;
}

static void ep_add(struct zone *z, struct zone_net *net, const struct zone_endpoint *from,
		   const struct wanted *w)
{
	struct zone_ep *ep = mem_alloc(sizeof(*ep) + w->n_names * sizeof(ep->names[0]));
	char text[ZONE_NAME_MAX + 1];

	ep->net = net;
	ep->id = from->id;
	ep->ip4 = from->ip4;
	ep->ip6 = from->ip6;
	ep->n_names = (uint16_t)w->n_names;
	ep->n_ports = (uint16_t)w->n_ports;
	if (w->n_ports)
		ep->ports = mem_dup(w->ports, w->n_ports * sizeof(w->ports[0]));
	HASH_ADD(hh, net->endpoints, id, sizeof(ep->id), ep);
	/* Two may have one address for a moment (a conflict not yet settled): the tables hold both. */
	if (ip_is_set(ep->ip4))
		HASH_ADD(hh4, net->by4, ip4, sizeof(ep->ip4), ep);
	if (ip_is_set(ep->ip6))
		HASH_ADD(hh6, net->by6, ip6, sizeof(ep->ip6), ep);
	for (size_t i = 0; i < w->n_names; i++) {
		struct zone_holder *h = &ep->names[i];

		zone_text_lower(w->name[i], w->len[i], text);
		h->ep = ep;
		h->name = name_get(z, net, text, w->len[i]);
		name_insert(z, h->name, h);
	}
	z->bytes += ep_bytes(ep);
	z->n_endpoints++;
	z->n_names += ep->n_names;
}

static void ep_remove(struct zone *z, struct zone_ep *ep)
{
	struct zone_net *net = ep->net;

	for (size_t i = 0; i < ep->n_names; i++) {
		name_remove(ep->names[i].name, &ep->names[i]);
		name_put_back(z, net, ep->names[i].name);
	}
	if (ip_is_set(ep->ip4))
		HASH_DELETE(hh4, net->by4, ep);
	if (ip_is_set(ep->ip6))
		HASH_DELETE(hh6, net->by6, ep);
	HASH_DELETE(hh, net->endpoints, ep);
	z->bytes -= ep_bytes(ep);
	z->n_endpoints--;
	z->n_names -= ep->n_names;
	free(ep->ports);
	free(ep);
}

/* ---- networks ---- */

static size_t net_bytes(const struct zone_net *net)
{
	return sizeof(*net) + HEAP_OVERHEAD + (net->name ? net->name_len + 1 + HEAP_OVERHEAD : 0) +
	       (net->n_subnets ? net->n_subnets * sizeof(net->subnets[0]) + HEAP_OVERHEAD : 0);
}

static struct zone_net *net_get(struct zone *z, struct id id)
{
	struct zone_net *net = zone_net_find(z, id);

	if (net)
		return net;
	net = mem_alloc(sizeof(*net));
	net->id = id;
	HASH_ADD(hh, z->nets, id, sizeof(net->id), net);
	z->bytes += net_bytes(net);
	return net;
}

/* Already out of the table. */
static void net_free(struct zone *z, struct zone_net *net)
{
	struct zone_ep *ep, *next;

	for (ep = net->endpoints; ep; ep = next) {
		next = ep->hh.next;
		ep_remove(z, ep);
	}
	z->n_known -= net->known;
	z->bytes -= net_bytes(net);
	free(net->name);
	free(net->subnets);
	free(net);
}

static void net_remove(struct zone *z, struct zone_net *net)
{
	HASH_DELETE(hh, z->nets, net);
	net_free(z, net);
}

void zone_network_put(struct zone *z, struct id id, const char *name, bool nameless,
		      const struct prefix *subnets, size_t n_subnets)
{
	struct zone_net *net = net_get(z, id);

	z->bytes -= net_bytes(net);
	z->n_known += !net->known;
	net->known = true;
	net->nameless = nameless;
	net->name_len = strlen(name);
	free(net->name);
	net->name = mem_alloc(net->name_len + 1);
	zone_text_lower(name, net->name_len, net->name);
	net->speakable = zone_text_ok(net->name, net->name_len);
	free(net->subnets);
	net->subnets = n_subnets ? mem_dup(subnets, n_subnets * sizeof(*subnets)) : NULL;
	net->n_subnets = n_subnets;
	z->bytes += net_bytes(net);
}

void zone_network_del(struct zone *z, struct id id)
{
	struct zone_net *net = zone_net_find(z, id);

	if (net)
		net_remove(z, net);
}

void zone_endpoint_put(struct zone *z, const struct zone_endpoint *ep)
{
	struct zone_net *net = net_get(z, ep->network);
	struct zone_ep *old = ep_find(net, ep->id);
	struct wanted w;

	want(&w, ep);
	if (old && is_wanted(old, ep, &w))
		return;
	if (old)
		ep_remove(z, old);
	ep_add(z, net, ep, &w);
}

void zone_endpoint_del(struct zone *z, struct id network, struct id endpoint)
{
	struct zone_net *net = zone_net_find(z, network);
	struct zone_ep *ep = net ? ep_find(net, endpoint) : NULL;

	if (!ep)
		return;
	ep_remove(z, ep);
	if (!net->known && !net->endpoints)
		net_remove(z, net);
}

/* ---- the whole ---- */

struct zone *zone_new(const char *domain)
{
	struct zone *z = mem_alloc(sizeof(*z));

	z->domain_len = strlen(domain);
	z->domain = mem_alloc(z->domain_len + 1);
	zone_text_lower(domain, z->domain_len, z->domain);
	z->bytes = sizeof(*z) + z->domain_len + 1 + 2 * HEAP_OVERHEAD;
	return z;
}

void zone_free(struct zone *z)
{
	struct zone_net *net, *next;

	if (!z)
		return;
	/* The elements outlive the table: clang-tidy takes uthash's delete-while-iterating for a use after free. */
	net = z->nets;
	HASH_CLEAR(hh, z->nets);
	for (; net; net = next) {
		next = net->hh.next;
		net_free(z, net);
	}
	free(z->domain);
	free(z);
}

const char *zone_domain(const struct zone *z)
{
	return z->domain;
}

static size_t table_bytes(const UT_hash_table *t)
{
	return sizeof(*t) + t->num_buckets * sizeof(UT_hash_bucket) + 2 * (size_t)HEAP_OVERHEAD;
}

void zone_stats(const struct zone *z, struct zone_stats *ret)
{
	const struct zone_net *net;

	*ret = (struct zone_stats){ .networks = z->n_known,
				    .endpoints = z->n_endpoints,
				    .names = z->n_names,
				    .bytes = z->bytes };
	if (z->nets)
		ret->bytes += table_bytes(z->nets->hh.tbl);
	for (net = z->nets; net; net = net->hh.next) {
		ret->bytes += net->names ? table_bytes(net->names->hh.tbl) : 0;
		ret->bytes += net->endpoints ? table_bytes(net->endpoints->hh.tbl) : 0;
		ret->bytes += net->by4 ? table_bytes(net->by4->hh4.tbl) : 0;
		ret->bytes += net->by6 ? table_bytes(net->by6->hh6.tbl) : 0;
	}
}
