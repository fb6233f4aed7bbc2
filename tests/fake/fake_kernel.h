/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake_kernel - the kernel of overlay/kernel.h in memory, with faults and with somebody else's hand in it.
 *
 * It keeps what a real one keeps and loses what a real one loses (kernel-facts §3 to §8): a bridge that is down loses its neighbours, a port
 * off its bridge its entries and flags, and so on. What no agent may do is noted as a violation: a port up without its flags, entry or
 * elements, a bridge taken down, a change of its MAC under way.
 *
 * Events and the answers of link_del come from the loop (with a loop) or from fake_kernel_turn().
 */
#pragma once
#include <uv.h>
#include "overlay/kernel.h"

enum fake_verb {
	FAKE_GROUND_CHECK,
	FAKE_GROUND,
	FAKE_DUMP,
	FAKE_DUMP_NET,
	FAKE_BRIDGE_ADD,
	FAKE_VXLAN_ADD,
	FAKE_UPLINK_ADD,
	FAKE_PORT_ADD,
	FAKE_LINK_SET,
	FAKE_LINK_SHUT,
	FAKE_LINK_DEL,
	FAKE_DIRECT_DEL,
	FAKE_GATEWAY,
	FAKE_FDB,
	FAKE_NEIGH,
	FAKE_GUARD,
	FAKE_ELEMS,
	FAKE_VTEPS,
	FAKE_WATCH,
	FAKE_DEFAULT_ROUTE,
	FAKE_FORWARDING,
	FAKE_OUTWARD_MTU,
	FAKE_VERBS,
};
/* What another hand can do. Each picks the first object that it fits. */
enum fake_drift {
	FAKE_DROP_BRIDGE,
	FAKE_DROP_VXLAN,
	FAKE_DROP_PORT,
	FAKE_DROP_SELF,
	FAKE_DROP_FLOOD,
	FAKE_DROP_MASTER,
	FAKE_DROP_NEIGH,
	FAKE_DROP_GATEWAY,
	FAKE_DROP_GUARD,
	FAKE_DROP_VTEP,
	FAKE_DROP_TABLES, /* nft flush ruleset */
	FAKE_DROP_NAMESPACE, /* everything, containers' interfaces too */
	FAKE_BRIDGE_DOWN,
	FAKE_BRIDGE_MAC,
	FAKE_BRIDGE_MTU,
	FAKE_VXLAN_DOWN,
	FAKE_VXLAN_MTU,
	FAKE_VXLAN_FREE, /* nomaster */
	FAKE_VXLAN_FLAGS,
	FAKE_VXLAN_LOCAL,
	FAKE_VXLAN_DSTPORT, /* made anew with another port */
	FAKE_PORT_DOWN,
	FAKE_PORT_MTU,
	FAKE_PORT_FREE,
	FAKE_PORT_LOOSE, /* nomaster, and without the mark that tells its network */
	FAKE_PORT_FLAGS,
	FAKE_MOVE_SELF, /* another VTEP */
	FAKE_MOVE_MASTER, /* another port */
	FAKE_MOVE_NEIGH, /* another MAC */
	FAKE_ADD_SELF,
	FAKE_ADD_MASTER,
	FAKE_ADD_NEIGH,
	FAKE_ADD_GATEWAY,
	FAKE_ADD_PORT,
	FAKE_ADD_GUARD,
	FAKE_ADD_VTEP,
	/* Of local networks only: */
	FAKE_DROP_UPLINK,
	FAKE_UPLINK_DOWN,
	FAKE_UPLINK_MTU,
	FAKE_UPLINK_FREE,
	FAKE_LOCALNET_OFF,
	FAKE_PORT_OPEN, /* the other kind of flags */
	FAKE_DROP_DIRECT, /* a device in a container is deleted; no event */
	FAKE_BRIDGE_NAME, /* a bridge of the host gets another name */
	FAKE_DROP_ELEM,
	FAKE_MOVE_ELEM, /* maps to another port */
	FAKE_ADD_ELEM,
	FAKE_OTHER_GUARD, /* a port may send from another address too */
	FAKE_MOVE_GUARD, /* ... instead of its own */
	FAKE_FREE_GUARD, /* a port may send anything */
	FAKE_DRIFTS,
	FAKE_OVERLAY_DRIFTS = FAKE_DROP_UPLINK,
};

struct fake_kernel;
/** fake_kernel_new() - @loop may be NULL. Grounded (tables and namespace stand) but empty. */
struct fake_kernel *fake_kernel_new(uv_loop_t *loop);
/** fake_kernel_free() - with a loop: run it once more afterwards, it has a handle to close. */
void fake_kernel_free(struct fake_kernel *f);
struct kernel *fake_kernel_seam(struct fake_kernel *f);

/** fake_kernel_put() - as if it had been made before: devices, ports, entries and elements of @n (copied); no event. */
void fake_kernel_put(struct fake_kernel *f, const struct state_net *n);
void fake_kernel_put_vtep(struct fake_kernel *f, struct ip vtep);
/** fake_kernel_net() - the truth, borrowed, to be looked at; NULL: nothing of it there. */
const struct state_net *fake_kernel_net(const struct fake_kernel *f, uint32_t vni);
size_t fake_kernel_count(const struct fake_kernel *f); /* networks */
size_t fake_kernel_guards(const struct fake_kernel *f);
/** fake_kernel_elems() - of the host's sets, sorted; borrowed. @ret may be NULL. Return: how many. */
size_t fake_kernel_elems(const struct fake_kernel *f, const struct state_elem **ret);
/** fake_kernel_put_elem() - as if it had been there before. */
void fake_kernel_put_elem(struct fake_kernel *f, const struct state_elem *el);
/** fake_kernel_route() - the default route of the namespace at @path. Return: unset: none. @ret_ifname may be NULL. */
struct ip fake_kernel_route(const struct fake_kernel *f, const char *path, int family,
			    char ret_ifname[IFNAMSIZ]);
/** fake_kernel_outward() - MTU of the way out; 0: there is none. 1500 at first. */
void fake_kernel_outward(struct fake_kernel *f, uint32_t mtu);
/** fake_kernel_is() - does the truth equal @want in all that the kernel knows? @e: the first difference. NULL @want: nothing of @vni is there. */
bool fake_kernel_is(const struct fake_kernel *f, uint32_t vni, const struct state_net *want,
		    struct err *e);
/** fake_kernel_guarded() - do the elements of the ports of @want stand? Not only what is seen of them. @e: the first that does not. */
bool fake_kernel_guarded(const struct fake_kernel *f, const struct state_net *want, struct err *e);
size_t fake_kernel_vteps(const struct fake_kernel *f, const struct ip **ret);

/** fake_kernel_drift() - Return: false when there is nothing that it could be done to. Events follow. */
bool fake_kernel_drift(struct fake_kernel *f, enum fake_drift what, uint32_t vni);
const char *fake_drift_name(enum fake_drift what);
/** fake_kernel_kill() - the container whose namespace is at @path ends, and its interfaces with it. */
void fake_kernel_kill(struct fake_kernel *f, const char *path);
/** fake_kernel_bury() - the same, but something still holds its namespace: the veth stays. */
void fake_kernel_bury(struct fake_kernel *f, const char *path);
/** fake_kernel_unground() - ground_check finds something amiss; nothing is lost. Event follows. */
void fake_kernel_unground(struct fake_kernel *f);

/** fake_kernel_fail() - the @nth next call of @v (1: the next) and the @times - 1 after it fail with @status. */
void fake_kernel_fail(struct fake_kernel *f, enum fake_verb v, unsigned nth, unsigned times,
		      int status);
/** fake_kernel_fail_port() - port_add of this name fails, until called with 0. One name at a time. */
void fake_kernel_fail_port(struct fake_kernel *f, const char *name, int status);
/** fake_kernel_mute() - no events (they are lost without a word) until called with false. */
void fake_kernel_mute(struct fake_kernel *f, bool on);
/** fake_kernel_hold() - link_del is not carried out until called with false. */
void fake_kernel_hold(struct fake_kernel *f, bool on);
/** fake_kernel_lose() - the next @n events are lost, and then LOST is told. */
void fake_kernel_lose(struct fake_kernel *f, unsigned n);
/** fake_kernel_tell() - an event of the test's own. */
void fake_kernel_tell(struct fake_kernel *f, const struct kernel_event *ev);
/** fake_kernel_turn() - deliver what is queued. */
void fake_kernel_turn(struct fake_kernel *f);

unsigned fake_kernel_calls(const struct fake_kernel *f, enum fake_verb v);
/** fake_kernel_violation() - what must not have been done; NULL: nothing so far. */
const char *fake_kernel_violation(const struct fake_kernel *f);
