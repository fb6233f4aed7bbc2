/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/dns_whom.h"

#include <errno.h>
#include <string.h>

#include "agent/api/body_run.h"
#include "agent/api/view.h"
#include "agent/containers.h"
#include "agent/dns/dns.h"
#include "agent/target.h"
#include "base/mem.h"

/* ---- a container ---- */

struct by_name {
	const char *ref;
	const struct local_endpoint *named, *prefixed;
	size_t n_prefixed;
	bool several; /* namespaces have an endpoint of that name */
};

static void look_local(void *user, const struct local_endpoint *ep)
{
	struct by_name *b = user;

	if (ep->state == LOCAL_RELEASING)
		return;
	if (strcmp(ep->name, b->ref) == 0) {
		/* A container's endpoints often share a name: any of them will do. */
		b->several = b->several ||
			     (b->named && !target_match(&b->named->target, &ep->target));
		b->named = ep;
	}
	if (id_has_prefix(ep->id, b->ref)) {
		b->prefixed = ep;
		b->n_prefixed++;
	}
}

/* Return: 0; -EEXIST, -ENOENT. */
static int endpoint_place(const struct api_context *ctx, const char *ref, struct dns_place *ret,
			  struct err *e)
{
	struct by_name b = { .ref = ref };
	const struct local_endpoint *ep;

	endpoint_each(ctx->endpoints, look_local, &b);
	if (b.several || (!b.named && b.n_prefixed > 1))
		return err_set(
			e, -EEXIST,
			"container %s is ambiguous: several endpoints have that name or begin of id",
			ref);
	ep = b.named ? b.named : b.prefixed;
	if (!ep)
		return -ENOENT;
	*ret = (struct dns_place){ .dev = ep->target.netns_dev, .ino = ep->target.netns_ino };
	return 0;
}

struct far {
	const char *ref;
	const struct model_endpoint *rec;
};

static void look_far(void *user, const struct model_endpoint *rec,
		     const struct local_endpoint *local)
{
	struct far *f = user;

	if (!local && rec && strcmp(rec->name, f->ref) == 0)
		f->rec = rec;
}

/* @ref is no namespace, for the reason @r, @why: then an endpoint. */
static int by_endpoint(const struct api_context *ctx, const char *ref, int r, const struct err *why,
		       struct dns_place *ret, struct err *e)
{
	struct far f = { .ref = ref };
	char buf[ID_SHORT_MAX];
	int found = endpoint_place(ctx, ref, ret, e);

	if (found != -ENOENT)
		return found;
	view_each_endpoint(ctx, look_far, &f);
	if (f.rec && !id_eq(f.rec->node, node_id(ctx->node)))
		return err_set(e, -ENOENT, "container %s is on node %s: ask there", ref,
			       view_node_name(ctx, f.rec->node, buf));
	return err_set(e, r, "container: %s", err_text(why));
}

static int container_place(const struct api_context *ctx, const char *ref, struct dns_place *ret,
			   struct err *e)
{
	const char *name = strncmp(ref, "run:", 4) == 0 ? ref + 4 : ref;
	const struct container *c = ctx->containers ? containers_get(ctx->containers, name) : NULL;
	_cleanup_free_ char *run_name = NULL;
	struct local_target t = { 0 };
	struct err te = { 0 };
	int r;

	if (c && run_mode_of(c->mode, NULL) == RUN_HOST)
		return err_set(
			e, -EINVAL,
			"container %s is in the host's network namespace: names are none of ours there",
			name);
	if (c) {
		*ret = (struct dns_place){ .dev = c->target.netns_dev, .ino = c->target.netns_ino };
		return 0;
	}
	r = target_resolve(ref, ctx->containers ? containers_pid : NULL, ctx->containers, &t,
			   &run_name, &te);
	if (r < 0)
		return by_endpoint(ctx, ref, r, &te, ret, e);
	*ret = (struct dns_place){ .dev = t.netns_dev, .ino = t.netns_ino };
	target_done(&t);
	return 0;
}

/* dns_client_at() lends its client until something changes: what is shown later is copied. */
static int as_container(const struct api_context *ctx, const char *ref, struct dns_whom *w,
			struct err *e)
{
	const struct dns_client *c;
	struct dns_place place;
	int r = container_place(ctx, ref, &place, e);

	if (r < 0)
		return r;
	c = dns_client_at(dns_clients(ctx->dns), place);
	if (!c)
		return err_set(e, -ENOENT, "container %s is on no network of ours", ref);
	w->client = *c;
	w->client.networks = c->n_networks > 0 ?
				     mem_dup(c->networks, c->n_networks * sizeof(*c->networks)) :
				     NULL;
	w->client.links = (struct strv){ 0 };
	strv_copy(&w->client.links, &c->links);
	return 0;
}

/* ---- one that is on these networks ---- */

struct gather {
	struct dns_whom *w;
	struct id *
		here; /* networks of this node's endpoints, sorted; one may be there several times */
	size_t n_here;
	bool want_here;
};

static int by_id(const void *a, const void *b)
{
	return id_cmp(*(const struct id *)a, *(const struct id *)b);
}

static void note_here(void *user, const struct local_endpoint *ep)
{
	struct gather *g = user;

	if (ep->state == LOCAL_RELEASING)
		return;
	g->here = mem_grow(g->here, g->n_here + 1, sizeof(*g->here));
	g->here[g->n_here++] = ep->network;
}

/* The host's, none; and the way out: nobody meets there. */
static bool has_no_names(const struct model_network *net)
{
	static const char *const drivers[] = { "host", "null", "egress" };

	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
		if (strcmp(net->driver, drivers[i]) == 0)
			return true;
	}
	return false;
}

static void take_network(struct dns_whom *w, const struct model_network *net)
{
	struct dns_client *c = &w->client;

	if (c->n_networks == ZONE_NETWORKS_MAX) {
		w->left_out++;
		return;
	}
	c->networks[c->n_networks++] = net->id;
	c->forward = c->forward || !net->internal;
}

static void look_network(void *user, const struct model_network *net)
{
	struct gather *g = user;
	bool here = g->n_here > 0 &&
		    bsearch(&net->id, g->here, g->n_here, sizeof(*g->here), by_id) != NULL;

	if (!has_no_names(net) && here == g->want_here && (here || !model_network_is_local(net)))
		take_network(g->w, net);
}

/* Those with endpoints here come first: the number has a bound. */
static void as_all(const struct api_context *ctx, struct dns_whom *w)
{
	struct gather g = { .w = w, .want_here = true };

	endpoint_each(ctx->endpoints, note_here, &g);
	if (g.n_here > 0)
		qsort(g.here, g.n_here, sizeof(*g.here), by_id);
	network_each(ctx->networks, look_network, &g);
	g.want_here = false;
	network_each(ctx->networks, look_network, &g);
	free(g.here);
}

static int as_network(const struct api_context *ctx, const char *ref, struct dns_whom *w,
		      struct err *e)
{
	const struct model_network *net = NULL;
	int r = network_find(ctx->networks, ref, &net, e);

	if (r < 0)
		return r;
	if (has_no_names(net))
		return err_set(e, -EINVAL, "network %s has no names", net->name);
	take_network(w, net);
	return 0;
}

int dns_whom(const struct api_context *ctx, const char *network, const char *container,
	     struct dns_whom *ret, struct err *e)
{
	if (network && container)
		return err_set(e, -EINVAL,
			       "network and container: a container is told of all its networks");
	if (container)
		return as_container(ctx, container, ret, e);
	ret->client.networks = mem_alloc_array(ZONE_NETWORKS_MAX, sizeof(struct id));
	if (network)
		return as_network(ctx, network, ret, e);
	as_all(ctx, ret);
	return 0;
}

void dns_whom_done(struct dns_whom *w)
{
	free(w->client.networks);
	strv_done(&w->client.links);
}
