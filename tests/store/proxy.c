/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/store/proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/mem.h"

struct proxy {
	uv_tcp_t listener;
	struct sockaddr_in to;
	int port;
	enum proxy_mode mode;
	struct link *links;
	unsigned handles;
};
/* One connection: the client's side and etcd's. */
struct link {
	struct proxy *proxy;
	struct link *prev, *next;
	uv_tcp_t side[2];
	uv_connect_t connect;
	unsigned handles;
};
struct chunk {
	uv_write_t write;
	char *data;
};

static void handle_gone(struct proxy *p)
{
	if (--p->handles == 0)
		free(p);
}

static void on_side_closed(uv_handle_t *handle)
{
	struct link *l = handle->data;
	struct proxy *p = l->proxy;

	if (--l->handles == 0)
		free(l);
	handle_gone(p);
}

static void link_close(struct link *l)
{
	if (uv_is_closing((uv_handle_t *)&l->side[0]))
		return;
	DL_DELETE(l->proxy->links, l);
	uv_close((uv_handle_t *)&l->side[0], on_side_closed);
	uv_close((uv_handle_t *)&l->side[1], on_side_closed);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
	(void)handle;
	*ret = uv_buf_init(mem_alloc(size), (unsigned)size);
}

static void on_written(uv_write_t *write, int status)
{
	struct chunk *c = CONTAINER_OF(write, struct chunk, write);

	(void)status;
	free(c->data);
	free(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct link *l = stream->data;
	int from = stream == (uv_stream_t *)&l->side[1];
	struct chunk *c;
	uv_buf_t out;

	if (n < 0 || (from == 1 && l->proxy->mode == PROXY_CUT)) {
		free(buf->base);
		link_close(l);
		return;
	}
	if (n == 0 || l->proxy->mode == PROXY_HOLE) {
		free(buf->base);
		return;
	}
	c = mem_alloc(sizeof(*c));
	c->data = buf->base;
	out = uv_buf_init(c->data, (unsigned)n);
	uv_write(&c->write, (uv_stream_t *)&l->side[!from], &out, 1, on_written);
}

static void on_connected(uv_connect_t *connect, int status)
{
	struct link *l = CONTAINER_OF(connect, struct link, connect);

	if (status == UV_ECANCELED)
		return;
	if (status < 0) {
		link_close(l);
		return;
	}
	for (int i = 0; i < 2; i++)
		uv_read_start((uv_stream_t *)&l->side[i], on_alloc, on_read);
}

static void on_client(uv_stream_t *listener, int status)
{
	struct proxy *p = CONTAINER_OF((uv_tcp_t *)listener, struct proxy, listener);
	struct link *l;

	if (status < 0)
		return;
	l = mem_alloc(sizeof(*l));
	l->proxy = p;
	for (int i = 0; i < 2; i++) {
		uv_tcp_init(listener->loop, &l->side[i]);
		l->side[i].data = l;
		uv_tcp_nodelay(&l->side[i], 1);
	}
	l->handles = 2;
	p->handles += 2;
	DL_APPEND(p->links, l);
	uv_accept(listener, (uv_stream_t *)&l->side[0]);
	uv_tcp_connect(&l->connect, &l->side[1], (struct sockaddr *)&p->to, on_connected);
}

struct proxy *proxy_new(uv_loop_t *loop, int port)
{
	struct proxy *p = mem_alloc(sizeof(*p));
	struct sockaddr_in a;
	int len = sizeof(a);

	uv_ip4_addr("127.0.0.1", port, &p->to);
	uv_ip4_addr("127.0.0.1", 0, &a);
	uv_tcp_init(loop, &p->listener);
	p->handles = 1;
	if (uv_tcp_bind(&p->listener, (struct sockaddr *)&a, 0) < 0 ||
	    uv_listen((uv_stream_t *)&p->listener, 64, on_client) < 0 ||
	    uv_tcp_getsockname(&p->listener, (struct sockaddr *)&a, &len) < 0) {
		fprintf(stderr, "proxy: cannot listen\n");
		exit(1);
	}
	p->port = ntohs(a.sin_port);
	return p;
}

int proxy_port(const struct proxy *p)
{
	return p->port;
}

void proxy_mode(struct proxy *p, enum proxy_mode mode)
{
	p->mode = mode;
}

static void on_listener_closed(uv_handle_t *handle)
{
	handle_gone(CONTAINER_OF((uv_tcp_t *)handle, struct proxy, listener));
}

void proxy_close(struct proxy *p)
{
	while (p->links)
		link_close(p->links);
	uv_close((uv_handle_t *)&p->listener, on_listener_closed);
}
