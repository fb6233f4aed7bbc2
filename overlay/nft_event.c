/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/nft_event.h"
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include "base/mem.h"
#include "overlay/netns.h"

/* A rebuild with some thousand elements is notified element by element; own ones pass through here too. */
#define NFT_EVENT_RCVBUF (16 << 20)
#define NFT_EVENT_RX_MAX (32 << 10)

int nft_event_open(int nsfd, struct err *e)
{
	const int type = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;
	const struct sockaddr_nl sa = { .nl_family = AF_NETLINK };
	int group = NFNLGRP_NFTABLES, bytes = NFT_EVENT_RCVBUF;
	_cleanup_close_ int fd = -1;

	if (nsfd >= 0) {
		fd = netns_socket(nsfd, AF_NETLINK, type, NETLINK_NETFILTER);
	} else {
		fd = socket(AF_NETLINK, type, NETLINK_NETFILTER);
		if (fd < 0)
			fd = -errno;
	}
	if (fd < 0)
		return err_set(e, fd, "nf_tables: socket for events: %s", strerror(-fd));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return err_set(e, -errno, "nf_tables: subscribe to events: %s", strerror(errno));
	return TAKE_FD(fd);
}

/* Every kind of object names its table in attribute 1; the end of a transaction (NEWGEN) has none of ours. */
static const char *table_of(const struct nlmsghdr *nlh, uint8_t *ret_family)
{
	const struct nlattr *a;

	if (NFNL_SUBSYS_ID(nlh->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
	    NFNL_MSG_TYPE(nlh->nlmsg_type) == NFT_MSG_NEWGEN ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nfgenmsg))
		return NULL;
	*ret_family = ((const struct nfgenmsg *)mnl_nlmsg_get_payload(nlh))->nfgen_family;
	mnl_attr_for_each(a, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(a) == NFTA_TABLE_NAME)
			return mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0 ?
				       mnl_attr_get_str(a) :
				       NULL;
	}
	return NULL;
}

static bool is_ours(const struct nlmsghdr *nlh, const char *table)
{
	uint8_t family;
	const char *name = table_of(nlh, &family);

	return name && (family == NFPROTO_INET || family == NFPROTO_BRIDGE) &&
	       strcmp(name, table) == 0;
}

static bool is_others(const struct nlmsghdr *nlh, const char *table)
{
	uint8_t family;
	const char *name = table_of(nlh, &family);

	return name &&
	       (family == NFPROTO_IPV4 || family == NFPROTO_IPV6 || family == NFPROTO_INET) &&
	       strcmp(name, table) != 0;
}

static bool read_events(int fd, bool (*match)(const struct nlmsghdr *, const char *),
			const char *table, uint32_t own_portid)
{
	_cleanup_free_ char *rx = mem_alloc(NFT_EVENT_RX_MAX);
	bool changed = false;

	for (;;) {
		ssize_t n = recv(fd, rx, NFT_EVENT_RX_MAX, MSG_TRUNC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ENOBUFS) {
			changed = true;
			continue;
		}
		if (n < 0)
			return changed;
		if (n > NFT_EVENT_RX_MAX) {
			changed = true; /* cut off: as good as lost */
			continue;
		}
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)rx;
		for (int left = (int)n; !changed && mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left))
			changed = nlh->nlmsg_pid != own_portid && match(nlh, table);
	}
}

bool nft_event_read(int fd, const char *table, uint32_t own_portid)
{
	return read_events(fd, is_ours, table, own_portid);
}

bool nft_event_read_others(int fd, const char *table, uint32_t own_portid)
{
	return read_events(fd, is_others, table, own_portid);
}
