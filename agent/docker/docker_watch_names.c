/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of containers. One question at a time: that for a container which starts is answered when it has. */
#include <errno.h>
#include <string.h>

#include "agent/docker/docker_watch_priv.h"
#include "base/log.h"
#include "base/mem.h"

static void ask_free(struct docker_watch *w, struct docker_ask *q)
{
	/* uthash goes by ->prev and ->next, which the analyzer does not follow: they are of entries still in the table. */
	// NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
	HASH_DEL(w->asks, q);
	free(q->id);
	free(q);
}

static void ask_next(struct docker_watch *w);

static void on_container(void *user, int status, const struct docker_container *c,
			 const struct err *e)
{
	struct docker_watch *w = user;
	struct docker_ask *q = TAKE_PTR(w->asked);

	q->failed = status < 0 && status != -ENOENT && !q->again;
	if (!q->again && !q->failed)
		ask_free(w, q);
	else
		q->again = false;
	if (status == 0)
		w->steps->container(w->user, c);
	else if (status != -ENOENT) /* else it has gone: nothing to name */
		log_warn("a container's names cannot be read; will retry with the next comparison",
			 "err=%s", LOG_Q(err_text(e)));
	if (!w->closing)
		ask_next(w);
}

static void ask_next(struct docker_watch *w)
{
	struct docker_ask *q = w->asks;

	while (q && q->failed)
		q = q->hh.next;
	if (w->asked || !q)
		return;
	w->asked = q;
	docker_api_container(w->api, q->id, on_container, w);
}

bool docker_names_pending(struct docker_watch *w, const char *container)
{
	struct docker_ask *q;

	HASH_FIND_STR(w->asks, container, q);
	return q && !q->failed;
}

void docker_names_ask(struct docker_watch *w, const char *container)
{
	struct docker_ask *q;

	HASH_FIND_STR(w->asks, container, q);
	if (q) {
		q->again = q == w->asked; /* it may have been answered before this */
		q->failed = false;
		ask_next(w);
		return;
	}
	if (HASH_COUNT(w->asks) >= DOCKER_CONTAINERS_MAX)
		return;
	q = mem_alloc(sizeof(*q));
	q->id = mem_strdup(container);
	HASH_ADD_KEYPTR(hh, w->asks, q->id, strlen(q->id), q);
	ask_next(w);
}

static void on_containers(void *user, int status, const struct strv *ids, const struct err *e)
{
	struct docker_watch *w = user;

	if (status < 0)
		log_warn(
			"Docker's containers cannot be listed; will retry with its next connection",
			"err=%s", LOG_Q(err_text(e)));
	for (size_t i = 0; i < ids->n; i++) {
		docker_names_ask(w, ids->v[i]);
	}
}

void docker_names_all(struct docker_watch *w)
{
	docker_api_containers(w->api, on_containers, w);
}

void docker_names_retry(struct docker_watch *w)
{
	for (struct docker_ask *q = w->asks; q; q = q->hh.next)
		q->failed = false;
	ask_next(w);
}

void docker_names_clear(struct docker_watch *w)
{
	struct docker_ask *q, *next;

	HASH_ITER(hh, w->asks, q, next)
		ask_free(w, q);
}
