/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include "agent/publish_priv.h"
#include "base/mem.h"

static int set_option(int fd, int level, int option)
{
	int one = 1;

	return setsockopt(fd, level, option, &one, sizeof(one)) < 0 ? -errno : 0;
}

/*
 * SO_REUSEADDR: connections in TIME_WAIT, left by an earlier container, do not keep the port; others are kept off all the same while ours listens.
 * For a port of the kernel's choice it comes after bind(2), or one that others use in that way could be chosen.
 */
static int set_up(int fd, uint8_t proto, struct ip ip, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(ip, port, &ss);
	int r = 0;

	if (ip.family == AF_INET6)
		r = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (r == 0 && proto == IPPROTO_UDP)
		r = ip.family == AF_INET6 ? set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO) :
					    set_option(fd, IPPROTO_IP, IP_PKTINFO);
	if (r == 0 && proto == IPPROTO_TCP && port != 0)
		r = set_option(fd, SOL_SOCKET, SO_REUSEADDR);
	if (r < 0)
		return r;
	if (bind(fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	if (proto != IPPROTO_TCP)
		return 0;
	if (port == 0)
		r = set_option(fd, SOL_SOCKET, SO_REUSEADDR);
	if (r == 0 && listen(fd, SOMAXCONN) < 0)
		r = -errno;
	return r;
}

int publish_sock_bind(uint8_t proto, struct ip ip, uint16_t port, int *ret_fd, uint16_t *ret_port)
{
	int type = proto == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM, r;
	_cleanup_close_ int fd = socket(ip.family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, proto);
	union {
		struct sockaddr_in6 in6;
		struct sockaddr_in in;
	} sa = { 0 };
	socklen_t len = sizeof(sa);

	if (fd < 0 && errno == EPROTONOSUPPORT && proto == IPPROTO_SCTP) {
		*ret_fd = -1;
		*ret_port = port;
		return 0;
	}
	if (fd < 0)
		return -errno;
	r = set_up(fd, proto, ip, port);
	if (r < 0)
		return r;
	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return -errno;
	*ret_port = ntohs(sa.in.sin_port); /* the same place in both families */
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct publish_sock *s = h->data;

	publish_unref(s->ps);
	free(s);
}

/* A TCP socket handed over belongs to libuv from then on, even when listening fails. */
static int begin_tcp(struct publish_sock *s)
{
	int r = uv_tcp_init(s->ps->loop, &s->h.tcp);

	if (r < 0)
		return r;
	publish_ref(s->ps);
	s->h.any.data = s;
	r = uv_tcp_open(&s->h.tcp, s->fd);
	if (r == 0) {
		s->fd = -1;
		r = uv_listen((uv_stream_t *)&s->h.tcp, SOMAXCONN, publish_relay_accept);
	}
	return r;
}

static int begin_udp(struct publish_sock *s)
{
	int r = uv_poll_init(s->ps->loop, &s->h.poll, s->fd);

	if (r < 0)
		return r;
	publish_ref(s->ps);
	s->h.any.data = s;
	return uv_poll_start(&s->h.poll, UV_READABLE, publish_udp_readable);
}

int publish_sock_open(struct publishes *ps, const struct publish_port *port, int fd,
		      struct publish_sock **ret)
{
	struct publish_sock *s = mem_alloc(sizeof(*s));
	int r = 0;

	s->ps = ps;
	s->port = port;
	s->fd = fd;
	if (port->p.proto == IPPROTO_TCP)
		r = begin_tcp(s);
	else if (port->p.proto == IPPROTO_UDP)
		r = begin_udp(s);
	if (r < 0) {
		publish_sock_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

/* libuv lets go of a descriptor within uv_close(): closing it afterwards is safe. */
void publish_sock_close(struct publish_sock *s)
{
	int fd;

	if (!s)
		return;
	fd = s->fd;
	s->port = NULL;
	if (s->h.any.data)
		uv_close(&s->h.any, on_closed);
	else
		free(s);
	if (fd >= 0)
		close(fd);
}
