/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pools, as Docker asks for them. A pool's id is "<space>/<subnet>": subnets are unique in the cluster. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/docker/docker_priv.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

/* ---- RequestPool ---- */

struct pool_op {
	struct docker *d;
	struct plugin_call *c;
	char *space;
	struct prefix pool, range;
	int family;
	int64_t lease;
	struct id id;
};

static void pool_op_end(struct pool_op *o)
{
	struct docker *d = o->d;

	free(o->space);
	free(o);
	docker_unref(d);
}

static void answer_pool(struct plugin_call *c, const char *space, struct prefix subnet)
{
	char text[PREFIX_TEXT_MAX];
	_cleanup_free_ char *id = mem_printf("%s/%s", space ? space : PLUGIN_SPACE_LOCAL,
					     prefix_format(subnet, text));

	plugin_reply(c, plugin_answer_pool(id, subnet));
}

static void held(void *user, int status, const struct model_pool *pool, const struct err *e)
{
	struct pool_op *o = user;
	struct docker *d = o->d;

	if (status < 0) {
		docker_lease_revoke(d, o->lease);
		plugin_reply_err(o->c, e);
	} else if (plugin_call_late(o->c) || d->closing) {
		/* The pool goes with its lease. */
		docker_lease_revoke(d, o->lease);
		docker_ok(o->c);
	} else {
		docker_pool_add(d, pool, o->lease);
		answer_pool(o->c, o->space, pool->subnet);
	}
	pool_op_end(o);
}

static void granted(void *user, int status, const struct kv_result *res)
{
	struct pool_op *o = user;
	struct network_pool_request req = { .pool = o->pool,
					    .range = o->range,
					    .family = o->family };

	if (status < 0 || o->d->closing) {
		docker_refuse(o->c, status < 0 ? status : -ECANCELED,
			      "etcd grants no lease for the subnet: %s", err_text(res->err));
		pool_op_end(o);
		return;
	}
	o->lease = req.lease = res->lease_id;
	req.node = docker_self(o->d);
	network_pool_create(o->d->d.networks, &req, held, o);
}

/* Two networks in Docker with one subnet are one network of the cluster, or a mistake: which one, only the user knows. */
static bool refuse_taken(struct docker *d, struct prefix pool, struct plugin_call *c)
{
	const struct model_network *net = prefix_is_set(pool) ? docker_network_with(d, pool) : NULL;
	char text[PREFIX_TEXT_MAX];

	if (net)
		docker_refuse(
			c, -EEXIST,
			"%s is the subnet of network %s in the cluster; to have that network here: --ipam-opt ovl.network=%s -o ovl.network=%s",
			prefix_format(pool, text), net->name, net->name, net->name);
	return net != NULL;
}

static void join_pool(struct docker *d, const struct plugin_pool *p, const char *ref,
		      struct plugin_call *c)
{
	int family = p->v6 ? AF_INET6 : AF_INET;
	const struct model_network *net;
	char text[PREFIX_TEXT_MAX];
	struct err e = { 0 };

	if (docker_network_named(d, ref, &net, &e) < 0) {
		plugin_reply_err(c, &e);
		return;
	}
	for (size_t i = 0; i < net->n_subnets; i++) {
		struct prefix s = net->subnets[i].subnet;

		if (s.ip.family == family && (!prefix_is_set(p->pool) || prefix_eq(p->pool, s))) {
			answer_pool(c, p->space, s);
			return;
		}
	}
	if (prefix_is_set(p->pool))
		docker_refuse(c, -EINVAL, "%s is no subnet of network %s",
			      prefix_format(p->pool, text), net->name);
	else
		docker_refuse(c, -EINVAL, "network %s has no IPv%c", net->name, p->v6 ? '6' : '4');
}

void docker_request_pool(void *user, const struct plugin_pool *p, struct plugin_call *c)
{
	struct docker *d = user;
	const char *ref = kv_pairs_get(&p->options, DOCKER_OPTION_NETWORK);
	struct pool_op *o;
	struct err e = { 0 };

	if (docker_ready(d, &e) < 0) {
		plugin_reply_err(c, &e);
		return;
	}
	if (ref) {
		join_pool(d, p, ref, c);
		return;
	}
	if (refuse_taken(d, p->pool, c))
		return;
	o = mem_alloc(sizeof(*o));
	*o = (struct pool_op){ .d = d,
			       .c = c,
			       .space = mem_strdup(p->space),
			       .pool = p->pool,
			       .range = p->range,
			       .family = p->v6 ? AF_INET6 : AF_INET };
	docker_ref(d);
	kv_lease_grant(d->d.kv, DOCKER_POOL_TTL_S, granted, o);
}

/* ---- ReleasePool ---- */

int docker_pool_of(const char *id, struct prefix *ret)
{
	const char *slash = id ? strchr(id, '/') : NULL;

	return slash ? prefix_parse(slash + 1, ret, NULL) : -EINVAL;
}

static void released(void *user, int status, int64_t revision, const struct err *e)
{
	struct pool_op *o = user;

	(void)revision;
	docker_lease_revoke(o->d, o->lease);
	if (status < 0)
		plugin_reply_err(o->c, e);
	else
		docker_ok(o->c);
	pool_op_end(o);
}

/* That of a network is the network's, and goes with it. */
void docker_release_pool(void *user, const struct plugin_ref *r, struct plugin_call *c)
{
	struct docker *d = user;
	struct docker_pool *p;
	struct prefix subnet;
	struct pool_op *o;

	if (docker_pool_of(r->pool_id, &subnet) < 0 || !(p = docker_pool_find(d, subnet))) {
		docker_ok(c);
		return;
	}
	o = mem_alloc(sizeof(*o));
	*o = (struct pool_op){ .d = d, .c = c, .lease = p->lease, .id = p->id };
	p->lease = 0;
	docker_pool_forget(d, p);
	docker_ref(d);
	claim_pool_delete(d->d.claim, o->id, released, o);
}
