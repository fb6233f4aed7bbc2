/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static void set_replaces(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(err_set(&e, -EINVAL, "bad %s", "mtu"), -EINVAL);
	assert_int_equal(err_set(&e, -ENOENT, "no network \"%s\"", "demo"), -ENOENT);
	assert_int_equal(e.code, -ENOENT);
	assert_string_equal(err_text(&e), "no network \"demo\"");
}

static void null_is_allowed(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, -EINVAL, "x"), -EINVAL);
	assert_int_equal(err_add(NULL, -EEXIST, "x"), -EEXIST);
	assert_int_equal(err_prefix(NULL, "x"), 0);
	assert_non_null(err_text(NULL));
}

static void add_gathers_and_keeps_the_first_code(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(err_add(&e, -EINVAL, "gateway outside"), -EINVAL);
	assert_int_equal(err_add(&e, -EEXIST, "name %s taken", "demo"), -EINVAL);
	assert_string_equal(e.text, "gateway outside; name demo taken");
}

static void prefix_goes_in_front(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(err_prefix(&e, "ctx"), 0);
	assert_string_equal(e.text, "");
	err_set(&e, -EIO, "read failed");
	assert_int_equal(err_prefix(&e, "key %d", 5), -EIO);
	assert_string_equal(e.text, "key 5: read failed");
}

static void prefix_of_a_bare_code(void **state)
{
	struct err e = { .code = -ENOENT };

	(void)state;
	assert_string_equal(err_text(&e), strerror(ENOENT));
	err_prefix(&e, "open");
	assert_string_equal(e.text, "open: No such file or directory");
	e = (struct err){ .code = -99999 };
	assert_non_null(err_text(&e));
}

static void own_text_may_be_an_argument(void **state)
{
	struct err e = { 0 };

	(void)state;
	err_set(&e, -EIO, "inner");
	err_set(&e, e.code, "outer: %s", err_text(&e));
	assert_string_equal(e.text, "outer: inner");
	err_add(&e, -EINVAL, "%s", err_text(&e));
	assert_string_equal(e.text, "outer: inner; outer: inner");
}

static void long_texts_are_cut_not_overrun(void **state)
{
	char big[ERR_TEXT_MAX * 2];
	struct err e = { 0 };

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(&e, -EIO, "%s", big);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	err_add(&e, -EIO, "%s", big);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	err_prefix(&e, "%s", big);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	/* One byte free: not even the separator fits. */
	memset(e.text, 'y', ERR_TEXT_MAX);
	e.text[ERR_TEXT_MAX - 2] = '\0';
	err_add(&e, -EIO, "more");
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	err_prefix(&e, "ctx");
	assert_memory_equal(e.text, "ctx: yyy", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_replaces),
		cmocka_unit_test(null_is_allowed),
		cmocka_unit_test(add_gathers_and_keeps_the_first_code),
		cmocka_unit_test(prefix_goes_in_front),
		cmocka_unit_test(prefix_of_a_bare_code),
		cmocka_unit_test(own_text_may_be_an_argument),
		cmocka_unit_test(long_texts_are_cut_not_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
