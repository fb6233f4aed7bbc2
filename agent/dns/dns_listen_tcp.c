/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection is read into a buffer that holds one question whole; what is complete is asked, DNS_LISTEN_BATCH in a turn of the loop, and
 * DNS_LISTEN_TCP_QUESTIONS_MAX under way. One that has ended on the client's side is closed when its last answer has left. A new one at the bounds
 * takes the place of the one longest silent.
 *
 * Not a stream of libuv: that reads up to 32 times in a turn, of each connection.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <utlist.h>
#include "agent/dns/dns_listen_priv.h"
#include "base/buf.h"
#include "base/mem.h"

#define FRAME 2 /* bytes of length before each message (RFC 1035 §4.2.2) */
#define OUT_SLOW DNS_PACKET_MAX /* bytes not fetched: no more questions until some are */

struct dns_connection {
	struct dns_listen *l;
	const struct dns_socket *sock; /* it came by */
	struct dns_from from;
	int fd;
	uv_poll_t poll;
	int events;
	bool closed, ended, busy; /* busy: within its own turn */
	struct dns_asker *askers;
	unsigned under_way; /* questions */
	uint64_t used_ms; /* last question that was whole, or bytes that left */
	size_t n_in;
	uint8_t in[FRAME + DNS_LISTEN_QUESTION_MAX];
	struct buf out; /* what the socket did not take yet */
	struct dns_connection *prev, *next;
};

static void on_closed(uv_handle_t *h)
{
	struct dns_connection *c = h->data;
	struct dns_listen *l = c->l;

	free(c);
	dns_listen_unref(l);
}

static void close_one(struct dns_connection *c)
{
	struct dns_listen *l = c->l;

	if (c->closed)
		return;
	c->closed = true;
	/* The analyzer takes it for the first of several without a next. */
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	DL_DELETE(l->connections, c);
	l->n_connections--;
	l->out_bytes -= c->out.len;
	buf_done(&c->out);
	uv_close((uv_handle_t *)&c->poll, on_closed);
	close(c->fd);
	while (c->askers) {
		struct dns_asker *a = c->askers;

		DL_DELETE(c->askers, a);
		dns_asker_gone(a);
	}
	if (l->paused && !l->closed)
		dns_listen_resume(l);
}

void dns_tcp_close(struct dns_listen *l, const struct dns_socket *s)
{
	struct dns_connection *c, *tmp;

	DL_FOREACH_SAFE(l->connections, c, tmp) {
		if (!s || c->sock == s)
			close_one(c);
	}
}

/* One that does not fetch its answers is silent too; one that waits for them is not. */
void dns_tcp_idle(struct dns_listen *l)
{
	uint64_t now_ms = uv_now(l->loop);
	struct dns_connection *c, *tmp;

	DL_FOREACH_SAFE(l->connections, c, tmp) {
		if (now_ms - c->used_ms < l->idle_ms)
			return;
		if (c->under_way == 0)
			close_one(c);
	}
}

static void touch(struct dns_connection *c)
{
	c->used_ms = uv_now(c->l->loop);
	if (!c->next) /* the last already */
		return;
	DL_DELETE(c->l->connections, c);
	DL_APPEND(c->l->connections, c);
}

/* Bytes of the question at the front of the buffer; 0: not told yet. */
static size_t front(const struct dns_connection *c)
{
	return c->n_in >= FRAME ? FRAME + ((size_t)c->in[0] << 8 | c->in[1]) : 0;
}

static bool is_whole(const struct dns_connection *c)
{
	return front(c) > 0 && front(c) <= c->n_in;
}

static bool may_ask(const struct dns_connection *c)
{
	return c->under_way < DNS_LISTEN_TCP_QUESTIONS_MAX && c->out.len <= OUT_SLOW;
}

static void ask(struct dns_connection *c)
{
	struct dns_asker *a = dns_asker_new(c->l);
	uint8_t question[DNS_LISTEN_QUESTION_MAX];
	size_t len = front(c);

	memcpy(question, c->in + FRAME, len - FRAME);
	c->n_in -= len;
	memmove(c->in, c->in + len, c->n_in);
	a->conn = c;
	DL_APPEND(c->askers, a);
	c->under_way++;
	c->l->stats.tcp++;
	touch(c);
	dns_asker_ask(a, &c->from, question, len - FRAME);
}

static void on_poll(uv_poll_t *h, int status, int events);

/*
 * What to wait for next. A socket that is writable is so at once: the next turn, where questions are there already. One that has ended would be
 * readable for ever.
 */
static void settle(struct dns_connection *c)
{
	int events = 0;

	if (c->busy || c->closed)
		return;
	if (front(c) > sizeof(c->in) ||
	    (c->ended && c->under_way == 0 && c->out.len == 0 && !is_whole(c))) {
		close_one(c);
		return;
	}
	if (c->out.len > 0 || (may_ask(c) && is_whole(c)))
		events |= UV_WRITABLE;
	if (may_ask(c) && !c->ended && c->n_in < sizeof(c->in))
		events |= UV_READABLE;
	if (events == c->events)
		return;
	c->events = events;
	if (events == 0)
		uv_poll_stop(&c->poll);
	else if (uv_poll_start(&c->poll, events, on_poll) < 0)
		close_one(c);
}

/* Return: whether the connection goes on. */
static bool flush(struct dns_connection *c)
{
	ssize_t n;

	if (c->out.len == 0)
		return true;
	n = send(c->fd, c->out.data, c->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	buf_drop(&c->out, (size_t)n);
	c->l->out_bytes -= (size_t)n;
	touch(c);
	if (c->out.len == 0) { /* the memory too */
		buf_done(&c->out);
		buf_init(&c->out, DNS_LISTEN_TCP_OUT_MAX);
	}
	return true;
}

static bool receive(struct dns_connection *c)
{
	ssize_t n;

	if (c->n_in == sizeof(c->in))
		return true;
	n = recv(c->fd, c->in + c->n_in, sizeof(c->in) - c->n_in, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->ended = n == 0;
	c->n_in += (size_t)n;
	return true;
}

static void on_poll(uv_poll_t *h, int status, int events)
{
	struct dns_connection *c = h->data;

	if (status < 0 || !flush(c) || (events & UV_READABLE && !c->ended && !receive(c))) {
		close_one(c);
		return;
	}
	c->busy = true;
	for (unsigned i = 0; i < DNS_LISTEN_BATCH && !c->closed && may_ask(c) && is_whole(c); i++)
		ask(c);
	c->busy = false;
	settle(c);
}

/* A client that fetches nothing is not waited for with any amount of it. Return: whether the connection goes on. */
static bool write_later(struct dns_connection *c, const uint8_t *data, size_t len)
{
	struct dns_listen *l = c->l;

	if (l->out_bytes + len > DNS_LISTEN_TCP_OUT_ALL_MAX || buf_append(&c->out, data, len) < 0)
		return false;
	l->out_bytes += len;
	return true;
}

static bool write_answer(struct dns_connection *c, const uint8_t *pkt, size_t len)
{
	uint8_t frame[FRAME] = { (uint8_t)(len >> 8), (uint8_t)len };
	struct iovec v[] = { { frame, FRAME }, { (void *)pkt, len } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = ARRAY_SIZE(v) };
	size_t n = 0;

	if (c->out.len == 0) {
		ssize_t sent = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		n = sent < 0 ? 0 : (size_t)sent;
	}
	if (n > 0)
		touch(c);
	if (n < FRAME && !write_later(c, frame + n, FRAME - n))
		return false;
	n = n < FRAME ? 0 : n - FRAME;
	return n == len || write_later(c, pkt + n, len - n);
}

void dns_tcp_drop(struct dns_asker *a)
{
	struct dns_connection *c = a->conn;

	DL_DELETE(c->askers, a);
	c->under_way--;
	settle(c);
}

/* Settled after it is written: one that has ended waits for nothing else. */
void dns_tcp_answer(struct dns_asker *a, const uint8_t *pkt, size_t len)
{
	struct dns_connection *c = a->conn;

	DL_DELETE(c->askers, a);
	c->under_way--;
	if (!write_answer(c, pkt, len)) {
		a->l->stats.dropped++;
		close_one(c);
	}
	settle(c);
}

/*
 * The interface that it came by, which accept(2) does not tell: the kernel keeps it (tcp_v4_syn_recv_sock(), tcp_v6_syn_recv_sock()) and gives it to
 * those whose listener has PKTINFO set (tests/kernel_facts/fact_dns_sockets.c).
 */
static unsigned read_ifindex(int fd, int family)
{
	union dns_control control = { 0 };
	socklen_t len = sizeof(control);
	bool v6 = family == AF_INET6;
	struct msghdr m = { .msg_control = &control };

	if (getsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_2292PKTOPTIONS : IP_PKTOPTIONS,
		       &control, &len) < 0)
		return 0;
	m.msg_controllen = len;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
			return (unsigned)((struct in_pktinfo *)CMSG_DATA(c))->ipi_ifindex;
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			return ((struct in6_pktinfo *)CMSG_DATA(c))->ipi6_ifindex;
	}
	return 0;
}

/* Close the one longest silent, of @from's or of all, that waits for no answer. */
static bool make_room(struct dns_listen *l, const struct dns_from *from)
{
	struct dns_connection *c;

	DL_FOREACH(l->connections, c) {
		if (c->under_way == 0 &&
		    (!from || (c->from.key == from->key && ip_eq(c->from.source, from->source)))) {
			close_one(c);
			return true;
		}
	}
	return false;
}

static bool has_room(struct dns_listen *l, const struct dns_from *from)
{
	struct dns_connection *c;
	size_t n = 0;

	DL_FOREACH(l->connections, c)
		n += c->from.key == from->key && ip_eq(c->from.source, from->source);
	if (n >= DNS_LISTEN_TCP_SOURCE_MAX)
		return make_room(l, from);
	return l->n_connections < DNS_LISTEN_TCP_MAX || make_room(l, NULL);
}

/* Takes @fd. */
static void connection_new(struct dns_socket *s, int fd, const union dns_sockaddr *peer)
{
	struct dns_listen *l = s->l;
	struct dns_from from = { .tcp = true };
	struct dns_connection *c;
	int one = 1;

	if (ip_from_sockaddr(&peer->any, &from.source) == 0)
		from.key =
			dns_socket_key(s, s->overlay ? read_ifindex(fd, peer->any.sa_family) : 0);
	if (!ip_is_set(from.source) || !has_room(l, &from)) {
		l->stats.dropped++;
		close(fd);
		return;
	}
	c = mem_alloc(sizeof(*c));
	if (uv_poll_init(l->loop, &c->poll, fd) < 0) {
		free(c);
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	buf_init(&c->out, DNS_LISTEN_TCP_OUT_MAX);
	c->l = l;
	c->sock = s;
	c->from = from;
	c->fd = fd;
	c->poll.data = c;
	c->used_ms = uv_now(l->loop);
	dns_listen_ref(l);
	DL_APPEND(l->connections, c);
	l->n_connections++;
	dns_listen_timer(l);
	settle(c);
}

void dns_tcp_acceptable(uv_poll_t *h, int status, int events)
{
	struct dns_socket *s = h->data;

	(void)events;
	if (status < 0)
		uv_poll_start(h, UV_READABLE, dns_tcp_acceptable);
	for (unsigned i = 0; i < DNS_LISTEN_BATCH && s->fd >= 0; i++) {
		union dns_sockaddr peer = { 0 };
		socklen_t len = sizeof(peer);
		int fd = accept4(s->fd, &peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			connection_new(s, fd, &peer);
			continue;
		}
		/* Out of descriptors or memory it stays acceptable: the loop would turn for nothing. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			uv_poll_stop(h);
			s->paused = s->l->paused = true;
			dns_listen_timer(s->l);
			return;
		}
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}
