/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_link - links of the overlay namespace: read, made, changed (rtnetlink).
 *
 * Ours are known by name: br<vni>, vx<vni>, ve<12 hex digits>; a ve also carries its VNI in its ifalias, so that one taken off its
 * bridge is still known for what it is.
 */
#pragma once
#include <net/if.h>
#include "base/addr.h"
#include "overlay/kernel.h"
#include "overlay/knl_sock.h"

enum knl_kind { KNL_OTHER, KNL_BRIDGE, KNL_VXLAN, KNL_PORT };

/* A link as the kernel tells of it. */
struct knl_link {
	enum knl_kind kind; /* by name */
	char name[IFNAMSIZ];
	char driver[IFNAMSIZ]; /* IFLA_INFO_KIND: "bridge", "vxlan", "veth" */
	int ifindex, master, peer; /* 0: none */
	bool up;
	uint32_t mtu;
	struct mac mac;
	uint32_t vni; /* of a br, vx by its name; of a ve by its ifalias, 0 without one */
	bool has_flags, flags_ok; /* bridge port flags told of, and as they shall be */
	/* vxlan: */
	uint32_t vx_id;
	uint16_t vx_port;
	struct ip vx_local;
	bool vx_learning;
	int link_nsid; /* the namespace of its UDP socket as this one numbers it; -1: its own */
};

/** knl_link_kind() - what a name says; *ret_vni for br and vx (may be NULL). */
enum knl_kind knl_link_kind(const char *name, uint32_t *ret_vni);
/** knl_link_parse() - from RTM_NEWLINK or RTM_DELLINK. Return: false when the message makes no sense. */
bool knl_link_parse(const struct nlmsghdr *h, struct knl_link *ret);

/* Requests, put into the batch of @s; links are named, so that one batch can make a link and go on with it. */
void knl_link_get(struct knl_sock *s, const char *name);
/** knl_link_set() - the message that changes link @name: up/down by @flags under @change (IFF_UP). Attributes may follow. */
struct nlmsghdr *knl_link_set(struct knl_sock *s, const char *name, unsigned flags,
			      unsigned change);
/** knl_link_port_flags() - bridge port flags that a ve or vx shall have. */
void knl_link_port_flags(struct knl_sock *s, const char *name, enum knl_kind kind);
/** knl_link_quiet() - no address of its own (addrgenmode none), and @alias if not NULL. */
void knl_link_quiet(struct knl_sock *s, const char *name, const char *alias);
void knl_link_alias(uint32_t vni, char ret[32]);

/** knl_link_read() - one link by name, at once. Return: 0, -ENODEV. */
int knl_link_read(struct knl_sock *s, const char *name, struct knl_link *ret);
/** knl_link_put_vtep() - put a VXLAN device's local address into a message, within IFLA_INFO_DATA. */
void knl_link_put_vtep(struct nlmsghdr *h, struct ip vtep);
/** knl_link_delete() - at once, waits for RCU; 0 when it is not there. */
int knl_link_delete(struct knl_sock *s, int ifindex);

/** knl_link_change() - kernel.h's link_set: configured first, up only if that went well; enslaved while down (facts §4) */
int knl_link_change(struct knl_sock *ovl, const struct kernel_link_set *c, struct err *e);
