/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <netinet/in.h>
#include <string.h>
#include "agent/dns/zone_priv.h"
#include "base/mem.h"

/* One question. A name is looked for in several places, one after the other, until one has what is asked for. */
struct search {
	const struct zone *z;
	const struct zone_asker *asker;
	const struct zone_net *nets[ZONE_NETWORKS_MAX];
	size_t n_nets;
	struct zone_text name; /* the question's */
	struct zone_text host; /* of a service: the name behind _PORT._proto; else the name */
	uint16_t type;
	unsigned turn;
	/* Of a service: what an endpoint must have, a range of zone_port_key(); 0: addresses are asked for */
	uint32_t port_first, port_last;
	bool there; /* somebody bears ->host */
	bool has_port; /* ... and has the port */
	struct zone_answer *a;
};

/* ---- texts ---- */

static struct zone_text domain_of(const struct search *s)
{
	return (struct zone_text){ s->z->domain, s->z->domain_len };
}

static struct zone_text name_of(const struct zone_net *net)
{
	return (struct zone_text){ net->name, net->name_len };
}

static void put_text(char ret[ZONE_NAME_MAX + 1], struct zone_text t)
{
	size_t len = t.len < ZONE_NAME_MAX ? t.len : ZONE_NAME_MAX;

	memcpy(ret, t.s, len);
	ret[len] = '\0';
}

/* FIRST NAME.NETWORK.DOMAIN, or as much of it as a name can hold. Return: its length, 0: the endpoint has no name. */
static size_t put_canonical(const struct search *s, const struct zone_ep *ep,
			    char ret[ZONE_NAME_MAX + 1])
{
	const struct zone_text parts[] = { name_of(ep->net), domain_of(s) };
	size_t len;

	if (ep->n_names == 0)
		return 0;
	len = ep->names[0].name->len;
	memcpy(ret, ep->names[0].name->text, len + 1);
	for (size_t i = 0; i < ARRAY_SIZE(parts) && ep->net->speakable; i++) {
		if (len + 1 + parts[i].len > ZONE_NAME_MAX)
			break;
		ret[len++] = '.';
		memcpy(ret + len, parts[i].s, parts[i].len);
		len += parts[i].len;
		ret[len] = '\0';
	}
	return len;
}

/* ---- outcomes ---- */

static void why(struct search *s, const struct zone_net *net, const struct zone_ep *ep)
{
	s->a->network = net->id;
	if (ep)
		s->a->endpoint = ep->id;
}

/* @owner: where the name is not under DOMAIN, which is the SOA's otherwise */
static void decide(struct search *s, enum zone_outcome outcome, struct zone_text owner)
{
	struct zone_text rest;

	s->a->outcome = outcome;
	if (zone_text_same(s->name, domain_of(s)) || zone_text_strip(s->name, domain_of(s), &rest))
		owner = domain_of(s);
	put_text(s->a->owner, owner);
}

/* One record of @type, to be filled. */
static struct zone_record *found_one(struct search *s, uint16_t type)
{
	s->a->outcome = ZONE_FOUND;
	s->a->v = mem_alloc(sizeof(*s->a->v));
	s->a->n = 1;
	s->a->v[0].type = type;
	return s->a->v;
}

/* The name is there, and has no record that was taken. */
static void decide_there(struct search *s)
{
	if (s->type == ZONE_ANY)
		found_one(s, ZONE_HINFO);
	else
		decide(s, ZONE_NODATA, s->name);
}

/* ---- what those who bear a name have ---- */

static bool take_addresses(struct search *s, const struct zone_name *name)
{
	uint32_t first, n, m;

	if (s->type == ZONE_A) {
		first = 0;
		n = name->end[ZONE_BOTH];
	} else if (s->type == ZONE_AAAA) {
		first = name->end[ZONE_ONLY4];
		n = name->end[ZONE_ONLY6] - first;
	} else {
		return s->type == ZONE_ANY; /* goes no further */
	}
	if (n == 0)
		return false;
	m = n < ZONE_RECORDS_MAX ? n : ZONE_RECORDS_MAX;
	s->a->v = mem_alloc_array(m, sizeof(*s->a->v));
	s->a->n = m;
	for (uint32_t i = 0; i < m; i++) {
		const struct zone_ep *ep = name->v[first + (s->turn % n + i) % n]->ep;

		s->a->v[i].type = s->type;
		s->a->v[i].ip = s->type == ZONE_A ? ep->ip4 : ep->ip6;
		if (i == 0)
			why(s, ep->net, ep);
	}
	s->a->outcome = ZONE_FOUND;
	return true;
}

/* The first port of @ep's within the range asked for; 0: none. */
static uint32_t port_of(const struct search *s, const struct zone_ep *ep)
{
	size_t low = 0, high = ep->n_ports;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ep->ports[mid] < s->port_first)
			low = mid + 1;
		else
			high = mid;
	}
	return low < ep->n_ports && ep->ports[low] <= s->port_last ? ep->ports[low] : 0;
}

static void add_extra(struct search *s, struct ip ip, const char *target)
{
	struct zone_record *r;

	if (!ip_is_set(ip))
		return;
	r = &s->a->extra[s->a->n_extra++];
	r->type = ip.family == AF_INET ? ZONE_A : ZONE_AAAA;
	r->ip = ip;
	memcpy(r->target, target, sizeof(r->target));
}

/* @room: how many there may be at most */
static void add_service(struct search *s, const struct zone_ep *ep, uint32_t port, size_t room)
{
	struct zone_record *r;

	if (!s->a->v) {
		s->a->v = mem_alloc_array(room, sizeof(*r));
		s->a->extra = mem_alloc_array(2 * room, sizeof(*r));
	}
	r = &s->a->v[s->a->n];
	r->type = ZONE_SRV;
	r->port = (uint16_t)port;
	/* No NAME.NETWORK leads to those on a network without names: the name it was reached by does. */
	if (ep->net->nameless)
		put_text(r->target, s->host);
	else
		put_canonical(s, ep, r->target);
	add_extra(s, ep->ip4, r->target);
	add_extra(s, ep->ip6, r->target);
	/* All of them have that one name and port then: one record. */
	if (!ep->net->nameless || s->a->n == 0)
		s->a->n++;
	s->a->outcome = ZONE_FOUND;
}

static bool take_services(struct search *s, const struct zone_name *name)
{
	uint32_t n = name->end[ZONE_NEITHER], room = n < ZONE_RECORDS_MAX ? n : ZONE_RECORDS_MAX;
	bool srv = s->type == ZONE_SRV && s->port_first == s->port_last;
	uint32_t found = 0;

	/* Unless the records are asked for, one is enough. */
	for (uint32_t i = 0; i < n && found < (srv ? room : 1); i++) {
		const struct zone_ep *ep = name->v[(s->turn % n + i) % n]->ep;
		uint32_t port = port_of(s, ep);

		if (!port)
			continue;
		if (found++ == 0)
			why(s, ep->net, ep);
		if (srv)
			add_service(s, ep, port, room);
	}
	s->has_port = found > 0; /* then it goes no further */
	return found > 0;
}

/* ---- where a name is looked for ---- */

/* Return: no further. */
static bool try_name(struct search *s, const struct zone_net *net, struct zone_text t,
		     unsigned hash)
{
	const struct zone_name *name = zone_name_find(net, t.s, t.len, hash);

	if (!name)
		return false;
	if (!s->there)
		why(s, net, name->v[0]->ep);
	s->there = true;
	return s->port_last ? take_services(s, name) : take_addresses(s, name);
}

/* Is @t one of @link's two names? The one it leads to, in lower case, into @ret_name. */
static bool link_leads(const char *link, struct zone_text t, char ret_name[ZONE_NAME_MAX + 1])
{
	const char *colon = strchr(link, ':'), *alias = colon ? colon + 1 : link;
	size_t len = colon ? (size_t)(colon - link) : strlen(link), alias_len = strlen(alias);

	if (len > ZONE_NAME_MAX ||
	    !((t.len == len && zone_text_eq_fold(t.s, link, len)) ||
	      (t.len == alias_len && zone_text_eq_fold(t.s, alias, alias_len))))
		return false;
	zone_text_lower(link, len, ret_name);
	return true;
}

static bool try_link(struct search *s, const char *link, struct zone_text t)
{
	char name[ZONE_NAME_MAX + 1];
	struct zone_text to;
	unsigned hash;

	if (!link_leads(link, t, name))
		return false;
	if (!s->there)
		put_text(s->a->link, zone_text_of(link));
	to = zone_text_of(name);
	hash = zone_hash(to.s, to.len);
	for (size_t i = 0; i < s->n_nets; i++) {
		if (try_name(s, s->nets[i], to, hash))
			return true;
	}
	return false;
}

/* A link's name is that link's, also while nobody bears it. Return: it is one's. */
static bool try_links(struct search *s)
{
	struct zone_text t = s->host;
	size_t n = s->asker->links ? s->asker->links->n : 0;
	bool bare = n > 0 && zone_text_strip(s->host, domain_of(s), &t);

	for (size_t i = 0; i < n; i++) {
		const char *link = s->asker->links->v[i];

		if (try_link(s, link, s->host) || (bare && try_link(s, link, t)) || s->there)
			return true;
	}
	return s->a->link[0] != '\0';
}

static bool try_everywhere(struct search *s)
{
	unsigned hash = zone_hash(s->host.s, s->host.len);

	for (size_t i = 0; i < s->n_nets; i++) {
		if (!s->nets[i]->nameless && try_name(s, s->nets[i], s->host, hash))
			return true;
	}
	return false;
}

/* @t: NAME.NETWORK */
static bool try_network(struct search *s, struct zone_text t)
{
	struct zone_text rest;

	for (size_t i = 0; i < s->n_nets; i++) {
		const struct zone_net *net = s->nets[i];

		if (!net->nameless && zone_text_strip(t, name_of(net), &rest) &&
		    try_name(s, net, rest, zone_hash(rest.s, rest.len)))
			return true;
	}
	return false;
}

/* Return: ->host is a name of the asker's, whatever it has. */
static bool find_host(struct search *s)
{
	struct zone_text rest;

	if (try_links(s))
		return true;
	if (!try_everywhere(s) && !try_network(s, s->host) &&
	    zone_text_strip(s->host, domain_of(s), &rest))
		try_network(s, rest);
	return s->there;
}

/* ---- services: _PORT._proto.HOST ---- */

static bool proto_of(struct zone_text label, uint8_t *ret)
{
	static const struct {
		const char *label;
		uint8_t proto;
	} protos[] = { { "_tcp", IPPROTO_TCP },
		       { "_udp", IPPROTO_UDP },
		       { "_sctp", IPPROTO_SCTP } };

	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		if (zone_text_same(label, zone_text_of(protos[i].label))) {
			*ret = protos[i].proto;
			return true;
		}
	}
	return false;
}

/* Also _proto.HOST: resolvers that ask label by label (RFC 9156) must not be told that there is nothing below. */
static bool parse_service(struct search *s)
{
	struct zone_text label, rest, next;
	uint8_t proto;

	if (s->name.s[0] != '_' || !zone_text_first_label(s->name, &label, &rest))
		return false;
	if (proto_of(label, &proto)) {
		s->port_first = zone_port_key(proto, 1);
		s->port_last = zone_port_key(proto, UINT16_MAX);
		s->host = rest;
		return true;
	}
	if (!zone_text_first_label(rest, &next, &s->host) || !proto_of(next, &proto))
		return false;
	s->port_first = s->port_last = zone_port_key(proto, zone_text_port(label));
	return true;
}

static bool answer_service(struct search *s)
{
	if (!parse_service(s) || !find_host(s))
		return false;
	if (s->a->outcome == ZONE_FOUND)
		return true;
	if (s->has_port)
		decide_there(s);
	else
		decide(s, ZONE_NXDOMAIN, s->host);
	return true;
}

/* ---- addresses: in-addr.arpa, ip6.arpa ---- */

static const struct prefix *subnet_of(const struct zone_net *net, struct ip ip)
{
	for (size_t i = 0; i < net->n_subnets; i++) {
		if (prefix_contains(net->subnets[i], ip))
			return &net->subnets[i];
	}
	return NULL;
}

static void answer_holder(struct search *s, const struct zone_ep *ep)
{
	struct zone_record *r;

	why(s, ep->net, ep);
	if (s->type != ZONE_PTR || ep->n_names == 0) {
		decide_there(s);
		return;
	}
	r = found_one(s, ZONE_PTR);
	put_canonical(s, ep, r->target);
}

static bool answer_reverse(struct search *s)
{
	const struct zone_net *within = NULL;
	struct zone_text apex = s->name;
	struct ip ip;

	if (!zone_text_reverse(s->name, &ip))
		return false;
	for (size_t i = 0; i < s->n_nets; i++) {
		const struct prefix *subnet = subnet_of(s->nets[i], ip);
		const struct zone_ep *ep = subnet ? zone_ep_by_ip(s->nets[i], ip) : NULL;

		if (ep) {
			answer_holder(s, ep);
			return true;
		}
		if (subnet && !within) {
			within = s->nets[i];
			apex = zone_text_reverse_apex(s->name, subnet);
		}
	}
	if (!within)
		return false;
	why(s, within, NULL);
	decide(s, ZONE_NXDOMAIN, apex);
	return true;
}

/* ---- the rest under DOMAIN ---- */

static bool answer_domain(struct search *s)
{
	struct zone_text rest, above;

	if (zone_text_same(s->name, domain_of(s))) {
		decide(s, ZONE_NODATA, s->name);
		return true;
	}
	if (!zone_text_strip(s->name, domain_of(s), &rest))
		return false;
	/* What has names of ours below it cannot be called missing (RFC 8020 §2): a network, and each part behind a dot of its name. */
	for (size_t i = 0; i < s->n_nets; i++) {
		struct zone_text net = name_of(s->nets[i]);

		if (!s->nets[i]->nameless &&
		    (zone_text_same(rest, net) || zone_text_strip(net, rest, &above))) {
			why(s, s->nets[i], NULL);
			decide(s, ZONE_NODATA, s->name);
			return true;
		}
	}
	decide(s, ZONE_NXDOMAIN, s->name);
	return true;
}

static void gather_networks(struct search *s)
{
	for (size_t i = 0; i < s->asker->n_networks && i < ZONE_NETWORKS_MAX; i++) {
		const struct zone_net *net = zone_net_find(s->z, s->asker->networks[i]);

		if (net && net->known)
			s->nets[s->n_nets++] = net;
	}
}

void zone_lookup(const struct zone *z, const struct zone_asker *asker, const char *name,
		 uint16_t type, unsigned turn, struct zone_answer *ret)
{
	struct search s = { .z = z, .asker = asker, .type = type, .turn = turn, .a = ret };

	*ret = (struct zone_answer){ .outcome = ZONE_FOREIGN };
	s.name = s.host = zone_text_of(name);
	if (s.name.len == 0 || s.name.len > ZONE_NAME_MAX)
		return;
	gather_networks(&s);
	if (answer_reverse(&s))
		return;
	if (find_host(&s)) {
		if (ret->outcome == ZONE_FOUND)
			return;
		if (s.there)
			decide_there(&s);
		else
			decide(&s, ZONE_NXDOMAIN, s.name); /* a link to somebody who is away */
		return;
	}
	if (!answer_service(&s))
		answer_domain(&s);
}

void zone_answer_done(struct zone_answer *a)
{
	free(a->v);
	free(a->extra);
	*a = (struct zone_answer){ 0 };
}
