/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * firewalld - our bridges in a zone of their own, where firewalld runs: over D-Bus (org.fedoraproject.FirewallD1), as Docker does with its zone.
 *
 * The zone "ovl" (target ACCEPT: what comes from it) and the policy "ovl-forwarding" (from any zone to it) are made permanently once, with the first
 * interface, which needs a reload of firewalld; interfaces are put into the zone at run time only. When firewalld starts or reloads
 * (NameOwnerChanged, Reloaded) they are put again. firewalld is never started by a call of ours. No D-Bus, or no firewalld on it: nothing is done, and that is no error.
 */
#pragma once
#include <net/if.h>
#include <stdbool.h>
#include <uv.h>
#include "base/err.h"

struct firewalld;
/** firewalld_new() - connects to the system bus (address from DBUS_SYSTEM_BUS_ADDRESS), asynchronously; retried when the bus is away. */
struct firewalld *firewalld_new(uv_loop_t *loop);
void firewalld_close(struct firewalld *f); /* memory goes when the loop has run */
/** firewalld_set() - the interfaces that shall be in the zone; those of ours no more are taken out. Copied; carried out in the background. */
void firewalld_set(struct firewalld *f, const char (*ifaces)[IFNAMSIZ], size_t n);
/** firewalld_settled() - is nothing under way of what firewalld_set() asked for? */
bool firewalld_settled(const struct firewalld *f);
/** firewalld_state() - "not running", "running, nothing of ours in it", "zone ovl: ovl-gw, ovl0", or what failed; for `ovlctl info`. Borrowed. */
const char *firewalld_state(const struct firewalld *f);
