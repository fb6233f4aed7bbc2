/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_linux - `struct kernel` over rtnetlink, nf_tables and /proc/sys (kernel.h says what the verbs do).
 */
#pragma once
#include <uv.h>
#include "overlay/kernel.h"

struct kernel_linux_config {
	const char *netns_path; /* "/run/netns/ovl" */
	uint16_t vxlan_port; /* 4789 */
	const char *table; /* nf_tables name, "ovl" */
};
/** kernel_linux_new() - opens the sockets it can; the overlay namespace may be absent until ground(). Return: 0, -EPERM ... */
int kernel_linux_new(uv_loop_t *loop, const struct kernel_linux_config *c, struct kernel **ret,
		     struct err *e);
/** kernel_linux_overlay_fd() - the overlay namespace; borrowed, the same until close. -1: ground() has not made it yet. */
int kernel_linux_overlay_fd(struct kernel *k);
/** kernel_linux_close() - waits for background deletions (bounded), closes sockets; leaves every kernel object in place. */
void kernel_linux_close(struct kernel *k, void (*closed)(void *user), void *user);
/** kernel_linux_reset() - remove every object of ours: links, tables, sysctls recorded, the namespace. For `ovlctl reset`. */
int kernel_linux_reset(struct kernel *k, struct err *e);

/* A host prefix in use, for ipam's overlap check: routes, addresses (nameservers are read elsewhere). @who: heap words "route 10.1.0.0/16 dev eth0". */
struct kernel_linux_taken {
	struct prefix prefix;
	char *who;
	char dev[IFNAMSIZ];
	bool own; /* of a bridge of ours, or ovl-gw */
};
int kernel_linux_taken(struct kernel *k, struct kernel_linux_taken **ret, size_t *ret_n,
		       struct err *e);
/** kernel_linux_device() - is there an interface of that name on the host? @ret_own (may be NULL): a bridge of ours, or ovl-gw. -ENODEV: none. */
int kernel_linux_device(struct kernel *k, const char *ifname, bool *ret_own, struct err *e);
/** kernel_linux_parent() - could macvlan or ipvlan devices be made on it, as far as can be told beforehand? 0, -ENODEV, -EBUSY. */
int kernel_linux_parent(struct kernel *k, const char *ifname, struct err *e);
void kernel_linux_taken_free(struct kernel_linux_taken *t, size_t n);
/** kernel_linux_ifaddr() - first global address of an interface, for --advertise IFACE. -ENODEV, -EADDRNOTAVAIL. */
int kernel_linux_ifaddr(struct kernel *k, const char *ifname, struct ip *ret, struct err *e);
/** kernel_linux_source() - the address the host would use towards @dst (RTM_GETROUTE). */
int kernel_linux_source(struct kernel *k, struct ip dst, struct ip *ret, struct err *e);
/** kernel_linux_dropped() - counter of VXLAN packets refused by the host's guard. */
int kernel_linux_dropped(struct kernel *k, uint64_t *ret_packets);
