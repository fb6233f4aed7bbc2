/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_route - what the host's own namespace looks like: addresses, routes, the underlay's MTU (rtnetlink, read only).
 */
#pragma once
#include "overlay/kernel_linux.h"
#include "overlay/knl_sock.h"

#define KNL_TAKEN_MAX 100000 /* routes looked at: a router with full tables is no container host */

/** knl_route_taken() - kernel_linux_taken() on this socket */
int knl_route_taken(struct knl_sock *host, struct kernel_linux_taken **ret, size_t *ret_n,
		    struct err *e);
/** knl_route_source() - kernel_linux_source() on this socket */
int knl_route_source(struct knl_sock *host, struct ip dst, struct ip *ret, struct err *e);
/** knl_route_ifaddr() - kernel_linux_ifaddr() on this socket */
int knl_route_ifaddr(struct knl_sock *host, const char *ifname, struct ip *ret, struct err *e);
/** knl_route_device() - kernel_linux_device() on this socket */
int knl_route_device(struct knl_sock *host, const char *ifname, bool *ret_own, struct err *e);
/** knl_route_underlay() - kernel.h's underlay */
int knl_route_underlay(struct knl_sock *host, struct ip vtep, uint32_t *ret_mtu,
		       char ret_ifname[IFNAMSIZ], struct err *e);
/** knl_route_outward() - kernel.h's outward_mtu: of the default route with the lowest metric, IPv4 before IPv6 */
int knl_route_outward(struct knl_sock *host, uint32_t *ret_mtu, struct err *e);
