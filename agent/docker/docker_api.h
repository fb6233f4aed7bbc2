/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * docker_api - the Docker Engine API over its unix socket: what the agent asks and does there, one call at a time.
 *
 * Never from inside a plugin callback: some calls wait for that very callback (GET /containers/ID/json of one that starts). Calls are queued; a call has
 * DOCKER_API_MS. Unversioned paths: daemons drop old versions. Answers are decoded with bounds; what is not understood is left out.
 */
#pragma once
#include <uv.h>
#include "agent/docker/docker_decode.h"
#include "store/model.h"

#define DOCKER_API_SOCKET_DEFAULT "/var/run/docker.sock"
#define DOCKER_API_MS 30000
#define DOCKER_API_QUEUE_MAX 4096
#define DOCKER_API_ANSWER_MAX DOCKER_DECODE_MAX /* bytes: GET /networks of a large host */
struct docker_api;
/** docker_api_new() - nothing is sent yet. @path: of the socket. */
struct docker_api *docker_api_new(uv_loop_t *loop, const char *path);
void docker_api_close(
	struct docker_api
		*a); /* pending calls end without a callback; memory goes when the loop has run */
/** docker_api_watch() - follow events of networks and containers; reconnects with back-off, 100 ms to 10 s. */
void docker_api_watch(struct docker_api *a, void (*fn)(void *user, const struct docker_event *ev),
		      void *user);
/* @status: 0; -ENOENT: 404; -EBUSY: 403 (active endpoints); -EEXIST: 409; -ECONNREFUSED, -ENOENT on the socket: -EHOSTUNREACH; -EACCES: the socket may not be used; -ETIMEDOUT: no answer within DOCKER_API_MS; -ENOBUFS: DOCKER_API_QUEUE_MAX calls wait; else -EREMOTEIO. Callbacks come from the loop, each exactly once, and may call this module, docker_api_close() too. */
typedef void (*docker_networks_fn)(void *user, int status, const struct docker_network *v, size_t n,
				   const struct err *e);
/** docker_api_networks() - of @driver, without endpoints. */
void docker_api_networks(struct docker_api *a, const char *driver, docker_networks_fn fn,
			 void *user);
/** docker_api_network() - one, by id or name, with endpoints; @v is one or none. */
void docker_api_network(struct docker_api *a, const char *ref, docker_networks_fn fn, void *user);
typedef void (*docker_container_fn)(void *user, int status, const struct docker_container *c,
				    const struct err *e);
void docker_api_container(struct docker_api *a, const char *ref, docker_container_fn fn,
			  void *user);
typedef void (*docker_containers_fn)(void *user, int status, const struct strv *ids,
				     const struct err *e);
/** docker_api_containers() - ids of those that run. */
void docker_api_containers(struct docker_api *a, docker_containers_fn fn, void *user);
typedef void (*docker_done_fn)(void *user, int status, const char *id, const struct err *e);
/**
 * docker_api_create() - make @net of the cluster a network of this daemon: driver ovl, its subnets, gateways, ranges, aux addresses, internal, its id as option
 * ovl.network to both drivers, its labels and ovl.managed=true; CheckDuplicate
 */
void docker_api_create(struct docker_api *a, const struct model_network *net, docker_done_fn fn,
		       void *user);
void docker_api_remove(struct docker_api *a, const char *id, docker_done_fn fn, void *user);
/** docker_api_info() - is a swarm active, which version; for the log and `ovlctl info`. */
void docker_api_info(struct docker_api *a,
		     void (*fn)(void *user, int status, const struct docker_info *i,
				const struct err *e),
		     void *user);
size_t docker_api_pending(const struct docker_api *a);
/** docker_api_create_body() - what docker_api_create() sends; pure, heap. */
char *docker_api_create_body(const struct model_network *net);
