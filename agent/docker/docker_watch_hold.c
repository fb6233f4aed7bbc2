/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What waits: to be believed, or to be tried again. */
#include <string.h>

#include "agent/docker/docker_watch_priv.h"
#include "base/mem.h"

static void hold_free(struct docker_watch *w, struct docker_hold *h)
{
	/* uthash goes by ->prev and ->next, which the analyzer does not follow: they are of entries still in the table. */
	// NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
	HASH_DEL(w->holds, h);
	free(h->id);
	free(h->name);
	free(h->why);
	free(h);
}

static struct docker_hold *hold_find(const struct docker_watch *w, const char *id)
{
	struct docker_hold *h;

	HASH_FIND_STR(w->holds, id, h);
	return h;
}

static bool is_told(const struct docker_watch *w, const struct docker_sync *s)
{
	if (s->step == DOCKER_SYNC_REMOVE)
		return strv_has(&w->gone, s->docker->id);
	return false;
}

/* Whether it must look the same a second time. */
static bool needs_belief(enum docker_sync_step step)
{
	return step == DOCKER_SYNC_UNBIND || step == DOCKER_SYNC_BIND ||
	       step == DOCKER_SYNC_REMOVE || step == DOCKER_SYNC_STRANGE;
}

struct docker_hold *docker_hold_get(struct docker_watch *w, const struct docker_sync *s)
{
	char hex[ID_TEXT_MAX];
	const char *id = s->net ? id_format(s->net->net->id, hex) : s->docker->id;
	struct docker_hold *h = hold_find(w, id);

	if (h && h->step != s->step) {
		hold_free(w, h);
		h = NULL;
	}
	if (!h) {
		h = mem_alloc(sizeof(*h));
		h->id = mem_strdup(id);
		h->name = mem_strdup(s->net ? s->net->net->name : s->docker->name);
		h->step = s->step;
		backoff_init(&h->backoff, w->again_ms,
			     w->again_ms < DOCKER_WATCH_AGAIN_MAX_MS ? DOCKER_WATCH_AGAIN_MAX_MS :
								       w->again_ms,
			     backoff_rand(&w->seed));
		if (needs_belief(s->step))
			h->until_ms = uv_now(w->loop) + w->believe_ms;
		HASH_ADD_KEYPTR(hh, w->holds, h->id, strlen(h->id), h);
	}
	if (s->step == DOCKER_SYNC_UNBIND && s->net && s->net->bound &&
	    (strv_has(&w->destroyed, s->net->bound) ||
	     strv_has(&w->destroyed_before, s->net->bound)))
		h->told = true;
	if ((h->told || is_told(w, s)) && !h->why)
		h->until_ms = 0;
	h->pass = w->pass;
	return h;
}

void docker_hold_fail(struct docker_watch *w, struct docker_hold *h, const char *why)
{
	free(h->why);
	h->why = mem_strdup(why);
	h->until_ms = uv_now(w->loop) + backoff_next(&h->backoff);
}

void docker_hold_done(struct docker_watch *w, struct docker_hold *h)
{
	free(TAKE_PTR(h->why));
	h->until_ms = uv_now(w->loop) + backoff_next(&h->backoff);
}

void docker_hold_drop(struct docker_watch *w, const char *id)
{
	struct docker_hold *h = hold_find(w, id);

	/* One that is being done is its step's. */
	if (h && (!w->step || w->step->hold != h))
		hold_free(w, h);
}

void docker_hold_drop_named(struct docker_watch *w, const char *name)
{
	struct docker_hold *h, *next;

	HASH_ITER(hh, w->holds, h, next) {
		if (h->why && strcmp(h->name, name) == 0 && (!w->step || w->step->hold != h))
			hold_free(w, h);
	}
}

void docker_hold_passed(struct docker_watch *w)
{
	uint64_t now = uv_now(w->loop);
	struct docker_hold *h, *next;

	HASH_ITER(hh, w->holds, h, next) {
		/* Told of meanwhile: to be looked at after all. */
		if (h->until_ms <= now ||
		    (!h->why && (w->destroyed_before.n > 0 || strv_has(&w->gone, h->id))))
			continue;
		h->pass = w->pass;
		strv_add(&w->passed, h->id);
	}
}

uint64_t docker_hold_sweep(struct docker_watch *w)
{
	uint64_t due = UINT64_MAX;
	struct docker_hold *h, *next;

	HASH_ITER(hh, w->holds, h, next) {
		if (h->pass != w->pass)
			hold_free(w, h);
		else if (h->until_ms < due)
			due = h->until_ms;
	}
	return due;
}

void docker_hold_clear(struct docker_watch *w)
{
	struct docker_hold *h, *next;

	HASH_ITER(hh, w->holds, h, next)
		hold_free(w, h);
}

const char *docker_watch_why(const struct docker_watch *w, struct id net)
{
	char hex[ID_TEXT_MAX];
	const struct docker_hold *h = hold_find(w, id_format(net, hex));

	return !h ? NULL : h->why ? h->why : "";
}

void docker_watch_state(const struct docker_watch *w, struct docker_watch_state *ret)
{
	const struct docker_hold *h;

	*ret = (struct docker_watch_state){
		.connected = w->connected,
		.swarm = w->swarm,
		.problem = w->problem ? w->problem : "",
		.version = w->version ? w->version : "",
		.networks = w->n_docker,
		.passes = w->pass,
	};
	for (h = w->holds; h; h = h->hh.next)
		ret->strange += h->step == DOCKER_SYNC_STRANGE && h->acted;
}
