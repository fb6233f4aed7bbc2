/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/strv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static void adds_and_finds(void **state)
{
	_cleanup_strv_ struct strv s = { 0 }, copy = { 0 }, other = { 0 };
	char item[16];

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(item, sizeof(item), "%d", i);
		strv_add(&s, item);
	}
	assert_int_equal(s.n, 100);
	assert_string_equal(s.v[99], "99");
	assert_true(strv_has(&s, "42"));
	assert_false(strv_has(&s, "100"));
	strv_copy(&copy, &s);
	assert_true(strv_eq(&copy, &s));
	strv_add(&copy, "x");
	assert_false(strv_eq(&copy, &s));
	assert_true(strv_eq(&other, &(struct strv){ 0 }));
}

static void order_matters(void **state)
{
	_cleanup_strv_ struct strv a = { 0 }, b = { 0 };

	(void)state;
	strv_split(&a, "x,y", ',');
	strv_split(&b, "y,x", ',');
	assert_false(strv_eq(&a, &b));
}

static void split_leaves_out_empty_parts(void **state)
{
	_cleanup_strv_ struct strv s = { 0 };

	(void)state;
	strv_split(&s, ",a,,bc,", ',');
	assert_int_equal(s.n, 2);
	assert_string_equal(s.v[0], "a");
	assert_string_equal(s.v[1], "bc");
	strv_split(&s, "", ',');
	strv_split(&s, ",,", ',');
	assert_int_equal(s.n, 2);
	strv_split(&s, "d", ',');
	assert_int_equal(s.n, 3);
	strv_done(&s);
	assert_int_equal(s.n, 0);
}

static void pairs_replace_in_place(void **state)
{
	_cleanup_kv_pairs_ struct kv_pairs p = { 0 }, copy = { 0 };

	(void)state;
	assert_null(kv_pairs_get(&p, "mtu"));
	kv_pairs_set(&p, "mtu", "1400");
	kv_pairs_set(&p, "vni", "7");
	kv_pairs_set(&p, "MTU", "other");
	kv_pairs_set(&p, "mtu", "1500");
	assert_int_equal(p.n, 3);
	assert_string_equal(p.v[0].key, "mtu");
	assert_string_equal(kv_pairs_get(&p, "mtu"), "1500");
	assert_string_equal(kv_pairs_get(&p, "MTU"), "other");
	/* A value of its own may be given back. */
	kv_pairs_set(&p, "mtu", kv_pairs_get(&p, "mtu"));
	assert_string_equal(kv_pairs_get(&p, "mtu"), "1500");
	kv_pairs_copy(&copy, &p);
	assert_int_equal(copy.n, 3);
	assert_string_equal(kv_pairs_get(&copy, "vni"), "7");
	kv_pairs_done(&copy);
	kv_pairs_done(&copy);
	assert_null(kv_pairs_get(&copy, "vni"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adds_and_finds),
		cmocka_unit_test(order_matters),
		cmocka_unit_test(split_leaves_out_empty_parts),
		cmocka_unit_test(pairs_replace_in_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
