/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * routes - the tables of routes, one per group (and routes_containers.h); handlers get `const struct api_context *` as user.
 */
#pragma once
#include "agent/api/context.h"
#include "agent/api/route.h"

extern const struct api_table routes_system; /* _ping, version, info, log-level */
extern const struct api_table routes_cluster; /* cluster/adopt, reset */
extern const struct api_table routes_events;
extern const struct api_table routes_network; /* list, create, inspect, remove, prune */
extern const struct api_table routes_connect; /* connect, disconnect */
extern const struct api_table routes_endpoint;
extern const struct api_table routes_node;
extern const struct api_table routes_dns; /* dns/query */
extern const struct api_table routes_doctor;

struct api_call;
/** routes_find_network() - network_find() for the segment {id}; where it fails the call has been answered. Return: as network_find(). */
int routes_find_network(const struct api_context *ctx, struct api_call *call,
			const struct model_network **ret);
