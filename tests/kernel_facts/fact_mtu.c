/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MTU: a bridge keeps an MTU that was changed after it was made (BROPT_MTU_SET_BY_USER), whatever ports join; the container's interface alone has the network's (facts §11; overlay/knl_bridge.c).
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/kernel_facts/nft_lab.h"

static bool mtu(const char *ns, const char *dev, int value)
{
	return !nft_lab_try("ip -n ~%s link show %s | grep -q 'mtu %d '", ns, dev, value);
}

int main(void)
{
	int fd, df = IP_PMTUDISC_DO;
	char big[1472];

	nft_lab_begin();
	nft_lab_ns("o");
	nft_lab_ns("a");
	nft_lab_sh(
		"ip -n ~o link add br1 mtu 1499 type bridge; ip -n ~o link set br1 mtu 1500; ip -n ~o link add br2 mtu 1500 type bridge; "
		"ip -n ~o link add v0 mtu 1500 master br1 type veth peer name eth0 netns ~a mtu 1450; "
		"ip -n ~o link add v1 mtu 1400 type veth peer name v2");
	nft_lab_sh("ip -n ~o link set v1 master br2");
	nft_lab_fact(mtu("o", "br2", 1400),
		     "a bridge made with an MTU takes the smallest of its ports all the same");
	nft_lab_sh("ip -n ~o link set v1 master br1");
	nft_lab_fact(mtu("o", "br1", 1500), "one whose MTU was changed later keeps it");
	nft_lab_fact(mtu("o", "v0", 1500) && mtu("a", "eth0", 1450),
		     "the two ends of a veth may differ");
	nft_lab_sh(
		"ip -n ~a addr add 10.0.0.2/24 dev eth0; ip -n ~a link set eth0 up; ip -n ~o link set v0 up; "
		"ip -n ~a neigh replace 10.0.0.3 lladdr 02:42:0a:00:00:03 dev eth0");
	fd = nft_lab_udp("a", "10.0.0.2", 0);
	setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &df, sizeof(df));
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	nft_lab_fact(nft_lab_send(fd, "10.0.0.3", 9, big) == -EMSGSIZE,
		     "too much is refused in the container, with words");
	close(fd);
	return 0;
}
