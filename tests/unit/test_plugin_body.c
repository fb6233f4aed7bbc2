/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What dockerd's IPAM side asks, and the answers. The bodies are those of the reference's traces. */
#include "agent/docker/plugin_body.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"

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

static void same_mac(struct mac m, const char *want)
{
	char text[MAC_TEXT_MAX];

	assert_string_equal(mac_format(m, text), want);
}

/* ---- pools ---- */

static void get_pool(const char *body, struct plugin_pool *ret)
{
	struct err e = { 0 };

	if (plugin_pool_decode(body, strlen(body), ret, &e) < 0)
		fail_msg("%s: %s", body, e.text);
}

static void test_pool(void **state)
{
	struct plugin_pool p;

	(void)state;
	get_pool(
		"{\"AddressSpace\":\"ovl-local\",\"Pool\":\"\",\"SubPool\":\"\",\"Options\":{},\"V6\":false}\n",
		&p);
	assert_string_equal(p.space, "ovl-local");
	assert_false(prefix_is_set(p.pool) || prefix_is_set(p.range) || p.v6);
	assert_int_equal(p.options.n, 0);
	plugin_pool_done(&p);
	get_pool(
		"{\"AddressSpace\":\"ovl-local\",\"Pool\":\"10.200.0.7/16\",\"SubPool\":\"10.200.5.9/24\","
		"\"Options\":{\"pool.kind\":\"shared\",\"gone\":null,\"empty\":\"\"},\"V6\":false}",
		&p);
	same_prefix(p.pool, "10.200.0.0/16");
	same_prefix(p.range, "10.200.5.0/24");
	assert_int_equal(p.options.n, 2);
	assert_string_equal(kv_pairs_get(&p.options, "pool.kind"), "shared");
	assert_string_equal(kv_pairs_get(&p.options, "empty"), "");
	plugin_pool_done(&p);
	get_pool(
		"{\"AddressSpace\":\"ovl-local\",\"Pool\":\"fd00::5/64\",\"Options\":null,\"V6\":true}",
		&p);
	same_prefix(p.pool, "fd00::/64");
	assert_true(p.v6);
	plugin_pool_done(&p);
	/* As Go reads: any case, the last one, null is nothing; what is not known does not matter. */
	get_pool(
		"{\"addressspace\":\"x\",\"POOL\":\"10.0.0.0/8\",\"pool\":\"10.1.0.0/16\",\"Pool\":null,"
		"\"New\":[1,{}],\"v6\":null}",
		&p);
	assert_string_equal(p.space, "x");
	same_prefix(p.pool, "10.1.0.0/16");
	plugin_pool_done(&p);
	get_pool("{}", &p);
	assert_string_equal(p.space, "");
	plugin_pool_done(&p);
}

static void test_pool_wrong(void **state)
{
	static const char *const bad[][2] = {
		{ "", "the request is empty" },
		{ " \n", "the request is empty" },
		{ "null", "not a JSON object" },
		{ "[]", "not a JSON object" },
		{ "{\"Pool\":", "not JSON" },
		{ "{\"Pool\":5}", "Pool: not a text" },
		{ "{\"Pool\":\"10.0.0.0\"}", "Pool: " },
		{ "{\"Pool\":\"10.0.0.0/33\"}", "Pool: " },
		{ "{\"Pool\":\"x/8\"}", "Pool: " },
		{ "{\"Pool\":\"fd00::/64\"}", "Pool: fd00::/64 is not IPv4" },
		{ "{\"Pool\":\"10.0.0.0/8\",\"V6\":true}", "Pool: 10.0.0.0/8 is not IPv6" },
		{ "{\"SubPool\":\"10.0.0.0/8\"}", "SubPool: a range without its pool" },
		{ "{\"Pool\":\"10.0.0.0/24\",\"SubPool\":\"10.0.0.0/16\"}",
		  "SubPool: 10.0.0.0/16 is not within 10.0.0.0/24" },
		{ "{\"Options\":[]}", "Options: not an object" },
		{ "{\"Options\":{\"a\":1}}", "Options.a: not a text" },
		{ "{\"V6\":1}", "V6: neither true nor false" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = { 0 };
		struct plugin_pool p;

		assert_int_equal(plugin_pool_decode(bad[i][0], strlen(bad[i][0]), &p, &e), -EINVAL);
		assert_int_equal(e.code, -EINVAL);
		if (!strstr(e.text, bad[i][1]))
			fail_msg("%s: \"%s\", not \"%s\"", bad[i][0], e.text, bad[i][1]);
	}
}

static void test_bounds(void **state)
{
	_cleanup_free_ char *longer = mem_alloc(2 * PLUGIN_TEXT_MAX);
	_cleanup_free_ char *big = mem_alloc((2 << 20) + 1);
	_cleanup_free_ char *body = NULL;
	_cleanup_json_ cJSON *j = cJSON_CreateObject();
	cJSON *options = cJSON_AddObjectToObject(j, "Options");
	struct err e = { 0 };
	struct plugin_pool p;

	(void)state;
	for (int i = 0; i <= PLUGIN_OPTIONS_MAX; i++) {
		char key[16];

		snprintf(key, sizeof(key), "k%d", i);
		json_put_str(options, key, "v");
	}
	body = json_print(j);
	assert_int_equal(plugin_pool_decode(body, strlen(body), &p, &e), -EINVAL);
	assert_string_equal(e.text, "Options: more than 128 entries");
	free(body);
	cJSON_DeleteItemFromObject(options, "k0");
	body = json_print(j);
	get_pool(body, &p);
	assert_int_equal(p.options.n, PLUGIN_OPTIONS_MAX);
	plugin_pool_done(&p);
	free(body);
	memset(longer, 'x', PLUGIN_TEXT_MAX + 1);
	json_put_str(j, "AddressSpace", longer);
	body = json_print(j);
	assert_int_equal(plugin_pool_decode(body, strlen(body), &p, &e), -EINVAL);
	assert_string_equal(e.text, "AddressSpace: longer than 1024 bytes");
	memset(big, ' ', 2 << 20);
	big[0] = '{';
	big[(2 << 20) - 1] = '}';
	assert_int_equal(plugin_pool_decode(big, 2 << 20, &p, &e), -EINVAL);
	assert_int_equal(e.code, -EINVAL);
}

/* ---- addresses ---- */

static void get_address(const char *body, struct plugin_address *ret)
{
	struct err e = { 0 };

	if (plugin_address_decode(body, strlen(body), ret, &e) < 0)
		fail_msg("%s: %s", body, e.text);
}

static void test_address(void **state)
{
	struct plugin_address a;

	(void)state;
	get_address("{\"PoolID\":\"ovl-local/10.100.0.0/24\",\"Address\":\"\","
		    "\"Options\":{\"RequestAddressType\":\"com.docker.network.gateway\"}}",
		    &a);
	assert_string_equal(a.pool_id, "ovl-local/10.100.0.0/24");
	assert_true(a.gateway);
	assert_false(ip_is_set(a.ip));
	assert_true(mac_is_zero(a.mac));
	plugin_address_done(&a);
	get_address("{\"PoolID\":\"p\",\"Address\":\"10.0.0.5\",\"Options\":null}", &a);
	same_ip(a.ip, "10.0.0.5");
	assert_false(a.gateway);
	plugin_address_done(&a);
	get_address("{\"PoolID\":\"p\",\"Address\":\"10.0.0.5/24\"}", &a);
	same_ip(a.ip, "10.0.0.5");
	plugin_address_done(&a);
	get_address("{\"PoolID\":\"p\",\"Address\":\"fd00::5/64\",\"Options\":{"
		    "\"RequestAddressType\":\"else\",\"com.docker.network.ipam.serial\":\"true\","
		    "\"com.docker.network.endpoint.macaddress\":\"02:42:08:2b:21:e1\"}}",
		    &a);
	same_ip(a.ip, "fd00::5");
	same_mac(a.mac, "02:42:08:2b:21:e1");
	assert_false(a.gateway);
	plugin_address_done(&a);
	get_address("{\"poolid\":\"p\",\"Options\":{"
		    "\"com.docker.network.endpoint.macaddress\":\"AkLerb7v\"}}",
		    &a);
	same_mac(a.mac, "02:42:de:ad:be:ef");
	plugin_address_done(&a);
}

static void test_address_wrong(void **state)
{
#define MAC "\"Options\":{\"com.docker.network.endpoint.macaddress\":"
	static const char *const bad[][2] = {
		{ "", "the request is empty" },
		{ "{}", "PoolID: missing" },
		{ "{\"PoolID\":\"\"}", "PoolID: missing" },
		{ "{\"PoolID\":{}}", "PoolID: not a text" },
		{ "{\"PoolID\":\"p\",\"Address\":\"10.0.0\"}", "Address: " },
		{ "{\"PoolID\":\"p\",\"Address\":\"10.0.0.1/\"}", "Address: " },
		{ "{\"PoolID\":\"p\",\"Address\":[]}", "Address: not a text" },
		{ "{\"PoolID\":\"p\"," MAC "\"x\"}}", "is not a MAC address" },
		{ "{\"PoolID\":\"p\"," MAC "\"AkLerb4=\"}}", "is not a MAC address" },
		{ "{\"PoolID\":\"p\"," MAC "\"01:00:5e:00:00:01\"}}", "is not of one interface" },
		{ "{\"PoolID\":\"p\"," MAC "7}}", "not a text" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = { 0 };
		struct plugin_address a;

		assert_int_equal(plugin_address_decode(bad[i][0], strlen(bad[i][0]), &a, &e),
				 -EINVAL);
		if (!strstr(e.text, bad[i][1]))
			fail_msg("%s: \"%s\", not \"%s\"", bad[i][0], e.text, bad[i][1]);
	}
}

/* ---- references ---- */

static void test_ref(void **state)
{
	static const char both[] = "{\"NetworkID\":\"n1\",\"EndpointID\":\"e1\"}";
	static const char pool[] = "{\"PoolID\":\"ovl-local/10.100.0.0/24\"}";
	struct plugin_ref r;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(plugin_ref_decode(both, strlen(both), &r, &e), 0);
	assert_string_equal(r.network, "n1");
	assert_string_equal(r.endpoint, "e1");
	assert_null(r.pool_id);
	assert_int_equal(plugin_ref_check(&r, PLUGIN_REF_NETWORK | PLUGIN_REF_ENDPOINT, &e), 0);
	assert_int_equal(plugin_ref_check(&r, PLUGIN_REF_POOL, &e), -EINVAL);
	assert_string_equal(e.text, "PoolID: missing");
	plugin_ref_done(&r);
	assert_int_equal(plugin_ref_decode(pool, strlen(pool), &r, &e), 0);
	assert_string_equal(r.pool_id, "ovl-local/10.100.0.0/24");
	assert_int_equal(plugin_ref_check(&r, PLUGIN_REF_NETWORK, &e), -EINVAL);
	assert_string_equal(e.text, "NetworkID: missing");
	plugin_ref_done(&r);
	assert_int_equal(plugin_ref_decode("", 0, &r, &e), -EINVAL);
}

static void test_ids(void **state)
{
	static const char *const bad[] = { "a/b", "a b", "a\\n", "\xc3\xa4", "\\u007f" };
	struct plugin_ref r;
	struct err e = { 0 };
	char body[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(body, sizeof(body), "{\"NetworkID\":\"%s\"}", bad[i]);
		assert_int_equal(plugin_ref_decode(body, strlen(body), &r, &e), -EINVAL);
		assert_string_equal(e.text, "NetworkID: not an id");
	}
	snprintf(body, sizeof(body), "{\"NetworkID\":\"%065d\"}", 1);
	assert_int_equal(plugin_ref_decode(body, strlen(body), &r, &e), -EINVAL);
	assert_string_equal(e.text, "NetworkID: longer than 64 bytes");
	snprintf(body, sizeof(body), "{\"NetworkID\":\"%064d\"}", 1);
	assert_int_equal(plugin_ref_decode(body, strlen(body), &r, &e), 0);
	plugin_ref_done(&r);
}

/* ---- answers ---- */

static void says(cJSON *j, const char *want)
{
	_cleanup_free_ char *text = json_print(j);

	assert_string_equal(text, want);
	cJSON_Delete(j);
}

static void test_answers(void **state)
{
	struct err e = { .code = -ENOENT, .text = "no such \"pool\"" }, plain = { .code = -ENOENT };
	struct prefix p;
	struct mac m;

	(void)state;
	assert_int_equal(prefix_parse("10.0.3.0/24", &p, NULL), 0);
	assert_int_equal(mac_parse("02:42:0a:00:00:02", &m, NULL), 0);
	says(plugin_answer_pool("ovl-local/10.0.3.0/24", p),
	     "{\"PoolID\":\"ovl-local/10.0.3.0/24\",\"Pool\":\"10.0.3.0/24\",\"Data\":{}}");
	says(plugin_answer_address(ip_v4(0x0a000305), 24),
	     "{\"Address\":\"10.0.3.5/24\",\"Data\":{}}");
	says(plugin_answer_endpoint(NULL), "{}");
	says(plugin_answer_endpoint(&m), "{\"Interface\":{\"MacAddress\":\"02:42:0a:00:00:02\"}}");
	says(plugin_answer_join("v0123456789ab"),
	     "{\"InterfaceName\":{\"SrcName\":\"v0123456789ab\",\"DstPrefix\":\"eth\"}}");
	says(plugin_answer_err(&e),
	     "{\"Err\":\"no such \\\"pool\\\"\",\"Error\":\"no such \\\"pool\\\"\"}");
	says(plugin_answer_err(&plain), "{\"Err\":\"No such file or directory\","
					"\"Error\":\"No such file or directory\"}");
	says(plugin_answer_err(NULL), "{\"Err\":\"unknown error\",\"Error\":\"unknown error\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool),	      cmocka_unit_test(test_pool_wrong),
		cmocka_unit_test(test_bounds),	      cmocka_unit_test(test_address),
		cmocka_unit_test(test_address_wrong), cmocka_unit_test(test_ref),
		cmocka_unit_test(test_ids),	      cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
