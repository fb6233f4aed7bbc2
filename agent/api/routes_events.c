/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "agent/api/call.h"
#include "agent/api/filter.h"
#include "agent/api/routes.h"
#include "base/json.h"
#include "base/mem.h"

#define EVENT_LINE_MAX (256 * 1024)

struct listener {
	const struct api_context *ctx;
	struct api_stream *stream;
	struct events_sub *sub;
	struct filter f;
};

/* Keys of filters that name an object: events about it, and those that mention it among their attributes. */
static const char *const object_keys[] = { "network", "endpoint", "node", "container" };

static const char *text_of(const cJSON *j, const char *key)
{
	const cJSON *item = j ? json_get(j, key) : NULL;

	return item && cJSON_IsString(item) ? item->valuestring : NULL;
}

static bool fits(const struct filter *f, const char *line, size_t len)
{
	_cleanup_json_ cJSON *j = NULL;
	const cJSON *actor, *attrs;
	const char *type;

	if (f->n == 0)
		return true;
	if (json_parse_object(line, len, EVENT_LINE_MAX, &j, NULL) < 0)
		return false;
	type = text_of(j, "Type");
	actor = json_get(j, "Actor");
	attrs = actor ? json_get(actor, "Attributes") : NULL;
	if (!filter_exact(f, "type", type) || !filter_exact(f, "event", text_of(j, "Action")))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(object_keys); i++) {
		const char *key = object_keys[i];
		bool about = type && strcmp(type, key) == 0;

		if (filter_exact(f, key, text_of(attrs, key)))
			continue;
		if (!about || (!filter_prefix(f, key, text_of(actor, "ID")) &&
			       !filter_exact(f, key, text_of(attrs, "name"))))
			return false;
	}
	return true;
}

static void on_event(void *user, const char *line, size_t len)
{
	struct listener *l = user;

	if (!fits(&l->f, line, len))
		return;
	/* A listener too slow is cut off by the stream, which then calls closed(). */
	if (api_stream_send(l->stream, line, len) == 0)
		api_stream_send(l->stream, "\n", 1);
}

static void closed(void *user)
{
	struct listener *l = user;

	events_unsubscribe(l->ctx->events, l->sub);
	filter_done(&l->f);
	free(l);
}

static void get_events(struct api_call *call, void *user)
{
	static const char *const known[] = { "type", "event",	  "network", "endpoint",
					     "node", "container", NULL };
	struct listener *l;
	struct filter f = { 0 };
	struct err e = { 0 };
	int r = filter_parse(api_call_query(call, "filters"), known, &f, &e);

	if (r < 0) {
		api_reply_err(call, r, &e);
		return;
	}
	l = mem_alloc(sizeof(*l));
	l->ctx = user;
	l->f = f;
	l->stream = api_reply_stream(call, "application/x-ndjson", closed, l);
	if (l->stream)
		l->sub = events_subscribe(l->ctx->events, on_event, l);
	else
		closed(l);
}

static const struct api_route routes[] = {
	{ "GET", "/events", API_BODY_NONE, get_events },
};
const struct api_table routes_events = { routes, ARRAY_SIZE(routes) };
