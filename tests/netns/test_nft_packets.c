/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the rules and sysctls of nft_ground and sysctl_ground do to packets.
 *
 * o: the overlay namespace, with network A (br1: containers a1 and a2, and vx1, whose other end is in x) and network B (br2: container
 * b1). h: the host, with its uplink to n (a node, and a machine that is none), ovl-gw to c and docker0 to d (containers).
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>

#include <cmocka.h>
#include "base/mem.h"
#include "overlay/nft_ground.h"
#include "overlay/sysctl_ground.h"
#include "tests/kernel_facts/nft_lab.h"

#define ALL "ff:ff:ff:ff:ff:ff"
#define MAC1 "02:42:0a:00:00:02"
#define MAC2 "02:42:0a:00:00:03"
#define IP1 "10.0.0.2"
#define IP2 "10.0.0.3"
#define IP1_6 "fd00::2"
#define IP2_6 "fd00::3"
#define LL1 "fe80::42:aff:fe00:2"

static struct {
	struct nft_ground *g;
	int nsfd;
	int a1, a2, x; /* packet sockets */
	unsigned serial;
} lab;

static struct state_guard guard(const char *port, const char *mac, const char *ip)
{
	struct state_guard g = { 0 };

	snprintf(g.port, sizeof(g.port), "%s", port);
	mac_parse(mac, &g.mac, NULL);
	ip_parse(ip, &g.ip, NULL);
	return g;
}

static void make_overlay(void)
{
	static const char *const names[] = { "a1", "a2", "b1", "x" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		nft_lab_ns(names[i]);
	nft_lab_sh(
		"ip -n ~o link add br1 type bridge mcast_snooping 0; ip -n ~o link add br2 type bridge");
	nft_lab_sh(
		"ip -n ~o link set br1 up; ip -n ~o link set br2 up; "
		"ip -n ~o addr add 10.0.0.1/24 dev br1; ip -n ~o addr add 10.0.1.1/24 dev br2; "
		"ip -n ~o addr add fd00::1/64 dev br1 nodad; ip -n ~o addr add fd01::1/64 dev br2 nodad");
	nft_lab_sh("port() { ip -n ~o link add $1 type veth peer name eth0 netns ~$2; "
		   "ip -n ~o link set $1 master $3 up; ip -n ~$2 link set eth0 address $4 up; }\n"
		   "port ve1 a1 br1 " MAC1 "; port ve2 a2 br1 " MAC2
		   "; port ve3 b1 br2 02:42:0a:00:01:02; port vx1 x br1 02:42:0a:00:00:09");
	nft_lab_sh(
		"addr() { ip -n ~$1 addr add $2/24 dev eth0; ip -n ~$1 addr add $3/64 dev eth0 nodad; "
		"ip -n ~$1 route add default via $4; ip -n ~$1 route add default via $5; }\n"
		"addr a1 " IP1 " " IP1_6 " 10.0.0.1 fd00::1; addr a2 " IP2 " " IP2_6
		" 10.0.0.1 fd00::1; addr b1 10.0.1.2 fd01::2 10.0.1.1 fd01::1");
}

static void make_host(void)
{
	static const char *const names[] = { "n", "c", "d" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		nft_lab_ns(names[i]);
	nft_lab_sh("link() { ip -n ~h link add $1 type veth peer name eth0 netns ~$2; "
		   "ip -n ~h link set $1 up; ip -n ~$2 link set eth0 up; "
		   "ip -n ~h addr add $3/24 dev $1; ip -n ~$2 addr add $4/24 dev eth0; }\n"
		   "link uplink n 192.0.2.1 192.0.2.2; link ovl-gw c 172.30.0.1 172.30.0.2; "
		   "link docker0 d 172.17.0.1 172.17.0.2");
	nft_lab_sh(
		"ip -n ~n addr add 192.0.2.66/24 dev eth0; "
		"ip -n ~n addr add 2001:db8::2/64 dev eth0 nodad; ip -n ~n addr add 2001:db8::66/64 dev eth0 nodad; "
		"ip -n ~h addr add 2001:db8::1/64 dev uplink nodad; "
		"for n in c d; do ip -n ~$n addr add 192.0.2.2/32 dev lo; done; "
		"ip -n ~c route add default via 172.30.0.1; ip -n ~d route add default via 172.17.0.1; "
		"ip netns exec ~h sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.ip_forward=1; "
		"for i in uplink docker0 ovl-gw; do ip netns exec ~h sysctl -qw net.ipv4.conf.$i.rp_filter=0; done; "
		"ip netns exec ~h sysctl -qw net.ipv4.conf.ovl-gw.route_localnet=1");
}

static int group_setup(void **state)
{
	const struct state_guard guards[] = {
		guard("ve1", MAC1, IP1),
		guard("ve1", MAC1, IP1_6),
		guard("ve2", MAC2, IP2),
		guard("ve2", MAC2, IP2_6),
		guard("ve3", "02:42:0a:00:01:02", "10.0.1.2"),
		guard("ve3", "02:42:0a:00:01:02", "fd01::2"),
	};
	struct ip vteps[3];
	const struct state_elem elem = state_elem_ifname(STATE_SET_BRIDGES, "ovl-gw");
	const struct kernel_elements el = { vteps, 3, guards, ARRAY_SIZE(guards), &elem, 1 };
	struct err e = { 0 };
	unsigned writes;

	(void)state;
	ip_parse("192.0.2.1", &vteps[0], NULL);
	ip_parse("192.0.2.2", &vteps[1], NULL);
	ip_parse("2001:db8::2", &vteps[2], NULL);
	nft_lab_ns("o");
	nft_lab_ns("h");
	lab.nsfd = open(nft_lab_path("o"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(sysctl_ground_make(lab.nsfd, &writes, &e), 0);
	nft_lab_enter("h");
	assert_int_equal(nft_ground_new(lab.nsfd, "ovl", 4789, &lab.g, &e), 0);
	nft_lab_enter(NULL);
	assert_int_equal(nft_ground_make(lab.g, &el, &e), 0);
	make_overlay();
	make_host();
	lab.a1 = nft_lab_raw("a1", "eth0");
	lab.a2 = nft_lab_raw("a2", "eth0");
	lab.x = nft_lab_raw("x", "eth0");
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	nft_ground_free(lab.g);
	close(lab.nsfd);
	close(lab.a1);
	close(lab.a2);
	close(lab.x);
	return 0;
}

static const char *next_text(char buf[32])
{
	snprintf(buf, 32, "<text %u>", ++lab.serial);
	return buf;
}

/* Send @f from a1, then one that surely passes: did a2 get @f? Its mark is put at the frame's end. */
static bool passes_from(int fd, struct frame *f, const char *mac, const char *ip)
{
	struct frame sure = { 0 };
	char mark[32], last[32];

	frame_text(f, next_text(mark));
	frame_send(fd, f);
	frame_eth(&sure, ALL, mac, ETH_P_IP);
	frame_ip4(&sure, ip, "10.0.0.255", IPPROTO_UDP);
	frame_udp(&sure, 9, 9);
	frame_text(&sure, next_text(last));
	frame_done(&sure, ETH_HLEN);
	frame_send(fd, &sure);
	return nft_lab_got(lab.a2, mark, last);
}

static bool passes(struct frame *f)
{
	return passes_from(lab.a1, f, MAC1, IP1);
}

static bool ip4(const char *mac, const char *ip)
{
	struct frame f = { 0 };

	frame_eth(&f, ALL, mac, ETH_P_IP);
	frame_ip4(&f, ip, "10.0.0.255", IPPROTO_UDP);
	frame_udp(&f, 68, 67);
	return passes(&f);
}

static bool arp(const char *mac, const char *smac, const char *sip)
{
	struct frame f = { 0 };

	frame_eth(&f, ALL, mac, ETH_P_ARP);
	frame_arp(&f, 1, smac, sip, "10.0.0.77");
	return passes(&f);
}

static bool ip6(const char *mac, const char *ip)
{
	struct frame f = { 0 };

	frame_eth(&f, "33:33:00:00:00:01", mac, ETH_P_IPV6);
	frame_ip6(&f, ip, "ff02::1", IPPROTO_UDP, 64);
	frame_udp(&f, 9, 9);
	frame_done(&f, ETH_HLEN);
	return passes(&f);
}

/* An ND message of @type about @target; @behind: an extension header before it. */
static bool nd(const char *mac, const char *ip, uint8_t type, const char *target, bool behind)
{
	const uint8_t hop_by_hop[8] = { IPPROTO_ICMPV6, 0, 1, 4 };
	const uint8_t head[8] = { type };
	struct frame f = { 0 };
	struct ip a;

	frame_eth(&f, "33:33:00:00:00:01", mac, ETH_P_IPV6);
	frame_ip6(&f, ip, "ff02::1", behind ? 0 : IPPROTO_ICMPV6, 255);
	if (behind)
		frame_bytes(&f, hop_by_hop, sizeof(hop_by_hop));
	frame_bytes(&f, head, sizeof(head));
	assert_int_equal(ip_parse(target, &a, NULL), 0);
	frame_bytes(&f, a.b, 16);
	f.b[ETH_HLEN + 5] = (uint8_t)(f.n - ETH_HLEN - 40);
	return passes(&f);
}

static void test_port_ipv4(void **state)
{
	(void)state;
	assert_true(ip4(MAC1, IP1));
	assert_false(ip4(MAC2, IP1));
	assert_false(ip4(MAC1, IP2));
	assert_false(ip4(MAC2, IP2));
	assert_false(ip4(MAC1, "10.0.0.1"));
	assert_false(ip4(MAC1, "10.0.1.2"));
	assert_false(ip4(MAC1, "0.0.0.0"));
}

static void test_port_arp(void **state)
{
	(void)state;
	assert_true(arp(MAC1, MAC1, IP1));
	assert_false(arp(MAC2, MAC2, IP1));
	assert_false(arp(MAC1, MAC1, IP2));
	assert_false(arp(MAC1, MAC2, IP1));
	assert_false(arp(MAC1, MAC2, IP2));
	assert_false(arp(MAC1, MAC1, "10.0.0.1"));
	assert_false(arp(MAC1, MAC1, "0.0.0.0"));
	/* Other lengths would put the senders elsewhere. */
	struct frame f = { 0 };
	frame_eth(&f, ALL, MAC1, ETH_P_ARP);
	frame_arp(&f, 1, MAC1, IP1, "10.0.0.77");
	f.b[ETH_HLEN + 4] = 8;
	assert_false(passes(&f));
}

static void test_port_ipv6(void **state)
{
	(void)state;
	assert_true(ip6(MAC1, IP1_6));
	assert_false(ip6(MAC1, IP2_6));
	assert_false(ip6(MAC2, IP1_6));
	assert_true(ip6(MAC1, LL1));
	assert_false(ip6(MAC2, LL1));
	assert_false(ip6(MAC1, "::")); /* only ICMPv6 comes from there */
	assert_true(nd(MAC1, "::", ND_NEIGHBOR_SOLICIT, IP1_6, false));
	assert_false(nd(MAC2, "::", ND_NEIGHBOR_SOLICIT, IP1_6, false));
	assert_true(nd(MAC1, IP1_6, ND_NEIGHBOR_SOLICIT, IP2_6, false));
	assert_true(nd(MAC1, IP1_6, ND_NEIGHBOR_ADVERT, IP1_6, false));
	assert_true(nd(MAC1, LL1, ND_NEIGHBOR_ADVERT, LL1, false));
	assert_false(nd(MAC1, IP1_6, ND_NEIGHBOR_ADVERT, IP2_6, false));
	assert_false(nd(MAC1, LL1, ND_NEIGHBOR_ADVERT, "fd00::1", false));
	assert_false(nd(MAC1, LL1, ND_ROUTER_ADVERT, "::", false));
	assert_false(nd(MAC1, IP1_6, ND_ROUTER_ADVERT, "::", false));
	assert_false(nd(MAC1, LL1, ND_ROUTER_ADVERT, "::", true));
	assert_false(nd(MAC1, LL1, ND_REDIRECT, IP2_6, false));
	assert_true(nd(MAC1, IP1_6, ND_NEIGHBOR_SOLICIT, IP2_6, true));
}

static void test_port_others(void **state)
{
	const uint8_t tag[4] = { 0, 5, 0x08, 0x00 };
	struct frame f = { 0 };

	(void)state;
	frame_eth(&f, ALL, MAC1, 0x88b5);
	assert_false(passes(&f));
	f.n = 0;
	frame_eth(&f, ALL, MAC1, ETH_P_8021Q);
	frame_bytes(&f, tag, sizeof(tag));
	frame_ip4(&f, IP1, "10.0.0.255", IPPROTO_UDP);
	frame_udp(&f, 9, 9);
	assert_false(passes(&f));
	/* What comes by vx was judged on the other node. */
	f.n = 0;
	frame_eth(&f, ALL, "02:42:0a:00:00:63", ETH_P_IP);
	frame_ip4(&f, "10.0.0.99", "10.0.0.255", IPPROTO_UDP);
	frame_udp(&f, 9, 9);
	assert_true(passes_from(lab.x, &f, "02:42:0a:00:00:63", "10.0.0.98"));
}

/* DNS of the own gateway is served, and nothing else of the shared namespace. */
static void expect_apart(const char *own, const char *other, const char *far)
{
	int dns = nft_lab_udp("o", own, 53), other_dns = nft_lab_udp("o", other, 53);
	int ntp = nft_lab_udp("o", own, 123), container = nft_lab_udp("b1", far, 53);
	int from = nft_lab_udp("a1", strchr(own, ':') ? "::" : "", 0);
	char text[32], last[32];

	next_text(text);
	nft_lab_send(from, other, 53, text);
	nft_lab_send(from, own, 123, text);
	nft_lab_send(from, far, 53, text);
	nft_lab_send(from, own, 53, next_text(last));
	assert_false(nft_lab_got(dns, text, last));
	assert_false(nft_lab_comes(other_dns, text, 20));
	assert_false(nft_lab_comes(ntp, text, 20));
	assert_false(nft_lab_comes(container, text, 20));
	assert_int_not_equal(
		nft_lab_try("ip netns exec ~a1 ping -qn -c1 -W0.3 %s >/dev/null", other), 0);
	assert_int_not_equal(nft_lab_try("ip netns exec ~a1 ping -qn -c1 -W0.3 %s >/dev/null", far),
			     0);
	nft_lab_sh("ip netns exec ~a1 ping -qn -c1 -W5 %s >/dev/null", own);
	close(dns);
	close(other_dns);
	close(ntp);
	close(container);
	close(from);
}

static void test_networks_apart(void **state)
{
	(void)state;
	expect_apart("10.0.0.1", "10.0.1.1", "10.0.1.2");
	expect_apart("fd00::1", "fd01::1", "fd01::2");
	/* Forwarding switched on by accident. */
	nft_lab_sh(
		"ip netns exec ~o sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
	expect_apart("10.0.0.1", "10.0.1.1", "10.0.1.2");
	expect_apart("fd00::1", "fd01::1", "fd01::2");
	nft_lab_sh(
		"ip netns exec ~o sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
}

/* A query with another network's address as source, from where port security does not look. */
static void test_source_of_another(void **state)
{
	int at = nft_lab_udp("o", "10.0.0.1", 53);
	struct frame f = { 0 };
	char text[32], last[32];

	(void)state;
	nft_lab_sh(
		"ip -n ~o link set vx1 addrgenmode none; ip -n ~x addr add 10.0.0.9/24 dev eth0");
	int from = nft_lab_udp("x", "10.0.0.9", 0);
	nft_lab_sh("ip -n ~o link set br1 address 02:42:00:00:00:01");
	frame_eth(&f, "02:42:00:00:00:01", "02:42:0a:00:00:09", ETH_P_IP);
	frame_ip4(&f, "10.0.1.2", "10.0.0.1", IPPROTO_UDP);
	frame_udp(&f, 9, 53);
	frame_text(&f, next_text(text));
	frame_done(&f, ETH_HLEN);
	frame_send(lab.x, &f);
	nft_lab_send(from, "10.0.0.1", 53, next_text(last));
	assert_false(nft_lab_got(at, text, last));
	close(at);
	close(from);
}

static uint64_t dropped(void)
{
	uint64_t n = 0;

	assert_int_equal(nft_ground_dropped(lab.g, &n), 0);
	return n;
}

/* From a socket to the VXLAN port of the host, then from the node n: did the first one come? */
static bool vxlan_comes(int at, const char *ns, const char *source, const char *target)
{
	bool v6 = strchr(target, ':') != NULL;
	int from = nft_lab_udp(ns, source, 0);
	int sure = nft_lab_udp("n", v6 ? "2001:db8::2" : "192.0.2.2", 0);
	char text[32], last[32];

	nft_lab_send(from, target, 4789, next_text(text));
	nft_lab_send(sure, v6 ? "2001:db8::1" : "192.0.2.1", 4789, next_text(last));
	bool came = nft_lab_got(at, text, last);
	close(from);
	close(sure);
	return came;
}

static void test_foreign_vxlan(void **state)
{
	int at = nft_lab_udp("h", "", 4789);
	uint64_t before = dropped();

	(void)state;
	assert_true(vxlan_comes(at, "n", "192.0.2.2", "192.0.2.1"));
	assert_int_equal(dropped(), before);
	assert_false(vxlan_comes(at, "n", "192.0.2.66", "192.0.2.1"));
	assert_int_equal(dropped(), before + 1);
	/* Containers: as themselves, as a VTEP, to this address and that. */
	assert_false(vxlan_comes(at, "c", "172.30.0.2", "192.0.2.1"));
	assert_false(vxlan_comes(at, "c", "172.30.0.2", "172.30.0.1"));
	assert_false(vxlan_comes(at, "c", "192.0.2.2", "192.0.2.1"));
	assert_false(vxlan_comes(at, "d", "172.17.0.2", "192.0.2.1"));
	assert_false(vxlan_comes(at, "d", "192.0.2.2", "192.0.2.1"));
	assert_false(vxlan_comes(at, "d", "192.0.2.2", "172.17.0.1"));
	/* The host itself, to itself. */
	assert_false(vxlan_comes(at, "h", "192.0.2.1", "192.0.2.1"));
	assert_int_equal(dropped(), before + 8);
	/* The set decides. */
	struct ip a;
	struct err e = { 0 };
	ip_parse("192.0.2.66", &a, NULL);
	assert_int_equal(nft_ground_vteps(lab.g, &a, 1, NULL, 0, &e), 0);
	assert_true(vxlan_comes(at, "n", "192.0.2.66", "192.0.2.1"));
	assert_int_equal(nft_ground_vteps(lab.g, NULL, 0, &a, 1, &e), 0);
	assert_false(vxlan_comes(at, "n", "192.0.2.66", "192.0.2.1"));
	/* The count survives that the table is made anew. */
	before = dropped();
	nft_lab_sh("ip netns exec ~h nft add rule inet ovl raw_in counter");
	struct ip *vteps = NULL;
	struct state_guard *guards = NULL;
	struct kernel_elements el = { 0 };
	assert_int_equal(nft_ground_dump(lab.g, &guards, &el.n_guards, &vteps, &el.n_vteps, &e), 0);
	struct state_elem *elems = NULL;
	assert_int_equal(nft_ground_dump_elems(lab.g, &elems, &el.n_elems, &e), 0);
	el.guards = guards;
	el.vteps = vteps;
	el.elems = elems;
	assert_int_equal(nft_ground_make(lab.g, &el, &e), 0);
	free(guards);
	free(vteps);
	free(elems);
	assert_int_equal(dropped(), before);
	close(at);
}

static void test_foreign_vxlan6(void **state)
{
	int at = nft_lab_udp("h", "2001:db8::1", 4789);

	(void)state;
	assert_true(vxlan_comes(at, "n", "2001:db8::2", "2001:db8::1"));
	assert_false(vxlan_comes(at, "n", "2001:db8::66", "2001:db8::1"));
	assert_false(vxlan_comes(at, "h", "2001:db8::1", "2001:db8::1"));
	close(at);
}

/* A container's datagram to the next node would bear this node's address after masquerading. */
static void test_vxlan_not_forwarded(void **state)
{
	int at = nft_lab_udp("n", "", 4789), other = nft_lab_udp("n", "", 4790);
	int from = nft_lab_udp("c", "172.30.0.2", 0);
	char text[32], last[32];

	(void)state;
	nft_lab_sh("ip -n ~n route add 172.30.0.0/24 via 192.0.2.1");
	nft_lab_send(from, "192.0.2.66", 4789, next_text(text));
	nft_lab_send(from, "192.0.2.66", 4790, next_text(last));
	assert_false(nft_lab_got(other, NULL, last));
	assert_false(nft_lab_comes(at, text, 20));
	close(at);
	close(other);
	close(from);
}

/* Only root's sockets may send to the port; the encapsulated packets of the kernel have none. */
static void test_vxlan_of_users(void **state)
{
	int at = nft_lab_udp("n", "192.0.2.2", 4789), root = nft_lab_udp("h", "192.0.2.1", 0);
	char text[32];

	(void)state;
	setfsuid(65534);
	int user = nft_lab_udp("h", "192.0.2.1", 0);
	setfsuid(0);
	assert_true(nft_lab_send(user, "192.0.2.2", 4789, "<text>") < 0);
	assert_int_equal(nft_lab_send(user, "192.0.2.2", 4790, "<text>"), 0);
	assert_int_equal(nft_lab_send(root, "192.0.2.2", 4789, next_text(text)), 0);
	assert_true(nft_lab_comes(at, text, NFT_LAB_WAIT_MS));
	close(at);
	close(root);
	close(user);
}

static void test_loopback_of_host(void **state)
{
	int lo = nft_lab_udp("h", "127.0.0.1", 7777), gw = nft_lab_udp("h", "172.30.0.1", 7777);
	int raw = nft_lab_raw("c", "eth0"), from = nft_lab_udp("c", "172.30.0.2", 0);
	struct frame f = { 0 };
	char text[32], last[32];

	(void)state;
	nft_lab_sh("ip -n ~h link set ovl-gw address 02:42:ac:1e:00:01");
	frame_eth(&f, "02:42:ac:1e:00:01", "02:42:ac:1e:00:02", ETH_P_IP);
	frame_ip4(&f, "172.30.0.2", "127.0.0.1", IPPROTO_UDP);
	frame_udp(&f, 9, 7777);
	frame_text(&f, next_text(text));
	frame_done(&f, ETH_HLEN);
	frame_send(raw, &f);
	nft_lab_sh("ip -n ~c neigh flush dev eth0");
	nft_lab_send(from, "172.30.0.1", 7777, next_text(last));
	assert_false(nft_lab_got(gw, NULL, last));
	assert_false(nft_lab_comes(lo, text, 20));
	/* It would have come. */
	nft_lab_sh("ip netns exec ~h nft flush chain inet ovl raw_in");
	frame_send(raw, &f);
	assert_true(nft_lab_comes(lo, text, NFT_LAB_WAIT_MS));
	close(lo);
	close(gw);
	close(raw);
	close(from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_port_ipv4),
		cmocka_unit_test(test_port_arp),
		cmocka_unit_test(test_port_ipv6),
		cmocka_unit_test(test_port_others),
		cmocka_unit_test(test_networks_apart),
		cmocka_unit_test(test_source_of_another),
		cmocka_unit_test(test_foreign_vxlan),
		cmocka_unit_test(test_foreign_vxlan6),
		cmocka_unit_test(test_vxlan_not_forwarded),
		cmocka_unit_test(test_vxlan_of_users),
		cmocka_unit_test(test_loopback_of_host), /* last: it flushes a chain */
	};

	nft_lab_begin();
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
