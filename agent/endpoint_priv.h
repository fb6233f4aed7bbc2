/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * endpoint_priv - what the files of endpoint share: the table and one endpoint's life.
 *
 *   phase     | row in SQLite  | keys in etcd    | in the kernel (endpoints_locals) | leads to
 *   CLAIMING  | INTENDED       | unknown         | no                               | WAITING, LEAVING
 *   WAITING   | BOUND          | ours            | no: an old link of that name is still going | RUNNING, LEAVING
 *   HELD      | BOUND/CONFLICT | ours, or lost   | no: Docker's, in no sandbox (no target.path) | RUNNING, LEAVING
 *   RUNNING   | BOUND/CONFLICT | ours, or lost   | yes (shut in conflict)           | LEAVING
 *   LEAVING   | RELEASING      | being deleted   | no                               | freed
 *
 * One of a local network has nothing in etcd: it begins as WAITING or RUNNING with its row BOUND, and is gone where others are LEAVING. But a device
 * on a parent goes in the background and no dump finds it: until then the row stays, RELEASING, and the next start makes sure of it.
 *
 * One of Docker's goes from CLAIMING to HELD, and between HELD and RUNNING as often as Docker pleases. It is in no ep_sandbox.
 *
 * Files: endpoint.c the table; endpoint_docker.c Docker's; endpoint_connect.c, endpoint_leave.c an endpoint's way; endpoint_row.c what one is made of;
 * endpoint_local.c addresses of local networks; endpoint_sandbox.c what follows from all endpoints of a namespace; endpoint_egress.c its way out; endpoint_publish.c
 * its ports; endpoint_settle.c agreement with etcd.
 */
#pragma once
#include <uthash.h>
#include <uv.h>
#include "agent/endpoint.h"
#include "agent/network.h"
#include "agent/publish.h"
#include "agent/sandbox.h"
#include "overlay/knl_conntrack.h"

enum ep_phase { EP_CLAIMING, EP_WAITING, EP_HELD, EP_RUNNING, EP_LEAVING };

struct ep_waiter {
	endpoint_done_fn done;
	void *user;
	struct ep_waiter *next;
};
struct ep {
	struct endpoints *es;
	struct local_endpoint *row;
	struct state_target target;
	enum ep_phase phase;
	bool local; /* its network is this node's own */
	bool remaking; /* WAITING: its port comes again, with an IPv6 address beside the other */
	bool held; /* made, and answered when the egress endpoint is made again */
	bool fresh; /* Docker's: its port may be made now, and not again later */
	struct ip want4, want6; /* Docker's: asked for, while CLAIMING */
	int64_t claim_rev; /* the record of its network that was claimed with */
	int64_t stale_rev; /* Docker's, CLAIMING: waits until its network's record is another than this revision; 0: does not */
	bool names_due; /* the record in etcd has other names than the row */
	bool attaching; /* its port is being made: a failure is told there */
	bool unbind; /* Docker's: the next release makes its addresses reservations again */
	bool releasing; /* a release is under way in the store */
	bool reclaiming; /* a reclaim is under way */
	bool reclaim_again; /* and another one is due after it */
	bool leave_wanted; /* disconnect came while claiming */
	uint64_t deadline_ms; /* WAITING, CLAIMING with stale_rev: until then */
	int fail_status; /* LEAVING after a failed connect: what its callers are told */
	struct err fail;
	struct ep_waiter *connects, *leaves;
	UT_hash_handle hh;
};
/* A link that is being deleted in the background; its name inside the container is not free yet. */
struct ep_dying {
	struct state_target target;
	char ifname[IFNAMSIZ];
	struct ep_dying *next;
};
/* A namespace: who is one does not change in its life. */
struct ep_place {
	uint64_t dev, ino;
};
/* All endpoints of one namespace (agent/sandbox.h), as they stand in the kernel; there while it has an endpoint that is not leaving. */
struct ep_sandbox {
	struct ep_place place;
	struct id gateway4,
		gateway6; /* whose default route is in force in the namespace; zero: none */
	struct ip via4, via6;
	bool unsure; /* the last attempt to change the default routes failed, perhaps half-way */
	struct id published; /* endpoint that @publish leads to; zero: none */
	struct model_publish *publish; /* of all its endpoints */
	size_t n_publish;
	bool dropping; /* the namespace ends: nothing is made for it any more */
	bool settling;
	bool due; /* the last attempt to settle it failed */
	UT_hash_handle hh;
};
/* Addresses of a local network that were given back lately, and the newest one given. */
struct ep_recent {
	struct ip ip;
	uint64_t until_ms;
};
struct ep_pool {
	struct id network;
	struct ip newest4, newest6;
	struct ep_recent *recent; /* oldest first */
	size_t n_recent;
	UT_hash_handle hh;
};
struct endpoints {
	struct endpoints_deps d;
	struct ep *table; /* by row->id */
	struct ep_sandbox *sandboxes; /* by place */
	struct ep_pool *pools; /* by network */
	struct ep_dying *dying;
	uv_timer_t wait_timer;
	bool closing;
};

#define EP_WAIT_POLL_MS 3
#define EP_WAIT_MAX_MS 2000
#define EP_RECENT_MAX 4096 /* per local network; above, the oldest go */

struct ep *ep_new(struct endpoints *es, struct local_endpoint *row);
void ep_free(struct ep *ep);
struct ep *ep_find(struct endpoints *es, struct id id);
/** ep_at() - is @ep in the namespace @t? */
bool ep_at(const struct ep *ep, const struct state_target *t);
void ep_wait(struct ep_waiter **list, endpoint_done_fn done, void *user);
/** ep_answer() - call and free all of @list. */
void ep_answer(struct ep_waiter **list, int status, const struct local_endpoint *row,
	       const struct err *e);
/** ep_save() - the row with @state; a failure is told in @e. */
int ep_save(struct ep *ep, enum local_endpoint_state state, struct err *e);
/** ep_network() - the record of its network, NULL when it is not known. */
const struct model_network *ep_network(const struct ep *ep);
/** ep_key() - of its network (network_key()), 0 when the record is not known. */
uint32_t ep_key(const struct ep *ep);
void ep_event(const struct ep *ep, const char *action);
/** ep_model() - the record as claim wants it; borrows from @ep's row. */
struct model_endpoint ep_model(const struct ep *ep);
/** ep_mirror() - take @m (NULL: deleted) into the mirror at once, as this node's own write at @revision. */
void ep_mirror(struct ep *ep, const struct model_endpoint *m, int64_t revision);
/** ep_is_docker() - made by endpoint_docker_create(): another program moves and names its interface. */
static inline bool ep_is_docker(const struct ep *ep)
{
	return ep->row->engine != NULL;
}
/** ep_check_network() - can @t be connected to @net now? Return: 0, or what endpoint_connect() is answered. */
int ep_check_network(struct endpoints *es, const struct model_network *net,
		     const struct local_target *t, struct err *e);
/** ep_check_room() - -ENOSPC: @net has as many endpoints here as a bridge has ports. */
int ep_check_room(struct endpoints *es, const struct model_network *net, struct err *e);
/** ep_check_link() - is @link "NAME:ALIAS"? Else added to @e. */
void ep_check_link(const char *link, struct err *e);
/** ep_take_claimed() - addresses, MAC and revision into the row. */
void ep_take_claimed(struct ep *ep, const struct model_endpoint *m);
/** ep_attach() - claimed and free to go: make the port, and what it asks for beside it; then the connects are answered. @ep may be gone afterwards. */
void ep_attach(struct ep *ep);
/** ep_finish() - connected: say so to those who wait. */
void ep_finish(struct ep *ep);
/** ep_make() - the port alone. Return: 0, or the error; the port is then not there. */
int ep_make(struct ep *ep, struct err *e);
/** endpoint_wait_start() - look again soon whether the WAITING ones can go on. */
void endpoint_wait_start(struct endpoints *es);

/* endpoint_docker.c */
#define EP_STALE_MAX_MS 1500 /* within PLUGIN_CALL_MS (agent/docker/plugin.h) */
/** ep_docker_waits() - for the record of its network, still? */
bool ep_docker_waits(const struct ep *ep);
/** ep_docker_claim() - it need not wait any more: claim with the record there is, or give up. @ep may be LEAVING afterwards. */
void ep_docker_claim(struct ep *ep);

/* endpoint_row.c */
/**
 * ep_row_new() - a row with what does not depend on addresses
 * @t: moved from; @run_name: owned afterwards, may be NULL
 */
struct local_endpoint *ep_row_new(struct endpoints *es, const struct endpoint_request *req,
				  const struct model_network *net, struct local_target *t,
				  char *run_name);
/**
 * ep_choose_ifname() - @want, or the first free ethN
 * @now: a name whose link is still being deleted will not do. Return: 0, -EEXIST, -ENOENT: the namespace is gone, -ENOSPC.
 */
int ep_choose_ifname(struct endpoints *es, const struct state_target *t, const char *want, bool now,
		     char **ret, struct err *e);
/** ep_dying_blocks() - is a link of @ep's namespace and name still being deleted? Forgets those that are gone. */
bool ep_dying_blocks(struct ep *ep);
void ep_dying_add(struct ep *ep);

/** ep_is_direct() - is its port a device in the container itself? Told by the row alone: its network may be gone. */
bool ep_is_direct(const struct ep *ep);
/** ep_direct_port() - what is to be deleted of one. */
struct state_port ep_direct_port(const struct ep *ep);

/* endpoint_leave.c */
/**
 * ep_leave() - shut the port, release the addresses, forget. The leaves list is answered when done; @e (may be NULL): what connects are told.
 * @ep of a local network is gone afterwards.
 */
void ep_leave(struct ep *ep, int fail_status, const struct err *e);
/** ep_shut_port() - it is on the list of compile no more: down and off the bridge; the link goes in the background. */
void ep_shut_port(struct ep *ep);
/** ep_answer_left() - tell everybody who waits. After a failed connect its callers learn why; who asked to leave is told it is done. */
void ep_answer_left(struct ep *ep, int status, const struct err *e);

/* endpoint_settle.c */
/** ep_release() - send the release if none is under way. */
void ep_release(struct ep *ep);
/** ep_lease_doubt() - @status is of a claim: is it that the lease is gone? Then whoever keeps it finds out at once. */
void ep_lease_doubt(struct endpoints *es, int status);
/** ep_reclaim() - put own keys again under the lease in force. */
void ep_reclaim(struct ep *ep);

/* endpoint_local.c */
/**
 * ep_local_addresses() - choose or check @row's addresses and MAC
 * @with6: an IPv6 address too, where the network has them
 * Return: 0, -EADDRINUSE (owner named), -ERANGE, -EINVAL, -ENOSPC
 */
int ep_local_addresses(struct endpoints *es, const struct model_network *net,
		       const struct endpoint_request *req, bool with6, struct local_endpoint *row,
		       struct err *e);
/** ep_local_add6() - an IPv6 address for a row that has none. Return: as ep_local_addresses(). */
int ep_local_add6(struct endpoints *es, const struct model_network *net, struct local_endpoint *row,
		  struct err *e);
/** ep_local_released() - its addresses are free, but passed over for a minute. */
void ep_local_released(const struct ep *ep);
/** ep_local_load() - all rows are known: which address of each network is the newest. */
void ep_local_load(struct endpoints *es);
void ep_local_done(struct endpoints *es);

/* endpoint_sandbox.c */
/** ep_sandbox_of() - NULL: the namespace has none. */
struct ep_sandbox *ep_sandbox_of(struct endpoints *es, const struct state_target *t);
/** ep_in() - is @ep one of @sb's? */
bool ep_in(const struct ep *ep, const struct ep_sandbox *sb);
/** ep_sandbox_check() - could @req be met in @t? Return: 0; -EINVAL: ports are to be published and no network leads out; -ENOENT: the namespace ends. */
int ep_sandbox_check(struct endpoints *es, const struct endpoint_request *req,
		     const struct model_network *net, const struct state_target *t, struct err *e);
/** ep_sandbox_enter() - @ep is RUNNING, its port is made next: what comes with the port if nobody has it yet, the default route and the published ports. */
void ep_sandbox_enter(struct ep *ep);
/** ep_sandbox_settle() - egress endpoint, default route and published ports as they shall be. Return: 0 or the first error. */
int ep_sandbox_settle(struct endpoints *es, const struct state_target *t, struct err *e);
/** ep_sandbox_final() - no further networks follow: those that left the way out to the last one count from now on. */
void ep_sandbox_final(struct endpoints *es, const struct state_target *t);
/** ep_sandbox_left() - @ep is LEAVING and its port gone; the others carry on. */
void ep_sandbox_left(struct ep *ep);
/** ep_sandbox_load() - all rows are known: what was in force before the restart is taken for granted. */
void ep_sandbox_load(struct endpoints *es);
void ep_sandbox_done(struct endpoints *es);

/* endpoint_egress.c */
/** ep_egress_make() - an endpoint on the egress bridge. Return: 0, or why there is no way out. */
int ep_egress_make(struct endpoints *es, const struct ep_sandbox *sb, struct err *e);
/** ep_egress_lacks6() - was @egress made when IPv4 was all there was to lead out? */
bool ep_egress_lacks6(const struct ep *egress, const struct ep_sandbox *sb);
/**
 * ep_egress_remake() - make its port again, with an IPv6 address too
 * Name and other addresses are as before: what is connected through it stays so. Its old link goes first, in the background.
 */
int ep_egress_remake(struct ep *ep, struct err *e);
/** ep_egress_hold() - is the egress endpoint of @ep's namespace being made again? Then @ep is answered when it is. */
bool ep_egress_hold(struct ep *ep);
/** ep_egress_remade() - and now it can be: @ep is the egress endpoint. */
void ep_egress_remade(struct ep *ep);
/** ep_egress_unhold() - answer those held. */
void ep_egress_unhold(struct endpoints *es, const struct state_target *t, int status,
		      const struct err *e);

/* endpoint_publish.c */
/** ep_publish_take() - reserve the ports of @row (host addresses and ports are filled in), all or none. Nothing to publish: 0. */
int ep_publish_take(struct endpoints *es, struct local_endpoint *row, const struct netopt *opt,
		    struct err *e);
/** ep_publish_drop() - @ep leaves: its ports are free; the flows through them and to its addresses are forgotten. */
void ep_publish_drop(struct ep *ep);
/** ep_publish_gather() - the published ports of all endpoints of @sb; true: they are others than before. */
bool ep_publish_gather(struct endpoints *es, struct ep_sandbox *sb);
/** ep_publish_follow() - reservations and relays lead to sb->published. */
void ep_publish_follow(struct endpoints *es, struct ep_sandbox *sb);
/** ep_publish_load() - reserve again what was published before the restart. */
void ep_publish_load(struct endpoints *es);
