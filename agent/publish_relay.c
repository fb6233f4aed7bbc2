/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A relayed connection is two streams and two directions. Each direction has at most one piece of data: read, then written whole, then the next is
 * read; so a slow reader stops its writer and the memory is bounded. The buffer is there only while data is in it.
 */
#include <netinet/tcp.h>
#include <utlist.h>
#include "agent/publish_priv.h"
#include "base/mem.h"

#define KEEPALIVE_S 60
#define SYN_RETRIES 3 /* 15 s until a container that does not answer is given up */

enum { CLIENT, CONTAINER };

struct end {
	struct publish_relay *relay;
	uv_tcp_t tcp;
	/* of the direction that begins here */
	uv_write_t write;
	uv_shutdown_t shutdown;
	char *buf;
	bool over; /* end of file was passed on */
};
struct publish_relay {
	struct publishes *ps;
	const struct publish_owner *owner;
	struct end end[2];
	uv_connect_t connect;
	unsigned handles;
	bool cut;
	struct publish_relay *prev, *next;
};

static struct end *other(struct end *from)
{
	return &from->relay->end[from == &from->relay->end[CLIENT] ? CONTAINER : CLIENT];
}

static void on_closed(uv_handle_t *h)
{
	struct publish_relay *r = ((struct end *)h->data)->relay;

	if (--r->handles > 0)
		return;
	free(r->end[CLIENT].buf);
	free(r->end[CONTAINER].buf);
	publish_unref(r->ps);
	free(r);
}

/* @reset: a peer that failed is passed on as a failure, not as the end of the data. */
static void cut(struct publish_relay *r, bool reset)
{
	if (r->cut)
		return;
	r->cut = true;
	DL_DELETE(r->ps->relays, r);
	r->ps->stats.tcp_relays--;
	for (size_t i = 0; i < ARRAY_SIZE(r->end); i++) {
		uv_tcp_t *tcp = &r->end[i].tcp;

		if (tcp->data && (!reset || uv_tcp_close_reset(tcp, on_closed) < 0))
			uv_close((uv_handle_t *)tcp, on_closed);
	}
}

static void on_alloc(uv_handle_t *h, size_t size, uv_buf_t *ret)
{
	struct end *from = h->data;

	(void)size;
	if (!from->buf)
		from->buf = mem_grow(NULL, PUBLISH_RELAY_BUFFER, 1);
	*ret = uv_buf_init(from->buf, PUBLISH_RELAY_BUFFER);
}

static void free_buf(struct end *from)
{
	free(from->buf);
	from->buf = NULL;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void on_written(uv_write_t *w, int status)
{
	struct end *from = w->data;

	free_buf(from);
	if (from->relay->cut)
		return;
	if (status < 0 || uv_read_start((uv_stream_t *)&from->tcp, on_alloc, on_read) < 0)
		cut(from->relay, true);
}

static void on_shutdown(uv_shutdown_t *s, int status)
{
	struct end *from = s->data;

	if (from->relay->cut)
		return;
	from->over = true;
	if (status < 0 || other(from)->over)
		cut(from->relay, status < 0);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct end *from = stream->data;
	uv_stream_t *to = (uv_stream_t *)&other(from)->tcp;
	uv_buf_t data = uv_buf_init(buf->base, (unsigned)(n > 0 ? n : 0));
	int r = 0;

	if (n <= 0)
		free_buf(from);
	if (n == 0)
		return;
	uv_read_stop(stream);
	if (n == UV_EOF)
		r = uv_shutdown(&from->shutdown, to, on_shutdown);
	else if (n < 0)
		r = (int)n;
	else
		r = uv_write(&from->write, to, &data, 1, on_written);
	if (r < 0)
		cut(from->relay, true);
}

static void on_connected(uv_connect_t *c, int status)
{
	struct publish_relay *r = c->data;

	if (r->cut)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(r->end) && status == 0; i++) {
		uv_tcp_nodelay(&r->end[i].tcp, 1);
		uv_tcp_keepalive(&r->end[i].tcp, 1, KEEPALIVE_S);
		status = uv_read_start((uv_stream_t *)&r->end[i].tcp, on_alloc, on_read);
	}
	if (status < 0)
		cut(r, true);
}

static void init_end(struct publish_relay *r, struct end *end)
{
	end->relay = r;
	end->tcp.data = end->write.data = end->shutdown.data = end;
	r->handles++;
}

static int connect_container(struct publish_relay *r, struct ip ip, uint16_t port)
{
	struct end *end = &r->end[CONTAINER];
	struct sockaddr_storage ss;
	int syn_retries = SYN_RETRIES, fd, n;

	ip_to_sockaddr(ip, port, &ss);
	n = uv_tcp_init_ex(r->ps->loop, &end->tcp, ip.family);
	if (n < 0)
		return n;
	init_end(r, end);
	if (uv_fileno((uv_handle_t *)&end->tcp, &fd) == 0)
		setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &syn_retries, sizeof(syn_retries));
	r->connect.data = r;
	return uv_tcp_connect(&r->connect, &end->tcp, (struct sockaddr *)&ss, on_connected);
}

static int family_of(const uv_tcp_t *tcp)
{
	struct sockaddr_storage ss = { 0 };
	int len = sizeof(ss);

	return uv_tcp_getsockname(tcp, (struct sockaddr *)&ss, &len) < 0 ? 0 : ss.ss_family;
}

void publish_relay_accept(uv_stream_t *server, int status)
{
	struct publish_sock *s = server->data;
	struct publishes *ps = s->ps;
	struct publish_relay *r;
	struct ip where;

	if (status < 0)
		return;
	r = mem_alloc(sizeof(*r));
	r->ps = ps;
	r->owner = s->port->owner;
	if (uv_tcp_init(ps->loop, &r->end[CLIENT].tcp) < 0) {
		free(r);
		return;
	}
	publish_ref(ps);
	init_end(r, &r->end[CLIENT]);
	DL_APPEND(ps->relays, r);
	ps->stats.tcp_relays++;
	if (uv_accept(server, (uv_stream_t *)&r->end[CLIENT].tcp) < 0) {
		cut(r, false);
		return;
	}
	where = publish_where(r->owner, family_of(&r->end[CLIENT].tcp));
	if (!ip_is_set(where) || ps->stats.tcp_relays > PUBLISH_RELAYS_MAX ||
	    connect_container(r, where, s->port->p.port) < 0) {
		ps->stats.refused++;
		cut(r, true);
		return;
	}
	ps->stats.relayed++;
}

void publish_relay_cut(struct publishes *ps, const struct publish_owner *o)
{
	struct publish_relay *r, *tmp;

	DL_FOREACH_SAFE(ps->relays, r, tmp) {
		if (r->owner == o)
			cut(r, true);
	}
}
