/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One pass: list Docker's networks, then step after step against the mirror as it is by then. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/docker/docker_watch_priv.h"
#include "base/log.h"
#include "base/mem.h"

#define THOUGHTS_MAX 16 /* in one turn of the loop: each goes over all networks */

static const char *const step_name[] = {
	[DOCKER_SYNC_NONE] = "none",	   [DOCKER_SYNC_NAME] = "name",
	[DOCKER_SYNC_CREATE] = "create",   [DOCKER_SYNC_REMOVE] = "remove",
	[DOCKER_SYNC_UNBIND] = "unbind",   [DOCKER_SYNC_BIND] = "bind",
	[DOCKER_SYNC_STRANGE] = "strange",
};

/* ---- the cluster's side of the picture ---- */
static int net_cmp(const void *a, const void *b)
{
	const struct docker_sync_net *x = a, *y = b;

	return id_cmp(x->net->id, y->net->id);
}

static struct docker_sync_net *picture_nets(struct docker_watch *w, size_t *ret_n)
{
	struct mirror_network *all = mirror_networks(w->mirror), *m;
	struct docker_sync_net *v = mem_alloc_array(HASH_COUNT(all) + 1, sizeof(*v));
	struct id self = w->steps->self(w->user);
	char hex[ID_TEXT_MAX];
	size_t n = 0;

	for (m = all; m; m = m->hh.next) {
		const struct mirror_binding *b = mirror_binding(w->mirror, m->id, self);

		if (!m->rec)
			continue;
		v[n].net = m->rec;
		v[n].bound = b ? b->rec->docker : NULL;
		v[n].left = w->steps->left(w->user, m->id);
		v[n].own = v[n].bound && strcmp(v[n].bound, id_format(m->id, hex)) == 0;
		v[n].endpoints = m->n_endpoints;
		v[n].other_bindings = m->n_bindings - (b ? 1 : 0);
		n++;
	}
	qsort(v, n, sizeof(*v), net_cmp);
	*ret_n = n;
	return v;
}

/* ---- doing ---- */
static void run(struct docker_watch *w);

/* Nothing will do now, not only this: the pass ends, and what comes next begins with a new one. */
static bool is_away(int status)
{
	return status == -EHOSTUNREACH || status == -EACCES || status == -ETIMEDOUT;
}

static void step_failed(struct docker_watch *w, struct docker_hold *h, const char *why)
{
	bool again = h->why && strcmp(h->why, why) == 0;
	uint64_t now = uv_now(w->loop);

	docker_hold_fail(w, h, why);
	if (!again) /* else it is known */
		log_warn("a network of Docker's and the cluster's cannot be kept alike; will retry",
			 "step=%s network=%s id=%.12s in_ms=%llu err=%s", step_name[h->step],
			 LOG_Q(h->name), h->id, (unsigned long long)(h->until_ms - now),
			 LOG_Q(why));
}

void docker_step_done(struct docker_step *s, int status, const struct err *e)
{
	struct docker_watch *w = s->w;
	struct docker_hold *h = s->hold;

	free(s);
	if (!w)
		return;
	w->step = NULL;
	h->acted = true;
	strv_add(&w->passed, h->id);
	if (status == 0) {
		log_info("a network of Docker's and the cluster's were brought together",
			 "step=%s network=%s id=%.12s", step_name[h->step], LOG_Q(h->name), h->id);
		w->acted = true;
		docker_hold_done(w, h);
	} else {
		w->abort = is_away(status) &&
			   (h->step == DOCKER_SYNC_CREATE || h->step == DOCKER_SYNC_REMOVE);
		step_failed(w, h, err_text(e));
	}
	if (!w->in_run)
		run(w);
}

static void on_created(void *user, int status, const char *id, const struct err *e)
{
	(void)id;
	docker_step_done(user, status, e);
}

static void on_removed(void *user, int status, const char *id, const struct err *e)
{
	(void)id;
	docker_step_done(user, status == -ENOENT ? 0 : status, e); /* gone already */
}

/* Told once, then remembered for as long as it lasts. */
static void report(struct docker_watch *w, const struct docker_sync *s, struct docker_hold *h)
{
	strv_add(&w->passed, h->id);
	h->until_ms = uv_now(w->loop) + DOCKER_WATCH_COMPARE_MS;
	if (h->acted)
		return;
	h->acted = true;
	if (s->net) {
		h->why =
			mem_printf("Docker has another network of that name: %.12s", s->docker->id);
		log_warn(
			"a network of the cluster cannot be made in Docker: its name is taken there",
			"network=%s docker=%.12s", LOG_Q(h->name), s->docker->id);
	} else {
		log_warn("a network of Docker's belongs to no network of the cluster; left alone",
			 "network=%s docker=%.12s", LOG_Q(h->name), s->docker->id);
	}
}

static void act(struct docker_watch *w, const struct docker_sync *s, struct docker_hold *h)
{
	struct docker_step *step;

	if (s->step == DOCKER_SYNC_STRANGE) {
		report(w, s, h);
		return;
	}
	step = mem_alloc(sizeof(*step));
	*step = (struct docker_step){ w, h };
	w->step = step;
	switch (s->step) {
	case DOCKER_SYNC_NAME:
		w->steps->name(w->user, s->net->net, s->docker->name, step);
		return;
	case DOCKER_SYNC_UNBIND:
		w->steps->unbind(w->user, s->net->net, s->net->bound, h->told, step);
		return;
	case DOCKER_SYNC_BIND:
		w->steps->bind(w->user, s->net->net, s->docker->id, step);
		return;
	case DOCKER_SYNC_CREATE:
		docker_api_create(w->api, s->net->net, on_created, step);
		return;
	case DOCKER_SYNC_REMOVE:
		docker_api_remove(w->api, s->docker->id, on_removed, step);
		return;
	case DOCKER_SYNC_STRANGE:
	case DOCKER_SYNC_NONE:
		break;
	}
	assert(false);
}

/* The next step, if there is one. Return: false: none. */
static bool think(struct docker_watch *w)
{
	struct docker_sync_picture p = { .docker = w->docker,
					 .n_docker = w->n_docker,
					 .complete = true,
					 .tried = &w->passed,
					 .gone = &w->gone };
	_cleanup_free_ struct docker_sync_net *nets = NULL;
	struct docker_hold *h;
	struct docker_sync s;

	if (w->abort || mirror_get_state(w->mirror) != MIRROR_SYNCED ||
	    id_is_zero(w->steps->self(w->user)))
		return false;
	nets = picture_nets(w, &p.n_nets);
	p.nets = nets;
	docker_sync_next(&p, &s);
	if (s.step == DOCKER_SYNC_NONE)
		return false;
	h = docker_hold_get(w, &s);
	if (h->until_ms > uv_now(w->loop))
		strv_add(&w->passed, h->id);
	else
		act(w, &s, h);
	return true;
}

/* Steps that end from inside do not nest, and with thousands of them the loop still turns. */
static void run(struct docker_watch *w)
{
	unsigned n = 0;

	w->in_run = true;
	while (!w->closing && !w->step) {
		if (n++ == THOUGHTS_MAX) {
			w->yielded = true;
			docker_watch_at(w, uv_now(w->loop));
			break;
		}
		if (think(w))
			continue;
		w->in_run = false;
		docker_watch_end(w);
		return;
	}
	w->in_run = false;
}

void docker_watch_continue(struct docker_watch *w)
{
	w->yielded = false;
	run(w);
}

/* Of those that etcd says are gone, the ones that Docker still has. */
static void trim_gone(struct docker_watch *w)
{
	struct strv keep = { 0 };

	for (size_t i = 0; i < w->n_docker && w->gone.n > 0; i++) {
		if (strv_has(&w->gone, w->docker[i].id))
			strv_add(&keep, w->docker[i].id);
	}
	strv_done(&w->gone);
	w->gone = keep;
}

static void on_networks(void *user, int status, const struct docker_network *v, size_t n,
			const struct err *e)
{
	struct docker_watch *w = user;

	if (status < 0) {
		w->abort = true;
		if (!is_away(status)) /* else the stream of events tells it, too */
			log_warn("Docker's networks cannot be listed; will retry", "err=%s",
				 LOG_Q(err_text(e)));
		docker_watch_end(w);
		return;
	}
	docker_networks_free(w->docker, w->n_docker);
	w->docker = docker_networks_dup(v, n);
	w->n_docker = n;
	trim_gone(w);
	docker_hold_passed(w);
	run(w);
}

void docker_watch_begin(struct docker_watch *w)
{
	w->busy = true;
	w->dirty = w->acted = w->abort = false;
	w->pass++;
	strv_done(&w->passed);
	/* What is heard from here on may not be in the list that comes. */
	for (size_t i = 0; i < w->destroyed.n; i++)
		strv_add(&w->destroyed_before, w->destroyed.v[i]);
	strv_done(&w->destroyed);
	docker_api_networks(w->api, "ovl", on_networks, w);
}
