/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server on a real unix socket, loop and clients in one thread. */
#include "agent/api/server.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "tests/unit/api_client.h"

#define DEADLINE_MS API_CLIENT_DEADLINE_MS
#define CLIENTS_MAX 16

struct fixture {
	uv_loop_t loop;
	struct api_server *server;
	char dir[64], path[96];
	struct api_call *late[CLIENTS_MAX];
	size_t n_late;
	struct api_stream *stream;
	unsigned closed, echoed;
	bool close_in_handler;
};

/* ---- handlers ---- */

static void on_ping(struct api_call *call, void *user)
{
	(void)user;
	api_reply_text(call, 200, "OK");
}

static void on_echo(struct api_call *call, void *user)
{
	struct fixture *f = user;

	f->echoed++;
	api_reply_json(call, 201, cJSON_Duplicate(api_call_body(call), true));
}

static void on_late(struct api_call *call, void *user)
{
	struct fixture *f = user;

	assert_true(f->n_late < CLIENTS_MAX);
	f->late[f->n_late++] = call;
	if (f->close_in_handler)
		api_server_close(f->server);
}

/* Answers the first of those that wait, from inside another connection's handler. */
static void on_wake(struct api_call *call, void *user)
{
	struct fixture *f = user;

	api_reply_fail(f->late[0], -EBUSY, "woken by %s", api_call_param(call, "name"));
	f->n_late = 0;
	api_reply_empty(call);
}

static void on_query(struct api_call *call, void *user)
{
	cJSON *j = cJSON_CreateObject();

	(void)user;
	json_put_str(j, "id", api_call_param(call, "id"));
	json_put_str(j, "a", api_call_query(call, "a"));
	json_put_bool(j, "b", api_call_flag(call, "b"));
	json_put_bool(j, "c", api_call_flag(call, "c"));
	api_reply_json(call, 200, j);
}

static void stream_closed(void *user)
{
	struct fixture *f = user;

	f->closed++;
	f->stream = NULL;
}

static void on_stream(struct api_call *call, void *user)
{
	struct fixture *f = user;

	f->stream = api_reply_stream(call, "application/x-ndjson", stream_closed, f);
}

static const struct api_route routes[] = {
	{ "GET", "/_ping", API_BODY_NONE, on_ping },
	{ "POST", "/echo", API_BODY_REQUIRED, on_echo },
	{ "GET", "/late", API_BODY_NONE, on_late },
	{ "POST", "/wake/{name}", API_BODY_OPTIONAL, on_wake },
	{ "GET", "/query/{id}", API_BODY_NONE, on_query },
	{ "GET", "/stream", API_BODY_NONE, on_stream },
};

/* ---- fixture ---- */

static int setup(void **state)
{
	const struct api_table table = { routes, ARRAY_SIZE(routes) };
	struct fixture *f = mem_alloc(sizeof(*f));
	struct err e = { 0 };

	snprintf(f->dir, sizeof(f->dir), "/tmp/ovl-api-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/s.sock", f->dir);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	if (api_server_start(&f->loop, f->path, &table, 1, f, &f->server, &e) < 0)
		fail_msg("%s", e.text);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (!f->close_in_handler)
		api_server_close(f->server);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

/* ---- client ---- */

static int dial(const struct fixture *f)
{
	return api_client_dial(f->path);
}

static void turn(struct fixture *f)
{
	api_client_turn(&f->loop);
}

static bool say_n(struct fixture *f, int fd, const char *data, size_t len)
{
	return api_client_say(&f->loop, fd, data, len);
}

static void say(struct fixture *f, int fd, const char *text)
{
	assert_true(say_n(f, fd, text, strlen(text)));
}

static char *hear(struct fixture *f, int fd, const char *want)
{
	return api_client_hear(&f->loop, fd, want);
}

static void expect(struct fixture *f, int fd, const char *want)
{
	free(hear(f, fd, want));
}

static void until_late(struct fixture *f, size_t n)
{
	uint64_t end = clock_boot_ms() + DEADLINE_MS;

	while (f->n_late < n) {
		assert_true(clock_boot_ms() < end);
		turn(f);
	}
}

static void until_connections(struct fixture *f, unsigned n)
{
	uint64_t end = clock_boot_ms() + DEADLINE_MS;

	while (api_server_connections(f->server) != n) {
		assert_true(clock_boot_ms() < end);
		turn(f);
	}
}

static unsigned count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: ovl\r\n\r\n"

/* ---- tests ---- */

static void test_ping(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);
	_cleanup_free_ char *text = NULL;

	say(f, fd, GET("/_ping"));
	text = hear(f, fd, "\r\n\r\nOK");
	assert_int_equal(strncmp(text, "HTTP/1.1 200 OK\r\n", 17), 0);
	/* The connection stays for more. */
	say(f, fd, GET("/nothing/here"));
	expect(f, fd, "{\"message\":\"no such path: /nothing/here\"}");
	say(f, fd, "DELETE /_ping HTTP/1.1\r\nHost: ovl\r\n\r\n");
	expect(f, fd, "HTTP/1.1 405");
	say(f, fd, "HEAD /_ping HTTP/1.1\r\nHost: ovl\r\n\r\n");
	expect(f, fd, "HTTP/1.1 200");
	close(fd);
	until_connections(f, 0);
}

static void test_query(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(f, fd, GET("/query/a%20b?a=x%26y&b&c=0"));
	expect(f, fd, "{\"id\":\"a b\",\"a\":\"x&y\",\"b\":true,\"c\":false}");
	say(f, fd, GET("/query/a%00b"));
	expect(f, fd, "HTTP/1.1 400");
	close(fd);
}

static void test_body(void **state)
{
	static const char *const bad[] = {
		"{\"a\":", "[1]", "\"x\"", "{} {}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\\u0000\"}",
		"nul",
	};
	struct fixture *f = *state;
	int fd = dial(f);
	char text[256];

	say(f, fd, "POST /echo HTTP/1.1\r\nHost: ovl\r\nContent-Length: 13\r\n\r\n{\"a\":[1,2,3]}");
	expect(f, fd, "{\"a\":[1,2,3]}");
	say(f, fd,
	    "POST /echo HTTP/1.1\r\nHost: ovl\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n");
	expect(f, fd, "{\"a\":1}");
	assert_int_equal(f->echoed, 2);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text),
			 "POST /echo HTTP/1.1\r\nHost: ovl\r\nContent-Length: %zu\r\n\r\n%s",
			 strlen(bad[i]), bad[i]);
		say(f, fd, text);
		expect(f, fd, "{\"message\":\"body: ");
	}
	say(f, fd, "POST /echo HTTP/1.1\r\nHost: ovl\r\nContent-Length: 0\r\n\r\n");
	expect(f, fd, "body: missing");
	say(f, fd, "GET /_ping HTTP/1.1\r\nHost: ovl\r\nContent-Length: 2\r\n\r\n{}");
	expect(f, fd, "body: this request takes none");
	/* A body that nobody reads is not the next request. */
	say(f, fd,
	    "POST /none HTTP/1.1\r\nHost: ovl\r\nContent-Length: 42\r\n\r\n"
	    "GET /late HTTP/1.1\r\nHost: ovl.............");
	expect(f, fd, "HTTP/1.1 404");
	assert_int_equal(f->echoed, 2);
	close(fd);
}

static void test_double_framing(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	say(f, fd,
	    "POST /echo HTTP/1.1\r\nHost: ovl\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "2\r\n{}\r\n0\r\n\r\n");
	expect(f, fd, "HTTP/1.1 400");
	close(fd);
	fd = dial(f);
	say(f, fd,
	    "POST /echo HTTP/1.1\r\nHost: ovl\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}");
	expect(f, fd, "HTTP/1.1 400");
	close(fd);
	assert_int_equal(f->echoed, 0);
}

static void test_oversized(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *big = mem_alloc(6 * API_BODY_MAX);
	_cleanup_free_ char *head = mem_alloc(40001);
	char text[128];
	int fd = dial(f);

	memset(big, ' ', 6 * API_BODY_MAX);
	/* Announced: refused at the headers. */
	snprintf(text, sizeof(text),
		 "POST /echo HTTP/1.1\r\nHost: ovl\r\nContent-Length: %d\r\n\r\n",
		 API_BODY_MAX + 1);
	say(f, fd, text);
	expect(f, fd, "HTTP/1.1 413");
	expect(f, fd, "");
	close(fd);
	/* Not announced: read on for a while, then refused. */
	fd = dial(f);
	snprintf(text, sizeof(text),
		 "POST /echo HTTP/1.1\r\nHost: ovl\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n",
		 2 * API_BODY_MAX);
	say(f, fd, text);
	assert_true(say_n(f, fd, big, (size_t)2 * API_BODY_MAX));
	say(f, fd, "\r\n0\r\n\r\n");
	expect(f, fd, "HTTP/1.1 413");
	close(fd);
	/* Without end: cut off. */
	fd = dial(f);
	snprintf(text, sizeof(text),
		 "POST /echo HTTP/1.1\r\nHost: ovl\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n",
		 100 * API_BODY_MAX);
	say(f, fd, text);
	assert_false(say_n(f, fd, big, (size_t)6 * API_BODY_MAX));
	close(fd);
	/* 40 kB of header. */
	fd = dial(f);
	memset(head, 'h', 40000);
	say(f, fd, "GET /_ping HTTP/1.1\r\nHost: ovl\r\nX-Long: ");
	say_n(f, fd, head, 40000);
	expect(f, fd, "HTTP/1.1 431");
	close(fd);
	assert_int_equal(f->echoed, 0);
	until_connections(f, 0);
}

static void test_garbage(void **state)
{
	static const char *const garbage[] = {
		"\x16\x03\x01\x02\x01\x01\r\n\r\n",
		"\r\n\r\n\r\n\r\n",
		"hello\r\n\r\n",
		"GET\r\n\r\n",
		"GET /_ping\r\n\r\n",
		"GET /_ping HTTP/9.9\r\nHost: x\r\n\r\n",
		"GET /_ping HTTP/1.1\r\n\r\n",
		"GET /_ping HTTP/1.1\r\nno colon\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
		int fd = dial(f);

		/* Answered 400, closed, or (empty lines, half a chunk) waited on until the client goes. */
		say_n(f, fd, garbage[i], strlen(garbage[i]));
		for (int n = 0; n < 5; n++)
			turn(f);
		close(fd);
	}
	assert_int_equal(f->echoed, 0);
	until_connections(f, 0);
	test_ping(state);
}

static void test_pipelining(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);
	_cleanup_free_ char *text = NULL;

	say(f, fd,
	    GET("/late") GET("/query/2") "POST /echo HTTP/1.1\r\nHost: ovl\r\nContent-Length: 9"
					 "\r\n\r\n{\"n\":\"3\"}" GET("/query/4"));
	until_late(f, 1);
	/* The rest waits behind the first. */
	for (int i = 0; i < 5; i++)
		turn(f);
	assert_int_equal(f->echoed, 0);
	api_reply_text(f->late[0], 200, "first");
	text = hear(f, fd, "{\"id\":\"4\"");
	assert_true(strstr(text, "first") < strstr(text, "{\"id\":\"2\""));
	assert_true(strstr(text, "{\"id\":\"2\"") < strstr(text, "{\"n\":\"3\"}"));
	close(fd);
}

static void test_late(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f), other = dial(f);
	struct err e = { .code = -ENOENT, .text = "network demo not found" };

	say(f, fd, GET("/late"));
	until_late(f, 1);
	assert_false(api_call_gone(f->late[0]));
	/* Others are served meanwhile; one of them answers it from inside its own handler. */
	say(f, other, "POST /wake/me HTTP/1.1\r\nHost: ovl\r\n\r\n");
	expect(f, other, "HTTP/1.1 204");
	expect(f, fd, "{\"message\":\"woken by me\"}");
	say(f, fd, GET("/late"));
	until_late(f, 1);
	api_reply_err(f->late[0], -ENOENT, &e);
	expect(f, fd, "{\"message\":\"network demo not found\"}");
	say(f, fd, GET("/late"));
	until_late(f, 2);
	api_reply_err(f->late[1], -ETIMEDOUT, NULL);
	expect(f, fd, "HTTP/1.1 503");
	close(fd);
	close(other);
}

static void test_client_leaves(void **state)
{
	struct fixture *f = *state;
	unsigned before = count_fds();
	int fds[8];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial(f);
		say(f, fds[i], GET("/late"));
	}
	until_late(f, ARRAY_SIZE(fds));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	until_connections(f, 0);
	turn(f);
	assert_int_equal(count_fds(), before);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		assert_true(api_call_gone(f->late[i]));
		if (i % 2)
			api_reply_empty(f->late[i]);
		else
			assert_null(api_reply_stream(f->late[i], "x", stream_closed, f));
	}
	assert_int_equal(f->closed, 0);
}

static void test_half_close(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	/* `nc -N` and the like: the client has said all and still listens. */
	say(f, fd, GET("/late"));
	shutdown(fd, SHUT_WR);
	until_late(f, 1);
	for (int i = 0; i < 5; i++)
		turn(f);
	assert_false(api_call_gone(f->late[0]));
	api_reply_text(f->late[0], 200, "still there");
	expect(f, fd, "still there");
	close(fd);
}

static void test_stream(void **state)
{
	struct fixture *f = *state;
	unsigned before = count_fds();
	int fd = dial(f);

	say(f, fd, GET("/stream"));
	/* The headers come before the first event. */
	expect(f, fd, "Transfer-Encoding: chunked");
	assert_non_null(f->stream);
	assert_int_equal(api_stream_send(f->stream, "{\"n\":1}\n", 8), 0);
	expect(f, fd, "{\"n\":1}\n");
	assert_int_equal(api_stream_send(f->stream, "{\"n\":2}\n", 8), 0);
	assert_int_equal(api_stream_send(f->stream, "{\"n\":3}\n", 8), 0);
	expect(f, fd, "{\"n\":3}\n");
	close(fd);
	until_connections(f, 0);
	assert_int_equal(f->closed, 1);
	turn(f);
	assert_int_equal(count_fds(), before);
	/* And one that the producer ends. */
	fd = dial(f);
	say(f, fd, GET("/stream"));
	expect(f, fd, "Transfer-Encoding: chunked");
	api_stream_send(f->stream, "last\n", 5);
	api_stream_end(f->stream);
	expect(f, fd, "last\n\r\n0\r\n\r\n");
	close(fd);
	until_connections(f, 0);
	assert_int_equal(f->closed, 1);
}

static void test_slow_reader(void **state)
{
	struct fixture *f = *state;
	uint64_t end = clock_boot_ms() + DEADLINE_MS;
	char block[65536];
	int fd = dial(f), r = 0;

	memset(block, 'x', sizeof(block));
	say(f, fd, GET("/stream"));
	expect(f, fd, "chunked");
	for (int i = 0; i < 100 && r == 0; i++) {
		r = api_stream_send(f->stream, block, sizeof(block));
		turn(f);
	}
	assert_int_equal(r, -ENOBUFS);
	/* Cut off when the loop comes to it, as soon as the reader makes room or goes. */
	free(hear(f, fd, ""));
	while (f->closed == 0) {
		assert_true(clock_boot_ms() < end);
		turn(f);
	}
	close(fd);
	until_connections(f, 0);
}

static void test_close_pending(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f), streaming = dial(f), idle = dial(f);

	say(f, fd, GET("/late"));
	until_late(f, 1);
	say(f, streaming, GET("/stream"));
	expect(f, streaming, "chunked");
	api_stream_send(f->stream, "bye\n", 4);
	api_server_close(f->server);
	assert_int_equal(f->closed, 1);
	f->close_in_handler = true; /* closed already */
	expect(f, fd, "HTTP/1.1 503");
	expect(f, streaming, "bye\n\r\n0\r\n\r\n");
	expect(f, idle, "");
	/* The handler's own reply comes too late, and is dropped. */
	uv_run(&f->loop, UV_RUN_DEFAULT);
	api_reply_text(f->late[0], 200, "late");
	close(fd);
	close(streaming);
	close(idle);
}

static void test_close_in_handler(void **state)
{
	struct fixture *f = *state;
	int fd = dial(f);

	f->close_in_handler = true;
	say(f, fd, GET("/late"));
	until_late(f, 1);
	expect(f, fd, "HTTP/1.1 503");
	api_reply_empty(f->late[0]);
	close(fd);
}

static void test_many(void **state)
{
	struct fixture *f = *state;
	int fds[200];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial(f);
		say(f, fds[i], GET("/_ping"));
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		expect(f, fds[i], "\r\n\r\nOK");
		close(fds[i]);
	}
	until_connections(f, 0);
}

static void test_status(void **state)
{
	(void)state;
	assert_int_equal(api_status_of(-ENOENT), 404);
	assert_int_equal(api_status_of(-EEXIST), 409);
	assert_int_equal(api_status_of(-EINVAL), 400);
	assert_int_equal(api_status_of(-EMSGSIZE), 413);
	assert_int_equal(api_status_of(-EHOSTUNREACH), 503);
	assert_int_equal(api_status_of(-EACCES), 403);
	assert_int_equal(api_status_of(-EIO), 500);
	assert_int_equal(api_status_of(0), 500);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_ping),	       T(test_query),
		T(test_body),	       T(test_double_framing),
		T(test_oversized),     T(test_garbage),
		T(test_pipelining),    T(test_late),
		T(test_client_leaves), T(test_half_close),
		T(test_stream),	       T(test_slow_reader),
		T(test_close_pending), T(test_close_in_handler),
		T(test_many),	       cmocka_unit_test(test_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
