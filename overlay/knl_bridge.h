/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_bridge - a network's bridge, in the overlay namespace or in the host's, and the gateway addresses of a network (rtnetlink).
 */
#pragma once
#include "overlay/knl_link.h"

/**
 * knl_bridge_make() - make the bridge of @want, or bring an existing one to @want (MAC, MTU, up)
 * In the host's namespace an existing one must bear the mark of this very network. *@ret_writes: objects written.
 * Return: 0, -EEXIST when a link of that name is no bridge, or not ours.
 */
int knl_bridge_make(struct knl_sock *s, enum knl_where where, const struct state_net *want,
		    unsigned *ret_writes, struct err *e);
/**
 * knl_bridge_gateway() - add (no DAD) or delete an address of @net's bridge, or of ovl-gw; one that is there, or not there, is success
 * In the host's namespace an IPv6 one comes with a link-local address: without one the kernel solicits no neighbour for what it
 * forwards (ndisc_ns_create()). @s: of the namespace where that device is.
 */
int knl_bridge_gateway(struct knl_sock *s, const struct state_net *net, bool del, struct prefix gw,
		       struct err *e);
/** knl_bridge_link_local() - the address that the kernel would make of @m (RFC 4291 appendix A). */
struct prefix knl_bridge_link_local(struct mac m);
/** knl_bridge_put_addr() - the request that adds or deletes an address, put into the batch of @s. */
void knl_bridge_put_addr(struct knl_sock *s, int ifindex, bool del, struct prefix addr);
/** knl_bridge_addr_ip() - the address of an RTM_NEWADDR or RTM_DELADDR; unset when there is none. */
struct ip knl_bridge_addr_ip(const struct nlmsghdr *h);
