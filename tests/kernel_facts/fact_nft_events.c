/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Notifications of nf_tables bear the port id of the socket that made the change, every one of them, and `flush ruleset` is told object by
 * object (overlay/nft_event.c knows its own changes and its tables by that).
 */
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/kernel_facts/nft_lab.h"

struct told {
	unsigned tables, rules, elements, others, generations;
	unsigned by_port; /* of all, those that bear the port id asked for */
	unsigned n;
};

static void read_told(struct mnl_socket *events, unsigned port, struct told *ret)
{
	char b[32768];
	ssize_t n;

	*ret = (struct told){ 0 };
	while ((n = recv(mnl_socket_get_fd(events), b, sizeof(b), MSG_DONTWAIT)) > 0) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)b;
		for (int left = (int)n; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			unsigned type = NFNL_MSG_TYPE(nlh->nlmsg_type);

			ret->n++;
			ret->by_port += nlh->nlmsg_pid == port;
			if (type == NFT_MSG_NEWTABLE || type == NFT_MSG_DELTABLE)
				ret->tables++;
			else if (type == NFT_MSG_DELRULE)
				ret->rules++;
			else if (type == NFT_MSG_NEWSETELEM || type == NFT_MSG_DELSETELEM)
				ret->elements++;
			else if (type == NFT_MSG_NEWGEN)
				ret->generations++;
			else
				ret->others++;
		}
	}
}

static void add_table(struct mnl_socket *nl)
{
	char b[1024];
	struct nlmsghdr *nlh = nftnl_batch_begin(b, 1);
	size_t len = nlh->nlmsg_len;

	nlh = nftnl_nlmsg_build_hdr(b + len, NFT_MSG_NEWTABLE, NFPROTO_INET, NLM_F_CREATE, 2);
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, "mine");
	len += nlh->nlmsg_len;
	len += nftnl_batch_end(b + len, 3)->nlmsg_len;
	mnl_socket_sendto(nl, b, len);
}

int main(void)
{
	struct told t;
	int group = NFNLGRP_NFTABLES;

	nft_lab_begin();
	nft_lab_ns("e");
	nft_lab_enter("e");
	struct mnl_socket *own = mnl_socket_open(NETLINK_NETFILTER);
	struct mnl_socket *events = mnl_socket_open(NETLINK_NETFILTER);
	nft_lab_enter(NULL);
	nft_lab_fact(own && events && !mnl_socket_bind(own, 0, MNL_SOCKET_AUTOPID) &&
			     !mnl_socket_bind(events, 0, MNL_SOCKET_AUTOPID) &&
			     !mnl_socket_setsockopt(events, NETLINK_ADD_MEMBERSHIP, &group,
						    sizeof(group)),
		     "sockets in a namespace can be opened and subscribed");
	unsigned port = mnl_socket_get_portid(own);

	add_table(own);
	read_told(events, port, &t);
	nft_lab_fact(t.tables == 1 && t.generations == 1, "a change is told when sendmsg returns");
	nft_lab_fact(t.by_port == t.n, "each notification bears the sender's port id");

	nft_lab_sh("ip netns exec ~e nft 'add set inet mine s { type ipv4_addr; }; "
		   "add element inet mine s { 192.0.2.1 }; add chain inet mine c; "
		   "add rule inet mine c accept; add rule inet mine c drop'");
	read_told(events, port, &t);
	nft_lab_fact(t.elements == 1 && t.n > 4 && t.by_port == 0, "another's bear another");
	nft_lab_sh("ip netns exec ~e nft flush ruleset");
	read_told(events, port, &t);
	nft_lab_fact(t.tables == 1 && t.rules == 2 && t.others >= 2,
		     "flush ruleset is told as a deletion of each object");
	mnl_socket_close(own);
	mnl_socket_close(events);
	return 0;
}
