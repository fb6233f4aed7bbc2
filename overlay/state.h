/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state - what the kernel holds, or shall hold, for overlay networks: plain values.
 *
 * Pure. The same types describe the desired state (agent/compile.h makes it from the cluster's records) and the observed one
 * (overlay/kernel.h dumps it); overlay/diff.h compares them. One struct state_net per overlay network with a local endpoint on this node,
 * keyed by VNI; all of them live in one network namespace (DESIGN.md §5).
 *
 * Arrays are sorted by the kernel's own identity of an object (state_net_sort()), so that a compare is one merge:
 *   ports by name; fdb by (where, mac, and for the all-zero MAC the VTEP: vxlan_fdb_update()); neigh by address; gateways by address.
 */
#pragma once
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/addr.h"
#include "base/id.h"
#include "base/mem.h" /* _cleanup_ */

#define STATE_NETS_MAX 4096
#define STATE_PORTS_MAX 1000 /* a Linux bridge takes 1023 (BR_MAX_PORTS) */
#define STATE_GATEWAYS_MAX 16
#define STATE_TARGET_PATH_MAX 512
#define STATE_ROUTES_MAX 16

/* A container's network namespace: opened by path, then checked to be the very one that was meant. */
struct state_target {
	char path[STATE_TARGET_PATH_MAX]; /* /proc/<pid>/ns/net, /run/netns/<name>, ... */
	uint64_t dev, ino; /* of the nsfs file; 0: unknown, not checked */
};

/* One container's veth: the host end is a bridge port; the rest is set inside the container when it is made. */
struct state_port {
	/* Observed and compared: */
	char name[IFNAMSIZ]; /* host end: "ve" + 12 hex digits of the endpoint id */
	uint32_t mtu; /* of the host end */
	bool up;
	bool enslaved; /* to this network's bridge */
	bool flags_ok; /* learning off, locked on (unless unlocked), as wanted; desired: true */
	bool guard4, guard6; /* its (port, MAC, address) elements stand in the port-security sets */
	int ifindex; /* observed only, 0 in desired */
	/* Desired only (unset in observed): */
	struct id endpoint;
	struct mac mac;
	struct ip ip4, ip6; /* ip6 may be unset */
	uint8_t len4, len6; /* prefix lengths of the subnets they are in */
	struct prefix routes[STATE_ROUTES_MAX]; /* further subnets of the network: on-link */
	uint8_t n_routes;
	char ifname[IFNAMSIZ]; /* inside: "eth0" */
	uint32_t container_mtu; /* inside: the network's MTU */
	struct state_target target;
};

enum state_fdb_where {
	STATE_FDB_SELF, /* on the VXLAN device: MAC -> VTEP; the all-zero MAC once per flood VTEP */
	STATE_FDB_MASTER, /* on the bridge: MAC -> port */
};
struct state_fdb {
	uint8_t where; /* enum state_fdb_where */
	struct mac mac;
	struct ip vtep; /* SELF */
	char port[IFNAMSIZ]; /* MASTER: the VXLAN device for remote MACs, the host end for local ones */
};
struct state_neigh { /* on the bridge device: NOARP, extern_learn */
	struct ip ip;
	struct mac mac;
};

struct state_net {
	uint32_t vni;
	bool complete; /* observed: the whole was read; desired: true */

	bool bridge_exists;
	int bridge_ifindex; /* observed only */
	struct mac bridge_mac;
	uint32_t bridge_mtu;
	bool bridge_up;
	struct prefix gateways[STATE_GATEWAYS_MAX]; /* address/len on the bridge (host bits kept) */
	size_t n_gateways;

	bool vxlan_exists;
	int vxlan_ifindex; /* observed only */
	struct ip vtep; /* local */
	uint16_t port; /* destination UDP port */
	uint32_t vxlan_mtu;
	bool vxlan_up;
	bool vxlan_enslaved;
	bool vxlan_flags_ok; /* bridge port: learning off, neigh_suppress on; device: nolearning. desired: true */

	struct state_port *ports;
	size_t n_ports;
	struct state_fdb *fdb;
	size_t n_fdb;
	struct state_neigh *neigh;
	size_t n_neigh;
};

struct state_net *state_net_new(uint32_t vni);
void state_net_free(struct state_net *n);
static inline void state_net_freep(struct state_net **n)
{
	state_net_free(*n);
}
#define _cleanup_state_net_ _cleanup_(state_net_freep)
/** state_net_sort() - bring the arrays into order and drop exact duplicates; of two entries with one identity the later stays. */
void state_net_sort(struct state_net *n);
/* Append (arrays unsorted until state_net_sort()); values are copied. */
struct state_port *state_net_add_port(struct state_net *n, const struct state_port *p);
void state_net_add_fdb(struct state_net *n, const struct state_fdb *f);
void state_net_add_neigh(struct state_net *n, const struct state_neigh *g);
/* Look up in sorted arrays; borrowed, NULL when absent. */
struct state_port *state_net_port(const struct state_net *n, const char *name);
struct state_fdb *state_net_fdb(const struct state_net *n, const struct state_fdb *key);
struct state_neigh *state_net_neigh(const struct state_net *n, struct ip ip);
/* Insert, replace or remove one in a sorted array (keeps it sorted). */
void state_net_put_fdb(struct state_net *n, const struct state_fdb *f);
void state_net_drop_fdb(struct state_net *n, const struct state_fdb *key);
void state_net_put_neigh(struct state_net *n, const struct state_neigh *g);
void state_net_drop_neigh(struct state_net *n, struct ip ip);
void state_net_put_port(struct state_net *n, const struct state_port *p);
void state_net_drop_port(struct state_net *n, const char *name);
int state_fdb_cmp(const struct state_fdb *a, const struct state_fdb *b); /* identity */
/** state_bridge_name() / state_vxlan_name() / state_port_name() - "br<vni>", "vx<vni>", "ve<12 hex>". */
void state_bridge_name(uint32_t vni, char ret[IFNAMSIZ]);
void state_vxlan_name(uint32_t vni, char ret[IFNAMSIZ]);
void state_port_name(struct id endpoint, char ret[IFNAMSIZ]);
/** state_bridge_mac() - the gateway's MAC, the same on every node: 02:42: + a hash of the VNI (02:42:00 + 24 bits of VNI). */
struct mac state_bridge_mac(uint32_t vni);

/* What the host's namespace shall let in: the VTEPs of all nodes (sorted by ip_cmp). */
struct state_host {
	struct ip *vteps;
	size_t n_vteps;
};
void state_host_done(struct state_host *h);

/* One port-security element: what a port may send as its source. */
struct state_guard {
	char port[IFNAMSIZ];
	struct mac mac;
	struct ip ip;
};
