/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Against a server on a unix socket that answers what the test says, in the pieces it says. */
#include "agent/docker/docker_api.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tests/unit/docker_lab.h"

#define PARTS_MAX 64

struct lab {
	struct docker_lab s;
	struct docker_api *api;
	unsigned calls;
	bool close_when_told;
};

static void lab_start(struct lab *l, bool server)
{
	memset(l, 0, sizeof(*l));
	docker_lab_start(&l->s, server);
	l->api = docker_api_new(&l->s.loop, l->s.path);
}

static void lab_stop(struct lab *l)
{
	docker_api_close(l->api);
	docker_lab_stop(&l->s);
}

static void until(struct lab *l, const char *told)
{
	docker_lab_until(&l->s, told);
}

static void script(struct lab *l, const char *const *parts)
{
	docker_lab_script(&l->s, parts);
}

static void on_networks(void *user, int status, const struct docker_network *v, size_t n,
			const struct err *e)
{
	struct lab *l = user;

	buf_printf(&l->s.told, "networks %d", status);
	for (size_t i = 0; i < n; i++)
		buf_printf(&l->s.told, " %s/%zu", v[i].name, v[i].n_endpoints);
	buf_printf(&l->s.told, "%s%s;", status ? " " : "", status ? e->text : "");
	l->calls++;
}

static void on_container(void *user, int status, const struct docker_container *c,
			 const struct err *e)
{
	struct lab *l = user;

	buf_printf(&l->s.told, "container %d %s;", status, c ? c->name : e->text);
	if (l->close_when_told)
		docker_api_close(TAKE_PTR(l->api));
}

static void on_containers(void *user, int status, const struct strv *ids, const struct err *e)
{
	struct lab *l = user;

	buf_printf(&l->s.told, "containers %d %zu %s;", status, ids->n, e->text);
}

static void on_done(void *user, int status, const char *id, const struct err *e)
{
	struct lab *l = user;

	buf_printf(&l->s.told, "done %d %s;", status, id ? id : e->text);
	l->calls++;
}

static void on_info(void *user, int status, const struct docker_info *i, const struct err *e)
{
	struct lab *l = user;

	buf_printf(&l->s.told, "info %d %s %d;", status, i ? i->version : e->text, i && i->swarm);
}

static void on_event(void *user, const struct docker_event *ev)
{
	static const char *const kind[] = { "CONNECTED", "GONE", "net", "container" };
	struct lab *l = user;

	buf_printf(&l->s.told, "%s %s %s;", kind[ev->kind], ev->why ? ev->why : ev->action,
		   ev->id ? ev->id : "-");
	if (l->close_when_told && ev->id)
		docker_api_close(TAKE_PTR(l->api));
}

static void test_calls(void **state)
{
	static const char *const list[] = { CHUNKED,
					    "20\r\n[{\"Id\":\"a\",\"Name\":\"n1\",\"Driver\":\r\n",
					    "9\r\n\"ovl\"},{}\r\n",
					    "1\r\n]\r\n",
					    "0\r\n\r\n",
					    NULL };
	static const char *const one[] = {
		OK "Connection: close\r\n\r\n{\"Id\":\"a\",\"Name\":\"n1\",",
		"\"Containers\":{\"ep-x\":{}}}", NULL
	};
	static const char *const container[] = { OK "Content-Length: 24\r\n\r\n{\"Id\":\"c\",",
						 "\"Name\":\"/web\"}", NULL };
	static const char *const ids[] = { OK "\r\n[{\"Id\":\"x\"}]", NULL };
	static const char *const info[] = {
		OK "\r\n{\"ServerVersion\":\"26.1.5\",\"Swarm\":{\"LocalNodeState\":\"active\"}}",
		NULL
	};
	static const char *const gone[] = { "HTTP/1.1 204 No Content\r\n\r\n", "HANG", NULL };
	struct lab l;

	(void)state;
	lab_start(&l, true);
	script(&l, list);
	script(&l, one);
	script(&l, container);
	script(&l, ids);
	script(&l, info);
	script(&l, gone);
	docker_api_networks(l.api, "ovl", on_networks, &l);
	docker_api_network(l.api, "my net/1", on_networks, &l);
	docker_api_container(l.api, "c", on_container, &l);
	docker_api_containers(l.api, on_containers, &l);
	docker_api_info(l.api, on_info, &l);
	docker_api_remove(l.api, "a", on_done, &l);
	assert_int_equal(docker_api_pending(l.api), 6);
	assert_int_equal(l.calls, 0);
	until(&l, "done");
	assert_string_equal(l.s.told.data,
			    "networks 0 n1/0;networks 0 n1/1;container 0 web;containers 0 1 ;"
			    "info 0 26.1.5 1;done 0 ;");
	assert_string_equal(l.s.seen.data,
			    "GET /networks?filters=%7B%22driver%22%3A%5B%22ovl%22%5D%7D\n"
			    "GET /networks/my%20net%2F1\nGET /containers/c/json\n"
			    "GET /containers/json\nGET /info\nDELETE /networks/a\n");
	assert_int_equal(docker_api_pending(l.api), 0);
	lab_stop(&l);
}

static struct model_network *some_network(void)
{
	struct model_network *n = mem_alloc(sizeof(*n));

	n->id = (struct id){ .b = { 0xab } };
	n->name = mem_strdup("demo");
	n->driver = mem_strdup("overlay");
	n->ipv6 = n->internal = true;
	n->n_subnets = 2;
	n->subnets = mem_alloc_array(2, sizeof(*n->subnets));
	assert_int_equal(prefix_parse("10.0.1.0/24", &n->subnets[0].subnet, NULL), 0);
	assert_int_equal(prefix_parse("10.0.1.128/25", &n->subnets[0].ip_range, NULL), 0);
	n->subnets[0].gateway = ip_v4(0x0a000101);
	n->subnets[0].n_aux = 1;
	n->subnets[0].aux = mem_alloc(sizeof(struct model_aux));
	n->subnets[0].aux[0] = (struct model_aux){ mem_strdup("router"), ip_v4(0x0a000105) };
	assert_int_equal(prefix_parse("fd00:1::/64", &n->subnets[1].subnet, NULL), 0);
	assert_int_equal(ip_parse("fd00:1::1", &n->subnets[1].gateway, NULL), 0);
	kv_pairs_set(&n->labels, "team", "x");
	kv_pairs_set(&n->options, "mtu", "1400");
	return n;
}

#define AB_ID "ab00000000000000000000000000000000000000000000000000000000000000"

static void test_create(void **state)
{
	static const char *const made[] = {
		"HTTP/1.1 201 Created\r\nContent-Length: 25\r\n\r\n{\"Id\":\"d1\",",
		"\"Warning\":\"\"}\n", NULL
	};
	static const char *const no_id[] = { OK "\r\n{}", NULL };
	_cleanup_model_network_ struct model_network *n = some_network();
	struct lab l;

	(void)state;
	lab_start(&l, true);
	script(&l, made);
	script(&l, no_id);
	docker_api_create(l.api, n, on_done, &l);
	docker_api_create(l.api, n, on_done, &l);
	until(&l, "no id");
	assert_non_null(strstr(l.s.told.data, "done 0 d1;done -121"));
	l.s.seen.data[strcspn(l.s.seen.data, "\n")] = '\0';
	assert_string_equal(
		l.s.seen.data,
		"POST /networks/create{\"Name\":\"demo\",\"CheckDuplicate\":true,\"Driver\":\"ovl\",\"Internal\":true,\"EnableIPv6\":true,"
		"\"IPAM\":{\"Driver\":\"ovl\",\"Options\":{\"ovl.network\":\"" AB_ID
		"\"},\"Config\":[{\"Subnet\":\"10.0.1.0/24\","
		"\"Gateway\":\"10.0.1.1\",\"IPRange\":\"10.0.1.128/25\",\"AuxiliaryAddresses\":{\"router\":\"10.0.1.5\"}},"
		"{\"Subnet\":\"fd00:1::/64\",\"Gateway\":\"fd00:1::1\"}]},\"Options\":{\"ovl.network\":\"" AB_ID
		"\"},"
		"\"Labels\":{\"team\":\"x\",\"ovl.managed\":\"true\"}}");
	lab_stop(&l);
}

static void test_errors(void **state)
{
	static const struct {
		const char *parts[3];
		int status;
		const char *text;
	} v[] = {
		{ { "HTTP/1.1 404 Not Found\r\nContent-Length: 37\r\n\r\n{\"message\":\"network cnet not found\"}\r\n" },
		  -ENOENT,
		  "network cnet not found (HTTP 404)" },
		{ { "HTTP/1.1 403 Forbidden\r\n\r\n{\"message\":\"has active endpoints\"}" },
		  -EBUSY,
		  "has active endpoints (HTTP 403)" },
		{ { "HTTP/1.1 409 Conflict\r\n\r\n{\"message\":\"network with name cnet already exists\"}" },
		  -EEXIST,
		  "network with name cnet already exists (HTTP 409)" },
		{ { "HTTP/1.1 500 Internal Server Error\r\n\r\n{\"message\":\"remote: already known as id 7\"}" },
		  -EREMOTEIO,
		  "remote: already known as id 7 (HTTP 500)" },
		{ { "HTTP/1.1 502 Bad\r\n\r\n<html>" }, -EREMOTEIO, "Docker refuses (HTTP 502)" },
		{ { "CLOSE" }, -EREMOTEIO, "docker.sock: " },
		{ { "HTTP/1.1 2" }, -EREMOTEIO, "docker.sock: " },
		{ { OK "Content-Length: 90\r\n\r\n{\"Id\"" }, -EREMOTEIO, "docker.sock: " },
		{ { "garbage\r\n\r\n" }, -EREMOTEIO, "docker.sock: " },
		{ { OK "\r\n{\"Id\"" }, -EREMOTEIO, "not JSON" },
		{ { OK "\r\n{}" }, -EREMOTEIO, "not a network" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		_cleanup_free_ char *expect = mem_printf("networks %d ", v[i].status);
		struct lab l;

		lab_start(&l, true);
		script(&l, v[i].parts);
		docker_api_network(l.api, "x", on_networks, &l);
		until(&l, ";");
		if (strncmp(l.s.told.data, expect, strlen(expect)) != 0 ||
		    !strstr(l.s.told.data, v[i].text))
			fail_msg("%zu: %s", i, l.s.told.data);
		assert_int_equal(l.calls, 1);
		lab_stop(&l);
	}
}

static void test_no_socket(void **state)
{
	static const char *const info[] = { OK "\r\n{}", NULL };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct lab l;
	int fd;

	(void)state;
	lab_start(&l, false);
	docker_api_network(l.api, "x", on_networks, &l);
	until(&l, ";");
	assert_non_null(strstr(l.s.told.data, "networks -113 "));
	assert_non_null(strstr(l.s.told.data, "docker.sock: No such file or directory"));
	/* One that nobody listens on. */
	buf_reset(&l.s.told);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", l.s.path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	docker_api_network(l.api, "x", on_networks, &l);
	until(&l, ";");
	assert_non_null(strstr(l.s.told.data, "networks -113 "));
	assert_non_null(strstr(l.s.told.data, "Connection refused"));
	close(fd);
	unlink(l.s.path);
	docker_lab_serve(&l.s);
	script(&l, info);
	docker_api_info(l.api, on_info, &l);
	until(&l, "info 0");
	lab_stop(&l);
}

/* In the eyes of root every socket is permitted: as somebody else for a while. */
static void test_not_permitted(void **state)
{
	struct lab l;

	(void)state;
	lab_start(&l, true);
	assert_int_equal(chmod(l.s.path, 0), 0);
	if (geteuid() == 0)
		assert_int_equal(seteuid(65534), 0);
	docker_api_watch(l.api, on_event, &l);
	docker_api_network(l.api, "x", on_networks, &l);
	until(&l, "networks");
	until(&l, "GONE");
	if (geteuid() != getuid())
		assert_int_equal(seteuid(getuid()), 0);
	assert_non_null(strstr(l.s.told.data, "networks -13 "));
	assert_non_null(strstr(l.s.told.data, "docker.sock: Permission denied"));
	lab_stop(&l);
}

#define EVENT(id)                                                             \
	"{\"Type\":\"network\",\"Action\":\"create\",\"Actor\":{\"ID\":\"" id \
	"\",\"Attributes\":{}}}\n"

static void test_events(void **state)
{
	static const char *const busy[] = { "HTTP/1.1 503 Busy\r\n\r\n{\"message\":\"starting\"}",
					    NULL };
	static const char *const events[] = {
		OK "Connection: close\r\n\r\n", "{\"Type\":\"network\",\"Action\":\"create\",\"Ac",
		"tor\":{\"ID\":\"n1\",\"Attributes\":{}}}",
		"\n{\"Type\":\"container\",\"Action\":\"exec_start\",\"Actor\":{\"ID\":\"c\"}}\nnonsense\n\n" EVENT(
			"n2") "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"c1\"}}\n{\"Ty",
		NULL
	};
	static const char *const again[] = { CHUNKED, "HANG", NULL };
	struct lab l;

	(void)state;
	lab_start(&l, false);
	script(&l, busy);
	script(&l, events);
	script(&l, again);
	docker_api_watch(l.api, on_event, &l);
	until(&l, "GONE ");
	assert_non_null(strstr(l.s.told.data, "No such file"));
	docker_lab_serve(&l.s);
	until(&l, "CONNECTED");
	assert_non_null(strstr(l.s.told.data, "GONE starting (HTTP 503) -;CONNECTED"));
	until(&l, "die");
	until(&l, "the stream of events -;CONNECTED");
	assert_non_null(
		strstr(l.s.told.data,
		       "CONNECTED (null) -;net create n1;net create n2;container die c1;GONE "));
	assert_non_null(
		strstr(l.s.seen.data, "GET /events?filters=%7B%22type%22%3A%5B%22network%22"));
	/* Calls go on beside it. */
	script(&l, busy);
	l.s.at = l.s.n_script - 1;
	docker_api_network(l.api, "x", on_networks, &l);
	until(&l, "networks -121 starting (HTTP 503)");
	lab_stop(&l);
}

static void test_long_line(void **state)
{
	_cleanup_free_ char *much = mem_alloc(DOCKER_EVENT_MAX / 16 + 1);
	const char *parts[PARTS_MAX] = { OK "\r\n" EVENT("n1") };
	size_t n = 1;
	struct lab l;

	(void)state;
	memset(much, 'x', DOCKER_EVENT_MAX / 16);
	while (n <= 20)
		parts[n++] = much;
	parts[n++] = "\n" EVENT("n2");
	parts[n] = "HANG";
	lab_start(&l, true);
	script(&l, parts);
	docker_api_watch(l.api, on_event, &l);
	until(&l, "n2");
	assert_string_equal(l.s.told.data, "CONNECTED (null) -;net create n1;CONNECTED (null) -;"
					   "net create n2;");
	lab_stop(&l);
}

static void test_close(void **state)
{
	static const char *const container[] = { OK "\r\n{\"Id\":\"c\",\"Name\":\"/web\"}", NULL };
	static const char *const events[] = { OK "\r\n" EVENT("n1") EVENT("n2"), "HANG", NULL };
	struct lab l;

	(void)state;
	/* With calls waiting, with one on its way, and the stream open; nothing is told any more. */
	lab_start(&l, true);
	script(&l, events);
	docker_api_watch(l.api, on_event, &l);
	until(&l, "n2");
	buf_reset(&l.s.told);
	docker_api_info(l.api, on_info, &l);
	docker_api_network(l.api, "x", on_networks, &l);
	docker_api_close(TAKE_PTR(l.api));
	lab_stop(&l);
	/* From inside a callback of each kind. */
	lab_start(&l, true);
	script(&l, container);
	l.close_when_told = true;
	docker_api_container(l.api, "c", on_container, &l);
	docker_api_container(l.api, "c", on_container, &l);
	until(&l, "web");
	lab_stop(&l);
	lab_start(&l, true);
	script(&l, events);
	l.close_when_told = true;
	docker_api_watch(l.api, on_event, &l);
	until(&l, "n1");
	assert_null(strstr(l.s.told.data, "n2"));
	lab_stop(&l);
}

static void test_too_many(void **state)
{
	static const char *const gone[] = { "HTTP/1.1 204 No Content\r\n\r\n", NULL };
	struct lab l;

	(void)state;
	lab_start(&l, true);
	script(&l, gone);
	for (size_t i = 0; i < DOCKER_API_QUEUE_MAX + 3; i++)
		docker_api_remove(l.api, "a", on_done, &l);
	assert_int_equal(docker_api_pending(l.api), DOCKER_API_QUEUE_MAX + 1);
	assert_int_equal(l.calls, 0);
	until(&l, "done -105");
	assert_true(l.calls < DOCKER_API_QUEUE_MAX);
	lab_stop(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),	      cmocka_unit_test(test_create),
		cmocka_unit_test(test_errors),	      cmocka_unit_test(test_no_socket),
		cmocka_unit_test(test_not_permitted), cmocka_unit_test(test_events),
		cmocka_unit_test(test_long_line),     cmocka_unit_test(test_close),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
