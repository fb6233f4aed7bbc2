/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a container would be told of a name, and why. */
#include <errno.h>
#include <string.h>

#include "agent/api/body_run.h"
#include "agent/api/call.h"
#include "agent/api/routes.h"
#include "agent/api/view.h"
#include "agent/containers.h"
#include "agent/dns/dns.h"
#include "agent/target.h"
#include "base/json.h"
#include "base/mem.h"

struct query_op {
	const struct api_context *ctx;
	struct api_call *call;
	char *name;
	uint16_t type;
	struct dns_client
		client; /* as whom: a copy of those parts that are shown, or one made for the question */
	size_t left_out; /* networks above ZONE_NETWORKS_MAX */
};

static void op_free(struct query_op *op)
{
	free(op->client.networks);
	strv_done(&op->client.links);
	free(op->name);
	free(op);
}

static void put_id(cJSON *j, const char *key, struct id id)
{
	char text[ID_TEXT_MAX];

	json_put_str(j, key, id_format(id, text));
}

/* ---- as whom: a container ---- */

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
static int as_container(struct query_op *op, const char *ref, struct err *e)
{
	const struct dns_client *c;
	struct dns_place place;
	int r = container_place(op->ctx, ref, &place, e);

	if (r < 0)
		return r;
	c = dns_client_at(dns_clients(op->ctx->dns), place);
	if (!c)
		return err_set(e, -ENOENT, "container %s is on no network of ours", ref);
	op->client = *c;
	op->client.networks = c->n_networks > 0 ?
				      mem_dup(c->networks, c->n_networks * sizeof(*c->networks)) :
				      NULL;
	op->client.links = (struct strv){ 0 };
	strv_copy(&op->client.links, &c->links);
	return 0;
}

/* ---- as whom: one that is on these networks ---- */

struct gather {
	struct query_op *op;
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

	if (ep->state != LOCAL_RELEASING)
		g->here[g->n_here++] = ep->network;
}

static void take_network(struct query_op *op, const struct model_network *net)
{
	struct dns_client *c = &op->client;

	if (c->n_networks == ZONE_NETWORKS_MAX) {
		op->left_out++;
		return;
	}
	c->networks[c->n_networks++] = net->id;
	c->forward = c->forward || !net->internal;
}

static void look_network(void *user, const struct model_network *net)
{
	struct gather *g = user;
	bool here = bsearch(&net->id, g->here, g->n_here, sizeof(*g->here), by_id) != NULL;

	if (here == g->want_here && (here || !model_network_is_local(net)))
		take_network(g->op, net);
}

/* Those with endpoints here come first: the number has a bound. */
static void as_all(struct query_op *op)
{
	struct endpoints *es = op->ctx->endpoints;
	struct gather g = { .op = op, .want_here = true };

	g.here = mem_alloc_array(endpoint_count(es) + 1, sizeof(*g.here));
	endpoint_each(es, note_here, &g);
	qsort(g.here, g.n_here, sizeof(*g.here), by_id);
	network_each(op->ctx->networks, look_network, &g);
	g.want_here = false;
	network_each(op->ctx->networks, look_network, &g);
	free(g.here);
}

static int as_network(struct query_op *op, const char *ref, struct err *e)
{
	const struct model_network *net = NULL;
	int r = network_find(op->ctx->networks, ref, &net, e);

	if (r < 0)
		return r;
	if (strcmp(net->driver, "host") == 0 || strcmp(net->driver, "null") == 0)
		return err_set(e, -EINVAL, "network %s has no names", net->name);
	take_network(op, net);
	return 0;
}

static int as_whom(struct query_op *op, struct err *e)
{
	const char *network = api_call_query(op->call, "network");
	const char *container = api_call_query(op->call, "container");

	if (network && container)
		return err_set(e, -EINVAL,
			       "network and container: a container is told of all its networks");
	if (container)
		return as_container(op, container, e);
	op->client.networks = mem_alloc_array(ZONE_NETWORKS_MAX, sizeof(*op->client.networks));
	if (network)
		return as_network(op, network, e);
	as_all(op);
	return 0;
}

/* ---- the answer ---- */

static void put_answer(void *user, const struct dns_shown *r)
{
	cJSON *o = cJSON_CreateObject();

	json_put_str(o, "Name", r->name);
	json_put_str(o, "Type", r->type);
	json_put_u64(o, "TTL", r->ttl);
	json_put_str(o, "Data", r->data);
	cJSON_AddItemToArray(user, o);
}

static void put_packet(cJSON *j, const struct dns_told *t)
{
	char text[DNS_TYPE_TEXT_MAX];
	cJSON *list;

	json_put_str(j, "Rcode", dns_rcode_text(t->pkt[3] & 0x0f, text));
	if (t->pkt[2] & 0x02)
		json_put_bool(j, "Truncated", true);
	list = cJSON_AddArrayToObject(j, "Answers");
	if (dns_show(t->pkt, t->len, put_answer, list) < 0)
		json_put_str(j, "Error", "the answer cannot be read to its end");
}

static void put_endpoint(cJSON *j, const struct api_context *ctx, const struct zone_answer *a)
{
	const struct local_endpoint *local = endpoint_get(ctx->endpoints, a->endpoint);
	const struct mirror_endpoint *ep = mirror_endpoint(ctx->mirror, a->network, a->endpoint);
	const struct mirror_node *node;
	char buf[ID_SHORT_MAX];
	struct id at;

	put_id(j, "EndpointID", a->endpoint);
	if (!local && !(ep && ep->rec))
		return; /* it has just gone */
	at = local ? node_id(ctx->node) : ep->rec->node;
	node = mirror_node(ctx->mirror, at);
	json_put_str(j, "Endpoint", local ? local->name : ep->rec->name);
	json_put_str(j, "Node", view_node_name(ctx, at, buf));
	json_put_bool(j, "NodeAlive", local || (node && node->alive));
}

static void put_zone(cJSON *j, const struct api_context *ctx, const struct zone_answer *a)
{
	const struct model_network *net = network_get(ctx->networks, a->network);

	if (!id_is_zero(a->network)) {
		json_put_str_opt(j, "Network", net ? net->name : NULL);
		put_id(j, "NetworkID", a->network);
	}
	if (!id_is_zero(a->endpoint))
		put_endpoint(j, ctx, a);
	json_put_str_opt(j, "Link", a->link);
}

static void put_how(cJSON *j, const struct dns_forward_how *how)
{
	char text[VIEW_DNS_SERVER_MAX];

	if (ip_is_set(how->server.ip))
		json_put_str(j, "Server", view_dns_server(how->server, text));
	if (how->tries > 0)
		json_put_u64(j, "Tries", how->tries);
	if (how->tcp)
		json_put_bool(j, "Tcp", true);
	if (!json_get(j, "Error"))
		json_put_str_opt(j, "Error", how->error);
}

static void put_asked_as(cJSON *j, const struct query_op *op)
{
	cJSON *list = cJSON_AddArrayToObject(j, "Networks");

	for (size_t i = 0; i < op->client.n_networks; i++) {
		const struct model_network *net =
			network_get(op->ctx->networks, op->client.networks[i]);

		if (net)
			cJSON_AddItemToArray(list, cJSON_CreateString(net->name));
	}
	if (op->left_out > 0)
		json_put_u64(j, "NetworksLeftOut", op->left_out);
}

static void told(void *user, const struct dns_told *t)
{
	struct query_op *op = user;
	char type[DNS_TYPE_TEXT_MAX];
	cJSON *j;

	if (!t->pkt || t->len < DNS_HEADER) {
		api_reply_fail(op->call, -ECANCELED, "%s: no answer, names are being switched off",
			       op->name);
		op_free(op);
		return;
	}
	if (api_call_gone(op->call)) {
		api_reply_empty(op->call);
		op_free(op);
		return;
	}
	j = cJSON_CreateObject();
	json_put_str(j, "Name", op->name);
	json_put_str(j, "Type", dns_type_text(op->type, type));
	put_packet(j, t);
	json_put_str(j, "Source",
		     t->ours	   ? "zone" :
		     t->refused	   ? "refused" :
		     t->how.cached ? "cache" :
				     "upstream");
	if (t->ours)
		put_zone(j, op->ctx, &t->zone);
	else if (!t->refused)
		put_how(j, &t->how);
	put_asked_as(j, op);
	api_reply_json(op->call, 200, j);
	op_free(op);
}

/* ---- the question ---- */

static int read_question(struct api_call *call, const char **ret_name, uint16_t *ret_type,
			 struct err *e)
{
	const char *name = api_call_query(call, "name"), *type = api_call_query(call, "type");
	size_t len = name ? strlen(name) : 0;

	if (len == 0)
		return err_set(e, -EINVAL, "name: missing");
	if (len - (name[len - 1] == '.') > ZONE_NAME_MAX)
		return err_set(e, -EINVAL, "name: longer than %d bytes", ZONE_NAME_MAX);
	if (type && *type && dns_type_parse(type, ret_type, e) < 0) {
		err_prefix(e, "type");
		return -EINVAL;
	}
	*ret_name = name;
	return 0;
}

static void get_query(struct api_call *call, void *user)
{
	const struct api_context *ctx = user;
	uint16_t type = ZONE_A;
	const char *name = NULL;
	struct err e = { 0 };
	struct query_op *op;
	int r = read_question(call, &name, &type, &e);

	if (r == 0 && !ctx->dns)
		r = err_set(&e, -EBUSY, "names are switched off on this node (dns.enabled)");
	if (r < 0) {
		api_reply_err(call, r, &e);
		return;
	}
	op = mem_alloc(sizeof(*op));
	*op = (struct query_op){ .ctx = ctx, .call = call, .name = mem_strdup(name), .type = type };
	r = as_whom(op, &e);
	if (r == 0)
		r = dns_ask(ctx->dns, &op->client, op->name, type, told, op, &e);
	if (r == 0)
		return; /* told, or to be told */
	/* No conflict with anything that is there: too much at once. */
	api_reply_err(call, r == -EBUSY ? -EAGAIN : r, &e);
	op_free(op);
}

static const struct api_route routes[] = {
	{ "GET", "/dns/query", API_BODY_NONE, get_query },
};
const struct api_table routes_dns = { routes, ARRAY_SIZE(routes) };
