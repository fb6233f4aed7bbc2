/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of a VXLAN device can be changed, and what becomes of its entries (facts §6; overlay/knl_vxlan.c).
 */
#include "tests/kernel_facts/nft_lab.h"

static bool entries(void)
{
	return !nft_lab_try(
		"bridge -n ~o fdb show dev vx1 | grep -q '02:00:00:00:00:01 dst 192.0.2.9.*extern_learn'; "
		"bridge -n ~o fdb show dev vx1 | grep -q '00:00:00:00:00:00 dst 192.0.2.9'");
}

static bool change(const char *what)
{
	return !nft_lab_try("ip -n ~o link set vx1 type vxlan %s 2>/dev/null", what);
}

int main(void)
{
	nft_lab_begin();
	nft_lab_ns("h");
	nft_lab_ns("o");
	nft_lab_sh(
		"ip -n ~h link add vx1 netns ~o type vxlan id 1 local 192.0.2.1 dstport 4789 nolearning; "
		"ip -n ~o link set vx1 up; "
		"bridge -n ~o fdb replace 02:00:00:00:00:01 dev vx1 dst 192.0.2.9 self extern_learn; "
		"bridge -n ~o fdb append 00:00:00:00:00:00 dev vx1 dst 192.0.2.9 self extern_learn");
	nft_lab_fact(change("id 1 local 192.0.2.2"),
		     "the local address can be changed, from the other namespace");
	nft_lab_fact(!nft_lab_try("ip -n ~o -d link show vx1 | grep -q 'local 192.0.2.2'"),
		     "it is changed");
	nft_lab_fact(entries(), "entries stay");
	nft_lab_fact(change("id 1 learning") && change("id 1 nolearning"),
		     "learning can be changed");
	nft_lab_fact(!change("id 1 dstport 4790"), "the port cannot");
	nft_lab_fact(!change("id 2"), "the VNI cannot");
	nft_lab_fact(!change("id 1 local 2001:db8::1"), "the address family cannot");
	nft_lab_sh("ip -n ~o link set vx1 down; ip -n ~o link set vx1 up");
	nft_lab_fact(entries(), "entries outlive down and up");
	nft_lab_sh("ip -n ~o link set vx1 mtu 1400");
	nft_lab_fact(entries(), "and a change of the MTU");
	return 0;
}
