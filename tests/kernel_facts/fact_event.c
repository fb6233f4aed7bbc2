/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is notified of changes of our objects (facts §8; overlay/knl_decode.c), and how a loss shows (overlay/knl_event.c).
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/kernel_facts/nft_lab.h"

#define MAC "02:42:0a:00:00:02"

static char buf[1 << 16] __attribute__((aligned(8)));

static int monitor(int rcvbuf)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_NETCONF };
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK };
	int fd;

	nft_lab_enter("o");
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (rcvbuf)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf));
	nft_lab_fact(bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0, "a monitor can be opened");
	for (size_t i = 0; i < 3; i++)
		setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof(groups[i]));
	nft_lab_enter(NULL);
	return fd;
}

/* All there is: the types in order, as text: "N28" = RTM_NEWNEIGH, with "f" when failed, "b" of AF_BRIDGE. */
static const char *read_all(int fd)
{
	static char text[4096];
	size_t n = 0;
	int got;

	text[0] = '\0';
	while ((got = (int)recv(fd, buf, sizeof(buf), 0)) > 0) {
		const struct nlmsghdr *h = (void *)buf;

		for (; mnl_nlmsg_ok(h, got) && n < sizeof(text) - 32; h = mnl_nlmsg_next(h, &got)) {
			const struct ndmsg *m = mnl_nlmsg_get_payload(h);
			bool neigh = h->nlmsg_type == RTM_NEWNEIGH || h->nlmsg_type == RTM_DELNEIGH;

			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%d%s ",
					      neigh && m->ndm_family == AF_BRIDGE ? "b" : "",
					      h->nlmsg_type,
					      neigh && (m->ndm_state & NUD_FAILED) ? "f" : "");
		}
	}
	return text;
}

static bool told(int fd, const char *cmd, const char *what)
{
	const char *text;

	read_all(fd);
	nft_lab_sh("%s", cmd);
	text = read_all(fd);
	if (strcmp(text, what) == 0)
		return true;
	fprintf(stderr, "after %s: \"%s\", not \"%s\"\n", cmd, text, what);
	return false;
}

/* Of a link there may be several, and of two families. */
static bool told_link(int fd, const char *cmd)
{
	read_all(fd);
	nft_lab_sh("%s", cmd);
	return strstr(read_all(fd), "16 ") != NULL; /* RTM_NEWLINK */
}

static void changes(void)
{
	int fd = monitor(0);
	const char *add = "bridge -n ~o fdb replace " MAC
			  " dev vx1 dst 192.0.2.9 self extern_learn";
	const char *master = "bridge -n ~o fdb replace " MAC " dev vx1 master extern_learn";
	const char *neigh = "ip -n ~o neigh replace 10.0.0.2 lladdr " MAC
			    " dev br1 nud noarp extern_learn";

	nft_lab_fact(told(fd, add, "b28 ") && told(fd, add, ""),
		     "vx entry: told once, an identical replace is not told");
	nft_lab_fact(told(fd, "bridge -n ~o fdb del " MAC " dev vx1 dst 192.0.2.9 self", "b29 "),
		     "its delete is told");
	nft_lab_fact(told(fd, master, "b28 ") && told(fd, master, ""), "bridge entry: the same");
	nft_lab_fact(told(fd, "bridge -n ~o fdb del " MAC " dev vx1 master", "b29 "),
		     "its delete is told");
	nft_lab_fact(told(fd, neigh, "28 ") && told(fd, neigh, ""), "neighbour: the same");
	nft_lab_fact(told(fd, "ip -n ~o neigh del 10.0.0.2 dev br1", "28f 29f "),
		     "its delete is FAILED, then deleted");
	nft_lab_fact(told_link(fd, "bridge -n ~o link set dev vx1 locked on"),
		     "a port flag is told of");
	nft_lab_fact(told_link(fd, "ip -n ~o link set vx1 type vxlan id 1 local 192.0.2.2"),
		     "a local address too");
	close(fd);
}

static void forwarding(void)
{
	int fd = monitor(0);

	nft_lab_sh("ip netns exec ~o sysctl -q -w net.ipv4.ip_forward=1");
	nft_lab_fact(strstr(read_all(fd), "80 ") != NULL, "RTM_NEWNETCONF tells of ip_forward");
	close(fd);
}

static void fill(void)
{
	nft_lab_sh("for i in $(seq 1 250); do for j in 1 2 3 4; do "
		   "echo neigh replace 10.1.$j.$i lladdr " MAC
		   " dev br1 nud noarp extern_learn; done; done | ip -n ~o -batch -");
}

/* The buffer runs over: an error once, and silence until all that fitted has been read. */
static void loss(void)
{
	int fd = monitor(65536);
	bool again = false, heard = false;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t got;

	fill();
	nft_lab_fact(poll(&p, 1, 0) == 1 && (p.revents & POLLERR), "an overrun shows as POLLERR");
	nft_lab_fact(recv(fd, buf, sizeof(buf), 0) < 0 && errno == ENOBUFS,
		     "the error comes before what fitted");
	recv(fd, buf, sizeof(buf), 0);
	nft_lab_sh("ip -n ~o neigh replace 10.2.0.1 lladdr " MAC " dev br1 nud noarp extern_learn");
	nft_lab_fact(poll(&p, 1, 0) == 1 && !(p.revents & POLLERR),
		     "another lost one is no error again");
	while ((got = recv(fd, buf, sizeof(buf), 0)) > 0 || (got < 0 && errno == ENOBUFS)) {
		static const uint8_t key[4] = { 10, 2, 0, 1 };

		again = again || got < 0;
		heard = heard || (got > 0 && memmem(buf, (size_t)got, key, sizeof(key)));
	}
	nft_lab_fact(!heard, "but it is lost: the kernel drops until the socket is empty");
	nft_lab_fact(!again, "without a second ENOBUFS");
	nft_lab_sh("ip -n ~o neigh replace 10.2.0.2 lladdr " MAC " dev br1 nud noarp extern_learn");
	nft_lab_fact(recv(fd, buf, sizeof(buf), 0) > 0, "once empty, it hears again");
	close(fd);
}

int main(void)
{
	nft_lab_begin();
	nft_lab_ns("o");
	nft_lab_sh(
		"ip -n ~o link add br1 address 02:42:00:10:00:01 type bridge; ip -n ~o link set br1 addrgenmode none up; "
		"ip -n ~o link add vx1 type vxlan id 1 local 192.0.2.1 dstport 4789 nolearning; ip -n ~o link set vx1 addrgenmode none; "
		"ip -n ~o link set vx1 master br1 up");
	changes();
	forwarding();
	loss();
	return 0;
}
