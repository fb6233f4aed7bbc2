/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the host's NAT chains (overlay/nft_skel_host.c) rest on: a concatenated map gives dnat address and port; postrouting knows where a packet
 * came in; and a packet to 127.0.0.1 from outside, which is a martian, passes once it is translated, so it must not be.
 *
 * h: the host, with br0 to the container c and an uplink to x.
 */
#include <net/ethernet.h>
#include <string.h>
#include <unistd.h>
#include "base/addr.h"
#include "tests/kernel_facts/nft_lab.h"

static void make(void)
{
	nft_lab_ns("h");
	nft_lab_ns("c");
	nft_lab_ns("x");
	nft_lab_sh(
		"ip -n ~h link add br0 type bridge; ip -n ~h link set br0 up; ip -n ~h addr add 10.1.0.1/24 dev br0; "
		"ip -n ~h link add p1 type veth peer name eth0 netns ~c; ip -n ~h link set p1 master br0 up; "
		"ip -n ~c link set eth0 up; ip -n ~c addr add 10.1.0.2/24 dev eth0; "
		"ip -n ~c route add default via 10.1.0.1; "
		"ip -n ~h link add uplink type veth peer name eth0 netns ~x; "
		"ip -n ~h link set uplink address 02:00:00:00:00:01 up; ip -n ~x link set eth0 up; "
		"ip -n ~h addr add 192.0.2.1/24 dev uplink; ip -n ~x addr add 192.0.2.2/24 dev eth0; "
		"ip netns exec ~h sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 "
		"net.ipv4.conf.uplink.rp_filter=0");
	nft_lab_sh(
		"ip netns exec ~h nft -f - <<'END'\n"
		"table inet t {\n"
		"  map publish { type inet_proto . inet_service : ipv4_addr . inet_service; elements = { udp . 8080 : 10.1.0.2 . 80 } }\n"
		"  chain pre { type nat hook prerouting priority -100; fib daddr type local dnat ip to meta l4proto . th dport map @publish; }\n"
		"  chain out { type nat hook output priority -100; fib daddr type local dnat ip to meta l4proto . th dport map @publish; }\n"
		"  chain post { type nat hook postrouting priority 100; iifname br0 masquerade; }\n"
		"}\nEND\n");
}

/* Does a datagram from @ns to the target come to @at? */
static bool comes(const char *ns, const char *target, uint16_t port, int at)
{
	int from = nft_lab_udp(ns, "", 0);

	nft_lab_send(from, target, port, "<text>");
	bool came = nft_lab_comes(at, "<text>", 500);
	close(from);
	return came;
}

static void send_martian(uint16_t sport)
{
	int raw = nft_lab_raw("x", "eth0");
	struct frame f = { 0 };

	frame_eth(&f, "02:00:00:00:00:01", "02:00:00:00:00:02", ETH_P_IP);
	frame_ip4(&f, "192.0.2.2", "127.0.0.1", IPPROTO_UDP);
	frame_udp(&f, sport, 8080);
	frame_text(&f, "<martian>");
	frame_done(&f, ETH_HLEN);
	frame_send(raw, &f);
	close(raw);
}

int main(void)
{
	nft_lab_begin();
	make();
	int c = nft_lab_udp("c", "10.1.0.2", 80), at = nft_lab_udp("x", "192.0.2.2", 80);

	nft_lab_fact(comes("x", "192.0.2.1", 8080, c),
		     "dnat takes address and port from a concatenated map");
	nft_lab_fact(comes("c", "192.0.2.2", 80, at), "a container reaches the outside");
	nft_lab_fact(!nft_lab_try("ip netns exec ~c ping -qn -c1 -W5 192.0.2.2 >/dev/null"),
		     "and is answered, as iifname in postrouting tells whom to masquerade");
	nft_lab_fact(!comes("h", "127.0.0.1", 8080, c), "127.0.0.1 does not lead to a container");
	nft_lab_sh(
		"ip netns exec ~h sysctl -qw net.ipv4.conf.br0.route_localnet=1; "
		"ip netns exec ~h nft add rule inet t post ip saddr 127.0.0.0/8 oifname br0 masquerade");
	nft_lab_fact(comes("h", "127.0.0.1", 8080, c),
		     "with route_localnet on the bridge alone and masquerade it does");
	send_martian(1001);
	nft_lab_fact(nft_lab_comes(c, "<martian>", 500),
		     "a translated packet from outside to 127.0.0.1 passes, though a martian");
	nft_lab_sh("ip netns exec ~h nft insert rule inet t pre ip daddr 127.0.0.0/8 accept");
	send_martian(1002);
	nft_lab_fact(!nft_lab_comes(c, "<martian>", 100), "not where it is not translated");
	close(c);
	close(at);
	return 0;
}
