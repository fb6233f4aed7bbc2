/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reconcile - keeps the kernel as desired: marks things dirty, runs coalesced passes, backs off per network, audits.
 *
 * Level-triggered (DESIGN.md §3.1). It owns the observed state. The desired state is asked for, per network, when a pass needs it.
 * A network that fails backs off by itself, 100 ms to 30 s; what is asked for meanwhile (reconcile_dirty(), reconcile_now()) is done all the same.
 * Of a network nothing is written before reconcile_start() has dumped the kernel and its source said it has a picture (hooks.source != RECONCILE_NONE):
 * local networks do not wait for the cluster's. What belongs to no network is judged by the namespace it is in: in the host's by the local source alone.
 *
 * Elements of the host's table (state_net.elems) stand when reconcile_now() returns 0, and are gone when it has dropped their endpoint. Where two networks
 * want the same one the first keeps it; the other gets it when it is given up.
 * Devices in containers (STATE_DIRECT) are seen by no dump: after each full one they are asked for again, which writes nothing where they stand.
 */
#pragma once
#include <uv.h>
#include "overlay/kernel.h"

enum reconcile_source {
	RECONCILE_NONE, /* no picture yet: write nothing */
	/* Snapshot or frozen: add and repair, never delete; but for the port of an endpoint that was this node's and has left meanwhile. */
	RECONCILE_PARTIAL,
	RECONCILE_COMPLETE, /* delete what is surplus */
};
struct reconcile_hooks {
	/* @key: of a local network the picture is SQLite's, complete from the start; 0: the overlay networks in general. */
	enum reconcile_source (*source)(void *user, uint32_t key);
	/* Desired state of one network (owned by the caller afterwards); NULL: it shall not be in the kernel. */
	struct state_net *(*desired)(void *user, uint32_t vni);
	/* Keys of all networks that shall be in the kernel, overlay and local; heap array. Those without a picture (source) are passed over. */
	size_t (*vnis)(void *user, uint32_t **ret);
	/* VTEPs of all nodes, sorted; heap array. */
	size_t (*vteps)(void *user, struct ip **ret);
	/* A port could not be made or repaired; told once per reason. @status -ENOENT: its namespace is gone (withdraw the endpoint), or what was handed
	 * over (state_port.handed) is. Any function of this module may be called from here. */
	void (*port_failed)(void *user, struct id endpoint, int status, const struct err *e);
	/* One repair of drift (not of a change of the desired state), for logs, events and metrics. */
	void (*drift)(void *user, uint32_t vni, const char *what, unsigned count);
	void (*underlay_changed)(void *user);
	/* The device of an endpoint that has left is gone from its container; not called from within a function of this module. May be NULL. */
	void (*direct_gone)(void *user, struct id endpoint);
};
struct reconcile;
struct reconcile_stats {
	uint64_t passes, audits, drift_repaired, failures, writes;
	uint64_t peers; /* of reconcile_peer() what was done without a pass */
	unsigned nets_dirty, nets_backing_off;
	char last_error[256];
};
struct reconcile *reconcile_new(uv_loop_t *loop, struct kernel *k, const struct reconcile_hooks *h,
				void *user);
/** reconcile_start() - ground check, first dump, events on. Return: 0; on failure it retries by itself. */
int reconcile_start(struct reconcile *r, struct err *e);
void reconcile_close(struct reconcile *r);
/** reconcile_stop() - no pass and no write any more (before a reset); close still follows. */
void reconcile_stop(struct reconcile *r);
/** reconcile_dirty() - the desired state of @vni may have changed: a pass follows within this loop turn's end (uv_idle/uv_async or 0 ms timer), coalesced. */
void reconcile_dirty(struct reconcile *r, uint32_t vni);
/**
 * reconcile_peer() - of the desired state of @vni nothing has changed but one endpoint of another node
 * @gone, @coming: what it added before and adds now (compile_peer()), empty for nothing; @flood: the network floods
 * Told in the order of the changes; carried out as reconcile_dirty() is, gathered, but at the cost of these entries alone. Where more is due for
 * @vni, or they do not fit what is observed (the MAC or address is somebody else's by now), the network is dirty instead.
 */
void reconcile_peer(struct reconcile *r, uint32_t vni, const struct state_peer *gone,
		    const struct state_peer *coming, bool flood);
void reconcile_dirty_all(struct reconcile *r); /* desired changed everywhere, or source changed */
void reconcile_dirty_hosts(struct reconcile *r); /* the set of VTEPs changed */
/**
 * reconcile_now() - run the pass for one network at once, for attach and detach
 * @endpoint: whose port's fate is asked for (NULL: none). Return: 0 when the network is as desired; else the error of that port, or of the network.
 */
int reconcile_now(struct reconcile *r, uint32_t vni, const struct id *endpoint, struct err *e);
/** reconcile_repaired() - drift that the caller has repaired himself: counted, and told by hooks.drift. */
void reconcile_repaired(struct reconcile *r, uint32_t vni, const char *what);
/**
 * reconcile_drop_direct() - delete a device in a container that a former life of this agent left, in the background
 * @vni: of its network, 0: not known any more. hooks.direct_gone tells of its end. Before or after reconcile_start().
 */
void reconcile_drop_direct(struct reconcile *r, uint32_t vni, const struct state_port *p);
/** reconcile_audit() - dump everything and compare, now; it also runs every RECONCILE_AUDIT_MS. */
void reconcile_audit(struct reconcile *r);
#define RECONCILE_AUDIT_MS 60000
bool reconcile_ready(const struct reconcile *r); /* first dump done */
void reconcile_stats(const struct reconcile *r, struct reconcile_stats *ret);

/* ---- looking without writing (`ovlctl doctor`) ---- */

struct diff_op;
enum reconcile_amiss {
	RECONCILE_GROUND, /* ->why */
	RECONCILE_OP, /* ->op would be done to network ->vni; ->want (NULL: it shall not be there), ->have */
	RECONCILE_TARGET_GONE, /* ->port's namespace is no more */
	RECONCILE_VTEP_MISSING, /* ->ip */
	RECONCILE_VTEP_SURPLUS,
	RECONCILE_ELEM_MISSING, /* ->elem, of network ->vni: missing, or leads elsewhere */
	RECONCILE_ELEM_SURPLUS,
	RECONCILE_GUARD_SURPLUS, /* ->guard: lets a port send what it should not, or is left of one that is gone */
	RECONCILE_LINK_LOOSE, /* ->name: a port on no bridge of ours */
};
struct reconcile_finding { /* borrowed for the call; what ->amiss does not name is unset */
	enum reconcile_amiss amiss;
	uint32_t vni; /* 0: no single network's */
	const char *why, *name;
	const struct diff_op *op;
	const struct state_net *want, *have;
	const struct state_port *port;
	const struct state_elem *elem;
	const struct state_guard *guard;
	struct ip ip;
};
typedef void (*reconcile_examine_fn)(void *user, const struct reconcile_finding *f);
/**
 * reconcile_examine() - compare a fresh dump with what is desired: all that passes over everything would repair now, network by network
 * Nothing is written, and what is observed is left as it was. What has no picture yet (hooks.source) is passed over, and so are deletions where it is not
 * complete. Return: 0, -EAGAIN: not ready; the kernel's.
 */
int reconcile_examine(struct reconcile *r, reconcile_examine_fn fn, void *user, struct err *e);
/** reconcile_idle() - is nothing due, and no deletion under way? Networks that back off after a failure do not count. */
bool reconcile_idle(const struct reconcile *r);
