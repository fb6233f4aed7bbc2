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

static struct run_network *add_network(struct run_request *q, const char *text)
{
	struct run_network *n;
	struct err e = { 0 };

	q->networks = mem_grow(q->networks, q->n_networks + 1, sizeof(*q->networks));
	n = &q->networks[q->n_networks++];
	memset(n, 0, sizeof(*n));
	if (run_network_parse(text, n, &e) < 0)
		fail_msg("%s", e.text);
	return n;
}

static void there_and_back(const struct run_request *q)
{
	_cleanup_free_ char *text = run_request_encode(q), *again = NULL;
	struct run_request back = { 0 };
	struct err e = { 0 };

	if (decode(text, &back, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	again = run_request_encode(&back);
	assert_string_equal(text, again);
	run_request_done(&back);
}

static void fill_names(struct body_names *n)
{
	struct err e = { 0 };

	n->hostname = mem_strdup("box.example");
	assert_int_equal(body_expose_parse("5000-5001", n, &e), 0);
	assert_int_equal(body_link_parse("db:redis", &n->links, &e), 0);
	strv_add(&n->dns, "10.0.0.53");
	strv_add(&n->dns_search, "example.org");
	strv_add(&n->dns_options, "ndots:2");
	strv_add(&n->extra_hosts, "gw:10.0.0.1");
}

static void request_there_and_back(void **state)
{
	struct run_request q = { .name = mem_strdup("c1"),
				 .socket = mem_strdup("/s"),
				 .detach = true },
			   none = { .socket = (char *)"/s", .mode = RUN_NONE },
			   host = { .socket = (char *)"/s", .mode = RUN_HOST },
			   shared = { .socket = (char *)"/s",
				      .mode = RUN_SHARED,
				      .container = (char *)"c1" };
	struct err e = { 0 };

	(void)state;
	add_network(&q, "name=demo,ip=10.0.0.9,ip6=fd00::9,mac-address=02:42:00:00:00:01,alias=web,"
			"ifname=net0,gw-priority=-5");
	add_network(&q, "other");
	assert_int_equal(body_publish_parse("8080-8081:80-81", &q.publish, &e), 0);
	fill_names(&q.names);
	host.names.hostname = none.names.hostname = (char *)"box";
	there_and_back(&q);
	there_and_back(&none);
	there_and_back(&host);
	there_and_back(&shared);
	run_request_done(&q);
}

#define NETS(inner) "{\"Socket\":\"/s\",\"Networks\":[{" inner "}]}"

static void request_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "{}", "Socket" },
		{ "[]", "object" },
		{ "{\"Socket\":7}", "Socket" },
		{ NETS("\"Name\":\"a\",\"IPv4Address\":\"fd00::1\""), "Networks[0]: IPv4Address" },
		{ NETS("\"Name\":\"a\",\"IPv6Address\":\"1.2.3.4\""), "IPv6Address" },
		{ NETS("\"Name\":\"a\",\"GwPriority\":2147483648"), "GwPriority" },
		{ NETS(""), "Networks[0]: Name: missing" },
		{ "{\"Socket\":\"/s\",\"Networks\":[1]}", "Networks[0]: not an object" },
		{ "{\"Socket\":\"/s\"}", "Networks: missing for Mode own" },
		{ "{\"Socket\":\"/s\",\"Mode\":\"some\"}", "Mode: \"some\" is none" },
		{ "{\"Socket\":\"/s\",\"Mode\":\"host\",\"Networks\":[{\"Name\":\"a\"}]}",
		  "Networks: not possible for Mode host" },
		{ "{\"Socket\":\"/s\",\"Mode\":\"container\"}", "Container: missing" },
		{ "{\"Socket\":\"/s\",\"Mode\":\"none\",\"Container\":\"c1\"}",
		  "Container: not possible" },
		{ "{\"Socket\":\"/s\",\"Mode\":\"host\",\"Publish\":[{\"Port\":80}]}",
		  "Publish: not possible for Mode host" },
		{ "{\"Socket\":\"/s\",\"Publish\":[{}]}", "Publish[0].Port: missing" },
		{ "{\"Socket\":\"/s\",\"Mode\":\"host\",\"Dns\":[\"10.0.0.1\"]}",
		  "Dns: not possible for Mode host" },
		{ "{\"Socket\":\"/s\",\"Mode\":\"none\",\"Links\":[\"a\"]}",
		  "Links: not possible for Mode none" },
		{ "{\"Socket\":\"/s\",\"Mode\":\"container\",\"Container\":\"a\",\"Hostname\":\"b\"}",
		  "Hostname: not possible for Mode container" },
		{ "{\"Socket\":\"/s\",\"Mode\":\"none\",\"Hostname\":"
		  "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
		  "Hostname: longer than 64" },
		{ "{\"Socket\":\"/s\",\"Mode\":\"none\",\"Links\":[\"a\",\"a:\"],\"ExtraHosts\":1}",
		  "Links[1]: \"a:\" is not NAME[:ALIAS]" },
		{ "{\"Socket\":\"/s\"} x", "" },
	};
	struct run_request q = { 0 };
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(decode(bad[i][0], &q, &e) < 0);
		if (!strstr(e.text, bad[i][1]))
			fail_msg("no \"%s\" in \"%s\"", bad[i][1], e.text);
	}
}

static void networks_parsed(void **state)
{
	struct run_network n = { 0 };
	struct err e = { 0 };
	char text[IP_TEXT_MAX];

	(void)state;
	assert_int_equal(run_network_parse("demo", &n, &e), 0);
	assert_string_equal(n.name, "demo");
	run_network_done(&n);
	assert_int_equal(
		run_network_parse(
			"alias=a,name=demo,alias=b,ip=10.0.0.9,"
			"driver-opt=com.docker.network.endpoint.ifname=eth7,gw-priority=2147483647",
			&n, &e),
		0);
	assert_string_equal(n.name, "demo");
	assert_int_equal(n.aliases.n, 2);
	assert_string_equal(ip_format(n.ip4, text), "10.0.0.9");
	assert_string_equal(n.ifname, "eth7");
	assert_int_equal(n.gw_priority, INT32_MAX);
	run_network_done(&n);
}

static void networks_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "", "empty" },
		{ "ip=10.0.0.9", "name: missing" },
		{ "name=", "not of the form KEY=VALUE" },
		{ "name=a,b", "\"b\" is not of the form" },
		{ "name=a,name=b", "name: given twice" },
		{ "name=a,ip=10.0.0.9,ip=10.0.0.8", "ip: given twice" },
		{ "name=a,ip=fd00::1", "ip: \"fd00::1\" is no IPv4 address" },
		{ "name=a,ip6=10.0.0.1", "ip6: \"10.0.0.1\" is no IPv6 address" },
		{ "name=a,mac-address=zz", "mac-address: " },
		{ "name=a,gw-priority=x", "gw-priority: \"x\"" },
		{ "name=a,gw-priority=2147483648", "gw-priority: " },
		{ "name=a,gw-priority=9999999999999999999999", "gw-priority: " },
		{ "name=a,colour=red", "\"colour\" is none of name, ip, ip6" },
		{ "name=a,driver-opt=x=y", "driver-opt: \"x=y\" is not" },
		{ "name=a,ifname=e1,driver-opt=com.docker.network.endpoint.ifname=e2",
		  "named twice" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct run_network n = { 0 };
		struct err e = { 0 };

		assert_int_equal(run_network_parse(bad[i][0], &n, &e), -EINVAL);
		if (!strstr(e.text, bad[i][1]))
			fail_msg("no \"%s\" in \"%s\"", bad[i][1], e.text);
		assert_null(n.name);
	}
}

static void modes(void **state)
{
	struct run_request q = { .mode = RUN_SHARED, .container = (char *)"c1" };
	_cleanup_free_ char *shared = run_request_mode(&q), *host = NULL, *own = NULL;
	struct run_network net = { .name = (char *)"demo" };
	const char *container = NULL;

	(void)state;
	q = (struct run_request){ .mode = RUN_HOST };
	host = run_request_mode(&q);
	q = (struct run_request){ .networks = &net, .n_networks = 1 };
	own = run_request_mode(&q);
	assert_string_equal(shared, "container:c1");
	assert_string_equal(host, "host");
	assert_string_equal(own, "demo");
	assert_int_equal(run_mode_of(host, &container), RUN_HOST);
	assert_int_equal(run_mode_of(own, &container), RUN_OWN);
	assert_int_equal(run_mode_of("none", NULL), RUN_NONE);
	assert_int_equal(run_mode_of(NULL, NULL), RUN_OWN);
	assert_null(container);
	assert_int_equal(run_mode_of(shared, &container), RUN_SHARED);
	assert_string_equal(container, "c1");
}

static void connect_of(const struct run_request *q, size_t index, struct body_connect *ret)
{
	_cleanup_json_ cJSON *j = run_request_connect(q, index, "run:c1");
	struct err e = { 0 };

	if (body_connect_decode(j, ret, &e) < 0)
		fail_msg("%s", e.text);
}

/* The published ports and the way out come with the last network, the names with each. */
static void connect_bodies(void **state)
{
	struct run_request q = { 0 };
	struct body_connect b = { 0 };
	struct err e = { 0 };

	(void)state;
	add_network(&q, "name=demo,ip=10.0.0.9,alias=web,ifname=net0,gw-priority=7");
	add_network(&q, "other");
	assert_int_equal(body_publish_parse("8080:80/udp", &q.publish, &e), 0);
	fill_names(&q.names);
	connect_of(&q, 0, &b);
	assert_string_equal(b.target, "run:c1");
	assert_string_equal(b.ifname, "net0");
	assert_true(ip_eq(b.ip4, q.networks[0].ip4));
	assert_true(strv_has(&b.aliases, "web"));
	assert_int_equal(b.gw_priority, 7);
	assert_true(b.more);
	assert_int_equal(b.publish.n, 0);
	assert_string_equal(b.names.hostname, "box.example");
	assert_true(strv_has(&b.names.links, "db:redis"));
	body_connect_done(&b);
	connect_of(&q, 1, &b);
	assert_null(b.ifname);
	assert_false(ip_is_set(b.ip4));
	assert_int_equal(b.gw_priority, 0);
	assert_false(b.more);
	assert_int_equal(b.publish.n, 1);
	assert_int_equal(b.publish.v[0].host_port, 8080);
	assert_string_equal(b.names.hostname, "box.example");
	assert_int_equal(b.names.n_expose, 2);
	assert_true(strv_has(&b.names.links, "db:redis"));
	assert_true(strv_has(&b.names.dns, "10.0.0.53"));
	assert_true(strv_has(&b.names.dns_search, "example.org"));
	assert_true(strv_has(&b.names.dns_options, "ndots:2"));
	assert_true(strv_has(&b.names.extra_hosts, "gw:10.0.0.1"));
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
	struct run_create c = { .name = mem_strdup("c1"),
				.pid = 77,
				.pid_start = 123456789,
				.mode = mem_strdup("host") },
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
	assert_string_equal(back.mode, "host");
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
		cmocka_unit_test(request_there_and_back),
		cmocka_unit_test(request_refused),
		cmocka_unit_test(networks_parsed),
		cmocka_unit_test(networks_refused),
		cmocka_unit_test(modes),
		cmocka_unit_test(connect_bodies),
		cmocka_unit_test(reports),
		cmocka_unit_test(create_bodies),
		cmocka_unit_test(long_commands_are_cut),
		cmocka_unit_test(signals_and_escapes),
		cmocka_unit_test(answers),
		cmocka_unit_test(log_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
