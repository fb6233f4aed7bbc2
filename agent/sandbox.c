/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/sandbox.h"

#include <string.h>

/* What an endpoint can do for its namespace. */
enum role {
	ROLE_NONE, /* internal, or its network leads nowhere */
	ROLE_OVERLAY, /* leads out by the egress bridge only */
	ROLE_EGRESS,
	ROLE_BRIDGE,
	ROLE_DIRECT, /* macvlan, ipvlan: its gateway is outside */
};

static enum role role_of(const struct sandbox_member *m)
{
	static const struct {
		const char *driver;
		enum role role;
	} roles[] = {
		{ "overlay", ROLE_OVERLAY }, { "egress", ROLE_EGRESS }, { "bridge", ROLE_BRIDGE },
		{ "macvlan", ROLE_DIRECT },  { "ipvlan", ROLE_DIRECT },
	};

	if (m->network->internal)
		return ROLE_NONE;
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (strcmp(m->network->driver, roles[i].driver) == 0)
			return roles[i].role;
	}
	return ROLE_NONE;
}

/* The gateway of the subnet that @ip is in, else the first one of its family; unset: the network does not lead out in that family. */
static struct ip gateway_of(const struct sandbox_member *m, struct ip ip)
{
	const struct model_subnet *s;

	if (!ip_is_set(ip))
		return (struct ip){ 0 };
	s = model_network_subnet_of(m->network, ip);
	if (s && ip_is_set(s->gateway))
		return s->gateway;
	return model_network_gateway(m->network, ip.family);
}

static bool leads_out(const struct sandbox_member *m)
{
	enum role role = role_of(m);

	return (role == ROLE_BRIDGE || role == ROLE_DIRECT) &&
	       (ip_is_set(gateway_of(m, m->ip4)) || ip_is_set(gateway_of(m, m->ip6)));
}

/* The highest priority among the endpoints that @is tells; false: there is none. */
static bool highest(const struct sandbox_member *v, size_t n,
		    bool (*is)(const struct sandbox_member *m), int32_t *ret)
{
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		if (!is(&v[i]) || (found && v[i].gw_priority <= *ret))
			continue;
		*ret = v[i].gw_priority;
		found = true;
	}
	return found;
}

static bool is_overlay(const struct sandbox_member *m)
{
	return role_of(m) == ROLE_OVERLAY;
}

/* "Further networks follow" holds back an egress endpoint; one that is there is not taken away by it. */
static bool all_deferred(const struct sandbox_member *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (role_of(&v[i]) == ROLE_EGRESS || !v[i].defer)
			return false;
	}
	return true;
}

/* ---- the default route ---- */

struct election {
	const struct sandbox_member *v;
	size_t n;
	bool egress; /* the egress endpoint is a candidate, ... */
	int32_t egress_priority; /* ... for the overlay networks it stands for */
	int family;
};

static int32_t priority_of(const struct election *el, const struct sandbox_member *m)
{
	return role_of(m) == ROLE_EGRESS ? el->egress_priority : m->gw_priority;
}

static bool is_before(const struct election *el, const struct sandbox_member *a,
		      const struct sandbox_member *b)
{
	int32_t x = priority_of(el, a), y = priority_of(el, b);
	bool a_egress = role_of(a) == ROLE_EGRESS, b_egress = role_of(b) == ROLE_EGRESS;

	if (x != y)
		return x > y;
	if (a_egress != b_egress)
		return b_egress;
	return strcmp(a->network->name, b->network->name) < 0;
}

static const struct sandbox_member *elect(const struct election *el, struct ip *ret_via)
{
	const struct sandbox_member *best = NULL;

	for (size_t i = 0; i < el->n; i++) {
		const struct sandbox_member *m = &el->v[i];
		enum role role = role_of(m);
		struct ip via = gateway_of(m, el->family == AF_INET ? m->ip4 : m->ip6);

		if (role == ROLE_NONE || role == ROLE_OVERLAY || !ip_is_set(via) ||
		    (role == ROLE_EGRESS && !el->egress) || (best && !is_before(el, m, best)))
			continue;
		best = m;
		*ret_via = via;
	}
	return best;
}

void sandbox_judge(const struct sandbox_member *v, size_t n, struct sandbox_verdict *ret)
{
	struct election el = { .v = v, .n = n };
	const struct sandbox_member *by4, *by6, *first;
	int32_t overlay = 0, local = 0;
	bool wants;

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < n; i++) {
		if (role_of(&v[i]) == ROLE_EGRESS)
			ret->egress = v[i].endpoint;
	}
	wants = highest(v, n, is_overlay, &overlay) &&
		(!highest(v, n, leads_out, &local) || overlay > local);
	ret->need_egress = wants && !all_deferred(v, n);
	el.egress = ret->need_egress;
	el.egress_priority = overlay;

	el.family = AF_INET;
	by4 = elect(&el, &ret->via4);
	el.family = AF_INET6;
	by6 = elect(&el, &ret->via6);
	if (by4)
		ret->gateway4 = by4->endpoint;
	if (by6)
		ret->gateway6 = by6->endpoint;
	first = by4 ? by4 : by6;
	if (first && role_of(first) != ROLE_DIRECT)
		ret->published = first->endpoint;
}
