/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Networks that share a namespace leak into one another by default, without any forwarding; the sysctls and rules of the overlay namespace
 * (overlay/sysctl_ground.c, overlay/nft_skel.c) close each leak. Network A: br1 with a; network B: br2 with b; both bridges in o.
 */
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <unistd.h>
#include "tests/kernel_facts/nft_lab.h"

#define BR1 "02:42:00:00:00:01"
#define MAC_A "02:42:0a:00:00:02"
#define SYSCTL "ip netns exec ~o sysctl -qw "

static void make(void)
{
	nft_lab_ns("o");
	nft_lab_ns("a");
	nft_lab_ns("a2");
	nft_lab_ns("b");
	/* What a namespace begins with differs with the host's settings: say it. */
	nft_lab_sh(SYSCTL "net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
	/* Neighbours can be asked for at once. */
	nft_lab_sh(SYSCTL "net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0");
	nft_lab_sh("net() { ip -n ~o link add $1 address $2 type bridge; ip -n ~o link set $1 up; "
		   "ip -n ~o addr add $3/24 dev $1; ip -n ~o addr add $4/64 dev $1 nodad; }\n"
		   "net br1 " BR1 " 10.0.0.1 fd00::1; net br2 02:42:00:00:00:02 10.0.1.1 fd01::1");
	nft_lab_sh("port() { ip -n ~o link add $1 type veth peer name eth0 netns ~$2; "
		   "ip -n ~o link set $1 master $3 up; ip -n ~$2 link set eth0 address $4 up; "
		   "ip -n ~$2 addr add $5/24 dev eth0; ip -n ~$2 addr add $6/64 dev eth0 nodad; "
		   "ip -n ~$2 route add default via $7; ip -n ~$2 route add default via $8; }\n"
		   "port ve1 a br1 " MAC_A " 10.0.0.2 fd00::2 10.0.0.1 fd00::1; "
		   "port ve3 a2 br1 02:42:0a:00:00:03 10.0.0.3 fd00::3 10.0.0.1 fd00::1; "
		   "port ve2 b br2 02:42:0a:00:01:02 10.0.1.2 fd01::2 10.0.1.1 fd01::1");
}

/* What is to be seen after everything sent before it: the own gateway is reached in any case. */
static void settle(void)
{
	nft_lab_sh("ip netns exec ~a ping -qn -c1 -W5 10.0.0.1 >/dev/null; "
		   "ip netns exec ~a ping -qn -c1 -W5 fd00::1 >/dev/null");
}

/* Does a datagram from a to @addr port 53 arrive at a socket in @ns? */
static bool reaches(const char *ns, const char *addr)
{
	int at = nft_lab_udp(ns, addr, 53);
	int from = nft_lab_udp("a", strchr(addr, ':') ? "::" : "", 0);

	nft_lab_send(from, addr, 53, "<query>");
	settle();
	bool came = nft_lab_comes(at, "<query>", 100);
	close(at);
	close(from);
	return came;
}

/* An echo request from a with b's address as source: does the answer reach b? */
static bool answer_goes_to_b(void)
{
	int raw = nft_lab_raw("a", "eth0"), b = nft_lab_raw("b", "eth0");
	const uint8_t echo[8] = { ICMP_ECHO };
	struct frame f = { 0 };

	frame_eth(&f, BR1, MAC_A, ETH_P_IP);
	frame_ip4(&f, "10.0.1.2", "10.0.1.1", IPPROTO_ICMP);
	frame_bytes(&f, echo, sizeof(echo));
	frame_text(&f, "<echo>");
	frame_done(&f, ETH_HLEN);
	frame_send(raw, &f);
	settle();
	bool came = nft_lab_comes(b, "<echo>", 100);
	close(raw);
	close(b);
	return came;
}

static bool arp_answered(void)
{
	nft_lab_sh("ip -n ~a route add 10.0.1.1/32 dev eth0; "
		   "ip netns exec ~a ping -qn -c1 -W0.2 10.0.1.1 >/dev/null || true");
	bool answered = nft_lab_try("ip -n ~a neigh show 10.0.1.1 | grep -q lladdr") == 0;
	nft_lab_sh("ip -n ~a route del 10.0.1.1/32 dev eth0; ip -n ~a neigh flush dev eth0");
	return answered;
}

/* A router advertisement from a: has the namespace a default route afterwards? */
static bool default_route_by_ra(void)
{
	const uint8_t ra[16] = { ND_ROUTER_ADVERT, 0, 0, 0, 64, 0, 0x07, 0x08 };
	int raw = nft_lab_raw("a", "eth0");
	struct frame f = { 0 };

	frame_eth(&f, "33:33:00:00:00:01", MAC_A, ETH_P_IPV6);
	frame_ip6(&f, "fe80::42:aff:fe00:2", "ff02::1", IPPROTO_ICMPV6, 255);
	frame_bytes(&f, ra, sizeof(ra));
	frame_done(&f, ETH_HLEN);
	frame_send(raw, &f);
	close(raw);
	settle();
	return nft_lab_try("ip -n ~o -6 route show default | grep -q br1") == 0;
}

static void leaks(void)
{
	nft_lab_fact(reaches("o", "10.0.1.1"), "by default A reaches B's gateway and its DNS");
	nft_lab_fact(reaches("o", "fd01::1"), "by default A reaches B's IPv6 gateway");
	nft_lab_fact(answer_goes_to_b(),
		     "by default a question with B's source is answered into B");
	nft_lab_fact(arp_answered(), "by default ARP in A for B's gateway is answered");
	nft_lab_fact(!reaches("b", "10.0.1.2"),
		     "without forwarding A does not reach B's containers");
	nft_lab_fact(default_route_by_ra(), "by default an advertisement gives a default route");
	nft_lab_sh("ip -n ~o -6 route flush default");
	nft_lab_sh(SYSCTL "net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
	nft_lab_fact(reaches("b", "10.0.1.2"), "with ip_forward A reaches B's containers");
	nft_lab_fact(reaches("b", "fd01::2"), "with IPv6 forwarding A reaches B's containers");
	nft_lab_sh(SYSCTL "net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
}

/* With 1, what a bridge forwards passes the inet chains: no policy of drop can stand there. */
static void bridge_netfilter(void)
{
	const char *ping = "ip netns exec ~a ping -qn -c1 -W0.3 10.0.0.3 >/dev/null";

	nft_lab_need("/proc/sys/net/bridge/bridge-nf-call-iptables", "br_netfilter");
	nft_lab_sh("ip netns exec ~a ping -qn -c1 -W5 10.0.0.3 >/dev/null");
	nft_lab_sh(
		SYSCTL
		"net.bridge.bridge-nf-call-iptables=1; ip netns exec ~o nft "
		"'add table inet t; add chain inet t f { type filter hook forward priority 0; policy drop; }'");
	nft_lab_fact(nft_lab_try("%s", ping) != 0,
		     "with bridge-nf-call-iptables a forward policy of drop stops bridged frames");
	nft_lab_sh("ip netns exec ~o sh -c 'echo 0 >/sys/class/net/br1/bridge/nf_call_iptables'");
	nft_lab_fact(nft_lab_try("%s", ping) != 0, "the bridge's own switch does not override it");
	nft_lab_sh(SYSCTL "net.bridge.bridge-nf-call-iptables=0");
	nft_lab_fact(nft_lab_try("%s", ping) == 0, "with bridge-nf-call-iptables 0 they pass");
	nft_lab_sh("ip netns exec ~o nft delete table inet t");
}

static void cure(void)
{
	nft_lab_sh(
		SYSCTL
		"net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.default.arp_ignore=1 "
		"net.ipv6.conf.all.accept_ra=0 net.ipv6.conf.br1.accept_ra=0 net.ipv6.conf.br2.accept_ra=0");
	nft_lab_fact(!arp_answered(), "arp_ignore 1: ARP in A for B's gateway is not answered");
	nft_lab_fact(!default_route_by_ra(), "accept_ra 0: an advertisement changes nothing");
	nft_lab_sh("ip netns exec ~o nft -f - <<'END'\n"
		   "table inet ovl {\n"
		   "  chain input { type filter hook input priority 0; policy drop;\n"
		   "    iifname lo accept\n"
		   "    fib daddr . iif type != { local, broadcast, multicast } drop\n"
		   "    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n"
		   "    fib saddr . iif oif missing drop\n"
		   "    udp dport 53 accept\n"
		   "    icmp type echo-request accept\n"
		   "    icmpv6 type echo-request accept\n"
		   "  }\n"
		   "  chain forward { type filter hook forward priority 0; policy drop; }\n"
		   "}\nEND\n");
	nft_lab_fact(!reaches("o", "10.0.1.1"), "cured: A does not reach B's gateway");
	nft_lab_fact(!reaches("o", "fd01::1"), "cured: A does not reach B's IPv6 gateway");
	nft_lab_fact(!answer_goes_to_b(), "cured: a question with B's source is not answered");
	nft_lab_sh(SYSCTL "net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
	nft_lab_fact(!reaches("b", "10.0.1.2"), "cured: even with ip_forward");
	nft_lab_fact(!reaches("b", "fd01::2"), "cured: even with IPv6 forwarding");
	nft_lab_fact(reaches("o", "10.0.0.1") && reaches("o", "fd00::1"),
		     "cured: A's own gateway is reached");
}

int main(void)
{
	nft_lab_begin();
	make();
	settle();
	leaks();
	cure();
	nft_lab_sh("ip netns exec ~o nft flush ruleset; " SYSCTL "net.ipv4.ip_forward=0");
	bridge_netfilter();
	return 0;
}
