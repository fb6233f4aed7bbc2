/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_conntrack - flush connection tracking entries of the host's namespace, in the background.
 *
 * A NAT binding outlives the rule that made it: an address or port given to another container would get the earlier one's packets, and a UDP flow
 * begun before its port was published would never be translated. Entries are dumped and those that match deleted (ctnetlink,
 * net/netfilter/nf_conntrack_netlink.c) on a socket and a thread of their own; a table may hold a million.
 */
#pragma once
#include <uv.h>
#include "base/addr.h"
#include "base/err.h"

/* An entry matches when any one filter of the list does. */
struct knl_conntrack_filter {
	struct ip ip; /* source or destination of either direction */
	uint8_t proto; /* with @port: destination of the original direction, to any address or @ip's if set; 0: any */
	uint16_t port;
};
struct knl_conntrack;
/** knl_conntrack_new() - Return: 0, -EPERM, -EPROTONOSUPPORT: the kernel has no ctnetlink (nothing can be flushed). */
int knl_conntrack_new(uv_loop_t *loop, struct knl_conntrack **ret, struct err *e);
/**
 * knl_conntrack_close() - flushes asked for so far still run, but nobody is told any more
 * What waits for an answer gets -ECANCELED from within. Memory goes when the loop has run.
 */
void knl_conntrack_close(struct knl_conntrack *c);
/**
 * knl_conntrack_flush() - filters are copied; flushes asked for while one runs are joined into the next
 * A filter that says nothing (no address, no port) matches nothing.
 * @done: may be NULL; @n_deleted of the run that covered it
 */
void knl_conntrack_flush(struct knl_conntrack *c, const struct knl_conntrack_filter *v, size_t n,
			 void (*done)(void *user, int status, size_t n_deleted), void *user);
