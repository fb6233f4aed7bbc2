/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoints: what Docker says of them, handed on. */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "agent/docker/docker_priv.h"
#include "base/log.h"
#include "base/mem.h"

struct endpoint_op {
	struct docker *d;
	struct plugin_call *c;
	struct id id;
	bool mac; /* to be answered */
};

static void op_end(struct endpoint_op *o)
{
	struct docker *d = o->d;

	free(o);
	docker_unref(d);
}

static struct endpoint_op *op_new(struct docker *d, struct plugin_call *c, struct id id)
{
	struct endpoint_op *o = mem_alloc(sizeof(*o));

	*o = (struct endpoint_op){ .d = d, .c = c, .id = id };
	docker_ref(d);
	return o;
}

/* ---- CreateEndpoint ---- */

static void undone(void *user, int status, const struct local_endpoint *ep, const struct err *e)
{
	(void)status; /* what could not be given back is tried again by itself */
	(void)ep;
	(void)e;
	docker_unref(user);
}

static void created(void *user, int status, const struct local_endpoint *ep, const struct err *e)
{
	struct endpoint_op *o = user;
	struct docker *d = o->d;

	if (status < 0) {
		plugin_reply_err(o->c, e);
	} else if (plugin_call_late(o->c) && !d->closing) {
		/* Docker knows of none, and will not delete it. */
		docker_ref(d);
		endpoint_docker_delete(d->d.endpoints, o->id, undone, d);
		docker_ok(o->c);
	} else {
		plugin_reply(o->c, plugin_answer_endpoint(o->mac ? &ep->mac : NULL));
	}
	op_end(o);
}

static int check_addresses(const struct model_network *net, const struct plugin_endpoint *ep,
			   struct err *e)
{
	char text[IP_TEXT_MAX];

	if (ip_is_set(ep->ip4) && !model_network_subnet_of(net, ep->ip4))
		return err_set(e, -ERANGE, "%s is in no subnet of network %s",
			       ip_format(ep->ip4, text), net->name);
	if (ip_is_set(ep->ip6) && !model_network_subnet_of(net, ep->ip6))
		return err_set(e, -ERANGE, "%s is in no subnet of network %s",
			       ip_format(ep->ip6, text), net->name);
	return 0;
}

void docker_create_endpoint(void *user, const struct plugin_endpoint *ep, struct plugin_call *c)
{
	struct docker *d = user;
	struct mirror_network *net = docker_network_of(d, ep->network);
	struct endpoint_docker_request req = { .docker_network = ep->network,
					       .ip4 = ep->ip4,
					       .ip6 = ep->ip6,
					       .mac = ep->mac,
					       .expose = ep->expose,
					       .n_expose = ep->n_expose };
	struct endpoint_op *o;
	struct err e = { 0 };
	int r = docker_ready(d, &e);

	if (r == 0 && id_parse(ep->id, &req.id) < 0)
		r = err_set(&e, -EINVAL, "EndpointID: must be 64 hex digits");
	if (r == 0 && (!net || !net->rec))
		r = err_set(&e, -ENOENT,
			    "Docker's network %.*s is no network of the cluster (any more)",
			    ID_SHORT_LEN, ep->network);
	if (r == 0)
		r = check_addresses(net->rec, ep, &e);
	if (r < 0) {
		plugin_reply_err(c, &e);
		return;
	}
	req.network = net->id;
	docker_touch(d, net->id);
	o = op_new(d, c, req.id);
	o->mac = mac_is_zero(ep->mac);
	endpoint_docker_create(d->d.endpoints, &req, created, o);
}

/* ---- Join, Leave ---- */

void docker_join(void *user, const struct plugin_join *j, struct plugin_call *c)
{
	struct docker *d = user;
	char ifname[IFNAMSIZ];
	struct err e = { 0 };
	struct id id;
	int r = -ENOENT;

	if (id_parse(j->endpoint, &id) < 0)
		err_set(&e, r, "there is no endpoint \"%s\"", j->endpoint);
	else
		r = endpoint_docker_join(d->d.endpoints, id, j->sandbox, ifname, &e);
	if (r < 0)
		plugin_reply_err(c, &e);
	else
		plugin_reply(c, plugin_answer_join(ifname));
}

void docker_leave(void *user, const struct plugin_ref *r, struct plugin_call *c)
{
	struct docker *d = user;
	struct err e = { 0 };
	struct id id;

	if (id_parse(r->endpoint, &id) == 0 && endpoint_docker_leave(d->d.endpoints, id, &e) < 0)
		plugin_reply_err(c, &e);
	else
		docker_ok(c);
}

/* ---- DeleteEndpoint ---- */

static void deleted(void *user, int status, const struct local_endpoint *ep, const struct err *e)
{
	struct endpoint_op *o = user;

	(void)ep;
	if (status < 0)
		plugin_reply_err(o->c, e);
	else
		docker_ok(o->c);
	op_end(o);
}

void docker_delete_endpoint(void *user, const struct plugin_ref *r, struct plugin_call *c)
{
	struct docker *d = user;
	struct id id;

	if (id_parse(r->endpoint, &id) < 0) {
		docker_ok(c);
		return;
	}
	endpoint_docker_delete(d->d.endpoints, id, deleted, op_new(d, c, id));
}

/* ---- names ---- */

void docker_container(struct docker *d, const struct docker_container *c)
{
	for (size_t i = 0; i < c->n_networks; i++) {
		const struct docker_attachment *at = &c->networks[i];
		struct endpoint_docker_names n = { .container = c->id,
						   .name = c->name,
						   .hostname = c->hostname,
						   .aliases = at->aliases,
						   .links = at->links,
						   .dns = c->dns };

		if (!id_is_zero(at->endpoint))
			endpoint_docker_names(d->d.endpoints, at->endpoint, &n);
	}
}
