/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/compile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/compile_priv.h"
#include "base/mem.h"

/* ---- what all networks have ---- */

void compile_gateways(const struct model_network *net, struct state_net *n)
{
	for (size_t i = 0; i < net->n_subnets && n->n_gateways < STATE_GATEWAYS_MAX; i++) {
		if (ip_is_set(net->subnets[i].gateway))
			n->gateways[n->n_gateways++] =
				(struct prefix){ .ip = net->subnets[i].gateway,
						 .len = net->subnets[i].subnet.len };
	}
}

/* Prefix length of the subnet that holds @ip, whole address where none does (the record has changed under it). */
static uint8_t len_of(const struct model_network *net, struct ip ip)
{
	const struct model_subnet *s = model_network_subnet_of(net, ip);

	return s ? s->subnet.len : (uint8_t)ip_bits(ip);
}

static void add_routes(const struct model_network *net, struct state_port *p)
{
	for (size_t i = 0; i < net->n_subnets && p->n_routes < STATE_ROUTES_MAX; i++) {
		struct prefix s = net->subnets[i].subnet;

		if (s.ip.family == AF_INET6 && !ip_is_set(p->ip6))
			continue;
		if (!prefix_contains(s, p->ip4) &&
		    !(ip_is_set(p->ip6) && prefix_contains(s, p->ip6)))
			p->routes[p->n_routes++] = s;
	}
}

static void add_master(struct state_net *n, struct mac mac, const char *port)
{
	struct state_fdb f = { .where = STATE_FDB_MASTER, .mac = mac };

	snprintf(f.port, sizeof(f.port), "%s", port);
	state_net_add_fdb(n, &f);
}

void compile_port(const struct compile_port *in, const struct compile_local *l, struct state_net *n)
{
	bool bridged = n->kind != STATE_DIRECT, guarded = bridged && !l->shut;
	bool by_address = in->security == STATE_SECURE_MAC_IP;
	struct state_port p = {
		.mtu = in->mtu,
		.up = !l->shut,
		.enslaved = bridged,
		.flags_ok = bridged,
		.open = bridged && in->security == STATE_SECURE_OFF,
		.guard4 = guarded && (!by_address || ip_is_set(l->ip4)),
		.guard6 = guarded && by_address && ip_is_set(l->ip6),
		.endpoint = l->id,
		.mac = l->mac,
		.ip4 = l->ip4,
		.ip6 = l->ip6,
		.len4 = len_of(in->network, l->ip4),
		.len6 = ip_is_set(l->ip6) ? len_of(in->network, l->ip6) : 0,
		.gw4 = in->routed ? l->gw4 : (struct ip){ 0 },
		.gw6 = in->routed ? l->gw6 : (struct ip){ 0 },
		.security = (uint8_t)in->security,
		.container_mtu = in->container_mtu,
		.target = *l->target,
		.handed = l->handed,
		.fresh = l->fresh,
	};

	state_net_port_name(n, l->id, p.name);
	snprintf(p.ifname, sizeof(p.ifname), "%s", l->ifname);
	add_routes(in->network, &p);
	state_net_add_port(n, &p);
	if (guarded && !p.open)
		add_master(n, l->mac, p.name);
}

/* ---- overlay networks ---- */

static void add_neigh(struct state_net *n, struct ip ip, struct mac mac)
{
	if (ip_is_set(ip))
		state_net_add_neigh(n, &(struct state_neigh){ .ip = ip, .mac = mac });
}

static void add_local(const struct compile_input *in, const struct compile_local *l,
		      struct state_net *n)
{
	const struct compile_port how = { .network = in->network,
					  .security = in->security,
					  .mtu = in->underlay_mtu,
					  .container_mtu = in->network->mtu };

	compile_port(&how, l, n);
	if (l->shut)
		return;
	add_neigh(n, l->ip4, l->mac);
	add_neigh(n, l->ip6, l->mac);
}

static void peer_neigh(struct state_peer *p, struct ip ip, struct mac mac)
{
	if (ip_is_set(ip))
		p->neigh[p->n_neigh++] = (struct state_neigh){ .ip = ip, .mac = mac };
}

/* @vtep: of its node, unset: not known; @vx: name of the device that leads there. Return: as compile_peer(). */
static bool peer_of(const struct compile_input *in, const struct model_endpoint *ep, struct ip vtep,
		    const char *vx, struct state_peer *ret)
{
	struct state_fdb master = { .where = STATE_FDB_MASTER, .mac = ep->mac };

	ret->n_fdb = ret->n_neigh = 0;
	/* Of another family than ours: no device of ours can reach it. */
	if (id_eq(ep->node, in->self) || vtep.family != in->vtep.family || ip_eq(vtep, in->vtep) ||
	    !mac_is_usable(ep->mac))
		return false;
	snprintf(master.port, sizeof(master.port), "%s", vx);
	ret->fdb[ret->n_fdb++] =
		(struct state_fdb){ .where = STATE_FDB_SELF, .mac = ep->mac, .vtep = vtep };
	ret->fdb[ret->n_fdb++] = master;
	peer_neigh(ret, ep->ip4, ep->mac);
	peer_neigh(ret, ep->ip6, ep->mac);
	return true;
}

bool compile_peer(const struct compile_input *in, const struct model_endpoint *ep,
		  struct state_peer *ret)
{
	char vx[IFNAMSIZ];

	state_vxlan_name(in->network->vni, vx);
	return peer_of(in, ep, in->vtep_of(in->user, ep->node), vx, ret);
}

static void add_remote(const struct state_peer *p, struct state_net *n)
{
	for (size_t i = 0; i < p->n_fdb; i++)
		state_net_add_fdb(n, &p->fdb[i]);
	for (size_t i = 0; i < p->n_neigh; i++)
		state_net_add_neigh(n, &p->neigh[i]);
}

/*
 * What a remote record must not claim: a MAC or address of a local endpoint (local wins; one that is shut gives way), the gateway's. Sorted.
 */
struct taken {
	struct mac *macs;
	struct ip *ips;
	size_t n_macs, n_ips;
};

static int cmp_mac(const void *a, const void *b)
{
	return mac_cmp(*(const struct mac *)a, *(const struct mac *)b);
}

static int cmp_ip(const void *a, const void *b)
{
	return ip_cmp(*(const struct ip *)a, *(const struct ip *)b);
}

static struct taken taken_make(const struct compile_input *in, const struct state_net *n)
{
	struct taken t = {
		.macs = mem_alloc_array(in->n_locals + 1, sizeof(*t.macs)),
		.ips = mem_alloc_array(in->n_locals * 2 + n->n_gateways + 1, sizeof(*t.ips)),
	};

	t.macs[t.n_macs++] = n->bridge_mac;
	for (size_t i = 0; i < n->n_gateways; i++)
		t.ips[t.n_ips++] = n->gateways[i].ip;
	for (size_t i = 0; i < in->n_locals; i++) {
		const struct compile_local *l = &in->locals[i];

		if (l->shut)
			continue;
		t.macs[t.n_macs++] = l->mac;
		if (ip_is_set(l->ip4))
			t.ips[t.n_ips++] = l->ip4;
		if (ip_is_set(l->ip6))
			t.ips[t.n_ips++] = l->ip6;
	}
	qsort(t.macs, t.n_macs, sizeof(*t.macs), cmp_mac);
	qsort(t.ips, t.n_ips, sizeof(*t.ips), cmp_ip);
	return t;
}

static void taken_done(struct taken *t)
{
	free(t->macs);
	free(t->ips);
}

static bool is_taken(const struct taken *t, const struct model_endpoint *ep)
{
	return bsearch(&ep->mac, t->macs, t->n_macs, sizeof(*t->macs), cmp_mac) ||
	       bsearch(&ep->ip4, t->ips, t->n_ips, sizeof(*t->ips), cmp_ip) ||
	       bsearch(&ep->ip6, t->ips, t->n_ips, sizeof(*t->ips), cmp_ip);
}

/* Many endpoints sit on few nodes, mostly the same as the one before. */
struct vtep_memo {
	struct id node;
	struct ip vtep;
	bool known;
};

static struct ip vtep_of(const struct compile_input *in, struct vtep_memo *m, struct id node)
{
	if (!m->known || !id_eq(m->node, node)) {
		m->node = node;
		m->vtep = in->vtep_of(in->user, node);
		m->known = true;
	}
	return m->vtep;
}

/* VTEPs that have a flood entry already, sorted. */
struct flooded {
	struct ip *v;
	size_t n;
};

static void add_flood(struct flooded *f, struct ip vtep, struct state_net *n)
{
	size_t lo = 0, hi = f->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ip_cmp(f->v[mid], vtep) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < f->n && ip_eq(f->v[lo], vtep))
		return;
	if ((f->n & (f->n - 1)) == 0)
		f->v = mem_grow(f->v, f->n ? f->n * 2 : 1, sizeof(*f->v));
	memmove(&f->v[lo + 1], &f->v[lo], (f->n - lo) * sizeof(*f->v));
	f->v[lo] = vtep;
	f->n++;
	state_net_add_fdb(n, &(struct state_fdb){ .where = STATE_FDB_SELF, .vtep = vtep });
}

static void add_remotes(const struct compile_input *in, struct state_net *n, size_t *ret_skipped)
{
	struct taken taken = taken_make(in, n);
	struct vtep_memo memo = { 0 };
	struct flooded flooded = { 0 };
	struct state_peer peer;
	char vx[IFNAMSIZ];

	state_vxlan_name(n->vni, vx);
	for (size_t i = 0; i < in->n_endpoints; i++) {
		const struct model_endpoint *ep = in->endpoints[i];
		struct ip vtep;

		if (id_eq(ep->node, in->self))
			continue;
		vtep = vtep_of(in, &memo, ep->node);
		if (!peer_of(in, ep, vtep, vx, &peer) || is_taken(&taken, ep)) {
			(*ret_skipped)++;
			continue;
		}
		add_remote(&peer, n);
		if (in->network->flood)
			add_flood(&flooded, vtep, n);
	}
	free(flooded.v);
	taken_done(&taken);
}

struct state_net *compile_network(const struct compile_input *in, size_t *ret_skipped)
{
	struct state_net *n;
	size_t skipped = 0, n_fdb, n_neigh;

	if (in->n_locals == 0)
		return NULL;
	n = state_net_new(in->network->vni);
	n->complete = true;
	n->bridge_exists = n->bridge_up = true;
	n->bridge_mac = state_bridge_mac(n->vni);
	n->bridge_mtu = in->underlay_mtu;
	n->vxlan_exists = n->vxlan_up = n->vxlan_enslaved = n->vxlan_flags_ok = true;
	n->vtep = in->vtep;
	n->port = in->vxlan_port;
	n->vxlan_mtu = in->underlay_mtu;
	compile_gateways(in->network, n);
	add_remotes(in, n, &skipped);
	for (size_t i = 0; i < in->n_locals && i < STATE_PORTS_MAX; i++)
		add_local(in, &in->locals[i], n);
	n_fdb = n->n_fdb;
	n_neigh = n->n_neigh;
	state_net_sort(n);
	n->shared = n->n_fdb != n_fdb || n->n_neigh != n_neigh;
	if (ret_skipped)
		*ret_skipped = skipped;
	return n;
}

void compile_guards(const struct state_net *n, struct state_guard **ret, size_t *ret_n)
{
	struct state_guard *v = mem_alloc_array(n->n_ports * 2 + 1, sizeof(*v));
	size_t count = 0;

	for (size_t i = 0; i < n->n_ports; i++) {
		const struct state_port *p = &n->ports[i];
		struct state_guard g[2];
		size_t n_guards = state_port_guards(p, g);

		for (size_t k = 0; k < n_guards; k++) {
			if (g[k].ip.family == AF_INET6 ? p->guard6 : p->guard4)
				v[count++] = g[k];
		}
	}
	*ret = v;
	*ret_n = count;
}
