/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * call - one request of the API, from the handler's side: what was asked, and the reply.
 *
 * A handler gets a call and makes exactly one of the replies below, from inside or any time later (the connection
 * sleeps meanwhile). Until then the call is the handler's, even when the client has left or the server is closed: the
 * reply is dropped then. After the reply the pointer is invalid.
 *
 * A stream is the reply without end: bytes are sent as they come, until the producer ends it or the client leaves.
 */
#pragma once
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

#define API_STREAM_BACKLOG_MAX \
	(1024 * 1024) /* bytes a slow reader may lag behind before it is cut off */

struct api_call;
struct api_stream;

/** api_call_param() - the segment of the path named @name in the pattern; never NULL for names of the pattern. Borrowed. */
const char *api_call_param(const struct api_call *call, const char *name);
/** api_call_query() - argument of the query string, NULL where absent; "" for "?name". Borrowed. */
const char *api_call_query(const struct api_call *call, const char *name);
/** api_call_flag() - the query argument as truth: "1", "true", "yes", "on" or "" are true; else, or absent, false. */
bool api_call_flag(const struct api_call *call, const char *name);
/** api_call_body() - the JSON object that came, NULL where there was none. Borrowed. */
const cJSON *api_call_body(const struct api_call *call);
/** api_call_raw() - the body of a route with API_BODY_RAW, NUL-terminated, @ret_len bytes; valid until the handler returns. */
const char *api_call_raw(const struct api_call *call, size_t *ret_len);
/** api_call_gone() - has the client left? Long work may stop; a reply must be made all the same. */
bool api_call_gone(const struct api_call *call);

/** api_status_of() - the HTTP status for an errno (negative), e.g. 404 for -ENOENT; 500 where none fits. */
unsigned api_status_of(int code);
/** api_reply_json() - @j is taken. */
void api_reply_json(struct api_call *call, unsigned status, cJSON *j);
/** api_reply_empty() - 204. */
void api_reply_empty(struct api_call *call);
/** api_reply_text() - @text is copied. */
void api_reply_text(struct api_call *call, unsigned status, const char *text);
/** api_reply_err() - {"message": "..."} with the status of @code; @e (may be NULL) has the words. */
void api_reply_err(struct api_call *call, int code, const struct err *e);
/** api_reply_fail() - the same with words of the caller's. */
void api_reply_fail(struct api_call *call, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The client has left, was too slow, or the server closes: the stream is invalid when this returns. Not called after api_stream_end(). */
typedef void (*api_stream_closed_fn)(void *user);
/**
 * api_reply_stream() - reply 200 and keep the connection open
 * Return: the stream, the producer's until api_stream_end() or @closed; NULL when the client has left already.
 */
struct api_stream *api_reply_stream(struct api_call *call, const char *content_type,
				    api_stream_closed_fn closed, void *user);
/** api_stream_send() - copied. Return: 0, -ENOBUFS: the reader is too slow and is cut off (@closed follows, later). */
int api_stream_send(struct api_stream *s, const void *data, size_t len);
/** api_stream_end() - what was sent is still delivered. */
void api_stream_end(struct api_stream *s);
