/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/events.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

#include "base/json.h"
#include "base/mem.h"

struct events_sub {
	events_fn fn; /* NULL: unsubscribed while a notification runs */
	void *user;
	struct events_sub *prev, *next;
};

struct events {
	struct events_sub *subs;
	unsigned notifying; /* depth: subscribers are freed only at 0 */
	bool stale;
};

struct events *events_new(void)
{
	return mem_alloc(sizeof(struct events));
}

void events_free(struct events *ev)
{
	free(ev);
}

struct events_sub *events_subscribe(struct events *ev, events_fn fn, void *user)
{
	struct events_sub *s = mem_alloc(sizeof(*s));

	s->fn = fn;
	s->user = user;
	DL_APPEND(ev->subs, s);
	return s;
}

static void sweep(struct events *ev)
{
	struct events_sub *s, *tmp;

	DL_FOREACH_SAFE(ev->subs, s, tmp) {
		if (s->fn)
			continue;
		DL_DELETE(ev->subs, s);
		free(s);
	}
	ev->stale = false;
}

void events_unsubscribe(struct events *ev, struct events_sub *s)
{
	if (!s)
		return;
	s->fn = NULL;
	ev->stale = true;
	if (ev->notifying == 0)
		sweep(ev);
}

static void put_time(cJSON *j)
{
	struct timespec ts;
	char nano[32];

	clock_gettime(CLOCK_REALTIME, &ts);
	json_put_u64(j, "time", (uint64_t)ts.tv_sec);
	/* Above 2^53: as raw digits, since cJSON keeps numbers as doubles. */
	snprintf(nano, sizeof(nano), "%lld%09ld", (long long)ts.tv_sec, ts.tv_nsec);
	cJSON_AddItemToObject(j, "timeNano", cJSON_CreateRaw(nano));
}

void events_publish(struct events *ev, const char *type, const char *action, const char *id,
		    const struct kv_pairs *attrs)
{
	_cleanup_json_ cJSON *j = NULL;
	_cleanup_free_ char *line = NULL;
	struct events_sub *s;
	cJSON *actor;
	size_t len;

	if (!ev->subs)
		return;
	j = cJSON_CreateObject();
	json_put_str(j, "Type", type);
	json_put_str(j, "Action", action);
	actor = cJSON_AddObjectToObject(j, "Actor");
	json_put_str(actor, "ID", id);
	if (attrs)
		json_put_pairs(actor, "Attributes", attrs);
	else
		cJSON_AddObjectToObject(actor, "Attributes");
	json_put_str(j, "scope", "local");
	put_time(j);
	line = json_print(j);
	len = strlen(line);

	ev->notifying++;
	DL_FOREACH(ev->subs, s) {
		if (s->fn)
			s->fn(s->user, line, len);
	}
	if (--ev->notifying == 0 && ev->stale)
		sweep(ev);
}
