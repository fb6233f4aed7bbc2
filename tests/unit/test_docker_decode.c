/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts as Docker 20.10 and 26.1 answered them. */
#include "agent/docker/docker_decode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"

#define NET_ID "fd1bc52d7ab63e34e7e8cd7404f913f69ecb4e4300fe438e3480eedac118410b"
#define EP_ID "83b6afa0c3a77ecc278707b5a006d66dba0369bcc87752631390236ad255242a"
#define CONTAINER_ID "dd0858c78a44694440dad21824984a9e208780987c5d704774d94a31ce868f8f"
#define CNET_HEAD                                                                            \
	"{\"Name\":\"cnet\",\"Id\":\"" NET_ID "\",\"Created\":\"2026-11-21T01:43:13.1Z\","   \
	"\"Scope\":\"local\",\"Driver\":\"ovl\",\"EnableIPv6\":false,\"IPAM\":{\"Driver\":"  \
	"\"ovl\",\"Options\":{\"ovl.network\":\"6f1c\"},\"Config\":[{\"Subnet\":"            \
	"\"10.150.0.0/24\",\"Gateway\":\"10.150.0.1\"}]},\"Internal\":false,\"Attachable\":" \
	"false,\"Ingress\":false,\"ConfigFrom\":{\"Network\":\"\"},\"ConfigOnly\":false,"
#define CNET_TAIL \
	"\"Options\":{\"ovl.network\":\"6f1c\",\"n\":7},\"Labels\":{\"ovl.managed\":\"true\"}}"

static struct docker_network *networks(const char *text, size_t expect)
{
	struct docker_network *v = NULL;
	struct err e = { 0 };
	size_t n = 77;

	assert_int_equal(docker_networks_decode(text, strlen(text), &v, &n, &e), 0);
	assert_int_equal(n, expect);
	return v;
}

static void test_networks(void **state)
{
	struct docker_network *v = networks(
		"[" CNET_HEAD "\"Containers\":{}," CNET_TAIL
		",{\"Name\":\"min6\",\"Id\":\"49b2\",\"Driver\":\"ovl\",\"EnableIPv6\":true,\"IPAM\":{\"Driver\":\"ovl\",\"Options\":null,\"Config\":"
		"[{\"Subnet\":\"10.154.0.0/24\"},{\"Subnet\":\"fd00:154::/64\"}]},\"Internal\":true,\"Containers\":{},\"Options\":{},\"Labels\":{}},"
		"{\"Name\":\"host\",\"Id\":\"3a9a\",\"Driver\":\"host\",\"IPAM\":{\"Driver\":\"default\",\"Options\":null,\"Config\":[]},\"Options\":null}]\n",
		3);

	(void)state;
	assert_string_equal(v[0].id, NET_ID);
	assert_string_equal(v[0].name, "cnet");
	assert_string_equal(v[0].driver, "ovl");
	assert_string_equal(kv_pairs_get(&v[0].options, "ovl.network"), "6f1c");
	assert_null(kv_pairs_get(&v[0].options, "n"));
	assert_string_equal(kv_pairs_get(&v[0].ipam_options, "ovl.network"), "6f1c");
	assert_string_equal(kv_pairs_get(&v[0].labels, "ovl.managed"), "true");
	assert_int_equal(v[0].subnets.n, 1);
	assert_string_equal(v[0].subnets.v[0], "10.150.0.0/24");
	assert_int_equal(v[0].n_endpoints, 0);
	assert_true(v[1].ipv6 && v[1].internal && v[1].subnets.n == 2);
	assert_false(v[0].ipv6 || v[0].internal);
	docker_networks_free(v, 3);
}

static void test_what_makes_no_sense(void **state)
{
	struct docker_network *v = networks(
		"[null,7,\"x\",[],{},{\"Id\":\"a b\",\"Name\":\"x\"},{\"Id\":\"a\"},{\"Id\":7,\"Name\":\"x\"},"
		"{\"Id\":\"ok\",\"Name\":\"n\",\"Driver\":null,\"IPAM\":[],\"Containers\":[{}],\"Options\":7,\"Labels\":[\"a\"]}]",
		1);
	size_t n = 3;
	struct err e = { 0 };
	static const char *const bad[] = { "", "{}", "[", "7", "\"\"" };

	(void)state;
	assert_string_equal(v[0].id, "ok");
	assert_string_equal(v[0].driver, "");
	docker_networks_free(v, 1);
	docker_networks_free(networks("null", 0), 0);
	docker_networks_free(networks("[]", 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(docker_networks_decode(bad[i], strlen(bad[i]), &v, &n, &e),
				 -EINVAL);
		assert_int_equal(docker_network_decode(bad[i], strlen(bad[i]), &v, &e), -EINVAL);
	}
	assert_int_equal(n, 3);
}

static void test_inspect(void **state)
{
	static const char text[] = CNET_HEAD
		"\"Containers\":{\"ep-" EP_ID "\":{\"Name\":\"gj\",\"EndpointID\":\"" EP_ID
		"\",\"MacAddress\":\"02:42:3e:b8:9b:27\",\"IPv4Address\":\"10.150.0.2/24\",\"IPv6Address\":\"\"},"
		"\"" CONTAINER_ID
		"\":{\"Name\":\"six\",\"EndpointID\":\"zz\",\"IPv4Address\":\"10.150.0.300/24\","
		"\"IPv6Address\":\"fd00::2/64\"}}," CNET_TAIL;
	struct docker_network *v;
	struct id id;

	(void)state;
	assert_int_equal(docker_network_decode(text, strlen(text), &v, NULL), 0);
	assert_int_equal(v->n_endpoints, 2);
	assert_string_equal(v->endpoints[0].container, "ep-" EP_ID);
	assert_string_equal(v->endpoints[0].name, "gj");
	assert_int_equal(id_parse(EP_ID, &id), 0);
	assert_true(id_eq(v->endpoints[0].endpoint, id));
	assert_true(ip_eq(v->endpoints[0].ip4, ip_v4(0x0a960002)));
	assert_false(ip_is_set(v->endpoints[0].ip6));
	assert_string_equal(v->endpoints[1].container, CONTAINER_ID);
	assert_true(id_is_zero(v->endpoints[1].endpoint));
	assert_false(ip_is_set(v->endpoints[1].ip4));
	assert_int_equal(v->endpoints[1].ip6.family, AF_INET6);
	docker_networks_free(v, 1);
}

static void test_container(void **state)
{
	/* With what a health check wrote: Go puts a NUL as \u0000. */
	static const char text[] =
		"{\"Id\":\"" CONTAINER_ID "\",\"State\":{\"Status\":\"running\",\"Running\":true,"
		"\"Health\":{\"Log\":[{\"Output\":\"a\\u0000b\\ufffd\"}]}},\"Name\":\"/web\","
		"\"HostConfig\":{\"Dns\":[\"1.1.1.1\"]},\"Config\":{\"Hostname\":\"h1\"},"
		"\"NetworkSettings\":{\"SandboxKey\":\"/var/run/docker/netns/264b449f3783\",\"Networks\":{"
		"\"demo\":{\"IPAMConfig\":{},\"Links\":[\"db:sql\"],\"Aliases\":[\"www\",\"bad one\",7,\"dd0858c78a44\"],"
		"\"NetworkID\":\"" NET_ID "\",\"EndpointID\":\"" EP_ID
		"\",\"IPAddress\":\"10.150.0.2\"},"
		"\"cold\":{\"Links\":null,\"Aliases\":null,\"NetworkID\":\"\",\"EndpointID\":\"\",\"IPAddress\":\"\"}}}}";
	struct docker_container *c;

	(void)state;
	assert_int_equal(docker_container_decode(text, strlen(text), &c, NULL), 0);
	assert_string_equal(c->id, CONTAINER_ID);
	assert_string_equal(c->name, "web");
	assert_string_equal(c->hostname, "h1");
	assert_string_equal(c->sandbox_key, "/var/run/docker/netns/264b449f3783");
	assert_true(c->running);
	assert_int_equal(c->dns.n, 1);
	assert_int_equal(c->n_networks, 2);
	assert_string_equal(c->networks[0].network_name, "demo");
	assert_string_equal(c->networks[0].network_id, NET_ID);
	assert_int_equal(c->networks[0].aliases.n, 2);
	assert_string_equal(c->networks[0].aliases.v[1], "dd0858c78a44");
	assert_string_equal(c->networks[0].links.v[0], "db:sql");
	assert_true(ip_eq(c->networks[0].ip4, ip_v4(0x0a960002)));
	assert_string_equal(c->networks[1].network_id, "");
	assert_true(id_is_zero(c->networks[1].endpoint));
	docker_container_free(c);
	docker_container_free(NULL);
	assert_int_equal(docker_container_decode("{}", 2, &c, NULL), -EINVAL);
}

static void on_event(void *user, const struct docker_event *ev)
{
	snprintf(user, 512, "%d %s %.12s %s %s %.12s", (int)ev->kind, ev->action, ev->id,
		 ev->name ? ev->name : "-", ev->driver ? ev->driver : "-",
		 ev->container ? ev->container : "-");
}

static void test_events(void **state)
{
	static const struct {
		const char *line;
		int ret;
		const char *told;
	} v[] = {
		{ "{\"Type\":\"network\",\"Action\":\"create\",\"Actor\":{\"ID\":\"" NET_ID
		  "\",\"Attributes\":{\"name\":\"cnet\",\"type\":\"ovl\"}},\"scope\":\"local\",\"time\":1,\"timeNano\":2}",
		  0, "2 create fd1bc52d7ab6 cnet ovl -" },
		{ "{\"Type\":\"network\",\"Action\":\"connect\",\"Actor\":{\"ID\":\"" NET_ID
		  "\",\"Attributes\":{\"container\":\"" CONTAINER_ID
		  "\",\"name\":\"cnet\",\"type\":\"ovl\"}}}",
		  0, "2 connect fd1bc52d7ab6 cnet ovl dd0858c78a44" },
		{ "{\"status\":\"start\",\"id\":\"x\",\"from\":\"busybox\",\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"" CONTAINER_ID
		  "\",\"Attributes\":{\"image\":\"busybox\",\"name\":\"c1\"}}}",
		  0, "3 start dd0858c78a44 c1 - -" },
		{ "{\"Type\":\"container\",\"Action\":\"exec_create: sh\",\"Actor\":{\"ID\":\"x\"}}",
		  -ENOMSG, "" },
		{ "{\"Type\":\"network\",\"Action\":\"prune\",\"Actor\":{\"ID\":\"\"}}", -ENOMSG,
		  "" },
		{ "{\"Type\":\"volume\",\"Action\":\"create\"}", -ENOMSG, "" },
		{ "{\"Type\":\"network\",\"Action\":\"create\"}", -EINVAL, "" },
		{ "{\"Type\":\"network\",\"Action\":7}", -EINVAL, "" },
		{ "[]", -EINVAL, "" },
		{ "{", -EINVAL, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		char told[512] = "";

		assert_int_equal(docker_event_decode(v[i].line, strlen(v[i].line), on_event, told),
				 v[i].ret);
		assert_string_equal(told, v[i].told);
	}
}

static void test_small_answers(void **state)
{
	static const char info[] =
		"{\"ID\":\"x\",\"Name\":\"node1\",\"ServerVersion\":\"20.10.24+dfsg1\","
		"\"Swarm\":{\"NodeID\":\"\",\"LocalNodeState\":\"inactive\"}}";
	static const char swarm[] = "{\"Swarm\":{\"LocalNodeState\":\"active\"}}";
	static const char list[] = "[{\"Id\":\"a\",\"Names\":[\"/x\"]},{},{\"Id\":\"b\"}]";
	struct docker_info i = { 0 };
	struct strv ids = { 0 };
	char *s;

	(void)state;
	assert_int_equal(docker_info_decode(info, strlen(info), &i, NULL), 0);
	assert_string_equal(i.version, "20.10.24+dfsg1");
	assert_string_equal(i.name, "node1");
	assert_false(i.swarm);
	docker_info_done(&i);
	assert_int_equal(docker_info_decode(swarm, strlen(swarm), &i, NULL), 0);
	assert_true(i.swarm);
	docker_info_done(&i);
	assert_int_equal(docker_containers_decode(list, strlen(list), &ids, NULL), 0);
	assert_int_equal(ids.n, 2);
	assert_string_equal(ids.v[1], "b");
	strv_done(&ids);
	s = docker_message_decode("{\"message\":\"no\"}", 16);
	assert_string_equal(s, "no");
	free(s);
	s = docker_created_decode("{\"Id\":\"abc\",\"Warning\":\"\"}", 25);
	assert_string_equal(s, "abc");
	free(s);
	assert_null(docker_message_decode("", 0));
	assert_null(docker_created_decode("{}", 2));
}

static void test_bounds(void **state)
{
	struct docker_network *v = NULL;
	struct err e = { 0 };
	struct buf b;
	size_t n;

	(void)state;
	buf_init(&b, DOCKER_DECODE_MAX);
	buf_puts(&b, "[{}");
	for (size_t i = 0; i < DOCKER_NETWORKS_MAX; i++)
		buf_puts(&b, ",{}");
	buf_puts(&b, "]");
	assert_int_equal(docker_networks_decode(b.data, b.len, &v, &n, &e), -EINVAL);
	assert_non_null(strstr(e.text, "10001"));
	buf_reset(&b);
	buf_puts(&b, "{\"Id\":\"a\",\"Name\":\"b\",\"Options\":{\"k\":\"v\"");
	for (size_t i = 0; i < 2 * DOCKER_LIST_MAX; i++)
		buf_printf(&b, ",\"k%zu\":\"v\"", i);
	buf_printf(&b, "},\"Labels\":{\"long\":\"%*s\"}}", DOCKER_TEXT_MAX + 1, "x");
	assert_int_equal(docker_network_decode(b.data, b.len, &v, &e), 0);
	assert_int_equal(v->options.n, DOCKER_LIST_MAX);
	assert_int_equal(v->labels.n, 0);
	docker_networks_free(v, 1);
	buf_reset(&b);
	for (size_t i = 0; i < 100000; i++)
		buf_puts(&b, "[");
	assert_int_equal(docker_networks_decode(b.data, b.len, &v, &n, &e), -EINVAL);
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networks), cmocka_unit_test(test_what_makes_no_sense),
		cmocka_unit_test(test_inspect),	 cmocka_unit_test(test_container),
		cmocka_unit_test(test_events),	 cmocka_unit_test(test_small_answers),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
