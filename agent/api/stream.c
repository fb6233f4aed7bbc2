/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reply without end (call.h). Held by the response that MHD sends and by the producer; goes with the later of them. */
#include <errno.h>
#include <string.h>

#include "agent/api/call.h"
#include "agent/api/call_priv.h"
#include "base/mem.h"

#define STREAM_BLOCK 16384 /* bytes MHD asks for at a time */

struct api_stream {
	struct api_call *call; /* NULL: the connection is gone */
	struct buf out;
	bool ending; /* nothing is added any more */
	bool dead; /* to be cut off */
	bool producer_holds, response_holds;
	api_stream_closed_fn closed;
	void *user;
};

static void release(struct api_stream *s)
{
	if (s->producer_holds || s->response_holds)
		return;
	buf_done(&s->out);
	free(s);
}

static ssize_t reader(void *cls, uint64_t pos, char *to, size_t max)
{
	struct api_stream *s = cls;
	size_t n = s->out.len < max ? s->out.len : max;

	(void)pos;
	if (s->dead || !s->call)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (n > 0) {
		memcpy(to, s->out.data, n);
		buf_drop(&s->out, n);
		return (ssize_t)n;
	}
	if (s->ending)
		return MHD_CONTENT_READER_END_OF_STREAM;
	call_suspend(s->call);
	return 0;
}

static void response_gone(void *cls)
{
	struct api_stream *s = cls;

	s->response_holds = false;
	release(s);
}

struct api_stream *api_reply_stream(struct api_call *call, const char *content_type,
				    api_stream_closed_fn closed, void *user)
{
	struct api_stream *s = mem_alloc(sizeof(*s));
	struct MHD_Response *r;
	bool lost = !call->conn || call->state != CALL_HANDLING;

	s->closed = closed;
	s->user = user;
	s->response_holds = true;
	s->producer_holds = !lost;
	buf_init(&s->out, API_STREAM_BACKLOG_MAX);
	r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, reader, s,
					      response_gone);
	if (!r)
		abort();
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
	if (!lost) {
		s->call = call;
		call->stream = s;
	}
	call_ready(call, MHD_HTTP_OK, r);
	return lost ? NULL : s;
}

int api_stream_send(struct api_stream *s, const void *data, size_t len)
{
	if (s->dead || s->ending)
		return -ENOBUFS;
	if (buf_append(&s->out, data, len) < 0) {
		stream_dead(s);
		return -ENOBUFS;
	}
	call_wake(s->call);
	return 0;
}

void api_stream_end(struct api_stream *s)
{
	s->producer_holds = false;
	s->ending = true;
	if (s->call)
		call_wake(s->call);
	release(s);
}

void stream_dead(struct api_stream *s)
{
	s->dead = true;
	if (s->call)
		call_wake(s->call);
}

void stream_ending(struct api_stream *s)
{
	s->ending = true;
	if (s->call)
		call_wake(s->call);
}

void stream_conn_gone(struct api_stream *s)
{
	bool tell = s->producer_holds;

	s->call = NULL;
	s->producer_holds = false;
	if (tell && s->closed)
		s->closed(s->user);
	release(s);
}
