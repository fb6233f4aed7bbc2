/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stream of events: one request that lasts. Docker answers its headers at once, and a line for each event, cut anywhere. */
#include <errno.h>
#include <string.h>

#include "agent/docker/docker_api.h"
#include "agent/docker/docker_api_priv.h"
#include "base/mem.h"

#define AGAIN_MIN_MS 100
#define AGAIN_MAX_MS 10000
#define LASTED_MS 5000 /* a stream that ends sooner counts as a failure */
#define NOT_TOLD_MAX ((size_t)4 << 20) /* bytes; an answer that is an error, too */
/* Of the many events of a container (each exec, each health check) only those that are read. */
#define FILTER                                                                                 \
	"{\"type\":[\"network\",\"container\"],\"event\":[\"create\",\"destroy\",\"connect\"," \
	"\"disconnect\",\"start\",\"die\",\"rename\"]}"

static void stream_start(struct docker_api *a);

static void on_again(uv_timer_t *timer)
{
	stream_start(timer->data);
}

static void tell(struct docker_api *a, enum docker_event_kind kind, const char *why)
{
	a->watch(a->watch_user, &(struct docker_event){ .kind = kind, .why = why });
}

static void on_opened(void *user)
{
	struct docker_api *a = user;

	a->open = true;
	a->opened_ms = uv_now(a->loop);
	free(TAKE_PTR(a->why));
	tell(a, DOCKER_EVENT_CONNECTED, NULL);
}

static void on_line(struct docker_api *a)
{
	if (a->line.len > 0)
		docker_event_decode(a->line.data, a->line.len, a->watch, a->watch_user);
	if (!a->closing)
		buf_reset(&a->line);
}

static void on_data(void *user, const char *data, size_t len)
{
	struct docker_api *a = user;

	while (len > 0 && !a->closing) {
		const char *end = memchr(data, '\n', len);
		size_t n = end ? (size_t)(end - data) : len;

		if (!a->skip && buf_append(&a->line, data, n) < 0)
			a->skip = true;
		data += n + (end ? 1 : 0);
		len -= n + (end ? 1 : 0);
		if (!end)
			return;
		if (!a->skip) {
			on_line(a);
			continue;
		}
		a->skip = false;
		buf_reset(&a->line);
		tell(a, DOCKER_EVENT_CONNECTED, NULL); /* something has happened: to be asked for */
	}
}

static void on_done(void *user, const struct http_answer *answer)
{
	struct docker_api *a = user;
	struct err e = { 0 };
	bool was_open = a->open;

	a->stream = NULL;
	a->open = a->skip = false;
	buf_reset(&a->line);
	if (was_open || docker_api_status(a->path, answer, &e) == 0)
		err_set(&e, -ECONNRESET, "%s: Docker has ended the stream of events", a->path);
	if (was_open && uv_now(a->loop) - a->opened_ms >= LASTED_MS)
		backoff_reset(&a->backoff);
	uv_timer_start(&a->again, on_again, backoff_next(&a->backoff), 0);
	if (was_open || !a->why || strcmp(a->why, e.text) != 0) {
		free(a->why);
		a->why = mem_strdup(e.text);
		tell(a, DOCKER_EVENT_GONE, e.text);
	}
}

static void stream_start(struct docker_api *a)
{
	_cleanup_free_ char *filter = docker_api_escape(FILTER);
	_cleanup_free_ char *url = mem_printf(DOCKER_API_BASE "/events?filters=%s", filter);

	a->stream = http_start(a->http, &(struct http_params){
						.url = url,
						.unix_path = a->path,
						.connect_timeout_ms = DOCKER_API_CONNECT_MS,
						.answer_max = NOT_TOLD_MAX,
						.once = true,
						.follow = true,
						.opened = on_opened,
						.data = on_data,
						.done = on_done,
						.user = a,
					});
}

void docker_api_watch(struct docker_api *a, void (*fn)(void *user, const struct docker_event *ev),
		      void *user)
{
	docker_api_unwatch(a);
	a->watch = fn;
	a->watch_user = user;
	backoff_init(&a->backoff, AGAIN_MIN_MS, AGAIN_MAX_MS, uv_hrtime());
	stream_start(a);
}

void docker_api_unwatch(struct docker_api *a)
{
	http_cancel(TAKE_PTR(a->stream));
	uv_timer_stop(&a->again);
	a->open = a->skip = false;
	buf_reset(&a->line);
}
