/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connect and disconnect of this node's endpoints; and, by force, of those a lost node has left behind. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "agent/api/body_run.h"
#include "agent/api/call.h"
#include "agent/api/routes.h"
#include "agent/api/view.h"
#include "agent/containers.h"
#include "agent/dns/resolv_conf.h"
#include "base/mem.h"

/* ---- connect ---- */

struct connect_op {
	const struct api_context *ctx;
	struct api_call *call;
};

static void connected(void *user, int status, const struct local_endpoint *ep, const struct err *e)
{
	struct connect_op *op = user;

	if (status == -EMSGSIZE)
		/* The network's MTU does not fit this node: a conflict, no body too large. */
		api_reply_fail(op->call, -EBUSY, "%s", err_text(e));
	else if (status < 0)
		api_reply_err(op->call, status, e);
	else if (api_call_gone(op->call))
		api_reply_empty(op->call);
	else
		api_reply_json(op->call, 200, view_endpoint(op->ctx, NULL, ep));
	free(op);
}

/* A container in another's network namespace has no networks of its own to join and leave. */
static bool is_shared(const struct api_context *ctx, struct api_call *call, const char *target)
{
	const char *name = strncmp(target, "run:", 4) == 0 ? target + 4 : target;
	const struct container *c = ctx->containers ? containers_get(ctx->containers, name) : NULL;
	enum run_mode mode = c ? run_mode_of(c->mode, NULL) : RUN_OWN;

	if (mode != RUN_SHARED && mode != RUN_HOST)
		return false;
	api_reply_fail(call, -EINVAL,
		       "container %s shares the network namespace of %s: networks are not its own",
		       c->name, mode == RUN_HOST ? "the host" : "another container");
	return true;
}

/* ---- what the names of a body say: their bounds are the body's ---- */

static_assert(BODY_EXPOSE_MAX == MODEL_EXPOSE_MAX);
static_assert(BODY_LINKS_MAX == LOCAL_LINKS_MAX);
static_assert(BODY_DNS_MAX == LOCAL_DNS_MAX);
static_assert(BODY_DNS_MAX == DNS_SERVERS_MAX);
static_assert(BODY_DNS_SEARCH_MAX == LOCAL_DNS_SEARCH_MAX);
static_assert(BODY_DNS_SEARCH_MAX == RESOLV_SEARCH_MAX);
static_assert(BODY_DNS_OPTIONS_MAX == LOCAL_DNS_OPTIONS_MAX);
static_assert(BODY_DNS_OPTIONS_MAX == RESOLV_OPTIONS_MAX);
static_assert(BODY_HOSTS_MAX == LOCAL_HOSTS_MAX);
static_assert(BODY_HOSTS_MAX == RESOLV_HOSTS_MAX);
static_assert(BODY_TEXT_MAX == LOCAL_NAMES_TEXT_MAX);

static int check_server(const char *text, struct err *e)
{
	struct dns_server_addr a;

	return resolv_server_parse(text, &a, e);
}

/* "host-gateway" included, as in Docker. */
static int check_host(const char *text, struct err *e)
{
	_cleanup_free_ char *name = NULL;
	struct ip ip;

	return resolv_host_parse(text, &name, &ip, e);
}

static int check_names(const struct body_names *n, struct err *e)
{
	const struct {
		const char *field;
		const struct strv *list;
		int (*check)(const char *text, struct err *e);
	} fields[] = {
		{ "Dns", &n->dns, check_server },
		{ "DnsSearch", &n->dns_search, resolv_search_check },
		{ "DnsOptions", &n->dns_options, resolv_option_check },
		{ "ExtraHosts", &n->extra_hosts, check_host },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		for (size_t k = 0; k < fields[i].list->n; k++) {
			struct err one = { 0 };

			if (fields[i].check(fields[i].list->v[k], &one) < 0)
				r = err_add(e, -EINVAL, "EndpointConfig.%s[%zu]: %s",
					    fields[i].field, k, err_text(&one));
		}
	}
	return r;
}

static struct model_port *expose_of(const struct body_names *n)
{
	struct model_port *v = mem_alloc_array(n->n_expose + 1, sizeof(*v));

	for (size_t i = 0; i < n->n_expose; i++)
		v[i] = (struct model_port){ .proto = n->expose[i].proto,
					    .port = n->expose[i].port };
	return v;
}

static struct model_publish *publish_of(const struct body_publishes *p)
{
	struct model_publish *v = mem_alloc_array(p->n + 1, sizeof(*v));

	for (size_t i = 0; i < p->n; i++)
		v[i] = (struct model_publish){ .proto = p->v[i].proto,
					       .host_ip = p->v[i].host_ip,
					       .host_port = p->v[i].host_port,
					       .port = p->v[i].port };
	return v;
}

/* Borrowed from the body; endpoint_connect() copies what it keeps. */
static void connect_to(const struct api_context *ctx, struct api_call *call, struct id network,
		       const struct body_connect *b)
{
	_cleanup_free_ struct model_publish *publish = publish_of(&b->publish);
	_cleanup_free_ struct model_port *expose = expose_of(&b->names);
	const struct endpoint_request req = {
		.network = network,
		.target = b->target,
		.name = b->name,
		.aliases = b->aliases,
		.ip4 = b->ip4,
		.ip6 = b->ip6,
		.mac = b->mac,
		.ifname = b->ifname,
		.publish = b->publish.n > 0 ? publish : NULL,
		.n_publish = b->publish.n,
		.gw_priority = b->gw_priority,
		.more = b->more,
		.hostname = b->names.hostname,
		.expose = expose,
		.n_expose = b->names.n_expose,
		.links = b->names.links,
		.dns = b->names.dns,
		.dns_search = b->names.dns_search,
		.dns_options = b->names.dns_options,
		.extra_hosts = b->names.extra_hosts,
	};
	struct connect_op *op = mem_alloc(sizeof(*op));

	*op = (struct connect_op){ .ctx = ctx, .call = call };
	endpoint_connect(ctx->endpoints, &req, connected, op);
}

static void post_connect(struct api_call *call, void *user)
{
	const struct api_context *ctx = user;
	const struct model_network *net;
	struct body_connect b = { 0 };
	struct err e = { 0 };
	int r = body_connect_decode(api_call_body(call), &b, &e);

	if (r == 0)
		r = check_names(&b.names, &e);
	if (r < 0) {
		api_reply_err(call, r, &e);
		body_connect_done(&b);
		return;
	}
	if (routes_find_network(ctx, call, &net) == 0 && !is_shared(ctx, call, b.target))
		connect_to(ctx, call, net->id, &b);
	body_connect_done(&b);
}

/* ---- disconnect ---- */

struct disconnect_op {
	const struct api_context *ctx;
	struct api_call *call;
	struct id network;
	char *target;
	bool force;
	struct model_endpoint *far; /* another node's, being released */
};

static void op_free(struct disconnect_op *op)
{
	model_endpoint_free(op->far);
	free(op->target);
	free(op);
}

/* The endpoint of the network that @text names by id, unique id prefix or name; -ENOENT, -EEXIST. */
static int find_in_cluster(const struct mirror_network *net, const char *text,
			   const struct model_endpoint **ret, struct err *e)
{
	const struct model_endpoint *named = NULL, *prefixed = NULL;
	size_t n_named = 0, n_prefixed = 0;
	struct mirror_endpoint *ep, *tmp;

	HASH_ITER(hh, net->endpoints, ep, tmp) {
		if (strcmp(ep->rec->name, text) == 0) {
			named = ep->rec;
			n_named++;
		}
		if (id_has_prefix(ep->rec->id, text)) {
			prefixed = ep->rec;
			n_prefixed++;
		}
	}
	if (n_named > 1 || (n_named == 0 && n_prefixed > 1))
		return err_set(e, -EEXIST,
			       "%s is ambiguous: several endpoints have that name or begin of id",
			       text);
	if (!named && !prefixed)
		return -ENOENT;
	*ret = named ? named : prefixed;
	return 0;
}

static void released(void *user, int status, unsigned n, const struct err *e)
{
	struct disconnect_op *op = user;

	(void)n;
	if (status < 0)
		api_reply_err(op->call, status, e);
	else
		api_reply_empty(op->call);
	op_free(op);
}

/* @ep is not this node's: whose, and may it be taken from there? Takes @op over. */
static void disconnect_far(struct disconnect_op *op, const struct model_endpoint *ep)
{
	const struct api_context *ctx = op->ctx;
	const struct mirror_node *node = mirror_node(ctx->mirror, ep->node);
	char buf[ID_SHORT_MAX];
	const char *name = view_node_name(ctx, ep->node, buf);
	bool own = id_eq(ep->node, node_id(ctx->node));

	if (own && endpoint_get(ctx->endpoints, ep->id)) {
		/* On its way out already. */
		api_reply_empty(op->call);
		op_free(op);
	} else if (!own && node && node->alive) {
		api_reply_fail(op->call, -EBUSY, "endpoint %s is on node %s: disconnect it there",
			       ep->name, name);
		op_free(op);
	} else if (!op->force) {
		api_reply_fail(op->call, -EBUSY,
			       "endpoint %s is on node %s, which is %s: -f removes it", ep->name,
			       name,
			       own  ? "this one, but not in any namespace here" :
			       node ? "down" :
				      "removed");
		op_free(op);
	} else {
		op->far = model_endpoint_dup(ep);
		cluster_release_endpoint(ctx->cluster, op->far, released, op);
	}
}

static void disconnected(void *user, int status, const struct local_endpoint *ep,
			 const struct err *e)
{
	struct disconnect_op *op = user;
	const struct mirror_network *net;
	const struct model_endpoint *far = NULL;
	struct err fe = { 0 };
	int r = -ENOENT;

	(void)ep;
	if (status != -ENOENT) {
		if (status < 0)
			api_reply_err(op->call, status, e);
		else
			api_reply_empty(op->call);
		op_free(op);
		return;
	}
	net = op->ctx->cluster ? mirror_network(op->ctx->mirror, op->network) : NULL;
	if (net)
		r = find_in_cluster(net, op->target, &far, &fe);
	if (r == 0) {
		disconnect_far(op, far);
		return;
	}
	if (r != -ENOENT)
		api_reply_err(op->call, r, &fe);
	else if (op->force)
		api_reply_empty(op->call);
	else
		api_reply_err(op->call, status, e);
	op_free(op);
}

static void post_disconnect(struct api_call *call, void *user)
{
	const struct api_context *ctx = user;
	struct body_disconnect b = { 0 };
	const struct model_network *net;
	struct disconnect_op *op;
	struct err e = { 0 };
	int r = body_disconnect_decode(api_call_body(call), &b, &e);

	if (r < 0) {
		api_reply_err(call, r, &e);
		return;
	}
	if (routes_find_network(ctx, call, &net) == 0 && !is_shared(ctx, call, b.target)) {
		op = mem_alloc(sizeof(*op));
		*op = (struct disconnect_op){ .ctx = ctx,
					      .call = call,
					      .network = net->id,
					      .target = TAKE_PTR(b.target),
					      .force = b.force };
		/* Without force: "not here" has to be told from "gone", to look for it on other nodes. */
		endpoint_disconnect(ctx->endpoints, net->id, op->target, false, disconnected, op);
	}
	body_disconnect_done(&b);
}

static const struct api_route routes[] = {
	{ "POST", "/networks/{id}/connect", API_BODY_REQUIRED, post_connect },
	{ "POST", "/networks/{id}/disconnect", API_BODY_REQUIRED, post_disconnect },
};
const struct api_table routes_connect = { routes, ARRAY_SIZE(routes) };
