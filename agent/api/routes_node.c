/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "agent/api/call.h"
#include "agent/api/routes.h"
#include "agent/api/view.h"
#include "base/mem.h"

static int by_name(const void *a, const void *b)
{
	const struct mirror_node *const *x = a, *const *y = b;

	return strcmp((*x)->rec->name, (*y)->rec->name);
}

static void get_list(struct api_call *call, void *user)
{
	const struct api_context *ctx = user;
	struct mirror_node *nodes = mirror_nodes(ctx->mirror), *node, *tmp;
	_cleanup_free_ const struct mirror_node **v =
		mem_alloc_array(HASH_COUNT(nodes) + 1, sizeof(*v));
	cJSON *list = cJSON_CreateArray();
	size_t n = 0;

	HASH_ITER(hh, nodes, node, tmp) {
		if (node->rec)
			v[n++] = node;
	}
	qsort(v, n, sizeof(*v), by_name);
	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(list, view_node(ctx, v[i]));
	api_reply_json(call, 200, list);
}

/* Where it fails the call has been answered. */
static int find(const struct api_context *ctx, struct api_call *call, struct mirror_node **ret)
{
	struct err e = { 0 };
	int r = node_find(ctx->mirror, api_call_param(call, "id"), ret, &e);

	if (r < 0)
		api_reply_err(call, r, &e);
	return r;
}

static void get_one(struct api_call *call, void *user)
{
	const struct api_context *ctx = user;
	struct mirror_node *node;

	if (find(ctx, call, &node) == 0)
		api_reply_json(call, 200, view_node(ctx, node));
}

static void removed(void *user, int status, const struct err *e)
{
	struct api_call *call = user;

	if (status < 0)
		api_reply_err(call, status, e);
	else
		api_reply_empty(call);
}

static void delete_one(struct api_call *call, void *user)
{
	const struct api_context *ctx = user;
	struct mirror_node *node;

	if (find(ctx, call, &node) == 0)
		node_remove(ctx->node, node->rec->id, removed, call);
}

static const struct api_route routes[] = {
	{ "GET", "/nodes", API_BODY_NONE, get_list },
	{ "GET", "/nodes/{id}", API_BODY_NONE, get_one },
	{ "DELETE", "/nodes/{id}", API_BODY_NONE, delete_one },
};
const struct api_table routes_node = { routes, ARRAY_SIZE(routes) };
