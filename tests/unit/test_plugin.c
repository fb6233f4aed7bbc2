/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plugin over a real socket: many calls at once, late answers, broken requests, its end. */
#include "agent/docker/plugin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "tests/unit/api_client.h"
#include "tests/unit/plugin_lab.h"

#define LATE_MS 30
#define MANY 600
#define POOL "/IpamDriver.RequestPool"
#define JOIN "/NetworkDriver.Join"
#define LEAVE "/NetworkDriver.Leave"
#define EP "{\"NetworkID\":\"n\",\"EndpointID\":\"e\"}"
#define REFUSED "{\"Err\":\"the backend says no\",\"Error\":\"the backend says no\"}"

static void expect(struct plugin_lab *l, int fd, const char *path, const char *body,
		   const char *want)
{
	_cleanup_free_ char *text = plugin_lab_call(l, fd, path, body);

	assert_string_equal(text, want);
}

/* An error of ours, with words. */
static void expect_err(struct plugin_lab *l, int fd, const char *path, const char *body,
		       const char *want)
{
	_cleanup_free_ char *text = plugin_lab_call(l, fd, path, body);
	_cleanup_json_ cJSON *j = cJSON_Parse(text);

	assert_non_null(j);
	assert_non_null(strstr(cJSON_GetStringValue(json_get(j, "Err")), want));
	assert_non_null(strstr(cJSON_GetStringValue(json_get(j, "Error")), want));
}

static void hear_err(struct plugin_lab *l, int fd, const char *want)
{
	unsigned status = 0;
	_cleanup_free_ char *text = plugin_lab_hear(l, fd, &status);

	assert_non_null(text);
	assert_int_equal(status, 200);
	assert_non_null(strstr(text, "{\"Err\":"));
	assert_non_null(strstr(text, want));
}

static void until_gone(struct plugin_lab *l, const struct plugin_call *c)
{
	uint64_t end = clock_boot_ms() + API_CLIENT_DEADLINE_MS;

	while (!plugin_call_late(c)) {
		assert_true(clock_boot_ms() < end);
		plugin_lab_turn(l);
	}
}

/* ---- what is asked ---- */

static void test_activation(void **state)
{
	struct plugin_lab *l = *state;
	struct plugin_stats stats;
	int fd = plugin_lab_dial(l);
	_cleanup_free_ char *head = NULL;

	l->fail = true; /* none of these asks anybody */
	expect(l, fd, "/Plugin.Activate", "",
	       "{\"Implements\":[\"NetworkDriver\",\"IpamDriver\"]}");
	expect(l, fd, "/NetworkDriver.GetCapabilities", "",
	       "{\"Scope\":\"local\",\"ConnectivityScope\":\"global\"}");
	expect(l, fd, "/IpamDriver.GetCapabilities", "",
	       "{\"RequiresMACAddress\":false,\"RequiresRequestReplay\":false}");
	expect(l, fd, "/IpamDriver.GetDefaultAddressSpaces", "",
	       "{\"LocalDefaultAddressSpace\":\"ovl-local\",\"GlobalDefaultAddressSpace\":\"ovl-global\"}");
	expect(l, fd, "/NetworkDriver.DiscoverNew", "{\"DiscoveryType\":1}", "{}");
	expect(l, fd, "/NetworkDriver.DiscoverDelete", "{\"DiscoveryType\":1}", "{}");
	expect(l, fd, "/NetworkDriver.EndpointOperInfo", EP, "{\"Value\":{}}");
	expect(l, fd, "/NetworkDriver.ProgramExternalConnectivity", EP, "{}");
	expect(l, fd, "/NetworkDriver.RevokeExternalConnectivity", EP, "{}");
	expect(l, fd, "/NetworkDriver.AllocateNetwork", "{\"NetworkID\":\"n\"}",
	       "{\"Options\":{}}");
	expect(l, fd, "/NetworkDriver.FreeNetwork", "{\"NetworkID\":\"n\"}", "{}");
	assert_true(plugin_lab_send(l, fd, "/Plugin.Activate", ""));
	head = api_client_hear(&l->loop, fd, "IpamDriver\"]}");
	assert_non_null(strstr(head, "Content-Type: application/vnd.docker.plugins.v1.2+json\r\n"));
	plugin_stats(l->plugin, &stats);
	assert_int_equal(stats.calls, 12);
	assert_int_equal(stats.errors, 0);
	assert_int_equal(l->calls, 0);
	close(fd);
}

static void test_errors(void **state)
{
	struct plugin_lab *l = *state;
	struct plugin_stats stats;
	int fd = plugin_lab_dial(l);
	unsigned status = 0;
	char *text;

	l->fail = true;
	expect(l, fd, LEAVE, EP, REFUSED);
	expect(l, fd, POOL, "{}", REFUSED);
	assert_int_equal(l->calls, 2);
	expect_err(l, fd, POOL, "{\"Pool\":\"x\"}", "Pool: ");
	expect_err(l, fd, LEAVE, "{\"NetworkID\":\"n\"}", "EndpointID: missing");
	expect_err(l, fd, "/IpamDriver.ReleasePool", "{}", "PoolID: missing");
	expect_err(l, fd, "/IpamDriver.ReleaseAddress", "{\"PoolID\":\"p\"}", "Address: missing");
	expect_err(l, fd, "/NetworkDriver.DeleteNetwork", "{", "not JSON");
	assert_int_equal(l->calls, 2);
	plugin_stats(l->plugin, &stats);
	assert_int_equal(stats.errors, 7);
	/* What there is not: Docker tolerates 404 where it can do without. */
	assert_true(plugin_lab_send(l, fd, "/NetworkDriver.GwAllocCheck", "{}"));
	text = plugin_lab_hear(l, fd, &status);
	assert_int_equal(status, 404);
	assert_string_equal(text, "{\"Err\":\"no such path: /NetworkDriver.GwAllocCheck\","
				  "\"Error\":\"no such path: /NetworkDriver.GwAllocCheck\"}");
	free(text);
	assert_true(api_client_say(&l->loop, fd, "GET " POOL " HTTP/1.1\r\nHost: \r\n\r\n",
				   strlen("GET " POOL " HTTP/1.1\r\nHost: \r\n\r\n")));
	text = plugin_lab_hear(l, fd, &status);
	assert_int_equal(status, 405);
	free(text);
	close(fd);
}

/* Docker repeats what was not answered without its body. */
static void test_empty_bodies(void **state)
{
	static const char *const paths[] = {
		POOL,
		"/IpamDriver.ReleasePool",
		"/IpamDriver.RequestAddress",
		"/IpamDriver.ReleaseAddress",
		"/NetworkDriver.CreateNetwork",
		"/NetworkDriver.DeleteNetwork",
		"/NetworkDriver.CreateEndpoint",
		"/NetworkDriver.DeleteEndpoint",
		JOIN,
		LEAVE,
	};
	struct plugin_lab *l = *state;
	int fd = plugin_lab_dial(l);

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		expect_err(l, fd, paths[i], "", "the request is empty");
	assert_int_equal(l->calls, 0);
	expect(l, fd, LEAVE, EP, "{}");
	assert_int_equal(l->calls, 1);
	close(fd);
}

/* As `--expose` of some thousand ports. */
static void test_large_bodies(void **state)
{
	static const struct {
		unsigned ports, status;
	} sizes[] = { { 2700, 200 }, { 34000, 200 }, { 50000, 413 } };
	struct plugin_lab *l = *state;
	int fd = plugin_lab_dial(l);

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_buf_ struct buf b;
		_cleanup_free_ char *text = NULL;
		unsigned status = 0;

		buf_init(&b, 2 << 20);
		buf_puts(&b, "{\"NetworkID\":\"n\",\"EndpointID\":\"e\",\"Options\":{"
			     "\"com.docker.network.endpoint.exposedports\":[");
		for (unsigned p = 0; p < sizes[i].ports; p++)
			buf_printf(&b, "{\"Proto\":17,\"Port\":%u},", 10000 + p);
		buf_puts(&b, "{\"Proto\":6,\"Port\":80}]}}");
		assert_true(plugin_lab_send(l, fd, "/NetworkDriver.CreateEndpoint", b.data));
		text = plugin_lab_hear(l, fd, &status);
		assert_non_null(text);
		assert_int_equal(status, sizes[i].status);
		if (status == 200)
			assert_non_null(strstr(l->said.data, "expose=80/tcp,10000/udp,10001/udp,"));
		else
			assert_non_null(strstr(text, "\"Err\":\"body: longer than"));
	}
	assert_int_equal(l->calls, 2);
	close(fd);
}

/* ---- many at once ---- */

static void test_parallel(void **state)
{
	struct plugin_lab *l = *state;
	int fds[32], quick = plugin_lab_dial(l);
	char body[64];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = plugin_lab_dial(l);
		snprintf(body, sizeof(body), "{\"NetworkID\":\"n\",\"EndpointID\":\"e%zu\"}", i);
		l->hold = true;
		assert_true(plugin_lab_send(l, fds[i], JOIN, body));
		plugin_lab_until_held(l, i + 1);
	}
	/* Others are answered meanwhile. */
	l->hold = false;
	expect(l, quick, LEAVE, EP, "{}");
	for (size_t i = ARRAY_SIZE(fds); i-- > 0;) {
		char name[32];

		assert_false(plugin_call_late(l->held[i]));
		snprintf(name, sizeof(name), "v%zu", i);
		plugin_reply(l->held[i], plugin_answer_join(name));
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		_cleanup_free_ char *text = plugin_lab_hear(l, fds[i], NULL);

		snprintf(body, sizeof(body),
			 "{\"InterfaceName\":{\"SrcName\":\"v%zu\",\"DstPrefix\":\"eth\"}}", i);
		assert_string_equal(text, body);
		close(fds[i]);
	}
	close(quick);
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

static void until_fds(struct plugin_lab *l, unsigned n)
{
	uint64_t end = clock_boot_ms() + API_CLIENT_DEADLINE_MS;

	while (count_fds() != n) {
		assert_true(clock_boot_ms() < end);
		plugin_lab_turn(l);
	}
}

static void test_many_connections(void **state)
{
	struct plugin_lab *l = *state;
	struct rlimit old, raised;
	unsigned before;
	int fds[MANY];

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	raised = old;
	raised.rlim_cur = old.rlim_max;
	if (old.rlim_max < 4 * MANY || setrlimit(RLIMIT_NOFILE, &raised) < 0)
		skip();
	plugin_lab_turn(l);
	before = count_fds();
	for (size_t i = 0; i < MANY; i++) {
		fds[i] = plugin_lab_dial(l);
		assert_true(plugin_lab_send(l, fds[i], LEAVE, EP));
		plugin_lab_turn(l);
	}
	/* Those that are too many wait until others have gone: here all at once. */
	for (size_t i = 0; i < MANY; i++) {
		_cleanup_free_ char *text = plugin_lab_hear(l, fds[i], NULL);

		assert_string_equal(text, "{}");
		close(fds[i]);
	}
	assert_int_equal(l->calls, MANY);
	until_fds(l, before);
	for (size_t i = 0; i < MANY; i++) {
		close(plugin_lab_dial(l));
		plugin_lab_turn(l);
	}
	until_fds(l, before);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

static void test_keep_alive(void **state)
{
	struct plugin_lab *l = *state;
	int fds[2] = { plugin_lab_dial(l), plugin_lab_dial(l) };

	for (unsigned i = 0; i < 200; i++)
		expect(l, fds[i % 2], LEAVE, EP, "{}");
	assert_int_equal(l->calls, 200);
	close(fds[0]);
	close(fds[1]);
}

static void test_broken_http(void **state)
{
	static const char *const broken[] = {
		"\x16\x03\x01\x02\x01\x01\r\n\r\n",
		"hello\r\n\r\n",
		"POST " POOL "\r\n\r\n",
		"POST " POOL " HTTP/1.1\r\n\r\n",
		"POST " POOL " HTTP/1.1\r\nHost: \r\nContent-Length: -1\r\n\r\n",
		"POST " POOL " HTTP/1.1\r\nHost: \r\nContent-Length: 99999999999999999999\r\n\r\n",
		"POST " POOL
		" HTTP/1.1\r\nHost: \r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
		"POST " POOL " HTTP/1.1\r\nHost: \r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"POST " POOL " HTTP/1.1\r\nHost: \r\nContent-Length: 100\r\n\r\n{\"Pool\":",
	};
	struct plugin_lab *l = *state;
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		fd = plugin_lab_dial(l);
		api_client_say(&l->loop, fd, broken[i], strlen(broken[i]));
		for (int n = 0; n < 5; n++)
			plugin_lab_turn(l);
		close(fd);
	}
	assert_int_equal(l->calls, 0);
	fd = plugin_lab_dial(l);
	expect(l, fd, LEAVE, EP, "{}");
	close(fd);
}

/* ---- late, and never ---- */

static void test_late(void **state)
{
	struct plugin_lab *l = *state;
	struct err e = { .code = -EIO, .text = "nobody hears this" };
	struct plugin_stats stats;
	int a = plugin_lab_dial(l), b = plugin_lab_dial(l);

	l->hold = true;
	assert_true(plugin_lab_send(l, a, JOIN, EP));
	assert_true(plugin_lab_send(l, b, LEAVE, EP));
	plugin_lab_until_held(l, 2);
	/* Those that wait already too. */
	plugin_set_call_ms(l->plugin, LATE_MS);
	hear_err(l, a, "took longer than 30 ms");
	hear_err(l, b, "took longer than 30 ms");
	plugin_stats(l->plugin, &stats);
	assert_int_equal(stats.late, 2);
	assert_int_equal(stats.errors, 2);
	assert_true(stats.slowest_ms >= LATE_MS);
	assert_true(plugin_call_late(l->held[0]));
	assert_true(plugin_call_late(l->held[1]));
	plugin_reply(l->held[0], plugin_answer_join("v1"));
	plugin_reply_err(l->held[1], &e);
	plugin_set_call_ms(l->plugin, API_CLIENT_DEADLINE_MS);
	/* The connections are good for more, and hear nothing of it. */
	l->hold = false;
	expect(l, a, LEAVE, EP, "{}");
	expect(l, b, LEAVE, EP, "{}");
	plugin_stats(l->plugin, &stats);
	assert_int_equal(stats.errors, 2);
	assert_int_equal(stats.calls, 4);
	close(a);
	close(b);
}

static void test_dockerd_gone(void **state)
{
	struct plugin_lab *l = *state;
	int fd = plugin_lab_dial(l);

	l->hold = true;
	assert_true(plugin_lab_send(l, fd, JOIN, EP));
	plugin_lab_until_held(l, 1);
	assert_false(plugin_call_late(l->held[0]));
	close(fd);
	until_gone(l, l->held[0]);
	plugin_reply(l->held[0], plugin_answer_join("v1"));
}

static void test_close_with_calls(void **state)
{
	struct plugin_lab *l = *state;
	int a = plugin_lab_dial(l), b = plugin_lab_dial(l), idle = plugin_lab_dial(l);

	l->hold = true;
	assert_true(plugin_lab_send(l, a, JOIN, EP));
	assert_true(plugin_lab_send(l, b, LEAVE, EP));
	plugin_lab_until_held(l, 2);
	plugin_close(TAKE_PTR(l->plugin));
	plugin_close(NULL);
	hear_err(l, a, "ovld is stopping");
	hear_err(l, b, "ovld is stopping");
	assert_null(plugin_lab_hear(l, idle, NULL));
	assert_true(plugin_call_late(l->held[0]));
	plugin_reply(l->held[0], plugin_answer_join("v1"));
	/* Also when nothing of the plugin is left. */
	plugin_lab_close(l);
	assert_true(plugin_call_late(l->held[1]));
	plugin_reply(l->held[1], NULL);
	close(a);
	close(b);
	close(idle);
}

static void test_close_in_call(void **state)
{
	struct plugin_lab *l = *state;
	int fd = plugin_lab_dial(l);

	l->close = true;
	assert_true(plugin_lab_send(l, fd, JOIN, EP));
	hear_err(l, fd, "ovld is stopping");
	assert_int_equal(l->calls, 1);
	close(fd);
}

/* ---- the socket ---- */

static void test_socket(void **state)
{
	struct plugin_lab *l = *state;
	char a[80], b[96], path[112];
	struct plugin *other = NULL;
	struct err e = { 0 };
	struct stat st;
	int fd;

	assert_int_equal(plugin_start(&l->loop, l->path, &l->backend, l, &other, &e), -EADDRINUSE);
	assert_int_equal(lstat(l->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_gid, getegid());
	snprintf(a, sizeof(a), "%s/docker", l->dir);
	snprintf(b, sizeof(b), "%s/plugins", a);
	snprintf(path, sizeof(path), "%s/ovl.sock", b);
	assert_int_equal(plugin_start(&l->loop, path, &l->backend, l, &other, &e), 0);
	assert_int_equal(stat(a, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(b, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	plugin_close(other);
	plugin_lab_turn(l);
	assert_int_equal(lstat(path, &st), -1);
	/* Not a socket, and not ours to remove. */
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(plugin_start(&l->loop, path, &l->backend, l, &other, &e), -EEXIST);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(b), 0);
	assert_int_equal(rmdir(a), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, plugin_lab_setup, plugin_lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_activation),   T(test_errors),		T(test_empty_bodies),
		T(test_large_bodies), T(test_parallel),		T(test_many_connections),
		T(test_keep_alive),   T(test_broken_http),	T(test_late),
		T(test_dockerd_gone), T(test_close_with_calls), T(test_close_in_call),
		T(test_socket),
	};

	/* The modes of files are looked at. */
	umask(022);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
