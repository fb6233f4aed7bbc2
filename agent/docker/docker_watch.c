/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a pass begins: events, changes of the mirror, the clock. */
#include "agent/docker/docker_watch.h"

#include <string.h>

#include "agent/docker/docker_watch_priv.h"
#include "base/log.h"
#include "base/mem.h"

#define REMEMBER_MAX DOCKER_NETWORKS_MAX /* ids told as gone, that no pass has looked at yet */

static void on_info(void *user, int status, const struct docker_info *i, const struct err *e)
{
	struct docker_watch *w = user;

	(void)e;
	if (status < 0)
		return; /* said by whoever cannot go on without Docker */
	if (w->version && strcmp(w->version, i->version) == 0 && w->swarm == i->swarm)
		return;
	free(w->version);
	w->version = mem_strdup(i->version);
	w->swarm = i->swarm;
	log_info("Docker answers", "version=%s swarm=%s", LOG_Q(i->version),
		 i->swarm ? "true" : "false");
}

static void on_timer(uv_timer_t *timer)
{
	struct docker_watch *w = timer->data;

	w->due_ms = UINT64_MAX;
	if (w->yielded)
		docker_watch_continue(w);
	else if (w->busy)
		w->dirty = true;
	else if (w->connected && mirror_get_state(w->mirror) == MIRROR_SYNCED &&
		 !id_is_zero(w->steps->self(w->user))) {
		if (w->swarm)
			docker_api_info(w->api, on_info, w); /* nothing tells that it was left */
		docker_watch_begin(w);
	} else
		docker_watch_at(w, uv_now(w->loop) + DOCKER_WATCH_COMPARE_MS);
}

void docker_watch_at(struct docker_watch *w, uint64_t ms)
{
	uint64_t now = uv_now(w->loop);

	if (!w->started || w->closing || ms >= w->due_ms)
		return;
	w->due_ms = ms;
	uv_timer_start(&w->timer, on_timer, ms > now ? ms - now : 0, 0);
}

void docker_watch_dirty(struct docker_watch *w)
{
	w->dirty = true;
	if (!w->busy)
		docker_watch_at(w, uv_now(w->loop) + w->settle_ms);
}

void docker_watch_end(struct docker_watch *w)
{
	uint64_t now = uv_now(w->loop), due = now + DOCKER_WATCH_COMPARE_MS, first;

	w->busy = false;
	if (w->abort) {
		due = now + w->again_ms;
	} else {
		strv_done(&w->destroyed_before);
		first = docker_hold_sweep(w);
		if (first < due)
			due = first > now + w->settle_ms ? first : now + w->settle_ms;
		if (w->dirty || w->acted)
			due = now + w->settle_ms;
	}
	docker_watch_at(w, due);
	if (!w->abort)
		docker_names_retry(w);
}

static void remember(struct strv *s, const char *id)
{
	if (s->n < REMEMBER_MAX && !strv_has(s, id))
		strv_add(s, id);
}

static void on_network(struct docker_watch *w, const struct docker_event *ev)
{
	bool ours = ev->driver && strcmp(ev->driver, "ovl") == 0;

	/* A swarm that is made brings a network of Docker's own overlay; there is no event for itself. */
	if (ev->driver && strcmp(ev->driver, "overlay") == 0 && !ev->container)
		docker_api_info(w->api, on_info, w);
	if (strcmp(ev->action, "destroy") == 0) {
		if (ours)
			remember(&w->destroyed, ev->id);
		docker_hold_drop(w, ev->id);
		if (ev->name) /* of any driver: it may have been in the way */
			docker_hold_drop_named(w, ev->name);
		docker_watch_dirty(w);
		return;
	}
	/* It may be one of ours that is on such a bridge as well. */
	if (ev->driver && strcmp(ev->driver, "bridge") == 0 && ev->container)
		docker_names_ask(w, ev->container);
	if (!ours)
		return;
	docker_hold_drop(w, ev->id); /* its last endpoint may be gone now */
	if (strcmp(ev->action, "connect") == 0 && ev->container)
		docker_names_ask(w, ev->container);
	if (strcmp(ev->action, "connect") != 0)
		docker_watch_dirty(w);
}

static void on_event(void *user, const struct docker_event *ev)
{
	struct docker_watch *w = user;

	switch (ev->kind) {
	case DOCKER_EVENT_CONNECTED:
		w->connected = true;
		free(TAKE_PTR(w->problem));
		free(TAKE_PTR(w->version)); /* it may be another one */
		docker_api_info(w->api, on_info, w);
		docker_names_all(w);
		if (w->steps->connected)
			w->steps->connected(w->user);
		docker_watch_dirty(w);
		break;
	case DOCKER_EVENT_GONE:
		w->connected = false;
		free(w->problem);
		w->problem = mem_strdup(ev->why);
		log_warn("Docker's API does not answer; will retry", "err=%s", LOG_Q(ev->why));
		break;
	case DOCKER_EVENT_NETWORK:
		on_network(w, ev);
		break;
	case DOCKER_EVENT_CONTAINER:
		/* One that is asked about since its connect is told of as it is when it has started. */
		if (strcmp(ev->action, "rename") == 0 ||
		    (strcmp(ev->action, "start") == 0 && !docker_names_pending(w, ev->id)))
			docker_names_ask(w, ev->id);
		break;
	}
}

struct docker_watch *docker_watch_new(uv_loop_t *loop, const char *path, struct mirror *m,
				      const struct docker_steps *steps, void *user)
{
	struct docker_watch *w = mem_alloc(sizeof(*w));

	w->loop = loop;
	w->mirror = m;
	w->steps = steps;
	w->user = user;
	w->settle_ms = DOCKER_WATCH_SETTLE_MS;
	w->believe_ms = DOCKER_WATCH_BELIEVE_MS;
	w->again_ms = DOCKER_WATCH_AGAIN_MIN_MS;
	w->seed = uv_hrtime();
	w->due_ms = UINT64_MAX;
	w->api = docker_api_new(loop, path);
	uv_timer_init(loop, &w->timer);
	w->timer.data = w;
	return w;
}

void docker_watch_start(struct docker_watch *w)
{
	if (w->started)
		return;
	w->started = true;
	docker_api_watch(w->api, on_event, w);
}

static void on_closed(uv_handle_t *handle)
{
	struct docker_watch *w = handle->data;

	docker_hold_clear(w);
	docker_names_clear(w);
	docker_networks_free(w->docker, w->n_docker);
	strv_done(&w->passed);
	strv_done(&w->gone);
	strv_done(&w->destroyed);
	strv_done(&w->destroyed_before);
	free(w->problem);
	free(w->version);
	free(w);
}

void docker_watch_close(struct docker_watch *w)
{
	struct docker_hold *h;

	if (!w || w->closing)
		return;
	w->closing = true;
	if (w->step) {
		h = w->step->hold;
		/* A call of the API ends without a word; what is done elsewhere will still say so. */
		if (h->step == DOCKER_SYNC_CREATE || h->step == DOCKER_SYNC_REMOVE)
			free(w->step);
		else
			w->step->w = NULL;
		w->step = NULL;
	}
	docker_api_close(w->api);
	uv_close((uv_handle_t *)&w->timer, on_closed);
}

void docker_watch_mirror(struct docker_watch *w, const struct mirror_change *c)
{
	const struct model_binding *b = c->before;
	char hex[ID_TEXT_MAX];

	if (w->closing || (c->kind != MODEL_NETWORK && c->kind != MODEL_BINDING))
		return;
	if (c->kind == MODEL_BINDING && !id_eq(c->id, w->steps->self(w->user)))
		return; /* how another node calls it */
	id_format(c->kind == MODEL_NETWORK ? c->id : c->network, hex);
	/* A network that was made here by Docker has the same id there. */
	if (c->kind == MODEL_NETWORK && c->deleted)
		remember(&w->gone, hex);
	if (c->kind == MODEL_BINDING && c->deleted && b)
		remember(&w->gone, b->docker);
	docker_hold_drop(w, hex);
	docker_watch_dirty(w);
}

void docker_watch_soon(struct docker_watch *w, const struct id *net)
{
	char hex[ID_TEXT_MAX];

	if (net)
		docker_hold_drop(w, id_format(*net, hex));
	docker_watch_dirty(w);
}

struct docker_api *docker_watch_api(struct docker_watch *w)
{
	return w->api;
}

void docker_watch_delays(struct docker_watch *w, uint32_t settle_ms, uint32_t believe_ms,
			 uint32_t again_ms)
{
	w->settle_ms = settle_ms;
	w->believe_ms = believe_ms;
	w->again_ms = again_ms;
}
