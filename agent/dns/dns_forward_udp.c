/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One try by UDP: a socket of its own, connected, so that the kernel chooses the source port at random and lets nobody else's datagrams in, and
 * the server's refusal (ICMP) comes back as an error of it.
 */
#include <errno.h>
#include <string.h>
#include "agent/dns/dns_forward_priv.h"
#include "base/mem.h"

struct dns_forward_udp {
	struct dns_forward *f;
	struct dns_forward_question *question; /* NULL: closed */
	uv_poll_t poll;
	int fd;
	uint16_t id;
	unsigned wrong;
};

static void on_closed(uv_handle_t *h)
{
	struct dns_forward_udp *u = h->data;

	dns_forward_unref(u->f);
	free(u);
}

void dns_forward_udp_close(struct dns_forward_udp *u)
{
	if (!u)
		return;
	u->question->udp = NULL;
	u->question = NULL;
	uv_close((uv_handle_t *)&u->poll, on_closed);
	close(u->fd);
}

bool dns_forward_udp_read(struct dns_forward_udp *u)
{
	struct dns_forward *f = u->f;
	struct dns_reply r;

	while (u->wrong < DNS_FORWARD_WRONG_MAX) {
		ssize_t n = recv(u->fd, f->in, sizeof(f->in), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0) {
			dns_forward_question_failed(u->question, DNS_FORWARD_ERRNO, -errno);
			return true;
		}
		if (dns_reply_check(f->in, (size_t)n, &u->question->query, u->id, &r) == 0) {
			dns_forward_question_answer(u->question, f->in, (size_t)n, &r);
			return true;
		}
		u->wrong++;
	}
	dns_forward_question_failed(u->question, DNS_FORWARD_WRONG, 0);
	return true;
}

static void on_readable(uv_poll_t *h, int status, int events)
{
	(void)status; /* a pending error, which reading takes away */
	(void)events;
	dns_forward_udp_read(h->data);
}

static int open_to(struct dns_server_addr a)
{
	struct sockaddr_storage ss;
	socklen_t len = ip_to_sockaddr(a.ip, a.port, &ss);
	_cleanup_close_ int fd = socket(a.ip.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* The asker's own bytes with another id. */
static int send_as(int fd, const struct dns_forward_question *q, uint16_t id)
{
	uint8_t pkt[DNS_FORWARD_QUESTION_MAX];

	memcpy(pkt, q->pkt, q->len);
	pkt[0] = (uint8_t)(id >> 8);
	pkt[1] = (uint8_t)id;
	return send(fd, pkt, q->len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int dns_forward_udp_start(struct dns_forward_question *q, struct dns_server_addr a)
{
	_cleanup_close_ int fd = open_to(a);
	uint16_t id = dns_forward_id(q->f);
	struct dns_forward_udp *u;
	int r = fd < 0 ? fd : send_as(fd, q, id);

	if (r < 0)
		return r;
	u = mem_alloc(sizeof(*u));
	r = uv_poll_init(q->f->loop, &u->poll, fd);
	if (r < 0) {
		free(u);
		return r;
	}
	dns_forward_ref(q->f);
	u->f = q->f;
	u->question = q;
	u->poll.data = u;
	u->fd = TAKE_FD(fd);
	u->id = id;
	q->udp = u;
	r = uv_poll_start(&u->poll, UV_READABLE, on_readable);
	if (r < 0)
		dns_forward_udp_close(u);
	return r;
}
