/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_inside - an interface inside a container's namespace: set up in one send, and its default route (rtnetlink).
 */
#pragma once
#include "overlay/knl_link.h"

#define KNL_ROUTE_PROTO \
	111 /* routes that we put into a container's namespace; others' are not ours to delete */

/**
 * knl_inside_set_up() - addresses (no DAD), routes, default routes, up
 * @in: a socket in that namespace, as of @p->target; @ifindex: of @p->ifname there; @alias: marks it when all else is done, NULL: none
 */
int knl_inside_set_up(struct knl_sock *in, const struct state_port *p, int ifindex,
		      const char *alias, struct err *e);
/**
 * knl_inside_default() - kernel.h's default_route, in the namespace of @in
 * *@ret_writes: routes written; none where it is as wanted. Return: 0, -ENODEV: no @ifname there.
 */
int knl_inside_default(struct knl_sock *in, const char *ifname, struct ip gw4, struct ip gw6,
		       unsigned *ret_writes, struct err *e);
