/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The routes over a real socket, on modules that answer what they are told to. */
#include "agent/api/routes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "tests/unit/api_client.h"
#include "tests/unit/api_lab.h"

/* ---- networks ---- */

static void test_list(void **state)
{
	struct api_lab *f = *state;

	api_lab_ask(f, "GET", "/networks", NULL);
	api_lab_expect(f, 200, "[{");
	assert_int_equal(cJSON_GetArraySize(f->reply), 2);
	assert_string_equal(api_lab_text(f->reply, "0/Name"), "demo");
	assert_string_equal(api_lab_text(f->reply, "1/Name"), "other");
	api_lab_ask(f, "GET", "/networks?filters=%7B%22name%22:%5B%22oth%22%5D%7D", NULL);
	assert_int_equal(cJSON_GetArraySize(f->reply), 1);
	assert_string_equal(api_lab_text(f->reply, "0/Name"), "other");
	api_lab_ask(f, "GET", "/networks?filters={%22dangling%22:[%22true%22]}", NULL);
	assert_string_equal(api_lab_text(f->reply, "0/Name"), "other");
	api_lab_ask(f, "GET", "/networks?filters={%22label%22:[%22team=b%22]}", NULL);
	api_lab_expect(f, 200, "[]");
	api_lab_ask(f, "GET", "/networks?filters={%22colour%22:[%22red%22]}", NULL);
	api_lab_expect(f, 400, "\\\"colour\\\" is not a known filter");
}

/* Docker's field names, all of them. */
static void test_inspect(void **state)
{
	struct api_lab *f = *state;
	const cJSON *c;

	api_lab_ask(f, "GET", "/networks/demo", NULL);
	assert_int_equal(f->status, 200);
	assert_string_equal(api_lab_text(f->reply, "Scope"), "global");
	assert_string_equal(api_lab_text(f->reply, "Driver"), "overlay");
	assert_string_equal(api_lab_text(f->reply, "IPAM/Driver"), "default");
	assert_string_equal(api_lab_text(f->reply, "IPAM/Config/0/Subnet"), "10.0.0.0/24");
	assert_string_equal(api_lab_text(f->reply, "IPAM/Config/0/Gateway"), "10.0.0.1");
	assert_string_equal(api_lab_text(f->reply, "Options/mtu"), "1450");
	assert_string_equal(api_lab_text(f->reply, "Options/vni"), "1048576");
	assert_string_equal(api_lab_text(f->reply, "Labels/team"), "a");
	assert_true(cJSON_IsFalse(json_get(f->reply, "EnableIPv6")));
	assert_true(cJSON_IsFalse(json_get(f->reply, "Internal")));
	c = json_get(f->reply, "Containers");
	assert_int_equal(cJSON_GetArraySize(c), 3);
	c = json_get(c, f->c2->sandbox);
	assert_string_equal(api_lab_text(c, "Name"), "c2");
	assert_string_equal(api_lab_text(c, "IPv4Address"), "10.0.0.3/24");
	assert_string_equal(api_lab_text(c, "IPv6Address"), "");
	assert_string_equal(api_lab_text(c, "MacAddress"), "02:42:0a:00:00:03");
	assert_string_equal(api_lab_text(c, "Node"), "node2");
	assert_int_equal(strlen(api_lab_text(c, "EndpointID")), 64);
	api_lab_ask(f, "GET", "/networks/none", NULL);
	api_lab_expect(f, 404, "{\"message\":\"network none not found\"}");
	f->m.state = MIRROR_EMPTY;
	api_lab_ask(f, "GET", "/networks/none", NULL);
	api_lab_expect(f, 503, "etcd has not answered");
}

/* Two endpoints that claim one sandbox do not hide each other; one that only this node knows is shown. */
static void test_inspect_odd(void **state)
{
	struct api_lab *f = *state;
	struct id network = f->demo->id;

	free(f->c3->sandbox);
	f->c3->sandbox = mem_strdup(f->c2->sandbox);
	modules_local(&f->m, network, "lonely", "10.0.0.9", NULL);
	modules_local(&f->m, network, "leaving", "10.0.0.10", NULL)->state = LOCAL_RELEASING;
	api_lab_ask(f, "GET", "/networks/demo", NULL);
	api_lab_expect(f, 200, "lonely");
	assert_int_equal(cJSON_GetArraySize(json_get(f->reply, "Containers")), 4);
}

static void test_create(void **state)
{
	struct api_lab *f = *state;

	api_lab_ask(f, "POST", "/networks/create",
		    "{\"Name\":\"new\",\"IPAM\":{\"Config\":[{\"Subnet\":\"10.5.0.0/24\"}]},"
		    "\"Options\":{\"mtu\":\"1400\"}}");
	api_lab_expect(f, 201, "\"Id\":\"");
	assert_string_equal(f->m.called, "network_create");
	assert_string_equal(f->m.asked, "new - subnets=1 mtu=1400");
	f->m.status = err_set(&f->m.err, -EEXIST, "network new exists");
	api_lab_ask(f, "POST", "/networks/create", "{\"Name\":\"new\"}");
	api_lab_expect(f, 409, "network new exists");
	f->m.status = err_set(&f->m.err, -EHOSTUNREACH, "etcd cannot be reached");
	api_lab_ask(f, "POST", "/networks/create", "{\"Name\":\"new\"}");
	api_lab_expect(f, 503, "etcd cannot be reached");
	f->m.called[0] = '\0';
	api_lab_ask(f, "POST", "/networks/create", "{\"Name\":\"new\",\"Subnet\":\"10.0.0.0/8\"}");
	api_lab_expect(f, 400, "Subnet: not a known field");
	assert_string_equal(f->m.called, "");
}

static void test_remove(void **state)
{
	struct api_lab *f = *state;

	api_lab_ask(f, "DELETE", "/networks/other", NULL);
	api_lab_expect(f, 204, "");
	assert_string_equal(f->m.asked, "other");
	f->m.status = err_set(&f->m.err, -EBUSY, "endpoints c1 on node1");
	api_lab_ask(f, "DELETE", "/networks/demo", NULL);
	api_lab_expect(f, 409, "endpoints c1 on node1");
}

static void test_prune(void **state)
{
	struct api_lab *f = *state;

	api_lab_ask(f, "POST", "/networks/prune", NULL);
	api_lab_expect(f, 200, "{\"NetworksDeleted\":[],\"Warning\":\"\"}");
	assert_string_equal(f->m.called, "");
	modules_network(&f->m, "zzz", "10.0.9.0/24");
	api_lab_ask(f, "POST", "/networks/prune?cluster=1", NULL);
	assert_int_equal(f->status, 200);
	/* One after the other, in order of their names; that with endpoints is left alone. */
	assert_string_equal(f->m.asked, "zzz");
	assert_int_equal(cJSON_GetArraySize(json_get(f->reply, "NetworksDeleted")), 2);
	f->m.status = err_set(&f->m.err, -ETIMEDOUT, "no answer");
	api_lab_ask(f, "POST", "/networks/prune?cluster=1", NULL);
	api_lab_expect(f, 503, "no answer");
	f->m.status = -EBUSY;
	api_lab_ask(f, "POST", "/networks/prune?cluster=1", NULL);
	api_lab_expect(f, 200, "{\"NetworksDeleted\":[],\"Warning\":\"\"}");
}

/* ---- connect, disconnect ---- */

static void test_connect(void **state)
{
	struct api_lab *f = *state;

	api_lab_ask(
		f, "POST", "/networks/demo/connect",
		"{\"Target\":\"pid:7\",\"EndpointConfig\":{\"IPAMConfig\":{\"IPv4Address\":\"10.0.0.2\"},"
		"\"Aliases\":[\"web\"],\"Name\":\"c1\"}}");
	api_lab_expect(f, 200, "\"IPv4Address\":\"10.0.0.2/24\"");
	assert_string_equal(f->m.asked, "pid:7 name=c1 ip=10.0.0.2 aliases=1 ports=0/0 prio=0");
	api_lab_ask(
		f, "POST", "/networks/demo/connect",
		"{\"Target\":\"7\",\"EndpointConfig\":{\"GwPriority\":-4,\"Publish\":[{\"HostPort\":8080,"
		"\"Port\":80},{\"Port\":81}]},\"More\":true}");
	assert_string_equal(f->m.asked, "7 name=- ip= aliases=0 ports=2/8080 prio=-4 more");
	f->m.status = err_set(&f->m.err, -EMSGSIZE, "MTU 1450 does not fit");
	api_lab_ask(f, "POST", "/networks/demo/connect", "{\"Target\":\"7\"}");
	api_lab_expect(f, 409, "MTU 1450 does not fit");
	api_lab_ask(f, "POST", "/networks/none/connect", "{\"Target\":\"7\"}");
	api_lab_expect(f, 404, "network none not found");
}

static void disconnect(struct api_lab *f, const char *target, bool force)
{
	_cleanup_free_ char *body =
		mem_printf("{\"Target\":\"%s\",\"Force\":%s}", target, force ? "true" : "false");

	f->m.called[0] = '\0';
	api_lab_ask(f, "POST", "/networks/demo/disconnect", body);
}

static void test_disconnect(void **state)
{
	struct api_lab *f = *state;
	char id[ID_TEXT_MAX];

	disconnect(f, "c1", false);
	api_lab_expect(f, 204, "");
	/* Not here: whose is it? */
	f->m.status = err_set(&f->m.err, -ENOENT, "not connected on this node");
	disconnect(f, "nobody", false);
	api_lab_expect(f, 404, "not connected on this node");
	disconnect(f, "nobody", true);
	api_lab_expect(f, 204, "");
	disconnect(f, "c2", false);
	api_lab_expect(f, 409, "endpoint c2 is on node node2: disconnect it there");
	disconnect(f, id_format(f->c2->id, id), true);
	api_lab_expect(f, 409, "endpoint c2 is on node node2");
	disconnect(f, "c3", false);
	api_lab_expect(f, 409, "on node node3, which is down: -f removes it");
	assert_string_equal(f->m.called, "endpoint_disconnect");
	/* The release fails as well here: ->status is one for all. */
	disconnect(f, "c3", true);
	assert_string_equal(f->m.called, "cluster_release_endpoint");
	assert_string_equal(f->m.asked, "c3");
	api_lab_expect(f, 404, "");
	/* On its way out already. */
	disconnect(f, "c1", false);
	api_lab_expect(f, 204, "");
}

/* ---- the rest ---- */

static void test_endpoints(void **state)
{
	struct api_lab *f = *state;
	_cleanup_free_ char *path = NULL;
	char id[ID_TEXT_MAX];

	api_lab_ask(f, "GET", "/endpoints", NULL);
	assert_int_equal(cJSON_GetArraySize(f->reply), 3);
	api_lab_ask(f, "GET", "/endpoints?filters={%22node%22:[%22node1%22]}", NULL);
	assert_int_equal(cJSON_GetArraySize(f->reply), 1);
	assert_string_equal(api_lab_text(f->reply, "0/Name"), "c1");
	assert_string_equal(api_lab_text(f->reply, "0/IfName"), "eth0");
	api_lab_ask(f, "GET", "/endpoints?filters={%22network%22:[%22other%22]}", NULL);
	api_lab_expect(f, 200, "[]");
	api_lab_ask(f, "GET", "/endpoints/c2", NULL);
	api_lab_expect(f, 200, "\"Node\":\"node2\"");
	path = mem_printf("/endpoints/%.20s", id_format(f->c3->id, id));
	api_lab_ask(f, "GET", path, NULL);
	api_lab_expect(f, 200, "\"Name\":\"c3\"");
	api_lab_ask(f, "GET", "/endpoints/nobody", NULL);
	api_lab_expect(f, 404, "endpoint nobody not found");
	modules_endpoint(&f->m, f->other, "c2", "10.0.1.2", f->m.self);
	api_lab_ask(f, "GET", "/endpoints/c2", NULL);
	api_lab_expect(f, 409, "2 have that name");
}

static void test_nodes(void **state)
{
	struct api_lab *f = *state;

	api_lab_ask(f, "GET", "/nodes", NULL);
	assert_int_equal(cJSON_GetArraySize(f->reply), 3);
	assert_string_equal(api_lab_text(f->reply, "0/Name"), "node1");
	assert_string_equal(api_lab_text(f->reply, "0/AddressLease"), "1234");
	assert_string_equal(api_lab_text(f->reply, "2/State"), "down");
	assert_true(cJSON_IsTrue(json_get(f->reply->child, "Self")));
	api_lab_ask(f, "GET", "/nodes/node2", NULL);
	api_lab_expect(f, 200, "\"Endpoints\":1");
	api_lab_ask(f, "DELETE", "/nodes/node3", NULL);
	api_lab_expect(f, 204, "");
	assert_string_equal(f->m.asked, "node3");
	f->m.status = err_set(&f->m.err, -EBUSY, "node2 is alive");
	api_lab_ask(f, "DELETE", "/nodes/node2", NULL);
	api_lab_expect(f, 409, "node2 is alive");
}

static void test_info(void **state)
{
	struct api_lab *f = *state;

	api_lab_ask(f, "GET", "/info", NULL);
	api_lab_expect(f, 200, "\"State\":\"synced\"");
	assert_string_equal(api_lab_text(f->reply, "Node/Name"), "node1");
	assert_string_equal(api_lab_text(f->reply, "Node/Vtep"), "192.168.205.10");
	assert_string_equal(api_lab_text(f->reply, "Etcd/0/Error"), "connection refused");
	api_lab_expect(f, 200, "\"Networks\":2,\"Endpoints\":3,\"LocalEndpoints\":1");
	api_lab_expect(f, 200, "\"DriftRepaired\":2");
	api_lab_expect(f, 200, "\"ForeignVxlanDropped\":3");
	assert_null(json_get(json_get(f->reply, "Cluster"), "Found"));
	f->m.state = MIRROR_FROZEN;
	api_lab_ask(f, "GET", "/info", NULL);
	api_lab_expect(f, 200, "\"Found\":{}");
	f->m.ctx.kv = NULL;
	api_lab_ask(f, "GET", "/info", NULL);
	api_lab_expect(f, 200, "\"State\":\"standalone\"");
	api_lab_ask(f, "GET", "/version", NULL);
	api_lab_expect(f, 200, "\"Version\":\"1.2.3\"");
}

static void test_cluster(void **state)
{
	struct api_lab *f = *state;

	api_lab_ask(f, "POST", "/cluster/adopt", NULL);
	api_lab_expect(f, 200, "{\"NetworksRestored\":4}");
	api_lab_ask(f, "POST", "/reset", NULL);
	api_lab_expect(f, 204, "");
	assert_string_equal(f->m.called, "reset");
	f->m.status = err_set(&f->m.err, -EALREADY, "nothing is frozen");
	api_lab_ask(f, "POST", "/cluster/adopt", NULL);
	api_lab_expect(f, 409, "nothing is frozen");
	f->m.ctx.cluster = NULL;
	api_lab_ask(f, "POST", "/cluster/adopt", NULL);
	api_lab_expect(f, 400, "no etcd");
}

static void test_log_level(void **state)
{
	struct api_lab *f = *state;
	enum log_level before = log_get_level();

	api_lab_ask(f, "PUT", "/log-level", "{\"Level\":\"error\"}");
	api_lab_expect(f, 204, "");
	assert_int_equal(log_get_level(), LOG_LEVEL_ERROR);
	api_lab_ask(f, "POST", "/log-level", "{\"Level\":\"loud\"}");
	api_lab_expect(f, 400, "is none of error, warn, info, debug");
	assert_int_equal(log_get_level(), LOG_LEVEL_ERROR);
	log_set_level(before);
}

static void hear(struct api_lab *f, const char *want, const char * not )
{
	_cleanup_free_ char *text = api_client_hear(&f->loop, f->fd, want);

	if (not )
		assert_null(strstr(text, not ));
}

static void test_events(void **state)
{
	static const char request[] =
		"GET /events?filters={%22network%22:[%22demo%22]} HTTP/1.1\r\nHost: o\r\n\r\n";
	_cleanup_kv_pairs_ struct kv_pairs attrs = { 0 };
	struct api_lab *f = *state;

	kv_pairs_set(&attrs, "network", "demo");
	assert_int_equal(send(f->fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
	hear(f, "chunked", NULL);
	events_publish(f->m.ctx.events, "network", "create", "abc", NULL);
	events_publish(f->m.ctx.events, "node", "up", "def", NULL);
	events_publish(f->m.ctx.events, "endpoint", "connect", "xyz", &attrs);
	hear(f, "\"Action\":\"connect\"", "\"Action\":\"create\"");
	kv_pairs_set(&attrs, "name", "demo");
	events_publish(f->m.ctx.events, "network", "destroy", "abc", &attrs);
	hear(f, "\"Action\":\"destroy\"", NULL);
	/* The client goes: the subscription with it (events_free() and the leak check would tell). */
}

#define T(name) cmocka_unit_test_setup_teardown(name, api_lab_up, api_lab_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_list),	   T(test_inspect), T(test_inspect_odd), T(test_create),
		T(test_remove),	   T(test_prune),   T(test_connect),	 T(test_disconnect),
		T(test_endpoints), T(test_nodes),   T(test_info),	 T(test_cluster),
		T(test_log_level), T(test_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
