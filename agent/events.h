/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * events - what happened, told to whoever listens (`GET /events`), shaped as Docker's events.
 */
#pragma once
#include "base/id.h"
#include "base/strv.h"

struct events;
struct events_sub;
/* @line: one JSON object without newline, borrowed: {"Type","Action","Actor":{"ID","Attributes":{}},"scope","time","timeNano"} */
typedef void (*events_fn)(void *user, const char *line, size_t len);
struct events *events_new(void);
void events_free(struct events *ev); /* subscriptions must be gone */
/** events_publish() - @type: "network", "endpoint", "node", "container", "daemon"; @id: text; @attrs may be NULL. */
void events_publish(struct events *ev, const char *type, const char *action, const char *id,
		    const struct kv_pairs *attrs);
/** events_subscribe() - @fn runs inside events_publish(); unsubscribing from within is allowed. */
struct events_sub *events_subscribe(struct events *ev, events_fn fn, void *user);
void events_unsubscribe(struct events *ev, struct events_sub *s);
