/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A datagram to the VXLAN port injects a frame into any network, whoever sends it: a container by its egress interface, as itself or in a
 * node's name, and a machine that is no node. And route_localnet opens the host's loopback. The host's rules (overlay/nft_skel.c) close it.
 *
 * h: the host, with vx1 (VNI 100) in o; n: a node and a stranger on the uplink; c: a container behind ovl-gw; d: one behind docker0.
 */
#include <net/ethernet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/addr.h"
#include "tests/kernel_facts/nft_lab.h"

static void make(void)
{
	static const char *const names[] = { "h", "o", "n", "c", "d" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		nft_lab_ns(names[i]);
	nft_lab_sh("link() { ip -n ~h link add $1 type veth peer name eth0 netns ~$2; "
		   "ip -n ~h link set $1 up; ip -n ~$2 link set eth0 up; "
		   "ip -n ~h addr add $3/24 dev $1; ip -n ~$2 addr add $4/24 dev eth0; }\n"
		   "link uplink n 192.0.2.1 192.0.2.2; link ovl-gw c 172.30.0.1 172.30.0.2; "
		   "link docker0 d 172.17.0.1 172.17.0.2");
	nft_lab_sh(
		"ip -n ~h link set ovl-gw address 02:42:ac:1e:00:01; "
		"ip -n ~n addr add 192.0.2.66/24 dev eth0; "
		"for n in c d; do ip -n ~$n addr add 192.0.2.2/32 dev lo; done; "
		"ip -n ~c route add default via 172.30.0.1; ip -n ~d route add default via 172.17.0.1; "
		"for i in all uplink ovl-gw docker0; do ip netns exec ~h sysctl -qw net.ipv4.conf.$i.rp_filter=0; done; "
		"ip netns exec ~h sysctl -qw net.ipv4.conf.ovl-gw.route_localnet=1");
	nft_lab_sh(
		"ip -n ~h link add vx1 type vxlan id 100 local 192.0.2.1 dstport 4789 nolearning; "
		"ip -n ~h link set vx1 netns ~o; ip -n ~o link set vx1 up");
}

static const char *frame_in_vxlan(struct frame *f, const char *text)
{
	const uint8_t vxlan[8] = { 8, 0, 0, 0, 0, 0, 100, 0 };

	frame_bytes(f, vxlan, sizeof(vxlan));
	frame_eth(f, "ff:ff:ff:ff:ff:ff", "02:00:00:00:00:66", 0x88b5);
	frame_text(f, text);
	return text;
}

/* Is a frame sent from @ns with @source to @target seen on vx1? A node's, sent after it, always is. */
static bool injects(const char *ns, const char *source, const char *target)
{
	int vx = nft_lab_raw("o", "vx1"), from = nft_lab_udp(ns, source, 0);
	int node = nft_lab_udp("n", "192.0.2.2", 0);
	struct frame f = { 0 }, last = { 0 };
	struct sockaddr_storage sa;
	struct ip a;

	frame_in_vxlan(&f, "<forged>");
	frame_in_vxlan(&last, "<last>");
	ip_parse(target, &a, NULL);
	socklen_t len = ip_to_sockaddr(a, 4789, &sa);
	sendto(from, f.b, f.n, 0, (struct sockaddr *)&sa, len);
	ip_parse("192.0.2.1", &a, NULL);
	len = ip_to_sockaddr(a, 4789, &sa);
	sendto(node, last.b, last.n, 0, (struct sockaddr *)&sa, len);
	bool seen = nft_lab_got(vx, "<forged>", "<last>");
	close(vx);
	close(from);
	close(node);
	return seen;
}

/* Does a frame of the container to 127.0.0.1 reach the host's loopback? */
static bool loopback_open(void)
{
	int lo = nft_lab_udp("h", "127.0.0.1", 7777), raw = nft_lab_raw("c", "eth0");
	struct frame f = { 0 };

	frame_eth(&f, "02:42:ac:1e:00:01", "02:42:ac:1e:00:02", ETH_P_IP);
	frame_ip4(&f, "172.30.0.2", "127.0.0.1", IPPROTO_UDP);
	frame_udp(&f, 9, 7777);
	frame_text(&f, "<loopback>");
	frame_done(&f, ETH_HLEN);
	frame_send(raw, &f);
	nft_lab_sh("ip netns exec ~c ping -qn -c1 -W5 172.30.0.1 >/dev/null");
	bool came = nft_lab_comes(lo, "<loopback>", 100);
	close(lo);
	close(raw);
	return came;
}

int main(void)
{
	nft_lab_begin();
	make();
	nft_lab_fact(injects("c", "172.30.0.2", "192.0.2.1"),
		     "without rules a container's datagram injects a frame");
	nft_lab_fact(injects("c", "172.30.0.2", "172.30.0.1"),
		     "to the egress gateway's address too");
	nft_lab_fact(injects("n", "192.0.2.66", "192.0.2.1"),
		     "and that of a machine that is no node");
	nft_lab_fact(loopback_open(), "route_localnet opens the host's loopback to containers");

	nft_lab_sh(
		"ip netns exec ~h nft -f - <<'END'\n"
		"table inet ovl {\n"
		"  set vteps4 { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2 }; }\n"
		"  chain raw { type filter hook prerouting priority -300;\n"
		"    udp dport 4789 fib daddr type local ip saddr @vteps4 iifname != ovl-gw notrack accept\n"
		"    udp dport 4789 drop\n"
		"    iifname ovl-gw ip daddr 127.0.0.0/8 drop\n"
		"  }\n}\nEND\n");
	nft_lab_fact(!injects("c", "172.30.0.2", "192.0.2.1"), "with a set of VTEPs it does not");
	nft_lab_fact(!injects("c", "192.0.2.2", "192.0.2.1"), "nor in a node's name by ovl-gw");
	nft_lab_fact(!injects("n", "192.0.2.66", "192.0.2.1"),
		     "nor does the machine that is no node");
	nft_lab_fact(!loopback_open(), "a rule closes the loopback");
	nft_lab_fact(injects("d", "192.0.2.2", "192.0.2.1"),
		     "a container on another bridge still does, in a node's name");

	nft_lab_sh(
		"ip netns exec ~h nft 'flush chain inet ovl raw; add rule inet ovl raw "
		"udp dport 4789 ip saddr @vteps4 iifname != ovl-gw fib saddr . iif oif exists notrack accept; "
		"add rule inet ovl raw udp dport 4789 drop'");
	nft_lab_fact(!injects("d", "192.0.2.2", "192.0.2.1"),
		     "not where the route back is asked for");
	nft_lab_fact(!injects("d", "192.0.2.2", "172.17.0.1"), "nor to its bridge's address");
	nft_lab_fact(!injects("c", "192.0.2.2", "192.0.2.1"), "nor does the one behind ovl-gw");
	return 0;
}
