/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_link - links of the overlay namespace and of the host's: read, known, changed (rtnetlink).
 *
 * In the overlay namespace, which is ours, links are known by name: br<vni>, vx<vni>, ve<12 hex digits>, gw, gw-up; a ve also carries its
 * network's key in its ifalias, so that one taken off its bridge is still known for what it is.
 * In the host's namespace only the ifalias "ovl local <key>" makes a bridge ours, whatever its name, and ovl-gw; ports are ovp<12 hex
 * digits>, and carry their network's key as a ve does.
 */
#pragma once
#include <net/if.h>
#include "base/addr.h"
#include "overlay/kernel.h"
#include "overlay/knl_flags.h"
#include "overlay/knl_sock.h"

#define KNL_ALIAS_MAX 32

enum knl_where { KNL_IN_OVERLAY, KNL_IN_HOST };
enum knl_kind {
	KNL_OTHER, /* not ours */
	KNL_BRIDGE,
	KNL_VXLAN,
	KNL_PORT,
	KNL_INNER, /* gw-up: the egress bridge's port towards the host */
	KNL_OUTER, /* ovl-gw: the other end */
};

/* A link as the kernel tells of it. */
struct knl_link {
	enum knl_kind kind;
	char name[IFNAMSIZ];
	char driver[IFNAMSIZ]; /* IFLA_INFO_KIND: "bridge", "vxlan", "veth" */
	int ifindex, master, peer; /* 0: none; peer: IFLA_LINK, of a macvlan its parent */
	bool up;
	uint32_t mtu;
	struct mac mac;
	uint32_t mark; /* the network's key that its ifalias tells; 0: no mark of ours */
	uint32_t vni; /* the network's key: by name, or of a port, and in the host's namespace, by mark; 0: not known */
	struct knl_flags flags; /* as a bridge port */
	bool of_bridge; /* told by the bridge code, which leaves out nearly all: no ifalias, no driver */
	bool localnet; /* route_localnet and forwarding (IPv4) of it are on */
	/* vxlan: */
	uint32_t vx_id;
	uint16_t vx_port;
	struct ip vx_local;
	bool vx_learning;
	int link_nsid; /* the namespace of its UDP socket, or of its peer, as this one numbers it; -1: its own */
};

/** knl_link_kind() - what a name alone says; *ret_key (may be NULL) for those whose name tells their network, else 0. */
enum knl_kind knl_link_kind(enum knl_where where, const char *name, uint32_t *ret_key);
/** knl_link_parse() - from RTM_NEWLINK or RTM_DELLINK. Return: false when the message makes no sense. */
bool knl_link_parse(const struct nlmsghdr *h, enum knl_where where, struct knl_link *ret);
/**
 * knl_link_flags_ok() - are its flags those of a port of network @key?
 * @ret_open: (may be NULL) they are those of an open one
 */
bool knl_link_flags_ok(const struct knl_link *l, uint32_t key, bool *ret_open);

/* Requests, put into the batch of @s; links are named, so that one batch can make a link and go on with it. */
void knl_link_get(struct knl_sock *s, const char *name);
/** knl_link_set() - the message that changes link @name: up/down by @flags under @change (IFF_UP). Attributes may follow. */
struct nlmsghdr *knl_link_set(struct knl_sock *s, const char *name, unsigned flags,
			      unsigned change);
/** knl_link_port_flags() - the bridge port flags of this kind. */
void knl_link_port_flags(struct knl_sock *s, const char *name, enum knl_flags_kind kind,
			 enum knl_flags_at at);
/** knl_link_quiet() - no address of its own (addrgenmode none), and @alias if not NULL. */
void knl_link_quiet(struct knl_sock *s, const char *name, const char *alias);
/** knl_link_localnet() - 127.0.0.0/8 may be routed over it, and what comes by it is forwarded (IPv4). */
void knl_link_localnet(struct knl_sock *s, const char *name);
/** knl_link_alias() - "ovl vni <n>" or "ovl local <n>". */
void knl_link_alias(uint32_t key, char ret[KNL_ALIAS_MAX]);

/** knl_link_read() - one link by name, at once; ->kind is not told, ->mark is. Return: 0, -ENODEV. */
int knl_link_read(struct knl_sock *s, const char *name, struct knl_link *ret);
/** knl_link_put_vtep() - put a VXLAN device's local address into a message, within IFLA_INFO_DATA. */
void knl_link_put_vtep(struct nlmsghdr *h, struct ip vtep);
/** knl_link_delete() - at once, waits for RCU; 0 when it is not there. */
int knl_link_delete(struct knl_sock *s, int ifindex);

/** knl_link_change() - kernel.h's link_set: configured first, up only if that went well; enslaved while down (facts §4) */
int knl_link_change(struct knl_sock *s, const struct kernel_link_set *c, struct err *e);
