/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * names - what the name server (agent/dns/dns.h) and the containers' files (agent/etc_files.h) are told, and when.
 *
 *   the cluster's records (mirror)      -> zone
 *   local networks, their endpoints     -> zone
 *   this node's endpoints               -> clients: who asks; files: resolv.conf, hosts
 *   overlay namespace, bridges' devices -> sockets
 *   configuration, host's resolv.conf   -> upstream servers
 *   docker_gwbridge, as Docker tells    -> sockets there, clients
 *
 * All of it stands when the connect that it follows from is answered.
 */
#pragma once
#include <net/if.h>
#include "agent/config.h"
#include "agent/endpoint.h"
#include "agent/network.h"
#include "agent/reconcile.h"
#include "store/mirror.h"

#define NAMES_CHECK_MS 60000 /* sockets are compared with the devices at least that often, ... */
#define NAMES_RETRY_MS 1000 /* ... while one cannot be opened, that often */

struct dns;
struct names;
struct names_deps {
	uv_loop_t *loop;
	const struct config *config;
	struct mirror *mirror;
	struct networks *networks;
	struct endpoints *endpoints;
	struct local *local;
	int (*overlay_fd)(void *user); /* the overlay namespace; -1: none yet */
	/* Containers of `ovlctl run` with a namespace of their own that run now: each (@t NULL), or the one there. */
	void (*containers)(void *user, const struct state_target *t,
			   void (*fn)(void *fn_user, const char *name,
				      const struct local_target *t),
			   void *fn_user);
	/* Which questions of Docker's containers shall be redirected to us has changed: names_gwbridge_wanted() (which is @wanted), names_bridges_elems(). */
	void (*gwbridge)(void *user, bool wanted);
	void *user;
};
/** names_new() - @d is copied, what it points to is borrowed. Nothing is opened or written yet. NULL where config->dns says no. */
struct names *names_new(const struct names_deps *d);
/** names_start() - everything is loaded and the kernel prepared: take it all in, open the sockets, write the files. */
void names_start(struct names *n);
/** names_close() - sockets close, files stay; memory goes when the loop has run. NULL is none, for all that follow too. */
void names_close(struct names *n);
/** names_mirror() - one change of the mirror. */
void names_mirror(struct names *n, const struct mirror_change *c);
/** names_local() - networks_on_local()'s hook. */
void names_local(struct names *n, const struct model_network *net, bool removed);
/** names_endpoint() - one of this node's is in the kernel, or no more. */
void names_endpoint(struct names *n, const struct local_endpoint *row, bool gone);
/** names_sandbox() - all that was to be done for a namespace is done: its files. */
void names_sandbox(struct names *n, const struct state_target *t);
/** names_check() - a device may be another one by now: from the loop, the sockets are compared with them. */
void names_check(struct names *n);
/** names_remove() - `ovlctl reset`: the files go, and nothing is taken in any more. */
int names_remove(struct names *n, struct err *e);

/* ---- Docker's containers, whose resolver asks by way of docker_gwbridge (names_gwbridge.c); for agent/docker/docker_gwbridge.h and the wiring ---- */

#define NAMES_SANDBOX_MAX 65
struct names_gwbridge { /* an endpoint on docker_gwbridge */
	struct id endpoint;
	char sandbox[NAMES_SANDBOX_MAX]; /* last part of the sandbox key of whoever has it: 12 digits */
	struct ip ip4, ip6;
};
/**
 * names_gwbridge_took() - all that are there
 * @generation: names_gwbridge_generation() when Docker was asked: where this node's endpoints have changed since, those in no sandbox of ours
 * may be ours all the same, and stay unknown
 */
void names_gwbridge_took(struct names *n, const struct names_gwbridge *v, size_t n_v,
			 unsigned generation);
unsigned names_gwbridge_generation(const struct names *n);
/** names_gwbridge_usable() - can Docker be asked? Without that nobody would be known, so nothing is redirected. Remembered over restarts of the agent. */
void names_gwbridge_usable(struct names *n, bool usable);
/** names_gwbridge_watch() - @unknown: somebody asks who is not known: Docker is to be asked, once in a while at most. NULL: nobody is told. */
void names_gwbridge_watch(struct names *n, void (*unknown)(void *user), void *user);
/** names_gwbridge_wanted() - redirect? Also before names_start(): what the last life of the agent left is still wanted then. */
bool names_gwbridge_wanted(struct names *n);
/** names_gwbridge_check() - the bridge may have come, gone, or have other addresses. */
void names_gwbridge_check(struct names *n);

/* A container that is on an ordinary bridge of Docker's as well has its way out there, and none by docker_gwbridge (names_bridges.c). */
struct names_bridge {
	struct id endpoint; /* Docker's, there */
	char ifname[IFNAMSIZ]; /* of the bridge */
	struct ip ip4;
};
/** names_bridges() - all those of the container in @sandbox (as above); where no endpoint of ours is in it they are none of our business */
void names_bridges(struct names *n, const char *sandbox, const struct names_bridge *v, size_t n_v);
/** names_bridges_elems() - whose questions shall be redirected: added to @ret, unsorted. */
void names_bridges_elems(struct names *n, struct state_net *ret);
/** names_docker_ifaces() - interfaces of Docker's that names are served on, docker_gwbridge too; each once; *ret: heap. */
size_t names_docker_ifaces(struct names *n, char (**ret)[IFNAMSIZ]);

struct dns *names_dns(struct names *n);
/** names_problems() - sockets that could not be opened, in words; appended. */
void names_problems(const struct names *n, struct strv *ret);
