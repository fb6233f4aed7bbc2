/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compile_priv - what compile.c (overlay networks) and compile_local.c (the others) share.
 */
#pragma once
#include "agent/compile.h"

/* How the ports of one network are made. */
struct compile_port {
	const struct model_network *network;
	enum state_security security;
	uint32_t mtu, container_mtu; /* host end; inside */
	bool routed; /* it may bear the default route */
};
/** compile_port() - the port of one endpoint, with its entry on the bridge; none for one that is open, shut, or on no bridge. */
void compile_port(const struct compile_port *in, const struct compile_local *l,
		  struct state_net *n);
/** compile_gateways() - the gateways of all its subnets. */
void compile_gateways(const struct model_network *net, struct state_net *n);
