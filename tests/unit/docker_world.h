/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * docker_world - agent/docker over an etcd, a mirror, a kernel in memory and a real SQLite; in the place of dockerd, its API and of endpoints: stand-ins.
 *
 * This node is 1. The stand-ins replace the functions of plugin.h, docker_watch.h, docker_gwbridge.h, docker_api.h and endpoint.h by their names.
 */
#pragma once
#include <uv.h>
#include "agent/docker/docker_priv.h"
#include "tests/fake/fake_kernel.h"
#include "tests/fake/fake_kv.h"

#define WORLD_PREFIX "/ovl/v1"
#define WORLD_NET \
	"dd00000000000000000000000000000000000000000000000000000000000000" /* Docker's ids */
#define WORLD_NET2 "ee00000000000000000000000000000000000000000000000000000000000000"
#define WORLD_ROWS 4

struct plugin_call { /* as plugin.h has it: one request that waits */
	bool done, late;
	int status;
	char *answer; /* JSON */
	char why[1024];
};
struct docker_step {
	bool done;
	int status;
};
struct world {
	uv_loop_t loop;
	uv_timer_t turn;
	char dir[64];
	struct fake_kv *fake;
	struct kv *kv;
	struct fake_kernel *fk;
	struct kernel *kernel;
	struct local *local;
	struct config config;
	struct events *events;
	struct mirror *mirror;
	struct claim *claim;
	struct networks *networks;
	struct docker *docker;
	int64_t lease;
	/* Stand-ins. */
	const struct docker_steps *steps;
	void *steps_user;
	struct local_endpoint rows[WORLD_ROWS]; /* endpoints there are */
	size_t n_rows;
	int endpoint_status; /* what the next creation is answered */
	struct endpoint_docker_request asked; /* the last creation */
	struct { /* of endpoint_docker_create(), answered by world_endpoint() */
		endpoint_done_fn done;
		void *user;
	} creating;
	unsigned deleted, left, names;
	char sandbox[64], name[64];
	struct docker_network *listed; /* what Docker's API answers; NULL: no such network */
	int list_status;
};
int world_open(void **state);
int world_close(void **state);
/** world_restart() - ovld is killed and begins again over the same etcd and SQLite. */
void world_restart(struct world *w);
/** world_start() - its parts, in sync. */
void world_start(struct world *w);
/** world_stop() - the parts end; what is under way ends with -ECANCELED. */
void world_stop(struct world *w);
/** world_turn() - the loop, for a while. */
void world_turn(struct world *w);
/** world_until() - the loop, until @done; fails at a deadline. */
void world_until(struct world *w, bool (*done)(void *user), void *user, const char *what);
/** world_wait() - until the call is answered. Return: its status. */
int world_wait(struct world *w, struct plugin_call *c);
/** world_settle() - what is open is looked after now. */
void world_settle(struct world *w);
/** world_endpoint() - the endpoint that waits is made. */
void world_endpoint(struct world *w);
void world_call_done(struct plugin_call *c);

/* Calls, answered. Texts NULL: not given. Return: status. */
int world_pool(struct world *w, struct plugin_call *c, const char *pool, const char *range,
	       const char *network, bool v6);
int world_release_pool(struct world *w, struct plugin_call *c, const char *pool);
int world_address(struct world *w, struct plugin_call *c, const char *pool, const char *ip,
		  bool gateway);
int world_release_address(struct world *w, struct plugin_call *c, const char *pool, const char *ip);
/** world_create_start() - CreateNetwork of one pool, not waited for; @option: "KEY=VALUE". */
void world_create_start(struct world *w, struct plugin_call *c, const char *docker,
			const char *pool, const char *gateway, const char *option);
int world_create(struct world *w, struct plugin_call *c, const char *docker, const char *pool,
		 const char *gateway, const char *option);
int world_delete(struct world *w, struct plugin_call *c, const char *docker);
/** world_make() - RequestPool, RequestAddress and CreateNetwork, which succeed. */
void world_make(struct world *w, const char *docker, const char *pool);
/** world_name() - the loop has learned the name. Return: status. */
int world_name(struct world *w, const char *docker, const char *name);

/* etcd, as it is. */
size_t world_count(struct world *w, const char *dir);
/** world_value() - of a key without the prefix; NULL: none. */
const char *world_value(struct world *w, const char *key);
/** world_other() - another node's endpoint and, with @docker, binding. */
void world_other(struct world *w, const char *network, const char *docker, bool endpoint);
void world_other_gone(struct world *w, const char *network);
/** world_network() - of ovlctl's, with subnet 10.9.0.0/24 and the first gateway; id "aa00...". */
#define WORLD_OURS "aa00000000000000000000000000000000000000000000000000000000000000"
void world_network(struct world *w, const char *name);
/** world_clean() - nothing is left of any network, here or in etcd. */
void world_clean(struct world *w);
