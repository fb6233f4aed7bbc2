/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/docker_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"

#define DEADLINE_MS 30000
#define REQUEST_MAX 65536

struct docker_lab_conn {
	uv_pipe_t pipe;
	uv_timer_t timer;
	struct docker_lab *lab;
	struct buf in;
	const char *const *parts; /* written one by one; NULL ends, "CLOSE", "HANG" */
	bool answered;
	unsigned handles;
};

static void on_conn_closed(uv_handle_t *h)
{
	struct docker_lab_conn *c = h->data;

	if (--c->handles > 0)
		return;
	buf_done(&c->in);
	free(c);
}

static void conn_close(struct docker_lab_conn *c)
{
	if (uv_is_closing((uv_handle_t *)&c->pipe))
		return;
	if (c->lab->hanging == c)
		c->lab->hanging = NULL;
	uv_close((uv_handle_t *)&c->pipe, on_conn_closed);
	uv_close((uv_handle_t *)&c->timer, on_conn_closed);
}

/* One piece in a turn of the loop, so that the client reads each by itself. */
static void on_part(uv_timer_t *timer)
{
	struct docker_lab_conn *c = timer->data;
	const char *part = *c->parts;
	uv_buf_t b;

	if (part && strcmp(part, "HANG") == 0) {
		c->lab->hanging = c;
		return;
	}
	if (!part || strcmp(part, "CLOSE") == 0) {
		conn_close(c);
		return;
	}
	b = uv_buf_init((char *)(uintptr_t)part, (unsigned)strlen(part));
	if (uv_try_write((uv_stream_t *)&c->pipe, &b, 1) != (int)b.len) {
		conn_close(c);
		return;
	}
	c->parts++;
	uv_timer_start(&c->timer, on_part, 2, 0);
}

static bool request_complete(const struct docker_lab_conn *c)
{
	const char *end = strstr(c->in.data, "\r\n\r\n");
	const char *length = strstr(c->in.data, "Content-Length: ");

	return end && strlen(end + 4) >= (length ? strtoul(length + 16, NULL, 10) : 0);
}

static const char *const *choose(struct docker_lab *l, char *request)
{
	if (l->answer) {
		*strstr(request, " HTTP/1.1") = '\0';
		return l->answer(l->user, request);
	}
	if (l->at + 1 < l->n_script)
		return l->script[l->at++];
	return l->script[l->at];
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct docker_lab_conn *c = s->data;
	struct docker_lab *l = c->lab;

	if (n < 0) {
		conn_close(c);
		return;
	}
	buf_append(&c->in, b->base, (size_t)n);
	if (c->answered || !request_complete(c))
		return;
	c->answered = true;
	assert_non_null(strstr(c->in.data, "Host: docker\r\n"));
	buf_printf(&l->seen, "%.*s%s\n", (int)(strstr(c->in.data, " HTTP/1.1") - c->in.data),
		   c->in.data, strstr(c->in.data, "\r\n\r\n") + 4);
	c->parts = choose(l, c->in.data);
	uv_timer_start(&c->timer, on_part, 0, 0);
}

static void on_alloc(uv_handle_t *h, size_t size, uv_buf_t *b)
{
	struct docker_lab_conn *c = h->data;

	(void)size;
	*b = uv_buf_init(c->lab->read_buffer, sizeof(c->lab->read_buffer));
}

static void on_connection(uv_stream_t *server, int status)
{
	struct docker_lab *l = server->data;
	struct docker_lab_conn *c = mem_alloc(sizeof(*c));

	assert_int_equal(status, 0);
	c->lab = l;
	c->handles = 2;
	buf_init(&c->in, REQUEST_MAX);
	uv_pipe_init(&l->loop, &c->pipe, 0);
	uv_timer_init(&l->loop, &c->timer);
	c->pipe.data = c->timer.data = c;
	assert_int_equal(uv_accept(server, (uv_stream_t *)&c->pipe), 0);
	uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
}

void docker_lab_serve(struct docker_lab *l)
{
	uv_pipe_init(&l->loop, &l->server, 0);
	l->server.data = l;
	assert_int_equal(uv_pipe_bind(&l->server, l->path), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&l->server, 8, on_connection), 0);
	l->serving = true;
}

static void on_turn(uv_timer_t *t)
{
	(void)t;
}

void docker_lab_start(struct docker_lab *l, bool serve)
{
	memset(l, 0, sizeof(*l));
	uv_loop_init(&l->loop);
	uv_timer_init(&l->loop, &l->turn);
	uv_timer_start(&l->turn, on_turn, 10, 10);
	snprintf(l->dir, sizeof(l->dir), "/tmp/ovl-docker-XXXXXX");
	assert_non_null(mkdtemp(l->dir));
	snprintf(l->path, sizeof(l->path), "%s/docker.sock", l->dir);
	buf_init(&l->seen, (size_t)1 << 20);
	buf_init(&l->told, (size_t)1 << 20);
	buf_puts(&l->told, "");
	if (serve)
		docker_lab_serve(l);
}

static void close_any(uv_handle_t *h, void *user)
{
	struct docker_lab *l = user;

	if (uv_is_closing(h))
		return;
	if (h == (uv_handle_t *)&l->turn || h == (uv_handle_t *)&l->server)
		uv_close(h, NULL);
	else if (h->type == UV_NAMED_PIPE)
		conn_close(h->data);
}

void docker_lab_stop(struct docker_lab *l)
{
	uv_walk(&l->loop, close_any, l);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&l->loop), 0);
	buf_done(&l->seen);
	buf_done(&l->told);
	unlink(l->path);
	assert_int_equal(rmdir(l->dir), 0);
}

void docker_lab_until_true(struct docker_lab *l, bool (*done)(void *user), void *user,
			   const char *what)
{
	uint64_t end = clock_boot_ms() + DEADLINE_MS;

	while (!done(user)) {
		if (clock_boot_ms() > end)
			fail_msg("not told: %s; but: %s; asked: %s", what, l->told.data,
				 l->seen.len ? l->seen.data : "");
		uv_run(&l->loop, UV_RUN_ONCE);
	}
}

struct wanted {
	const struct docker_lab *lab;
	const char *text;
};

static bool is_told(void *user)
{
	const struct wanted *w = user;

	return strstr(w->lab->told.data, w->text);
}

void docker_lab_until(struct docker_lab *l, const char *told)
{
	struct wanted w = { l, told };

	docker_lab_until_true(l, is_told, &w, told);
}

void docker_lab_script(struct docker_lab *l, const char *const *parts)
{
	l->script[l->n_script++] = parts;
}

void docker_lab_push(struct docker_lab *l, const char *text)
{
	uv_buf_t b = uv_buf_init((char *)(uintptr_t)text, (unsigned)strlen(text));

	assert_non_null(l->hanging);
	assert_int_equal(uv_try_write((uv_stream_t *)&l->hanging->pipe, &b, 1), b.len);
}

void docker_lab_cut(struct docker_lab *l)
{
	assert_non_null(l->hanging);
	conn_close(l->hanging);
}
