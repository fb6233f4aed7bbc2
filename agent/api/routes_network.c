/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "agent/api/body.h"
#include "agent/api/call.h"
#include "agent/api/filter.h"
#include "agent/api/routes.h"
#include "agent/api/view.h"
#include "base/json.h"
#include "base/mem.h"

int routes_find_network(const struct api_context *ctx, struct api_call *call,
			const struct model_network **ret)
{
	const char *ref = api_call_param(call, "id");
	struct err e = { 0 };
	int r = network_find(ctx->networks, ref, ret, &e);

	if (r == -ENOENT && ctx->kv && mirror_get_state(ctx->mirror) == MIRROR_EMPTY)
		api_reply_fail(call, -EHOSTUNREACH,
			       "network %s: nothing is known yet, as etcd has not answered so far",
			       ref);
	else if (r < 0)
		api_reply_err(call, r, &e);
	return r;
}

/* ---- list ---- */

static bool fits(const struct api_context *ctx, const struct filter *f,
		 const struct model_network *net)
{
	const struct strv *dangling = filter_values(f, "dangling");
	bool builtin = view_is_builtin(net);
	char id[ID_TEXT_MAX];

	for (size_t i = 0; dangling && i < dangling->n; i++) {
		bool want = strcmp(dangling->v[i], "true") == 0 || strcmp(dangling->v[i], "1") == 0;

		if (want != (!builtin && view_count_endpoints(ctx, net) == 0))
			return false;
	}
	return filter_exact(f, "driver", net->driver) &&
	       filter_prefix(f, "id", id_format(net->id, id)) &&
	       filter_part(f, "name", net->name) &&
	       filter_exact(f, "scope", model_network_is_local(net) ? "local" : "global") &&
	       filter_exact(f, "type", builtin ? "builtin" : "custom") &&
	       filter_labels(f, &net->labels);
}

struct collection {
	const struct api_context *ctx;
	const struct filter *f;
	const struct model_network **v;
	size_t n, cap;
};

static void collect_one(void *user, const struct model_network *net)
{
	struct collection *c = user;

	if (!fits(c->ctx, c->f, net))
		return;
	if (c->n == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 16;
		c->v = mem_grow(c->v, c->cap, sizeof(*c->v));
	}
	c->v[c->n++] = net;
}

static int by_name(const void *a, const void *b)
{
	const struct model_network *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* Networks that fit, sorted by name; heap array. */
static size_t collect(const struct api_context *ctx, const struct filter *f,
		      const struct model_network ***ret)
{
	struct collection c = { .ctx = ctx, .f = f };

	network_each(ctx->networks, collect_one, &c);
	if (c.n > 0)
		qsort(c.v, c.n, sizeof(*c.v), by_name);
	*ret = c.v;
	return c.n;
}

static void get_list(struct api_call *call, void *user)
{
	static const char *const known[] = { "driver", "id",   "label",	   "name",
					     "scope",  "type", "dangling", NULL };
	_cleanup_free_ const struct model_network **nets = NULL;
	_cleanup_filter_ struct filter f = { 0 };
	const struct api_context *ctx = user;
	struct err e = { 0 };
	int r = filter_parse(api_call_query(call, "filters"), known, &f, &e);
	size_t n;
	cJSON *list;

	if (r < 0) {
		api_reply_err(call, r, &e);
		return;
	}
	list = cJSON_CreateArray();
	n = collect(ctx, &f, &nets);
	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(list, view_network(ctx, nets[i], false));
	api_reply_json(call, 200, list);
}

static void get_one(struct api_call *call, void *user)
{
	const struct api_context *ctx = user;
	const struct model_network *net;

	if (routes_find_network(ctx, call, &net) == 0)
		api_reply_json(call, 200, view_network(ctx, net, true));
}

/* ---- create, remove ---- */

static void created(void *user, int status, const struct model_network *net, const struct err *e)
{
	struct api_call *call = user;
	char id[ID_TEXT_MAX];
	cJSON *j;

	if (status < 0) {
		api_reply_err(call, status, e);
		return;
	}
	j = cJSON_CreateObject();
	json_put_str(j, "Id", id_format(net->id, id));
	json_put_str(j, "Warning", "");
	api_reply_json(call, 201, j);
}

static void post_create(struct api_call *call, void *user)
{
	const struct api_context *ctx = user;
	struct body_network b = { 0 };
	struct err e = { 0 };
	int r = body_network_decode(api_call_body(call), &b, &e);

	if (r < 0) {
		api_reply_err(call, r, &e);
		return;
	}
	/* Borrowed from the body; network_create() copies what it keeps. */
	const struct network_request req = {
		.name = b.name,
		.driver = b.driver,
		.subnets = b.subnets,
		.gateways = b.gateways,
		.ip_ranges = b.ip_ranges,
		.aux = b.aux,
		.options = b.options,
		.labels = b.labels,
		.ipv6 = b.ipv6,
		.internal = b.internal,
	};

	network_create(ctx->networks, &req, created, call);
	body_network_done(&b);
}

static void removed(void *user, int status, const struct model_network *net, const struct err *e)
{
	struct api_call *call = user;

	(void)net;
	if (status < 0)
		api_reply_err(call, status, e);
	else
		api_reply_empty(call);
}

static void delete_one(struct api_call *call, void *user)
{
	const struct api_context *ctx = user;
	const struct model_network *net;

	if (routes_find_network(ctx, call, &net) == 0)
		network_remove(ctx->networks, net->id, removed, call);
}

/* ---- prune: one after the other, as each is a transaction of its own ---- */

struct prune {
	const struct api_context *ctx;
	struct api_call *call;
	struct id *ids;
	size_t n, next;
	cJSON *deleted; /* names */
	struct err failed; /* what stopped it */
};

static void prune_end(struct prune *p)
{
	if (p->failed.code < 0 && !p->deleted->child) {
		api_reply_err(p->call, p->failed.code, &p->failed);
		cJSON_Delete(p->deleted);
	} else {
		cJSON *j = cJSON_CreateObject();

		cJSON_AddItemToObject(j, "NetworksDeleted", p->deleted);
		json_put_str(j, "Warning", p->failed.code < 0 ? p->failed.text : "");
		api_reply_json(p->call, 200, j);
	}
	free(p->ids);
	free(p);
}

static void prune_next(struct prune *p);

static void pruned(void *user, int status, const struct model_network *net, const struct err *e)
{
	struct prune *p = user;

	if (status == 0)
		cJSON_AddItemToArray(p->deleted, cJSON_CreateString(net->name));
	/* In use by now, or removed by another: what prune is for is done. Anything else would stop the next ones as well. */
	if (status < 0 && status != -EBUSY && status != -ENOENT)
		err_set(&p->failed, status, "%s", err_text(e));
	prune_next(p);
}

static void prune_next(struct prune *p)
{
	const struct model_network *net = NULL;

	while (p->failed.code == 0 && p->next < p->n) {
		net = network_get(p->ctx->networks, p->ids[p->next++]);
		if (net && view_count_endpoints(p->ctx, net) == 0)
			break;
		net = NULL;
	}
	if (net)
		network_remove(p->ctx->networks, net->id, pruned, p);
	else
		prune_end(p);
}

static void post_prune(struct api_call *call, void *user)
{
	static const char *const known[] = { "label", NULL };
	_cleanup_free_ const struct model_network **nets = NULL;
	_cleanup_filter_ struct filter f = { 0 };
	const struct api_context *ctx = user;
	struct prune *p;
	struct err e = { 0 };
	size_t n;
	int r = filter_parse(api_call_query(call, "filters"), known, &f, &e);

	if (r < 0) {
		api_reply_err(call, r, &e);
		return;
	}
	p = mem_alloc(sizeof(*p));
	p->ctx = ctx;
	p->call = call;
	p->deleted = cJSON_CreateArray();
	n = collect(ctx, &f, &nets);
	p->ids = mem_alloc_array(n + 1, sizeof(*p->ids));
	for (size_t i = 0; i < n; i++) {
		if (view_is_builtin(nets[i]))
			continue;
		/* Networks of the cluster only when asked for: others may be about to use them. */
		if (model_network_is_local(nets[i]) || api_call_flag(call, "cluster"))
			p->ids[p->n++] = nets[i]->id;
	}
	prune_next(p);
}

static const struct api_route routes[] = {
	{ "GET", "/networks", API_BODY_NONE, get_list },
	{ "POST", "/networks/create", API_BODY_REQUIRED, post_create },
	{ "POST", "/networks/prune", API_BODY_NONE, post_prune },
	{ "GET", "/networks/{id}", API_BODY_NONE, get_one },
	{ "DELETE", "/networks/{id}", API_BODY_NONE, delete_one },
};
const struct api_table routes_network = { routes, ARRAY_SIZE(routes) };
