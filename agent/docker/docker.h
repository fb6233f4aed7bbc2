/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * docker - ovl as Docker's network and IPAM driver `ovl`: the plugin (plugin.h) over this node's networks and endpoints, and the two loops that keep Docker and the
 * cluster alike (docker_sync.h).
 *
 *   dockerd --plugin socket--> plugin --> docker_ipam, docker_network, docker_endpoint --> claim, networks, endpoints
 *   dockerd --events---------> docker_watch --> docker_sync --> Docker API, claim
 *
 * The plugin is served before anything else runs and answers without the API. What a callback needs beyond etcd it knows itself: nobody waits for Docker.
 */
#pragma once
#include "agent/config.h"
#include "agent/docker/plugin.h"
#include "agent/endpoint.h"
#include "agent/events.h"
#include "agent/names.h"
#include "agent/network.h"
#include "ipam/claim.h"
#include "store/mirror.h"

#define DOCKER_COMPARE_MS 60000 /* full comparison of Docker, etcd and this node */
#define DOCKER_SETTLE_MS 100 /* events gather that long */

struct docker;
struct docker_deps {
	uv_loop_t *loop;
	const struct config *config;
	struct mirror *mirror;
	struct networks *networks;
	struct endpoints *endpoints;
	struct names *names; /* NULL: switched off */
	struct kv *kv; /* for leases of pools; NULL: standalone, and so is */
	struct claim *claim; /* every request is refused in words then */
	struct local *local;
	struct events *events;
	struct id (*self)(void *user);
	int64_t (*lease)(void *user);
	void *user;
};
/** docker_new() - serves the plugin's socket; -EADDRINUSE ... are logged and tried again. */
struct docker *docker_new(const struct docker_deps *d);
/** docker_start() - records and endpoints are loaded: the API is used from now on (unless config says none). */
void docker_start(struct docker *d);
void docker_close(struct docker *d); /* NULL is none */
/** docker_mirror() - one change of the mirror. NULL is none, as for the next. */
void docker_mirror(struct docker *d, const struct mirror_change *c);
/** docker_mirror_state() - the mirror's state, or its link to etcd, has changed. */
void docker_mirror_state(struct docker *d);
/** docker_left() - `docker network rm` was said on this node while others still used @network. NULL: false. */
bool docker_left(const struct docker *d, struct id network);
/**
 * docker_unbind() - what this node's Docker calls networks goes from etcd (`ovlctl reset`), where that can be reached
 * @done: claim_binding_del()'s, later
 *
 * Return: how often @done will be called. NULL: 0.
 */
unsigned docker_unbind(struct docker *d, claim_done_fn done, void *user);
struct docker_state {
	bool serving; /* the plugin's socket is open */
	bool connected; /* the API's event stream is */
	bool swarm;
	char problem[256]; /* "" none: no such socket, not permitted, ... */
	char version[64];
	size_t networks, strange; /* of driver ovl; those that belong to nothing */
	struct plugin_stats plugin;
};
void docker_state(const struct docker *d, struct docker_state *ret);
struct doctor_check; /* agent/doctor.h */
/** docker_examine() - look at Docker's view: the area docker of an examination, to its doctor_checked(). */
void docker_examine(struct docker *d, struct doctor_check *c);
