/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knl_vxlan - a network's VXLAN device: in the overlay namespace, with its UDP socket in the host's (rtnetlink).
 */
#pragma once
#include "overlay/knl_link.h"

struct knl_vxlan_place {
	struct knl_sock *host; /* its namespace will hold the UDP socket */
	struct knl_sock *ovl;
	int nsfd; /* the overlay namespace */
	const char *
		netns_path; /* its file: the folder is searched for another holder of VNI and port */
};
/**
 * knl_vxlan_make() - make vx<vni> on br<vni>, or bring an existing one to @want
 * One that differs in what cannot be changed (facts §6) is deleted first; its entries are gone then.
 * *@ret_writes: objects written. Return: 0; -EEXIST: another device holds VNI and port, named in @e.
 */
int knl_vxlan_make(const struct knl_vxlan_place *at, const struct state_net *want,
		   unsigned *ret_writes, struct err *e);
