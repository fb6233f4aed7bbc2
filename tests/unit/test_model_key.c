/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/model.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"

#define P "/ovl/v1"
#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct id id_of(const char *text)
{
	struct id id;

	assert_int_equal(id_parse(text, &id), 0);
	return id;
}

static void expect(char *key, const char *text, enum model_kind kind)
{
	struct model_key k;

	assert_string_equal(key, text);
	assert_int_equal(model_key_parse(P, key, &k, NULL), 0);
	assert_int_equal(k.kind, kind);
	free(key);
}

static void test_make(void **state)
{
	struct id a = id_of(A64), b = id_of(B64);
	struct ip v6;

	(void)state;
	ip_parse("fd00::2", &v6, NULL);
	expect(model_key_cluster(P), P "/cluster", MODEL_CLUSTER);
	expect(model_key_node(P, a), P "/node/" A64, MODEL_NODE);
	expect(model_key_alive(P, a), P "/alive/" A64, MODEL_ALIVE);
	expect(model_key_network(P, a), P "/network/" A64, MODEL_NETWORK);
	expect(model_key_endpoint(P, a, b), P "/endpoint/" A64 "/" B64, MODEL_ENDPOINT);
	expect(model_key_address(P, a, ip_v4(0x0a000002)), P "/address/" A64 "/10.0.0.2",
	       MODEL_ADDRESS);
	expect(model_key_address(P, a, v6), P "/address/" A64 "/fd00::2", MODEL_ADDRESS);
}

static void test_parse(void **state)
{
	struct model_key k;

	(void)state;
	assert_int_equal(model_key_parse(P, P "/endpoint/" A64 "/" B64, &k, NULL), 0);
	assert_true(id_eq(k.network, id_of(A64)));
	assert_true(id_eq(k.id, id_of(B64)));
	assert_int_equal(model_key_parse(P, P "/address/" A64 "/10.0.0.7", &k, NULL), 0);
	assert_true(ip_eq(k.ip, ip_v4(0x0a000007)));
	assert_int_equal(model_key_parse(P, P "/something/new", &k, NULL), 0);
	assert_int_equal(k.kind, MODEL_UNKNOWN);
	assert_int_equal(model_key_parse(P, P "/nodes/" A64, &k, NULL), 0);
	assert_int_equal(k.kind, MODEL_UNKNOWN);
	assert_int_equal(model_key_parse(P, P "/", &k, NULL), 0);
	assert_int_equal(k.kind, MODEL_UNKNOWN);
}

static void test_malformed(void **state)
{
	static const char *const bad[] = {
		"/ovl/v2/cluster",
		"/ovl/v11/cluster",
		"",
		P,
		P "/cluster/x",
		P "/cluster/",
		P "/node",
		P "/node/",
		P "/node/xyz",
		P "/node/" A64 "/",
		P "/node/" A64 "a",
		P "/node/AAAAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		P "/endpoint/" A64,
		P "/endpoint/" A64 "/",
		P "/endpoint/" A64 "/x",
		P "/endpoint/" A64 "/" B64 "/x",
		P "/address/" A64 "/10.0.0.02",
		P "/address/" A64 "/10.0.0.2/24",
		P "/address/" A64 "/fd00:0::2",
		P "/address/" A64 "/FD00::2",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = { 0 };
		struct model_key k;

		if (model_key_parse(P, bad[i], &k, &e) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
		assert_non_null(strstr(e.text, bad[i]));
	}
}

/* One range holds what is mirrored, and nothing else. */
static void test_mirror_range(void **state)
{
	static const enum model_kind in[] = { MODEL_CLUSTER, MODEL_NODE,     MODEL_ALIVE,
					      MODEL_NETWORK, MODEL_ENDPOINT, MODEL_BINDING };
	static const enum model_kind out[] = { MODEL_ADDRESS, MODEL_POOL };
	_cleanup_free_ char *from = NULL, *to = NULL;

	(void)state;
	model_mirror_range(P, &from, &to);
	for (size_t i = 0; i < ARRAY_SIZE(in); i++) {
		_cleanup_free_ char *dir = model_key_dir(P, in[i], NULL);

		assert_true(strcmp(dir, from) >= 0 && strcmp(dir, to) < 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(out); i++) {
		_cleanup_free_ char *dir = model_key_dir(P, out[i], NULL);

		assert_false(strcmp(dir, from) >= 0 && strcmp(dir, to) < 0);
	}
}

static void test_dir(void **state)
{
	struct id a = id_of(A64);
	_cleanup_free_ char *all = model_key_dir(P, MODEL_ENDPOINT, NULL);
	_cleanup_free_ char *one = model_key_dir(P, MODEL_ADDRESS, &a);
	_cleanup_free_ char *root = model_key_dir(P, MODEL_UNKNOWN, NULL);

	(void)state;
	assert_string_equal(all, P "/endpoint/");
	assert_string_equal(one, P "/address/" A64 "/");
	assert_string_equal(root, P "/");
}

static void test_name(void **state)
{
	static const char *const good[] = { "a", "demo", "A.b-c_d", "0", "web.1" };
	static const char *const bad[] = { "", "-a", ".a", "_a", "a b", "a/b", "\xc3\xa4", "a\n" };
	char longest[MODEL_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(model_name_check("name", good[i], NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = { 0 };

		assert_int_equal(model_name_check("network name", bad[i], &e), -EINVAL);
		assert_ptr_equal(strstr(e.text, "network name: "), e.text);
	}
	memset(longest, 'x', sizeof(longest));
	longest[MODEL_NAME_MAX] = '\0';
	assert_int_equal(model_name_check("name", longest, NULL), 0);
	longest[MODEL_NAME_MAX] = 'x';
	longest[MODEL_NAME_MAX + 1] = '\0';
	assert_int_equal(model_name_check("name", longest, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_make),	  cmocka_unit_test(test_parse),
		cmocka_unit_test(test_malformed), cmocka_unit_test(test_mirror_range),
		cmocka_unit_test(test_dir),	  cmocka_unit_test(test_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
