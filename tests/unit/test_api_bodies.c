/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/body.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"

static cJSON *parse(const char *text)
{
	struct err e = { 0 };
	cJSON *j;

	if (json_parse_object(text, strlen(text), 1 << 20, &j, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	return j;
}

/* ---- network ---- */

static void refuse_network(const char *text, const char *const *words)
{
	_cleanup_json_ cJSON *j = parse(text);
	struct body_network b;
	struct err e = { 0 };

	memset(&b, 0x5a, sizeof(b));
	assert_int_equal(body_network_decode(j, &b, &e), -EINVAL);
	for (; *words; words++) {
		if (!strstr(e.text, *words))
			fail_msg("no \"%s\" in \"%s\"", *words, e.text);
	}
	/* Untouched. */
	for (size_t i = 0; i < sizeof(b); i++)
		assert_int_equal(((unsigned char *)&b)[i], 0x5a);
}
#define REFUSE_NETWORK(text, ...) refuse_network(text, (const char *const[]){ __VA_ARGS__, NULL })

static void test_network(void **state)
{
	_cleanup_json_ cJSON *j = parse(
		"{\"Name\":\"demo\",\"CheckDuplicate\":true,\"Driver\":\"overlay\",\"EnableIPv6\":true,"
		"\"Internal\":true,\"Attachable\":true,\"Ingress\":false,\"IPAM\":{\"Driver\":\"default\","
		"\"Options\":null,\"Config\":[{\"Subnet\":\"10.1.0.0/24\",\"Gateway\":\"10.1.0.254\","
		"\"IPRange\":\"10.1.0.0/25\",\"AuxiliaryAddresses\":{\"a\":\"10.1.0.5\"}},"
		"{\"Subnet\":\"fd00::/64\"}]},\"Options\":{\"mtu\":\"1400\"},\"Labels\":{\"k\":\"\"}}");
	struct body_network b;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(body_network_decode(j, &b, &e), 0);
	assert_string_equal(b.name, "demo");
	assert_string_equal(b.driver, "overlay");
	assert_true(b.ipv6 && b.internal);
	assert_int_equal(b.subnets.n, 2);
	assert_string_equal(b.subnets.v[1], "fd00::/64");
	assert_int_equal(b.gateways.n, 1);
	assert_int_equal(b.ip_ranges.n, 1);
	assert_string_equal(kv_pairs_get(&b.aux, "a"), "10.1.0.5");
	assert_string_equal(kv_pairs_get(&b.options, "mtu"), "1400");
	assert_string_equal(kv_pairs_get(&b.labels, "k"), "");
	body_network_done(&b);
}

static void test_network_least(void **state)
{
	_cleanup_json_ cJSON *j = parse("{\"Name\":\"x\",\"Driver\":\"\",\"IPAM\":null,"
					"\"Options\":null,\"Labels\":{}}");
	struct body_network b;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(body_network_decode(j, &b, &e), 0);
	assert_null(b.driver);
	assert_int_equal(b.subnets.n + b.options.n + b.labels.n, 0);
	assert_false(b.ipv6 || b.internal);
	body_network_done(&b);
}

static void test_network_bad(void **state)
{
	(void)state;
	REFUSE_NETWORK("{}", "Name: missing");
	REFUSE_NETWORK("{\"Name\":\"\"}", "Name: empty");
	REFUSE_NETWORK("{\"Name\":7}", "Name: not a string");
	REFUSE_NETWORK("{\"name\":\"x\"}", "name: not a known field", "Name: missing");
	REFUSE_NETWORK("{\"Name\":\"x\",\"Name\":\"y\"}", "Name: given twice");
	/* Everything at once. */
	REFUSE_NETWORK("{\"Name\":\"x\",\"Internal\":\"yes\",\"Ingress\":true,\"Scope\":\"swarm\","
		       "\"IPAM\":{\"Driver\":\"weave\",\"Confgi\":[],\"Config\":[{\"Subnet\":1},5,"
		       "{\"Gatway\":\"10.0.0.1\"}]},\"Options\":{\"a\":1}}",
		       "Internal: not true or false", "Ingress: not available",
		       "Scope: \"swarm\" is neither global nor local", "IPAM.Driver: \"weave\"",
		       "IPAM.Confgi: not a known field", "IPAM.Config[0].Subnet: not a string",
		       "IPAM.Config[1]: not an object", "IPAM.Config[2].Gatway: not a known field",
		       "Options.a: not a string");
	REFUSE_NETWORK(
		"{\"Name\":\"x\",\"IPAM\":{\"Config\":[{\"AuxiliaryAddresses\":{\"a\":\"1.1.1.1\"}},"
		"{\"AuxiliaryAddresses\":{\"a\":\"1.1.1.2\"}}]}}",
		"IPAM.Config[1].AuxiliaryAddresses: a is given twice");
	REFUSE_NETWORK("{\"Name\":\"x\",\"IPAM\":{\"Options\":{\"a\":\"b\"}}}", "IPAM.Options: a");
}

/* The scope is the driver's. */
static void test_network_scope(void **state)
{
	static const char *const good[] = {
		"{\"Name\":\"a\",\"Scope\":\"local\"}",
		"{\"Name\":\"a\",\"Scope\":\"global\"}",
		"{\"Name\":\"a\",\"Driver\":\"bridge\",\"Scope\":\"local\"}",
		"{\"Name\":\"a\",\"Driver\":\"overlay\",\"Scope\":\"global\"}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_json_ cJSON *j = parse(good[i]);
		struct body_network b;
		struct err e = { 0 };

		assert_int_equal(body_network_decode(j, &b, &e), 0);
		body_network_done(&b);
	}
	REFUSE_NETWORK("{\"Name\":\"a\",\"Driver\":\"bridge\",\"Scope\":\"global\"}",
		       "Scope: networks of driver bridge are local");
	REFUSE_NETWORK("{\"Name\":\"a\",\"Driver\":\"overlay\",\"Scope\":\"local\"}",
		       "Scope: networks of driver overlay are global");
}

static void test_network_bounds(void **state)
{
	_cleanup_json_ cJSON *j = cJSON_CreateObject();
	cJSON *config = cJSON_AddArrayToObject(cJSON_AddObjectToObject(j, "IPAM"), "Config");
	cJSON *options = cJSON_AddObjectToObject(j, "Options");
	char name[BODY_NAME_MAX + 2], key[16];
	struct body_network b;
	struct err e = { 0 };

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	json_put_str(j, "Name", name);
	for (int i = 0; i <= BODY_CONFIGS_MAX; i++)
		cJSON_AddItemToArray(config, cJSON_CreateObject());
	for (int i = 0; i <= BODY_PAIRS_MAX; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		json_put_str(options, key, "v");
	}
	assert_int_equal(body_network_decode(j, &b, &e), -EINVAL);
	assert_non_null(strstr(e.text, "Name: longer than"));
	assert_non_null(strstr(e.text, "IPAM.Config: more than"));
	assert_non_null(strstr(e.text, "Options: more than"));
}

/* As `ovlctl network create` makes them: each address beside its subnet, those without one apart. */
static void test_network_encode(void **state)
{
	struct body_network b = { .ipv6 = true }, again;
	_cleanup_json_ cJSON *j = NULL;
	_cleanup_free_ char *config = NULL;
	struct err e = { 0 };

	(void)state;
	b.name = mem_strdup("demo");
	strv_add(&b.subnets, "10.1.0.0/24");
	strv_add(&b.subnets, "10.2.0.0/24");
	strv_add(&b.gateways, "10.2.0.1");
	strv_add(&b.gateways, "10.2.0.2");
	strv_add(&b.gateways, "junk");
	strv_add(&b.ip_ranges, "10.1.0.128/25");
	kv_pairs_set(&b.aux, "a", "10.1.0.9");
	kv_pairs_set(&b.aux, "b", "10.1.0.8");
	kv_pairs_set(&b.options, "mtu", "1400");
	j = body_network_encode(&b);
	config = json_print(json_get(json_get(j, "IPAM"), "Config"));
	assert_string_equal(config,
			    "[{\"Subnet\":\"10.1.0.0/24\",\"IPRange\":\"10.1.0.128/25\","
			    "\"AuxiliaryAddresses\":{\"a\":\"10.1.0.9\",\"b\":\"10.1.0.8\"}},"
			    "{\"Subnet\":\"10.2.0.0/24\",\"Gateway\":\"10.2.0.1\"},"
			    "{\"Gateway\":\"10.2.0.2\"},{\"Gateway\":\"junk\"}]");
	assert_int_equal(body_network_decode(j, &again, &e), 0);
	assert_true(strv_eq(&again.subnets, &b.subnets));
	assert_true(strv_eq(&again.gateways, &b.gateways));
	assert_int_equal(again.aux.n, 2);
	assert_true(again.ipv6);
	body_network_done(&again);
	body_network_done(&b);
}

/* ---- connect, disconnect, log level ---- */

static void test_connect(void **state)
{
	_cleanup_json_ cJSON *j = parse(
		"{\"Target\":\"pid:12\",\"EndpointConfig\":{\"IPAMConfig\":{\"IPv4Address\":\"10.0.0.9\","
		"\"IPv6Address\":\"fd00::9\"},\"Aliases\":[\"a\",\"b\"],\"MacAddress\":"
		"\"02:00:00:00:00:01\",\"Name\":\"c1\",\"IfName\":\"net0\","
		"\"Publish\":[{\"Proto\":\"tcp\",\"HostPort\":80,\"Port\":80},"
		"{\"Proto\":\"tcp\",\"Port\":80},{\"Proto\":\"tcp\",\"Port\":80}],"
		"\"GwPriority\":-5,\"Hostname\":\"c1.example\",\"ExposedPorts\":[\"5000/tcp\",\"53/udp\"],"
		"\"Links\":[\"db:redis\",\"web:web\"],\"Dns\":[\"10.0.0.53\",\"[fd00::53]:5353\"],"
		"\"DnsSearch\":[\"example.org\"],\"DnsOptions\":[\"ndots:2\"],"
		"\"ExtraHosts\":[\"gw:host-gateway\"]},\"More\":true}");
	_cleanup_json_ cJSON *out = NULL;
	_cleanup_free_ char *first = NULL, *second = NULL;
	struct body_connect b;
	struct err e = { 0 };
	char text[IP_TEXT_MAX];

	(void)state;
	assert_int_equal(body_connect_decode(j, &b, &e), 0);
	assert_string_equal(b.target, "pid:12");
	assert_string_equal(b.name, "c1");
	assert_string_equal(b.ifname, "net0");
	assert_int_equal(b.aliases.n, 2);
	assert_string_equal(ip_format(b.ip4, text), "10.0.0.9");
	assert_string_equal(ip_format(b.ip6, text), "fd00::9");
	out = body_connect_encode(&b);
	first = json_print(j);
	second = json_print(out);
	assert_string_equal(first, second);
	body_connect_done(&b);
}

static void refuse_connect(const char *text, const char *want)
{
	_cleanup_json_ cJSON *j = parse(text);
	struct body_connect b;
	struct err e = { 0 };

	assert_int_equal(body_connect_decode(j, &b, &e), -EINVAL);
	if (!strstr(e.text, want))
		fail_msg("no \"%s\" in \"%s\"", want, e.text);
}

/* ---- published ports ---- */

static void publish(const char *text, const char *want)
{
	struct body_publishes p = { 0 };
	_cleanup_json_ cJSON *j = NULL;
	_cleanup_free_ char *got = NULL;
	struct err e = { 0 };

	if (body_publish_parse(text, &p, &e) < 0)
		fail_msg("%s", e.text);
	j = body_publishes_encode(&p);
	got = json_print(j);
	assert_string_equal(got, want);
	body_publishes_done(&p);
}

static void test_publish(void **state)
{
	char text[BODY_PUBLISH_TEXT_MAX];
	struct body_publish p = { .host_port = 80 };

	(void)state;
	publish("80", "[{\"Proto\":\"tcp\",\"Port\":80}]");
	publish(":80", "[{\"Proto\":\"tcp\",\"Port\":80}]");
	publish("8080:80/UDP", "[{\"Proto\":\"udp\",\"HostPort\":8080,\"Port\":80}]");
	publish("127.0.0.1::53/sctp",
		"[{\"Proto\":\"sctp\",\"HostIp\":\"127.0.0.1\",\"Port\":53}]");
	publish("[::1]:8080:80/tcp",
		"[{\"Proto\":\"tcp\",\"HostIp\":\"::1\",\"HostPort\":8080,\"Port\":80}]");
	publish("65534-65535:1-2", "[{\"Proto\":\"tcp\",\"HostPort\":65534,\"Port\":1},"
				   "{\"Proto\":\"tcp\",\"HostPort\":65535,\"Port\":2}]");
	publish("7-8", "[{\"Proto\":\"tcp\",\"Port\":7},{\"Proto\":\"tcp\",\"Port\":8}]");
	assert_string_equal(body_publish_format(&p, AF_INET, text), "0.0.0.0:80");
	assert_string_equal(body_publish_format(&p, AF_INET6, text), "[::]:80");
	ip_parse("::1", &p.host_ip, NULL);
	assert_string_equal(body_publish_format(&p, AF_INET, text), "[::1]:80");
	ip_parse("10.0.0.1", &p.host_ip, NULL);
	assert_string_equal(body_publish_format(&p, AF_INET6, text), "10.0.0.1:80");
}

static void test_publish_bad(void **state)
{
	static const char *const bad[][2] = {
		{ "", "container port: missing" },
		{ "8080:", "8080:: container port: missing" },
		{ "0", "container port: \"0\" is no number from 1 to 65535" },
		{ "65536", "container port: \"65536\" is no number" },
		{ "80:65536", "container port: \"65536\"" },
		{ "0:80", "host port: \"0\" is no number from 1 to 65535" },
		{ "65536:80", "host port: \"65536\"" },
		{ "000080:80", "host port: " },
		{ "-1:80", "host port: \"\" is no number" },
		{ "+1:80", "host port: \"+1\" is no number" },
		{ " 1:80", "host port: \" 1\" is no number" },
		{ "90-80:80-90", "host port: the range 90-80 ends before it begins" },
		{ "80-90:90-80", "container port: the range 90-80 ends" },
		{ "80-:80", "host port: \"\" is no number" },
		{ "1-2-3:80", "host port: \"2-3\" is no number" },
		{ "8080-8081:80",
		  "the ranges 8080-8081 of the host and 80-80 of the container differ" },
		{ "8080:80-81", "differ in length" },
		{ "80/icmp", "protocol: \"icmp\" is none of tcp, udp, sctp" },
		{ "80/", "protocol: \"\" is none" },
		{ "80/tcp/udp", "container port: \"80/tcp\"" },
		{ "10.0.0.256:80:80", "host address: \"10.0.0.256\" is no address" },
		{ "localhost:80:80", "host address: \"localhost\" is no address" },
		{ "::1:80:80", "host address: ::1: an IPv6 address goes in brackets" },
		{ "[10.0.0.1]:80:80", "brackets are for IPv6" },
		{ "[::1]:80", "host port: \"[::1]\" is none" },
		{ "127.0.0.1:80", "host port: \"127.0.0.1\" is no number" },
		{ "224.0.0.1:80:80", "is no address of one host" },
		{ "1-5000", "more than 4096 ports" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct body_publishes p = { 0 };
		struct err e = { 0 };

		assert_int_equal(body_publish_parse(bad[i][0], &p, &e), -EINVAL);
		if (!strstr(e.text, bad[i][1]))
			fail_msg("no \"%s\" in \"%s\"", bad[i][1], e.text);
		assert_int_equal(p.n, 0);
	}
}

#define EP(inner) "{\"Target\":\"t\",\"EndpointConfig\":{" inner "}}"

/* What may be written in several ways is one afterwards. */
static void test_names(void **state)
{
	_cleanup_json_ cJSON *j = parse(
		"{\"Target\":\"t\",\"EndpointConfig\":{\"Hostname\":\"\",\"ExposedPorts\":"
		"[\"80\",\"80/TCP\",\"7-9/udp\"],\"Links\":[\"web\",\"web:web\",\"web:www\"],\"Dns\":null}}");
	_cleanup_json_ cJSON *out = NULL;
	_cleanup_free_ char *text = NULL;
	struct body_connect b;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(body_connect_decode(j, &b, &e), 0);
	assert_null(b.names.hostname);
	out = body_connect_encode(&b);
	text = json_print(json_get(out, "EndpointConfig"));
	assert_string_equal(
		text, "{\"IPAMConfig\":{},\"Aliases\":[],\"ExposedPorts\":[\"80/tcp\",\"7/udp\","
		      "\"8/udp\",\"9/udp\"],\"Links\":[\"web:web\",\"web:www\"]}");
	body_connect_done(&b);
}

static void test_names_bounds(void **state)
{
	static const struct {
		const char *field, *text, *want;
		int n;
	} bounds[] = {
		{ "ExposedPorts", "1-256", NULL, 1 },
		{ "ExposedPorts", "1-257", "ExposedPorts[0]: more than 256 ports", 1 },
		{ "Links", "a", NULL, BODY_LINKS_MAX },
		{ "Links", "a", "Links: ", BODY_LINKS_MAX + 1 },
		{ "Dns", "10.0.0.1", NULL, BODY_DNS_MAX },
		{ "Dns", "10.0.0.1", "Dns: ", BODY_DNS_MAX + 1 },
		{ "DnsSearch", "a", "DnsSearch: ", BODY_DNS_SEARCH_MAX + 1 },
		{ "DnsOptions", "a", "DnsOptions: ", BODY_DNS_OPTIONS_MAX + 1 },
		{ "ExtraHosts", "a:10.0.0.1", NULL, BODY_HOSTS_MAX },
		{ "ExtraHosts", "a:10.0.0.1", "ExtraHosts: ", BODY_HOSTS_MAX + 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
		_cleanup_json_ cJSON *j = cJSON_CreateObject();
		cJSON *list = cJSON_AddArrayToObject(j, bounds[i].field);
		struct body_names n = { 0 };
		struct err e = { 0 };

		for (int k = 0; k < bounds[i].n; k++)
			cJSON_AddItemToArray(list, cJSON_CreateString(bounds[i].text));
		body_names_take(j, "", &n, &e);
		body_names_done(&n);
		assert_int_equal(e.code, bounds[i].want ? -EINVAL : 0);
		if (bounds[i].want && strstr(e.text, bounds[i].want) != e.text)
			fail_msg("\"%s\" does not begin with \"%s\"", e.text, bounds[i].want);
	}
}

static void test_connect_bad(void **state)
{
	char text[BODY_HOSTNAME_MAX + 64];

	(void)state;
	refuse_connect(EP("\"Hostname\":7"), "EndpointConfig.Hostname: not a string");
	refuse_connect(EP("\"Hostname\":\"a b\""), "EndpointConfig.Hostname: \"a b\" is not");
	refuse_connect(EP("\"Hostname\":\"-a\""), "EndpointConfig.Hostname: \"-a\" is not");
	snprintf(text, sizeof(text), EP("\"Hostname\":\"%0*d\""), BODY_HOSTNAME_MAX + 1, 0);
	refuse_connect(text, "EndpointConfig.Hostname: longer than");
	refuse_connect(EP("\"ExposedPorts\":{}"), "EndpointConfig.ExposedPorts: not a list");
	refuse_connect(EP("\"ExposedPorts\":[\"80:80\"]"),
		       "EndpointConfig.ExposedPorts[0]: \"80:80\" is not PORT");
	refuse_connect(EP("\"ExposedPorts\":[\"80\",\"0\"]"), "ExposedPorts[1]: ");
	refuse_connect(EP("\"ExposedPorts\":[\"9-8\"]"), "ExposedPorts[0]: ");
	refuse_connect(EP("\"Links\":[\"\"]"), "EndpointConfig.Links[0]: \"\" is not NAME[:ALIAS]");
	refuse_connect(EP("\"Links\":[\"a\",\"a:\",\"a:b:c\",\":a\"]"), "Links[2]: \"a:b:c\"");
	refuse_connect(EP("\"Links\":[\"a:\"]"), "Links[0]: \"a:\"");
	refuse_connect(EP("\"Links\":[\":a\"]"), "Links[0]: \":a\"");
	refuse_connect(EP("\"Dns\":\"10.0.0.1\""), "EndpointConfig.Dns: not a list");
	refuse_connect(EP("\"DnsServers\":[]"), "EndpointConfig.DnsServers: not a known field");
	refuse_connect("{}", "Target: missing");
	refuse_connect("{\"Target\":\"\"}", "Target: missing");
	refuse_connect("{\"Target\":[]}", "Target: not a string");
	refuse_connect("{\"Target\":\"t\",\"EndpointConfig\":[]}", "EndpointConfig: not an object");
	refuse_connect(EP("\"IPAMConfig\":{\"IPv4Address\":\"fd00::1\"}"),
		       "EndpointConfig.IPAMConfig.IPv4Address: fd00::1 is not an IPv4 address");
	refuse_connect(EP("\"IPAMConfig\":{\"IPv6Address\":\"10.0.0.1\"}"),
		       "is not an IPv6 address");
	refuse_connect(EP("\"IPAMConfig\":{\"IPv4Address\":\"10.0.0.256\"}"),
		       "EndpointConfig.IPAMConfig.IPv4Address: ");
	refuse_connect(EP("\"IPAMConfig\":{\"IP\":\"10.0.0.2\"}"),
		       "EndpointConfig.IPAMConfig.IP: not a known field");
	refuse_connect(EP("\"MacAddress\":\"01:00:5e:00:00:01\""), "no address of one interface");
	refuse_connect(EP("\"MacAddress\":\"zz\""), "EndpointConfig.MacAddress: ");
	refuse_connect(EP("\"IfName\":\"a/b\""), "cannot name an interface");
	refuse_connect(EP("\"IfName\":\"sixteencharslong\""), "cannot name an interface");
	refuse_connect(EP("\"GwPriority\":2147483648"),
		       "EndpointConfig.GwPriority: 2147483648 is not");
	refuse_connect(EP("\"GwPriority\":1.5"), "EndpointConfig.GwPriority: ");
	refuse_connect("{\"Target\":\"t\",\"More\":1}", "More: ");
	refuse_connect(EP("\"Publish\":{}"), "EndpointConfig.Publish: not a list");
	refuse_connect(EP("\"Publish\":[1]"), "EndpointConfig.Publish[0]: not an object");
	refuse_connect(EP("\"Publish\":[{}]"), "EndpointConfig.Publish[0].Port: missing");
	refuse_connect(EP("\"Publish\":[{\"Port\":0}]"),
		       "EndpointConfig.Publish[0].Port: 0 is not");
	refuse_connect(EP("\"Publish\":[{\"Port\":80,\"HostPort\":65536}]"),
		       "EndpointConfig.Publish[0].HostPort: 65536 is not");
	refuse_connect(EP("\"Publish\":[{\"Port\":80,\"Proto\":\"icmp\"}]"),
		       "EndpointConfig.Publish[0].Proto: \"icmp\" is none");
	refuse_connect(EP("\"Publish\":[{\"Port\":80,\"HostIp\":\"x\"}]"),
		       "EndpointConfig.Publish[0].HostIp: \"x\" is no address");
	refuse_connect(EP("\"Publish\":[{\"Port\":80,\"host\":1}]"),
		       "EndpointConfig.Publish[0].host: not a known field");
	refuse_connect(
		EP("\"Publish\":[{\"Port\":80,\"HostPort\":81},{\"Port\":82,\"HostPort\":81}]"),
		"EndpointConfig.Publish: the host's port 0.0.0.0:81/tcp is given twice");
	refuse_connect(EP("\"Aliases\":\"a\""), "EndpointConfig.Aliases: not a list");
	refuse_connect(EP("\"Aliases\":[1]"), "EndpointConfig.Aliases[0]: not a string");
}

static void test_small(void **state)
{
	_cleanup_json_ cJSON *j = parse("{\"Target\":\"c1\",\"Force\":true}");
	_cleanup_json_ cJSON *bad = parse("{\"Target\":\"c1\",\"force\":true}");
	_cleanup_json_ cJSON *level = parse("{\"Level\":\"debug\"}");
	_cleanup_json_ cJSON *none = parse("{}");
	struct body_disconnect d;
	struct body_log_level l;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(body_disconnect_decode(j, &d, &e), 0);
	assert_true(d.force);
	body_disconnect_done(&d);
	assert_int_equal(body_disconnect_decode(bad, &d, &e), -EINVAL);
	assert_string_equal(e.text, "force: not a known field");
	assert_int_equal(body_log_level_decode(level, &l, &e), 0);
	assert_string_equal(l.level, "debug");
	body_log_level_done(&l);
	assert_int_equal(body_log_level_decode(none, &l, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_network),	      cmocka_unit_test(test_network_least),
		cmocka_unit_test(test_network_bad),   cmocka_unit_test(test_network_bounds),
		cmocka_unit_test(test_network_scope), cmocka_unit_test(test_network_encode),
		cmocka_unit_test(test_connect),	      cmocka_unit_test(test_connect_bad),
		cmocka_unit_test(test_small),	      cmocka_unit_test(test_publish),
		cmocka_unit_test(test_publish_bad),   cmocka_unit_test(test_names),
		cmocka_unit_test(test_names_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
