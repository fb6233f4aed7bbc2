/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A call is attempted until it has its answer. A read, or whatever certainly did not reach etcd, goes to the next endpoint;
 * when a whole round and one more attempt got no answer, the call ends without waiting for its deadline. A write that was
 * sent is never sent again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "store/etcd_internal.h"

static const char *const paths[] = {
	[ETCD_CALL_RANGE] = "/v3/kv/range",	    [ETCD_CALL_TXN] = "/v3/kv/txn",
	[ETCD_CALL_GRANT] = "/v3/lease/grant",	    [ETCD_CALL_KEEPALIVE] = "/v3/lease/keepalive",
	[ETCD_CALL_REVOKE] = "/v3/lease/revoke",    [ETCD_CALL_TTL] = "/v3/lease/timetolive",
	[ETCD_CALL_AUTH] = "/v3/auth/authenticate",
};

static void call_step(struct etcd_call *c);

/* May it be sent again when nobody knows whether it was done? */
static bool is_repeatable(const struct etcd_call *c)
{
	switch (c->kind) {
	case ETCD_CALL_RANGE:
	case ETCD_CALL_KEEPALIVE:
	case ETCD_CALL_TTL:
	case ETCD_CALL_AUTH:
		return true;
	case ETCD_CALL_TXN:
	case ETCD_CALL_GRANT:
	case ETCD_CALL_REVOKE:
		break;
	}
	return false;
}

struct etcd_call *etcd_call_new(struct etcd *e, enum etcd_call_kind kind, char *body,
				kv_done_fn done, void *user)
{
	struct etcd_call *c = mem_alloc(sizeof(*c));

	c->etcd = e;
	c->seq = e->seq++;
	c->kind = kind;
	c->body = body;
	c->done = done;
	c->user = user;
	c->state = ETCD_PAUSED;
	c->pause_ms = ETCD_PAUSE_MS;
	c->deadline_ms = etcd_now(e) + e->call_timeout_ms;
	c->wake_ms = UINT64_MAX;
	DL_APPEND(e->calls, c);
	return c;
}

static void call_free(struct etcd_call *c)
{
	DL_DELETE(c->etcd->calls, c);
	free((char *)c->range.key);
	free((char *)c->range.range_end);
	etcd_json_entries_done(&c->entries);
	free(c->expect);
	free(c->body);
	free(c);
}

static void call_park(struct etcd_call *c, enum etcd_call_state state, uint64_t wake_ms)
{
	c->state = state;
	c->wake_ms = wake_ms;
	etcd_arm(c->etcd);
}

/* The callback, then the end of @c. Only from the loop. */
static void call_tell(struct etcd_call *c, const struct kv_result *res)
{
	if (c->status == 0)
		c->err = (struct err){ 0 }; /* of attempts that failed before */
	c->done(c->user, c->status, res);
	call_free(c);
}

static void call_end(struct etcd_call *c, int status, const char *why)
{
	struct kv_result res = { .err = &c->err };

	c->status = status;
	err_set(&c->err, status, "%s", why);
	/* From here on kv_cancel() comes too late. */
	c->state = ETCD_ENDED;
	call_tell(c, &res);
}

/* The last attempt's failure. That an endpoint refuses says less than what another one has answered. */
static void call_note(struct etcd_call *c, int code, const char *why)
{
	if (code != -ECONNREFUSED || !c->answered)
		err_set(&c->err, code, "etcd %s: %s", c->ep->url, why);
}

/* With what was noted, or with what a decoder left in ->err. */
static void call_end_noted(struct etcd_call *c, int status)
{
	_cleanup_free_ char *why = mem_strdup(err_text(&c->err));

	call_end(c, status, why);
}

/* Out of attempts or time: what is known then. */
static void call_give_up(struct etcd_call *c)
{
	if (!c->ep)
		call_end(c, -EHOSTUNREACH, "etcd: no attempt was made in time");
	else
		call_end_noted(c, c->refused || !c->failures ? -EHOSTUNREACH : -ETIMEDOUT);
}

static bool round_done(const struct etcd_call *c)
{
	uint32_t all = (1u << c->etcd->n_eps) - 1;

	return (c->tried & all) == all;
}

/* No answer: on to the next endpoint at once, and after a round over all of them with a pause. */
static void call_retry(struct etcd_call *c, bool refused)
{
	struct etcd *e = c->etcd;
	uint64_t now = etcd_now(e);

	c->refused = refused;
	c->failures++;
	if ((c->failures > e->n_eps && !c->answered) || now >= c->deadline_ms) {
		call_give_up(c);
		return;
	}
	call_park(c, ETCD_PAUSED, round_done(c) ? now + ETCD_PAUSE_MS : now);
}

/*
 * etcd answered that it cannot just now (an election, most often): the time there is is used, and that the other
 * endpoints refuse is no reason to give up.
 */
static void call_wait(struct etcd_call *c)
{
	uint64_t now = etcd_now(c->etcd);

	c->answered = true;
	if (!round_done(c)) {
		call_park(c, ETCD_PAUSED, now);
		return;
	}
	if (now + c->pause_ms >= c->deadline_ms) {
		call_end_noted(c, -EHOSTUNREACH);
		return;
	}
	call_park(c, ETCD_PAUSED, now + c->pause_ms);
	c->pause_ms = c->pause_ms * 2 < ETCD_PAUSE_MAX_MS ? c->pause_ms * 2 : ETCD_PAUSE_MAX_MS;
}

static void call_renew(struct etcd_call *c)
{
	struct etcd *e = c->etcd;

	if (!e->user || c->kind == ETCD_CALL_AUTH || c->renewed) {
		call_end_noted(c, -EACCES);
		return;
	}
	c->renewed = true;
	c->tried = 0;
	etcd_token_drop(e, c->token_gen);
	call_park(c, ETCD_PAUSED, etcd_now(e));
}

static void range_result(struct etcd_call *c)
{
	struct kv_op_result op = {
		.type = KV_OP_GET,
		.entries = c->entries.v,
		.n_entries = c->entries.n,
		.count = c->count,
	};
	struct kv_result res = {
		.revision = c->revision,
		.succeeded = true,
		.ops = &op,
		.n_ops = 1,
		.err = &c->err,
	};

	call_tell(c, &res);
}

/* One page; the next ones are read at the first one's revision, each with a whole deadline of its own. */
static int range_answer(struct etcd_call *c, const struct http_answer *a)
{
	struct etcd_json_page page;
	char *body = NULL;
	int r = etcd_json_range_read(a->body, a->len, &page, &c->entries, &c->err);

	if (r < 0)
		goto out;
	if (!c->paged) {
		c->paged = true;
		c->revision = page.header.revision;
		c->count = page.count;
	}
	if (!page.more || c->range.count_only || !page.last_key) {
		etcd_json_page_done(&page);
		range_result(c);
		return 0;
	}
	r = etcd_json_range(&c->range, c->range.revision ? c->range.revision : c->revision,
			    page.last_key, page.last_len, &body);
	if (r < 0)
		goto out;
	free(c->body);
	c->body = body;
	c->failures = 0;
	c->answered = false;
	c->tried = 0;
	c->deadline_ms = etcd_now(c->etcd) + c->etcd->call_timeout_ms;
	call_step(c);
out:
	etcd_json_page_done(&page);
	return r;
}

static int txn_answer(struct etcd_call *c, const struct http_answer *a)
{
	struct etcd_json_txn txn;
	int r = etcd_json_txn_read(a->body, a->len, c->expect, &txn, &c->err);
	struct kv_result res = {
		.revision = txn.header.revision,
		.succeeded = txn.succeeded,
		.ops = txn.ops,
		.n_ops = txn.n_ops,
		.err = &c->err,
	};

	if (r == 0)
		call_tell(c, &res);
	etcd_json_txn_done(&txn);
	return r;
}

static int lease_answer(struct etcd_call *c, const struct http_answer *a)
{
	struct etcd_json_lease lease;
	int r = etcd_json_lease_read(a->body, a->len, &lease, &c->err);
	struct kv_result res = {
		.revision = lease.header.revision,
		.succeeded = true,
		.lease_id = lease.id,
		.lease_ttl_s = lease.ttl_s,
		.err = &c->err,
	};

	if (r < 0)
		return r;
	/* A lease that is gone is no error to etcd: the TTL is left out, or -1. */
	if (c->kind != ETCD_CALL_REVOKE && lease.ttl_s <= 0) {
		c->status = -ENOENT;
		err_set(&c->err, -ENOENT, "etcd: the lease is gone");
	}
	call_tell(c, &res);
	return 0;
}

static int auth_answer(struct etcd_call *c, const struct http_answer *a)
{
	struct kv_result res = { .succeeded = true, .err = &c->err };
	char *token = NULL;
	int r = etcd_json_auth_read(a->body, a->len, &token, &c->err);

	if (r < 0)
		return r;
	explicit_bzero(c->body, strlen(c->body));
	free(c->body);
	c->body = token;
	call_tell(c, &res);
	return 0;
}

static void call_success(struct etcd_call *c, const struct http_answer *a)
{
	int r = -EPROTO;

	etcd_endpoint_up(c->ep);
	switch (c->kind) {
	case ETCD_CALL_RANGE:
		r = range_answer(c, a);
		break;
	case ETCD_CALL_TXN:
		r = txn_answer(c, a);
		break;
	case ETCD_CALL_GRANT:
	case ETCD_CALL_KEEPALIVE:
	case ETCD_CALL_REVOKE:
	case ETCD_CALL_TTL:
		r = lease_answer(c, a);
		break;
	case ETCD_CALL_AUTH:
		r = auth_answer(c, a);
		break;
	}
	/* @c is gone when it went well, or sent again. */
	if (r < 0)
		call_end_noted(c, r);
}

/* etcd with auth switched off refuses to authenticate: then no token is needed, as etcd's own client takes it. */
static bool auth_not_needed(struct etcd_call *c, const struct etcd_json_error *error)
{
	struct kv_result res = { .succeeded = true, .err = &c->err };

	if (c->kind != ETCD_CALL_AUTH || error->code != ETCD_CODE_PRECONDITION ||
	    !strstr(error->reason, "not enabled"))
		return false;
	free(c->body);
	c->body = mem_strdup("");
	err_set(&c->err, 0, "%s", "");
	call_tell(c, &res);
	return true;
}

static void call_refusal(struct etcd_call *c, const struct http_answer *a)
{
	struct etcd_json_error error;
	int status = -EREMOTEIO;
	enum etcd_verdict verdict = etcd_verdict(a, &error, &status);

	call_note(c, status, error.reason);
	if (verdict == ETCD_FINAL || verdict == ETCD_RENEW)
		etcd_endpoint_up(c->ep);
	if (auth_not_needed(c, &error))
		return;
	switch (verdict) {
	case ETCD_FINAL:
		call_end_noted(c, status);
		return;
	case ETCD_RENEW:
		call_renew(c);
		return;
	case ETCD_WAIT:
		etcd_endpoint_down(c->ep, error.reason);
		call_wait(c);
		return;
	case ETCD_UNCERTAIN:
		etcd_endpoint_down(c->ep, error.reason);
		if (is_repeatable(c))
			call_wait(c);
		else
			call_end_noted(c, -ETIMEDOUT);
		return;
	}
}

static void on_http(void *user, const struct http_answer *a)
{
	struct etcd_call *c = user;
	struct etcd_json_error error;

	c->http = NULL;
	if (a->err == -EMSGSIZE) {
		call_note(c, -EMSGSIZE, a->why);
		call_end_noted(c, -EMSGSIZE);
		return;
	}
	if (a->err) {
		call_note(c, a->err, a->why);
		etcd_endpoint_down(c->ep, a->why);
		if (a->sent && !is_repeatable(c))
			call_end_noted(c, -ETIMEDOUT);
		else
			call_retry(c, !a->sent);
		return;
	}
	/* Keepalive is a stream to etcd: its errors may come with status 200. */
	if (a->status == 200 &&
	    (c->kind != ETCD_CALL_KEEPALIVE || etcd_json_error_read(a->body, a->len, &error) < 0))
		call_success(c, a);
	else
		call_refusal(c, a);
}

/* How long this attempt may take: what is left; where another endpoint can still be asked, half of it. */
static void attempt_times(const struct etcd_call *c, struct http_params *p, uint64_t left)
{
	uint64_t connect = left / (c->etcd->n_eps + 1);

	p->timeout_ms = (uint32_t)left;
	if (is_repeatable(c) && c->etcd->n_eps > 1 && left > ETCD_CONNECT_MAX_MS)
		p->timeout_ms = (uint32_t)(left / 2);
	if (connect > ETCD_CONNECT_MAX_MS)
		connect = ETCD_CONNECT_MAX_MS;
	if (connect < ETCD_CONNECT_MIN_MS)
		connect = ETCD_CONNECT_MIN_MS;
	p->connect_timeout_ms = (uint32_t)connect;
}

static void call_step(struct etcd_call *c)
{
	struct etcd *e = c->etcd;
	uint64_t now = etcd_now(e);
	_cleanup_free_ char *url = NULL;
	const char *headers[3];
	struct http_params p;

	if (now >= c->deadline_ms) {
		call_give_up(c);
		return;
	}
	if (c->kind != ETCD_CALL_AUTH && !etcd_token_ready(e)) {
		/* The authentication has a deadline of its own, which may be later. */
		call_park(c, ETCD_TOKEN, c->deadline_ms);
		return;
	}
	c->ep = etcd_endpoint_pick(e, &c->tried);
	c->token_gen = e->token_gen;
	etcd_endpoint_request(c->ep, paths[c->kind], c->body, headers, &url, &p);
	attempt_times(c, &p, c->deadline_ms - now);
	p.answer_max = ETCD_JSON_ANSWER_MAX;
	p.done = on_http;
	p.user = c;
	c->state = ETCD_SENT;
	c->http = http_start(e->http, &p);
}

void etcd_call_start(struct etcd_call *c, int status)
{
	if (c->etcd->closing)
		status = -ECANCELED;
	if (status == 0) {
		call_step(c);
		return;
	}
	c->status = status;
	err_set(&c->err, status, "%s",
		status == -EMSGSIZE ? "etcd: the request is above a limit" : "cancelled");
	call_park(c, ETCD_ENDED, 0);
}

void etcd_call_cancel(struct etcd_call *c)
{
	if (c->state == ETCD_ENDED && c->wake_ms != 0)
		return; /* its callback is running */
	http_cancel(c->http);
	c->http = NULL;
	c->status = -ECANCELED;
	err_set(&c->err, -ECANCELED, "cancelled");
	call_park(c, ETCD_ENDED, 0);
}

void etcd_calls_token(struct etcd *e, int status, const char *why)
{
	struct etcd_call *c;

	DL_FOREACH(e->calls, c) {
		if (c->state != ETCD_TOKEN)
			continue;
		if (status == 0) {
			c->state = ETCD_PAUSED;
		} else {
			c->state = ETCD_ENDED;
			/* A password that etcd refuses, or no etcd: in either case nothing was done. */
			c->status = status == -EACCES ? -EACCES : -EHOSTUNREACH;
			err_set(&c->err, c->status, "%s", why);
		}
		c->wake_ms = 0;
	}
	etcd_arm(e);
}

static struct etcd_call *due(struct etcd *e, uint64_t now, uint64_t before)
{
	struct etcd_call *c;

	DL_FOREACH(e->calls, c) {
		/* call_free() takes a call off the list first, which the analyzer does not follow. */
		// NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
		if (c->state != ETCD_SENT && c->wake_ms <= now && c->seq < before)
			return c;
	}
	return NULL;
}

void etcd_calls_tick(struct etcd *e, uint64_t now)
{
	uint64_t before = e->seq;
	struct etcd_call *c;

	/* Callbacks make and cancel calls: looked for anew each time; those made meanwhile have their turn later. */
	while ((c = due(e, now, before))) {
		struct kv_result res = { .err = &c->err };

		c->wake_ms = UINT64_MAX;
		switch (c->state) {
		case ETCD_PAUSED:
			call_step(c);
			break;
		case ETCD_TOKEN:
			call_end(c, -EHOSTUNREACH, "etcd: no token in time");
			break;
		case ETCD_ENDED:
			call_tell(c, &res);
			break;
		case ETCD_SENT:
			break;
		}
	}
}

uint64_t etcd_calls_next(const struct etcd *e)
{
	uint64_t next = UINT64_MAX;
	const struct etcd_call *c;

	DL_FOREACH(e->calls, c) {
		/* call_free() takes a call off the list first, which the analyzer does not follow. */
		// NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
		if (c->state != ETCD_SENT && c->wake_ms < next)
			next = c->wake_ms;
	}
	return next;
}
