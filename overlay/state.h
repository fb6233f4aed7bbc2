/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state - what the kernel holds, or shall hold, for networks: plain values.
 *
 * Pure. The same types describe the desired state (agent/compile.h makes it from records) and the observed one
 * (overlay/kernel.h dumps it); overlay/diff.h compares them. One struct state_net per network that this node has to hold: an overlay network
 * with a local endpoint, keyed by its VNI, in the namespace that all of them share (DESIGN.md §5); or a local network (egress bridge, bridges of
 * the host, devices on a parent), keyed by STATE_KEY_LOCAL and this node's own number for it.
 *
 * Arrays are sorted by the kernel's own identity of an object (state_net_sort()), so that a compare is one merge:
 *   ports by name; fdb by (where, mac, and for the all-zero MAC the VTEP: vxlan_fdb_update()); neigh by address; gateways by address;
 *   elems by all that is their key in nf_tables (state_elem_cmp()).
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
#define STATE_KEY_LOCAL 0x01000000u /* keys from here up are no VNIs */
#define STATE_KEY_EGRESS \
	STATE_KEY_LOCAL /* the egress bridge; local networks have the numbers above */
#define STATE_KEY_DOCKER_GWBRIDGE \
	UINT32_MAX /* Docker's bridge, of which nothing is ours but an element; no local network's number is that high */
#define STATE_KEY_DOCKER_BRIDGE \
	(UINT32_MAX - 1) /* Docker's ordinary bridges; of them nothing is ours, too */
#define STATE_DOCKER_GWBRIDGE \
	"docker_gwbridge" /* Docker's way out for networks of other drivers than its own */
#define STATE_EGRESS_BRIDGE "gw" /* in the overlay namespace */
#define STATE_EGRESS_INNER "gw-up" /* its port towards the host */
#define STATE_EGRESS_HOST \
	"ovl-gw" /* the other end, in the host's namespace: bears the gateway addresses */

enum state_kind {
	STATE_OVERLAY, /* bridge and VXLAN device in the overlay namespace */
	STATE_EGRESS, /* bridge `gw` in the overlay namespace, container ports isolated from one another, a veth to `ovl-gw` in the host's */
	STATE_BRIDGE, /* bridge in the host's namespace */
	STATE_DIRECT, /* no bridge: macvlan or ipvlan devices on an interface of the host, born in the containers */
};
/** state_key_is_local() - no VNI: the egress bridge or a network of this node only. */
static inline bool state_key_is_local(uint32_t key)
{
	return key >= STATE_KEY_LOCAL;
}
/* What a port may send (option port-security). */
enum state_security {
	STATE_SECURE_MAC_IP, /* its own MAC and addresses */
	STATE_SECURE_MAC, /* its own MAC, any address */
	STATE_SECURE_OFF, /* anything; the bridge learns behind it */
};

/* A container's network namespace: opened by path, then checked to be the very one that was meant. */
struct state_target {
	char path[STATE_TARGET_PATH_MAX]; /* /proc/<pid>/ns/net, /run/netns/<name>, ... */
	uint64_t dev, ino; /* of the nsfs file; 0: unknown, not checked */
};

/*
 * One container's veth: the host end is a bridge port; the rest is set inside the container when it is made. STATE_DIRECT: the device in the
 * container itself; nothing of it can be dumped, so it is never observed but by making it (kernel.h port_add).
 */
struct state_port {
	/* Observed and compared: */
	char name[IFNAMSIZ]; /* host end: state_port_name() */
	uint32_t mtu; /* of the host end */
	bool up;
	bool enslaved; /* to this network's bridge */
	bool flags_ok; /* bridge port flags are as one of the two kinds of ports have them (see open); desired: true */
	bool open; /* learning on, not locked: STATE_SECURE_OFF; else learning off, locked. Egress ports are isolated beside that */
	bool guard4,
		guard6; /* its (port, MAC, address) elements stand in the port-security sets; in the other modes guard4: its one element */
	int ifindex; /* observed only, 0 in desired */
	/* Desired only (unset in observed): */
	struct id endpoint;
	struct mac mac;
	struct ip ip4, ip6; /* ip6 may be unset */
	uint8_t len4, len6; /* prefix lengths of the subnets they are in */
	struct prefix routes[STATE_ROUTES_MAX]; /* further subnets of the network: on-link */
	uint8_t n_routes;
	struct ip gw4, gw6; /* default route through it, when it is made; unset: none */
	uint8_t security; /* enum state_security */
	char ifname[IFNAMSIZ]; /* inside: "eth0" */
	uint32_t container_mtu; /* inside: the network's MTU */
	struct state_target target;
	/*
	 * The inner end is made in the host's namespace instead, named ->ifname (state_handed_name()), DOWN, without addresses: somebody else (dockerd)
	 * moves, renames, addresses it. No namespace is entered, ->target is only a name. It is made while ->fresh; one that is found missing
	 * later has ended with its container: that is told (reconcile.h port_failed), and it is not made again.
	 */
	bool handed, fresh;
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

/* What one endpoint of another node adds to an overlay network: made by agent/compile.h compile_peer(). */
struct state_peer {
	struct state_fdb fdb[2];
	struct state_neigh neigh[2];
	size_t n_fdb, n_neigh;
};

enum state_set { /* sets and maps of the host's table; what a packet meets there: nft_skel.h */
		 STATE_SET_BRIDGES, /* ifname: bridges of ours, and ovl-gw: their containers are reached from elsewhere only as below */
		 STATE_SET_MASQ4, /* ifname: what is forwarded from it goes out with the host's address */
		 STATE_SET_MASQ6,
		 STATE_SET_INTERNAL, /* ifname: nothing is forwarded from it or to it */
		 STATE_SET_ICC, /* ifname: its containers may reach one another */
		 STATE_SET_NOICC, /* ifname of a port (table bridge), and of its bridge: frames from or to such a port only for published ports and answers */
		 STATE_SET_MEMBER, /* ip, ifname: a container's address and its bridge (masquerade of hairpin traffic) */
		 STATE_SET_PUBLISH, /* proto, ip (unset: any address of the host), port, family -> to, to_port */
		 STATE_SET_OPEN, /* proto, ip, port: reachable without translation (gateway mode routed) */
		 STATE_SET_DNSREDIR, /* ifname of somebody else's bridge: questions for names that come in by it, to whomever, are for the name server here */
		 STATE_SET_DNSASKER, /* ip, ifname: the same of one address there alone */
		 STATE_SETS,
};
/* One element. Made by state_elem_*() below, so that unused members and padding are zero and memcmp() compares. */
struct state_elem {
	uint8_t set; /* enum state_set */
	uint8_t proto; /* IPPROTO_TCP, _UDP, _SCTP */
	uint8_t family; /* PUBLISH: AF_INET or AF_INET6 */
	uint16_t port, to_port; /* host order */
	char ifname[IFNAMSIZ];
	struct ip ip, to;
};
struct state_elem state_elem_ifname(enum state_set set, const char *ifname);
struct state_elem state_elem_member(struct ip ip, const char *ifname);
struct state_elem state_elem_asker(struct ip ip, const char *ifname);
/** state_elem_publish() - @host: unset for any address; else of @to's family. */
struct state_elem state_elem_publish(uint8_t proto, struct ip host, uint16_t port, struct ip to,
				     uint16_t to_port);
struct state_elem state_elem_open(uint8_t proto, struct ip ip, uint16_t port);
/** state_elem_cmp() - by identity: without to and to_port. */
int state_elem_cmp(const struct state_elem *a, const struct state_elem *b);
/** state_elem_format() - "publish tcp 0.0.0.0:8080 -> 172.31.0.2:80", for logs. Return: @ret. */
#define STATE_ELEM_TEXT_MAX 160
const char *state_elem_format(const struct state_elem *el, char ret[STATE_ELEM_TEXT_MAX]);

struct state_net {
	uint32_t vni; /* the key: VNI, or STATE_KEY_LOCAL and above */
	enum state_kind kind;
	bool complete; /* observed: the whole was read; desired: true */
	bool shared; /* desired only: an entry is wanted by two endpoints of other nodes; it stays when one of them goes */
	char bridge[IFNAMSIZ]; /* STATE_BRIDGE: its name; the others: state_net_bridge_name() */
	/* STATE_DIRECT, desired only: */
	char parent[IFNAMSIZ]; /* interface of the host's namespace */
	char driver[16],
		mode[16]; /* "macvlan": bridge, private, vepa, passthru; "ipvlan": l2, l3, l3s */

	bool bridge_exists;
	int bridge_ifindex; /* observed only */
	struct mac bridge_mac;
	uint32_t bridge_mtu;
	bool bridge_up;
	struct prefix gateways
		[STATE_GATEWAYS_MAX]; /* address/len on the bridge (host bits kept); EGRESS: on ovl-gw */
	size_t n_gateways;
	bool localnet_ok; /* EGRESS, BRIDGE: route_localnet and forwarding of that device are on; desired: true */

	/* EGRESS: the veth to the host */
	bool uplink_exists; /* both ends */
	bool uplink_up, uplink_enslaved;
	uint32_t uplink_mtu; /* of ovl-gw */

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
	struct state_elem *
		elems; /* desired only; what is observed of them belongs to no network (kernel_dump) */
	size_t n_elems;
};

/** state_net_new() - kind by the key: OVERLAY, EGRESS, else BRIDGE. */
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
void state_net_add_elem(struct state_net *n, const struct state_elem *el);
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
/** state_net_lose_port() - the same, and the entries on the bridge that lead to it. */
void state_net_lose_port(struct state_net *n, const char *name);
int state_fdb_cmp(const struct state_fdb *a, const struct state_fdb *b); /* identity */
/** state_bridge_name() / state_vxlan_name() / state_port_name() - "br<vni>", "vx<vni>", "ve<12 hex>". */
void state_bridge_name(uint32_t vni, char ret[IFNAMSIZ]);
void state_vxlan_name(uint32_t vni, char ret[IFNAMSIZ]);
void state_port_name(struct id endpoint, char ret[IFNAMSIZ]);
/**
 * state_host_port_name() - "ovp<12 hex>": the same in the host's namespace, where "ve..." is everybody's
 * state_port_in_host() - is @name one of those?
 */
void state_host_port_name(struct id endpoint, char ret[IFNAMSIZ]);
bool state_port_in_host(const char *name);
/** state_handed_name() - "vd<12 hex>": the inner end of a port that is handed over, in the host's namespace. */
void state_handed_name(struct id endpoint, char ret[IFNAMSIZ]);
/** state_net_port_name() - one of the two, by the kind of network. */
void state_net_port_name(const struct state_net *n, struct id endpoint, char ret[IFNAMSIZ]);
/** state_net_bridge_name() - br<vni>, gw, or ->bridge; "" for DIRECT. */
void state_net_bridge_name(const struct state_net *n, char ret[IFNAMSIZ]);
/** state_bridge_mac() - the gateway's MAC, the same on every node: 02:42: + a hash of the VNI (02:42:00 + 24 bits of VNI). Local networks: random, made by compile's caller. */
struct mac state_bridge_mac(uint32_t vni);

/*
 * One port-security element: what a port may send as its source. In the overlay namespace's table, or for ports of state_port_in_host() the
 * host's. STATE_SECURE_MAC: @ip unset; STATE_SECURE_OFF: @mac zero and @ip unset.
 */
struct state_guard {
	char port[IFNAMSIZ];
	struct mac mac;
	struct ip ip;
	uint8_t security; /* enum state_security */
};
/**
 * state_port_guards() - the elements of a port, as its security, MAC and addresses have it, whether they stand or not
 * Padding is zero: memcmp() compares. A port whose MAC is not known has none. Return: how many, 0 to 2.
 */
size_t state_port_guards(const struct state_port *p, struct state_guard ret[2]);
