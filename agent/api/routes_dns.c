/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a container would be told of a name, and why. */
#include <errno.h>
#include <string.h>

#include "agent/api/call.h"
#include "agent/api/dns_whom.h"
#include "agent/api/routes.h"
#include "agent/api/view.h"
#include "agent/dns/dns.h"
#include "base/json.h"
#include "base/mem.h"

struct query_op {
	const struct api_context *ctx;
	struct api_call *call;
	char *name;
	uint16_t type;
	struct dns_whom whom;
};

static void op_free(struct query_op *op)
{
	dns_whom_done(&op->whom);
	free(op->name);
	free(op);
}

static void put_id(cJSON *j, const char *key, struct id id)
{
	char text[ID_TEXT_MAX];

	json_put_str(j, key, id_format(id, text));
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

	for (size_t i = 0; i < op->whom.client.n_networks; i++) {
		const struct model_network *net =
			network_get(op->ctx->networks, op->whom.client.networks[i]);

		/* The way out is searched for addresses alone: nobody meets there. */
		if (net && strcmp(net->driver, "egress") != 0)
			cJSON_AddItemToArray(list, cJSON_CreateString(net->name));
	}
	if (op->whom.left_out > 0)
		json_put_u64(j, "NetworksLeftOut", op->whom.left_out);
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
	r = dns_whom(ctx, api_call_query(call, "network"), api_call_query(call, "container"),
		     &op->whom, &e);
	if (r == 0)
		r = dns_ask(ctx->dns, &op->whom.client, op->name, type, told, op, &e);
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
