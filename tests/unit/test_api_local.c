/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the API says of this host alone: local networks, published ports, conflicts, shared namespaces. */
#include "agent/api/routes.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "tests/unit/api_lab.h"

/* Who shares another's namespace joins and leaves nothing. */
static void test_connect_shared(void **state)
{
	struct container c = { .name = (char *)"side", .mode = (char *)"container:web" };
	struct api_lab *f = *state;

	f->m.container = &c;
	api_lab_ask(f, "POST", "/networks/demo/connect", "{\"Target\":\"run:side\"}");
	api_lab_expect(f, 400, "container side shares the network namespace of another container");
	api_lab_ask(f, "POST", "/networks/demo/disconnect", "{\"Target\":\"side\"}");
	api_lab_expect(f, 400, "networks are not its own");
	c.mode = (char *)"host";
	api_lab_ask(f, "POST", "/networks/demo/connect", "{\"Target\":\"side\"}");
	api_lab_expect(f, 400, "shares the network namespace of the host");
	assert_string_equal(f->m.called, "");
	c.mode = (char *)"none";
	api_lab_ask(f, "POST", "/networks/demo/connect", "{\"Target\":\"side\"}");
	assert_string_equal(f->m.called, "endpoint_connect");
	f->m.container = NULL;
}

static struct model_network *make_local(struct api_lab *f, const char *name, const char *driver)
{
	struct model_network *rec = modules_network(&f->m, name, "172.20.0.0/16")->rec;

	free(rec->driver);
	rec->driver = mem_strdup(driver);
	rec->vni = rec->mtu = 0;
	return rec;
}

/* Networks of this node: their scope and type; those from the start are neither dangling nor pruned. */
static void test_local_networks(void **state)
{
	struct api_lab *f = *state;
	const struct model_network *own = make_local(f, "own", "bridge");

	make_local(f, "bridge", "bridge");
	make_local(f, "none", "null");
	make_local(f, "gw", "egress");
	modules_local(&f->m, own->id, "c9", "172.20.0.2", NULL);
	make_local(f, "idle", "bridge");
	api_lab_ask(f, "GET", "/networks?filters={%22scope%22:[%22local%22]}", NULL);
	assert_int_equal(cJSON_GetArraySize(f->reply), 5);
	assert_string_equal(api_lab_text(f->reply, "0/Name"), "bridge");
	assert_string_equal(api_lab_text(f->reply, "0/Scope"), "local");
	assert_null(json_get(json_get(f->reply->child, "Options"), "vni"));
	api_lab_ask(f, "GET", "/networks?filters={%22type%22:[%22builtin%22]}", NULL);
	assert_int_equal(cJSON_GetArraySize(f->reply), 3);
	api_lab_ask(f, "GET",
		    "/networks?filters={%22dangling%22:[%22true%22],%22scope%22:[%22local%22]}",
		    NULL);
	assert_int_equal(cJSON_GetArraySize(f->reply), 1);
	assert_string_equal(api_lab_text(f->reply, "0/Name"), "idle");
	api_lab_ask(f, "GET", "/networks/own", NULL);
	api_lab_expect(f, 200, "\"IPv4Address\":\"172.20.0.2/16\"");
	api_lab_ask(f, "POST", "/networks/prune", NULL);
	assert_int_equal(f->status, 200);
	assert_string_equal(f->m.asked, "idle");
}

/* What was asked for under any name, and what is in force. */
static void test_options(void **state)
{
	struct api_lab *f = *state;
	struct model_network *own = make_local(f, "own", "bridge");
	char id[ID_SHORT_MAX], want[32];

	kv_pairs_set(&own->options, "com.docker.network.bridge.enable_icc", "1");
	make_local(f, "seg", "macvlan")->mtu = 1400;
	api_lab_ask(f, "GET", "/networks/own", NULL);
	snprintf(want, sizeof(want), "ovl-%.11s", id_short(own->id, id));
	assert_string_equal(api_lab_text(f->reply, "Options/bridge.name"), want);
	api_lab_expect(f, 200,
		       "\"icc\":\"true\",\"masquerade\":\"false\",\"gateway-mode\":\"routed\","
		       "\"port-security\":\"mac\",\"host-binding-ipv4\":\"127.0.0.1\"");
	api_lab_expect(f, 200, "\"com.docker.network.bridge.enable_icc\":\"1\"");
	api_lab_ask(f, "GET", "/networks/seg", NULL);
	api_lab_expect(f, 200,
		       "\"Options\":{\"mtu\":\"1400\",\"parent\":\"eth7\",\"mode\":\"vepa\"}");
}

/* Containers without endpoints, as Docker shows them. */
static void test_host_network(void **state)
{
	struct container c = { .name = (char *)"h1", .mode = (char *)"host" };
	struct api_lab *f = *state;

	make_local(f, "host", "host");
	make_local(f, "none", "null");
	f->m.container = &c;
	api_lab_ask(f, "GET", "/networks/host", NULL);
	api_lab_expect(f, 200, "\"Containers\":{\"h1\":{\"Name\":\"h1\",\"EndpointID\":\"\",");
	api_lab_expect(f, 200, "\"Options\":{}");
	api_lab_ask(f, "GET", "/networks/none", NULL);
	api_lab_expect(f, 200, "\"Containers\":{}");
	f->m.container = NULL;
}

static void test_published(void **state)
{
	static struct model_publish v[] = {
		{ .proto = IPPROTO_TCP, .host_port = 8080, .port = 80 },
		{ .proto = IPPROTO_UDP, .host_port = 53, .port = 53 },
		{ .proto = IPPROTO_TCP, .host_port = 8081, .port = 80 },
	};
	struct api_lab *f = *state;

	assert_int_equal(ip_parse("127.0.0.1", &v[1].host_ip, NULL), 0);
	f->m.locals[0]->publish = v;
	f->m.locals[0]->n_publish = ARRAY_SIZE(v);
	f->m.locals[0]->gw_priority = -2;
	api_lab_ask(f, "GET", "/endpoints/c1", NULL);
	api_lab_expect(f, 200, "\"Publish\":[{\"Proto\":\"tcp\",\"HostPort\":8080,\"Port\":80},");
	api_lab_expect(f, 200,
		       "\"Ports\":{\"80/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"8080\"},"
		       "{\"HostIp\":\"::\",\"HostPort\":\"8080\"},{\"HostIp\":\"0.0.0.0\",");
	api_lab_expect(f, 200, "\"53/udp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"53\"}]}");
	api_lab_expect(f, 200, "\"GwPriority\":-2");
	api_lab_ask(f, "GET", "/endpoints/c2", NULL);
	api_lab_expect(f, 200, "\"Publish\":[],\"Ports\":{}");
}

static void test_names(void **state)
{
	static struct model_port ports[] = { { IPPROTO_TCP, 5000 }, { IPPROTO_UDP, 53 } };
	struct api_lab *f = *state;
	struct local_endpoint *l = f->m.locals[0];

	l->hostname = mem_strdup("box");
	l->expose = mem_dup(ports, sizeof(ports));
	l->n_expose = ARRAY_SIZE(ports);
	strv_add(&l->links, "db:redis");
	strv_add(&l->dns, "10.0.0.53");
	strv_add(&l->extra_hosts, "gw:10.0.0.1");
	api_lab_ask(f, "GET", "/endpoints/c1", NULL);
	api_lab_expect(f, 200,
		       "\"Hostname\":\"box\",\"ExposedPorts\":[\"5000/tcp\",\"53/udp\"],"
		       "\"Links\":[\"db:redis\"],\"Dns\":[\"10.0.0.53\"],\"DnsSearch\":[],"
		       "\"DnsOptions\":[],\"ExtraHosts\":[\"gw:10.0.0.1\"]");
	/* Another node's: what the cluster knows. */
	f->c2->hostname = mem_strdup("two");
	f->c2->expose = mem_dup(ports, sizeof(ports));
	f->c2->n_expose = 1;
	api_lab_ask(f, "GET", "/endpoints/c2", NULL);
	api_lab_expect(f, 200, "\"Hostname\":\"two\",\"ExposedPorts\":[\"5000/tcp\"],");
	assert_null(json_get(f->reply, "Links"));
}

#define CONNECT(rest) "{\"Target\":\"pid:1\",\"EndpointConfig\":{\"Hostname\":\"box\"" rest "}}"

static void test_connect_names(void **state)
{
	static const char *const bad[][2] = {
		{ CONNECT(",\"Dns\":[\"10.0.0.1\",\"ten\"]"), "EndpointConfig.Dns[1]: " },
		{ CONNECT(",\"DnsSearch\":[\"a b\"]"), "EndpointConfig.DnsSearch[0]: " },
		{ CONNECT(",\"DnsOptions\":[\"a b\"]"), "EndpointConfig.DnsOptions[0]: " },
		{ CONNECT(",\"ExtraHosts\":[\"a\"]"), "EndpointConfig.ExtraHosts[0]: " },
		{ CONNECT(",\"ExtraHosts\":[\"a:b\"],\"Dns\":[\"x\"]"), "EndpointConfig.Dns[0]: " },
	};
	struct api_lab *f = *state;

	api_lab_ask(
		f, "POST", "/networks/demo/connect",
		CONNECT(",\"ExposedPorts\":[\"5000\"],\"Links\":[\"db\"],\"Dns\":[\"[fd00::1]:5353\"],"
			"\"DnsSearch\":[\"example.org\"],\"DnsOptions\":[\"ndots:2\"],"
			"\"ExtraHosts\":[\"gw:host-gateway\"]"));
	assert_int_equal(f->status, 200);
	assert_string_equal(f->m.asked,
			    "pid:1 hostname=box expose=1/5000 link=db:db dns=[fd00::1]:5353 "
			    "example.org ndots:2 gw:host-gateway");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		f->m.called[0] = '\0';
		api_lab_ask(f, "POST", "/networks/demo/connect", bad[i][0]);
		api_lab_expect(f, 400, bad[i][1]);
		assert_string_equal(f->m.called, "");
	}
}

static void test_info_host(void **state)
{
	static struct model_publish v[3];
	struct api_lab *f = *state;
	const cJSON *c;

	api_lab_ask(f, "GET", "/info", NULL);
	api_lab_expect(f, 200, "\"LocalNetworks\":0,\"Published\":{\"Ports\":0,\"TcpRelays\":2,");
	api_lab_expect(f, 200, "\"SwitchedOn\":[\"net.ipv4.ip_forward\"]");
	api_lab_expect(
		f, 200,
		"\"Surroundings\":{\"Firewalld\":\"zone ovl: ovl0\",\"Findings\":[{\"Level\":"
		"\"note\",\"What\":\"FORWARD drops\"},{\"Level\":\"problem\",\"What\":"
		"\"INPUT drops 4789\",\"Cure\":\"iptables -I INPUT\"}]}");
	api_lab_expect(f, 200, "\"Conflicts\":[]");
	assert_null(json_get(f->reply, "Egress"));
	make_local(f, "egress", "egress");
	make_local(f, "demo", "bridge");
	make_local(f, "mine", "bridge")->subnets[0].subnet.ip = ip_v4(0x0a000080);
	modules_network(&f->m, "wide", "172.16.0.0/12");
	f->m.locals[0]->publish = v;
	f->m.locals[0]->n_publish = ARRAY_SIZE(v);
	api_lab_ask(f, "GET", "/info", NULL);
	api_lab_expect(f, 200, "\"LocalNetworks\":3,\"Published\":{\"Ports\":3,");
	assert_string_equal(api_lab_text(f->reply, "Egress/Interface"), "ovl-gw");
	assert_string_equal(api_lab_text(f->reply, "Egress/Subnets/0"), "172.20.0.0/16");
	c = json_get(f->reply, "Conflicts");
	assert_true(cJSON_GetArraySize(c) >= 3);
	api_lab_expect(f, 200, "\"Network\":\"egress\"");
	api_lab_expect(f, 200, "\"Other\":\"demo\",");
	api_lab_expect(f, 200, "\"SameName\":true");
	api_lab_expect(f, 200, "\"SameName\":false,\"Subnet\":\"172.16.0.0/12\"");
}

#define T(name) cmocka_unit_test_setup_teardown(name, api_lab_up, api_lab_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_connect_shared), T(test_local_networks), T(test_options),
		T(test_host_network),	T(test_published),	T(test_info_host),
		T(test_names),		T(test_connect_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
