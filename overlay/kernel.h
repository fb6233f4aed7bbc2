/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel - the one seam to the kernel: some two dozen verbs over values of overlay/state.h.
 *
 * Two implementations: kernel_linux.h (rtnetlink, nf_tables, sysctls) and tests/fake/fake_kernel.h (in memory, injects faults).
 * All verbs are synchronous and bounded (one netlink batch) but link_del, which waits for RCU and runs elsewhere (DESIGN.md §3.8).
 * Return: 0 or -errno, with the kernel's own words (extack) in @e. Verbs that make are idempotent where they say so; verbs that delete
 * treat "not there" as success. Every verb that writes counts each object written (writes()).
 *
 * The namespace for all overlays ("ovl") and the host's own one are reached through sockets opened once; ground() makes the namespace.
 */
#pragma once
#include "base/err.h"
#include "overlay/state.h"

struct kernel;

/* What happened in the kernel, decoded. Events are hints (DESIGN.md §3.1): a lost one is KERNEL_EVENT_LOST. */
enum kernel_event_type {
	KERNEL_EVENT_LOST, /* notifications were lost: everything is to be dumped again */
	KERNEL_EVENT_LINK, /* a link of ours, in the overlay namespace or the host's: vni (0 if not known), name, port attributes in @port or gone */
	KERNEL_EVENT_FDB, /* vni, fdb; deleted */
	KERNEL_EVENT_NEIGH, /* vni, neigh; deleted (a FAILED state counts as deleted) */
	KERNEL_EVENT_GATEWAY, /* an address on a bridge was added or removed: vni, gateway; deleted */
	KERNEL_EVENT_GROUND, /* nf_tables, a sysctl or the namespace file changed: ground_check() is due */
	KERNEL_EVENT_UNDERLAY, /* links, addresses or routes of the host changed, or its forwarding was switched */
};
struct kernel_event {
	enum kernel_event_type type;
	bool deleted;
	uint32_t vni;
	char name[IFNAMSIZ]; /* LINK */
	int ifindex; /* LINK */
	uint32_t mtu; /* LINK */
	bool up, enslaved; /* LINK */
	bool flags_ok; /* LINK: as in struct state_port / vxlan_flags_ok; only meaningful with has_flags */
	bool has_flags; /* LINK: the notification carried bridge port flags */
	bool open; /* LINK: with flags_ok, as in struct state_port */
	struct mac mac; /* LINK */
	struct ip vtep; /* LINK of a vx: its local address; unset: not told */
	struct state_fdb fdb; /* FDB */
	struct state_neigh neigh; /* NEIGH */
	struct prefix gateway; /* GATEWAY */
};
typedef void (*kernel_event_fn)(void *user, const struct kernel_event *ev);

/* What ground() must put in place beside rules and sysctls: the elements, in the same transaction as the tables. */
struct kernel_elements {
	const struct ip *vteps;
	size_t n_vteps;
	const struct state_guard *guards;
	size_t n_guards;
	const struct state_elem *elems; /* one for each identity */
	size_t n_elems;
};
struct kernel_dump {
	struct state_net **
		nets; /* every network of ours found (never a DIRECT one), each with ports, fdb, neigh; sorted by vni */
	size_t n_nets;
	struct ip *vteps; /* elements of the host's VTEP set, sorted */
	size_t n_vteps;
	struct state_guard *
		strays; /* port-security elements that fit no port (wrong MAC or address, or port gone) */
	size_t n_strays;
	struct state_guard *
		guards; /* all of them: one that fits its port as far as the kernel's own tables tell may still be none that is desired */
	size_t n_guards;
	char (*loose)[IFNAMSIZ]; /* ve*, ovp* links that are on no bridge of ours */
	size_t n_loose;
	struct state_elem *elems; /* of the host's sets, sorted by state_elem_cmp() */
	size_t n_elems;
};
void kernel_dump_done(struct kernel_dump *d); /* nets too */

enum kernel_bool { KERNEL_KEEP = -1, KERNEL_OFF = 0, KERNEL_ON = 1 };
/* A change of an existing link; fields at 0 / KERNEL_KEEP stay. */
struct kernel_link_set {
	const char *name;
	bool host; /* it is in the host's namespace */
	uint32_t mtu;
	enum kernel_bool up;
	const char *master; /* NULL: keep; "" : none */
	bool port_flags; /* set the bridge port flags that its kind (ve, ovp, vx) shall have, ... */
	bool open, isolated; /* ... varied so */
	bool localnet; /* route_localnet and forwarding of this device on */
	struct ip vtep; /* vx: new local address of the same family */
};
struct kernel_fdb_op {
	bool del;
	struct state_fdb fdb;
};
struct kernel_neigh_op {
	bool del;
	struct state_neigh neigh;
};
struct kernel_guard_op {
	bool del;
	struct state_guard guard;
};
struct kernel_elem_op {
	bool del;
	struct state_elem elem;
};
typedef void (*kernel_deleted_fn)(void *user, const char *name, int status);

struct kernel_ops {
	/* Ground: the namespace, its sysctls, the nf_tables skeletons of both namespaces. */
	/* ground_check: 0 when all stands as it should, -ESTALE with what is amiss in @e, else an error. Writes nothing. */
	int (*ground_check)(struct kernel *k, struct err *e);
	/* ground: repair what ground_check found, each table rebuilt in one transaction with @el. Creates the namespace if absent; an existing one
	 * whose file was unlinked is mounted again without loss. -EEXIST.. as found. */
	int (*ground)(struct kernel *k, const struct kernel_elements *el, struct err *e);
	int (*dump)(struct kernel *k, struct kernel_dump *ret, struct err *e);
	/* dump_net: one network; *ret is never NULL on success (exists flags false when absent). */
	int (*dump_net)(struct kernel *k, uint32_t vni, struct state_net **ret, struct err *e);
	/* Makers. bridge: addrgenmode none, no multicast snooping, nf_call off, MAC at creation, MTU, in the host's namespace localnet (kernel_link_set),
	 * then up; one that is there is brought into line. */
	int (*bridge_add)(struct kernel *k, const struct state_net *want, struct err *e);
	/* vxlan: made from the host's namespace with its target in the overlay one, nolearning, local, dstport, enslaved while down, flags, then up
	 * (the caller has put nothing yet; FDB follows at once). Bounded retry on EEXIST (facts §1); a foreign holder of VNI and port is named. */
	int (*vxlan_add)(struct kernel *k, const struct state_net *want, struct err *e);
	/* uplink_add: EGRESS: the veth gw-up (on the bridge, up) and ovl-gw (in the host's namespace; MTU, addresses, route_localnet, up). What is left of
	 * an earlier one is replaced. -EEXIST: a foreign device has the name. */
	int (*uplink_add)(struct kernel *k, const struct state_net *want, struct err *e);
	/* port_add: veth born with its peer in the target namespace: name, MAC, MTU, addresses (nodad), routes, default route, up; the host end enslaved, flags
	 * set, DOWN. -ENOENT: the target is gone or another; -EEXIST: an interface of that name exists inside; rolled back on any failure.
	 * Handed over (state_port.handed): the peer in the host's namespace, with name, MAC, MTU and ifalias "ovl endpoint <id>" only, and DOWN.
	 * DIRECT: the device on the parent, up at once; where one of that name, kind and MAC exists inside already: 0, and nothing is written.
	 * -ENODEV: no such parent; -EOPNOTSUPP: the kernel has no such device; -EBUSY: the parent is in use otherwise (bridge port, macvlan beside ipvlan). */
	int (*port_add)(struct kernel *k, const struct state_net *want, const struct state_port *p,
			struct err *e);
	int (*link_set)(struct kernel *k, const struct kernel_link_set *s, struct err *e);
	/* default_route: in the target namespace, replace the default route of each family by (gateway, @ifname); an unset gateway deletes those of its
	 * family that lead through one of our interfaces' gateways (RTPROT of ours); one of all zeros (ip_is_unspecified()) leaves its family as it is, where
	 * that leads through another interface. @ifname is not looked at where no gateway is to be set. -ENOENT as above. */
	int (*default_route)(struct kernel *k, const struct state_target *t, const char *ifname,
			     struct ip gw4, struct ip gw6, struct err *e);
	/* link_shut: down and off the bridge at once (port_shut of a detach): no packet passes afterwards. */
	int (*link_shut)(struct kernel *k, const char *name, struct err *e);
	/* link_del: gathered and deleted in the background; @done (may be NULL) once per name, -ENOENT counts as 0. A name that a link of the overlay
	 * namespace bears is that one; else a link of ours in the host's. */
	void (*link_del)(struct kernel *k, const char *name, kernel_deleted_fn done, void *user);
	/* direct_del: the device inside p->target; in the background, as link_del. */
	void (*direct_del)(struct kernel *k, const struct state_port *p, kernel_deleted_fn done,
			   void *user);
	/* gateway: an address of @net's bridge, or of ovl-gw. */
	int (*gateway)(struct kernel *k, const struct state_net *net, bool del, struct prefix gw,
		       struct err *e);
	/* Batches: all are tried; the first error is returned, *ret_failed (may be NULL) tells how many failed. Adds replace. @net: whose. */
	int (*fdb)(struct kernel *k, const struct state_net *net, const struct kernel_fdb_op *ops,
		   size_t n, size_t *ret_failed, struct err *e);
	int (*neigh)(struct kernel *k, const struct state_net *net,
		     const struct kernel_neigh_op *ops, size_t n, size_t *ret_failed,
		     struct err *e);
	int (*guard)(struct kernel *k, const struct kernel_guard_op *ops, size_t n, struct err *e);
	int (*vteps)(struct kernel *k, const struct ip *add, size_t n_add, const struct ip *del,
		     size_t n_del, struct err *e);
	/* elems: one transaction, in the order given; an add replaces (also what it maps to), a delete of what is not there is no error. */
	int (*elems)(struct kernel *k, const struct kernel_elem_op *ops, size_t n, struct err *e);
	/* forwarding: switch on what the host needs to forward @family (net.ipv4.ip_forward; net.ipv6.conf.all.forwarding, with accept_ra 2 where it was
	 * 1, lest the host lose its own routes). @ret_changed: it was off. */
	int (*forwarding)(struct kernel *k, int family, bool *ret_changed, struct err *e);
	/* outward_mtu: of the interface that the default route leaves by; -ENOENT: none. */
	int (*outward_mtu)(struct kernel *k, uint32_t *ret_mtu, struct err *e);
	/* Events begin with the first call and come from the loop; NULL stops them. */
	int (*watch)(struct kernel *k, kernel_event_fn fn, void *user, struct err *e);
	/* target_alive: does the namespace still exist (path opens and dev/ino agree)? */
	bool (*target_alive)(struct kernel *k, const struct state_target *t);
	/* mtu_of: MTU of the interface that carries @vtep; name into ret_ifname. -ENOENT: no such address here. */
	int (*underlay)(struct kernel *k, struct ip vtep, uint32_t *ret_mtu,
			char ret_ifname[IFNAMSIZ], struct err *e);
	uint64_t (*writes)(struct kernel *k); /* kernel objects written since start */
};
struct kernel {
	const struct kernel_ops *ops;
};
