/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the doctor is shown of Docker. */
#include "agent/docker/docker_priv.h"
#include "agent/doctor_docker.h"

static bool left(void *user, struct id network)
{
	return docker_left(user, network);
}

static const char *why(void *user, struct id network)
{
	struct docker *d = user;

	return d->watch ? docker_watch_why(d->watch, network) : NULL;
}

void docker_examine(struct docker *d, struct doctor_check *c)
{
	struct doctor_docker_deps dd = { .api = d->watch ? docker_watch_api(d->watch) : NULL,
					 .mirror = d->d.mirror,
					 .endpoints = d->d.endpoints,
					 .self = docker_self(d),
					 .plugin = d->d.config->docker_plugin,
					 .serving = d->plugin != NULL,
					 .left = left,
					 .why = why,
					 .user = d };

	doctor_docker(&dd, c);
}
