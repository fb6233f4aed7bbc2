/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making a veth with its peer in another namespace: what may stand in the message that makes it, and what must come after (overlay/knl_port.c).
 */
#include "tests/kernel_facts/nft_lab.h"

int main(void)
{
	nft_lab_begin();
	nft_lab_ns("o");
	nft_lab_ns("a");
	nft_lab_sh(
		"ip -n ~o link add br1 address 02:42:00:10:00:01 mtu 1500 type bridge; ip -n ~o link set br1 up");
	nft_lab_fact(
		nft_lab_try(
			"ip -n ~o link add v0 addrgenmode none type veth peer name eth0 netns ~a 2>/dev/null"),
		"addrgenmode in the message that makes a veth is refused");
	nft_lab_fact(
		nft_lab_try(
			"ip -n ~o link add v0 type veth peer name eth0 netns ~a up 2>/dev/null"),
		"a peer cannot be made up");
	nft_lab_fact(
		nft_lab_try(
			"ip -n ~o link show v0 2>/dev/null || ip -n ~a link show eth0 2>/dev/null"),
		"nothing is left of either");
	nft_lab_sh(
		"ip -n ~o link add v0 mtu 1500 master br1 type veth peer name eth0 netns ~a mtu 1450 address 02:42:0a:00:00:02");
	nft_lab_fact(!nft_lab_try("ip -n ~o link show v0 | grep -q 'master br1.*state DOWN'"),
		     "the host end is born on the bridge, down");
	nft_lab_fact(
		!nft_lab_try(
			"ip -n ~a link show eth0 | grep -q 'mtu 1450' && ip -n ~a link show eth0 | grep -q 02:42:0a:00:00:02"),
		"the peer is born in its namespace with name, MAC and MTU");
	nft_lab_fact(
		!nft_lab_try(
			"test $(ip -n ~o -j link show v0 | jq .[0].link_index) = $(ip -n ~a -j link show eth0 | jq .[0].ifindex)"),
		"IFLA_LINK of the host end is the peer's number");
	nft_lab_sh(
		"ip -n ~o link set v0 addrgenmode none; ip -n ~o link set v0 type bridge_slave learning off locked on");
	nft_lab_fact(
		!nft_lab_try(
			"bridge -n ~o -d link show dev v0 | grep -q 'learning off.*locked on'"),
		"port flags can be set by name, as slave data");
	nft_lab_sh("ip -n ~o link set v0 up; ip -n ~a link set eth0 up");
	nft_lab_fact(nft_lab_try("ip -n ~o -6 addr show dev v0 | grep -q inet6"),
		     "addrgenmode none keeps the host end without address");
	nft_lab_fact(
		nft_lab_try("ip -n ~o link add v1 type veth peer name eth0 netns ~a 2>/dev/null"),
		"a name taken inside is EEXIST");
	nft_lab_fact(nft_lab_try("ip -n ~o link show v1 2>/dev/null"), "and leaves no host end");
	return 0;
}
