/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/body_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/run/run_http.h"
#include "agent/run/run_log.h"

static int decode(const char *text, struct run_request *q, struct err *e)
{
	memset(e, 0, sizeof(*e));
	return run_request_decode(text, strlen(text), q, e);
}

static void request_there_and_back(void **state)
{
	struct run_request q = { .name = mem_strdup("c1"),
				 .socket = mem_strdup("/s"),
				 .detach = true },
			   back = { 0 };
	_cleanup_free_ char *text = NULL, *again = NULL;
	struct err e = { 0 };

	(void)state;
	strv_add(&q.networks, "demo");
	strv_add(&q.networks, "other");
	strv_add(&q.aliases, "web");
	strv_add(&q.ifnames, "net0");
	assert_int_equal(ip_parse("10.0.0.9", &q.ip4, NULL), 0);
	assert_int_equal(ip_parse("fd00::9", &q.ip6, NULL), 0);
	assert_int_equal(mac_parse("02:42:00:00:00:01", &q.mac, NULL), 0);
	text = run_request_encode(&q);
	assert_int_equal(decode(text, &back, &e), 0);
	again = run_request_encode(&back);
	assert_string_equal(text, again);
	run_request_done(&q);
	run_request_done(&back);
}

static void request_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "{}", "Socket" },
		{ "[]", "object" },
		{ "{\"Socket\":7}", "Socket" },
		{ "{\"Socket\":\"/s\",\"IPv4Address\":\"fd00::1\"}", "IPv4Address" },
		{ "{\"Socket\":\"/s\",\"IPv6Address\":\"1.2.3.4\"}", "IPv6Address" },
		{ "{\"Socket\":\"/s\",\"Networks\":[1]}", "Networks" },
		{ "{\"Socket\":\"/s\"} x", "" },
	};
	struct run_request q = { 0 };
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(decode(bad[i][0], &q, &e) < 0);
		assert_non_null(strstr(e.text, bad[i][1]));
	}
}

static void connect_bodies(void **state)
{
	struct run_request q = { 0 };
	_cleanup_json_ cJSON *first = NULL, *second = NULL;
	struct body_connect b = { 0 };
	struct err e = { 0 };

	(void)state;
	strv_add(&q.networks, "demo");
	strv_add(&q.networks, "other");
	strv_add(&q.aliases, "web");
	strv_add(&q.ifnames, "net0");
	assert_int_equal(ip_parse("10.0.0.9", &q.ip4, NULL), 0);
	first = run_request_connect(&q, 0, "run:c1");
	assert_int_equal(body_connect_decode(first, &b, &e), 0);
	assert_string_equal(b.target, "run:c1");
	assert_string_equal(b.ifname, "net0");
	assert_true(ip_eq(b.ip4, q.ip4));
	assert_true(strv_has(&b.aliases, "web"));
	body_connect_done(&b);
	memset(&b, 0, sizeof(b));
	second = run_request_connect(&q, 1, "run:c1");
	assert_int_equal(body_connect_decode(second, &b, &e), 0);
	assert_null(b.ifname);
	assert_false(ip_is_set(b.ip4));
	assert_true(strv_has(&b.aliases, "web"));
	body_connect_done(&b);
	run_request_done(&q);
}

static void reports(void **state)
{
	struct run_report ok = { .name = "c1" },
			  bad = { .error = "no \"such\" network", .status = 1 }, back = { 0 };
	_cleanup_free_ char *a = run_report_encode(&ok), *b = run_report_encode(&bad);
	struct err e = { 0 };

	(void)state;
	assert_int_equal(run_report_decode(a, strlen(a), &back, &e), 0);
	assert_string_equal(back.name, "c1");
	assert_null(back.error);
	run_report_done(&back);
	assert_int_equal(run_report_decode(b, strlen(b), &back, &e), 0);
	assert_string_equal(back.error, "no \"such\" network");
	assert_int_equal(back.status, 1);
	run_report_done(&back);
	assert_int_equal(run_report_decode("{}", 2, &back, &e), -EINVAL);
	assert_true(run_report_decode("", 0, &back, &e) < 0);
}

static void create_bodies(void **state)
{
	char *argv[] = { "sh", "-c", "a\tb\xff\xc3\xa9", NULL };
	struct run_create c = { .name = mem_strdup("c1"), .pid = 77, .pid_start = 123456789 },
			  back = { 0 };
	_cleanup_json_ cJSON *j = NULL, *none = cJSON_CreateObject();
	struct err e = { 0 };

	(void)state;
	run_command_shown(argv, &c.command);
	assert_string_equal(c.command.v[2], "a?b?\xc3\xa9");
	j = run_create_json(&c);
	assert_int_equal(run_create_decode(j, &back, &e), 0);
	assert_string_equal(back.name, "c1");
	assert_int_equal(back.pid, 77);
	assert_int_equal(back.pid_start, 123456789);
	assert_true(strv_eq(&back.command, &c.command));
	run_create_done(&back);
	run_create_done(&c);
	assert_int_equal(run_create_decode(none, &back, &e), -EINVAL);
	assert_non_null(strstr(e.text, "Pid"));
}

static void long_commands_are_cut(void **state)
{
	_cleanup_free_ char *big = mem_alloc(RUN_COMMAND_SHOWN_MAX * 2);
	char *argv[] = { "echo", big, "never", NULL };
	_cleanup_strv_ struct strv shown = { 0 };

	(void)state;
	memset(big, 'x', RUN_COMMAND_SHOWN_MAX * 2 - 1);
	run_command_shown(argv, &shown);
	assert_int_equal(shown.n, 2);
	assert_true(strlen(shown.v[1]) <= RUN_COMMAND_SHOWN_MAX + 3);
	assert_string_equal(shown.v[1] + strlen(shown.v[1]) - 4, "x...");
}

static void signals_and_escapes(void **state)
{
	_cleanup_free_ char *a = run_url_escape("a-b.c_d~1"), *b = run_url_escape("x/y ?%\xc3");
	struct err e = { 0 };
	int s = 0;

	(void)state;
	assert_int_equal(run_signal_parse("TERM", &s, &e), 0);
	assert_int_equal(s, SIGTERM);
	assert_int_equal(run_signal_parse("sigkill", &s, &e), 0);
	assert_int_equal(s, SIGKILL);
	assert_int_equal(run_signal_parse("10", &s, &e), 0);
	assert_int_equal(s, 10);
	assert_int_equal(run_signal_parse("0", &s, &e), -EINVAL);
	assert_int_equal(run_signal_parse("64", &s, &e), -EINVAL);
	assert_int_equal(run_signal_parse("99999999999999", &s, &e), -EINVAL);
	assert_int_equal(run_signal_parse("", &s, &e), -EINVAL);
	assert_int_equal(run_signal_parse("SIGWHAT", &s, &e), -EINVAL);
	assert_int_equal(run_exit_status(7, 0), 7);
	assert_int_equal(run_exit_status(0, SIGKILL), 137);
	assert_string_equal(a, "a-b.c_d~1");
	assert_string_equal(b, "x%2Fy%20%3F%25%C3");
}

static int answer(const char *text, cJSON **ret, struct err *e)
{
	memset(e, 0, sizeof(*e));
	return run_http_answer(text, strlen(text), ret, e);
}

static void answers(void **state)
{
	_cleanup_json_ cJSON *j = NULL;
	struct err e;

	(void)state;
	assert_int_equal(answer("HTTP/1.1 201 Created\r\nX: y\r\n\r\n{\"Name\":\"c1\"}", &j, &e),
			 0);
	assert_non_null(json_get(j, "Name"));
	json_freep(&j);
	j = NULL;
	assert_int_equal(answer("HTTP/1.0 204 No Content\r\n\r\n", &j, &e), 0);
	assert_null(j);
	assert_int_equal(answer("HTTP/1.1 409 Conflict\r\n\r\n{\"message\":\"in use\"}", NULL, &e),
			 -EEXIST);
	assert_string_equal(e.text, "in use");
	assert_int_equal(answer("HTTP/1.1 404 Not Found\r\n\r\n", NULL, &e), -ENOENT);
	assert_int_equal(answer("HTTP/1.1 500 x\r\n\r\n<html>", NULL, &e), -EIO);
	assert_non_null(strstr(e.text, "500"));
	assert_int_equal(answer("HTTP/1.1 200 OK\r\n\r\n{\"a\"", NULL, &e), -EPROTO);
	assert_int_equal(answer("SSH-2.0\r\n\r\n", NULL, &e), -EPROTO);
	assert_int_equal(answer("", NULL, &e), -EPROTO);
}

static size_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (size_t)st.st_size : SIZE_MAX;
}

static void log_is_bounded(void **state)
{
	char dir[] = "/tmp/ovl-test-run-XXXXXX";
	_cleanup_free_ char *path = NULL, *older = NULL;
	struct run_log l, none;
	struct err e = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = mem_printf("%s/c1.log", dir);
	older = mem_printf("%s.1", path);
	assert_int_equal(run_log_open(&l, path, &e), 0);
	l.max = 10;
	run_log_write(&l, "12345678", 8);
	assert_int_equal(size_of(path), 8);
	run_log_write(&l, "abcd", 4);
	assert_int_equal(size_of(path), 4);
	assert_int_equal(size_of(older), 8);
	run_log_write(&l, "ABCDEFGHIJKLMNOP", 16); /* one larger than the file: alone in it */
	assert_int_equal(size_of(path), 16);
	assert_int_equal(size_of(older), 4);
	run_log_close(&l);
	assert_int_equal(run_log_open(&l, path, &e), 0); /* the next container of the name */
	assert_int_equal(size_of(path), 0);
	assert_int_equal(size_of(older), SIZE_MAX);
	run_log_close(&l);
	assert_int_equal(run_log_open(&none, NULL, &e), 0);
	run_log_write(&none, "x", 1);
	run_log_close(&none);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(run_log_open(&none, path, &e), -ENOENT);
	run_log_close(&none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_there_and_back), cmocka_unit_test(request_refused),
		cmocka_unit_test(connect_bodies),	  cmocka_unit_test(reports),
		cmocka_unit_test(create_bodies),	  cmocka_unit_test(long_commands_are_cut),
		cmocka_unit_test(signals_and_escapes),	  cmocka_unit_test(answers),
		cmocka_unit_test(log_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
