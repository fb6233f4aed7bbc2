/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * forwarding - the host's switches for routing packets, net.ipv4.ip_forward and IPv6's: on when somebody needs the way out.
 *
 * What was off before is remembered in SQLite ("sysctl:<name>"), so that `ovlctl reset` can put it back; and with IPv6's which interfaces had
 * accept_ra at 1 (overlay/sysctl_host.h). On a normal stop all stays on.
 */
#pragma once
#include <stdbool.h>
#include "base/err.h"
#include "overlay/kernel.h"
#include "store/local.h"

/** forwarding_need() - switch it on for @family unless it is. Return: 1 when it was off, 0, or why it cannot be switched. */
int forwarding_need(struct kernel *k, struct local *l, int family, struct err *e);
/** forwarding_undo() - off again where forwarding_need() switched it on. Return: 0 or the first error. */
int forwarding_undo(struct local *l, struct err *e);
/** forwarding_is_off() - does the host refuse to forward @family? */
bool forwarding_is_off(int family);
/** forwarding_name() - of the switch, as sysctl(8) says it. */
const char *forwarding_name(int family);
