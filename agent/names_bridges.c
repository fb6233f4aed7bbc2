/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names for containers of Docker's that are on an ordinary bridge beside a network of ours: their way out, and so what their resolver asks others, goes by
 * that bridge, and they have none by docker_gwbridge. Of such a bridge the questions of these addresses alone are redirected (STATE_SET_DNSASKER); its
 * other containers ask whom they asked before, and are strangers to the sockets there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/names_priv.h"
#include "base/mem.h"
#include "overlay/state.h"

#define KEY STATE_KEY_DOCKER_BRIDGE

static bool is_of(const struct gw_guest *g, const char *sandbox)
{
	return strcmp(g->sandbox, sandbox) == 0;
}

static void drop(struct names *n, size_t i)
{
	struct gw_guests *all = &n->gw.guests;

	dns_clients_del(dns_clients(n->dns), all->v[i].id);
	all->n--;
	memmove(&all->v[i], &all->v[i + 1], (all->n - i) * sizeof(*all->v));
}

static size_t drop_all(struct names *n, const char *sandbox)
{
	size_t dropped = 0;

	for (size_t i = n->gw.guests.n; i-- > 0;) {
		if (is_of(&n->gw.guests.v[i], sandbox)) {
			drop(n, i);
			dropped++;
		}
	}
	return dropped;
}

static void put(struct names *n, const char *sandbox, struct dns_place place,
		const struct names_bridge *b)
{
	const struct dns_client_endpoint c = {
		.id = b->endpoint, .place = place, .key = KEY, .ip4 = b->ip4, .forward = true
	};
	struct gw_guests *all = &n->gw.guests;
	struct gw_guest *g;

	all->v = mem_grow(all->v, all->n + 1, sizeof(*all->v));
	g = &all->v[all->n++];
	*g = (struct gw_guest){ .id = b->endpoint, .ip4 = b->ip4 };
	snprintf(g->sandbox, sizeof(g->sandbox), "%s", sandbox);
	memcpy(g->ifname, b->ifname, sizeof(g->ifname));
	dns_clients_put(dns_clients(n->dns), &c);
}

static bool is_known(const struct names *n, const char *sandbox, const struct names_bridge *b)
{
	for (size_t i = 0; i < n->gw.guests.n; i++) {
		const struct gw_guest *g = &n->gw.guests.v[i];

		if (is_of(g, sandbox) && id_eq(g->id, b->endpoint) && ip_eq(g->ip4, b->ip4) &&
		    strcmp(g->ifname, b->ifname) == 0)
			return true;
	}
	return false;
}

static size_t count(const struct names *n, const char *sandbox)
{
	size_t found = 0;

	for (size_t i = 0; i < n->gw.guests.n; i++)
		found += is_of(&n->gw.guests.v[i], sandbox);
	return found;
}

void names_bridges(struct names *n, const char *sandbox, const struct names_bridge *v, size_t n_v)
{
	struct dns_place place;
	size_t known = 0;

	if (!n || !n->started)
		return;
	if (!names_gwbridge_place(n, sandbox, &place))
		n_v = 0;
	for (size_t i = 0; i < n_v; i++)
		known += is_known(n, sandbox, &v[i]);
	if (known == n_v && count(n, sandbox) == n_v)
		return;
	drop_all(n, sandbox);
	for (size_t i = 0; i < n_v; i++)
		put(n, sandbox, place, &v[i]);
	names_bridges_check(n);
	n->d.gwbridge(n->d.user, names_gwbridge_wanted(n));
}

void names_bridges_gone(struct names *n, const char *sandbox)
{
	struct dns_place place;

	if (names_gwbridge_place(n, sandbox, &place) || drop_all(n, sandbox) == 0)
		return;
	names_bridges_check(n);
	n->d.gwbridge(n->d.user, names_gwbridge_wanted(n));
}

/* ---- the bridges ---- */

/* Those before @at have it too. */
static bool is_seen(const struct gw_guests *all, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (strcmp(all->v[i].ifname, all->v[at].ifname) == 0)
			return true;
	}
	return false;
}

struct serving {
	struct gw_address *v;
	size_t n;
};

static void gather(const struct gw_guests *all, struct serving *ret)
{
	struct ip ip[NAMES_ADDRESSES_MAX];

	for (size_t i = 0; i < all->n; i++) {
		size_t found = is_seen(all, i) ? 0 : names_addresses(all->v[i].ifname, ip);

		ret->v = mem_grow(ret->v, ret->n + found + 1, sizeof(*ret->v));
		for (size_t k = 0; k < found; k++) {
			struct gw_address *a = &ret->v[ret->n++];

			*a = (struct gw_address){ .ip = ip[k] };
			memcpy(a->ifname, all->v[i].ifname, sizeof(a->ifname));
		}
	}
}

static bool is_same(const struct names *n, const struct serving *now)
{
	const struct names_gw *gw = &n->gw;
	bool same = gw->n_bridges == now->n;

	for (size_t i = 0; same && i < now->n; i++)
		same = ip_eq(gw->bridges[i].ip, now->v[i].ip) &&
		       strcmp(gw->bridges[i].ifname, now->v[i].ifname) == 0;
	return same;
}

static bool is_served(const struct serving *s, const struct gw_guest *g)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].served && s->v[i].ip.family == g->ip4.family &&
		    strcmp(s->v[i].ifname, g->ifname) == 0)
			return true;
	}
	return false;
}

bool names_bridges_check(struct names *n)
{
	struct gw_guests *all = &n->gw.guests;
	struct err first = { 0 };
	struct serving now = { 0 };
	bool changed = false;

	gather(all, &now);
	if (!is_same(n, &now))
		dns_listen_host_del(dns_listen(n->dns), KEY);
	for (size_t i = 0; i < now.n; i++) {
		struct err e = { 0 };

		now.v[i].served = dns_listen_host(dns_listen(n->dns), KEY, now.v[i].ifname,
						  now.v[i].ip, &e) == 0;
		if (e.code && e.code != -ENODEV && first.code == 0)
			first = e;
	}
	names_note(n, KEY, first.code ? &first : NULL);
	if (first.code)
		names_retry(n);
	/* Where nobody would answer nothing is redirected. */
	for (size_t i = 0; i < all->n; i++) {
		bool served = is_served(&now, &all->v[i]);

		changed = changed || served != all->v[i].served;
		all->v[i].served = served;
	}
	free(n->gw.bridges);
	n->gw.bridges = now.v;
	n->gw.n_bridges = now.n;
	return changed;
}

void names_bridges_elems(struct names *n, struct state_net *ret)
{
	for (size_t i = 0; n && i < n->gw.guests.n; i++) {
		const struct gw_guest *g = &n->gw.guests.v[i];
		struct state_elem el = state_elem_asker(g->ip4, g->ifname);

		if (g->served)
			state_net_add_elem(ret, &el);
	}
}

size_t names_docker_ifaces(struct names *n, char (**ret)[IFNAMSIZ])
{
	size_t found = 0, max = 1 + (n ? n->gw.guests.n : 0);
	char(*v)[IFNAMSIZ] = mem_alloc_array(max, IFNAMSIZ);

	if (names_gwbridge_wanted(n))
		snprintf(v[found++], IFNAMSIZ, "%s", STATE_DOCKER_GWBRIDGE);
	for (size_t i = 0; n && i < n->gw.guests.n; i++) {
		const struct gw_guest *g = &n->gw.guests.v[i];
		bool has = !g->served;

		for (size_t k = 0; !has && k < found; k++)
			has = strcmp(v[k], g->ifname) == 0;
		if (!has)
			snprintf(v[found++], IFNAMSIZ, "%s", g->ifname);
	}
	*ret = v;
	return found;
}
