/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static cJSON *parse(const char *text)
{
	cJSON *j = NULL;
	struct err e = { 0 };

	if (json_parse(text, strlen(text), 1 << 20, &j, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	return j;
}

static void parses_one_value(void **state)
{
	static const char *const good[] = {
		"{}",
		"[]",
		"null",
		"true",
		"-1.5e3",
		" {\"a\":[1,2,{\"b\":\"c\"}]} \r\n\t",
		"\"\\u00fc\\n\\\"\"",
		"\"M\xc3\xbcnchen\"",
		"\"\xf0\x9f\x90\x99 \xe2\x82\xac\"",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_json_ cJSON *j = parse(good[i]);

		assert_non_null(j);
	}
}

static void refuses_what_is_not_json(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"{",
		"{}}",
		"{} x",
		"{\"a\":1,}",
		"{a:1}",
		"'x'",
		"[1 2]",
		"nul",
		"truex",
		"\"abc",
		"\"a\nb\"",
		"\"a\x01\"",
		"\"\\u0000\"",
		"\"\\ud800\"",
		"\"\\x\"",
		"\"\xff\"",
		"\"\xc0\xaf\"",
		"\"\xc3\"",
		"\"\xed\xa0\x80\"",
		"\"\xf4\x90\x80\x80\"",
		"\"\xe0\x80\x80\"",
		"\"\xc3",
		"\x0b{}",
		"{}\x0c",
		"\"\\",
		"[\"\\\"]",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = { 0 };
		cJSON *j = NULL;

		if (json_parse(bad[i], strlen(bad[i]), 1000, &j, &e) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
		assert_null(j);
		assert_memory_equal(e.text, "not JSON", 8);
	}
}

static void trailing_nul_and_unterminated_input(void **state)
{
	const char raw[2] = { '{', '}' }; /* no NUL behind: must not be read past its end */
	cJSON *j = NULL;

	(void)state;
	assert_int_equal(json_parse(raw, 2, 10, &j, NULL), 0);
	cJSON_Delete(j);
	j = NULL;
	assert_int_equal(json_parse("{}", 3, 10, &j, NULL), -EINVAL);
	assert_int_equal(json_parse("{\"a\0b\":1}", 9, 10, &j, NULL), -EINVAL);
	assert_null(j);
}

static void sizes_and_depth_are_limited(void **state)
{
	char deep[2 * (JSON_DEPTH_MAX + 1)];
	struct err e = { 0 };
	cJSON *j = NULL;

	(void)state;
	assert_int_equal(json_parse("[1]", 3, 2, &j, &e), -EMSGSIZE);
	assert_int_equal(json_parse("[1]", 3, 3, &j, &e), 0);
	cJSON_Delete(j);
	memset(deep, '[', JSON_DEPTH_MAX + 1);
	memset(deep + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	assert_int_equal(json_parse(deep, sizeof(deep), 1000, &j, &e), -EINVAL);
	assert_non_null(strstr(e.text, "deep"));
	assert_int_equal(json_parse(deep + 1, sizeof(deep) - 2, 1000, &j, &e), 0);
	cJSON_Delete(j);
	/* Brackets inside a string are no depth. */
	memset(deep, '[', sizeof(deep));
	deep[0] = deep[sizeof(deep) - 1] = '"';
	assert_int_equal(json_parse(deep, sizeof(deep), 1000, &j, &e), 0);
	cJSON_Delete(j);
}

static void objects_only(void **state)
{
	struct err e = { 0 };
	cJSON *j = NULL;

	(void)state;
	assert_int_equal(json_parse_object("[]", 2, 10, &j, &e), -EINVAL);
	assert_string_equal(e.text, "not a JSON object");
	assert_int_equal(json_parse_object("{}", 2, 10, &j, &e), 0);
	cJSON_Delete(j);
}

static void strings(void **state)
{
	_cleanup_json_ cJSON *j =
		parse("{\"Name\":\"upper\",\"name\":\"demo\",\"n\":5,\"z\":null}");
	const char *s = "unset";
	struct err e = { 0 };

	(void)state;
	assert_int_equal(json_get_str(j, "absent", 10, &s, &e), 0);
	assert_int_equal(json_get_str(j, "z", 10, &s, &e), 0);
	assert_string_equal(s, "unset");
	assert_int_equal(json_get_str(j, "name", 4, &s, &e), 0);
	assert_string_equal(s, "demo");
	assert_int_equal(json_get_str(j, "name", 3, &s, &e), -EINVAL);
	assert_string_equal(e.text, "name: longer than 3 bytes");
	assert_int_equal(json_get_str(j, "n", 3, &s, &e), -EINVAL);
	assert_string_equal(e.text, "n: not a string");
	assert_int_equal(json_get_str_req(j, "absent", 3, &s, &e), -EINVAL);
	assert_string_equal(e.text, "absent: missing");
	assert_int_equal(json_get_str_req(j, "z", 3, &s, NULL), -EINVAL);
	assert_int_equal(json_get_str_req(j, "Name", 9, &s, &e), 0);
	assert_string_equal(s, "upper");
}

static void booleans(void **state)
{
	_cleanup_json_ cJSON *j = parse("{\"t\":true,\"f\":false,\"s\":\"true\",\"one\":1}");
	bool b = true;

	(void)state;
	assert_int_equal(json_get_bool(j, "f", &b, NULL), 0);
	assert_false(b);
	assert_int_equal(json_get_bool(j, "t", &b, NULL), 0);
	assert_true(b);
	assert_int_equal(json_get_bool(j, "s", &b, NULL), -EINVAL);
	assert_int_equal(json_get_bool(j, "one", &b, NULL), -EINVAL);
	assert_int_equal(json_get_bool(j, "absent", &b, NULL), 0);
}

static void whole_numbers(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t v;
	} cases[] = {
		{ "0", 0, 0 },
		{ "-0", 0, 0 },
		{ "\"0\"", 0, 0 },
		{ "9007199254740992", 0, 9007199254740992 },
		{ "9007199254740994", -EINVAL, 0 },
		{ "1e3", 0, 1000 },
		{ "\"18446744073709551615\"", 0, UINT64_MAX },
		{ "\"18446744073709551616\"", -EINVAL, 0 },
		{ "\"99999999999999999999999\"", -EINVAL, 0 },
		{ "1.5", -EINVAL, 0 },
		{ "1e999", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "\"-1\"", -EINVAL, 0 },
		{ "\"\"", -EINVAL, 0 },
		{ "\"-\"", -EINVAL, 0 },
		{ "\"+1\"", -EINVAL, 0 },
		{ "\" 1\"", -EINVAL, 0 },
		{ "\"1x\"", -EINVAL, 0 },
		{ "\"0x10\"", -EINVAL, 0 },
		{ "true", -EINVAL, 0 },
		{ "[1]", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ cJSON *o = cJSON_CreateObject();
		uint64_t v = 77;

		cJSON_AddItemToObject(o, "v", parse(cases[i].text));
		if (json_get_u64(o, "v", 0, UINT64_MAX, &v, NULL) != cases[i].r)
			fail_msg("%s", cases[i].text);
		assert_true(v == (cases[i].r ? 77 : cases[i].v));
	}
}

static void ranges_of_numbers(void **state)
{
	_cleanup_json_ cJSON *j = parse("{\"port\":70000,\"mtu\":\"1400\",\"neg\":-5}");
	struct err e = { 0 };
	uint64_t v = 0;

	(void)state;
	assert_int_equal(json_get_u64(j, "port", 1, 65535, &v, &e), -EINVAL);
	assert_string_equal(e.text, "port: 70000 is not within 1 to 65535");
	assert_int_equal(json_get_u64(j, "neg", 0, 9, &v, &e), -EINVAL);
	assert_string_equal(e.text, "neg: -5 is not within 0 to 9");
	assert_int_equal(json_get_u64(j, "mtu", 1400, 1400, &v, &e), 0);
	assert_int_equal(v, 1400);
}

static void signed_numbers(void **state)
{
	_cleanup_json_ cJSON *j = parse(
		"{\"min\":\"-9223372036854775808\",\"below\":\"-9223372036854775809\","
		"\"max\":\"9223372036854775807\",\"above\":\"9223372036854775808\",\"n\":-7}");
	int64_t v = 1;

	(void)state;
	assert_int_equal(json_get_i64(j, "below", &v, NULL), -EINVAL);
	assert_int_equal(json_get_i64(j, "above", &v, NULL), -EINVAL);
	assert_int_equal(v, 1);
	assert_int_equal(json_get_i64(j, "min", &v, NULL), 0);
	assert_true(v == INT64_MIN);
	assert_int_equal(json_get_i64(j, "max", &v, NULL), 0);
	assert_true(v == INT64_MAX);
	assert_int_equal(json_get_i64(j, "n", &v, NULL), 0);
	assert_int_equal(v, -7);
}

static void addresses_name_their_field(void **state)
{
	_cleanup_json_ cJSON *j =
		parse("{\"gw\":\"10.0.0.1\",\"bad\":\"10.0.0\",\"net\":\"10.0.0.0/24\","
		      "\"host\":\"10.0.0.1/24\",\"mac\":\"02:42:0a:00:00:02\"}");
	struct err e = { 0 };
	struct prefix p = { 0 };
	struct ip a = { 0 };
	struct mac m = { 0 };

	(void)state;
	assert_int_equal(json_get_ip(j, "gw", &a, &e), 0);
	assert_int_equal(a.b[0], 10);
	assert_int_equal(json_get_ip(j, "bad", &a, &e), -EINVAL);
	assert_string_equal(e.text, "bad: \"10.0.0\" is not an IP address");
	assert_int_equal(json_err_in(&e, "subnets[%d]", 0), -EINVAL);
	assert_string_equal(e.text, "subnets[0].bad: \"10.0.0\" is not an IP address");
	assert_int_equal(json_get_prefix(j, "net", &p, &e), 0);
	assert_int_equal(p.len, 24);
	assert_int_equal(json_get_prefix(j, "host", &p, &e), -EINVAL);
	assert_memory_equal(e.text, "host: ", 6);
	assert_int_equal(json_get_mac(j, "mac", &m, &e), 0);
	assert_int_equal(m.b[5], 2);
	assert_int_equal(json_get_mac(j, "gw", &m, &e), -EINVAL);
	assert_int_equal(json_get_mac(j, "absent", &m, &e), 0);
	assert_int_equal(json_err_in(NULL, "x"), 0);
	assert_int_equal(json_err_in(&(struct err){ 0 }, "x"), 0);
}

static void lists(void **state)
{
	_cleanup_json_ cJSON *j =
		parse("{\"l\":[\"a\",\"b\"],\"mixed\":[\"a\",1],\"o\":{\"k\":\"v\",\"k2\":\"v2\"},"
		      "\"bado\":{\"ok\":\"v\",\"k\":1},\"dup\":{\"k\":\"1\",\"k\":\"2\"}}");
	_cleanup_strv_ struct strv s = { 0 };
	_cleanup_kv_pairs_ struct kv_pairs p = { 0 };
	const cJSON *arr = NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(json_get_array(j, "l", 2, &arr, &e), 0);
	assert_non_null(arr);
	assert_int_equal(json_get_array(j, "l", 1, &arr, &e), -EINVAL);
	assert_string_equal(e.text, "l: more than 1 entries");
	assert_int_equal(json_get_array(j, "o", 9, &arr, &e), -EINVAL);
	assert_int_equal(json_get_object(j, "l", &arr, &e), -EINVAL);
	assert_int_equal(json_get_strv(j, "l", 2, 1, &s, &e), 0);
	assert_int_equal(json_get_strv(j, "mixed", 2, 1, &s, &e), -EINVAL);
	assert_string_equal(e.text, "mixed[1]: not a string");
	assert_int_equal(s.n, 2);
	assert_int_equal(json_get_pairs(j, "o", 2, 2, &p, &e), 0);
	assert_string_equal(kv_pairs_get(&p, "k2"), "v2");
	assert_int_equal(json_get_pairs(j, "o", 1, 2, &p, &e), -EINVAL);
	assert_int_equal(json_get_pairs(j, "o", 2, 1, &p, &e), -EINVAL);
	assert_int_equal(json_get_pairs(j, "bado", 2, 5, &p, &e), -EINVAL);
	assert_string_equal(e.text, "bado.k: not a string");
	assert_int_equal(p.n, 2);
	assert_int_equal(json_get_pairs(j, "dup", 2, 5, &p, &e), 0);
	assert_string_equal(kv_pairs_get(&p, "k"), "2");
}

static void writers(void **state)
{
	_cleanup_json_ cJSON *j = cJSON_CreateObject();
	_cleanup_strv_ struct strv s = { 0 };
	_cleanup_kv_pairs_ struct kv_pairs p = { 0 };
	_cleanup_free_ char *text = NULL;
	struct ip a;

	(void)state;
	strv_add(&s, "x");
	kv_pairs_set(&p, "k", "v");
	assert_int_equal(ip_parse("10.0.0.1", &a, NULL), 0);
	json_put_str(j, "s", "a\"b");
	json_put_str(j, "none", NULL);
	json_put_str_opt(j, "skipped", "");
	json_put_str_opt(j, "skipped", NULL);
	json_put_u64(j, "n", 999999999999999);
	json_put_u64(j, "big", UINT64_MAX);
	json_put_bool(j, "b", false);
	json_put_ip_opt(j, "ip", a);
	json_put_ip_opt(j, "skipped", (struct ip){ 0 });
	json_put_prefix_opt(j, "net", prefix_mask(a, 24));
	json_put_prefix_opt(j, "skipped", (struct prefix){ 0 });
	json_put_mac(j, "mac", mac_from_ip(a));
	json_put_strv(j, "l", &s);
	json_put_strv(j, "el", &(struct strv){ 0 });
	json_put_pairs(j, "o", &p);
	text = json_print(j);
	assert_string_equal(text,
			    "{\"s\":\"a\\\"b\",\"none\":null,\"n\":999999999999999,"
			    "\"big\":\"18446744073709551615\",\"b\":false,\"ip\":\"10.0.0.1\","
			    "\"net\":\"10.0.0.0/24\",\"mac\":\"02:42:0a:00:00:01\",\"l\":[\"x\"],"
			    "\"el\":[],\"o\":{\"k\":\"v\"}}");
}

static void numbers_survive_print_and_parse(void **state)
{
	static const uint64_t values[] = { 0,
					   1,
					   UINT32_MAX,
					   1000000000000000ULL,
					   9007199254740991ULL,
					   9007199254740993ULL,
					   UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		_cleanup_json_ cJSON *j = cJSON_CreateObject(), *back = NULL;
		_cleanup_free_ char *text = NULL;
		uint64_t v = 0;

		json_put_u64(j, "v", values[i]);
		text = json_print(j);
		back = parse(text);
		assert_int_equal(json_get_u64(back, "v", 0, UINT64_MAX, &v, NULL), 0);
		assert_true(v == values[i]);
	}
}

static void pretty_as_docker_prints(void **state)
{
	_cleanup_json_ cJSON *j =
		parse("[{\"Name\":\"demo\",\"Options\":{},\"l\":[],\"n\":[1,true]}]");
	_cleanup_free_ char *text = json_print_pretty(j);

	(void)state;
	assert_string_equal(text, "[\n"
				  "    {\n"
				  "        \"Name\": \"demo\",\n"
				  "        \"Options\": {},\n"
				  "        \"l\": [],\n"
				  "        \"n\": [\n"
				  "            1,\n"
				  "            true\n"
				  "        ]\n"
				  "    }\n"
				  "]");
}

static void removed_keys(void **state)
{
	static const char *const known[] = { "a", "c", "absent" };
	_cleanup_json_ cJSON *j = parse("{\"a\":1,\"b\":2,\"a\":3,\"A\":4,\"c\":{}}");
	_cleanup_free_ char *text = NULL;

	(void)state;
	json_remove_keys(j, known, ARRAY_SIZE(known));
	text = json_print(j);
	assert_string_equal(text, "{\"b\":2,\"A\":4}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_one_value),
		cmocka_unit_test(refuses_what_is_not_json),
		cmocka_unit_test(trailing_nul_and_unterminated_input),
		cmocka_unit_test(sizes_and_depth_are_limited),
		cmocka_unit_test(objects_only),
		cmocka_unit_test(strings),
		cmocka_unit_test(booleans),
		cmocka_unit_test(whole_numbers),
		cmocka_unit_test(ranges_of_numbers),
		cmocka_unit_test(signed_numbers),
		cmocka_unit_test(addresses_name_their_field),
		cmocka_unit_test(lists),
		cmocka_unit_test(writers),
		cmocka_unit_test(numbers_survive_print_and_parse),
		cmocka_unit_test(pretty_as_docker_prints),
		cmocka_unit_test(removed_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
