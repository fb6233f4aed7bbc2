/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the doctor is shown. */
#include "agent/agent_priv.h"
#include "agent/docker/docker.h"
#include "agent/doctor.h"

static void look_docker(void *user, struct doctor_check *c)
{
	struct agent *a = user;

	docker_examine(a->docker, c);
}

void agent_make_doctor(struct agent *a)
{
	struct doctor_deps d = { .loop = a->loop,
				 .config = a->config,
				 .kv = a->kv,
				 .mirror = a->mirror,
				 .reconcile = a->reconcile,
				 .networks = a->networks,
				 .endpoints = a->endpoints,
				 .node = a->node,
				 .containers = a->containers,
				 .publishes = a->publishes,
				 .surroundings = a->surroundings,
				 .docker = a->docker ? look_docker : NULL,
				 .names = a->names != NULL,
				 .names_problems = agent_names_problems,
				 .user = a };

	a->doctor = doctor_new(&d);
}
