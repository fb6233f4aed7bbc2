/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api_modules - the agent's modules as far as the API's routes call them: canned records, and the calls written down.
 *
 * One at a time, as the modules' own handles are only pointers into it. Asynchronous modules answer when modules_answer() is called,
 * with ->status and ->err.
 */
#pragma once
#include "agent/api/context.h"
#include "agent/containers.h"
#include "agent/dns/dns.h"
#include "agent/events.h"

struct modules {
	struct api_context ctx;
	struct config config;
	/* Canned. */
	struct id self;
	struct mirror_node *nodes;
	struct mirror_network *networks;
	struct container *container; /* the one there is, NULL: none */
	struct local_endpoint *locals[8];
	size_t n_locals;
	enum mirror_state state;
	struct model_cluster cluster, found;
	bool has_found;
	/* What the module called last was asked. */
	char called[64]; /* "network_create" */
	char asked[512];
	int status;
	struct err err;
	/* Names (api_modules_dns.c): what is known, and what is told next. */
	struct zone *zone;
	struct dns_clients *clients;
	struct dns_stats dns_stats;
	struct dns_told told;
	bool told_at_once; /* from inside dns_ask() */
	void (*pending)(struct modules *m); /* set by asynchronous calls */
	void *done, *user;
};

void modules_init(struct modules *m, uv_loop_t *loop, const char *socket);
void modules_done(struct modules *m);
/** modules_dns_init() - names are switched on. */
void modules_dns_init(struct modules *m);
void modules_dns_done(struct modules *m);
/** modules_answer() - the pending call ends with ->status. */
void modules_answer(struct modules *m);
struct mirror_node *modules_node(struct modules *m, const char *name, bool alive);
struct mirror_network *modules_network(struct modules *m, const char *name, const char *subnet);
/** modules_endpoint() - a record; with @local also a local endpoint in state @local_state. */
struct model_endpoint *modules_endpoint(struct modules *m, struct mirror_network *net,
					const char *name, const char *ip, struct id node);
struct local_endpoint *modules_local(struct modules *m, struct id network, const char *name,
				     const char *ip, const struct id *id);
