/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/route.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const struct api_route first[] = {
	{ "GET", "/networks", API_BODY_NONE, NULL },
	{ "POST", "/networks/create", API_BODY_REQUIRED, NULL },
	{ "POST", "/networks/{id}", API_BODY_NONE, NULL },
	{ "GET", "/networks/{id}", API_BODY_NONE, NULL },
};
static const struct api_route second[] = {
	{ "POST", "/networks/{id}/connect/{other}", API_BODY_NONE, NULL },
};
static const struct api_table tables[] = {
	{ first, ARRAY_SIZE(first) },
	{ second, ARRAY_SIZE(second) },
};

static int find(const char *method, const char *path, const struct api_route **ret,
		struct kv_pairs *params)
{
	return api_route_find(tables, ARRAY_SIZE(tables), method, path, ret, params);
}

static void expect(const char *method, const char *path, const struct api_route *want)
{
	_cleanup_kv_pairs_ struct kv_pairs params = { 0 };
	const struct api_route *r = NULL;

	assert_int_equal(find(method, path, &r, &params), 0);
	assert_ptr_equal(r, want);
}

static void expect_not(const char *method, const char *path, int code)
{
	_cleanup_kv_pairs_ struct kv_pairs params = { 0 };
	const struct api_route *r = NULL;

	assert_int_equal(find(method, path, &r, &params), code);
	assert_null(r);
	assert_int_equal(params.n, 0);
}

static void test_found(void **state)
{
	(void)state;
	expect("GET", "/networks", &first[0]);
	expect("HEAD", "/networks", &first[0]);
	expect("POST", "/networks/create", &first[1]);
	expect("POST", "/networks/other", &first[2]);
	expect("GET", "/networks/create", &first[3]);
}

static void test_params(void **state)
{
	_cleanup_kv_pairs_ struct kv_pairs params = { 0 };
	const struct api_route *r;

	(void)state;
	assert_int_equal(find("POST", "/networks/demo/connect/x%20y%2fz", &r, &params), 0);
	assert_ptr_equal(r, &second[0]);
	assert_string_equal(kv_pairs_get(&params, "id"), "demo");
	assert_string_equal(kv_pairs_get(&params, "other"), "x y/z");
}

static void test_not_found(void **state)
{
	(void)state;
	expect_not("GET", "", -ENOENT);
	expect_not("GET", "/", -ENOENT);
	expect_not("GET", "*", -ENOENT);
	expect_not("GET", "networks", -ENOENT);
	expect_not("GET", "/networks/", -ENOENT);
	expect_not("GET", "//networks", -ENOENT);
	expect_not("GET", "/networks/a/b", -ENOENT);
	expect_not("GET", "/network", -ENOENT);
	expect_not("GET", "/networksx", -ENOENT);
	expect_not("POST", "/networks//connect/x", -ENOENT);
	expect_not("GET", "/1/2/3/4/5/6/7/8/9/10/11", -ENOENT);
}

static void test_method(void **state)
{
	(void)state;
	expect_not("DELETE", "/networks", -ENOTSUP);
	expect_not("get", "/networks", -ENOTSUP);
	expect_not("GET", "/networks/a/connect/b", -ENOTSUP);
}

static void test_escapes(void **state)
{
	(void)state;
	expect_not("GET", "/networks/a%", -EINVAL);
	expect_not("GET", "/networks/a%4", -EINVAL);
	expect_not("GET", "/networks/a%4x", -EINVAL);
	expect_not("GET", "/networks/a%00b", -EINVAL);
	expect("GET", "/networks/%41", &first[3]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),	  cmocka_unit_test(test_params),
		cmocka_unit_test(test_not_found), cmocka_unit_test(test_method),
		cmocka_unit_test(test_escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
