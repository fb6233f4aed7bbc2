/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making a local network: everything that speaks against it is found before anything is written. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/network_priv.h"
#include "base/mem.h"

/* ---- what is taken ---- */

struct gather {
	struct network_taken *t;
	bool cluster;
};

static void gather_network(void *user, const struct model_network *net)
{
	struct gather *g = user;
	struct network_taken *t = g->t;

	if (!g->cluster && !model_network_is_local(net))
		return;
	t->words = mem_grow(t->words, t->n_words + 1, sizeof(*t->words));
	t->words[t->n_words] = mem_printf("network %s", net->name);
	t->v = mem_grow(t->v, t->n + net->n_subnets + 1, sizeof(*t->v));
	for (size_t i = 0; i < net->n_subnets; i++)
		t->v[t->n++] = (struct subnet_taken){ .prefix = net->subnets[i].subnet,
						      .who = t->words[t->n_words] };
	t->n_words++;
}

void network_taken_read(struct networks *n, const char *parent, bool cluster,
			struct network_taken *ret, struct err *e)
{
	struct gather g = { .t = ret, .cluster = cluster };

	hostnet_read(n->d.kernel, &ret->host, e);
	ret->n = hostnet_as_taken(&ret->host, parent, &ret->v);
	network_each(n, gather_network, &g);
}

void network_taken_done(struct network_taken *t)
{
	for (size_t i = 0; i < t->n_words; i++)
		free(t->words[i]);
	free(t->words);
	free(t->v);
	hostnet_done(&t->host);
}

static int resolve(struct networks *n, const struct network_request *req, const char *parent,
		   struct model_network *net, struct err *e)
{
	const struct subnet_request ask = { .subnets = &req->subnets,
					    .gateways = &req->gateways,
					    .ip_ranges = &req->ip_ranges,
					    .aux = &req->aux,
					    .ipv6 = req->ipv6,
					    .outside = parent != NULL };
	struct network_taken taken = { 0 };
	int r;

	network_taken_read(n, parent, true, &taken, e);
	r = subnet_resolve(&ask, n->d.config->local_pools, n->d.config->n_local_pools, n->ula.b,
			   taken.v, taken.n, &net->subnets, &net->n_subnets, e);
	network_taken_done(&taken);
	return r;
}

/* ---- devices ---- */

static void check_bridge(struct networks *n, const struct netopt *o, struct err *e)
{
	char name[IFNAMSIZ];
	bool own = false;

	if (!o->bridge[0])
		return;
	for (size_t i = 0; i < n->n_locals; i++) {
		network_bridge(n->locals[i], name);
		if (strcmp(name, o->bridge) == 0) {
			err_add(e, -EEXIST, "option bridge.name: %s is the bridge of network %s",
				name, n->locals[i]->name);
			return;
		}
	}
	if (hostnet_device(n->d.kernel, o->bridge, &own, NULL) == 0 && !own)
		err_add(e, -EEXIST,
			"option bridge.name: this host has an interface %s already, which is not ovl's",
			o->bridge);
}

/* One interface takes macvlan or ipvlan devices, not both; and with passthru one alone. */
static void check_parent(struct networks *n, const struct netopt *o, struct err *e)
{
	struct err one = { 0 };

	if (!o->parent[0])
		return; /* told already */
	if (hostnet_parent(n->d.kernel, o->parent, &one) < 0)
		err_add(e, one.code == -ENODEV ? -EINVAL : one.code, "option parent: %s", one.text);
	for (size_t i = 0; i < n->n_locals; i++) {
		const struct model_network *other = n->locals[i];
		struct netopt x;

		network_options(other, &x);
		if (strcmp(x.parent, o->parent) != 0)
			continue;
		if (x.driver != o->driver)
			err_add(e, -EBUSY,
				"option parent: %s is used by network %s with driver %s, and takes only one kind",
				o->parent, other->name, other->driver);
		else if (strcmp(x.mode, "passthru") == 0 || strcmp(o->mode, "passthru") == 0)
			err_add(e, -EBUSY,
				"option parent: %s is used by network %s, and mode passthru wants it alone",
				o->parent, other->name);
	}
}

/* ---- create ---- */

static uint32_t free_number(struct networks *n)
{
	uint32_t number = NETWORK_DEFAULT_NUMBER + 1;

	for (size_t i = 0; i < n->n_locals; i++) {
		if (n->locals[i]->number == number) {
			number++;
			i = (size_t)-1; /* from the start: the array is by name */
		}
	}
	return number;
}

static int finish(struct networks *n, struct model_network *net, const struct model_network **ret,
		  struct err *e)
{
	struct id id = net->id;
	int r;

	if (n->n_locals >= NETWORK_LOCALS_MAX) {
		model_network_free(net);
		return err_set(e, -ENOSPC,
			       "this node has %d networks of its own, and takes no more",
			       NETWORK_LOCALS_MAX);
	}
	r = network_local_keep(n, net, e);
	if (r < 0)
		return r;
	*ret = network_local_get(n, id);
	if (n->on_local)
		n->on_local(n->on_local_user, *ret, false);
	return 0;
}

void network_create_local(struct networks *n, const struct network_request *req,
			  enum netopt_driver d, network_done_fn done, void *user)
{
	const struct model_network *made = NULL;
	bool direct = d == NETOPT_MACVLAN || d == NETOPT_IPVLAN;
	struct model_network *net;
	struct err e = { 0 };
	struct netopt o;

	network_check_words(n, req, true, &e);
	netopt_parse(d, &req->options, req->ipv6, &o, &e);
	if (d == NETOPT_BRIDGE)
		check_bridge(n, &o, &e);
	if (direct)
		check_parent(n, &o, &e);
	net = network_base(req, d);
	net->mtu = o.mtu;
	net->number = free_number(n);
	(void)resolve(n, req, direct ? o.parent : NULL, net, &e);
	if (e.code < 0)
		model_network_free(net);
	else
		(void)finish(n, net, &made, &e);
	done(user, e.code, made, &e);
}

int network_make_own(struct networks *n, const struct network_request *req, enum netopt_driver d,
		     struct prefix subnet, uint32_t number, const struct model_network **ret,
		     struct err *e)
{
	struct model_network *net = network_base(req, d);
	struct network_request ask = *req;
	char text[PREFIX_TEXT_MAX];
	struct err one = { 0 };

	net->number = number;
	if (prefix_is_set(subnet))
		strv_add(&ask.subnets, prefix_format(subnet, text));
	if (d != NETOPT_HOST && d != NETOPT_NULL)
		(void)resolve(n, &ask, NULL, net, &one);
	strv_done(&ask.subnets);
	if (one.code == 0)
		return finish(n, net, ret, e);
	model_network_free(net);
	return err_set(e, one.code, "network %s: %s", req->name, one.text);
}
