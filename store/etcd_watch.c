/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One watch is one POST whose two bodies stay open: ours for the questions "are you there" (progress_request), etcd's for
 * the events, a line of JSON each. It resumes at the revision after the last event, so a lost stream loses nothing.
 *
 *   WAIT      until the timer               next attempt
 *   TOKEN     etcd_watches_token()          next attempt
 *   OPENING   the `created` line            OPEN; CHECK when its revision is behind what was seen
 *   CHECK     a read through the leader     OPEN; OVER when the whole cluster is behind: restored or wiped
 *   OPEN      compaction                    OVER
 *   any       error, end, silence           WAIT
 *
 * Not every revision behind is a rewound store: a member that lags answers `created` with its own. And a store that was restored
 * would wait without a word for the revision asked for.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "store/etcd_internal.h"

#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 1500 /* etcd is back: known within two seconds */
/* For the first answer; twice that the next time. A member that starts takes connections and leaves them waiting. */
#define OPEN_MIN_MS 1000

enum watch_phase {
	WATCH_WAIT,
	WATCH_TOKEN,
	WATCH_OPENING,
	WATCH_CHECK,
	WATCH_OPEN,
	WATCH_OVER, /* by what it told: the handle waits for its owner */
	WATCH_CLOSED, /* by its owner, or with the client */
};

struct etcd_watch {
	struct etcd *etcd;
	struct etcd_watch *prev, *next;
	char *key, *range_end;
	int64_t next_revision; /* 0: from now on, not known yet */
	int64_t seen_revision; /* newest header */
	uint64_t cluster_id;
	struct kv_watch_handlers h;
	void *user;

	enum watch_phase phase;
	bool told_any;
	enum kv_watch_state told;
	uv_timer_t timer;
	bool timer_closed, with_client; /* with_client: freed with the client */
	struct backoff backoff;
	struct http_request *http;
	struct kv_call *check;
	struct etcd_endpoint *ep;
	uint32_t tried;
	unsigned token_gen;
	bool renewed;
	uint64_t heard_ms, asked_ms;
	uint32_t open_ms; /* how long the next attempt may take */
	struct buf line;
};

static void on_timer(uv_timer_t *timer);

static void watch_free(struct etcd_watch *w)
{
	DL_DELETE(w->etcd->watches, w);
	buf_done(&w->line);
	free(w->key);
	free(w->range_end);
	free(w);
}

static void watch_free_when_done(struct etcd_watch *w)
{
	if (w->phase == WATCH_CLOSED && w->timer_closed && !w->check && !w->with_client)
		watch_free(w);
}

static void timer_in(struct etcd_watch *w, uint64_t ms)
{
	uv_update_time(w->etcd->loop);
	uv_timer_start(&w->timer, on_timer, ms, 0);
}

/* The handler may close the watch: look at ->phase afterwards. */
static void watch_tell(struct etcd_watch *w, enum kv_watch_state state, const char *why)
{
	if (w->told_any && w->told == state)
		return;
	w->told_any = true;
	w->told = state;
	w->h.state(w->user, state, why);
}

static void stream_stop(struct etcd_watch *w)
{
	http_cancel(w->http);
	w->http = NULL;
	if (w->check)
		kv_cancel(&w->etcd->kv, w->check);
	buf_reset(&w->line);
}

static void watch_over(struct etcd_watch *w, enum kv_watch_state state, const char *why)
{
	stream_stop(w);
	uv_timer_stop(&w->timer);
	w->phase = WATCH_OVER;
	watch_tell(w, state, why);
}

/* Over to the next endpoint at once, and after a round over all of them with a back-off. */
static void watch_again(struct etcd_watch *w, const char *why)
{
	uint32_t all = (1u << w->etcd->n_eps) - 1;

	stream_stop(w);
	w->phase = WATCH_WAIT;
	w->renewed = false;
	timer_in(w, (w->tried & all) == all ? backoff_next(&w->backoff) : 0);
	watch_tell(w, KV_WATCH_DOWN, why);
}

/* The endpoint is to blame. */
static void watch_lost(struct etcd_watch *w, const char *why)
{
	etcd_endpoint_down(w->ep, why);
	watch_again(w, why);
}

/* Refused for its token, perhaps: once with a new one, then as any other failure. */
static void watch_refused(struct etcd_watch *w, const char *why)
{
	char text[ETCD_WHY_MAX];

	if (!w->etcd->user || w->renewed) {
		watch_again(w, why);
		return;
	}
	snprintf(text, sizeof(text), "%s", why);
	stream_stop(w);
	etcd_token_drop(w->etcd, w->token_gen);
	w->renewed = true;
	w->tried = 0;
	w->phase = WATCH_WAIT;
	timer_in(w, 0);
	watch_tell(w, KV_WATCH_DOWN, text);
}

static void watch_error(struct etcd_watch *w, const struct etcd_json_error *error)
{
	int status = 0;
	enum etcd_verdict verdict = etcd_verdict_error(error, &status);

	if (verdict == ETCD_FINAL && status == -ESTALE)
		watch_over(w, KV_WATCH_COMPACTED, error->reason);
	else if (verdict == ETCD_RENEW)
		watch_refused(w, error->reason);
	else if (verdict == ETCD_FINAL)
		watch_again(w, error->reason);
	else
		watch_lost(w, error->reason);
}

static uint64_t progress_ms(const struct etcd_watch *w)
{
	uint64_t third = w->etcd->watch_silence_ms / 3;

	return third < ETCD_PROGRESS_MS ? third : ETCD_PROGRESS_MS;
}

static void watch_live(struct etcd_watch *w)
{
	w->phase = WATCH_OPEN;
	/* When it is lost, the others are tried first. */
	w->tried = 1u << (w->ep - w->etcd->eps);
	w->renewed = false;
	w->open_ms = OPEN_MIN_MS;
	backoff_reset(&w->backoff);
	etcd_endpoint_up(w->ep);
	/* The timer was set for the opening's patience: the first question is due long before. */
	timer_in(w, progress_ms(w));
	watch_tell(w, KV_WATCH_LIVE, "");
}

/* The newest revision that etcd must have, if it is the store that was watched before. */
static int64_t least_revision(const struct etcd_watch *w)
{
	return w->next_revision - 1 > w->seen_revision ? w->next_revision - 1 : w->seen_revision;
}

static void on_check(void *user, int status, const struct kv_result *res)
{
	struct etcd_watch *w = user;
	char why[ETCD_WHY_MAX];

	w->check = NULL;
	if (w->phase != WATCH_CHECK) {
		/* Cancelled with the stream, or with the watch. */
		watch_free_when_done(w);
		return;
	}
	if (status < 0) {
		watch_again(w, err_text(res->err));
		return;
	}
	if (res->revision >= least_revision(w)) {
		watch_live(w);
		return;
	}
	snprintf(why, sizeof(why), "etcd is at revision %" PRId64 ", revision %" PRId64 " was seen",
		 res->revision, least_revision(w));
	watch_over(w, KV_WATCH_REWOUND, why);
}

static void watch_created(struct etcd_watch *w, int64_t revision)
{
	struct kv_range req = { .key = w->key, .range_end = w->range_end, .count_only = true };

	if (w->phase != WATCH_OPENING)
		return;
	if (w->next_revision == 0)
		w->next_revision = revision + 1;
	if (revision >= least_revision(w)) {
		watch_live(w);
		return;
	}
	w->phase = WATCH_CHECK;
	timer_in(w, progress_ms(w));
	/* A check of an earlier stream is cancelled, but its callback may be still to come. */
	if (w->check)
		watch_again(w, "etcd is behind what was seen");
	else
		w->check = kv_range(&w->etcd->kv, &req, on_check, w);
}

static void watch_events(struct etcd_watch *w, struct etcd_json_watch *m)
{
	size_t n = 0;
	int64_t newest = 0;

	for (size_t i = 0; i < m->n_events; i++) {
		/* etcd has been known to send what was seen already (#15271). */
		if (m->events[i].entry.mod_revision < w->next_revision)
			continue;
		m->events[n] = m->events[i];
		if (m->events[n].entry.mod_revision > newest)
			newest = m->events[n].entry.mod_revision;
		n++;
	}
	if (n == 0)
		return;
	w->next_revision = newest + 1;
	w->h.events(w->user, m->header.revision, m->events, n);
}

static void watch_message(struct etcd_watch *w, struct etcd_json_watch *m)
{
	if (m->failed) {
		watch_error(w, &m->error);
		return;
	}
	if (w->cluster_id && m->header.cluster_id && m->header.cluster_id != w->cluster_id) {
		watch_over(w, KV_WATCH_REWOUND, "another etcd cluster answers");
		return;
	}
	if (m->header.cluster_id)
		w->cluster_id = m->header.cluster_id;
	if (m->canceled) {
		if (m->compact_revision > 0)
			watch_over(w, KV_WATCH_COMPACTED, "the revision is compacted");
		else
			watch_refused(w, *m->error.reason ? m->error.reason : "watch cancelled");
		return;
	}
	if (m->created)
		watch_created(w, m->header.revision);
	/* In the state CHECK the header says what is doubted; after it the stream's headers count. */
	if (w->phase == WATCH_OPEN && m->header.revision > w->seen_revision)
		w->seen_revision = m->header.revision;
	if (w->phase == WATCH_OPEN || w->phase == WATCH_CHECK)
		watch_events(w, m);
}

static void watch_line(struct etcd_watch *w, const char *text, size_t len)
{
	struct etcd_json_watch m;
	struct err e = { 0 };

	if (etcd_json_watch_read(text, len, &m, &e) < 0)
		watch_lost(w, err_text(&e));
	else
		watch_message(w, &m);
	etcd_json_watch_done(&m);
}

static void on_data(void *user, const char *data, size_t len)
{
	struct etcd_watch *w = user;
	struct http_request *http = w->http;
	size_t done = 0, scan = w->line.len;
	const char *end;

	w->heard_ms = etcd_now(w->etcd);
	if (buf_append(&w->line, data, len) < 0) {
		watch_over(w, KV_WATCH_COMPACTED, "a message of the watch is too large");
		return;
	}
	while ((end = memchr(w->line.data + scan, '\n', w->line.len - scan))) {
		size_t at = (size_t)(end - w->line.data);

		if (at > done)
			watch_line(w, w->line.data + done, at - done);
		/* A line, or a handler, may have ended the stream. */
		if (w->http != http)
			return;
		done = scan = at + 1;
	}
	buf_drop(&w->line, done);
}

static void on_done(void *user, const struct http_answer *a)
{
	struct etcd_watch *w = user;
	struct etcd_json_error error;
	int status;

	w->http = NULL;
	if (a->err) {
		watch_lost(w, a->why);
	} else if (a->status == 200) {
		watch_lost(w, "etcd ended the watch");
	} else if (etcd_verdict(a, &error, &status) == ETCD_RENEW) {
		watch_refused(w, error.reason);
	} else {
		watch_lost(w, error.reason);
	}
}

static void watch_open(struct etcd_watch *w)
{
	struct etcd *e = w->etcd;
	_cleanup_free_ char *body = NULL, *url = NULL;
	const char *headers[3];
	struct http_params p;

	if (!etcd_token_ready(e)) {
		w->phase = WATCH_TOKEN;
		return;
	}
	body = etcd_json_watch(w->key, w->range_end, w->next_revision);
	w->ep = etcd_endpoint_pick(e, &w->tried);
	w->token_gen = e->token_gen;
	etcd_endpoint_request(w->ep, "/v3/watch", body, headers, &url, &p);
	p.connect_timeout_ms = ETCD_CONNECT_MAX_MS;
	p.answer_max = ETCD_JSON_LINE_MAX;
	p.stream = true;
	p.data = on_data;
	p.done = on_done;
	p.user = w;
	w->phase = WATCH_OPENING;
	w->heard_ms = w->asked_ms = etcd_now(e);
	w->http = http_start(e->http, &p);
	timer_in(w, w->open_ms);
}

static void watch_unanswered(struct etcd_watch *w)
{
	uint32_t most = w->etcd->watch_silence_ms;
	char why[64];

	snprintf(why, sizeof(why), "no answer to the watch within %" PRIu32 " ms", w->open_ms);
	w->open_ms = w->open_ms < most / 2 ? w->open_ms * 2 : most;
	watch_lost(w, why);
}

/* Is the stream alive? Asks when it has been quiet, gives it up when there is no answer. */
static void watch_pulse(struct etcd_watch *w)
{
	uint64_t now = etcd_now(w->etcd), quiet = now - w->heard_ms, asked;
	char why[64];

	if (quiet >= w->etcd->watch_silence_ms) {
		snprintf(why, sizeof(why), "etcd has been silent for %" PRIu64 " ms", quiet);
		watch_lost(w, why);
		return;
	}
	if (w->asked_ms < w->heard_ms)
		w->asked_ms = w->heard_ms;
	asked = now - w->asked_ms;
	if (asked >= progress_ms(w)) {
		_cleanup_free_ char *question = etcd_json_watch_progress();

		http_send(w->http, question, strlen(question));
		w->asked_ms = now;
		asked = 0;
	}
	if (progress_ms(w) - asked < w->etcd->watch_silence_ms - quiet && asked < progress_ms(w))
		timer_in(w, progress_ms(w) - asked);
	else
		timer_in(w, w->etcd->watch_silence_ms - quiet);
}

static void on_timer(uv_timer_t *timer)
{
	struct etcd_watch *w = CONTAINER_OF(timer, struct etcd_watch, timer);

	switch (w->phase) {
	case WATCH_WAIT:
		watch_open(w);
		break;
	case WATCH_OPENING:
		watch_unanswered(w);
		break;
	case WATCH_CHECK:
	case WATCH_OPEN:
		watch_pulse(w);
		break;
	case WATCH_TOKEN:
	case WATCH_OVER:
	case WATCH_CLOSED:
		break;
	}
}

struct kv_watch *etcd_watch_start(struct kv *kv, const char *key, const char *range_end,
				  int64_t start_revision, const struct kv_watch_handlers *h,
				  void *user)
{
	struct etcd *e = CONTAINER_OF(kv, struct etcd, kv);
	struct etcd_watch *w = mem_alloc(sizeof(*w));

	w->etcd = e;
	w->key = mem_strdup(key);
	w->range_end = mem_strdup(range_end);
	w->next_revision = start_revision > 0 ? start_revision : 0;
	w->h = *h;
	w->open_ms = OPEN_MIN_MS;
	w->user = user;
	buf_init(&w->line, ETCD_JSON_LINE_MAX);
	backoff_init(&w->backoff, RETRY_MIN_MS, RETRY_MAX_MS, backoff_rand(&e->seed));
	DL_APPEND(e->watches, w);
	if (e->closing) {
		w->phase = WATCH_CLOSED;
		w->timer_closed = w->with_client = true;
		return (struct kv_watch *)w;
	}
	uv_timer_init(e->loop, &w->timer);
	e->n_handles++;
	timer_in(w, 0);
	return (struct kv_watch *)w;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct etcd_watch *w = CONTAINER_OF((uv_timer_t *)handle, struct etcd_watch, timer);
	struct etcd *e = w->etcd;

	w->timer_closed = true;
	watch_free_when_done(w);
	etcd_closed_one(e);
}

static void watch_stop(struct etcd_watch *w)
{
	w->phase = WATCH_CLOSED;
	stream_stop(w);
	uv_close((uv_handle_t *)&w->timer, on_timer_closed);
}

void etcd_watch_close(struct kv_watch *watch)
{
	struct etcd_watch *w = (struct etcd_watch *)watch;

	if (w->phase != WATCH_CLOSED)
		watch_stop(w);
}

void etcd_watches_token(struct etcd *e, int status, const char *why)
{
	struct etcd_watch *w, *next;

	DL_FOREACH_SAFE(e->watches, w, next) {
		if (w->phase != WATCH_TOKEN)
			continue;
		w->phase = WATCH_WAIT;
		timer_in(w, status == 0 ? 0 : backoff_next(&w->backoff));
		if (status < 0)
			watch_tell(w, KV_WATCH_DOWN, why);
	}
}

void etcd_watches_kick(struct etcd *e)
{
	struct etcd_watch *w;

	/* Not at once: an endpoint may be up for calls and down for watches, over and over. */
	DL_FOREACH(e->watches, w) {
		if (w->phase == WATCH_WAIT && uv_timer_get_due_in(&w->timer) > RETRY_MIN_MS)
			timer_in(w, RETRY_MIN_MS);
	}
}

void etcd_watches_stop(struct etcd *e)
{
	struct etcd_watch *w;

	DL_FOREACH(e->watches, w) {
		if (w->phase == WATCH_CLOSED)
			continue;
		w->with_client = true;
		watch_stop(w);
	}
}

void etcd_watches_free(struct etcd *e)
{
	struct etcd_watch *w, *next;

	DL_FOREACH_SAFE(e->watches, w, next) {
		watch_free(w);
	}
}
