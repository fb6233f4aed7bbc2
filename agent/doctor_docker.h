/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_docker - Docker's view, asked for through its API, against the cluster's networks and this node's endpoints.
 *
 * Where Docker cannot be asked that is no finding: the area is not checked, and why is told.
 */
#pragma once
#include "agent/docker/docker_api.h"
#include "agent/doctor.h"
#include "agent/endpoint.h"

struct doctor_docker_deps {
	struct docker_api *api; /* NULL: switched off */
	struct mirror *mirror;
	struct endpoints *endpoints;
	struct id self;
	const char *plugin; /* path of the plugin's socket */
	bool serving; /* it is open */
	/* `docker network rm` was said here, and others still use it. NULL: of none. */
	bool (*left)(void *user, struct id network);
	/* Why the cluster's network cannot be brought together with Docker's ("" it only waits), NULL: nothing is known. Borrowed. May be NULL. */
	const char *(*why)(void *user, struct id network);
	void *user;
};
/** doctor_docker() - the area of @c, to its doctor_checked(). @d is copied. */
void doctor_docker(const struct doctor_docker_deps *d, struct doctor_check *c);
