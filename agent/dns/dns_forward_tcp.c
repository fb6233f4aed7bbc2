/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One try by TCP, after a truncated answer: a connection for one question (RFC 1035 §4.2.2: two bytes of length before each message). */
#include <errno.h>
#include <string.h>
#include "agent/dns/dns_forward_priv.h"
#include "base/mem.h"

#define LENGTH 2

struct dns_forward_tcp {
	struct dns_forward *f;
	struct dns_forward_question *question; /* NULL: closed */
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_write_t write;
	uint16_t id;
	uint8_t out[LENGTH + DNS_FORWARD_QUESTION_MAX];
	size_t out_len;
	uint8_t length[LENGTH];
	uint8_t *in; /* there once the length is */
	size_t have; /* of both */
};

static void on_closed(uv_handle_t *h)
{
	struct dns_forward_tcp *t = h->data;

	dns_forward_unref(t->f);
	free(t->in);
	free(t);
}

void dns_forward_tcp_close(struct dns_forward_tcp *t)
{
	if (!t)
		return;
	t->question->tcp = NULL;
	t->question = NULL;
	t->f->n_tcp--;
	uv_close((uv_handle_t *)&t->tcp, on_closed);
}

static size_t in_len(const struct dns_forward_tcp *t)
{
	return (size_t)t->length[0] << 8 | t->length[1];
}

static void on_alloc(uv_handle_t *h, size_t size, uv_buf_t *ret)
{
	struct dns_forward_tcp *t = h->data;

	(void)size;
	if (t->have < LENGTH)
		*ret = uv_buf_init((char *)t->length + t->have, (unsigned)(LENGTH - t->have));
	else
		*ret = uv_buf_init((char *)t->in + (t->have - LENGTH),
				   (unsigned)(LENGTH + in_len(t) - t->have));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct dns_forward_tcp *t = stream->data;
	struct dns_reply r;

	(void)buf;
	if (n == 0 || !t->question)
		return;
	if (n < 0) {
		dns_forward_question_tcp_failed(t->question);
		return;
	}
	t->have += (size_t)n;
	if (t->have == LENGTH && in_len(t) >= DNS_HEADER)
		t->in = mem_alloc(in_len(t));
	if (t->have < LENGTH || (t->in && t->have < LENGTH + in_len(t)))
		return;
	if (t->in && dns_reply_check(t->in, in_len(t), &t->question->query, t->id, &r) == 0)
		dns_forward_question_answer(t->question, t->in, in_len(t), &r);
	else
		dns_forward_question_tcp_failed(t->question);
}

static void on_written(uv_write_t *w, int status)
{
	struct dns_forward_tcp *t = w->data;

	if (status < 0 && t->question)
		dns_forward_question_tcp_failed(t->question);
}

static void on_connected(uv_connect_t *c, int status)
{
	struct dns_forward_tcp *t = c->data;
	uv_stream_t *stream = (uv_stream_t *)&t->tcp;
	uv_buf_t data = uv_buf_init((char *)t->out, (unsigned)t->out_len);

	if (!t->question)
		return;
	t->write.data = t;
	if (status == 0)
		status = uv_read_start(stream, on_alloc, on_read);
	if (status == 0)
		status = uv_write(&t->write, stream, &data, 1, on_written);
	if (status < 0)
		dns_forward_question_tcp_failed(t->question);
}

int dns_forward_tcp_start(struct dns_forward_question *q, struct dns_server_addr a)
{
	struct dns_forward *f = q->f;
	struct dns_forward_tcp *t;
	struct sockaddr_storage ss;
	int r;

	if (f->n_tcp >= DNS_FORWARD_TCP_MAX)
		return -EBUSY;
	t = mem_alloc(sizeof(*t));
	r = uv_tcp_init(f->loop, &t->tcp);
	if (r < 0) {
		free(t);
		return r;
	}
	dns_forward_ref(f);
	t->f = f;
	t->question = q;
	t->tcp.data = t->connect.data = t;
	q->tcp = t;
	f->n_tcp++;
	f->stats.tcp++;
	t->id = dns_forward_id(f);
	t->out[0] = (uint8_t)(q->len >> 8);
	t->out[1] = (uint8_t)q->len;
	memcpy(t->out + LENGTH, q->pkt, q->len);
	t->out[LENGTH] = (uint8_t)(t->id >> 8);
	t->out[LENGTH + 1] = (uint8_t)t->id;
	t->out_len = LENGTH + q->len;
	ip_to_sockaddr(a.ip, a.port, &ss);
	r = uv_tcp_connect(&t->connect, &t->tcp, (struct sockaddr *)&ss, on_connected);
	if (r < 0)
		dns_forward_tcp_close(t);
	return r;
}
