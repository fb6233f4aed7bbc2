/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names for containers of Docker's: its own resolver (127.0.0.11) asks servers outside for what it does not know, from the container's namespace, by way
 * of docker_gwbridge. Such questions are redirected to sockets on that bridge (STATE_SET_DNSREDIR). Who asks is told by his address there, which Docker
 * tells (agent/docker/docker_gwbridge.h): the sandbox that has it is the place of our endpoints in it.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/names_priv.h"
#include "base/mem.h"
#include "overlay/state.h"

#define KEY STATE_KEY_DOCKER_GWBRIDGE
#define USABLE \
	"docker-gwbridge" /* in the node's memory: a restart finds the redirection wanted before Docker has said a word */

/* ---- our endpoints ---- */

static bool is_docker(const struct local_endpoint *row)
{
	return row->engine && strcmp(row->engine, "docker") == 0 && row->target.path;
}

/* The last part of a sandbox's key is the first digits of its id. */
static const char *sandbox_of(const struct local_endpoint *row)
{
	const char *slash = strrchr(row->target.path, '/');

	return slash ? slash + 1 : row->target.path;
}

static bool is_in(const struct local_endpoint *row, const char *sandbox)
{
	return strcmp(sandbox_of(row), sandbox) == 0;
}

struct search {
	struct names *n;
	const char *sandbox;
	struct dns_place place;
	bool found;
};

static void look_in(void *user, const struct local_endpoint *row)
{
	struct search *s = user;

	if (s->found || !is_docker(row) || !is_in(row, s->sandbox))
		return;
	s->found = true;
	s->place = (struct dns_place){ row->target.netns_dev, row->target.netns_ino };
}

/* On an internal network alone there is no docker_gwbridge. */
static void look_out(void *user, const struct local_endpoint *row)
{
	const struct model_network *net;
	struct search *s = user;

	if (s->found || !is_docker(row))
		return;
	net = network_get(s->n->d.networks, row->network);
	s->found = !net || !net->internal;
}

/* ---- who is on the bridge ---- */

bool names_gwbridge_place(struct names *n, const char *sandbox, struct dns_place *ret)
{
	struct search s = { .n = n, .sandbox = sandbox };

	endpoints_running(n->d.endpoints, NULL, look_in, &s);
	*ret = s.place;
	return s.found;
}

static void drop(struct names *n, struct gw_member *m)
{
	dns_clients_del(dns_clients(n->dns), m->id);
	/* The analyzer does not follow the table's own bookkeeping from one removal to the next. */
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	HASH_DEL(n->gw.members, m);
	free(m);
}

static bool is_same(const struct gw_member *m, const struct names_gwbridge *now)
{
	return strcmp(m->sandbox, now->sandbox) == 0 && ip_eq(m->ip4, now->ip4) &&
	       ip_eq(m->ip6, now->ip6);
}

/* @sure: one that is in no sandbox of ours is somebody else's. */
static void take(struct names *n, const struct names_gwbridge *now, bool sure)
{
	struct dns_client_endpoint c = {
		.id = now->endpoint, .key = KEY, .ip4 = now->ip4, .ip6 = now->ip6, .forward = true
	};
	bool ours = names_gwbridge_place(n, now->sandbox, &c.place);
	struct gw_member *m;

	if (!ours && !sure)
		return;
	m = mem_alloc(sizeof(*m));
	m->id = now->endpoint;
	m->foreign = !ours;
	m->ip4 = now->ip4;
	m->ip6 = now->ip6;
	snprintf(m->sandbox, sizeof(m->sandbox), "%s", now->sandbox);
	HASH_ADD(hh, n->gw.members, id, sizeof(m->id), m);
	dns_clients_put(dns_clients(n->dns), &c);
}

void names_gwbridge_took(struct names *n, const struct names_gwbridge *v, size_t n_v,
			 unsigned generation)
{
	_cleanup_free_ bool *known = mem_alloc(n_v + 1);
	struct gw_member *m, *tmp;

	if (!n || !n->started)
		return;
	HASH_ITER(hh, n->gw.members, m, tmp)
		m->gone = true;
	for (size_t i = 0; i < n_v; i++) {
		HASH_FIND(hh, n->gw.members, &v[i].endpoint, sizeof(v[i].endpoint), m);
		known[i] = m && is_same(m, &v[i]);
		if (known[i])
			m->gone = false;
	}
	/* First: an address may be another's by now. */
	HASH_ITER(hh, n->gw.members, m, tmp) {
		if (m->gone)
			drop(n, m);
	}
	for (size_t i = 0; i < n_v; i++) {
		HASH_FIND(hh, n->gw.members, &v[i].endpoint, sizeof(v[i].endpoint), m);
		if (!m)
			take(n, &v[i], generation == n->gw.generation);
	}
	dns_strangers_again(n->dns);
}

/* What is known of others may be old: one of ours may have such an address. Docker is asked anew when it matters. */
static void row_comes(struct names *n)
{
	struct gw_member *m, *tmp;

	HASH_ITER(hh, n->gw.members, m, tmp) {
		if (m->foreign)
			drop(n, m);
	}
}

static void row_goes(struct names *n, const struct local_endpoint *row)
{
	struct gw_member *m, *tmp;
	struct dns_place place;

	HASH_ITER(hh, n->gw.members, m, tmp) {
		if (is_in(row, m->sandbox) && !names_gwbridge_place(n, m->sandbox, &place))
			drop(n, m);
	}
}

void names_gwbridge_row(struct names *n, const struct local_endpoint *row, bool gone)
{
	if (!is_docker(row))
		return;
	n->gw.generation++;
	if (gone) {
		row_goes(n, row);
		names_bridges_gone(n, sandbox_of(row));
	} else {
		row_comes(n);
	}
	names_gwbridge_check(n);
}

static void on_stranger(void *user, struct ip source)
{
	struct names *n = user;

	(void)source;
	if (n->gw.unknown)
		n->gw.unknown(n->gw.user);
}

/* ---- the bridge ---- */

size_t names_addresses(const char *ifname, struct ip ret[NAMES_ADDRESSES_MAX])
{
	struct ifaddrs *all = NULL;
	size_t n = 0;
	struct ip ip;

	if (getifaddrs(&all) < 0)
		return 0;
	for (const struct ifaddrs *a = all; a && n < NAMES_ADDRESSES_MAX; a = a->ifa_next) {
		if (a->ifa_addr && strcmp(a->ifa_name, ifname) == 0 &&
		    ip_from_sockaddr(a->ifa_addr, &ip) == 0 && !ip_is_link_local(ip))
			ret[n++] = ip;
	}
	freeifaddrs(all);
	return n;
}

/* Return: false: some cannot be served. */
static bool listen_on(struct names *n, const struct ip *v, size_t n_v)
{
	bool same = n_v == n->gw.n_addresses;
	struct err e = { 0 };

	for (size_t i = 0; same && i < n_v; i++)
		same = ip_eq(v[i], n->gw.addresses[i]);
	if (!same)
		dns_listen_host_del(dns_listen(n->dns), KEY);
	free(n->gw.addresses);
	n->gw.addresses = n_v ? mem_dup(v, n_v * sizeof(*v)) : NULL;
	n->gw.n_addresses = n_v;
	for (size_t i = 0; i < n_v && e.code == 0; i++)
		(void)dns_listen_host(dns_listen(n->dns), KEY, STATE_DOCKER_GWBRIDGE, v[i], &e);
	names_note(n, KEY, e.code && e.code != -ENODEV ? &e : NULL);
	return e.code == 0;
}

static bool is_wanted(struct names *n)
{
	struct search s = { .n = n };

	if (!n->gw.usable)
		return false;
	endpoints_running(n->d.endpoints, NULL, look_out, &s);
	return s.found;
}

bool names_gwbridge_wanted(struct names *n)
{
	return n && !n->gw.failed && is_wanted(n);
}

void names_gwbridge_check(struct names *n)
{
	struct ip v[NAMES_ADDRESSES_MAX] = { 0 };
	bool asked, wanted, others;

	if (!n || !n->started)
		return;
	asked = wanted = is_wanted(n);
	n->gw.failed = !listen_on(n, v, wanted ? names_addresses(STATE_DOCKER_GWBRIDGE, v) : 0);
	if (n->gw.failed)
		names_retry(n);
	wanted = wanted && !n->gw.failed;
	others = names_bridges_check(n);
	/* Before the first time only what is not to be as it was asked for has to be told. */
	if (others || wanted != n->gw.wanted || (!n->gw.told && asked)) {
		n->gw.wanted = wanted;
		n->d.gwbridge(n->d.user, wanted);
	}
	n->gw.told = true;
}

void names_gwbridge_usable(struct names *n, bool usable)
{
	struct err e = { 0 };

	if (!n || usable == n->gw.usable)
		return;
	n->gw.usable = usable;
	(void)local_set(n->d.local, USABLE, usable ? "1" : "0", &e);
	names_gwbridge_check(n);
}

void names_gwbridge_watch(struct names *n, void (*unknown)(void *user), void *user)
{
	if (!n)
		return;
	n->gw.unknown = unknown;
	n->gw.user = user;
}

unsigned names_gwbridge_generation(const struct names *n)
{
	return n ? n->gw.generation : 0;
}

/* ---- life ---- */

void names_gwbridge_new(struct names *n)
{
	_cleanup_free_ char *usable = NULL;

	n->gw.usable = n->d.config->docker_api && local_get(n->d.local, USABLE, &usable) == 0 &&
		       strcmp(usable, "1") == 0;
	dns_strangers(n->dns, KEY, on_stranger, n);
}

void names_gwbridge_done(struct names *n)
{
	struct gw_member *m, *next;

	/* The elements outlive the table: clang-tidy takes uthash's delete-while-iterating for a use after free. */
	m = n->gw.members;
	HASH_CLEAR(hh, n->gw.members);
	for (; m; m = next) {
		next = m->hh.next;
		free(m);
	}
	free(n->gw.addresses);
	free(n->gw.guests.v);
	free(n->gw.bridges);
}
