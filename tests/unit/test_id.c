/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/id.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#define TEXT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void text_and_back(void **state)
{
	char full[ID_TEXT_MAX], brief[ID_SHORT_MAX];
	struct id id;

	(void)state;
	assert_int_equal(id_parse(TEXT, &id), 0);
	assert_string_equal(id_format(id, full), TEXT);
	assert_string_equal(id_short(id, brief), "0123456789ab");
	assert_int_equal(id.b[1], 0x23);
	assert_int_equal(id_parse_n(TEXT "garbage", ID_TEXT_LEN, &id), 0);
}

static void malformed(void **state)
{
	struct id id = { .b = { 1 } };
	const struct id before = id;
	char text[] = TEXT;

	(void)state;
	assert_int_equal(id_parse("", &id), -EINVAL);
	assert_int_equal(id_parse(TEXT "0", &id), -EINVAL);
	assert_int_equal(id_parse_n(TEXT, ID_TEXT_LEN - 1, &id), -EINVAL);
	text[63] = 'g';
	assert_int_equal(id_parse(text, &id), -EINVAL);
	text[63] = 'F'; /* one text per id: no upper case */
	assert_int_equal(id_parse(text, &id), -EINVAL);
	assert_true(id_eq(id, before));
}

static void random_ones_differ(void **state)
{
	struct id a = id_random(), b = id_random();

	(void)state;
	assert_false(id_eq(a, b));
	assert_false(id_is_zero(a));
	assert_true(id_is_zero((struct id){ 0 }));
	assert_int_equal(id_cmp(a, b) < 0, id_cmp(b, a) > 0);
}

static void prefixes(void **state)
{
	struct id id;

	(void)state;
	assert_int_equal(id_parse(TEXT, &id), 0);
	assert_true(id_has_prefix(id, "0"));
	assert_true(id_has_prefix(id, "012"));
	assert_true(id_has_prefix(id, TEXT));
	assert_false(id_has_prefix(id, ""));
	assert_false(id_has_prefix(id, "1"));
	assert_false(id_has_prefix(id, TEXT "0"));
	assert_false(id_has_prefix(id, "0123456789AB"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_back),
		cmocka_unit_test(malformed),
		cmocka_unit_test(random_ones_differ),
		cmocka_unit_test(prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
