/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * etcd_internal - what the parts of the etcd client share. Only store/etcd*.c may include it.
 *
 *   etcd.c           the client: life, configuration, the one timer, the kv ops
 *   etcd_call.c      one call: attempts, fail-over, deadline, verdict on each answer, result
 *   etcd_verdict.c   what an error of etcd's means for a call
 *   etcd_endpoint.c  which endpoint is next, which are passed over, probes of those
 *   etcd_auth.c      the token: one authentication in flight, who waits for it
 *   etcd_watch.c     the watch: its stream and state machine
 *
 * A call is in one state; what moves it on:
 *
 *   SENT    ->http is set       http's done
 *   PAUSED  until ->wake_ms     the client's timer: next attempt
 *   TOKEN   until ->wake_ms     etcd_calls_token(): next attempt, or the end
 *   ENDED   ->status holds      the client's timer: callback, freed
 *
 * A call ends straight from http's done; ENDED is for ends that come up inside a call of the user's.
 */
#pragma once
#include <uv.h>
#include "base/backoff.h"
#include "base/buf.h"
#include "store/etcd.h"
#include "store/etcd_json.h"
#include "store/http.h"

#define ETCD_SILENCE_MS 6000 /* a watch that hears nothing for so long is dead */
#define ETCD_PROGRESS_MS 2000 /* and asks for a sign of life after so long */
#define ETCD_CONNECT_MAX_MS 1000
#define ETCD_CONNECT_MIN_MS 250
#define ETCD_PAUSE_MS 100 /* between rounds over all endpoints */
#define ETCD_PAUSE_MAX_MS 400
#define ETCD_DOWN_MIN_MS 500 /* an endpoint that failed is passed over for so long */
#define ETCD_DOWN_MAX_MS 8000
#define ETCD_PROBE_MS 1000
#define ETCD_TOKEN_AGE_MS 240000 /* etcd's simple tokens live 300 s (server/auth/simple_token.go) */
#define ETCD_URL_MAX 512 /* bytes of an endpoint */
#define ETCD_WHY_MAX 256

struct etcd_endpoint {
	struct etcd *etcd;
	char *url; /* as configured, for people */
	char *base; /* what request URLs begin with */
	char *unix_path; /* NULL: TCP */
	bool up; /* answered last time */
	bool down; /* failed last time; neither: not tried yet */
	uint64_t retry_ms; /* passed over until then where another is left */
	struct backoff backoff;
	char last_error[ETCD_WHY_MAX];
	struct http_request *probe;
};

enum etcd_call_kind {
	ETCD_CALL_RANGE,
	ETCD_CALL_TXN,
	ETCD_CALL_GRANT,
	ETCD_CALL_KEEPALIVE,
	ETCD_CALL_REVOKE,
	ETCD_CALL_TTL,
	ETCD_CALL_AUTH,
};
enum etcd_call_state { ETCD_SENT, ETCD_PAUSED, ETCD_TOKEN, ETCD_ENDED };

struct etcd_call {
	struct etcd *etcd;
	struct etcd_call *prev, *next;
	uint64_t seq; /* the timer serves calls older than its own turn only */
	enum etcd_call_kind kind;
	enum etcd_call_state state;
	uint64_t deadline_ms, wake_ms; /* etcd_now() */
	char *body;
	struct http_request *http;
	struct etcd_endpoint *ep; /* of the last attempt */
	uint32_t tried; /* endpoints of this round, by bit */
	unsigned failures; /* attempts that got no answer */
	bool answered; /* by one of the endpoints: not now */
	bool refused; /* the last one did not even reach etcd */
	uint32_t pause_ms;
	bool renewed; /* the token was renewed once for this call */
	unsigned token_gen; /* of the last attempt */

	/* Range: the request for its next pages, and what came so far. */
	struct kv_range range;
	struct etcd_json_entries entries;
	int64_t revision, count;
	bool paged; /* ->revision holds */
	struct etcd_json_ops *expect; /* txn */

	kv_done_fn done;
	void *user;
	int status;
	struct err err;
};

struct etcd_watch;
struct etcd {
	struct kv kv; /* first: what etcd_kv() returns */
	uv_loop_t *loop;
	struct http *http;
	uv_timer_t timer;
	struct etcd_endpoint *eps;
	size_t n_eps, current;
	uint32_t call_timeout_ms, watch_silence_ms;
	uint64_t seed;
	struct etcd_call *calls; /* all, by prev/next */
	uint64_t seq;
	struct etcd_watch *watches;
	unsigned n_handles; /* whose close callback has not come yet */

	char *user, *password;
	char *token; /* NULL: none; "": etcd needs none */
	char *token_header;
	unsigned token_gen; /* counts tokens */
	uint64_t token_ms; /* when it came */
	struct etcd_call *auth; /* in flight, NULL: none */

	bool closing;
	void (*closed)(void *user);
	void *closed_user;
};

/** etcd_now() - the loop's clock in ms, brought up to date: a call may be started long after the loop last looked. */
uint64_t etcd_now(struct etcd *e);
/** etcd_arm() - set the timer for whatever is due next. */
void etcd_arm(struct etcd *e);
/** etcd_closed_one() - a handle of the closing client is gone. */
void etcd_closed_one(struct etcd *e);

/* etcd_endpoint.c */
int etcd_endpoint_init(struct etcd_endpoint *ep, struct etcd *e, const char *url, struct err *err);
void etcd_endpoint_done(struct etcd_endpoint *ep);
/** etcd_endpoint_pick() - the best one not in @tried, which gains it; a full @tried starts a new round. */
struct etcd_endpoint *etcd_endpoint_pick(struct etcd *e, uint32_t *tried);
void etcd_endpoint_up(struct etcd_endpoint *ep);
void etcd_endpoint_down(struct etcd_endpoint *ep, const char *why);
/** etcd_endpoint_request() - parameters of a POST to @path there. @ret_headers: room for 3 pointers, @ret_url: freed by the caller. */
void etcd_endpoint_request(struct etcd_endpoint *ep, const char *path, const char *body,
			   const char **headers, char **ret_url, struct http_params *ret);
/** etcd_endpoints_tick() - probe those whose back-off has ended. */
void etcd_endpoints_tick(struct etcd *e, uint64_t now);
/** etcd_endpoints_next() - when the next probe is due, UINT64_MAX: never. */
uint64_t etcd_endpoints_next(const struct etcd *e);

/* etcd_call.c */
/** etcd_call_new() - in the list; @body is taken. */
struct etcd_call *etcd_call_new(struct etcd *e, enum etcd_call_kind kind, char *body,
				kv_done_fn done, void *user);
/** etcd_call_start() - the first attempt, or its end when @status says that the request cannot be made. */
void etcd_call_start(struct etcd_call *c, int status);
/** etcd_call_cancel() - ends with -ECANCELED, told by the timer. */
void etcd_call_cancel(struct etcd_call *c);
/** etcd_calls_token() - those that wait for the token go on (@status 0), or end. */
void etcd_calls_token(struct etcd *e, int status, const char *why);
/** etcd_calls_tick() - serve those that are due. */
void etcd_calls_tick(struct etcd *e, uint64_t now);
uint64_t etcd_calls_next(const struct etcd *e);

/* etcd_verdict.c */
enum etcd_verdict {
	ETCD_FINAL, /* etcd's last word: @ret_status */
	ETCD_RENEW, /* not done: the token is not good */
	ETCD_WAIT, /* not done: try again, elsewhere first, until the deadline */
	ETCD_UNCERTAIN, /* done or not, nobody knows */
};
/** etcd_verdict() - what an answer means that is no success. @ret_status: of kv.h, for ETCD_FINAL. */
enum etcd_verdict etcd_verdict(const struct http_answer *a, struct etcd_json_error *ret_error,
			       int *ret_status);
/** etcd_verdict_error() - the same for an error read from a stream. */
enum etcd_verdict etcd_verdict_error(const struct etcd_json_error *error, int *ret_status);

/* etcd_auth.c */
/** etcd_token_ready() - is there a token, or no need of one? false: authentication is under way; the waiters hear by etcd_calls_token() and etcd_watches_token(). */
bool etcd_token_ready(struct etcd *e);
/** etcd_token_drop() - the token of generation @gen was refused. */
void etcd_token_drop(struct etcd *e, unsigned gen);
void etcd_auth_done(struct etcd *e);

/* etcd_watch.c */
struct kv_watch *etcd_watch_start(struct kv *kv, const char *key, const char *range_end,
				  int64_t start_revision, const struct kv_watch_handlers *h,
				  void *user);
void etcd_watch_close(struct kv_watch *watch);
void etcd_watches_token(struct etcd *e, int status, const char *why);
/** etcd_watches_kick() - an endpoint has come back: no more waiting. */
void etcd_watches_kick(struct etcd *e);
/** etcd_watches_stop() - the client closes: no callback any more; memory stays until the client's goes. */
void etcd_watches_stop(struct etcd *e);
void etcd_watches_free(struct etcd *e);
