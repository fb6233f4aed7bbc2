/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client is an address and port that sent to one of our addresses. It gets a socket of its own, connected to the container; what comes back on
 * that leaves from the address the client had sent to.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <utlist.h>
#include "agent/publish_priv.h"
#include "base/mem.h"

#define BURST 64 /* datagrams of one socket in a turn of the loop */
#define IDLE_CHECKS 4 /* in an idle time */

/* Bytes compared: zeroed before it is filled. */
struct key {
	const struct publish_sock *sock;
	struct ip peer, local;
	uint16_t port;
	uint32_t scope; /* of link-local peers */
};
struct publish_client {
	struct publishes *ps;
	struct key key;
	int fd;
	uv_poll_t poll;
	uint64_t used_ms;
	struct publish_client *prev, *next; /* ps->idle */
	UT_hash_handle hh;
};

static void on_closed(uv_handle_t *h)
{
	struct publish_client *c = h->data;

	publish_unref(c->ps);
	free(c);
}

static void cut(struct publish_client *c)
{
	struct publishes *ps = c->ps;

	HASH_DEL(ps->clients, c);
	DL_DELETE(ps->idle, c);
	ps->stats.udp_relays--;
	uv_close((uv_handle_t *)&c->poll, on_closed);
	close(c->fd);
	if (!ps->clients)
		uv_timer_stop(&ps->timer);
}

static void on_timer(uv_timer_t *t)
{
	struct publishes *ps = t->data;
	uint64_t now_ms = uv_now(ps->loop);

	while (ps->idle && now_ms - ps->idle->used_ms >= ps->udp_idle_ms)
		cut(ps->idle);
}

static void touch(struct publish_client *c)
{
	c->used_ms = uv_now(c->ps->loop);
	DL_DELETE(c->ps->idle, c);
	DL_APPEND(c->ps->idle, c);
}

/* Our address, from the control message. A multicast one cannot be answered from. */
static struct ip read_local(struct msghdr *m)
{
	struct ip ip = { 0 };

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			const struct in_pktinfo *i = (void *)CMSG_DATA(c);

			ip.family = AF_INET;
			memcpy(ip.b, &i->ipi_spec_dst, 4);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			const struct in6_pktinfo *i = (void *)CMSG_DATA(c);

			ip.family = AF_INET6;
			memcpy(ip.b, &i->ipi6_addr, 16);
		}
	}
	return ip_is_multicast(ip) ? (struct ip){ 0 } : ip;
}

static size_t write_local(struct ip ip, uint32_t ifindex, struct cmsghdr *c)
{
	struct in_pktinfo *i4 = (void *)CMSG_DATA(c);
	struct in6_pktinfo *i6 = (void *)CMSG_DATA(c);

	if (!ip_is_set(ip))
		return 0;
	if (ip.family == AF_INET) {
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(*i4));
		memcpy(&i4->ipi_spec_dst, ip.b, 4);
		return CMSG_SPACE(sizeof(*i4));
	}
	c->cmsg_level = IPPROTO_IPV6;
	c->cmsg_type = IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(*i6));
	memcpy(&i6->ipi6_addr, ip.b, 16);
	i6->ipi6_ifindex = ifindex; /* 0 but for link-local addresses, which mean nothing without */
	return CMSG_SPACE(sizeof(*i6));
}

union control {
	char buf[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo))];
	struct cmsghdr align;
};

static void answer(const struct publish_client *c, char *data, size_t n)
{
	struct sockaddr_storage ss;
	union control control = { 0 };
	struct iovec iov = { .iov_base = data, .iov_len = n };
	struct msghdr m = {
		.msg_name = &ss, .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf
	};

	m.msg_namelen = ip_to_sockaddr(c->key.peer, c->key.port, &ss);
	if (c->key.peer.family == AF_INET6)
		((struct sockaddr_in6 *)&ss)->sin6_scope_id = c->key.scope;
	m.msg_controllen = write_local(c->key.local, c->key.scope, &control.align);
	if (m.msg_controllen == 0)
		m.msg_control = NULL;
	/* Full: lost, as datagrams are. */
	sendmsg(c->key.sock->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void on_answer(uv_poll_t *h, int status, int events)
{
	struct publish_client *c = h->data;

	(void)events;
	/* libuv stops at a pending error; reading it below takes it away. */
	if (status < 0 && uv_poll_start(h, UV_READABLE, on_answer) < 0) {
		cut(c);
		return;
	}
	for (unsigned i = 0; i < BURST; i++) {
		ssize_t n = recv(c->fd, c->ps->datagram, sizeof(c->ps->datagram), MSG_DONTWAIT);

		if (n >= 0)
			answer(c, c->ps->datagram, (size_t)n);
		else if (errno != ECONNREFUSED &&
			 errno != EINTR) /* refused: nobody listens in the container, yet */
			break;
	}
	touch(c);
}

static int connect_container(struct ip where, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(where, port, &ss);
	_cleanup_close_ int fd = socket(where.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static struct publish_client *client_new(struct publishes *ps, const struct key *key)
{
	const struct publish_port *port = key->sock->port;
	struct ip where = publish_where(port->owner, key->peer.family);
	struct publish_client *c;
	int fd;

	if (!ip_is_set(where) || ps->stats.udp_relays >= PUBLISH_RELAYS_MAX)
		return NULL;
	fd = connect_container(where, port->p.port);
	if (fd < 0)
		return NULL;
	c = mem_alloc(sizeof(*c));
	if (uv_poll_init(ps->loop, &c->poll, fd) < 0) {
		free(c);
		close(fd);
		return NULL;
	}
	publish_ref(ps);
	c->ps = ps;
	c->poll.data = c;
	c->fd = fd;
	memcpy(&c->key, key, sizeof(*key));
	uv_poll_start(&c->poll, UV_READABLE, on_answer);
	if (!ps->clients) {
		uint64_t every_ms = ps->udp_idle_ms / IDLE_CHECKS;

		ps->timer.data = ps;
		uv_timer_start(&ps->timer, on_timer, every_ms, every_ms);
	}
	HASH_ADD(hh, ps->clients, key, sizeof(c->key), c);
	DL_APPEND(ps->idle, c);
	ps->stats.udp_relays++;
	ps->stats.relayed++;
	return c;
}

static void pass_on(struct publishes *ps, const struct key *key, const char *data, size_t n)
{
	struct publish_client *c;

	HASH_FIND(hh, ps->clients, key, sizeof(*key), c);
	if (!c)
		c = client_new(ps, key);
	if (!c) {
		ps->stats.refused++;
		return;
	}
	touch(c);
	/* The first may only fetch the error that an earlier one has left (ECONNREFUSED). */
	if (send(c->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == ECONNREFUSED)
		send(c->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void publish_udp_readable(uv_poll_t *h, int status, int events)
{
	const struct publish_sock *s = h->data;
	struct publishes *ps = s->ps;

	(void)events;
	if (status < 0) /* libuv stopped at a pending error, which reading takes away */
		uv_poll_start(h, UV_READABLE, publish_udp_readable);
	for (unsigned i = 0; i < BURST; i++) {
		struct sockaddr_storage ss = { 0 };
		union control control = { 0 };
		struct iovec iov = { .iov_base = ps->datagram, .iov_len = sizeof(ps->datagram) };
		struct msghdr m = { .msg_name = &ss,
				    .msg_namelen = sizeof(ss),
				    .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = control.buf,
				    .msg_controllen = sizeof(control.buf) };
		ssize_t n = recvmsg(s->fd, &m, MSG_DONTWAIT);
		struct key key;

		if (n < 0)
			return;
		memset(&key, 0, sizeof(key));
		key.sock = s;
		key.local = read_local(&m);
		if (ip_from_sockaddr((struct sockaddr *)&ss, &key.peer) < 0)
			continue;
		key.port =
			ntohs(((struct sockaddr_in *)&ss)->sin_port); /* the same place in both */
		if (ss.ss_family == AF_INET6)
			key.scope = ((struct sockaddr_in6 *)&ss)->sin6_scope_id;
		pass_on(ps, &key, ps->datagram, (size_t)n);
	}
}

void publish_udp_cut(struct publishes *ps, const struct publish_owner *o)
{
	struct publish_client *c, *tmp;

	DL_FOREACH_SAFE(ps->idle, c, tmp) {
		if (c->key.sock->port->owner == o)
			cut(c);
	}
}
