/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_dump - the overlay namespace and ours in the host's as state: links, entries, neighbours, gateway addresses (rtnetlink dumps).
 *
 * Port-security elements are no matter of rtnetlink: knl_dump_guards() judges those that the caller has read. In the host's namespace what is
 * not marked as ours is passed over: other bridges, ports that somebody wired onto ours, what a bridge has learnt.
 */
#pragma once
#include "overlay/kernel.h"
#include "overlay/knl_sock.h"

/* Links on their way out (link_del) count as gone. */
struct knl_hidden {
	bool (*is)(void *user, int ifindex);
	void *user;
};
/* One namespace to read; @sock NULL: it is not there, and so is nothing in it. */
struct knl_dump_side {
	struct knl_sock *sock;
	struct knl_hidden hidden;
};
struct knl_dump_from {
	struct knl_dump_side ovl, host;
};
/**
 * knl_dump_all() - every network found, sorted by key, and the ve and ovp links that belong to none
 * @ret: nets, loose are set. Return: 0 or -errno; nothing is set then.
 */
int knl_dump_all(const struct knl_dump_from *from, struct kernel_dump *ret, struct err *e);
/** knl_dump_one() - one network; its cost does not grow with the others' entries. */
int knl_dump_one(const struct knl_dump_from *from, uint32_t vni, struct state_net **ret,
		 struct err *e);
/**
 * knl_dump_guards() - set guard4/guard6 of the ports of @nets by the elements @guards
 * An element fits its port unless the tables contradict it: the MAC is on another port, or another MAC on this one; the address is
 * another MAC's, or the MAC has another address. What no entry speaks of gets the benefit: the entries are about to be repaired, and
 * local networks have no neighbours.
 * @ret_strays: those that fit no port of @nets (heap; NULL: not asked for).
 */
void knl_dump_guards(struct state_net *const *nets, size_t n_nets, const struct state_guard *guards,
		     size_t n_guards, struct state_guard **ret_strays, size_t *ret_n_strays);
