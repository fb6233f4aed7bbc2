/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_entry - forwarding entries of VXLAN devices and bridges, and neighbours of bridges: encoded, decoded, sent in batches (rtnetlink).
 *
 * Ours are extern_learn: never aged, never moved by the kernel (facts §4). The kernel keeps flags of an entry over a replace, so a compare looks
 * at MAC and target alone (facts §5).
 */
#pragma once
#include "overlay/kernel.h"
#include "overlay/knl_sock.h"

/**
 * knl_entry_fdb() - kernel.h's fdb, in the namespace that @s belongs to. All are tried; an entry to delete that is not there is success.
 * *@ret_writes: entries written; *@ret_failed: the others. Return: 0 or the first error.
 */
int knl_entry_fdb(struct knl_sock *s, const struct state_net *net, const struct kernel_fdb_op *ops,
		  size_t n, unsigned *ret_writes, size_t *ret_failed, struct err *e);
/** knl_entry_neigh() - kernel.h's neigh, the same way. */
int knl_entry_neigh(struct knl_sock *s, const struct state_net *net,
		    const struct kernel_neigh_op *ops, size_t n, unsigned *ret_writes,
		    size_t *ret_failed, struct err *e);

/* An RTM_NEWNEIGH or RTM_DELNEIGH as told by the kernel. */
struct knl_entry {
	int ifindex; /* the device it is on, or the bridge port it leads to */
	int bridge; /* NDA_MASTER: an entry of this bridge; 0: of the device itself */
	uint8_t family; /* AF_BRIDGE: FDB */
	bool ours; /* neighbour: NOARP and extern_learn; FDB: one that is not the kernel's own (local, multicast) */
	bool learnt; /* FDB: by the bridge itself, from a frame */
	struct mac mac;
	struct ip dst; /* VTEP or neighbour address */
};
/** knl_entry_parse() - Return: false when the message makes no sense. */
bool knl_entry_parse(const struct nlmsghdr *h, struct knl_entry *ret);
