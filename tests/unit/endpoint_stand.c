/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stand-ins for networks, etcd, ports of the host and namespaces: endpoint_lab.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/publish.h"
#include "base/mem.h"
#include "overlay/knl_conntrack.h"
#include "tests/unit/endpoint_lab.h"

/* Every handle of a stand-in is the lab itself. */
#define W(handle) ((struct lab *)(handle))

/* ---- networks ---- */

struct model_network *endpoint_stand_net(enum lab_net i)
{
	static const struct {
		const char *name, *driver, *subnet, *gateway, *subnet6, *gateway6;
		bool internal;
	} v[LAB_NETS] = {
		[LAB_OVER] = { "over", "overlay", "10.0.0.0/24", "10.0.0.1", NULL, NULL, false },
		[LAB_OVER2] = { "over2", "overlay", "10.0.1.0/24", "10.0.1.1", "fd00:1::/64",
				"fd00:1::1", false },
		[LAB_OVER_INTERNAL] = { "deep", "overlay", "10.0.2.0/24", "10.0.2.1", NULL, NULL,
					true },
		[LAB_BRIDGE] = { "bridge", "bridge", "172.17.0.0/24", "172.17.0.1", NULL, NULL,
				 false },
		[LAB_SMALL] = { "small", "bridge", "172.18.0.0/30", "172.18.0.1", NULL, NULL,
				false },
		[LAB_SIX] = { "six", "bridge", "172.19.0.0/24", "172.19.0.1", "fd00:19::/64",
			      "fd00:19::1", false },
		[LAB_INTERNAL] = { "inner", "bridge", "172.20.0.0/24", "172.20.0.1", NULL, NULL,
				   true },
		[LAB_MACVLAN] = { "lan", "macvlan", "192.168.9.0/24", "192.168.9.1", NULL, NULL,
				  false },
		[LAB_EGRESS] = { "egress", "egress", "172.31.0.0/24", "172.31.0.1", "fd00:31::/64",
				 "fd00:31::1", false },
		[LAB_HOST] = { "host", "host", NULL, NULL, NULL, NULL, false },
		[LAB_NULL] = { "none", "null", NULL, NULL, NULL, NULL, false },
	};
	struct model_network *n = mem_alloc(sizeof(*n));

	n->id = id_random();
	n->name = mem_strdup(v[i].name);
	n->driver = mem_strdup(v[i].driver);
	n->internal = v[i].internal;
	n->ipv6 = v[i].subnet6 != NULL;
	n->mtu = 1450;
	if (strcmp(n->driver, "overlay") == 0)
		n->vni = 1048576 + i;
	else if (v[i].subnet)
		n->number = i;
	n->subnets = mem_alloc_array(2, sizeof(*n->subnets));
	if (v[i].subnet) {
		n->n_subnets = 1;
		prefix_parse(v[i].subnet, &n->subnets[0].subnet, NULL);
		ip_parse(v[i].gateway, &n->subnets[0].gateway, NULL);
	}
	if (v[i].subnet6) {
		n->n_subnets = 2;
		prefix_parse(v[i].subnet6, &n->subnets[1].subnet, NULL);
		ip_parse(v[i].gateway6, &n->subnets[1].gateway, NULL);
	}
	return n;
}

const struct model_network *network_get(struct networks *n, struct id id)
{
	for (int i = 0; i < LAB_NETS; i++) {
		if (id_eq(W(n)->nets[i]->id, id))
			return W(n)->nets[i];
	}
	return NULL;
}

uint32_t network_key(const struct model_network *net)
{
	if (net->vni)
		return net->vni;
	if (strcmp(net->driver, "egress") == 0)
		return STATE_KEY_EGRESS;
	return net->number ? STATE_KEY_LOCAL + net->number : 0;
}

void network_options(const struct model_network *net, struct netopt *ret)
{
	*ret = (struct netopt){ .icc = true, .masquerade = true };
	while (strcmp(netopt_driver_name(ret->driver), net->driver) != 0)
		ret->driver++;
	snprintf(ret->bridge, sizeof(ret->bridge), "%s", net->name);
	snprintf(ret->parent, sizeof(ret->parent), "eth0");
	snprintf(ret->mode, sizeof(ret->mode), "bridge");
	if (strcmp(net->name, "small") == 0)
		ret->host_binding4 = ip_v4(0x01020304);
}

int network_egress(struct networks *n, const struct model_network **ret, struct err *e)
{
	(void)e;
	*ret = W(n)->nets[LAB_EGRESS];
	return 0;
}

const struct model_network *network_conflict(struct networks *n, const struct model_network *net)
{
	const struct lab *w = W(n);

	for (int i = 0; w->conflict[0] != w->conflict[1] && i < 2; i++) {
		if (net == w->nets[w->conflict[i]])
			return w->nets[w->conflict[1 - i]];
	}
	return NULL;
}

/* ---- etcd ---- */

enum mirror_state mirror_get_state(const struct mirror *m)
{
	return !W(m)->etcd ? MIRROR_EMPTY : W(m)->frozen ? MIRROR_FROZEN : MIRROR_SYNCED;
}

bool mirror_link_up(const struct mirror *m)
{
	return W(m)->etcd;
}

void mirror_apply_own(struct mirror *m, const char *key, const char *value, int64_t revision)
{
	(void)m;
	(void)key;
	(void)value;
	(void)revision;
}

struct mirror_endpoint *mirror_endpoint(struct mirror *m, struct id network, struct id endpoint)
{
	struct lab *w = W(m);

	(void)network;
	for (size_t i = 0; i < w->n_records; i++) {
		if (id_eq(w->records[i].rec->id, endpoint))
			return &w->records[i];
	}
	return NULL;
}

static void drop_record(struct lab *w, struct id id)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->n_records; i++) {
		if (id_eq(w->records[i].rec->id, id))
			model_endpoint_free(w->records[i].rec);
		else
			w->records[kept++] = w->records[i];
	}
	w->n_records = kept;
}

static void put_record(struct lab *w, const struct model_endpoint *ep)
{
	drop_record(w, ep->id);
	assert_true(w->n_records < LAB_RECORDS_MAX);
	w->records[w->n_records++].rec = model_endpoint_dup(ep);
}

void endpoint_stand_done(struct lab *w)
{
	while (w->n_records > 0)
		drop_record(w, w->records[0].rec->id);
	for (size_t i = 0; i < w->n_claims; i++)
		model_endpoint_free(w->claims[i].ep);
	w->n_claims = 0;
}

void claim_endpoint_create(struct claim *c, const struct claim_endpoint_request *req,
			   claim_endpoint_fn done, void *user)
{
	struct lab *w = W(c);
	struct lab_claim *cl = &w->claims[w->n_claims++];

	assert_true(w->n_claims <= LAB_CLAIMS_MAX);
	*cl = (struct lab_claim){ .ep = model_endpoint_dup(req->endpoint),
				  .fn = done,
				  .user = user };
	w->creates++;
	w->reserved += req->reserved;
	w->claimed_aliases = cl->ep->aliases.n;
	snprintf(w->claimed_name, sizeof(w->claimed_name), "%s", cl->ep->name);
	snprintf(w->claimed_sandbox, sizeof(w->claimed_sandbox), "%s", cl->ep->sandbox);
	cl->ep->ip4 = ip_is_set(req->want4) ?
			      req->want4 :
			      ip_add(req->network->subnets[0].gateway, ++w->next_ip);
	if (mac_is_zero(cl->ep->mac))
		cl->ep->mac = mac_from_ip(cl->ep->ip4);
	cl->ep->mod_revision = 7;
}

void claim_endpoint_release(struct claim *c, const struct model_endpoint *ep, claim_done_fn done,
			    void *user)
{
	struct lab *w = W(c);

	w->releases++;
	assert_true(w->n_claims < LAB_CLAIMS_MAX);
	w->claims[w->n_claims++] =
		(struct lab_claim){ .ep = model_endpoint_dup(ep), .released = done, .user = user };
}

void claim_endpoint_unbind(struct claim *c, const struct model_endpoint *ep, struct id node,
			   int64_t lease, claim_done_fn done, void *user)
{
	struct lab *w = W(c);

	assert_true(id_eq(node, w->self));
	assert_true(lease > 0);
	w->unbinds++;
	assert_true(w->n_claims < LAB_CLAIMS_MAX);
	w->claims[w->n_claims++] = (struct lab_claim){
		.ep = model_endpoint_dup(ep), .released = done, .unbind = true, .user = user
	};
}

void endpoint_stand_answer(struct lab *w)
{
	while (w->n_claims > 0) {
		struct lab_claim c = w->claims[0];
		struct err e = { 0 };

		int status = c.unbind && w->lease_gone ? -EKEYEXPIRED : w->claim_status;

		if (status)
			err_set(&e, status, "fault of etcd");
		memmove(w->claims, w->claims + 1, --w->n_claims * sizeof(c));
		if (status == 0 && c.released)
			drop_record(w, c.ep->id);
		else if (status == 0)
			put_record(w, c.ep);
		if (c.released)
			c.released(c.user, status, 8, &e);
		else
			c.fn(c.user, status, status ? NULL : c.ep, &e);
		model_endpoint_free(c.ep);
	}
}

/* ---- ports of the host ---- */

int publish_reserve(struct publishes *ps, struct id owner, const char *who,
		    struct model_publish *want, size_t n, bool strict, struct err *e)
{
	struct lab *w = W(ps);

	(void)who;
	w->strict = strict;
	for (size_t i = 0; i < w->n_ports; i++) {
		if (id_eq(w->ports[i].owner, owner))
			return 0;
		for (size_t j = 0; j < n; j++) {
			if (w->ports[i].port == want[j].host_port)
				return err_set(e, -EADDRINUSE, "port %u is taken",
					       want[j].host_port);
		}
	}
	for (size_t j = 0; j < n; j++) {
		if (want[j].host_port == 0)
			want[j].host_port = (uint16_t)(40000 + w->n_ports);
		assert_true(w->n_ports < LAB_PORTS_MAX);
		w->ports[w->n_ports].owner = owner;
		w->ports[w->n_ports++].port = want[j].host_port;
	}
	return 0;
}

void publish_target(struct publishes *ps, struct id owner, struct ip ip4, struct ip ip6)
{
	struct lab *w = W(ps);

	(void)ip6;
	for (size_t i = 0; i < w->n_ports; i++) {
		if (id_eq(w->ports[i].owner, owner))
			w->ports[i].to = ip4;
	}
}

void publish_release(struct publishes *ps, struct id owner)
{
	struct lab *w = W(ps);
	size_t kept = 0;

	for (size_t i = 0; i < w->n_ports; i++) {
		if (!id_eq(w->ports[i].owner, owner))
			w->ports[kept++] = w->ports[i];
	}
	w->n_ports = kept;
}

void knl_conntrack_flush(struct knl_conntrack *c, const struct knl_conntrack_filter *v, size_t n,
			 void (*done)(void *user, int status, size_t n_deleted), void *user)
{
	(void)v;
	(void)done;
	(void)user;
	W(c)->flushed += (unsigned)n;
}

/* ---- namespaces ---- */

int target_resolve(const char *text, target_run_fn run, void *user, struct local_target *ret,
		   char **ret_run_name, struct err *e)
{
	(void)run;
	(void)user;
	(void)e;
	*ret = (struct local_target){ .path = mem_printf("/run/netns/%s", text),
				      .netns_dev = 1,
				      .netns_ino = strtoull(text, NULL, 10) };
	*ret_run_name = NULL;
	return 0;
}

void target_done(struct local_target *t)
{
	free(t->path);
	memset(t, 0, sizeof(*t));
}

bool target_match(const struct local_target *t, const struct local_target *other)
{
	return t->netns_ino == other->netns_ino && t->netns_dev == other->netns_dev;
}

int target_ifname_exists(const struct state_target *t, const char *ifname)
{
	(void)t;
	return strcmp(ifname, "busy0") == 0;
}
