/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * diff - what to do so that the observed network becomes the desired one: an ordered list of operations.
 *
 * Pure. Order (facts §3 to §6): bridge, VXLAN device or uplink, gateways, ports (made down), self FDB, master FDB, neighbours, guards, ports up; then
 * what is too much, in reverse: neighbours, master FDB, self FDB, guards, ports shut and deleted, gateways. A network not desired at all: ports, vxlan
 * or uplink, bridge.
 * A MAC that moves (local port <-> vx, or between VTEPs) is one replace, never delete + add. `vxlan` that differs in what the
 * kernel cannot change (port, VNI, address family) is deleted and made again, and all its entries are filled in anew.
 *
 * Local networks: EGRESS has an uplink in place of the VXLAN device, and its gateways on that (new ones come with DIFF_UPLINK_ADD); BRIDGE has
 * neither, and addresses that somebody added to it are left alone. Neither has neighbours. DIRECT has ports only: one that is observed but not up
 * was made once and has not been seen since, and is asked for again (port_add finds it in place).
 */
#pragma once
#include "overlay/state.h"

enum diff_op_type {
	DIFF_BRIDGE_ADD,
	DIFF_BRIDGE_SET,
	DIFF_VXLAN_DEL,
	DIFF_VXLAN_ADD,
	DIFF_VXLAN_SET,
	DIFF_UPLINK_ADD,
	DIFF_UPLINK_SET,
	DIFF_UPLINK_DEL,
	DIFF_GATEWAY_ADD,
	DIFF_PORT_ADD,
	DIFF_PORT_SET,
	DIFF_FDB_ADD,
	DIFF_NEIGH_ADD,
	DIFF_GUARD_ADD,
	DIFF_PORT_UP,
	DIFF_NEIGH_DEL,
	DIFF_FDB_DEL,
	DIFF_GUARD_DEL,
	DIFF_PORT_DEL,
	DIFF_GATEWAY_DEL,
	DIFF_BRIDGE_DEL,
};
/* Why an operation is there, for logs and the drift counter. */
enum diff_reason { DIFF_MISSING, DIFF_DIFFERS, DIFF_SURPLUS };
struct diff_op {
	enum diff_op_type type;
	enum diff_reason reason;
	union { /* adds and sets: borrowed from the desired state; deletes: copies that the diff owns */
		const struct state_port *port;
		const struct state_fdb *fdb;
		const struct state_neigh *neigh;
		const struct prefix *gateway;
	};
};
struct diff {
	struct diff_op *ops;
	size_t n;
	/* What the deletes point to; the observed state may change while the operations are carried out. */
	struct state_port *ports;
	struct state_fdb *fdb;
	struct state_neigh *neigh;
	struct prefix *gateways;
};
/**
 * diff_net() - compare; both may be NULL (nothing desired / nothing there) but not both
 * @may_delete: false while the source of the desired state is not complete (DESIGN.md §3.2): surplus is left alone, but for ports known as
 * an endpoint's of this node (state_port.endpoint set in @have) that are wanted no more
 * The result borrows from @want only.
 */
void diff_net(const struct state_net *want, const struct state_net *have, bool may_delete,
	      struct diff *ret);
void diff_done(struct diff *d);
const char *diff_op_name(enum diff_op_type t);
/** diff_ips() - two sorted address lists: what to add and what to delete (heap arrays). */
void diff_ips(const struct ip *want, size_t n_want, const struct ip *have, size_t n_have,
	      struct ip **ret_add, size_t *ret_n_add, struct ip **ret_del, size_t *ret_n_del);
