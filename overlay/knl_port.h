/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_port - a container's veth: born with its peer inside the container's namespace, everything inside set in one send (rtnetlink); or with its
 * peer in the host's namespace, for somebody else.
 */
#pragma once
#include "overlay/knl_link.h"

/**
 * knl_port_make() - make the veth of @p: the host end on the network's bridge, flags set, DOWN; the peer named, addressed, routed, up
 * A host end of that name that is there already is stale: deleted and made anew. On any failure nothing is left.
 * @s: of the namespace where the bridge is; *@ret_writes: objects written.
 * @host: of the host's namespace, which must be the caller's own: there the peer of a port that is handed over is made, to be named, addressed
 * and moved by others.
 * Return: 0; -ENOENT: the target namespace is gone or another; -EEXIST: an interface of that name exists inside; -ENODEV: no bridge.
 */
int knl_port_make(struct knl_sock *s, struct knl_sock *host, const struct state_net *want,
		  const struct state_port *p, unsigned *ret_writes, struct err *e);
