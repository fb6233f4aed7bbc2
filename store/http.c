/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop's side: curl's sockets as uv_poll handles, its timer as a uv_timer, and the telling of what came. */
#include "store/http.h"

#include <assert.h>
#include <utlist.h>

#include "store/http_internal.h"

struct http_socket {
	uv_poll_t poll;
	struct http *http;
	curl_socket_t fd;
};

static void http_free(struct http *h)
{
	void (*closed)(void *) = h->closed;
	void *user = h->user;

	free(h->ca_file);
	free(h->cert_file);
	free(h->key_file);
	free(h);
	curl_global_cleanup();
	closed(user);
}

static void handle_closed(struct http *h)
{
	if (--h->n_handles == 0)
		http_free(h);
}

static void on_socket_closed(uv_handle_t *handle)
{
	struct http_socket *s = CONTAINER_OF((uv_poll_t *)handle, struct http_socket, poll);
	struct http *h = s->http;

	free(s);
	handle_closed(h);
}

/* What curl has to say about its requests, then all that is to be told. */
static void http_settle(struct http *h)
{
	struct http_request *r;
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(h->multi, &left))) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &r);
		r->finished = true;
		r->code = msg->data.result;
		http_request_ready(r);
	}
	/* What a callback starts becomes ready in a later turn at the earliest: this ends. */
	while ((r = h->ready)) {
		DL_DELETE2(h->ready, r, rprev, rnext);
		r->is_ready = false;
		h->current = r;
		http_request_tell(r);
		h->current = NULL;
	}
}

static void http_act(struct http *h, curl_socket_t fd, int what)
{
	int running;

	assert(!h->in_curl);
	h->in_curl = true;
	curl_multi_socket_action(h->multi, fd, what, &running);
	h->in_curl = false;
	http_settle(h);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct http_socket *s = CONTAINER_OF(poll, struct http_socket, poll);
	int what = 0;

	/* An error is for curl to read: by CURL_CSELECT_ERR alone it would not learn which. */
	if (status < 0)
		what = CURL_CSELECT_IN | CURL_CSELECT_OUT | CURL_CSELECT_ERR;
	if (events & UV_READABLE)
		what |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		what |= CURL_CSELECT_OUT;
	http_act(s->http, s->fd, what);
}

static void on_timer(uv_timer_t *timer)
{
	http_act(CONTAINER_OF(timer, struct http, timer), CURL_SOCKET_TIMEOUT, 0);
}

static struct http_socket *socket_new(struct http *h, curl_socket_t fd)
{
	struct http_socket *s = mem_alloc(sizeof(*s));

	s->http = h;
	s->fd = fd;
	if (uv_poll_init_socket(h->loop, &s->poll, fd) < 0) {
		free(s);
		return NULL;
	}
	h->n_handles++;
	curl_multi_assign(h->multi, fd, s);
	return s;
}

static int http_socket_cb(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
	struct http_socket *s = socket_user;
	struct http_request *r = NULL;
	struct http *h = user;
	int events = 0;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &r);
	if (r)
		http_request_socket(r, what);
	if (what == CURL_POLL_REMOVE) {
		if (s) {
			uv_poll_stop(&s->poll);
			uv_close((uv_handle_t *)&s->poll, on_socket_closed);
			curl_multi_assign(h->multi, fd, NULL);
		}
		return 0;
	}
	if (!s)
		s = socket_new(h, fd);
	if (!s)
		return -1;
	if (what & CURL_POLL_IN)
		events |= UV_READABLE;
	if (what & CURL_POLL_OUT)
		events |= UV_WRITABLE;
	return events ? uv_poll_start(&s->poll, events, on_poll) : uv_poll_stop(&s->poll);
}

static int http_timer_cb(CURLM *multi, long timeout_ms, void *user)
{
	struct http *h = user;

	(void)multi;
	if (h->closing)
		return 0;
	if (timeout_ms < 0)
		return uv_timer_stop(&h->timer);
	return uv_timer_start(&h->timer, on_timer, (uint64_t)timeout_ms, 0);
}

struct http *http_new(uv_loop_t *loop, const struct http_tls *tls)
{
	struct http *h = mem_alloc(sizeof(*h));

	h->loop = loop;
	if (tls) {
		h->ca_file = mem_strdup(tls->ca_file);
		h->cert_file = mem_strdup(tls->cert_file);
		h->key_file = mem_strdup(tls->key_file);
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	h->multi = curl_multi_init();
	if (!h->multi)
		abort(); /* out of memory (base/mem.h) */
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, http_socket_cb);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, http_timer_cb);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	curl_multi_setopt(h->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)HTTP_CONNECTIONS_MAX);
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)HTTP_CONNECTIONS_MAX);
	uv_timer_init(loop, &h->timer);
	h->n_handles = 1;
	return h;
}

static void on_timer_closed(uv_handle_t *handle)
{
	handle_closed(CONTAINER_OF((uv_timer_t *)handle, struct http, timer));
}

void http_close(struct http *h, void (*closed)(void *user), void *user)
{
	assert(!h->in_curl && !h->current && !h->requests);
	h->closing = true;
	h->closed = closed;
	h->user = user;
	for (size_t i = 0; i < h->n_idle; i++)
		curl_easy_cleanup(h->idle[i]);
	/* Closes the connections that were kept; their poll handles end through http_socket_cb. */
	curl_multi_cleanup(h->multi);
	h->multi = NULL;
	uv_close((uv_handle_t *)&h->timer, on_timer_closed);
}
