/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/etcd.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "store/etcd_internal.h"

static struct etcd *of_kv(struct kv *kv)
{
	return CONTAINER_OF(kv, struct etcd, kv);
}

uint64_t etcd_now(struct etcd *e)
{
	uv_update_time(e->loop);
	return uv_now(e->loop);
}

static void on_http_closed(void *user)
{
	etcd_closed_one(user);
}

static void on_timer_closed(uv_handle_t *handle)
{
	etcd_closed_one(CONTAINER_OF((uv_timer_t *)handle, struct etcd, timer));
}

/* All callbacks have been made: now the handles. */
static void close_handles(struct etcd *e)
{
	for (size_t i = 0; i < e->n_eps; i++) {
		http_cancel(e->eps[i].probe);
		e->eps[i].probe = NULL;
	}
	http_close(TAKE_PTR(e->http), on_http_closed, e);
	uv_close((uv_handle_t *)&e->timer, on_timer_closed);
}

void etcd_closed_one(struct etcd *e)
{
	void (*closed)(void *) = e->closed;
	void *user = e->closed_user;

	if (--e->n_handles > 0)
		return;
	etcd_watches_free(e);
	for (size_t i = 0; i < e->n_eps; i++)
		etcd_endpoint_done(&e->eps[i]);
	free(e->eps);
	etcd_auth_done(e);
	free(e);
	closed(user);
}

static void on_timer(uv_timer_t *timer)
{
	struct etcd *e = CONTAINER_OF(timer, struct etcd, timer);

	etcd_calls_tick(e, etcd_now(e));
	if (e->closing && !e->calls) {
		close_handles(e);
		return;
	}
	if (!e->closing)
		etcd_endpoints_tick(e, etcd_now(e));
	etcd_arm(e);
}

void etcd_arm(struct etcd *e)
{
	uint64_t now, next;

	if (!e->http)
		return;
	now = etcd_now(e);
	next = etcd_calls_next(e);
	if (e->closing) {
		if (!e->calls)
			next = now;
	} else if (etcd_endpoints_next(e) < next) {
		next = etcd_endpoints_next(e);
	}
	if (next == UINT64_MAX)
		uv_timer_stop(&e->timer);
	else
		uv_timer_start(&e->timer, on_timer, next > now ? next - now : 0, 0);
}

static struct kv_call *op_range(struct kv *kv, const struct kv_range *req, kv_done_fn done,
				void *user)
{
	char *body = NULL;
	int r = etcd_json_range(req, req->revision, NULL, 0, &body);
	struct etcd_call *c = etcd_call_new(of_kv(kv), ETCD_CALL_RANGE, body, done, user);

	c->range = *req;
	c->range.key = mem_strdup(req->key);
	c->range.range_end = mem_strdup(req->range_end);
	etcd_call_start(c, r);
	return (struct kv_call *)c;
}

static struct kv_call *op_txn(struct kv *kv, const struct kv_txn *req, kv_done_fn done, void *user)
{
	struct etcd_json_ops *expect = mem_alloc(sizeof(*expect));
	char *body = NULL;
	int r = etcd_json_txn(req, &body, expect);
	struct etcd_call *c = etcd_call_new(of_kv(kv), ETCD_CALL_TXN, body, done, user);

	c->expect = expect;
	etcd_call_start(c, r);
	return (struct kv_call *)c;
}

static struct kv_call *start(struct kv *kv, enum etcd_call_kind kind, char *body, kv_done_fn done,
			     void *user)
{
	struct etcd_call *c = etcd_call_new(of_kv(kv), kind, body, done, user);

	etcd_call_start(c, 0);
	return (struct kv_call *)c;
}

static struct kv_call *op_grant(struct kv *kv, int64_t ttl_s, kv_done_fn done, void *user)
{
	return start(kv, ETCD_CALL_GRANT, etcd_json_lease_grant(ttl_s), done, user);
}

static struct kv_call *op_keepalive(struct kv *kv, int64_t lease, kv_done_fn done, void *user)
{
	return start(kv, ETCD_CALL_KEEPALIVE, etcd_json_lease(lease), done, user);
}

static struct kv_call *op_revoke(struct kv *kv, int64_t lease, kv_done_fn done, void *user)
{
	return start(kv, ETCD_CALL_REVOKE, etcd_json_lease(lease), done, user);
}

static struct kv_call *op_ttl(struct kv *kv, int64_t lease, kv_done_fn done, void *user)
{
	return start(kv, ETCD_CALL_TTL, etcd_json_lease(lease), done, user);
}

static void op_cancel(struct kv_call *call)
{
	etcd_call_cancel((struct etcd_call *)call);
}

static size_t op_health(struct kv *kv, struct kv_health *ret, size_t max)
{
	struct etcd *e = of_kv(kv);
	size_t n = 0;

	for (; n < e->n_eps && n < max; n++)
		ret[n] = (struct kv_health){
			.endpoint = e->eps[n].url,
			.up = e->eps[n].up,
			.last_error = e->eps[n].last_error,
		};
	return n;
}

static const struct kv_ops ops = {
	.range = op_range,
	.txn = op_txn,
	.lease_grant = op_grant,
	.lease_keepalive = op_keepalive,
	.lease_revoke = op_revoke,
	.lease_ttl = op_ttl,
	.cancel = op_cancel,
	.watch = etcd_watch_start,
	.watch_close = etcd_watch_close,
	.health = op_health,
};

static void check_file(const char *what, const char *path, struct err *e)
{
	if (path && access(path, R_OK) < 0)
		err_add(e, -EINVAL, "etcd %s %s: %s", what, path, strerror(errno));
}

int etcd_config_check(const struct etcd_config *c, struct err *e)
{
	struct err found = { 0 };

	if (c->endpoints.n == 0)
		err_add(&found, -EINVAL, "etcd: no endpoint");
	if (c->endpoints.n > ETCD_ENDPOINTS_MAX)
		err_add(&found, -EINVAL, "etcd: %zu endpoints, more than %d", c->endpoints.n,
			ETCD_ENDPOINTS_MAX);
	for (size_t i = 0; i < c->endpoints.n && i < ETCD_ENDPOINTS_MAX; i++) {
		struct etcd_endpoint ep;
		struct err one = { 0 };

		if (etcd_endpoint_init(&ep, NULL, c->endpoints.v[i], &one) < 0)
			err_add(&found, -EINVAL, "%s", err_text(&one));
		etcd_endpoint_done(&ep);
	}
	check_file("CA file", c->ca_file, &found);
	check_file("client certificate", c->cert_file, &found);
	check_file("key of the client certificate", c->key_file, &found);
	if (!c->cert_file != !c->key_file)
		err_add(&found, -EINVAL, "etcd: client certificate and its key go together");
	if (c->password && !c->user)
		err_add(&found, -EINVAL, "etcd: a password without a user");
	return found.code ? err_add(e, -EINVAL, "%s", err_text(&found)) : 0;
}

struct etcd *etcd_new(uv_loop_t *loop, const struct etcd_config *c)
{
	struct http_tls tls = { c->ca_file, c->cert_file, c->key_file };
	struct etcd *e = mem_alloc(sizeof(*e));

	assert(c->endpoints.n > 0 && c->endpoints.n <= ETCD_ENDPOINTS_MAX);
	e->kv.ops = &ops;
	e->loop = loop;
	e->http = http_new(loop, &tls);
	e->call_timeout_ms = c->call_timeout_ms ? c->call_timeout_ms : ETCD_CALL_TIMEOUT_MS;
	e->watch_silence_ms = c->watch_silence_ms ? c->watch_silence_ms : ETCD_SILENCE_MS;
	e->seed = uv_hrtime() ^ (uint64_t)getpid() << 32;
	e->user = mem_strdup(c->user);
	e->password = mem_strdup(c->password);
	e->eps = mem_alloc_array(c->endpoints.n, sizeof(*e->eps));
	for (size_t i = 0; i < c->endpoints.n; i++) {
		/* One that etcd_config_check() would have refused is left out. */
		if (etcd_endpoint_init(&e->eps[e->n_eps], e, c->endpoints.v[i], NULL) == 0)
			e->n_eps++;
		else
			etcd_endpoint_done(&e->eps[e->n_eps]);
	}
	assert(e->n_eps > 0);
	uv_timer_init(loop, &e->timer);
	e->n_handles = 2;
	return e;
}

struct kv *etcd_kv(struct etcd *e)
{
	return &e->kv;
}

void etcd_close(struct etcd *e, void (*closed)(void *user), void *user)
{
	struct etcd_call *c;

	e->closing = true;
	e->closed = closed;
	e->closed_user = user;
	etcd_watches_stop(e);
	DL_FOREACH(e->calls, c) {
		etcd_call_cancel(c);
	}
	etcd_arm(e);
}
