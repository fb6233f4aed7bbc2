/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * server - HTTP/1.1 on a unix socket in the libuv loop (libmicrohttpd), answering by tables of routes.
 *
 * Knows nothing of the agent. Requests are bounded (below), replies may come later (call.h), a client that leaves is
 * noticed while its call is pending.
 */
#pragma once
#include <uv.h>
#include "agent/api/call.h"
#include "agent/api/route.h"
#include "base/err.h"

#define API_BODY_MAX (1024 * 1024) /* bytes of one request's body; above: 413 */
#define API_HEADER_MAX (32 * 1024) /* bytes of a request's line and headers; above: 431 */
#define API_CONNECTIONS_MAX 512 /* further clients wait in the socket's queue */
#define API_IDLE_TIMEOUT_S 60 /* a connection without traffic and without a pending call */
#define API_QUERY_MAX 32 /* arguments of a query string */

/* How a server differs from that of the API; all zero is the API's. */
struct api_server_manner {
	const char *json_type; /* Content-Type of JSON; NULL: application/json */
	cJSON *(*refusal)(
		const char *
			text); /* body of what the server refuses itself; NULL: {"message": text} */
	/*
	 * Who has asked once may stay idle for ever (closed at the wrong moment, the client's next request would be lost),
	 * and bodies that are too long are read on for a while before they are refused.
	 */
	bool patient;
	unsigned listen; /* LISTEN_ROOT (listen.h) */
};

struct api_server;
/**
 * api_server_start() - bind (listen.h) and answer
 * @tables: copied; the routes in them are borrowed while the server runs
 * @user: for the handlers
 * Return: 0, -EADDRINUSE: another ovld answers there, or what bind says.
 */
int api_server_start(uv_loop_t *loop, const char *path, const struct api_table *tables, size_t n,
		     void *user, struct api_server **ret, struct err *e);
/** api_server_start_as() - the same in another @manner (copied). */
int api_server_start_as(uv_loop_t *loop, const char *path, const struct api_table *tables, size_t n,
			void *user, const struct api_server_manner *manner, struct api_server **ret,
			struct err *e);
/**
 * api_server_close() - stop listening, deliver what is ready, answer the pending calls 503, end the streams
 *
 * Streams are closed (their callbacks run) before it returns, unless it is called from inside a handler: then soon after.
 * Memory goes when the loop has run its close callbacks. NULL is accepted.
 */
void api_server_close(struct api_server *s);
/** api_server_connections() - how many are open. */
unsigned api_server_connections(const struct api_server *s);
