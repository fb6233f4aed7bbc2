/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Docker: what its plugin and its loop are made of, and what they are told. */
#include "agent/agent_priv.h"

static struct id own_id(void *user)
{
	struct agent *a = user;

	return node_id(a->node);
}

static int64_t own_lease(void *user)
{
	struct agent *a = user;

	return node_address_lease(a->node);
}

void agent_make_docker(struct agent *a)
{
	struct docker_deps d = { .loop = a->loop,
				 .config = a->config,
				 .mirror = a->mirror,
				 .networks = a->networks,
				 .endpoints = a->endpoints,
				 .names = a->names,
				 .kv = a->kv,
				 .claim = a->claim,
				 .local = a->local,
				 .events = a->events,
				 .self = own_id,
				 .lease = own_lease,
				 .user = a };

	if (a->config->docker_plugin)
		a->docker = docker_new(&d);
}
