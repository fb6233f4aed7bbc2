/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hostnet - what this host's own network uses: routes, addresses and nameservers, for the overlap check of new networks.
 */
#pragma once
#include <net/if.h>
#include <stdbool.h>
#include "ipam/subnet.h"
#include "overlay/kernel.h"

struct hostnet_entry {
	struct prefix prefix;
	char *who;
	char dev[IFNAMSIZ]; /* "": a nameserver, or a route with several ways */
	bool own; /* of a bridge of ours, or ovl-gw: the network itself is asked */
};
struct hostnet_taken {
	struct hostnet_entry *v;
	size_t n;
};
/** hostnet_read() - routes and addresses from the kernel, nameservers from /etc/resolv.conf; problems are added to @e. */
void hostnet_read(struct kernel *k, struct hostnet_taken *ret, struct err *e);
/** hostnet_nameservers() - the name servers a resolv.conf of that text names (resolv_conf_read()), appended to @ret. Loopback ones are left out. */
void hostnet_nameservers(const char *text, struct hostnet_taken *ret);
/** hostnet_add() - one more; words and name are copied. */
void hostnet_add(struct hostnet_taken *t, struct prefix p, const char *who, const char *dev,
		 bool own);
/**
 * hostnet_as_taken() - as subnet.h wants them, without our own; heap array that borrows from @t
 * @parent: NULL, or an interface whose segment the network is to be on: what lies there (and the nameservers, which well may) does not count
 * Return: its length
 */
size_t hostnet_as_taken(const struct hostnet_taken *t, const char *parent,
			struct subnet_taken **ret);
/** hostnet_device() - is there an interface of that name on the host? @ret_own (may be NULL): one of our bridges. Return: 0, -ENODEV, ... */
int hostnet_device(struct kernel *k, const char *ifname, bool *ret_own, struct err *e);
/** hostnet_parent() - could devices be made on that interface of the host? Return: 0, -ENODEV, -EBUSY: it is a port of another (named). */
int hostnet_parent(struct kernel *k, const char *ifname, struct err *e);
void hostnet_done(struct hostnet_taken *t);
