/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What dockerd asks of a network driver: networks, endpoints with ports in thousands, joins. */
#include "agent/docker/plugin_body.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"

#define EXPOSED "com.docker.network.endpoint.exposedports"
#define PORTMAP "com.docker.network.portmap"
#define OPTION_MAC "com.docker.network.endpoint.macaddress"

static void same_prefix(struct prefix p, const char *want)
{
	char text[PREFIX_TEXT_MAX];

	assert_string_equal(prefix_format(p, text), want);
}

static void same_ip(struct ip ip, const char *want)
{
	char text[IP_TEXT_MAX];

	assert_string_equal(ip_format(ip, text), want);
}

/* ---- networks ---- */

static void get_network(const char *body, struct plugin_network *ret)
{
	struct err e = { 0 };

	if (plugin_network_decode(body, strlen(body), ret, &e) < 0)
		fail_msg("%s: %s", body, e.text);
}

static void test_network(void **state)
{
	struct plugin_network n;

	(void)state;
	get_network(
		"{\"NetworkID\":\"874d\",\"Options\":{\"com.docker.network.enable_ipv6\":false,"
		"\"com.docker.network.generic\":{\"com.docker.network.driver.mtu\":\"1400\",\"vni\":\"42\"}},"
		"\"IPv4Data\":[{\"AddressSpace\":\"ovl-local\",\"AuxAddresses\":{\"dns\":\"10.200.0.53/16\","
		"\"router\":\"10.200.5.1\"},\"Gateway\":\"10.200.0.254/16\",\"Pool\":\"10.200.0.0/16\"}],"
		"\"IPv6Data\":[]}\n",
		&n);
	assert_string_equal(n.id, "874d");
	assert_false(n.internal || n.ipv6);
	assert_int_equal(n.options.n, 2);
	assert_string_equal(kv_pairs_get(&n.options, "vni"), "42");
	assert_int_equal(n.n_v4, 1);
	assert_int_equal(n.n_v6, 0);
	assert_string_equal(n.v4[0].space, "ovl-local");
	same_prefix(n.v4[0].pool, "10.200.0.0/16");
	same_ip(n.v4[0].gateway, "10.200.0.254");
	assert_int_equal(n.v4[0].n_aux, 2);
	assert_string_equal(n.v4[0].aux[1].name, "router");
	same_ip(n.v4[0].aux[0].ip, "10.200.0.53");
	same_ip(n.v4[0].aux[1].ip, "10.200.5.1");
	plugin_network_done(&n);
	get_network(
		"{\"NetworkID\":\"n\",\"Options\":{\"com.docker.network.enable_ipv6\":true,"
		"\"com.docker.network.internal\":true,\"com.docker.network.generic\":null},"
		"\"IPv4Data\":[{\"Pool\":\"10.1.0.9/24\"},{\"Pool\":\"10.2.0.0/24\",\"Gateway\":\"\","
		"\"AuxAddresses\":null}],\"ipv6data\":[{\"Pool\":\"fd00::/64\",\"Gateway\":\"fd00::1/64\"}]}",
		&n);
	assert_true(n.internal && n.ipv6);
	assert_int_equal(n.n_v4, 2);
	assert_int_equal(n.n_v6, 1);
	same_prefix(n.v4[0].pool, "10.1.0.0/24");
	assert_false(ip_is_set(n.v4[1].gateway));
	assert_string_equal(n.v4[1].space, "");
	same_ip(n.v6[0].gateway, "fd00::1");
	plugin_network_done(&n);
	get_network("{\"NetworkID\":\"n\",\"Options\":null,\"IPv4Data\":null,\"IPv6Data\":null}",
		    &n);
	assert_int_equal(n.n_v4 + n.n_v6 + n.options.n, 0);
	plugin_network_done(&n);
}

static void test_network_wrong(void **state)
{
#define NET "{\"NetworkID\":\"n\","
#define P "{\"Pool\":\"10.0.0.0/24\"}"
	static const char *const bad[][2] = {
		{ "", "the request is empty" },
		{ "{}", "NetworkID: missing" },
		{ NET "\"Options\":\"x\"}", "Options: not an object" },
		{ NET "\"Options\":{\"com.docker.network.internal\":2}}",
		  "network.internal: neither" },
		{ NET "\"Options\":{\"com.docker.network.generic\":[]}}",
		  "generic: not an object" },
		{ NET "\"Options\":{\"com.docker.network.generic\":{\"a\":{}}}}", "a: not a text" },
		{ NET "\"IPv4Data\":{}}", "IPv4Data: not a list" },
		{ NET "\"IPv4Data\":[7]}", "IPv4Data[0]: not an object" },
		{ NET "\"IPv4Data\":[" P ",{}]}", "IPv4Data[1].Pool: missing" },
		{ NET "\"IPv4Data\":[{\"Pool\":\"fd00::/64\"}]}", "IPv4Data[0].Pool: " },
		{ NET "\"IPv6Data\":[" P "]}", "IPv6Data[0].Pool: 10.0.0.0/24 is not IPv6" },
		{ NET "\"IPv4Data\":[{\"Pool\":\"10.0.0.0/24\",\"Gateway\":\"x\"}]}",
		  "IPv4Data[0].Gateway: " },
		{ NET "\"IPv4Data\":[{\"Pool\":\"10.0.0.0/24\",\"AuxAddresses\":{\"a\":\"\"}}]}",
		  "IPv4Data[0].AuxAddresses.a: no address" },
		{ NET "\"IPv4Data\":[" P "," P "," P "," P "," P "," P "," P "," P "," P "," P "," P
		      "," P "," P "," P "," P "," P "," P "]}",
		  "IPv4Data: more than 16 entries" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = { 0 };
		struct plugin_network n;

		assert_int_equal(plugin_network_decode(bad[i][0], strlen(bad[i][0]), &n, &e),
				 -EINVAL);
		if (!strstr(e.text, bad[i][1]))
			fail_msg("%s: \"%s\", not \"%s\"", bad[i][0], e.text, bad[i][1]);
	}
}

/* ---- endpoints ---- */

static void get_endpoint(const char *body, struct plugin_endpoint *ret)
{
	struct err e = { 0 };

	if (plugin_endpoint_decode(body, strlen(body), ret, &e) < 0)
		fail_msg("%.300s: %s", body, e.text);
}

static void same_port(struct model_port p, const char *want)
{
	char text[MODEL_PORT_TEXT_MAX];

	assert_string_equal(model_port_format(p, text), want);
}

static void test_endpoint(void **state)
{
	struct plugin_endpoint ep;
	char text[MAC_TEXT_MAX];

	(void)state;
	get_endpoint(
		"{\"NetworkID\":\"n\",\"EndpointID\":\"e\",\"Interface\":{\"Address\":\"10.210.0.77/24\","
		"\"AddressIPv6\":\"\",\"MacAddress\":\"02:42:de:ad:be:ef\"},\"Options\":{"
		"\"com.docker.network.endpoint.dnsservers\":[\"1.1.1.1\"],\"ovl.qos\":\"gold\",\"" EXPOSED
		"\":[{\"Proto\":6,\"Port\":9999},{\"Proto\":17,\"Port\":53},{\"Proto\":6,\"Port\":80},"
		"{\"Proto\":1,\"Port\":7},{\"Proto\":6,\"Port\":0}],\"" OPTION_MAC
		"\":\"AkLerb7v\",\"" PORTMAP
		"\":[{\"Proto\":6,\"IP\":\"\",\"Port\":80,\"HostIP\":\"\",\"HostPort\":8080,\"HostPortEnd\":8080},"
		"{\"proto\":132,\"port\":9001,\"HostPort\":1}]}}\n",
		&ep);
	assert_string_equal(ep.network, "n");
	assert_string_equal(ep.id, "e");
	same_ip(ep.ip4, "10.210.0.77");
	assert_false(ip_is_set(ep.ip6));
	assert_string_equal(mac_format(ep.mac, text), "02:42:de:ad:be:ef");
	assert_int_equal(ep.n_expose, 4);
	same_port(ep.expose[0], "80/tcp");
	same_port(ep.expose[1], "9999/tcp");
	same_port(ep.expose[2], "53/udp");
	same_port(ep.expose[3], "9001/sctp");
	assert_int_equal(ep.options.n, 1);
	assert_string_equal(kv_pairs_get(&ep.options, "ovl.qos"), "gold");
	plugin_endpoint_done(&ep);
	/* Least; and where Docker has the MAC only as an option. */
	get_endpoint(
		"{\"NetworkID\":\"n\",\"EndpointID\":\"e\",\"Interface\":null,\"Options\":{\"" EXPOSED
		"\":null,\"" PORTMAP "\":[]}}",
		&ep);
	assert_true(mac_is_zero(ep.mac));
	assert_null(ep.expose);
	assert_int_equal(ep.n_expose, 0);
	plugin_endpoint_done(&ep);
	get_endpoint(
		"{\"NetworkID\":\"n\",\"EndpointID\":\"e\",\"Interface\":{\"AddressIPv6\":\"fd00::5/64\","
		"\"MacAddress\":\"\"},\"Options\":{\"" OPTION_MAC "\":\"AkLerb7v\"}}",
		&ep);
	same_ip(ep.ip6, "fd00::5");
	assert_string_equal(mac_format(ep.mac, text), "02:42:de:ad:be:ef");
	plugin_endpoint_done(&ep);
}

static void test_many_ports(void **state)
{
	struct plugin_endpoint ep;
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	buf_puts(&b, "{\"NetworkID\":\"n\",\"EndpointID\":\"e\",\"Options\":{\"" EXPOSED "\":[");
	for (int port = 40000; port > 1000; port--)
		assert_int_equal(buf_printf(&b, "{\"Proto\":6,\"Port\":%d},", port), 0);
	buf_puts(&b, "{\"Proto\":6,\"Port\":1001}],\"" PORTMAP "\":[{\"Proto\":6,\"Port\":1}]}}");
	assert_true(b.len > 900000);
	get_endpoint(b.data, &ep);
	assert_int_equal(ep.n_expose, MODEL_EXPOSE_MAX);
	same_port(ep.expose[0], "1/tcp");
	same_port(ep.expose[1], "1001/tcp");
	same_port(ep.expose[2], "1002/tcp");
	same_port(ep.expose[MODEL_EXPOSE_MAX - 1], "1255/tcp");
	plugin_endpoint_done(&ep);
	buf_done(&b);
}

static void test_endpoint_wrong(void **state)
{
#define EP "{\"NetworkID\":\"n\",\"EndpointID\":\"e\","
	static const char *const bad[][2] = {
		{ "\n", "the request is empty" },
		{ "{}", "NetworkID: missing" },
		{ "{\"NetworkID\":\"n\"}", "EndpointID: missing" },
		{ EP "\"Interface\":[]}", "Interface: not an object" },
		{ EP "\"Interface\":{\"Address\":\"10.0.0.300/24\"}}", "Interface.Address: " },
		{ EP "\"Interface\":{\"Address\":\"fd00::1/64\"}}", "Interface.Address: " },
		{ EP "\"Interface\":{\"AddressIPv6\":\"10.0.0.1/24\"}}",
		  "Interface.AddressIPv6: " },
		{ EP "\"Interface\":{\"MacAddress\":\"zz\"}}", "Interface.MacAddress: " },
		{ EP "\"Options\":{\"" EXPOSED "\":{}}}", EXPOSED ": not a list of ports" },
		{ EP "\"Options\":{\"" EXPOSED "\":[{\"Port\":1},7]}}", EXPOSED "[1]: not a port" },
		{ EP "\"Options\":{\"" PORTMAP "\":[{\"Proto\":6,\"Port\":65536}]}}",
		  "not a port" },
		{ EP "\"Options\":{\"" PORTMAP "\":[{\"Proto\":6,\"Port\":1.5}]}}", "not a port" },
		{ EP "\"Options\":{\"" PORTMAP "\":[{\"Proto\":-1,\"Port\":1}]}}", "not a port" },
		{ EP "\"Options\":{\"" PORTMAP "\":[{\"Proto\":\"tcp\",\"Port\":1}]}}",
		  "not a port" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = { 0 };
		struct plugin_endpoint ep;

		assert_int_equal(plugin_endpoint_decode(bad[i][0], strlen(bad[i][0]), &ep, &e),
				 -EINVAL);
		if (!strstr(e.text, bad[i][1]))
			fail_msg("%s: \"%s\", not \"%s\"", bad[i][0], e.text, bad[i][1]);
	}
}

/* ---- joins ---- */

static void test_join(void **state)
{
	static const char full[] = EP
		"\"SandboxKey\":\"/run/docker/netns/264b449f3783\",\"Options\":{\"" EXPOSED
		"\":[{\"Proto\":6,\"Port\":9999}],\"com.docker.network.generic\":{\"ChildEndpoints\":null}}}";
	static const char least[] = EP "\"SandboxKey\":null}";
	static const char wrong[] = EP "\"SandboxKey\":1}";
	struct plugin_join j;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(plugin_join_decode(full, strlen(full), &j, &e), 0);
	assert_string_equal(j.network, "n");
	assert_string_equal(j.endpoint, "e");
	assert_string_equal(j.sandbox, "/run/docker/netns/264b449f3783");
	plugin_join_done(&j);
	assert_int_equal(plugin_join_decode(least, strlen(least), &j, &e), 0);
	assert_string_equal(j.sandbox, "");
	plugin_join_done(&j);
	assert_int_equal(plugin_join_decode(wrong, strlen(wrong), &j, &e), -EINVAL);
	assert_string_equal(e.text, "SandboxKey: not a text");
	assert_int_equal(plugin_join_decode("", 0, &j, &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_network),	       cmocka_unit_test(test_network_wrong),
		cmocka_unit_test(test_endpoint),       cmocka_unit_test(test_many_ports),
		cmocka_unit_test(test_endpoint_wrong), cmocka_unit_test(test_join),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
