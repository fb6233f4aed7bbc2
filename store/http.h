/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http - HTTP/1.1 requests on the libuv loop: curl's multi interface over uv_poll and one uv_timer.
 *
 * HTTP/1.1 on purpose, over TLS too: each request has a connection of its own, so that one that is stuck holds up no other
 * (over one HTTP/2 connection etcd's watches starve under heavy reads, etcd #15402). Connections are kept and used again.
 *
 * Callbacks come from the loop, never from inside a call of this module, and outside of curl: they may start, send and
 * cancel, but not http_close(). No proxies, no redirects; sockets are close-on-exec. The program ignores SIGPIPE: curl
 * before 7.87 raises it over TLS.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define HTTP_CONNECTIONS_MAX 32 /* to one server; further requests wait in line, their time runs */
#define HTTP_STREAM_QUEUE_MAX ((size_t)1 << 20) /* bytes of http_send() not yet sent */

struct http_tls {
	const char *ca_file; /* NULL: the system's */
	const char *cert_file, *key_file; /* NULL: none */
};
struct http_answer {
	/*
	 * 0: a whole answer came. -ECONNREFUSED; -ETIMEDOUT; -ECONNRESET: the connection ended; -EMSGSIZE: above answer_max;
	 * -EHOSTUNREACH: no connection for another reason (name, route, TLS).
	 */
	int err;
	bool sent; /* the server may have got the request; false: it certainly has not */
	unsigned status; /* of HTTP, 0 when none came */
	const char *
		body; /* NUL-terminated; of a stream (or followed) only where the status is not 200 */
	size_t len;
	const char *why; /* words, "" where err is 0 */
	int os_err; /* errno of connect() where that is what failed, else 0: EACCES, ENOENT of a socket's path, ... */
};
struct http_params {
	const char *url;
	const char *unix_path; /* NULL: by TCP to the host in @url */
	const char *const *headers; /* "Name: value", NULL at the end; may be NULL */
	const char *body; /* POST of these bytes, borrowed until done or cancel; NULL: GET */
	size_t body_len;
	const char *method; /* NULL: POST with a body, GET without; "DELETE", ... */
	bool once; /* a connection of its own, closed afterwards: none that was kept and may have ended meanwhile */
	uint32_t timeout_ms; /* of the whole, 0: none */
	uint32_t connect_timeout_ms; /* 0: curl's */
	size_t answer_max; /* bytes */
	/*
	 * POST whose body stays open: http_send() adds to it, ->data gets the answer's body as it comes. It ends
	 * when the server ends the answer, or by http_cancel().
	 */
	bool stream;
	/* The answer's body goes to ->data as it comes, the request is an ordinary one. ->answer_max counts what is not told yet. */
	bool follow;
	void (*opened)(
		void *user); /* stream, follow: status 200 has come, before any data; may be NULL */
	void (*data)(void *user, const char *data, size_t len);
	void (*done)(void *user,
		     const struct http_answer *a); /* once; the request is gone afterwards */
	void *user;
};

struct http;
struct http_request;
/** http_new() - @tls is copied; NULL: system CAs, no client certificate. */
struct http *http_new(uv_loop_t *loop, const struct http_tls *tls);
/** http_close() - all requests must be done or cancelled; @closed comes when no handle is left, the memory is free before it. */
void http_close(struct http *h, void (*closed)(void *user), void *user);
/** http_start() - @p is copied except for ->body. A request is sent once: never again by itself on another connection. */
struct http_request *http_start(struct http *h, const struct http_params *p);
/** http_send() - more body for a stream. Return: 0, -EMSGSIZE above HTTP_STREAM_QUEUE_MAX. */
int http_send(struct http_request *r, const char *data, size_t len);
/** http_cancel() - ends and frees; no callback comes afterwards. */
void http_cancel(struct http_request *r);
