/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel encapsulates passes the output hook of the host's namespace, where it is told from what processes send: it has no socket of this
 * namespace (`meta skuid` does not match). Untracked there, it makes no conntrack entry.
 *
 * h: the host, with vx1 in o; a: a container, whose sockets are those of another namespace; n: the other node.
 */
#include <unistd.h>
#include "tests/kernel_facts/nft_lab.h"

static bool counted(const char *name)
{
	return nft_lab_try("ip netns exec ~h nft list counter inet t %s | grep -q 'packets [1-9]'",
			   name) == 0;
}

static void make(void)
{
	nft_lab_ns("h");
	nft_lab_ns("o");
	nft_lab_ns("a");
	nft_lab_ns("n");
	nft_lab_sh(
		"ip -n ~h link add uplink type veth peer name eth0 netns ~n; "
		"ip -n ~h link set uplink up; ip -n ~n link set eth0 up; "
		"ip -n ~h addr add 192.0.2.1/24 dev uplink; ip -n ~n addr add 192.0.2.2/24 dev eth0");
	nft_lab_sh(
		"ip -n ~h link add vx1 type vxlan id 100 local 192.0.2.1 remote 192.0.2.2 dstport 4789; "
		"ip -n ~h link set vx1 netns ~o; ip -n ~o link add br1 type bridge; "
		"ip -n ~o link set br1 up; ip -n ~o link set vx1 master br1 up; "
		"ip -n ~o link add ve1 type veth peer name eth0 netns ~a; "
		"ip -n ~o link set ve1 master br1 up; ip -n ~a link set eth0 up; "
		"ip -n ~a addr add 10.0.0.2/24 dev eth0");
}

/* A container's broadcast, encapsulated, at the other node. */
static void send_encapsulated(void)
{
	int at = nft_lab_udp("n", "192.0.2.2", 4789), from = nft_lab_udp("a", "10.0.0.2", 0);

	nft_lab_send(from, "10.0.0.255", 9, "<inner>");
	nft_lab_fact(nft_lab_comes(at, "<inner>", NFT_LAB_WAIT_MS),
		     "the frame arrives encapsulated");
	close(at);
	close(from);
}

int main(void)
{
	const char *tracked = "/proc/sys/net/netfilter/nf_conntrack_count";

	nft_lab_begin();
	make();
	nft_lab_sh("ip netns exec ~h nft -f - <<'END'\n"
		   "table inet t {\n"
		   "  counter seen { }\n"
		   "  counter owned { }\n"
		   "  chain out { type filter hook output priority -300;\n"
		   "    udp dport 4789 counter name seen\n"
		   "    udp dport 4789 meta skuid 0-4294967295 counter name owned\n"
		   "  }\n"
		   "  chain track { type filter hook output priority 0; ct state new accept; }\n"
		   "}\nEND\n");
	nft_lab_need(tracked, "nf_conntrack");
	send_encapsulated();
	nft_lab_fact(counted("seen"), "encapsulated packets pass the output hook");
	nft_lab_fact(!counted("owned"), "and have no socket of the host's namespace");
	nft_lab_fact(nft_lab_number("h", tracked) > 0, "they are tracked by default");

	int own = nft_lab_udp("h", "192.0.2.1", 0);
	nft_lab_send(own, "192.0.2.2", 4789, "<own>");
	nft_lab_fact(counted("owned"), "a process's datagram has one");
	close(own);

	nft_lab_sh(
		"ip netns exec ~h nft 'flush chain inet t out; add rule inet t out udp dport 4789 notrack'");
	nft_lab_sh("ip -n ~n addr add 192.0.2.3/24 dev eth0; "
		   "bridge -n ~o fdb append 00:00:00:00:00:00 dev vx1 dst 192.0.2.3");
	long before = nft_lab_number("h", tracked);
	int at = nft_lab_udp("n", "192.0.2.3", 4789), from = nft_lab_udp("a", "10.0.0.2", 0);
	nft_lab_send(from, "10.0.0.255", 9, "<inner>");
	nft_lab_fact(nft_lab_comes(at, "<inner>", NFT_LAB_WAIT_MS), "untracked it arrives as well");
	nft_lab_fact(nft_lab_number("h", tracked) <= before, "and makes no entry");
	close(at);
	close(from);
	return 0;
}
