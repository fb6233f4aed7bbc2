/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sysctl_host - the few sysctls of the host's own namespace that local networks and the way out need.
 *
 * Written only where they differ. Never switched back: who else relies on them by then is not known. The caller's thread is in the
 * host's namespace.
 */
#pragma once
#include <stdbool.h>
#include "base/err.h"

/**
 * sysctl_host_forwarding() - switch on forwarding of @family
 * IPv6: first accept_ra 2 on each interface where it is 1: a router takes no routes from advertisements otherwise, and drops those that it
 * has (rt6_purge_dflt_routers() in the kernel).
 * @ret_changed: it was off. *@ret_writes: files written.
 * Return: 0, -EROFS, -EACCES, -EAFNOSUPPORT: this kernel has no IPv6
 */
int sysctl_host_forwarding(int family, bool *ret_changed, unsigned *ret_writes, struct err *e);
/**
 * sysctl_host_refuse_ra() - no router advertisement that comes in by @ifname is heard
 * For devices that lead to containers, which are no routers of the host. Where it cannot be written nothing is lost but that.
 * Return: files written.
 */
unsigned sysctl_host_refuse_ra(const char *ifname);
