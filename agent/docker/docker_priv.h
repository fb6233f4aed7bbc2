/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * docker_priv - what the files of docker share.
 *
 *   docker.c           life, the table of calls, what is put right from time to time
 *   docker_pool.c      subnets held between RequestPool and CreateNetwork
 *   docker_ipam.c      RequestPool, ReleasePool
 *   docker_address.c   RequestAddress, ReleaseAddress, reservations that nobody came for
 *   docker_network.c   which network is meant; CreateNetwork, bindings, names
 *   docker_gone.c      DeleteNetwork, and what is kept in SQLite: networks Docker has no more, networks left
 *   docker_endpoint.c  CreateEndpoint, Join, Leave, DeleteEndpoint, names of containers
 *   docker_compare.c   endpoints that Docker has no more
 *
 * What is left by an end of ovld, at each point of a network's life; "list" is the value docker-gone in SQLite:
 *
 *   ended after                       left                          put right by
 *   RequestPool: lease granted        the lease                     its end, DOCKER_POOL_TTL_S
 *   RequestPool: pool put             the pool, under the lease     the same; or, if Docker goes on: the pool is read again from etcd at the start
 *   CreateNetwork: list +ID           nothing                       the entry finds no network, and goes
 *   CreateNetwork: network put        network, list                 Docker heard no answer: the network is removed at the start
 *   CreateNetwork: binding put        network, binding, list        both go at the start (of a joined one: the binding alone)
 *   CreateNetwork: list entry gone    network, binding              docker_sync: UNBIND, for Docker does not list it
 *   DeleteNetwork: list -ID           all, list                     done at the start
 *   DeleteNetwork: network removed    binding, list                 the same
 *   DeleteNetwork: left remembered    binding, list, left           the same
 *   name read, not yet put            the network is PENDING        docker_sync: NAME, again
 *   RequestAddress: reserved          the reservation               swept by its node after DOCKER_RESERVED_MS
 *   CreateEndpoint, Join, ...         the row of the endpoint       agent/endpoint.h
 */
#pragma once
#include <uv.h>
#include "agent/docker/docker.h"
#include "agent/docker/docker_sync.h"
#include "agent/docker/docker_gwbridge.h"
#include "agent/docker/docker_watch.h"
#include "base/log.h"
#include "base/strv.h"

#define DOCKER_POOL_TTL_S 60
#define DOCKER_RESERVED_MS \
	60000 /* as long as that Docker may take from RequestAddress to CreateEndpoint */
#define DOCKER_SERVE_MS 1000 /* until the plugin's socket is tried again */
#define DOCKER_STALE_POLL_MS 20 /* a record that has changed is on its way here */
#define DOCKER_STALE_MAX_MS 1500
#define DOCKER_LABEL_ORIGIN \
	"ovl.origin" /* of networks made through Docker: they go with their last binding */
#define DOCKER_ORIGIN "docker"
#define DOCKER_TOUCHED_SWEEPS \
	3 /* sweeps of reservations after the last address of a network was asked for: the first only looks */

struct docker_pool { /* a subnet held for a network to come */
	struct id id;
	struct prefix subnet, range;
	struct ip gateway;
	struct ip aux[MODEL_AUX_MAX];
	size_t n_aux;
	int64_t lease;
	uint64_t until_ms; /* CLOCK_BOOTTIME; it may be somebody else's afterwards */
	struct docker_pool *prev, *next;
};
struct docker_touched { /* a network in which there may be reservations of this node */
	struct id network;
	unsigned sweeps;
};
struct docker_compare_ask;
struct docker_missing;
struct docker {
	struct docker_deps d;
	struct docker_watch *watch; /* NULL: without the API, or not started */
	struct docker_gwbridge *gwbridge;
	struct plugin *plugin; /* NULL: its socket could not be had yet */
	struct docker_pool *pools;
	bool pools_read, pools_reading; /* those of an earlier run */
	/* "-ID": Docker has deleted it; "?ID": has it no more; "+ID": it is being made, and Docker has it once the entry is gone. */
	struct strv gone;
	struct strv left; /* ids of networks */
	struct strv working; /* entries of ->gone that are under way, IDs without the sign */
	struct strv refused; /* ids of networks whose name is taken: told once */
	struct docker_touched *touched;
	size_t n_touched;
	bool touched_all; /* bound networks were added, once */
	bool sweeping;
	struct docker_compare_ask *asks; /* of Docker, under way */
	struct docker_missing *missing; /* endpoints that it did not list */
	size_t n_missing;
	bool compare_failed;
	struct log_limit unserved;
	uv_timer_t serve, tick, settle, compare;
	unsigned open_handles;
	unsigned refs; /* calls of others that will come back */
	bool started, closing;
};

/* docker.c */
void docker_ref(struct docker *d);
void docker_unref(struct docker *d);
/** docker_ready() - can the cluster be asked and changed? Return: as network_ready() */
int docker_ready(struct docker *d, struct err *e);
/** docker_settle_soon() - look after what is open, within DOCKER_SETTLE_MS. */
void docker_settle_soon(struct docker *d);
struct id docker_self(const struct docker *d);
/** docker_ok() - {} */
void docker_ok(struct plugin_call *c);
/** docker_refuse() - formatted. */
void docker_refuse(struct plugin_call *c, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* docker_pool.c */
struct docker_pool *docker_pool_add(struct docker *d, const struct model_pool *p, int64_t lease);
/** docker_pool_find() - NULL: none, or it is over. */
struct docker_pool *docker_pool_find(struct docker *d, struct prefix subnet);
/** docker_pool_forget() - from memory, and its lease: the pool is in etcd no more. */
void docker_pool_forget(struct docker *d, struct docker_pool *p);
/** docker_pools_read() - those of an earlier run, once; known are nearly never any. */
void docker_pools_read(struct docker *d);
void docker_pools_done(struct docker *d);
/** docker_lease_revoke() - without waiting; 0: none. */
void docker_lease_revoke(struct docker *d, int64_t lease);

/* docker_ipam.c */
void docker_request_pool(void *user, const struct plugin_pool *p, struct plugin_call *c);
void docker_release_pool(void *user, const struct plugin_ref *r, struct plugin_call *c);
/** docker_pool_of() - the subnet that a PoolID tells. */
int docker_pool_of(const char *pool_id, struct prefix *ret);

/* docker_address.c */
void docker_request_address(void *user, const struct plugin_address *a, struct plugin_call *c);
void docker_release_address(void *user, const struct plugin_address *a, struct plugin_call *c);
/** docker_touch() - there may be reservations in it from now on. */
void docker_touch(struct docker *d, struct id network);
/** docker_sweep() - reservations never bound; once each DOCKER_COMPARE_MS. */
void docker_sweep(struct docker *d);

/* docker_network.c */
/** docker_network_id() - of a network made here under Docker's id: the same, or for other texts than 64 hex digits (a swarm's) one made of it. */
struct id docker_network_id(const char *docker);
/** docker_network_of() - the network that this node's Docker calls @docker: bound, or of that id and not bound to another. NULL: none. May be without record. */
struct mirror_network *docker_network_of(struct docker *d, const char *docker);
/** docker_network_with() - the network of the cluster with that subnet; NULL: none. */
const struct model_network *docker_network_with(struct docker *d, struct prefix subnet);
/** docker_network_named() - option ovl.network. Return: 0, -ENOENT, -EINVAL, -EAGAIN: it has no name yet */
int docker_network_named(struct docker *d, const char *ref, const struct model_network **ret,
			 struct err *e);
void docker_create_network(void *user, const struct plugin_network *n, struct plugin_call *c);
/** docker_bind() - @docker is @network here, whatever was before; @done as claim_binding_put()'s, the mirror knows by then. */
void docker_bind(struct docker *d, struct id network, const char *docker, claim_done_fn done,
		 void *user);
/** docker_name() - @network, pending, is called @name by this node's Docker. @done as network_rename()'s. */
void docker_name(struct docker *d, struct id network, const char *name, network_done_fn done,
		 void *user);

/* docker_gone.c */
/** docker_told_drop() - forget that the conflict of a network's name was told. */
void docker_told_drop(struct docker *d, const char *network);
void docker_memory_load(struct docker *d);
void docker_memory_done(struct docker *d);
void docker_delete_network(void *user, const struct plugin_ref *r, struct plugin_call *c);
typedef void (*docker_gone_fn)(void *user, int status, const struct err *e);
/**
 * docker_gone() - Docker's network @docker is no more
 * @told: Docker has said so; else it is merely not there, and the network stays where others can use it
 * @done: once, from inside too
 */
void docker_gone(struct docker *d, const char *docker, bool told, docker_gone_fn done, void *user);
/** docker_making() - remember that @docker is being made; docker_made(): it is. Return: 0, local_set()'s */
int docker_making(struct docker *d, const char *docker, struct err *e);
void docker_made(struct docker *d, const char *docker);
/** docker_unmade() - it was not, and nothing of it is there (@clean), or something may be: that is undone. */
void docker_unmade(struct docker *d, const char *docker, bool clean);
/** docker_gone_settle() - what is in the list and not under way. */
void docker_gone_settle(struct docker *d);
/** docker_left_forget() - @network was asked for again, or is gone. */
void docker_left_forget(struct docker *d, struct id network);
/** docker_left_settle() - networks made through Docker that nobody has any more. */
void docker_left_settle(struct docker *d);

/* docker_endpoint.c */
void docker_create_endpoint(void *user, const struct plugin_endpoint *ep, struct plugin_call *c);
void docker_delete_endpoint(void *user, const struct plugin_ref *r, struct plugin_call *c);
void docker_join(void *user, const struct plugin_join *j, struct plugin_call *c);
void docker_leave(void *user, const struct plugin_ref *r, struct plugin_call *c);
/** docker_container() - what Docker tells of one: its endpoints get their names. */
void docker_container(struct docker *d, const struct docker_container *c);

/* docker_compare.c */
/** docker_compare() - give back the endpoints that Docker has no more. */
void docker_compare(struct docker *d);
/** docker_compare_believe() - for tests: what was missing once is believed. */
void docker_compare_believe(struct docker *d);
/** docker_compare_done() - when no answer of Docker's will come any more. */
void docker_compare_done(struct docker *d);
