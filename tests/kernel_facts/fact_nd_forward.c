/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bridge with an IPv6 address but no link-local one asks for no neighbour on behalf of what it forwards: ndisc_ns_create() takes the packet's
 * source where it is the host's own, else a link-local address, else it gives up (overlay/knl_bridge.c).
 */
#include "tests/kernel_facts/nft_lab.h"

int main(void)
{
	nft_lab_begin();
	nft_lab_need("/proc/sys/net/ipv6", "IPv6");
	nft_lab_ns("h");
	nft_lab_ns("a");
	nft_lab_ns("c");
	nft_lab_sh("ip netns exec ~h sysctl -q -w net.ipv6.conf.all.forwarding=1");
	nft_lab_sh(
		"ip -n ~h link add br0 type bridge; ip -n ~h link set br0 addrgenmode none; ip -n ~h link set br0 up; ip -n ~h addr add fd01::1/64 dev br0 nodad");
	nft_lab_sh(
		"ip -n ~h link add v0 type veth peer name eth0 netns ~a; ip -n ~h link set v0 addrgenmode none master br0 up");
	/* Without a word of its own, by which the bridge's host would come to know it. */
	nft_lab_sh(
		"ip -n ~a link set eth0 addrgenmode none; ip -n ~a link set eth0 up; ip -n ~a addr add fd01::2/64 dev eth0 nodad; ip -n ~a -6 route add default via fd01::1");
	nft_lab_sh(
		"ip -n ~h link add u0 type veth peer name eth0 netns ~c; ip -n ~h link set u0 up; ip -n ~h addr add fd02::1/64 dev u0 nodad");
	nft_lab_sh(
		"ip -n ~c link set eth0 up; ip -n ~c addr add fd02::2/64 dev eth0 nodad; ip -n ~c -6 route add default via fd02::1");
	nft_lab_sh("ip netns exec ~c ping -q -c1 -W5 fd02::1 >/dev/null");
	nft_lab_fact(nft_lab_try("ip netns exec ~c ping -q -c2 -i0.2 -W1 fd01::2 >/dev/null"),
		     "without link-local address what is forwarded finds no neighbour");
	nft_lab_sh("ip -n ~h addr add fe80::1/64 dev br0 nodad");
	nft_lab_fact(!nft_lab_try("ip netns exec ~c ping -q -c1 -w5 fd01::2 >/dev/null"),
		     "with one it does");
	return 0;
}
