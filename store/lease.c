/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/lease.h"

#include <errno.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/mem.h"

#define RETRY_MIN_MS 200
#define RETRY_MAX_MS 15000
/*
 * A long lease is kept alive more often than its third: what is left of it when etcd goes away is how long its keys outlive
 * etcd's absence.
 */
#define PERIOD_MAX_MS ((uint64_t)300 * 1000)
#define TTL_MAX_S ((int64_t)9000000000) /* etcd's own limit (lease/lessor.go) */

struct lease {
	struct kv *kv;
	int64_t ttl_s; /* asked for */
	int64_t id; /* 0: none */
	bool told; /* `granted` was called for it */
	struct kv_call *call;
	uint64_t sent_ms; /* of the call in flight: the TTL counts from before etcd heard of it */
	uint64_t until_ms; /* clock_boot_ms() when it would expire, 0: unknown */
	uv_timer_t timer;
	struct backoff backoff;
	struct lease_handlers h;
	void *user;
	bool closed, timer_closed;
};

static void on_timer(uv_timer_t *timer);

static void lease_free_when_done(struct lease *l)
{
	if (l->closed && l->timer_closed && !l->call)
		free(l);
}

static void timer_in(struct lease *l, uint64_t ms)
{
	uv_update_time(l->timer.loop);
	uv_timer_start(&l->timer, on_timer, ms, 0);
}

/* Never slower than a sixth of the TTL, so that a short one is not lost to its own back-off. */
static void retry(struct lease *l)
{
	uint64_t ms = backoff_next(&l->backoff), sixth = (uint64_t)l->ttl_s * 1000 / 6;

	timer_in(l, ms < sixth ? ms : sixth);
}

static void alive(struct lease *l, int64_t ttl_s)
{
	uint64_t period_ms;

	if (ttl_s > TTL_MAX_S)
		ttl_s = TTL_MAX_S;
	l->until_ms = l->sent_ms + (uint64_t)ttl_s * 1000;
	backoff_reset(&l->backoff);
	period_ms = (uint64_t)ttl_s * 1000 / 3;
	timer_in(l, period_ms < PERIOD_MAX_MS ? period_ms : PERIOD_MAX_MS);
}

static void on_granted(void *user, int status, const struct kv_result *res)
{
	struct lease *l = user;

	l->call = NULL;
	if (l->closed) {
		lease_free_when_done(l);
		return;
	}
	if (status < 0) {
		retry(l);
		return;
	}
	l->id = res->lease_id;
	l->told = true;
	alive(l, res->lease_ttl_s);
	l->h.granted(l->user, l->id, true);
}

static void on_kept(void *user, int status, const struct kv_result *res)
{
	struct lease *l = user;
	int64_t gone;

	l->call = NULL;
	if (l->closed) {
		lease_free_when_done(l);
		return;
	}
	if (status == -ENOENT) {
		gone = l->id;
		l->id = 0;
		l->told = false;
		l->until_ms = 0;
		timer_in(l, 0);
		l->h.lost(l->user, gone);
		return;
	}
	if (status < 0) {
		retry(l);
		return;
	}
	alive(l, res->lease_ttl_s);
	if (!l->told) {
		l->told = true;
		l->h.granted(l->user, l->id, false);
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct lease *l = CONTAINER_OF(timer, struct lease, timer);

	l->sent_ms = clock_boot_ms();
	if (l->id)
		l->call = kv_lease_keepalive(l->kv, l->id, on_kept, l);
	else
		l->call = kv_lease_grant(l->kv, l->ttl_s, on_granted, l);
}

struct lease *lease_new(uv_loop_t *loop, struct kv *kv, int64_t ttl_s, int64_t known,
			const struct lease_handlers *h, void *user)
{
	struct lease *l = mem_alloc(sizeof(*l));

	l->kv = kv;
	l->ttl_s = ttl_s;
	l->id = known;
	l->h = *h;
	l->user = user;
	backoff_init(&l->backoff, RETRY_MIN_MS, RETRY_MAX_MS, uv_hrtime() ^ (uintptr_t)l);
	uv_timer_init(loop, &l->timer);
	timer_in(l, 0);
	return l;
}

int64_t lease_id(const struct lease *l)
{
	return l->told ? l->id : 0;
}

uint64_t lease_left_ms(const struct lease *l, uint64_t now_ms)
{
	return l->until_ms > now_ms ? l->until_ms - now_ms : 0;
}

void lease_check(struct lease *l)
{
	if (l->told && !l->call && !l->closed)
		timer_in(l, 0);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct lease *l = CONTAINER_OF((uv_timer_t *)handle, struct lease, timer);

	l->timer_closed = true;
	lease_free_when_done(l);
}

void lease_close(struct lease *l)
{
	if (!l)
		return;
	l->closed = true;
	if (l->call)
		kv_cancel(l->kv, l->call);
	uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}
