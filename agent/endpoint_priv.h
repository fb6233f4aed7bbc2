/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * endpoint_priv - what the files of endpoint share: the table and one endpoint's life.
 *
 *   phase     | row in SQLite  | keys in etcd    | in the kernel (endpoints_locals) | leads to
 *   CLAIMING  | INTENDED       | unknown         | no                               | WAITING, LEAVING
 *   WAITING   | BOUND          | ours            | no: an old link of that name is still going | RUNNING, LEAVING
 *   RUNNING   | BOUND/CONFLICT | ours, or lost   | yes (shut in conflict)           | LEAVING
 *   LEAVING   | RELEASING      | being deleted   | no                               | freed
 */
#pragma once
#include <uthash.h>
#include <uv.h>
#include "agent/endpoint.h"

enum ep_phase { EP_CLAIMING, EP_WAITING, EP_RUNNING, EP_LEAVING };

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
	bool releasing; /* a release is under way in the store */
	bool reclaiming; /* a reclaim is under way */
	bool reclaim_again; /* and another one is due after it */
	bool leave_wanted; /* disconnect came while claiming */
	uint64_t deadline_ms; /* WAITING: until then */
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
struct endpoints {
	struct endpoints_deps d;
	struct ep *table; /* by row->id */
	struct ep_dying *dying;
	uv_timer_t wait_timer;
	bool closing;
};

#define EP_WAIT_POLL_MS 3
#define EP_WAIT_MAX_MS 2000

struct ep *ep_new(struct endpoints *es, struct local_endpoint *row);
void ep_free(struct ep *ep);
struct ep *ep_find(struct endpoints *es, struct id id);
void ep_wait(struct ep_waiter **list, endpoint_done_fn done, void *user);
/** ep_answer() - call and free all of @list. */
void ep_answer(struct ep_waiter **list, int status, const struct local_endpoint *row,
	       const struct err *e);
/** ep_save() - the row with @state; a failure is told in @e. */
int ep_save(struct ep *ep, enum local_endpoint_state state, struct err *e);
/** ep_vni() - of its network, 0 when the record is not known. */
uint32_t ep_vni(const struct ep *ep);
void ep_publish(const struct ep *ep, const char *action);
/** ep_model() - the record as claim wants it; borrows from @ep's row. */
struct model_endpoint ep_model(const struct ep *ep);
/** ep_mirror() - take @m (NULL: deleted) into the mirror at once, as this node's own write at @revision. */
void ep_mirror(struct ep *ep, const struct model_endpoint *m, int64_t revision);
/** ep_leave() - shut the port, release the addresses, forget. The leaves list is answered when done; @e (may be NULL): what connects are told. */
void ep_leave(struct ep *ep, int fail_status, const struct err *e);
/** ep_release() - send the release if none is under way. */
void ep_release(struct ep *ep);
/** ep_reclaim() - put own keys again under the lease in force. */
void ep_reclaim(struct ep *ep);
/** ep_ifname_exists() - does the namespace hold an interface of that name? -ENOENT: the namespace is gone. */
int ep_ifname_exists(const struct state_target *t, const char *ifname);
/** ep_dying_blocks() - is a link of @ep's namespace and name still being deleted? Forgets those that are gone. */
bool ep_dying_blocks(struct ep *ep);
void ep_dying_add(struct ep *ep);
/** endpoint_wait_start() - look again soon whether the WAITING ones can go on. */
void endpoint_wait_start(struct endpoints *es);
/** ep_attach() - claimed and free to go: make the port. */
void ep_attach(struct ep *ep);
