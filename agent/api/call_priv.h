/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * call_priv - a call from libmicrohttpd's side; for server.c, call.c, stream.c.
 *
 * A call has two holders: the connection (until MHD says completed) and the handler (from dispatch to reply); it goes with
 * the later of them. While the handler thinks, the connection is suspended; a suspended connection is deaf, also to the
 * client's leaving (dependencies.md §1), so a poll of our own watches the descriptor and is gone before MHD may close it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <microhttpd.h>
#include <uv.h>
#include "agent/api/call.h"
#include "agent/api/route.h"
#include "agent/api/server.h"
#include "base/buf.h"

/* What all calls of a server share. */
struct api_calls {
	uv_loop_t *loop;
	const struct api_table *tables;
	size_t n_tables;
	void *user;
	struct api_server_manner manner;
	struct api_call *head; /* those with a connection */
	bool closing;
	void (*kick)(struct api_calls *c); /* a connection was resumed: MHD is to run soon */
};

enum call_state {
	CALL_NEW,
	CALL_READING, /* headers seen, body to come */
	CALL_HANDLING, /* at the handler */
	CALL_REPLIED, /* ->response is ready */
	CALL_SENDING, /* handed to MHD */
	CALL_DEAD, /* client left: MHD is to drop the connection */
};
struct hangup {
	uv_poll_t poll;
	struct api_call *call; /* NULL: closing */
	int fd;
};
struct api_call {
	struct api_calls *all; /* goes with the server, which the handler may outlive */
	struct api_server_manner manner;
	struct MHD_Connection *conn; /* NULL: completed */
	enum call_state state;
	bool handler_holds, suspended, bad_uri;
	char *path; /* as it was sent, without query */
	unsigned refuse_status; /* decided at the headers, said after the body was read; 0: none */
	struct err refuse;
	const struct api_route *route;
	struct kv_pairs params, query;
	struct buf body;
	size_t received; /* bytes of body, also those not kept */
	cJSON *json;
	struct MHD_Response *response;
	unsigned status;
	struct hangup *hangup;
	struct api_stream *stream;
	struct api_call *prev, *next;
};

/* Callbacks for MHD; @cls: struct api_calls. */
void *call_on_uri(void *cls, const char *uri, struct MHD_Connection *conn);
enum MHD_Result call_on_access(void *cls, struct MHD_Connection *conn, const char *url,
			       const char *method, const char *version, const char *data,
			       size_t *size, void **con_cls);
void call_on_completed(void *cls, struct MHD_Connection *conn, void **con_cls,
		       enum MHD_RequestTerminationCode toe);

/** call_suspend() - the connection sleeps until call_wake(), or the client leaves. */
void call_suspend(struct api_call *call);
void call_wake(struct api_call *call);
/** call_ready() - the handler's reply; @r is taken. */
void call_ready(struct api_call *call, unsigned status, struct MHD_Response *r);
/** call_close_all() - the server closes: pending calls are answered 503, streams ended; MHD has to run afterwards. */
void call_close_all(struct api_calls *all);

/* stream.c */
/** stream_dead() - the client of this stream has left or was cut off: its connection is to be dropped. */
void stream_dead(struct api_stream *s);
/** stream_ending() - the server closes: no more is sent than what is there. */
void stream_ending(struct api_stream *s);
/** stream_conn_gone() - completed: tells the producer. */
void stream_conn_gone(struct api_stream *s);
