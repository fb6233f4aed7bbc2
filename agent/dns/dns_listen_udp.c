/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <utlist.h>
#include "agent/dns/dns_listen_priv.h"
#include "base/mem.h"

/*
 * The address that was asked, and the interface. One sent to a broadcast or multicast address is nobody's to answer: every node would. A host
 * address's socket gets only what is for it.
 */
static bool read_local(const struct dns_socket *s, struct msghdr *m, struct dns_local *ret)
{
	*ret = (struct dns_local){ 0 };
	if (!s->overlay)
		return true;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			const struct in_pktinfo *i = (void *)CMSG_DATA(c);

			ret->ip.family = AF_INET;
			memcpy(ret->ip.b, &i->ipi_addr, 4);
			ret->ifindex = (unsigned)i->ipi_ifindex;
			return i->ipi_addr.s_addr == i->ipi_spec_dst.s_addr;
		}
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			const struct in6_pktinfo *i = (void *)CMSG_DATA(c);

			ret->ip.family = AF_INET6;
			memcpy(ret->ip.b, &i->ipi6_addr, 16);
			ret->ifindex = i->ipi6_ifindex;
			return !ip_is_multicast(ret->ip);
		}
	}
	return false;
}

static size_t write_local(const struct dns_local *from, struct cmsghdr *c)
{
	struct in_pktinfo *i4 = (void *)CMSG_DATA(c);
	struct in6_pktinfo *i6 = (void *)CMSG_DATA(c);

	if (!ip_is_set(from->ip))
		return 0;
	memset(c, 0, sizeof(union dns_control));
	if (from->ip.family == AF_INET) {
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(*i4));
		memcpy(&i4->ipi_spec_dst, from->ip.b, 4);
		i4->ipi_ifindex = (int)from->ifindex;
		return CMSG_SPACE(sizeof(*i4));
	}
	c->cmsg_level = IPPROTO_IPV6;
	c->cmsg_type = IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(*i6));
	memcpy(&i6->ipi6_addr, from->ip.b, 16);
	i6->ipi6_ifindex = from->ifindex;
	return CMSG_SPACE(sizeof(*i6));
}

static void write_to(struct msghdr *m, union dns_sockaddr *to, struct iovec *iov,
		     union dns_control *control, const struct dns_asker *a)
{
	*to = a->peer;
	m->msg_name = to;
	m->msg_namelen = to->any.sa_family == AF_INET6 ? sizeof(to->in6) : sizeof(to->in);
	m->msg_iov = iov;
	m->msg_iovlen = 1;
	m->msg_controllen = write_local(&a->local, &control->align);
	m->msg_control = m->msg_controllen > 0 ? control : NULL;
	m->msg_flags = 0;
}

/* A full socket, or an address that nothing leads to: lost, as datagrams are. */
static void send_one(const struct dns_asker *a, const uint8_t *pkt, size_t len)
{
	struct iovec iov = { .iov_base = (void *)pkt, .iov_len = len };
	union dns_control control;
	union dns_sockaddr to;
	struct msghdr m;

	memset(&m, 0, sizeof(m));
	write_to(&m, &to, &iov, &control, a);
	if (sendmsg(a->sock->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		a->l->stats.dropped++;
}

void dns_udp_drop(struct dns_asker *a)
{
	DL_DELETE(a->l->askers, a);
	a->l->under_way--;
}

void dns_udp_answer(struct dns_asker *a, const uint8_t *pkt, size_t len)
{
	struct dns_batch *b = &a->l->batch;
	unsigned i = b->n_out;

	dns_udp_drop(a);
	if (b->sock != a->sock || i == DNS_LISTEN_BATCH || len > DNS_UDP_MAX) {
		send_one(a, pkt, len);
		return;
	}
	memcpy(b->buf_out[i], pkt, len);
	b->iov_out[i] = (struct iovec){ .iov_base = b->buf_out[i], .iov_len = len };
	write_to(&b->out[i].msg_hdr, &b->to[i], &b->iov_out[i], &b->control_out[i], a);
	b->n_out++;
}

static void flush(struct dns_listen *l, const struct dns_socket *s)
{
	struct dns_batch *b = &l->batch;
	unsigned done = 0;

	while (done < b->n_out && s->fd >= 0) {
		int n = sendmmsg(s->fd, b->out + done, b->n_out - done,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
			break;
		l->stats.dropped += n < 0;
		done += n < 0 ? 1 : (unsigned)n;
	}
	l->stats.dropped += b->n_out - done;
	b->n_out = 0;
}

void dns_udp_gone(struct dns_listen *l, const struct dns_socket *s)
{
	struct dns_asker *a, *tmp;

	DL_FOREACH_SAFE(l->askers, a, tmp) {
		if (s && a->sock != s)
			continue;
		dns_udp_drop(a);
		dns_asker_gone(a);
	}
}

/* One question of the batch; @key: of its interface. */
static void ask(struct dns_socket *s, unsigned i, uint32_t key, const struct dns_local *local)
{
	struct dns_listen *l = s->l;
	struct dns_batch *b = &l->batch;
	struct dns_from from = { .key = key };
	struct dns_asker *a;

	if (ip_from_sockaddr(&b->from[i].any, &from.source) < 0)
		return;
	a = dns_asker_new(l);
	a->sock = s;
	a->peer = b->from[i];
	a->local = *local;
	DL_APPEND(l->askers, a);
	l->under_way++;
	l->stats.udp++;
	if (!dns_asker_ask(a, &from, b->buf_in[i], b->in[i].msg_len))
		return;
	if (l->under_way > DNS_LISTEN_UNDER_WAY_MAX) {
		dns_udp_drop(a);
		dns_asker_gone(a);
	}
}

static int receive(const struct dns_socket *s, struct dns_batch *b)
{
	for (unsigned i = 0; i < DNS_LISTEN_BATCH; i++) {
		b->iov_in[i] =
			(struct iovec){ .iov_base = b->buf_in[i], .iov_len = sizeof(b->buf_in[i]) };
		b->in[i].msg_hdr = (struct msghdr){ .msg_name = &b->from[i],
						    .msg_namelen = sizeof(b->from[i]),
						    .msg_iov = &b->iov_in[i],
						    .msg_iovlen = 1,
						    .msg_control = &b->control_in[i],
						    .msg_controllen = sizeof(b->control_in[i]) };
	}
	return recvmmsg(s->fd, b->in, DNS_LISTEN_BATCH, MSG_DONTWAIT, NULL);
}

void dns_udp_readable(uv_poll_t *h, int status, int events)
{
	struct dns_socket *s = h->data;
	struct dns_listen *l = s->l;
	struct dns_batch *b = &l->batch;
	unsigned last = 0;
	uint32_t key = 0;
	bool known = false; /* key is last's */
	int n;

	(void)events;
	if (status < 0) /* libuv stopped at a pending error, which reading takes away */
		uv_poll_start(h, UV_READABLE, dns_udp_readable);
	n = receive(s, b);
	b->sock = s;
	for (int i = 0; i < n && s->fd >= 0; i++) {
		struct msghdr *m = &b->in[i].msg_hdr;
		struct dns_local local;

		if (m->msg_flags & MSG_TRUNC || !read_local(s, m, &local)) {
			l->stats.dropped++;
			continue;
		}
		/* Of those that came together one asking for the name is enough. */
		if (!known || local.ifindex != last)
			key = dns_socket_key(s, local.ifindex);
		known = true;
		last = local.ifindex;
		ask(s, (unsigned)i, key, &local);
	}
	b->sock = NULL;
	flush(l, s);
}
