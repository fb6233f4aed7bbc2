/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * surroundings - other people's firewalls on this host, followed for as long as the agent runs: overlay/coexist.h and agent/firewalld.h with their
 * timers.
 *
 * It is told which interfaces of ours traffic is forwarded through. New ones are seen to at once, so that what a reply promises does pass; what
 * others change and what goes is gathered for SURROUNDINGS_GATHER_MS. When the agent stops everything stays as it is (DESIGN.md §3.4).
 */
#pragma once
#include <uv.h>
#include "overlay/coexist.h"

#define SURROUNDINGS_GATHER_MS 100
#define SURROUNDINGS_RETRY_MS 5000 /* after a failure */

struct surroundings;
/** surroundings_new() - writes nothing. What cannot be opened is logged and done without. @dns: names are served on our interfaces. */
struct surroundings *surroundings_new(uv_loop_t *loop, uint16_t vxlan_port, bool dns);
/** surroundings_close() - memory goes when the loop has run. */
void surroundings_close(struct surroundings *s);
/** surroundings_set() - all our bridges in the host's namespace, and ovl-gw where it is wanted; copied. */
void surroundings_set(struct surroundings *s, const char (*ifaces)[IFNAMSIZ], size_t n);
/** surroundings_dns_also() - names are served on those interfaces too, which are somebody else's; copied. Before surroundings_set() nothing is written yet. */
void surroundings_dns_also(struct surroundings *s, const char (*ifaces)[IFNAMSIZ], size_t n);
/** surroundings_remove() - take back every rule of ours in other people's places, and follow them no more (`ovlctl reset`). */
int surroundings_remove(struct surroundings *s, struct err *e);
/** surroundings_settled() - has firewalld answered? It is asked in the background. */
bool surroundings_settled(const struct surroundings *s);
/** surroundings_findings() - what was found last; borrowed until control returns to the loop. */
size_t surroundings_findings(const struct surroundings *s, const struct coexist_finding **ret);
/** surroundings_firewalld() - firewalld_state(). */
const char *surroundings_firewalld(const struct surroundings *s);
