/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The queue: one call is with Docker, the others wait for it. */
#include "agent/docker/docker_api.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "agent/docker/docker_api_priv.h"
#include "base/mem.h"

struct docker_call {
	struct docker_call *prev, *next;
	const char *method; /* NULL: GET, POST with a body */
	char *url, *body;
	/* What to make of it, and one of the callbacks. @status: of the call; @e tells why. */
	void (*end)(const struct docker_call *c, int status, const struct http_answer *a,
		    struct err *e);
	union {
		docker_networks_fn networks;
		docker_container_fn container;
		docker_containers_fn containers;
		docker_done_fn done;
		void (*info)(void *user, int status, const struct docker_info *i,
			     const struct err *e);
	} fn;
	void *user;
};

static void call_free(struct docker_call *c)
{
	if (!c)
		return;
	free(c->url);
	free(c->body);
	free(c);
}

static void send_next(struct docker_api *a);

static void on_done(void *user, const struct http_answer *answer)
{
	struct docker_api *a = user;
	struct docker_call *c = TAKE_PTR(a->current);
	struct err e = { 0 };
	int status = docker_api_status(a->path, answer, &e);

	a->request = NULL;
	c->end(c, status, answer, &e);
	call_free(c);
	send_next(a);
}

static void send_next(struct docker_api *a)
{
	struct docker_call *c = a->queue;

	if (a->closing || a->current || !c)
		return;
	DL_DELETE(a->queue, c);
	a->n_queue--;
	a->current = c;
	a->request = http_start(a->http, &(struct http_params){
						 .url = c->url,
						 .unix_path = a->path,
						 .once = true,
						 .method = c->method,
						 .body = c->body,
						 .body_len = c->body ? strlen(c->body) : 0,
						 .timeout_ms = DOCKER_API_MS,
						 .connect_timeout_ms = DOCKER_API_CONNECT_MS,
						 .answer_max = DOCKER_API_ANSWER_MAX,
						 .done = on_done,
						 .user = a,
					 });
}

static void on_refuse(uv_timer_t *timer)
{
	struct docker_api *a = timer->data;
	struct docker_call *list = TAKE_PTR(a->refused), *c;

	while ((c = list)) {
		struct err e = { 0 };

		DL_DELETE(list, c);
		err_set(&e, -ENOBUFS, "%d calls of Docker's API are waiting", DOCKER_API_QUEUE_MAX);
		if (!a->closing)
			c->end(c, -ENOBUFS, NULL, &e);
		call_free(c);
	}
}

static struct docker_call *call_new(void *user,
				    void (*end)(const struct docker_call *c, int status,
						const struct http_answer *a, struct err *e))
{
	struct docker_call *c = mem_alloc(sizeof(*c));

	c->user = user;
	c->end = end;
	return c;
}

static void call_queue(struct docker_api *a, struct docker_call *c)
{
	if (a->closing) {
		call_free(c);
		return;
	}
	if (a->n_queue >= DOCKER_API_QUEUE_MAX) {
		DL_APPEND(a->refused, c);
		uv_timer_start(&a->refuse, on_refuse, 0, 0);
		return;
	}
	DL_APPEND(a->queue, c);
	a->n_queue++;
	send_next(a);
}

static void end_networks(const struct docker_call *c, int status, const struct http_answer *a,
			 struct err *e)
{
	struct docker_network *v = NULL;
	size_t n = 0;

	if (status == 0 && docker_networks_decode(a->body, a->len, &v, &n, e) < 0)
		status = -EREMOTEIO;
	c->fn.networks(c->user, status, v, n, e);
	docker_networks_free(v, n);
}

static void end_network(const struct docker_call *c, int status, const struct http_answer *a,
			struct err *e)
{
	struct docker_network *v = NULL;

	if (status == 0 && docker_network_decode(a->body, a->len, &v, e) < 0)
		status = -EREMOTEIO;
	c->fn.networks(c->user, status, v, v ? 1 : 0, e);
	docker_networks_free(v, v ? 1 : 0);
}

static void end_container(const struct docker_call *c, int status, const struct http_answer *a,
			  struct err *e)
{
	struct docker_container *v = NULL;

	if (status == 0 && docker_container_decode(a->body, a->len, &v, e) < 0)
		status = -EREMOTEIO;
	c->fn.container(c->user, status, v, e);
	docker_container_free(v);
}

static void end_containers(const struct docker_call *c, int status, const struct http_answer *a,
			   struct err *e)
{
	_cleanup_strv_ struct strv ids = { 0 };

	if (status == 0 && docker_containers_decode(a->body, a->len, &ids, e) < 0)
		status = -EREMOTEIO;
	c->fn.containers(c->user, status, &ids, e);
}

static void end_create(const struct docker_call *c, int status, const struct http_answer *a,
		       struct err *e)
{
	_cleanup_free_ char *id = status == 0 ? docker_created_decode(a->body, a->len) : NULL;

	if (status == 0 && !id)
		status = err_set(e, -EREMOTEIO, "Docker names no id of the new network");
	c->fn.done(c->user, status, id, e);
}

static void end_remove(const struct docker_call *c, int status, const struct http_answer *a,
		       struct err *e)
{
	(void)a;
	c->fn.done(c->user, status, NULL, e);
}

static void end_info(const struct docker_call *c, int status, const struct http_answer *a,
		     struct err *e)
{
	struct docker_info info = { 0 };

	if (status == 0 && docker_info_decode(a->body, a->len, &info, e) < 0)
		status = -EREMOTEIO;
	c->fn.info(c->user, status, status == 0 ? &info : NULL, e);
	docker_info_done(&info);
}

void docker_api_networks(struct docker_api *a, const char *driver, docker_networks_fn fn,
			 void *user)
{
	_cleanup_free_ char *filter = mem_printf("{\"driver\":[\"%s\"]}", driver);
	_cleanup_free_ char *escaped = docker_api_escape(filter);
	struct docker_call *c = call_new(user, end_networks);

	c->fn.networks = fn;
	c->url = mem_printf(DOCKER_API_BASE "/networks?filters=%s", escaped);
	call_queue(a, c);
}

void docker_api_network(struct docker_api *a, const char *ref, docker_networks_fn fn, void *user)
{
	_cleanup_free_ char *escaped = docker_api_escape(ref);
	struct docker_call *c = call_new(user, end_network);

	c->fn.networks = fn;
	c->url = mem_printf(DOCKER_API_BASE "/networks/%s", escaped);
	call_queue(a, c);
}

void docker_api_container(struct docker_api *a, const char *ref, docker_container_fn fn, void *user)
{
	_cleanup_free_ char *escaped = docker_api_escape(ref);
	struct docker_call *c = call_new(user, end_container);

	c->fn.container = fn;
	c->url = mem_printf(DOCKER_API_BASE "/containers/%s/json", escaped);
	call_queue(a, c);
}

void docker_api_containers(struct docker_api *a, docker_containers_fn fn, void *user)
{
	struct docker_call *c = call_new(user, end_containers);

	c->fn.containers = fn;
	c->url = mem_strdup(DOCKER_API_BASE "/containers/json");
	call_queue(a, c);
}

void docker_api_create(struct docker_api *a, const struct model_network *net, docker_done_fn fn,
		       void *user)
{
	struct docker_call *c = call_new(user, end_create);

	c->fn.done = fn;
	c->body = docker_api_create_body(net);
	c->url = mem_strdup(DOCKER_API_BASE "/networks/create");
	call_queue(a, c);
}

void docker_api_remove(struct docker_api *a, const char *id, docker_done_fn fn, void *user)
{
	_cleanup_free_ char *escaped = docker_api_escape(id);
	struct docker_call *c = call_new(user, end_remove);

	c->fn.done = fn;
	c->method = "DELETE";
	c->url = mem_printf(DOCKER_API_BASE "/networks/%s", escaped);
	call_queue(a, c);
}

void docker_api_info(struct docker_api *a,
		     void (*fn)(void *user, int status, const struct docker_info *i,
				const struct err *e),
		     void *user)
{
	struct docker_call *c = call_new(user, end_info);

	c->fn.info = fn;
	c->url = mem_strdup(DOCKER_API_BASE "/info");
	call_queue(a, c);
}

size_t docker_api_pending(const struct docker_api *a)
{
	return a->n_queue + (a->current ? 1 : 0);
}

struct docker_api *docker_api_new(uv_loop_t *loop, const char *path)
{
	struct docker_api *a = mem_alloc(sizeof(*a));

	a->loop = loop;
	a->path = mem_strdup(path);
	a->http = http_new(loop, NULL);
	buf_init(&a->line, DOCKER_EVENT_MAX);
	uv_timer_init(loop, &a->refuse);
	uv_timer_init(loop, &a->again);
	a->refuse.data = a->again.data = a;
	a->open_handles = 2;
	return a;
}

static void on_http_closed(void *user)
{
	struct docker_api *a = user;

	buf_done(&a->line);
	free(a->why);
	free(a->path);
	free(a);
}

/* From the loop: http_close() may not be called by a callback of http's, docker_api_close() may. */
static void on_timer_closed(uv_handle_t *handle)
{
	struct docker_api *a = handle->data;

	if (--a->open_handles == 0)
		http_close(a->http, on_http_closed, a);
}

void docker_api_close(struct docker_api *a)
{
	struct docker_call *c, *next;

	if (!a || a->closing)
		return;
	a->closing = true;
	docker_api_unwatch(a);
	http_cancel(TAKE_PTR(a->request));
	call_free(TAKE_PTR(a->current));
	DL_FOREACH_SAFE(a->queue, c, next)
		call_free(c);
	DL_FOREACH_SAFE(a->refused, c, next)
		call_free(c);
	a->queue = a->refused = NULL;
	a->n_queue = 0;
	uv_close((uv_handle_t *)&a->refuse, on_timer_closed);
	uv_close((uv_handle_t *)&a->again, on_timer_closed);
}
