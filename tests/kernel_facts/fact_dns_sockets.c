/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What agent/dns/dns_listen relies on: which sockets can have port 53 beside one that is bound to a device and an address; that the interface a TCP
 * connection came by can be asked for, of its socket; and that SIOCGIFNAME is answered by the socket's namespace, not the caller's.
 */
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/addr.h"
#include "base/mem.h"
#include "tests/kernel_facts/nft_lab.h"

static const int on = 1;

/* Return: a socket of this namespace bound to @addr port 53 (and listening), -1 if it cannot be. */
static int open_one(int type, const char *addr, bool reuseaddr, bool reuseport, const char *device)
{
	struct sockaddr_storage ss;
	struct ip ip = { 0 };
	socklen_t len;
	int fd;

	ip_parse(addr, &ip, NULL);
	len = ip_to_sockaddr(ip, 53, &ss);
	fd = socket(ip.family, type, 0);
	if (reuseaddr)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (reuseport)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (device)
		setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device));
	if (bind(fd, (struct sockaddr *)&ss, len) == 0 &&
	    (type == SOCK_DGRAM || listen(fd, 8) == 0))
		return fd;
	close(fd);
	return -1;
}

/* Can theirs and ours (both options, bound to the device) stand together, whoever comes first? */
static bool together(int type, const char *addr, bool reuseaddr, bool reuseport, const char *device)
{
	bool both[2];

	for (unsigned ours_first = 0; ours_first < 2; ours_first++) {
		int ours = ours_first ? open_one(type, "10.0.0.1", true, true, "br1") : -1;
		int theirs = open_one(type, addr, reuseaddr, reuseport, device);

		if (!ours_first)
			ours = open_one(type, "10.0.0.1", true, true, "br1");
		both[ours_first] = ours >= 0 && theirs >= 0;
		if (ours >= 0)
			close(ours);
		if (theirs >= 0)
			close(theirs);
	}
	nft_lab_fact(both[0] == both[1], "who comes first makes no difference");
	return both[0];
}

static void beside_others(void)
{
	nft_lab_enter("h");
	nft_lab_fact(!together(SOCK_DGRAM, "0.0.0.0", false, false, NULL),
		     "UDP on all addresses without options keeps others from one address");
	nft_lab_fact(together(SOCK_DGRAM, "0.0.0.0", true, false, NULL),
		     "UDP with SO_REUSEADDR does not");
	nft_lab_fact(together(SOCK_DGRAM, "0.0.0.0", false, true, NULL),
		     "UDP with SO_REUSEPORT does not");
	nft_lab_fact(together(SOCK_DGRAM, "::", true, false, NULL), "nor on [::]");
	nft_lab_fact(!together(SOCK_STREAM, "0.0.0.0", true, false, NULL),
		     "TCP listening on all addresses does, with SO_REUSEADDR too");
	nft_lab_fact(!together(SOCK_STREAM, "::", true, false, NULL), "and on [::]");
	nft_lab_fact(together(SOCK_STREAM, "0.0.0.0", false, true, NULL),
		     "TCP with SO_REUSEPORT does not");
	nft_lab_fact(together(SOCK_DGRAM, "0.0.0.0", false, false, "lo"),
		     "UDP bound to another device does not");
	nft_lab_fact(together(SOCK_STREAM, "0.0.0.0", false, false, "lo"),
		     "TCP bound to another device does not");
	nft_lab_enter(NULL);
}

static unsigned ifindex_of(int fd, bool v6)
{
	union {
		struct cmsghdr align;
		char buf[64];
	} control = { 0 };
	socklen_t len = sizeof(control);
	struct msghdr m = { .msg_control = &control };
	struct cmsghdr *c;

	if (getsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_2292PKTOPTIONS : IP_PKTOPTIONS,
		       &control, &len) < 0)
		return 0;
	m.msg_controllen = len;
	c = CMSG_FIRSTHDR(&m);
	if (!c)
		return 0;
	return v6 ? ((struct in6_pktinfo *)CMSG_DATA(c))->ipi6_ifindex :
		    (unsigned)((struct in_pktinfo *)CMSG_DATA(c))->ipi_ifindex;
}

static void interface_of_connection(const char *from, const char *all, const char *to,
				    const char *ifname)
{
	struct sockaddr_storage ss;
	struct ifreq ifr = { 0 };
	struct ip ip = { 0 };
	bool v6 = strchr(to, ':') != NULL;
	int server, client, fd;

	nft_lab_enter("h");
	server = open_one(SOCK_STREAM, all, true, false, NULL);
	setsockopt(server, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, &on,
		   sizeof(on));
	nft_lab_enter(from);
	ip_parse(to, &ip, NULL);
	socklen_t len = ip_to_sockaddr(ip, 53, &ss);
	client = socket(ip.family, SOCK_STREAM, 0);
	nft_lab_fact(connect(client, (struct sockaddr *)&ss, len) == 0, "a container connects");
	fd = accept(server, NULL, NULL);
	ifr.ifr_ifindex = (int)ifindex_of(fd, v6);
	nft_lab_fact(ifr.ifr_ifindex > 0, "a connection's interface can be asked for");
	/* In the container's namespace the number is something else, or nothing. */
	nft_lab_fact(ioctl(fd, SIOCGIFNAME, &ifr) == 0 && strcmp(ifr.ifr_name, ifname) == 0,
		     "its name is that in the socket's namespace");
	close(fd);
	close(client);
	close(server);
	nft_lab_enter(NULL);
}

int main(void)
{
	nft_lab_begin();
	nft_lab_ns("h");
	nft_lab_ns("a");
	nft_lab_ns("b");
	nft_lab_sh("i=0; for c in a b; do i=$((i + 1)); ip -n ~h link add br$i type bridge; "
		   "ip -n ~h addr add 10.0.$((i - 1)).1/24 dev br$i; "
		   "ip -n ~h addr add fd0$i::1/64 dev br$i nodad; ip -n ~h link set br$i up; "
		   "ip -n ~h link add v$i type veth peer name eth0 netns ~$c; "
		   "ip -n ~h link set v$i master br$i up; ip -n ~$c link set eth0 up; "
		   "ip -n ~$c addr add 10.0.$((i - 1)).2/24 dev eth0; "
		   "ip -n ~$c addr add fd0$i::2/64 dev eth0 nodad; done");
	beside_others();
	interface_of_connection("a", "0.0.0.0", "10.0.0.1", "br1");
	interface_of_connection("b", "0.0.0.0", "10.0.1.1", "br2");
	interface_of_connection("a", "::", "fd01::1", "br1");
	interface_of_connection("b", "::", "fd02::1", "br2");
	return 0;
}
