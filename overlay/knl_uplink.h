/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_uplink - the veth that leads from the egress bridge in the overlay namespace to the host's: gw-up and ovl-gw (rtnetlink).
 */
#pragma once
#include "overlay/knl_link.h"

struct knl_uplink_place {
	struct knl_sock *host, *ovl; /* sockets in the two namespaces */
	int nsfd; /* the overlay namespace */
};
/**
 * knl_uplink_make() - kernel.h's uplink_add: a pair that is there is brought to @want, one end alone is replaced
 * The MAC of ovl-gw is made of its first IPv4 address: made anew it is the same, and containers need not ask again.
 * *@ret_writes: objects written. On any failure a pair made anew is gone again.
 * Return: 0, -EEXIST: a foreign ovl-gw, -ENODEV: there is no egress bridge.
 */
int knl_uplink_make(const struct knl_uplink_place *at, const struct state_net *want,
		    unsigned *ret_writes, struct err *e);
