/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_dump_priv - what the files of knl_dump share: the picture while it is being put together.
 */
#pragma once
#include "overlay/knl_dump.h"
#include "overlay/knl_link.h"

/* One link of ours, and the network it was found to belong to. */
struct found {
	struct knl_link link;
	struct state_net *net; /* NULL: none (a loose port) */
};
/* One of the two namespaces: numbers of links mean something in their own only. */
struct side {
	enum knl_where where;
	struct knl_sock *sock; /* NULL: not there */
	struct knl_hidden hidden;
	uint32_t only; /* as in struct dump */
	int going; /* that network's bridge on its way out, whose ports are still there; 0: none */
	struct found *links; /* by ifindex, once organized */
	size_t n, cap, keep; /* keep: how many came from earlier requests */
};
struct dump {
	uint32_t only; /* this network, 0: all */
	struct side ovl, host;
	struct side *at; /* being read */
	struct knl_link inner, outer; /* of the egress bridge's uplink; ifindex 0: none */
	bool inner_enslaved;
	struct state_net **nets; /* by key */
	size_t n_nets;
};

/** knl_dump_link() - the link of that number; NULL: not ours. */
struct found *knl_dump_link(const struct side *s, int ifindex);
/* All there is of a kind in the namespace d->at; @bridge, @port, @dev: of that alone, 0 for all. */
int knl_dump_fdb(struct dump *d, int bridge, int port, struct err *e);
int knl_dump_neigh(struct dump *d, int bridge, struct err *e);
int knl_dump_addrs(struct dump *d, int dev, struct err *e);
