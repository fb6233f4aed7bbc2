/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/call.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "agent/api/call_priv.h"
#include "agent/api/server.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

/* A body over the limit is read on for a while, so that the client hears why; beyond this it is cut off. */
#define CALL_DISCARD_MAX (4 * (size_t)API_BODY_MAX)

static void call_free(struct api_call *call)
{
	kv_pairs_done(&call->params);
	kv_pairs_done(&call->query);
	buf_done(&call->body);
	cJSON_Delete(call->json);
	free(call->path);
	free(call);
}

/* ---- suspended connections ---- */

static void hangup_closed(uv_handle_t *h)
{
	free(CONTAINER_OF((uv_poll_t *)h, struct hangup, poll));
}

static void hangup_stop(struct api_call *call)
{
	struct hangup *h = call->hangup;

	if (!h)
		return;
	call->hangup = NULL;
	h->call = NULL;
	uv_poll_stop(&h->poll);
	uv_close((uv_handle_t *)&h->poll, hangup_closed);
}

static void hangup_event(uv_poll_t *poll_handle, int status, int events)
{
	struct hangup *h = CONTAINER_OF(poll_handle, struct hangup, poll);
	struct api_call *call = h->call;
	struct pollfd p = { .fd = h->fd };

	(void)events;
	if (!call)
		return;
	/*
	 * UV_DISCONNECT is EPOLLRDHUP: also a client that only closed its sending half and waits for the reply.
	 * That one is served; it is no longer watched, as the event would come again and again.
	 */
	if (status == 0 && poll(&p, 1, 0) >= 0 && !(p.revents & (POLLHUP | POLLERR))) {
		hangup_stop(call);
		return;
	}
	if (call->stream)
		stream_dead(call->stream);
	else
		call->state = CALL_DEAD;
	call_wake(call);
}

static void hangup_start(struct api_call *call)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(call->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct hangup *h;

	if (!info)
		return;
	h = mem_alloc(sizeof(*h));
	h->call = call;
	h->fd = info->connect_fd;
	/* Without it a leaving client is noticed late, at the reply: no reason to fail. */
	if (uv_poll_init(call->all->loop, &h->poll, h->fd) < 0) {
		free(h);
		return;
	}
	uv_poll_start(&h->poll, UV_DISCONNECT, hangup_event);
	call->hangup = h;
}

void call_suspend(struct api_call *call)
{
	call->suspended = true;
	MHD_suspend_connection(call->conn);
	hangup_start(call);
}

void call_wake(struct api_call *call)
{
	if (!call->suspended)
		return;
	hangup_stop(call);
	call->suspended = false;
	MHD_resume_connection(call->conn);
	call->all->kick(call->all);
}

/* ---- replies ---- */

static struct MHD_Response *response_text(char *text, const char *type)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);

	if (!r)
		abort();
	if (type)
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	return r;
}

static struct MHD_Response *response_json(const struct api_server_manner *m, cJSON *j)
{
	const char *type = m->json_type;
	struct MHD_Response *r = response_text(json_print(j), type ? type : "application/json");

	cJSON_Delete(j);
	return r;
}

static struct MHD_Response *response_err(const struct api_server_manner *m, const char *message)
{
	cJSON *j;

	if (m->refusal)
		return response_json(m, m->refusal(message));
	j = cJSON_CreateObject();
	json_put_str(j, "message", message);
	return response_json(m, j);
}

static enum MHD_Result send_response(struct api_call *call)
{
	enum MHD_Result r = MHD_queue_response(call->conn, call->status, call->response);

	MHD_destroy_response(call->response);
	call->response = NULL;
	call->state = CALL_SENDING;
	return r;
}

static void set_response(struct api_call *call, unsigned status, struct MHD_Response *r)
{
	call->response = r;
	call->status = status;
	call->state = CALL_REPLIED;
	call_wake(call);
}

void call_ready(struct api_call *call, unsigned status, struct MHD_Response *r)
{
	call->handler_holds = false;
	if (!call->conn || call->state != CALL_HANDLING) {
		/* The client left, or the server has answered in the handler's place. */
		MHD_destroy_response(r);
		if (!call->conn)
			call_free(call);
		return;
	}
	set_response(call, status, r);
}

unsigned api_status_of(int code)
{
	static const struct {
		int code;
		unsigned status;
	} table[] = {
		{ EINVAL, MHD_HTTP_BAD_REQUEST },
		{ ERANGE, MHD_HTTP_BAD_REQUEST },
		{ ENAMETOOLONG, MHD_HTTP_BAD_REQUEST },
		{ EACCES, MHD_HTTP_FORBIDDEN },
		{ EPERM, MHD_HTTP_FORBIDDEN },
		{ ENOENT, MHD_HTTP_NOT_FOUND },
		{ ESRCH, MHD_HTTP_NOT_FOUND },
		{ ENOTSUP, MHD_HTTP_METHOD_NOT_ALLOWED },
		{ EEXIST, MHD_HTTP_CONFLICT },
		{ EBUSY, MHD_HTTP_CONFLICT },
		{ EADDRINUSE, MHD_HTTP_CONFLICT },
		{ EALREADY, MHD_HTTP_CONFLICT },
		{ ENOTEMPTY, MHD_HTTP_CONFLICT },
		{ ENOSPC, MHD_HTTP_CONFLICT },
		{ ESTALE, MHD_HTTP_CONFLICT },
		{ EMSGSIZE, MHD_HTTP_CONTENT_TOO_LARGE },
		{ E2BIG, MHD_HTTP_CONTENT_TOO_LARGE },
		{ EREMOTEIO, MHD_HTTP_BAD_GATEWAY },
		{ EPROTO, MHD_HTTP_BAD_GATEWAY },
		{ EHOSTUNREACH, MHD_HTTP_SERVICE_UNAVAILABLE },
		{ ETIMEDOUT, MHD_HTTP_SERVICE_UNAVAILABLE },
		{ EAGAIN, MHD_HTTP_SERVICE_UNAVAILABLE },
		{ ECANCELED, MHD_HTTP_SERVICE_UNAVAILABLE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (table[i].code == -code)
			return table[i].status;
	}
	return MHD_HTTP_INTERNAL_SERVER_ERROR;
}

void api_reply_json(struct api_call *call, unsigned status, cJSON *j)
{
	call_ready(call, status, response_json(&call->manner, j));
}

void api_reply_empty(struct api_call *call)
{
	call_ready(call, MHD_HTTP_NO_CONTENT, response_text(mem_strdup(""), NULL));
}

void api_reply_text(struct api_call *call, unsigned status, const char *text)
{
	call_ready(call, status, response_text(mem_strdup(text), "text/plain; charset=utf-8"));
}

void api_reply_err(struct api_call *call, int code, const struct err *e)
{
	struct err plain = { .code = code };

	call_ready(call, api_status_of(code),
		   response_err(&call->manner, err_text(e && *e->text ? e : &plain)));
}

void api_reply_fail(struct api_call *call, int code, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = mem_vprintf(fmt, ap);
	va_end(ap);
	call_ready(call, api_status_of(code), response_err(&call->manner, text));
}

/* ---- what was asked ---- */

const char *api_call_param(const struct api_call *call, const char *name)
{
	return kv_pairs_get(&call->params, name);
}

const char *api_call_query(const struct api_call *call, const char *name)
{
	return kv_pairs_get(&call->query, name);
}

bool api_call_flag(const struct api_call *call, const char *name)
{
	static const char *const yes[] = { "", "1", "true", "yes", "on" };
	const char *s = api_call_query(call, name);

	for (size_t i = 0; s && i < ARRAY_SIZE(yes); i++) {
		if (strcasecmp(s, yes[i]) == 0)
			return true;
	}
	return false;
}

const cJSON *api_call_body(const struct api_call *call)
{
	return call->json;
}

const char *api_call_raw(const struct api_call *call, size_t *ret_len)
{
	*ret_len = call->body.len;
	return call->body.data;
}

bool api_call_gone(const struct api_call *call)
{
	return !call->conn || call->state == CALL_DEAD;
}

/* ---- the request comes in ---- */

/* The first of MHD's callbacks for a request: the one place where the path is seen as it was sent. */
void *call_on_uri(void *cls, const char *uri, struct MHD_Connection *conn)
{
	struct api_calls *all = cls;
	struct api_call *call = mem_alloc(sizeof(*call));

	call->all = all;
	call->manner = all->manner;
	call->conn = conn;
	call->bad_uri = strstr(uri, "%00") != NULL;
	call->path = mem_strndup(uri, strcspn(uri, "?"));
	buf_init(&call->body, API_BODY_MAX);
	DL_APPEND(all->head, call);
	return call;
}

static void refuse(struct api_call *call, unsigned status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void refuse(struct api_call *call, unsigned status, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (call->refuse_status)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	call->refuse_status = status;
	err_set(&call->refuse, -EINVAL, "%s", text);
}

struct framing {
	unsigned lengths, encodings;
	size_t longest; /* body that is begun to be read */
	bool too_long;
};

static enum MHD_Result take_header(void *cls, enum MHD_ValueKind kind, const char *key,
				   const char *value)
{
	struct framing *f = cls;
	char *end;

	(void)kind;
	if (strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0)
		f->encodings++;
	if (strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
		f->lengths++;
		if (value && strtoull(value, &end, 10) > f->longest)
			f->too_long = true;
	}
	return MHD_YES;
}

static enum MHD_Result take_argument(void *cls, enum MHD_ValueKind kind, const char *key,
				     const char *value)
{
	struct api_call *call = cls;

	(void)kind;
	if (call->query.n == API_QUERY_MAX)
		refuse(call, MHD_HTTP_BAD_REQUEST, "more than %d query arguments", API_QUERY_MAX);
	else
		kv_pairs_set(&call->query, key, value ? value : "");
	return MHD_YES;
}

/*
 * Headers are in. What is wrong is noted and said after the body was read, as MHD would take an unread body for the
 * next request of the connection; only a body known to be too long is refused at once, with the connection.
 */
static enum MHD_Result begin(struct api_call *call, const char *method)
{
	/* Who repeats a request that was cut off must not be. */
	struct framing f = { .longest = call->manner.patient ? CALL_DISCARD_MAX : API_BODY_MAX };
	char text[64];
	int r;

	call->state = CALL_READING;
	MHD_get_connection_values(call->conn, MHD_HEADER_KIND, take_header, &f);
	MHD_get_connection_values(call->conn, MHD_GET_ARGUMENT_KIND, take_argument, call);
	if (f.encodings + f.lengths > 1)
		refuse(call, MHD_HTTP_BAD_REQUEST,
		       "more than one of Content-Length, Transfer-Encoding");
	if (call->bad_uri)
		refuse(call, MHD_HTTP_BAD_REQUEST, "NUL in the path");
	r = api_route_find(call->all->tables, call->all->n_tables, method, call->path, &call->route,
			   &call->params);
	if (r == -ENOENT)
		refuse(call, MHD_HTTP_NOT_FOUND, "no such path: %.128s", call->path);
	else if (r == -EINVAL)
		refuse(call, MHD_HTTP_BAD_REQUEST, "broken escape in the path");
	else if (r < 0)
		refuse(call, MHD_HTTP_METHOD_NOT_ALLOWED, "%.16s is not possible for %.128s",
		       method, call->path);
	log_debug("api request", "method=%s path=%s", LOG_Q(method), LOG_Q(call->path));
	if (!f.too_long)
		return MHD_YES;
	snprintf(text, sizeof(text), "body: longer than %d bytes", API_BODY_MAX);
	call->response = response_err(&call->manner, text);
	MHD_add_response_header(call->response, MHD_HTTP_HEADER_CONNECTION, "close");
	call->status = MHD_HTTP_CONTENT_TOO_LARGE;
	return send_response(call);
}

static enum MHD_Result take_data(struct api_call *call, const char *data, size_t *size)
{
	call->received += *size;
	if (call->received > CALL_DISCARD_MAX)
		return MHD_NO;
	if (!call->refuse_status && buf_append(&call->body, data, *size) < 0) {
		refuse(call, MHD_HTTP_CONTENT_TOO_LARGE, "body: longer than %d bytes",
		       API_BODY_MAX);
		buf_reset(&call->body);
	}
	*size = 0;
	return MHD_YES;
}

static void take_body(struct api_call *call)
{
	struct err e = { 0 };

	if (call->refuse_status || call->route->body == API_BODY_RAW)
		return;
	if (call->body.len == 0) {
		if (call->route->body == API_BODY_REQUIRED)
			refuse(call, MHD_HTTP_BAD_REQUEST, "body: missing");
		return;
	}
	if (call->route->body == API_BODY_NONE)
		refuse(call, MHD_HTTP_BAD_REQUEST, "body: this request takes none");
	else if (json_parse_object(call->body.data, call->body.len, API_BODY_MAX, &call->json, &e) <
		 0)
		refuse(call, MHD_HTTP_BAD_REQUEST, "body: %.200s", err_text(&e));
}

static enum MHD_Result dispatch(struct api_call *call)
{
	take_body(call);
	if (call->refuse_status || call->route->body != API_BODY_RAW)
		buf_done(&call->body);
	if (!call->refuse_status && call->all->closing)
		refuse(call, MHD_HTTP_SERVICE_UNAVAILABLE, "ovld is stopping");
	if (call->refuse_status) {
		set_response(call, call->refuse_status,
			     response_err(&call->manner, err_text(&call->refuse)));
		return send_response(call);
	}
	call->state = CALL_HANDLING;
	call->handler_holds = true;
	if (call->manner.patient)
		MHD_set_connection_option(call->conn, MHD_CONNECTION_OPTION_TIMEOUT, 0U);
	call->route->handler(call, call->all->user);
	buf_done(&call->body);
	if (call->state == CALL_REPLIED)
		return send_response(call);
	call_suspend(call);
	return MHD_YES;
}

enum MHD_Result call_on_access(void *cls, struct MHD_Connection *conn, const char *url,
			       const char *method, const char *version, const char *data,
			       size_t *size, void **con_cls)
{
	struct api_call *call = *con_cls;

	(void)cls;
	(void)conn;
	(void)url; /* decoded: an escaped slash would look like a real one */
	(void)version;
	switch (call->state) {
	case CALL_NEW:
		return begin(call, method);
	case CALL_READING:
		return *size > 0 ? take_data(call, data, size) : dispatch(call);
	case CALL_REPLIED:
		return send_response(call);
	case CALL_HANDLING:
	case CALL_SENDING:
		return MHD_YES;
	case CALL_DEAD:
		break;
	}
	return MHD_NO;
}

void call_on_completed(void *cls, struct MHD_Connection *conn, void **con_cls,
		       enum MHD_RequestTerminationCode toe)
{
	struct api_call *call = *con_cls;

	(void)cls;
	(void)conn;
	(void)toe;
	if (!call)
		return;
	*con_cls = NULL;
	hangup_stop(call);
	DL_DELETE(call->all->head, call);
	call->conn = NULL;
	call->suspended = false;
	if (call->response)
		MHD_destroy_response(call->response);
	call->response = NULL;
	if (call->stream)
		stream_conn_gone(TAKE_PTR(call->stream));
	if (!call->handler_holds)
		call_free(call);
}

void call_close_all(struct api_calls *all)
{
	struct api_call *call, *tmp;

	all->closing = true;
	DL_FOREACH_SAFE(all->head, call, tmp) {
		if (call->stream)
			stream_ending(call->stream);
		else if (call->state == CALL_HANDLING)
			set_response(call, MHD_HTTP_SERVICE_UNAVAILABLE,
				     response_err(&call->manner, "ovld is stopping"));
	}
}
