/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "agent/api/call.h"
#include "agent/api/routes.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

static void adopted(void *user, int status, unsigned restored, const struct err *e)
{
	struct api_call *call = user;
	cJSON *j;

	if (status < 0) {
		api_reply_err(call, status, e);
		return;
	}
	j = cJSON_CreateObject();
	json_put_u64(j, "NetworksRestored", restored);
	api_reply_json(call, 200, j);
}

static void post_adopt(struct api_call *call, void *user)
{
	const struct api_context *ctx = user;

	if (ctx->cluster)
		cluster_adopt(ctx->cluster, adopted, call);
	else
		api_reply_fail(call, -EINVAL, "this agent has no etcd (--etcd), hence no cluster");
}

static void reset_done(void *user, int status, const struct err *e)
{
	struct api_call *call = user;

	if (status < 0)
		api_reply_err(call, status, e);
	else
		api_reply_empty(call);
}

static void post_reset(struct api_call *call, void *user)
{
	const struct api_context *ctx = user;

	log_info("reset asked for through the API", "socket=%s", LOG_Q(ctx->config->socket));
	ctx->reset(ctx->user, reset_done, call);
}

static const struct api_route routes[] = {
	{ "POST", "/cluster/adopt", API_BODY_NONE, post_adopt },
	{ "POST", "/reset", API_BODY_NONE, post_reset },
};
const struct api_table routes_cluster = { routes, ARRAY_SIZE(routes) };
