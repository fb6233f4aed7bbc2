/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * neigh_suppress: who asks for a known address, remote or local, is answered by the bridge, and nothing leaves through the VXLAN port; unknown
 * addresses flood (facts §2; overlay/knl_link.c). A locked port lets only its own MAC in (facts §3).
 *
 * o: the bridge; a, b: containers; r: what leaves through "vx1", here the end of a veth.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/addr.h"
#include "tests/kernel_facts/nft_lab.h"

static void make(void)
{
	nft_lab_ns("o");
	nft_lab_ns("a");
	nft_lab_ns("b");
	nft_lab_ns("r");
	nft_lab_sh("ip -n ~o link add br1 address 02:42:00:10:00:01 type bridge mcast_snooping 0; "
		   "ip -n ~o link add ve1 master br1 type veth peer name eth0 netns ~a; "
		   "ip -n ~o link add ve2 master br1 type veth peer name eth0 netns ~b; "
		   "ip -n ~o link add vx1 master br1 type veth peer name eth0 netns ~r");
	nft_lab_sh(
		"ip -n ~a link set eth0 address 02:42:0a:00:00:02; "
		"ip -n ~b link set eth0 address 02:42:0a:00:00:03; "
		"bridge -n ~o link set dev vx1 learning off neigh_suppress on; "
		"for l in ve1 ve2; do bridge -n ~o link set dev $l learning off locked on; done; "
		"for l in br1 ve1 ve2 vx1; do ip -n ~o link set $l addrgenmode none; ip -n ~o link set $l up; done; "
		"for c in a b r; do ip -n ~$c link set eth0 addrgenmode none; ip -n ~$c link set eth0 up; done");
	nft_lab_sh(
		"bridge -n ~o fdb replace 02:42:0a:00:00:02 dev ve1 master static extern_learn; "
		"bridge -n ~o fdb replace 02:42:0a:00:00:03 dev ve2 master static extern_learn; "
		"bridge -n ~o fdb replace 02:42:0a:00:00:09 dev vx1 master extern_learn; "
		"for i in 3 9; do for p in 10.0.0. fd00::; do "
		"ip -n ~o neigh replace $p$i lladdr 02:42:0a:00:00:0$i dev br1 nud noarp extern_learn; done; done; "
		"ip -n ~a addr add 10.0.0.2/24 dev eth0; ip -n ~a addr add fd00::2/64 dev eth0 nodad; "
		"ip -n ~b addr add 10.0.0.3/24 dev eth0; ip -n ~b addr add fd00::3/64 dev eth0 nodad");
}

/* A datagram whose sender must first ask for the address. */
static void ask(const char *ip)
{
	int fd = nft_lab_udp("a", strchr(ip, ':') ? "fd00::2" : "10.0.0.2", 0);

	nft_lab_send(fd, ip, 9, "x");
	close(fd);
}

static bool answered(const char *ip, const char *mac)
{
	ask(ip);
	return !nft_lab_try(
		"timeout 3 sh -c 'until ip -n ~a neigh show %s | grep -q %s; do sleep 0.01; done'",
		ip, mac);
}

static void broadcast(int raw, const char *src, const char *text)
{
	struct frame f = { 0 };

	frame_eth(&f, "ff:ff:ff:ff:ff:ff", src, 0x88b5);
	frame_text(&f, text);
	frame_send(raw, &f);
}

/* Broadcasts among what has left so far that speak of @ip: questions for it. */
static unsigned questions(int outside, int raw, const char *ip)
{
	static unsigned serial;
	char mark[16], b[2048];
	struct ip a;
	unsigned n = 0;
	ssize_t got;

	if (ip_parse(ip, &a, NULL) < 0)
		return 0;
	mark[0] = '<';
	mark[1] = (char)('a' + serial++);
	mark[2] = '\0';
	broadcast(raw, "02:42:0a:00:00:02", mark);
	while ((got = recv(outside, b, sizeof(b), 0)) > 0) {
		if (memmem(b, (size_t)got, mark, 2))
			return n;
		/* Of a container's datagram itself, which is no broadcast, we do not speak. */
		if ((b[0] & 1) && memmem(b, (size_t)got, a.b, ip_bytes(a)))
			n++;
	}
	return n;
}

int main(void)
{
	int outside, again, raw;

	nft_lab_begin();
	make();
	outside = nft_lab_raw("r", "eth0");
	again = nft_lab_raw("r", "eth0");
	raw = nft_lab_raw("a", "eth0");
	nft_lab_fact(answered("10.0.0.9", "02:42:0a:00:00:09"),
		     "ARP for a known remote address is answered");
	nft_lab_fact(answered("fd00::9", "02:42:0a:00:00:09"), "ND too");
	nft_lab_fact(questions(outside, raw, "10.0.0.9") == 0, "no question has left");
	nft_lab_fact(questions(again, raw, "fd00::9") == 0, "nor for the IPv6 one");
	nft_lab_fact(answered("10.0.0.3", "02:42:0a:00:00:03"),
		     "ARP for a local address is answered");
	nft_lab_fact(questions(outside, raw, "10.0.0.3") == 0, "and has not left");
	ask("10.0.0.77");
	nft_lab_fact(questions(outside, raw, "10.0.0.77") > 0, "an unknown address floods");

	broadcast(raw, "02:42:0a:00:00:03", "<foreign>");
	broadcast(raw, "02:42:0a:00:00:02", "<own>");
	nft_lab_fact(!nft_lab_got(outside, "<foreign>", "<own>"),
		     "a locked port drops another's MAC, and lets its own in");
	close(outside);
	close(again);
	close(raw);
	return 0;
}
