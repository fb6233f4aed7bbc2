/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hostnet - what this host's own network uses: routes, addresses and nameservers, for the overlap check of new networks.
 */
#pragma once
#include "ipam/subnet.h"
#include "overlay/kernel.h"

#define HOSTNET_RESOLV_MAX (64 * 1024) /* bytes of resolv.conf read */

struct hostnet_entry {
	struct prefix prefix;
	char *who;
};
struct hostnet_taken {
	struct hostnet_entry *v;
	size_t n;
};
/** hostnet_read() - routes and addresses from the kernel, nameservers from /etc/resolv.conf; problems are added to @e. */
void hostnet_read(struct kernel *k, struct hostnet_taken *ret, struct err *e);
/** hostnet_nameservers() - the "nameserver" lines of @text, appended to @ret. Loopback ones are left out. */
void hostnet_nameservers(const char *text, struct hostnet_taken *ret);
/** hostnet_as_taken() - as subnet.h wants them; heap array that borrows from @t. Return: its length. */
size_t hostnet_as_taken(const struct hostnet_taken *t, struct subnet_taken **ret);
void hostnet_done(struct hostnet_taken *t);
