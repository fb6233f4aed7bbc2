/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The records of Docker's way in pieces: pools, bindings, reserved addresses. */
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
#define A16 "aaaaaaaaaaaaaaaa"
#define A64 A16 A16 A16 A16
#define C16 "cccccccccccccccc"
#define C64 C16 C16 C16 C16
#define POOL_KEY P "/pool/" A64
#define BINDING_KEY P "/binding/" A64 "/" C64
#define ADDRESS_KEY P "/address/" A64 "/10.0.0.2"

static void test_pool(void **state)
{
	static const char full[] = "{\"subnet\":\"10.0.3.0/24\",\"ip-range\":\"10.0.3.128/25\","
				   "\"node\":\"" C64 "\",\"created\":\"2026-11-21T09:30:00Z\","
				   "\"later\":{\"a\":[1]}}";
	static const char least[] = "{\"subnet\":\"fd00:1::/64\",\"node\":\"" C64 "\"}";
	struct model_pool *p = NULL, *copy;
	char text[PREFIX_TEXT_MAX];
	char *again, *key;

	(void)state;
	assert_int_equal(model_pool_decode(P, POOL_KEY, full, strlen(full), &p, NULL), 0);
	assert_string_equal(prefix_format(p->subnet, text), "10.0.3.0/24");
	assert_string_equal(prefix_format(p->range, text), "10.0.3.128/25");
	assert_string_equal(p->created, "2026-11-21T09:30:00Z");
	assert_int_equal(p->node.b[0], 0xcc);
	key = model_key_pool(P, p->id);
	assert_string_equal(key, POOL_KEY);
	free(key);
	copy = model_pool_dup(p);
	model_pool_free(p);
	again = model_pool_encode(copy);
	assert_string_equal(again, full);
	free(again);
	model_pool_free(copy);
	assert_int_equal(model_pool_decode(P, POOL_KEY, least, strlen(least), &p, NULL), 0);
	assert_false(prefix_is_set(p->range));
	assert_null(p->created);
	again = model_pool_encode(p);
	assert_string_equal(again, least);
	free(again);
	model_pool_free(p);
	model_pool_free(NULL);
}

static void test_pool_bad(void **state)
{
	static const struct {
		const char *value, *err;
	} cases[] = {
		{ "{\"node\":\"" C64 "\"}", "subnet: missing" },
		{ "{\"subnet\":\"10.0.3.1/24\",\"node\":\"" C64 "\"}", "subnet: " },
		{ "{\"subnet\":\"224.0.0.0/24\",\"node\":\"" C64 "\"}",
		  "subnet: 224.0.0.0/24 is not for hosts" },
		{ "{\"subnet\":\"10.0.3.0/24\",\"ip-range\":\"10.0.4.0/25\",\"node\":\"" C64 "\"}",
		  "ip-range: 10.0.4.0/25 is not within the subnet" },
		{ "{\"subnet\":\"10.0.3.0/24\"}", "node: " },
		{ "{\"subnet\":\"10.0.3.0/24\",\"node\":\"cc\"}", "node: " },
		{ "{\"subnet\":\"10.0.3.0/24\",\"node\":\"" C64 "\",\"created\":7}", "created: " },
		{ "[]", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct model_pool *p = NULL;
		struct err e = { 0 };

		assert_int_equal(model_pool_decode(P, POOL_KEY, cases[i].value,
						   strlen(cases[i].value), &p, &e),
				 -EINVAL);
		assert_null(p);
		if (!strstr(e.text, cases[i].err) || strncmp(e.text, POOL_KEY ": ", 75) != 0)
			fail_msg("%s: %s", cases[i].value, e.text);
	}
}

static void test_binding(void **state)
{
	static const char full[] = "{\"docker\":\"" A64 "\",\"left\":true}";
	struct model_binding *b = NULL;
	char *again, *key;

	(void)state;
	assert_int_equal(model_binding_decode(P, BINDING_KEY, full, strlen(full), &b, NULL), 0);
	assert_int_equal(b->network.b[0], 0xaa);
	assert_int_equal(b->node.b[0], 0xcc);
	assert_string_equal(b->docker, A64);
	key = model_key_binding(P, b->network, b->node);
	assert_string_equal(key, BINDING_KEY);
	free(key);
	again = model_binding_encode(b);
	assert_string_equal(again, full);
	free(again);
	model_binding_free(b);
	model_binding_free(NULL);
}

static void test_binding_bad(void **state)
{
	static const char *const bad[] = {
		"{}", "{\"docker\":\"\"}", "{\"docker\":7}", "{\"docker\":\"" A64 "a\"}", "fish",
	};
	struct model_binding *b = NULL;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_not_equal(
			model_binding_decode(P, BINDING_KEY, bad[i], strlen(bad[i]), &b, &e), 0);
		assert_null(b);
	}
	assert_int_equal(model_binding_decode(P, POOL_KEY, "{\"docker\":\"a\"}", 14, &b, &e),
			 -EINVAL);
}

static void test_reserved_since(void **state)
{
	static const char text[] = "{\"state\":\"reserved\",\"node\":\"" C64
				   "\",\"created\":\"2026-11-21T09:30:00Z\"}";
	struct model_address *a = NULL;
	char *again;

	(void)state;
	assert_int_equal(model_address_decode(P, ADDRESS_KEY, text, strlen(text), &a, NULL), 0);
	assert_int_equal(a->state, MODEL_ADDRESS_RESERVED);
	assert_true(id_is_zero(a->endpoint));
	assert_string_equal(a->created, "2026-11-21T09:30:00Z");
	again = model_address_encode(a);
	assert_string_equal(again, text);
	free(again);
	model_address_free(a);
	model_address_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool),	       cmocka_unit_test(test_pool_bad),
		cmocka_unit_test(test_binding),	       cmocka_unit_test(test_binding_bad),
		cmocka_unit_test(test_reserved_since),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
