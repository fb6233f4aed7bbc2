/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * docker_sync - Docker's networks against the cluster's: what is to be done next.
 *
 * Pure: a picture in, one step out; called again after each step, until there is none. Docker may have lost deletes, made networks while the agent was away,
 * or know networks by names that are taken; nobody's word is final but etcd's.
 */
#pragma once
#include "agent/docker/docker_decode.h"
#include "store/model.h"

#define DOCKER_OPTION_NETWORK \
	"ovl.network" /* of both drivers: which network of the cluster, by id or name */
#define DOCKER_LABEL_MANAGED "ovl.managed" /* made by the agent */

struct docker_sync_net { /* a network of the cluster, as far as this node is concerned */
	const struct model_network *net;
	const char *bound; /* Docker's id of it on this node (its binding); NULL: none */
	bool left; /* `docker network rm` was said here while others still used it: not to be made again until asked */
	bool own; /* made through Docker on this node: it has the name to tell */
	size_t endpoints; /* everywhere */
	size_t other_bindings; /* nodes beside this one */
};
struct docker_sync_picture {
	const struct docker_sync_net *nets; /* by id */
	size_t n_nets;
	const struct docker_network *docker; /* of driver ovl */
	size_t n_docker;
	bool complete; /* etcd's side is (mirror SYNCED): absent means gone */
	/* Failed lately, told already, or to be waited for: passed over for every step; ids of cluster networks (64 hex), and of Docker's. NULL: none. */
	const struct strv *tried;
	/* Ids of Docker's that are known to have stood for a network which has been removed since: they go even without a mark. NULL: none. */
	const struct strv *gone;
};
enum docker_sync_step {
	DOCKER_SYNC_NONE,
	DOCKER_SYNC_NAME, /* ->net is pending and ->docker tells its name */
	DOCKER_SYNC_CREATE, /* ->net is to be made in Docker */
	DOCKER_SYNC_REMOVE, /* ->docker stands for a network that is gone */
	DOCKER_SYNC_UNBIND, /* ->net is bound to a Docker network that is no more: as if DeleteNetwork had come */
	DOCKER_SYNC_BIND, /* ->docker names ->net (option ovl.network) and is not bound: the binding was lost */
	/*
	 * ->docker belongs to nothing we know: reported, left alone. With ->net: that one cannot be made in Docker, for ->docker has its name; that of
	 * a network of another driver is found by docker_api_create() only (-EEXIST). To be remembered in ->tried by the caller.
	 */
	DOCKER_SYNC_STRANGE,
};
struct docker_sync {
	enum docker_sync_step step;
	const struct docker_sync_net *net;
	const struct docker_network *docker;
};
/*
 * Which network of the cluster a network of Docker's is: the one bound to it; else the one with the same id (it was made here); else the one that its
 * options name, if every subnet of Docker's is one of it (a network made anew under an old name is another one).
 *
 *   NAME    it is pending, and this node's
 *   UNBIND  its Docker network is not there, and no other one names it. What has been bound just now may not be listed by Docker yet, for it lists a
 *           network once CreateNetwork is answered: the caller waits before it believes it, as before REMOVE and STRANGE
 *   BIND    it is not bound, or to one that is not there; also where it was `left`: a network that names it has been made since
 *   REMOVE  a network of Docker's that is none of the cluster's, and was: marked as managed, with the option, or in ->gone
 *   CREATE  READY, not bound, not `left`. A pending one is made here once it has its name
 *
 * Where the picture is not complete nothing is unbound, removed or called strange. Local networks and drivers other than overlay are never looked at.
 */
/** docker_sync_next() - the first step in a fixed order: names, unbinds, binds, removals, creations, strange ones; what is in ->tried is passed over. */
void docker_sync_next(const struct docker_sync_picture *p, struct docker_sync *ret);
