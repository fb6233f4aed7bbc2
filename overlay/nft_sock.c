/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay/nft_sock.h"
#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include "base/mem.h"
#include "overlay/netns.h"

/* A transaction must fit the send buffer (netlink_sendmsg()): 100,000 elements take 12 MB. Nothing is reserved by this. */
#define NFT_SOCK_SNDBUF (32 << 20)
/* Room for the errors of a transaction whose messages all fail. */
#define NFT_SOCK_RCVBUF (8 << 20)
#define NFT_SOCK_RX_MAX (64 << 10) /* the kernel fills dumps up to 32 KiB */
#define NFT_SOCK_TX_MAX 1024

struct nft_sock {
	int fd;
	uint32_t portid;
	uint32_t seq;
	char tx[NFT_SOCK_TX_MAX];
	char rx[NFT_SOCK_RX_MAX];
};

static void set_buffer(int fd, int force, int plain, int bytes)
{
	/* Without CAP_NET_ADMIN in the initial user namespace only up to net.core.[rw]mem_max. */
	if (setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof(bytes));
}

int nft_sock_open(int nsfd, struct nft_sock **ret, struct err *e)
{
	const int type = SOCK_RAW | SOCK_CLOEXEC;
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK };
	socklen_t len = sizeof(sa);
	_cleanup_close_ int fd = -1;
	int on = 1;

	if (nsfd >= 0) {
		fd = netns_socket(nsfd, AF_NETLINK, type, NETLINK_NETFILTER);
	} else {
		fd = socket(AF_NETLINK, type, NETLINK_NETFILTER);
		if (fd < 0)
			fd = -errno;
	}
	if (fd < 0)
		return err_set(e, fd, "nf_tables: socket: %s", strerror(-fd));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return err_set(e, -errno, "nf_tables: bind: %s", strerror(errno));
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, NFT_SOCK_SNDBUF);
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, NFT_SOCK_RCVBUF);
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));

	struct nft_sock *s = mem_alloc(sizeof(*s));
	s->fd = TAKE_FD(fd);
	s->portid = sa.nl_pid;
	s->seq = 1;
	*ret = s;
	return 0;
}

void nft_sock_close(struct nft_sock *s)
{
	if (!s)
		return;
	close(s->fd);
	free(s);
}

uint32_t nft_sock_portid(const struct nft_sock *s)
{
	return s->portid;
}

void nft_batch_init(struct nft_batch *b, struct nft_sock *s)
{
	*b = (struct nft_batch){ .sock = s, .begin_seq = s->seq, .cap = 4 * (size_t)NFT_MSG_ROOM };
	b->data = mem_grow(NULL, b->cap, 1);
	b->len = nftnl_batch_begin(b->data, b->begin_seq)->nlmsg_len;
}

void nft_batch_done(struct nft_batch *b)
{
	free(b->data);
	free(b->status);
	*b = (struct nft_batch){ 0 };
}

static void batch_close_msg(struct nft_batch *b)
{
	if (b->open) {
		b->len = b->open + NLMSG_ALIGN(((struct nlmsghdr *)(b->data + b->open))->nlmsg_len);
		b->open = 0;
	}
}

struct nlmsghdr *nft_batch_msg(struct nft_batch *b, uint16_t type, uint8_t family, uint16_t flags)
{
	batch_close_msg(b);
	if (b->cap - b->len < 2 * (size_t)NFT_MSG_ROOM) {
		b->cap *= 2;
		b->data = mem_grow(b->data, b->cap, 1);
	}
	b->open = b->len;
	b->n++;
	return nftnl_nlmsg_build_hdr(b->data + b->open, type, family, flags,
				     b->begin_seq + (uint32_t)b->n);
}

/* The kernel's own words, where it gave some. */
static const char *ext_ack(const struct nlmsghdr *nlh, char *buf, size_t size)
{
	const struct nlattr *a;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS) || !(nlh->nlmsg_flags & NLM_F_CAPPED))
		return NULL;
	mnl_attr_for_each(a, nlh, sizeof(struct nlmsgerr)) {
		if (mnl_attr_get_type(a) != NLMSGERR_ATTR_MSG)
			continue;
		size_t len = mnl_attr_get_payload_len(a);
		if (len >= size)
			len = size - 1;
		memcpy(buf, mnl_attr_get_payload(a), len);
		buf[len] = '\0';
		return buf;
	}
	return NULL;
}

/* One answer to the batch; sets *ret_err to the first error. Return: true after the last one. */
static bool batch_answer(struct nft_batch *b, const struct nlmsghdr *nlh, int *ret_err,
			 struct err *e)
{
	const struct nlmsgerr *a = mnl_nlmsg_get_payload(nlh);
	char words[256];

	if (nlh->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len(nlh) < sizeof(*a))
		return false;
	uint32_t i = a->msg.nlmsg_seq - b->begin_seq;
	if (i > b->n)
		return false; /* left over from an earlier batch */
	if (a->error && !*ret_err) {
		const char *text = ext_ack(nlh, words, sizeof(words));

		*ret_err = a->error;
		err_set(e, a->error, "nf_tables: %s%s%s", strerror(-a->error), text ? ": " : "",
			text ? text : "");
	}
	if (i > 0)
		b->status[i - 1] = a->error;
	/* An error for the begin: refused as a whole (-EPERM), or the commit itself failed. */
	return i == b->n || (i == 0 && a->error);
}

static int batch_answers(struct nft_batch *b, struct err *e)
{
	struct nft_sock *s = b->sock;
	int first = 0;

	for (;;) {
		ssize_t n = recv(s->fd, s->rx, sizeof(s->rx), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, errno == EAGAIN ? -EIO : -errno,
				       "nf_tables: no answer: %s", strerror(errno));
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)s->rx;
		for (int left = (int)n; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			if (batch_answer(b, nlh, &first, e))
				return first;
		}
	}
}

int nft_batch_commit(struct nft_batch *b, struct err *e)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct nft_sock *s = b->sock;

	if (!b->n)
		return 0;
	size_t last = b->open;
	batch_close_msg(b);
	((struct nlmsghdr *)(b->data + last))->nlmsg_flags |= NLM_F_ACK;
	s->seq = b->begin_seq + (uint32_t)b->n + 2;
	b->len += nftnl_batch_end(b->data + b->len, s->seq - 1)->nlmsg_len;
	b->status = mem_alloc_array(b->n, sizeof(*b->status));
	if (sendto(s->fd, b->data, b->len, 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return err_set(e, -errno, "nf_tables: send %zu bytes: %s", b->len, strerror(errno));
	return batch_answers(b, e);
}

struct nlmsghdr *nft_sock_request(struct nft_sock *s, uint16_t type, uint8_t family, uint16_t flags)
{
	memset(s->tx, 0, sizeof(s->tx));
	return nftnl_nlmsg_build_hdr(s->tx, type, family, flags, s->seq++);
}

/* Give one message to @fn. Return: true when it ends the answer. */
static bool reply(const struct nlmsghdr *nlh, nft_sock_reply_fn fn, void *user, int *ret_err)
{
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *a = mnl_nlmsg_get_payload(nlh);

		if (a->error)
			*ret_err = a->error;
		return true;
	}
	if (nlh->nlmsg_type == NLMSG_DONE)
		return true;
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		*ret_err = -EINTR;
	if (!*ret_err)
		*ret_err = fn(nlh, user);
	return false;
}

int nft_sock_ask(struct nft_sock *s, struct nlmsghdr *nlh, nft_sock_reply_fn fn, void *user)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	uint32_t seq = nlh->nlmsg_seq;
	int err = 0;

	if (sendto(s->fd, nlh, nlh->nlmsg_len, 0, (const struct sockaddr *)&kernel,
		   sizeof(kernel)) < 0)
		return -errno;
	for (;;) {
		ssize_t n = recv(s->fd, s->rx, sizeof(s->rx), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -EIO : -errno;
		const struct nlmsghdr *m = (const struct nlmsghdr *)s->rx;
		for (int left = (int)n; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
			if (m->nlmsg_seq == seq && reply(m, fn, user, &err))
				return err;
		}
	}
}
