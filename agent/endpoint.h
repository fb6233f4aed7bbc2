/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * endpoint - this node's endpoints: connect, disconnect, and what becomes of them when things die.
 *
 * Each local endpoint is a small state machine, remembered in SQLite before every transaction (store/local.h):
 *   INTENDED --claimed--> BOUND --attached--> (running) --disconnect or namespace dead--> RELEASING --deleted in etcd--> gone
 * On a local network there is nothing to claim: the address is chosen and the row written, then as above. Endpoints of one namespace make a sandbox
 * (agent/sandbox.h): which of them bears the default route, whether it needs the egress bridge, and where its published ports lead, follows
 * from all of them together.
 * A reply to connect means that it works on this node; a failed one leaves nothing. While etcd is away connect fails at once, disconnect
 * succeeds and the release is sent later.
 */
#pragma once
#include "agent/events.h"
#include "agent/target.h"
#include "ipam/claim.h"
#include "overlay/kernel.h"
#include "store/local.h"
#include "store/mirror.h"

#define ENDPOINT_PER_TARGET_MAX 64

struct reconcile;
struct compile_local;
struct endpoints;
struct networks;
struct publishes;
struct knl_conntrack;
struct endpoints_deps {
	uv_loop_t *loop;
	struct mirror *mirror;
	struct networks *networks;
	struct publishes *publishes;
	struct knl_conntrack *conntrack; /* NULL: the kernel has none */
	struct claim *claim; /* NULL: standalone */
	struct local *local;
	struct kernel *kernel;
	struct reconcile *reconcile;
	struct events *events;
	struct id self;
	const char *boot_id, *prefix;
	int64_t (*lease)(void *user); /* the node's address lease, 0 while there is none */
	void (*lease_gone)(void *user); /* etcd says that it is; may be NULL */
	uint32_t (*mtu)(void *user); /* of the underlay, 0 while unknown */
	target_run_fn run_pid; /* names of run containers */
	/* One is in the kernel (or made again, with other addresses), or leaves; may be NULL, and so may: */
	void (*endpoint)(void *user, const struct local_endpoint *row, bool gone);
	/* All that follows from it in its namespace is done too; before the connect is answered. Not while further networks are to follow. */
	void (*sandbox)(void *user, const struct state_target *t);
	void *user;
};
struct endpoint_request {
	struct id network;
	const char *target; /* text, see target.h */
	const char *
		name; /* NULL: the run name, the netns name, or the first 12 digits of the sandbox */
	struct strv aliases;
	struct ip ip4, ip6; /* unset: chosen */
	struct mac mac; /* zero: from the address */
	const char *ifname; /* NULL: the first free ethN */
	const struct model_publish *publish; /* host_port 0: chosen */
	size_t n_publish;
	int32_t gw_priority;
	bool more; /* further networks follow: leave the way out to the last of them */
	/* Names; borrowed, as in struct local_endpoint. */
	const char *hostname; /* NULL: not told */
	const struct model_port *expose;
	size_t n_expose;
	struct strv links; /* "NAME:ALIAS" */
	struct strv dns, dns_search, dns_options, extra_hosts;
};
struct endpoints *endpoints_new(const struct endpoints_deps *d);
/** endpoints_load() - rows of SQLite; the dead ones are withdrawn, the others known at once. Before reconcile_start(). */
int endpoints_load(struct endpoints *es, struct err *e);
void endpoints_close(struct endpoints *es);
/* @ep: borrowed, NULL on failure. -EEXIST: already connected to that network; -EADDRINUSE, -ENOSPC, -ENOENT, -EINVAL, -EMSGSIZE (MTU), store's. */
typedef void (*endpoint_done_fn)(void *user, int status, const struct local_endpoint *ep,
				 const struct err *e);
void endpoint_connect(struct endpoints *es, const struct endpoint_request *req,
		      endpoint_done_fn done, void *user);
/** endpoint_disconnect() - by network and target text (or endpoint name/id). Idempotent only with force. */
void endpoint_disconnect(struct endpoints *es, struct id network, const char *target, bool force,
			 endpoint_done_fn done, void *user);
/** endpoint_disconnect_id() - one local endpoint. */
void endpoint_disconnect_id(struct endpoints *es, struct id endpoint, endpoint_done_fn done,
			    void *user);
/**
 * endpoints_drop_begin() - the namespace @t (NULL: each) is ending: its endpoints are about to be disconnected one by one, and nothing is made for
 * those that are left meanwhile
 */
void endpoints_drop_begin(struct endpoints *es, const struct local_target *t);
/** endpoint_drop_target() - all endpoints of a namespace (a run container has ended). */
void endpoint_drop_target(struct endpoints *es, const struct local_target *t);
/** endpoint_each() - all local ones, any state. */
void endpoint_each(struct endpoints *es, void (*fn)(void *user, const struct local_endpoint *ep),
		   void *user);
/** endpoints_running() - those in the kernel; of the namespace @t (by dev and ino), NULL: of each. */
void endpoints_running(struct endpoints *es, const struct state_target *t,
		       void (*fn)(void *user, const struct local_endpoint *ep), void *user);
const struct local_endpoint *endpoint_get(struct endpoints *es, struct id id);
size_t endpoint_count(const struct endpoints *es);

/* ---- Docker's (agent/docker) ----
 *
 * Docker says when an endpoint comes, is in a sandbox, and goes; it moves, names and addresses the interface it is handed, and looks after the way out and
 * published ports. So these are in no sandbox of ours: no default route, no egress endpoint, nothing is entered or checked inside. They outlive the agent;
 * on another boot they are given back as all others. One whose interface is gone keeps its addresses (local_endpoint.lost) until it is deleted here.
 */
struct endpoint_docker_request {
	struct id id, network; /* Docker's EndpointID; the cluster's network, an overlay */
	const char *docker_network; /* Docker's NetworkID */
	struct ip ip4, ip6; /* reserved before; unset: chosen */
	struct mac mac; /* zero: from the address */
	const struct model_port *expose; /* borrowed */
	size_t n_expose;
};
/**
 * endpoint_docker_create() - claim an endpoint, in no sandbox yet; called again: the same answer
 * @done: as for endpoint_connect(). -EBUSY: one of that id is being deleted.
 */
void endpoint_docker_create(struct endpoints *es, const struct endpoint_docker_request *req,
			    endpoint_done_fn done, void *user);
/**
 * endpoint_docker_join() - make its interface, in this namespace, for Docker to take
 * @sandbox_key: Docker's name for the namespace; never opened. With another one than before, or where the interface is gone, it is made anew.
 * Return: 0; -ENOENT: no such endpoint; -EAGAIN: not claimed yet, or the kernel's state not known yet; -EADDRINUSE: it lost its address; the kernel's.
 */
int endpoint_docker_join(struct endpoints *es, struct id id, const char *sandbox_key,
			 char ret_ifname[IFNAMSIZ], struct err *e);
/** endpoint_docker_leave() - the interface goes, wherever it is; the addresses stay. Unknown, or in no sandbox: 0. Return: 0. */
int endpoint_docker_leave(struct endpoints *es, struct id id, struct err *e);
/** endpoint_docker_delete() - leaves if need be, addresses given back. Unknown: success; etcd away: success, given back later. */
void endpoint_docker_delete(struct endpoints *es, struct id id, endpoint_done_fn done, void *user);
struct endpoint_docker_names { /* borrowed */
	const char *container; /* its id; NULL, as in the next two: as it was */
	const char *name, *hostname;
	struct strv aliases, links, dns; /* what is no alias, "NAME:ALIAS" or address is left out */
};
/** endpoint_docker_names() - what Docker tells of its container; what differs is put into etcd. Unknown: nothing. */
void endpoint_docker_names(struct endpoints *es, struct id id,
			   const struct endpoint_docker_names *n);
/** endpoint_docker_place() - what stands for the namespace of a sandbox in local_target and state_target: all endpoints of one are one client. */
#define ENDPOINT_DOCKER_DEV UINT64_MAX
uint64_t endpoint_docker_place(const char *sandbox_key); /* ->ino; ->dev is ENDPOINT_DOCKER_DEV */

/* For the wiring (agent.c): */
/** endpoints_locals() - what compile needs of one network's endpoints (those claimed and not leaving); heap array, contents borrowed. */
size_t endpoints_locals(struct endpoints *es, struct id network, struct compile_local **ret);
/** endpoints_networks() - networks with at least one such endpoint; heap array. */
size_t endpoints_networks(struct endpoints *es, struct id **ret);
/** endpoints_port_failed() - reconcile's hook. */
void endpoints_port_failed(struct endpoints *es, struct id endpoint, int status,
			   const struct err *e);
/** endpoints_direct_gone() - reconcile's hook: the device of one that left is gone, nothing of it is left to remember. */
void endpoints_direct_gone(struct endpoints *es, struct id endpoint);
/**
 * endpoints_resettle() - settle with etcd what is open: releases are sent, own endpoints that are missing or altered are put again
 * @all: put every one again (a new lease, or etcd was wiped or restored)
 */
void endpoints_resettle(struct endpoints *es, bool all);
/** endpoints_settle_sandboxes() - what failed beside an endpoint that left (way out, default route, published ports) is tried again. */
void endpoints_settle_sandboxes(struct endpoints *es);
/** endpoints_check_forwarding() - is the host's forwarding on, as far as they need it? Return: how many switches were off and are on again. */
unsigned endpoints_check_forwarding(struct endpoints *es);
/** endpoints_forwarded() - do any of them need the host to forward @family? */
bool endpoints_forwarded(struct endpoints *es, int family);
/** endpoints_record_changed() - the mirror saw one of ours deleted or altered. */
void endpoints_record_changed(struct endpoints *es, const struct mirror_change *c);
