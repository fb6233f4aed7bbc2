/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/network_priv.h"
#include "base/clock.h"
#include "base/mem.h"

struct networks *networks_new(const struct networks_deps *d)
{
	struct networks *n = mem_alloc(sizeof(*n));

	n->d = *d;
	return n;
}

void networks_free(struct networks *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->n_locals; i++)
		model_network_free(n->locals[i]);
	free(n->locals);
	free(n);
}

void networks_on_local(struct networks *n,
		       void (*fn)(void *user, const struct model_network *net, bool removed),
		       void *user)
{
	n->on_local = fn;
	n->on_local_user = user;
}

/* ---- look up ---- */

const struct model_network *network_get(struct networks *n, struct id id)
{
	const struct model_network *own = network_local_get(n, id);
	const struct mirror_network *net = own ? NULL : mirror_network(n->d.mirror, id);

	return own ? own : net ? net->rec : NULL;
}

uint32_t network_key(const struct model_network *net)
{
	if (!model_network_is_local(net))
		return net->vni;
	if (strcmp(net->driver, "egress") == 0)
		return STATE_KEY_EGRESS;
	return net->number ? STATE_KEY_LOCAL + net->number : 0;
}

const struct model_network *network_by_key(struct networks *n, uint32_t key)
{
	struct mirror_network *net, *tmp;

	if (key == 0)
		return NULL;
	for (size_t i = 0; i < n->n_locals; i++) {
		if (network_key(n->locals[i]) == key)
			return n->locals[i];
	}
	HASH_ITER(hh, mirror_networks(n->d.mirror), net, tmp) {
		if (net->rec && net->rec->vni == key)
			return net->rec;
	}
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	const struct model_network *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

void network_each(struct networks *n, void (*fn)(void *user, const struct model_network *net),
		  void *user)
{
	struct mirror_network *nets = mirror_networks(n->d.mirror), *net, *tmp;
	_cleanup_free_ const struct model_network **v =
		mem_alloc_array(HASH_COUNT(nets) + 1, sizeof(*v));
	size_t count = 0;

	for (size_t i = 0; i < n->n_locals; i++)
		fn(user, n->locals[i]);
	HASH_ITER(hh, nets, net, tmp) {
		if (net->rec)
			v[count++] = net->rec;
	}
	qsort(v, count, sizeof(*v), by_name);
	for (size_t i = 0; i < count; i++)
		fn(user, v[i]);
}

struct prefixed {
	const char *hex;
	const struct model_network *found;
	unsigned n;
};

static void look_prefix(void *user, const struct model_network *net)
{
	struct prefixed *p = user;

	if (!id_has_prefix(net->id, p->hex))
		return;
	p->found = net;
	p->n++;
}

int network_find(struct networks *n, const char *ref, const struct model_network **ret,
		 struct err *e)
{
	struct prefixed p = { .hex = ref };
	const struct model_network *net = NULL;
	struct mirror_network *mn;
	struct id id;

	if (id_parse(ref, &id) == 0)
		net = network_get(n, id);
	if (!net)
		net = network_local_by_name(n, ref);
	if (!net) {
		mn = mirror_network_by_name(n->d.mirror, ref);
		net = mn ? mn->rec : NULL;
	}
	if (!net) {
		network_each(n, look_prefix, &p);
		if (p.n > 1)
			return err_set(e, -EEXIST,
				       "network %s is ambiguous: several ids begin with it", ref);
		net = p.found;
	}
	if (!net)
		return err_set(e, -ENOENT, "network %s not found", ref);
	*ret = net;
	return 0;
}

/* ---- about one ---- */

void network_options(const struct model_network *net, struct netopt *ret)
{
	struct err e = { 0 };

	/* Checked when the record was made; from another node's newer version what is not known here stays at its default. */
	(void)netopt_parse(netopt_driver_of(net->driver), &net->options, net->ipv6, ret, &e);
}

void network_bridge(const struct model_network *net, char ret[IFNAMSIZ])
{
	struct netopt o;

	network_options(net, &o);
	ret[0] = '\0';
	if (o.driver == NETOPT_BRIDGE)
		netopt_bridge(&o, net->id, ret);
}

bool network_is_predefined(const struct model_network *net)
{
	return model_network_is_local(net) && network_name_is_reserved(net->name) &&
	       strcmp(net->driver, "egress") != 0;
}

static bool overlap(const struct model_network *a, const struct model_network *b)
{
	for (size_t i = 0; i < a->n_subnets; i++) {
		for (size_t j = 0; j < b->n_subnets; j++) {
			if (prefix_overlaps(a->subnets[i].subnet, b->subnets[j].subnet))
				return true;
		}
	}
	return false;
}

struct conflict {
	const struct model_network *net, *found;
};

static void look_conflict(void *user, const struct model_network *other)
{
	struct conflict *c = user;

	if (!c->found && model_network_is_local(other) != model_network_is_local(c->net) &&
	    overlap(c->net, other))
		c->found = other;
}

const struct model_network *network_conflict(struct networks *n, const struct model_network *net)
{
	struct conflict c = { .net = net };

	network_each(n, look_conflict, &c);
	return c.found;
}

/* ---- create, remove ---- */

bool network_name_is_reserved(const char *name)
{
	static const char *const reserved[] = { "bridge", "host", "none", "egress" };

	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		if (strcmp(name, reserved[i]) == 0)
			return true;
	}
	return false;
}

void network_check_words(struct networks *n, const struct network_request *req, bool cluster,
			 struct err *e)
{
	const struct model_network *other;
	struct mirror_network *mn;
	char text[ID_SHORT_MAX];
	struct err one = { 0 };

	if (model_name_check("network name", req->name, &one) < 0)
		err_add(e, one.code, "%s", one.text);
	if (network_name_is_reserved(req->name))
		err_add(e, -EINVAL, "network name: \"%s\" is reserved", req->name);
	if (req->options.n > MODEL_OPTIONS_MAX)
		err_add(e, -EINVAL, "options: more than %d", MODEL_OPTIONS_MAX);
	if (req->labels.n > MODEL_OPTIONS_MAX)
		err_add(e, -EINVAL, "labels: more than %d", MODEL_OPTIONS_MAX);
	if (one.code < 0)
		return;
	other = network_local_by_name(n, req->name);
	mn = other || !cluster ? NULL : mirror_network_by_name(n->d.mirror, req->name);
	if (mn)
		other = mn->rec;
	if (other && !network_name_is_reserved(req->name))
		err_add(e, -EEXIST, "a network named %s exists already%s (id %s, created %s)",
			req->name, model_network_is_local(other) ? " on this node" : "",
			id_short(other->id, text), other->created ? other->created : "?");
}

struct model_network *network_base(const struct network_request *req, enum netopt_driver d)
{
	struct model_network *net = mem_alloc(sizeof(*net));
	char now[CLOCK_TEXT_MAX];

	net->id = req->id ? *req->id : id_random();
	net->name = mem_strdup(req->name);
	net->driver = mem_strdup(netopt_driver_name(d));
	net->state = req->pending ? MODEL_NETWORK_PENDING : MODEL_NETWORK_READY;
	net->internal = req->internal;
	net->ipv6 = req->ipv6;
	net->flood = true;
	net->created = mem_strdup(clock_wall_text(now));
	kv_pairs_copy(&net->options, &req->options);
	kv_pairs_copy(&net->labels, &req->labels);
	return net;
}

void network_create(struct networks *n, const struct network_request *req, network_done_fn done,
		    void *user)
{
	enum netopt_driver d = n->d.claim ? NETOPT_OVERLAY : NETOPT_BRIDGE;
	struct err e = { 0 };

	if (req->driver && *req->driver && netopt_driver_parse(req->driver, &d, &e) < 0) {
		network_check_words(n, req, true, &e);
		done(user, e.code, NULL, &e);
	} else if (d == NETOPT_OVERLAY) {
		network_create_cluster(n, req, done, user);
	} else {
		network_create_local(n, req, d, done, user);
	}
}

void network_remove(struct networks *n, struct id id, network_done_fn done, void *user)
{
	if (network_local_get(n, id))
		network_remove_local(n, id, done, user);
	else
		network_remove_cluster(n, id, done, user);
}
