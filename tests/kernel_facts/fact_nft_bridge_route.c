/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How table bridge tells a frame that br_netfilter has given to the inet hooks from one that it has not: by the route it attaches, which
 * `meta rtclassid` wants to be there. `ct` there is no way: refused, or it tracks the frames of all bridges. And with br_netfilter a container
 * reaches its own published port only over a bridge port in hairpin mode.
 *
 * h: the host; br0 with a and b; port 8080 of the host leads to a, 8081 to b.
 */
#include <stdio.h>
#include <unistd.h>
#include "tests/kernel_facts/nft_lab.h"

#define NF_CALL "/proc/sys/net/bridge/bridge-nf-call-iptables"

static void make(void)
{
	nft_lab_ns("a");
	nft_lab_ns("b");
	nft_lab_sh(
		"ip -n ~h link add br0 type bridge; ip -n ~h link set br0 up; ip -n ~h addr add 10.1.0.1/24 dev br0; "
		"ip -n ~h addr add 192.0.2.1/32 dev lo; i=2; for n in a b; do "
		"ip -n ~h link add p$n type veth peer name eth0 netns ~$n; ip -n ~h link set p$n master br0 up; "
		"ip -n ~$n link set eth0 up; ip -n ~$n addr add 10.1.0.$i/24 dev eth0; i=3; "
		"ip -n ~$n route add default via 10.1.0.1; done; ip netns exec ~h sysctl -qw net.ipv4.ip_forward=1");
	nft_lab_sh(
		"ip netns exec ~h nft -f - <<'END'\n"
		"table inet t {\n"
		"  chain pre { type nat hook prerouting priority -100; ip daddr 192.0.2.1 udp dport 8080 dnat ip to 10.1.0.2:80; "
		"    ip daddr 192.0.2.1 udp dport 8081 dnat ip to 10.1.0.3:80; }\n"
		"  chain post { type nat hook postrouting priority 100; ct status dnat ip saddr 10.1.0.0/24 masquerade; }\n"
		"}\n"
		"table bridge t { chain f { type filter hook forward priority -200;\n"
		"  ether type ip meta rtclassid >= 0 accept\n"
		"  ether type ip drop\n"
		"  }\n}\nEND\n");
}

static void nf_call(int on)
{
	nft_lab_sh("ip netns exec ~h sysctl -qw net.bridge.bridge-nf-call-iptables=%d", on);
}

/* Does a datagram from @ns come to @at? */
static bool comes(const char *ns, const char *target, uint16_t port, int at)
{
	int from = nft_lab_udp(ns, "", 0);

	nft_lab_send(from, target, port, "<text>");
	bool came = nft_lab_comes(at, "<text>", 300);
	close(from);
	return came;
}

int main(void)
{
	nft_lab_begin();
	nft_lab_ns("h");
	nft_lab_enter("h");
	nft_lab_need(NF_CALL, "br_netfilter");
	nft_lab_enter(NULL);
	make();
	int a = nft_lab_udp("a", "10.1.0.2", 80), b = nft_lab_udp("b", "10.1.0.3", 80);

	nf_call(0);
	nft_lab_fact(!comes("a", "10.1.0.3", 80, b),
		     "without br_netfilter a bridged frame has no route");
	nft_lab_fact(comes("a", "192.0.2.1", 8081, b), "a published port of the sibling is routed");
	nft_lab_fact(comes("a", "192.0.2.1", 8080, a), "and one's own");
	nf_call(1);
	nft_lab_fact(comes("a", "10.1.0.3", 80, b), "with it, it has");
	nft_lab_fact(comes("a", "192.0.2.1", 8081, b), "a translated one, too");
	nft_lab_fact(!comes("a", "192.0.2.1", 8080, a), "one's own published port is out of reach");
	nft_lab_sh("ip netns exec ~h bridge link set dev pa hairpin on");
	nft_lab_fact(comes("a", "192.0.2.1", 8080, a), "unless the bridge port is in hairpin mode");

	printf("ct in table bridge: %s\n",
	       nft_lab_try(
		       "ip netns exec ~h nft add rule bridge t f ct status dnat accept 2>/dev/null") ?
		       "refused" :
		       "taken");
	return 0;
}
