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
		       "Scope: \"swarm\" is not available", "IPAM.Driver: \"weave\"",
		       "IPAM.Confgi: not a known field", "IPAM.Config[0].Subnet: not a string",
		       "IPAM.Config[1]: not an object", "IPAM.Config[2].Gatway: not a known field",
		       "Options.a: not a string");
	REFUSE_NETWORK(
		"{\"Name\":\"x\",\"IPAM\":{\"Config\":[{\"AuxiliaryAddresses\":{\"a\":\"1.1.1.1\"}},"
		"{\"AuxiliaryAddresses\":{\"a\":\"1.1.1.2\"}}]}}",
		"IPAM.Config[1].AuxiliaryAddresses: a is given twice");
	REFUSE_NETWORK("{\"Name\":\"x\",\"IPAM\":{\"Options\":{\"a\":\"b\"}}}", "IPAM.Options: a");
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
		"\"02:00:00:00:00:01\",\"Name\":\"c1\",\"IfName\":\"net0\"}}");
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

#define EP(inner) "{\"Target\":\"t\",\"EndpointConfig\":{" inner "}}"

static void test_connect_bad(void **state)
{
	(void)state;
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
		cmocka_unit_test(test_network),	       cmocka_unit_test(test_network_least),
		cmocka_unit_test(test_network_bad),    cmocka_unit_test(test_network_bounds),
		cmocka_unit_test(test_network_encode), cmocka_unit_test(test_connect),
		cmocka_unit_test(test_connect_bad),    cmocka_unit_test(test_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
