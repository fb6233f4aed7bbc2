/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static void empty_is_a_string(void **state)
{
	_cleanup_buf_ struct buf b;
	_cleanup_free_ char *s = NULL;

	(void)state;
	buf_init(&b, 10);
	assert_string_equal(b.data, "");
	buf_reset(&b);
	buf_drop(&b, 5);
	assert_int_equal(buf_append(&b, NULL, 0), 0);
	s = buf_take(&b);
	assert_string_equal(s, "");
}

static void grows_and_stays_terminated(void **state)
{
	_cleanup_buf_ struct buf b;

	(void)state;
	buf_init(&b, 10000);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(buf_printf(&b, "%03d ", i), 0);
		assert_int_equal(b.data[b.len], '\0');
	}
	assert_int_equal(b.len, 4000);
	assert_memory_equal(b.data + 3996, "999 ", 5);
}

static void maximum_is_exact(void **state)
{
	_cleanup_buf_ struct buf b;

	(void)state;
	buf_init(&b, 5);
	assert_int_equal(buf_puts(&b, "12345"), 0);
	assert_int_equal(buf_puts(&b, "6"), -EMSGSIZE);
	assert_int_equal(buf_printf(&b, "%d", 6), -EMSGSIZE);
	assert_int_equal(buf_append(&b, "x", SIZE_MAX), -EMSGSIZE);
	assert_string_equal(b.data, "12345");
	buf_drop(&b, 1);
	assert_int_equal(buf_puts(&b, "6"), 0);
	assert_string_equal(b.data, "23456");
}

static void drop_from_the_front(void **state)
{
	_cleanup_buf_ struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_append(&b, "ab\0cd", 5);
	buf_drop(&b, 0);
	assert_int_equal(b.len, 5);
	buf_drop(&b, 3);
	assert_string_equal(b.data, "cd");
	buf_drop(&b, 99);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
}

static void take_and_use_again(void **state)
{
	_cleanup_buf_ struct buf b;
	_cleanup_free_ char *s = NULL;

	(void)state;
	buf_init(&b, 100);
	buf_puts(&b, "first");
	s = buf_take(&b);
	assert_string_equal(s, "first");
	assert_int_equal(b.len, 0);
	buf_puts(&b, "second");
	assert_string_equal(b.data, "second");
	assert_string_equal(s, "first");
	buf_reset(&b);
	assert_string_equal(b.data, "");
	buf_done(&b);
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_is_a_string),  cmocka_unit_test(grows_and_stays_terminated),
		cmocka_unit_test(maximum_is_exact),   cmocka_unit_test(drop_from_the_front),
		cmocka_unit_test(take_and_use_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
