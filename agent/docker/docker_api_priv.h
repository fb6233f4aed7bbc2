/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * docker_api_priv - what docker_api.c (the queue of calls), docker_api_body.c (paths, bodies, errors) and docker_api_watch.c (the stream of events) share.
 */
#pragma once
#include "agent/docker/docker_api.h"
#include "base/backoff.h"
#include "base/buf.h"
#include "store/http.h"

#define DOCKER_API_BASE "http://docker"
#define DOCKER_API_CONNECT_MS 5000

struct docker_call;
struct docker_api {
	uv_loop_t *loop;
	char *path;
	struct http *http;
	struct docker_call *queue; /* waiting, by prev/next */
	struct docker_call *refused; /* to be told in a turn of the loop that there were too many */
	struct docker_call *current; /* sent */
	struct http_request *request;
	size_t n_queue;
	uv_timer_t refuse, again;
	unsigned open_handles;
	bool closing;
	/* events */
	void (*watch)(void *user, const struct docker_event *ev);
	void *watch_user;
	struct http_request *stream;
	struct backoff backoff;
	struct buf line; /* the part of one that has come */
	bool skip; /* ... was too long: up to the next */
	bool open;
	uint64_t opened_ms;
	char *why; /* GONE was told with it */
};

/** docker_api_escape() - for a part of a path or query; heap (RFC 3986 §2.1). */
char *docker_api_escape(const char *s);
/** docker_api_status() - what a call's answer is; @e tells it with Docker's words. Return: 0 for 2xx, else as docker_api.h has it. */
int docker_api_status(const char *path, const struct http_answer *a, struct err *e);
/** docker_api_unwatch() - ends the stream, without a word. */
void docker_api_unwatch(struct docker_api *a);
