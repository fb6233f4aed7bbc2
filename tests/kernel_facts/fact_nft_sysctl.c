/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /proc/sys/net shows the network namespace of the thread that opens a file, and an open file stays with it (overlay/sysctl_ground.c enters,
 * writes, returns). Writing ip_forward sets the accept_redirects of `all` to its opposite, so it must come first.
 */
#include <fcntl.h>
#include <unistd.h>
#include "tests/kernel_facts/nft_lab.h"

#define FORWARD "/proc/sys/net/ipv4/ip_forward"
#define REDIRECTS "/proc/sys/net/ipv4/conf/all/accept_redirects"

int main(void)
{
	char c = 0;

	nft_lab_begin();
	nft_lab_ns("s");
	nft_lab_ns("t");
	nft_lab_enter("s");
	int fd = open(FORWARD, O_RDWR | O_CLOEXEC);
	nft_lab_enter("t");
	nft_lab_fact(fd >= 0 && pwrite(fd, "1", 1, 0) == 1,
		     "a file opened inside can be written outside");
	nft_lab_fact(nft_lab_number("s", FORWARD) == 1, "and belongs to where it was opened");
	nft_lab_fact(nft_lab_number("t", FORWARD) == 0, "another namespace has its own");
	nft_lab_fact(pread(fd, &c, 1, 0) == 1 && c == '1', "reading follows the opener as well");
	close(fd);

	nft_lab_sh(
		"ip netns exec ~s sysctl -qw net.ipv4.conf.all.accept_redirects=0 net.ipv4.ip_forward=0");
	nft_lab_fact(nft_lab_number("s", REDIRECTS) == 1,
		     "ip_forward 0 sets accept_redirects of all to 1");
	return 0;
}
