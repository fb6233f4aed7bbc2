/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Neighbours of a bridge: NOARP and extern_learn ones outlive much, but not everything (facts §4; overlay/knl_entry.c, knl_bridge.c).
 */
#include "tests/kernel_facts/nft_lab.h"

static void put(void)
{
	nft_lab_sh(
		"ip -n ~o neigh replace 10.0.0.2 lladdr 02:42:0a:00:00:02 dev br1 nud noarp extern_learn; "
		"ip -n ~o neigh replace fd00::2 lladdr 02:42:0a:00:00:02 dev br1 nud noarp extern_learn; "
		"ip -n ~o addr replace fd00::1/64 dev br1 nodad");
}

static bool v4(void)
{
	return !nft_lab_try(
		"ip -n ~o neigh show dev br1 nud noarp | grep -q '10.0.0.2.*extern_learn'");
}

static bool v6(void)
{
	return !nft_lab_try(
		"ip -n ~o -6 neigh show dev br1 nud noarp | grep -q 'fd00::2.*extern_learn'");
}

static bool gateway(void)
{
	return !nft_lab_try("ip -n ~o -6 addr show dev br1 | grep -q 'fd00::1/64'");
}

static void carrier(bool evict)
{
	nft_lab_sh(
		"ip netns exec ~o sysctl -q -w net.ipv4.conf.all.arp_evict_nocarrier=%d net.ipv4.conf.br1.arp_evict_nocarrier=%d "
		"net.ipv6.conf.all.ndisc_evict_nocarrier=%d net.ipv6.conf.br1.ndisc_evict_nocarrier=%d",
		evict, evict, evict, evict);
	nft_lab_sh("ip -n ~o link set v0 up");
	nft_lab_sh(
		"timeout 5 sh -c 'until ip -n ~o link show br1 | grep -q LOWER_UP; do sleep 0.01; done'");
	put();
	nft_lab_sh(
		"ip -n ~o link set v0 down; timeout 5 sh -c 'while ip -n ~o link show br1 | grep -q LOWER_UP; do sleep 0.01; done'");
}

int main(void)
{
	nft_lab_begin();
	nft_lab_ns("o");
	nft_lab_ns("a");
	nft_lab_need("/proc/sys/net/ipv4/conf/all/arp_evict_nocarrier", "arp_evict_nocarrier");
	nft_lab_sh(
		"ip -n ~o link add br1 address 02:42:00:10:00:01 type bridge; ip -n ~o link set br1 addrgenmode none up; "
		"ip -n ~o link add v0 type veth peer name eth0 netns ~a; ip -n ~o link set v0 master br1; ip -n ~a link set eth0 up");
	nft_lab_sh(
		"ip -n ~o link set v0 up; timeout 5 sh -c 'until ip -n ~o link show br1 | grep -q LOWER_UP; do sleep 0.01; done'");
	put();
	nft_lab_fact(v4() && v6() && gateway(), "neighbours and gateway are there");
	carrier(false);
	nft_lab_fact(v4() && v6(), "the last port's end leaves them, with *_evict_nocarrier 0");
	carrier(true);
	nft_lab_fact(!v4() && !v6(), "it takes them, with *_evict_nocarrier 1");
	put();
	nft_lab_sh("ip -n ~o link set br1 mtu 1400; ip -n ~o link set br1 mtu 1500");
	nft_lab_fact(v4() && v6(), "a change of the MTU leaves them");
	nft_lab_sh("ip -n ~o link set br1 address 02:42:00:10:00:02");
	nft_lab_fact(!v4() && !v6(), "a change of the bridge's MAC takes them");
	put();
	nft_lab_sh("ip -n ~o link set br1 down");
	nft_lab_fact(!v4() && !v6() && !gateway(),
		     "a bridge down loses neighbours and the IPv6 gateway");
	return 0;
}
