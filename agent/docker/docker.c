/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/docker/docker.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/docker/docker_priv.h"
#include "base/clock.h"
#include "base/mem.h"

#define LOG_INTERVAL_MS 60000

/* ---- small things ---- */

static void free_if_done(struct docker *d)
{
	if (!d->closing || d->open_handles > 0 || d->refs > 0)
		return;
	docker_pools_done(d);
	docker_memory_done(d);
	free(d->touched);
	free(d);
}

void docker_ref(struct docker *d)
{
	d->refs++;
}

void docker_unref(struct docker *d)
{
	d->refs--;
	free_if_done(d);
}

struct id docker_self(const struct docker *d)
{
	return d->d.self(d->d.user);
}

int docker_ready(struct docker *d, struct err *e)
{
	if (d->closing)
		return err_set(e, -ECANCELED, "ovld is ending");
	return network_ready(d->d.networks, e);
}

void docker_ok(struct plugin_call *c)
{
	plugin_reply(c, NULL);
}

void docker_refuse(struct plugin_call *c, int code, const char *fmt, ...)
{
	struct err e = { .code = code };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	plugin_reply_err(c, &e);
}

/* ---- put right from time to time ---- */

static void settle(uv_timer_t *t)
{
	struct docker *d = t->data;
	struct err e = { 0 };

	if (!d->started || docker_ready(d, &e) < 0)
		return;
	docker_pools_read(d);
	docker_gone_settle(d);
	docker_left_settle(d);
}

void docker_settle_soon(struct docker *d)
{
	if (!d->closing && !uv_is_active((uv_handle_t *)&d->settle))
		uv_timer_start(&d->settle, settle, DOCKER_SETTLE_MS, 0);
}

static void tick(uv_timer_t *t)
{
	struct docker *d = t->data;
	struct err e = { 0 };

	settle(t);
	docker_compare(d);
	if (docker_ready(d, &e) == 0)
		docker_sweep(d);
}

/* ---- steps of the loop ---- */

static void step_named(void *user, int status, const struct model_network *net, const struct err *e)
{
	(void)net;
	docker_step_done(user, status, e);
}

static void step_name(void *user, const struct model_network *net, const char *name,
		      struct docker_step *s)
{
	docker_name(user, net->id, name, step_named, s);
}

static void step_gone(void *user, int status, const struct err *e)
{
	docker_step_done(user, status, e);
}

static void step_unbind(void *user, const struct model_network *net, const char *docker, bool told,
			struct docker_step *s)
{
	(void)net;
	docker_gone(user, docker, told, step_gone, s);
}

static void step_bound(void *user, int status, int64_t revision, const struct err *e)
{
	(void)revision;
	docker_step_done(user, status, e);
}

static void step_bind(void *user, const struct model_network *net, const char *docker,
		      struct docker_step *s)
{
	struct docker *d = user;
	struct err e = { 0 };

	if (strv_has(&d->working, docker))
		docker_step_done(s, err_set(&e, -EBUSY, "it is being made or removed"), &e);
	else
		docker_bind(d, net->id, docker, step_bound, s);
}

static bool step_left(void *user, struct id network)
{
	return docker_left(user, network);
}

static struct id step_self(void *user)
{
	return docker_self(user);
}

static void step_container(void *user, const struct docker_container *c)
{
	struct docker *d = user;

	docker_container(d, c);
	docker_gwbridge_container(d->gwbridge, c);
}

static void step_connected(void *user)
{
	struct docker *d = user;

	docker_gwbridge_ask(d->gwbridge);
	docker_compare(d);
}

static const struct docker_steps steps = {
	.name = step_name,
	.unbind = step_unbind,
	.bind = step_bind,
	.left = step_left,
	.self = step_self,
	.container = step_container,
	.connected = step_connected,
};

/* ---- life ---- */

static const struct plugin_backend backend = {
	.request_pool = docker_request_pool,
	.release_pool = docker_release_pool,
	.request_address = docker_request_address,
	.release_address = docker_release_address,
	.create_network = docker_create_network,
	.delete_network = docker_delete_network,
	.create_endpoint = docker_create_endpoint,
	.delete_endpoint = docker_delete_endpoint,
	.join = docker_join,
	.leave = docker_leave,
};

static void serve(uv_timer_t *t)
{
	struct docker *d = t->data;
	struct err e = { 0 };
	unsigned kept;

	if (plugin_start(d->d.loop, d->d.config->docker_plugin, &backend, d, &d->plugin, &e) == 0) {
		log_info("network driver ovl is served to Docker", "socket=%s",
			 d->d.config->docker_plugin);
		return;
	}
	if (log_limit_pass(&d->unserved, clock_boot_ms(), LOG_INTERVAL_MS, &kept))
		log_error("the socket of the network driver ovl cannot be had; will retry",
			  "socket=%s err=%s", d->d.config->docker_plugin, LOG_Q(err_text(&e)));
	uv_timer_start(&d->serve, serve, DOCKER_SERVE_MS, 0);
}

struct docker *docker_new(const struct docker_deps *deps)
{
	struct docker *d = mem_alloc(sizeof(*d));
	uv_timer_t *const timers[] = { &d->serve, &d->tick, &d->settle, &d->compare };

	d->d = *deps;
	for (size_t i = 0; i < ARRAY_SIZE(timers); i++) {
		uv_timer_init(d->d.loop, timers[i]);
		timers[i]->data = d;
		d->open_handles++;
	}
	docker_memory_load(d);
	serve(&d->serve);
	return d;
}

void docker_start(struct docker *d)
{
	d->started = true;
	uv_timer_start(&d->tick, tick, DOCKER_COMPARE_MS, DOCKER_COMPARE_MS);
	docker_settle_soon(d);
	if (!d->d.config->docker_api)
		return;
	d->watch = docker_watch_new(d->d.loop, d->d.config->docker_api, d->d.mirror, &steps, d);
	d->gwbridge = docker_gwbridge_new(d->d.loop, docker_watch_api(d->watch), d->d.names);
	docker_watch_start(d->watch);
}

static void handle_closed(uv_handle_t *h)
{
	struct docker *d = h->data;

	d->open_handles--;
	free_if_done(d);
}

void docker_close(struct docker *d)
{
	if (!d)
		return;
	d->closing = true;
	docker_gwbridge_close(d->gwbridge);
	docker_watch_close(d->watch);
	plugin_close(d->plugin);
	docker_compare_done(d);
	d->gwbridge = NULL;
	d->watch = NULL;
	d->plugin = NULL;
	uv_close((uv_handle_t *)&d->serve, handle_closed);
	uv_close((uv_handle_t *)&d->tick, handle_closed);
	uv_close((uv_handle_t *)&d->settle, handle_closed);
	uv_close((uv_handle_t *)&d->compare, handle_closed);
}

void docker_mirror(struct docker *d, const struct mirror_change *c)
{
	char id[ID_TEXT_MAX];

	if (!d || d->closing)
		return;
	if (d->watch)
		docker_watch_mirror(d->watch, c);
	if (d->left.n > 0 && c->deleted)
		docker_settle_soon(d);
	if (c->kind == MODEL_NETWORK)
		docker_told_drop(d, id_format(c->id, id));
}

void docker_mirror_state(struct docker *d)
{
	if (!d || d->closing)
		return;
	if (d->watch)
		docker_watch_soon(d->watch, NULL);
	docker_settle_soon(d);
}

void docker_state(const struct docker *d, struct docker_state *ret)
{
	*ret = (struct docker_state){ .serving = d && d->plugin };
	if (d && d->plugin)
		plugin_stats(d->plugin, &ret->plugin);
	if (d && d->watch) {
		struct docker_watch_state s;

		docker_watch_state(d->watch, &s);
		ret->connected = s.connected;
		ret->swarm = s.swarm;
		ret->networks = s.networks;
		ret->strange = s.strange;
		snprintf(ret->problem, sizeof(ret->problem), "%s", s.problem);
		snprintf(ret->version, sizeof(ret->version), "%s", s.version);
	}
}
