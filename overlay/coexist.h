/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * coexist - other people's firewalls on this host: find what would drop our forwarded traffic, and have it accepted in the place made for that.
 *
 * Ours (the table `inet ovl`) decides what may pass; but every base chain of the forward hook has to accept a packet. Found and done:
 *   iptables-nft, DOCKER-USER there    an accept rule for each of our interfaces, in and out, in front of it (comment "ovl")
 *                                      where dockerd has bridges, RETURN from ours to them before that: Docker's rules decide what reaches its containers
 *   iptables-nft, FORWARD drops        the same in FORWARD itself, in front
 *   iptables-legacy with FORWARD drop  reported, with the lines to add
 *   nft tables with a forward hook that drops, not iptables' own     reported, with the line to add
 *   firewalld                          our interfaces in its zone "ovl" (target ACCEPT), over D-Bus (agent/firewalld.h)
 *   iptables-nft, INPUT drops          accept rules for DNS (udp and tcp, port 53) from each interface where names are served, in front of it
 *   other input chains that drop DNS   reported, with the lines to add
 *   input chains that drop VXLAN       reported, with the cure; a note where a rule takes everything from some sources
 * Rules in `ip filter` and `ip6 filter` are written as iptables-nft writes them, so that `iptables -S` and dockerd go on to understand the table. They are
 * followed when somebody flushes or rebuilds (nf_tables notifications), and removed by coexist_remove(). Nothing is written where nobody drops:
 * neither the policy nor a rule without conditions. iptables-legacy tells of no change: it is looked at with each update.
 */
#pragma once
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/strv.h"

#define COEXIST_IFACES_MAX 1024
#define COEXIST_FINDINGS_MAX 64

enum coexist_level { COEXIST_NOTE, COEXIST_PROBLEM };
struct coexist_finding {
	enum coexist_level level;
	char *what; /* "iptables: FORWARD drops; accept rules for ovl-gw in DOCKER-USER" */
	char *cure; /* a command to type, NULL: nothing is to be done */
};
struct coexist;
/** coexist_new() - sockets in the host's namespace (the caller's, then and at each update); writes nothing. @vxlan_port: 0 where no overlay is used */
int coexist_new(uint16_t vxlan_port, struct coexist **ret, struct err *e);
void coexist_free(struct coexist *c);
/** coexist_dns() - are names served on our interfaces? Yes, until this is called; else nobody needs to let DNS in. Counts from the next update on. */
void coexist_dns(struct coexist *c, bool served);
#define COEXIST_DNS_ALSO_MAX 256 /* more are left out */
/** coexist_dns_also() - names are served on those interfaces too, which are somebody else's and whose traffic is not ours; at first: none. From the next update on. */
void coexist_dns_also(struct coexist *c, const char (*ifaces)[IFNAMSIZ], size_t n);
/**
 * coexist_update() - look at what is there and make our accept rules fit
 * @ifaces: all our bridges in the host's namespace and ovl-gw (n 0: our rules are removed). Chains that are as they should be are not written.
 * Return: 0 or the first error (the rest is tried); @ret_writes: rules added or deleted
 */
int coexist_update(struct coexist *c, const char (*ifaces)[IFNAMSIZ], size_t n,
		   unsigned *ret_writes, struct err *e);
/** coexist_remove() - every rule of ours in other people's chains. */
int coexist_remove(struct coexist *c, struct err *e);
/** coexist_findings() - of the last update; borrowed until the next. */
size_t coexist_findings(const struct coexist *c, const struct coexist_finding **ret);
/** coexist_event_fd() / coexist_event_read() - poll for reading; true when a table other than ours changed: update is due (gather for 100 ms). */
int coexist_event_fd(const struct coexist *c);
bool coexist_event_read(struct coexist *c);
