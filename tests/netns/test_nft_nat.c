/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way out and in: what the host's tables of nft_ground do to packets of local networks, and to those of others.
 *
 * h: the host, 192.0.2.1 and .11 towards x. Bridges: ovl0 with c1 and c2; ovl1 without ICC, with c3 and c4; ovl2 internal, with c5; docker0, of
 * somebody else, with d. Every container is .2, .3 of its subnet 10.<n>.0.0/24 and fd0<n>::/64.
 */
#include <fcntl.h>
#include <net/ethernet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include "base/clock.h"
#include "base/mem.h"
#include "overlay/nft_ground.h"
#include "tests/kernel_facts/nft_lab.h"

#define SILENCE_MS 60 /* too short, and a packet that should not come is missed, no more */
#define NF_CALL "/proc/sys/net/bridge/bridge-nf-call-iptables"

static struct {
	struct nft_ground *g;
	int nsfd;
	bool nf_call; /* br_netfilter is there */
	unsigned serial;
} lab;

static struct ip addr(const char *text)
{
	struct ip a = { 0 };

	if (text)
		assert_int_equal(ip_parse(text, &a, NULL), 0);
	return a;
}

static void elem(bool del, struct state_elem el)
{
	const struct kernel_elem_op op = { del, el };
	struct err e = { 0 };

	if (nft_ground_elems(lab.g, &op, 1, &e))
		fail_msg("%s", e.text);
}

static void publish(const char *host, uint16_t port, const char *to, uint16_t to_port)
{
	elem(false, state_elem_publish(IPPROTO_UDP, addr(host), port, addr(to), to_port));
}

/* ---- the network ---- */

static void make_uplink(void)
{
	nft_lab_sh(
		"ip -n ~h link add uplink type veth peer name eth0 netns ~x; "
		"ip -n ~h link set uplink address 02:00:00:00:00:01 up; ip -n ~x link set eth0 up; "
		"for a in 192.0.2.1/24 192.0.2.11/24; do ip -n ~h addr add $a dev uplink; done; "
		"ip -n ~h addr add 2001:db8::1/64 dev uplink nodad; "
		"ip -n ~x addr add 192.0.2.2/24 dev eth0; ip -n ~x addr add 2001:db8::2/64 dev eth0 nodad; "
		"for n in 1 2 3 4; do ip -n ~x route add 10.$n.0.0/24 via 192.0.2.1; "
		"ip -n ~x route add fd0$n::/64 via 2001:db8::1; done");
	nft_lab_sh(
		"ip netns exec ~h sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 "
		"net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.uplink.rp_filter=0");
}

static void make_bridge(const char *name, int n)
{
	nft_lab_sh(
		"ip -n ~h link add %s type bridge; ip -n ~h link set %s address 02:42:0a:0%d:00:01 up; "
		"ip -n ~h addr add 10.%d.0.1/24 dev %s; ip -n ~h addr add fd0%d::1/64 dev %s nodad; "
		"ip netns exec ~h sysctl -qw net.ipv4.conf.%s.route_localnet=1 net.ipv4.conf.%s.rp_filter=0",
		name, name, n, n, name, n, name, name, name);
}

/* Container @ns with address .@host on bridge @bridge of subnet @n. */
static void make_container(const char *ns, const char *port, const char *bridge, int n, int host)
{
	char ip4[IP_TEXT_MAX], ip6[IP_TEXT_MAX];
	struct kernel_guard_op ops[2] = { 0 };
	struct err e = { 0 };

	nft_lab_ns(ns);
	snprintf(ip4, sizeof(ip4), "10.%d.0.%d", n, host);
	snprintf(ip6, sizeof(ip6), "fd0%d::%d", n, host);
	nft_lab_sh(
		"ip -n ~h link add %s type veth peer name eth0 netns ~%s; "
		"ip -n ~%s link set eth0 address 02:42:0a:0%d:00:0%d up; "
		"ip -n ~%s addr add %s/24 dev eth0; ip -n ~%s addr add %s/64 dev eth0 nodad; "
		"ip -n ~h link set %s master %s up; "
		"ip netns exec ~h bridge link set dev %s hairpin on; "
		"ip -n ~%s route add default via 10.%d.0.1; ip -n ~%s route add default via fd0%d::1",
		port, ns, ns, n, host, ns, ip4, ns, ip6, port, bridge, port, ns, n, ns, n);
	for (size_t i = 0; i < 2; i++) {
		snprintf(ops[i].guard.port, IFNAMSIZ, "%s", port);
		ops[i].guard.mac = (struct mac){ { 2, 0x42, 10, (uint8_t)n, 0, (uint8_t)host } };
		ops[i].guard.ip = addr(i ? ip6 : ip4);
		elem(false, state_elem_member(ops[i].guard.ip, bridge));
	}
	assert_int_equal(nft_ground_guard(lab.g, ops, 2, &e), 0);
}

static void add_bridges(void)
{
	static const char *const bridges[] = { "ovl0", "ovl1", "ovl2" };

	for (size_t i = 0; i < ARRAY_SIZE(bridges); i++) {
		elem(false, state_elem_ifname(STATE_SET_BRIDGES, bridges[i]));
		make_bridge(bridges[i], (int)i + 1);
		if (i == 2)
			break;
		elem(false, state_elem_ifname(STATE_SET_MASQ4, bridges[i]));
		elem(false, state_elem_ifname(STATE_SET_MASQ6, bridges[i]));
	}
	elem(false, state_elem_ifname(STATE_SET_ICC, "ovl0"));
	elem(false, state_elem_ifname(STATE_SET_ICC, "ovl2"));
	elem(false, state_elem_ifname(STATE_SET_INTERNAL, "ovl2"));
	elem(false, state_elem_ifname(STATE_SET_NOICC, "ovp3"));
	elem(false, state_elem_ifname(STATE_SET_NOICC, "ovp4"));
}

static int group_setup(void **state)
{
	struct err e = { 0 };

	(void)state;
	nft_lab_ns("o");
	nft_lab_ns("h");
	nft_lab_ns("x");
	lab.nsfd = open(nft_lab_path("o"), O_RDONLY | O_CLOEXEC);
	nft_lab_enter("h");
	assert_int_equal(nft_ground_new(lab.nsfd, "ovl", 4789, &lab.g, &e), 0);
	lab.nf_call = access(NF_CALL, F_OK) == 0;
	nft_lab_enter(NULL);
	assert_int_equal(nft_ground_make(lab.g, NULL, &e), 0);
	make_uplink();
	add_bridges();
	make_container("c1", "ovp1", "ovl0", 1, 2);
	make_container("c2", "ovp2", "ovl0", 1, 3);
	make_container("c3", "ovp3", "ovl1", 2, 2);
	make_container("c4", "ovp4", "ovl1", 2, 3);
	make_container("c5", "ovp5", "ovl2", 3, 2);
	make_bridge("docker0", 4);
	nft_lab_ns("d");
	nft_lab_sh(
		"ip -n ~h link add vethd type veth peer name eth0 netns ~d; ip -n ~h link set vethd master docker0 up; "
		"ip -n ~d link set eth0 up; ip -n ~d addr add 10.4.0.2/24 dev eth0; "
		"ip -n ~d addr add fd04::2/64 dev eth0 nodad; "
		"ip -n ~d route add default via 10.4.0.1; ip -n ~d route add default via fd04::1");
	publish(NULL, 8080, "10.1.0.2", 80);
	publish(NULL, 8080, "fd01::2", 80);
	publish(NULL, 8084, "10.2.0.3", 80);
	publish(NULL, 8084, "fd02::3", 80);
	assert_int_equal(nft_ground_check(lab.g, &e), 0);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	nft_ground_free(lab.g);
	close(lab.nsfd);
	return 0;
}

/* ---- talking ---- */

/* Wait for @text on @fd. Return: whether it came, and from where. */
static bool comes_from(int fd, const char *text, unsigned ms, struct sockaddr_storage *from,
		       socklen_t *len)
{
	uint64_t until = clock_boot_ms() + ms, now;
	char b[64];

	while ((now = clock_boot_ms()) < until) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, (int)(until - now)) <= 0)
			continue;
		*len = sizeof(*from);
		ssize_t n =
			recvfrom(fd, b, sizeof(b) - 1, MSG_DONTWAIT, (struct sockaddr *)from, len);
		if (n < 0)
			continue;
		b[n] = '\0';
		if (strcmp(b, text) == 0)
			return true;
	}
	return false;
}

/*
 * From a new socket of @ns to @target; the server on @at answers, and the answer must come from @target. Return: whether both came. @ret_source: the
 * client's address as the server saw it.
 */
static bool talk(const char *ns, const char *target, uint16_t port, int at, unsigned ms,
		 char ret_source[IP_TEXT_MAX])
{
	int fd = nft_lab_udp(ns, strchr(target, ':') ? "::" : "", 0);
	struct sockaddr_storage sa;
	socklen_t len = ip_to_sockaddr(addr(target), port, &sa);
	char text[32];
	struct ip source;

	snprintf(text, sizeof(text), "<text %u>", ++lab.serial);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
	bool came = send(fd, text, strlen(text), 0) > 0 && comes_from(at, text, ms, &sa, &len);
	if (came) {
		assert_int_equal(ip_from_sockaddr((struct sockaddr *)&sa, &source), 0);
		ip_format(source, ret_source);
		sendto(at, text, strlen(text), 0, (struct sockaddr *)&sa, len);
		came = comes_from(fd, text, ms, &sa, &len);
	}
	close(fd);
	return came;
}

static void expect(const char *ns, const char *target, uint16_t port, int at, const char *source)
{
	char seen[IP_TEXT_MAX] = "nobody";

	if (!talk(ns, target, port, at, NFT_LAB_WAIT_MS, seen))
		fail_msg("%s to %s port %u: no answer, seen from %s", ns, target, port, seen);
	if (strcmp(seen, source) != 0)
		fail_msg("%s to %s port %u: seen from %s, not %s", ns, target, port, seen, source);
}

static void expect_silence(const char *ns, const char *target, uint16_t port, int at)
{
	char seen[IP_TEXT_MAX];

	if (talk(ns, target, port, at, SILENCE_MS, seen))
		fail_msg("%s to %s port %u: came from %s", ns, target, port, seen);
}

static void each_nf_call(void (*test)(void))
{
	for (int on = 0; on <= (lab.nf_call ? 1 : 0); on++) {
		if (lab.nf_call)
			nft_lab_sh(
				"ip netns exec ~h sysctl -qw net.bridge.bridge-nf-call-iptables=%d "
				"net.bridge.bridge-nf-call-ip6tables=%d",
				on, on);
		test();
	}
}

/* ---- tests ---- */

static void test_from_outside(void **state)
{
	int c1 = nft_lab_udp("c1", "10.1.0.2", 80), c1_6 = nft_lab_udp("c1", "fd01::2", 80);
	int c2 = nft_lab_udp("c2", "10.1.0.3", 80);

	(void)state;
	expect("x", "192.0.2.1", 8080, c1, "192.0.2.2");
	expect("x", "192.0.2.11", 8080, c1, "192.0.2.2");
	expect("x", "2001:db8::1", 8080, c1_6, "2001:db8::2");
	/* Of one address, before that of any. */
	publish("192.0.2.1", 8081, "10.1.0.3", 80);
	expect_silence("x", "192.0.2.11", 8081, c2);
	publish(NULL, 8081, "10.1.0.2", 80);
	expect("x", "192.0.2.1", 8081, c2, "192.0.2.2");
	expect("x", "192.0.2.11", 8081, c1, "192.0.2.2");
	publish("2001:db8::1", 8082, "fd01::2", 80);
	expect("x", "2001:db8::1", 8082, c1_6, "2001:db8::2");
	/* Published is the host's address, not that port of whoever it passes on its way. */
	int d = nft_lab_udp("d", "10.4.0.2", 8080);
	expect("x", "10.4.0.2", 8080, d, "192.0.2.2");
	close(d);
	close(c1);
	close(c1_6);
	close(c2);
}

static void test_from_the_host(void **state)
{
	int c1 = nft_lab_udp("c1", "10.1.0.2", 80), c1_6 = nft_lab_udp("c1", "fd01::2", 80);
	int relay = nft_lab_udp("h", "::1", 8080);

	(void)state;
	expect("h", "192.0.2.1", 8080, c1, "192.0.2.1");
	expect("h", "127.0.0.1", 8080, c1, "10.1.0.1");
	expect("h", "2001:db8::1", 8080, c1_6, "2001:db8::1");
	expect("h", "::1", 8080, relay, "::1");
	expect("h", "10.1.0.2", 80, c1, "10.1.0.1");
	publish("127.0.0.1", 8083, "10.1.0.2", 80);
	expect("h", "127.0.0.1", 8083, c1, "10.1.0.1");
	expect_silence("x", "192.0.2.1", 8083, c1);
	close(c1);
	close(c1_6);
	close(relay);
}

/* A frame to 127.0.0.1 of the host reaches neither its sockets nor what is published there; nor does one from 127.0.0.2 to its address. */
static void loopback_frame(const char *ns, const char *gateway, const char *mac, const char *src,
			   const char *dst, uint16_t port, int at)
{
	int raw = nft_lab_raw(ns, "eth0");
	struct sockaddr_storage from;
	struct frame f = { 0 };
	socklen_t len;

	frame_eth(&f, gateway, mac, ETH_P_IP);
	frame_ip4(&f, src, dst, IPPROTO_UDP);
	frame_udp(&f, 9, port);
	frame_text(&f, "<loopback>");
	frame_done(&f, ETH_HLEN);
	frame_send(raw, &f);
	assert_false(comes_from(at, "<loopback>", SILENCE_MS, &from, &len));
	close(raw);
}

static void loopback_from(const char *ns, const char *gateway, const char *mac, const char *ip,
			  uint16_t port, int at)
{
	loopback_frame(ns, gateway, mac, ip, "127.0.0.1", port, at);
}

static void test_loopback(void **state)
{
	int lo = nft_lab_udp("h", "127.0.0.1", 7777), c1 = nft_lab_udp("c1", "10.1.0.2", 80);
	int host = nft_lab_udp("h", "10.1.0.1", 7778);
	struct kernel_guard_op free_port = { .guard = { .port = "ovp2",
							.security = STATE_SECURE_OFF } };
	struct err e = { 0 };
	const char *gw = "02:42:0a:01:00:01", *mac = "02:42:0a:01:00:03";

	(void)state;
	publish("127.0.0.1", 8083, "10.1.0.2", 80);
	loopback_from("c2", gw, mac, "10.1.0.3", 7777, lo);
	loopback_from("c2", gw, mac, "10.1.0.3", 8083, c1);
	loopback_from("x", "02:00:00:00:00:01", "02:00:00:00:00:02", "192.0.2.2", 7777, lo);
	loopback_from("x", "02:00:00:00:00:01", "02:00:00:00:00:02", "192.0.2.2", 8083, c1);
	/* docker0 has route_localnet too: that is its owner's affair, but what we publish is not. */
	loopback_from("d", "02:42:0a:04:00:01", "02:42:0a:04:00:02", "10.4.0.2", 8083, c1);
	/* Where port security is off, or a port is somebody's own: with route_localnet the kernel takes it for no martian. */
	assert_int_equal(nft_ground_guard(lab.g, &free_port, 1, &e), 0);
	loopback_frame("c2", gw, mac, "127.0.0.2", "10.1.0.1", 7778, host);
	free_port.del = true;
	assert_int_equal(nft_ground_guard(lab.g, &free_port, 1, &e), 0);
	close(host);
	close(lo);
	close(c1);
}

static void hairpin(void)
{
	int c1 = nft_lab_udp("c1", "10.1.0.2", 80), c1_6 = nft_lab_udp("c1", "fd01::2", 80);
	int c4 = nft_lab_udp("c4", "10.2.0.3", 80), c4_6 = nft_lab_udp("c4", "fd02::3", 80);

	expect("c1", "192.0.2.1", 8080, c1, "10.1.0.1");
	expect("c2", "192.0.2.1", 8080, c1, "10.1.0.1");
	expect("c1", "2001:db8::1", 8080, c1_6, "fd01::1");
	expect("c2", "2001:db8::1", 8080, c1_6, "fd01::1");
	expect("c1", "10.1.0.1", 8080, c1, "10.1.0.1");
	/* Without ICC, the sibling's published port. */
	expect("c3", "192.0.2.1", 8084, c4, "10.2.0.1");
	expect("c4", "192.0.2.1", 8084, c4, "10.2.0.1");
	expect("c3", "2001:db8::1", 8084, c4_6, "fd02::1");
	/* From bridge to bridge. */
	expect("c3", "192.0.2.1", 8080, c1, "10.1.0.1");
	expect("c1", "2001:db8::1", 8084, c4_6, "fd02::1");
	expect("d", "192.0.2.1", 8080, c1, "10.4.0.2");
	close(c1);
	close(c1_6);
	close(c4);
	close(c4_6);
}

static void test_hairpin(void **state)
{
	(void)state;
	each_nf_call(hairpin);
}

static void apart(void)
{
	int c1 = nft_lab_udp("c1", "10.1.0.2", 80), c1_6 = nft_lab_udp("c1", "fd01::2", 80);
	int c4 = nft_lab_udp("c4", "10.2.0.3", 80), c4_6 = nft_lab_udp("c4", "fd02::3", 80);

	/* Within a bridge. */
	expect("c2", "10.1.0.2", 80, c1, "10.1.0.3");
	expect("c2", "fd01::2", 80, c1_6, "fd01::3");
	expect_silence("c3", "10.2.0.3", 80, c4);
	expect_silence("c3", "fd02::3", 80, c4_6);
	/* From elsewhere, though it is published elsewhere. */
	expect_silence("c3", "10.1.0.2", 80, c1);
	expect_silence("c1", "10.2.0.3", 80, c4);
	expect_silence("c3", "fd01::2", 80, c1_6);
	expect_silence("d", "10.1.0.2", 80, c1);
	expect_silence("x", "10.1.0.2", 80, c1);
	expect_silence("x", "fd01::2", 80, c1_6);
	expect("h", "10.2.0.3", 80, c4, "10.2.0.1");
	expect("h", "fd02::3", 80, c4_6, "fd02::1");
	close(c1);
	close(c1_6);
	close(c4);
	close(c4_6);
}

static void icc(bool on)
{
	elem(!on, state_elem_ifname(STATE_SET_ICC, "ovl1"));
	elem(on, state_elem_ifname(STATE_SET_NOICC, "ovp3"));
	elem(on, state_elem_ifname(STATE_SET_NOICC, "ovp4"));
}

static void together(void)
{
	int c4 = nft_lab_udp("c4", "10.2.0.3", 80), c4_6 = nft_lab_udp("c4", "fd02::3", 80);

	expect("c3", "10.2.0.3", 80, c4, "10.2.0.2");
	expect("c3", "fd02::3", 80, c4_6, "fd02::2");
	close(c4);
	close(c4_6);
}

static void test_apart(void **state)
{
	(void)state;
	each_nf_call(apart);
	/* Neighbours known beforehand, without ARP or ND. */
	nft_lab_sh("ip -n ~c3 neigh replace 10.2.0.3 lladdr 02:42:0a:02:00:03 dev eth0; "
		   "ip -n ~c3 neigh replace fd02::3 lladdr 02:42:0a:02:00:03 dev eth0; "
		   "ip -n ~c4 neigh replace 10.2.0.2 lladdr 02:42:0a:02:00:02 dev eth0; "
		   "ip -n ~c4 neigh replace fd02::2 lladdr 02:42:0a:02:00:02 dev eth0");
	each_nf_call(apart);
	each_nf_call(hairpin);
	/* It is the sets that kept them apart. */
	icc(true);
	each_nf_call(together);
	icc(false);
}

static void test_way_out(void **state)
{
	int x = nft_lab_udp("x", "192.0.2.2", 80), x6 = nft_lab_udp("x", "2001:db8::2", 80);
	int h = nft_lab_udp("h", "192.0.2.1", 81), h6 = nft_lab_udp("h", "2001:db8::1", 81);

	(void)state;
	expect("c1", "192.0.2.2", 80, x, "192.0.2.1");
	expect("c1", "2001:db8::2", 80, x6, "2001:db8::1");
	expect("c1", "192.0.2.1", 81, h, "10.1.0.2");
	expect("c1", "2001:db8::1", 81, h6, "fd01::2");
	expect("h", "192.0.2.2", 80, x, "192.0.2.1");
	/* Routed. */
	elem(true, state_elem_ifname(STATE_SET_MASQ4, "ovl0"));
	expect("c1", "192.0.2.2", 80, x, "10.1.0.2");
	expect("c1", "2001:db8::2", 80, x6, "2001:db8::1");
	elem(true, state_elem_ifname(STATE_SET_MASQ6, "ovl0"));
	expect("c1", "2001:db8::2", 80, x6, "fd01::2");
	elem(false, state_elem_ifname(STATE_SET_MASQ4, "ovl0"));
	elem(false, state_elem_ifname(STATE_SET_MASQ6, "ovl0"));
	close(x);
	close(x6);
	close(h);
	close(h6);
}

static void test_internal(void **state)
{
	int x = nft_lab_udp("x", "192.0.2.2", 80), x6 = nft_lab_udp("x", "2001:db8::2", 80);
	int c1 = nft_lab_udp("c1", "10.1.0.2", 80), c5 = nft_lab_udp("c5", "10.3.0.2", 80);
	int h = nft_lab_udp("h", "10.3.0.1", 53);

	(void)state;
	expect_silence("c5", "192.0.2.2", 80, x);
	expect_silence("c5", "2001:db8::2", 80, x6);
	expect_silence("c5", "192.0.2.1", 8080, c1);
	expect_silence("x", "10.3.0.2", 80, c5);
	expect_silence("c1", "10.3.0.2", 80, c5);
	publish(NULL, 8085, "10.3.0.2", 80);
	expect_silence("x", "192.0.2.1", 8085, c5);
	expect("c5", "10.3.0.1", 53, h, "10.3.0.2");
	expect("h", "10.3.0.2", 80, c5, "10.3.0.1");
	close(x);
	close(x6);
	close(c1);
	close(c5);
	close(h);
}

static void test_open(void **state)
{
	int c1 = nft_lab_udp("c1", "10.1.0.2", 90), c1_6 = nft_lab_udp("c1", "fd01::2", 90);
	int other = nft_lab_udp("c1", "10.1.0.2", 91);

	(void)state;
	elem(false, state_elem_open(IPPROTO_UDP, addr("10.1.0.2"), 90));
	elem(false, state_elem_open(IPPROTO_UDP, addr("fd01::2"), 90));
	elem(false, state_elem_open(IPPROTO_TCP, addr("10.1.0.2"), 91));
	expect("x", "10.1.0.2", 90, c1, "192.0.2.2");
	expect("x", "fd01::2", 90, c1_6, "2001:db8::2");
	expect_silence("x", "10.1.0.2", 91, other);
	elem(true, state_elem_open(IPPROTO_UDP, addr("10.1.0.2"), 90));
	elem(true, state_elem_open(IPPROTO_UDP, addr("fd01::2"), 90));
	expect_silence("x", "10.1.0.2", 90, c1);
	expect_silence("x", "fd01::2", 90, c1_6);
	close(c1);
	close(c1_6);
	close(other);
}

/* Somebody else's bridge, with rules of its own: not translated, not dropped, and no frame of it tracked by us. */
static void test_others(void **state)
{
	int d = nft_lab_udp("d", "10.4.0.2", 80), d6 = nft_lab_udp("d", "fd04::2", 80);
	int x = nft_lab_udp("x", "192.0.2.2", 80), x6 = nft_lab_udp("x", "2001:db8::2", 80);

	(void)state;
	expect("x", "10.4.0.2", 80, d, "192.0.2.2");
	expect("x", "fd04::2", 80, d6, "2001:db8::2");
	expect("d", "192.0.2.2", 80, x, "10.4.0.2");
	expect("d", "2001:db8::2", 80, x6, "fd04::2");
	nft_lab_sh(
		"ip netns exec ~h nft -f - <<'END'\n"
		"table ip other {\n"
		"  chain in { type nat hook prerouting priority -100; udp dport 9999 dnat to 10.4.0.2:80; }\n"
		"  chain post { type nat hook postrouting priority 100; iifname docker0 oifname uplink masquerade; }\n"
		"}\nEND\n");
	expect("x", "192.0.2.1", 9999, d, "192.0.2.2");
	expect("d", "192.0.2.2", 80, x, "192.0.2.1");
	expect("c1", "192.0.2.1", 9999, d, "10.4.0.1");
	nft_lab_sh("ip netns exec ~h nft delete table ip other");
	close(d);
	close(d6);
	close(x);
	close(x6);
}

/* An address given to another container: replaced in one step, and elsewhere for the next connection. */
static void test_replaced(void **state)
{
	int c1 = nft_lab_udp("c1", "10.1.0.2", 80), c2 = nft_lab_udp("c2", "10.1.0.3", 88);

	(void)state;
	expect("x", "192.0.2.1", 8080, c1, "192.0.2.2");
	publish(NULL, 8080, "10.1.0.3", 88);
	expect("x", "192.0.2.1", 8080, c2, "192.0.2.2");
	publish(NULL, 8080, "10.1.0.2", 80);
	expect("x", "192.0.2.1", 8080, c1, "192.0.2.2");
	elem(true, state_elem_publish(IPPROTO_UDP, addr(NULL), 8080, addr("10.1.0.2"), 80));
	expect_silence("x", "192.0.2.1", 8080, c1);
	publish(NULL, 8080, "10.1.0.2", 80);
	close(c1);
	close(c2);
}

/* VXLAN from a bridge of ours is refused, though what is sent bears a node's address that the bridge leads back to. */
static void test_vxlan(void **state)
{
	int at = nft_lab_udp("h", "192.0.2.1", 4789);
	struct ip vteps[] = { addr("10.1.0.2"), addr("192.0.2.2") };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(nft_ground_vteps(lab.g, vteps, 2, NULL, 0, &e), 0);
	expect_silence("c1", "192.0.2.1", 4789, at);
	int from = nft_lab_udp("x", "192.0.2.2", 0);
	nft_lab_send(from, "192.0.2.1", 4789, "<vtep>");
	assert_true(nft_lab_comes(at, "<vtep>", NFT_LAB_WAIT_MS));
	assert_int_equal(nft_ground_vteps(lab.g, NULL, 0, vteps, 2, &e), 0);
	close(from);
	close(at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_outside), cmocka_unit_test(test_from_the_host),
		cmocka_unit_test(test_loopback),     cmocka_unit_test(test_hairpin),
		cmocka_unit_test(test_apart),	     cmocka_unit_test(test_way_out),
		cmocka_unit_test(test_internal),     cmocka_unit_test(test_open),
		cmocka_unit_test(test_others),	     cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_vxlan),
	};

	nft_lab_begin();
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
