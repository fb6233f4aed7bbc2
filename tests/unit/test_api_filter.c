/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/api/filter.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const char *const known[] = { "name", "label", "id", NULL };

static void test_match(void **state)
{
	_cleanup_filter_ struct filter f = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(filter_parse("{\"name\":[\"de\",\"x\"],\"id\":{\"ab\":true,\"cd\":false}}",
				      known, &f, &e),
			 0);
	assert_true(filter_part(&f, "name", "demo"));
	assert_false(filter_part(&f, "name", "other"));
	assert_false(filter_part(&f, "name", NULL));
	assert_true(filter_exact(&f, "name", "de"));
	assert_false(filter_exact(&f, "name", "demo"));
	assert_true(filter_prefix(&f, "id", "abc"));
	assert_false(filter_prefix(&f, "id", "cde"));
	assert_true(filter_exact(&f, "absent", NULL));
}

static void test_none(void **state)
{
	static const char *const texts[] = { NULL, "", "{}", "{\"name\":[]}", "{\"name\":{}}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_filter_ struct filter f = { 0 };

		assert_int_equal(filter_parse(texts[i], known, &f, NULL), 0);
		assert_true(filter_part(&f, "name", "x"));
		assert_true(filter_exact(&f, "name", "x"));
		assert_true(filter_prefix(&f, "name", NULL));
	}
}

static void test_labels(void **state)
{
	_cleanup_kv_pairs_ struct kv_pairs labels = { 0 };
	const struct {
		const char *text;
		bool fits;
	} cases[] = {
		{ "{\"label\":[\"a\"]}", true },	  { "{\"label\":[\"a=1\"]}", true },
		{ "{\"label\":[\"a=2\"]}", false },	  { "{\"label\":[\"a=1\",\"b\"]}", true },
		{ "{\"label\":[\"a=1\",\"c\"]}", false }, { "{\"label\":[\"b=\"]}", true },
	};

	(void)state;
	kv_pairs_set(&labels, "a", "1");
	kv_pairs_set(&labels, "b", "");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_filter_ struct filter f = { 0 };

		assert_int_equal(filter_parse(cases[i].text, known, &f, NULL), 0);
		assert_int_equal(filter_labels(&f, &labels), cases[i].fits);
	}
}

static void test_bad(void **state)
{
	static const char *const texts[] = {
		"[]",
		"{",
		"{\"color\":[\"red\"]}",
		"{\"name\":\"x\"}",
		"{\"name\":[1]}",
		"{\"name\":{\"x\":1}}",
		"{\"name\":[\"a\"],\"name\":[\"b\"]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct filter f;
		struct err e = { 0 };

		assert_int_equal(filter_parse(texts[i], known, &f, &e), -EINVAL);
		assert_int_equal(strncmp(e.text, "filters: ", 9), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
