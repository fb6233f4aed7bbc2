/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a port may send, by its kind of port security: in the overlay namespace (o: "ve1", "ve2") and in the host's (h: "ovp1", "ovp2").
 *
 * a1 and a2 hang on a bridge in o, b1 and b2 on one in h. Frames are made by hand and looked for at the neighbour.
 */
#include <fcntl.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include "base/mem.h"
#include "overlay/nft_ground.h"
#include "tests/kernel_facts/nft_lab.h"

#define ALL "ff:ff:ff:ff:ff:ff"
#define MAC1 "02:42:0a:00:00:02"
#define MAC2 "02:42:0a:00:00:03"
#define LL1 "fe80::42:aff:fe00:2"

static struct {
	struct nft_ground *g;
	int nsfd;
	const char *port; /* the one that is judged */
	int from, at,
		beside; /* beside: packet socket on the bridge itself, whose frames nobody judges */
	unsigned serial;
} lab;

static void guard(bool del, enum state_security security, const char *mac, const char *ip)
{
	struct kernel_guard_op op = { .del = del };
	struct err e = { 0 };

	snprintf(op.guard.port, IFNAMSIZ, "%s", lab.port);
	op.guard.security = (uint8_t)security;
	if (mac)
		assert_int_equal(mac_parse(mac, &op.guard.mac, NULL), 0);
	if (ip)
		assert_int_equal(ip_parse(ip, &op.guard.ip, NULL), 0);
	if (nft_ground_guard(lab.g, &op, 1, &e))
		fail_msg("%s", e.text);
}

static bool passes(struct frame *f)
{
	struct frame sure = { 0 };
	char mark[32], last[32];

	snprintf(mark, sizeof(mark), "<text %u>", ++lab.serial);
	snprintf(last, sizeof(last), "<last %u>", lab.serial);
	frame_text(f, mark);
	frame_send(lab.from, f);
	frame_eth(&sure, ALL, "02:00:00:00:00:99", 0x88b5);
	frame_text(&sure, last);
	frame_send(lab.beside, &sure);
	return nft_lab_got(lab.at, mark, last);
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
	return passes(&f);
}

static bool advertises(const char *mac, const char *ip)
{
	const uint8_t head[8] = { ND_ROUTER_ADVERT };
	struct frame f = { 0 };

	frame_eth(&f, "33:33:00:00:00:01", mac, ETH_P_IPV6);
	frame_ip6(&f, ip, "ff02::1", IPPROTO_ICMPV6, 255);
	frame_bytes(&f, head, sizeof(head));
	return passes(&f);
}

static bool other(const char *mac)
{
	struct frame f = { 0 };

	frame_eth(&f, ALL, mac, 0x88b5);
	return passes(&f);
}

static void expect(bool mac_ip, bool mac, bool off)
{
	bool own_mac = mac || off;

	assert_int_equal(ip4(MAC1, "10.0.0.2"), mac_ip || own_mac);
	assert_int_equal(ip4(MAC1, "10.0.0.9"), own_mac);
	assert_int_equal(ip4(MAC2, "10.0.0.2"), off);
	assert_int_equal(arp(MAC1, MAC1, "10.0.0.2"), mac_ip || own_mac);
	assert_int_equal(arp(MAC1, MAC1, "10.0.0.9"), own_mac);
	assert_int_equal(arp(MAC1, MAC2, "10.0.0.2"), off);
	assert_int_equal(arp(MAC2, MAC2, "10.0.0.2"), off);
	assert_int_equal(ip6(MAC1, "fd00::2"), mac_ip || own_mac);
	assert_int_equal(ip6(MAC1, "fd00::9"), own_mac);
	assert_int_equal(ip6(MAC1, LL1), mac_ip || own_mac);
	assert_int_equal(ip6(MAC2, LL1), off);
	assert_int_equal(advertises(MAC1, LL1), own_mac);
	assert_int_equal(advertises(MAC2, LL1), off);
	assert_int_equal(other(MAC1), own_mac);
	assert_int_equal(other(MAC2), off);
}

static void all_modes(void)
{
	expect(false, false, false);
	guard(false, STATE_SECURE_MAC_IP, MAC1, "10.0.0.2");
	guard(false, STATE_SECURE_MAC_IP, MAC1, "fd00::2");
	expect(true, false, false);
	guard(true, STATE_SECURE_MAC_IP, MAC1, "10.0.0.2");
	guard(true, STATE_SECURE_MAC_IP, MAC1, "fd00::2");
	guard(false, STATE_SECURE_MAC, MAC1, NULL);
	expect(false, true, false);
	guard(true, STATE_SECURE_MAC, MAC1, NULL);
	guard(false, STATE_SECURE_OFF, NULL, NULL);
	expect(false, false, true);
	guard(true, STATE_SECURE_OFF, NULL, NULL);
	expect(false, false, false);
}

/* A bridge in @ns with two ports, whose other ends are eth0 in @one and @two. */
static void make(const char *ns, const char *port, const char *one, const char *two)
{
	nft_lab_ns(one);
	nft_lab_ns(two);
	nft_lab_sh(
		"ip -n ~%s link add br0 type bridge mcast_snooping 0; ip -n ~%s link set br0 up\n"
		"port() { ip -n ~%s link add $1 type veth peer name eth0 netns ~$2; "
		"ip -n ~%s link set $1 master br0 up; ip -n ~$2 link set eth0 up; }\n"
		"port %s1 %s; port %s2 %s",
		ns, ns, ns, ns, port, one, port, two);
	lab.from = nft_lab_raw(one, "eth0");
	lab.at = nft_lab_raw(two, "eth0");
	lab.beside = nft_lab_raw(ns, "br0");
}

static void done(void)
{
	close(lab.from);
	close(lab.at);
	close(lab.beside);
}

static void test_overlay(void **state)
{
	(void)state;
	lab.port = "ve1";
	make("o", "ve", "a1", "a2");
	all_modes();
	done();
}

static void test_host(void **state)
{
	(void)state;
	lab.port = "ovp1";
	make("h", "ovp", "b1", "b2");
	all_modes();
	done();
}

/* Ports of others in the host's namespace, Docker's among them. */
static void test_others(void **state)
{
	(void)state;
	nft_lab_sh("ip -n ~h link del br0");
	make("h", "veth", "d1", "d2");
	expect(false, false, true);
	done();
}

static int group_setup(void **state)
{
	struct err e = { 0 };

	(void)state;
	nft_lab_ns("o");
	nft_lab_ns("h");
	lab.nsfd = open(nft_lab_path("o"), O_RDONLY | O_CLOEXEC);
	nft_lab_enter("h");
	assert_int_equal(nft_ground_new(lab.nsfd, "ovl", 4789, &lab.g, &e), 0);
	nft_lab_enter(NULL);
	/* br_netfilter would hold back what has no checksum. */
	nft_lab_sh(
		"for n in o h; do ip netns exec ~$n sysctl -qew net.bridge.bridge-nf-call-iptables=0 "
		"net.bridge.bridge-nf-call-ip6tables=0; done");
	assert_int_equal(nft_ground_make(lab.g, NULL, &e), 0);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	nft_ground_free(lab.g);
	close(lab.nsfd);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overlay),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_others),
	};

	nft_lab_begin();
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
