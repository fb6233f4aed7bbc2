/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "agent/api/call.h"
#include "agent/api/filter.h"
#include "agent/api/routes.h"
#include "agent/api/view.h"
#include "base/mem.h"

struct listing {
	const struct api_context *ctx;
	const struct filter *f;
	cJSON *list;
};

static bool fits(const struct listing *l, const struct model_endpoint *rec,
		 const struct local_endpoint *local)
{
	struct id network = rec ? rec->network : local->network;
	struct id node = rec ? rec->node : node_id(l->ctx->node);
	const struct model_network *net = network_get(l->ctx->networks, network);
	const char *net_name = net ? net->name : NULL;
	char text[ID_TEXT_MAX], short_id[ID_SHORT_MAX];

	if (!filter_prefix(l->f, "id", id_format(rec ? rec->id : local->id, text)) ||
	    !filter_part(l->f, "name", rec ? rec->name : local->name))
		return false;
	if (!filter_exact(l->f, "network", net_name) &&
	    !filter_prefix(l->f, "network", id_format(network, text)))
		return false;
	return filter_exact(l->f, "node", view_node_name(l->ctx, node, short_id)) ||
	       filter_prefix(l->f, "node", id_format(node, text));
}

static void add(void *user, const struct model_endpoint *rec, const struct local_endpoint *local)
{
	struct listing *l = user;

	if (fits(l, rec, local))
		cJSON_AddItemToArray(l->list, view_endpoint(l->ctx, rec, local));
}

static void get_list(struct api_call *call, void *user)
{
	static const char *const known[] = { "id", "name", "network", "node", NULL };
	_cleanup_filter_ struct filter f = { 0 };
	struct listing l = { .ctx = user, .f = &f };
	struct err e = { 0 };
	int r = filter_parse(api_call_query(call, "filters"), known, &f, &e);

	if (r < 0) {
		api_reply_err(call, r, &e);
		return;
	}
	l.list = cJSON_CreateArray();
	view_each_endpoint(l.ctx, add, &l);
	api_reply_json(call, 200, l.list);
}

struct lookup {
	const char *ref;
	const struct model_endpoint *rec[2]; /* by name, by id prefix */
	const struct local_endpoint *local[2];
	size_t n[2];
};

static void look(void *user, const struct model_endpoint *rec, const struct local_endpoint *local)
{
	struct lookup *l = user;
	bool hit[2] = { strcmp(rec ? rec->name : local->name, l->ref) == 0,
			id_has_prefix(rec ? rec->id : local->id, l->ref) };

	for (int i = 0; i < 2; i++) {
		if (!hit[i])
			continue;
		l->rec[i] = rec;
		l->local[i] = local;
		l->n[i]++;
	}
}

static void get_one(struct api_call *call, void *user)
{
	const struct api_context *ctx = user;
	struct lookup l = { .ref = api_call_param(call, "id") };
	int by;

	view_each_endpoint(ctx, look, &l);
	by = l.n[0] > 0 ? 0 : 1;
	if (l.n[by] == 1)
		api_reply_json(call, 200, view_endpoint(ctx, l.rec[by], l.local[by]));
	else if (l.n[by] == 0)
		api_reply_fail(call, -ENOENT, "endpoint %s not found", l.ref);
	else
		api_reply_fail(call, -EEXIST, "endpoint %s is ambiguous: %zu have that %s", l.ref,
			       l.n[by], by == 0 ? "name" : "begin of id");
}

static const struct api_route routes[] = {
	{ "GET", "/endpoints", API_BODY_NONE, get_list },
	{ "GET", "/endpoints/{id}", API_BODY_NONE, get_one },
};
const struct api_table routes_endpoint = { routes, ARRAY_SIZE(routes) };
