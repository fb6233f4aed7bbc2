/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_dump - the overlay namespace as state: links, entries, neighbours, gateway addresses (rtnetlink dumps).
 *
 * Port-security elements are no matter of rtnetlink: knl_dump_guards() judges those that the caller has read.
 */
#pragma once
#include "overlay/kernel.h"
#include "overlay/knl_sock.h"

/* Links on their way out (link_del) count as gone. */
struct knl_hidden {
	bool (*is)(void *user, int ifindex);
	void *user;
};
/**
 * knl_dump_all() - every network found, sorted by VNI, and the ve links that belong to none
 * @ret: nets, loose are set. Return: 0 or -errno; nothing is set then.
 */
int knl_dump_all(struct knl_sock *ovl, struct knl_hidden hidden, struct kernel_dump *ret,
		 struct err *e);
/** knl_dump_one() - one network; its cost does not grow with the others' entries. */
int knl_dump_one(struct knl_sock *ovl, struct knl_hidden hidden, uint32_t vni,
		 struct state_net **ret, struct err *e);
/**
 * knl_dump_guards() - set guard4/guard6 of the ports of @nets by the elements @guards
 * An element fits its port unless the tables contradict it: the MAC is on another port, or another MAC on this one; the address is
 * another MAC's, or the MAC has another address. What no entry speaks of gets the benefit: the entries are about to be repaired.
 * @ret_strays: those that fit no port of @nets (heap; NULL: not asked for).
 */
void knl_dump_guards(struct state_net *const *nets, size_t n_nets, const struct state_guard *guards,
		     size_t n_guards, struct state_guard **ret_strays, size_t *ret_n_strays);
