/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_bridge - a network's bridge in the overlay namespace, and the gateway addresses it carries (rtnetlink).
 */
#pragma once
#include "overlay/knl_link.h"

/**
 * knl_bridge_make() - make br<vni>, or bring an existing one to @want (MAC, MTU, up)
 * *@ret_writes: objects written. Return: 0, -EEXIST when a link of that name is no bridge.
 */
int knl_bridge_make(struct knl_sock *ovl, const struct state_net *want, unsigned *ret_writes,
		    struct err *e);
/** knl_bridge_gateway() - add (no DAD) or delete an address of br<vni>; one that is there, or not there, is success. */
int knl_bridge_gateway(struct knl_sock *ovl, uint32_t vni, bool del, struct prefix gw,
		       struct err *e);
/** knl_bridge_put_addr() - the request that adds or deletes an address, put into the batch of @s. */
void knl_bridge_put_addr(struct knl_sock *s, int ifindex, bool del, struct prefix addr);
/** knl_bridge_addr_ip() - the address of an RTM_NEWADDR or RTM_DELADDR; unset when there is none. */
struct ip knl_bridge_addr_ip(const struct nlmsghdr *h);
