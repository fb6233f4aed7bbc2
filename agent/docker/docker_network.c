/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks that Docker makes, and those of the cluster that it joins: each is bound to what this node's Docker calls it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/docker/docker_priv.h"
#include "base/log.h"
#include "base/mem.h"

/* ---- which one is meant ---- */

/* FNV-1a, four times from other beginnings: nobody chooses these, they need only differ. */
struct id docker_network_id(const char *docker)
{
	struct id id;

	if (id_parse(docker, &id) == 0)
		return id;
	for (unsigned part = 0; part < ID_BYTES / 8; part++) {
		uint64_t h = 0xcbf29ce484222325 ^ part;

		for (const char *p = docker; *p; p++)
			h = (h ^ (unsigned char)*p) * 0x100000001b3;
		memcpy(id.b + 8 * (size_t)part, &h, sizeof(h));
	}
	return id;
}

struct mirror_network *docker_network_of(struct docker *d, const char *docker)
{
	struct mirror_network *own = mirror_network(d->d.mirror, docker_network_id(docker));
	struct mirror_network *net, *next;
	struct mirror_binding *b;

	HASH_ITER(hh, mirror_networks(d->d.mirror), net, next) {
		b = mirror_binding(d->d.mirror, net->id, docker_self(d));
		if (b && strcmp(b->rec->docker, docker) == 0)
			return net;
		if (b && net == own)
			own = NULL;
	}
	return own && own->rec ? own : NULL;
}

const struct model_network *docker_network_with(struct docker *d, struct prefix subnet)
{
	struct mirror_network *net, *next;

	HASH_ITER(hh, mirror_networks(d->d.mirror), net, next) {
		for (size_t i = 0; net->rec && i < net->rec->n_subnets; i++) {
			if (prefix_eq(net->rec->subnets[i].subnet, subnet))
				return net->rec;
		}
	}
	return NULL;
}

int docker_network_named(struct docker *d, const char *ref, const struct model_network **ret,
			 struct err *e)
{
	struct mirror_network *mn = mirror_network_by_name(d->d.mirror, ref);
	const struct model_network *net = mn ? mn->rec : NULL;
	struct id id;
	int r = 0;

	if (id_parse(ref, &id) == 0) {
		mn = mirror_network(d->d.mirror, id);
		net = mn ? mn->rec : NULL;
	}
	if (!net)
		r = network_find(d->d.networks, ref, &net, e);
	if (r < 0)
		return r;
	if (model_network_is_local(net))
		return err_set(e, -EINVAL, "network %s is this node's own, not the cluster's",
			       net->name);
	if (net->state == MODEL_NETWORK_PENDING)
		return err_set(
			e, -EAGAIN,
			"network %s is not ready: the node that made it has not told its name yet",
			net->name);
	*ret = net;
	return 0;
}

/* ---- bindings ---- */

struct bind_op {
	struct docker *d;
	struct model_binding b;
	claim_done_fn done;
	void *user;
};

static void bound(void *user, int status, int64_t revision, const struct err *e)
{
	struct bind_op *o = user;
	struct docker *d = o->d;

	if (status == 0) {
		_cleanup_free_ char *key =
			model_key_binding(d->d.config->etcd_prefix, o->b.network, o->b.node);
		_cleanup_free_ char *value = model_binding_encode(&o->b);

		mirror_apply_own(d->d.mirror, key, value, revision);
		docker_left_forget(d, o->b.network);
	}
	o->done(o->user, status, revision, e);
	free(o->b.docker);
	free(o);
	docker_unref(d);
}

void docker_bind(struct docker *d, struct id network, const char *docker, claim_done_fn done,
		 void *user)
{
	struct mirror_binding *old = mirror_binding(d->d.mirror, network, docker_self(d));
	struct bind_op *o = mem_alloc(sizeof(*o));

	*o = (struct bind_op){ .d = d,
			       .b = { .network = network,
				      .node = docker_self(d),
				      .docker = mem_strdup(docker),
				      .mod_revision = old ? old->rec->mod_revision : 0 },
			       .done = done,
			       .user = user };
	docker_ref(d);
	claim_binding_put(d->d.claim, &o->b, bound, o);
}

unsigned docker_unbind(struct docker *d, claim_done_fn done, void *user)
{
	struct mirror_network *net, *next;
	unsigned n = 0;

	if (!d || !d->d.claim || !mirror_link_up(d->d.mirror))
		return 0;
	HASH_ITER(hh, mirror_networks(d->d.mirror), net, next) {
		struct model_binding b = { .network = net->id, .node = docker_self(d) };

		if (!mirror_binding(d->d.mirror, b.network, b.node))
			continue;
		n++;
		claim_binding_del(d->d.claim, &b, done, user);
	}
	return n;
}

/* ---- CreateNetwork ---- */

struct making {
	struct docker *d;
	struct plugin_call *c;
	char *docker;
	struct id network;
	struct prefix pools[2 * PLUGIN_POOLS_MAX];
	size_t n_pools;
};

static void making_free(struct making *m)
{
	struct docker *d = m->d;

	free(m->docker);
	free(m);
	docker_unref(d);
}

/* What is certainly not done needs no undoing. */
static bool is_clean(int status)
{
	return status != -ETIMEDOUT && status != -ECANCELED;
}

static void finished(void *user, int status, int64_t revision, const struct err *e)
{
	struct making *m = user;
	char text[ID_SHORT_MAX];

	(void)revision;
	if (status < 0) {
		docker_unmade(m->d, m->docker, false);
		plugin_reply_err(m->c, e);
	} else if (plugin_call_late(m->c)) {
		docker_unmade(m->d, m->docker, false);
		docker_ok(m->c);
	} else {
		docker_made(m->d, m->docker);
		log_info("network bound to Docker's", "network=%s docker=%.*s",
			 id_short(m->network, text), ID_SHORT_LEN, m->docker);
		docker_ok(m->c);
	}
	making_free(m);
}

static void created(void *user, int status, const struct model_network *net, const struct err *e)
{
	struct making *m = user;
	struct docker *d = m->d;

	if (status < 0) {
		docker_unmade(d, m->docker, is_clean(status));
		plugin_reply_err(m->c, e);
		making_free(m);
		return;
	}
	for (size_t i = 0; i < m->n_pools; i++) {
		struct docker_pool *p = docker_pool_find(d, m->pools[i]);

		if (p)
			docker_pool_forget(d, p);
	}
	m->network = net->id;
	if (plugin_call_late(m->c) || d->closing) {
		docker_unmade(d, m->docker, false);
		docker_ok(m->c);
		making_free(m);
		return;
	}
	docker_bind(d, net->id, m->docker, finished, m);
}

/* Return: the call is being made; NULL: refused. */
static struct making *begin(struct docker *d, const char *docker, struct plugin_call *c)
{
	struct making *m;
	struct err e = { 0 };

	if (docker_making(d, docker, &e) < 0) {
		plugin_reply_err(c, &e);
		return NULL;
	}
	m = mem_alloc(sizeof(*m));
	*m = (struct making){ .d = d, .c = c, .docker = mem_strdup(docker) };
	docker_ref(d);
	return m;
}

/* "ovl.vni" is "vni": Docker's own options have a prefix as well. */
static void take_options(const struct kv_pairs *from, struct kv_pairs *ret)
{
	for (size_t i = 0; i < from->n; i++) {
		const char *key = from->v[i].key;

		if (strncmp(key, "ovl.", 4) == 0)
			key += 4;
		kv_pairs_set(ret, key, from->v[i].value);
	}
}

static void add_data(const struct plugin_ipam_data *v, size_t n, struct network_request *req)
{
	char text[PREFIX_TEXT_MAX], ip[IP_TEXT_MAX];

	for (size_t i = 0; i < n; i++) {
		strv_add(&req->subnets, prefix_format(v[i].pool, text));
		if (ip_is_set(v[i].gateway))
			strv_add(&req->gateways, ip_format(v[i].gateway, ip));
		for (size_t k = 0; k < v[i].n_aux; k++)
			kv_pairs_set(&req->aux, v[i].aux[k].name, ip_format(v[i].aux[k].ip, ip));
	}
}

/* The pools of @v; their ranges and ids go into @req. */
static int take_pools(struct docker *d, const struct plugin_ipam_data *v, size_t n,
		      struct making *m, struct id *ids, struct network_request *req, struct err *e)
{
	char text[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < n; i++) {
		struct docker_pool *p = docker_pool_find(d, v[i].pool);

		if (!p)
			return err_set(
				e, -ENOENT,
				"the subnet %s is held for this network no more (%d s are over, or ovld has just started): try again",
				prefix_format(v[i].pool, text), DOCKER_POOL_TTL_S);
		if (prefix_is_set(p->range))
			strv_add(&req->ip_ranges, prefix_format(p->range, text));
		ids[req->n_pools++] = p->id;
		m->pools[m->n_pools++] = v[i].pool;
	}
	return 0;
}

static void make_own(struct docker *d, const struct plugin_network *n, struct plugin_call *c)
{
	struct id id = docker_network_id(n->id), ids[2 * PLUGIN_POOLS_MAX];
	char hex[ID_SHORT_MAX], name[32];
	struct network_request req = { .name = name,
				       .driver = "overlay",
				       .ipv6 = n->ipv6,
				       .internal = n->internal,
				       .id = &id,
				       .pools = ids,
				       /* Without the API nobody will ever tell its name. */
				       .pending = d->d.config->docker_api != NULL };
	struct making *m = begin(d, n->id, c);
	struct err e = { 0 };
	int r;

	if (!m)
		return;
	snprintf(name, sizeof(name), "docker-%s", id_short(id, hex));
	take_options(&n->options, &req.options);
	kv_pairs_set(&req.labels, DOCKER_LABEL_ORIGIN, DOCKER_ORIGIN);
	add_data(n->v4, n->n_v4, &req);
	add_data(n->v6, n->n_v6, &req);
	r = take_pools(d, n->v4, n->n_v4, m, ids, &req, &e);
	if (r == 0)
		r = take_pools(d, n->v6, n->n_v6, m, ids, &req, &e);
	if (r == 0)
		network_create(d->d.networks, &req, created, m);
	else
		created(m, r, NULL, &e);
	strv_done(&req.subnets);
	strv_done(&req.gateways);
	strv_done(&req.ip_ranges);
	kv_pairs_done(&req.aux);
	kv_pairs_done(&req.options);
	kv_pairs_done(&req.labels);
}

/* ---- ... of one that is there ---- */

static int same_subnets(const struct model_network *net, const struct plugin_ipam_data *v, size_t n,
			int family, struct err *e)
{
	char text[PREFIX_TEXT_MAX], ip[IP_TEXT_MAX];
	size_t i, have = 0;

	for (i = 0; i < net->n_subnets; i++)
		have += net->subnets[i].subnet.ip.family == family;
	for (i = 0; i < n; i++) {
		const struct model_subnet *s = NULL;

		for (size_t k = 0; k < net->n_subnets && !s; k++) {
			if (prefix_eq(net->subnets[k].subnet, v[i].pool))
				s = &net->subnets[k];
		}
		if (!s)
			return err_set(
				e, -EINVAL,
				"%s is no subnet of network %s: both --ipam-opt and -o ovl.network are needed, and the same",
				prefix_format(v[i].pool, text), net->name);
		if (ip_is_set(v[i].gateway) && !ip_eq(v[i].gateway, s->gateway))
			return err_set(e, -EINVAL, "the gateway of network %s is %s", net->name,
				       ip_format(s->gateway, ip));
	}
	if (have > 0 && n == 0)
		return err_set(e, -EINVAL, "network %s has IPv%c%s", net->name,
			       family == AF_INET ? '4' : '6',
			       family == AF_INET ? "" : ": --ipv6 is needed");
	return 0;
}

static void join(struct docker *d, const struct plugin_network *n, const char *ref,
		 struct plugin_call *c)
{
	const struct model_network *net;
	struct mirror_binding *b;
	struct err e = { 0 };
	struct making *m;
	int r = docker_network_named(d, ref, &net, &e);

	if (r == 0 && (b = mirror_binding(d->d.mirror, net->id, docker_self(d))) &&
	    strcmp(b->rec->docker, n->id) != 0)
		r = err_set(&e, -EEXIST, "network %s is in this Docker already, with the id %.*s",
			    net->name, ID_SHORT_LEN, b->rec->docker);
	if (r == 0)
		r = same_subnets(net, n->v4, n->n_v4, AF_INET, &e);
	if (r == 0)
		r = same_subnets(net, n->v6, n->n_v6, AF_INET6, &e);
	if (r == 0 && n->internal != net->internal)
		r = err_set(&e, -EINVAL, "network %s is %sinternal: %s --internal", net->name,
			    net->internal ? "" : "not ", net->internal ? "add" : "leave out");
	if (r < 0) {
		plugin_reply_err(c, &e);
		return;
	}
	m = begin(d, n->id, c);
	if (m) {
		m->network = net->id;
		docker_bind(d, net->id, n->id, finished, m);
	}
}

/* Docker's own IPAM gives out the same addresses on every node. */
static bool foreign_space(const struct plugin_ipam_data *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!v[i].space || (strcmp(v[i].space, PLUGIN_SPACE_LOCAL) != 0 &&
				    strcmp(v[i].space, PLUGIN_SPACE_GLOBAL) != 0))
			return true;
	}
	return false;
}

void docker_create_network(void *user, const struct plugin_network *n, struct plugin_call *c)
{
	struct docker *d = user;
	const char *ref = kv_pairs_get(&n->options, DOCKER_OPTION_NETWORK);
	struct mirror_network *known;
	struct err e = { 0 };

	if (n->n_v4 == 0 || foreign_space(n->v4, n->n_v4) || foreign_space(n->v6, n->n_v6))
		docker_refuse(c, -EINVAL,
			      "addresses of driver ovl are the cluster's: use --ipam-driver ovl");
	else if (docker_ready(d, &e) < 0)
		plugin_reply_err(c, &e);
	else if (ref)
		join(d, n, ref, c);
	else if ((known = docker_network_of(d, n->id)) &&
		 mirror_binding(d->d.mirror, known->id, docker_self(d)))
		docker_ok(c);
	else
		make_own(d, n, c);
}

/* ---- names ---- */

struct name_op {
	struct docker *d;
	struct id network;
	char *name;
	network_done_fn done;
	void *user;
};

static void tell_refused(struct docker *d, struct id network, const char *name, const struct err *e)
{
	struct kv_pairs attrs = { 0 };
	char id[ID_TEXT_MAX];

	if (strv_has(&d->refused, id_format(network, id)))
		return;
	strv_add(&d->refused, id);
	log_warn(
		"a network of Docker's cannot have its name in the cluster: it stays this node's alone, and works here",
		"name=%s id=%.*s err=%s", name, ID_SHORT_LEN, id, LOG_Q(err_text(e)));
	kv_pairs_set(&attrs, "name", name);
	kv_pairs_set(&attrs, "reason", err_text(e));
	events_publish(d->d.events, "network", "conflict", id, &attrs);
	kv_pairs_done(&attrs);
}

static void named(void *user, int status, const struct model_network *net, const struct err *e)
{
	struct name_op *o = user;
	struct docker *d = o->d;

	if (status == -EEXIST || status == -EINVAL)
		tell_refused(d, o->network, o->name, e);
	else if (status == 0)
		log_info("network has its name", "name=%s", net->name);
	o->done(o->user, status, net, e);
	free(o->name);
	free(o);
	docker_unref(d);
}

void docker_name(struct docker *d, struct id network, const char *name, network_done_fn done,
		 void *user)
{
	struct name_op *o = mem_alloc(sizeof(*o));

	*o = (struct name_op){
		.d = d, .network = network, .name = mem_strdup(name), .done = done, .user = user
	};
	docker_ref(d);
	network_rename(d->d.networks, network, name, named, o);
}
