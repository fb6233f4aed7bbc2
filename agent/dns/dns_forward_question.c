/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One question's way: server after server by UDP until one answers or the time is over, then by TCP if the answer was truncated. The timer is
 * the first step (never from inside dns_forward_ask()), then the end of each try.
 */
#include <errno.h>
#include <string.h>
#include "agent/dns/dns_forward_priv.h"
#include "base/mem.h"

#define TRY_LEAST 4 /* a try that would have less than this part of its time is none */

static void on_closed(uv_handle_t *h)
{
	struct dns_forward_question *q = h->data;

	dns_forward_unref(q->f);
	free(q->pkt);
	free(q->cut);
	free(q);
}

void dns_forward_question_close(struct dns_forward_question *q)
{
	if (q->over)
		return;
	q->over = true;
	HASH_DEL(q->f->questions, q);
	dns_forward_udp_close(q->udp);
	dns_forward_tcp_close(q->tcp);
	uv_close((uv_handle_t *)&q->timer, on_closed);
}

static void finish(struct dns_forward_question *q, const uint8_t *pkt, size_t len,
		   const struct dns_reply *r, bool tcp)
{
	struct dns_forward_how how = { .server = q->now->addr, .tries = q->tries, .tcp = tcp };

	if (r->cacheable)
		dns_cache_put(q->f->cache, &q->servers, &q->query, pkt, len, r, uv_now(q->f->loop));
	dns_forward_question_close(q);
	dns_forward_tell(q, r->no_question ? NULL : pkt, len, r->rcode, &how);
}

static void give_up(struct dns_forward_question *q)
{
	_cleanup_free_ char *text = dns_forward_server_text(q);
	struct dns_forward_how how = { .tries = q->tries, .error = text };

	q->f->stats.failed++;
	dns_forward_question_close(q);
	dns_forward_tell(q, NULL, 0, DNS_SERVFAIL, &how);
}

static void on_timer(uv_timer_t *t);

/* Return: 0; -ETIMEDOUT: no time is left for another try. */
static int wait_for_try(struct dns_forward_question *q)
{
	uint64_t now_ms = uv_now(q->f->loop), try_ms = q->f->config.try_ms, left_ms;

	left_ms = q->deadline_ms > now_ms ? q->deadline_ms - now_ms : 0;
	if (left_ms < try_ms / TRY_LEAST)
		return -ETIMEDOUT;
	return uv_timer_start(&q->timer, on_timer, left_ms < try_ms ? left_ms : try_ms, 0);
}

static void set_failure(struct dns_forward_question *q, enum dns_forward_failure failure, int code)
{
	q->now->failure = failure;
	q->now->code = code;
	dns_forward_server_failed(q->f, q->now->addr, failure != DNS_FORWARD_RCODE,
				  q->try_began_ms);
}

static void try_next(struct dns_forward_question *q)
{
	while (wait_for_try(q) == 0) {
		struct dns_forward_choice *c = dns_forward_server_next(q);
		int r;

		if (!c)
			break;
		q->now = c;
		c->tries++;
		q->tries++;
		q->try_began_ms = uv_now(q->f->loop);
		dns_forward_server_asked(q->f, c->addr);
		r = dns_forward_udp_start(q, c->addr);
		if (r == 0)
			return;
		set_failure(q, DNS_FORWARD_ERRNO, r);
	}
	give_up(q);
}

static void on_timer(uv_timer_t *t)
{
	struct dns_forward_question *q = t->data;

	if (q->tcp) {
		dns_forward_question_tcp_failed(q);
	} else if (q->udp) {
		/* The loop may have been kept from what is there by now: its timers come before its sockets. */
		if (!dns_forward_udp_read(q->udp))
			dns_forward_question_failed(q, DNS_FORWARD_SILENT, 0);
	} else {
		q->deadline_ms = uv_now(q->f->loop) + q->f->config.total_ms;
		dns_forward_server_order(q);
		try_next(q);
	}
}

struct dns_forward_question *dns_forward_question_new(struct dns_forward *f,
						      const struct dns_cache_key *key,
						      const struct dns_servers *servers,
						      const struct dns_forward_ask *ask)
{
	struct dns_forward_question *q = mem_alloc(sizeof(*q));

	uv_timer_init(f->loop, &q->timer);
	dns_forward_ref(f);
	q->timer.data = q;
	q->f = f;
	q->key = *key;
	q->query = *ask->query;
	q->servers = *servers;
	q->pkt = mem_dup(ask->pkt, ask->len);
	q->len = ask->len;
	HASH_ADD_KEYPTR(hh, f->questions, q->key.b, q->key.len, q);
	uv_timer_start(&q->timer, on_timer, 0, 0);
	return q;
}

void dns_forward_question_failed(struct dns_forward_question *q, enum dns_forward_failure failure,
				 int code)
{
	dns_forward_udp_close(q->udp);
	set_failure(q, failure, code);
	try_next(q);
}

/* A truncated answer is better than none: who asked may have use for it. */
void dns_forward_question_tcp_failed(struct dns_forward_question *q)
{
	static const struct dns_reply r = { .truncated = true };

	finish(q, q->cut, q->cut_len, &r, false);
}

static int ask_again_by_tcp(struct dns_forward_question *q, const uint8_t *pkt, size_t len)
{
	int r = wait_for_try(q);

	dns_forward_udp_close(q->udp);
	if (r == 0)
		r = dns_forward_tcp_start(q, q->now->addr);
	if (r < 0)
		return r;
	q->cut = mem_dup(pkt, len);
	q->cut_len = len;
	return 0;
}

static bool is_refusal(enum dns_rcode rcode)
{
	return rcode == DNS_SERVFAIL || rcode == DNS_REFUSED || rcode == DNS_NOTIMP;
}

void dns_forward_question_answer(struct dns_forward_question *q, const uint8_t *pkt, size_t len,
				 const struct dns_reply *r)
{
	bool tcp = q->tcp != NULL;

	if (is_refusal(r->rcode)) {
		if (tcp)
			dns_forward_question_tcp_failed(q);
		else
			dns_forward_question_failed(q, DNS_FORWARD_RCODE, (int)r->rcode);
		return;
	}
	if (!tcp)
		dns_forward_server_answered(q->f, q->now->addr);
	if (!tcp && r->truncated && ask_again_by_tcp(q, pkt, len) == 0)
		return;
	finish(q, pkt, len, r, tcp);
}
