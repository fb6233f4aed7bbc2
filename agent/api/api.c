/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/api.h"

#include "agent/api/routes.h"
#include "agent/api/routes_containers.h"
#include "base/mem.h"

int api_start(const struct api_context *ctx, struct api_server **ret, struct err *e)
{
	const struct api_table tables[] = {
		routes_system,	 routes_cluster, routes_events,	    routes_network, routes_connect,
		routes_endpoint, routes_node,	 routes_containers, routes_dns,	    routes_doctor,
	};

	return api_server_start(ctx->loop, ctx->config->socket, tables, ARRAY_SIZE(tables),
				(void *)ctx, ret, e);
}
