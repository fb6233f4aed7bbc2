/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request: its options, what curl hands over, its end. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#include "store/http.h"
#include "store/http_internal.h"

#define KEEPALIVE_IDLE_S 10
#define KEEPALIVE_INTERVAL_S 5
#define RECEIVE_BYTES 65536

void http_request_ready(struct http_request *r)
{
	if (r->is_ready)
		return;
	r->is_ready = true;
	DL_APPEND2(r->http->ready, r, rprev, rnext);
}

static unsigned answer_status(struct http_request *r)
{
	long status = 0;

	curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	return (unsigned)status;
}

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
	struct http_request *r = user;

	if (buf_append(&r->in, data, size * n) < 0) {
		r->too_big = true;
		return 0;
	}
	if (r->live)
		http_request_ready(r);
	return size * n;
}

/* The empty line after the headers; that of a 1xx answer is not the end of them. */
static size_t on_header(char *line, size_t size, size_t n, void *user)
{
	struct http_request *r = user;

	if (size * n <= 2 && (*line == '\r' || *line == '\n') && answer_status(r) >= 200) {
		r->headed = true;
		http_request_ready(r);
	}
	return size * n;
}

static size_t on_read(char *buffer, size_t size, size_t n, void *user)
{
	struct http_request *r = user;
	size_t len = size * n;

	if (r->out.len == 0) {
		r->paused = true;
		return CURL_READFUNC_PAUSE;
	}
	if (len > r->out.len)
		len = r->out.len;
	memcpy(buffer, r->out.data, len);
	buf_drop(&r->out, len);
	return len;
}

/*
 * Right before the request is sent. curl sends it again by itself when a kept connection ends before a byte of the answer
 * (Curl_retry_request() in lib/transfer.c), a POST too: a transaction could be carried out twice. So not a second time.
 */
static int on_prereq(void *user, char *to_ip, char *from_ip, int to_port, int from_port)
{
	struct http_request *r = user;

	(void)to_ip;
	(void)from_ip;
	(void)to_port;
	(void)from_port;
	if (r->started)
		return CURL_PREREQFUNC_ABORT;
	r->started = true;
	return CURL_PREREQFUNC_OK;
}

/* curl leaves sockets open across exec; containers' processes are started from this one. */
static curl_socket_t on_open(void *user, curlsocktype purpose, struct curl_sockaddr *a)
{
	(void)user;
	(void)purpose;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/*
 * While a stream's upload is paused, curl notices the end of the answer but does not end the transfer (it waits for both
 * directions). It does stop reading the socket, and that is told here.
 */
void http_request_socket(struct http_request *r, int what)
{
	if (!r->stream || (what != CURL_POLL_REMOVE && (what & CURL_POLL_IN)) ||
	    answer_status(r) == 0)
		return;
	r->stalled = true;
	http_request_ready(r);
}

static void set_tls(struct http_request *r)
{
	struct http *h = r->http;

	curl_easy_setopt(r->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (h->ca_file) {
		/* This one and no other: without the second line the system's count, too. */
		curl_easy_setopt(r->easy, CURLOPT_CAINFO, h->ca_file);
		curl_easy_setopt(r->easy, CURLOPT_CAPATH, NULL);
	}
	if (h->cert_file) {
		curl_easy_setopt(r->easy, CURLOPT_SSLCERT, h->cert_file);
		curl_easy_setopt(r->easy, CURLOPT_SSLKEY, h->key_file);
	}
}

static void set_connection(struct http_request *r, const struct http_params *p)
{
	curl_easy_setopt(r->easy, CURLOPT_URL, p->url);
	if (p->unix_path)
		curl_easy_setopt(r->easy, CURLOPT_UNIX_SOCKET_PATH, p->unix_path);
	curl_easy_setopt(r->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(r->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(r->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(r->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(r->easy, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(r->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(r->easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_S);
	curl_easy_setopt(r->easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_INTERVAL_S);
	curl_easy_setopt(r->easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BYTES);
	curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, (long)p->timeout_ms);
	curl_easy_setopt(r->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)p->connect_timeout_ms);
	curl_easy_setopt(r->easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(r->easy, CURLOPT_PREREQFUNCTION, on_prereq);
	curl_easy_setopt(r->easy, CURLOPT_PREREQDATA, r);
}

static void add_header(struct http_request *r, const char *line)
{
	struct curl_slist *more = curl_slist_append(r->headers, line);

	if (!more)
		abort(); /* out of memory (base/mem.h) */
	r->headers = more;
}

static void set_request(struct http_request *r, const struct http_params *p)
{
	add_header(r, "Expect:");
	if (p->body)
		add_header(r, "Content-Type: application/json");
	if (p->stream)
		add_header(r, "Transfer-Encoding: chunked");
	if (p->stream || p->once) {
		/*
		 * Without "close" a Go server reads the whole request before it sends the first byte of its answer: for ever
		 * (net/http server.go, chunkWriter.writeHeader; HTTP/1 only).
		 */
		add_header(r, "Connection: close");
		curl_easy_setopt(r->easy, CURLOPT_FRESH_CONNECT, 1L);
		curl_easy_setopt(r->easy, CURLOPT_FORBID_REUSE, 1L);
	}
	for (size_t i = 0; p->headers && p->headers[i]; i++)
		add_header(r, p->headers[i]);
	curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers);
	if (p->stream) {
		curl_easy_setopt(r->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(r->easy, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(r->easy, CURLOPT_READDATA, r);
		buf_append(&r->out, p->body, p->body_len);
	} else if (p->body) {
		curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)p->body_len);
		curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, p->body);
	}
	if (p->method)
		curl_easy_setopt(r->easy, CURLOPT_CUSTOMREQUEST, p->method);
	if (p->opened) {
		curl_easy_setopt(r->easy, CURLOPT_HEADERFUNCTION, on_header);
		curl_easy_setopt(r->easy, CURLOPT_HEADERDATA, r);
	}
	curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(r->easy, CURLOPT_ERRORBUFFER, r->why);
	curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
}

struct http_request *http_start(struct http *h, const struct http_params *p)
{
	struct http_request *r = mem_alloc(sizeof(*r));

	assert(!h->in_curl && !h->closing);
	r->http = h;
	r->stream = p->stream;
	r->live = p->stream || p->follow;
	r->opened = p->opened;
	r->data = p->data;
	r->done = p->done;
	r->user = p->user;
	buf_init(&r->in, p->answer_max);
	buf_init(&r->out, HTTP_STREAM_QUEUE_MAX);
	r->easy = h->n_idle ? h->idle[--h->n_idle] : curl_easy_init();
	if (!r->easy)
		abort(); /* out of memory (base/mem.h) */
	set_connection(r, p);
	set_tls(r);
	set_request(r, p);
	DL_APPEND(h->requests, r);
	curl_multi_add_handle(h->multi, r->easy);
	return r;
}

int http_send(struct http_request *r, const char *data, size_t len)
{
	int e = buf_append(&r->out, data, len);

	assert(!r->http->in_curl);
	if (e == 0 && r->paused) {
		r->paused = false;
		r->http->in_curl = true;
		curl_easy_pause(r->easy, CURLPAUSE_CONT);
		r->http->in_curl = false;
	}
	return e;
}

static void http_request_free(struct http_request *r)
{
	struct http *h = r->http;

	/* Told of no more sockets from here on: removing closes the connection of an unfinished one. */
	r->stream = false;
	h->in_curl = true;
	curl_multi_remove_handle(h->multi, r->easy);
	h->in_curl = false;
	if (h->n_idle < HTTP_IDLE_MAX) {
		curl_easy_reset(r->easy);
		h->idle[h->n_idle++] = r->easy;
	} else {
		curl_easy_cleanup(r->easy);
	}
	if (r->is_ready)
		DL_DELETE2(h->ready, r, rprev, rnext);
	DL_DELETE(h->requests, r);
	curl_slist_free_all(r->headers);
	buf_done(&r->in);
	buf_done(&r->out);
	free(r);
}

void http_cancel(struct http_request *r)
{
	if (!r)
		return;
	assert(!r->http->in_curl);
	if (r->http->current == r)
		r->http->current = NULL;
	http_request_free(r);
}

static int answer_os_err(struct http_request *r)
{
	long os = 0;

	if (r->finished && r->code == CURLE_COULDNT_CONNECT)
		curl_easy_getinfo(r->easy, CURLINFO_OS_ERRNO, &os);
	return (int)os;
}

static int answer_err(struct http_request *r)
{
	if (r->too_big)
		return -EMSGSIZE;
	switch (r->code) {
	case CURLE_OK:
		return 0;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_CONNECT:
		return answer_os_err(r) == ECONNREFUSED ? -ECONNREFUSED : -EHOSTUNREACH;
	default:
		/* Enumerators of curl that do not matter apart: there are about a hundred. */
		return r->started ? -ECONNRESET : -EHOSTUNREACH;
	}
}

static const char *answer_why(const struct http_request *r)
{
	if (r->too_big)
		return "the answer is too large";
	if (r->code == CURLE_ABORTED_BY_CALLBACK)
		return "the connection ended before the answer";
	if (r->stalled && !r->finished)
		return "the server ended the stream";
	if (r->code == CURLE_OK)
		return "";
	return *r->why ? r->why : curl_easy_strerror(r->code);
}

static void request_end(struct http_request *r)
{
	struct http_answer a;

	a.err = r->finished ? answer_err(r) : -ECONNRESET;
	a.sent = r->started;
	a.status = answer_status(r);
	a.body = r->in.data;
	a.len = r->in.len;
	a.why = answer_why(r);
	a.os_err = answer_os_err(r);
	r->done(r->user, &a);
	if (r->http->current == r)
		http_request_free(r);
}

void http_request_tell(struct http_request *r)
{
	struct http *h = r->http;

	if (r->opened && r->headed && !r->opened_told && answer_status(r) == 200) {
		r->opened_told = true;
		r->opened(r->user);
		if (h->current != r)
			return;
	}
	if (r->live && r->in.len > 0 && answer_status(r) == 200) {
		/* Taken out first: the callback may cancel the request, and with it its buffers. */
		size_t len = r->in.len;
		_cleanup_free_ char *data = buf_take(&r->in);

		r->data(r->user, data, len);
		if (h->current != r)
			return;
	}
	if (r->finished || r->stalled)
		request_end(r);
}
