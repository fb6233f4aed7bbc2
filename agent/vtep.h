/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vtep - which of this host's addresses the other nodes shall reach it by.
 *
 * --advertise ADDR: that one, if the host has it. --advertise IFACE: the interface's first global address. Otherwise the address the host uses
 * towards etcd (the endpoints in order; those given by name are passed over, loopback ones too), else the one towards the default route.
 */
#pragma once
#include "agent/config.h"
#include "overlay/kernel.h"

/** vtep_choose() - Return: 0; -EAGAIN: nothing fits now (the error says what was tried); call again later. Sends no packet. */
int vtep_choose(struct kernel *k, const struct config *c, struct ip *ret_vtep, uint32_t *ret_mtu,
		struct err *e);
/** vtep_endpoint_host() - the host part of an etcd URL as an address. -EINVAL for names and unix sockets. */
int vtep_endpoint_host(const char *url, struct ip *ret);
