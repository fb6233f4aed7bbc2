/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the doctor is shown. */
#include "agent/agent_priv.h"
#include "agent/doctor.h"

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
				 .names = a->names != NULL,
				 .names_problems = agent_names_problems,
				 .user = a };

	a->doctor = doctor_new(&d);
}
