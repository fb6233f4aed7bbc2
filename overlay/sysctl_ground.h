/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sysctl_ground - the sysctls of the overlay namespace: networks share it and must not leak into one another.
 *
 * Set before the first bridge and, for bridge-nf-call-*, before the first nf_tables rule. Files that this kernel does not have (br_netfilter not
 * loaded, an older kernel, IPv6 off) are passed over. No notification tells of a change: checked with every audit.
 */
#pragma once
#include <stdbool.h>
#include "base/err.h"

/** sysctl_ground_check() - Return: 0, -ESTALE naming path and value, or an error. Writes nothing. */
int sysctl_ground_check(int overlay_nsfd, struct err *e);
/** sysctl_ground_make() - write what differs; all are tried. @ret_writes: files written. Return: 0, or the first error (-EROFS, ...). */
int sysctl_ground_make(int overlay_nsfd, unsigned *ret_writes, struct err *e);
/**
 * sysctl_ground_ipv6() - can bridges in the overlay namespace carry IPv6 gateways?
 * False where the kernel has IPv6 off, or where the host has it disabled (disable_ipv6 in both `all` and `default`): that is the
 * administrator's word, and sysctl_ground_make() does not go against it.
 */
bool sysctl_ground_ipv6(int overlay_nsfd);
