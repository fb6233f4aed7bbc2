/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/api/call_priv.h"
#include "agent/api/listen.h"
#include "base/log.h"
#include "base/mem.h"

#define SERVER_CLOSE_RUNS 16 /* turns of MHD at closing time, to deliver what is ready */

/*
 * libmicrohttpd without threads: its epoll descriptor sits in a uv_poll, its timeouts in a uv_timer. MHD_run() is only
 * called from those two: a reply made inside another connection's handler must not enter MHD again.
 */
struct api_server {
	uv_loop_t *loop;
	struct MHD_Daemon *mhd;
	struct listen listen;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned handles; /* open ones of the two */
	struct api_calls calls;
	struct api_table *tables;
	bool running; /* inside MHD_run() */
	bool kicked; /* MHD is to run at the next turn of the loop */
	bool closing;
};

static void server_stop(struct api_server *s);
static void on_timer(uv_timer_t *t);

static void rearm(struct api_server *s)
{
	unsigned long long ms = 0;

	if (s->kicked || (MHD_get_timeout(s->mhd, &ms) == MHD_YES))
		uv_timer_start(&s->timer, on_timer, s->kicked ? 0 : ms, 0);
	else
		uv_timer_stop(&s->timer);
}

static void run(struct api_server *s)
{
	bool full = api_server_connections(s) >= API_CONNECTIONS_MAX;

	s->kicked = false;
	s->running = true;
	if (MHD_run(s->mhd) != MHD_YES)
		log_error("api server cannot serve", "socket=%s", LOG_Q(s->listen.path));
	s->running = false;
	/* When full MHD does not listen, and begins to again only with its next run: no event would bring it. */
	if (full && api_server_connections(s) < API_CONNECTIONS_MAX)
		s->kicked = true;
	if (s->closing)
		server_stop(s);
	else
		rearm(s);
}

static void on_timer(uv_timer_t *t)
{
	run(CONTAINER_OF(t, struct api_server, timer));
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	(void)status;
	(void)events;
	run(CONTAINER_OF(p, struct api_server, poll));
}

static void kick(struct api_calls *calls)
{
	struct api_server *s = CONTAINER_OF(calls, struct api_server, calls);

	s->kicked = true;
	if (!s->running && !s->closing)
		uv_timer_start(&s->timer, on_timer, 0, 0);
}

static void mhd_log(void *cls, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

static void mhd_log(void *cls, const char *fmt, va_list ap)
{
	_cleanup_free_ char *text = mem_vprintf(fmt, ap);
	size_t len = strlen(text);

	(void)cls;
	if (len > 0 && text[len - 1] == '\n')
		text[len - 1] = '\0';
	/* What clients do wrong: nothing the administrator has to act on. */
	log_debug("api connection", "reason=%s", LOG_Q(text));
}

static void handle_closed(uv_handle_t *h)
{
	struct api_server *s = h->data;

	if (--s->handles > 0)
		return;
	free(s->tables);
	free(s);
}

static int start_mhd(struct api_server *s, struct err *e)
{
	const union MHD_DaemonInfo *info;

	/* clang-format off */
	s->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
		NULL, NULL, call_on_access, &s->calls,
		MHD_OPTION_EXTERNAL_LOGGER, mhd_log, s,
		MHD_OPTION_LISTEN_SOCKET, s->listen.fd,
		MHD_OPTION_URI_LOG_CALLBACK, call_on_uri, &s->calls,
		MHD_OPTION_NOTIFY_COMPLETED, call_on_completed, &s->calls,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)API_CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)API_HEADER_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)API_IDLE_TIMEOUT_S,
		MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_END);
	/* clang-format on */
	if (!s->mhd)
		return err_set(e, -EIO, "the HTTP server does not start on %s", s->listen.path);
	info = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return err_set(e, -EIO, "the HTTP server has no epoll descriptor");
	return uv_poll_init(s->loop, &s->poll, info->epoll_fd);
}

int api_server_start(uv_loop_t *loop, const char *path, const struct api_table *tables, size_t n,
		     void *user, struct api_server **ret, struct err *e)
{
	static const struct api_server_manner plain;

	return api_server_start_as(loop, path, tables, n, user, &plain, ret, e);
}

int api_server_start_as(uv_loop_t *loop, const char *path, const struct api_table *tables, size_t n,
			void *user, const struct api_server_manner *manner, struct api_server **ret,
			struct err *e)
{
	struct api_server *s = mem_alloc(sizeof(*s));
	int r;

	s->loop = loop;
	r = listen_open_as(path, manner->listen, &s->listen, e);
	if (r < 0) {
		free(s);
		return r;
	}
	s->tables = mem_dup(tables, n * sizeof(*tables));
	s->calls = (struct api_calls){ .loop = loop,
				       .tables = s->tables,
				       .n_tables = n,
				       .user = user,
				       .manner = *manner,
				       .kick = kick };
	r = start_mhd(s, e);
	if (r < 0) {
		/* Where MHD has the descriptor it closes it. */
		if (s->mhd) {
			MHD_stop_daemon(s->mhd);
			s->listen.fd = -1;
		}
		listen_close(&s->listen);
		free(s->tables);
		free(s);
		return r;
	}
	s->poll.data = s;
	s->timer.data = s;
	s->handles = 2;
	uv_timer_init(loop, &s->timer);
	uv_poll_start(&s->poll, UV_READABLE, on_poll);
	rearm(s);
	*ret = s;
	return 0;
}

/*
 * MHD panics when stopped with suspended connections, so all are woken; MHD_run() takes them up. A reply is delivered if
 * its reader takes it at once: nobody waits for a slow one here.
 */
static void server_stop(struct api_server *s)
{
	MHD_quiesce_daemon(s->mhd);
	call_close_all(&s->calls);
	for (int i = 0; i < SERVER_CLOSE_RUNS && s->calls.head; i++) {
		s->running = true;
		MHD_run(s->mhd);
		s->running = false;
		/* A stream that had more to send may have gone to sleep again. */
		call_close_all(&s->calls);
	}
	MHD_run(s->mhd);
	uv_poll_stop(&s->poll);
	uv_timer_stop(&s->timer);
	MHD_stop_daemon(s->mhd);
	s->mhd = NULL;
	listen_close(&s->listen);
	uv_close((uv_handle_t *)&s->poll, handle_closed);
	uv_close((uv_handle_t *)&s->timer, handle_closed);
}

void api_server_close(struct api_server *s)
{
	if (!s || s->closing)
		return;
	s->closing = true;
	if (!s->running)
		server_stop(s);
}

unsigned api_server_connections(const struct api_server *s)
{
	const union MHD_DaemonInfo *info =
		s->mhd ? MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_CURRENT_CONNECTIONS) : NULL;

	return info ? info->num_connections : 0;
}
