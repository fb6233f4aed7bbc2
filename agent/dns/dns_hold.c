/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/dns/dns_hold.h"
#include <string.h>
#include <utlist.h>
#include "base/mem.h"

struct held {
	struct dns_hold *h;
	struct held *prev, *next; /* the oldest first */
	struct dns_asker *asker;
	struct dns_from from;
	uint64_t until_ms;
	size_t len;
	uint8_t pkt[];
};
struct dns_hold {
	dns_listen_fn late;
	void *user;
	struct held *all;
	size_t n;
	uv_timer_t timer;
};

static void on_timer(uv_timer_t *t);

static uint64_t now_ms(const struct dns_hold *h)
{
	return uv_now(h->timer.loop);
}

static void arm(struct dns_hold *h)
{
	uint64_t now = now_ms(h);

	if (!h->all)
		uv_timer_stop(&h->timer);
	else
		uv_timer_start(&h->timer, on_timer,
			       h->all->until_ms > now ? h->all->until_ms - now : 0, 0);
}

static void leave(struct held *q)
{
	DL_DELETE(q->h->all, q);
	q->h->n--;
}

static void hand_over(struct held *q, dns_listen_fn fn, void *user)
{
	dns_listen_watch(q->asker, NULL, NULL);
	fn(user, q->asker, &q->from, q->pkt, q->len);
	free(q);
}

static void on_timer(uv_timer_t *t)
{
	struct dns_hold *h = t->data;
	uint64_t now = now_ms(h);

	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyzer does not follow the list from one removal to the next; as below */
	while (h->all && h->all->until_ms <= now) {
		struct held *q = h->all;

		leave(q);
		hand_over(q, h->late, h->user);
	}
	arm(h);
}

static void on_gone(void *user)
{
	struct held *q = user;

	leave(q);
	free(q);
}

static size_t count_of(const struct dns_hold *h, struct ip source)
{
	const struct held *q;
	size_t n = 0;

	DL_FOREACH(h->all, q)
		n += ip_eq(q->from.source, source);
	return n;
}

bool dns_hold_put(struct dns_hold *h, struct dns_asker *asker, const struct dns_from *from,
		  const uint8_t *pkt, size_t len)
{
	struct held *q;

	if (h->n >= DNS_HOLD_MAX || count_of(h, from->source) >= DNS_HOLD_SOURCE_MAX)
		return false;
	q = mem_alloc(sizeof(*q) + len);
	q->h = h;
	q->asker = asker;
	q->from = *from;
	q->until_ms = now_ms(h) + DNS_HOLD_MS;
	q->len = len;
	memcpy(q->pkt, pkt, len);
	DL_APPEND(h->all, q);
	h->n++;
	dns_listen_watch(asker, on_gone, q);
	if (h->n == 1)
		arm(h);
	return true;
}

void dns_hold_again(struct dns_hold *h, bool (*known)(void *user, const struct dns_from *from),
		    dns_listen_fn again, void *user)
{
	struct held *q;

	/* From the front each time: with one that is handed over others may go. */
	do {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		DL_FOREACH(h->all, q) {
			if (known(user, &q->from))
				break;
		}
		if (q) {
			leave(q); /* NOLINT(clang-analyzer-unix.Malloc) */
			hand_over(q, again, user);
		}
	} while (q);
	arm(h);
}

size_t dns_hold_count(const struct dns_hold *h)
{
	return h->n;
}

struct dns_hold *dns_hold_new(uv_loop_t *loop, dns_listen_fn late, void *user)
{
	struct dns_hold *h = mem_alloc(sizeof(*h));

	h->late = late;
	h->user = user;
	uv_timer_init(loop, &h->timer);
	h->timer.data = h;
	return h;
}

static void on_closed(uv_handle_t *t)
{
	free(t->data);
}

void dns_hold_close(struct dns_hold *h)
{
	struct held *q, *next;

	DL_FOREACH_SAFE(h->all, q, next) {
		DL_DELETE(h->all, q);
		free(q);
	}
	uv_close((uv_handle_t *)&h->timer, on_closed);
}
