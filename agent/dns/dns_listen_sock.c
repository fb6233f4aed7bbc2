/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include "agent/dns/dns_listen_priv.h"
#include "base/mem.h"
#include "overlay/netns.h"
#include "overlay/state.h"

/* A burst of all networks' containers, which may all ask one address (of the way out) while the loop is busy; a question takes about 800. */
#define UDP_RECEIVE_BYTES (1024 * 1024) /* the kernel doubles it */
#define TCP_RECEIVE_BYTES (32 * 1024) /* in the kernel, of each connection; it doubles both */
#define TCP_SEND_BYTES (128 * 1024)
#define BACKLOG 256

static int set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/*
 * Before bind(2). REUSEADDR and REUSEPORT: beside a resolver that has the port on all addresses, as far as it lets us. PKTINFO: for the network
 * and the address of a question; of a TCP connection IP_PKTOPTIONS tells them where this is set.
 */
static int set_options(const struct dns_socket *s, int family)
{
	bool v6 = family == AF_INET6;
	int r = set_option(s->fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (r == 0)
		r = set_option(s->fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (r == 0 && v6)
		r = set_option(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (r == 0 && s->tcp)
		r = set_option(s->fd, SOL_SOCKET, SO_RCVBUF, TCP_RECEIVE_BYTES);
	if (r == 0 && s->tcp)
		r = set_option(s->fd, SOL_SOCKET, SO_SNDBUF, TCP_SEND_BYTES);
	if (r < 0)
		return r;
	if (!s->tcp)
		set_option(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, UDP_RECEIVE_BYTES);
	if (s->overlay)
		return v6 ? set_option(s->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) :
			    set_option(s->fd, IPPROTO_IP, IP_PKTINFO, 1);
	return v6 ? set_option(s->fd, IPPROTO_IPV6, IPV6_FREEBIND, 1) :
		    set_option(s->fd, IPPROTO_IP, IP_FREEBIND, 1);
}

static void on_closed(uv_handle_t *h)
{
	struct dns_socket *s = h->data;
	struct dns_listen *l = s->l;

	free(s);
	dns_listen_unref(l);
}

/* From here on the handle has the socket. */
static int begin(struct dns_socket *s)
{
	int r;

	if (s->tcp && listen(s->fd, BACKLOG) < 0)
		return -errno;
	r = uv_poll_init(s->l->loop, &s->poll, s->fd);
	if (r < 0)
		return r;
	s->poll.data = s;
	dns_listen_ref(s->l);
	return uv_poll_start(&s->poll, UV_READABLE, s->tcp ? dns_tcp_acceptable : dns_udp_readable);
}

void dns_socket_close(struct dns_socket *s)
{
	int fd;

	if (!s)
		return;
	fd = s->fd;
	s->fd = -1;
	if (s->poll.data) {
		if (s->tcp)
			dns_tcp_close(s->l, s);
		else
			dns_udp_gone(s->l, s);
		uv_close((uv_handle_t *)&s->poll, on_closed);
	} else {
		free(s);
	}
	if (fd >= 0) /* libuv has let go of it within uv_close() */
		close(fd);
}

static void closep(struct dns_socket **s)
{
	dns_socket_close(*s);
}

static struct dns_socket *socket_new(struct dns_listen *l, bool tcp)
{
	struct dns_socket *s = mem_alloc(sizeof(*s));

	s->l = l;
	s->tcp = tcp;
	s->fd = -1;
	return s;
}

int dns_socket_overlay(struct dns_listen *l, int nsfd, int family, bool tcp,
		       struct dns_socket **ret)
{
	_cleanup_(closep) struct dns_socket *s = socket_new(l, tcp);
	union dns_sockaddr sa = { .any.sa_family = (sa_family_t)family };
	int r;

	s->overlay = true;
	s->fd = netns_socket(nsfd, family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return s->fd;
	r = set_options(s, family);
	if (r < 0)
		return r;
	sa.in.sin_port = htons(DNS_PORT); /* the same place in both */
	if (bind(s->fd, &sa.any, family == AF_INET6 ? sizeof(sa.in6) : sizeof(sa.in)) < 0)
		return -errno;
	r = begin(s);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

int dns_socket_host(struct dns_listen *l, const struct dns_host *h, bool tcp,
		    struct dns_socket **ret)
{
	_cleanup_(closep) struct dns_socket *s = socket_new(l, tcp);
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(h->key.ip, DNS_PORT, &ss);
	int family = h->key.ip.family, r;

	s->key = h->key.key;
	s->fd = socket(family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return -errno;
	r = set_options(s, family);
	/* By number: the name may be another's in the meantime. */
	if (r == 0)
		r = set_option(s->fd, SOL_SOCKET, SO_BINDTOIFINDEX, (int)h->ifindex);
	if (r < 0)
		return r;
	if (family == AF_INET6 && ip_is_link_local(h->key.ip))
		((struct sockaddr_in6 *)&ss)->sin6_scope_id = h->ifindex;
	if (bind(s->fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	r = begin(s);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

/* Asked of the socket, it is its own namespace that answers; and at once, so that no index used again can mislead. */
uint32_t dns_socket_key(const struct dns_socket *s, unsigned ifindex)
{
	struct ifreq ifr = { .ifr_ifindex = (int)ifindex };
	char name[IFNAMSIZ];
	unsigned long vni;

	if (!s->overlay)
		return s->key;
	if (ioctl(s->fd, SIOCGIFNAME, &ifr) < 0 || strncmp(ifr.ifr_name, "br", 2) != 0)
		return 0;
	vni = strtoul(ifr.ifr_name + 2, NULL, 10);
	if (vni == 0 || vni >= STATE_KEY_LOCAL)
		return 0;
	state_bridge_name((uint32_t)vni, name);
	return strcmp(name, ifr.ifr_name) == 0 ? (uint32_t)vni : 0;
}
